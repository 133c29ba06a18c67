"""The part of a file of other people's that mlspec keeps: the lines between two marks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlspec.diagnostics import Unable

BEGIN, END = "# mlspec: begin", "# mlspec: end"
_MARKS = re.compile(rb"^[ \t]*# mlspec: (begin|end)\b[^\r\n]*(?:\r?\n|\Z)", re.MULTILINE)


def put_block(data: bytes, lines: Sequence[str], file: str) -> bytes:
    """Return a file with these lines between the marks, and every other byte as it was.

    A file without marks gets them at its end; no lines at all take the marks away. Lines end as the file's first line
    does. ``file`` is the name that people know it by. Raises Unable when the marks are not one begin and one end.
    """
    start, end = _span(data, file)
    newline = "\r\n" if re.match(rb"[^\n]*\r\n", data) else "\n"
    block = "".join(line + newline for line in (f"{BEGIN} (kept by mlspec; edits between the marks are lost)", *lines, END))
    if not lines:
        return data[:start] + data[end:]
    before = data[:start]
    if before and not before.endswith(b"\n"):
        before += newline.encode()
    return before + block.encode() + data[end:]


def _span(data: bytes, file: str) -> tuple[int, int]:
    """Return where the block starts and ends; the end of the file when there is none."""
    marks = list(_MARKS.finditer(data))
    words = [mark[1] for mark in marks]
    if not words:
        return len(data), len(data)
    if words != [b"begin", b"end"]:
        counts = f"{words.count(b'begin')} begin and {words.count(b'end')} end"
        message = f"{file} has {counts} marks of mlspec, or in another order; expected one of each"
        raise Unable(message, f"keep one `{BEGIN}` and one `{END}`")
    return marks[0].start(), marks[1].end()
