"""Which series tells what of an endpoint, and the PromQL that asks for it: at the gateway when exposed, else at the model server.

Sources, by which the names below were confirmed:
Istio 1.27 (standard metrics; a gateway reports as ``source``), Envoy 1.36 and Envoy Gateway 1.6 (cluster statistics; a route's cluster is
``httproute/<namespace>/<route>/rule/<number>``), KServe 0.20.0 (python/kserve/kserve/metrics.py and model.py), MLServer 1.7
(mlserver/rest/app.py, settings.py: metrics on port 8082), Triton 2.6x (docs/user_guide/metrics.md: port 8002, summaries on demand),
TensorFlow Serving 2.19 (servables/tensorflow/util.cc; off without a monitoring configuration), TorchServe 0.12 (docs/metrics.md: port
8082, ``metrics_mode=prometheus``), vLLM 0.11 (vllm/v1/metrics/loggers.py; the HTTP counters of prometheus-fastapi-instrumentator), cAdvisor
and kube-state-metrics 2.17, DCGM exporter 4.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from mlspec.names import object_name
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan, remembered
from mlspec.plan.versions import Version, versions_by_label
from mlspec.quantity import plain

WINDOW = 300
"""Over how many seconds a live metric is measured when its rule does not say."""
ALL = "all"
"""What is asked for when no version is told apart: everything that answers."""
HTTP = ("latency", "errorRate", "availability", "requestRate")
"""Metrics that a gateway counts."""


class Histogram(NamedTuple):
    """A histogram of durations."""

    series: str
    unit: int
    """How many of its units make a second."""
    bounds: tuple[str, ...]
    """The upper bounds of its finite buckets, as the source writes them; empty when they are not known one by one."""
    largest: str
    """The largest finite bound: what lies beyond cannot be told apart."""


class Source(NamedTuple):
    """What one kind of gateway or server tells of its requests."""

    title: str
    latency: tuple[Histogram, ...] = ()
    """Alternatives, of which the first that counts anything is read."""
    requests: tuple[str, ...] = ()
    """Counters that together count every request once."""
    errors: str = ""
    """The counter of failed requests, with the matchers that pick them; or, after a ``-``, of those that went well."""
    tokens: tuple[Histogram, ...] = ()
    """Histograms of the time to the first token."""
    between: tuple[Histogram, ...] = ()
    """Histograms of the time between tokens."""
    waiting: str = ""
    """The gauge of requests that wait."""
    generated: str = ""
    """The counter of tokens that were generated."""
    full: str = ""
    """The gauge of how full the server is, 0 to 1."""
    summary: str = ""
    """A summary of latencies in microseconds, by ``quantile``, for servers without a histogram."""
    port: int = 8080
    path: str = "/metrics"


def _histogram(series: str, unit: int, bounds: str) -> Histogram:
    made = tuple(bounds.split())
    return Histogram(series, unit, made, made[-1])


_ENVOY = "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000"
_PYTHON = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10"
_VLLM = _histogram("vllm:e2e_request_latency_seconds", 1, "0.3 0.5 0.8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680")
_FIRST = _histogram(
    "vllm:time_to_first_token_seconds",
    1,
    "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 20 40 80 160 640 2560",
)
_BETWEEN = "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5 5 7.5 10 20 40 80"
_GENERATIVE: dict[str, Any] = {
    "tokens": (_FIRST,),
    "between": (
        _histogram("vllm:inter_token_latency_seconds", 1, _BETWEEN),
        _histogram("vllm:time_per_output_token_seconds", 1, _BETWEEN),
    ),
    "waiting": "vllm:num_requests_waiting",
    "generated": "vllm:generation_tokens_total",
    "full": "vllm:kv_cache_usage_perc",
}
_PREDICT = _histogram("request_predict_seconds", 1, _PYTHON)

GATEWAYS: dict[str, Source] = {
    "istio": Source(
        "the Istio gateway",
        (_histogram("istio_request_duration_milliseconds", 1000, _ENVOY),),
        ("istio_requests_total",),
        'istio_requests_total{response_code=~"5.."}',
    ),
    "envoy": Source(
        "Envoy Gateway",
        (_histogram("envoy_cluster_upstream_rq_time", 1000, _ENVOY),),
        ("envoy_cluster_upstream_rq_xx",),
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}',
    ),
}
SERVERS: dict[str, Source] = {
    "kserve": Source("KServe's own server", (_PREDICT,), ("request_preprocess_seconds_count",), "-request_postprocess_seconds_count"),
    "huggingface": Source(
        "the Hugging Face server",
        (_PREDICT, _VLLM),
        ("request_predict_seconds_count", "vllm:e2e_request_latency_seconds_count"),
        **_GENERATIVE,
    ),
    "mlserver": Source(
        "MLServer",
        (_histogram("rest_server_request_duration_seconds", 1, _PYTHON),),
        ("rest_server_requests_total",),
        'rest_server_requests_total{status_code=~"5.."}',
        port=8082,
    ),
    "triton": Source(
        "Triton",
        (),
        ("nv_inference_request_success", "nv_inference_request_failure"),
        "nv_inference_request_failure",
        waiting="nv_inference_pending_request_count",
        summary="nv_inference_request_summary_us",
        port=8002,
    ),
    "tfserving": Source(
        "TensorFlow Serving",
        (Histogram(":tensorflow:serving:request_latency", 1_000_000, (), "1472186"),),
        (":tensorflow:serving:request_count",),
        ':tensorflow:serving:request_count{status!="OK"}',
        path="/monitoring/prometheus/metrics",
    ),
    "torchserve": Source("TorchServe", (), ("ts_inference_requests_total",), "Requests5XX", port=8082),
    "vllm": Source("vLLM", (_VLLM,), ("http_requests_total",), 'http_requests_total{status="5xx"}', port=8000, **_GENERATIVE),
}
"""By family of servers. What runs as ``custom`` tells nothing that is known here."""
QUANTILES = ("0.5", "0.9", "0.95", "0.99", "0.999")
"""The quantiles of Triton's summaries, unless its settings name others."""
TRITON_SUMMARIES = "--metrics-config=summary_latencies=true"
TENSORFLOW_MONITORING = "--monitoring_config_file"


