"""Thresholds and datasets as the JSON that the programs read: every number exact, every default written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.directions import better
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan, remembered
from mlspec.quantity import is_duration, plain, ratio, seconds

_COLUMN = ("type", "min", "max", "values", "nullable", "unique", "key", "label", "protected")
"""What a program may need to know of a column; who it is about and what it means stays in the spec."""
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}


@remembered
def rules_of(plan: Plan, threshold: str) -> dict[str, Any]:
    """Return a threshold as plain data: numbers as exact decimal texts, ratios from 0 to 1, durations in seconds.

    Every leaf of the threshold counts as read. Raises KeyError when this environment has no such threshold.
    """
    node = plan.node.thresholds[threshold]
    if node is None:
        raise KeyError(threshold)
    rules = node.rules
    return {
        "threshold": threshold,
        "on": str(node.on),
        "mode": str(node.mode or "enforce"),
        "rules": [dict(_rule(rule, better(str(rule.metric), rules) if rule.noWorseThan else "")) for rule in rules],
    }


def rules_text(plan: Plan, threshold: str) -> str:
    """Return the JSON text of a threshold, a line a rule, the same for the same rules. Raises KeyError as rules_of does."""
    made = rules_of(plan, threshold)
    head = {key: value for key, value in made.items() if key != "rules"}
    return _lines(head, "rules", "[", [_json(rule) for rule in made["rules"]], "]")


def dataset_of(plan: Plan, dataset: str) -> dict[str, Any]:
    """Return what programs know of a dataset: its name, its format where it is known, and its columns.

    Numbers, allowed values included, are exact decimal texts. Raises KeyError when this environment has no such dataset.
    """
    node = plan.node.datasets[dataset]
    if node is None:
        raise KeyError(dataset)
    columns = node["schema"] or {}
    return {"name": dataset, "format": _format(node), "columns": {name: _column(columns[name]) for name in sorted(columns)}}


def dataset_text(plan: Plan, dataset: str) -> str:
    """Return the JSON text of a dataset, a line a column. Raises KeyError as dataset_of does."""
    made = dataset_of(plan, dataset)
    head = {key: value for key, value in made.items() if key != "columns"}
    lines = [f"{_json(name)}: {_json(column)}" for name, column in made["columns"].items()]
    return _lines(head, "columns", "{", lines, "}")


def _rule(rule: Node, way: str) -> Iterator[tuple[str, Any]]:
    yield "name", str(rule.name or _name(rule))
    for key in ("metric", "query"):
        if rule[key] is not None:
            yield key, str(rule[key])
    yield "severity", str(rule.severity or "block")
    for key in ("min", "max", "maxGap", "equals"):
        if rule[key] is not None:
            yield key, _exact(rule[key])
    if rule.noWorseThan is not None:
        yield "noWorseThan", str(rule.noWorseThan)
        if way:
            yield "better", way
    if rule.tolerance is not None:
        tolerance = rule.tolerance
        yield "toleranceShare" if str(tolerance).endswith("%") else "tolerance", _exact(tolerance)
    for key in ("across", "forEach", "column"):
        if rule[key] is not None:
            yield key, str(rule[key])
    if rule.quantile is not None:
        yield "quantile", _exact(rule.quantile)
    if rule.minSamples is not None:
        yield "minSamples", int(rule.minSamples)
    for key in ("window", "for"):
        if rule[key] is not None:
            length = seconds(rule[key])
            yield key, int(length) if length == int(length) else float(length)


def _name(rule: Node) -> str:
    """Return what a rule is called when it has no name of its own: what it measures, and where."""
    parts = [str(rule.metric or "query")]
    if rule.quantile is not None:
        parts.append(f"p{plain(Decimal(rule.quantile) * 100)}")
    if rule.column is not None:
        parts.append(f"of {rule.column}")
    if rule.noWorseThan is not None:
        parts.append("against the champion")
    if rule.across is not None:
        parts.append(f"across {rule.across}")
    if rule.forEach is not None:
        parts.append(f"for each {rule.forEach}")
    return " ".join(parts)


def _exact(value: Any) -> Any:
    """Return a bound as an exact decimal text: a ratio of one, a duration in seconds. Truth values and words stay as they are."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return plain(Decimal(value))
    if is_duration(value):
        return plain(seconds(value))
    return plain(ratio(value)) if _is_percentage(value) else str(value)


def _is_percentage(value: str) -> bool:
    return value.endswith("%") and value[:-1].lstrip("-").replace(".", "", 1).isdecimal()


def _format(node: Node) -> str | None:
    if node.format is not None:
        return str(node.format)
    uri = str(node.uri).lower().removesuffix(".gz").rstrip("/")
    return next((form for suffix, form in _SUFFIXES.items() if uri.endswith(suffix)), None)


def _column(column: Node) -> dict[str, Any]:
    made = {key: column[key] for key in _COLUMN if column[key] is not None}
    for key in ("min", "max"):
        if key in made:
            made[key] = plain(Decimal(made[key]))
    if "values" in made:
        made["values"] = [_spelled(value) for value in made["values"]]
    return made


def _spelled(value: Any) -> str:
    """Return an allowed value as text, in the one way in which programs spell what they find."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(Decimal(value)) if isinstance(value, int | Decimal) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(head: dict[str, Any], key: str, opening: str, lines: list[str], closing: str) -> str:
    """Return a JSON object whose last member is spread over lines, so that a change of one rule is a change of one line."""
    inside = ",\n".join(f"  {line}" for line in lines)
    return f"{_json(head)[:-1]}, {_json(key)}: {opening}" + (f"\n{inside}\n" if lines else "") + f"{closing}}}\n"
