"""Rules of thresholds: metrics, bounds and their units, and the fields that belong to each kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.checks.steps import Tree
from mlspec.checks.subject import Subject
from mlspec.checks.values import as_number, measure
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path, format_path


class Metric(NamedTuple):
    """What a metric is measured in, and whether its rules name a column (``must``, ``may``, ``no``) and a quantile."""

    unit: str
    column: str = "no"
    quantile: bool = False


METRICS: dict[str, dict[str, Metric]] = {
    "data": {
        "rows": Metric("count"),
        "nullRatio": Metric("ratio", "may"),
        "duplicateRatio": Metric("ratio", "may"),
        "distinct": Metric("count", "must"),
        "age": Metric("duration", "may"),
        "min": Metric("number", "must"),
        "max": Metric("number", "must"),
        "mean": Metric("number", "must"),
        "stddev": Metric("number", "must"),
        "outOfRange": Metric("ratio", "may"),
        "unknownValues": Metric("ratio", "may"),
        "schemaMatch": Metric("flag"),
    },
    "live": {
        "latency": Metric("duration", quantile=True),
        "errorRate": Metric("ratio"),
        "requestRate": Metric("number"),
        "availability": Metric("ratio"),
        "saturation": Metric("ratio"),
        "timeToFirstToken": Metric("duration", quantile=True),
        "interTokenLatency": Metric("duration", quantile=True),
        "queueDepth": Metric("number"),
        "tokensPerSecond": Metric("number"),
    },
    "drift": {
        "psi": Metric("number", "must"),
        "ks": Metric("ratio", "must"),
        "jsDivergence": Metric("ratio", "must"),
        "missingRatio": Metric("ratio", "must"),
        "share": Metric("ratio"),
    },
}
"""The vocabulary by what a threshold is on. On evaluation every id is a metric: a key of the metrics file."""

_EVALUATION = Metric("number")
_QUERY = Metric("any")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_FORMS = (("min", "max"), ("equals",), ("noWorseThan",), ("maxGap",))
_FIELDS = {
    "data": frozenset({"column", "forEach", "across", "maxGap", "minSamples"}),
    "evaluation": frozenset({"forEach", "across", "maxGap", "noWorseThan", "tolerance", "minSamples"}),
    "live": frozenset({"query", "quantile", "window", "for", "minSamples"}),
    "drift": frozenset({"column", "for", "minSamples"}),
}
"""The fields, beside metric, name, severity and plain bounds, that a rule may have, by what the threshold is on."""
_ALWAYS = frozenset({"metric", "name", "severity", "min", "max", "equals"})


def rules(subject: Subject) -> Iterator[tuple[Path, str, Tree]]:
    """Yield the path, the kind of the threshold, and each rule."""
    for name, threshold in subject.thresholds.items():
        for at, rule in enumerate(threshold["rules"]):
            yield ("thresholds", name, "rules", at), threshold["on"], rule


def metric_of(on: str, rule: Tree) -> Metric | None:
    """Return what is known of a rule's metric; None when it has none or an unknown one."""
    if "query" in rule:
        return None if "metric" in rule else _QUERY
    name = rule.get("metric")
    if on == "evaluation":
        return _EVALUATION if name is not None else None
    return METRICS[on].get(name) if isinstance(name, str) else None


def _has_quantile(on: str, rule: Tree) -> bool:
    metric = metric_of(on, rule)
    return metric is not None and metric.quantile


def _shown(rule: Tree) -> str:
    return f"`{rule.get('metric') or rule.get('name') or 'query'}`"


@code("MLS-E230", "rule-bound")
def rule_bound(subject: Subject) -> Iterator[Found]:
    """A rule has exactly one bound.

    The forms are `min`, `max`, `min` and `max`, `equals`, `noWorseThan` (with `tolerance`), `maxGap` (with `across`).

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: rows}]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: rows, min: 1000}]}}
    """
    for path, _, rule in rules(subject):
        written = [next(field for field in form if field in rule) for form in _FORMS if any(field in rule for field in form)]
        if not written:
            said = f"the rule on {_shown(rule)} has no bound, so everything passes"
            yield Found(path, said, "add one of min, max, equals, noWorseThan, maxGap", label="no bound")
        elif len(written) > 1:
            said = f"the rule on {_shown(rule)} has both `{written[0]}` and `{written[1]}`, expected one bound"
            related = (((*path, written[0]), "the other bound"),)
            yield Found((*path, written[1]), said, "write two rules, one bound each", on="key", label="a second bound", related=related)


