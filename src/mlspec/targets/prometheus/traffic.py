"""Panels of what an endpoint answers: requests, latency, errors, objectives, and the capacity behind it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from mlspec.plan.live import ALL, WINDOW, is_knative, labels_of, live_query, span
from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of
from mlspec.plan.versions import versions
from mlspec.quantity import plain
from mlspec.targets.prometheus.card import bound_of
from mlspec.targets.prometheus.panels import Bound, Curve, Panel, curves

QUANTILES = ("0.5", "0.95", "0.99")
UNITS = {
    "latency": "s",
    "timeToFirstToken": "s",
    "interTokenLatency": "s",
    "errorRate": "percentunit",
    "availability": "percentunit",
    "saturation": "percentunit",
    "requestRate": "reqps",
    "tokensPerSecond": "cps",
    "queueDepth": "short",
}
"""The units of live metrics, as Grafana names them."""

_BUSY = (
    'sum by (pod) (rate(container_cpu_usage_seconds_total{{{pods},container!="",container!="POD"}}[5m])) '
    '/ sum by (pod) (kube_pod_container_resource_requests{{{pods},resource="cpu"}})'
)
_FULL = (
    'sum by (pod) (container_memory_working_set_bytes{{{pods},container!="",container!="POD"}}) '
    '/ sum by (pod) (kube_pod_container_resource_limits{{{pods},resource="memory"}})'
)


def traffic(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield the panels of requests, latency and errors, then one for each live rule with its bound."""
    asked = {"metric": "requestRate", "window": WINDOW}
    by_version = list(_by_version(plan, endpoint, asked))
    if by_version:
        about = "Requests in a second, by the version that answered."
        yield curves("Traffic", by_version, unit="reqps", about=about, stacked=len(by_version) > 1)
    quantiles = [
        Curve(query, f"{plain(Decimal(quantile) * 100)} % of answers")
        for quantile in QUANTILES
        if (query := live_query(plan, endpoint, {"metric": "latency", "quantile": quantile, "window": WINDOW})) is not None
    ]
    if quantiles:
        yield curves("Latency", quantiles, unit="s", about="How long answers take: half of them, 95 %, 99 % took no longer.")
    failed = list(_by_version(plan, endpoint, {"metric": "errorRate", "window": WINDOW}))
    if failed:
        yield curves("Errors", failed, unit="percentunit", about="The share of requests that failed.")


def live_rules(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield a panel for each rule of the live thresholds on the alerts of an endpoint, with its bound as a line."""
    node = plan.node
    for name in node.monitoring[endpoint].alerts or ():
        if node.thresholds[name].on != "live" or node.thresholds[name].mode == "off":
            continue
        for rule, written in zip(rules_of(plan, name)["rules"], node.thresholds[name].rules, strict=True):
            queries = list(_by_version(plan, endpoint, rule))
            if queries:
                yield curves(
                    f"{bound_of(written)} ({name})",
                    queries,
                    unit=UNITS.get(rule.get("metric", ""), "none"),
                    about=_about(rule),
                    bounds=[Bound(_number(rule.get("min", rule.get("equals"))), _number(rule.get("max", rule.get("equals"))))],
                )


def _by_version(plan: Plan, endpoint: str, rule: dict[str, Any]) -> Iterator[Curve]:
    """Yield a curve for each version that can be told apart; one for a query, which asks for itself."""
    found = [ALL] if "query" in rule else labels_of(plan, endpoint)
    for label in found:
        query = live_query(plan, endpoint, rule, label)
        if query is not None:
            yield Curve(query, label)


def _about(rule: dict[str, Any]) -> str:
    measured = f"Measured over {span(rule.get('window', WINDOW))}"
    held = f", an alert after {span(rule['for'])} beyond the bound" if "for" in rule else ""
    kind = "It blocks." if rule["severity"] == "block" else "It warns."
    return f"{measured}{held}. {kind}"


def _number(value: Any) -> Decimal | None:
    """Return a bound as a number; None for none, and for a word."""
    try:
        return None if value is None or isinstance(value, bool) else Decimal(value)
    except InvalidOperation:
        return None


def saturation(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield the panels of what the endpoint's pods use of what they asked for."""
    entry = plan.node.serving[endpoint]
    names = "|".join(workloads(plan, endpoint))
    pods = f'namespace="{plan.namespace}",pod=~"({names})-[0-9a-z]+-[0-9a-z]{{5}}"'
    per_pod = "{{pod}}"
    yield curves(
        "Processor time",
        [Curve(_BUSY.format(pods=pods), per_pod)],
        unit="percentunit",
        about="What each pod uses of the processor time that it asked for; it may use more where the node has it to spare.",
    )
    yield curves(
        "Memory",
        [Curve(_FULL.format(pods=pods), per_pod)],
        unit="percentunit",
        about="What each pod uses of its memory limit; at 100 % it is killed.",
    )
    if entry.resources and entry.resources.gpu:
        gpu = f"avg by (pod) (DCGM_FI_DEV_GPU_UTIL{{{pods}}}) / 100"
        yield curves("Accelerators", [Curve(gpu, per_pod)], unit="percentunit", about="How busy the accelerators of each pod are.")
    where = f'namespace="{plan.namespace}",deployment=~"{names}"'
    yield curves(
        "Replicas",
        [
            Curve(f"sum by (deployment) (kube_deployment_status_replicas_available{{{where}}})", "{{deployment}} ready"),
            Curve(f"sum by (deployment) (kube_deployment_spec_replicas{{{where}}})", "{{deployment}} wanted"),
        ],
        unit="short",
        about="Pods that are ready, and pods that are wanted.",
    )


def workloads(plan: Plan, endpoint: str) -> list[str]:
    """Return patterns of the names of the Deployments behind an endpoint, as KServe 0.20 gives them; of a graph, its own."""
    entry = plan.node.serving[endpoint]
    revision = "-[0-9]{5}-deployment" if is_knative(plan) else ""
    if entry.model is None:
        return [endpoint + revision]
    parts = ["predictor", *(["transformer"] if entry.transform else [])]
    return [f"{version.name}-{part}{revision}" for version in versions(plan, endpoint) for part in parts]
