"""From a place in a generated object back to the template line and the spec lines that made it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mlspec.library import Library
from mlspec.location import Path
from mlspec.plan.node import Told
from mlspec.render import Manifest
from mlspec.target import View, Watch, watch
from mlspec.template.runtime import Leaf


class Cause(NamedTuple):
    """What made one value of an object."""

    place: Path
    """The value's path in the object."""
    template: str
    line: int
    """The template and its line; line 0 where a patch made the value."""
    spec: tuple[Path, ...]
    """The paths of the spec that went into it."""
    conditions: tuple[Path, ...]
    """The paths of the spec that let it in."""


def causes(manifest: Manifest, library: Library) -> list[Cause]:
    """Return what made each value of an object, in the order in which they stand."""
    template = library.template(manifest.rendering.template, type(manifest.rendering.view))
    view = _fresh(manifest)
    notes = watch(view, vars(view)["_plan"].reads)
    leaves = template.trace(view)
    told: dict[str, set[Path]] = {}
    for leaf in leaves:
        if isinstance(leaf.value, Told):
            for name in _names(leaf.reads):
                told.setdefault(name, set()).add(leaf.value.path)
    return [
        Cause(leaf.path, leaf.template, leaf.line, _spec(leaf, notes, told), _sorted(_origins(_names(leaf.conditions), notes)))
        for leaf in leaves
    ]


def _spec(leaf: Leaf, notes: Watch, told: dict[str, set[Path]]) -> tuple[Path, ...]:
    """Return what went into a leaf: its own place when its text came from there whole, else what its names read.

    Where other leaves of the same name have places of their own, those places did not make this one.
    """
    if isinstance(leaf.value, Told):
        return (leaf.value.path,)
    names = _names(leaf.reads)
    reads = _origins(names, notes)
    elsewhere = {path for name in names for path in told.get(name, ())}
    return _sorted(reads - elsewhere or reads)


def _names(chains: Iterable[tuple[Any, ...]]) -> set[str]:
    return {str(chain[0]) for chain in chains if chain}


def _origins(names: set[str], notes: Watch) -> set[Path]:
    return {path for name in names for path in notes.origins.get(name, ())}


def _sorted(paths: set[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=str))


def _fresh(manifest: Manifest) -> View:
    """Return the view of a manifest as if nothing of it had been read."""
    view = manifest.rendering.view
    kind = type(view)
    twin: View = object.__new__(kind)
    twin.__dict__.update(view.__dict__)
    plan = vars(twin).get("_plan", manifest.plan)
    watched = plan.watched()
    twin.__dict__["_plan"] = watched
    return twin


def origin(manifest: Manifest, place: Path, library: Library) -> Path:
    """Return the path of the spec that made a place of an object; the component's own where none did."""
    if manifest.patched:
        return _written_by(manifest, place)
    best: Cause | None = None
    for cause in causes(manifest, library):
        depth = len(cause.place)
        if (
            (cause.place == place[:depth] or place == cause.place[: len(place)])
            and cause.spec
            and (best is None or depth > len(best.place))
        ):
            best = cause
    if best is not None:
        return max(best.spec, key=len)
    return ()


def _written_by(manifest: Manifest, place: Path) -> Path:
    """Return the path of the patch that wrote a place: of its key within the patch where that merges, of the patch elsewhere."""
    for path in reversed(manifest.patched):
        found: object = manifest.plan.tree["patches"][path[1]].get("merge")
        for part in place:
            found = found.get(part) if isinstance(found, dict) else None
        if found is not None:
            return (*path, "merge", *place)
    return manifest.patched[-1]
