"""What a container asks for and where it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Model, by_type, optional
from mlspec.spec.scalars import Cpu, Label, Line, Memory, Name, Text, whole


class Gpu(Model):
    """Accelerators of one type."""

    type: Line = optional(description="The resource name (nvidia.com/gpu).")
    count: Annotated[object, whole(1, 1024)] = Field(description="How many.")


class Resources(Model):
    """What a container asks for; memory, storage and gpu are its limits too."""

    cpu: Cpu = optional(description="Processor time, as 500m or 2.")
    memory: Memory = optional(description="Memory, as 512Mi or 4Gi.")
    storage: Memory = optional(description="Local disk, as 10Gi.")
    gpu: Annotated[
        Annotated[object, whole(0, 1024), Tag("@scalar")] | Annotated[Gpu, Tag("@map")],
        by_type("expected a number, or a map {type, count}"),
    ] = optional(description="Accelerators: a number, or {type, count}.")


class Toleration(Model):
    """A toleration, as Kubernetes writes it."""

    key: Line = optional(description="The key of the taint.")
    operator: Literal["Exists", "Equal"] = optional(description="How key and value are compared.")
    value: Line = optional(description="The value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = optional(description="The effect that is tolerated.")
    toleration_seconds: Annotated[object, whole(0, 2**31)] = optional(description="For how long NoExecute is tolerated.")


class Place(Model):
    """Where pods run."""

    node_selector: dict[Line, Text] = optional(min_length=1, description="Labels that the node must have.")
    tolerations: list[Toleration] = optional(min_length=1, description="Taints that are tolerated.")
    queue: Name = optional(description="The Kueue queue.")
    priority: Name = optional(description="The PriorityClass.")
    spread: Literal["zone", "host"] = optional(description="What replicas are spread over.")


__all__ = ["Gpu", "Label", "Place", "Resources", "Toleration"]
