"""Checks plain data against a JSON Schema subset: closures that are compiled where a value first needs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.diagnostics import nearest
from mlspec.location import Path

Schema = Mapping[str, Any] | bool
Check = Callable[[Any], bool]


class Fault(NamedTuple):
    """One thing that a value must not be: where, what was found, what was expected there, and the keyword that says so."""

    path: Path
    message: str
    expected: str = ""
    rule: str = ""
    """The JSON Schema keyword that refused it (``type``, ``required``, ``additionalProperties`` for unknown fields, ...)."""


TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
NOTHING = frozenset(
    [
        *("title", "description", "default", "format", "example", "examples", "externalDocs", "deprecated", "readOnly", "writeOnly"),
        *("discriminator", "$schema", "$id", "$comment", "definitions", "$defs"),
    ]
)
"""Keywords that refuse no value here."""
KEYWORDS = frozenset(
    [
        *("type", "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "items", "minItems"),
        *("maxItems", "uniqueItems", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("multipleOf", "minLength", "maxLength", "minProperties", "maxProperties", "oneOf", "anyOf", "allOf", "not", "$ref", "nullable"),
    ]
)
REF = re.compile(r"#/(?:definitions|\$defs)/([^/]+)")
FLAGS = re.compile(r"\(\?([ims]+)\)")
NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "null",
}
CHOICES = frozenset(["$ref", "enum", "const", "allOf", "anyOf", "oneOf", "not"])
FAMILIES = {"string": ("string",), "integer": ("number",), "number": ("number",), "array": ("array",), "object": ("object",)}
_MISSING: Any = object()


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number: neither a boolean nor a Decimal, whatever its value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number: an int or a Decimal, never a boolean and never a float."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def is_text_or_integer(value: Any) -> bool:
    """Whether a value is what Kubernetes calls an IntOrString."""
    return isinstance(value, str) or is_integer(value)


IS: dict[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "integer": is_integer,
    "number": is_number,
    "boolean": lambda value: value is True or value is False,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}


def type_name(value: Any) -> str:
    """Return the JSON Schema type of a value; the class name for what is no JSON value."""
    for name in ("integer", *TYPES):
        if IS[name](value):
            return name
    return type(value).__name__


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern as JSON Schema and Go mean it: ``$`` is the end of the text, ``\\d`` and ``\\w`` are ASCII.

    Raises ``ValueError`` for what Python's ``re`` cannot read.
    """
    text, end, at, inside = "", "", 0, False
    while at < len(pattern):
        letter = pattern[at]
        if not inside and (flags := FLAGS.match(pattern, at)) is not None:
            # Go lets flags stand anywhere, Python wants a group
            text, end, at = f"{text}(?{flags[1]}:", f"{end})", flags.end()
            continue
        if letter == "\\":
            pair = pattern[at : at + 2]
            text += r"\Z" if pair == r"\z" else pair
            at += 2
            continue
        if letter == "[" and not inside:
            inside = True
            # a bracket that comes first stands for itself
            if (head := re.match(r"\[\^?\]", pattern[at:])) is not None:
                text += head.group()
                at += head.end()
                continue
        elif letter == "]":
            inside = False
        text += r"\Z" if letter == "$" and not inside else letter
        at += 1
    try:
        return re.compile(text + end, re.ASCII)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r}: {error}") from error


def freeze(value: Any) -> Any:
    """Return a hashable stand-in that is equal for equal JSON values (1 equals 1.0, true does not equal 1)."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict):
        return ("object", frozenset((key, freeze(below)) for key, below in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(freeze, value)))
    return value


def type_list(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types that a schema names, with ``null`` where it is nullable; empty when it names none."""
    named = schema.get("type")
    types = (named,) if isinstance(named, str) else tuple(named or ())
    if not types and schema.get("x-kubernetes-int-or-string"):
        types = ("integer", "string")
    if types and schema.get("nullable") and "null" not in types:
        types = (*types, "null")
    return types


