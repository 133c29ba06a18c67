"""What a template is once it is understood: a tree of maps, lists, values and blocks, each with its place in a file."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlspec.template.codes import Span
from mlspec.template.expressions import Expr


class Const(NamedTuple):
    """A constant scalar."""

    value: Any
    span: Span


class Value(NamedTuple):
    """A lone expression. ``quoted`` makes it text; ``optional`` leaves its entry out when it is absent."""

    expression: Expr
    optional: bool
    quoted: bool
    span: Span


class Text(NamedTuple):
    """Text with expressions in it."""

    parts: tuple[str | Expr, ...]
    span: Span


class Map(NamedTuple):
    """A map: its entries, merges and blocks, in order."""

    body: tuple[Part, ...]
    span: Span


class Seq(NamedTuple):
    """A list: its items and blocks, in order."""

    body: tuple[Part, ...]
    span: Span


Node = Const | Value | Text | Map | Seq


class Entry(NamedTuple):
    """An entry of a map."""

    key: Const | Value | Text
    value: Node
    span: Span


class Item(NamedTuple):
    """An item of a list."""

    value: Node
    span: Span


class Spread(NamedTuple):
    """The entries of a map (``<<``), or the items of a list (``each``), in the collection it stands in."""

    expression: Expr
    of_map: bool
    optional: bool
    span: Span


class If(NamedTuple):
    """Branches, each with its test; the last may have none."""

    branches: tuple[tuple[Expr | None, tuple[Part, ...], Span], ...]
    span: Span


class For(NamedTuple):
    """A body for each item of a list (one variable), or each entry of a map (two)."""

    variables: tuple[str, ...]
    over: Expr
    body: tuple[Part, ...]
    span: Span


Part = Entry | Item | Spread | If | For


def fixed(node: Map | Seq) -> bool:
    """Tell whether a collection has the same entries whatever the view: constant keys, nothing optional, no block."""
    return all(map(_sure, node.body))


def leading(body: tuple[Part, ...]) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Divide a body into the entries at its start that are always there, and the rest."""
    number = next((number for number, part in enumerate(body) if not _sure(part)), len(body))
    return body[:number], body[number:]


def _sure(part: Part) -> bool:
    if isinstance(part, Item):
        return not left_out(part.value)
    return isinstance(part, Entry) and isinstance(part.key, Const) and not left_out(part.value)


def left_out(node: Node) -> bool:
    """Tell whether a value may leave its entry out."""
    return isinstance(node, Value) and node.optional
