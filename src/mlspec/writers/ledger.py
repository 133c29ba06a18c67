"""What was compiled on this machine, so that a run that would change nothing ends at once.

An entry holds how every file that went into a project's tree, and every file of that tree, looked when it was compiled: size, times
and inode, as git's index does. While all of them look the same, and mlspec itself does, compiling again would give the same tree.
Entries lie in the user's cache folder and never in a repository; `mlspec check` does not ask them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mlspec import __version__
from mlspec.template.cache import open_folder

FORMAT = 1
TICK_NS = 20_000_000
"""A file that changed later than this before a run began may have changed after it was read: file systems count time in ticks."""


class Entry(NamedTuple):
    """One project that need not be compiled again."""

    name: str
    claim: str
    """What it claims in its repository beside its name, as one line: what projects of one run must agree on."""
    files: int
    """How many files its tree has."""


class Ledger:
    """The entries of one way to compile: where to, with which templates."""

    def __init__(self, folder: str, way: str) -> None:
        self._folder, self._way = folder, way
        self._began = time.time_ns() - TICK_NS

    def recall(self, spec: Path) -> Entry | None:
        """Return the entry of a spec when everything still looks as it did; None when it has to be compiled."""
        place = self._place(spec)
        if place is None:
            return None
        try:
            with open(place, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a start
                way, name, claim, files, *lines = file.read().split("\n")
        except (OSError, ValueError):
            return None
        if way != self._way or not lines or not all(map(_holds, lines)):
            return None
        return Entry(name, claim, int(files))

    def note(self, spec: Path, entry: Entry, inputs: Mapping[str, str], folders: Iterable[str], tree: Iterable[str]) -> None:
        """Remember a project after its tree was written.

        ``inputs`` are the files that it was made from, or would have been if they were there, with their SHA-256 (empty where it is
        not known), ``folders`` those whose whole content counts, ``tree`` the files that it owns, lock included; all of them absolute.
        """
        place = self._place(spec)
        paths = sorted(tree)
        if place is None or "\n" in entry.name + entry.claim:
            return
        try:
            around = sorted({os.path.dirname(path) for path in paths})  # noqa: PTH120
            lines = [*self._inputs(inputs), *self._contents(folders), *(_look(path) for path in (*paths, *around))]
        except (OSError, _TooFresh):
            return
        if any("\n" in line for line in lines):
            return
        _replace(place, "\n".join([self._way, entry.name, entry.claim, str(entry.files), *lines]))

    def _place(self, spec: Path) -> str | None:
        from hashlib import sha256

        try:
            key = "\n".join((os.path.abspath(spec), self._way))  # noqa: PTH100
            return f"{self._folder}/{sha256(key.encode()).hexdigest()}"
        except UnicodeEncodeError:
            return None

    def _inputs(self, inputs: Mapping[str, str]) -> Iterator[str]:
        """Describe files that were read: by their look when that is older than this run, else by what was read."""
        for path, digest in inputs.items():
            if not os.path.lexists(path):
                yield f"absent {path}"
            elif os.stat(path).st_ctime_ns < self._began:  # noqa: PTH116
                yield _look(path)
            elif digest:
                yield f"sha256 {digest} {path}"
            else:
                raise _TooFresh

    def _contents(self, folders: Iterable[str]) -> Iterator[str]:
        for folder in folders:
            for path in _below(folder):
                if os.stat(path).st_ctime_ns >= self._began:  # noqa: PTH116
                    raise _TooFresh
                yield _look(path)


class _TooFresh(Exception):  # noqa: N818 - it is not an error
    """Something changed while the run was on."""


def open_ledger(out: Path | None, templates: Path | None) -> Ledger | None:
    """Return the ledger for one way to compile; None where no cache folder can be trusted, or mlspec's own files cannot be looked at."""
    folder = open_folder("compiled", f"{FORMAT}")
    if folder is None:
        return None
    try:
        own = _fingerprint()
    except OSError:
        return None
    settings = "\t".join("" if path is None else os.path.abspath(path) for path in (out, templates))  # noqa: PTH100
    return None if "\n" in settings else Ledger(folder, f"{own}\t{settings}")


def _fingerprint() -> str:
    """Return what stands for mlspec itself: its version, Python's, its files, and where packages that add targets could lie."""
    from hashlib import sha256

    from mlspec.resources import schemas_root, templates_root

    digest = sha256(f"{__version__} {sys.version}".encode())
    roots = (os.path.dirname(os.path.dirname(__file__)), str(templates_root()), str(schemas_root()))  # noqa: PTH120
    for line in (look for root in roots for look in map(_look, _below(root)) if "__pycache__" not in look):
        digest.update(line.encode("utf-8", "surrogateescape"))
    for entry in sys.path:
        if os.path.isdir(entry or "."):  # noqa: PTH112
            digest.update(_look(entry or ".").encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _below(folder: str) -> Iterator[str]:
    """Yield a folder and everything in it, in a fixed order; folders that Python writes its caches to are left out."""
    yield folder
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _below(entry.path)
        else:
            yield entry.path


def _look(path: str) -> str:
    """Return a line that says how a file or folder looks; a folder's size and access say nothing."""
    seen = os.stat(path)  # noqa: PTH116
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino} {seen.st_mode} {path}"


def _holds(line: str) -> bool:
    try:
        if line.startswith("absent "):
            return not os.path.lexists(line[7:])
        if line.startswith("sha256 "):
            from hashlib import sha256

            _, digest, path = line.split(" ", 2)
            with open(path, "rb") as file:  # noqa: PTH123
                return sha256(file.read()).hexdigest() == digest
        return _look(line.split(" ", 5)[5]) == line
    except (OSError, ValueError, IndexError):
        return False


def _replace(place: str, text: str) -> None:
    """Replace an entry in one step, or leave it. The new one has one name, so that killed runs leave no more than one behind."""
    import fcntl

    temporary = f"{place}.new"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), os.stat(temporary)):  # noqa: PTH116
                return  # another run has just put this one in its place
            file.truncate(0)
            file.write(text)
            file.flush()
            os.replace(temporary, place)  # noqa: PTH105
    except (OSError, UnicodeEncodeError):
        return
