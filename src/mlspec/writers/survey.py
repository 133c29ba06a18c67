"""What lies on the disk, held against what should lie there; nothing is changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from mlspec.artifacts import digest, merge
from mlspec.diagnostics import Rejected, Unable, diagnose
from mlspec.location import Mark, SourceText
from mlspec.lock import emit_lock
from mlspec.writers.folders import Folders, read
from mlspec.writers.publication import Publication, at_paths, edited_output, file_in_the_way, lost_lock

_NOWHERE = frozenset(["", ".", "..", ".git"])
_HEADER = re.compile(rb"Written by mlspec from (.+); edits are refused")
"""The first line of a file that one project owns."""

Kind = Literal["missing", "stale", "edited", "foreign", "orphan", "edited orphan"]
GONE = frozenset(["orphan", "edited orphan"])
"""The kinds of what goes."""


class Change(NamedTuple):
    """One path whose file is not as it should be."""

    path: str
    kind: Kind
    found: bytes | None
    """What lies there."""


class Survey(NamedTuple):
    """All that a writer has to know of the disk."""

    wanted: Mapping[str, bytes]
    """Every file of every project, locks excepted."""
    changes: Sequence[Change]
    """Sorted by path, locks excepted."""
    locks: Sequence[Change]
    """Sorted by path; an orphan is a lock that goes."""
    lock_bytes: Mapping[str, bytes]
    absent: frozenset[str]
    """Folders that have to be made."""
    emptied: frozenset[str]
    """Folders that hold nothing more once the orphans are gone."""
    unowned: Sequence[str]
    folders: frozenset[str]
    """The projects' own folders, none within another."""

    def sorted_out(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the paths, locks included, of files that are to be created, updated and removed, and of those that stay."""
        kinds = {change.path: change.kind for change in (*self.changes, *self.locks)}
        created = tuple(sorted(path for path, kind in kinds.items() if kind == "missing"))
        removed = tuple(sorted(path for path, kind in kinds.items() if kind in GONE))
        updated = tuple(sorted(path for path, kind in kinds.items() if kind != "missing" and kind not in GONE))
        return created, updated, removed, tuple(sorted(path for path in (*self.wanted, *self.lock_bytes) if path not in kinds))


def survey(root: int, publication: Publication) -> Survey:
    """Compare. Raises Unable for symbolic links and for files and folders in each other's place."""
    wanted = merge(output.tree for output in publication.outputs)
    owned = _ownership(publication)
    ours = {path for output in publication.outputs if output.old for path in output.old.files}
    orphans = frozenset(path for path in ours if path not in wanted and path not in publication.others)
    inside = _outermost(output.folder for output in publication.outputs)
    lock_paths = frozenset(output.lock_path for output in publication.outputs)
    for path in sorted(lock_paths):
        if "\n" in path or not _NOWHERE.isdisjoint(path.split("/")):
            raise Unable(f"no lock can be written at {path!a}", "give the folder of the spec another name")
    look = _Look(root, wanted=wanted, owned=owned, orphans=orphans, inside=inside, locks=lock_paths)
    try:
        look.at_all()
        emptied = look.emptied()
        for path in look.folders_found:
            if path not in emptied:
                raise Unable(f"{path} is a folder where a file is needed", "move it away, then compile again")
        locks = look.at_locks(publication)
    finally:
        look.disk.close()
    look.changes.sort()
    lock_bytes = {output.lock_path: output.lock for output in publication.outputs if output.lock is not None}
    return Survey(wanted, look.changes, locks, lock_bytes, frozenset(look.absent), emptied, sorted(look.unowned), look.inside)


def refuse_losses(found: Survey, publication: Publication) -> None:
    """Raise Rejected (MLS-E610 to MLS-E612) when publishing would overwrite what someone else wrote, or what another lock keeps."""
    edited = [] if publication.overwrite_edits else [change.path for change in found.changes if change.kind in {"edited", "edited orphan"}]
    foreign = {change.path: change.found or b"" for change in found.changes if change.kind == "foreign"}
    unlisted: dict[tuple[str, str], list[str]] = {}
    for path, data in foreign.items():
        said = _HEADER.search(data.partition(b"\n")[0])
        if said:
            lock = next(output.lock_path for output in publication.outputs if path in output.tree)
            unlisted.setdefault((lock, said[1].decode("utf-8", "replace")), []).append(path)
    lost = [diagnose(lost_lock(lock, spec, paths), Mark(SourceText(lock, ""), 0, 0)) for (lock, spec), paths in unlisted.items()]
    others = foreign.keys() - {path for paths in unlisted.values() for path in paths}
    if edited or foreign:
        raise Rejected([*at_paths(edited_output, edited), *lost, *at_paths(file_in_the_way, sorted(others))])


def _ownership(publication: Publication) -> dict[str, set[str]]:
    """Return for every owned path the digests that its locks know; projects that share a file may know different ones."""
    owned: dict[str, set[str]] = {path: {known} for path, known in publication.others.items()}
    for output in publication.outputs:
        if output.old:
            for path, known in output.old.files.items():
                owned.setdefault(path, set()).add(known)
    return owned


def _outermost(folders: Iterable[str]) -> frozenset[str]:
    kept: set[str] = set()
    for folder in sorted(set(folders)):
        if not any(above in kept for above in _above(folder)):
            kept.add(folder)
    return frozenset(kept)


def _above(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


class _Look:
    """One walk over the folders of wanted and owned files."""

    __slots__ = (
        "absent",
        "changes",
        "disk",
        "folders_found",
        "inside",
        "locks",
        "orphans",
        "owned",
        "parents",
        "removed",
        "unowned",
        "wanted",
    )

    def __init__(
        self,
        root: int,
        *,
        wanted: Mapping[str, bytes],
        owned: Mapping[str, set[str]],
        orphans: frozenset[str],
        inside: frozenset[str],
        locks: frozenset[str],
    ) -> None:
        self.disk = Folders(root)
        self.wanted, self.owned, self.orphans, self.inside = wanted, owned, orphans, inside
        self.changes: list[Change] = []
        self.absent: set[str] = set()
        self.removed: set[str] = set()
        self.unowned: list[str] = []
        self.folders_found: list[str] = []
        self.parents: dict[str, bool] = {}
        self.locks = locks

    def at_all(self) -> None:
        """Compare every wanted file and every orphan."""
        grouped: dict[str, list[str]] = {}
        for path in self.wanted:
            grouped.setdefault(path.rpartition("/")[0], []).append(path)
        wanted_folders = set(grouped)
        for path in self.orphans:
            grouped.setdefault(path.rpartition("/")[0], []).append(path)
        for folder in sorted({*grouped, *(path.rpartition("/")[0] for path in self.locks)}):
            for above in (folder, *_above(folder)):
                if above in self.parents:
                    break
                self.parents[above] = self._is_inside(above)
        for folder in self.parents:
            grouped.setdefault(folder, [])
        for folder in sorted(grouped):
            handle = self.disk.find(folder, self.orphans)
            if handle is None:
                self._note_absent(folder, grouped[folder], folder in wanted_folders)
            else:
                self._compare(folder, handle, grouped[folder])

    def _note_absent(self, folder: str, paths: list[str], wanted: bool) -> None:
        if wanted:
            self.absent.add(folder)
            self.absent.update(above for above in _above(folder) if self.disk.find(above, self.orphans) is None)
        self.changes += [Change(path, "missing", None) for path in paths if path in self.wanted]

    def _is_inside(self, folder: str) -> bool:
        return folder in self.inside or any(above in self.inside for above in _above(folder))

    def _compare(self, folder: str, handle: int, paths: list[str]) -> None:
        start = len(folder) + 1 if folder else 0
        wanted, changes = self.wanted, self.changes
        for path in paths:
            new = wanted.get(path)
            try:
                content = read(handle, path[start:], path)
            except IsADirectoryError:
                if new is None:
                    # What was a file of ours is a folder of someone else's now: there is nothing of ours to remove.
                    if path not in self.parents:
                        self.unowned.append(path + "/")
                    continue
                self.folders_found.append(path)
                content = None
            if content is None:
                if new is not None:
                    changes.append(Change(path, "missing", None))
            elif new is None:
                self.removed.add(path)
                changes.append(Change(path, "orphan" if digest(content.data) in self.owned[path] else "edited orphan", content.data))
            elif content.data != new:
                changes.append(Change(path, self._why(path, content.data), content.data))
            elif content.executable:
                changes.append(Change(path, "stale", content.data))
        if self.parents.get(folder):
            self._list_unowned(folder, handle)

    def _why(self, path: str, data: bytes) -> Kind:
        known = self.owned.get(path)
        if known is None:
            return "foreign"
        return "stale" if digest(data) in known else "edited"

    def _list_unowned(self, folder: str, handle: int) -> None:
        with os.scandir(handle) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if path not in self.wanted and path not in self.orphans and path not in self.parents and path not in self.locks:
                    self.unowned.append(path + "/" if entry.is_dir(follow_symlinks=False) else path)

    def emptied(self) -> frozenset[str]:
        """Return the folders that hold nothing once the orphans are gone."""
        needed = {above for path in self.wanted for above in _above(path)} if self.removed else set()
        empty: set[str] = set()
        for folder in sorted({above for path in self.removed for above in _above(path)}, key=lambda path: (-path.count("/"), path)):
            if folder in needed:
                continue
            with os.scandir(self.disk.get(folder)) as entries:
                if all(f"{folder}/{entry.name}" in self.removed or f"{folder}/{entry.name}" in empty for entry in entries):
                    empty.add(folder)
        return frozenset(empty)

    def at_locks(self, publication: Publication) -> list[Change]:
        """Compare the locks. Raises Unable (exit 4) for one that is not the one that was read: another run came between."""
        changes: list[Change] = []
        for output in sorted(publication.outputs, key=lambda output: output.lock_path):
            above, _, name = output.lock_path.rpartition("/")
            handle = self.disk.find(above)
            content = None if handle is None else read(handle, name, output.lock_path)
            found = content and content.data
            expected = output.there if output.there is not None else output.old and emit_lock(output.old)
            if found != expected:
                raise Unable(f"{output.lock_path} changed while mlspec compiled", "run again", status=4)
            if found == output.lock:
                continue
            if output.lock is None:
                changes.append(Change(output.lock_path, "orphan", found))
            else:
                changes.append(Change(output.lock_path, "missing" if found is None else "stale", found))
                if handle is None:
                    self.absent.update(folder for folder in (above, *_above(above)) if self.disk.find(folder) is None)
        return changes
