"""The three faces of a template as generated Python: the object, its canonical text, and where each leaf came from."""

from __future__ import annotations

from typing import Any

from mlspec.emit import below, item, scalar
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
from mlspec.template.generate import Face, constant, whole_document
from mlspec.template.keys import guarded
from mlspec.template.tree import Const, Entry, For, If, Item, Map, Node, Part, Seq, Spread, Text, Value, fixed, leading, left_out


class Objects(Face):
    """Writes ``objects``: the object as plain data."""

    name = "objects"

    def write(self, root: Map | Seq) -> str:
        """Return the function's source."""
        made = self.value(root)
        empty = " or None" if isinstance(root, Map) and whole_document(root) else ""
        self.put(f"return {made}{empty}")
        return self.source()

    def value(self, node: Node) -> str:
        """Return the Python of a value; statements that it needs are put before."""
        if isinstance(node, Const):
            return constant(node.value)
        if isinstance(node, Value):
            return self.plain(self.code(node.expression), quoted=node.quoted)
        if isinstance(node, Text):
            return self.words(node.parts)
        if isinstance(node, Seq):
            return self._list(node)
        return self._map(node)

    @staticmethod
    def plain(code: str, *, quoted: bool) -> str:
        """Return the Python that makes plain data of a value."""
        if quoted:
            return f"(v if (v := {code}).__class__ is str else W(v))"
        return f"(v if (v := {code}).__class__ in A else D(v))"

    def _map(self, node: Map) -> str:
        if fixed(node):
            rows = [
                f"{self._key(part.key)}: {self.value(part.value)},{self.positions.mark(_at(part))}\n"
                for part in node.body
                if isinstance(part, Entry)
            ]
            return "{\n" + "".join(rows) + "}" if rows else "{}"
        sure, rest = leading(node.body)
        first = self._map(Map(sure, node.span))
        made = self.fresh("d")
        self.put(f"{made} = {first}")
        self._entries(rest, made, guarded=guarded(node.body))
        return made

    def _key(self, key: Const | Value | Text) -> str:
        if isinstance(key, Const):
            return repr(key.value)
        if isinstance(key, Text):
            return self.words(key.parts)
        return f"{'W' if key.quoted else 'Q'}({self.code(key.expression)})"

    def _entries(self, body: tuple[Part, ...], made: str, *, guarded: bool) -> None:
        for part in body:
            if isinstance(part, Entry):
                self._entry(part, made, guarded=guarded)
            elif isinstance(part, Spread):
                _spread(self, part, lambda code, span: self.put(f"C({made}, {code})", span))
            elif isinstance(part, If | For):
                _block(self, part, lambda inner: self._entries(inner, made, guarded=guarded))

    def _entry(self, part: Entry, made: str, *, guarded: bool) -> None:
        span = _at(part)
        opened = self._open(part.value)
        key = self._key(part.key)
        if guarded:
            self.put(f"k = {key}", part.span)
            self.put(f"if k in {made}: R(k)", part.span)
            name = self.fresh("k")
            self.put(f"{name} = k")
            key = name
        self.put(f"{made}[{key}] = {self._opened(part.value, opened)}", span)
        self.depth -= bool(opened)

    def _open(self, node: Node) -> str:
        """For an optional value, open an ``if`` that it is there; return the variable that holds it."""
        if not left_out(node):
            return ""
        assert isinstance(node, Value)
        variable = self.fresh("o")
        self.put(f"{variable} = {self.code(node.expression)}", node.span)
        self.put(f"if {variable} or P({variable}):")
        self.depth += 1
        return variable

    def _opened(self, node: Node, variable: str) -> str:
        if variable:
            assert isinstance(node, Value)
            return self.plain(variable, quoted=node.quoted)
        return self.value(node)

    def _list(self, node: Seq) -> str:
        if fixed(node):
            rows = [f"{self.value(part.value)},{self.positions.mark(_at(part))}\n" for part in node.body if isinstance(part, Item)]
            return "[\n" + "".join(rows) + "]" if rows else "[]"
        made = self.fresh("l")
        self.put(f"{made} = []")
        self._items(node.body, made)
        return made

    def _items(self, body: tuple[Part, ...], made: str) -> None:
        for part in body:
            if isinstance(part, Item):
                opened = self._open(part.value)
                self.put(f"{made}.append({self._opened(part.value, opened)})", _at(part))
                self.depth -= bool(opened)
            elif isinstance(part, Spread):
                _spread(self, part, lambda code, span: self.put(f"{made} += [e if e.__class__ in A else D(e) for e in S({code})]", span))
            elif isinstance(part, If | For):
                _block(self, part, lambda inner: self._items(inner, made))


