"""Commands that write, each in a repository where it has something to do, and what has to hold once it was killed in the middle."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cli.rollouts import CANARY
from mlspec.artifacts import STAGING
from mlspec.repository.temporary import PREFIX
from repository.build_clone import git, snapshot
from tracing import Bench, Place

DATA = "datasets: {visits: {uri: s3://acme/visits, version: {dvc: visits.csv.dvc}}}\n"
GROWN = (
    CANARY.replace("serving:\n", "serving:\n  second: {model: churn, replicas: 2}\n")
    .replace("pause: 10m", "pause: 20m")
    .replace('"1.0.0", uri: "s3://acme/churn/1.0.0"', '"1.1.0", uri: "s3://acme/churn/1.1.0"')
)
STARTED = CANARY.replace("serving:\n", "serving:\n  third: {model: churn}\n")
VERSIONS = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
environments:
  dev: {namespace: churn-dev, overrides: {models: {churn: {version: "1.1.0"}}}}
  prod: {namespace: churn, after: dev}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/${version}"}}
serving: {api: {model: churn}}
"""


class Scenario(NamedTuple):
    """One command, and the repository in which it is run."""

    name: str
    make: Callable[[Path, Bench], None]
    """Fills an empty folder."""
    command: tuple[str, ...]
    again: tuple[tuple[str, ...], ...] = ()
    """What is run after a kill, in place of the same command."""
    once: bool = False
    """The command goes on to something else when it is run twice: it is run again only where it has done nothing."""
    atomic: bool = True
    """The project's folder changes in one step."""
    follows: bool = False
    """Files are brought after a branch that has moved already: what fails then is done by the next run."""
    mended: tuple[str, ...] = ()
    """Files that are brought into a readable form before anything else is done, which is neither the old nor the new one."""


class State(NamedTuple):
    """All that a run may change in a repository."""

    files: dict[str, tuple[bytes | str, int]]
    status: str
    branch: str
    remote: str
    inside: frozenset[str]
    """What lies in .git, objects and logs left out."""


def look(root: Path) -> State:
    remote = root.parent / "remote.git"
    hidden = frozenset(
        path.relative_to(root).as_posix()
        for path in (root / ".git").rglob("*")
        if path.is_file() and path.relative_to(root).parts[1] not in {"objects", "logs"}
    )
    return State(
        snapshot(root),
        git(root, "status", "--porcelain", "--untracked-files=all", GIT_OPTIONAL_LOCKS="0"),
        git(root, "rev-parse", "main"),
        git(remote, "rev-parse", "main") if remote.exists() else "",
        hidden,
    )


