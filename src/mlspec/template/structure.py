"""From a prepared template to its tree: YAML events give the collections, and tags are placed between their entries."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import yaml
from jinja2 import TemplateSyntaxError, nodes

from mlspec.diagnostics import Finding
from mlspec.template import codes
from mlspec.template.codes import Span
from mlspec.template.contract import SCALAR, Shape
from mlspec.template.expressions import Expr, Items, Refused, Scope, Translator
from mlspec.template.source import INCLUDED, OPEN, PLACEHOLDER, TAG, Expression, Prepared, Tag, Unreadable, index
from mlspec.template.tree import Const, Entry, For, If, Item, Map, Node, Part, Seq, Spread, Text, Value

_DEPTH = 64
_PARSER = getattr(yaml, "CLoader", yaml.Loader)
_INTEGER = re.compile(r"[-+]?[0-9]+").fullmatch
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+").fullmatch
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_WORDS = {
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


class Raw:
    """A YAML node with its stretch in the text; ``end`` is where its content ends."""

    __slots__ = ("end", "flow", "items", "pairs", "start", "style", "value")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.value: str | None = None
        self.style = ""
        self.flow = False
        self.pairs: list[tuple[Raw, Raw]] | None = None
        self.items: list[tuple[int, Raw]] | None = None


class Child(NamedTuple):
    """An entry or item, and the blocks that stand further inside it."""

    start: int
    end: int
    key: Raw | None
    value: Raw
    blocks: list[Block]


class Branch(NamedTuple):
    """One branch of a block: its tag, where the next tag begins, and the blocks inside."""

    tag: Tag
    end: list[int]
    blocks: list[Block]


class Block(NamedTuple):
    """An ``if`` or ``for`` with its branches."""

    branches: list[Branch]

    @property
    def start(self) -> int:
        """Where its first tag begins."""
        return self.branches[0].tag.span.start

    @property
    def end(self) -> int:
        """Where its end tag begins."""
        return self.branches[-1].end[0]

    @property
    def cuts(self) -> list[int]:
        """Where its tags begin."""
        return [branch.tag.span.start for branch in self.branches] + [self.end]


class Builder:
    """Builds the tree of one template; faults that let it go on are collected in ``findings``."""

    def __init__(
        self,
        prepared: Prepared,
        translator: Translator,
        findings: list[Finding],
        fragment: Callable[[Tag, Scope], Map | Seq],
        fresh: Callable[[], str],
    ) -> None:
        self.prepared, self.translator, self.findings, self.fragment, self.fresh = prepared, translator, findings, fragment, fresh
        self.text = prepared.text

    def build(self, scope: Scope) -> Map | Seq:
        """Return the tree. Raises Unreadable."""
        root = self._compose()
        blocks = self._blocks()
        if root.pairs is None and root.items is None:
            raise Unreadable(codes.template_syntax(self._span(root), "a template is a map; a fragment is a map or a list"))
        return self._collection(root, blocks, scope)

    def _span(self, raw: Raw) -> Span:
        return Span(self.text, raw.start, max(raw.start, raw.end))

    # YAML

    def _compose(self) -> Raw:
        """Read the YAML events of the one document. Raises Unreadable."""
        try:
            events = list(yaml.parse(self.prepared.yaml, Loader=_PARSER))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = min(mark.index if mark else 0, len(self.text.text))
            message = f"this is not YAML: {error.problem or error.context}"
            raise Unreadable(
                codes.template_syntax(Span(self.text, at, at), message, "an expression stands inside one scalar, a tag between entries")
            ) from None
        except yaml.YAMLError as error:
            raise Unreadable(codes.template_syntax(Span(self.text, 0, 0), f"this is not YAML: {error}")) from None
        starts = [event for event in events if isinstance(event, yaml.DocumentStartEvent)]
        if len(starts) != 1:
            at = _index(starts[1].start_mark) if len(starts) > 1 else 0
            raise Unreadable(
                codes.template_syntax(Span(self.text, at, at), f"found {len(starts)} YAML documents; a template makes one object")
            )
        reader = iter(events[2:])
        return self._node(next(reader), reader, 0)

    def _node(self, event: Any, events: Any, depth: int) -> Raw:
        raw = Raw(event.start_mark.index, event.end_mark.index)
        if depth > _DEPTH:
            raise Unreadable(codes.template_syntax(self._span(raw), f"more than {_DEPTH} collections inside each other"))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise Unreadable(
                codes.template_syntax(self._span(raw), "anchors and aliases have no place in a template", "include a fragment")
            )
        if event.tag is not None:
            raise Unreadable(codes.template_syntax(self._span(raw), "YAML tags have no place in a template"))
        if isinstance(event, yaml.ScalarEvent):
            raw.value, raw.style = event.value, event.style or ""
            return raw
        raw.flow = bool(event.flow_style)
        if isinstance(event, yaml.MappingStartEvent):
            raw.pairs = []
            while not isinstance(key := next(events), yaml.MappingEndEvent):
                name = self._node(key, events, depth + 1)
                raw.pairs.append((name, self._node(next(events), events, depth + 1)))
            last, end = (raw.pairs[-1][1] if raw.pairs else None), _index(key.end_mark)
        else:
            raw.items = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                child = self._node(item, events, depth + 1)
                raw.items.append((child.start if raw.flow else self._dash(child.start), child))
            last, end = (raw.items[-1][1] if raw.items else None), _index(item.end_mark)
        raw.end = last.end if last is not None and not raw.flow else end
        if not raw.flow and raw.pairs:
            raw.end = max(raw.end, raw.pairs[-1][0].end)
        return raw

    def _dash(self, start: int) -> int:
        """Return where the dash of an item stands whose content starts at an offset."""
        dash = self.prepared.yaml.rfind("-", 0, max(start, 1))
        return dash if dash >= 0 and not self.prepared.yaml[dash + 1 : start].strip() else start

    # blocks

    def _blocks(self) -> list[Block]:
        """Pair the tags: ``if`` with its ``elif``, ``else``, ``endif``, and ``for`` with ``endfor``. Raises Unreadable."""
        outer: list[Block] = []
        open_blocks: list[tuple[str, Block]] = []
        for tag in self.prepared.tags:
            word = tag.word
            if word in ("if", "for"):
                block = Block([Branch(tag, [0], [])])
                (open_blocks[-1][1].branches[-1].blocks if open_blocks else outer).append(block)
                open_blocks.append((word, block))
                continue
            if word not in ("elif", "else", "endif", "endfor"):
                raise Unreadable(codes.not_allowed(tag.span, f"the tag `{word}`", "use if, for or include"))
            expected = "for" if word == "endfor" else "if"
            if not open_blocks or open_blocks[-1][0] != expected:
                stands = f"inside `{open_blocks[-1][0]}`" if open_blocks else "outside any block"
                raise Unreadable(codes.template_syntax(tag.span, f"`{word}` stands {stands}; expected an open `{expected}`"))
            block = open_blocks[-1][1]
            block.branches[-1].end[0] = tag.span.start
            if word in ("elif", "else"):
                if block.branches[-1].tag.word == "else":
                    raise Unreadable(codes.template_syntax(tag.span, f"`{word}` stands after `else`"))
                block.branches.append(Branch(tag, [0], []))
            else:
                open_blocks.pop()
            if word != "elif" and tag.rest:
                raise Unreadable(codes.template_syntax(tag.span, f"`{word}` takes nothing after it; found `{tag.rest}`"))
        if open_blocks:
            word, block = open_blocks[-1]
            raise Unreadable(
                codes.template_syntax(block.branches[0].tag.span, f"this `{word}` has no `end{word}`", f"add {{% end{word} %}}")
            )
        return outer

    def _collection(self, raw: Raw, blocks: list[Block], scope: Scope) -> Map | Seq:
        """Build a map or list with the blocks that stand in it."""
        if raw.pairs is not None:
            children = [Child(key.start, max(key.end, value.end), key, value, []) for key, value in raw.pairs]
            return Map(tuple(self._place(children, blocks, scope)), self._span(raw))
        assert raw.items is not None
        children = [Child(start, value.end, None, value, []) for start, value in raw.items]
        return Seq(tuple(self._place(children, blocks, scope)), self._span(raw))

    def _place(self, children: list[Child], blocks: list[Block], scope: Scope) -> list[Part]:
        """Put blocks around the children they enclose; hand those that stand inside one child on to it."""
        starts = [child.start for child in children]
        owned: list[tuple[int, int, Block]] = []
        for block in blocks:
            low, high = bisect_left(starts, block.start), bisect_left(starts, block.end)
            if low < high:
                owned.append((low, high, block))
                continue
            opening = block.branches[0].tag
            if low == 0 or (children[low - 1].value.pairs is None and children[low - 1].value.items is None):
                self.findings.append(codes.block_straddles(opening.span, f"this `{opening.word}` encloses no entry"))
                continue
            children[low - 1].blocks.append(block)
        parts: list[Part] = []
        at = 0
        for low, high, block in owned:
            parts += self._children(children[at:low], scope)
            parts += self._block(block, children[low:high], children[max(low - 1, 0) : high], scope)
            at = high
        return parts + self._children(children[at:], scope)

    def _block(self, block: Block, children: list[Child], near: list[Child], scope: Scope) -> list[Part]:
        """Build one block around its children."""
        for child in near:
            if any(child.start < cut < child.end for cut in block.cuts):
                tag = block.branches[0].tag
                message = f"this `{tag.word}` begins or ends inside the entry of line {self.text.position(child.start)[0]}"
                self.findings.append(codes.block_straddles(tag.span, message))
                return []
        tag = block.branches[0].tag
        if tag.word == "for":
            return self._for(block, children, scope)
        branches = []
        for branch in block.branches:
            inside = [child for child in children if branch.tag.span.start < child.start < branch.end[0]]
            test = None if branch.tag.word == "else" else self._test(branch.tag, scope)
            branches.append((test, tuple(self._place(inside, branch.blocks, scope)), branch.tag.span))
        return [If(tuple(branches), tag.span)]

    def _test(self, tag: Tag, scope: Scope) -> Expr | None:
        try:
            node = self.translator.parse(tag.rest, tag.span)
            return self.translator.expression(node, tag.span, scope)[0]
        except Refused as refused:
            self.findings.append(refused.finding)
            return None

    def _for(self, block: Block, children: list[Child], scope: Scope) -> list[Part]:
        tag = block.branches[0].tag
        try:
            names, over, shapes = self._loop(tag, scope)
        except Refused as refused:
            self.findings.append(refused.finding)
            return []
        variables = tuple(self.fresh() for _ in names)
        inner = scope | {name: (variable, shape) for name, variable, shape in zip(names, variables, shapes, strict=True)}
        return [For(variables, over, tuple(self._place(children, block.branches[0].blocks, inner)), tag.span)]

    def _loop(self, tag: Tag, scope: Scope) -> tuple[list[str], Expr, list[Shape]]:
        """Read the words of a ``for`` tag. Raises Refused."""
        try:
            loop = self.translator.environment.parse("{%for " + tag.rest + "%}{%endfor%}").body[0]
        except TemplateSyntaxError as error:
            raise Refused(codes.template_syntax(tag.span, f"`for` cannot be read: {error.message}", "write {% for x in xs %}")) from None
        assert isinstance(loop, nodes.For)
        if loop.test is not None or loop.recursive:
            raise Refused(codes.not_allowed(tag.span, "a condition or `recursive` in `for`", "put an {% if %} inside"))
        assert isinstance(loop.iter, nodes.Expr)
        over, shape = self.translator.iteration(loop.iter, tag.span, scope)
        targets = loop.target.items if isinstance(loop.target, nodes.Tuple) else [loop.target]
        names = [target.name for target in targets if isinstance(target, nodes.Name)]
        if len(names) != len(targets) or len(set(names)) != (2 if isinstance(over, Items) else 1) or any(name[0] == "_" for name in names):
            raise Refused(codes.not_allowed(tag.span, "this kind of `for`", "write {% for x in xs %} or {% for k, v in m.items() %}"))
        return names, over, [SCALAR, shape] if isinstance(over, Items) else [shape]

    # entries and values

    def _children(self, children: list[Child], scope: Scope) -> list[Part]:
        parts: list[Part] = []
        for child in children:
            try:
                parts += self._child(child, scope)
            except Refused as refused:
                self.findings.append(refused.finding)
        return parts

    def _child(self, child: Child, scope: Scope) -> tuple[Part, ...]:
        """Build one entry or item; an include becomes the fragment's own. Raises Refused."""
        raw = child.key or child.value
        included = INCLUDED.fullmatch(raw.value) if raw.value else None
        if included:
            fragment = self.fragment(self.prepared.includes[index(included[1])], scope)
            return fragment.body
        span = Span(self.text, child.start, max(child.key.end if child.key else child.start, child.start))
        if child.key is None:
            if not child.value.style:
                spread = self._spread(child.value, "each", scope)
                if spread:
                    return (spread,)
            return (Item(self._value(child.value, child.blocks, scope), span),)
        if child.key.value == "<<" and not child.key.style:
            spread = self._spread(child.value, "", scope)
            if spread is None:
                raise Refused(
                    codes.template_syntax(self._span(child.value), "`<<` takes one expression that is a map", "write <<: {{ map }}")
                )
            return (spread,)
        key = self._value(child.key, [], scope)
        if isinstance(key, Map | Seq) or (isinstance(key, Const) and not isinstance(key.value, str)):
            raise Refused(codes.template_syntax(self._span(child.key), "a key is text", "put it in quotes"))
        if isinstance(key, Value) and key.optional:
            raise Refused(codes.not_allowed(key.span, "`optional` in a key", "put the entry between {% if %}"))
        return (Entry(key, self._value(child.value, child.blocks, scope), span),)

    def _spread(self, raw: Raw, last: str, scope: Scope) -> Spread | None:
        """Read a lone expression whose items or entries are meant; None when it is something else. Raises Refused."""
        lone = self._lone(raw)
        if lone is None or lone.raw:
            return None
        node = self.translator.parse(lone.source, lone.span)
        if last:
            if not (isinstance(node, nodes.Filter) and node.name == last and node.node is not None):
                return None
            node = node.node
        optional, node = _optional(node)
        expression, shape = self.translator.expression(node, lone.span, scope)
        if shape.kind not in ("any", "list" if last else "map") and not (shape.kind == "items" and not last):
            raise Refused(codes.not_allowed(lone.span, f"{'`each` of what is no list' if last else '`<<` of what is no map'}"))
        return Spread(expression, not last, optional, lone.span)

    def _lone(self, raw: Raw) -> Expression | None:
        match = PLACEHOLDER.fullmatch(raw.value) if raw.value else None
        return self.prepared.expressions[index(match[1])] if match else None

    def _value(self, raw: Raw, blocks: list[Block], scope: Scope) -> Node:
        """Build a value. Raises Refused."""
        if raw.value is None:
            return self._collection(raw, blocks, scope)
        span = self._span(raw)
        if TAG in raw.value:
            raise Refused(codes.block_straddles(span, "a tag stands inside text; it stands between entries"))
        if INCLUDED.search(raw.value):
            raise Refused(codes.block_straddles(span, "an include stands inside text; it stands between entries"))
        if raw.style in ("|", ">") and any(raw.start < comment < raw.end for comment in self.prepared.comments):
            raise Refused(codes.template_syntax(span, "a {# comment #} stands inside text", "move it in front of the key"))
        if OPEN not in raw.value:
            return Const(raw.value if raw.style else self._constant(raw, span), span)
        lone = self._lone(raw)
        if lone is None:
            return Text(self._parts(raw.value, scope), span)
        if lone.raw:
            return Const(lone.source, span)
        optional, node = _optional(self.translator.parse(lone.source, lone.span))
        expression, _ = self.translator.expression(node, lone.span, scope)
        return Value(expression, optional, bool(raw.style), lone.span)

    def _parts(self, value: str, scope: Scope) -> tuple[str | Expr, ...]:
        parts: list[str | Expr] = []
        at = 0
        for match in PLACEHOLDER.finditer(value):
            parts.append(value[at : match.start()])
            at = match.end()
            expression = self.prepared.expressions[index(match[1])]
            if expression.raw:
                parts.append(expression.source)
                continue
            node = self.translator.parse(expression.source, expression.span)
            parts.append(self.translator.expression(node, expression.span, scope)[0])
        parts.append(value[at:])
        return tuple(part for part in parts if part != "")

    def _constant(self, raw: Raw, span: Span) -> Any:
        """Read a plain scalar as YAML 1.2's core schema does, where YAML 1.1 agrees. Raises Refused."""
        value = raw.value
        assert value is not None
        if not value:
            raise Refused(codes.template_syntax(span, "the value is missing", 'write null, {}, [] or ""'))
        if value in _WORDS:
            return _WORDS[value]
        if _INTEGER(value):
            if value.lstrip("+-")[0] == "0" and len(value.lstrip("+-")) > 1:
                raise Refused(
                    codes.template_syntax(
                        span,
                        f"{value} reads differently in YAML 1.1 and 1.2",
                        f'write {int(value, 8) if not set("89") & set(value) else int(value)}, or "{value}"',
                    )
                )
            return int(value)
        if _OTHER_BASE(value):
            return int(value, 0)
        if _DECIMAL(value):
            return Decimal(value)
        if value.lower().lstrip("+-") in (".inf", ".nan"):
            raise Refused(codes.template_syntax(span, f"{value} is no finite number", "put it in quotes"))
        return value


def _index(mark: Any) -> int:
    """Return the offset of a mark."""
    found: int = mark.index
    return found


def _optional(node: nodes.Expr) -> tuple[bool, nodes.Expr]:
    """Take a last filter ``optional`` off an expression."""
    if isinstance(node, nodes.Filter) and node.name == "optional" and node.node is not None and not node.args:
        return True, node.node
    return False, node
