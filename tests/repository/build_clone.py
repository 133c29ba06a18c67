"""Repositories for tests: a remote, clones of it, specs in them, and a bot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SPEC = """\
apiVersion: mlspec.dev/v1
name: NAME
owner: {team: ml}
environments: {prod: {namespace: NAME}}
models: {m: {framework: sklearn, version: "VERSION", uri: "s3://acme/m/VERSION"}}
serving: {NAME: {model: m, replicas: 2}}
"""
PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def spec(name="churn", version="1.0.0"):
    return SPEC.replace("NAME", name).replace("VERSION", version)


def git(folder, *arguments, check=True, **variables):
    """Run git as a person would; return what it said."""
    surroundings = {**os.environ, **PERSON, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **variables}
    run = subprocess.run(["git", *arguments], cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert run.returncode == 0 or not check, run.stderr
    return run.stdout.strip()


def commit_all(folder, message="change"):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def make_clone(folder, **specs):
    """Make a repository on main with one spec a project, committed."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, version in (specs or {"churn": "1.0.0"}).items():
        (folder / name).mkdir()
        (folder / name / "mlspec.yaml").write_text(spec(name, version))
    commit_all(folder, "specs")
    return folder


def make_remote(folder, clone):
    """Make a bare repository that a clone calls origin, and push to it."""
    git(clone, "clone", "-q", "--bare", str(clone), str(folder))
    git(clone, "remote", "add", "origin", str(folder))
    git(clone, "fetch", "-q", "origin")
    return folder


def bot(folder, *arguments, **variables):
    """Run ``mlspec commit`` as a process; return the finished run."""
    surroundings = {**os.environ, **bot_identity(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **variables}
    line = [sys.executable, "-m", "mlspec", "commit", *arguments]
    return subprocess.run(line, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def lives(pid):
    """Tell whether a process is there and not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def bot_identity():
    return {"GIT_AUTHOR_NAME": "bot", "GIT_AUTHOR_EMAIL": "bot@example.com", "GIT_COMMITTER_NAME": "", "GIT_COMMITTER_EMAIL": ""}


def snapshot(folder):
    """Return every file below a folder but git's, by path: bytes and mode."""
    files = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] != ".git" and (path.is_symlink() or path.is_file()):
            files[name] = (str(path.readlink()), 0) if path.is_symlink() else (path.read_bytes(), path.stat().st_mode)
    return files
