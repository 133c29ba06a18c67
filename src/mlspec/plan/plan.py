"""A plan: one environment of a project with nothing left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.location import Mark
from mlspec.plan.node import Node, Reads


class Plan:
    """One environment, resolved.

    ``tree`` has the paths of the spec, but one form for everything that has several, and every default written out. Views read it
    through nodes, so that it is known which leaves went into what was made.
    """

    __slots__ = ("approvals", "cluster", "environment", "environments", "live", "mark", "namespace", "output", "pins", "project", "reads", "spec_file", "team", "tree")

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
        self.project: str = tree["name"]
        self.team: str = tree["owner"]["team"]
        self.environment = environment
        self.environments = environments
        """Every environment of the project with its namespace, cluster, approvals and after, in promotion order."""
        here = environments[environment]
        self.namespace: str = here["namespace"]
        self.cluster: str = here["cluster"]
        self.approvals: int = here["approvals"]
        self.output = output
        """``root`` and ``layout``."""
        self.spec_file = spec_file
        """The spec's path from the root of the repository."""
        self.live = live
        """By endpoint, what the lock says of it in this environment: ``version``, ``uri``, ``step``."""
        self.pins = pins
        self.reads = Reads()

    @property
    def node(self) -> Node:
        """The whole tree, for reading."""
        return Node(self.tree, (), self.reads)

    @property
    def folder(self) -> str:
        """The folder of this environment's files, from the root of the repository."""
        return f"{self.output['root']}/{self.project}/{self.environment}"

    def watched(self) -> Plan:
        """Return this plan with no reads noted yet."""
        twin = object.__new__(Plan)
        for name in Plan.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.reads = Reads()
        return twin
