"""The JSON Schema of the language (draft-07), generated from the models."""

from __future__ import annotations

import json
from typing import Any

SCHEMA_ID = "https://mlspec.dev/schemas/mlspec.v1.schema.json"


def _tidy(node: Any) -> Any:
    """Drop what says nothing, close maps with named keys, and turn ``oneOf`` over exclusive forms into ``anyOf``."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: value
        for key, value in node.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }
    tidy = {
        ("anyOf" if key == "oneOf" else key): _tidy(value) if key != "properties" else {k: _tidy(v) for k, v in value.items()}
        for key, value in kept.items()
    }
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if "const" in tidy and len(tidy) == 2 and tidy.get("type") == "string":
        return {"type": "string", "enum": [tidy["const"]]}
    return tidy


def build_schema() -> dict[str, Any]:
    """Return the schema of mlspec.yaml. Draft-07, because that is what editors support best."""
    from mlspec.spec.spec import Spec

    schema = _tidy(Spec.model_json_schema(by_alias=True, mode="validation", ref_template="#/definitions/{model}"))
    definitions = schema.pop("$defs")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "mlspec.yaml, version 1",
        **schema,
        "definitions": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"
