"""The head of a spec: who owns it, why it exists, what it is built on, and where its output goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Model, by_type, optional
from mlspec.spec.scalars import Date, Id, Image, Label, Line, Name, RepoPath, Scalar, Text


class Owner(Model):
    """Who answers for the project; becomes labels, annotations, CODEOWNERS lines and alert labels."""

    team: Label = Field(description="The owning team; becomes the label mlspec.dev/team, so it keeps to the letters of a label.")
    email: Line = optional(description="Where the team reads mail; an annotation.")
    slack: Line = optional(description="The team's channel; an annotation.")
    oncall: Line = optional(description="Where to find who is on call; an annotation.")


class Objective(Model):
    """A business objective that the project serves; shown in the tree's README and on the dashboard."""

    kpi: Line = Field(description="What is measured.")
    target: Line = Field(description="The value that it is meant to reach.")
    baseline: Line = optional(description="The value before.")
    by: Date = optional(description="The day by which it is meant to be reached.")


class Output(Model):
    """Where the compiled tree goes."""

    root: RepoPath = optional(description="The folder of the tree, relative to the repository (deploy).")
    layout: Literal["component", "object"] = optional(
        description="One file a component (an endpoint, a pipeline, a monitor), or one file an object."
    )


class Waiver(Model):
    """A dated exception from a gate or a warning."""

    code: Line = optional(description="The code that is waived.")
    threshold: Line = optional(description="The threshold that may be looser than it was.")
    field: Line = optional(description="What guards without a threshold and may be looser, like monitoring.api.slo.availability.")
    rule: Line = optional(description="The rule of the threshold, by its name or what it measures; needed where several become looser.")
    slice: Id = optional(description="The column by which that rule is sliced, where several rules measure the same.")
    to: Scalar = optional(description="How loose it may become: a bound, a mode, removed, or what and how, like `window 1h`.")
    reason: Line = Field(description="Why it is right to pass for now.")
    owner: Line = Field(description="Who answers for it.")
    ticket: Line = optional(description="Where the repair is followed up.")
    until: Date = Field(description="The last day on which it holds.")


class Governance(Model):
    """What an auditor asks: risk class, reviewers, regulations, retention, waivers."""

    risk: Literal["minimal", "limited", "high", "unacceptable"] = optional(
        description="The risk class of the use; a use of unacceptable risk is refused."
    )
    reviewers: list[Line] = optional(min_length=1, description="The teams that review changes.")
    regulations: list[Line] = optional(
        min_length=1, description="The rules that apply: gdpr, ai-act, hipaa, sox, pci, ccpa, or a line of your own."
    )
    retention: Line = optional(description="How long records are kept, as a duration such as 7y.")
    waivers: list[Waiver] = optional(min_length=1, description="Dated exceptions, each with a reason and an owner.")


class PatchTarget(Model):
    """Which generated objects a patch changes."""

    kind: Line = Field(description="The kind of the object.")
    name: Line = optional(description="Its name; * and ? stand for any letters.")
    environment: Name = optional(description="The environment; all of them when absent.")
    api_version: Line = optional(description="The apiVersion, where a kind exists in several groups.")


class Operation(Model):
    """One JSON Patch operation (RFC 6902)."""

    op: Literal["add", "remove", "replace", "test", "move", "copy"] = Field(description="What to do.")
    path: Line = Field(description="A JSON pointer to the place.")
    from_: Line = optional(alias="from", description="A JSON pointer to the source of move and copy.")
    value: object = optional(description="The value of add, replace and test.")


class Patch(Model):
    """A last resort: a change of a generated object, with the reason for it."""

    target: PatchTarget = Field(description="Which objects are changed; matching none is an error.")
    reason: Line = Field(description="Why the language does not say it.")
    merge: dict[str, object] = optional(description="A merge patch (RFC 7386): maps merge, null removes.")
    json_: list[Operation] = optional(alias="json", min_length=1, description="JSON Patch operations (RFC 6902).")


Extends = Annotated[
    Annotated[RepoPath, Tag("@scalar")] | Annotated[Annotated[list[RepoPath], Field(min_length=1)], Tag("@list")],
    by_type("expected a path or a list of paths"),
]
Vars = dict[str, Scalar]
__all__ = ["Extends", "Governance", "Image", "Objective", "Output", "Owner", "Patch", "Text", "Vars"]
