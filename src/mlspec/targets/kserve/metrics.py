"""Prometheus queries by which endpoints scale: at the gateway when exposed, at the model server otherwise.

Sources: Istio 1.27 standard metrics; Envoy 1.36 cluster statistics; kserve 0.20.0 (python/kserve/kserve/metrics.py); MLServer 1.7;
Triton 2.6x; TensorFlow Serving 2.x monitoring; TorchServe 0.12; vLLM 0.11; DCGM exporter 4.x.
"""

from __future__ import annotations

SUMS: dict[str, tuple[str, int]] = {
    "kserve": ("request_predict_seconds_sum", 1),
    "mlserver": ("rest_server_request_duration_seconds_sum", 1),
    "triton": ("nv_inference_request_duration_us", 1_000_000),
    "tfserving": (":tensorflow:serving:request_latency_sum", 1_000_000),
    "torchserve": ("ts_inference_latency_microseconds", 1_000_000),
    "vllm": ("vllm:e2e_request_latency_seconds_sum", 1),
}
"""By family of servers, the summed duration of requests, and how many of its units make a second."""
COUNTS: dict[str, str] = {
    "kserve": "request_predict_seconds_count",
    "mlserver": "rest_server_requests_total",
    "triton": "nv_inference_request_success",
    "tfserving": ":tensorflow:serving:request_count",
    "torchserve": "ts_inference_requests_total",
    "vllm": "http_requests_total",
}
QUEUES: dict[str, str] = {
    "vllm": "vllm:num_requests_waiting",
    "huggingface": "vllm:num_requests_waiting",
    "triton": "nv_inference_pending_request_count",
}
"""Servers that count the requests that wait."""
FAMILIES = {"mlserver": "mlserver", "triton": "triton", "tfserving": "tfserving", "torchserve": "torchserve", "vllm": "vllm"}
WINDOW = "2m"


def scaling_query(metric: str, *, runtime: str, gateway: str | None, namespace: str, service: str, route: str, share: int) -> str | None:
    """Return the query for a metric, summed over an endpoint's replicas; None where its source does not have it.

    ``gateway`` is the gateway that counts its requests, None when it is not exposed. ``share`` is the percentage of the route's traffic
    that this service gets, for gateways that count by route only.
    """
    labels = f'namespace="{namespace}",service="{service}"'
    if metric == "queueDepth":
        return f"sum({QUEUES[runtime]}{{{labels}}})" if runtime in QUEUES else None
    if metric == "gpu":
        return f'avg(DCGM_FI_DEV_GPU_UTIL{{namespace="{namespace}",pod=~"{service}-.*"}})'
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
    if runtime == "custom":
        return None
    family = FAMILIES.get(runtime, "kserve")
    if metric == "requestRate":
        return f"sum(rate({COUNTS[family]}{{{labels}}}[{WINDOW}]))"
    name, unit = SUMS[family]
    return f"sum(rate({name}{{{labels}}}[{WINDOW}]))" + ("" if unit == 1 else f" / {unit}")
