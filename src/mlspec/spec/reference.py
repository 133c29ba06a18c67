"""The reference page of the language, generated from its models."""

from __future__ import annotations

from typing import Any

from mlspec.spec.schema import build_schema

_FORMS = {
    "object": "map",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}


def _form(node: dict[str, Any]) -> str:
    """Return the form of a field in a few words, with links to the maps that it holds."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in node:
        return " ".join(f"`{word}`" for word in node["enum"])
    if "anyOf" in node:
        forms = [_form(choice) for choice in node["anyOf"] if not _is_reference(choice)]
        return " or ".join(dict.fromkeys(forms))
    kind = node.get("type")
    if kind == "array":
        inner = node.get("items", {})
        return f"list of {_form(inner)}" if inner else "list"
    if kind == "object":
        below = next(iter(node.get("patternProperties", {}).values()), None) or node.get("additionalProperties")
        return f"name → {_form(below)}" if isinstance(below, dict) and below else "map"
    if isinstance(kind, list):
        return ", ".join(_FORMS[word] for word in kind)
    return _FORMS.get(kind or "", "any")


def _is_reference(node: dict[str, Any]) -> bool:
    return node.get("type") == "string" and str(node.get("pattern", "")).startswith(r"\$\{")


def _meaning(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return what a field means; pydantic leaves it out where the map below says the same."""
    told: str = field.get("description") or definitions[field["$ref"].rsplit("/", 1)[-1]]["description"]
    return told


def _table(node: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    required = set(node.get("required", []))
    rows = ["| field | form | meaning |", "|---|---|---|"]
    for name, field in node.get("properties", {}).items():
        star = "\\*" if name in required else ""
        rows.append(f"| `{name}`{star} | {_form(field)} | {_meaning(field, definitions)} |")
    return rows


def reference_text() -> str:
    """Return the page as Markdown."""
    schema = build_schema()
    definitions = schema["definitions"]
    lines = [
        "# Reference of mlspec.yaml, version 1",
        "",
        "Generated from the models of the language by `make update`; `*` marks a required field. What a field means for the manifests",
        "stands beside it; which values are refused, and why, is told by `mlspec explain CODE`.",
        "",
        "## The file",
        "",
        *_table(schema, definitions),
    ]
    for name in definitions:
        lines += ["", f"## {name}", "", definitions[name].get("description", ""), "", *_table(definitions[name], definitions)]
    return "\n".join(lines) + "\n"
