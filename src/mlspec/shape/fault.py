"""What a shape finds wrong with a value."""

from __future__ import annotations

from typing import NamedTuple

from mlspec.location import Path


class Fault(NamedTuple):
    """One thing that a value must not be: where, what was found, what was expected there, and the keyword that says so."""

    path: Path
    message: str
    expected: str = ""
    rule: str = ""
    """The JSON Schema keyword that refused it (``type``, ``required``, ``additionalProperties`` for unknown fields, ...)."""
