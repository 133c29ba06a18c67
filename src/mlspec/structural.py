"""Turns the structural schema of a custom resource into a closed shape: what the API server would drop is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlspec.location import Path

VALUES = (
    *("enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems"),
)
"""Keywords that are taken over as they are."""
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
QUALIFIED: dict[str, Any] = {
    "type": "string",
    "maxLength": 317,
    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
}
"""The name of a label or an annotation, with or without a prefix."""
ANNOTATION = {**QUALIFIED, "pattern": "(?i)" + QUALIFIED["pattern"]}
"""The name of an annotation, whose prefix may have capitals."""
LABEL_VALUE = {"type": "string", "maxLength": 63, "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"}
LABELS = {"type": "object", "propertyNames": QUALIFIED, "additionalProperties": LABEL_VALUE}
OWNER = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("apiVersion", "kind", "name", "uid")},
        **{name: {"type": "boolean"} for name in ("controller", "blockOwnerDeletion")},
    },
    "required": ["apiVersion", "kind", "name", "uid"],
    "additionalProperties": False,
}
METADATA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253},
        "generateName": {"type": "string"},
        "namespace": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "labels": LABELS,
        "annotations": {"type": "object", "propertyNames": ANNOTATION, "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "ownerReferences": {"type": "array", "items": OWNER},
    },
    "additionalProperties": False,
}
"""What may be written under ``metadata`` of any kind; what the cluster writes there (uid, resourceVersion, ...) may not."""
Found = tuple[Path, Mapping[str, Any], Any]
EMBEDDED = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}


def close(schema: Mapping[str, Any], *, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the closed shape of a structural schema.

    Fields that the API server would drop are refused, fields with a default need not be written, and of the rest only
    what can refuse a value is kept. Defaults stay at the fields named by ``keep`` (the keys of the list around them).
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    node: dict[str, Any] = {key: schema[key] for key in VALUES if key in schema}
    types = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        types = ["integer", "string"]
    if types:
        node["type"] = types
    if schema.get("nullable"):
        node["nullable"] = True
    if properties:
        node["properties"] = {name: _with_default(name, below, keep) for name, below in properties.items()}
    if required := [name for name in schema.get("required", ()) if "default" not in properties.get(name, {})]:
        node["required"] = required
    if isinstance(items := schema.get("items"), dict):
        keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if schema.get("x-kubernetes-list-type") == "map" else ()
        node["items"] = close(items, keep=keys)
        if keys:
            node["x-kubernetes-list-map-keys"] = list(keys)
    if schema.get("x-kubernetes-list-type") == "set":
        node["uniqueItems"] = True
    _close_map(schema, node)
    node.update(_combined(schema))
    return node


def _with_default(name: str, schema: Mapping[str, Any], keep: tuple[str, ...]) -> dict[str, Any]:
    node = close(schema)
    return {**node, "default": schema["default"]} if name in keep and "default" in schema else node


def _close_map(schema: Mapping[str, Any], node: dict[str, Any]) -> None:
    rest = schema.get("additionalProperties")
    if schema.get("x-kubernetes-embedded-resource"):
        node["properties"] = {**EMBEDDED, **node.get("properties", {})}
        node["required"] = sorted({"apiVersion", "kind", *node.get("required", ())})
    if isinstance(rest, dict):
        node["additionalProperties"] = close(rest)
    elif rest is True or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    elif schema.get("type") == "object" or "properties" in node:
        node["additionalProperties"] = False


def _combined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value validations of a schema: they judge values and never close a map."""
    found: dict[str, Any] = {}
    for keyword in ("allOf", "anyOf", "oneOf"):
        parts = [_judging(part) for part in schema.get(keyword, ())]
        if schema.get("x-kubernetes-int-or-string"):
            parts = [part for part in parts if part != {"anyOf": INT_OR_STRING}]
            if keyword == "anyOf" and parts == INT_OR_STRING:
                continue
        if parts:
            found[keyword] = parts
    if "not" in schema:
        found["not"] = _judging(schema["not"])
    return found


def _judging(schema: Mapping[str, Any]) -> dict[str, Any]:
    node = {key: schema[key] for key in (*VALUES, "type", "required", "nullable") if key in schema}
    if "properties" in schema:
        node["properties"] = {name: _judging(below) for name, below in schema["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            node[keyword] = _judging(schema[keyword])
        elif keyword in schema:
            node[keyword] = schema[keyword]
    node.update(_combined(schema))
    return node


def close_root(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the closed shape of a whole kind: ``metadata`` is judged elsewhere, ``status`` is not ours to write."""
    node = close(schema)
    properties = {name: below for name, below in node.get("properties", {}).items() if name != "status"}
    node["properties"] = {**properties, "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    if required := [name for name in node.pop("required", ()) if name not in {"status", "apiVersion", "kind", "metadata"}]:
        node["required"] = required
    return node


def with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value as the API server sees it: with the defaults of a structural schema written out."""
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [with_defaults(items, below) for below in value]
    if not isinstance(value, dict):
        return value
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    filled = dict(value)
    for name, below in properties.items():
        if "default" in below and (name not in filled or (filled[name] is None and not below.get("nullable"))):
            filled[name] = below["default"]
    other = rest if isinstance(rest, dict) else {}
    return {name: with_defaults(properties.get(name, other), below) for name, below in filled.items()}


def walk_values(schema: Mapping[str, Any], value: Any, visit: Callable[[Mapping[str, Any]], bool]) -> Iterator[Found]:
    """Yield path, schema and value of everything below a value, whose schema ``visit`` wants, outermost first."""
    if visit(schema):
        yield (), schema, value
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for index, below in enumerate(value):
            for path, part, found in walk_values(items, below, visit):
                yield (index, *path), part, found
    elif isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        other = rest if isinstance(rest, dict) else {}
        for name, inner in value.items():
            for path, part, found in walk_values(properties.get(name, other), inner, visit):
                yield (name, *path), part, found