class Shape:
    """A compiled schema. Definitions and properties are compiled when a value first reaches them."""

    __slots__ = ("_check", "_refs", "definitions", "schema")

    def __init__(self, schema: Schema, definitions: Mapping[str, Schema]) -> None:
        self.schema = schema
        self.definitions = definitions
        self._refs: dict[str, Check] = {}
        self._check: Check | None = _MISSING

    def accepts(self, value: Any) -> bool:
        """Whether the schema accepts a value; the fast path."""
        if self._check is _MISSING:
            self._check = self._compile(self.schema)
        return self._check is None or self._check(value)

    def faults(self, value: Any) -> list[Fault]:
        """Return every fault of a value, in the order of the data; empty exactly when ``accepts`` says so."""
        return [] if self.accepts(value) else list(self._explain(self.schema, value, ()))

    # The fast path: one closure a schema, None for what accepts everything.

    def _compile(self, schema: Schema) -> Check | None:
        if schema is True or schema == {}:
            return None
        if not isinstance(schema, Mapping):
            return lambda _: False
        types = type_list(schema)
        if len(schema) == 1 and len(types) == 1:
            return IS[types[0]]
        checks: list[Check] = []
        if types == ("integer", "string"):
            checks.append(is_text_or_integer)
        elif types:
            checks.append(_any_of([IS[name] for name in types]))
        for name in FAMILIES.get(types[0], ()) if len(types) == 1 else ("string", "number", "array", "object"):
            check = _strings(schema) if name == "string" else _numbers(schema) if name == "number" else None
            if name == "array":
                check = self._arrays(schema)
            elif name == "object":
                check = self._objects(schema)
            if check is not None:
                # where the type may be another, the keywords of this one say nothing
                checks.append(check if len(types) == 1 else _when(IS[name], check))
        checks += self._combinations(schema)
        check = _all_of(checks)
        return _when(lambda value: value is not None, check) if check and schema.get("nullable") else check

    def _ref(self, name: str) -> Check:
        if (known := self._refs.get(name)) is not None:
            return known
        target: Check | None = _MISSING

        def late(value: Any) -> bool:
            nonlocal target
            if target is _MISSING:
                target = self._compile(self.definitions[name])
                self._refs[name] = target or (lambda _: True)
            return target is None or target(value)

        self._refs[name] = late
        return late

    def _combinations(self, schema: Mapping[str, Any]) -> list[Check]:
        checks: list[Check] = []
        if schema.keys().isdisjoint(CHOICES):
            return checks
        if (ref := schema.get("$ref")) is not None:
            checks.append(self._ref(_name_of(ref)))
        if (wanted := schema.get("enum")) is not None:
            checks.append(_one_of(wanted))
        if "const" in schema:
            checks.append(_one_of([schema["const"]]))
        checks += [check for part in schema.get("allOf", ()) if (check := self._compile(part)) is not None]
        if (parts := schema.get("anyOf")) is not None:
            compiled = [self._compile(part) for part in parts]
            if None not in compiled:
                checks.append(_any_of([check for check in compiled if check is not None]))
        if (parts := schema.get("oneOf")) is not None:
            forms = [self._compile(part) or (lambda _: True) for part in parts]
            checks.append(lambda value: sum(form(value) for form in forms) == 1)
        if (part := schema.get("not")) is not None:
            refused = self._compile(part) or (lambda _: True)
            checks.append(lambda value: not refused(value))
        return checks

    def _arrays(self, schema: Mapping[str, Any]) -> Check | None:
        item = self._compile(schema.get("items", True))
        fewest, most = schema.get("minItems", 0), schema.get("maxItems")
        keys, unique = schema.get("x-kubernetes-list-map-keys"), schema.get("uniqueItems")
        checks: list[Check] = []
        if fewest or most is not None:
            checks.append(lambda value: fewest <= len(value) and (most is None or len(value) <= most))
        if item is not None:

            def each(value: Any) -> bool:
                for below in value:  # noqa: SIM110 - a generator would double the time
                    if not item(below):
                        return False
                return True

            checks.append(each)
        if unique:
            checks.append(lambda value: len(value) < 2 or len(set(map(freeze, value))) == len(value))
        if keys:
            standing = self._key_defaults(schema)
            checks.append(lambda value: len(value) < 2 or not any(_repeated(value, standing)))
        return _all_of(checks)

    def _key_defaults(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        items = schema.get("items", {})
        while "$ref" in items:
            items = self.definitions[_name_of(items["$ref"])]
        properties = items.get("properties", {})
        return {key: properties.get(key, {}).get("default") for key in schema["x-kubernetes-list-map-keys"]}

    def _objects(self, schema: Mapping[str, Any]) -> Check | None:
        checks: list[Check] = []
        if required := tuple(schema.get("required", ())):

            def complete(value: Any) -> bool:
                for key in required:  # noqa: SIM110 - a generator would double the time
                    if key not in value:
                        return False
                return True

            checks.append(complete)
        fewest, most = schema.get("minProperties", 0), schema.get("maxProperties")
        if fewest or most is not None:
            checks.append(lambda value: fewest <= len(value) and (most is None or len(value) <= most))
        if (names := self._compile(schema.get("propertyNames", True))) is not None:
            checks.append(lambda value: all(map(names, value)))
        if (fields := self._fields(schema)) is not None:
            checks.append(fields)
        return _all_of(checks)

    def _fields(self, schema: Mapping[str, Any]) -> Check | None:
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties", True)
        other = self._compile(rest)
        if "patternProperties" in schema:
            return self._pattern_fields(schema, other)
        if not properties:
            if other is None:
                return None
            if rest is False:
                return lambda value: not value
            return lambda value: all(map(other, value.values()))
        compiled: dict[str, Check | None] = {}

        def fields(value: Any) -> bool:
            for key, below in value.items():
                check = compiled.get(key, _MISSING)
                if check is _MISSING:
                    if key in properties:
                        check = compiled[key] = self._compile(properties[key])
                    else:
                        check = other
                if check is not None and not check(below):
                    return False
            return True

        return fields

    def _pattern_fields(self, schema: Mapping[str, Any], other: Check | None) -> Check:
        properties = schema.get("properties", {})
        patterns = [(compile_pattern(pattern).search, self._compile(below)) for pattern, below in schema["patternProperties"].items()]
        compiled: dict[str, Check | None] = {}

        def accepts(key: str, below: Any) -> bool:
            known = key in properties
            if known:
                if key not in compiled:
                    compiled[key] = self._compile(properties[key])
                check = compiled[key]
                if check is not None and not check(below):
                    return False
            for search, check in patterns:
                if search(str(key)) is not None:
                    known = True
                    if check is not None and not check(below):
                        return False
            return known or other is None or other(below)

        return lambda value: all(accepts(key, below) for key, below in value.items())

    def _below(self, schema: Mapping[str, Any], key: str) -> list[Schema]:
        """Return the schemas that speak of one field."""
        found: list[Schema] = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        found += [below for pattern, below in schema.get("patternProperties", {}).items() if compile_pattern(pattern).search(str(key))]
        return found or [schema.get("additionalProperties", True)]

    def _accepts(self, schema: Schema, value: Any) -> bool:
        check = self._compile(schema)
        return check is None or check(value)

    # The slow path reads the schema again, so that nothing of the fast path has to remember why.

    def _explain(self, schema: Schema, value: Any, path: Path) -> Iterator[Fault]:
        if schema is True:
            return
        if not isinstance(schema, Mapping):
            yield Fault(path, f"{show(value)} must not be here", "nothing", "false")
            return
        if value is None and schema.get("nullable"):
            return
        types = type_list(schema)
        if types and not any(IS[name](value) for name in types):
            yield Fault(path, f"found {describe(value)}", expected_types(types), "type")
            return
        if (ref := schema.get("$ref")) is not None:
            yield from self._explain(self.definitions[_name_of(ref)], value, path)
        if isinstance(value, str):
            yield from _explain_text(schema, value, path)
        elif is_number(value):
            yield from _explain_number(schema, value, path)
        elif isinstance(value, list):
            yield from self._explain_list(schema, value, path)
        elif isinstance(value, dict):
            yield from self._explain_map(schema, value, path)
        yield from self._explain_choice(schema, value, path)

    def _explain_choice(self, schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Fault]:
        for keyword, wanted in (("enum", schema.get("enum")), ("const", [schema["const"]] if "const" in schema else None)):
            if wanted is not None and not _one_of(wanted)(value):
                yield Fault(path, f"found {show(value)}", show_all(wanted), keyword)
        for part in schema.get("allOf", ()):
            yield from self._explain(part, value, path)
        for keyword in ("anyOf", "oneOf"):
            if (parts := schema.get(keyword)) is not None:
                accepted = sum(self._accepts(part, value) for part in parts)
                if accepted == 0:
                    yield from self._explain_forms(keyword, parts, value, path)
                elif accepted > 1 and keyword == "oneOf":
                    yield Fault(path, f"{accepted} forms at once", f"exactly one of: {self._list_forms(parts)}", keyword)
        if (part := schema.get("not")) is not None and self._accepts(part, value):
            yield Fault(path, f"found {show(value)}", f"not {self._name_form(part)}", "not")

    def _explain_forms(self, keyword: str, parts: list[Schema], value: Any, path: Path) -> Iterator[Fault]:
        """Explain the form that was probably meant: the only one of the value's type, or the one whose tag fits."""
        told = [list(self._explain(part, value, path)) for part in parts]
        near = [faults for faults in told if not any(f.path == path and f.rule in {"type", "false"} for f in faults)]
        if len(near) > 1:
            fitting = [faults for faults in near if not any(len(f.path) <= len(path) + 1 and f.rule in {"const", "enum"} for f in faults)]
            deeper = [faults for faults in fitting if all(f.rule != "required" or len(f.path) > len(path) for f in faults)]
            near = deeper if len(deeper) == 1 else fitting if len(fitting) == 1 else near
        if len(near) == 1:
            yield from near[0]
        else:
            yield Fault(path, f"found {describe(value)}", f"one of: {self._list_forms(parts)}", keyword)

    def _list_forms(self, parts: list[Schema]) -> str:
        return "; ".join(dict.fromkeys(self._name_form(part) for part in parts))

    def _name_form(self, schema: Schema) -> str:
        while isinstance(schema, Mapping) and "$ref" in schema:
            schema = self.definitions[_name_of(schema["$ref"])]
        if not isinstance(schema, Mapping):
            return "anything" if schema else "nothing"
        if "const" in schema:
            return show(schema["const"])
        if "enum" in schema:
            return show_all(schema["enum"])
        if required := schema.get("required"):
            return f"{' and '.join(required)} set"
        if "not" in schema:
            return f"not {self._name_form(schema['not'])}"
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                return self._list_forms(schema[keyword])
        types = type_list(schema)
        name = expected_types(types) if types else "a value"
        return f"{name} like {schema['pattern']}" if "pattern" in schema else name

    def _explain_list(self, schema: Mapping[str, Any], value: list[Any], path: Path) -> Iterator[Fault]:
        yield from _explain_size(schema, len(value), "Items", "item", path)
        for index, below in enumerate(value):
            yield from self._explain(schema.get("items", True), below, (*path, index))
        if schema.get("uniqueItems"):
            seen: dict[Any, int] = {}
            for index, below in enumerate(value):
                if (first := seen.setdefault(freeze(below), index)) != index:
                    yield Fault((*path, index), f"{show(below)} stands here twice, first at [{first}]", "every item once", "uniqueItems")
        if schema.get("x-kubernetes-list-map-keys"):
            for index, first, key in _repeated(value, self._key_defaults(schema)):
                told = ", ".join(f"{name} {show(part)}" for name, part in key.items())
                expected = f"a list in which every {' and '.join(key)} stands once"
                yield Fault((*path, index), f"{told} stands here twice, first at [{first}]", expected, "x-kubernetes-list-map-keys")

    def _explain_map(self, schema: Mapping[str, Any], value: dict[Any, Any], path: Path) -> Iterator[Fault]:
        for key in schema.get("required", ()):
            if key not in value:
                yield Fault((*path, key), f"{key} is missing", self._name_form(schema.get("properties", {}).get(key, True)), "required")
        yield from _explain_size(schema, len(value), "Properties", "field", path)
        names = schema.get("propertyNames", True)
        for key, below in value.items():
            if not self._accepts(names, key):
                for fault in self._explain(names, key, (*path, key)):
                    yield fault._replace(message=f"the name {show(key)} is not allowed: {fault.message}", rule="propertyNames")
            for part in self._below(schema, key):
                if part is False:
                    known = schema.get("properties", {})
                    meant = nearest(str(key), known)
                    yield Fault((*path, key), f"unknown field {show(key)}", meant or list_names(known), "additionalProperties")
                else:
                    yield from self._explain(part, below, (*path, key))


def compile_shape(schema: Schema, *, definitions: Mapping[str, Schema] | None = None, trusted: bool = False) -> Shape:
    """Return the shape of a schema; ``$ref`` reads ``definitions`` or the schema's own ``definitions`` and ``$defs``.

    ``trusted`` leaves out the look at every keyword, for schemas that were looked at when they were built. Raises
    ``ValueError`` for a keyword that is not supported, a ``$ref`` that leads nowhere and a pattern that cannot be read.
    """
    known: dict[str, Schema] = dict(definitions or {}) if not trusted else definitions or {}  # type: ignore[assignment]
    if isinstance(schema, Mapping) and ("definitions" in schema or "$defs" in schema):
        known = {**known, **schema.get("definitions", {}), **schema.get("$defs", {})}
    if not trusted:
        verify(schema, known)
        for name, below in known.items():
            verify(below, known, f"definitions/{name}")
    return Shape(schema, known)


def verify(schema: Any, definitions: Mapping[str, Schema], where: str = "") -> None:
    """Look at every keyword of a schema. Raises ``ValueError`` for what a shape would not understand."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ValueError(f"{where or '/'}: a schema is a map or a boolean, not {type(schema).__name__}")
    for keyword, value in schema.items():
        at = f"{where}/{keyword}"
        if keyword in NOTHING or keyword.startswith("x-"):
            continue
        if keyword not in KEYWORDS:
            raise ValueError(f"{at}: this keyword is not supported")
        if keyword in {"properties", "patternProperties"}:
            for name, below in value.items():
                verify(below, definitions, f"{at}/{name}")
            for name in value if keyword == "patternProperties" else ():
                compile_pattern(name)
        elif keyword in {"additionalProperties", "items", "not", "propertyNames"}:
            verify(value, definitions, at)
        elif keyword in {"anyOf", "oneOf", "allOf"}:
            for index, below in enumerate(value):
                verify(below, definitions, f"{at}/{index}")
        elif keyword == "$ref" and _name_of(value) not in definitions:
            raise ValueError(f"{at}: there is no definition {value}")
        elif keyword == "pattern":
            compile_pattern(value)
        elif keyword == "type" and not set(type_list(schema)) <= set(TYPES):
            raise ValueError(f"{at}: {value!r} is no type")


def show(value: Any) -> str:
    """Return a value as one short line for a message."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return NAMES[type_name(value)] if isinstance(value, dict | list) else str(value)


def describe(value: Any) -> str:
    """Return what a value is, with the value itself where it is short."""
    name = NAMES.get(type_name(value), type_name(value))
    return name if value is None or isinstance(value, dict | list) else f"{name} ({show(value)})"


def show_all(values: list[Any]) -> str:
    """Return allowed values as a list for a message; long lists are cut."""
    return list_names([show(value) for value in values])


def list_names(names: Any) -> str:
    """Return ``one of a, b, c``; what is beyond twelve is counted."""
    words = list(names)
    if len(words) == 1:
        return str(words[0])
    more = f" and {len(words) - 12} more" if len(words) > 12 else ""
    return f"one of {', '.join(map(str, words[:12]))}{more}" if words else "no field at all"


def expected_types(types: tuple[str, ...]) -> str:
    """Return types as people say them: ``a whole number or a text``."""
    return " or ".join(NAMES[name] for name in types)


def _name_of(ref: str) -> str:
    match = REF.fullmatch(ref)
    if match is None:
        raise ValueError(f"$ref {ref!r} does not lead to a definition of this schema")
    return match[1].replace("~1", "/").replace("~0", "~")


def _all_of(checks: list[Check]) -> Check | None:
    if len(checks) < 2:
        return checks[0] if checks else None
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)

    def every(value: Any) -> bool:
        for check in checks:  # noqa: SIM110 - a generator would double the time
            if not check(value):
                return False
        return True

    return every


