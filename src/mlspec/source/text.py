"""From bytes to text: the encoding, and the characters that a spec may not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.diagnostics import Finding, Rejected, diagnose
from mlspec.location import Mark, SourceText
from mlspec.source import faults, limits

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ORDINARY = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])
_find_refused = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"  # never, not even in a comment
    "|\r(?!\n)"
).finditer
_find_hidden = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u180e\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"  # seen by no reader
).finditer
_NAMES = {
    "\0": "NULL",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
    "\x85": "NEXT LINE",
    "\ufeff": "BYTE ORDER MARK",
    "\x08": "BACKSPACE",
}


def decode(data: bytes, file: str) -> SourceText:
    """Return the text of a file without its byte order mark. Raises Rejected when it is too large or not UTF-8."""
    if len(data) > limits.FILE_BYTES:
        raise _refuse(faults.too_large(_start(file), len(data)))
    body = data.removeprefix(BYTE_ORDER_MARK)
    if len(data) > 1 and data.count(b"\0", 0, 64) * 2 >= len(data[:64]) - 1:  # every other byte: the pattern of UTF-16
        raise _refuse(faults.not_utf8(_start(file), data.index(b"\0"), 1, "UTF-16"))
    try:
        return SourceText(file, body.decode("utf-8"))
    except UnicodeDecodeError as error:
        offset = error.start + len(data) - len(body)
        before = SourceText(file, body[: error.start].decode("utf-8"))
        place = Mark(before, len(before.text), len(before.text))
        raise _refuse(faults.not_utf8(place, offset, before.position(len(before.text))[0], guess_encoding(data))) from None


def guess_encoding(data: bytes) -> str:
    """Return the encoding that bytes seem to be in, for a hint."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in data[:4]:
        return "UTF-16"
    return "Latin-1 or Windows-1252"


def _start(file: str) -> Mark:
    return Mark(SourceText(file, ""), 0, 0)


def _refuse(finding: Finding) -> Rejected:
    mark = finding.found.mark
    assert mark is not None
    return Rejected([diagnose(finding, mark)])


def is_ordinary(data: bytes) -> bool:
    """Tell at the speed of memory that bytes are ASCII without control characters."""
    return data.isascii() and not data.translate(None, _ORDINARY) and data.count(b"\r") == data.count(b"\r\n")


def find_refused(source: SourceText) -> Iterator[Finding]:
    """Yield the characters that may stand nowhere in a spec."""
    for match in _find_refused(source.text):
        yield faults.forbidden_character(Mark(source, match.start(), match.end()), name_character(match[0]), match[0])


def find_hidden(source: SourceText) -> list[int]:
    """Return the offsets of characters that reorder or hide text: errors in data, warnings in comments."""
    return [match.start() for match in _find_hidden(source.text)]


def name_character(character: str) -> str:
    """Return a character as people can look it up: ``U+202E RIGHT-TO-LEFT OVERRIDE``."""
    import unicodedata

    name = _NAMES.get(character) or unicodedata.name(
        character, "a control character" if ord(character) < 0xA0 else "a character without a name"
    )
    return f"U+{ord(character):04X} {name}"
