"""Proving a gate: metrics just below, at and just above every bound show that each rule can pass and can fail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.checks.thresholds import METRICS
from mlspec.quantity import plain
from mlspec.runtime import gate

Rules = dict[str, Any]
_SAID = {
    "ratio": (Decimal(0), Decimal(1), "lies between 0 and 1"),
    "count": (Decimal(0), None, "is a whole number, never below 0"),
    "duration": (Decimal(0), None, "is never below 0"),
    "flag": (Decimal(0), Decimal(1), "is true or false"),
}
"""The least and the greatest value by unit, for the metrics of the language, and that in words."""
_SIZES = frozenset({"stddev", "requestRate", "queueDepth", "tokensPerSecond", "psi"})
"""Metrics of the language without a unit that are never negative."""
_UNIT = frozenset("auc auroc auprc accuracy acc precision recall f1 tpr tnr fpr fnr iou dice ndcg mrr jaccard".split())  # noqa: SIM905 - words
_SIGNED = frozenset({"mcc", "kappa"})
_POSITIVE = frozenset("loss logloss rmse mse mae mape brier latency".split())  # noqa: SIM905
"""Words of metrics that lie between 0 and 1, and of those that are never negative."""


class Case(NamedTuple):
    """Metrics that are written for one rule, and the verdict that must come of them."""

    shown: str
    metrics: str
    passes: bool
    champion: Any = None
    measures: bool = True
    """Whether what is measured decides it, and not how many samples there are."""


def prove(rules: Rules) -> list[Rules]:
    """Return a row for each rule: `passed` when metrics exist that keep it and metrics that break it, and each gets its verdict."""
    return [_prove({**rules, "mode": "enforce"}, rule) for rule in rules["rules"]]


def _prove(rules: Rules, rule: Rules) -> Rules:
    on = str(rules.get("on", "evaluation"))
    rule = {"metric": "value", **rule}  # a query has none
    alone = {**rules, "rules": [{**rule, "severity": "block"}]}
    kept: list[str] = []
    broken: list[str] = []
    for case in cases(rule, on):
        rows = gate.judge(alone, gate.parse_json(case.metrics.encode()), None, case.champion)
        passed = gate.status_of(alone, rows) == 0
        if passed != case.passes:
            why = f"{case.shown} should {'pass' if case.passes else 'not pass'}: {'; '.join(row['why'] for row in rows if row['why'])}"
            return gate.row(rule, case.shown, why, broken="undecided")
        if case.measures:
            (kept if passed else broken).append(case.shown)
    found = f"{kept[0] if kept else 'nothing'} passes, {broken[0] if broken else 'nothing'} does not"
    why = "" if kept and broken else f"the bound cannot be {'broken' if kept else 'reached'}: {_range(rule['metric'], on)[2]}"
    return gate.row({**rule, "severity": "block"}, found, why)


def cases(rule: Rules, on: str) -> Iterator[Case]:
    """Yield the metrics that decide a rule, as far as its metric can have them."""
    least, most, _ = _range(rule["metric"], on)
    known = METRICS.get(on, {}).get(rule["metric"])
    whole = Decimal(1) if known is not None and known.unit in ("count", "flag") else None
    for value, passes, champion in _values(rule, least, most, whole):
        if (least is None or value >= least) and (most is None or value <= most):
            yield from _written(rule, value, passes, champion)


def _values(
    rule: Rules, least: Decimal | None, most: Decimal | None, whole: Decimal | None
) -> Iterator[tuple[Decimal, bool, Decimal | None]]:
    """Yield values around each bound, those that pass first, whether they pass, and the champion's value."""
    bounds = {key: Decimal(rule[key]) for key in ("min", "max", "equals", "maxGap") if key in rule}
    step = whole or min([_step(bound) for bound in bounds.values()], default=Decimal("0.000001"))
    if "equals" in bounds:
        yield bounds["equals"], True, None
        yield bounds["equals"] + step, False, None
        yield bounds["equals"] - step, False, None
    elif "maxGap" in bounds:
        yield bounds["maxGap"], True, None
        yield bounds["maxGap"] + step, False, None
    elif "noWorseThan" in rule:
        yield from _compared(rule, least)
    else:
        low, high = bounds.get("min"), bounds.get("max")
        for bound, way in ((low, 1), (high, -1)):
            if bound is None:
                continue
            yield bound, True, None
            inside = bound + way * step
            if (low is None or inside >= low) and (high is None or inside <= high):
                yield inside, True, None
            yield bound - way * step, False, None
        for end in (least, most):
            if end is not None:
                yield end, (low is None or end >= low) and (high is None or end <= high), None


