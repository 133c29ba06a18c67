"""One side of a change: the projects of a state of the repository, each with its objects by what a cluster knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from mlspec.changes.gates import Gates, gates_of
from mlspec.changes.objects import Key, manifest_key
from mlspec.compiler import Compiled
from mlspec.diagnostics import Diagnostic
from mlspec.location import Mark
from mlspec.plan.plan import Plan
from mlspec.render import Manifest


class Project:
    """One project, compiled on one side."""

    def __init__(self, compiled: Compiled, base: FilePath, templates: Mapping[str, str] | None = None) -> None:
        assert compiled.made is not None
        examined = compiled.made.examined
        self.name: str = compiled.name
        self.spec: str = examined.plans[0].spec_file
        """The spec's path from the root of the repository."""
        self.root = compiled.root
        self.base = base
        """The folder that names of files are relative to."""
        self.compiled = compiled
        self.tree: Mapping[str, Any] = examined.source.tree
        self.mark: Mark = examined.source.mark
        self.plans: dict[str, Plan] = {plan.environment: plan for plan in examined.plans}
        self.pins: Mapping[str, str] = examined.pins
        self.files: Mapping[str, str] = compiled.lock.files
        self.templates: Mapping[str, str] = templates or {}
        """Digests of the project's own templates, by name."""
        self.manifests: dict[Key, Manifest] = {}
        for manifest in compiled.made.manifests:
            if manifest.object is not None:
                self.manifests[manifest_key(manifest)] = manifest

    @property
    def objects(self) -> dict[Key, dict[str, Any]]:
        """The objects of the project."""
        return {key: manifest.object for key, manifest in self.manifests.items() if manifest.object is not None}

    def gates(self, environment: str) -> Gates:
        """The gates of one environment; none where there is no such environment."""
        plan = self.plans.get(environment)
        return gates_of(plan) if plan else Gates({})


class Side(NamedTuple):
    """A state of the repository: a revision, or the work tree."""

    label: str
    """What people call it: ``HEAD``, ``worktree``."""
    commit: str
    """The commit; empty for the work tree."""
    projects: Mapping[str, Project]
    diagnostics: tuple[Diagnostic, ...] = ()
    """What was found, with files named from the root of the repository."""
    refused: tuple[str, ...] = ()
    """The specs that do not compile, from the root of the repository."""
