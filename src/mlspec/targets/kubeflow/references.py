"""Run-time references in the strings of steps: taken apart, and put together again as placeholders or markers.

What the kubelet would expand (``$(NAME)``, ``$$``) is doubled in everything that is not a placeholder, so that a process
sees what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlspec.plan.node import Told

_TOKEN = re.compile(r"\$\$\{|\$\{((?:params|inputs|outputs|steps)(?:\.[A-Za-z0-9_-]+)+)\}")
_EXPANDED = re.compile(r"\$\$+|\$(?=\()")
_OUTSIDE = re.compile(r"[^A-Z0-9]+")


class Reference(NamedTuple):
    """One run-time reference: ``${steps.prepare.table}`` has the parts steps, prepare, table."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The reference as it is written."""
        return "${" + ".".join(self.parts) + "}"


def split(text: str) -> list[str | Reference]:
    """Return a string as its literal pieces and references, in order; ``$${`` has become ``${``."""
    made: list[str | Reference] = []
    plain, at = "", 0
    for token in _TOKEN.finditer(text):
        plain += text[at : token.start()]
        at = token.end()
        if token[1] is None:
            plain += "${"
            continue
        if plain:
            made.append(plain)
            plain = ""
        made.append(Reference(tuple(token[1].split("."))))
    plain += text[at:]
    return [*made, plain] if plain else made


def literal(text: str) -> str:
    """Return a text that the kubelet hands over as it was written: what it would expand is doubled."""
    return _EXPANDED.sub(lambda found: found[0] * 2, text) if "$" in text else text


def place(text: str, put: Callable[[Reference], str], spell: Callable[[str], str] = literal) -> str:
    """Return a string with each reference replaced by what ``put`` gives, and the rest spelled by ``spell``."""
    if "$" not in text:
        return text
    return like("".join(put(piece) if isinstance(piece, Reference) else spell(piece) for piece in split(text)), text)


def like(made: str, text: str) -> str:
    """Return a text that was made of another one, so that it is known where that one is written."""
    if type(text) is not Told:
        return made
    told = Told(made)
    told.path = text.path
    return told


def references(texts: Iterable[str]) -> list[Reference]:
    """Return the references of several strings, each once, in the order in which they are met."""
    found: dict[Reference, None] = {}
    for text in texts:
        if "${" in text:
            found.update((piece, None) for piece in split(text) if isinstance(piece, Reference))
    return list(found)


def marker_names(found: Iterable[Reference]) -> dict[Reference, str]:
    """Return a name for each reference, of capitals, digits and underscores, no two alike: ``INPUTS_SHARDS``."""
    made: dict[Reference, str] = {}
    taken: set[str] = set()
    for reference in found:
        name = stem = _OUTSIDE.sub("_", "_".join(reference.parts).upper())
        number = 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
        made[reference] = name
    return made
