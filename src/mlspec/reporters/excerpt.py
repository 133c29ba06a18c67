"""One source line with a mark under a stretch of it: tabs, wide letters and very long lines included."""

from __future__ import annotations

from mlspec.location import Site
from mlspec.reporters.printable import cell

WIDEST = 200
"""Columns; a longer line is shown as a window around the marked stretch."""
BEFORE = 60
"""Columns that such a window shows before the stretch."""
MORE = "…"


def draw(site: Site) -> tuple[str, int, int]:
    """Return the line as it is shown, and the offset and length (in columns) of the mark under it."""
    line = site.excerpt
    cells = [cell(letter) for letter in line]
    first = min(max(site.column - 1, 0), len(cells))
    last = len(cells) if site.end_line > site.line else min(max(site.end_column - 1, first), len(cells))
    if sum(width for _, width in cells) > WIDEST:
        return _window(cells, first, last)
    return "".join(shown for shown, _ in cells), _wide(cells[:first]), max(1, _wide(cells[first:last]))


def _window(cells: list[tuple[str, int]], first: int, last: int) -> tuple[str, int, int]:
    """Cut a long line down to what surrounds the stretch; dots stand for what was left out."""
    begin = first
    room = BEFORE
    while begin > 0 and cells[begin - 1][1] <= room:
        begin -= 1
        room -= cells[begin][1]
    end, room = begin, WIDEST
    while end < len(cells) and cells[end][1] <= room:
        room -= cells[end][1]
        end += 1
    left = MORE if begin else ""
    right = MORE if end < len(cells) else ""
    shown = left + "".join(text for text, _ in cells[begin:end]) + right
    return shown, len(left) + _wide(cells[begin:first]), max(1, _wide(cells[first : min(last, end)]))


def _wide(cells: list[tuple[str, int]]) -> int:
    return sum(width for _, width in cells)
