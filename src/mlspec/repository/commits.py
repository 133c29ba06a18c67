"""Commits made with plumbing, in an index of their own: no work tree is looked at, nothing that a person has staged gets in."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mlspec.repository import troubles
from mlspec.repository.clone import Clone
from mlspec.repository.indexes import naming
from mlspec.repository.trees import FILE

SOURCE, DIGEST, COMPILER = "Mlspec-Source", "Mlspec-Digest", "Mlspec-Compiler"
_ABSENT = "0"
_MOVING = "mlspec-move"
_LONGEST_MOVE_S = 2.0
"""A git that is at work holds the lock of a branch for milliseconds."""
_LOST_RACE = re.compile(r"but expected|reference already exists|unable to resolve reference|File exists")


class Trailers(NamedTuple):
    """The last lines of a message of ours."""

    source: str
    """The commit whose specs were compiled."""
    digest: str
    """A digest of the trees: paths and contents of all that the compiled projects own."""
    compiler: str
    """The version of mlspec."""


def write_tree(clone: Clone, base: str, changes: Mapping[str, bytes | None], scratch: Path) -> str:
    """Return the id of the tree of a commit with some files replaced, added or (None) removed; all else is as it was.

    ``scratch`` is a temporary folder. Only objects are written: no ref, no index, no work tree changes.
    """
    index = {"GIT_INDEX_FILE": str(scratch / "index")}
    clone.git.run("read-tree", base, variables=index)
    names = _write_objects(clone, [data for data in changes.values() if data is not None], scratch)
    absent = _ABSENT * len(base)
    lines = [f"0 {absent}\t{path}\0" for path, data in changes.items() if data is None]
    lines += [f"{FILE} {names.pop(0)}\t{path}\0" for path, data in changes.items() if data is not None]
    clone.git.run("update-index", "-z", "--index-info", input="".join(lines).encode(), variables=index)
    tree = clone.git.run("write-tree", variables=index).text
    (scratch / "index").unlink()
    return tree


def _write_objects(clone: Clone, contents: Sequence[bytes], scratch: Path) -> list[str]:
    """Write blobs as they are, without filters, and return their ids."""
    if not contents:
        return []
    folder = scratch / "objects"
    folder.mkdir(mode=0o700, exist_ok=True)
    files = []
    for number, data in enumerate(contents):
        file = folder / str(number)
        file.write_bytes(data)
        files.append(f"{file}\n")
    names = clone.git.run("hash-object", "-w", "--no-filters", "--stdin-paths", input="".join(files).encode()).text.split("\n")
    for number in range(len(contents)):
        (folder / str(number)).unlink()
    return names


def tree_of(clone: Clone, commit: str) -> str:
    """Return the id of a commit's tree."""
    return clone.git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").text


def commit_tree(clone: Clone, tree: str, parents: Sequence[str], message: str, trailers: Trailers, who: Mapping[str, str]) -> str:
    """Make a commit, which no ref names yet, and return its id. ``who`` comes from ``mlspec.repository.clone.identity``."""
    last = "\n".join(f"{word}: {value}" for word, value in zip((SOURCE, DIGEST, COMPILER), trailers, strict=True))
    text = f"{message.strip()}\n\n{last}\n"
    lines = [word for parent in parents for word in ("-p", parent)]
    return clone.git.run("commit-tree", tree, *lines, "-F", "-", input=text.encode(), variables=who).text


def trailers_of(clone: Clone, commit: str) -> Trailers | None:
    """Return the trailers of a commit of ours; None for a commit of anybody else's."""
    text = clone.git.run("cat-file", "commit", commit).out.decode("utf-8", "replace")
    found = dict(re.findall(r"^(Mlspec-[A-Za-z]+): (.+)$", text.rstrip("\n").rpartition("\n\n")[2], re.MULTILINE))
    if SOURCE not in found or DIGEST not in found:
        return None
    return Trailers(found[SOURCE], found[DIGEST], found.get(COMPILER, ""))


def check_message(message: str) -> str:
    """Return the text that a person gave for a message. Raises Unable (status 2) for what would pass for something else."""
    if not message.strip() or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", message):
        raise troubles.commit_text("the message is empty or has control characters", "give a line of text")
    if re.search(rf"^\s*({SOURCE}|{DIGEST}|{COMPILER})\s*:", message, re.MULTILINE | re.IGNORECASE):
        raise troubles.commit_text("the message has a line that looks like one of mlspec's trailers", "leave these lines out")
    return message


def move_branch(clone: Clone, ref: str, new: str, old: str | None) -> bool:
    """Let a branch name a new commit if it still names the old one (None: if there is no such branch); say whether it did.

    Call it, as ``release_branch``, while ``mlspec.repository.worktree.claim`` keeps other mlspecs out.
    """
    expected = old or _ABSENT * len(new)
    note = clone.common / _MOVING
    part = note.with_suffix(".part")
    with naming(part):
        part.write_text(f"{ref}\n{new}\n{clone.folder}\n", encoding="utf-8", errors="surrogateescape")
    part.replace(note)
    done = clone.git.attempt("update-ref", "-m", "mlspec commit", ref, new, expected)
    note.unlink()
    if done.status and not _LOST_RACE.search(done.error):
        branch = ref.removeprefix("refs/heads/")
        raise troubles.git_failed("update-ref", f"the branch {branch} cannot be moved: {done.error.strip()}")
    return done.status == 0


def release_branch(clone: Clone) -> None:
    """Take away the locks on a branch that git left when it was killed together with the mlspec that had started it.

    They are told from those of a living git by three things: they came after the note of a move that nobody finished, they hold
    nothing but that move, and they are older than any move takes.
    """
    note = clone.common / _MOVING
    note.with_suffix(".part").unlink(missing_ok=True)
    try:
        ref, new, folder = note.read_text(encoding="utf-8", errors="surrogateescape").removesuffix("\n").split("\n", 2)
        began = note.stat().st_mtime
    except FileNotFoundError:
        return
    except ValueError:
        note.unlink()
        return
    for lock in (clone.common / f"{ref}.lock", Path(folder) / "HEAD.lock"):
        _release(lock, new, began)
    note.unlink()


def _release(lock: Path, new: str, began: float) -> None:
    try:
        made = lock.stat().st_mtime
        if made < began or not f"{new}\n".startswith(lock.read_text(encoding="utf-8", errors="replace")):
            return
        time.sleep(max(0.0, min(_LONGEST_MOVE_S, made + _LONGEST_MOVE_S - time.time())))
        if lock.stat().st_mtime == made:
            lock.unlink()
    except FileNotFoundError:
        return
