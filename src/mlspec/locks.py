"""Three locks made one: fact by fact, as git does it line by line, but with the facts of one endpoint kept together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlspec.lock import Fact, Lock, emit_lock, newer

OURS, BETWEEN, THEIRS = "<<<<<<< ours", "=======", ">>>>>>> theirs"

_Groups = dict[str, dict[str, Fact]]


class MergedLock(NamedTuple):
    """What came of a merge of locks."""

    data: bytes
    """The lock; where both sides say different things of what serves or is pinned, both, between markers."""
    conflicts: tuple[str, ...]
    """What they contradict each other about, such as ``live prod/churn-api``; none when ``data`` is a lock."""


def merge_locks(base: Lock, ours: Lock, theirs: Lock) -> MergedLock:
    """Merge two locks that grew out of a third.

    A fact that one side changed is taken from that side. Where both did, `inputs` and `files` follow our side (a file that
    one side dropped and the other changed stays known), because the next compilation writes them anew; in `live` and `pins`
    it is a conflict. What one side dropped there and the other changed stays: the merged spec says whether it still exists.
    All facts of an endpoint or a pinned thing are of one side: the version of one and the step of the other would be a
    state that never was.
    """
    compiler = theirs.compiler if newer(theirs.compiler, ours.compiler) else ours.compiler
    inputs = dict(_plain(base.inputs, ours.inputs, theirs.inputs))
    files = dict(_plain(base.files, ours.files, theirs.files))
    sides: list[dict[str, _Groups]] = [{}, {}]
    conflicts: list[str] = []
    for section, read in (("pins", _pins), ("live", _live)):
        left, right, torn = _groups(read(base), read(ours), read(theirs))
        sides[0][section], sides[1][section] = left, right
        conflicts += [f"{section} {name}" for name in torn]
    written = [emit_lock(_lock(compiler, inputs, side, files)) for side in sides]
    return MergedLock(written[0] if not conflicts else _between_markers(*written), tuple(conflicts))


def _plain(base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in sorted({*ours, *theirs}):
        before, left, right = base.get(key), ours.get(key), theirs.get(key)
        fact = right if left == before else left if right in (before, left) else left or right
        if fact is not None:
            yield key, fact


def _groups(base: _Groups, ours: _Groups, theirs: _Groups) -> tuple[_Groups, _Groups, list[str]]:
    """Merge groups; return our version and theirs, which differ in the conflicts alone, and the names of those."""
    left: _Groups = {}
    right: _Groups = {}
    torn: list[str] = []
    for name in sorted({*ours, *theirs}):
        before, mine, other = base.get(name), ours.get(name), theirs.get(name)
        if mine == before:
            mine = other
        elif other == before:
            other = mine
        elif mine is None or other is None:
            mine = other = mine or other
        if mine != other:
            torn.append(name)
        if mine:
            left[name] = mine
        if other:
            right[name] = other
    return left, right, torn


def _pins(lock: Lock) -> _Groups:
    """Return pins by the thing that is pinned: ``models/churn``, whatever stands below it."""
    groups: _Groups = {}
    for key, fact in lock.pins.items():
        groups.setdefault("/".join(key.split("/")[:2]), {})[key] = fact
    return groups


def _live(lock: Lock) -> _Groups:
    return {place: dict(facts) for place, facts in lock.live.items()}


def _lock(compiler: str, inputs: Mapping[str, str], side: Mapping[str, _Groups], files: Mapping[str, str]) -> Lock:
    pins = {key: fact for group in side["pins"].values() for key, fact in group.items()}
    return Lock(compiler, inputs, pins, side["live"], files)


def _between_markers(ours: bytes, theirs: bytes) -> bytes:
    """Return the lines of two texts, with markers around those that differ."""
    from difflib import SequenceMatcher

    left, right = ours.decode().split("\n"), theirs.decode().split("\n")
    lines: list[str] = []
    for what, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        lines += left[a:b] if what == "equal" else [OURS, *left[a:b], BETWEEN, *right[c:d], THEIRS]
    return "\n".join(lines).encode()
