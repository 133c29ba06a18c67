"""Each field of an object that differs, tied to the edit of the spec that made it so: by trials, else through the traced render."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlspec.changes.edits import Edit, behind, related
from mlspec.changes.objects import ObjectChange
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


class Tracer:
    """Finds causes in one project; what of the plans differs is worked out once."""

    def __init__(
        self, before: Project | None, after: Project | None, edits: tuple[Edit, ...], library: Callable[[Project], Library]
    ) -> None:
        self._before, self._after, self._edits = before, after, edits
        self._sides = [side for side in (before, after) if side is not None]
        libraries = [library(side) for side in self._sides]
        self._library = libraries[-1]
        self._traced: dict[int, list[Made]] = {}
        names = dict.fromkeys(name for side in self._sides for name in side.plans)
        self._values: dict[tuple[str, Path], tuple[object, object]] = {}
        self._signed: set[tuple[str, Path, str]] = set()
        self._changed = {name: self._differing(name) for name in names}
        self._locked = {name: self._facts(name) for name in names}
        self._trials = Trials(before, after, edits, libraries) if before and after else None

    def causes(self, change: ObjectChange) -> list[tuple[Cause, ...]]:
        """Return the causes of each field of a changed object, in the order of its changes; there is always one."""
        return [self._causes(change, field, self._by_trace) for field in change.changes]

    def _causes(self, change: ObjectChange, field: Change, trace: Callable[[ObjectChange, Change], tuple[Cause, ...]]) -> tuple[Cause, ...]:
        """Return what trials tell; what the trace tells is asked where they cannot, and narrows what they tell of several edits at once."""
        if self._trials is None:
            return trace(change, field)
        trials, untried = self._trials, self._trials.untried
        found = trials.needed(change, field)
        found = found or trials.enough(change, field, edition=trace == self._edited)
        if not untried and not trials.together and (tried := _spec_causes(found) or self._unedited(change)):
            return tried
        traced = trace(change, field)
        if not found:
            return traced
        named = {cause.edit for cause in traced if cause.kind == "spec"}
        return _spec_causes((found & named or found if trials.together else found) | named & untried)

    def _by_trace(self, change: ObjectChange, field: Change) -> tuple[Cause, ...]:
        """Return what the trace of the render tells of a field."""
        if not field.path and (existence := self._existence(change, field)):
            return existence
        manifests = [
            (side.manifests[change.key], path)
            for side, path in ((self._after, field.after_path), (self._before, field.before_path))
            if side is not None and change.key in side.manifests
        ]
        if field.sign == "+":
            manifests = manifests[:1] if self._has(self._after, change) else manifests
        elif field.sign == "-":
            manifests = manifests[-1:]
        return self._of(change.key.environment, manifests, field)

    def _edited(self, change: ObjectChange, field: Change) -> tuple[Cause, ...]:
        """Return what the trace tells of a field of an object that takes the place of another."""
        assert self._before is not None
        assert self._after is not None
        assert change.replaces is not None
        old, new = self._before.manifests[change.replaces], self._after.manifests[change.key]
        return self._of(change.key.environment, [(new, field.after_path), (old, field.before_path)], field)

    def edition(self, change: ObjectChange) -> list[tuple[Change, tuple[Cause, ...]]]:
        """Return how an object differs from the one that it takes the place of, its name aside, with the causes of each field."""
        if self._before is None or self._after is None or change.replaces is None:
            return []
        old, new = self._before.manifests[change.replaces], self._after.manifests[change.key]
        return [
            (field, self._causes(change, field, self._edited))
            for field in compare(old.object, new.object)
            if field.path != ("metadata", "name")
        ]

    def _existence(self, change: ObjectChange, field: Change) -> tuple[Cause, ...]:
        """Return why an object comes or goes: the item that it belongs to does, else a field of that item, else any field.

        That something is there at all is no value that a template reads, so no trace tells it.
        """
        side = self._after if field.sign == "+" else self._before
        if self._before is None or self._after is None or side is None:
            return ()
        manifest = side.manifests[change.key]
        environments = [change.key.environment] if change.key.environment else list(self._changed)
        signed = {
            path: edits
            for name in environments
            for path, edits in self._changed.get(name, {}).items()
            if (name, path, field.sign) in self._signed
        }
        own = {path: edits for path, edits in signed.items() if len(path) > 1 and _belongs(manifest, str(path[1]))}
        whole = {path: edits for path, edits in own.items() if len(path) == 2}
        # A name that ends in a digest changes with what it holds, which the trace tells.
        others = {} if change.key.stem != change.key else {path: edits for path, edits in signed.items() if len(path) > 1}
        for group in (whole, {} if change.key.stem != change.key else own, {} if self._reads_changes(manifest, environments) else others):
            if group:
                return tuple(Cause("spec", at) for at in sorted({at for edits in group.values() for at in edits}))
        return ()

    def _reads_changes(self, manifest: Manifest, environments: list[str]) -> bool:
        paths = {path for cause in self._trace(manifest) for path in (*cause.spec, *cause.conditions)}
        return bool(self._edits_of(paths, environments))

    def _has(self, side: Project | None, change: ObjectChange) -> bool:
        return side is not None and change.key in side.manifests

    def _of(self, environment: str, manifests: list[tuple[Manifest, Path]], field: Change) -> tuple[Cause, ...]:
        if self._before is None or self._after is None:
            return (Cause("spec", 0),)
        environments = [environment] if environment else list(self._changed)
        own = [(manifest, cause) for manifest, place in manifests for cause in _nearest(self._trace(manifest), place)]
        whole = [(manifest, cause) for manifest, _ in manifests for cause in self._trace(manifest)]
        for made in (own, whole):
            paths = {path for _, cause in made for path in (*cause.spec, *cause.conditions)}
            patched = {path for manifest, _ in made for path in manifest.patched}
            if edits := self._edits_of(paths, environments) or self._edits_of(patched, environments):
                return edits
        if alike := self._alike(environments, field):
            return alike
        templates = {cause.template for _, cause in whole} | {manifest.rendering.template for manifest, _ in manifests}
        return self._otherwise(environments, templates, [path for manifest, _ in manifests for path in manifest.patched])

    def _edits_of(self, paths: Iterable[Path], environments: list[str]) -> tuple[Cause, ...]:
        found = {
            at
            for name in environments
            for path in paths
            for changed, edits in self._changed.get(name, {}).items()
            if related(path, changed)
            for at in edits
        }
        return _spec_causes(found)

    def _alike(self, environments: list[str], field: Change) -> tuple[Cause, ...]:
        """Return the edits of values that differ just as a field does: what spans environments reads plans that no trace watches."""
        found = {
            at
            for name in environments
            for path, edits in self._changed.get(name, {}).items()
            if field.path and self._values.get((name, path)) == (field.before, field.after)
            for at in edits
        }
        return _spec_causes(found)

    def _unedited(self, change: ObjectChange) -> tuple[Cause, ...]:
        """Return what other than edits may have made an object differ: a template of its own, else facts of the lock."""
        manifests = [side.manifests[key] for side in self._sides for key in (change.key, change.replaces) if key in side.manifests]
        templates = {cause.template for manifest in manifests for cause in self._trace(manifest)}
        environments = [change.key.environment] if change.key.environment else list(self._changed)
        return self._own(environments, templates | {manifest.rendering.template for manifest in manifests})

    def _own(self, environments: list[str], templates: set[str]) -> tuple[Cause, ...]:
        assert self._before is not None
        assert self._after is not None
        ours, theirs = self._before.templates, self._after.templates
        own = tuple(Cause("template", what=name) for name in sorted(templates) if ours.get(name) != theirs.get(name))
        return own or tuple(Cause("lock", what=fact) for name in environments for fact in self._locked.get(name, ()))

    def _otherwise(self, environments: list[str], templates: set[str], patched: list[Path]) -> tuple[Cause, ...]:
        """Return what is left when no value of the spec that went into an object differs."""
        assert self._before is not None
        assert self._after is not None
        if own := self._own(environments, templates):
            return own
        ours, theirs = self._before.templates, self._after.templates
        reached = sorted({at for name in environments for edits in self._changed.get(name, {}).values() for at in edits})
        # A patch that is gone left no trace in what is there now.
        gone = [at for at, edit in enumerate(self._edits) if edit.path[:1] == ("patches",)]
        indexes = gone or reached or list(range(len(self._edits)))
        if indexes and (patched or not any(ours.get(name) != theirs.get(name) for name in {*ours, *theirs})):
            return tuple(Cause("spec", at) for at in indexes)
        changed = tuple(Cause("template", what=name) for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name))
        return changed or (Cause("compiler", what="mlspec itself, or a file that the spec names"),)

    def _differing(self, environment: str) -> dict[Path, list[int]]:
        """Return the values of a plan that differ, each with the edits that made them."""
        if self._before is None or self._after is None:
            return {}
        old, new = self._before.plans.get(environment), self._after.plans.get(environment)
        if old is None or new is None:
            return {(): behind(("environments", environment), environment, self._edits, self._sides)}
        pairs = [((), old.tree, new.tree), (("environments",), old.environments, new.environments), (("output",), old.output, new.output)]
        found: dict[Path, list[int]] = {}
        for prefix, one, other in pairs:
            for change in compare(dict(one), dict(other)):
                for path in {(*prefix, *change.before_path), (*prefix, *change.after_path)}:
                    self._signed.add((environment, path, change.sign))
                    self._values[environment, path] = (change.before, change.after)
                    home = str(path[1]) if prefix == ("environments",) and len(path) > 1 else environment
                    found.setdefault(path, behind(path, home, self._edits, self._sides))
        return {path: edits for path, edits in found.items() if edits}

    def _facts(self, environment: str) -> list[str]:
        """Return the facts of the lock that differ for an environment."""
        if self._before is None or self._after is None:
            return []
        old, new = self._before.plans.get(environment), self._after.plans.get(environment)
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


def _belongs(manifest: Manifest, item: str) -> bool:
    """Tell whether an object is part of an item of the spec: by its label, else by the file that it lies in."""
    name = object_name(item)
    labels = ((manifest.object or {}).get("metadata") or {}).get("labels") or {}
    stem = manifest.file.rpartition("/")[2].removesuffix(".yaml")
    return name == labels.get("app.kubernetes.io/name") or stem.partition("-")[2] == name


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