def family_of(runtime: str) -> str | None:
    """Return the family of servers that a runtime belongs to; None for a team's own container."""
    if runtime == "custom":
        return None
    return runtime if runtime in SERVERS else "kserve"


class Scope(NamedTuple):
    """Some versions of an endpoint, and where what they do is counted."""

    source: Source
    select: str
    """The matchers of its series."""
    pods: str
    """A pattern of its pods' names, for what is known of containers only."""


@remembered
def scope_of(plan: Plan, endpoint: str, metric: str, version: str | None = None) -> Scope | None:
    """Return where a metric of a version is counted, of all that answer without one; None where nothing is known of it.

    Where the gateway cannot tell versions apart, a single one is asked for at its model server.
    """
    entry = plan.node.serving[endpoint]
    word = _gateway(plan, entry) if metric in HTTP else None
    if "graph" in entry:
        return _at_gateway(plan, endpoint, [endpoint], word) if word and version in (None, ALL, "stable") else None
    known = versions_by_label(plan, endpoint)
    answering = [found for found in known.values() if found.role != "shadow"]
    wanted = answering if version in (None, ALL) else [known[version]] if version in known else []
    if not wanted:
        return None
    alone = len(wanted) == len(answering) and wanted[0].role != "shadow"
    if word == "istio" and (alone or not is_knative(plan)):
        part = "transformer" if entry.transform else "predictor"
        return _at_gateway(plan, endpoint, [f"{found.name}-{part}" for found in wanted], word)
    if word and alone:
        return _at_gateway(plan, endpoint, [], word)
    return _at_server(plan, entry, wanted)


def tells_versions_apart(plan: Plan, endpoint: str) -> bool:
    """Tell whether what is read of an endpoint's requests knows which version answered."""
    entry = plan.node.serving[endpoint]
    return "graph" not in entry and _gateway(plan, entry) in (None, "istio") and not is_knative(plan)


def counts_apart(plan: Plan) -> bool:
    """Tell whether a canary that is asked for alone is found: Knative numbers its revisions, and no plan knows the number."""
    return not is_knative(plan)


@remembered
def labels_of(plan: Plan, endpoint: str) -> list[str]:
    """Return the versions that a live threshold is held against, one by one; ``all`` where they cannot be told apart."""
    if "graph" in plan.node.serving[endpoint]:
        return [ALL]
    answering = [label for label, found in versions_by_label(plan, endpoint).items() if found.role != "shadow"]
    return answering if len(answering) == 1 or tells_versions_apart(plan, endpoint) else [ALL]


def is_knative(plan: Plan) -> bool:
    """Tell whether KServe runs the endpoints of an environment as Knative Services."""
    serving = plan.node.platform.serving
    return bool(serving.word == "kserve" and serving.kserve.mode == "knative")


def _gateway(plan: Plan, entry: Node) -> str | None:
    """Return the gateway that counts an endpoint's requests; Envoy Gateway stands before no Knative service."""
    if "expose" not in entry:
        return None
    word: str = plan.node.platform.gateway.word
    return None if is_knative(plan) and word != "istio" else word


