"""Remotes: their tips are fetched without moving any ref of this clone, and pushed to only from where they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlspec.repository import troubles
from mlspec.repository.clone import Clone
from mlspec.repository.git import REMOTE_S, redacted

_UPLOAD, _RECEIVE = "--upload-pack=git-upload-pack", "--receive-pack=git-receive-pack"
"""What runs at the other end; a repository's configuration could name anything else, and on a disk that end is here."""
_LOST_RACE = re.compile(
    r"\[rejected\]|stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|already exists|"
    r"failed to lock|reference broken|is at [0-9a-f]+ but expected",
)
_REFUSED = re.compile(r"protected branch|hook declined|not allowed|denied|forbidden|GH\d{3}|prohibited", re.IGNORECASE)


def address(clone: Clone, remote: str) -> str:
    """Return the URL that a remote is pushed to, without credentials. Raises Unable when there is no such remote."""
    known = clone.git.attempt("config", "--name-only", "--get-regexp", r"^remote\..*\.(url|pushurl)$").text.split("\n")
    names = sorted({name.removeprefix("remote.").rpartition(".")[0] for name in known if name})
    if remote not in names:
        raise troubles.no_remote(remote, names)
    return redacted(clone.git.run("remote", "get-url", "--push", "--end-of-options", remote).text)


def tips(clone: Clone, remote: str, refs: Sequence[str]) -> list[str | None]:
    """Return the commits that a remote has at some full ref names, fetched; None where it has no such ref.

    No ref of this clone is moved: not even the remote-tracking ones, over which bots that share a clone would stumble.
    Raises Unable when the remote cannot be reached.
    """
    for _ in range(5):
        said = clone.git.run("ls-remote", _UPLOAD, "--refs", "--end-of-options", remote, *refs, seconds=REMOTE_S).text
        there = {ref: name for name, _, ref in (line.partition("\t") for line in said.split("\n")) if ref in refs}
        missing = [ref for ref, name in there.items() if not _is_whole(clone, name)]
        if not missing:
            return [there.get(ref) for ref in refs]
        options = (_UPLOAD, "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules", "--refmap=", "--quiet")
        done = clone.git.attempt("fetch", *options, "--end-of-options", remote, *missing, seconds=REMOTE_S)
        # A branch that went away or moved in between, or another fetch in this clone, is no reason to give up.
        if done.status and not re.search(r"couldn't find remote ref|\.lock|not our ref", done.error):
            raise clone.git.explain(done.error, "fetch")
    raise troubles.lost_race(f"the branches of {remote} change too fast to be fetched")


def _is_whole(clone: Clone, commit: str) -> bool:
    """Tell whether a commit is here with all that belongs to it, history included.

    That the commit is here is not enough: git unpacks what it fetches one object after the other, commits first. While
    another run fetches, or for good once it was killed, a commit is there without its trees and files.
    """
    options = ("--objects", "--quiet", "--exclude-promisor-objects")
    return clone.git.attempt("rev-list", *options, commit, "--not", "--all").status == 0


def push(clone: Clone, remote: str, commit: str, ref: str, old: str | None) -> bool:
    """Push a commit to a branch that is still at ``old`` (None: that does not exist); say whether it went through.

    The lease forces nothing: the commit is always a descendant of ``old``. It is stricter than a plain push, which would
    bring back what somebody has just taken off the branch. Raises Unable when the remote refuses for another reason.
    """
    options = (_RECEIVE, "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-signed", "--no-follow-tags")
    lease = f"--force-with-lease={ref}:{old or ''}"
    done = clone.git.attempt("push", *options, lease, "--end-of-options", remote, f"{commit}:{ref}", seconds=REMOTE_S)
    if done.status == 0:
        return True
    said = done.out.decode("utf-8", "replace") + done.error
    status = next((line for line in said.splitlines() if line.startswith("!")), "")
    branch = ref.removeprefix("refs/heads/")
    if status and _REFUSED.search(said):
        reasons = [line.removeprefix("remote:").strip() for line in redacted(said).splitlines() if line.startswith("remote:")]
        reason = "; ".join(line for line in reasons if line) or status.split("\t")[-1]
        raise troubles.push_refused(remote, branch, reason)
    if _LOST_RACE.search(status or said):
        return False
    raise clone.git.explain(said, "push")
