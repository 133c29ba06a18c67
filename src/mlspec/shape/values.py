"""JSON values as shapes see them: types, equality, patterns, bounds, and the words for them in messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

Schema = Mapping[str, Any] | bool
Check = Callable[[Any], bool]

TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
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


def name_of(ref: str) -> str:
    """Return the name of the definition that a ``$ref`` leads to. Raises ``ValueError`` when it leads elsewhere."""
    match = REF.fullmatch(ref)
    if match is None:
        raise ValueError(f"$ref {ref!r} does not lead to a definition of this schema")
    return match[1].replace("~1", "/").replace("~0", "~")


def one_of(wanted: list[Any]) -> Check:
    """Return the check for equality with one of some values."""
    frozen = frozenset(map(freeze, wanted))
    if all(isinstance(value, str) for value in wanted):
        return lambda value: isinstance(value, str) and value in frozen
    return lambda value: freeze(value) in frozen


def bounds(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Check]]:
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


def repeated(value: list[Any], keys: Mapping[str, Any]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield index, index of the first, and key of every map of a list whose key another map had already."""
    seen: dict[Any, int] = {}
    for index, below in enumerate(value):
        if not isinstance(below, dict):
            continue
        key = {name: below.get(name, default) for name, default in keys.items()}
        first = seen.setdefault(tuple(map(freeze, key.values())), index)
        if first != index:
            yield index, first, key
