"""Parts of containers: arguments, variables, resources, placement."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from mlspec.plan.node import Node

_EXPANDED = re.compile(r"\$\$+|\$(?=\()")


def literal(text: str) -> str:
    """Return a text that the kubelet hands over as it was written: what it would expand is doubled."""
    return _EXPANDED.sub(lambda found: found[0] * 2, text)


def arguments(written: list[str] | None) -> list[str]:
    """Return arguments as Kubernetes takes them."""
    return [literal(argument) for argument in written or []]


def variables(written: Node | None) -> list[dict[str, Any]]:
    """Return environment variables, sorted by name; those from secrets name secret and key."""
    made: list[dict[str, Any]] = []
    for name, value in sorted(written.items() if written else (), key=lambda entry: entry[0]):
        if isinstance(value, Node):
            secret, key = value.secret.split("/", 1)
            made.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        else:
            made.append({"name": name, "value": literal(value)})
    return made


def quantity(value: str | int | Decimal | None) -> str | None:
    """Return a quantity as text."""
    if value is None:
        return None
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def resources(asked: Node) -> dict[str, Any]:
    """Return requests and limits: memory, storage and accelerators are limits too, cpu has none."""
    requests = {"cpu": quantity(asked.cpu), "memory": quantity(asked.memory)}
    limits = {"memory": quantity(asked.memory)}
    if asked.storage is not None:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = quantity(asked.storage)
    if "gpu" in asked and asked.gpu.count:
        requests[asked.gpu.type] = limits[asked.gpu.type] = str(asked.gpu.count)
    return {"requests": requests, "limits": limits}


def spread(over: str | None, name: str) -> list[dict[str, Any]]:
    """Return the constraints that keep the pods of an InferenceService apart."""
    if over is None:
        return []
    key = "topology.kubernetes.io/zone" if over == "zone" else "kubernetes.io/hostname"
    selector = {"matchLabels": {"serving.kserve.io/inferenceservice": name}}
    return [{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}]
