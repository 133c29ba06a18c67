"""What a commit does not take in: specs that a person has changed and not committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlspec.diagnostics import Diagnostic, Found, code, diagnose
from mlspec.location import Mark, SourceText
from mlspec.repository.clone import Clone
from mlspec.repository.trees import Entry, read_objects


@code("MLS-W701", "uncommitted-spec", severity="warning")
def uncommitted_spec(path: str) -> Found:
    """What `mlspec commit` compiles is committed.

    It compiles the last commit of the branch, never the files of a work tree: what is deployed has to be in git, and
    nothing half-written may get in. This file differs from the commit; its change stays in your work tree, untouched.
    Commit it and run `mlspec commit` again.

    Bad (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i 's/replicas: 2/replicas: 3/' mlspec.yaml
        mlspec commit --author-name a --author-email a@example.com

    Good (shell)::

        git init -q -b main
        git add -A
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        mlspec commit --author-name a --author-email a@example.com
    """
    message = f"{path} has changes that are not committed; they are not compiled"
    return Found((), message, "commit them, then run mlspec commit again", mark=Mark(SourceText(path, ""), 0, 0))


def find_uncommitted(clone: Clone, entries: Mapping[str, Entry], paths: Iterable[str]) -> list[Diagnostic]:
    """Return one warning for each of some files whose work tree copy is not what a commit has. ``entries`` are the commit's."""
    if clone.root is None:
        return []
    return [diagnose(uncommitted_spec(path), Mark(SourceText(path, ""), 0, 0)) for path in _differing(clone, clone.root, entries, paths)]


def _differing(clone: Clone, root: Path, entries: Mapping[str, Entry], paths: Iterable[str]) -> Iterator[str]:
    wanted = sorted(set(paths))
    contents = read_objects(clone, (entries[path].object for path in wanted if path in entries and entries[path].size >= 0))
    for path in wanted:
        file = root / path
        try:
            found = file.read_bytes() if file.is_file() else None
        except OSError:
            continue
        entry = entries.get(path)
        committed = contents.get(entry.object) if entry else None
        if found is None and committed is not None and not (root / path).parent.is_dir():
            continue  # a sparse work tree
        if (found or b"").replace(b"\r\n", b"\n") != (committed or b"").replace(b"\r\n", b"\n"):
            yield path
