"""Specs of which two states of a repository have the same files, so that nothing can differ of what they compile to."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterable
from pathlib import Path

from mlspec.artifacts import digest
from mlspec.source.files import repository_root
from mlspec.tree import lock_path

_READS_MORE = re.compile(rb"\b(templates|dvc)\b")
"""Words of specs that read files which a lock does not list."""
_OWN = ".mlspec/crds"
"""The folder of a repository's own schemas."""


def untouched(one: Path, other: Path, specs: Iterable[str]) -> set[str]:
    """Return the specs, by their paths from the roots of both states, that compile alike there; when in doubt, one is left out.

    A spec is one of them when it, its lock and all files that the lock says it was made from are the same bytes on both sides, and the
    lock was written for this spec.
    """
    if (one / _OWN).exists() or (other / _OWN).exists():
        return set()
    return {spec for spec in specs if _is_untouched(one, other, spec)}


def _is_untouched(one: Path, other: Path, spec: str) -> bool:
    from mlspec.repository.trees import read_by

    root = one if repository_root(one / spec).resolve() == one.resolve() else None
    if root is None:
        return False
    lock = lock_path(one / spec, one)
    if not (_same(one, other, spec) and _same(one, other, lock)):
        return False
    written = (one / lock).read_bytes()
    data = (one / spec).read_bytes()
    inputs = read_by(written)
    if spec not in inputs or f'"{spec}": "{digest(data)}"'.encode() not in written:
        return False
    return all(_same(one, other, path) and not _READS_MORE.search((one / path).read_bytes()) for path in inputs)


def _same(one: Path, other: Path, path: str) -> bool:
    """Tell whether both sides have a regular file there, with the same bytes; links are not followed."""
    here, there = one / path, other / path
    if here.is_symlink() or there.is_symlink() or not (here.is_file() and there.is_file()):
        return False
    return filecmp.cmp(here, there, shallow=False)
