"""Trees of revisions: what is in them, read without checking anything out; and a copy of what a compilation may read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from mlspec.diagnostics import Unable
from mlspec.lock import is_lock
from mlspec.repository import troubles
from mlspec.repository.clone import Clone

FILE, EXECUTABLE, LINK, MODULE = "100644", "100755", "120000", "160000"
COPIED_BYTES = 6 * 1024 * 1024
"""The reader takes no file of more than 5 MiB; one that is larger stays a larger one."""
_ALWAYS = ".mlspec/"
_NOWHERE = "/dev/null/outside"
"""Where links point that lead out of the repository: reading them fails, and nothing can be put there."""
_NEVER_READ = frozenset(
    (  # noqa: SIM905
        ".avif .bin .bz2 .c .cc .class .cpp .css .csv .dll .exe .gif .go .gz .h .h5 .hpp .ico .ipynb .jar .java .jpeg .jpg .js .jsx .kt "
        ".mp3 .mp4 .npy .npz .onnx .parquet .pb .pdf .pkl .png .pt .pth .py .pyc .pyi .rs .safetensors .scala .so .svg .tar .tgz .ts .tsv "
        ".tsx .ttf .wasm .webp .whl .woff .woff2 .xz .zip .zst"
    ).split()
)


T = TypeVar("T")


class Entry(NamedTuple):
    """One entry of a tree."""

    mode: str
    object: str


def list_tree(clone: Clone, commit: str) -> dict[str, Entry]:
    """Return all entries of a commit's tree by path: files, links and submodules. ``commit`` is an object id."""
    entries: dict[str, Entry] = {}
    # Names alone: asking for sizes too would read, and in a partial clone fetch, every object there is.
    words = ("ls-tree", "-r", "-z", "--full-tree", commit)
    found = clone.git.attempt(*words)
    if found.status:  # a second look, in a process that sees the packs as they are now
        found = clone.git.run(*words)
    for line in found.out.split(b"\0"):
        if line:
            facts, _, path = line.partition(b"\t")
            mode, _, name = facts.decode("ascii").split()
            entries[os.fsdecode(path)] = Entry(mode, name)
    return entries