class Written:
    """Text that is put together: constants side by side become one."""

    def __init__(self, *parts: tuple[bool, str]) -> None:
        self.parts: list[tuple[bool, str]] = []
        for known, text in parts:
            self.add(text, known=known)

    def add(self, text: str, *, known: bool) -> None:
        """Add constant text, or the Python of a text."""
        if known and self.parts and self.parts[-1][0]:
            self.parts[-1] = (True, self.parts[-1][1] + text)
        elif text:
            self.parts.append((known, text))

    def extend(self, other: Written) -> None:
        """Add what was put together elsewhere."""
        for known, text in other.parts:
            self.add(text, known=known)

    def code(self) -> str:
        """Return the Python of the whole."""
        if all(known for known, _ in self.parts):
            return repr("".join(text for _, text in self.parts))
        if len(self.parts) == 1:
            return self.parts[0][1]
        pieces = []
        for known, text in self.parts:
            if known:
                escaped = text.encode("unicode_escape").decode().replace('"', '\\"')
                pieces.append(escaped.replace("{", "{{").replace("}", "}}"))
            else:
                pieces.append(f"{{{text}}}")
        return 'f"' + "".join(pieces) + '"'


class Texts(Face):
    """Writes ``text``: the object as canonical YAML, without building the object."""

    name = "text"

    def write(self, root: Map | Seq) -> str:
        """Return the function's source."""
        body = self._collection(root, "\n")
        if isinstance(body, str):
            empty = '""' if isinstance(root, Map) and whole_document(root) else '"{}\\n"' if isinstance(root, Map) else '"[]\\n"'
            self.put(f'return {body}[1:] + "\\n" if {body} else {empty}')
        else:
            first = body.parts[0][1]
            body.parts[0] = (True, first[1:])
            body.add("\n", known=True)
            self.put(f"return {body.code()}")
        return self.source()

    def _below(self, node: Node, pad: str) -> Written:
        """Write what follows a colon."""
        if isinstance(node, Const):
            return Written((True, below(node.value, pad)))
        if isinstance(node, Value):
            return self._plain(self.code(node.expression), pad, node.span, "B", quoted=node.quoted)
        if isinstance(node, Text):
            return self._plain(self.words(node.parts), pad, node.span, "T", quoted=True)
        body = self._collection(node, pad + "  " if isinstance(node, Map) else pad)
        if isinstance(body, str):
            self.put(f"{body} = {body} or {_empty(node)!r}")
            return Written((False, body))
        return body if body.parts else Written((True, _empty(node)))

    def _item(self, node: Node, pad: str) -> Written:
        """Write what follows a dash."""
        if isinstance(node, Const):
            return Written((True, item(node.value, pad)))
        if isinstance(node, Value):
            return self._plain(self.code(node.expression), pad, node.span, "I", quoted=node.quoted)
        if isinstance(node, Text):
            return self._plain(self.words(node.parts), pad, node.span, "T", quoted=True)
        inner = pad + "  "
        body = self._collection(node, inner)
        if isinstance(body, str):
            self.put(f'{body} = " " + {body}[{len(inner)}:] if {body} else {_empty(node)!r}')
            return Written((False, body))
        if not body.parts:
            return Written((True, _empty(node)))
        body.parts[0] = (True, " " + body.parts[0][1][len(inner) :])
        return body

    def _plain(self, code: str, pad: str, span: Span, function: str, *, quoted: bool) -> Written:
        """Put a statement that writes a value; return its variable."""
        made = self.fresh("a")
        if quoted and function != "T":
            code, function = f"(w if (w := {code}).__class__ is str else W(w))", "T"
        if function == "T":
            self.put(f"{made} = K(v := {code}) or T(v, {pad!r})", span)
        else:
            self.put(f"{made} = (K(v) if (v := {code}).__class__ is str else None) or {function}(v, {pad!r})", span)
        return Written((False, made))

    def _collection(self, node: Map | Seq, pad: str) -> Written | str:
        """Write entries or items: as text when it has always the same ones, otherwise into a variable (empty when there are none)."""
        if fixed(node):
            written = Written()
            for part in node.body:
                written.extend(self._part(part, pad, ""))
            return written
        made = self.fresh("t")
        seen = self.fresh("s") if isinstance(node, Map) and guarded(node.body) else ""
        sure, rest = leading(node.body)
        start = Written()
        for part in sure:
            start.extend(self._part(part, pad, ""))
        self.put(f"{made} = {start.code()}")
        if seen:
            names = [part.key.value for part in sure if isinstance(part, Entry) and isinstance(part.key, Const)]
            self.put(f"{seen} = {{{', '.join(map(repr, names))}}}" if names else f"{seen} = set()")
        self._body(rest, made, seen, pad)
        return made

    def _part(self, part: Part, pad: str, seen: str) -> Written:
        """Write one entry or item that is there."""
        assert isinstance(part, Entry | Item)
        if isinstance(part, Item):
            written = Written((True, pad + "-"))
            written.extend(self._item(part.value, pad))
            return written
        written = Written((True, pad))
        written.extend(self._key(part, seen))
        written.add(":", known=True)
        written.extend(self._below(part.value, pad))
        return written

    def _key(self, part: Entry, seen: str) -> Written:
        key = part.key
        if isinstance(key, Const):
            if seen:
                self.put(f"if {key.value!r} in {seen}: R({key.value!r})", part.span)
                self.put(f"{seen}.add({key.value!r})")
            return Written((True, scalar(key.value)))
        code = self.words(key.parts) if isinstance(key, Text) else f"{'W' if key.quoted else 'Q'}({self.code(key.expression)})"
        self.put(f"k = {code}", part.span)
        self.put(f"if k in {seen}: R(k)", part.span)
        self.put(f"{seen}.add(k)")
        made = self.fresh("k")
        self.put(f"{made} = N(k)", part.span)
        return Written((False, made))

    def _body(self, body: tuple[Part, ...], made: str, seen: str, pad: str) -> None:
        waiting = Written()
        for part in body:
            if isinstance(part, Entry | Item) and not left_out(part.value):
                waiting.extend(self._part(part, pad, seen))
                continue
            if waiting.parts:
                self.put(f"{made} += {waiting.code()}")
                waiting = Written()
            if isinstance(part, Entry | Item):
                self._optional(part, made, seen, pad)
            elif isinstance(part, Spread):
                self._spread(part, made, seen, pad)
            else:
                _block(self, part, lambda inner: self._body(inner, made, seen, pad))
        if waiting.parts:
            self.put(f"{made} += {waiting.code()}")

    def _optional(self, part: Entry | Item, made: str, seen: str, pad: str) -> None:
        value = part.value
        assert isinstance(value, Value)
        variable = self.fresh("o")
        self.put(f"{variable} = {self.code(value.expression)}", value.span)
        self.put(f"if {variable} or P({variable}):")
        self.depth += 1
        held = value._replace(expression=Local(variable), optional=False)
        self.put(f"{made} += {self._part(part._replace(value=held), pad, seen).code()}", value.span)
        self.depth -= 1

    def _spread(self, part: Spread, made: str, seen: str, pad: str) -> None:
        def write(code: str, span: Span) -> None:
            if seen:
                self.put(f"{made} += E({seen}, {code}, {pad!r})", span)
            else:
                self.put(f"{made} += ''.join([{pad + '-'!r} + I(e, {pad!r}) for e in S({code})])", span)

        _spread(self, part, write)


