"""Where a value stands: a path through the data, and the site in a file that the path leads to."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

Path = tuple[str | int, ...]
"""A way through plain data, key by key: ``("serving", "churn-api", "replicas", "min")``."""


def format_path(path: Path) -> str:
    """Return a path as people write it: ``serving.churn-api.rollout.steps[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A stretch of a file. Lines count LF and CRLF, columns are 1-based code points, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    excerpt: str = field(default="", compare=False)
    """The whole source line that the site starts on, without its line end; empty where it must not be shown."""


@dataclass(frozen=True)
class SourceText:
    """The text of one file, without a byte order mark, and the name that people know the file by."""

    file: str
    text: str

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets (code points) at which each line starts."""
        starts = [0]
        find, at = self.text.find, 0
        while (at := find("\n", at)) >= 0:
            at += 1
            starts.append(at)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of an offset in code points."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line's text by its 1-based number, without its line end."""
        starts = self.line_starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    @cached_property
    def secrets(self) -> list[tuple[int, int]]:
        """Offsets of what looks like a secret; asked for only when there is something to say about the text."""
        from mlspec.secrecy import find_secrets

        return find_secrets(self.text)

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The stretches of those secrets that no message may hold."""
        from mlspec.secrecy import pieces

        return pieces(self.text[start:end] for start, end in self.secrets)

    @cached_property
    def secret_lines(self) -> frozenset[int]:
        """The numbers of the lines that hold a part of a secret, and are not to be shown."""
        return frozenset(
            line for start, end in self.secrets for line in range(self.position(start)[0], self.position(max(start, end - 1))[0] + 1)
        )

    def site(self, start: int, end: int) -> Site:
        """Return the site of the offsets [start, end). A line that holds a secret is not shown."""
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Site(self.file, line, column, end_line, end_column, "" if line in self.secret_lines else self.line(line))


class Mark:
    """The place of one node: its value, the key it stands under, and the marks of what is below it.

    Marks form a tree of the same shape as the data: ``children`` is a dict for a map, a list for a list, None for a
    scalar. A tree that was merged from several files holds marks of several texts. ``why`` is one of ``written``,
    ``base``, ``override``, ``default``, ``computed``, ``lock``, ``patch``.
    """

    __slots__ = ("children", "end", "key_end", "key_start", "start", "text", "why")

    def __init__(
        self,
        text: SourceText,
        start: int,
        end: int,
        key_start: int = -1,
        key_end: int = -1,
        children: dict[str, Mark] | list[Mark] | None = None,
        why: str = "written",
    ) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.key_start = key_start
        self.key_end = key_end
        self.children = children
        self.why = why

    def child(self, part: str | int) -> Mark | None:
        """Return the mark below this one, or None when nothing is written there."""
        children = self.children
        if isinstance(children, dict) and isinstance(part, str):
            return children.get(part)
        if isinstance(children, list) and isinstance(part, int) and part < len(children):
            return children[part]
        return None

    def value_site(self) -> Site:
        """Return the site of the value."""
        return self.text.site(self.start, self.end)

    def key_site(self) -> Site:
        """Return the site of the key, or of the value where there is no key (list items, the document)."""
        if self.key_start < 0:
            return self.value_site()
        return self.text.site(self.key_start, self.key_end)


def walk(root: Mark, path: Path) -> tuple[Mark, int]:
    """Follow a path as far as it is written; return the last mark and how many parts of the path led to it."""
    mark = root
    for depth, part in enumerate(path):
        below = mark.child(part)
        if below is None:
            return mark, depth
        mark = below
    return mark, len(path)


def locate(root: Mark, path: Path, on: str = "value") -> Site:
    """Turn a path into a site. What is not written is shown at the key of the nearest map that lacks it.

    ``on`` is ``key`` or ``value`` and says which of the two is meant where both are written.
    """
    mark, depth = walk(root, path)
    if depth < len(path):
        if depth == 0:
            return mark.text.site(0, 0)
        return mark.key_site()
    return mark.key_site() if on == "key" else mark.value_site()
