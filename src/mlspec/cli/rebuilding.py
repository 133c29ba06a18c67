"""Compiling a revision, whatever the work tree looks like: what would change in its tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlspec.diagnostics import Rejected, Unable

if TYPE_CHECKING:
    from mlspec.compiler import Outcome
    from mlspec.repository.clone import Clone
    from mlspec.repository.trees import Checkout
    from mlspec.writers.publication import Publication

Live = Mapping[str, Mapping[str, str | int]]
"""Facts about what serves, as a lock holds them."""


class Rebuilt(NamedTuple):
    """A revision and what its specs compile to."""

    outcome: Outcome
    changes: Mapping[str, bytes | None]
    """Files by path from the root that are not as the specs want them, with their new content; None: they go."""
    counts: tuple[int, int, int]
    """How many of them are created, updated and removed."""
    digest: str
    """Of all that the compiled projects own, locks included."""
    inputs: tuple[str, ...]
    """The files that the projects were made from."""


@contextlib.contextmanager
def revision(clone: Clone, commit: str) -> Iterator[Checkout]:
    """Hold a copy of what a compilation of a commit may read, and stand in it, so that paths are shown from its root."""
    from mlspec.repository.temporary import temporary
    from mlspec.repository.trees import checkout

    with temporary() as scratch:
        folder = scratch / "tree"
        folder.mkdir(mode=0o700)
        copy = checkout(clone, commit, folder)
        with contextlib.chdir(folder):
            yield copy


def rebuild(
    copy: Checkout,
    paths: Sequence[str],
    *,
    overwrite_edits: bool = False,
    crds: Path | None = None,
    templates: Path | None = None,
    live: Live | None = None,
) -> Rebuilt:
    """Compile the specs of a copied revision (see ``revision``); paths are from its root. ``live`` stands in for what the lock says serves.

    Raises Rejected when a spec is refused, or when what the revision has was edited by hand (MLS-E610) or is somebody
    else's (MLS-E611); Unable (status 2) for a path that the revision does not have.
    """
    from mlspec.artifacts import digest, merge
    from mlspec.cli.publishing import publications
    from mlspec.compiler import Request, compile_specs
    from mlspec.repository.trees import paths_below
    from mlspec.writers.comparison import compare

    for path in paths:
        if not paths_below(copy.entries, path):
            raise Unable(f"the commit {copy.commit[:12]} has nothing at {path}", "commit it first, or check the path", status=2)
        if path != ".":
            copy.bring([path])
    outcome = compile_specs(Request(paths=tuple(map(Path, paths)), crds=crds, templates=templates, live=live))
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        raise Rejected(outcome.diagnostics)
    changes: dict[str, bytes | None] = {}
    counts = [0, 0, 0]
    lines: set[str] = set()
    for publication in publications(outcome.projects, None, overwrite_edits=overwrite_edits):
        wanted = dict(merge(output.tree for output in publication.outputs).items())
        wanted |= {output.lock_path: output.lock for output in publication.outputs if output.lock is not None}
        copy.bring([*wanted, *(path for output in publication.outputs if output.old for path in output.old.files)])
        comparison = compare(publication)
        _refuse_losses(publication, {difference.path: difference.kind for difference in comparison.differences})
        changes |= {path: wanted[path] for path in (*comparison.created, *comparison.updated)}
        changes |= dict.fromkeys(comparison.removed)
        for at, paths_of in enumerate((comparison.created, comparison.updated, comparison.removed)):
            counts[at] += len(paths_of)
        lines |= {f"{path}\0{digest(data)}\n" for path, data in wanted.items()}
    root = copy.folder.resolve()
    inputs = sorted({path.resolve().relative_to(root).as_posix() for project in outcome.projects for path in project.inputs})
    whole = digest("".join(sorted(lines)).encode())
    return Rebuilt(outcome, dict(sorted(changes.items())), (counts[0], counts[1], counts[2]), whole, tuple(inputs))


def _refuse_losses(publication: Publication, kinds: Mapping[str, str]) -> None:
    """Raise Rejected when files would be lost that someone else wrote."""
    from mlspec.writers.publication import at_paths, edited_output, file_in_the_way

    edited = [path for path, kind in kinds.items() if kind in {"edited", "edited orphan"} and not publication.overwrite_edits]
    foreign = [path for path, kind in kinds.items() if kind == "foreign"]
    if edited or foreign:
        raise Rejected([*at_paths(edited_output, edited), *at_paths(file_in_the_way, foreign)])