Reads = list[list[str]]
"""Access chains, each a list of Python parts."""


class Traces(Face):
    """Writes ``trace``: for each leaf its path, value, template line, what was read for it and what let it in."""

    name = "trace"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.chains: dict[str, tuple[Reads, bool]] = {}
        self.conditions: list[Reads] = []

    def write(self, root: Map | Seq) -> str:
        """Return the function's source."""
        self.put("o = []")
        if isinstance(root, Map) and whole_document(root):
            self._body(root.body, [], "")
        else:
            self._value(root, [])
        self.put("return o")
        return self.source()

    def _value(self, node: Node, path: list[str], held: str = "") -> None:
        if isinstance(node, Const):
            self._leaf(node.span, path, constant(node.value), [], whole=None)
        elif isinstance(node, Value):
            code = held or self.code(node.expression)
            plain = Objects.plain(code, quoted=node.quoted)
            whole = None if node.quoted else self._chain(node.expression) is not None
            self._leaf(node.span, path, plain, self._reads(node.expression), whole=whole)
        elif isinstance(node, Text):
            reads = [chain for part in node.parts if not isinstance(part, str) for chain in self._reads(part)]
            self._leaf(node.span, path, self.words(node.parts), reads, whole=None)
        elif fixed(node):
            for number, part in enumerate(node.body):
                assert isinstance(part, Entry | Item)
                self._value(
                    part.value, [*path, repr(part.key.value) if isinstance(part, Entry) and isinstance(part.key, Const) else repr(number)]
                )
            if not node.body:
                self._leaf(node.span, path, "{}" if isinstance(node, Map) else "[]", [], whole=None)
        else:
            self._collection(node, path)

    def _collection(self, node: Map | Seq, path: list[str]) -> None:
        before, counter = self.fresh("b"), self.fresh("c")
        self.put(f"{before} = len(o)")
        if isinstance(node, Seq):
            self.put(f"{counter} = 0")
        self._body(node.body, path, counter)
        self.put(f"if len(o) == {before}:")
        self.depth += 1
        self._leaf(node.span, path, "{}" if isinstance(node, Map) else "[]", [], whole=None)
        self.depth -= 1

    def _body(self, body: tuple[Part, ...], path: list[str], counter: str) -> None:
        self.put("pass")
        for part in body:
            if isinstance(part, Entry | Item):
                self._part(part, path, counter)
            elif isinstance(part, Spread):
                self._spread(part, path, counter)
            else:
                self._block(part, path, counter)

    def _part(self, part: Entry | Item, path: list[str], counter: str) -> None:
        held = ""
        if left_out(part.value):
            assert isinstance(part.value, Value)
            held = self.fresh("o")
            self.put(f"{held} = {self.code(part.value.expression)}", part.value.span)
            self.put(f"if {held} or P({held}):")
            self.depth += 1
        if isinstance(part, Item):
            self._value(part.value, [*path, counter], held)
            self.put(f"{counter} += 1")
        elif isinstance(part.key, Const):
            self._value(part.value, [*path, repr(part.key.value)], held)
        else:
            key = self.fresh("k")
            words = self.words(part.key.parts) if isinstance(part.key, Text) else f"Q({self.code(part.key.expression)})"
            self.put(f"{key} = {words}", part.span)
            self._value(part.value, [*path, key], held)
        self.depth -= bool(held)

    def _spread(self, part: Spread, path: list[str], counter: str) -> None:
        reads = self._reads(part.expression)
        whole = self._chain(part.expression) is not None

        def write(code: str, span: Span) -> None:
            name, child = self.fresh("i"), self.fresh("e")
            over = f"O({code}).items()" if counter_of_map else f"enumerate(S({code}))"
            self.put(f"for {name}, {child} in {over}:", span)
            self.depth += 1
            chains = [[*reads[0], name], *reads[1:]] if whole else reads
            self._leaf(span, [*path, name if counter_of_map else counter], f"D({child}, {1 if counter_of_map else 0})", chains, whole=whole)
            if not counter_of_map:
                self.put(f"{counter} += 1")
            self.depth -= 1

        counter_of_map = part.of_map
        _spread(self, part, write)

    def _block(self, part: If | For, path: list[str], counter: str) -> None:
        before = len(self.conditions)
        if isinstance(part, If):
            for number, (test, body, span) in enumerate(part.branches):
                if test is None:
                    self.put("else:")
                else:
                    self.put(f"{'elif' if number else 'if'} {self.code(test, lazy=number > 0)}:", span)
                    self.conditions.append(self._reads(test))
                self.depth += 1
                self._body(body, path, counter)
                self.depth -= 1
        else:
            self._loop(part, path, counter)
        del self.conditions[before:]

    def _loop(self, part: For, path: list[str], counter: str) -> None:
        over = part.over.of if isinstance(part.over, Items) else part.over
        reads = self._reads(over)
        chain = self._chain(over)
        self.conditions.append(reads)
        number = self.fresh("i")
        if len(part.variables) == 2:
            key, value = part.variables
            step = key
            targets = f"{key}, {value}"
        else:
            (value,) = part.variables
            step = number
            targets = f"{number}, {value}"
        within = [[*chain, step]] if chain is not None else reads
        for variable in part.variables:
            self.chains[variable] = (within, chain is not None)
        code = self.code(part.over)
        self.put(f"for {targets} in {code if len(part.variables) == 2 else f'enumerate(S({code}))'}:", part.span)
        self.depth, self.loops = self.depth + 1, self.loops + 1
        self._body(part.body, path, counter)
        self.depth, self.loops = self.depth - 1, self.loops - 1

    def _leaf(self, span: Span, path: list[str], value: str, reads: Reads, *, whole: bool | None) -> None:
        """Put the statement that adds a leaf, or the leaves of data put in whole (``whole`` is not None)."""
        conditions = _chains([chain for tests in self.conditions for chain in tests])
        rest = f"{_tuple(path)}, {value}, {span.text.file!r}, {span.line}, {_chains(reads)}, {conditions}"
        self.put(f"o.append(L({rest}))" if whole is None else f"J(o, {rest}, {whole})", span)

    def _chain(self, expression: Expr) -> list[str] | None:
        """Return the one access chain that an expression is; None when it is more than that."""
        if isinstance(expression, Name):
            return [repr(expression.name)]
        if isinstance(expression, Local):
            chains, exact = self.chains[expression.variable]
            return chains[0] if exact else None
        if isinstance(expression, Get):
            of = self._chain(expression.of)
            return None if of is None else [*of, repr(expression.key)]
        if isinstance(expression, At):
            of = self._chain(expression.of)
            return None if of is None else [*of, self.code(expression.key, lazy=True)]
        return None

    def _reads(self, expression: Expr) -> Reads:
        """Return the chains that an expression reads."""
        chain = self._chain(expression)
        found: Reads = [] if chain is None else [chain]
        if chain is None and isinstance(expression, Local):
            found += self.chains[expression.variable][0]
        for part in _parts(expression, descend=chain is None):
            found += self._reads(part)
        return found


