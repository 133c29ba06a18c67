"""Surroundings in which programs run: without rights, home, language or folder; interrupted; beside another run of the same."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repository.build_clone import bot_identity, git, make_clone, make_remote, snapshot, spec

LINE = [sys.executable, "-m", "mlspec"]
LIMITED = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--securebits=+noroot"]
"""What takes from root the right to read and write whatever it likes."""
ROOT = os.name == "posix" and os.getuid() == 0


@pytest.fixture
def home(tmp_path):
    return make_clone(tmp_path / "clone")


def run(folder, *arguments, line=(), without=(), **variables):
    """Run mlspec as a process; return the finished run."""
    surroundings = {**os.environ, **bot_identity(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **variables}
    for name in without:
        surroundings.pop(name, None)
    done = subprocess.run([*line, *LINE, *arguments], cwd=folder, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 70, done.stderr
    assert "Traceback" not in done.stderr
    return done


def limited(folder, *arguments, **variables):
    """Run mlspec as somebody who is not root."""
    if ROOT and shutil.which("setpriv") is None:
        pytest.skip("as root, this takes setpriv")
    return run(folder, *arguments, line=LIMITED if ROOT else (), **variables)


# Rights


@pytest.fixture
def compiled(home):
    """A compiled project whose spec has changed since."""
    assert run(home, "compile").returncode == 0
    (home / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    yield home
    for folder, _, _ in os.walk(home):
        Path(folder).chmod(0o755)


RIGHTS = {
    "an output folder": (["deploy"], 0o555, "compile", "deploy/churn cannot be written: Permission denied"),
    "every output folder": (
        ["deploy", "deploy/churn", "deploy/churn/prod"], 0o555, "compile", "deploy/churn/README.md cannot be written: Permission denied",
    ),
    "the folder of the spec": (["churn"], 0o555, "compile", "cannot be written: Permission denied"),
    "the repository": (["."], 0o555, "compile", "cannot be written: Permission denied"),
    "the spec": (["churn/mlspec.yaml"], 0o000, "compile", "churn/mlspec.yaml: it cannot be read (permission denied)"),
    "the spec, for validate": (["churn/mlspec.yaml"], 0o000, "validate", "churn/mlspec.yaml: it cannot be read (permission denied)"),
    "the folder of the spec, for reading": (["churn"], 0o000, "validate", "churn: the folder cannot be listed (permission denied)"),
    "the folder of a spec that is set": (["churn"], 0o555, "set models.m.version 1.0.2 churn/mlspec.yaml", "cannot be written"),
    "the git folder": ([".git"], 0o555, "commit", "mlspec-commit.lock: Permission denied"),
    "the objects": ([".git/objects"], 0o555, "commit", "insufficient permission for adding an object"),
    "the branches": ([".git/refs/heads"], 0o555, "commit", "main"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHTS)
def test_no_right_to(compiled, name):
    paths, mode, command, words = RIGHTS[name]
    if name == "the objects":
        paths = [".git/objects", *(f".git/objects/{path.name}" for path in (compiled / ".git/objects").iterdir())]
    before = snapshot(compiled), git(compiled, "for-each-ref")
    kept = {path: (compiled / path).stat().st_mode for path in paths}
    for path in paths:
        (compiled / path).chmod(mode)
    done = limited(compiled, *command.split())
    for path, was in kept.items():
        (compiled / path).chmod(was)
    assert done.returncode == 3, done.stderr
    assert words in done.stderr
    assert (snapshot(compiled), git(compiled, "for-each-ref")) == before


HOMES = {
    "none": {"without": ["HOME", "XDG_CACHE_HOME"]},
    "one that is not there": {"HOME": "/nonexistent", "without": ["XDG_CACHE_HOME"]},
    "one that cannot be written": {"HOME": "{}", "without": ["XDG_CACHE_HOME"]},
    "a cache that cannot be written": {"XDG_CACHE_HOME": "{}"},
    "a cache that is a file": {"XDG_CACHE_HOME": "/dev/null"},
    "no room for what is temporary": {"TMPDIR": "/nonexistent"},
}


@pytest.mark.parametrize("which", HOMES)
def test_a_home(home, tmp_path, which):
    (tmp_path / "locked").mkdir(mode=0o500)
    variables = {key: value.format(tmp_path / "locked") if isinstance(value, str) else value for key, value in HOMES[which].items()}
    for command in ("compile", "commit"):
        done = limited(home, command, **variables)
        assert done.returncode == 0, done.stderr
    assert list((tmp_path / "locked").iterdir()) == []


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o777])
def test_the_umask_changes_no_mode(home, umask):
    before = os.umask(umask)
    try:
        assert run(home, "compile").returncode == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (home / "deploy").rglob("*") if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in (home / "deploy").rglob("*") if path.is_dir()} == {0o755}


# Language, time, chance, place

ODD = {
    "language": {"LANG": "C", "LC_ALL": "C", "LANGUAGE": "C"},
    "another language": {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"},
    "no language": {"without": ["LANG", "LC_ALL", "LC_CTYPE", "LANGUAGE"], "PYTHONUTF8": "0"},
    "time zone": {"TZ": "Asia/Kathmandu"},
    "no time zone": {"TZ": ":no/such"},
    "hashes": {"PYTHONHASHSEED": "1"},
    "other hashes": {"PYTHONHASHSEED": "4294967295"},
    "optimized": {"PYTHONOPTIMIZE": "2"},
    "colours": {"FORCE_COLOR": "1", "TERM": "xterm-256color"},
    "columns": {"COLUMNS": "20", "LINES": "3"},
    "encoding": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What a spec with letters of every kind compiles to in plain surroundings."""
    folder = make_clone(tmp_path_factory.mktemp("plain") / "clone")
    (folder / "churn/mlspec.yaml").write_text(spec() + 'description: "Grüße, 日本語, İı"\n', encoding="utf-8")
    assert run(folder, "compile").returncode == 0
    return folder


