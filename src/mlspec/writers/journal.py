"""A publication as a row of renames, each of which can be undone, and the journal that lets the next run finish them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from mlspec.artifacts import STAGING
from mlspec.diagnostics import Unable
from mlspec.writers.exchange import exchange, move
from mlspec.writers.folders import FOLDER_MODE, Folders, create, create_at_once, create_folder, naming, open_folder, remove

JOURNAL, IGNORED = "journal", ".gitignore"
_NOWHERE = frozenset(["", ".", "..", ".git"])
_FORMAT = "mlspec-journal 1"

Verb = Literal["take", "rmdir", "mkdir", "place", "swap"]


class Step(NamedTuple):
    """One rename between a slot in the staging folder and a path of the tree, or a folder made or removed there.

    ``take``: path → slot. ``place``: slot → path, where nothing is. ``swap``: slot ↔ path. Which steps are done can be
    read off the slots alone, and nobody but us touches those.
    """

    verb: Verb
    path: str
    slot: str = "-"
    inode: int = 0
    """Of what lies in the slot before a swap: another one there means that the swap is done."""


class Staging:
    """The hidden folder in the root, on the same file system as the tree, in which new files wait and old ones are kept."""

    __slots__ = ("count", "handle", "odd_umask", "root")

    def __init__(self, root: int) -> None:
        """Make the folder. It holds a .gitignore, so that no one commits it after a crash."""
        self.root, self.count = root, 0
        self.handle = create_folder(root, STAGING, FOLDER_MODE)
        self.odd_umask = True
        try:
            create_at_once(self.handle, IGNORED, b"*\n")
            os.mkdir("probe", FOLDER_MODE, dir_fd=self.handle)
            self.odd_umask = stat.S_IMODE(os.stat("probe", dir_fd=self.handle).st_mode) != FOLDER_MODE
            os.rmdir("probe", dir_fd=self.handle)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                error.filename = STAGING
            raise

    def slot(self) -> str:
        """Return the name of a free place in the folder."""
        self.count += 1
        return str(self.count)

    def inode(self, slot: str) -> int:
        """Return the inode of what lies in a slot."""
        return os.stat(slot, dir_fd=self.handle, follow_symlinks=False).st_ino

    def discard(self) -> None:
        """Remove the folder and all in it. What cannot be removed is left to the next run."""
        with contextlib.suppress(OSError):
            os.close(self.handle)
        with contextlib.suppress(OSError):
            _clear(self.root)


def _clear(root: int) -> None:
    """Remove the staging folder. What hides it from git goes last, so that a run that is killed here leaves nothing to be committed."""
    remove(root, STAGING, last=IGNORED)


def carry_out(staging: Staging, steps: Sequence[Step]) -> None:
    """Do all steps, or none: what was done is undone when one fails. The staging folder is gone afterwards.

    A process that is killed on the way leaves its journal; ``heal`` then does the rest. Raises OSError.
    """
    folders = Folders(staging.root)
    try:
        _write_journal(staging, steps)
        for step in steps:
            _do(folders, staging.handle, step)
        with naming(f"{STAGING}/{JOURNAL}"):
            os.unlink(JOURNAL, dir_fd=staging.handle)
    except BaseException:
        folders.close()
        _undo_all(staging.root, staging.handle, steps)
        staging.discard()
        raise
    folders.close()
    staging.discard()


def heal(root: int) -> bool:
    """Finish what a killed run began, or drop it when it had changed nothing; say whether it was finished.

    Raises Unable when that is impossible, which takes someone else's changes at the same paths; nothing is lost then.
    """
    try:
        handle = open_folder(root, STAGING)
    except FileNotFoundError:
        return False
    except OSError:
        raise Unable(f"{STAGING} is in the way of mlspec's own folder", "remove it, then run again") from None
    try:
        steps = _read_journal(handle)
        if steps:
            _finish(root, handle, steps)
            os.unlink(JOURNAL, dir_fd=handle)
    except OSError as error:
        raise Unable(
            f"an earlier run was killed, and what it began cannot be finished: {error.strerror}: {error.filename}",
            f"make room for it, or put the files back from git and remove {STAGING}",
        ) from None
    finally:
        os.close(handle)
    try:
        _clear(root)
    except OSError as error:
        raise Unable(f"{STAGING}, left by an earlier run, cannot be removed: {error.strerror}", f"remove {STAGING}") from None
    return bool(steps)


def _finish(root: int, handle: int, steps: Sequence[Step]) -> None:
    folders = Folders(root)
    try:
        for step in steps:
            if not _is_done(folders, handle, step):
                _do(folders, handle, step)
    finally:
        folders.close()


def _do(folders: Folders, staging: int, step: Step) -> None:
    with naming(step.path):
        _carry_step_out(folders, staging, step)


def _carry_step_out(folders: Folders, staging: int, step: Step) -> None:
    above, _, name = step.path.rpartition("/")
    parent = folders.get(above)
    if step.verb == "place":
        move(staging, step.slot, parent, name)
    elif step.verb == "mkdir":
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        os.chmod(name, FOLDER_MODE, dir_fd=parent)
    else:
        folders.forget(step.path)
        if step.verb == "swap":
            exchange(staging, step.slot, parent, name)
        elif step.verb == "take":
            move(parent, name, staging, step.slot)
        else:
            os.rmdir(name, dir_fd=parent)


def _undo_all(root: int, staging: int, steps: Sequence[Step]) -> None:
    """Undo, last first, the steps that were done; then the journal goes. Raises Unable when even that fails."""
    folders = Folders(root)
    try:
        for step in reversed(steps):
            if _is_done(folders, staging, step):
                _undo(folders, staging, step)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(JOURNAL, dir_fd=staging)
    except OSError as error:
        raise Unable(
            f"the output could neither be written nor put back: {error.strerror}: {error.filename}",
            "repair the file system; the next run then finishes what this one began",
        ) from None
    finally:
        folders.close()


def _undo(folders: Folders, staging: int, step: Step) -> None:
    above, _, name = step.path.rpartition("/")
    parent = folders.get(above)
    if step.verb == "take":
        move(staging, step.slot, parent, name)
    elif step.verb == "rmdir":
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
    else:
        folders.forget(step.path)
        if step.verb == "swap":
            exchange(staging, step.slot, parent, name)
        elif step.verb == "place":
            move(parent, name, staging, step.slot)
        else:
            os.rmdir(name, dir_fd=parent)


def _is_done(folders: Folders, staging: int, step: Step) -> bool:
    if step.verb in {"mkdir", "rmdir"}:
        return _is_folder(folders, step.path) == (step.verb == "mkdir")
    try:
        found = os.stat(step.slot, dir_fd=staging, follow_symlinks=False)
    except FileNotFoundError:
        return step.verb == "place"
    return step.verb == "take" or (step.verb == "swap" and found.st_ino != step.inode)


def _is_folder(folders: Folders, path: str) -> bool:
    above, _, name = path.rpartition("/")
    parent = folders.find(above)
    if parent is None:
        return False
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _write_journal(staging: Staging, steps: Sequence[Step]) -> None:
    """Write the journal under another name first: it is there wholly, or not at all."""
    lines = [f"{_FORMAT} {os.fstat(staging.handle).st_ino}"]
    lines += [f"{step.verb} {step.slot} {step.inode} {step.path}" for step in steps]
    create(staging.handle, JOURNAL + ".new", "\n".join(lines).encode("utf-8", "surrogateescape"), path=f"{STAGING}/{JOURNAL}")
    with naming(f"{STAGING}/{JOURNAL}"):
        os.rename(JOURNAL + ".new", JOURNAL, src_dir_fd=staging.handle, dst_dir_fd=staging.handle)


def _read_journal(handle: int) -> list[Step]:
    """Return the steps of the journal in an open staging folder; none when there is no journal.

    A journal names the inode of its folder, so one that came with a clone or a copy is never carried out.
    """
    try:
        file = os.open(JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
    except FileNotFoundError:
        return []
    with open(file, "rb") as stream:  # noqa: PTH123 - a handle
        lines = stream.read().decode("utf-8", "surrogateescape").split("\n")
    if lines[0] != f"{_FORMAT} {os.fstat(handle).st_ino}":
        raise Unable(f"{STAGING}/{JOURNAL} was not written in this folder", f"remove {STAGING}, then run again")
    return list(_steps(lines[1:]))


def _steps(lines: list[str]) -> Iterator[Step]:
    for line in lines:
        verb, slot, inode, path = line.split(" ", 3)
        if not _NOWHERE.isdisjoint(path.split("/")) or "/" in slot:
            raise Unable(f"{STAGING}/{JOURNAL} names a path that mlspec never writes", f"remove {STAGING}, then run again")
        yield Step(verb, path, slot, int(inode))  # type: ignore[arg-type]
