"""Files as the reader meets them: opened without waiting, regular ones only, never more than fits."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from mlspec.diagnostics import Unable
from mlspec.source import limits

SPEC_NAME = "mlspec.yaml"
SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})
"""Folders that no search enters, besides hidden ones (.git, .venv). What .gitignore says is not read: git is not asked."""

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_file(path: Path, display: str) -> bytes:
    """Return the bytes of a regular file, at most one more than the limit of 5 MiB (the reader refuses that).

    Raises Unable: status 2 where there is nothing, 3 where it is no regular file or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise Unable(f"{display}: there is no such file", "check the path, or write a spec with `mlspec init`", status=2) from None
    except NotADirectoryError:
        raise Unable(f"{display}: a part of the path is no folder", "check the path", status=2) from None
    except (OSError, ValueError) as error:
        raise _refuse(path, display, error) from None
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise Unable(f"{display}: it is {_kind(mode)}; expected a file", "name a regular file")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(limits.FILE_BYTES + 1)
    except OSError as error:
        raise _refuse(path, display, error) from None
    finally:
        os.close(handle)


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "no regular file")


def _refuse(path: Path, display: str, error: Exception) -> Unable:
    """Say why a file could not be opened; sockets and the like are named for what they are."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        return Unable(f"{display}: it is {_kind(mode)}; expected a file", "name a regular file")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unable(f"{display}: it cannot be read ({reason.lower()})", "check its permissions")


def repository_root(spec: Path) -> Path:
    """Return the nearest folder above a spec that holds ``.git`` (a folder, or a file in worktrees), else the spec's folder."""
    folder = Path(os.path.abspath(spec)).parent  # noqa: PTH100 - symlinks are judged later, not followed here
    return next((above for above in (folder, *folder.parents) if os.path.lexists(above / ".git")), folder)


def find_specs(paths: Iterable[Path], skip: Collection[Path] = ()) -> list[Path]:
    """Return the specs that paths mean: a file as it is, a folder by every ``mlspec.yaml`` below it, sorted.

    Hidden folders, ``node_modules``, ``venv``, ``__pycache__`` and the folders in ``skip`` are left out, symlinks to
    folders are not followed. Raises Unable (status 2) for a path that does not exist, (status 3) for a folder that
    cannot be listed.
    """
    Path.cwd()  # a current folder that is gone would look like an empty one
    left_out = {os.path.abspath(folder) for folder in skip}  # noqa: PTH100
    found: dict[str, Path] = {}
    for path in paths:
        if not os.path.lexists(path):
            raise Unable(f"{path}: there is no such file or folder", "check the path", status=2)
        if path.is_dir():
            for spec in _search(path, left_out):
                found.setdefault(os.path.abspath(spec), spec)  # noqa: PTH100
        else:
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100
    return [found[key] for key in sorted(found)]


def _search(folder: Path, left_out: set[str]) -> Iterable[Path]:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            raise Unable(
                f"{here}: the folder cannot be listed ({(error.strerror or 'unknown reason').lower()})", "check its permissions"
            ) from None
        for entry in entries:
            if entry.name == SPEC_NAME and not entry.is_dir():
                yield here / entry.name
            elif entry.is_dir(follow_symlinks=False) and not _is_skipped(entry, left_out):
                waiting.append(here / entry.name)


def _is_skipped(entry: os.DirEntry[str], left_out: set[str]) -> bool:
    return entry.name.startswith(".") or entry.name in SKIPPED or os.path.abspath(entry.path) in left_out  # noqa: PTH100