@pytest.mark.parametrize("name", ODD)
def test_the_same_bytes_with_another(plain, tmp_path, name):
    folder = make_clone(tmp_path / "clone")
    shutil.copy(plain / "churn/mlspec.yaml", folder / "churn/mlspec.yaml")
    done = run(folder, "compile", **ODD[name])
    assert done.returncode == 0, done.stderr
    assert snapshot(folder) == snapshot(plain)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("validate", 3),
        ("compile", 3),
        ("check", 3),
        ("diff", 3),
        ("commit", 3),
        ("fmt --check", 3),
        ("init x", 3),
        ("--help", 0),
        ("explain E702", 0),
    ],
)
def test_the_folder_in_which_it_runs_is_gone(home, tmp_path, command, status):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(gone, line=["sh", "-c", f"rmdir {gone}; exec {sys.executable} -m mlspec {command} #"])
    assert done.returncode == status, done.stdout + done.stderr
    assert ("the current folder is not there any more" in done.stderr) is (status == 3), done.stderr


def test_a_path_is_compiled_from_a_folder_that_is_gone(home, plain, tmp_path):
    shutil.copy(plain / "churn/mlspec.yaml", home / "churn/mlspec.yaml")
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(gone, line=["sh", "-c", f"rmdir {gone}; exec {sys.executable} -m mlspec compile {home} #"])
    assert (done.returncode, snapshot(home) == snapshot(plain)) in {(0, True), (3, False)}, done.stderr
    assert "Errno" not in done.stderr


# Interrupted


