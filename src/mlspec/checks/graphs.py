"""Graphs of endpoints: their members, shares, conditions and cycles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path

KINDS = ("sequence", "ensemble", "switch", "split")
FIELDS = frozenset({"graph", "replicas", "autoscale", "resources", "place", "expose", "access", "description", "in", "notIn"})
"""What an endpoint with a graph may have: the router takes these, and has no model, image or log of its own."""
ROUTER_METRICS = ("cpu", "memory")
_CONDITION = re.compile(
    r"""\s*[A-Za-z_][A-Za-z0-9_-]*(?:\.(?:[A-Za-z_][A-Za-z0-9_-]*|[0-9]{1,9}))*\s*(?:==|!=|<=|>=|<|>)\s*(?:-?[0-9]{1,15}(?:\.[0-9]{1,15})?|true|false|"[^"\\\r\n]*"|'[^'\\\r\n]*')\s*"""
)


class Member(NamedTuple):
    """One member of a graph: where it stands, the serving name, its condition, and the kind of graph around it."""

    path: Path
    name: str
    condition: str | None
    kind: str
    on_key: bool
    last: bool


def graphs(subject: Subject) -> Iterator[tuple[str, Path, Any]]:
    """Yield every graph, nested ones too, with the endpoint it belongs to and its path."""
    for endpoint, body in subject.serving.items():
        if "graph" not in body:
            continue
        left: list[tuple[Path, Any]] = [(("serving", endpoint, "graph"), body["graph"])]
        while left:
            path, graph = left.pop()
            yield endpoint, path, graph
            for kind in ("sequence", "ensemble", "switch"):
                for at, member in enumerate(graph.get(kind, ())):
                    if isinstance(member, dict) and any(key in KINDS for key in member):
                        left.append(((*path, kind, at), member))


def members(path: Path, graph: Any) -> Iterator[Member]:
    """Yield the named members of one graph, without those of nested ones."""
    for kind in KINDS:
        items = graph.get(kind, ())
        if isinstance(items, dict):
            for name in items:
                yield Member((*path, kind, name), name, None, kind, True, False)
            continue
        for at, member in enumerate(items):
            where: Path = (*path, kind, at)
            last = at == len(items) - 1
            if isinstance(member, str):
                yield Member(where, member, None, kind, False, last)
            elif not any(key in KINDS for key in member):
                name = next(iter(member))
                yield Member((*where, name), name, member[name]["when"], kind, True, last)


@code("MLS-E264", "graph-kind")
def graph_kind(subject: Subject) -> Iterator[Found]:
    """A graph is exactly one of sequence, ensemble, switch and split; another kind is nested as a member.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
        serving:
          a: {model: a}
          both: {graph: {sequence: [a], ensemble: [a]}}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          both: {graph: {sequence: [a, {ensemble: [a, b]}]}}
    """
    for endpoint, path, graph in graphs(subject):
        kinds = [kind for kind in graph if kind in KINDS]
        if not kinds:
            yield Found(path, f"the graph of `{endpoint}` is empty, expected one of {', '.join(KINDS)}", "add one of them", on="key")
        elif len(kinds) > 1:
            related = (((*path, kinds[0]), f"{kinds[0]} stands here"),)
            yield Found(
                (*path, kinds[1]),
                f"the graph of `{endpoint}` is {' and '.join(kinds)} at once, expected one of them",
                "nest one in the other",
                on="key",
                related=related,
            )


@code("MLS-E265", "graph-shares")
def graph_shares(subject: Subject) -> Iterator[Found]:
    """The shares of a graph's split are 100 together, for it has no rest that could stay elsewhere.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {split: {a: 80, b: 10}}}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {split: {a: 80, b: 20}}}
    """
    for endpoint, path, graph in graphs(subject):
        shares = graph.get("split")
        if shares and sum(shares.values()) != 100:
            *others, last = shares
            yield Found(
                (*path, "split", last),
                f"the shares in the graph of `{endpoint}` are {sum(shares.values())} together, expected 100",
                f"write {100 - sum(shares[o] for o in others)}, or change the others"
                if sum(shares[o] for o in others) < 100
                else "lower the others",
                related=tuple(((*path, "split", other), str(shares[other])) for other in others),
            )


