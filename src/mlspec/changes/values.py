"""The difference of two values, field by field: applied to the first it gives the second, and the other way round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from mlspec.location import Path


class _Absent:
    """What stands where there is no value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


class Change(NamedTuple):
    """One field that differs. Items of lists have two places: one in the old list and one in the new."""

    before_path: Path
    after_path: Path
    before: Any
    after: Any

    @property
    def sign(self) -> str:
        """``+`` for a field that is new, ``-`` for one that is gone, ``~`` for one with another value."""
        return "+" if self.before is ABSENT else "-" if self.after is ABSENT else "~"

    @property
    def path(self) -> Path:
        """The place in what is there afterwards; for a field that is gone, in what was there before."""
        return self.before_path if self.after is ABSENT else self.after_path

    @property
    def reverse(self) -> Change:
        """The change back."""
        return Change(self.after_path, self.before_path, self.after, self.before)


def compare(before: Any, after: Any) -> tuple[Change, ...]:
    """Return every field that differs, in the order in which the fields stand. Numbers and truth values are told apart."""
    return tuple(_compare(before, after, (), ()))


def apply(value: Any, changes: Iterable[Change]) -> Any:
    """Return a value with changes made to it; the value itself stays as it is.

    What is gone is taken out by its old place, last first; what is new is put in by its new place, first first; then values are replaced.
    """
    made = [] if value is ABSENT else [deepcopy(value)]
    changes = list(changes)
    for change in sorted((one for one in changes if one.sign == "-"), key=lambda one: _order(one.before_path), reverse=True):
        holder, part = _holder(made, change.before_path)
        del holder[part]
    for change in sorted((one for one in changes if one.sign == "+"), key=lambda one: _order(one.after_path)):
        holder, part = _holder(made, change.after_path)
        if isinstance(holder, list):
            holder.insert(part, deepcopy(change.after))
        else:
            holder[part] = deepcopy(change.after)
    for change in changes:
        if change.sign == "~":
            holder, part = _holder(made, change.after_path)
            holder[part] = deepcopy(change.after)
    return made[0] if made else ABSENT


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in YAML and JSON, where ``1`` and ``true`` are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _compare(before: Any, after: Any, here: Path, there: Path) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before:
            if key not in after:
                yield Change((*here, key), (*there, key), before[key], ABSENT)
        for key, value in after.items():
            if key not in before:
                yield Change((*here, key), (*there, key), ABSENT, value)
            else:
                yield from _compare(before[key], value, (*here, key), (*there, key))
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        yield from _compare_lists(before, after, here, there)
    elif not same(before, after):
        yield Change(here, there, before, after)


def _compare_lists(before: list[Any], after: list[Any], here: Path, there: Path) -> Iterator[Change]:
    """Pair the items of two lists by what names them, in order."""
    matcher = SequenceMatcher(None, _labels(before), _labels(after), autojunk=False)
    for word, low, high, first, last in matcher.get_opcodes():
        paired = high - low == last - first if word == "replace" else word == "equal"
        if paired:
            for at in range(high - low):
                yield from _compare(before[low + at], after[first + at], (*here, low + at), (*there, first + at))
            continue
        yield from (Change((*here, at), (*there, first), before[at], ABSENT) for at in range(low, high))
        yield from (Change((*here, low), (*there, at), ABSENT, after[at]) for at in range(first, last))


def _labels(items: list[Any]) -> list[str]:
    """Return what tells the items of a list apart; where names are not enough, their labels too, as of alerts of several versions."""
    names = [_label(item) for item in items]
    several = {name for name, number in Counter(names).items() if number > 1}
    return [
        f"{name} {item['labels']!r}" if name in several and isinstance(item, dict) and "labels" in item else name
        for name, item in zip(names, items, strict=True)
    ]


def _label(item: Any) -> str:
    """Return what tells an item of a list from the others: its name where it has one, else all of it."""
    if isinstance(item, dict):
        for key in ("name", "key", "alert", "record", "port", "host", "title", "legendFormat"):
            if isinstance(item.get(key), str):
                return f"{key}={item[key]}"
    return repr(item)


def _order(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (0, part) for part in path)


def _holder(root: list[Any], path: Path) -> tuple[Any, Any]:
    """Return the map or list that holds a place, and the place's key in it."""
    holder: Any = root
    whole: Path = (0, *path)
    for part in whole[:-1]:
        holder = holder[part]
    return holder, whole[-1]
