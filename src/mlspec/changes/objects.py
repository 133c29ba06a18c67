"""The objects of a tree by what a cluster knows them by, and the list of those that a change adds, changes and removes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mlspec.changes.values import ABSENT, Change, apply, compare
from mlspec.render import Manifest

_HASH = re.compile(r"-[0-9a-f]{8,64}$")


class Key(NamedTuple):
    """What a cluster knows an object by, and the environment that names the cluster."""

    environment: str
    """Empty for what the project has once."""
    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def stem(self) -> Key:
        """The key without the digest at the end of its name: what stays when immutable content changes."""
        return self._replace(name=_HASH.sub("", self.name))

    @property
    def text(self) -> str:
        """The object in words: kind and name."""
        return f"{self.kind} {self.name}"


class ObjectChange(NamedTuple):
    """One object that is added, changed or removed."""

    key: Key
    changes: tuple[Change, ...]
    """The fields that differ; for an added or removed object one change of the whole."""
    replaces: Key | None = None
    """For an added object: the removed one whose place it takes, under a name with another digest or in another namespace."""

    @property
    def sign(self) -> str:
        """``+``, ``-`` or ``~``."""
        return self.changes[0].sign if self.changes and not self.changes[0].path else "~"

    @property
    def reverse(self) -> ObjectChange:
        """The change back; which edition replaces which is told by ``pair`` anew."""
        return ObjectChange(self.key, tuple(change.reverse for change in self.changes))


Objects = Mapping[Key, dict[str, Any]]


def key_of(item: Mapping[str, Any], environment: str) -> Key:
    """Return what a cluster knows an object by."""
    metadata = item.get("metadata") or {}
    return Key(environment, str(item["apiVersion"]), str(item["kind"]), str(metadata.get("namespace", "")), str(metadata.get("name", "")))


def manifest_key(manifest: Manifest) -> Key:
    """Return what a cluster knows the object of a manifest by, and its environment; none for what the project has once."""
    assert manifest.object is not None
    plan = manifest.plan
    return key_of(manifest.object, plan.environment if manifest.file.startswith(plan.folder + "/") else "")


def item_of(thing: Mapping[str, Any]) -> str:
    """Return the name that an object's label gives to the item of the spec that it belongs to, as object names spell it; empty for none."""
    return str(((thing.get("metadata") or {}).get("labels") or {}).get("app.kubernetes.io/name", ""))


def differences(before: Objects, after: Objects) -> tuple[ObjectChange, ...]:
    """Return every object that differs, sorted by its key; editions of one object are told (``replaces``)."""
    found: list[ObjectChange] = []
    for key in sorted({*before, *after}):
        changes = compare(before.get(key, ABSENT), after.get(key, ABSENT))
        if changes:
            found.append(ObjectChange(key, changes))
    return pair(found)


def apply_objects(objects: Objects, changes: Iterable[ObjectChange]) -> dict[Key, dict[str, Any]]:
    """Return the objects with changes made to them: ``apply_objects(a, differences(a, b)) == b``."""
    made = dict(objects)
    for change in changes:
        value = apply(made.pop(change.key, ABSENT), change.changes)
        if value is not ABSENT:
            made[change.key] = value
    return made


def pair(changes: Iterable[ObjectChange]) -> tuple[ObjectChange, ...]:
    """Tell of each added object which removed one it takes the place of: the same but for a digest in its name, or for its namespace."""
    changes = list(changes)
    gone: dict[Key, list[Key]] = {}
    for change in changes:
        if change.sign == "-":
            for place in {change.key.stem, change.key.stem._replace(namespace="")}:
                gone.setdefault(place, []).append(change.key)
    made, taken = [], set[Key]()
    for change in changes:
        stem = change.key.stem
        moved = stem._replace(namespace="")
        others = [*(gone.get(stem, ()) if stem != change.key else ()), *(gone.get(moved, ()) if moved != stem else ())]
        found = next((key for key in others if key not in taken), None) if change.sign == "+" else None
        taken |= {found} if found else set()
        made.append(change._replace(replaces=found))
    return tuple(made)
