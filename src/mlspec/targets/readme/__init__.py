"""The README of a project's tree, for people who ask what runs where, who owns it, and which gate is enforced where."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target, nothing
from mlspec.targets.readme.page import PageView


def render_project(plans: tuple[Plan, ...]) -> Iterator[Rendering]:
    """Make the page."""
    first = plans[0]
    yield Rendering("readme/README.md.j2", PageView(plans), f"{first.output['root']}/{first.project}/README.md")


TARGET = Target("readme", None, "", nothing, nothing, render_project)
