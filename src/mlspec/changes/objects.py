"""The objects of a tree by what a cluster knows them by, and the list of those that a change adds, changes and removes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mlspec.changes.values import ABSENT, Change, apply, compare

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
    """For an added object: the removed one of which it is the next edition, under a name with another digest."""

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
    """Tell of each added object which removed one it is the next edition of, where names end in digests."""
    changes = list(changes)
    gone: dict[Key, list[Key]] = {}
    for change in changes:
        if change.sign == "-" and change.key.stem != change.key:
            gone.setdefault(change.key.stem, []).append(change.key)
    made = []
    for change in changes:
        waiting = gone.get(change.key.stem, []) if change.sign == "+" and change.key.stem != change.key else []
        made.append(change._replace(replaces=waiting.pop(0) if waiting else None))
    return tuple(made)