def _parts(expression: Expr, *, descend: bool) -> list[Expr]:
    """Return the expressions inside one; where it is a chain itself, only computed keys on the way."""
    if not descend:
        if isinstance(expression, Get):
            return _parts(expression.of, descend=False)
        return [expression.key, *_parts(expression.of, descend=False)] if isinstance(expression, At) else []
    if isinstance(expression, Get | Not | Filtered | Items):
        return [expression.of]
    if isinstance(expression, At):
        return [expression.of, expression.key]
    if isinstance(expression, Logic):
        return [expression.left, expression.right]
    if isinstance(expression, Compared):
        return [expression.first, *(other for _, other in expression.rest)]
    if isinstance(expression, Choice):
        return [expression.test, expression.yes, expression.no]
    if isinstance(expression, Listed):
        return list(expression.items)
    if isinstance(expression, Joined):
        return list(expression.parts)
    if isinstance(expression, File):
        return [Local(variable) for _, variable in expression.locals]
    assert isinstance(expression, Literal | Name | Local)
    return []


def _tuple(parts: list[str]) -> str:
    return "(" + "".join(f"{part}, " for part in parts) + ")"


def _chains(reads: Reads) -> str:
    return _tuple(list(dict.fromkeys(_tuple(chain) for chain in reads)))


