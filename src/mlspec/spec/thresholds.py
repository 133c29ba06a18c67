"""The section `thresholds`: gates, declared once and enforced wherever they are referenced."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlspec.spec.model import Item, Model
from mlspec.spec.scalars import Bound, Duration, Id, Line, Number, Scalar, Text, whole


class Rule(Model):
    """One bound on one metric."""

    metric: Line = Field(None, description="What is measured.")
    query: Text = Field(None, description="A PromQL query in place of a metric (live only).")
    name: Line = Field(None, description="What the rule is called in tables and alerts.")
    min: Bound = Field(None, description="The smallest value that passes.")
    max: Bound = Field(None, description="The largest value that passes.")
    equals: Scalar = Field(None, description="The only value that passes.")
    no_worse_than: Literal["champion"] = Field(None, description="The version that must not be better.")
    tolerance: Bound = Field(None, description="By how much it may be better, absolute or in %.")
    max_gap: Bound = Field(None, description="The largest difference between slices that passes.")
    across: Id = Field(None, description="The column whose slices are compared.")
    column: Id = Field(None, description="The column that is measured.")
    for_each: Id = Field(None, description="The column for each of whose slices the rule holds.")
    quantile: Number = Field(None, description="Which quantile is measured, 0 to 1.")
    window: Duration = Field(None, description="Over how long it is measured.")
    for_: Duration = Field(None, alias="for", description="For how long it must be beyond the bound.")
    min_samples: Annotated[object, whole(1, 10**12)] = Field(None, description="How many samples are needed for a verdict.")
    severity: Literal["block", "warn"] = Field(None, description="Whether it stops what it guards (block).")


class Threshold(Item):
    """A set of rules that read one kind of thing."""

    on: Literal["data", "evaluation", "live", "drift"] = Field(description="What the rules read.")
    mode: Literal["enforce", "report", "off"] = Field(None, description="Whether it stops, only reports, or rests (enforce).")
    rules: list[Rule] = Field(min_length=1, description="The rules.")
