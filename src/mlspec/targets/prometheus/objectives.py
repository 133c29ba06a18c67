"""Service level objectives: recordings of the share of bad requests, and alerts on how fast the error budget burns.

The alerts are the multi-window, multi-burn-rate ones of Google's SRE Workbook (chapter 5): for thirty days 14.4 times over 1h and 5m, 6
times over 6h and 30m, 3 times over 1d and 2h, once over 3d and 6h. For another window the spans shrink or grow with it, so that an alert
means the same share of the budget: 2%, 5%, 10%, 10%.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from mlspec.plan.live import failures, requests, scope_of, slow_requests, span
from mlspec.plan.plan import Plan, remembered
from mlspec.quantity import plain, prometheus_duration, ratio, seconds
from mlspec.targets.prometheus.rules import CRITICAL, WARNING, Rule, alert_labels, identity, matchers, notes

MONTH = 30 * 86400
LEAST, MOST = 3 * 86400, 90 * 86400
"""The objectives' windows for which the spans are neither too short to measure nor longer than metrics are commonly kept."""
_SHORTEST = 120
"""Four scrapes: over less, a rate is chance."""


class Burn(NamedTuple):
    """One pair of spans, in seconds, and how many times too fast the budget burns."""

    long: int
    short: int
    factor: Decimal
    severity: str


def burns(window: int) -> list[Burn]:
    """Return the pairs for an objective's window, the fastest first."""
    pairs = ((3600, 300, "14.4", CRITICAL), (21600, 1800, "6", CRITICAL), (86400, 7200, "3", WARNING), (259200, 21600, "1", WARNING))
    return [
        Burn(long * window // MONTH, max(_SHORTEST, short * window // MONTH), Decimal(factor), severity)
        for long, short, factor, severity in pairs
    ]


@remembered
def objective_rules(plan: Plan, endpoint: str) -> tuple[tuple[str, list[Rule]], ...]:
    """Return the objectives of an endpoint with their rules: recordings first, then alerts."""
    return tuple(_objective_rules(plan, endpoint))


def _objective_rules(plan: Plan, endpoint: str) -> Iterator[tuple[str, list[Rule]]]:
    slo = plan.node.monitoring[endpoint].slo
    if not slo:
        return
    window = int(seconds(slo.window))
    if slo.availability is not None:
        counted = _availability(plan, endpoint, window)
        if counted is not None:
            yield "availability", _rules(plan, endpoint, "availability", 1 - ratio(slo.availability), window, counted, "failed")
    if slo.latency:
        longest = slo.latency.max
        counted = _latency(plan, endpoint, window, seconds(longest))
        if counted is not None:
            quantile = Decimal(slo.latency.quantile)
            yield "latency", _rules(plan, endpoint, "latency", 1 - quantile, window, counted, f"took longer than {longest}")


def _availability(plan: Plan, endpoint: str, window: int) -> tuple[str, str] | None:
    scope, over = scope_of(plan, endpoint, "availability"), span(_base(window))
    if scope is None:
        return None
    failed, asked = failures(scope, over), requests(scope, over)
    return (failed, asked) if failed is not None and asked is not None else None


def _latency(plan: Plan, endpoint: str, window: int, longest: Decimal) -> tuple[str, str] | None:
    scope = scope_of(plan, endpoint, "latency")
    return slow_requests(scope, longest, span(_base(window))) if scope is not None else None


def _base(window: int) -> int:
    """Return over how many seconds rates are recorded: the shortest span that an alert looks at."""
    return burns(window)[0].short


def _rules(plan: Plan, endpoint: str, objective: str, budget: Decimal, window: int, counted: tuple[str, str], what: str) -> list[Rule]:
    bad, every = counted
    known = {**identity(plan, endpoint), "objective": objective}
    labels = {**known, "namespace": plan.namespace, "team": plan.team}
    base = span(_base(window))
    names = [f"mlspec:slo_bad_requests:rate{base}", f"mlspec:slo_requests:rate{base}"]
    made = [Rule(bad, labels, record=names[0]), Rule(every, labels, record=names[1])]
    pairs = burns(window)
    select = matchers(known)
    for length in sorted({part for pair in pairs for part in (pair.long, pair.short)}):
        over = [f"sum_over_time({name}{{{select}}}[{span(length)}])" for name in names]
        made.append(Rule(f"{over[0]} / {over[1]}", labels, record=f"mlspec:slo_bad_share:ratio{span(length)}"))
    for pair in pairs:
        bound = pair.factor * budget
        if bound < 1:  # no share is beyond the whole
            made.append(_alert(plan, endpoint, objective, pair, bound, select, window, what))
    return made


def _alert(plan: Plan, endpoint: str, objective: str, pair: Burn, bound: Decimal, select: str, window: int, what: str) -> Rule:
    long, short, whole = span(pair.long), span(pair.short), prometheus_duration(f"{window}s")
    expr = " and ".join(f"mlspec:slo_bad_share:ratio{over}{{{select}}} > {plain(bound)}" for over in (long, short))
    left = prometheus_duration(f"{int(window / pair.factor) // 60 * 60}s")
    said = (
        f"{{{{ $value | humanizePercentage }}}} of the requests of the last {long} {what}, and the last {short} are no better. "
        f"The objective allows {plain(bound / pair.factor * 100)}%; at {plain(pair.factor)}x that, the budget of {whole} lasts {left}."
    )
    return Rule(
        expr,
        alert_labels(plan, endpoint, pair.severity, objective=objective, over=long),
        alert="ErrorBudgetBurn",
        annotations=notes(plan, f"{endpoint}: the {objective} budget of {whole} is burning, {plain(pair.factor)}x over {long}", said),
    )