def _at_gateway(plan: Plan, endpoint: str, services: list[str], word: str) -> Scope:
    if word == "envoy":
        route = f"httproute/{plan.namespace}/{object_name(endpoint, 'traffic')}/rule/.*"
        return Scope(GATEWAYS[word], f'envoy_cluster_name=~"{route}"', "")
    where = f'reporter="source",destination_service_namespace="{plan.namespace}",'
    # Knative sends a request to the Service of a revision, which has a number
    revisions = "-[0-9]{5}" if is_knative(plan) else ""
    return Scope(GATEWAYS[word], where + _matcher("destination_service_name", services, revisions), "")


def _at_server(plan: Plan, entry: Node, wanted: list[Version]) -> Scope | None:
    families = {family_of(found.runtime) for found in wanted}
    family = families.pop()
    if families:
        return None
    pods = "|".join(f"{found.name}-predictor-[0-9]{{5}}-deployment" if is_knative(plan) else f"{found.name}-predictor" for found in wanted)
    pattern = f"({pods})-[0-9a-z]+-[0-9a-z]{{5}}" if len(wanted) > 1 else f"{pods}-[0-9a-z]+-[0-9a-z]{{5}}"
    where = f'namespace="{plan.namespace}",'
    source = SERVERS[family] if family is not None else _UNKNOWN
    if family == "tfserving" and not tells_tensorflow(entry):
        source = _SILENT
    return Scope(source, where + _matcher("service", [f"{found.name}-predictor" for found in wanted]), f'{where}pod=~"{pattern}"')


_UNKNOWN = Source("a custom server")
_SILENT = Source("TensorFlow Serving without `--monitoring_config_file`")


def _matcher(label: str, names: list[str], suffix: str = "") -> str:
    if len(names) == 1 and not suffix:
        return f'{label}="{names[0]}"'
    joined = "|".join(names)
    return f'{label}=~"{joined}"' if not suffix else f'{label}=~"({joined}){suffix}"' if len(names) > 1 else f'{label}=~"{joined}{suffix}"'


def live_query(plan: Plan, endpoint: str, rule: Mapping[str, Any], version: str | None = None) -> str | None:
    """Return the PromQL whose one value a live rule bounds: seconds, a ratio of one, or a number. None where no source has it.

    ``rule`` is one of ``mlspec.plan.rules.rules_of``; ``version`` one of ``stable``, ``canary`` or the name of a split or shadow model,
    and None or ``all`` for everything that answers. Without requests the value is absent or NaN, which passes no gate and fires no alert.
    """
    if "query" in rule:
        query = str(rule["query"])
        return f"({query}\n)" if "#" in query else f"({query})"
    metric = str(rule["metric"])
    scope = scope_of(plan, endpoint, metric, version)
    if scope is None:
        return None
    window = span(rule.get("window", WINDOW))
    if metric in ("latency", "timeToFirstToken", "interTokenLatency"):
        return _quantile(plan, endpoint, scope, metric, str(rule["quantile"]), window)
    if metric in ("errorRate", "availability"):
        failed, asked = failures(scope, window), requests(scope, window)
        if failed is None or asked is None:
            return None
        share = f"{failed} / {asked}"
        # a share that is exactly on its bound must not miss it by the last bit of a quotient
        return f"round(1e9 * ({share if metric == 'errorRate' else f'1 - {share}'})) / 1e9"
    if metric == "requestRate":
        return requests(scope, window)
    if metric == "saturation":
        return _saturation(plan.node.serving[endpoint], scope, window)
    gauge, counter = scope.source.waiting, scope.source.generated
    if metric == "queueDepth" and gauge:
        return f"sum(avg_over_time({gauge}{{{scope.select}}}[{window}]))"
    if metric == "tokensPerSecond" and counter:
        return f"sum(rate({counter}{{{scope.select}}}[{window}]))"
    return None


def samples_query(plan: Plan, endpoint: str, rule: Mapping[str, Any], version: str | None = None) -> str | None:
    """Return the PromQL of how many requests a live rule was measured on; None where no source counts them."""
    scope = scope_of(plan, endpoint, "requestRate", version)
    if scope is None or not scope.source.requests:
        return None
    seconds = rule.get("window", WINDOW)
    return f"{requests(scope, span(seconds))} * {plain(Decimal(str(seconds)))}"


def histograms_of(source: Source, metric: str) -> tuple[Histogram, ...]:
    """Return the histograms that tell a latency."""
    return {"latency": source.latency, "timeToFirstToken": source.tokens, "interTokenLatency": source.between}[metric]


def _quantile(plan: Plan, endpoint: str, scope: Scope, metric: str, quantile: str, window: str) -> str | None:
    source, select = scope.source, scope.select
    found = histograms_of(source, metric)
    if not found:
        if metric != "latency" or not source.summary or not tells_summaries(plan.node.serving[endpoint]) or quantile not in QUANTILES:
            return None
        # quantiles of replicas do not add up, so the slowest counts; an idle minute is NaN and must not hide the others
        slowest = f'max({source.summary}{{{select},quantile="{quantile}"}}) >= 0'
        return f"avg_over_time(({slowest})[{window}:30s]) / 1000000"
    made = []
    for one in found:
        counted = f"sum by (le) (rate({one.series}_bucket{{{select}}}[{window}]))"
        made.append(f"histogram_quantile({quantile}, {counted})" + (f" / {one.unit}" if one.unit != 1 else ""))
    return made[0] if len(made) == 1 else f"({' or '.join(f'({one} >= 0)' for one in made)})"