class Stage:
    """A scenario made once, from which every run starts anew, at the same place."""

    def __init__(self, scenario: Scenario, bench: Bench) -> None:
        self.scenario, self.bench = scenario, bench
        self.all = bench.folder / "stage"
        self.root = self.all / "clone"
        self.root.mkdir(parents=True)
        scenario.make(self.root, bench)
        self.before = look(self.root)
        self._kept = bench.folder / "kept"
        for name, folder in (("stage", self.all), ("cache", bench.cache)):
            shutil.copytree(folder, self._kept / name, symlinks=True)
        self.places = bench.places(self.root, *scenario.command)
        self._healed: set[bytes] = set()
        self._alone = not any(place.git for place in self.places)
        self.after = look(self.root)
        assert self.after != self.before, "there is nothing to be killed in"
        assert STAGING not in str(sorted(self.after.files))

    def reset(self) -> None:
        """Put everything back to where the command has not been run."""
        for name, folder in (("stage", self.all), ("cache", self.bench.cache)):
            shutil.rmtree(folder)
            shutil.copytree(self._kept / name, folder, symlinks=True)
        for left in self.bench.scratch.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def check_torn(self) -> None:
        """Hold what a killed run has left against both states, before anything heals it."""
        found, before, after = look(self.root), self.before, self.after
        for path in sorted({*found.files, *before.files, *after.files}):
            if not path.startswith(f"{STAGING}/") and not path.endswith(".mlspec-part") and path not in self.scenario.mended:
                assert found.files.get(path) in (before.files.get(path), after.files.get(path)), f"{path} is neither old nor new"
        if self.scenario.atomic:
            assert _own(found) in (_own(before), _own(after)), "the project's folder is a mixture"
        assert STAGING not in found.status, "git would commit the staging folder"
        assert found.branch in (before.branch, after.branch)
        assert found.remote in (before.remote, after.remote)

    def check_next(self) -> None:
        """Hold that the next run, a minute later, succeeds, leaves just the new state, and nothing else anywhere.

        What was left with the same bytes before, and healed, heals again: half of all kills leave what another left, or nothing.
        """
        for lock in (self.root.parent / "remote.git").rglob("*.lock"):
            lock.unlink()  # of the git that received: its host takes it away; what mlspec says of it is held beside the other lost races
        left_behind = self._left_behind()
        if left_behind in self._healed:
            return
        for left in self.bench.scratch.iterdir():
            os.utime(left, (0, 0))
            if _PROBE.fullmatch(left.name) and left.is_file():
                left.unlink()
        if self.scenario.once:
            self._run("compile", "-q")
            found = look(self.root).files
            assert found in (self.before.files, self.after.files), "healing gives the old tree or the new one"
            if found == self.before.files:
                self._run(*self.scenario.command)
        else:
            for command in self.scenario.again or (self.scenario.command,):
                self._run(*command)
        found = look(self.root)
        assert sorted(found.files) == sorted(self.after.files)
        assert found.files == self.after.files
        assert (found.status, found.branch, found.remote) == (self.after.status, self.after.branch, self.after.remote)
        assert found.inside == self.after.inside
        if self.scenario.follows:
            assert git(self.root, "fsck", "--full", "--no-dangling", "--no-progress") == ""
        assert sorted(path.name for path in self.bench.scratch.iterdir()) == []
        unknown = [path.name for path in self.bench.cache.rglob("*") if path.is_file() and not _CACHED.fullmatch(path.name)]
        assert unknown == []
        self._healed.add(left_behind)

    def _left_behind(self) -> bytes:
        """Return a digest of all that a next run finds: the repository with its git folder, the remote, the cache, temporary files.

        Of a temporary folder of a commit that is dead, a next run looks at its mark of life alone, and takes the folder away.
        """
        found = hashlib.sha256()
        for folder in (self.all, self.bench.cache, self.bench.scratch):
            for path in sorted(folder.rglob("*")):
                if folder == self.bench.scratch and path.relative_to(folder).parts[0].startswith(PREFIX):
                    found.update(b"alive" if path.name == "alive" else b"folder" if path.parent == folder else b"")
                    continue
                data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
                found.update(f"{path} {path.lstat().st_mode} {len(data)}\0".encode() + data)
        return found.digest()

    def check_killed(self, place: Place) -> None:
        """Kill a run at one call, and hold all that has to hold then."""
        self.reset()
        done = self.bench.inject(self.root, place, "signal=KILL", *self.scenario.command, alone=self._alone)
        assert done.returncode == -signal.SIGKILL, done.stderr
        self.check_torn()
        self.check_next()

    def check_failing(self, place: Place, error: str) -> None:
        """Let one call of a run fail (and, with a ``+``, all that come after it); hold all that has to hold then."""
        self.reset()
        done = self.bench.inject(self.root, place, f"error={error}", *self.scenario.command, alone=self._alone)
        assert "Traceback" not in done.stderr
        assert done.returncode in {0, 3}, done.stderr
        self.check_torn()
        if done.returncode and place.names_a_file:
            reason = os.strerror(getattr(errno, error.removesuffix("+")))
            said = done.stderr[done.stderr.index("error") :]
            assert reason.lower() in said.lower() or place.git, said
            assert place.git or "/" in said or STAGING in said or any(path in said for path in self.before.files | self.after.files), said
            if not self.scenario.follows:
                found = look(self.root)
                assert found.files == self.before.files
                assert found == self.before
        self.check_next()

    def check_ended(self, place: Place, number: signal.Signals) -> None:
        """Ask a run to end while one of its calls is under way; hold all that has to hold then."""
        self.reset()
        done = self.bench.inject(self.root, place, f"signal={number.name.removeprefix('SIG')}", *self.scenario.command, alone=self._alone)
        assert "Traceback" not in done.stderr
        assert done.returncode in {0, {signal.SIGINT: 130, signal.SIGTERM: 143}[number]}, done.stderr
        self.check_torn()
        self.check_next()

    def _run(self, *command: str) -> None:
        done = self.bench.run(self.root, *command)
        assert done.returncode == 0, (command, done.stderr)


_CACHED = re.compile(r"[0-9a-f]{64}(\.new)?")
"""An entry of a cache; a killed run may leave its next form, which is then replaced in its turn."""


_PROBE = re.compile(r"[a-z0-9_]{8}")
"""A file that Python makes to see whether a folder for temporary files can be written."""


def _own(state: State) -> dict[str, tuple[bytes | str, int]]:
    return {path: data for path, data in state.files.items() if path.startswith("deploy/churn/")}


def _start(folder: Path, text: str, *more: tuple[str, str]) -> None:
    git(folder, "init", "-q", "-b", "main", ".")
    for path, data in (("mlspec.yaml", text), ("notes.txt", "mine\n"), *more):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(data)