@code("MLS-E231", "unknown-metric")
def unknown_metric(subject: Subject) -> Iterator[Found]:
    """A metric must be one that the kind of threshold knows.

    Thresholds on data, live and drift have a closed list of metrics. On evaluation a metric is a key of the metrics file: letters,
    digits, `_` and `-`.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: nullRation, max: 1%}]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: nullRatio, max: 1%}]}}
    """
    for path, on, rule in rules(subject):
        name = rule.get("metric")
        if not isinstance(name, str):
            continue
        place = (*path, "metric")
        if on == "evaluation":
            if not _ID.fullmatch(name):
                said = f"the metric `{name}` is not a key of a metrics file: letters, digits, `_` and `-`, not beginning with a digit"
                yield Found(place, said, "write the key as the metrics file has it, like f1_score", label="not an id")
            continue
        if name in METRICS[on]:
            continue
        near = nearest(name, METRICS[on])
        other = next((kind for kind, metrics in METRICS.items() if kind != on and name in metrics), None)
        notes = (f"`{name}` is a metric of thresholds on {other}",) if other else ()
        listed = ", ".join(METRICS[on])
        advice = f"did you mean `{near}`?" if near else f"the metrics on {on} are {listed}"
        yield Found(place, f"`{name}` is not a metric of a threshold on {on}", advice, label=f"no metric on {on}", notes=notes)


@code("MLS-E232", "quantile-out-of-range")
def quantile_out_of_range(subject: Subject) -> Iterator[Found]:
    """A quantile lies between 0 and 1, both left out: 0.95 is what 95 of 100 requests stay below.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 95, max: 80ms}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 80ms}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    quantiles = [
        ((*path, "quantile"), rule["quantile"]) for path, on, rule in rules(subject) if "quantile" in rule and _has_quantile(on, rule)
    ]
    for name, monitor in subject.monitoring.items():
        latency = (monitor.get("slo") or {}).get("latency") or {}
        if "quantile" in latency:
            quantiles.append((("monitoring", name, "slo", "latency", "quantile"), latency["quantile"]))
    for path, quantile in quantiles:
        size = measure(quantile)
        if size is not None and size[0] != "duration" and 0 < size[1] < 1:
            continue
        number = size[1] if size is not None and size[0] == "number" else None
        advice = f"did you mean {number / 100:f}?" if number is not None and 1 < number < 100 else "write it like 0.95"
        yield Found(path, f"`{format_path(path)}` is {quantile}, expected a number between 0 and 1", advice, label="not between 0 and 1")


@code("MLS-E233", "bound-unit")
def bound_unit(subject: Subject) -> Iterator[Found]:
    """A bound must be written in the unit of its metric.

    A latency or an age is a duration (`80ms`), a ratio `1%` or `0.01`, a count a whole number, everything else a number.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 80}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 80ms}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    for path, on, rule in rules(subject):
        metric = metric_of(on, rule)
        if metric is None:
            continue
        for field in ("min", "max", "equals", "maxGap", "tolerance"):
            if field not in rule or (field in ("maxGap", "tolerance") and field not in _FIELDS[on]):
                continue
            unit = _unit_of(metric.unit, field)
            wrong = _misfit(unit, rule[field], field)
            if wrong:
                expected, advice = wrong
                said = f"`{field}` of the rule on {_shown(rule)} is {_show(rule[field])}, expected {expected}"
                yield Found((*path, field), said, advice, label=f"expected {expected}")
    for name, monitor in subject.monitoring.items():
        bias = monitor.get("bias")
        wrong = _misfit("gap", bias["maxGap"], "maxGap") if bias else None
        if bias and wrong:
            said = f"`maxGap` of the bias of `{name}` is {_show(bias['maxGap'])}, expected {wrong[0]}"
            yield Found(("monitoring", name, "bias", "maxGap"), said, wrong[1], label=f"expected {wrong[0]}")


def _unit_of(unit: str, field: str) -> str:
    if field == "tolerance":
        return "gap"
    if field == "maxGap":
        return "duration" if unit == "duration" else "gap"
    return unit


