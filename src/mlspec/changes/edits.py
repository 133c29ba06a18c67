"""The edits of a spec: which fields of it differ, where they stand, and which values of a plan they reach."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from mlspec.changes.side import Project
from mlspec.changes.values import ABSENT, Change, compare
from mlspec.location import Path, locate

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+)\}")
_DEEPEST = 20


class Edit(NamedTuple):
    """One field of a spec, base files merged, that differs."""

    change: Change
    file: str
    """From the root of the repository: the spec or a base file; as it is afterwards, or was for what is gone."""
    line: int

    @property
    def path(self) -> Path:
        """The field."""
        return self.change.path


def edits_of(before: Project | None, after: Project | None) -> tuple[Edit, ...]:
    """Return the edits from one spec to another, sorted by file and line; a project that comes or goes is one edit."""
    if before is None or after is None:
        there = before or after
        assert there is not None
        change = Change((), (), there.tree, ABSENT) if before else Change((), (), ABSENT, there.tree)
        return (Edit(change, there.spec, 1),)
    found = []
    for change in compare(dict(before.tree), dict(after.tree)):
        side, path = (before, change.before_path) if change.after is ABSENT else (after, change.after_path)
        site = locate(side.mark, path)
        found.append(Edit(change, from_root(site.file, side.base, side.root), site.line))
    return tuple(sorted(found, key=lambda edit: (edit.file, edit.line)))


def from_root(file: str, base: FilePath, root: FilePath) -> str:
    """Return a file's path from the root of its repository; its name as it is where the file lies elsewhere."""
    path = os.path.relpath(os.path.realpath(base / file), os.path.realpath(root))
    return file if path.startswith("..") else path.replace(os.sep, "/")


def reach(edit: Edit, environment: str) -> Path | None:
    """Return the path in the plan of an environment that an edit writes; None for an edit of another environment alone."""
    path = edit.path
    if path[:1] != ("environments",) or len(path) < 2:
        return path
    if path[1] != environment:
        return None
    if len(path) > 2 and path[2] == "overrides":
        return path[3:]
    return path[2:] if len(path) > 2 and path[2] in ("vars", "platform") else path


def related(one: Path, other: Path) -> bool:
    """Tell whether one path lies on the way to the other."""
    least = min(len(one), len(other))
    return one[:least] == other[:least]


def behind(path: Path, environment: str, edits: Iterable[Edit], sides: Iterable[Project]) -> list[int]:
    """Return the indexes of the edits that made a value of a plan differ: those of its place, or of what its text refers to."""
    edits, sides = list(edits), list(sides)
    direct = _at(path, environment, edits)
    if direct:
        return direct
    seen: set[Path] = set()
    waiting = [path]
    found: set[int] = set()
    for _ in range(_DEEPEST):
        following = {target for place in waiting for side in sides for target in _references(side, place, environment)} - seen
        seen |= following
        found |= {at for place in following for at in _at(place, environment, edits)}
        waiting = sorted(following, key=str)
        if not waiting:
            break
    if found:
        return sorted(found)
    # A default that follows from another field of the same item, as the pause of a canary does.
    return [at for at, edit in enumerate(edits) if (reached := reach(edit, environment)) and len(path) > 1 and reached[:2] == path[:2]]


def _at(path: Path, environment: str, edits: list[Edit]) -> list[int]:
    return [at for at, edit in enumerate(edits) if (place := reach(edit, environment)) is not None and related(place, path)]


def _references(side: Project, path: Path, environment: str) -> Iterator[Path]:
    """Yield what the text at a place refers to; references to the environment lead to where it is described."""
    overrides: Mapping[str, Any] = ((side.tree.get("environments") or {}).get(environment) or {}).get("overrides") or {}
    for tree in (side.tree, overrides):
        value: Any = tree
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            for text in _texts(value):
                for name in _REFERENCE.findall(text):
                    parts: Path = tuple(name.split("."))
                    yield ("environments", environment) if parts[0] == "env" else parts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
