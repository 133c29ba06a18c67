"""Values of an environment that change, and what differs between two states of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.location import Mark, Path, format_path
from mlspec.plan.environments import NAMED, environment_names, settle
from mlspec.source.amend import ABSENT, same, with_edits

Tree = Mapping[str, Any]


class Move(NamedTuple):
    """One value of an environment that changes. The path is that of the spec as it is in the environment."""

    path: Path
    before: Any
    after: Any
    """ABSENT where there is none, as in ``before``."""


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Move]:
    """Yield the values that differ between two states of an environment, as deep down as maps are maps in both.

    In which other environments an item is makes no difference to this one.
    """
    member = len(path) == 2 or (len(path) == 4 and path[2] == "steps")
    for key in dict.fromkeys((*before, *after)):
        if member and path[0] in NAMED and key in ("in", "notIn"):
            continue
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, (*path, key))
        elif not same(old, new):
            yield Move((*path, key), old, new)


def strays(before: Tree, before_mark: Mark, after: Tree, after_mark: Mark, environment: str, moves: Iterable[Move]) -> list[str]:
    """Return what an edit changed besides what it was to change, in words; nothing when it did just that."""
    moves = tuple(moves)
    found: list[str] = []
    for name in environment_names(before):
        old, new = (_state(tree, mark, name) for tree, mark in ((before, before_mark), (after, after_mark)))
        if name == environment and moves:
            old = with_edits(old, ((move.path, move.after) for move in moves))
        found += [f"{name}: {format_path(move.path)}" for move in differences(old, new)]
    return found


def _state(tree: Tree, mark: Mark, environment: str) -> dict[str, Any]:
    """Return all that an environment is, but for where it is written."""
    settled = settle(dict(tree), mark, environment).tree
    body = items(tree, "environments").get(environment) or {}
    own = {key: value for key, value in body.items() if key not in ("overrides", "vars", "platform")}
    return {**{key: value for key, value in settled.items() if key != "environments"}, "environments": {environment: own}}


def items(tree: Tree, section: str) -> dict[str, Any]:
    """Return a section of a tree as a map; an empty one where there is none."""
    items = tree.get(section)
    return items if isinstance(items, dict) else {}


def dig(tree: Any, path: Path) -> Any:
    """Return the value at a path of maps; ABSENT where there is none."""
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return ABSENT
        tree = tree[part]
    return tree
