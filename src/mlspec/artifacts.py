"""Artifacts: the files of a compilation, by their paths from the repository root, each with who owns it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, NamedTuple, NoReturn

from mlspec.diagnostics import Finding, Found, Rejected, code, diagnose
from mlspec.location import Mark, SourceText

MAX_COMPONENT = 255
"""Bytes that one part of a path may have, on every file system in use."""
MAX_PATH = 4096
"""Bytes that a whole path may have."""
STAGING = ".mlspec-writing"
"""The hidden folder that a writer works in; no artifact lies there."""

_FORBIDDEN = frozenset('<>:"|?*\\')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{number}" for device in ("com", "lpt") for number in (*"123456789", "¹", "²", "³")]
)
_NOT_OURS = frozenset([".git", "git~1", STAGING])


def digest(data: bytes) -> str:
    """Return the digest of some bytes as it is written in a lock: ``sha256:`` and 64 hexadecimal digits."""
    from hashlib import sha256  # loads OpenSSL

    return "sha256:" + sha256(data).hexdigest()


class Attic:
    """A nameless temporary file for the bytes of a fleet's trees, once they are many."""

    def __init__(self, room: int) -> None:
        self._room = room
        """Bytes that stay in memory."""
        self._file: IO[bytes] | None = None
        self._end = 0

    def take(self, tree: Tree) -> Tree:
        """Return a tree whose bytes are read when they are asked for; the tree itself while there is room in memory for it."""
        self._room -= sum(map(len, tree.values()))
        if self._room >= 0:
            return tree
        try:
            return tree.laid_aside(self)
        except OSError:  # no room there either: memory it is
            self._room = sys.maxsize
            return tree

    def put(self, parts: Sequence[bytes]) -> list[Aside]:
        """Keep the bytes of some files. Raises OSError."""
        data = b"".join(parts)
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - it goes with the last tree that lies in it
        self._file.seek(self._end)
        if self._file.write(data) != len(data):
            raise OSError("the temporary file took only a part")
        kept: list[Aside] = []
        for part in parts:
            kept.append(Aside(self, self._end, len(part)))
            self._end += len(part)
        return kept

    def get(self, kept: Aside) -> bytes:
        """Return the bytes that were kept. Raises OSError."""
        assert self._file is not None
        self._file.seek(kept.start)
        data = self._file.read(kept.size)
        if len(data) != kept.size:
            raise OSError("the temporary file was cut off")
        return data


class Aside(NamedTuple):
    """Where the bytes of one file lie."""

    attic: Attic
    start: int
    size: int