@pytest.fixture
def waiting(home):
    """A clone in which a commit waits, because its remote does not answer; start it, and get the process."""
    ssh = home.parent / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {home.parent}/called\nexec sleep 60\n")
    ssh.chmod(0o755)
    git(home, "remote", "add", "origin", "ssh://nowhere.example/models.git")
    started = []

    def start(**streams):
        surroundings = {
            **os.environ,
            **bot_identity(),
            "GIT_SSH_COMMAND": str(ssh),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "TMPDIR": str(home.parent),
        }
        process = subprocess.Popen([*LINE, "commit", "--push"], cwd=home, env=surroundings, text=True, stderr=subprocess.PIPE, **streams)
        started.append(process)
        for _ in range(1500):
            if (home.parent / "called").exists():
                return process
            time.sleep(0.02)
        raise AssertionError("it never came to its remote")

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupted", "terminated"])
def test_a_run_that_is_ended(home, waiting, number, status):
    before = snapshot(home), git(home, "for-each-ref")
    process = waiting()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)  # the remote answers after a minute
    assert (process.returncode, said.strip()) == (status, "")
    assert (snapshot(home), git(home, "for-each-ref")) == before
    assert not list(home.parent.glob("mlspec-git-*")), "what was temporary is gone"


@pytest.mark.parametrize(
    "command",
    ["compile --stdout", "diff --from HEAD", "check --format json", "explain --all", "schema", "rollout status churn/mlspec.yaml"],
)
def test_a_reader_that_goes_away(home, command):
    run(home, "compile")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*LINE, *command.split()], cwd=home, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (141, False, False), done.stderr


# Beside another run


def test_two_runs_in_one_tree(home, tmp_path):
    """Whoever comes second waits; both end well, and what is there is of one of them."""
    for _ in range(2):
        shutil.rmtree(home / "deploy", ignore_errors=True)
        (home / "churn/mlspec.lock").unlink(missing_ok=True)
        runs = [subprocess.Popen([*LINE, "compile", "--fresh"], cwd=home, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        said = [process.communicate(timeout=60)[1] for process in runs]
        assert [process.returncode in {0, 4} for process in runs] == [True] * 3, said
        assert 0 in [process.returncode for process in runs]
        assert run(home, "check").returncode == 0


def test_a_lock_of_a_dead_run_stops_nobody(home):
    """The kernel lets go of what the dead held; what they left lying about is known by that."""
    git_folder = home / ".git"
    (git_folder / "mlspec-commit.lock").touch()
    (home / ".mlspec-writing").mkdir()
    for command in ("compile", "commit"):
        done = run(home, command)
        assert done.returncode == 0, done.stderr
    assert run(home, "check").returncode == 0


def test_a_commit_waits_for_another_and_gives_up(home, monkeypatch, capsys):
    from mlspec.__main__ import main
    from mlspec.repository import worktree

    monkeypatch.chdir(home)
    for name, value in {**bot_identity(), "GIT_CONFIG_GLOBAL": os.devnull}.items():
        monkeypatch.setenv(name, value)
    real = worktree.claim
    monkeypatch.setattr(worktree, "claim", lambda clone: real(clone, 0.1))
    handle = os.open(home / ".git/mlspec-commit.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert main(["commit"]) == 4
    finally:
        os.close(handle)
    assert "error[MLS-E714]: another mlspec commit is at work in this clone" in capsys.readouterr().err
    assert main(["commit", "--quiet"]) == 0


def test_a_lock_that_git_has_left(home):
    """Somebody's git died and left the lock of the index: the commit is made, and the work tree is said to be behind."""
    (home / ".git/index.lock").touch()
    done = run(home, "commit")
    assert done.returncode == 0, done.stderr
    assert git(home, "rev-parse", "main") == done.stdout.strip()
    assert (home / ".git/index.lock").exists(), "it is not ours to take away"


def test_a_remote_beside_it_is_left_alone(home, tmp_path):
    remote = make_remote(tmp_path / "remote.git", home)
    before = git(remote, "for-each-ref")
    assert run(home, "commit").returncode == 0
    assert git(remote, "for-each-ref") == before