def _commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "state", **DATES)


DATES = {f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}


def _ready(folder: Path, bench: Bench, *commands: str) -> None:
    for command in commands:
        done = bench.run(folder, *command.split())
        assert done.returncode == 0, done.stderr


def first_compile(folder: Path, bench: Bench) -> None:
    _start(folder, CANARY)
    _ready(folder, bench, "compile --stdout")  # templates are in the cache
    _commit(folder)


def old_tree(folder: Path, bench: Bench) -> None:
    _start(folder, STARTED)
    _ready(folder, bench, "compile")
    (folder / "deploy/churn/prod/mine.txt").write_text("mine\n")
    _commit(folder)
    (folder / "mlspec.yaml").write_text(GROWN)


def to_set(folder: Path, bench: Bench) -> None:
    _start(folder, CANARY)
    _ready(folder, bench, "compile")
    _commit(folder)


def to_format(folder: Path, bench: Bench) -> None:
    _start(folder, CANARY.replace("  prod: {", "  prod:   {"))
    _commit(folder)


def to_lock(folder: Path, bench: Bench) -> None:
    _start(folder, CANARY + DATA, ("visits.csv.dvc", _dvc("a")))
    _ready(folder, bench, "compile")
    _commit(folder)
    (folder / "visits.csv.dvc").write_text(_dvc("b"))


def _dvc(letter: str) -> str:
    return f"outs:\n- md5: {letter * 32}\n  size: 12\n  hash: md5\n  path: visits.csv\n"


def to_promote(folder: Path, bench: Bench) -> None:
    _start(folder, VERSIONS)
    _ready(folder, bench, "compile")
    _commit(folder)


def under_way(folder: Path, bench: Bench) -> None:
    _start(folder, CANARY)
    _ready(folder, bench, "compile", "set models.churn.version 1.1.0", "set models.churn.uri s3://acme/churn/1.1.0", "compile")
    _commit(folder)


def to_commit(folder: Path, bench: Bench) -> None:
    _start(folder, STARTED)
    _ready(folder, bench, "compile")
    (folder / "deploy/churn/prod/mine.txt").write_text("mine\n")
    _commit(folder)
    (folder / "mlspec.yaml").write_text(GROWN)
    _commit(folder)
    (folder / "notes.txt").write_text("staged\n")
    git(folder, "add", "notes.txt")
    (folder / "notes.txt").write_text("edited\n")
    (folder / "unknown.txt").write_text("mine\n")


def to_push(folder: Path, bench: Bench) -> None:
    to_commit(folder, bench)
    git(folder, "clone", "-q", "--bare", str(folder), str(folder.parent / "remote.git"))
    git(folder, "remote", "add", "origin", str(folder.parent / "remote.git"))


def in_conflict(folder: Path, bench: Bench) -> None:
    two = CANARY + "  second: {model: churn, replicas: 2}\n"
    _start(folder, two)
    _ready(folder, bench, "compile")
    _commit(folder)
    git(folder, "checkout", "-q", "-b", "other")
    (folder / "mlspec.yaml").write_text(two.replace("pause: 10m", "pause: 20m"))
    _ready(folder, bench, "compile")
    _commit(folder)
    git(folder, "checkout", "-q", "main")
    (folder / "mlspec.yaml").write_text(two.replace("replicas: 2", "replicas: 3").replace("second", "fourth"))
    _ready(folder, bench, "compile")
    _commit(folder)
    git(folder, "merge", "-q", "other", check=False)
    (folder / "mlspec.yaml").write_text(
        two.replace("replicas: 2", "replicas: 3").replace("second", "fourth").replace("pause: 10m", "pause: 20m")
    )
    git(folder, "add", "mlspec.yaml")


WORK_TREE = (
    Scenario("first compile", first_compile, ("compile",)),
    Scenario("compile", old_tree, ("compile",)),
    Scenario("set", to_set, ("set", "models.churn.version", "1.1.0")),
    Scenario("fmt", to_format, ("fmt",)),
    Scenario("lock", to_lock, ("lock",)),
    Scenario("promote", to_promote, ("promote", "--from", "dev", "--to", "prod")),
    Scenario("rollout advance", under_way, ("rollout", "advance", "api", "--env", "prod"), once=True),
)
REPOSITORY = (
    Scenario("commit", to_commit, ("commit",), atomic=False, follows=True),
    Scenario("commit --push", to_push, ("commit", "--push"), follows=True),
    Scenario("merge-driver install", to_set, ("merge-driver", "install"), follows=True),
    Scenario("merge-driver finish", in_conflict, ("merge-driver", "finish"), follows=True, mended=("mlspec.lock",)),
)
