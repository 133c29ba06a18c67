"""The canonical YAML emitter: one way to write plain data, read back the same by YAML 1.1, YAML 1.2 and Kubernetes' Go reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

INT64 = 2**63
LONGEST_KEY = 1000
"""YAML readers look for the colon of a key within 1024 characters."""
_LONGEST_REMEMBERED = 300
_MOST_REMEMBERED = 50_000

_WORD = r"[A-Za-z0-9_./+@=%(),*$~^-]"
_PLAIN = re.compile(
    rf"(?!(?:y|n|yes|no|on|off|true|false|null|nan|inf)\Z)[a-z/]{_WORD}*(?:[: ]{_WORD}+)*"
    r"|[0-9]+(?:\.[0-9]+)?(?:[mk]|[KMGTP]i|%)"
    r"|[0-9]+(?:ms|s|h)",
    re.IGNORECASE | re.ASCII,
).fullmatch
_SUFFIX_CASE = re.compile(r"[0-9.]+(?:[mk]|[KMGTP]i|%|ms|s|h)").fullmatch
_ESCAPED = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_PICTOGRAMS = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5))
"""Emoji of Unicode 6: every Python that runs us knows them."""


def _shown(character: str) -> bool:
    """Tell whether a character is written as itself. The answer is the same in every Python, whatever its Unicode version."""
    if not character.isprintable():
        return False
    if character < "\x7f":
        return True
    from unicodedata import ucd_3_2_0

    point = ord(character)
    return ucd_3_2_0.category(character) != "Cn" or any(low <= point <= high for low, high in _PICTOGRAMS)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    short = _SHORT.get(character)
    if short is not None:
        return short
    if _shown(character):
        return character
    point = ord(character)
    if 0xD800 <= point <= 0xDFFF:
        raise ValueError(f"text holds a lone surrogate, U+{point:04X}; expected Unicode text")
    if point <= 0xFF:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _quote(text: str) -> str:
    """Return a text on one line: plain where every reader takes it for that text, otherwise in double quotes."""
    if _PLAIN(text) and (text[0] > "9" or text[0] == "/" or _SUFFIX_CASE(text)):
        return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


class _Memo(dict[str, str]):
    """Texts already quoted, with the blank that goes before them. A pure function's memory, so sharing it changes no output."""

    __slots__ = ()

    def __missing__(self, text: str) -> str:
        written = " " + _quote(text)
        if len(text) <= _LONGEST_REMEMBERED and "\n" not in text:  # lines are written in one way as keys, in another as values
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[str(text)] = written
        return written


_memo = _Memo()
known = _memo.get
"""Return the written form of a one-line text (with a blank before it) when it is remembered; for the generated code of templates."""


_LEAST_BLOCK, _MOST_BLOCKS = 2000, 32
_blocks: dict[tuple[str, str], str] = {}
"""Long texts as they were written at an indentation, until there are too many: programs stand in every environment of every project."""


def _lines(text: str) -> bool:
    """Tell whether a text reads best as a literal block, and reads back the same from one."""
    if text[0] in " \n\t" or text[-1] in " \t" or text.endswith("\n\n") or "\n\t" in text or " \n" in text or "\t\n" in text:
        return False
    shown = text.replace("\n", "").replace("\t", "")
    return shown.isprintable() and (shown.isascii() or all(map(_shown, set(shown))))


def text_below(text: str, pad: str) -> str:
    """Return what follows a colon or a dash for a text; ``pad`` is a line feed and the indentation of the key or dash."""
    if "\n" not in text:
        return _memo[text]
    remembered = _blocks.get((text, pad))
    if remembered is not None:
        return remembered
    if not _lines(text):
        return _memo[text]
    written = _block(text, pad)
    if len(text) >= _LEAST_BLOCK:
        if len(_blocks) >= _MOST_BLOCKS:
            _blocks.clear()
        _blocks[text, pad] = written
    return written


def _block(text: str, pad: str) -> str:
    """Return a text as a literal block. No line of it ends in blanks, so those before a line feed belong to an empty line."""
    inner = pad + "  "
    lines = text.removesuffix("\n").replace("\n", inner)
    head = " |" if text[-1] == "\n" else " |-"
    return head + inner + (lines.replace(inner[1:] + "\n", "\n") if "\n\n" in text else lines)


