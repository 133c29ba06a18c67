"""Panels of objectives: how much of an error budget is left, and how fast it burns."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mlspec.plan.live import span
from mlspec.plan.plan import Plan
from mlspec.quantity import plain, ratio, seconds
from mlspec.targets.prometheus.objectives import burns, objective_rules
from mlspec.targets.prometheus.panels import Bound, Curve, Panel, curves, figure
from mlspec.targets.prometheus.rules import identity, matchers


def budgets(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield two panels for each objective of an endpoint; none where there is none."""
    slo = plan.node.monitoring[endpoint].slo
    if not slo:
        return
    window = int(seconds(slo.window))
    for objective, _ in objective_rules(plan, endpoint):
        if objective == "availability":
            budget, promised = 1 - ratio(slo.availability), f"{slo.availability} of the requests are answered"
        else:
            quantile = Decimal(slo.latency.quantile)
            budget, promised = 1 - quantile, f"{plain(quantile * 100)} % of the answers take at most {slo.latency.max}"
        select = matchers({**identity(plan, endpoint), "objective": objective})
        yield _left(objective, promised, budget, window, select, str(slo.window))
        yield _burning(objective, promised, budget, window, select)


def _left(objective: str, promised: str, budget: Decimal, window: int, select: str, whole: str) -> Panel:
    base, over = span(burns(window)[0].short), span(window)
    bad = f"sum_over_time(mlspec:slo_bad_requests:rate{base}{{{select}}}[{over}])"
    every = f"sum_over_time(mlspec:slo_requests:rate{base}{{{select}}}[{over}])"
    about = f"Promised: {promised}. What is left of the requests that may break that within {whole}; below 0 the promise is broken."
    query = f"1 - {bad} / {every} / {plain(budget)}"
    return figure(
        f"{objective.capitalize()}: budget left", query, unit="percentunit", about=about, bounds=[Bound(Decimal(0))], width=6, height=9
    )


def _burning(objective: str, promised: str, budget: Decimal, window: int, select: str) -> Panel:
    pairs = burns(window)
    queries = [
        Curve(f"mlspec:slo_bad_share:ratio{span(pair.long)}{{{select}}} / {plain(budget)}", f"over {span(pair.long)}") for pair in pairs
    ]
    alerts = ", ".join(f"{plain(pair.factor)} over {span(pair.long)}" for pair in pairs)
    about = f"Promised: {promised}. How many times faster than allowed the budget is used; above 1 it does not last. Alerts: {alerts}."
    return curves(f"{objective.capitalize()}: burn rate", queries, unit="none", about=about, bounds=[Bound(None, Decimal(1))], width=18)
