"""A plan: one environment of a project with nothing left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from mlspec.location import Mark
from mlspec.plan.node import Node, Reads

Function = TypeVar("Function", bound=Callable[..., Any])


class Plan:
    """One environment, resolved.

    ``tree`` has the paths of the spec, but one form for everything that has several, and every default written out. Views read it
    through nodes, so that it is known which leaves went into what was made.
    """

    __slots__ = ("_node", "environment", "environments", "live", "mark", "memory", "output", "pins", "reads", "spec_file", "tree")

    def __init__(
        self,
        tree: Mapping[str, Any],
        mark: Mark,
        *,
        environment: str,
        environments: Mapping[str, Mapping[str, Any]],
        output: Mapping[str, str],
        spec_file: str,
        live: Mapping[str, Mapping[str, str]],
        pins: Mapping[str, str],
    ) -> None:
        self.tree, self.mark = tree, mark
        self.environment = environment
        self.environments = environments
        """Every environment of the project with its namespace, cluster, approvals and after, in promotion order."""
        self.output = output
        """``root`` and ``layout``."""
        self.spec_file = spec_file
        """The spec's path from the root of the repository."""
        self.live = live
        """By endpoint, what the lock says of it in this environment: ``version``, ``uri``, ``step``."""
        self.pins = pins
        self.memory: dict[Any, Any] = {}
        """What functions of this plan have answered (see ``remembered``)."""
        self.reads = Reads()
        self._node = Node(tree, (), self.reads)

    @property
    def node(self) -> Node:
        """The whole tree, for reading."""
        return self._node

    def _here(self, key: str) -> Any:
        self.reads.add(("environments", self.environment, key) if "environments" in self.tree else ("name",))
        return self.environments[self.environment][key]

    @property
    def project(self) -> str:
        """The project's name."""
        name: str = self.node.name
        return name

    @property
    def team(self) -> str:
        """The owning team."""
        team: str = self.node.owner.team
        return team

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        namespace: str = self._here("namespace")
        return namespace

    @property
    def cluster(self) -> str:
        """The environment's cluster: a URL, or a name that the GitOps system knows."""
        cluster: str = self._here("cluster")
        return cluster

    @property
    def approvals(self) -> int:
        """How many people approve a change of the environment."""
        approvals: int = self._here("approvals")
        return approvals

    @property
    def folder(self) -> str:
        """The folder of this environment's files, from the root of the repository."""
        return f"{self.output['root']}/{self.project}/{self.environment}"

    def watched(self) -> Plan:
        """Return this plan with no reads noted yet."""
        twin = object.__new__(Plan)
        for name in Plan.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.memory = {}
        twin.reads = Reads()
        twin._node = Node(twin.tree, (), twin.reads)
        return twin


def remembered(function: Function) -> Function:
    """Let a function of a plan and some texts work out its answer once a plan; nobody may change what it gives.

    While it is noted which reads belong to which part, it works it out anew.
    """

    @wraps(function)
    def asked(plan: Plan, *given: Any) -> Any:
        if plan.reads.apart:
            return function(plan, *given)
        key = (function, given)
        try:
            return plan.memory[key]
        except KeyError:
            found = plan.memory[key] = function(plan, *given)
            return found

    return cast("Function", asked)
