"""Rules on which no verdict could ever be given: which way is better, what a file can be read for, what a slice is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.checks.directions import better
from mlspec.checks.steps import Tree
from mlspec.checks.subject import Subject
from mlspec.checks.thresholds import rules
from mlspec.diagnostics import Found, code
from mlspec.location import Path

READABLE = ("parquet", "orc", "csv", "json", "jsonl")
"""The formats that the checker of data reads."""
COMPARABLE = ("parquet", "csv", "json", "jsonl")
"""The formats that the comparison of requests with a dataset reads."""
UNORDERED = ("string", "category", "boolean")


@code("MLS-E236", "direction-unknown")
def direction_unknown(subject: Subject) -> Iterator[Found]:
    """A rule that compares with the champion needs a metric of which it is known whether more or less is better.

    The words of its name tell (`auc`, `recall`, `logloss`, `rmse`), and so does another rule of the same threshold that gives the
    metric a `min` or a `max`.

    Bad::

        thresholds: {release: {on: evaluation, rules: [{metric: points, noWorseThan: champion}]}}

    Good::

        thresholds: {release: {on: evaluation, rules: [{metric: points, noWorseThan: champion}, {metric: points, min: 20}]}}
    """
    for path, _, rule in rules(subject):
        if "noWorseThan" in rule and isinstance(rule.get("metric"), str):
            siblings = subject.thresholds[str(path[1])]["rules"]
            if not better(rule["metric"], siblings):
                yield Found(
                    (*path, "metric"),
                    f"nothing tells whether more or less of `{rule['metric']}` is better, so it cannot be compared with the champion's",
                    f"add a rule with a `min` or a `max` on `{rule['metric']}`, or name the metric by a word that tells",
                )


@code("MLS-E237", "gap-for-each")
def gap_for_each(subject: Subject) -> Iterator[Found]:
    """A gap lies between the slices of one column, so a rule has `across` or `forEach`, not both.

    Bad::

        thresholds: {release: {on: evaluation, rules: [{metric: recall, maxGap: 0.1, across: gender, forEach: country}]}}

    Good::

        thresholds: {release: {on: evaluation, rules: [{metric: recall, maxGap: 0.1, across: gender}]}}
    """
    for path, _, rule in rules(subject):
        if "maxGap" in rule and "forEach" in rule:
            words = "`forEach` stands beside `maxGap`, and metrics are not measured by two columns at once"
            yield Found((*path, "forEach"), words, "remove `forEach`, or write a rule for each", on="key")


@code("MLS-E438", "champion-without-slices")
def champion_without_slices(subject: Subject) -> Iterator[Found]:
    """A gate that compares slices with the champion's needs the champion's file: a registry holds one number a metric.

    Bad::

        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, noWorseThan: champion, forEach: country}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0.0
            steps:
              fit: {run: [fit, "${outputs.metrics}"], outputs: {metrics: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics}

    Good::

        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, noWorseThan: champion, forEach: country}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0.0
            steps:
              fit: {run: [fit, "${outputs.metrics}", "${outputs.before}"], outputs: {metrics: metrics, before: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics, champion: steps.fit.before}
    """
    for path, step in _steps(subject):
        threshold = subject.thresholds.get(step["gate"]) if "gate" in step else None
        if threshold is not None and "champion" not in step:
            for at, rule in enumerate(threshold["rules"]):
                if "noWorseThan" in rule and "forEach" in rule:
                    which = f"`{rule['metric']}` for each `{rule['forEach']}`"
                    yield Found(
                        (*path, "gate"),
                        f"`{step['gate']}` compares {which} with the champion's, which no registry holds",
                        "give the champion's metrics as `champion: steps.STEP.OUTPUT`, or take `forEach` out of that rule",
                        related=((("thresholds", step["gate"], "rules", at), "the rule"),),
                    )


@code("MLS-E439", "unreadable-data")
def unreadable_data(subject: Subject) -> Iterator[Found]:
    """A check step reads its dataset, so the dataset has a format that the checker reads: parquet, orc, csv, json or jsonl.

    Tables, images and text are checked by a step of your own that writes metrics, and a `gate` on these.

    Bad::

        datasets: {frames: {uri: s3://d/frames, format: webdataset}}
        thresholds: {quality: {on: data, rules: [{metric: rows, min: 10}]}}
        pipelines: {p: {image: "ghcr.io/a/b:1.0.0", steps: {look: {check: quality, data: frames}}}}

    Good::

        datasets: {frames: {uri: s3://d/frames, format: parquet}}
        thresholds: {quality: {on: data, rules: [{metric: rows, min: 10}]}}
        pipelines: {p: {image: "ghcr.io/a/b:1.0.0", steps: {look: {check: quality, data: frames}}}}
    """
    for path, step in _steps(subject):
        dataset = subject.datasets.get(step["data"]) if "check" in step else None
        if dataset is not None and dataset.get("format", READABLE[0]) not in READABLE:
            yield Found(
                (*path, "data"),
                f"`{step['data']}` is of format {dataset['format']}, which the checker of data does not read",
                f"check one of {', '.join(READABLE)}, or let a `run` step measure it and a `gate` judge what it measured",
                related=((("datasets", step["data"], "format"), "its format"),),
            )


@code("MLS-E239", "column-without-limits")
def column_without_limits(subject: Subject) -> Iterator[Found]:
    """`outOfRange` counts what is beyond a column's `min` and `max`, `unknownValues` what is not among its `values`.

    Bad::

        datasets: {rows: {uri: s3://d/rows, format: parquet, quality: q, schema: {age: {type: integer}}}}
        thresholds: {q: {on: data, rules: [{metric: outOfRange, column: age, max: 1%}]}}

    Good::

        datasets: {rows: {uri: s3://d/rows, format: parquet, quality: q, schema: {age: {type: integer, min: 0}}}}
        thresholds: {q: {on: data, rules: [{metric: outOfRange, column: age, max: 1%}]}}
    """
    needed = {"outOfRange": ("min", "max"), "unknownValues": ("values",)}
    for name, dataset in subject.datasets.items():
        threshold = subject.thresholds.get(dataset.get("quality", ""))
        if threshold is None or threshold["on"] != "data":
            continue
        for at, rule in enumerate(threshold["rules"]):
            column = (dataset.get("schema") or {}).get(rule.get("column"))
            keys = needed.get(str(rule.get("metric")))
            if column is not None and keys and not any(key in column for key in keys):
                yield Found(
                    ("thresholds", dataset["quality"], "rules", at, "column"),
                    f"`{rule['column']}` of `{name}` has no {' and no '.join(f'`{key}`' for key in keys)}, so nothing of it can be counted",
                    f"write {' or '.join(f'`{key}`' for key in keys)} at the column, or remove the rule",
                    related=((("datasets", name, "schema", rule["column"]), "the column"),),
                )


@code("MLS-E441", "unreadable-reference")
def unreadable_reference(subject: Subject) -> Iterator[Found]:
    """The dataset that requests are compared with has a format that the comparison reads: parquet, csv, json or jsonl.

    Bad::

        datasets: {rows: {uri: s3://d/rows, format: delta, version: {delta: 3}, schema: {age: {type: integer}}}}
        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {drifted: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {m: {model: m}}
        monitoring:
          m: {alerts: [drifted], drift: {against: rows, current: s3://d/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}

    Good::

        datasets: {rows: {uri: s3://d/rows, format: parquet, version: {snapshot: a}, schema: {age: {type: integer}}}}
        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {drifted: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {m: {model: m}}
        monitoring:
          m: {alerts: [drifted], drift: {against: rows, current: s3://d/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}
    """
    for endpoint, entry in subject.monitoring.items():
        against: Any = (entry.get("drift") or {}).get("against")
        dataset = subject.datasets.get(against) if against is not None else None
        if dataset is not None and dataset.get("format", COMPARABLE[0]) not in COMPARABLE:
            yield Found(
                ("monitoring", endpoint, "drift", "against"),
                f"`{against}` is of format {dataset['format']}, which the comparison does not read",
                f"compare with a sample of it as one of {', '.join(COMPARABLE)}",
                related=((("datasets", against, "format"), "its format"),),
            )


@code("MLS-E442", "ks-on-words")
def ks_on_words(subject: Subject) -> Iterator[Found]:
    """The Kolmogorov-Smirnov distance needs an order, which words and truth values do not have.

    Bad::

        datasets: {rows: {uri: s3://d/rows, format: parquet, version: {snapshot: a}, schema: {plan: {type: category}}}}
        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {drifted: {on: drift, rules: [{metric: ks, column: plan, max: 0.2}]}}
        serving: {m: {model: m}}
        monitoring:
          m: {alerts: [drifted], drift: {against: rows, current: s3://d/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}

    Good::

        datasets: {rows: {uri: s3://d/rows, format: parquet, version: {snapshot: a}, schema: {plan: {type: category}}}}
        models: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}
        thresholds: {drifted: {on: drift, rules: [{metric: psi, column: plan, max: 0.2}]}}
        serving: {m: {model: m}}
        monitoring:
          m: {alerts: [drifted], drift: {against: rows, current: s3://d/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}
    """
    for entry in subject.monitoring.values():
        against: Any = (entry.get("drift") or {}).get("against")
        columns = (subject.datasets.get(against) or {}).get("schema") or {} if against is not None else {}
        for name in entry.get("alerts") or ():
            threshold = subject.thresholds.get(name)
            if threshold is None or threshold["on"] != "drift":
                continue
            for at, rule in enumerate(threshold["rules"]):
                column = columns.get(rule.get("column"))
                if rule.get("metric") == "ks" and column is not None and column["type"] in UNORDERED:
                    yield Found(
                        ("thresholds", name, "rules", at, "metric"),
                        f"`ks` needs an order, and `{rule['column']}` is of type {column['type']}",
                        "use psi or jsDivergence",
                        related=((("datasets", against, "schema", rule["column"]), "the column"),),
                    )


def _steps(subject: Subject) -> Iterator[tuple[Path, Tree]]:
    for name, pipeline in subject.pipelines.items():
        for key, step in pipeline["steps"].items():
            yield ("pipelines", name, "steps", key), step


CHECKS = (
    direction_unknown,
    gap_for_each,
    champion_without_slices,
    unreadable_data,
    column_without_limits,
    unreadable_reference,
    ks_on_words,
)
