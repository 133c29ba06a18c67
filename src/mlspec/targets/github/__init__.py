"""GitHub Actions: the workflows of a repository, the same whichever of its projects is compiled."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target, nothing

FILE = ".github/workflows/mlspec.yml"
"""The checks of a pull request. No other event starts it: a job that is skipped passes for a check that passed."""
COMMIT = ".github/workflows/mlspec-commit.yml"
PROMOTION = ".github/workflows/mlspec-promotion.yml"
APPROVALS = ".github/workflows/mlspec-approvals.yml"
"""A file of its own: a review starts it, and must start nothing else."""
ROLLOUTS = ".github/workflows/mlspec-rollout.yml"
"""A file of its own: it starts every few minutes, and who rolls nothing out can switch it off by itself."""


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what a workflow cannot hold."""
    from mlspec.targets.github.settings import ci_of_environment, install_script, runner_labels, settings_of

    yield from ci_of_environment(plan.mark.child("platform"), plan.environment)
    for at, settings in settings_of(plan):
        yield from runner_labels(at, settings.runner)
        yield from install_script(at, settings.install)


def render_project(plans: tuple[Plan, ...]) -> Iterator[Rendering]:
    """Make the workflows. Nothing of the project goes into them but `platform.ci` and the branch of `platform.repository`."""
    from mlspec.targets.github.workflow import WorkflowView

    view = WorkflowView(plans)
    yield Rendering("github/workflow.yml.j2", view, FILE)
    yield Rendering("github/commit.yml.j2", view, COMMIT)
    yield Rendering("github/promotion.yml.j2", view, PROMOTION)
    yield Rendering("github/approvals.yml.j2", view, APPROVALS)
    yield Rendering("github/rollouts.yml.j2", view, ROLLOUTS)


TARGET = Target("github", ("ci", "github"), "", nothing, check, render_project)
