"""Alerts: bounds of live and drift thresholds, of bias and outliers, and what fires when nothing is measured any more.

Sources: Prometheus 3 (a comparison drops NaN and what is not there, so a bound never fires on either; templates of alerts: ``humanize``,
``humanizeDuration``, ``humanizePercentage``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mlspec.plan.live import ALL, WINDOW, labels_of, live_query, samples_query, scope_of, span
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of
from mlspec.quantity import is_duration, plain, prometheus_duration, ratio, seconds
from mlspec.targets.prometheus.rules import CRITICAL, INFO, WARNING, Rule, alert_labels, identity, literal, matchers, notes, title

DURATIONS = ("latency", "timeToFirstToken", "interTokenLatency")
RATIOS = ("errorRate", "availability", "saturation", "ks", "jsDivergence", "missingRatio", "share")
GAUGES = {"drift": "mlspec_drift", "bias": "mlspec_bias", "outliers": "mlspec_outlier_share"}
"""What the scheduled comparisons push."""
_HUMAN = {"duration": "humanizeDuration", "ratio": "humanizePercentage", "number": "humanize"}
_SILENCE = "15m"
_QUIET = "1h"


def threshold_alerts(plan: Plan, endpoint: str, on: str) -> Iterator[Rule]:
    """Yield the alerts of the thresholds on an endpoint's ``alerts`` that read one kind of thing."""
    node = plan.node
    taken: set[tuple[str, str, str]] = set()
    for name in node.monitoring[endpoint].alerts or ():
        threshold = node.thresholds[name]
        if threshold is None or threshold.on != on or threshold.mode == "off":
            continue
        found = rules_of(plan, name)
        acting = _acting(found)
        starts = _started_by(plan, name) if found["mode"] == "enforce" else []
        for rule, written in zip(found["rules"], threshold.rules, strict=True):
            severity = INFO if found["mode"] == "report" else CRITICAL if rule["severity"] == "block" else WARNING
            for version, expr in _expressions(plan, endpoint, on, rule):
                called = _unique(taken, name, rule["name"], version)
                about = {"threshold": name, "rule": called, **({"version": version} if version else {})}
                retrains = starts if rule["severity"] == acting and version in ("", "stable", ALL) else []
                for pipeline in retrains or [""]:
                    action = {"mlspec_action": "retrain", "mlspec_pipeline": pipeline} if pipeline else {}
                    yield Rule(
                        expr,
                        alert_labels(plan, endpoint, severity, **about, **action),
                        alert=title(f"{'drift ' if on == 'drift' else ''}{rule['name']}"),
                        lasting=span(rule["for"]) if "for" in rule else "",
                        annotations=_describe(plan, endpoint, name, rule, written, version),
                    )


def _acting(threshold: Mapping[str, Any]) -> str:
    """Return the severity of the rules whose breach is a breach of the threshold: what blocks, and where nothing does, what warns."""
    return "block" if any(rule["severity"] == "block" for rule in threshold["rules"]) else "warn"


def _started_by(plan: Plan, threshold: str) -> list[str]:
    """Return the pipelines that a breach of a threshold starts, sorted."""
    node = plan.node
    if node.platform.events.word == "none":
        return []
    return sorted(name for name, pipeline in node.pipelines.items() if any(trigger.breach == threshold for trigger in pipeline.on or ()))


def _unique(taken: set[tuple[str, str, str]], threshold: str, name: str, version: str) -> str:
    called, number = name, 2
    while (threshold, called, version) in taken:
        called, number = f"{name} ({number})", number + 1
    taken.add((threshold, called, version))
    return called


