"""The section `serving`: endpoints, their rollout, traffic and access."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from mlspec.spec.model import Item, Model, by_type, optional
from mlspec.spec.resources import Place, Resources
from mlspec.spec.scalars import (
    Argument,
    Bool,
    Bound,
    Duration,
    EnvName,
    Host,
    HttpPath,
    Id,
    Image,
    Line,
    Name,
    Ratio,
    SecretKey,
    Text,
    Uri,
    whole,
)

Percent = Annotated[object, whole(0, 100)]


class SecretVariable(Model):
    """The value of an environment variable from a secret."""

    secret: SecretKey = Field(description="The secret and its key, as secret/key.")


Variable = Annotated[
    Annotated[Text, Tag("@scalar")] | Annotated[SecretVariable, Tag("@map")], by_type("expected text, or a map {secret: name/key}")
]


class ReplicaRange(Model):
    """Between how many replicas an endpoint scales."""

    min: Annotated[object, whole(0, 1000)] = Field(description="The smallest number.")
    max: Annotated[object, whole(0, 1000)] = Field(description="The largest number.")


class Autoscale(Model):
    """What an endpoint scales on."""

    metric: Literal["cpu", "memory", "concurrency", "requestRate", "queueDepth", "gpu"] = Field(description="What is measured.")
    target: Bound = Field(description="The value that scaling aims at: a ratio for cpu, memory and gpu, a number otherwise.")
    cooldown: Duration = optional(description="How long it waits before it scales down.")


class Rollout(Model):
    """How a new version replaces the old one."""

    strategy: Literal["rolling", "recreate", "canary", "blueGreen"] = Field(description="The way.")
    steps: list[Annotated[object, whole(1, 100)]] = optional(min_length=1, description="Percentages of traffic of a canary.")
    pause: Duration = optional(description="How long each step is watched.")
    gate: Id = optional(description="The live threshold that each step must pass.")


class Shadow(Model):
    """A model that sees a copy of the traffic and whose answers nobody gets."""

    model: Name = Field(description="The model.")
    percent: Annotated[object, whole(1, 100)] = optional(description="The share of requests it sees (100).")


class Expose(Model):
    """Where an endpoint is reached from outside the cluster."""

    host: Host = Field(description="The host name.")
    path: HttpPath = optional(description="The path before which nothing is answered (/).")
    tls: Bool = optional(description="Whether the gateway's https listener is used.")


class Logging(Model):
    """Where requests and answers are logged."""

    mode: Literal["all", "request", "response"] = Field(description="What is logged.")
    sink: Uri = Field(description="Where it goes.")
    sample: Ratio = optional(description="Which share of the traffic is logged.")


class Access(Model):
    """Who may call an endpoint."""

    from_: Annotated[list[Name], Field(alias="from", min_length=1, description="Namespaces that may call it.")]


class Batch(Model):
    """Requests answered together."""

    size: Annotated[object, whole(1, 100000)] = Field(description="How many at most.")
    delay: Duration = optional(description="How long the first may wait.")


class Transformer(Model):
    """A container before the model."""

    image: Image = Field(description="Its image.")
    args: list[Argument] = optional(description="Its arguments.")
    env: dict[EnvName, Variable] = optional(min_length=1, description="Its environment variables.")
    resources: Resources = optional(description="What it asks for.")


class Explainer(Model):
    """What explains answers: a container, or a method that the platform brings."""

    image: Image = optional(description="Its image.")
    args: list[Argument] = optional(description="Its arguments.")
    env: dict[EnvName, Variable] = optional(min_length=1, description="Its environment variables.")
    resources: Resources = optional(description="What it asks for.")
    method: Literal["art"] = optional(description="A method that the platform brings.")


class Condition(Model):
    """When a member of a graph is called."""

    when: Line = Field(description="FIELD OP LITERAL over the request, as count > 0.")


def _member(value: Any) -> str:
    if not isinstance(value, dict):
        return "@scalar"
    return "@graph" if any(key in GRAPH_KINDS for key in value) else "@map"


GRAPH_KINDS = ("sequence", "ensemble", "switch", "split")
Member = Annotated[
    Annotated[Name, Tag("@scalar")]
    | Annotated[Annotated[dict[Name, Condition], Field(min_length=1, max_length=1)], Tag("@map")]
    | Annotated["Graph", Tag("@graph")],
    Discriminator(_member, custom_error_type="form", custom_error_message="expected a serving name, {name: {when: ..}} or a nested graph"),
]


class Graph(Model):
    """How endpoints are combined: exactly one of sequence, ensemble, switch, split."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _say_something(cls, value: Any) -> Any:
        if value == {}:
            raise PydanticCustomError("too_short", "an empty graph")
        return value

    sequence: list[Member] = optional(min_length=1, description="One after the other, each with the answer of the one before.")
    ensemble: list[Member] = optional(min_length=1, description="All at once, their answers together.")
    switch: list[Member] = optional(min_length=1, description="The first whose condition holds.")
    split: dict[Name, Percent] = optional(min_length=1, description="Shares of the requests, 100 together.")


class Endpoint(Item):
    """One endpoint: a model or a graph behind a name."""

    model: Name = optional(description="The model that answers.")
    graph: Graph = optional(description="Or how other endpoints are combined.")
    runtime: Literal[
        "auto", "sklearn", "xgboost", "lightgbm", "mlserver", "tfserving", "torchserve", "triton", "vllm", "huggingface", "custom"
    ] = optional(description="The server that runs the model (auto: by its framework).")
    image: Image = optional(description="The image of a custom server.")
    args: list[Argument] = optional(min_length=1, description="Arguments of the server.")
    env: dict[EnvName, Variable] = optional(min_length=1, description="Environment variables of the server.")
    batch: Batch = optional(description="Requests answered together.")
    replicas: Annotated[
        Annotated[object, whole(0, 1000), Tag("@scalar")] | Annotated[ReplicaRange, Tag("@map")],
        by_type("expected a number, or a map {min, max}"),
    ] = optional(description="How many replicas: a number, or {min, max} (1).")
    autoscale: Autoscale = optional(description="What it scales on (cpu at 80 % where min < max).")
    resources: Resources = optional(description="What it asks for (cpu 500m, memory 1Gi).")
    place: Place = optional(description="Where it runs.")
    rollout: Rollout = optional(description="How a new version replaces the old one (rolling).")
    split: dict[Name, Annotated[object, whole(1, 99)]] = optional(min_length=1, description="Other models and their shares of the traffic.")
    shadow: Annotated[
        Annotated[Name, Tag("@scalar")] | Annotated[Shadow, Tag("@map")], by_type("expected a model, or a map {model, percent}")
    ] = optional(description="A model that sees a copy of the traffic.")
    expose: Expose = optional(description="Where it is reached from outside (nowhere).")
    logging: Logging = optional(description="Where requests and answers are logged.")
    access: Access = optional(description="Who may call it.")
    transform: Transformer = optional(description="A container before the model.")
    explain: Explainer = optional(description="What explains answers.")


__all__ = ["GRAPH_KINDS", "Bound", "Endpoint", "Graph", "Id", "Label", "Line"]
Label = Line
