"""Panels of what the scheduled comparisons found: drift by column, bias, outliers, and how old the last look is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of
from mlspec.quantity import ratio, seconds
from mlspec.targets.prometheus.drift import EVERY, drift_thresholds, tasks
from mlspec.targets.prometheus.panels import Bound, Curve, Panel, curves, figure
from mlspec.targets.prometheus.rules import identity, matchers

ABOUT = {
    "psi": "Population stability index: how far the live distribution of a column moved from the reference. 0 is the same, 0.2 a lot.",
    "ks": "Kolmogorov-Smirnov distance: the largest gap between the live and the reference distribution, 0 to 1.",
    "jsDivergence": "Jensen-Shannon divergence between the live and the reference distribution, 0 to 1.",
    "missingRatio": "The share of live values that are missing.",
    "share": "The share of columns that drifted.",
}
"""What each measure of drift says."""
_RATIOS = ("missingRatio", "share")


def comparisons(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield the panels of an endpoint's comparisons; none where nothing is compared."""
    asked = tasks(plan, endpoint)
    if not asked:
        return
    where = matchers(identity(plan, endpoint))
    if "drift" in asked:
        yield from _drift(plan, endpoint, where)
    if "bias" in asked:
        yield _bias(plan, endpoint, where)
    if "outliers" in asked:
        yield _outliers(plan, endpoint, where)
    yield from _freshness(plan, endpoint, where)


def _drift(plan: Plan, endpoint: str, where: str) -> Iterator[Panel]:
    """Yield a panel for each measure and bound, with a curve for each column that has them."""
    groups: dict[tuple[str, str | None, str | None], list[str]] = {}
    for name in drift_thresholds(plan, endpoint):
        for rule in rules_of(plan, name)["rules"]:
            columns = groups.setdefault((rule["metric"], rule.get("min"), rule.get("max")), [])
            columns.append(rule.get("column", ""))
    for (metric, least, most), columns in groups.items():
        bound = Bound(_decimal(least), _decimal(most))
        queries = [_curve(metric, column, where) for column in dict.fromkeys(columns)]
        unit = "percentunit" if metric in _RATIOS else "none"
        yield curves(f"Drift: {metric}", queries, unit=unit, about=ABOUT.get(metric, "Drift of live requests."), bounds=[bound])


def _curve(metric: str, column: str, where: str) -> Curve:
    asked = f',column="{column}"' if column else ""
    return Curve(f'max by (column) (mlspec_drift{{{where},metric="{metric}"{asked}}})', column or "{{column}}")


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _bias(plan: Plan, endpoint: str, where: str) -> Panel:
    bias = plan.node.monitoring[endpoint].bias
    query = f'max by (column, metric) (mlspec_bias{{{where},column="{bias.across}",metric="{bias.metric}"}})'
    about = f"The largest difference of {bias.metric} between the values of {bias.across}, over live requests."
    title = f"Bias: {bias.metric} across {bias.across}"
    return curves(title, [Curve(query, "{{metric}} across {{column}}")], unit="none", about=about, bounds=[Bound(None, ratio(bias.maxGap))])


def _outliers(plan: Plan, endpoint: str, where: str) -> Panel:
    outliers = plan.node.monitoring[endpoint].outliers
    about = f"The share of live requests that are unlike the reference, found by {outliers.method}."
    query = Curve(f"max (mlspec_outlier_share{{{where}}})", "outliers")
    return curves("Outliers", [query], unit="percentunit", about=about, bounds=[Bound(None, ratio(outliers.share))])


def _freshness(plan: Plan, endpoint: str, where: str) -> Iterator[Panel]:
    drift = plan.node.monitoring[endpoint].drift
    late = 2 * seconds(drift.every if drift else EVERY) + 600
    age = f"time() - max by (task) (mlspec_monitor_last_success_seconds{{{where}}})"
    about = "How long ago requests were last compared; red after two runs that were missed."
    yield figure("Last comparison", age, unit="s", about=about, bounds=[Bound(None, late)], legend="{{task}}", width=12)
    rows = f"max by (task) (mlspec_monitor_rows{{{where}}})"
    about = "How many logged requests the last comparison read."
    yield figure("Rows compared", rows, unit="short", about=about, legend="{{task}}", width=12)
