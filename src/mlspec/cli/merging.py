"""What merge-driver does: one file for git, the attributes and the configuration, and the end of a merge."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlspec.diagnostics import Diagnostic, Rejected, Unable
from mlspec.lock import NAME, Lock, emit_lock, is_lock, parse_lock

if TYPE_CHECKING:
    from mlspec.compiler import Compiled
    from mlspec.repository.clone import Clone
    from mlspec.repository.unmerged import Index
    from mlspec.writers.publication import Publication

DRIVER = "mlspec merge-driver run %O %A %B %P"
ATTRIBUTES = ".gitattributes"
_SETTINGS = (("name", "generated files, compiled again"), ("driver", DRIVER), ("recursive", "binary"))
_SPEC = "mlspec.yaml"


class Finished(NamedTuple):
    """What the end of a merge did."""

    diagnostics: Sequence[Diagnostic]
    files: Sequence[str]
    refused: bool = False
    settled: int = 0
    """Paths that were in conflict and are not any more."""
    written: int = 0
    """Files that were created, changed or removed, locks included."""
    left: Sequence[str] = ()
    """Paths of others that are still in conflict."""


# Setting up


def write_attributes(root: Path, projects: Sequence[Compiled]) -> bool:
    """Write the block of .gitattributes; say whether it changed."""
    from mlspec.block import put_block
    from mlspec.writers.replacement import clear, replace

    file = root / ATTRIBUTES
    clear(root, file)
    if file.is_symlink():
        raise Unable(f"{ATTRIBUTES} is a symbolic link, and mlspec writes through none", "put a real file there")
    old = file.read_bytes() if file.exists() else b""
    new = put_block(old, attribute_lines(projects), ATTRIBUTES)
    if new == old:
        return False
    replace(root, file, new, old if file.exists() else None)
    return True


def attribute_lines(projects: Sequence[Compiled]) -> list[str]:
    """Return the lines that give generated files to the driver: whole output folders, so that new projects need no new line."""
    patterns: set[str] = set()
    for project in projects:
        own = project.folders[0].rpartition("/")[0]
        root = own.rpartition("/")[0]
        folder = own if root in {"", "."} else root
        patterns.add(f"/{folder}/**")
        patterns |= {f"/{path}" for path in project.tree if not path.startswith(f"{folder}/")}
    lines = [f"{_quoted(pattern)} merge=mlspec" for pattern in sorted(patterns)]
    return [f"{NAME} text eol=lf merge=mlspec", *lines] if projects else []


def _quoted(pattern: str) -> str:
    """Return a pattern as .gitattributes has it; letters that mean something there match any letter."""
    kept = pattern.removesuffix("/**")
    kept = "".join("?" if letter in '*?[]\\"!#' else letter for letter in kept) + pattern[len(kept) :]
    return f'"{kept}"' if " " in kept else kept


def write_configuration(clone: Clone) -> None:
    """Tell a clone's git what the driver is. Where merges of merges need a base, git keeps the older one."""
    with _configuration(clone) as file:
        for key, value in _SETTINGS:
            clone.git.run("config", "--file", file, f"merge.mlspec.{key}", value)


@contextlib.contextmanager
def _configuration(clone: Clone) -> Iterator[str]:
    """Give the file in which to change a clone's configuration. Raises Unable while another git changes it."""
    from mlspec.repository.indexes import file_to_change
    from mlspec.repository.troubles import lost_race

    with file_to_change(clone.common, "config") as file:
        if file is None:
            raise lost_race("another git is changing the configuration", "wait for it to end, then run again")
        yield str(file)


def remove_attributes(root: Path) -> bool:
    """Take the block out of .gitattributes, and the file with it where nothing else is in it; say whether there was one."""
    file = root / ATTRIBUTES
    changed = write_attributes(root, ())
    if changed and file.stat().st_size == 0:
        file.unlink()
    return changed


def remove_configuration(clone: Clone) -> bool:
    """Take the driver out of a clone's configuration, and nothing else; say whether it was there."""
    with _configuration(clone) as file:
        statuses = [clone.git.attempt("config", "--file", file, "--unset-all", f"merge.mlspec.{key}").status for key, _ in _SETTINGS]
    return 0 in statuses


# One file


def merge_file(base: Path, ours: Path, theirs: Path, path: str) -> tuple[int, list[str]]:
    """Merge a file into ``ours`` as git asks for it; return the exit for git (1: in conflict) and what there is to say."""
    from mlspec.repository.clone import open_clone
    from mlspec.repository.unmerged import lists

    if is_lock(path):
        return _merge_lock_file(base, ours, theirs, path)
    clone = open_clone(Path())
    if lists(clone, path, ours.read_bytes()):
        return 1, [f"{path}: to be compiled again (mlspec merge-driver finish)"]
    labels = ("-L", "ours", "-L", "base", "-L", "theirs")
    files = (str(file.absolute()) for file in (ours, base, theirs))
    return min(clone.git.attempt("merge-file", "--quiet", *labels, *files).status, 1), []


