"""Panels of what an endpoint answers: requests, latency, errors, objectives, and the capacity behind it."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.plan.plan import Plan
from mlspec.plan.versions import versions
from mlspec.targets.prometheus.panels import Curve, Panel, curves

_BUSY = (
    'sum by (pod) (rate(container_cpu_usage_seconds_total{{{pods},container!="",container!="POD"}}[5m])) '
    '/ sum by (pod) (kube_pod_container_resource_requests{{{pods},resource="cpu"}})'
)
_FULL = (
    'sum by (pod) (container_memory_working_set_bytes{{{pods},container!="",container!="POD"}}) '
    '/ sum by (pod) (kube_pod_container_resource_limits{{{pods},resource="memory"}})'
)


def traffic(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield the panels of requests, latency, errors and objectives."""
    yield from ()


def saturation(plan: Plan, endpoint: str) -> Iterator[Panel]:
    """Yield the panels of what the endpoint's pods use of what they asked for."""
    entry = plan.node.serving[endpoint]
    names = "|".join(workloads(plan, endpoint))
    pods = f'namespace="{plan.namespace}",pod=~"({names})-.+"'
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
    """Return the names of the Deployments behind an endpoint, as KServe 0.20 gives them; of a graph, its own."""
    entry = plan.node.serving[endpoint]
    if entry.model is None:
        return [endpoint]
    parts = ["predictor", *(["transformer"] if entry.transform else [])]
    return [f"{version.name}-{part}" for version in versions(plan, endpoint) for part in parts]
