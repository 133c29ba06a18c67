"""What a container asks for and where it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Model, by_type
from mlspec.spec.scalars import Cpu, Label, Line, Memory, Name, Text, whole


class Gpu(Model):
    """Accelerators of one type."""

    type: Line = Field(None, description="The resource name (nvidia.com/gpu).")
    count: Annotated[object, whole(1, 1024)] = Field(description="How many.")


class Resources(Model):
    """What a container asks for; memory, storage and gpu are its limits too."""

    cpu: Cpu = Field(None, description="Processor time, as 500m or 2.")
    memory: Memory = Field(None, description="Memory, as 512Mi or 4Gi.")
    storage: Memory = Field(None, description="Local disk, as 10Gi.")
    gpu: Annotated[
        Annotated[object, whole(0, 1024), Tag("@scalar")] | Annotated[Gpu, Tag("@map")], by_type("expected a number, or a map {type, count}")
    ] = Field(None, description="Accelerators: a number, or {type, count}.")


class Toleration(Model):
    """A toleration, as Kubernetes writes it."""

    key: Line = Field(None, description="The key of the taint.")
    operator: Literal["Exists", "Equal"] = Field(None, description="How key and value are compared.")
    value: Line = Field(None, description="The value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(None, description="The effect that is tolerated.")
    toleration_seconds: Annotated[object, whole(0, 2**31)] = Field(None, description="For how long NoExecute is tolerated.")


class Place(Model):
    """Where pods run."""

    node_selector: dict[Line, Text] = Field(None, min_length=1, description="Labels that the node must have.")
    tolerations: list[Toleration] = Field(None, min_length=1, description="Taints that are tolerated.")
    queue: Name = Field(None, description="The Kueue queue.")
    priority: Name = Field(None, description="The PriorityClass.")
    spread: Literal["zone", "host"] = Field(None, description="What replicas are spread over.")


__all__ = ["Gpu", "Label", "Place", "Resources", "Toleration"]