def _any_of(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    return lambda value: any(check(value) for check in checks)


def _when(condition: Check, check: Check) -> Check:
    return lambda value: not condition(value) or check(value)


def _one_of(wanted: list[Any]) -> Check:
    frozen = frozenset(map(freeze, wanted))
    if all(isinstance(value, str) for value in wanted):
        return lambda value: isinstance(value, str) and value in frozen
    return lambda value: freeze(value) in frozen


def _strings(schema: Mapping[str, Any]) -> Check | None:
    checks: list[Check] = []
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if shortest or longest is not None:
        checks.append(lambda value: shortest <= len(value) and (longest is None or len(value) <= longest))
    if (pattern := schema.get("pattern")) is not None:
        search = compile_pattern(pattern).search
        checks.append(lambda value: search(value) is not None)
    return _all_of(checks)


def _bounds(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Check]]:
    """Yield keyword, words and check of every bound of a number; the draft-04 booleans of Kubernetes included."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below, step = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"), schema.get("multipleOf")
    if above is True:
        low, above = None, low
    if below is True:
        high, below = None, high
    if low is not None:
        yield "minimum", f"at least {low}", lambda value: value >= low
    if high is not None:
        yield "maximum", f"at most {high}", lambda value: value <= high
    if above is not None and above is not False:
        yield "exclusiveMinimum", f"more than {above}", lambda value: value > above
    if below is not None and below is not False:
        yield "exclusiveMaximum", f"less than {below}", lambda value: value < below
    if step is not None:
        yield "multipleOf", f"a multiple of {step}", lambda value: value % step == 0


def _numbers(schema: Mapping[str, Any]) -> Check | None:
    return _all_of([check for _, _, check in _bounds(schema)])


def _explain_number(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Fault]:
    for keyword, words, check in _bounds(schema):
        if not check(value):
            yield Fault(path, f"found {value}", words, keyword)


def _explain_text(schema: Mapping[str, Any], value: str, path: Path) -> Iterator[Fault]:
    yield from _explain_size(schema, len(value), "Length", "character", path)
    if (pattern := schema.get("pattern")) is not None and not compile_pattern(pattern).search(value):
        yield Fault(path, f"found {show(value)}", f"a text like {pattern}", "pattern")


def _explain_size(schema: Mapping[str, Any], size: int, suffix: str, unit: str, path: Path) -> Iterator[Fault]:
    def count(number: int) -> str:
        return f"{number} {unit}{'' if number == 1 else 's'}"

    least, most = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}")
    if size < least:
        yield Fault(path, f"found {count(size)}", f"at least {count(least)}", f"min{suffix}")
    if most is not None and size > most:
        yield Fault(path, f"found {count(size)}", f"at most {count(most)}", f"max{suffix}")


def _repeated(value: list[Any], keys: Mapping[str, Any]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield index, index of the first, and key of every map of a list whose key another map had already."""
    seen: dict[Any, int] = {}
    for index, below in enumerate(value):
        if not isinstance(below, dict):
            continue
        key = {name: below.get(name, default) for name, default in keys.items()}
        first = seen.setdefault(tuple(map(freeze, key.values())), index)
        if first != index:
            yield index, first, key