def read_objects(clone: Clone, objects: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of some blobs by object id. Raises Unable (MLS-E708) for one that is not here, or damaged."""
    return _find(clone, objects, _read_blobs)


def _find(clone: Clone, objects: Iterable[str], look: Callable[[Clone, Sequence[str]], tuple[dict[str, T], str]]) -> dict[str, T]:
    """Return what is found of some blobs. Raises Unable for the first that is not."""
    wanted = list(dict.fromkeys(objects))
    found: dict[str, T] = {}
    said = ""
    # A second look, in a process that sees the packs as they are now: somebody may have packed the repository meanwhile.
    for _ in range(2):
        missing = [name for name in wanted if name not in found]
        if missing:
            more, said = look(clone, missing)
            found |= more
    _require(clone, wanted, found, said)
    return found


def _require(clone: Clone, wanted: Sequence[str], found: Collection[str], said: str) -> None:
    """Raise Unable for the first object that is not among those found. ``said`` is what git had to say about it."""
    lost = next((name for name in wanted if name not in found), None)
    if lost is None:
        return
    if "promisor" in said:
        raise clone.git.explain(said, "cat-file")
    raise troubles.unreadable_object(f"this clone lacks the object {lost}, or it is damaged")


def _read_blobs(clone: Clone, wanted: Sequence[str]) -> tuple[dict[str, bytes], str]:
    """Return the contents of those blobs that can be read, and what git said."""
    result = clone.git.attempt("cat-file", "--batch", input="".join(f"{name}\n" for name in wanted).encode())
    out, at = memoryview(result.out), 0
    found: dict[str, bytes] = {}
    for name in wanted:
        line, ended, _ = bytes(out[at : at + 200]).partition(b"\n")
        facts = line.split()
        if not ended:
            break  # git stopped in the middle, at an object that is damaged
        at += len(line) + 1
        if len(facts) != 3:
            continue  # missing
        size = int(facts[2])
        if facts[1] == b"blob" and at + size < len(out):
            found[name] = bytes(out[at : at + size])
        at += size + 1
    return found, result.error


def sizes_of(clone: Clone, objects: Iterable[str]) -> dict[str, int]:
    """Return the bytes of some blobs by object id. Raises Unable (MLS-E708) for one that is not here, or damaged."""
    return _find(clone, objects, _read_sizes)


def _read_sizes(clone: Clone, wanted: Sequence[str]) -> tuple[dict[str, int], str]:
    """Return the sizes of those blobs that are here, and what git said."""
    result = clone.git.attempt("cat-file", "--batch-check", input="".join(f"{name}\n" for name in wanted).encode())
    facts = (line.split(" ") for line in result.text.split("\n"))
    return {fact[0]: int(fact[2]) for fact in facts if len(fact) == 3 and fact[1] == "blob"}, result.error


class Checkout:
    """A copy of the files of one commit, in a folder of its own that counts as the root of a repository."""

    __slots__ = ("_clone", "_there", "commit", "entries", "folder")

    def __init__(self, clone: Clone, commit: str, folder: Path) -> None:
        self._clone, self.commit, self.folder = clone, commit, folder
        self.entries = list_tree(clone, commit)
        self._there: set[str] = set()

    def bring(self, paths: Iterable[str]) -> None:
        """Copy more files of the commit; those that are there already, or not in the commit, are passed over."""
        wanted = [path for path in paths if path in self.entries and path not in self._there]
        self._there.update(wanted)
        files = {path: self.entries[path] for path in wanted if self.entries[path].mode in {FILE, EXECUTABLE}}
        contents = read_objects(self._clone, (entry.object for entry in files.values()))
        made: set[str] = set()
        for path, entry in files.items():
            if _is_odd(path):
                raise Unable(f"the commit {self.commit[:12]} has a file {path!a}, which no checkout may have", "look who made that commit")
            self._make_folders(path, made)
            handle = os.open(self.folder / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(contents[entry.object])
            if entry.mode == EXECUTABLE:
                (self.folder / path).chmod(0o700)
        for path in wanted:
            if self.entries[path].mode == MODULE and not _is_odd(path):
                self._make_folders(path + "/", made)
        # Links come last, so that no file was written through one.
        links = [path for path in wanted if self.entries[path].mode == LINK and not _is_odd(path)]
        targets = read_objects(self._clone, (self.entries[path].object for path in links))
        for path in links:
            self._make_folders(path, made)
            target = os.fsdecode(targets[self.entries[path].object])
            (self.folder / path).symlink_to(target if self._stays_inside(path, target) else _NOWHERE)

    def _make_folders(self, path: str, made: set[str]) -> None:
        above = path.rpartition("/")[0]
        if above and above not in made:
            (self.folder / above).mkdir(parents=True, exist_ok=True, mode=0o700)
            made.add(above)

    def _stays_inside(self, path: str, target: str) -> bool:
        """Tell whether a link leads to a place in the tree without going through another link."""
        there = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
        if target.startswith("/") or "\0" in target or there == ".." or there.startswith("../") or _is_odd(there):
            return False
        parts = there.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return all(part not in self.entries or self.entries[part].mode != LINK for part in above)


def checkout(clone: Clone, commit: str, folder: Path) -> Checkout:
    """Copy into an empty folder what a compilation of a commit may read, and return the copy.

    ``commit`` is an object id (see ``mlspec.repository.clone.resolve``), ``folder`` an empty one (see
    ``mlspec.repository.temporary``); it gets an empty ``.git``, so that ``compile_specs`` takes it for the root of the
    repository. Copied are all files but those that locks own, those that are larger than any spec may be, and those
    whose names say that they are code, pictures, data or archives; ``Checkout.bring`` copies more. Nothing runs: no hook,
    no filter. A link that leads out of the tree leads nowhere in the copy. Raises Unable when an object is missing.
    """
    copy = Checkout(clone, commit, folder)
    (folder / ".git").mkdir(mode=0o700)
    locks = [path for path, entry in copy.entries.items() if is_lock(path) and entry.mode in {FILE, EXECUTABLE}]
    copy.bring(locks)
    owned: set[str] = set()
    for lock in locks:
        owned |= owned_by((folder / lock).read_bytes())
    wanted = {path: entry for path, entry in copy.entries.items() if path not in owned and _may_be_read(path)}
    sizes = sizes_of(clone, (entry.object for entry in wanted.values() if entry.mode != MODULE))
    copy.bring(path for path, entry in wanted.items() if path.startswith(_ALWAYS) or sizes.get(entry.object, 0) <= COPIED_BYTES)
    return copy


def owned_by(lock: bytes) -> set[str]:
    """Return the files that a lock owns, whatever else may be wrong with it."""
    return _paths(lock, "files")


def read_by(lock: bytes) -> set[str]:
    """Return the files that a lock says its project was made from, whatever else may be wrong with it."""
    return _paths(lock, "inputs")


def _paths(lock: bytes, section: str) -> set[str]:
    _, _, rest = lock.decode("utf-8", "replace").partition(f"\n{section}:\n")
    return set(re.findall(r'^  "([^"\\]+)": "sha256:', re.split(r"^[a-z]+:$", rest, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE))


def _may_be_read(path: str) -> bool:
    return path.startswith(_ALWAYS) or os.path.splitext(path)[1].lower() not in _NEVER_READ  # noqa: PTH122


def _is_odd(path: str) -> bool:
    """Tell whether a path is one that git itself would not check out."""
    return any(part in {"", ".", ".."} or part.lower() in {".git", "git~1"} for part in path.split("/"))


def paths_below(entries: Mapping[str, Entry], path: str) -> bool:
    """Tell whether a commit has a path, as a file or as a folder."""
    return path == "." or path in entries or any(known.startswith(f"{path}/") for known in entries)
