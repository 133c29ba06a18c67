"""Where a change of one environment is written in the spec, so that it changes that environment and no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlspec.location import Path
from mlspec.promotion.moves import Move, Tree, dig, items
from mlspec.source.amend import ABSENT, same, with_edits

Edit = tuple[Path, Any]
"""A path of the file, and the value that it gets (ABSENT: it goes)."""
_OWN = {"platform": "platform", "vars": "vars"}
"""Sections that an environment changes under a key of its own instead of in ``overrides``."""


def edits_of(tree: Tree, environment: str, moves: Iterable[Move]) -> list[Edit]:
    """Return the edits of the whole spec that make values of one environment change, and those of no other.

    A value is changed where it comes from: in the environment's overrides; at the top where no other environment takes it from
    there; else an override is added. A value that equals the one at the top still gets its override: the environment is not to
    follow the next change of another.
    """
    return [_place(tree, environment, move) for move in moves]


def _place(tree: Tree, environment: str, move: Move) -> Edit:
    path, value = move.path, move.after
    base = dig(tree, path)
    environments = items(tree, "environments")
    if not environments:
        return path, value
    written = dig(environments, (environment, *over(path)))
    alone = not any(
        _inherits(body, path, base, value) for name, body in environments.items() if name != environment and _in(tree, path, name)
    )
    if written is ABSENT and alone and dig(tree, path[:-1]) is not ABSENT:
        return path, value
    return ("environments", environment, *over(path)), _cover(base, value)


def over(path: Path) -> Path:
    """Return the path of an environment at which it overrides a path of the spec."""
    own = _OWN.get(str(path[0]))
    return (own, *path[1:]) if own else ("overrides", *path)


def _inherits(body: Any, path: Path, old: Any, new: Any) -> bool:
    """Tell whether another environment would see that a value at the top changes."""
    here = body
    for part in over(path):
        if not isinstance(here, dict):
            return False  # something above is replaced as a whole
        if part not in here:
            return True
        here = here[part]
    before, after = ({} if value is ABSENT else {"": value} for value in (old, new))
    return not same(_laid(before, {"": here}), _laid(after, {"": here}))


def _laid(base: Any, over: Any) -> Any:
    """Lay an override over a value as the language does: a null takes away what is there, and stays where nothing is."""
    if not isinstance(over, dict) or not isinstance(base, dict):
        return over
    made = dict(base)
    for key, value in over.items():
        if value is None and key in made:
            del made[key]
        else:
            made[key] = _laid(made[key], value) if key in made else value
    return made


def _in(tree: Tree, path: Path, environment: str) -> bool:
    """Tell whether the named item of a path may be in an environment."""
    item = dig(tree, path[:2])
    if not isinstance(item, dict):
        return True
    return not (isinstance(item.get("in"), list) and environment not in item["in"]) and environment not in (item.get("notIn") or ())


def _cover(base: Any, value: Any) -> Any:
    """Return the override that makes a value of what stands at the top, whole: no later change at the top shows through."""
    if value is ABSENT:
        return ABSENT if base is ABSENT else None
    if not isinstance(base, dict) or not isinstance(value, dict):
        return value
    return {**{key: None for key in base if key not in value}, **{key: _cover(base.get(key, ABSENT), item) for key, item in value.items()}}


def onto_file(written: Tree, whole: Tree, edits: Iterable[Edit]) -> list[Edit]:
    """Return edits of a whole spec as edits of its main file.

    ``written`` is the tree of the file alone, ``whole`` that of the file with its base files. What comes from a base file cannot be
    removed, only taken away by a null; an item of a list that is not in the file takes the whole list along.
    """
    made: dict[Path, Any] = {}
    for path, value in edits:
        at = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
        if at < len(path) and dig(written, path[:at]) is ABSENT:
            whole_list = made.get(path[:at], dig(whole, path[:at]))
            made[path[:at]] = with_edits({"list": whole_list}, [(("list", *path[at:]), value)])["list"]
        elif value is ABSENT and at == len(path) and dig(written, path) is ABSENT and dig(whole, path) is not ABSENT:
            made[path] = None
        else:
            made[path] = value
    return list(made.items())
