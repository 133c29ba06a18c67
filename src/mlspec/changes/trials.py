"""Trials: what a project would be without one of its edits, or with that one alone; what then differs, the edit made so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

from mlspec.changes.edits import Edit
from mlspec.changes.objects import Key, manifest_key
from mlspec.changes.side import Project
from mlspec.changes.values import ABSENT, Change, apply, compare, same
from mlspec.compiler import populate, populate_once
from mlspec.diagnostics import Rejected, Unable
from mlspec.examine import Examined, examine_source
from mlspec.library import Library
from mlspec.location import Path
from mlspec.plan.plan import Plan
from mlspec.render import Manifest, apply_patches, choose
from mlspec.target import Target
from mlspec.targets import find_targets

MOST_OBJECTS = 2000
"""Objects that trials of one kind may make in a project; about 0.2 ms each."""

Objects = Mapping[Key, Mapping[str, Any]]
Unit = tuple[int, ...]
"""Edits that are tried together."""


class Trials:
    """Makes the objects of a project anew with edits taken back, and keeps what came out.

    Each edit is tried by itself where that is affordable, else all edits of one item together, else nothing is tried.
    """

    def __init__(self, before: Project, after: Project, edits: Sequence[Edit], libraries: Sequence[Library]) -> None:
        self._sides, self._libraries = (before, after), libraries
        self._real = (before.objects, after.objects)
        self._edits = edits
        self._units = _affordable(edits, len(self._real[1]))
        self._made: dict[tuple[Unit, bool], Objects | None] = {}
        self._compared: dict[tuple[Unit, bool, Key], tuple[Change, ...]] = {}

    @property
    def together(self) -> bool:
        """Whether several edits are tried together, so that what is told of one is told of all of its item."""
        return any(len(unit) > 1 for unit in self._units)

    @cached_property
    def untried(self) -> frozenset[int]:
        """The edits that were not tried, or without which the spec is none, so that nobody knows what it would make."""
        made = (unit for unit in self._units if self._objects(unit, False) is not None)
        return frozenset(range(len(self._edits))).difference(*made)

    def needed(self, key: Key, field: Change) -> set[int]:
        """Return the edits without any of which a field of a new object (or of one that goes) would be another than it is."""
        return {at for unit in self._units if self._differs(unit, False, key, field) for at in unit}

    def enough(self, key: Key, field: Change) -> set[int]:
        """Return the edits that alone make a field of an old object (or of one that comes) another than it was.

        Where several would each do, none of them is needed.
        """
        return {at for unit in self._units if self._differs(unit, True, key, field.reverse) for at in unit}

    def _differs(self, unit: Unit, alone: bool, key: Key, field: Change) -> bool:
        """Tell whether a field is another in a trial than on the side that the trial departs from."""
        objects, real = self._objects(unit, alone), self._real[0 if alone else 1].get(key)
        if objects is None:
            return False
        if real is None or not field.path:
            # Why the object is there at all; what else shaped it has hunks of its own where the object was there before.
            return (key in objects) != (real is not None)
        found = key if key in objects else next((other for other in objects if other.stem == key.stem), None)
        if found is None:
            return False
        if (unit, alone, key) not in self._compared:
            self._compared[unit, alone, key] = () if objects[found] == real else compare(objects[found], real)
        return any(_touches(one, field) for one in self._compared[unit, alone, key])

    def _objects(self, unit: Unit, alone: bool) -> Objects | None:
        if (unit, alone) not in self._made:
            self._made[unit, alone] = self._try(unit, alone)
        return self._made[unit, alone]

    def _try(self, unit: Unit, alone: bool) -> Objects | None:
        """Return the objects of the new spec without edits, or of the old one with them alone; None where that is no spec."""
        side, library = (self._sides[0], self._libraries[0]) if alone else (self._sides[1], self._libraries[1])
        assert side.compiled.made is not None
        changes = [self._edits[at].change for at in unit]
        tree = take_back(dict(side.tree), [change.reverse for change in changes] if alone else changes)
        examined = side.compiled.made.examined
        live = side.compiled.old.live if side.compiled.old else {}
        try:
            made = examine_source(examined.source.without_places(tree), examined.spec, examined.root, live)
        except (Rejected, Unable):
            return None
        return make_objects(made, library, side)


def take_back(tree: dict[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """Return a tree with some of the changes that led to it undone: one of them, or all those below some key."""
    if len(changes) > 1:
        undone: dict[str, Any] = apply(tree, [change.reverse for change in changes])
        return undone
    made = deepcopy(tree)
    (change,) = changes
    holder: Any = made
    *way, last = change.after_path
    for part in way:
        holder = holder[part]
    if change.sign == "+":
        del holder[last]
    elif change.sign == "-" and isinstance(holder, list):
        holder.insert(int(last), change.before)
    else:
        holder[last] = change.before
    return made


def make_objects(examined: Examined, library: Library, known: Project) -> Objects | None:
    """Return the objects of a spec by what a cluster knows them by, held against no schema; None where a target finds faults.

    Those of an environment whose plan is the same in a project that is known are taken from there.
    """
    manifests: list[Manifest] = []
    once: dict[str, Target] = {}
    for plan in examined.plans:
        if _is_same(plan, known.plans.get(plan.environment)):
            targets, _ = choose(plan, find_targets())
            manifests += [one for key, one in known.manifests.items() if key.environment == plan.environment]
        else:
            targets, made, findings = populate(plan, library)
            if findings or apply_patches(plan, made):
                return None
            manifests += made
        once |= {target.name: target for target in targets if target.render_project}
    manifests += populate_once(tuple(plan.watched() for plan in examined.plans), once.values(), library, texts=False)
    return {manifest_key(manifest): manifest.object for manifest in manifests if manifest.object is not None}


def _is_same(plan: Plan, other: Plan | None) -> bool:
    """Tell whether two plans of an environment make the same objects; what other environments override is no part of them."""
    if other is None:
        return False
    facts = [(one.environments, one.output, one.live, one.pins, {**one.tree, "environments": None}) for one in (plan, other)]
    return facts[0] == facts[1] and repr(facts[0]) == repr(facts[1])


def _affordable(edits: Sequence[Edit], objects: int) -> list[Unit]:
    """Return what is tried: each edit, else the edits of each item together, else nothing."""
    if len(edits) * objects <= MOST_OBJECTS:
        return [(at,) for at in range(len(edits))]
    items: dict[Path, list[int]] = {}
    for at, edit in enumerate(edits):
        items.setdefault(_item(edit.path), []).append(at)
    return [tuple(unit) for unit in items.values()] if len(items) * objects <= MOST_OBJECTS else []


def _item(path: Path) -> Path:
    """Return the item of the spec that a field is of; lists are taken whole, so that the places in them hold."""
    if path[:1] == ("environments",) and path[2:3] == ("overrides",):
        return path[:3] + _item(path[3:])
    return path[:1] if len(path) > 1 and isinstance(path[1], int) else path[:2]


def _touches(found: Change, field: Change) -> bool:
    """Tell whether a difference from a trial says something of a field; both have their second places in the same object."""
    place, other = field.after_path, found.after_path
    if field.sign == "-" and found.sign == "-":
        return (other[:-1] == place[:-1] and same(found.before, field.before)) or _below(place, other)
    if field.sign == "-":
        return found.after is not ABSENT and _below(place, other)
    if found.sign == "-":
        return _below(other[:-1], place)
    return _below(other, place) or _below(place, other)


def _below(place: Path, above: Path) -> bool:
    return place[: len(above)] == above
