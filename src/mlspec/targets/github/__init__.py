"""GitHub Actions: the one workflow of a repository, the same whichever of its projects is compiled."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target, nothing

FILE = ".github/workflows/mlspec.yml"


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what a workflow cannot hold."""
    from mlspec.targets.github.settings import ci_of_environment, install_script, runner_labels, settings_of

    yield from ci_of_environment(plan.mark.child("platform"), plan.environment)
    for at, settings in settings_of(plan):
        yield from runner_labels(at, settings.runner)
        yield from install_script(at, settings.install)


def render_project(plans: tuple[Plan, ...]) -> Iterator[Rendering]:
    """Make the workflow. Nothing of the project goes into it but `platform.ci` and the branch of `platform.repository`."""
    from mlspec.targets.github.workflow import WorkflowView

    yield Rendering("github/workflow.yml.j2", WorkflowView(plans), FILE)


TARGET = Target("github", ("ci", "github"), "", nothing, check, render_project)
