"""Text made safe for a terminal, a log and XML: what cannot be seen is written out, and widths are known."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ATTACHED = frozenset({"Mn", "Me"})
TAB = 4
"""Columns of a tab in an excerpt, wherever it stands."""


def cell(letter: str) -> tuple[str, int]:
    """Return how one code point is shown, and how many columns of a terminal that takes."""
    if " " <= letter <= "~":
        return letter, 1
    if letter == "\t":
        return " " * TAB, TAB
    kind = unicodedata.category(letter)
    if kind in _HIDDEN:
        shown = escaped(letter)
        return shown, len(shown)
    if kind in _ATTACHED:
        return letter, 0
    return letter, 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def escaped(letter: str) -> str:
    """Return a code point as YAML and most languages write it in double quotes: ``\\x1b``, ``\\u202e``."""
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def printable(text: str, keep: str = "") -> str:
    """Return a text in which control, format and unassigned characters are written out, except those to keep."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter in keep or unicodedata.category(letter) not in _HIDDEN else escaped(letter) for letter in text)