def _show(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _misfit(unit: str, value: Any, field: str) -> tuple[str, str] | None:
    """Return what was expected and what to do when a bound does not fit its unit; None when it fits."""
    if unit == "flag":
        return None if field == "equals" and value is True else ("`equals: true`", "write equals: true")
    size = measure(value)
    if size is None:
        examples = {"duration": "80ms", "ratio": "1%", "count": "1000"}
        return _EXPECTED[unit], f"write it like {examples.get(unit, '0.86')}"
    form, number = size
    if unit == "any":
        return None
    if unit == "duration":
        return (
            None
            if form == "duration"
            else (_EXPECTED[unit], f"add the unit: {value}ms or {value}s" if form == "number" and number > 0 else "write it like 80ms")
        )
    if form == "duration":
        return _EXPECTED[unit], "write it without a unit of time"
    if unit == "count":
        whole = form == "number" and number == number.to_integral_value() and number >= 0
        return None if whole else (_EXPECTED[unit], "write it like 1000")
    if unit == "ratio":
        if form == "number" and number == 1:
            return _EXPECTED[unit], "write 1% or 100%, whichever is meant"
        if 0 <= number <= 1:
            return None
        return _EXPECTED[unit], f"did you mean {value}%?" if form == "number" and 1 < number <= 100 else "write it like 1% or 0.01"
    if unit == "gap" and number < 0:
        return _EXPECTED[unit], "write how far the values may lie apart, like 0.05"
    return None


_EXPECTED = {
    "duration": "a duration with its unit",
    "ratio": "a ratio from 0% to 100%",
    "count": "a whole number, zero or more",
    "number": "a number",
    "gap": "a number or a percentage, zero or more",
    "any": "a number, a ratio or a duration",
}


@code("MLS-E234", "misplaced-rule-field")
def misplaced_rule_field(subject: Subject) -> Iterator[Found]:
    """A field of a rule must have a meaning there; none is passed over.

    `query` `quantile` `window` belong to thresholds on live, `for` to live and drift, `column` to data and drift, `forEach` `across`
    `maxGap` to data and evaluation, `noWorseThan` to evaluation. `across` goes with `maxGap` and `tolerance` with `noWorseThan`,
    `quantile` with latencies, `column` with metrics of a column. A query carries its own window and quantile.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: rows, min: 1000, for: 5m}]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: rows, min: 1000}]}}
    """
    for path, on, rule in rules(subject):
        for field in rule:
            why = _no_meaning(on, rule, field)
            if why:
                yield Found(
                    (*path, field),
                    f"`{field}` has no meaning in the rule on {_shown(rule)}: {why}",
                    f"remove `{field}`",
                    on="key",
                    label="no meaning here",
                )


def _no_meaning(on: str, rule: Tree, field: str) -> str:
    """Return why a field has no meaning in a rule; empty when it has one."""
    if field not in _ALWAYS and field not in _FIELDS[on]:
        kinds = [kind for kind, fields in _FIELDS.items() if field in fields]
        return f"it belongs to thresholds on {' and '.join(kinds)}, and this one is on {on}"
    if field == "across" and "maxGap" not in rule:
        return "it says whose values `maxGap` compares, and there is none"
    if field == "tolerance" and "noWorseThan" not in rule:
        return "it loosens `noWorseThan`, and there is none"
    if "query" in rule and "metric" not in rule and field in ("window", "quantile", "minSamples"):
        return "the query says it itself"
    metric = metric_of(on, rule)
    if metric is None or "query" in rule:
        return ""
    if field == "quantile" and not metric.quantile:
        return f"{_shown(rule)} is not a latency"
    if field == "column" and metric.column == "no":
        return f"{_shown(rule)} is not measured on a column"
    if field in ("forEach", "across", "maxGap") and metric.unit == "flag":
        return "the schema is one for all rows"
    return ""


@code("MLS-E235", "missing-rule-field")
def missing_rule_field(subject: Subject) -> Iterator[Found]:
    """A rule must say what its metric needs to be measured.

    Latencies need `quantile`, metrics of a column `column`, `maxGap` needs `across`, a query a `name`.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: mean, min: 18}]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: mean, column: age, min: 18}]}}
    """
    for path, on, rule in rules(subject):
        metric = metric_of(on, rule)
        wanted = []
        if "maxGap" in rule and "maxGap" in _FIELDS[on] and "across" not in rule:
            wanted.append(("across", "the column whose slices `maxGap` compares", "gender"))
        if "query" in rule and "metric" not in rule and on == "live" and "name" not in rule:
            wanted.append(("name", "what the query measures", "queue-wait"))
        if metric is not None and metric.column == "must" and "column" not in rule:
            wanted.append(("column", "the column that is measured", "age"))
        if metric is not None and metric.quantile and "quantile" not in rule:
            wanted.append(("quantile", "the share of requests that it speaks of", str(Decimal("0.95"))))
        for field, meaning, example in wanted:
            said = f"the rule on {_shown(rule)} lacks `{field}`, {meaning}"
            yield Found((*path, field), said, f"add it like `{field}: {example}`", label=f"`{field}` is needed")


@code("MLS-W240", "bound-always-kept", severity="warning")
def bound_always_kept(subject: Subject) -> Iterator[Found]:
    """A bound that every value keeps guards nothing: a ratio of at least 0% or at most 100%, a count of at least 0.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: nullRatio, max: 100%}]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}, quality: customers}}
        thresholds: {customers: {on: data, rules: [{metric: nullRatio, max: 5%}]}}
    """
    for path, on, rule in rules(subject):
        metric = metric_of(on, rule)
        if metric is None or metric.unit not in ("ratio", "count") or ("min" in rule) == ("max" in rule):
            continue
        field = "min" if "min" in rule else "max"
        size = measure(rule[field])
        if size is None or as_number(size[1]) is None or (size[0] == "number" and size[1] == 1):
            continue
        if size[1] == (0 if field == "min" else 1) and (metric.unit == "ratio" or field == "min"):
            yield Found(
                (*path, field),
                f"every value of {_shown(rule)} keeps `{field}: {rule[field]}`",
                "write a bound that can be broken, or remove the rule",
                label="always kept",
            )


CHECKS = (rule_bound, unknown_metric, quantile_out_of_range, bound_unit, misplaced_rule_field, missing_rule_field, bound_always_kept)