def _expressions(plan: Plan, endpoint: str, on: str, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the versions that a rule watches one by one, and the expression that holds when its bound is broken."""
    if on == "drift":
        yield "", _drift(plan, endpoint, rule)
        return
    for version in [ALL] if "query" in rule else labels_of(plan, endpoint):
        value = live_query(plan, endpoint, rule, version)
        if value is None:
            continue
        samples = samples_query(plan, endpoint, rule, version) if "minSamples" in rule else None
        enough = f"{samples} >= {rule['minSamples']}" if samples else None
        yield version, beyond(value, value, rule, enough)


def _drift(plan: Plan, endpoint: str, rule: Mapping[str, Any]) -> str:
    known = identity(plan, endpoint)
    what = {**known, **({"column": rule["column"]} if "column" in rule else {}), "metric": rule["metric"]}
    series = f"{GAUGES['drift']}{{{matchers(what)}}}"
    enough = (
        f"max(mlspec_monitor_rows{{{matchers({**known, 'job': 'mlspec-drift'})}}}) >= {rule['minSamples']}"
        if "minSamples" in rule
        else None
    )
    return beyond(f"min({series})", f"max({series})", rule, enough)


def beyond(least: str, most: str, rule: Mapping[str, Any], enough: str | None = None) -> str:
    """Return the expression that holds when a value is beyond a rule's bounds: never on a bound, on nothing, or on NaN."""
    if "equals" in rule:
        parts = [f"{least} < {rule['equals']}", f"{most} > {rule['equals']}"]
    else:
        parts = [f"{value} {sign} {rule[key]}" for key, value, sign in (("min", least, "<"), ("max", most, ">")) if key in rule]
    broken = " or ".join(parts)
    if enough is None:
        return broken
    return f"({broken}) and {enough}" if len(parts) > 1 else f"{broken} and {enough}"


def _describe(plan: Plan, endpoint: str, threshold: str, rule: Mapping[str, Any], written: Node, version: str) -> dict[str, str]:
    allowed = literal(_allowed(written))
    name = literal(str(rule["name"]))
    where = "" if version in ("", ALL) else f" of version {version}"
    over = f" over {span(rule.get('window', WINDOW))}" if rule.get("metric") and version else ""
    value = f"{{{{ $value | {_HUMAN[_unit(rule, written)]} }}}}"
    return notes(
        plan,
        f"{endpoint}: {name}{where} is beyond its bound",
        f"{name}{where}{over} is {value}; threshold {threshold} allows {allowed}.",
    )


def _unit(rule: Mapping[str, Any], written: Node) -> str:
    metric = rule.get("metric")
    if metric is not None:
        return "duration" if metric in DURATIONS else "ratio" if metric in RATIOS else "number"
    bound = next((written[key] for key in ("max", "min", "equals") if written[key] is not None), None)
    return "duration" if is_duration(bound) else "ratio" if isinstance(bound, str) and bound.endswith("%") else "number"


def _allowed(written: Node) -> str:
    """Return a bound in words, as it is written."""
    if written.equals is not None:
        return f"exactly {_shown(written.equals)}"
    least, most = written["min"], written["max"]
    if least is not None and most is not None:
        return f"{_shown(least)} to {_shown(most)}"
    return f"at least {_shown(least)}" if least is not None else f"at most {_shown(most)}"


def _shown(bound: Any) -> str:
    return plain(Decimal(bound)) if isinstance(bound, int | Decimal) else str(bound)


def bounds_of_comparisons(plan: Plan, endpoint: str) -> Iterator[Rule]:
    """Yield the alerts of bias and outliers, whose bounds stand in the monitor itself."""
    monitor, known = plan.node.monitoring[endpoint], identity(plan, endpoint)
    if monitor.bias:
        bias = monitor.bias
        bound = plain(ratio(bias.maxGap))
        said = f"The gap of {literal(bias.metric)} across {literal(bias.across)} is {{{{ $value | humanize }}}}; at most {bound} passes."
        yield Rule(
            f"max({GAUGES['bias']}{{{matchers(known)}}}) > {bound}",
            alert_labels(plan, endpoint, WARNING),
            alert="BiasBeyondBound",
            annotations=notes(plan, f"{endpoint}: {literal(bias.metric)} differs across {literal(bias.across)}", said),
        )
    if monitor.outliers:
        bound = plain(ratio(monitor.outliers.share))
        most = _shown(monitor.outliers.share)
        said = f"{{{{ $value | humanizePercentage }}}} of the requests are unlike the reference; at most {most} passes."
        yield Rule(
            f"max({GAUGES['outliers']}{{{matchers(known)}}}) > {bound}",
            alert_labels(plan, endpoint, WARNING),
            alert="OutliersBeyondBound",
            annotations=notes(plan, f"{endpoint}: too many outliers among the requests", said),
        )


def absences(plan: Plan, endpoint: str) -> Iterator[Rule]:
    """Yield the alerts that fire when nothing is measured: no scrape, no requests at the gateway, no report of a comparison."""
    if _watches_requests(plan, endpoint):
        yield from _no_metrics(plan, endpoint)
    monitor = plan.node.monitoring[endpoint]
    every = seconds(monitor.drift.every) if monitor.drift else Decimal(3600)
    for task in GAUGES:
        if task in monitor and (task != "drift" or _compares(plan, endpoint)):
            yield _no_report(plan, endpoint, task, int(every))


def _watches_requests(plan: Plan, endpoint: str) -> bool:
    node = plan.node
    monitor = node.monitoring[endpoint]
    if monitor.slo:
        return True
    named = [node.thresholds[name] for name in monitor.alerts or ()]
    return any(entry is not None and entry.on == "live" and entry.mode != "off" for entry in named)


def _compares(plan: Plan, endpoint: str) -> bool:
    node = plan.node
    named = [node.thresholds[name] for name in node.monitoring[endpoint].alerts or ()]
    return any(entry is not None and entry.on == "drift" and entry.mode != "off" for entry in named)


def _no_metrics(plan: Plan, endpoint: str) -> Iterator[Rule]:
    scope = scope_of(plan, endpoint, "requestRate")
    if scope is None or not scope.source.requests:
        return
    if scope.select.startswith("namespace="):
        if plan.node.serving[endpoint].replicas.min == 0:
            return  # at rest there is nothing to scrape
        yield Rule(
            f"absent(up{{{scope.select}}} == 1)",
            alert_labels(plan, endpoint, WARNING),
            alert="MetricsAbsent",
            lasting=_SILENCE,
            annotations=notes(
                plan,
                f"{endpoint}: no model server is scraped",
                f"For {_SILENCE} no model server gave metrics to Prometheus, so none of its live alerts can fire.",
            ),
        )
        return
    yield Rule(
        f"absent({scope.source.requests[0]}{{{scope.select}}})",
        alert_labels(plan, endpoint, WARNING),
        alert="MetricsAbsent",
        lasting=_QUIET,
        annotations=notes(
            plan,
            f"{endpoint}: the gateway counts no requests",
            f"For {_QUIET} there were no counts of its requests from {scope.source.title}: nobody calls it, or nothing scrapes the "
            "gateway. None of its live alerts can fire.",
        ),
    )


def _no_report(plan: Plan, endpoint: str, task: str, every: int) -> Rule:
    """Return the alert on a comparison that stopped: two runs were missed, or there never was one."""
    series = f"mlspec_monitor_last_success_seconds{{{matchers({**identity(plan, endpoint), 'job': f'mlspec-{task}'})}}}"
    late = 2 * every + 600
    return Rule(
        f"time() - max({series}) > {late} or absent({series})",
        alert_labels(plan, endpoint, WARNING, task=task),
        alert="MonitorNotReporting",
        lasting=prometheus_duration(f"{every}s"),
        annotations=notes(
            plan,
            f"{endpoint}: the {task} comparison does not report",
            f"The scheduled {task} comparison has not succeeded for {prometheus_duration(f'{late}s')}, so its alerts say nothing.",
        ),
    )