def _compared(rule: Rules, least: Decimal | None) -> Iterator[tuple[Decimal, bool, Decimal | None]]:
    """Yield values around a champion that leaves as much room as the metric has for a worse one."""
    more = rule.get("better") != "less"
    share = Decimal(rule["toleranceShare"]) if "toleranceShare" in rule else None
    best = Decimal(1) if more or share is not None else Decimal(0)
    if not more and share is not None and least is not None:
        best = Decimal("0.5")
    slack = share * best if share is not None else Decimal(rule.get("tolerance", 0))
    edge, step = (best - slack, _step(slack)) if more else (best + slack, -_step(slack))
    yield edge, True, best
    yield edge - step, False, best


def _step(bound: Decimal) -> Decimal:
    """Return a difference that no bound of this precision was meant to overlook."""
    exponent = bound.as_tuple().exponent
    return Decimal(1).scaleb(min(int(exponent), 0) - 6)


def _written(rule: Rules, value: Decimal, passes: bool, best: Decimal | None) -> Iterator[Case]:
    """Yield a value as a file of metrics, once more with a sample too few, once more for each form of champion."""
    rows, text = rule.get("minSamples", 1), plain(value)
    if _key(rule) == "rows" and "forEach" not in rule and "across" not in rule:  # what is measured is the number of samples
        least = rule.get("minSamples", value)
        if passes and value < least and "min" in rule and "max" not in rule:
            yield Case(str(least), _file(rule, str(least), None), True)
        yield Case(text, _file(rule, text, None), passes and value >= least)
        return
    known = gate.parse_json(_file(rule, plain(best), rows).encode()) if best is not None else None
    yield Case(text, _file(rule, text, rows), passes, known)
    if passes and "minSamples" in rule:
        yield Case(f"{text} of {rows - 1} samples", _file(rule, text, rows - 1), False, known, measures=False)
    if not passes and best is not None:
        yield Case(f"{text} without a champion", _file(rule, text, rows), True, gate.NONE_YET, measures=False)


def _key(rule: Rules) -> str:
    """Return the name under which metrics have what a rule measures."""
    return str(rule["metric"]) + (f" {rule['column']}" if "column" in rule else "")


def _file(rule: Rules, value: str, rows: int | None) -> str:
    """Return a file of metrics. Numbers stand there as they are written, so that none of them is rounded."""

    def entry(number: str) -> str:
        counted = "" if rows is None or _key(rule) == "rows" else f', "rows": {rows}'
        return f"{{{json.dumps(_key(rule))}: {number}{counted}}}"

    column = rule.get("across") or rule.get("forEach")
    if column is None:
        return entry(value)
    other = "0" if "maxGap" in rule else value
    return f'{{"slices": {{{json.dumps(column)}: {{"a": {entry(other)}, "b": {entry(value)}}}}}}}'


def _range(metric: str, on: str) -> tuple[Decimal | None, Decimal | None, str]:
    """Return the least and the greatest value of a metric, as far as the language or its name tells, and that in words."""
    if (known := METRICS.get(on, {}).get(metric)) is not None:
        least, most, said = _SAID.get(known.unit, (Decimal(0) if metric in _SIZES else None, None, "is never below 0"))
        return least, most, f"`{metric}` {said}" if (least, most) != (None, None) else f"`{metric}` may be any number"
    if on != "evaluation":
        return None, None, "the query may give any number"
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*", metric)}
    if {"neg", "negative", "log"} & words:
        return None, None, f"`{metric}` may be any number"
    if words & _POSITIVE:
        return Decimal(0), None, f"`{metric}` is never below 0"
    if words & _SIGNED:
        return Decimal(-1), Decimal(1), f"`{metric}` lies between -1 and 1"
    if words & _UNIT:
        return Decimal(0), Decimal(1), f"`{metric}` lies between 0 and 1"
    return None, None, f"`{metric}` may be any number"
