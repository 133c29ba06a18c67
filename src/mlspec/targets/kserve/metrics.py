"""Prometheus queries by which endpoints scale: at the gateway when exposed, at the model server otherwise.

The series and where their names come from stand in ``mlspec.plan.live``; here is what only scaling asks for: summed durations, by which
requests in flight are known (KServe 0.20.0, Istio 1.27, Envoy 1.36, MLServer 1.7, Triton 2.6x, TensorFlow Serving 2.x, TorchServe 0.12,
vLLM 0.11; DCGM exporter 4.x).
"""

from __future__ import annotations

from mlspec.plan.live import SERVERS, family_of

SUMS: dict[str, tuple[str, int]] = {
    "kserve": ("request_predict_seconds_sum", 1),
    "huggingface": ("request_predict_seconds_sum", 1),
    "mlserver": ("rest_server_request_duration_seconds_sum", 1),
    "triton": ("nv_inference_request_duration_us", 1_000_000),
    "tfserving": (":tensorflow:serving:request_latency_sum", 1_000_000),
    "torchserve": ("ts_inference_latency_microseconds", 1_000_000),
    "vllm": ("vllm:e2e_request_latency_seconds_sum", 1),
}
"""By family of servers, the summed duration of requests, and how many of its units make a second."""
COUNTS = {family: source.requests[0] for family, source in SERVERS.items()} | {"kserve": "request_predict_seconds_count"}
QUEUES: dict[str, str] = {family: source.waiting for family, source in SERVERS.items() if source.waiting}
"""Servers that count the requests that wait."""
WINDOW = "2m"


def scaling_query(metric: str, *, runtime: str, gateway: str | None, namespace: str, service: str, route: str, share: int) -> str | None:
    """Return the query for a metric, summed over an endpoint's replicas; None where its source does not have it.

    ``gateway`` is the gateway that counts its requests, None when it is not exposed. ``share`` is the percentage of the route's traffic
    that this service gets, for gateways that count by route only.
    """
    # what scales is the model server, also where a transformer is called first
    server = f"{service.removesuffix('-transformer')}-predictor" if service.endswith("-transformer") else service
    labels = f'namespace="{namespace}",service="{server}"'
    if metric == "queueDepth":
        return f"sum({QUEUES[runtime]}{{{labels}}})" if runtime in QUEUES else None
    if metric == "gpu":
        return f'avg(DCGM_FI_DEV_GPU_UTIL{{namespace="{namespace}",pod=~"{server}-.*"}})'
    if gateway == "istio":
        where = f'reporter="source",destination_service_namespace="{namespace}",destination_service_name="{service}"'
        if metric == "requestRate":
            return f"sum(rate(istio_requests_total{{{where}}}[{WINDOW}]))"
        return f"sum(rate(istio_request_duration_milliseconds_sum{{{where}}}[{WINDOW}])) / 1000"
    if gateway == "envoy":
        where = f'envoy_cluster_name=~"httproute/{namespace}/{route}/rule/.*"'
        part = "" if share == 100 else f" * {share} / 100"
        if metric == "requestRate":
            return f"sum(rate(envoy_cluster_upstream_rq_total{{{where}}}[{WINDOW}])){part}"
        return f"sum(rate(envoy_cluster_upstream_rq_time_sum{{{where}}}[{WINDOW}])) / 1000{part}"
    family = family_of(runtime)
    if family is None:
        return None
    if metric == "requestRate":
        return f"sum(rate({COUNTS[family]}{{{labels}}}[{WINDOW}]))"
    name, unit = SUMS[family]
    return f"sum(rate({name}{{{labels}}}[{WINDOW}]))" + ("" if unit == 1 else f" / {unit}")
