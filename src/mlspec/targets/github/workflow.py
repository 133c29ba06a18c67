"""The view of the workflows."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from textwrap import dedent

from mlspec import __version__
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.github.settings import labels, settings_of

RUNNER = "ubuntu-24.04"
PYTHON = "3.13"
INPUTS = ("**.yaml", "**.yml", "**.j2", "**.dvc", "**/dvc.lock", "**/mlspec.lock", ".mlspec/**")
"""What a tree is made from, as patterns: specs and their bases, templates, pins, locks, CRDs; the tree itself is among them."""
_PATTERN = re.compile(r"([*?+!\[\]\\])")


class WorkflowView(View):
    """What differs between the workflows of two repositories."""

    def __init__(self, plans: tuple[Plan, ...]) -> None:
        self._plans = plans

    @property
    def version(self) -> str:
        """The version of mlspec that wrote the workflow, and that its jobs run."""
        return __version__

    @property
    def branches(self) -> list[str]:
        """The branches that are deployed; more than one where environments have branches of their own."""
        repositories = [plan.node.platform.repository for plan in self._plans]
        return sorted({repository.branch if repository else "main" for repository in repositories})

    @property
    def branch_patterns(self) -> list[str]:
        """The branches as patterns, each of which matches one of them and nothing else."""
        return [_PATTERN.sub(r"\\\1", branch) for branch in self.branches]

    @property
    def paths(self) -> list[str]:
        """Patterns of the files that a push must touch for anything to be compiled."""
        return list(INPUTS)

    @property
    def runner(self) -> str | list[str]:
        """The label of the runner, or its labels."""
        runner = self._settings("runner")
        found = labels(runner) if runner else [RUNNER]
        return found if len(found) > 1 else found[0]

    @property
    def install(self) -> list[str]:
        """The lines of shell that put mlspec on the runner."""
        install = self._settings("install")
        if install:
            return [line.rstrip() for line in dedent(install).strip().split("\n")]
        return [f"python -m pip install --disable-pip-version-check --only-binary :all: 'mlspec=={__version__}'"]

    @property
    def python(self) -> str:
        """The version of Python on the runner."""
        return PYTHON

    @property
    def checkout(self) -> str:
        """The action that checks out, by its commit."""
        return _pinned("actions/checkout")

    @property
    def checkout_version(self) -> str:
        """The version that this commit is."""
        return _actions()["actions/checkout"]["version"]

    @property
    def setup_python(self) -> str:
        """The action that brings Python, by its commit."""
        return _pinned("actions/setup-python")

    @property
    def setup_python_version(self) -> str:
        """The version that this commit is."""
        return _actions()["actions/setup-python"]["version"]

    def _settings(self, name: str) -> str | None:
        for _, settings in settings_of(self._plans[0]):
            value: str | None = settings[name]
            return value
        return None


@cache
def _actions() -> dict[str, dict[str, str]]:
    """Return the actions with the commit and the version of each."""
    actions: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("actions.json").read_text(encoding="utf-8"))
    return actions


def _pinned(name: str) -> str:
    return f"{name}@{_actions()[name]['commit']}"
