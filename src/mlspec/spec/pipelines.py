"""The section `pipelines`: schedules, triggers and the kinds of steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from mlspec.spec.model import Item, Model, by_type, optional
from mlspec.spec.resources import Place, Resources
from mlspec.spec.scalars import (
    Argument,
    Bool,
    Cron,
    Duration,
    EnvName,
    Id,
    Image,
    InputReference,
    Line,
    Name,
    Number,
    RepoPath,
    Scalar,
    SecretKey,
    StepReference,
    Text,
    Uri,
    whole,
)

OutputKind = Literal["model", "metrics", "slices", "table", "parquet", "directory", "file", "value"]
STEP_KINDS = ("use", "tune", "distributed", "score", "notebook", "check", "gate", "register", "run")
"""A step's kind is the first of these keys that it has."""


class Schedule(Model):
    """When a pipeline runs."""

    cron: Cron = Field(description="Five fields, as Kubernetes reads them.")
    timezone: Line = optional(description="An IANA time zone (Etc/UTC).")
    suspend: Bool = optional(description="Whether the schedule rests (false).")


class Trigger(Model):
    """Exactly one event that starts a pipeline."""

    dataset: Id = optional(description="The version of this dataset changes in git.")
    breach: Id = optional(description="This drift or live threshold fires.")
    pipeline: Name = optional(description="This pipeline succeeded.")


class Step(Item):
    """What all kinds of steps share."""

    after: list[Name] = optional(min_length=1, description="Steps that come before, beside those whose outputs it reads.")
    retries: Annotated[object, whole(0, 10)] = optional(description="How often a failed step is tried again.")
    timeout: Duration = optional(description="How long it may take.")
    cache: Bool = optional(description="Whether an earlier result may be used again.")
    resources: Resources = optional(description="What it asks for (cpu 500m, memory 1Gi).")
    place: Place = optional(description="Where it runs.")
    image: Image = optional(description="Its image, when not the pipeline's.")
    env: dict[EnvName, Text] = optional(min_length=1, description="Environment variables.")
    secrets: dict[EnvName, SecretKey] = optional(min_length=1, description="Environment variables from secrets, as secret/key.")


Command = Annotated[
    Annotated[Annotated[list[Argument], Field(min_length=1)], Tag("@list")] | Annotated[Text, Tag("@scalar")],
    by_type("expected a list of arguments, or a script"),
]
Inputs = dict[Id, InputReference]
Outputs = dict[Id, OutputKind]


class RunStep(Step):
    """A container command."""

    run: Command = Field(description="The command: a list of arguments, or a script.")
    inputs: Inputs = optional(min_length=1, description="What it reads.")
    outputs: Outputs = optional(min_length=1, description="What it writes, and of which kind.")


class Distributed(Model):
    """A job of several nodes."""

    framework: Literal["pytorch", "jax", "mpi", "xgboost"] = Field(description="What connects the nodes.")
    nodes: Annotated[object, whole(1, 10000)] = Field(description="How many nodes.")
    processes_per_node: Annotated[object, whole(1, 1024)] = optional(description="How many processes on each.")


class DistributedStep(RunStep):
    """A container command on several nodes."""

    distributed: Distributed = Field(description="The job.")


class TuneObjective(Model):
    """What tuning optimises."""

    metric: Id = Field(description="The metric that the trial prints as metric=value.")
    goal: Literal["maximize", "minimize"] = Field(description="Whether more or less of it is better.")
    target: Number = optional(description="The value at which tuning may stop.")


class Trials(Model):
    """How many trials tuning makes."""

    max: Annotated[object, whole(1, 100000)] = Field(description="How many in all.")
    parallel: Annotated[object, whole(1, 1000)] = optional(description="How many at once (1).")
    failed: Annotated[object, whole(0, 100000)] = optional(description="How many may fail (0).")


Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Search(Model):
    """The range of one parameter: exactly one of int, double, categorical."""

    int_: Pair = optional(alias="int", description="Whole numbers between two, both included.")
    double: Pair = optional(description="Numbers between two.")
    categorical: list[Scalar] = optional(min_length=1, description="One of these values.")
    scale: Literal["log", "linear"] = optional(description="How a range is walked (linear).")