@code("MLS-E266", "graph-condition")
def graph_condition(subject: Subject) -> Iterator[Found]:
    """A condition is `field op literal`: a dotted field of the request, one of == != < <= > >=, and a number, text or boolean.

    Text stands in quotes. There is no logic beyond that; what needs more is a model of its own.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {sequence: [a, {b: {when: count is many}}]}}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {sequence: [a, {b: {when: count > 0}}]}}
    """
    for _, path, graph in graphs(subject):
        for member in members(path, graph):
            if member.condition is not None and not _CONDITION.fullmatch(member.condition):
                yield Found(
                    (*member.path, "when"),
                    f'the condition "{member.condition[:60]}" is not FIELD OP LITERAL',
                    "write it like count > 0, or plan == 'pro'",
                )


@code("MLS-E267", "condition-without-effect")
def condition_without_effect(subject: Subject) -> Iterator[Found]:
    """Conditions choose in a switch and skip in a sequence; in an ensemble all members are called.

    In a switch the first member whose condition holds is called, so one without a condition stands last: what comes after it
    is never reached.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {switch: [a, {b: {when: count > 0}}]}}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}, b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}
        serving:
          a: {model: a}
          b: {model: b}
          ab: {graph: {switch: [{b: {when: count > 0}}, a]}}
    """
    for endpoint, path, graph in graphs(subject):
        for member in members(path, graph):
            if member.kind == "ensemble" and member.condition is not None:
                yield Found(
                    (*member.path, "when"),
                    f"the ensemble of `{endpoint}` calls all its members, so a condition has no effect",
                    "use a switch, or remove the condition",
                    on="key",
                )
            elif member.kind == "switch" and member.condition is None and not member.last:
                yield Found(
                    member.path,
                    f"`{member.name}` has no condition, so what comes after it in the switch is never reached",
                    "move it to the end, or add `when`",
                )


@code("MLS-E268", "field-of-a-graph")
def field_of_a_graph(subject: Subject) -> Iterator[Found]:
    """An endpoint with a graph is a router: fields that speak of a model's server belong to its members.

    A router takes replicas, autoscale (cpu or memory), resources, place, expose and access.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
        serving:
          a: {model: a}
          all: {graph: {sequence: [a]}, runtime: triton}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
        serving:
          a: {model: a, runtime: mlserver}
          all: {graph: {sequence: [a]}}
    """
    for name, endpoint in subject.serving.items():
        if "graph" not in endpoint or "model" in endpoint:
            continue
        path: Path = ("serving", name)
        for field in endpoint:
            if field not in FIELDS:
                yield Found(
                    (*path, field),
                    f"`{field}` has no meaning for `{name}`, which is a graph",
                    "move it to the members of the graph",
                    on="key",
                )
        metric = endpoint.get("autoscale", {}).get("metric", "cpu")
        if metric not in ROUTER_METRICS:
            yield Found(
                (*path, "autoscale", "metric"),
                f"`{name}` is a graph, and its router cannot scale on {metric}",
                f"write {' or '.join(ROUTER_METRICS)}",
            )


@code("MLS-E451", "graph-cycle")
def graph_cycle(subject: Subject) -> Iterator[Found]:
    """Graphs call each other in one direction; a request in a circle would never be answered.

    Bad::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
        serving:
          a: {model: a}
          one: {graph: {sequence: [a, two]}}
          two: {graph: {sequence: [one]}}

    Good::

        models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
        serving:
          a: {model: a}
          one: {graph: {sequence: [a, two]}}
          two: {graph: {sequence: [a]}}
    """
    calls: dict[str, dict[str, Path]] = {}
    for endpoint, path, graph in graphs(subject):
        for member in members(path, graph):
            calls.setdefault(endpoint, {}).setdefault(member.name, member.path)
    for cycle in cycles(calls):
        edges = [calls[a][b] for a, b in pairwise(cycle)]
        yield Found(
            edges[0],
            f"graphs call each other in a circle: {' → '.join(cycle)}",
            "remove one of these calls",
            related=tuple((edge, "and from here on") for edge in edges[1:]),
        )


def cycles(edges: dict[str, dict[str, Path]]) -> Iterator[list[str]]:
    """Yield one cycle for each knot of a graph, first name repeated at its end. Works without recursion."""
    done: set[str] = set()
    for start, first in edges.items():
        if start in done:
            continue
        trail: list[str] = [start]
        place = {start: 0}
        branches = [iter(first)]
        while branches:
            below = next(branches[-1], None)
            if below is None:
                branches.pop()
                gone = trail.pop()
                done.add(gone)
                del place[gone]
            elif below in place:
                yield [*trail[place[below] :], below]
            elif below not in done and below in edges:
                place[below] = len(trail)
                trail.append(below)
                branches.append(iter(edges[below]))


CHECKS = (graph_kind, graph_shares, graph_condition, condition_without_effect, field_of_a_graph, graph_cycle)
PROJECT_CHECKS = ()
