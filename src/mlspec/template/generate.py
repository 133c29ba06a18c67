"""The generated Python of a template: what its three faces have in common."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.template.codes import Span
from mlspec.template.expressions import (
    At,
    Choice,
    Compared,
    Expr,
    File,
    Filtered,
    Get,
    Items,
    Joined,
    Listed,
    Literal,
    Local,
    Logic,
    Name,
    Not,
)
from mlspec.template.tree import If, Map

Position = tuple[str, int, int]
"""A stretch of a template: name, start and end in code points."""

_USE = re.compile("\x01(.)([^\x02]*)\x02")
_MARK = re.compile(r"#@([0-9]+)$")


class Line(NamedTuple):
    """A statement (which may go over several lines), how deep it stands, and whether it stands in a loop."""

    depth: int
    loop: bool
    code: str


class Positions:
    """The places in templates that generated lines come from; a line ends with the number of its place."""

    def __init__(self) -> None:
        self.table: list[Position] = []
        self._numbers: dict[Position, int] = {}

    def mark(self, span: Span) -> str:
        """Return the comment that a generated line carries."""
        position = (span.text.file, span.start, span.end)
        number = self._numbers.setdefault(position, len(self.table))
        if number == len(self.table):
            self.table.append(position)
        return f" #@{number}"

    def lines(self, source: str) -> dict[int, Position]:
        """Return the place of each line of the source that has one."""
        found = ((number, _MARK.search(line)) for number, line in enumerate(source.split("\n"), 1))
        return {number: self.table[int(match[1])] for number, match in found if match}


class Face:
    """Writes one function of a template."""

    name = ""

    def __init__(self, positions: Positions, *, mapping: bool) -> None:
        self.positions, self.mapping = positions, mapping
        self.out: list[Line] = []
        self.depth, self.loops, self._fresh = 1, 0, 0

    def put(self, code: str, span: Span | None = None) -> None:
        """Add a statement."""
        self.out.append(Line(self.depth, self.loops > 0, code + (self.positions.mark(span) if span else "")))

    def fresh(self, letter: str) -> str:
        """Return a Python name that is not in use."""
        self._fresh += 1
        return f"{letter}{self._fresh}"

    # expressions

    def code(self, expression: Expr, *, lazy: bool = False) -> str:
        """Return the Python of an expression; ``lazy`` says that it may not be evaluated."""
        if isinstance(expression, Name):
            return f"\x01{'L' if lazy else 'U'}{expression.mode[0]}{expression.name}\x02"
        if isinstance(expression, Local):
            return expression.variable
        if isinstance(expression, Get):
            return self._get(expression, lazy)
        if isinstance(expression, At):
            return f"H({self.code(expression.of, lazy=lazy)}, {self.code(expression.key, lazy=lazy)})"
        if isinstance(expression, Literal):
            return constant(expression.value)
        if isinstance(expression, Listed):
            return "(" + "".join(self.code(item, lazy=lazy) + ", " for item in expression.items) + ")"
        if isinstance(expression, Not):
            return f"(not {self.code(expression.of, lazy=lazy)})"
        if isinstance(expression, Logic):
            return f"({self.code(expression.left, lazy=lazy)} {expression.operator} {self.code(expression.right, lazy=True)})"
        if isinstance(expression, Compared):
            rest = " ".join(
                f"{operator} {self.code(other, lazy=lazy or number > 0)}" for number, (operator, other) in enumerate(expression.rest)
            )
            return f"({self.code(expression.first, lazy=lazy)} {rest})"
        if isinstance(expression, Choice):
            yes, no = self.code(expression.yes, lazy=True), self.code(expression.no, lazy=True)
            return f"({yes} if {self.code(expression.test, lazy=lazy)} else {no})"
        if isinstance(expression, Joined):
            return self.words(expression.parts, lazy=lazy)
        if isinstance(expression, Filtered):
            arguments = "".join(f", {constant(argument)}" for argument in expression.arguments)
            return f"F_{expression.name}({self.code(expression.of, lazy=lazy)}{arguments})"
        if isinstance(expression, Items):
            return f"M({self.code(expression.of, lazy=lazy)})"
        variables = ", ".join(f"{name!r}: {variable}" for name, variable in expression.locals)
        return f"X({expression.name!r}, view, {{{variables}}})"

    def _get(self, expression: Get, lazy: bool) -> str:
        of = self.code(expression.of, lazy=lazy)
        if expression.mode == "class":
            return f"{of}.{expression.key}"
        if expression.mode == "map":
            return f"{of}[{expression.key!r}]"
        return f"{'G' if expression.mode == 'any' else 'H'}({of}, {expression.key!r})"

    def words(self, parts: tuple[str | Expr, ...], *, lazy: bool = False) -> str:
        """Return the Python of text put together from constants and values."""
        names = []
        for part in parts:
            if isinstance(part, str):
                names.append(repr(part))
            else:
                names.append(f"(w if (w := {self.code(part, lazy=lazy)}).__class__ is str else W(w))")
        return f"({' + '.join(names)})" if names else "''"

    # names of the view

    def source(self) -> str:
        """Return the function; each name of the view is read at most once, and only where it is needed."""
        uses: dict[str, list[tuple[bool, bool]]] = {}
        for line in self.out:
            for flag, name in _USE.findall(line.code):
                uses.setdefault(name, []).append((flag == "U" and line.depth == 1, line.loop))
        written: dict[str, str] = {}
        head: list[str] = []
        for number, (name, found) in enumerate(uses.items(), 1):
            read = self._read(name[0], name[1:])
            if len(found) == 1 and not found[0][1]:
                written[name] = read
            elif any(sure for sure, _ in found):
                written[name] = f"n{number}"
                head.append(f"    n{number} = {read}{self._first(name)}")
            else:
                written[name] = f"(n{number} if n{number} is not U else (n{number} := {read}))"
                head.append(f"    n{number} = U")
        body = ["    " * line.depth + line.code for line in self.out]
        text = "\n".join([f"def {self.name}(view):", *head, *body])
        return _USE.sub(lambda match: written[match[2]], text) + "\n"

    def _first(self, name: str) -> str:
        """Return the place of the first use of a name."""
        for line in self.out:
            for row in line.code.split("\n"):
                if any(use == name for _, use in _USE.findall(row)) and (mark := _MARK.search(row)):
                    return f" {mark[0]}"
        return ""

    def _read(self, mode: str, name: str) -> str:
        if self.mapping:
            return f"G(view, {name!r})"
        return f"view.{name}" if mode == "c" else f"G(view, {name!r})"


def constant(value: Any) -> str:
    """Return the Python of a constant."""
    return f"Decimal({str(value)!r})" if isinstance(value, Decimal) else repr(value)


def whole_document(root: Map) -> bool:
    """Tell whether a template is one ``if`` around everything, so that there may be no object."""
    return len(root.body) == 1 and isinstance(root.body[0], If)


__all__ = ["Face", "File", "Positions", "constant", "whole_document"]
