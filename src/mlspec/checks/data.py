"""Datasets and feature views: pins, columns, splits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.steps import Tree, pipelines
from mlspec.checks.subject import Subject
from mlspec.checks.values import as_number, measure
from mlspec.diagnostics import Found, code
from mlspec.location import Path, format_path
from mlspec.quantity import plain

_PINS: dict[str, tuple[re.Pattern[str], str, str]] = {
    "sha256": (re.compile(r"[0-9a-f]{64}"), "64 lower-case hex digits", "the output of sha256sum"),
    "dvc": (re.compile(r".+\.dvc"), "the path of a .dvc file", "data/customers.dvc"),
    "lakefs": (re.compile(r"[a-z0-9][a-z0-9-]{2,62}/[^@\s/][^@\s]*@[0-9a-f]{6,64}"), "repository/branch@commit", "vision/main@4c1a9e0"),
    "iceberg": (re.compile(r"-?[0-9]{1,19}"), "the number of a snapshot", "8744736658442914487"),
    "git": (re.compile(r"[0-9A-Za-z](?!.*\.\.)[0-9A-Za-z._/+-]{0,250}"), "a git revision", "4c1a9e0d or v1.2.0"),
}
_MOVING = frozenset({"HEAD", "head", "main", "master", "develop", "trunk"})
_TABLES = {"delta": "delta", "iceberg": "iceberg"}


def _columns(subject: Subject) -> Iterator[tuple[Path, Tree]]:
    for name, dataset in subject.datasets.items():
        for column, written in (dataset.get("schema") or {}).items():
            yield ("datasets", name, "schema", column), written


@code("MLS-E240", "malformed-pin")
def malformed_pin(subject: Subject) -> Iterator[Found]:
    """What pins a dataset must name one content for ever: a digest, a commit, the number of a version.

    Branches move, so they pin nothing.

    Bad::

        datasets: {events: {uri: s3://d/events, version: {sha256: abc123}}}

    Good::

        datasets:
          events:
            uri: s3://d/events
            version: {sha256: 5c1f0d9a0c2b6e0f7a3ce1d5f0b7a9c4d2e6f8a1b3c5d7e9f0a2b4c6d8e0f1a3}
    """
    for name, dataset in subject.datasets.items():
        for form, (pattern, expected, example) in _PINS.items():
            value = (dataset.get("version") or {}).get(form)
            if value is None:
                continue
            path = ("datasets", name, "version", form)
            if form == "git" and value in _MOVING:
                yield Found(path, f"`{format_path(path)}` is the branch {value}, which moves", "write a commit or a tag", label="moves")
            elif isinstance(value, bool) or not pattern.fullmatch(str(value)):
                advice = "write the digits in lower case" if pattern.fullmatch(str(value).lower()) else f"write it like {example}"
                if form == "sha256" and advice.startswith("write it"):
                    advice = "write " + example
                yield Found(path, f"`{format_path(path)}` is {_short(value)}, expected {expected}", advice, label=f"expected {expected}")


def _short(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'"{text}"' if len(text) <= 40 else f'"{text[:37]}..." ({len(text)} characters)'


@code("MLS-E241", "column-bounds")
def column_bounds(subject: Subject) -> Iterator[Found]:
    """What a column allows must be of the column's type.

    `min` and `max` belong to integer and number columns; `values` must be values of the column's type, within its bounds.

    Bad::

        datasets:
          people: {uri: s3://d/people, version: {delta: 1}, schema: {age: {type: integer, values: [18, old]}}}

    Good::

        datasets:
          people: {uri: s3://d/people, version: {delta: 1}, schema: {age: {type: integer, values: [18, 65]}}}
    """
    for path, column in _columns(subject):
        kind = column["type"]
        if "values" in column and kind in ("bytes", "array"):
            said = f"`{format_path(path)}` lists values, and a column of type {kind} has none that could be listed"
            yield Found((*path, "values"), said, "remove `values`", on="key", label=f"no values of {kind}")
        for field in ("min", "max"):
            if field not in column:
                continue
            number = as_number(column[field])
            if kind not in ("integer", "number"):
                said = f"`{format_path(path)}` has `{field}`, and a column of type {kind} has no bounds"
                yield Found(
                    (*path, field), said, f"remove `{field}`, or make it integer or number", on="key", label=f"no bounds for {kind}"
                )
            elif number is None or (kind == "integer" and number != number.to_integral_value()):
                expected = "a whole number" if kind == "integer" else "a number"
                yield Found(
                    (*path, field),
                    f"`{format_path((*path, field))}` is {column[field]}, expected {expected}",
                    f"write {expected}",
                    label=f"expected {expected}",
                )
        for at, value in enumerate(column.get("values") or () if kind not in ("bytes", "array") else ()):
            wrong = _wrong_value(kind, value, column)
            if wrong:
                yield Found(
                    (*path, "values", at),
                    f"`{format_path((*path, 'values', at))}` is {_short(value)}, expected {wrong}",
                    f"write {wrong}",
                    label=f"expected {wrong}",
                )


def _wrong_value(kind: str, value: Any, column: Tree) -> str:
    """Return what a listed value was expected to be; empty when it is right."""
    number = as_number(value)
    if kind in ("integer", "number"):
        if number is None or (kind == "integer" and number != number.to_integral_value()):
            return "a whole number" if kind == "integer" else "a number"
        low, high = as_number(column.get("min")), as_number(column.get("max"))
        if low is not None and number < low:
            return f"at least {plain(low)}, the column's `min`"
        return f"at most {plain(high)}, the column's `max`" if high is not None and number > high else ""
    if kind == "boolean":
        return "" if isinstance(value, bool) else "true or false"
    if kind == "string":
        return "" if isinstance(value, str) else "text (quote it)"
    if kind in ("date", "timestamp"):
        return "" if _is_time(kind, value) else ("a date such as 2027-03-31" if kind == "date" else "a time such as 2027-03-31T00:00:00Z")
    return ""


def _is_time(kind: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    from datetime import date, datetime

    try:
        if kind == "date":
            date.fromisoformat(value)
        else:
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@code("MLS-E242", "splits-sum")
def splits_sum(subject: Subject) -> Iterator[Found]:
    """The splits of a dataset make up the whole of it: 100 %, exactly.

    Bad::

        datasets: {events: {uri: s3://d/events, version: {delta: 1}, splits: {train: 80%, test: 10%}}}

    Good::

        datasets: {events: {uri: s3://d/events, version: {delta: 1}, splits: {train: 80%, validation: 10%, test: 10%}}}
    """
    for name, dataset in subject.datasets.items():
        sizes = [measure(share) for share in (dataset.get("splits") or {}).values()]
        if not sizes or any(size is None or size[0] == "duration" for size in sizes):
            continue
        total = sum((size[1] for size in sizes if size), Decimal(0)) * 100
        if total != 100:
            off = 100 - total
            advice = f"give one of them {plain(off)}% more, or name the part that is missing" if off > 0 else f"take {plain(-off)}% away"
            path = ("datasets", name, "splits")
            yield Found(
                path,
                f"the splits of `{name}` are {plain(total)}% together, expected 100%",
                advice,
                on="key",
                label=f"{plain(total)}% together",
            )


@code("MLS-E243", "transform-image")
def transform_image(subject: Subject) -> Iterator[Found]:
    """The transform of a feature view is a container's command: it needs an image, and an image without it does nothing.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        features: {stats: {entity: id, from: customers, fields: [age], transform: [python, -m, stats]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        features:
          stats:
            entity: id
            from: customers
            fields: [age]
            transform: [python, -m, stats]
            image: ghcr.io/acme/stats:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for name, feature in subject.features.items():
        path = ("features", name)
        if "transform" in feature and "image" not in feature:
            yield Found((*path, "image"), f"the transform of `{name}` has no image to run in", "add `image:`", label="`image` is needed")
        elif "image" in feature and "transform" not in feature:
            yield Found(
                (*path, "image"),
                f"`{name}` has an image and no transform that runs in it",
                "add `transform:`, or remove the image",
                on="key",
                label="nothing runs in it",
            )


@code("MLS-E244", "pin-of-other-format")
def pin_of_other_format(subject: Subject) -> Iterator[Found]:
    """The number of a Delta or Iceberg version pins only a table of that format.

    Bad::

        datasets: {events: {uri: s3://d/events, format: parquet, version: {delta: 4}}}

    Good::

        datasets: {events: {uri: s3://d/events, format: delta, version: {delta: 4}}}
    """
    for name, dataset in subject.datasets.items():
        for pin, form in _TABLES.items():
            if list(dataset.get("version") or ()) == [pin] and dataset.get("format", form) != form:
                said = f"`{name}` is pinned as a {pin} table, and its format is {dataset['format']}"
                related = ((("datasets", name, "format"), f"the format, {dataset['format']}"),)
                yield Found(
                    ("datasets", name, "version", pin),
                    said,
                    f"write `format: {form}`, or pin it otherwise",
                    on="key",
                    label=f"pins {form} tables",
                    related=related,
                )


@code("MLS-E245", "trigger-unpinned")
def trigger_unpinned(subject: Subject) -> Iterator[Found]:
    """A pipeline that starts when a dataset changes needs that dataset's `version`: the change of the pin in git is the event.

    Bad::

        datasets: {events: {uri: s3://d/events}}
        pipelines:
          train:
            on: [{dataset: events}]
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}

    Good::

        datasets: {events: {uri: s3://d/events, version: {delta: 4}}}
        pipelines:
          train:
            on: [{dataset: events}]
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
    """
    for path, name in _dataset_triggers(subject):
        said = f"`{format_path(path)}` waits for a new version of `{name}`, which has none that could change"
        related = ((("datasets", name), "no `version` here"),)
        yield Found(path, said, f"pin `{name}` with `version:`", label="never starts", related=related)


def _dataset_triggers(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Yield the triggers that wait for a dataset without a version."""
    for name, pipeline, _ in pipelines(subject.pipelines):
        for at, trigger in enumerate(pipeline.get("on") or ()):
            dataset = trigger.get("dataset")
            if dataset in subject.datasets and "version" not in subject.datasets[dataset]:
                yield ("pipelines", name, "on", at, "dataset"), dataset


@code("MLS-W220", "unpinned-dataset", severity="warning")
def unpinned_dataset(subject: Subject) -> Iterator[Found]:
    """A dataset without `version` may hold other data tomorrow, and then a training run cannot be repeated.

    Bad::

        datasets: {events: {uri: s3://d/events}}

    Good::

        datasets: {events: {uri: s3://d/events, version: {snapshot: 2026-11-01}}}
    """
    awaited = {name for _, name in _dataset_triggers(subject)}
    for name, dataset in subject.datasets.items():
        if "version" not in dataset and name not in awaited:
            advice = "add `version:` with one of sha256, dvc, lakefs, delta, iceberg, snapshot, git"
            yield Found(("datasets", name), f"nothing pins the content of the dataset `{name}`", advice, on="key", label="not pinned")


CHECKS = (malformed_pin, column_bounds, splits_sum, transform_image, pin_of_other_format, trigger_unpinned, unpinned_dataset)
