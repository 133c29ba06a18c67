"""Checks plain data against a JSON Schema subset: closures that are compiled where a value first needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlspec.shape.fault import Fault
from mlspec.shape.values import (
    IS,
    TYPES,
    Check,
    Schema,
    bounds,
    compile_pattern,
    freeze,
    is_text_or_integer,
    name_of,
    one_of,
    repeated,
    type_list,
)

__all__ = ["Fault", "Schema", "Shape", "compile_shape", "verify"]

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
CHOICES = frozenset(["$ref", "enum", "const", "allOf", "anyOf", "oneOf", "not"])
FAMILIES = {"string": ("string",), "integer": ("number",), "number": ("number",), "array": ("array",), "object": ("object",)}
PLAIN_MAP = frozenset(["type", "properties", "additionalProperties", "required", "description", "default", "title"])
"""Keywords of a map of which nothing more is said than its fields."""
PLAIN_LIST = frozenset(["type", "items", "description", "default", "title"])
"""Keywords of a list of which nothing more is said than its items."""
PLAIN_TEXT = frozenset(["type", "minLength", "maxLength", "pattern", "description", "default", "title", "format"])
"""Keywords of a text of which nothing more is said than its length and form."""
TEXTS = frozenset([str])
MOST_REMEMBERED = 4096
_MISSING: Any = object()


class Shape:
    """A compiled schema. Definitions and properties are compiled when a value first reaches them."""

    __slots__ = ("_check", "_late", "_refs", "definitions", "schema")

    def __init__(self, schema: Schema, definitions: Mapping[str, Schema]) -> None:
        self.schema = schema
        self.definitions = definitions
        self._refs: dict[str, Check] = {}
        self._late: dict[Check, Callable[[], Check]] = {}
        """For each check that stands for a definition, how to get the definition's own."""
        self._check: Check | None = _MISSING

    def accepts(self, value: Any) -> bool:
        """Whether the schema accepts a value; the fast path."""
        if self._check is _MISSING:
            self._check = self._compile(self.schema)
        return self._check is None or self._check(value)

    def faults(self, value: Any) -> list[Fault]:
        """Return every fault of a value, in the order of the data; empty exactly when ``accepts`` says so."""
        from mlspec.shape.explain import explain

        return [] if self.accepts(value) else list(explain(self, self.schema, value, ()))

    # The fast path: one closure a schema, None for what accepts everything.

    def _compile(self, schema: Schema) -> Check | None:
        if schema is True or schema == {}:
            return None
        if not isinstance(schema, Mapping):
            return lambda _: False
        types = type_list(schema)
        if len(schema) == 1 and len(types) == 1:
            return IS[types[0]]
        if types == ("object",) and (whole := self._plain_map(schema)) is not None:
            return whole
        if types == ("array",) and schema.keys() <= PLAIN_LIST:
            return self._plain_list(schema)
        if types == ("string",) and schema.keys() <= PLAIN_TEXT and (text := _strings(schema)) is not None:
            return _remembering(text)
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
        target: Check | None = None

        def resolved() -> Check:
            nonlocal target
            if target is None:
                target = self._refs[name] = self._compile(self.definitions[name]) or (lambda _: True)
            return target

        def late(value: Any) -> bool:
            return (target or resolved())(value)

        self._refs[name] = late
        self._late[late] = resolved
        return late

    def _now(self, schema: Schema) -> Check | None:
        """Compile a schema for a value that is there: what it refers to is compiled as well, so that it is called directly."""
        check = self._compile(schema)
        while check is not None and (resolved := self._late.get(check)) is not None:
            check = resolved()
        return check

    def _combinations(self, schema: Mapping[str, Any]) -> list[Check]:
        checks: list[Check] = []
        if schema.keys().isdisjoint(CHOICES):
            return checks
        if (ref := schema.get("$ref")) is not None:
            checks.append(self._ref(name_of(ref)))
        if (wanted := schema.get("enum")) is not None:
            checks.append(one_of(wanted))
        if "const" in schema:
            checks.append(one_of([schema["const"]]))
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
            standing = self.key_defaults(schema)
            checks.append(lambda value: len(value) < 2 or not any(repeated(value, standing)))
        return _all_of(checks)

    def key_defaults(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keys that the items of a list are told apart by, with their defaults."""
        items = schema.get("items", {})
        while "$ref" in items:
            items = self.definitions[name_of(items["$ref"])]
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
            checks.append(_all_keys(names))
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
            if other is IS["string"]:
                return lambda value: TEXTS.issuperset(map(type, value.values())) or all(map(other, value.values()))
            if (accepted := getattr(other, "accepted", None)) is not None:
                return lambda value: (
                    (TEXTS.issuperset(map(type, value.values())) and accepted.issuperset(value.values())) or all(map(other, value.values()))
                )
            return lambda value: all(map(other, value.values()))
        compiled: dict[str, Check | None] = {}

        def fields(value: Any) -> bool:
            for key, below in value.items():
                check = compiled.get(key, _MISSING)
                if check is _MISSING:
                    if key in properties:
                        check = compiled[key] = self._now(properties[key])
                    else:
                        check = other
                if check is not None and not check(below):
                    return False
            return True

        return fields

    def _plain_list(self, schema: Mapping[str, Any]) -> Check:
        """Return one closure for a list of which its items alone are known."""
        items = schema.get("items", True)
        item: Check | None = _MISSING

        def each(value: Any) -> bool:
            nonlocal item
            if not isinstance(value, list):
                return False
            if not value:
                return True
            if item is _MISSING:
                item = self._now(items)
            if item is None or (item is IS["string"] and TEXTS.issuperset(map(type, value))):
                return True
            for below in value:  # noqa: SIM110 - a generator would double the time
                if not item(below):
                    return False
            return True

        return each

    def _plain_map(self, schema: Mapping[str, Any]) -> Check | None:
        """Return one closure for the commonest of all schemas, a map with known fields; None for any other."""
        if not schema.keys() <= PLAIN_MAP or not schema.get("properties"):
            return None
        properties: Mapping[str, Schema] = schema["properties"]
        other = self._compile(schema.get("additionalProperties", True))
        required = frozenset(schema.get("required", ()))
        compiled: dict[str, Check | type[str] | None] = {}

        def fields(value: Any) -> bool:
            if not isinstance(value, dict) or not required <= value.keys():
                return False
            for key, below in value.items():
                check = compiled.get(key, _MISSING)
                if check is _MISSING:
                    check = other
                    if key in properties:
                        # a field that may hold any text needs no call of its own
                        known = self._now(properties[key])
                        check = compiled[key] = str if known is IS["string"] else known
                if check is str:
                    if not isinstance(below, str):
                        return False
                elif check is not None and not check(below):
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

    def below(self, schema: Mapping[str, Any], key: str) -> list[Schema]:
        """Return the schemas that speak of one field."""
        found: list[Schema] = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        found += [below for pattern, below in schema.get("patternProperties", {}).items() if compile_pattern(pattern).search(str(key))]
        return found or [schema.get("additionalProperties", True)]

    def judge(self, schema: Schema, value: Any) -> bool:
        """Whether a part of the schema accepts a value."""
        check = self._compile(schema)
        return check is None or check(value)


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
        elif keyword == "$ref" and name_of(value) not in definitions:
            raise ValueError(f"{at}: there is no definition {value}")
        elif keyword == "pattern":
            compile_pattern(value)
        elif keyword == "type" and not set(type_list(schema)) <= set(TYPES):
            raise ValueError(f"{at}: {value!r} is no type")


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


def _strings(schema: Mapping[str, Any]) -> Check | None:
    checks: list[Check] = []
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if shortest or longest is not None:
        checks.append(lambda value: shortest <= len(value) and (longest is None or len(value) <= longest))
    if (pattern := schema.get("pattern")) is not None:
        search = compile_pattern(pattern).search
        checks.append(lambda value: search(value) is not None)
    return _all_of(checks)


def _remembering(check: Check) -> Check:
    """Return a check of texts that remembers which it accepted: names and labels come again and again."""
    accepted: set[Any] = set()

    def text(value: Any) -> bool:
        if value.__class__ is str and value in accepted:
            return True
        if not isinstance(value, str) or not check(value):
            return False
        if len(accepted) < MOST_REMEMBERED and len(value) < 256:
            accepted.add(value)
        return True

    text.accepted = accepted  # type: ignore[attr-defined]
    return text


def _all_keys(check: Check) -> Check:
    accepted = getattr(check, "accepted", None)
    if accepted is None:
        return lambda value: all(map(check, value))
    return lambda value: accepted.issuperset(value) or all(map(check, value))


def _numbers(schema: Mapping[str, Any]) -> Check | None:
    return _all_of([check for _, _, check in bounds(schema)])
