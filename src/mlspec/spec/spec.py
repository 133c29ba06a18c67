"""The whole language: one model of mlspec.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.assets import Dataset, Feature, TrainedModel
from mlspec.spec.model import Model, optional
from mlspec.spec.monitoring import Monitor
from mlspec.spec.pipelines import Pipeline
from mlspec.spec.platform import Platform
from mlspec.spec.project import Extends, Governance, Objective, Output, Owner, Patch
from mlspec.spec.scalars import Change, Id, Line, Name, RepoPath, Scalar, Text, whole
from mlspec.spec.serving import Endpoint
from mlspec.spec.thresholds import Threshold

API_VERSION = "mlspec.dev/v1"

Datasets = dict[Id, Dataset]
Features = dict[Id, Feature]
Models = dict[Name, TrainedModel]
Pipelines = dict[Name, Pipeline]
Thresholds = dict[Id, Threshold]
Endpoints = dict[Name, Endpoint]
Monitors = dict[Name, Monitor]


class Overrides(Model):
    """What differs in one environment: the shape of the file; maps merge, scalars and lists replace, null removes."""

    description: object = optional(description="Replaces the description.")
    objectives: object = optional(description="Replaces the objectives.")
    datasets: Change = optional(description="Merges into the datasets.")
    features: Change = optional(description="Merges into the feature views.")
    models: Change = optional(description="Merges into the models.")
    pipelines: Change = optional(description="Merges into the pipelines.")
    thresholds: Change = optional(description="Merges into the thresholds.")
    serving: Change = optional(description="Merges into the endpoints.")
    monitoring: Change = optional(description="Merges into the monitoring.")
    governance: Change = optional(description="Merges into the governance.")
    patches: object = optional(description="Replaces the patches.")


class Environment(Model):
    """A place that the project is deployed to."""

    namespace: Name = Field(description="Its namespace.")
    cluster: Line = optional(description="Its cluster: a URL, or a name that the GitOps system knows (the cluster of the GitOps system).")
    after: Name = optional(description="The environment that versions are promoted from.")
    approvals: Annotated[object, whole(0, 10)] = optional(description="How many people approve a change of it (0).")
    vars: dict[Id, Scalar] = optional(min_length=1, description="Other values of vars.")
    platform: Platform = optional(description="What differs of the platform, key by key.")
    overrides: Overrides = optional(description="What differs of everything else.")


class Spec(Model):
    """A machine-learning project: models, data, pipelines, gates, serving, monitoring and where they are deployed."""

    api_version: Literal["mlspec.dev/v1"] = Field(description="The version of the language.")
    name: Name = Field(description="The name of the project.")
    description: Text = optional(description="What the project is for.")
    owner: Owner = Field(description="Who answers for it.")
    requires: Line = optional(description="The versions of mlspec that may compile it, as >=0.1,<1.")
    extends: Extends = optional(description="Base files that this one is laid over, first to last.")
    objectives: list[Objective] = optional(min_length=1, description="The business objectives it serves.")
    platform: Platform = optional(description="Which systems the manifests are written for.")
    vars: dict[Id, Scalar] = optional(min_length=1, description="Values that ${vars.NAME} stands for.")
    environments: dict[Name, Environment] = optional(min_length=1, description="Where it is deployed (one environment named default).")
    datasets: Datasets = optional(min_length=1, description="Versioned datasets by name.")
    features: Features = optional(min_length=1, description="Feature views by name.")
    models: Models = optional(min_length=1, description="Model versions by name.")
    pipelines: Pipelines = optional(min_length=1, description="Pipelines by name.")
    thresholds: Thresholds = optional(min_length=1, description="Gates by name.")
    serving: Endpoints = optional(min_length=1, description="Endpoints by name.")
    monitoring: Monitors = optional(min_length=1, description="What is watched, by endpoint.")
    governance: Governance = optional(description="What an auditor asks.")
    patches: list[Patch] = optional(min_length=1, description="Last resort: changes of generated objects.")
    output: Output = optional(description="Where the compiled tree goes.")
    templates: RepoPath = optional(description="A folder of templates, beside the spec, that replace single ones.")