def _merge_lock_file(base: Path, ours: Path, theirs: Path, path: str) -> tuple[int, list[str]]:
    """Merge a lock. It stays in conflict even where its facts agree: both sides changed the project, so it has to be compiled."""
    try:
        data, conflicts = _merged(path, *(file.read_bytes() for file in (base, ours, theirs)))
    except Rejected as rejected:
        return 1, [f"{path}: {diagnostic.message}" for diagnostic in rejected.diagnostics]
    ours.write_bytes(data)
    if conflicts:
        return 1, [f"{path}: both sides changed {what}; keep one" for what in conflicts]
    return 1, [f"{path}: to be compiled again (mlspec merge-driver finish)"]


def _merged(path: str, base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, tuple[str, ...]]:
    from mlspec.locks import merge_locks

    before, left, right = (parse_lock(data, path) if data else Lock() for data in (base, ours, theirs))
    return merge_locks(before, left, right)


# The end of a merge


def finish_merge(given: Sequence[Path], *, overwrite_edits: bool, crds: Path | None, templates: Path | None) -> Finished:
    """Compile the merged specs, write the result, and settle what was in conflict in the index.

    Raises Unable (exit 4) while a spec is in conflict, Rejected for a lock that says two things of what serves (MLS-E602)
    and for files that one side edited by hand (MLS-E610). Nothing is written then, except locks whose facts agree.
    """
    from mlspec.cli.publishing import publications
    from mlspec.compiler import Request, compile_specs
    from mlspec.repository.clone import open_clone
    from mlspec.repository.indexes import release_index
    from mlspec.repository.trees import read_objects
    from mlspec.repository.troubles import no_work_tree
    from mlspec.repository.unmerged import read_index, settle
    from mlspec.writers.disk import heal

    clone = open_clone(Path())
    if clone.root is None:
        raise no_work_tree("a bare repository has no work tree to merge in", "run it where the merge stopped")
    heal(str(clone.root))
    release_index(clone)
    index = read_index(clone)
    _require(path for path in index.torn if path.rpartition("/")[2] == _SPEC)
    blobs = read_objects(clone, {name for stages in index.torn.values() for name in stages.values()} | _locks_of(index))
    _mend_locks(clone.root, index, blobs)
    outcome = compile_specs(Request(paths=tuple(given) or (clone.root,), crds=crds, templates=templates))
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        return Finished(outcome.diagnostics, outcome.files, refused=True)
    inputs = {os.path.relpath(path, clone.root) for project in outcome.projects for path in project.inputs}
    _require(path for path in index.torn if path in inputs)
    known, listed = _written(index, blobs)
    made = publications(outcome.projects, None, overwrite_edits=overwrite_edits)
    adopted = [_adopt(publication, index, blobs, known, overwrite_edits=overwrite_edits) for publication in made]
    put = [_put(publication, index, listed, clone.algorithm) for publication in adopted]
    left_behind = _remove_projects(clone.root, index, blobs, known, {path for publication in adopted for path in _wanted(publication)})
    there = set[str]().union(*(one.there for one in put))
    gone = left_behind.union(*(one.gone for one in put))
    settle(clone, sorted(there), sorted(path for path in gone if not os.path.lexists(clone.root / path)))
    settled = index.torn.keys() & left_behind.union(*(one.settled for one in put))
    number = len(left_behind) + sum(one.number for one in put)
    return Finished(outcome.diagnostics, outcome.files, False, len(settled), number, sorted(index.torn.keys() - settled))


class _Put(NamedTuple):
    """What became of one publication."""

    there: set[str]
    """Files that the index is to have as they are in the work tree."""
    gone: set[str]
    """Files that the index is no longer to have, unless they are in the work tree all the same."""
    settled: set[str]
    """Files that are in conflict no more, if they were."""
    number: int
    """How many files were written or removed."""


def _put(publication: Publication, index: Index, listed: Mapping[str, set[str]], algorithm: str) -> _Put:
    """Write a publication. ``listed`` is what each lock lists, on any side of the merge."""
    from mlspec.writers.disk import write

    report = write(publication)
    created, removed = {*report.created, *report.updated}, set(report.removed)
    mine = set(_wanted(publication))
    dropped = {path for output in publication.outputs if output.old for path in output.old.files} - mine
    once = {path for output in publication.outputs for path in listed.get(output.lock_path, ())}
    there = created | _unlike(publication, index, algorithm)
    gone = removed | (dropped & index.torn.keys()) | {path for path in once - mine if path in index.settled}
    return _Put(there, gone, mine | dropped, len(created) + len(removed))


def _require(torn: Iterator[str]) -> None:
    """Raise Unable when something that is compiled is still in conflict."""
    paths = sorted(torn)
    if paths:
        from mlspec.repository.troubles import unfinished

        way = "solve it, git add it, then run mlspec merge-driver finish again"
        raise unfinished(f"still in conflict: {', '.join(paths)}", way, status=4)


def _locks_of(index: Index) -> set[str]:
    return {name for path, name in index.settled.items() if is_lock(path)}


