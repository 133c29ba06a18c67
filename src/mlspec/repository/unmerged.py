"""The index of a merge that stopped: which paths are in conflict, what each side has there, and how they are settled."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mlspec.repository import troubles
from mlspec.repository.clone import Clone
from mlspec.repository.indexes import index_to_change, without_filters
from mlspec.repository.trees import FILE

BASE, OURS, THEIRS = 1, 2, 3


class Index(NamedTuple):
    """What an index has: the object at every path, and those of paths in conflict by stage (1 base, 2 ours, 3 theirs)."""

    settled: Mapping[str, str]
    torn: Mapping[str, Mapping[int, str]]


def read_index(clone: Clone) -> Index:
    """Return the index of a work tree."""
    settled: dict[str, str] = {}
    torn: dict[str, dict[int, str]] = {}
    for line in os.fsdecode(clone.git.run("ls-files", "-z", "--stage", "--full-name").out).split("\0"):
        facts, _, path = line.partition("\t")
        if not path:
            continue
        _, name, stage = facts.split()
        if stage == "0":
            settled[path] = name
        else:
            torn.setdefault(path, {})[int(stage)] = name
    return Index(settled, torn)


def settle(clone: Clone, there: Sequence[str], gone: Iterable[str]) -> None:
    """Put files of the work tree into the index as they are, and take others out; none of them is in conflict any more.

    No filter sees them: what mlspec wrote is committed byte for byte. Raises Unable when git refuses.
    """
    absent = "0" * (64 if clone.algorithm == "sha256" else 40)
    lines = [f"0 {absent}\t{path}\0" for path in (*there, *gone)]
    if there:
        paths = "".join(f"{path}\n" for path in there).encode()
        names = clone.git.run("hash-object", "-w", "--no-filters", "--stdin-paths", input=paths).text.split("\n")
        lines += [f"{FILE} {name}\t{path}\0" for path, name in zip(there, names, strict=True)]
    if not lines:
        return
    with index_to_change(clone) as index:
        if index is None:
            raise troubles.lost_race("another git is working on the index", "wait for it to end, then run again")
        quiet = {**index, **without_filters(clone)}
        done = clone.git.attempt("update-index", "-z", "--index-info", input=os.fsencode("".join(lines)), variables=quiet)
        if done.status:
            raise clone.git.explain(done.error, "update-index")


def lists(clone: Clone, path: str, data: bytes) -> bool:
    """Tell whether a lock of the commit that is checked out lists a file with this content: mlspec wrote it, and nobody edited it."""
    from mlspec.artifacts import digest
    from mlspec.lock import Lock, emit_lock

    line = emit_lock(Lock(files={path: digest(data)})).decode().rstrip("\n").rpartition("\n")[2]
    found = clone.git.attempt(
        "grep", "--quiet", "--fixed-strings", "-e", line, "HEAD", "--", ":(glob)**/mlspec.lock",
        variables={"GIT_LITERAL_PATHSPECS": "0"},
    )  # fmt: skip
    return found.status == 0
