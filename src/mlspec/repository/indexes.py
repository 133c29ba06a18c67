"""A file of git's (the index, the configuration) changed in one step under git's own lock, which is known again after a kill."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlspec.repository.clone import Clone

_INDEX = "index"


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Let an OSError name a file: that of a write does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


@contextlib.contextmanager
def file_to_change(folder: Path, name: str) -> Iterator[Path | None]:
    """Hold git's lock on a file of a git folder, and give a copy of it for git to change; None: somebody else holds the lock.

    The copy takes the place of the file at the end, unless there was an exception. The lock is a second name of a file of ours,
    which a living run has locked: so the next run can tell a lock that a killed one has left from that of another git.
    """
    with _holding(folder, name) as (held, plain):
        file, copy = folder / name, folder / f"mlspec-{name}"
        if not held:
            yield None
            return
        if plain or file.is_symlink():  # no second names on this file system, or git locks what the link names: by itself
            yield file
            return
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(file, copy)
        yield copy
        with contextlib.suppress(FileNotFoundError):
            copy.replace(file)


@contextlib.contextmanager
def index_to_change(clone: Clone) -> Iterator[dict[str, str] | None]:
    """Hold git's lock on the index, and give the variables under which git changes it; None: somebody else holds the lock."""
    with file_to_change(clone.folder, _INDEX) as copy:
        yield None if copy is None else {"GIT_INDEX_FILE": str(copy)}


def release_index(clone: Clone) -> None:
    """Take away the lock of the index that a killed run has left; that of anybody else stays."""
    if (clone.folder / f"mlspec-{_INDEX}.mark").exists():
        with _holding(clone.folder, _INDEX):
            pass


def without_filters(clone: Clone) -> dict[str, str]:
    """Return variables that switch all filters off: whoever writes an index, git has it look at files that were changed just now.

    Without its filter such a file counts as one to look at again, which the next git status does.
    """
    names = os.fsdecode(clone.git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\.").out).split("\0")
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    variables: dict[str, str] = {}
    for number, name in enumerate(sorted(set(filter(None, names))), first):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": "false" if name.endswith(".required") else ""}
    return {**variables, "GIT_CONFIG_COUNT": str(first + len(variables) // 2)}


@contextlib.contextmanager
def _holding(folder: Path, name: str) -> Iterator[tuple[bool, bool]]:
    """Hold the lock, and clear up behind; say whether it is held, and whether git has to lock for itself."""
    mark, lock, copy = folder / f"mlspec-{name}.mark", folder / f"{name}.lock", folder / f"mlspec-{name}"
    handle = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(mark, lock)
        except BlockingIOError:
            yield False, False
            return
        except FileExistsError:
            if not _same(mark, lock):
                yield False, False
                return
        except OSError:
            yield True, True
            return
        own = (copy, copy.with_name(f"{copy.name}.lock"))
        try:
            _remove(*own)  # of a killed run
            yield True, False
        finally:
            _remove(*own, lock)
    finally:
        os.close(handle)


def _remove(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - a race is no difference
    except FileNotFoundError:
        return False
