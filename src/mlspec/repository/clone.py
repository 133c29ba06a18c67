"""One clone of a repository: where it lies, what its branches are, who commits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from mlspec.diagnostics import Unable
from mlspec.repository import troubles
from mlspec.repository.git import Git

_HEADS = "refs/heads/"
_NO_NAME = re.compile(r"[<>\x00-\x1f\x7f]")
"""Letters that end a name in a commit."""


class Clone(NamedTuple):
    """A clone. All folders are absolute."""

    git: Git
    root: Path | None
    """The folder of its work tree; None for a bare repository."""
    folder: Path
    """The git folder: of this work tree, where it is one of several."""
    common: Path
    """The git folder that all work trees share."""
    shallow: bool
    algorithm: str
    """The hash of its objects: sha1 or sha256."""

    def relative(self, path: Path) -> str:
        """Return a path from the root of the repository. Raises Unable (status 2) when it leads out."""
        if self.root is None:
            found = os.path.relpath(os.path.realpath(path), os.path.realpath(self.folder)) if path.is_absolute() else os.path.normpath(path)
        else:
            there = os.path.abspath(path)  # noqa: PTH100 - the last part may be a link, which is judged later
            real = os.path.join(os.path.realpath(os.path.dirname(there)), os.path.basename(there))  # noqa: PTH118, PTH119, PTH120
            found = os.path.relpath(real, os.path.realpath(self.root))
        if found == ".." or found.startswith(("../", "/")):
            raise Unable(f"{path} is not in the repository {self.root or self.folder}", "name paths of one repository", status=2)
        return found.replace(os.sep, "/")


def open_clone(path: Path) -> Clone:
    """Return the clone that a path lies in; the path itself need not exist (any more). Raises Unable when there is none."""
    there = Path(os.path.abspath(path))  # noqa: PTH100
    folder = next((above for above in (there, *there.parents) if above.is_dir()), Path("/"))
    git = Git(folder)
    asked = ("--is-bare-repository", "--is-inside-work-tree", "--is-shallow-repository", "--show-object-format")
    bare, inside, shallow, algorithm = git.run("rev-parse", *asked).text.split("\n")
    own, common = (Path(git.run("rev-parse", "--path-format=absolute", what).text) for what in ("--git-dir", "--git-common-dir"))
    if inside == "true":
        root = Path(git.run("rev-parse", "--path-format=absolute", "--show-toplevel").text)
        return Clone(git.guard(root), root, own, common, shallow == "true", algorithm)
    if bare != "true":
        raise troubles.no_work_tree(f"{folder} is inside the git folder of a repository", "go to its work tree", status=3)
    return Clone(git.guard(own), None, own, common, shallow == "true", algorithm)


def checked_out(clone: Clone) -> str | None:
    """Return the branch that is checked out, which may have no commit yet; None for a detached head."""
    found = clone.git.attempt("symbolic-ref", "--quiet", "HEAD")
    return found.text.removeprefix(_HEADS) if found.status == 0 and found.text.startswith(_HEADS) else None


def ref_of(clone: Clone, branch: str) -> str:
    """Return the full name of a branch. Raises Unable (status 2) for what cannot be a branch's name."""
    ref = _HEADS + branch.removeprefix(_HEADS)
    if branch in {"", "HEAD"} or branch.startswith("-") or clone.git.attempt("check-ref-format", ref).status:
        raise troubles.branch_name(branch)
    return ref


def find_commit(clone: Clone, ref: str) -> str | None:
    """Return the commit of a full ref name (or an object id); None when there is none."""
    found = clone.git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    return found.text if found.status == 0 else None


def resolve(clone: Clone, revision: str) -> str:
    """Return the commit that people mean by a revision. Raises Unable (status 2) when there is none here."""
    found = find_commit(clone, revision)
    if found is None or not re.fullmatch(r"[0-9a-f]{40,64}", found):
        if clone.shallow:
            what = f"there is no commit {revision!a} in this clone, whose history is cut off"
            raise troubles.short_history(what, "fetch it first: git fetch --unshallow", status=2)
        raise troubles.no_revision(revision)
    return found


