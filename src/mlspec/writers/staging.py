"""New files and folders laid ready beside the tree, and the steps that bring them in."""

from __future__ import annotations

import errno
import os
import stat

from mlspec.artifacts import STAGING
from mlspec.writers.exchange import can_exchange
from mlspec.writers.folders import FILE_MODE, FOLDER_MODE, Folders, create, create_folder, naming, open_folder, remove
from mlspec.writers.journal import Staging, Step
from mlspec.writers.survey import GONE, Change, Survey

_NO_LINKS = frozenset([errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES])


class _CannotLink(Exception):  # noqa: N818 - it is caught here
    """A file that stays cannot be linked into the new folder, so the folder cannot be exchanged as a whole."""


def stage(staging: Staging, found: Survey) -> list[Step]:
    """Lay everything ready in the staging folder; return the steps that publish it, locks last. Raises OSError."""
    laying = _Laying(staging, found)
    try:
        return laying.steps()
    finally:
        laying.disk.close()


class _Laying:
    """One publication while it is laid ready."""

    __slots__ = ("disk", "file_mode", "folder_mode", "found", "here", "kept", "removed", "staging", "swaps")

    def __init__(self, staging: Staging, found: Survey) -> None:
        self.staging, self.found = staging, found
        self.disk = Folders(staging.root)
        self.file_mode = FILE_MODE if staging.odd_umask else 0
        self.folder_mode = FOLDER_MODE if staging.odd_umask else 0
        self.removed = {change.path for change in found.changes if change.kind in GONE}
        changed = {change.path for change in found.changes}
        self.kept = {path for path in found.wanted if path not in changed}
        self.here: dict[str, dict[str, str]] = {}
        """By folder: its wanted entries, each name with the path of the file, or nothing for a folder."""
        self.swaps: bool | None = None

    def steps(self) -> list[Step]:
        units, single = self._divide()
        if units:
            self._index()
        takes: list[Step] = []
        brings: list[Step] = []
        made: set[str] = set()
        for unit, changes in sorted(units.items()):
            step = self._whole(unit)
            if step is None:
                single += changes
            else:
                (takes if step[0].verb == "take" else brings).extend(step)
                made.add(unit)
        for change in sorted(single):
            (takes if change.kind in GONE else brings).extend(self._file(change, self.found.wanted.get(change.path, b"")))
        for change in self.found.locks:
            brings += self._file(change, self.found.lock_bytes.get(change.path, b""))
        outside = [folder for folder in self.found.absent if not _within(folder, made)]
        emptied = [folder for folder in self.found.emptied if not _within(folder, made)]
        removals = [Step("rmdir", folder) for folder in sorted(emptied, reverse=True)]
        return [*takes, *removals, *[Step("mkdir", folder) for folder in sorted(outside)], *brings]

    def _divide(self) -> tuple[dict[str, list[Change]], list[Change]]:
        """Divide the changes: by the lowest folder that holds all of one project, and single files."""
        grouped: dict[str, list[Change]] = {}
        single: list[Change] = []
        for change in self.found.changes:
            folder = _project_folder(change.path, self.found.folders)
            if folder:
                grouped.setdefault(folder, []).append(change)
            else:
                single.append(change)
        units: dict[str, list[Change]] = {}
        for changes in grouped.values():
            if len(changes) == 1 and changes[0].path.rpartition("/")[0] not in self.found.absent | self.found.emptied:
                single += changes
            else:
                unit = os.path.commonpath([change.path.rpartition("/")[0] for change in changes])
                while unit in self.found.emptied and _project_folder(unit, self.found.folders):
                    above = unit.rpartition("/")[0]
                    if above not in self.found.emptied:
                        break
                    unit = above
                while (above := unit.rpartition("/")[0]) in self.found.absent and _project_folder(unit, self.found.folders):
                    unit = above
                units[unit] = changes
        return units, single

    def _index(self) -> None:
        for path in self.found.wanted:
            above, _, name = path.rpartition("/")
            self._entries(above)[name] = path
        for path in self.found.lock_bytes:
            self._entries(path.rpartition("/")[0])

    def _entries(self, folder: str) -> dict[str, str]:
        entries = self.here.get(folder)
        if entries is None:
            entries = self.here[folder] = {}
            above, _, name = folder.rpartition("/")
            if folder:
                self._entries(above).setdefault(name, "")
        return entries

    def _whole(self, unit: str) -> list[Step] | None:
        """Lay a whole folder ready; None when it has to go file by file."""
        handle = self.disk.find(unit, self.removed)
        slot = self.staging.slot()
        if unit in self.found.emptied and handle is not None:
            return [Step("take", unit, slot)]
        try:
            inode = self._folder(self.staging.handle, slot, unit, handle)
        except _CannotLink:
            remove(self.staging.handle, slot)
            return None
        return [Step("place", unit, slot)] if handle is None else self._replace(unit, slot, inode)

    def _folder(self, parent: int, name: str, path: str, old: int | None) -> int:
        """Make the new form of a folder: new files written, those that stay linked. Return its inode."""
        mode = self.folder_mode
        if old is not None:
            was = stat.S_IMODE(os.fstat(old).st_mode)
            if was & 0o700 != 0o700:
                raise _CannotLink
            mode = was if was != FOLDER_MODE else mode
        handle = create_folder(parent, name, mode, path)
        try:
            pending = dict(self.here.get(path, {}))
            if old is not None:
                self._carry_over(handle, path, old, pending)
            for below, file in pending.items():
                if file:
                    create(handle, below, self.found.wanted[file], self.file_mode, path=file)
                else:
                    self._folder(handle, below, f"{path}/{below}", None)
            return os.fstat(handle).st_ino
        finally:
            os.close(handle)

    def _carry_over(self, handle: int, path: str, old: int, pending: dict[str, str]) -> None:
        """Link what stays, and go down where a folder stays; what then is done leaves ``pending``."""
        with os.scandir(old) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            full = f"{path}/{name}"
            if is_folder:
                if full in self.found.emptied:
                    continue
                pending.pop(name, None)
                try:
                    below = open_folder(old, name)
                except PermissionError:
                    raise _CannotLink from None
                try:
                    self._folder(handle, name, full, below)
                finally:
                    os.close(below)
            elif full in self.kept or (full not in self.removed and name not in pending):
                pending.pop(name, None)
                try:
                    os.link(name, name, src_dir_fd=old, dst_dir_fd=handle, follow_symlinks=False)
                except OSError as error:
                    if error.errno in _NO_LINKS:
                        raise _CannotLink from None
                    error.filename = full
                    raise

    def _file(self, change: Change, data: bytes) -> list[Step]:
        slot = self.staging.slot()
        if change.kind in GONE:
            return [Step("take", change.path, slot)]
        create(self.staging.handle, slot, data, self.file_mode, path=change.path)
        if change.kind == "missing":
            return [Step("place", change.path, slot)]
        return self._replace(change.path, slot, self.staging.inode(slot))

    def _replace(self, path: str, slot: str, inode: int) -> list[Step]:
        if self.swaps is None:
            with naming(STAGING):
                self.swaps = can_exchange(self.staging.handle)
        if self.swaps:
            return [Step("swap", path, slot, inode)]
        return [Step("take", path, self.staging.slot()), Step("place", path, slot)]


def _project_folder(path: str, folders: frozenset[str]) -> str:
    while path := path.rpartition("/")[0]:
        if path in folders:
            return path
    return ""


def _within(path: str, folders: set[str]) -> bool:
    while path:
        if path in folders:
            return True
        path = path.rpartition("/")[0]
    return False
