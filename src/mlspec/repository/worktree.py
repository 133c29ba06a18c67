"""Bringing a work tree and its index after a branch that was moved: owned files only, and none that a person has touched."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlspec.repository import troubles
from mlspec.repository.clone import Clone, find_commit, is_ancestor
from mlspec.repository.indexes import index_to_change, naming, release_index, without_filters
from mlspec.repository.trees import EXECUTABLE, FILE, Entry, list_tree, read_objects

_JOURNAL = "mlspec-commit"
_LOCK = "mlspec-commit.lock"
_TRIES = 20


class Kept(NamedTuple):
    """What was left as it is, because a person has changed it."""

    files: tuple[str, ...] = ()
    staged: tuple[str, ...] = ()


@contextlib.contextmanager
def claim(clone: Clone, patience: float = 60.0) -> Iterator[None]:
    """Keep other mlspec commits out of this clone's branches meanwhile. Raises Unable (status 4) when they take longer."""
    handle = os.open(clone.common / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise troubles.lost_race("another mlspec commit is at work in this clone", "wait for it, then run again") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def note(clone: Clone, ref: str, old: str, new: str) -> None:
    """Write down what is about to happen to a branch, so that the next run can finish what a killed one began."""
    journal = clone.folder / _JOURNAL
    part = journal.with_suffix(".part")
    with naming(part):
        part.write_text(f"{ref}\n{old}\n{new}\n", encoding="utf-8")
    part.replace(journal)


def heal(clone: Clone) -> bool:
    """Finish what a killed run began in a work tree; say whether there was something."""
    release_index(clone)
    journal = clone.folder / _JOURNAL
    try:
        ref, old, new = journal.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return False
    except ValueError:
        journal.unlink()
        return False
    now = find_commit(clone, ref)
    here = clone.git.attempt("symbolic-ref", "--quiet", "HEAD").text == ref
    moved = now is not None and now != old and find_commit(clone, new) is not None and is_ancestor(clone, new, now)
    if moved and here:
        bring_forward(clone, old, new)
    journal.unlink()
    return moved


def forget(clone: Clone) -> None:
    """Take away what ``note`` wrote."""
    (clone.folder / _JOURNAL).unlink(missing_ok=True)


def bring_forward(clone: Clone, old: str, new: str) -> Kept:
    """Bring index and files from one commit to the next, where they still are as the old commit has them.

    A path that is staged otherwise is left alone; a file that was edited stays and shows up as an edit of the new one.
    """
    assert clone.root
    before, after = list_tree(clone, old), list_tree(clone, new)
    paths = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    if not paths:
        return Kept()
    for left in reversed(range(_TRIES)):
        index, sparse = _read_index(clone, paths)
        free = [path for path in paths if index.get(path) in (_entry(before, path), _entry(after, path))]
        contents = read_objects(clone, (entry.object for side in (before, after) for path in free if (entry := side.get(path))))
        edited = tuple(path for path in free if path not in sparse and not _renew(clone.root, path, before, after, contents))
        done = _write_index(clone, free, after, sparse)
        if done:
            return Kept(edited, tuple(path for path in paths if path not in free))
        if left:
            time.sleep(0.1)
    return Kept(edited, tuple(paths))


def _entry(entries: Mapping[str, Entry], path: str) -> tuple[str, str] | None:
    found = entries.get(path)
    return (found.mode, found.object) if found else None


def _read_index(clone: Clone, paths: Sequence[str]) -> tuple[dict[str, tuple[str, str] | None], set[str]]:
    """Return what an index has at some paths (a conflict: something that no commit has), and which of them are sparse."""
    wanted = set(paths)
    index: dict[str, tuple[str, str] | None] = {}
    sparse: set[str] = set()
    for line in os.fsdecode(clone.git.run("ls-files", "-z", "-t", "--stage", "--full-name").out).split("\0"):
        facts, _, path = line.partition("\t")
        if path in wanted:
            tag, mode, name, stage = facts.split()
            index[path] = (mode, name) if stage == "0" else ("conflict", "")
            if tag == "S":
                sparse.add(path)
    return index, sparse


def _write_index(clone: Clone, paths: Sequence[str], after: Mapping[str, Entry], sparse: set[str]) -> bool:
    if not paths:
        return True
    absent = "0" * (64 if clone.algorithm == "sha256" else 40)
    lines = []
    for path in paths:
        entry = after.get(path)
        lines.append(f"{entry.mode} {entry.object}\t{path}\0" if entry else f"0 {absent}\t{path}\0")
    quiet = without_filters(clone)
    with index_to_change(clone) as index:
        if index is None:
            return False
        done = clone.git.attempt("update-index", "-z", "--index-info", input=os.fsencode("".join(lines)), variables=quiet | index)
        if done.status:
            return False
        kept = "".join(f"{path}\0" for path in paths if path in sparse and path in after)
        if kept:
            clone.git.attempt("update-index", "-z", "--skip-worktree", "--stdin", input=os.fsencode(kept), variables=quiet | index)
    return True


def _renew(root: Path, path: str, before: Mapping[str, Entry], after: Mapping[str, Entry], contents: Mapping[str, bytes]) -> bool:
    """Bring one file forward; say whether it is now as the new commit has it."""
    old, new = before.get(path), after.get(path)
    file = root / path
    if any((root / above).is_symlink() for above in Path(path).parents if above != Path()):
        return False
    found = _read(file)
    if new and found == contents[new.object]:
        return True
    if new is None and found is None:
        return not os.path.lexists(file)
    if found != (contents[old.object] if old else None) or (found is None and os.path.lexists(file)):
        return False
    if new is None:
        file.unlink()
        _remove_empty(root, file.parent)
        return True
    if new.mode not in {FILE, EXECUTABLE}:
        return False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return False
    part = file.with_name(f".{file.name[:200]}.mlspec-part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with naming(file), os.fdopen(handle, "wb") as stream:
        stream.write(contents[new.object])
    part.replace(file)
    return True


def _read(file: Path) -> bytes | None:
    """Return the content of a regular file; None for anything else."""
    try:
        return file.read_bytes() if stat.S_ISREG(file.lstat().st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_empty(root: Path, folder: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent
