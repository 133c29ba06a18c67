"""What a commit does not take in: specs that are not committed, and what is left of specs that are gone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from mlspec.diagnostics import Diagnostic, Found, code, diagnose
from mlspec.location import Mark, SourceText
from mlspec.lock import is_lock
from mlspec.repository.clone import Clone
from mlspec.repository.trees import MODULE, Checkout, Entry, owned_by, read_by, read_objects


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


@code("MLS-W702", "lock-without-spec", severity="warning")
def lock_without_spec(lock: str, files: int) -> Found:
    """A lock lies beside the spec that it was written for.

    Where the spec is gone, nobody keeps what it was compiled to: the files stay as they are, and Argo CD keeps what they
    describe running. mlspec removes nothing because a spec is missing, since that may be a mistake. To take a project down,
    remove its folder of generated files and its lock in the commit that removes the spec.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit
        git rm -q mlspec.yaml
        git commit -q -m two
        mlspec commit

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        git add -A
        git commit -q -m one
        mlspec commit
        git rm -q -r mlspec.yaml mlspec.lock deploy
        git commit -q -m two
        mlspec commit
    """
    number = "1 file" if files == 1 else f"{files} files"
    message = f"the spec of {lock} is gone; the {number} that it was compiled to are left as they are"
    return Found((), message, "remove them with the lock, or bring the spec back", mark=Mark(SourceText(lock, ""), 0, 0))


def find_left_over(copy: Checkout) -> list[Diagnostic]:
    """Return one warning for each lock of a copied commit whose spec the commit does not have any more."""
    found = []
    for lock in sorted(path for path in copy.entries if is_lock(path)):
        file = copy.folder / lock
        if file.is_symlink() or not file.is_file():
            continue
        data = file.read_bytes()
        folder = lock.rpartition("/")[0]
        specs = {path for path in read_by(data) if path.rpartition("/")[0] == folder}
        if specs and specs.isdisjoint(copy.entries):
            found.append(diagnose(lock_without_spec(lock, len(owned_by(data))), Mark(SourceText(lock, ""), 0, 0)))
    return found


def find_uncommitted(clone: Clone, entries: Mapping[str, Entry], paths: Collection[str]) -> list[Diagnostic]:
    """Return one warning for each of some files whose work tree copy is not what a commit has. ``entries`` are the commit's."""
    if clone.root is None:
        return []
    return [diagnose(uncommitted_spec(path), Mark(SourceText(path, ""), 0, 0)) for path in _differing(clone, clone.root, entries, paths)]


def _ignored(clone: Clone, paths: Iterable[str]) -> set[str]:
    """Return those of some paths that no commit is to have, as .gitignore says: nobody forgot to commit them."""
    asked = "".join(f"{path}\0" for path in paths)
    if not asked:
        return set()
    # This command takes no pathspecs, and refuses to be told how to read them (git 2.39).
    found = clone.git.attempt("check-ignore", "-z", "--stdin", input=os.fsencode(asked), variables={"GIT_LITERAL_PATHSPECS": "0"})
    return set(filter(None, os.fsdecode(found.out).split("\0")))


def _differing(clone: Clone, root: Path, entries: Mapping[str, Entry], paths: Collection[str]) -> Iterator[str]:
    ignored = _ignored(clone, [path for path in paths if path not in entries])
    wanted = sorted({*paths} - ignored)
    contents = read_objects(clone, (entries[path].object for path in wanted if path in entries and entries[path].mode != MODULE))
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