class Tune(Model):
    """A search for the best parameters."""

    objective: TuneObjective = Field(description="What is optimised.")
    algorithm: Literal["random", "grid", "tpe", "bayesian", "cmaes", "hyperband"] = optional(
        description="How the next trial is chosen (random)."
    )
    trials: Trials = Field(description="How many trials.")
    search: dict[Id, Search] = Field(min_length=1, description="The parameters and their ranges.")


class TuneStep(RunStep):
    """A search for the best parameters of a container command."""

    tune: Tune = Field(description="The search.")


class CheckStep(Step):
    """A data threshold over a dataset."""

    check: Id = Field(description="The data threshold.")
    data: Id = Field(description="The dataset.")


class GateStep(Step):
    """An evaluation threshold over metrics."""

    gate: Id = Field(description="The evaluation threshold.")
    metrics: StepReference = Field(description="The metrics, as steps.STEP.OUTPUT.")
    slices: StepReference = optional(description="The metrics by slice.")
    champion: StepReference = optional(description="The champion's metrics.")


class RegisterStep(Step):
    """A model version into the registry."""

    register_: Annotated[Name, Field(alias="register", description="The model.")]
    model: StepReference = Field(description="The artifact, as steps.STEP.OUTPUT.")
    metrics: StepReference = optional(description="Its metrics.")


class ScoreStep(RunStep):
    """Batch inference with a model."""

    score: Name = Field(description="The model.")
    data: Id = Field(description="The dataset.")
    output: Uri = Field(description="Where the scores go.")


class NotebookStep(Step):
    """A parameterised notebook."""

    notebook: RepoPath = Field(description="The path of the notebook in its image.")
    parameters: dict[Id, Scalar] = optional(min_length=1, description="Its parameters.")
    inputs: Inputs = optional(min_length=1, description="What it reads.")
    outputs: Outputs = optional(min_length=1, description="What it writes.")


class UseStep(Step):
    """A step of a base file, with changes."""

    use: Name = Field(description="The step of the base file.")
    run: Command = optional(description="Another command.")
    inputs: Inputs = optional(min_length=1, description="Other inputs.")
    outputs: Outputs = optional(min_length=1, description="Other outputs.")
    parameters: dict[Id, Scalar] = optional(min_length=1, description="Other parameters.")


def _kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return next((f"@{kind}" for kind in STEP_KINDS if kind in value), None)


AnyStep = Annotated[
    Annotated[UseStep, Tag("@use")]
    | Annotated[TuneStep, Tag("@tune")]
    | Annotated[DistributedStep, Tag("@distributed")]
    | Annotated[ScoreStep, Tag("@score")]
    | Annotated[NotebookStep, Tag("@notebook")]
    | Annotated[CheckStep, Tag("@check")]
    | Annotated[GateStep, Tag("@gate")]
    | Annotated[RegisterStep, Tag("@register")]
    | Annotated[RunStep, Tag("@run")],
    Discriminator(
        _kind,
        custom_error_type="step-kind",
        custom_error_message="expected a step: a map with one of run, check, gate, tune, register, score, notebook, use",
    ),
]


class Pipeline(Item):
    """An orchestrated run of steps."""

    schedule: Annotated[
        Annotated[Cron, Tag("@scalar")] | Annotated[Schedule, Tag("@map")], by_type("expected a cron line, or a map {cron, timezone}")
    ] = optional(description="When it runs.")
    on: list[Trigger] = optional(min_length=1, description="What starts it besides the schedule.")
    image: Image = optional(description="The image of its steps.")
    parameters: dict[Id, Scalar] = optional(min_length=1, description="Its parameters and their values.")
    retries: Annotated[object, whole(0, 10)] = optional(description="How often a failed step is tried again (0).")
    timeout: Duration = optional(description="How long a run may take.")
    cache: Bool = optional(description="Whether earlier results may be used again (true).")
    service_account: Name = optional(description="The ServiceAccount of its steps (PROJECT-PIPELINE).")
    steps: dict[Name, AnyStep] = Field(min_length=1, description="Its steps by name.")