def tells_summaries(entry: Node) -> bool:
    """Tell whether a Triton endpoint was started with summaries of its latencies."""
    return any("summary_latencies=true" in argument for argument in entry.args or ())


def tells_tensorflow(entry: Node) -> bool:
    """Tell whether a TensorFlow Serving endpoint was started with a configuration of its metrics; without one it has none."""
    return any(argument.startswith(TENSORFLOW_MONITORING) for argument in entry.args or ())


def requests(scope: Scope, window: str) -> str | None:
    """Return the PromQL of the requests in a second, with what failed; None where they are not counted."""
    series = scope.source.requests
    if not series:
        return None
    first, *others = (f"sum(rate({one}{{{scope.select}}}[{window}]))" for one in series)
    if not others:
        return first
    # a counter that has not counted yet is not there; it must not take the other one with it
    return f"(({first} + {others[0]}) or {first} or {others[0]})"


def failures(scope: Scope, window: str) -> str | None:
    """Return the PromQL of the failed requests in a second: zero, not absent, while there are requests and none has failed."""
    source, asked = scope.source, requests(scope, window)
    if not source.errors or asked is None:
        return None
    if source.errors.startswith("-"):
        well = f"sum(rate({source.errors[1:]}{{{scope.select}}}[{window}]))"
        return f"clamp_min({asked} - ({well} or 0 * {asked}), 0)"
    series, _, matchers = source.errors.partition("{")
    failed = f"sum(rate({series}{{{scope.select}{',' + matchers[:-1] if matchers else ''}}}[{window}]))"
    return f"({failed} or 0 * {asked})"


def slow_requests(scope: Scope, longest: Decimal, window: str) -> tuple[str, str] | None:
    """Return the PromQL of the requests in a second that took longer than so many seconds, and of all that were timed.

    Between two bounds of a histogram requests are taken to lie evenly, as ``histogram_quantile`` does. None where no histogram with known
    bounds reaches that far.
    """
    found = [one for one in scope.source.latency if one.bounds]
    if len(found) != 1 or longest * found[0].unit > Decimal(found[0].largest):
        return None
    histogram, wanted = found[0], longest * found[0].unit
    timed = f"sum(rate({histogram.series}_count{{{scope.select}}}[{window}]))"
    below, above = "0", histogram.bounds[0]
    for bound in histogram.bounds:
        above = bound
        if Decimal(bound) >= wanted:
            break
        below = bound
    share = ((wanted - Decimal(below)) / (Decimal(above) - Decimal(below))).quantize(Decimal("0.000001"))
    parts = [(1 - share, below), (share, above)]
    fast = " + ".join(_part(histogram, scope, part, bound, window) for part, bound in parts if part and bound != "0")
    return f"clamp_min({timed} - ({fast}), 0)", timed


def _part(histogram: Histogram, scope: Scope, part: Decimal, bound: str, window: str) -> str:
    # Prometheus 3 writes whole bounds with a fraction, whatever the source wrote
    matcher = f'le="{bound}"' if "." in bound else f'le=~"{bound}([.]0)?"'
    counted = f"sum(rate({histogram.series}_bucket{{{scope.select},{matcher}}}[{window}]))"
    return counted if part == 1 else f"{plain(part)} * {counted}"


def _saturation(entry: Node, scope: Scope, window: str) -> str | None:
    """Return how full a server is: by its own account, by its accelerators, or by the processor time it asked for."""
    if scope.source.full and scope.source is not SERVERS["huggingface"]:
        return f"avg(avg_over_time({scope.source.full}{{{scope.select}}}[{window}]))"
    if not scope.pods:
        return None
    if "gpu" in entry.resources:
        return f"avg(avg_over_time(DCGM_FI_DEV_GPU_UTIL{{{scope.pods}}}[{window}])) / 100"
    where = f'{scope.pods},container="kserve-container"'
    used = f"sum(rate(container_cpu_usage_seconds_total{{{where}}}[{window}]))"
    return f'{used} / sum(kube_pod_container_resource_requests{{{where},resource="cpu"}})'


@lru_cache(maxsize=256)
def span(seconds: Any) -> str:
    """Return a number of seconds as Prometheus writes a duration."""
    from mlspec.quantity import prometheus_duration

    return prometheus_duration(f"{int(Decimal(str(seconds)) * 1000)}ms")
