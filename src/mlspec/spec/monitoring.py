"""The section `monitoring`: objectives, alerts, drift, outliers and bias of endpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Item, Model, by_type, optional
from mlspec.spec.scalars import Bool, Bound, Duration, Id, Image, Line, Ratio, SecretKeyOrName, Uri


class SloLatency(Model):
    """A latency objective."""

    max: Duration = Field(description="How long an answer may take.")
    quantile: Bound = optional(description="For which share of the answers (0.95).")


class Slo(Model):
    """Service level objectives."""

    availability: Ratio = optional(description="The share of requests that are answered, 90% to 99.999%.")
    latency: SloLatency = optional(description="How fast they are answered.")
    window: Duration = optional(description="Over how long the error budget is counted (30d).")


class Drift(Model):
    """A scheduled comparison of live requests with a dataset."""

    against: Id = Field(description="The dataset that live requests are compared with.")
    current: Uri = optional(description="Where the logged requests lie (the logging sink, when that is an object store).")
    every: Duration = Field(description="How often they are compared.")
    image: Image = optional(description="The image of the comparison (that of the pipeline that trained the model).")


class Outliers(Model):
    """A scheduled search for outliers."""

    method: Literal["isolationForest"] = Field(description="How outliers are found.")
    share: Ratio = Field(description="The share of outliers that passes.")


class Bias(Model):
    """A scheduled comparison of slices of live requests."""

    across: Id = Field(description="The column whose slices are compared.")
    metric: Id = Field(description="What is compared.")
    max_gap: Bound = Field(description="The largest difference that passes.")


class WebhookSecret(Model):
    """A URL that is kept in a secret."""

    secret: SecretKeyOrName = Field(description="The secret, as secret/key.")


class Notify(Model):
    """Who hears of alerts."""

    slack: Line = optional(description="A Slack channel.")
    email: Line = optional(description="An address.")
    webhook: Annotated[Annotated[WebhookSecret, Tag("@map")], by_type("expected a map {secret: name/key}")] = optional(
        description="A webhook."
    )


class Monitor(Item):
    """What is watched of one endpoint."""

    slo: Slo = optional(description="Service level objectives.")
    alerts: list[Id] = optional(min_length=1, description="Live and drift thresholds that alert.")
    drift: Drift = optional(description="A scheduled comparison with a dataset.")
    outliers: Outliers = optional(description="A scheduled search for outliers.")
    bias: Bias = optional(description="A scheduled comparison of slices.")
    dashboard: Bool = optional(description="Whether there is a dashboard (false).")
    notify: Notify = optional(description="Who hears of alerts.")
