"""What is to be published, what came of it, and the codes for output that must not be overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from shlex import quote
from typing import Any, NamedTuple

from mlspec.artifacts import Tree
from mlspec.diagnostics import Diagnostic, Found, code, diagnose
from mlspec.location import Mark, SourceText
from mlspec.lock import Lock


class Output(NamedTuple):
    """What one project has in the tree: what it had, and what it is to have."""

    project: str
    folder: str
    """The folder that is the project's own (``deploy/churn``); what is in it changes in one step."""
    tree: Tree
    lock_path: str
    """Where the lock lies, from the root."""
    lock: bytes | None
    """The new lock; None removes it with all that it owns."""
    old: Lock | None = None
    """The lock that this compilation began with."""
    there: bytes | None = None
    """The bytes that lie in the lock's place now, where they are not those of the ``old`` one (after a merge)."""


class Publication(NamedTuple):
    """Trees of one or more projects for one root. Paths are POSIX paths from the root."""

    root: str
    """The repository, or the folder of ``--out``; it is made when there is none."""
    outputs: Sequence[Output]
    overwrite_edits: bool = False
    """Replace and remove files that were edited by hand since they were written."""
    others: Mapping[str, str] = {}
    """Digests of files that the locks of projects outside of this publication own: shared ones, never pruned here."""


class Report(NamedTuple):
    """What a publication did, locks included; paths are sorted. Nothing created, updated or removed: nothing was touched."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    unowned: tuple[str, ...] = ()
    """Files and folders (with a slash at the end) in the projects' folders that mlspec does not own; left alone."""
    warnings: tuple[Diagnostic, ...] = ()
    healed: bool = False
    """An earlier run was killed, and this one finished its work first."""


def at_paths(rule: Callable[..., Any], paths: Iterable[str]) -> list[Diagnostic]:
    """Return one diagnostic of a rule for each of some files."""
    return [diagnose(rule(path), _mark(path)) for path in paths]


def _mark(path: str) -> Mark:
    return Mark(SourceText(path, ""), 0, 0)


@code("MLS-E610", "edited-output")
def edited_output(path: str) -> Found:
    """Files that mlspec wrote are changed through the spec.

    A change made by hand in the output is lost with the next compilation, so mlspec stops rather than lose it. Move
    the change into the spec (a `patches` entry takes what no field offers), or drop it with
    `mlspec compile --overwrite-edits`. `mlspec check` shows what was changed.

    Bad (shell)::

        mlspec compile
        find deploy -name 'serving-*.yaml' -exec sed -i 's/cpu: 500m/cpu: 900m/' {} +
        mlspec compile

    Good (shell)::

        mlspec compile
        mlspec compile
    """
    message = f"{path} was edited by hand since mlspec wrote it"
    return Found((), message, "move the edit into the spec, or drop it with --overwrite-edits", mark=_mark(path))


@code("MLS-E611", "file-in-the-way")
def file_in_the_way(path: str) -> Found:
    """A file that mlspec did not write is never overwritten.

    The file has the path of one that is to be written, the lock does not list it, and its content is another. Move it. For an
    earlier output whose lock was lost see MLS-E612.

    Bad (shell)::

        mkdir -p deploy/churn/prod
        echo 'mine: true' > deploy/churn/prod/kustomization.yaml
        mlspec compile

    Good (shell)::

        mlspec compile
        mlspec compile
    """
    message = f"{path} is in the way: mlspec did not write it, and its lock does not list it"
    return Found((), message, "move the file away, then compile again", mark=_mark(path))


@code("MLS-E612", "lost-lock")
def lost_lock(lock: str, spec: str, paths: Sequence[str]) -> Found:
    """A lock stays with its spec, and with the files that were compiled from it.

    The files say in their first line that mlspec wrote them; the lock does not list them: it was deleted, is another project's, or was left
    behind when the spec moved. A lock says which version serves and how far a rollout is, so one that is made anew would let
    every new version take all of the traffic at once. Take it back from git, or move it along with the spec (`git mv`). Where
    nothing of it is to be kept, remove the files.

    Bad (shell)::

        mlspec compile
        rm mlspec.lock
        sed -i 's/replicas: 2/replicas: 3/' mlspec.yaml
        mlspec compile

    Good (shell)::

        mlspec compile
        sed -i 's/replicas: 2/replicas: 3/' mlspec.yaml
        mlspec compile
    """
    some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    there = f"{spec.rpartition('/')[0]}/{lock.rpartition('/')[2]}".removeprefix("/")
    way = f"take it back: git checkout HEAD -- {quote(lock)}"
    if there != lock:
        way = f"where the spec moved, move its lock along: git mv {quote(there)} {quote(lock)}"
    return Found((), f"{lock} does not list what mlspec wrote from {spec}: {some}", way, mark=_mark(lock))


@code("MLS-W610", "unowned-files", severity="warning")
def unowned_files(folder: str, paths: Sequence[str]) -> Found:
    """The folder of a project holds the files of mlspec alone.

    Other files there are left alone. They are not deployed unless something else names them, and a reader takes them
    for generated ones.

    Bad (shell)::

        mlspec compile
        touch deploy/churn/notes.txt
        mlspec compile

    Good (shell)::

        mlspec compile
        mlspec compile
    """
    some = ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
    few = "1 entry" if len(paths) == 1 else f"{len(paths)} entries"
    return Found((), f"{folder} holds {few} that mlspec does not own: {some}", "move them out of the folder", mark=_mark(folder))
