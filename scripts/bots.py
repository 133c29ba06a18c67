"""Let many bots commit to one branch at once, killing them at random, and count what was lost: nothing may be.

    bots.py [--bots 16] [--commits 20] [--kills 0.2] [--seed 1] [--keep]

Each bot has a project in one repository, and a bare remote that all of them push to. For every commit a person changes the
project's spec on the remote, and `mlspec commit PROJECT --push` runs until it exits 0; now and then it is killed. A third of
the bots share one clone, in which a person has uncommitted work of every kind; a third has clones of their own; a third has
shallow ones. Exits 1 when a commit is lost or there twice, when a repository is damaged, when a tree is not what its specs
compile to, or when anything of the person's work has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"
SPEC = """\
apiVersion: mlspec.dev/v1
name: NAME
owner: {team: ml}
environments: {prod: {namespace: NAME}}
models: {m: {framework: sklearn, version: "VERSION", uri: "s3://acme/m/VERSION"}}
serving: {NAME: {model: m, replicas: 2}}
"""
QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": str(SOURCES)}
REPEATS = 60


def spec(name: str, version: str) -> str:
    return SPEC.replace("NAME", name).replace("VERSION", version)


def surroundings(who: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    people = {
        f"GIT_{part}_{fact}": value for part in ("AUTHOR", "COMMITTER") for fact, value in (("NAME", who), ("EMAIL", f"{who}@example.com"))
    }
    return {**kept, **QUIET, **people}


def git(folder: pathlib.Path, *arguments: str, text: str = "", **variables: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=text,
        env={**surroundings("person"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"git {arguments} in {folder}: {done.stderr}")
    return done.stdout.strip()


class Stage:
    """A remote, clones, and the person's work in the shared one."""

    def __init__(self, folder: pathlib.Path, bots: int) -> None:
        self.names = [f"bot-{number:02}" for number in range(bots)]
        self.remote, self.shared = folder / "remote.git", folder / "shared"
        self.folder = folder
        first = folder / "first"
        first.mkdir()
        git(first, "init", "-q", "-b", "main")
        (first / "notes.txt").write_text("one\n")
        (first / "gone.txt").write_text("one\n")
        for name in self.names:
            (first / name).mkdir()
            (first / name / "mlspec.yaml").write_text(spec(name, "0.0.0"))
        git(first, "add", "-A")
        git(first, "commit", "-q", "-m", "specs")
        git(folder, "clone", "-q", "--bare", str(first), str(self.remote))
        git(folder, "clone", "-q", str(self.remote), str(self.shared))
        self.clones = [self._clone(number) for number in range(bots)]
        self._work()
        self.work = self.state()

    def _clone(self, number: int) -> pathlib.Path:
        if number % 3 == 0:
            return self.shared
        clone = self.folder / f"clone-{number:02}"
        shallow = ["--depth", "1"] if number % 3 == 2 else []
        git(self.folder, "clone", "-q", *shallow, self.remote.as_uri(), str(clone))
        return clone

    def _work(self) -> None:
        """Leave work of every kind uncommitted: edited, staged, staged and edited, removed, new, unknown to git."""
        (self.shared / "notes.txt").write_text("two\n")
        git(self.shared, "add", "notes.txt")
        (self.shared / "notes.txt").write_text("three\n")
        (self.shared / "bot-00/mlspec.yaml").write_text("half a thought\n")
        git(self.shared, "rm", "-q", "gone.txt")
        (self.shared / "new.txt").write_text("staged\n")
        git(self.shared, "add", "new.txt")
        (self.shared / "unknown.txt").write_text("unknown\n")

    def state(self) -> dict[str, object]:
        """Return all that a person can see of the shared clone."""
        files = {
            path.relative_to(self.shared).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
            for path in self.shared.rglob("*")
            if path.is_file() and ".git" not in path.parts
        }
        index = (self.shared / ".git/index").read_bytes()
        return {
            "files": files,
            "index": index,
            "head": git(self.shared, "rev-parse", "main"),
            "branch": (self.shared / ".git/HEAD").read_bytes(),
        }

    def change(self, name: str, version: str) -> str:
        """Change a spec on the remote, as a person does in a browser; return the commit."""
        blob = git(self.remote, "hash-object", "-w", "--stdin", text=spec(name, version))
        index = {"GIT_INDEX_FILE": str(self.folder / f"index-{name}")}
        while True:
            tip = git(self.remote, "rev-parse", "refs/heads/main")
            git(self.remote, "read-tree", tip, **index)
            git(self.remote, "update-index", "--cacheinfo", f"100644,{blob},{name}/mlspec.yaml", **index)
            commit = git(self.remote, "commit-tree", git(self.remote, "write-tree", **index), "-p", tip, "-m", f"{name} {version}")
            move = ["git", "update-ref", "refs/heads/main", commit, tip]
            if subprocess.run(move, cwd=self.remote, env=surroundings("person"), capture_output=True, check=False).returncode == 0:
                return commit
            time.sleep(random.uniform(0, 0.1))


