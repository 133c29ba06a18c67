"""Expressions of templates: from Jinja's syntax tree to our own small one, which can say nothing dangerous."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from jinja2 import Environment, TemplateSyntaxError, nodes

from mlspec.diagnostics import Finding
from mlspec.template import codes
from mlspec.template.codes import Span
from mlspec.template.contract import ANY, SCALAR, Contract, Shape
from mlspec.template.filters import FILTERS


class Name(NamedTuple):
    """A name of the view; ``mode`` is how it is read: ``class``, ``map`` or ``any``."""

    name: str
    mode: str


class Local(NamedTuple):
    """A variable of a loop, by the Python name it has in generated code."""

    variable: str


class Get(NamedTuple):
    """A part of a value by a constant name or index; ``mode`` is ``class``, ``map``, ``item`` (subscript) or ``any``."""

    of: Expr
    key: str | int
    mode: str


class At(NamedTuple):
    """A part of a map or list by a computed key or index."""

    of: Expr
    key: Expr


class Literal(NamedTuple):
    """A constant."""

    value: Any


class Listed(NamedTuple):
    """A list written out in the template."""

    items: tuple[Expr, ...]


class Not(NamedTuple):
    """A negation."""

    of: Expr


class Logic(NamedTuple):
    """``and`` or ``or``."""

    operator: str
    left: Expr
    right: Expr


class Compared(NamedTuple):
    """A comparison, or a chain of them."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Choice(NamedTuple):
    """``x if c else y``."""

    test: Expr
    yes: Expr
    no: Expr


class Joined(NamedTuple):
    """Text put together with ``~``."""

    parts: tuple[Expr, ...]


class Filtered(NamedTuple):
    """A value through a filter."""

    name: str
    of: Expr
    arguments: tuple[Any, ...]


class File(NamedTuple):
    """An ordinary text, by name, with the loop variables it may use."""

    name: str
    locals: tuple[tuple[str, str], ...]


class Items(NamedTuple):
    """The sorted entries of a map, in ``for k, v in m.items()``."""

    of: Expr


Expr = Name | Local | Get | At | Literal | Listed | Not | Logic | Compared | Choice | Joined | Filtered | File | Items

_OPERATORS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
_NAMED = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
    nodes.Pow: "**",
    nodes.Slice: "a slice",
    nodes.Test: "a test with `is`",
    nodes.Dict: "a map literal",
}

Scope = dict[str, tuple[str, Shape]]
"""Loop variables: their Python name and shape."""


