"""What Prometheus cannot tell of a plan: metrics that a source does not have, bounds beyond its buckets, windows that cannot be watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.plan.live import (
    HTTP,
    QUANTILES,
    SERVERS,
    TRITON_SUMMARIES,
    Scope,
    histograms_of,
    labels_of,
    live_query,
    samples_query,
    scope_of,
    tells_summaries,
)
from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of
from mlspec.quantity import plain, prometheus_duration, seconds
from mlspec.targets.prometheus.objectives import LEAST, MOST, objective_rules

_LATENCIES = ("latency", "timeToFirstToken", "interTokenLatency")


@code("MLS-E840", "not-measured")
def not_measured(path: Path, what: str, advice: str, related: tuple[tuple[Path, str], ...] = ()) -> Found:
    """A live metric must be one that its source tells: the gateway of an exposed endpoint, else its model server.

    A gateway counts requests, errors and latencies of whatever stands behind it. Model servers differ: Triton has latencies only when it
    is started for it, TorchServe has no quantiles, TensorFlow Serving is silent without a monitoring configuration, and tokens are
    counted by vLLM and the Hugging Face server alone. A threshold that nothing measures would never fire.

    Bad::

        models: {talk: {framework: sklearn, version: 1.0.0, uri: s3://m/talk}}
        thresholds: {online: {on: live, rules: [{metric: timeToFirstToken, quantile: 0.95, max: 600ms}]}}
        serving: {talk: {model: talk}}
        monitoring: {talk: {alerts: [online]}}

    Good::

        models: {talk: {framework: sklearn, version: 1.0.0, uri: s3://m/talk}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 600ms}]}}
        serving: {talk: {model: talk}}
        monitoring: {talk: {alerts: [online]}}
    """
    return Found(path, what, advice, label="measured nowhere", related=related)


@code("MLS-E841", "bound-beyond-histogram")
def beyond_histogram(path: Path, bound: str, source: str, largest: str, related: tuple[tuple[Path, str], ...] = ()) -> Found:
    """A bound on a latency must lie within the histogram that measures it.

    A histogram knows of the slowest requests only that they were slower than its last bound. A quantile is never reported beyond that, so a
    larger bound could never be broken.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 20s}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: latency, quantile: 0.95, max: 5s}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    said = f"`{format_path(path)}` is {bound}, and {source} tells latencies apart up to {largest} only"
    return Found(path, said, f"write a bound below {largest}", label="can never be broken", related=related)


@code("MLS-E842", "objective-window")
def objective_window(path: Path, window: str) -> Found:
    """The window of an objective lies between three and ninety days.

    How fast a budget burns is measured over spans that shrink and grow with the window, from a hundredth of a percent of it to a tenth.
    Below three days the shortest hold too few measurements; above ninety the longest reach further back than metrics are kept.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {availability: 99.9%, window: 1d}}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {availability: 99.9%, window: 7d}}}
    """
    return Found(path, f"`{format_path(path)}` is {window}, expected 3d to 90d", "write it like 30d", label="not from 3d to 90d")


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what Prometheus cannot tell."""
    node = plan.node
    for endpoint, monitor in node.monitoring.items():
        for at, name in enumerate(monitor.alerts or ()):
            yield from _threshold(plan, endpoint, name, ("monitoring", endpoint, "alerts", at), labels_of(plan, endpoint))
        if monitor.slo:
            yield from _objectives(plan, endpoint)
    for endpoint, entry in node.serving.items():
        gate = entry.rollout.gate
        named = node.monitoring[endpoint].alerts if endpoint in node.monitoring else None
        if gate is not None and gate not in (named or ()) and "graph" not in entry:
            yield from _threshold(plan, endpoint, gate, ("serving", endpoint, "rollout", "gate"), ["stable"])


def _threshold(plan: Plan, endpoint: str, name: str, place: Path, versions: list[str]) -> Iterator[Finding]:
    threshold = plan.node.thresholds[name]
    if threshold is None or threshold.on != "live" or threshold.mode == "off":
        return
    related = ((place, f"asked of {endpoint} here"),)
    for at, rule in enumerate(rules_of(plan, name)["rules"]):
        path: Path = ("thresholds", name, "rules", at)
        if "query" in rule:
            continue
        for version in versions:
            if live_query(plan, endpoint, rule, version) is None:
                yield not_measured((*path, "metric"), *_why(plan, endpoint, rule, version), related)
                break
            if "minSamples" in rule and samples_query(plan, endpoint, rule, version) is None:
                what = f"nothing counts the requests of `{endpoint}`, so `minSamples` is never reached"
                yield not_measured((*path, "minSamples"), what, "remove `minSamples`, or expose the endpoint", related)
                break
            scope = scope_of(plan, endpoint, rule["metric"], version)
            largest = _largest(scope, rule["metric"]) if scope else None
            if largest is not None and "max" in rule and Decimal(rule["max"]) >= largest:
                shown = str(plan.node.thresholds[name].rules[at]["max"])
                assert scope is not None
                yield beyond_histogram((*path, "max"), shown, scope.source.title, _duration(largest), related)
                break


def _largest(scope: Scope, metric: str) -> Decimal | None:
    """Return the longest latency, in seconds, that a source tells apart."""
    if metric not in _LATENCIES:
        return None
    return max((Decimal(one.largest) / one.unit for one in histograms_of(scope.source, metric)), default=None)


def _duration(length: Decimal) -> str:
    return prometheus_duration(f"{int(length * 1000)}ms")


def _why(plan: Plan, endpoint: str, rule: Mapping[str, Any], version: str) -> tuple[str, str]:
    """Return why a metric of an endpoint is not measured, and what to do."""
    metric, entry = str(rule["metric"]), plan.node.serving[endpoint]
    scope = scope_of(plan, endpoint, metric, version)
    expose = "expose it, so that the gateway counts" if "expose" not in entry else "write a `query`"
    if scope is None:
        what = "a graph's router counts nothing" if "graph" in entry else "its versions run on different servers"
        return f"`{metric}` of `{endpoint}` is measured nowhere: {what}", expose if metric in HTTP else "watch the endpoints in the graph"
    title = scope.source.title
    if metric == "latency" and scope.source is SERVERS["triton"]:
        if tells_summaries(entry):
            known = ", ".join(QUANTILES)
            return f"Triton has no quantile {plain(Decimal(rule['quantile']))} of `latency`, only {known}", "name one of those"
        what = f"`latency` of `{endpoint}` is not measured: {title} has none by default"
        return what, f"add `{TRITON_SUMMARIES}` to its `args`, or {expose}"
    if metric in HTTP:
        return f"`{metric}` of `{endpoint}` is not measured: {title} does not tell it", expose
    able = [source.title for source in SERVERS.values() if _tells(source, metric)]
    return f"`{metric}` of `{endpoint}` is not measured: {title} does not tell it", f"{', '.join(able)} would; or write a `query`"


def _tells(source: Any, metric: str) -> bool:
    fields = {"timeToFirstToken": "tokens", "interTokenLatency": "between", "queueDepth": "waiting", "tokensPerSecond": "generated"}
    return bool(getattr(source, fields[metric])) if metric in fields else True


def _objectives(plan: Plan, endpoint: str) -> Iterator[Finding]:
    slo, path = plan.node.monitoring[endpoint].slo, ("monitoring", endpoint, "slo")
    if not LEAST <= seconds(slo.window) <= MOST:
        yield objective_window((*path, "window"), str(slo.window))
        return
    made = {objective for objective, _ in objective_rules(plan, endpoint)}
    for objective, metric in (("availability", "availability"), ("latency", "latency")):
        if objective not in slo or objective in made:
            continue
        scope = scope_of(plan, endpoint, metric)
        largest = _largest(scope, metric) if scope else None
        if objective == "latency" and scope and largest is not None and seconds(slo.latency.max) > largest:
            yield beyond_histogram((*path, "latency", "max"), str(slo.latency.max), scope.source.title, _duration(largest))
            continue
        title = scope.source.title if scope else "its versions run on different servers; none"
        what = f"the {objective} objective of `{endpoint}` is measured nowhere: {title} does not tell it"
        advice = "expose it, so that the gateway counts" if "expose" not in plan.node.serving[endpoint] else "remove the objective"
        yield not_measured((*path, objective), what, advice)
