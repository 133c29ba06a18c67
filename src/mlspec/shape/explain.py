"""The slow path of a shape: why a value is refused. It reads the schema again, so that the fast path need not remember."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlspec.diagnostics import nearest
from mlspec.location import Path
from mlspec.shape.fault import Fault
from mlspec.shape.values import (
    IS,
    Schema,
    bounds,
    compile_pattern,
    describe,
    expected_types,
    freeze,
    is_number,
    list_names,
    name_of,
    one_of,
    repeated,
    show,
    show_all,
    type_list,
)

if TYPE_CHECKING:
    from mlspec.shape import Shape


def explain(shape: Shape, schema: Schema, value: Any, path: Path) -> Iterator[Fault]:
    """Yield every fault that a part of a shape's schema finds in a value, in the order of the data."""
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
        yield from explain(shape, shape.definitions[name_of(ref)], value, path)
    if isinstance(value, str):
        yield from _explain_text(schema, value, path)
    elif is_number(value):
        yield from _explain_number(schema, value, path)
    elif isinstance(value, list):
        yield from _explain_list(shape, schema, value, path)
    elif isinstance(value, dict):
        yield from _explain_map(shape, schema, value, path)
    yield from _explain_choice(shape, schema, value, path)


def _explain_choice(shape: Shape, schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Fault]:
    for keyword, wanted in (("enum", schema.get("enum")), ("const", [schema["const"]] if "const" in schema else None)):
        if wanted is not None and not one_of(wanted)(value):
            yield Fault(path, f"found {show(value)}", show_all(wanted), keyword)
    for part in schema.get("allOf", ()):
        yield from explain(shape, part, value, path)
    for keyword in ("anyOf", "oneOf"):
        if (parts := schema.get(keyword)) is not None:
            accepted = sum(shape.judge(part, value) for part in parts)
            if accepted == 0:
                yield from _explain_forms(shape, keyword, parts, value, path)
            elif accepted > 1 and keyword == "oneOf":
                yield Fault(path, f"{accepted} forms at once", f"exactly one of: {_list_forms(shape, parts)}", keyword)
    if (part := schema.get("not")) is not None and shape.judge(part, value):
        yield Fault(path, f"found {show(value)}", f"not {_name_form(shape, part)}", "not")


def _explain_forms(shape: Shape, keyword: str, parts: list[Schema], value: Any, path: Path) -> Iterator[Fault]:
    """Explain the form that was probably meant: the only one of the value's type, or the one whose tag fits."""
    told = [list(explain(shape, part, value, path)) for part in parts]
    near = [faults for faults in told if not any(f.path == path and f.rule in {"type", "false"} for f in faults)]
    if len(near) > 1:
        fitting = [faults for faults in near if not any(len(f.path) <= len(path) + 1 and f.rule in {"const", "enum"} for f in faults)]
        deeper = [faults for faults in fitting if all(f.rule != "required" or len(f.path) > len(path) for f in faults)]
        near = deeper if len(deeper) == 1 else fitting if len(fitting) == 1 else near
    if len(near) == 1:
        yield from near[0]
    else:
        yield Fault(path, f"found {describe(value)}", f"one of: {_list_forms(shape, parts)}", keyword)


def _list_forms(shape: Shape, parts: list[Schema]) -> str:
    return "; ".join(dict.fromkeys(_name_form(shape, part) for part in parts))


def _name_form(shape: Shape, schema: Schema) -> str:
    while isinstance(schema, Mapping) and "$ref" in schema:
        schema = shape.definitions[name_of(schema["$ref"])]
    if not isinstance(schema, Mapping):
        return "anything" if schema else "nothing"
    if "const" in schema:
        return show(schema["const"])
    if "enum" in schema:
        return show_all(schema["enum"])
    if required := schema.get("required"):
        return f"{' and '.join(required)} set"
    if "not" in schema:
        return f"not {_name_form(shape, schema['not'])}"
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return _list_forms(shape, schema[keyword])
    types = type_list(schema)
    name = expected_types(types) if types else "a value"
    return f"{name} like {schema['pattern']}" if "pattern" in schema else name


def _explain_list(shape: Shape, schema: Mapping[str, Any], value: list[Any], path: Path) -> Iterator[Fault]:
    yield from _explain_size(schema, len(value), "Items", "item", path)
    for index, below in enumerate(value):
        yield from explain(shape, schema.get("items", True), below, (*path, index))
    if schema.get("uniqueItems"):
        seen: dict[Any, int] = {}
        for index, below in enumerate(value):
            if (first := seen.setdefault(freeze(below), index)) != index:
                yield Fault((*path, index), f"{show(below)} stands here twice, first at [{first}]", "every item once", "uniqueItems")
    if schema.get("x-kubernetes-list-map-keys"):
        for index, first, key in repeated(value, shape.key_defaults(schema)):
            told = ", ".join(f"{name} {show(part)}" for name, part in key.items())
            expected = f"a list in which every {' and '.join(key)} stands once"
            yield Fault((*path, index), f"{told} stands here twice, first at [{first}]", expected, "x-kubernetes-list-map-keys")


def _explain_map(shape: Shape, schema: Mapping[str, Any], value: dict[Any, Any], path: Path) -> Iterator[Fault]:
    for key in schema.get("required", ()):
        if key not in value:
            yield Fault((*path, key), f"{key} is missing", _name_form(shape, schema.get("properties", {}).get(key, True)), "required")
    yield from _explain_size(schema, len(value), "Properties", "field", path)
    names = schema.get("propertyNames", True)
    for key, below in value.items():
        if not shape.judge(names, key):
            for fault in explain(shape, names, key, (*path, key)):
                yield fault._replace(message=f"the name {show(key)} is not allowed: {fault.message}", rule="propertyNames")
        for part in shape.below(schema, key):
            if part is False:
                known = schema.get("properties", {})
                meant = nearest(str(key), known)
                yield Fault((*path, key), f"unknown field {show(key)}", meant or list_names(known), "additionalProperties")
            else:
                yield from explain(shape, part, below, (*path, key))


def _explain_number(schema: Mapping[str, Any], value: Any, path: Path) -> Iterator[Fault]:
    for keyword, words, check in bounds(schema):
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
