"""Leaving out what has not changed since it was last compiled on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec.source.files import find_specs, repository_root
from mlspec.writers.ledger import Entry, open_ledger

if TYPE_CHECKING:
    from mlspec.compiler import Compiled, Outcome


class Memory:
    """The specs of a run, told apart: those that have to be compiled, and those that are known to be as they were."""

    def __init__(self, paths: Sequence[Path], out: Path | None, templates: Path | None) -> None:
        self._out = out
        self._ledger = open_ledger(out, templates)
        self._known: dict[Path, Entry] = {}
        specs = find_specs(paths)
        if self._ledger:
            for spec in specs:
                entry = None if _brings_crds(spec) else self._ledger.recall(spec)
                if entry:
                    self._known[spec] = entry
        self.changed = tuple(spec for spec in specs if spec not in self._known)

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to compile, and something that need not be."""
        return bool(self._known) and not self.changed

    @property
    def files(self) -> tuple[str, ...]:
        """The specs that need not be compiled."""
        return tuple(spec.as_posix() for spec in self._known)

    @property
    def summary(self) -> str:
        """What was left out, in words; empty when nothing was."""
        number = len(self._known)
        files = sum(entry.files for entry in self._known.values())
        if not number:
            return ""
        which = "1 project has not changed since it was" if number == 1 else f"{number} projects have not changed since they were"
        return f"{which} compiled ({files} files)"

    def contradicts(self, outcome: Outcome) -> bool:
        """Tell whether projects that were compiled have to be held against those that were left out."""
        return any(
            entry.name == project.name or entry.claim != _claim(project) for project in outcome.projects for entry in self._known.values()
        )

    def keep(self, outcome: Outcome, unowned: Sequence[str]) -> None:
        """Remember what was compiled and written without a word of warning."""
        from mlspec.targets import is_extended

        if self._ledger is None or is_extended():  # the files of another package's target are not looked at
            return
        for project in outcome.projects:
            if project.quiet and not _brings_crds(project.spec) and not _disturbed(project, unowned):
                root = os.path.abspath(self._out or project.root)  # noqa: PTH100
                tree = [f"{root}/{path}" for path in (*project.tree, project.lock_path)]
                inputs = {os.path.abspath(path): digest for path, digest in project.inputs.items()}  # noqa: PTH100
                folders = [os.path.abspath(folder) for folder in project.template_folders]  # noqa: PTH100
                self._ledger.note(project.spec, Entry(project.name, _claim(project), len(tree)), inputs, folders, tree)


def _brings_crds(spec: Path) -> bool:
    """Tell whether a repository has schemas of its own: what is said of them is said each time."""
    return (repository_root(spec) / ".mlspec" / "crds").is_dir()


def _claim(project: Compiled) -> str:
    """Return in one line what projects of one run have to agree on."""
    claim = project.claim[0]
    return " ".join(f"{key}={claim[key]!r}" for key in sorted(claim) if key != "name")


def _disturbed(project: Compiled, unowned: Sequence[str]) -> bool:
    folder = project.folders[0].rpartition("/")[0] + "/"
    return any(path.startswith(folder) for path in unowned)
