"""What a publication would change on the disk, for people to read; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from mlspec.diagnostics import Unable
from mlspec.writers.folders import opened
from mlspec.writers.publication import Publication
from mlspec.writers.survey import Change, Kind, survey

LINES_A_FILE = 60
LINES_IN_ALL = 600


class Difference(NamedTuple):
    """One file that is not as a compilation would leave it."""

    path: str
    kind: Kind
    """missing, stale (of an older compilation), edited (by hand), foreign (in the way), orphan, edited orphan."""
    diff: tuple[str, ...] = ()
    """Lines of a unified diff from what lies there to what should; cut off with a line that says so."""


class Comparison(NamedTuple):
    """What a publication would do; paths are sorted, locks included."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    """The same by file, with what differs; locks last."""
    unowned: tuple[str, ...] = ()


def compare(publication: Publication) -> Comparison:
    """Return how the disk differs from a publication. Raises Unable when it cannot be read; nothing is written or locked."""
    try:
        with opened(publication.root) as root:
            found = survey(root, publication)
    except OSError as error:
        raise Unable(f"the output cannot be read: {error.strerror}") from None
    left = LINES_IN_ALL
    differences = []
    for change in (*found.changes, *found.locks):
        new = found.wanted.get(change.path, found.lock_bytes.get(change.path))
        lines = tuple(_capped(change, new, max(0, min(left, LINES_A_FILE))))
        left -= len(lines)
        differences.append(Difference(change.path, change.kind, lines))
    return Comparison(*found.sorted_out(), tuple(differences), tuple(found.unowned))


def _capped(change: Change, new: bytes | None, limit: int) -> Iterator[str]:
    lines = _diff(change, new)
    yield from islice(lines, limit)
    if next(lines, None) is not None:
        yield "… (the rest is not shown)"


def _diff(change: Change, new: bytes | None) -> Iterator[str]:
    if change.found == new:
        return iter(["mode changed: the file is executable; expected 0644"])
    from difflib import unified_diff

    before, after = _lines(change.found), _lines(new)
    names = (f"a/{change.path}" if change.found is not None else "/dev/null", f"b/{change.path}" if new is not None else "/dev/null")
    return unified_diff(before, after, *names, lineterm="")


def _lines(data: bytes | None) -> list[str]:
    text = (data or b"").decode("utf-8", "backslashreplace")
    return [_shown(line) for line in _with_ends(text.split("\n"))] if text else []


def _shown(line: str) -> str:
    """Return a line without control characters: what someone put into a file must not drive a terminal."""
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() or letter == "\t" else f"\\u{ord(letter):04x}" for letter in line)


def _with_ends(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines; a last line without a line end says so, so that two texts that differ in it alone differ here."""
    *whole, last = lines
    yield from whole
    if last:
        yield last + "  (no line end)"
