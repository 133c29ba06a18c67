"""The index of a work tree, changed in one step under git's own lock; the lock of a killed run is known again, and taken away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlspec.repository.clone import Clone

_MARK, _COPY = "mlspec-index.mark", "mlspec-index"


@contextlib.contextmanager
def index_to_change(clone: Clone) -> Iterator[dict[str, str] | None]:
    """Hold git's lock on the index, and give the variables under which git changes a copy of it; None: somebody else holds the lock.

    The copy takes the place of the index at the end, unless there was an exception. ``index.lock`` is a second name of a file of
    ours, which a living run has locked: so the next run can tell a lock that a killed one has left from that of another git.
    """
    with _holding(clone) as (held, plain):
        if not held:
            yield None
            return
        if plain:  # no second names on this file system: git locks for itself
            yield {}
            return
        index, copy = clone.folder / "index", clone.folder / _COPY
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(index, copy)
        yield {"GIT_INDEX_FILE": str(copy)}
        with contextlib.suppress(FileNotFoundError):
            copy.replace(index)


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


def release_index(clone: Clone) -> None:
    """Take away the lock of the index that a killed run has left; that of anybody else stays."""
    if (clone.folder / _MARK).exists():
        with _holding(clone):
            pass


@contextlib.contextmanager
def _holding(clone: Clone) -> Iterator[tuple[bool, bool]]:
    """Hold the lock, and clear up behind; say whether it is held, and whether git has to lock for itself."""
    mark, lock, copy = (clone.folder / name for name in (_MARK, "index.lock", _COPY))
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
        try:
            yield True, False
        finally:
            for left in (copy, copy.with_name(f"{_COPY}.lock"), lock):
                left.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - a race is no difference
    except FileNotFoundError:
        return False
