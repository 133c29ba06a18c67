"""What an environment asks of its cluster: CPU, memory and accelerators, at the least and at the most number of replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.changes.objects import Objects
from mlspec.quantity import amount, plain

_UNITS = (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))


class Total(NamedTuple):
    """What is asked for of one resource, in cores, bytes or devices."""

    least: Decimal = Decimal(0)
    """By what always runs, at the least number of replicas."""
    most: Decimal = Decimal(0)
    """By the same at the largest number of replicas."""
    now_and_then: Decimal = Decimal(0)
    """By jobs and the steps of pipelines, while they all run."""


def totals_of(objects: Objects, environment: str) -> dict[str, Total]:
    """Return by resource (``cpu``, ``memory``, ``nvidia.com/gpu``) what the objects of an environment ask for."""
    here = [item for key, item in objects.items() if key.environment == environment]
    scalers = dict(_scalers(here))
    found: dict[str, list[Decimal]] = {}
    for item in here:
        for least, most, jobs, asked in _pods(item, scalers):
            for resource, quantity in asked.items():
                sums = found.setdefault(resource, [Decimal(0)] * 3)
                for at, factor in enumerate((least, most, jobs)):
                    sums[at] += quantity * factor
    return {resource: Total(*sums) for resource, sums in sorted(found.items())}


def shown(resource: str, quantity: Decimal) -> str:
    """Return a sum as people read it: ``2.5``, ``3Gi``."""
    if resource == "cpu" or "/" in resource:
        return plain(quantity)
    for unit, size in _UNITS:
        if quantity >= size:
            return plain((quantity / size).quantize(Decimal("0.01"))) + unit
    return plain(quantity)


def _scalers(items: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], tuple[int, int]]]:
    """Yield what autoscalers say of workloads: the least and the largest number of replicas."""
    for item in items:
        spec = item.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        if item["kind"] == "HorizontalPodAutoscaler":
            least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 1)
        elif item["kind"] == "ScaledObject":
            least, most = spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        else:
            continue
        yield (str(target.get("kind", "Deployment")), str(target.get("name"))), (int(least), int(most))


def _pods(item: dict[str, Any], scalers: Mapping[tuple[str, str], tuple[int, int]]) -> Iterator[tuple[int, int, int, dict[str, Decimal]]]:
    """Yield groups of pods: how many at least, how many at most, how many of a job, and what each of them asks for."""
    kind, spec = item["kind"], item.get("spec") or {}
    if kind in ("Deployment", "StatefulSet", "ReplicaSet", "Rollout"):
        number = int(spec.get("replicas", 1))
        least, most = scalers.get((kind, item["metadata"]["name"]), (number, number))
        yield least, most, 0, _pod((spec.get("template") or {}).get("spec") or {})
    elif kind == "DaemonSet":
        yield 1, 1, 0, _pod((spec.get("template") or {}).get("spec") or {})
    elif kind == "InferenceService":
        for name in ("predictor", "transformer", "explainer"):
            part = spec.get(name)
            if part:
                least = int(part.get("minReplicas", 1))
                most = max(least, int(part.get("maxReplicas") or least))
                yield least, most, 0, _pod({"containers": _containers(part)})
    elif kind == "Job":
        yield 0, 0, int(spec.get("parallelism", 1)), _pod((spec.get("template") or {}).get("spec") or {})
    elif kind == "CronJob":
        template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
        yield 0, 0, 1, _pod(template.get("spec") or {})
    elif kind == "PipelineVersion":
        for container in _steps(spec):
            yield 0, 0, 1, _asked({"resources": container})
    elif kind == "TrainJob":
        trainer = spec.get("trainer") or {}
        yield 0, 0, int(trainer.get("numNodes", 1)), _asked({"resources": trainer.get("resourcesPerNode") or {}})


def _steps(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the steps of a pipeline ask for, as the resources of a container (Kubeflow Pipelines 2.14, pipeline_spec.proto)."""
    deployment = (spec.get("pipelineSpec") or {}).get("deploymentSpec") or {}
    for executor in (deployment.get("executors") or {}).values():
        asked = (executor.get("container") or {}).get("resources") or {}
        device = asked.get("accelerator") or {}
        limits = {str(device.get("resourceType")): str(device.get("resourceCount"))} if device else {}
        wanted = {"cpu": asked.get("resourceCpuRequest"), "memory": asked.get("resourceMemoryRequest")}
        yield {"limits": limits, "requests": {name: value for name, value in wanted.items() if value is not None}}


def _containers(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    model = part.get("model")
    return [*([model] if isinstance(model, dict) else []), *(part.get("containers") or ())]


def _pod(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what a pod asks for: its containers together, or the largest of those that run before them."""
    together: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for resource, quantity in _asked(container).items():
            together[resource] = together.get(resource, Decimal(0)) + quantity
    for container in spec.get("initContainers") or ():
        for resource, quantity in _asked(container).items():
            together[resource] = max(together.get(resource, Decimal(0)), quantity)
    return together


def _asked(container: Mapping[str, Any]) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    found: dict[str, Decimal] = {}
    for resource, quantity in asked.items():
        counts = resource == "memory" or "/" in resource or (resource == "cpu" and "cpu" in (resources.get("requests") or {}))
        try:
            if counts:
                found[resource] = amount(quantity)
        except ValueError:
            continue
    return found
