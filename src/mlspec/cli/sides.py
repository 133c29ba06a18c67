"""The two sides of a comparison: a revision or the work tree, compiled and kept for tracing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlspec.cli.untouched import untouched
from mlspec.diagnostics import Unable

if TYPE_CHECKING:
    from mlspec.changes.side import Project, Side
    from mlspec.diagnostics import Diagnostic
    from mlspec.repository.clone import Clone

WORKTREE = "worktree"


@contextlib.contextmanager
def sides(
    before: str,
    after: str,
    paths: Sequence[Path],
    crds: Path | None,
    templates: Path | None,
    *,
    merge_base: bool = False,
    touched: bool = False,
) -> Iterator[tuple[Side, Side]]:
    """Hold both sides of a comparison; their files are there as long as they are held.

    ``touched``: specs whose files are the same on both sides are left out of both.
    Raises Unable for a revision that is not there, and (status 2) for a path that neither side has.
    """
    from mlspec.repository.clone import open_clone

    paths = [path.absolute() for path in paths or (Path(),)]
    crds, templates = (path.absolute() if path else None for path in (crds, templates))
    clone = open_clone(paths[0])
    names = [clone.relative(path) for path in paths]
    if merge_base:
        before = _fork(clone, before, "HEAD" if after == WORKTREE else after)
    with contextlib.ExitStack() as held:
        one, other = (_open(held, clone, revision, names) for revision in (before, after))
        for name in names:
            if name not in {*one.names, *other.names}:
                raise Unable(f"neither {before} nor {after} has {name}", "check the path", status=2)
        specs = [_specs(state) for state in (one, other)]
        alike = untouched(one.root, other.root, specs[0] & specs[1]) if touched else set[str]()
        yield _compile(one, sorted(specs[0] - alike), crds, templates), _compile(other, sorted(specs[1] - alike), crds, templates)


def library_of(project: Project, templates: Path | None) -> object:
    """Return the templates of a project."""
    from mlspec.library import Library

    return Library.load(templates, project.compiled.spec.parent, project.tree.get("templates"))


def _fork(clone: Clone, one: str, other: str) -> str:
    """Return where the histories of two revisions part."""
    from mlspec.repository import troubles
    from mlspec.repository.clone import resolve

    ends = [resolve(clone, revision) for revision in (one, other)]
    found = clone.git.attempt("merge-base", *ends)
    if found.status:
        way = "fetch more of the history: git fetch --unshallow" if clone.shallow else "leave out --merge-base"
        raise troubles.short_history(f"{one} and {other} have no commit in common here", way)
    return str(found.text)


class _State(NamedTuple):
    """A state of the repository, in a folder."""

    label: str
    commit: str
    root: Path
    names: list[str]
    """The paths that it has of those that were named."""


def _open(held: contextlib.ExitStack, clone: Clone, revision: str, names: list[str]) -> _State:
    """Return the work tree, or a copy of what a compilation of a revision may read."""
    if revision == WORKTREE:
        if clone.root is None:
            from mlspec.repository.troubles import no_work_tree

            raise no_work_tree("a bare repository has no work tree", "name a revision: --to main")
        return _State(WORKTREE, "", clone.root, [name for name in names if (clone.root / name).exists()])
    from mlspec.cli.rebuilding import revision as copied
    from mlspec.repository.clone import resolve
    from mlspec.repository.trees import paths_below

    commit = resolve(clone, revision)
    copy = held.enter_context(copied(clone, commit))
    there = [name for name in names if paths_below(copy.entries, name)]
    copy.bring([name for name in there if name != "."])
    return _State(revision, commit, copy.folder, there)


def _specs(state: _State) -> set[str]:
    """Return the paths of a state's specs, from its root."""
    from mlspec.source.files import find_specs

    root = os.path.abspath(state.root)  # noqa: PTH100
    return {os.path.relpath(os.path.abspath(spec), root) for spec in find_specs([state.root / name for name in state.names])}  # noqa: PTH100


def _compile(state: _State, specs: list[str], crds: Path | None, templates: Path | None) -> Side:
    from mlspec.changes.edits import from_root
    from mlspec.changes.side import Project, Side
    from mlspec.compiler import Request, compile_specs, show

    if not specs:
        return Side(state.label, state.commit, {})
    base, root = Path.cwd(), state.root
    outcome = compile_specs(Request(paths=tuple(root / spec for spec in specs), crds=crds, templates=templates, keep=True))
    projects = {compiled.name: Project(compiled, base, _digests(compiled.template_folders)) for compiled in outcome.projects}
    compiled = {show(project.spec) for project in outcome.projects}
    refused = tuple(from_root(file, base, root) for file in outcome.files if file not in compiled)
    return Side(state.label, state.commit, projects, tuple(_placed(one, base, root) for one in outcome.diagnostics), refused)


def _placed(diagnostic: Diagnostic, base: Path, root: Path) -> Diagnostic:
    """Name the files of a diagnostic from the root of the repository."""
    from mlspec.changes.edits import from_root

    related = tuple(replace(one, site=replace(one.site, file=from_root(one.site.file, base, root))) for one in diagnostic.related)
    return replace(diagnostic, site=replace(diagnostic.site, file=from_root(diagnostic.site.file, base, root)), related=related)


def _digests(folders: Sequence[Path]) -> dict[str, str]:
    """Return the digests of templates of one's own, the folders that count first last."""
    from mlspec.artifacts import digest

    found: dict[str, str] = {}
    for folder in reversed(folders):
        found |= {file.relative_to(folder).as_posix(): digest(file.read_bytes()) for file in sorted(folder.rglob("*.j2")) if file.is_file()}
    return found