def _number(number: Decimal) -> str:
    if not number.is_finite():
        raise ValueError(f"the number is {number}; expected a finite one")
    if number.adjusted() > 18 or number.as_tuple().exponent < -40:  # type: ignore[operator]
        raise ValueError(f"the number {number} does not fit into 64 bits")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if "." not in text:
        return _integer(int(text))
    return text


def _integer(number: int) -> str:
    if not -INT64 <= number < INT64:
        raise ValueError(f"the number {number} does not fit into 64 bits")
    return int.__repr__(number)


def _other(value: Any) -> str | None:
    """Return the written form of a scalar that is no text, with a blank before it; None for a collection."""
    if value is None:
        return " null"
    if value is True:
        return " true"
    if value is False:
        return " false"
    if isinstance(value, int):
        return " " + _integer(value)
    if isinstance(value, Decimal):
        return " " + _number(value)
    if isinstance(value, Mapping | list | tuple):
        return None
    raise ValueError(f"a {type(value).__name__} cannot be written; expected text, an integer, a decimal, a boolean, null, a map or a list")


def key_text(key: Any) -> str:
    """Return a key as it is written before its colon. Raises ValueError when it is no text, or too long for YAML."""
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no text")
    written = _memo[key][1:]
    if len(written) > LONGEST_KEY:
        raise ValueError(f"a key of {len(written)} characters; at most {LONGEST_KEY} can be read back")
    return written


class _Keys(dict[str, str]):
    """Keys already written, with their colon; as pure as the memory of texts."""

    __slots__ = ()

    def __missing__(self, key: Any) -> str:
        written = key_text(key) + ":"
        if len(written) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[str(key)] = written
        return written


_keys = _Keys()


def entries(value: Mapping[str, Any], pad: str) -> str:
    """Return the entries of a map, each on lines of its own that start with ``pad`` (a line feed and the indentation)."""
    written = []
    get, keys = _memo.get, _keys
    for key, child in value.items():
        kind = child.__class__
        if kind is str:
            text = get(child) or text_below(child, pad)
        elif kind is dict:
            text = entries(child, pad + "  ") if child else " {}"
        else:
            text = below(child, pad)
        written.append(f"{pad}{keys[key]}{text}")
    return "".join(written)


def items(value: list[Any] | tuple[Any, ...], pad: str) -> str:
    """Return the items of a list, each on lines of its own that start with ``pad`` and a dash."""
    return "".join([f"{pad}-{item(child, pad)}" for child in value])


def below(value: Any, pad: str) -> str:
    """Return what follows a key's colon. Raises ValueError for what cannot be written."""
    kind = value.__class__
    if kind is str:
        return _memo.get(value) or text_below(value, pad)
    if kind is dict:
        return entries(value, pad + "  ") if value else " {}"
    if kind is list:
        return items(value, pad) if value else " []"
    if kind is bool:
        return " true" if value else " false"
    if isinstance(value, str):
        return text_below(str.__str__(value), pad)
    written = _other(value)
    if written is not None:
        return written
    if isinstance(value, Mapping):
        return entries(value, pad + "  ") if value else " {}"
    return items(value, pad) if value else " []"


def item(value: Any, pad: str) -> str:
    """Return what follows a list item's dash. Raises ValueError for what cannot be written."""
    kind = value.__class__
    if kind is str:
        return _memo.get(value) or text_below(value, pad)
    inner = pad + "  "
    if kind is dict:
        return " " + entries(value, inner)[len(inner) :] if value else " {}"
    if isinstance(value, Mapping):
        return " " + entries(value, inner)[len(inner) :] if value else " {}"
    if isinstance(value, list | tuple):
        return " " + items(value, inner)[len(inner) :] if value else " []"
    return below(value, pad)


def scalar(value: Any) -> str:
    """Return a scalar on one line. Raises ValueError for a collection and for what cannot be written."""
    if isinstance(value, str):
        return _memo[value][1:]
    written = _other(value)
    if written is None:
        raise ValueError("a map or a list is no scalar")
    return written[1:]


def emit(value: Any) -> str:
    """Return data as one canonical YAML document that ends with a line feed; the order of keys is the order of the data.

    Takes text, integers, exact decimals, booleans, None, maps with text keys, lists and tuples. Raises ValueError for everything
    else: floats, keys that are no text, lone surrogates, integers beyond 64 bits.
    """
    if isinstance(value, Mapping) and value:
        return entries(value, "\n")[1:] + "\n"
    return below(value, "\n")[1:] + "\n"
