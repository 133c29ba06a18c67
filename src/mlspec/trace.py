"""From a place in a generated object back to the template line and the spec lines that made it."""

from __future__ import annotations

from typing import NamedTuple

from mlspec.location import Path
from mlspec.render import Manifest
from mlspec.target import watch
from mlspec.library import Library


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
    notes = watch(view, view._plan.reads)
    made: list[Cause] = []
    for leaf in template.trace(view):
        reads = {path for chain in leaf.reads if chain for path in notes.origins.get(str(chain[0]), ())}
        conditions = {path for chain in leaf.conditions if chain for path in notes.origins.get(str(chain[0]), ())}
        made.append(Cause(leaf.path, leaf.template, leaf.line, tuple(sorted(reads, key=str)), tuple(sorted(conditions, key=str))))
    return made


def _fresh(manifest: Manifest):  # type: ignore[no-untyped-def]
    """Return the view of a manifest as if nothing of it had been read."""
    view = manifest.rendering.view
    kind = type(view)
    twin = object.__new__(kind)
    twin.__dict__.update(view.__dict__)
    plan = twin.__dict__["_plan"] if "_plan" in twin.__dict__ else manifest.plan
    watched = plan.watched()
    twin.__dict__["_plan"] = watched
    return twin


def origin(manifest: Manifest, place: Path, library: Library) -> Path:
    """Return the path of the spec that made a place of an object; the component's own where none did."""
    if manifest.patched:
        return manifest.patched[-1]
    best: Cause | None = None
    for cause in causes(manifest, library):
        depth = len(cause.place)
        if (cause.place == place[:depth] or place == cause.place[: len(place)]) and cause.spec and (best is None or depth > len(best.place)):
            best = cause
    if best is not None:
        return max(best.spec, key=len)
    return ()
