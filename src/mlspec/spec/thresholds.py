"""The section `thresholds`: gates, declared once and enforced wherever they are referenced."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.model import Item, Model, optional
from mlspec.spec.scalars import Bound, Duration, Id, Line, Number, Scalar, Text, whole


class Rule(Model):
    """One bound on one metric."""

    metric: Line = optional(description="What is measured.")
    query: Text = optional(description="A PromQL query in place of a metric (live only).")
    name: Line = optional(description="What the rule is called in tables and alerts.")
    min: Bound = optional(description="The smallest value that passes.")
    max: Bound = optional(description="The largest value that passes.")
    equals: Scalar = optional(description="The only value that passes.")
    no_worse_than: Literal["champion"] = optional(description="The version that must not be better.")
    tolerance: Bound = optional(description="By how much it may be better, absolute or in %.")
    max_gap: Bound = optional(description="The largest difference between slices that passes.")
    across: Id = optional(description="The column whose slices are compared.")
    column: Id = optional(description="The column that is measured.")
    for_each: Id = optional(description="The column for each of whose slices the rule holds.")
    quantile: Number = optional(description="Which quantile is measured, 0 to 1.")
    window: Duration = optional(description="Over how long it is measured.")
    for_: Duration = optional(alias="for", description="For how long it must be beyond the bound.")
    min_samples: Annotated[object, whole(1, 10**12)] = optional(description="How many samples are needed for a verdict.")
    severity: Literal["block", "warn"] = optional(description="Whether it stops what it guards (block).")


class Threshold(Item):
    """A set of rules that read one kind of thing."""

    on: Literal["data", "evaluation", "live", "drift"] = Field(description="What the rules read.")
    mode: Literal["enforce", "report", "off"] = optional(description="Whether it stops, only reports, or rests (enforce).")
    rules: list[Rule] = Field(min_length=1, description="The rules.")
