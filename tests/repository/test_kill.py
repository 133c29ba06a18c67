"""Killed anywhere, mlspec commit leaves the old branch or the new one, and the next run finishes what it began."""

import os
import signal
import sys
import time

import pytest

from mlspec.repository import temporary, worktree
from mlspec.repository.git import Git
from repository.build_clone import bot, commit_all, git, lives, snapshot, spec

CALLS = 30
"""More steps than a commit to a clone takes."""
WRITING = {"read-tree", "hash-object", "update-index", "write-tree", "commit-tree", "update-ref"}


def die_at(number, after):
    """Run ``mlspec commit`` in a child that kills itself before (or right after) its n-th step that writes; tell whether it did."""
    child = os.fork()
    if not child:
        try:
            left = [number]

            def deadly(real, counts):
                def step(*arguments, **options):
                    left[0] -= counts(arguments)
                    if left[0] == 0 and not after:
                        os.kill(os.getpid(), signal.SIGKILL)
                    done = real(*arguments, **options)
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return done

                return step

            Git.attempt = deadly(Git.attempt, lambda arguments: arguments[1] in WRITING)
            for name in ("_renew", "note", "forget"):
                setattr(worktree, name, deadly(getattr(worktree, name), lambda _: True))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            from mlspec.__main__ import main

            os._exit(main(["commit"]))
        finally:
            os._exit(99)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, pytest.param(True, marks=pytest.mark.conformance)], ids=["before", "after"])
def test_a_kill_at_any_git_call(clone, after, monkeypatch):
    """After a step is before the next one, but for what lies between them, and that writes nothing."""
    monkeypatch.chdir(clone)
    (clone / "notes.txt").write_text("one\n")
    commit_all(clone)
    assert bot(clone).returncode == 0
    (clone / "notes.txt").write_text("staged\n")
    git(clone, "add", "notes.txt")
    (clone / "notes.txt").write_text("edited\n")
    (clone / "unknown.txt").write_text("unknown\n")
    dirty = git(clone, "status", "--porcelain")
    for number in range(1, CALLS):
        (clone / "churn/mlspec.yaml").write_text(spec(version=f"1.0.{number}"))
        git(clone, "commit", "-q", "-m", "change", "--", "churn/mlspec.yaml")
        old, before = git(clone, "rev-parse", "main"), snapshot(clone)
        killed = die_at(number, after)
        now = git(clone, "rev-parse", "main")
        assert now == old or git(clone, "rev-parse", "main^") == old
        mine = {path: found for path, found in snapshot(clone).items() if not path.startswith("deploy/") and path != "churn/mlspec.lock"}
        assert mine == {path: found for path, found in before.items() if path in mine}
        if not killed:
            assert number > 10
            break
        again = bot(clone)
        assert again.returncode == 0, again.stderr
        assert (again.stdout == "") == (now != old)
        assert git(clone, "log", "--format=%s", f"{old}..main") == "Compile churn"
        assert git(clone, "status", "--porcelain") == dirty
    else:
        pytest.fail(f"there are more than {CALLS} calls")
    assert git(clone, "fsck", "--full", "--no-dangling") == ""
    assert not (clone / ".git/mlspec-commit").exists()
    assert list((clone.parent / "scratch").iterdir()) == []


def test_folders_of_the_dead_are_cleared_and_those_of_the_living_kept(tmp_path):
    with temporary.temporary() as living:
        dead, young = (living.parent / f"{temporary.PREFIX}{name}" for name in ("dead", "young"))
        for folder in (dead, young):
            folder.mkdir()
        (dead / "alive").touch()
        (dead / "tree").mkdir()
        other = living.parent / "of-somebody-else"
        other.mkdir()
        with temporary.temporary():
            assert living.exists()
            assert young.exists()
            assert other.exists()
            assert not dead.exists()
        past = time.time() - 3600
        os.utime(young, (past, past))
        with temporary.temporary():
            assert not young.exists()
        assert living.stat().st_mode & 0o777 == 0o700
    assert not living.exists()


def test_a_termination_clears_up(clone, tmp_path):
    """SIGTERM unwinds: no folder and no git process stays."""
    import subprocess

    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    ssh.chmod(0o755)
    git(clone, "remote", "add", "origin", "ssh://nowhere.example/models.git")
    run = subprocess.Popen(
        [sys.executable, "-m", "mlspec", "commit", "--push"],
        cwd=clone,
        env={**os.environ, "GIT_SSH_COMMAND": str(ssh)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    for _ in range(600):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
        time.sleep(0.05)
    run.terminate()
    assert run.wait(30) == 143  # the remote answers after a minute
    pid = (tmp_path / "pid").read_text().strip()
    for _ in range(100):
        if not lives(pid):
            break
        time.sleep(0.05)
    assert not lives(pid)
    assert list((tmp_path / "scratch").iterdir()) == []
