"""Repositories of every kind: mlspec commit works there, or says what it needs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlspec.diagnostics import Unable
from mlspec.repository import clone as clones
from mlspec.repository import git as runner
from mlspec.repository.commits import trailers_of
from repository.build_clone import bot, commit_all, git, lives, make_clone, snapshot, spec


def fresh_binary(monkeypatch, path):
    monkeypatch.setenv("PATH", str(path))
    runner._binary.cache_clear()


@pytest.fixture(autouse=True)
def _forget_the_binary():
    yield
    runner._binary.cache_clear()


def lands(folder, *arguments, where=None, branch="main"):
    done = bot(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert git(where or folder, "rev-parse", f"refs/heads/{branch}") == done.stdout.strip()
    return done


def test_a_detached_head_needs_to_know_the_branch(clone, remote):
    git(clone, "checkout", "-q", "--detach")
    done = bot(clone)
    assert done.returncode == 2
    assert "--from BRANCH" in done.stderr
    lands(clone, "--branch", "main", "--push", where=remote)
    assert "nothing to commit" in bot(clone, "--from", "main", "--pr").stderr


def test_a_detached_head_and_a_local_branch(clone):
    git(clone, "checkout", "-q", "--detach")
    before = snapshot(clone)
    lands(clone, "--branch", "main")
    assert snapshot(clone) == before, "nobody has the branch checked out"


@pytest.mark.parametrize("depth", ["1", "2"])
def test_a_shallow_clone(clone, remote, tmp_path, depth):
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(clone)
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.2"))
    commit_all(clone)
    git(clone, "push", "-q", "origin", "main")
    git(tmp_path, "clone", "-q", "--depth", depth, remote.as_uri(), "shallow")
    lands(tmp_path / "shallow", "--push", where=remote)
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.3"))
    git(clone, "pull", "-q", "origin", "main")
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.3"))
    commit_all(clone)
    git(clone, "push", "-q", "origin", "main")
    lands(tmp_path / "shallow", "--push", where=remote)
    assert git(remote, "fsck", "--full", "--no-dangling") == ""
    assert bot(tmp_path / "shallow", "--push").stdout == ""


def test_a_shallow_clone_and_a_branch_of_its_own(clone, remote, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", remote.as_uri(), "shallow")
    lands(tmp_path / "shallow", "--pr", where=remote, branch="mlspec/main")
    for version in ("1.0.1", "1.0.2"):
        (clone / "churn/mlspec.yaml").write_text(spec(version=version))
        commit_all(clone)
        git(clone, "push", "-q", "origin", "main")
        again = tmp_path / f"shallow-{version}"
        git(tmp_path, "clone", "-q", "--depth", "1", remote.as_uri(), str(again))
        lands(again, "--pr", where=remote, branch="mlspec/main")
    assert version in git(remote, "show", "mlspec/main:deploy/churn/prod/serving-churn.yaml")
    assert git(remote, "merge-base", "main", "mlspec/main") == git(remote, "rev-parse", "main")


def test_a_linked_work_tree_follows_its_own_branch(clone, tmp_path):
    git(clone, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    lands(tmp_path / "side", branch="side")
    assert git(tmp_path / "side", "status", "--porcelain") == ""
    assert (tmp_path / "side/churn/mlspec.lock").exists()
    assert not (clone / "churn/mlspec.lock").exists()


def test_a_branch_that_another_work_tree_has(clone, tmp_path):
    git(clone, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    lands(tmp_path / "side", "--from", "main")
    assert (clone / "churn/mlspec.lock").exists()
    assert git(clone, "status", "--porcelain") == ""
    assert git(tmp_path / "side", "status", "--porcelain") == ""
    done = bot(clone, "--branch", "side")
    assert done.returncode == 3
    assert "is checked out in" in done.stderr


def test_a_bare_repository(clone, remote):
    lands(remote)
    done = bot(remote, "--from", "main", "--branch", "deploy")
    assert done.returncode == 0
    assert done.stdout == ""


def test_a_folder_below_the_root(clone):
    (clone / "fraud").mkdir()
    (clone / "fraud/mlspec.yaml").write_text(spec("fraud"))
    commit_all(clone)
    lands(clone / "fraud")
    assert not (clone / "churn/mlspec.lock").exists()
    assert (clone / "fraud/mlspec.lock").exists()


def test_a_branch_without_a_commit(tmp_path):
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q", "-b", "main")
    done = bot(tmp_path / "new")
    assert done.returncode == 3
    assert "no commit" in done.stderr


def test_no_repository(tmp_path):
    done = bot(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert done.returncode == 3
    assert "no git repository" in done.stderr


def test_inside_the_git_folder(clone):
    assert bot(clone / ".git").returncode == 3


def test_no_remote(clone):
    done = bot(clone, "--push")
    assert done.returncode == 3
    assert "no remote named 'origin'; this clone has none" in done.stderr


def test_a_remote_that_is_gone(clone, remote, tmp_path):
    remote.rename(tmp_path / "elsewhere.git")
    done = bot(clone, "--push")
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr


def test_a_branch_that_the_remote_lacks(clone, remote):
    git(clone, "checkout", "-q", "-b", "side")
    done = bot(clone, "--push")
    assert done.returncode == 3
    assert "git push origin side" in done.stderr


def test_a_remote_that_refuses(clone, remote):
    hook = remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho the branch is protected >&2\nexit 1\n")
    hook.chmod(0o755)
    done = bot(clone, "--push")
    assert done.returncode == 3
    assert "refuses the push to main: the branch is protected" in done.stderr


def test_credentials_are_never_asked_for_nor_shown(clone, tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\nif [ -t 0 ] || (: </dev/tty) 2>/dev/null; then echo a terminal >&2; fi\n"
        "echo 'Permission denied (publickey).' >&2\nexit 255\n"
    )
    ssh.chmod(0o755)
    git(clone, "remote", "add", "origin", "ssh://ada:hunter2@nowhere.example/models.git")
    done = bot(clone, "--push", GIT_SSH_COMMAND=str(ssh))
    assert done.returncode == 3
    assert "wants credentials" in done.stderr
    assert "hunter2" not in done.stderr
    assert "a terminal" not in done.stderr


def test_a_remote_that_never_answers_is_given_up(clone, tmp_path, monkeypatch):
    ssh, pid = tmp_path / "ssh", tmp_path / "pid"
    ssh.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 60\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    began = time.monotonic()
    with pytest.raises(Unable, match="did not end within 1 s"):
        clones.open_clone(clone).git.run("ls-remote", "ssh://nowhere.example/models.git", seconds=1)
    assert time.monotonic() - began < 10
    for _ in range(50):
        if not lives(pid.read_text().strip()):
            break
        time.sleep(0.1)
    else:
        pytest.fail("what git started lives on")


def test_output_is_bounded(clone, monkeypatch):
    monkeypatch.setattr(runner, "OUTPUT_BYTES", 100)
    with pytest.raises(Unable, match="says more than"):
        clones.open_clone(clone).git.run("cat-file", "-p", "HEAD:churn/mlspec.yaml")


def test_no_git(clone, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    fresh_binary(monkeypatch, tmp_path / "empty")
    with pytest.raises(Unable, match="not on the PATH"):
        clones.open_clone(clone)


def test_an_old_git(clone, tmp_path, monkeypatch):
    tools = tmp_path / "old"
    tools.mkdir()
    (tools / "git").write_text("#!/bin/sh\necho git version 2.17.1\n")
    (tools / "git").chmod(0o755)
    fresh_binary(monkeypatch, tools)
    with pytest.raises(Unable, match=r"git is of version 2\.17\.1"):
        clones.open_clone(clone)


def test_nobody_to_commit(clone):
    done = bot(clone, GIT_AUTHOR_NAME="", GIT_AUTHOR_EMAIL="")
    assert done.returncode == 3
    assert "--author-name" in done.stderr
    done = bot(clone, "--author-name", "Robot", "--author-email", "robot@example.com", GIT_AUTHOR_NAME="", GIT_AUTHOR_EMAIL="")
    assert done.returncode == 0
    assert git(clone, "log", "-1", "--format=%an <%ae> %cn <%ce>") == "Robot <robot@example.com> Robot <robot@example.com>"


def test_a_configured_person_commits(clone):
    git(clone, "config", "user.name", "Ada")
    git(clone, "config", "user.email", "ada@example.com")
    assert bot(clone, GIT_AUTHOR_NAME="", GIT_AUTHOR_EMAIL="").returncode == 0
    assert git(clone, "log", "-1", "--format=%an %cn") == "Ada Ada"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="giving a folder to another user takes root")
def test_a_repository_of_another_user(clone):
    for path in [clone, *clone.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    done = bot(clone)
    assert done.returncode == 3
    assert f"git config --global --add safe.directory {clone}" in done.stderr
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(clone)}
    assert bot(clone, **trusted).returncode == 0


def test_nothing_of_the_repository_runs(clone, tmp_path):
    mark = tmp_path / "ran"
    tool = tmp_path / "tool"
    tool.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$PPID/cmdline >> {mark}\ncat\n')
    tool.chmod(0o755)
    hooks = clone / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in (
        "pre-commit",
        "post-commit",
        "post-index-change",
        "reference-transaction",
        "pre-push",
        "post-checkout",
        "prepare-commit-msg",
    ):
        (hooks / hook).write_text(tool.read_text())
        (hooks / hook).chmod(0o755)
    for key in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "core.sshCommand",
        "gpg.program",
        "core.pager",
    ):
        git(clone, "config", key, str(tool))
    git(clone, "config", "commit.gpgSign", "true")
    (clone / ".gitattributes").write_text("* filter=evil\n*.yaml filter=evil text eol=crlf\n")
    git(
        clone,
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "filter.evil.process=",
        "-c",
        "filter.evil.clean=cat",
        "add",
        "-A",
    )
    git(
        clone,
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "commit.gpgSign=false",
        "commit",
        "-q",
        "-m",
        "attributes",
    )
    mark.unlink(missing_ok=True)
    done = bot(clone)
    assert done.returncode == 0, done.stderr
    assert not mark.exists(), mark.read_text()
    assert b"\r" not in subprocess.run(["git", "show", "HEAD:deploy/churn/README.md"], cwd=clone, capture_output=True, check=True).stdout


def test_the_environment_leads_nowhere_else(clone, tmp_path):
    other = make_clone(tmp_path / "other")
    before = git(other, "rev-parse", "HEAD")
    lands_in = bot(clone, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other), GIT_INDEX_FILE=str(tmp_path / "index"), GIT_NAMESPACE="x")
    assert lands_in.returncode == 0, lands_in.stderr
    assert git(clone, "rev-parse", "HEAD") == lands_in.stdout.strip()
    assert git(other, "rev-parse", "HEAD") == before
    assert not (tmp_path / "index").exists()


def test_a_sparse_work_tree(clone):
    (clone / "fraud").mkdir()
    (clone / "fraud/mlspec.yaml").write_text(spec("fraud"))
    commit_all(clone)
    assert bot(clone).returncode == 0
    git(clone, "status")  # brings the times of the files into the index
    git(clone, "sparse-checkout", "set", "fraud")
    assert not (clone / "churn").exists()
    git(clone, "config", "core.sparseCheckout", "true")
    for name in ("churn", "fraud"):
        blob = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=clone, input=spec(name, "1.0.1"), capture_output=True, text=True, check=True
        )
        git(clone, "update-index", "--cacheinfo", f"100644,{blob.stdout.strip()},{name}/mlspec.yaml")
        git(clone, "update-index", "--skip-worktree", f"{name}/mlspec.yaml") if name == "churn" else None
    (clone / "fraud/mlspec.yaml").write_text(spec("fraud", "1.0.1"))
    git(clone, "commit", "-q", "-m", "both")
    lands(clone)
    assert "1.0.1" in git(clone, "show", "HEAD:deploy/churn/prod/serving-churn.yaml")
    assert git(clone, "status", "--porcelain") == ""
    assert not (clone / "churn").exists()


def test_a_partial_clone(clone, remote, tmp_path):
    git(remote, "config", "uploadpack.allowFilter", "true")
    git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", remote.as_uri(), "partial")
    lands(tmp_path / "partial", "--push", where=remote)


def test_sha256(tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main", "--object-format=sha256")
    (folder / "churn").mkdir()
    (folder / "churn/mlspec.yaml").write_text(spec())
    commit_all(folder)
    assert len(lands(folder).stdout.strip()) == 64
    (folder / "churn/mlspec.yaml").write_text(spec().replace("serving: {churn:", "serving: {other:"))
    commit_all(folder)
    lands(folder)
    assert git(folder, "status", "--porcelain") == ""


def test_links_lead_nowhere_outside(clone, tmp_path):
    secret = tmp_path / "secret.yaml"
    secret.write_text("owner: {team: SECRET}\n")
    (clone / "churn/base.yaml").symlink_to(secret)
    (clone / "churn/mlspec.yaml").write_text("extends: base.yaml\n" + spec().replace("owner: {team: ml}\n", ""))
    commit_all(clone)
    done = bot(clone)
    assert done.returncode == 1
    assert "MLS-E480" in done.stderr
    assert "SECRET" not in done.stderr


def test_links_inside_are_followed(clone):
    (clone / "company.yaml").write_text("owner: {team: ml}\n")
    (clone / "churn/base.yaml").symlink_to("../company.yaml")
    (clone / "churn/mlspec.yaml").write_text("extends: base.yaml\n" + spec().replace("owner: {team: ml}\n", ""))
    commit_all(clone)
    lands(clone)
    checked = subprocess.run([sys.executable, "-m", "mlspec", "check"], cwd=clone, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_submodule_is_left_alone(clone, tmp_path):
    other = make_clone(tmp_path / "other", fraud="1.0.0")
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "vendored")
    commit_all(clone)
    done = lands(clone)
    assert git(clone, "ls-tree", "HEAD", "vendored").startswith("160000 commit")
    assert "fraud" not in git(clone, "show", "--stat", done.stdout.strip())


def test_code_and_data_are_not_copied_and_stay_in_the_commit(clone):
    (clone / "train.py").write_text("print()\n")
    (clone / "data.parquet").write_bytes(b"\0" * 100)
    (clone / "big.yaml").write_bytes(b"#" * (7 * 1024 * 1024))
    commit_all(clone)
    done = lands(clone)
    assert {"train.py", "data.parquet", "big.yaml"} <= set(git(clone, "ls-tree", "--name-only", done.stdout.strip()).split("\n"))


def test_a_message_of_ones_own_keeps_the_trailers(clone):
    done = bot(clone, "--message", "Deploy churn\n\nBecause it is Monday.")
    found = trailers_of(clones.open_clone(clone), done.stdout.strip())
    assert found is not None
    assert found.source == git(clone, "rev-parse", "HEAD^")
    assert git(clone, "log", "-1", "--format=%s") == "Deploy churn"


def test_names_with_odd_characters(clone):
    odd = clone / "a b\t'ü\"$(id)"
    odd.mkdir()
    (odd / "notes.yaml").write_text("a: b\n")
    (clone / "new\nline.txt").write_text("x\n")
    commit_all(clone)
    lands(clone)
    assert git(clone, "status", "--porcelain") == ""


def test_a_deleted_working_directory(clone, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = f"os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})"
    line = f"import os, sys; from mlspec.__main__ import main; {leave}; sys.exit(main(['commit', {str(clone)!r}]))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr


def test_specs_at_two_places_of_one_repository_only(clone, tmp_path):
    other = make_clone(tmp_path / "other")
    done = bot(clone, "churn", str(other))
    assert done.returncode == 2
    assert "not in the repository" in done.stderr
    assert Path(other, ".git").exists()
