"""What an unquoted scalar means: the words and numbers of the language, everything else text."""

from __future__ import annotations

import re
from decimal import Decimal

Scalar = str | int | bool | Decimal | None

LEADING = frozenset(["", *"-0123456789tTfFnN~"])
"""First characters (one or none) of unquoted scalars that may be something else than text."""
WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
MAXIMUM_DIGITS = 18
"""Longer whole numbers stay text: no field needs them, and no other reader has to hold them exactly."""
MAXIMUM_DECIMAL = 40
_match_number = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?").fullmatch


def resolve(text: str) -> Scalar:
    """Return what an unquoted scalar means.

    Numbers are ASCII, decimal, without exponent, sign ``+``, leading zeros or underscores; a number with a point is an
    exact Decimal that keeps its trailing zeros. Dates, ``no``, ``1e3``, ``0o14``, ``.inf`` and ``1:30`` are text.
    """
    if text in WORDS:
        return WORDS[text]
    number = _match_number(text)
    if number is None:
        return text
    if number[1] is None:
        return int(text) if len(text.lstrip("-")) <= MAXIMUM_DIGITS else text
    return Decimal(text) if len(text) <= MAXIMUM_DECIMAL else text