def is_ancestor(clone: Clone, older: str, newer: str) -> bool:
    """Tell whether one commit is the other, or lies in its history as far as this clone has it. Raises Unable when that is damaged."""
    found = clone.git.attempt("merge-base", "--is-ancestor", older, newer)
    if found.status > 1 or (found.status and "error: " in found.error):  # a hole in the history is no "no"
        raise clone.git.explain(found.error, "merge-base")
    return found.status == 0


def worktree_of(clone: Clone, ref: str) -> Path | None:
    """Return the work tree that has a branch checked out; None when no one has."""
    tree: Path | None = None
    main = clone.root if clone.folder == clone.common else None
    for line in os.fsdecode(clone.git.run("worktree", "list", "--porcelain", "-z").out).split("\0"):
        word, _, value = line.partition(" ")
        if word == "worktree":
            # Of a submodule git names the git folder here (2.39), where its work tree is meant.
            tree = main if main and Path(value) == clone.common else Path(value)
        elif word == "bare":
            tree = None
        elif word == "branch" and value == ref and tree is not None and tree.is_dir():
            return tree
    return None


_UNFINISHED = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
"""What git leaves in its folder while something is under way."""


def require_finished(clone: Clone, ref: str) -> None:
    """Raise Unable when somebody is in the middle of something that would be spoilt if a branch moved: in any work tree."""
    listed = sorted(clone.common.glob("worktrees/*"))
    for folder in (clone.common, *listed):
        for name, what in _UNFINISHED.items():
            if _branch_under_way(folder, name) == ref:
                way = f"end it first (git {what} --continue, or --abort), or use --push"
                raise troubles.unfinished(f"a {what} of {ref.removeprefix(_HEADS)} is under way", way)


def _branch_under_way(folder: Path, name: str) -> str | None:
    """Return the full name of the branch that something under way in a work tree will move; None when there is none."""
    there = folder / name
    if not there.exists():
        return None
    try:
        if there.is_dir():
            return (there / "head-name").read_text(encoding="utf-8", errors="surrogateescape").strip()
        head = (folder / "HEAD").read_text(encoding="utf-8", errors="surrogateescape").strip()
        return head.removeprefix("ref: ") if head.startswith("ref: ") else None
    except OSError:
        return None


def identity(clone: Clone, name: str | None, email: str | None) -> dict[str, str]:
    """Return the variables that name author and committer: as given, else by GIT_AUTHOR_* and GIT_COMMITTER_*, else by git's configuration.

    Raises Unable (status 2) for a name that cannot stand in a commit, (status 3) when nobody is named.
    """
    given = {"NAME": name, "EMAIL": email}
    for word, value in given.items():
        if value is not None and (not value.strip() or _NO_NAME.search(value)):
            raise troubles.commit_text(f"{value!a} cannot stand in a commit as the author's {word.lower()}", "leave out <, > and line ends")
    for key in (f"GIT_{who}_{word}" for who in ("AUTHOR", "COMMITTER") for word in given):
        if _NO_NAME.search(os.environ.get(key, "")):  # git would leave these letters out, and say nothing
            raise troubles.commit_text(f"{key} is {os.environ[key]!a}, which cannot stand in a commit", "leave out <, > and line ends")
    set_ = {f"GIT_{who}_{word}": value for who in ("AUTHOR", "COMMITTER") for word, value in given.items() if value is not None}
    author = {key: value for key in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL") if (value := set_.get(key) or os.environ.get(key))}
    for key, value in author.items():
        committer = key.replace("AUTHOR", "COMMITTER")
        if not os.environ.get(committer):
            set_.setdefault(committer, value)
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        if clone.git.attempt("var", who, variables=set_).status:
            raise troubles.nobody_commits()
    return set_
