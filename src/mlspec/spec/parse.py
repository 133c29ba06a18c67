"""Parsing: is a tree of the shape of the language? What is not becomes findings, one per cause."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from mlspec.diagnostics import Finding, Found, code, nearest
from mlspec.location import Path, format_path
from mlspec.resources import schemas_root
from mlspec.shape import Shape, compile_shape


@cache
def language() -> Shape:
    """Return the shape of the language, compiled from its published schema (a test verifies its keywords)."""
    return compile_shape(schema(), trusted=True)


@cache
def schema() -> dict[str, Any]:
    """Return the published schema."""
    loaded: dict[str, Any] = json.loads((schemas_root() / "mlspec.v1.schema.json").read_text(encoding="utf-8"))
    return loaded


def parse(tree: Any) -> list[Finding]:
    """Return what keeps a tree from being a spec; nothing when it is one.

    The published schema, compiled, accepts what is right in microseconds. Only a tree that it refuses is shown to
    the pydantic models, which accept the same trees (a property test holds that) and say what is wrong.
    """
    if language().accepts(tree):
        return []
    return explain(tree)


def explain(tree: Any) -> list[Finding]:
    """Let the pydantic models say what is wrong with a tree."""
    from pydantic import ValidationError

    from mlspec.spec.spec import Spec

    try:
        Spec.model_validate(tree)
    except ValidationError as error:
        return _sift([_finding(fault) for fault in error.errors(include_url=False)])
    return []


def _sift(findings: list[Finding]) -> list[Finding]:
    """Keep one finding a cause: a field that is missing because its key is misspelt is not reported twice."""
    meant = {(f.found.path[:-1], f.found.help.split("`")[1]) for f in findings if f.code.name == "unknown-field" and "`" in f.found.help}
    return [f for f in findings if f.code.name != "missing-field" or (f.found.path[:-1], str(f.found.path[-1])) not in meant]


def _finding(fault: Any) -> Finding:
    raw: tuple[Any, ...] = fault["loc"]
    kind: str = fault["type"]
    context: dict[str, Any] = fault.get("ctx", {})
    path: Path = tuple(part for part in raw if not (isinstance(part, str) and part[:1] == "@") and part != "[key]")
    on_key = bool(raw) and raw[-1] == "[key]"
    shown = _show(fault.get("input"))
    if kind == "missing":
        return missing_field(path)
    if kind == "extra_forbidden":
        return unknown_field(path, fields_at(raw[:-1]))
    if kind == "literal_error":
        words = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        if path == ("apiVersion",):
            return unsupported_version(path, shown)
        return unknown_word(path, fault["input"], words)
    if kind == "text":
        return text_expected(path, context["shown"], context["expected"], context["quote"])
    if kind == "name":
        return malformed_name(path, str(fault["input"]) if isinstance(fault["input"], str) else shown, context["expected"], on_key)
    if kind == "value" and context["typed"] in ("str", "int", "Decimal"):
        return malformed_value(path, context["shown"], context["expected"], context["example"])
    if kind == "range":
        return out_of_range(path, context["shown"], context["expected"])
    if kind == "flag":
        return flag_expected(path, context["shown"], fault["input"])
    if kind == "step-kind" and isinstance(fault["input"], dict):
        return step_without_kind(path)
    if kind == "too_short":
        return empty(path)
    if kind == "too_long":
        return too_long(path, context.get("max_length", 0))
    expected = context.get("expected") or _EXPECTED.get(kind) or fault["msg"].removeprefix("expected ")
    return wrong_type(path, shown, expected)


_EXPECTED = {"dict_type": "a map", "model_type": "a map", "model_attributes_type": "a map", "list_type": "a list", "string_type": "text"}


def _show(value: Any) -> str:
    from mlspec.spec.scalars import show

    return show(value)


def fields_at(location: tuple[Any, ...]) -> list[str]:
    """Return the names of the fields that the map at a location (with its tags) may have."""
    node: dict[str, Any] = schema()
    for part in location:
        node = _below(_follow(node), part)
    return sorted(_follow(node).get("properties", {}))


def _follow(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema()["definitions"][node["$ref"].rsplit("/", 1)[-1]]
    return node


def _below(node: dict[str, Any], part: Any) -> dict[str, Any]:
    if isinstance(part, int):
        return _first(node.get("items"))
    if part[:1] == "@":
        choices = [_follow(choice) for choice in node.get("anyOf", [])]
        wanted = part[1:]
        by_kind = [c for c in choices if wanted in c.get("required", [])]
        by_type = [c for c in choices if c.get("type") == {"map": "object", "graph": "object", "list": "array"}.get(wanted, "string")]
        if wanted == "graph":
            by_type = [c for c in by_type if "sequence" in c.get("properties", {})]
        return (by_kind[-1:] if wanted == "run" else by_kind[:1] or by_type[:1] or [{}])[0] if by_kind or by_type else {}
    if part in node.get("properties", {}):
        return _first(node["properties"][part])
    patterned = list(node.get("patternProperties", {}).values())
    return _first(patterned[0] if patterned else node.get("additionalProperties"))


def _first(node: Any) -> dict[str, Any]:
    return node if isinstance(node, dict) else {}


def _place(path: Path) -> str:
    return f"`{format_path(path)}`" if path else "the spec"


@code("MLS-E201", "unknown-field")
def unknown_field(path: Path, fields: list[str]) -> Found:
    """A key must be one that the language has at this place.

    An unknown key is never passed over: a misspelt field that changes nothing is how a wrong configuration goes live unseen.
    Write the key as the reference has it, in camelCase.

    Bad::

        models:
          iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris, trained_by: fit}

    Good::

        models:
          iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}
        serving:
          iris: {model: iris}
    """
    key = str(path[-1])
    near = nearest(key, fields)
    known = ", ".join(fields) if len(fields) <= 12 else ""
    before, colon, _ = key.partition(":")
    if colon and before in fields:
        return Found(
            path, f"unknown field `{key}` in {_place(path[:-1])}", f"write a space after `{before}:`", on="key", label="read as one word"
        )
    advice = (
        f"did you mean `{near}`?"
        if near
        else (f"the fields here are {known}" if known else "remove it, or see the reference for the fields here")
    )
    return Found(path, f"unknown field `{key}` in {_place(path[:-1])}", advice, on="key", label="not a field of the language here")


@code("MLS-E202", "missing-field")
def missing_field(path: Path) -> Found:
    """A field without a default must be written.

    Bad::

        models:
          iris: {framework: sklearn, uri: s3://m/iris}

    Good::

        models:
          iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}
        serving:
          iris: {model: iris}
    """
    return Found(
        path,
        f"{_place(path[:-1])} lacks the field `{path[-1]}`",
        f"add `{path[-1]}:` with its value",
        label=f"`{path[-1]}` is required here",
    )


@code("MLS-E203", "wrong-type")
def wrong_type(path: Path, shown: str, expected: str) -> Found:
    """A value must be of the type that its field has: text, number, boolean, list or map.

    Nothing is converted silently: `"3"` is not 3, and a list is not a map.

    Bad::

        serving: {iris: {model: iris, replicas: [1, 3]}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}

    Good::

        serving: {iris: {model: iris, replicas: {min: 1, max: 3}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
    """
    return Found(path, f"{_place(path)} is {shown}, expected {expected}", f"write {expected}", label="of another type")


@code("MLS-E204", "malformed-value")
def malformed_value(path: Path, shown: str, expected: str, example: str) -> Found:
    """A value must be written in the form of its field: durations, ratios, quantities, hosts, URIs, dates and their like.

    Units are always written, so that nobody has to guess: `5m` is five minutes, `1%` is one in a hundred, `2Gi` is memory.

    Bad::

        thresholds:
          online: {on: live, rules: [{metric: errorRate, max: 1%, window: 5 min}]}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {cpu: 500m, memory: 2Gi}}}
    """
    advice = f"write it like {example}" if example else f"write {expected}"
    unit = re.fullmatch(r'"(\d+(?:\.\d+)?[KMGTP])(i?)[Bb]"', shown)
    if unit and "quantity" in expected:
        advice = (
            f"did you mean `{unit[1]}{unit[2]}`?"
            if unit[2]
            else f"did you mean `{unit[1]}i` (powers of 1024) or `{unit[1]}` (powers of 1000)?"
        )
    if "${ " in shown or " }" in shown:
        advice = "write a reference without spaces, like ${vars.bucket}"
    return Found(path, f"{_place(path)} is {shown}, expected {expected}", advice, label="not of this form")


@code("MLS-E205", "unknown-word")
def unknown_word(path: Path, value: Any, words: list[str]) -> Found:
    """Where the language has a closed list of words, the value must be one of them.

    Bad::

        models: {iris: {framework: scikit, version: 1.0.0, uri: s3://m/iris}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    near = nearest(value, words) if isinstance(value, str) else None
    listed = ", ".join(words)
    advice = f"did you mean `{near}`?" if near else f"write {listed}" if len(words) == 1 else "write one of these words"
    return Found(path, f"{_place(path)} is {_show(value)}, expected one of {listed}", advice, label="not one of the words here")


@code("MLS-E206", "out-of-range")
def out_of_range(path: Path, shown: str, expected: str) -> Found:
    """A number must lie within the bounds of its field.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 1000000000}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 3}}
    """
    return Found(path, f"{_place(path)} is {shown}, expected {expected}", f"write {expected}", label="out of range")


@code("MLS-E207", "empty")
def empty(path: Path) -> Found:
    """Where at least one entry makes sense, an empty list, map or text is a mistake.

    Bad::

        thresholds:
          online: {on: live, rules: []}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(path, f"{_place(path)} is empty", "write at least one entry, or remove the key", label="nothing in it")


@code("MLS-E208", "too-many")
def too_long(path: Path, limit: int) -> Found:
    """A list or map must not hold more than its field takes.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris}
          graph: {graph: {sequence: [{iris: {when: a > 1}, other: {when: a > 2}}]}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris}
          graph: {graph: {sequence: [{iris: {when: a > 1}}]}}
    """
    return Found(path, f"{_place(path)} has more than {limit} entries", f"write at most {limit}", label="too many entries")


@code("MLS-E209", "text-expected")
def text_expected(path: Path, shown: str, expected: str, quote: str) -> Found:
    """Text that YAML would read as a number must be quoted.

    `version: 1.10` is the number 1.1 to most readers; only `"1.10"` is a version with ten patches.

    Bad::

        models: {iris: {framework: sklearn, version: 1.10, uri: s3://m/iris}}

    Good::

        models: {iris: {framework: sklearn, version: "1.10", uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(path, f"{_place(path)} is {shown}, expected {expected}", f"quote it: {quote}", label="YAML reads this as a number")


@code("MLS-E210", "flag-expected")
def flag_expected(path: Path, shown: str, value: Any) -> Found:
    """A switch is written `true` or `false`.

    YAML 1.2 reads yes, no, on and off as plain text; mlspec does not guess what was meant.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        monitoring: {iris: {dashboard: yes}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: iris.acme.example, tls: true}}}
    """
    meant = (
        {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}.get(value.lower())
        if isinstance(value, str)
        else None
    )
    return Found(
        path,
        f"{_place(path)} is {shown}, expected true or false",
        f"write {meant}" if meant else "write true or false",
        label="expected true or false",
    )


@code("MLS-E211", "unsupported-version")
def unsupported_version(path: Path, shown: str) -> Found:
    """The apiVersion must be one that this mlspec reads: mlspec.dev/v1.

    Bad::

        apiVersion: mlspec.dev/v7

    Good::

        apiVersion: mlspec.dev/v1
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(
        path,
        f"`apiVersion` is {shown}; this mlspec reads mlspec.dev/v1",
        "write mlspec.dev/v1, or use the mlspec that this spec was written for",
        label="not a version that is read",
    )


@code("MLS-E212", "step-without-kind")
def step_without_kind(path: Path) -> Found:
    """A step says what it does with one of run, check, gate, tune, register, score, notebook, use.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {retries: 2}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(
        path,
        f"step `{path[-1]}` does not say what it does",
        "add one of run, check, gate, tune, register, score, notebook, use",
        on="key",
        label="no kind of step",
    )


@code("MLS-E301", "malformed-name")
def malformed_name(path: Path, value: str, expected: str, on_key: bool) -> Found:
    """A name must keep to the grammar of its place, so that it can become part of object names, labels and paths.

    Models, pipelines, endpoints and environments are RFC 1123 labels: lower-case letters, digits and dashes, at most 63, no
    dash at either end. Datasets, features, thresholds, columns and parameters are identifiers.

    Bad::

        models: {Iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    from mlspec.spec.scalars import show

    proposal = "".join(c if c.isascii() and c.isalnum() else "-" for c in value.lower()).strip("-")[:63].strip("-")
    advice = (
        f"write it like `{proposal}`"
        if proposal and proposal != value and "RFC" not in expected and "lower" in expected
        else f"write {expected}"
    )
    return Found(path, f"the name {show(value)} is not {expected}", advice, on="key" if on_key else "value", label="not a name here")