class Refused(Exception):  # noqa: N818 - it is caught where the expression stands
    """An expression that was refused, with its finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.found.message)


class Translator:
    """Translates expressions, checked against a view's contract."""

    def __init__(self, environment: Environment, contract: Contract, view: type | None, exists: Callable[[str], bool]) -> None:
        self.environment, self.contract, self.exists = environment, contract, exists
        self.view = ANY if view is None or issubclass(view, dict) else Shape("class", view)

    def parse(self, source: str, span: Span) -> nodes.Expr:
        """Return Jinja's syntax tree of the inside of ``{{ }}``. Raises Refused."""
        try:
            output = self.environment.parse("{{" + source + "}}").body
        except TemplateSyntaxError as error:
            raise Refused(codes.template_syntax(span, _said(error))) from None
        if len(output) != 1 or not isinstance(output[0], nodes.Output) or len(output[0].nodes) != 1:
            raise Refused(codes.template_syntax(span, "there is no expression between {{ and }}"))
        return output[0].nodes[0]

    def expression(self, node: nodes.Expr, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        """Translate an expression and return it with its shape. Raises Refused."""
        method = getattr(self, "_" + type(node).__name__.lower(), None)
        if method is None:
            raise Refused(codes.not_allowed(span, _NAMED.get(type(node), f"`{span.words}`")))
        translated: tuple[Expr, Shape] = method(node, span, scope)
        return translated

    def _name(self, node: nodes.Name, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        if node.name in scope:
            variable, shape = scope[node.name]
            return Local(variable), shape
        if node.name.startswith("_"):
            raise Refused(codes.not_allowed(span, f'the private name "{node.name}"'))
        if self.view.of is None:
            return Name(node.name, "any"), ANY
        members = self.contract.members(self.view.of)
        if node.name not in members:
            raise Refused(codes.unknown_name(span, node.name, "the view", [*members, *scope]))
        return Name(node.name, "class"), members[node.name]

    def _getattr(self, node: nodes.Getattr, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        of, shape = self.expression(node.node, span, scope)
        key = node.attr
        if key.startswith("_"):
            raise Refused(codes.not_allowed(span, f'the private name "{key}"'))
        if shape.kind in ("class", "items"):
            assert shape.of is not None
            members = self.contract.members(shape.of)
            if key not in members:
                raise Refused(codes.unknown_name(span, key, _words(node.node), members))
            return Get(of, key, "class" if shape.kind == "class" else "map"), members[key]
        if shape.kind == "map":
            return Get(of, key, "map"), shape.inner or ANY
        if shape.kind == "any":
            return Get(of, key, "any"), ANY
        raise Refused(codes.unknown_name(span, key, _words(node.node), ()))

    def _getitem(self, node: nodes.Getitem, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        of, shape = self.expression(node.node, span, scope)
        if shape.kind in ("class", "scalar"):
            raise Refused(codes.not_allowed(span, "a subscript of what is neither a map nor a list", "write a.b"))
        inner = (shape.inner or ANY) if shape.kind in ("map", "list") else ANY
        key, _ = self.expression(node.arg, span, scope)
        if isinstance(key, Literal) and type(key.value) in (str, int):
            return Get(of, key.value, "item"), inner
        return At(of, key), inner

    def _const(self, node: nodes.Const, span: Span, scope: Scope) -> tuple[Expr, Shape]:  # noqa: ARG002
        value = node.value
        if isinstance(value, float):
            value = Decimal(repr(value))
        return Literal(value), SCALAR

    def _neg(self, node: nodes.Neg, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        of, _ = self.expression(node.node, span, scope)
        if not isinstance(of, Literal) or type(of.value) not in (int, Decimal):
            raise Refused(codes.not_allowed(span, "-"))
        return Literal(-of.value), SCALAR

    def _list(self, node: nodes.List | nodes.Tuple, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        return Listed(tuple(self.expression(item, span, scope)[0] for item in node.items)), Shape("list", inner=ANY)

    _tuple = _list

    def _not(self, node: nodes.Not, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        return Not(self.expression(node.node, span, scope)[0]), SCALAR

    def _and(self, node: nodes.And, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        return self._logic("and", node, span, scope)

    def _or(self, node: nodes.Or, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        return self._logic("or", node, span, scope)

    def _logic(self, operator: str, node: nodes.And | nodes.Or, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        left, one = self.expression(node.left, span, scope)
        right, other = self.expression(node.right, span, scope)
        return Logic(operator, left, right), one if one == other else ANY

    def _compare(self, node: nodes.Compare, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        first, _ = self.expression(node.expr, span, scope)
        rest = tuple((_OPERATORS[part.op], self.expression(part.expr, span, scope)[0]) for part in node.ops)
        return Compared(first, rest), SCALAR

    def _condexpr(self, node: nodes.CondExpr, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        if node.expr2 is None:
            raise Refused(
                codes.not_allowed(span, "`if` without `else` inside an expression", "add `else`, or put the entry between {% if %}")
            )
        test, _ = self.expression(node.test, span, scope)
        yes, one = self.expression(node.expr1, span, scope)
        no, other = self.expression(node.expr2, span, scope)
        return Choice(test, yes, no), one if one == other else ANY

    def _concat(self, node: nodes.Concat, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        return Joined(tuple(self.expression(part, span, scope)[0] for part in node.nodes)), SCALAR

    def _filter(self, node: nodes.Filter, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        if node.name in ("optional", "each"):
            raise Refused(codes.not_allowed(span, f"`{node.name}` inside an expression", "let it be the last filter of a lone {{ }}"))
        known = FILTERS.get(node.name)
        if known is None:
            raise Refused(codes.unknown_filter(span, node.name, (*FILTERS, "optional", "each")))
        arguments = [self.expression(argument, span, scope)[0] for argument in node.args]
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not all(isinstance(argument, Literal) for argument in arguments):
            raise Refused(codes.not_allowed(span, f"a computed or named argument of `{node.name}`"))
        if len(arguments) not in known.arguments:
            takes = " or ".join(map(str, known.arguments))
            raise Refused(codes.not_allowed(span, f"`{node.name}` with {len(arguments)} arguments", f"give it {takes}"))
        assert node.node is not None
        of, _ = self.expression(node.node, span, scope)
        return Filtered(node.name, of, tuple(argument.value for argument in arguments if isinstance(argument, Literal))), SCALAR

    def _call(self, node: nodes.Call, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        called = node.node
        if not (isinstance(called, nodes.Name) and called.name == "text"):
            raise Refused(codes.not_allowed(span, f"a call in `{span.words}`"))
        plain = len(node.args) == 1 and not node.kwargs and node.dyn_args is None and node.dyn_kwargs is None
        argument = node.args[0] if plain else None
        if not isinstance(argument, nodes.Const) or not isinstance(argument.value, str):
            raise Refused(codes.not_allowed(span, "`text()` with anything but one literal name", 'write text("file.j2")'))
        if not self.exists(argument.value):
            raise Refused(codes.template_not_found(span, argument.value))
        return File(argument.value, tuple((name, variable) for name, (variable, _) in scope.items())), SCALAR

    def iteration(self, node: nodes.Expr, span: Span, scope: Scope) -> tuple[Expr, Shape]:
        """Translate what a ``for`` goes over; ``m.items()`` is allowed here only. Raises Refused."""
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "items":
            if node.args or node.kwargs:
                raise Refused(codes.not_allowed(span, "`items()` with arguments"))
            of, shape = self.expression(node.node.node, span, scope)
            return Items(of), (shape.inner or ANY) if shape.kind == "map" else ANY
        of, shape = self.expression(node, span, scope)
        if shape.kind in ("map", "scalar", "class", "items"):
            raise Refused(codes.not_allowed(span, "`for` over what is no list", "for a map write {% for k, v in m.items() %}"))
        return of, shape.inner or ANY


def _words(node: nodes.Expr) -> str:
    """Return an access chain as it is written."""
    if isinstance(node, nodes.Name):
        return f"`{node.name}`"
    if isinstance(node, nodes.Getattr):
        return f"`{_words(node.node)[1:-1]}.{node.attr}`"
    return "the value"


def _said(error: TemplateSyntaxError) -> str:
    message = str(error.message or error).strip().rstrip(".")
    return message[:1].lower() + message[1:]
