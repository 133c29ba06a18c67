"""The settings `runner` and `install`: what a workflow can hold of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.diagnostics import Found, code
from mlspec.location import Mark, Path
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def settings_of(plan: Plan) -> Iterator[tuple[Path, Node]]:
    """Yield the settings of GitHub Actions in a plan, with the place of each."""
    for at, system in enumerate(plan.node.platform.ci):
        if system.word == "github":
            yield ("platform", "ci", at, "github"), system.github


def labels(runner: str) -> list[str]:
    """Return the labels that a runner must have: one, or several with commas between them."""
    return [label.strip() for label in runner.split(",")]


@code("MLS-E851", "ci-runner")
def runner_labels(at: Path, runner: str | None) -> Iterator[Found]:
    """A runner is named by its labels: letters, digits, '.', '_' and '-', with commas between several.

    An expression has no place there: which machine holds the token that pushes is decided in the spec, not when a job starts.

    Bad::

        platform: {ci: [{github: {runner: "ubuntu latest"}}]}

    Good::

        platform: {ci: [{github: {runner: "self-hosted, linux, x64"}}]}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for label in labels(runner) if runner is not None else ():
        if not _LABEL.fullmatch(label):
            yield Found((*at, "runner"), f'"{label}" is not the label of a runner', "write a label such as ubuntu-24.04")


@code("MLS-E852", "ci-install")
def install_script(at: Path, install: str | None) -> Iterator[Found]:
    """`install` is lines of shell that put mlspec on the runner, without control characters.

    Several commands stand on lines of their own (`install: |`). A private index is named in the settings of the runner, or in a file
    of the repository.

    Bad::

        platform: {ci: [{github: {install: "pip install\\tmlspec"}}]}

    Good::

        platform: {ci: [{github: {install: "python -m pip install --require-hashes --requirement ci/requirements.txt"}}]}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if install is None:
        return
    place = (*at, "install")
    if not install.strip():
        yield Found(place, "the script is empty, expected commands", "write a command, or leave `install` out")
    elif not all(line.isprintable() for line in install.split("\n")):
        yield Found(place, "the script holds a control character", "write plain lines, with spaces for tabs")


@code("MLS-E853", "ci-of-environment")
def ci_of_environment(platform: Mark | None, environment: str) -> Iterator[Found]:
    """The CI systems are those of the repository: an environment has none of its own.

    One file of the CI system serves every environment of every project in the repository.

    Bad::

        platform: {ci: [github]}
        environments: {prod: {namespace: iris, platform: {ci: [{github: {runner: big}}]}}}

    Good::

        platform: {ci: [{github: {runner: big}}]}
        environments: {prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    written = platform.child("ci") if platform else None
    if written is not None and written.why == "override":
        yield Found(
            ("platform", "ci"),
            f"the environment {environment} asks for a CI system of its own",
            "write `ci` under the top-level `platform`",
            on="key",
            label="one file serves the whole repository",
        )