def _mend_locks(root: Path, index: Index, blobs: Mapping[str, bytes]) -> None:
    """Bring locks in conflict into a readable form, where the work tree does not have one yet."""
    from mlspec.locks import OURS as OURS_MARK
    from mlspec.repository.unmerged import BASE, OURS, THEIRS
    from mlspec.writers.replacement import replace

    for path, stages in sorted(index.torn.items()):
        if not is_lock(path):
            continue
        file = root / path
        try:
            data = file.read_bytes()
            parse_lock(data, path)
            continue
        except FileNotFoundError:
            continue
        except Rejected as rejected:
            codes = {diagnostic.code for diagnostic in rejected.diagnostics}
            if f"\n{OURS_MARK}\n".encode() in data or codes.isdisjoint({"MLS-E602", "MLS-E603"}):
                raise  # our own markers, or a hand that slipped: what is there is not thrown away
        sides = (blobs[stages[stage]] if stage in stages else b"" for stage in (BASE, OURS, THEIRS))
        merged, conflicts = _merged(path, *sides)
        replace(root, file, merged, data)
        if conflicts:
            parse_lock(merged, path)  # refuses, at the line of the conflict


def _unlike(publication: Publication, index: Index, algorithm: str) -> set[str]:
    """Return the files of a publication that the index does not have so: torn ones, and those that a killed run wrote."""
    import hashlib

    def name(data: bytes) -> str:
        return hashlib.new(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    wanted = {path: data for output in publication.outputs for path, data in output.tree.items()}
    wanted |= {output.lock_path: output.lock for output in publication.outputs if output.lock is not None}
    return {path for path, data in wanted.items() if index.settled.get(path) != name(data)}


def _written(index: Index, blobs: Mapping[str, bytes]) -> tuple[frozenset[str], Mapping[str, set[str]]]:
    """Return the digests of all that mlspec wrote, as the locks of every side know it, and by lock the paths that it lists."""
    from contextlib import suppress

    names = [(path, name) for path, name in index.settled.items() if is_lock(path)]
    names += [(path, name) for path, stages in index.torn.items() if is_lock(path) for name in stages.values()]
    known: set[str] = set()
    listed: dict[str, set[str]] = {}
    for path, name in names:
        with suppress(Rejected):  # a lock of a side that cannot be read vouches for nothing
            files = parse_lock(blobs[name], NAME).files
            known |= set(files.values())
            listed.setdefault(path, set()).update(files)
    return frozenset(known), listed


def _wanted(publication: Publication) -> Iterator[str]:
    for output in publication.outputs:
        yield from (*output.tree, output.lock_path)


def _remove_projects(root: Path, index: Index, blobs: Mapping[str, bytes], known: frozenset[str], wanted: set[str]) -> set[str]:
    """Remove what is left of projects whose specs the merge removed: what their locks list, as mlspec wrote it."""
    from contextlib import suppress

    from mlspec.artifacts import digest

    gone: set[str] = set()
    for lock, stages in index.torn.items():
        folder, _, name = lock.rpartition("/")
        if name != NAME or lock in wanted or os.path.lexists(root / folder / _SPEC):
            continue
        listed = {path for side in stages.values() for path in parse_lock(blobs[side], lock).files}
        for path in sorted({lock, *listed} - wanted):
            file = root / path
            if file.is_file() and not file.is_symlink():
                if path != lock and digest(file.read_bytes()) not in known:
                    continue
                file.unlink()
                with suppress(OSError):
                    os.removedirs(file.parent)
            gone.add(path)
    return gone


def _adopt(
    publication: Publication, index: Index, blobs: Mapping[str, bytes], known: frozenset[str], *, overwrite_edits: bool
) -> Publication:
    """Return a publication that takes for its own what either side's mlspec wrote, wherever the merge left it.

    Raises Rejected (MLS-E610) for a file in conflict that one side edited by hand.
    """
    from mlspec.artifacts import digest
    from mlspec.writers.publication import at_paths, edited_output

    wanted = {path for output in publication.outputs for path in output.tree}
    edited: list[str] = []
    outputs = []
    for output in publication.outputs:
        files = dict(output.old.files) if output.old else {}
        inside = f"{output.folder}/"
        for path in sorted({*output.tree, *files, *(torn for torn in index.torn if torn.startswith(inside))}):
            file = Path(publication.root, path)
            stages = index.torn.get(path)
            if stages is not None:
                sides = [digest(blobs[name]) for stage, name in stages.items() if stage > 1]
                if not overwrite_edits and not known.issuperset(sides):
                    if path in wanted or path in files:
                        edited.append(path)
                    continue
            data = file.read_bytes() if file.is_file() and not file.is_symlink() else None
            if data is not None and (stages is not None or digest(data) in known):
                files[path] = digest(data)
        old = output.old
        outputs.append(output._replace(old=_with_files(old, files), there=emit_lock(old)) if old else output)
    if edited:
        raise Rejected(at_paths(edited_output, edited))
    return publication._replace(outputs=outputs)


def _with_files(lock: Lock, files: Mapping[str, str]) -> Lock:
    return lock._replace(files=dict(sorted(files.items())))