class Bot(threading.Thread):
    """One bot: for each change of its spec it runs mlspec until that says that all is well."""

    def __init__(self, stage: Stage, number: int, commits: int, kills: float, seed: int) -> None:
        super().__init__()
        self.stage, self.name, self.clone = stage, stage.names[number], stage.clones[number]
        self.commits, self.kills, self.chance = commits, kills, random.Random(f"{seed}-{number}")
        self.changes: list[str] = []
        self.landed: list[str] = []
        self.killed = self.conflicts = 0
        self.trouble = ""

    def run(self) -> None:
        for number in range(self.commits):
            self.changes.append(self.stage.change(self.name, f"1.0.{number}"))
            for _ in range(REPEATS):
                status = self._once()
                if status == 0:
                    break
                if status not in {4, -signal.SIGKILL}:
                    return
            else:
                self.trouble = f"no end after {REPEATS} runs"
                return

    def _once(self) -> int:
        line = [sys.executable, "-m", "mlspec", "commit", self.name, "--push", "--quiet"]
        run = subprocess.Popen(line, cwd=self.clone, env=surroundings(self.name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.chance.random() < self.kills:
            try:
                run.wait(self.chance.uniform(0.05, 2.0))
            except subprocess.TimeoutExpired:
                self._kill(run.pid)
        out, error = run.communicate()
        if run.returncode == 0 and out.strip():
            self.landed.append(out.strip())
        self.killed += run.returncode == -signal.SIGKILL
        self.conflicts += run.returncode == 4
        if run.returncode not in {0, 4, -signal.SIGKILL}:
            self.trouble = f"exit {run.returncode}: {error.strip()}"
        return run.returncode

    def _kill(self, pid: int) -> None:
        """Kill mlspec, and as often as not the git that it is waiting for."""
        children: list[str] = []
        if self.chance.random() < 0.5:
            with contextlib.suppress(OSError):
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def judge(stage: Stage, bots: list[Bot], commits: int) -> tuple[dict[str, int], list[str]]:
    """Return figures, and what is wrong."""
    wrong = [f"{bot.name}: {bot.trouble}" for bot in bots if bot.trouble]
    history = git(stage.remote, "log", "--format=%H%x09%(trailers:key=Mlspec-Source,valueonly,separator=%x20)%x09%ae", "main").split("\n")
    there = {line.split("\t")[0] for line in history}
    ours: dict[str, list[str]] = {bot.name: [] for bot in bots}
    for commit, source, email in (line.split("\t") for line in history):
        name = email.partition("@")[0]
        if name in ours:
            ours[name].append(commit)
            if not source:
                wrong.append(f"{commit} has no trailers")
    lost = sum(commit not in there for bot in bots for commit in (*bot.landed, *bot.changes))
    lost += sum(max(0, commits - len(made)) for made in ours.values())
    twice = sum(max(0, len(made) - commits) for made in ours.values())
    for name, made in ours.items():
        versions = [git(stage.remote, "show", f"{commit}:{name}/mlspec.lock") for commit in made]
        twice += len(versions) - len(set(versions))
        for commit in made:
            paths = git(stage.remote, "diff-tree", "-r", "--no-commit-id", "--name-only", commit).split("\n")
            if any(not path.startswith((f"deploy/{name}/", f"{name}/mlspec.lock")) for path in paths):
                wrong.append(f"{commit} of {name} touches {paths}")
    damaged = 0
    for repository in [stage.remote, *dict.fromkeys(stage.clones)]:
        done = subprocess.run(
            ["git", "fsck", "--full"], cwd=repository, env=surroundings("person"), capture_output=True, text=True, check=False
        )
        bad = [line for line in (done.stdout + done.stderr).split("\n") if line and not line.startswith(("dangling", "Checking"))]
        if done.returncode or bad:
            damaged += 1
            wrong.append(f"fsck of {repository.name}: {bad[:3]}")
    final = stage.folder / "final"
    git(stage.folder, "clone", "-q", str(stage.remote), str(final))
    check = subprocess.run(
        [sys.executable, "-m", "mlspec", "check"], cwd=final, env=surroundings("person"), capture_output=True, text=True, check=False
    )
    if check.returncode:
        wrong.append(f"mlspec check: {check.stderr[-500:]}")
    after = stage.state()
    touched = sum(after[key] != stage.work[key] for key in after)
    figures = {
        "commits": sum(map(len, ours.values())),
        "killed": sum(bot.killed for bot in bots),
        "runs out of tries (exit 4)": sum(bot.conflicts for bot in bots),
        "lost": lost,
        "twice": twice,
        "damaged": damaged,
        "of a person's work touched": touched,
    }
    if lost or twice or touched:
        wrong.append("see the figures")
    return figures, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bots", type=int, default=16)
    parser.add_argument("--commits", type=int, default=20, help="of each bot")
    parser.add_argument("--kills", type=float, default=0.2, help="how often a run is killed, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the repositories where they are")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bots-"))
    (folder / "tmp").mkdir()
    QUIET["TMPDIR"] = str(folder / "tmp")
    try:
        stage = Stage(folder, arguments.bots)
        bots = [Bot(stage, number, arguments.commits, arguments.kills, arguments.seed) for number in range(arguments.bots)]
        began = time.monotonic()
        for bot in bots:
            bot.start()
        for bot in bots:
            bot.join()
        seconds = time.monotonic() - began
        figures, wrong = judge(stage, bots, arguments.commits)
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{arguments.bots} bots, {arguments.commits} commits each, {seconds:.0f} s")
    for name, figure in figures.items():
        print(f"{figure:6} {name}")
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
