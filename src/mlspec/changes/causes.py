"""Each field of an object that differs, tied to the edit of the spec that made it so: by trials, else through the traced render."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlspec.changes.edits import Edit, behind, related
from mlspec.changes.objects import Key, ObjectChange, item_of
from mlspec.changes.sentences import live_words
from mlspec.changes.side import Project
from mlspec.changes.trials import Trials
from mlspec.changes.values import ABSENT, Change, compare
from mlspec.library import Library
from mlspec.location import Path
from mlspec.names import object_name
from mlspec.plan.plan import Plan
from mlspec.render import Manifest
from mlspec.trace import Cause as Made
from mlspec.trace import causes as trace


class Cause(NamedTuple):
    """What made something differ."""

    kind: str
    """``spec`` (an edit of the spec or of a base file), ``lock``, ``template`` or ``compiler``."""
    edit: int = -1
    """For ``spec``: the index of the edit."""
    what: str = ""
    """For the others: the fact of the lock, the template, the versions of mlspec."""


class Difference(NamedTuple):
    """A value of a plan that differs."""

    path: Path
    sign: str
    edits: tuple[int, ...]
    """What made it so."""


class Tracer:
    """Finds causes in one project; what of the plans differs is worked out once."""

    def __init__(self, before: Project, after: Project, edits: tuple[Edit, ...], library: Callable[[Project], Library]) -> None:
        self._before, self._after, self._edits = before, after, edits
        self._sides = (before, after)
        libraries = [library(side) for side in self._sides]
        self._library = libraries[-1]
        self._traced: dict[int, list[Made]] = {}
        names = list(dict.fromkeys(name for side in self._sides for name in side.plans))
        self._changed = {name: self._differing(name) for name in names}
        self._locked = {name: self._facts(name) for name in names}
        self._trials = Trials(before, after, edits, libraries)

    def causes(self, change: ObjectChange) -> list[tuple[Cause, ...]]:
        """Return the causes of each field of a changed object, in the order of its changes; there is always one."""
        return [self._causes(change, field, change.key) for field in change.changes]

    def edition(self, change: ObjectChange) -> list[tuple[Change, tuple[Cause, ...]]]:
        """Return how an object differs from the one that it takes the place of, its name aside, with the causes of each field."""
        if change.replaces is None:
            return []
        old, new = self._before.manifests[change.replaces], self._after.manifests[change.key]
        return [
            (field, self._causes(change, field, change.replaces))
            for field in compare(old.object, new.object)
            if field.path != ("metadata", "name")
        ]

    def _causes(self, change: ObjectChange, field: Change, old: Key) -> tuple[Cause, ...]:
        """Return what trials tell; what the trace tells is asked where they cannot, and narrows what they tell of several edits at once.

        ``old`` is the object that the field differs from: the same one as it was, or the one whose place it takes.
        """
        trials, untried = self._trials, self._trials.untried
        found = trials.needed(change.key, field) or trials.enough(old, field)
        if not untried and not trials.together and (tried := _spec_causes(found) or self._unedited(change)):
            return tried
        traced = self._by_trace(change, field, old)
        if not found:
            return traced
        named = {cause.edit for cause in traced if cause.kind == "spec"}
        return _spec_causes((found & named or found if trials.together else found) | named & untried)

    def _by_trace(self, change: ObjectChange, field: Change, old: Key) -> tuple[Cause, ...]:
        """Return the edits of what a field was made of, else of what its object was made of, else the likeliest cause."""
        if not field.path and (existence := self._existence(change, field)):
            return existence
        places = [] if field.sign == "-" else [(self._after.manifests[change.key], field.after_path)]
        places += [] if field.sign == "+" else [(self._before.manifests[old], field.before_path)]
        own = [cause for manifest, place in places for cause in _nearest(self._trace(manifest), place)]
        whole = [cause for manifest, _ in places for cause in self._trace(manifest)]
        environments = self._environments(change)
        patches = {path for manifest, _ in places for path in manifest.patched}
        for paths in (_read(own), patches, _read(whole)):
            if edits := self._edits_of(paths, environments):
                return edits
        return self._unedited(change) or self._otherwise(environments)

    def _existence(self, change: ObjectChange, field: Change) -> tuple[Cause, ...]:
        """Return why an object comes or goes: the item that it belongs to does, else a field of that item.

        That something is there at all is no value that a template reads, so no trace tells it.
        """
        side = self._after if field.sign == "+" else self._before
        item = item_of(side.manifests[change.key].object or {})
        own = [
            one
            for name in self._environments(change)
            for one in self._changed[name]
            if one.sign == field.sign and len(one.path) > 1 and object_name(str(one.path[1])) == item
        ]
        whole = [one for one in own if len(one.path) == 2]
        return _spec_causes({at for one in whole or own for at in one.edits})

    def _environments(self, change: ObjectChange) -> list[str]:
        """Return the environments whose plans an object is made of: its own, or all for what the project has once."""
        return [change.key.environment] if change.key.environment else list(self._changed)

    def _edits_of(self, paths: Iterable[Path], environments: list[str]) -> tuple[Cause, ...]:
        paths = list(paths)
        changed = [one for name in environments for one in self._changed[name] if any(related(path, one.path) for path in paths)]
        return _spec_causes({at for one in changed for at in one.edits})

    def _unedited(self, change: ObjectChange) -> tuple[Cause, ...]:
        """Return what other than edits may have made an object differ: a template of its own, else facts of the lock."""
        manifests = [side.manifests[key] for side in self._sides for key in (change.key, change.replaces) if key in side.manifests]
        templates = {cause.template for manifest in manifests for cause in self._trace(manifest)}
        templates |= {manifest.rendering.template for manifest in manifests}
        own = tuple(Cause("template", what=name) for name in self._templates() if name in templates)
        return own or tuple(Cause("lock", what=fact) for name in self._environments(change) for fact in self._locked[name])

    def _otherwise(self, environments: list[str]) -> tuple[Cause, ...]:
        """Return what is left when nothing that is known to have gone into an object differs."""
        if templates := tuple(Cause("template", what=name) for name in self._templates()):
            return templates
        reached = {at for name in environments for one in self._changed[name] for at in one.edits}
        return _spec_causes(reached or range(len(self._edits))) or (Cause("compiler", what="mlspec itself, or a file that the spec names"),)

    def _templates(self) -> list[str]:
        """Return the templates of the project's own that differ."""
        ours, theirs = (side.templates for side in self._sides)
        return sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))

    def _differing(self, environment: str) -> list[Difference]:
        """Return the values of a plan that differ, each with the edits that made them."""
        old, new = (side.plans.get(environment) for side in self._sides)
        if old is None or new is None:
            edits = behind(("environments", environment), environment, self._edits, self._sides)
            return [Difference((), "+" if old is None else "-", tuple(edits))]
        pairs = [((), old.tree, new.tree), (("environments",), old.environments, new.environments), (("output",), old.output, new.output)]
        found: dict[tuple[Path, str], list[int]] = {}
        for prefix, one, other in pairs:
            for change in compare(dict(one), dict(other)):
                for path in {(*prefix, *change.before_path), (*prefix, *change.after_path)}:
                    home = str(path[1]) if prefix == ("environments",) and len(path) > 1 else environment
                    found[path, change.sign] = behind(path, home, self._edits, self._sides)
        return [Difference(path, sign, tuple(edits)) for (path, sign), edits in found.items() if edits]

    def _facts(self, environment: str) -> list[str]:
        """Return the facts of the lock that differ for an environment."""
        old, new = (side.plans.get(environment) for side in self._sides)
        was, is_ = (plan.live if plan else {} for plan in (old, new))
        live = [(name, was.get(name, {}), is_.get(name, {})) for name in sorted({*was, *is_}) if was.get(name) != is_.get(name)]
        pins = [
            change
            for change in (compare(dict(old.pins), dict(new.pins)) if old and new else ())
            # What the spec itself pins anew is an edit like any other.
            if _version(old, change.path) == _version(new, change.path)
        ]
        return [
            *(f"{environment}/{name} serves {live_words(one)} → {live_words(other)}" for name, one, other in live),
            *(f"pin {'/'.join(map(str, change.path))}: {_fact(change.before)} → {_fact(change.after)}" for change in pins),
        ]

    def _trace(self, manifest: Manifest) -> list[Made]:
        if id(manifest) not in self._traced:
            self._traced[id(manifest)] = trace(manifest, self._library)
        return self._traced[id(manifest)]


def _spec_causes(edits: Iterable[int]) -> tuple[Cause, ...]:
    return tuple(Cause("spec", at) for at in sorted(edits))


def _read(made: Iterable[Made]) -> set[Path]:
    """Return the fields of the spec that were read for what was made."""
    return {path for cause in made for path in (*cause.spec, *cause.conditions)}


def _version(plan: Plan | None, pin: Path) -> object:
    """Return what a spec says of a version that is pinned, by the pin's name."""
    section, _, name = str(pin[0]).partition("/")
    return (plan.tree[section].get(name) or {}).get("version") if plan else None


def _fact(value: object) -> str:
    return "nothing" if value is ABSENT else str(value)


def _nearest(made: list[Made], place: Path) -> list[Made]:
    """Return what made a value: the causes of its own place and of what it holds, else those of the nearest that holds it."""
    below = [cause for cause in made if cause.place[: len(place)] == place]
    if below:
        return below
    above = [cause for cause in made if place[: len(cause.place)] == cause.place]
    deepest = max((len(cause.place) for cause in above), default=0)
    return [cause for cause in above if len(cause.place) == deepest]
