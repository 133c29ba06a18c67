"""The comments of a spec: where they stand, told apart from ``#`` inside of values by the scanner's own tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from mlspec.location import SourceText

_find_hash = re.compile(r"(?:(?<=[ \t\r\n])|\A)#[^\r\n]*").finditer
_find_header_hash = re.compile(r"[ \t]#[^\r\n]*").search


class Comment(NamedTuple):
    """A comment: its offsets and its text from the ``#`` on."""

    start: int
    end: int
    text: str


def find_comments(source: SourceText) -> list[Comment]:
    """Return all comments in order. Where the text is not YAML, what was read before the fault decides."""
    text = source.text
    if "#" not in text:
        return []
    found: list[Comment] = []
    at = 0
    for start, end, block in _values(source):
        found += _between(text, at, start)
        if block:
            line_end = text.find("\n", start)
            header = _find_header_hash(text, start, line_end if line_end >= 0 else len(text))
            if header is not None:
                found.append(Comment(header.start() + 1, header.end(), header[0][1:]))
        at = max(at, end)
    return found + _between(text, at, len(text))


def _between(text: str, start: int, end: int) -> list[Comment]:
    return [Comment(match.start(), match.end(), match[0]) for match in _find_hash(text, start, end)] if start < end else []


def _values(source: SourceText) -> list[tuple[int, int, bool]]:
    """Return the stretches of all scalars, and whether each is a block of text."""
    from yaml.tokens import ScalarToken

    from mlspec.source.composer import parse_events

    stretches: list[tuple[int, int, bool]] = []
    parser = parse_events(source.text)
    try:
        while parser.check_token():
            token = parser.get_token()
            if type(token) is ScalarToken:
                block = token.style in {"|", ">"}
                start, end = token.start_mark.index, token.end_mark.index
                if block:
                    end = start + len(source.text[start:end].rstrip())
                stretches.append((start, end, block))
    except Exception:
        return stretches
    return stretches
