"""Folders for a while: private, gone at the end; those of killed runs are cleared away by the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "mlspec-git-"
_ALIVE = "alive"
_YOUNG_S = 60.0
"""A folder without its mark of life may be one that is being made."""


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """Hold a new folder (mode 0700) that is removed at the end, and remove those of runs that were killed."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    handle = os.open(folder / _ALIVE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    except OSError as error:
        error.filename = error.filename or str(folder)  # a write names no file; there is none but here
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep() -> None:
    """Remove the folders whose processes are gone: nobody holds the lock on their mark of life."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_uid == os.getuid() and _is_dead(Path(entry.path), status.st_mtime):
                        shutil.rmtree(entry.path, ignore_errors=True)


def _is_dead(folder: Path, changed: float) -> bool:
    try:
        handle = os.open(folder / _ALIVE, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return time.time() - changed > _YOUNG_S
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return time.time() - changed > _YOUNG_S or _is_locked_once(folder)


def _is_locked_once(folder: Path) -> bool:
    """Tell whether a folder came to hold anything: between its making and its lock it is empty."""
    return os.listdir(folder) != [_ALIVE]  # noqa: PTH208 - names are enough