class Tree(Mapping[str, bytes]):
    """An immutable, sorted mapping of paths to bytes. Every path can be written on every file system in use.

    Raises Rejected (MLS-E620 to MLS-E622) for a path that cannot, and for two paths that are one somewhere.
    """

    __slots__ = ("_files", "_owners")

    def __init__(
        self, files: Mapping[str, bytes | Aside] | Iterable[tuple[str, bytes]], owner: str | Mapping[str, tuple[str, ...]] = ""
    ) -> None:
        pairs: Iterable[tuple[str, bytes | Aside]] = files.items() if isinstance(files, Mapping) else files
        kept: dict[str, bytes | Aside] = {}
        for path, data in pairs:
            if kept.setdefault(path, data) != data:
                _refuse(two_artifacts(path, path, "", ""))
        _examine(kept)
        self._files = {path: kept[path] for path in sorted(kept)}
        self._owners = dict.fromkeys(self._files, (owner,)) if isinstance(owner, str) else {path: owner[path] for path in self._files}

    def __getitem__(self, path: str) -> bytes:
        found = self._files[path]
        return found if isinstance(found, bytes) else found.attic.get(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def laid_aside(self, attic: Attic) -> Tree:
        """Return the same tree with its bytes in an attic. Raises OSError."""
        twin = object.__new__(Tree)
        twin._files = dict(zip(self._files, attic.put(list(self.values())), strict=True))
        twin._owners = self._owners
        return twin

    @property
    def kept(self) -> Mapping[str, bytes | Aside]:
        """The files as they are kept: bytes, or where those lie."""
        return self._files

    def __repr__(self) -> str:
        return f"Tree({list(self._files)})"

    def owners(self, path: str) -> tuple[str, ...]:
        """Return the projects that own a file, sorted; more than one for a file that projects share."""
        return self._owners[path]

    def of(self, owner: str) -> Tree:
        """Return the part of the tree that one project owns, shared files included."""
        return Tree({path: kept for path, kept in self._files.items() if owner in self._owners[path]}, owner)


def merge(trees: Iterable[Tree]) -> Tree:
    """Put trees together. A file may be in several of them when its bytes are the same in all.

    Raises Rejected (MLS-E620) where two trees disagree.
    """
    files: dict[str, bytes | Aside] = {}
    owners: dict[str, tuple[str, ...]] = {}
    first: dict[str, Tree] = {}
    for tree in trees:
        for path, kept in tree.kept.items():
            theirs = tree.owners(path)
            if path not in files:
                files[path], owners[path], first[path] = kept, theirs, tree
            elif first[path][path] == tree[path]:
                owners[path] = tuple(sorted({*owners[path], *theirs}))
            else:
                _refuse(two_artifacts(path, path, owners[path][0], theirs[0]))
    return Tree(files, owners)


def path_fault(path: str) -> str:
    """Say what keeps a path from being an artifact's; nothing when it can be one."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "has a code point that cannot be written in UTF-8"
    if size > MAX_PATH:
        return f"is {size} bytes long, more than the {MAX_PATH} that systems allow"
    if path.startswith("/"):
        return "starts at the root of the file system"
    for part in path.split("/"):
        if fault := _part_fault(part):
            return fault
    return ""


def _part_fault(part: str) -> str:
    if part in {"", ".", ".."}:
        return f'has the part "{part}", which names no file'
    folded = _fold(part)
    if folded in _NOT_OURS:
        return f'has the part "{part}", where mlspec never writes'
    if part[-1] in ". ":
        return f'has the part "{part}", which Windows shortens: it ends with a dot or a space'
    if folded.split(".", 1)[0].rstrip(" ") in _RESERVED:
        return f'has the part "{part}", which Windows keeps for a device'
    if not part.isprintable() or not _FORBIDDEN.isdisjoint(part):
        return f"has the part {part!a}, with a character that cannot stand in a file name everywhere"
    if len(part.encode()) > MAX_COMPONENT:
        return f"has a part of {len(part.encode())} bytes, more than the {MAX_COMPONENT} that file systems allow"
    return ""


def _examine(files: Mapping[str, object]) -> None:
    """Refuse paths that some file system cannot hold, and paths that some file system takes for one."""
    fine: set[str] = set()
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for path in sorted(files):
        parts = path.split("/")
        if len(path) > MAX_PATH // 4 or not fine.issuperset(parts):
            if fault := path_fault(path):
                _refuse(unportable_path(path, fault))
            fine.update(parts)
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            _claim(seen, folder)
            folder = folder.rpartition("/")[0]
        if path in folders:
            _refuse(file_and_folder(path))
        _claim(seen, path)
    for path in files:
        if path in folders:
            _refuse(file_and_folder(path))


def _fold(path: str) -> str:
    """Return what file systems that tell neither case nor composition apart make of a path."""
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", path).casefold())


def _claim(seen: dict[str, str], path: str) -> None:
    key = _fold(path)
    if seen.setdefault(key, path) != path:
        _refuse(two_artifacts(path, seen[key], "", ""))


def _refuse(finding: Finding) -> NoReturn:
    mark = finding.found.mark
    assert mark is not None
    raise Rejected([diagnose(finding, mark)])


def _at(path: str) -> Mark:
    return Mark(SourceText(path.encode("utf-8", "backslashreplace").decode(), ""), 0, 0)


@code("MLS-E620", "two-artifacts-on-one-path")
def two_artifacts(path: str, other: str, owner: str, other_owner: str) -> Found:
    """Two artifacts have different paths, or one path with the same bytes.

    One would silently overwrite the other. Paths that differ only in upper and lower case, or in how an accent is
    composed, are one path on macOS and Windows. Files that projects share (the CI file) have to be the same in all of
    them: give these projects the same `platform.ci` and `platform.repository`.

    Bad (python)::

        Tree({"deploy/Fraud/a.yaml": b"1", "deploy/fraud/a.yaml": b"2"})

    Good (python)::

        Tree({"deploy/fraud-one/a.yaml": b"1", "deploy/fraud-two/a.yaml": b"2"})
    """
    if path != other:
        message = f'the paths "{path}" and "{other}" are one path on some file systems; expected paths that differ in more than case'
        return Found((), message, "give one of the two another name", mark=_at(path))
    who = f' from the projects "{owner}" and "{other_owner}"' if owner != other_owner else ""
    message = f'two files{who} have the path "{path}" and different contents; expected one content'
    return Found((), message, "make them the same, or name them apart", mark=_at(path))


@code("MLS-E621", "unportable-path")
def unportable_path(path: str, fault: str) -> Found:
    """The path of an artifact can be written on Linux, macOS and Windows, and lies within the repository.

    A repository is cloned on all of them: a part named `con` or with a colon breaks the clone on Windows, and a part of
    more than 255 bytes can be written nowhere. Nothing is ever written into `.git`, or outside of the repository.

    Bad (python)::

        Tree({"deploy/churn/aux.yaml": b"1"})

    Good (python)::

        Tree({"deploy/churn/auxiliary.yaml": b"1"})
    """
    return Found((), f'the path "{path[:200]}" {fault}', "give what the path is made from another name", mark=_at(path[:200]))


@code("MLS-E622", "file-and-folder")
def file_and_folder(path: str) -> Found:
    """No artifact has the path of a folder that another artifact lies in.

    A file system cannot hold both.

    Bad (python)::

        Tree({"deploy/churn": b"1", "deploy/churn/a.yaml": b"2"})

    Good (python)::

        Tree({"deploy/churn.yaml": b"1", "deploy/churn/a.yaml": b"2"})
    """
    return Found((), f'"{path}" is the path of a file and of a folder', "give one of the two another name", mark=_at(path))
