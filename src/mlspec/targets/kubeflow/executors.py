"""Containers of steps and the pods they run in, as KFP takes them.

Sources: kubeflow/pipelines 2.14, api/v2alpha1/pipeline_spec.proto (PipelineContainerSpec) and
kubernetes_platform/proto/kubernetes_executor_config.proto; ``securityContext`` came with 2.16.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlspec.names import object_name
from mlspec.plan.labels import labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.targets.kubeflow.commands import Work
from mlspec.targets.kubeflow.names import AWAIT_RESOURCES, PROGRAMS, settings

SECURITY = {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True}
SECURITY_SINCE = (2, 16)
QUEUE = "kueue.x-k8s.io/queue-name"


def container(work: Work, asked: Node | None) -> dict[str, Any]:
    """Return the container of a task; without resources of its own it asks for what waiting takes."""
    return {"image": work.image, "command": work.command, "resources": resources(asked)}


def resources(asked: Node | None) -> dict[str, Any]:
    """Return what a container asks for: memory and accelerators are limits too, cpu has none."""
    cpu, memory = (AWAIT_RESOURCES["cpu"], AWAIT_RESOURCES["memory"]) if asked is None else (_text(asked.cpu), _text(asked.memory))
    made: dict[str, Any] = {"resourceCpuRequest": cpu, "resourceMemoryRequest": memory, "resourceMemoryLimit": memory}
    if asked is not None and asked.gpu and asked.gpu.count:
        made["accelerator"] = {"resourceType": asked.gpu.type, "resourceCount": str(asked.gpu.count)}
    return made


def pod(
    plan: Plan, pipeline: str, name: str, *, config: str | None, deadline: int | None, secrets: Node | None, place: Node | None
) -> dict[str, Any]:
    """Return what is special about the pod of a task: labels, programs, secrets, placement, deadline, security."""
    marks = {**labels(plan, pipeline), "mlspec.dev/step": object_name(name)}
    made: dict[str, Any] = {}
    if place and place.queue is not None:
        marks[QUEUE] = place.queue
    made["podMetadata"] = {"labels": marks}
    if config is not None:
        made["configMapAsVolume"] = [{"configMapName": config, "mountPath": PROGRAMS, "optional": False}]
    if secrets:
        made["secretAsEnv"] = _secrets(secrets)
    if place and place.nodeSelector:
        made["nodeSelector"] = {"labels": place.nodeSelector.plain()}
    if place and place.tolerations:
        made["tolerations"] = [toleration.plain() for toleration in place.tolerations]
    if deadline is not None:
        made["activeDeadlineSeconds"] = deadline
    if version_of_engine(plan) >= SECURITY_SINCE:
        made["securityContext"] = dict(SECURITY)
    return made


def _secrets(secrets: Node) -> list[dict[str, Any]]:
    by_name: dict[str, list[dict[str, str]]] = {}
    for variable, value in sorted(secrets.items()):
        secret, key = value.split("/", 1)
        by_name.setdefault(secret, []).append({"secretKey": key, "envVar": variable})
    return [{"secretName": secret, "keyToEnv": keys} for secret, keys in sorted(by_name.items())]


def version_of_engine(plan: Plan) -> tuple[int, ...]:
    """Return the version of KFP that manifests are written for, as numbers."""
    return version_numbers(settings(plan).version)


def version_numbers(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; empty when it does not begin with two numbers."""
    parts = text.lstrip("v").split(".")[:2]
    return tuple(int(part) for part in parts) if len(parts) == 2 and all(part.isdecimal() and part.isascii() for part in parts) else ()


def _text(value: str | int | Decimal) -> str:
    return format(value, "f") if isinstance(value, Decimal) else (value if isinstance(value, str) else str(value))
