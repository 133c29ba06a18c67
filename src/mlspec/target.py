"""What a target is: views over a plan, the templates they fill, and what the platform cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from mlspec.diagnostics import Finding
from mlspec.location import Path
from mlspec.plan.node import Reads
from mlspec.plan.plan import Plan


class View:
    """The names that one template sees: the public properties of a subclass, each with its type.

    A property is computed when a template asks for it, so that what it reads of the plan is known to have gone into what was
    made (see ``watch``). It reads no files, asks no clock and does not test which target it is.
    """


class Rendering(NamedTuple):
    """One template to fill: which, with what, and into which file."""

    template: str
    view: View
    file: str
    """The file from the root of the repository; several renderings may share one, in the order in which they are given."""


class Target(NamedTuple):
    """One system that manifests are written for."""

    name: str
    platform: tuple[str, str] | None
    """The key and word of ``platform`` that choose it; None for a target that every project has."""
    section: str
    """The section of a spec that it deploys; empty for a target that only documents or delivers."""
    render: Callable[[Plan], Iterable[Rendering]]
    """What it makes for one environment."""
    check: Callable[[Plan], Iterable[Finding]]
    """What it cannot do of a plan: rules of the system that no schema holds."""
    render_project: Callable[[tuple[Plan, ...]], Iterable[Rendering]] | None = None
    """What it makes once for the whole project."""
    live: Callable[[Plan], dict[str, dict[str, str | int]]] | None = None
    """What the lock is to remember of each endpoint after this compile."""


def nothing(plan: Any) -> Iterator[Any]:  # noqa: ARG001
    """Make nothing, or find nothing."""
    return iter(())


class Watch:
    """For each property of a view that was read, the leaves of the plan that went into it."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        reads.apart = True
        self.origins: dict[str, frozenset[Path]] = {}


_WATCHED: dict[type, type] = {}


def watch(view: View, reads: Reads) -> Watch:
    """Begin to note, property by property, what a view reads. The view must not have been read before."""
    kind = type(view)
    watched = _WATCHED.get(kind)
    if watched is None:
        watched = _WATCHED[kind] = type(kind.__name__, (kind,), {"__getattribute__": _noting, "__doc__": kind.__doc__})
    notes = Watch(reads)
    object.__setattr__(view, "_watch", notes)
    view.__class__ = watched
    return notes


def _noting(view: Any, name: str) -> Any:
    if name[:1] == "_":
        return object.__getattribute__(view, name)
    notes: Watch = object.__getattribute__(view, "_watch")
    known = notes.origins.get(name)
    if known is not None:
        notes.reads.add_all(set(known))
        return object.__getattribute__(view, name)
    notes.reads.begin()
    try:
        return object.__getattribute__(view, name)
    finally:
        notes.origins[name] = frozenset(notes.reads.end())