def _at(part: Entry | Item) -> Span:
    """Return the place of a value, or of its entry where the value is a collection."""
    return part.span if isinstance(part.value, Map | Seq) else part.value.span


def _empty(node: Map | Seq) -> str:
    return " {}" if isinstance(node, Map) else " []"


def _spread(face: Face, part: Spread, write: Any) -> None:
    """Put what spreads a map or list, inside an ``if`` that it is there when it is optional."""
    code = face.code(part.expression)
    if not part.optional:
        write(code, part.span)
        return
    variable = face.fresh("o")
    face.put(f"{variable} = {code}", part.span)
    face.put(f"if {variable} or P({variable}):")
    face.depth += 1
    write(variable, part.span)
    face.depth -= 1


def _block(face: Face, part: If | For, write: Any) -> None:
    """Put an ``if`` or ``for`` around what its bodies write."""
    if isinstance(part, If):
        for number, (test, body, span) in enumerate(part.branches):
            face.put("else:" if test is None else f"{'elif' if number else 'if'} {face.code(test, lazy=number > 0)}:", span)
            face.depth += 1
            face.put("pass")
            write(body)
            face.depth -= 1
        return
    over = face.code(part.over)
    face.put(f"for {', '.join(part.variables)} in {over if len(part.variables) == 2 else f'S({over})'}:", part.span)
    face.depth, face.loops = face.depth + 1, face.loops + 1
    face.put("pass")
    write(part.body)
    face.depth, face.loops = face.depth - 1, face.loops - 1
