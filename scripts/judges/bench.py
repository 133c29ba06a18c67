"""What every judge works with: cases, findings, verdicts, and where programs are."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml


class Case(NamedTuple):
    """A repository that was compiled."""

    name: str
    root: pathlib.Path


class Verdict(NamedTuple):
    """What a judge said of a case."""

    case: str
    judge: str
    said: str
    lines: list[str]
    good: bool


class Skipped(NamedTuple):
    """A judge that was not asked, and why."""

    judge: str
    why: str


class Finding(NamedTuple):
    """One thing that a linter has against one object."""

    judge: str
    check: str
    kind: str
    name: str
    says: str


class Sent(NamedTuple):
    """An object of a tree and the file that it stands in."""

    file: pathlib.Path
    object: dict[str, Any]


Done = subprocess.CompletedProcess[str]
HOME = pathlib.Path(os.environ.get("MLSPEC_JUDGES", pathlib.Path.home() / ".cache" / "mlspec-judges"))
PLACES = [HOME / "bin", HOME / "venv" / "bin", HOME / "venv-checkov" / "bin", HOME, pathlib.Path(sys.executable).parent]


def program(name: str) -> str | None:
    """Return where a program is: below $MLSPEC_JUDGES, beside this Python, or on the path."""
    return shutil.which(name, path=os.pathsep.join([*map(str, PLACES), os.environ["PATH"]]))


def absent(name: str) -> Skipped:
    """Say that a judge is not here."""
    return Skipped(name, f"{name} is not here; put it on the path, or into bin/ of a folder that MLSPEC_JUDGES names")


def run(command: list[str], environment: dict[str, str] | None = None, folder: pathlib.Path | None = None) -> Done:
    """Run a judge to its end and return what it printed."""
    surroundings = {**(environment or os.environ), "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings, cwd=folder)


def verdict(case: Case, judge: str, looked: str, problems: list[str]) -> Verdict:
    """Return the verdict of a judge that looked at something and may have found problems."""
    said = f"{looked}, {len(problems)} problem{'' if len(problems) == 1 else 's'}"
    return Verdict(case.name, judge, said, problems, not problems)


def lines_of(done: Done) -> list[str]:
    """Return what a judge printed when it was not content."""
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] if done.returncode else []


def files(case: Case) -> list[pathlib.Path]:
    """Return the files of a tree that a cluster gets."""
    return sorted(file for file in (case.root / "deploy").rglob("*.yaml") if file.name != "kustomization.yaml")


def objects(case: Case, kind: str | None = None) -> Iterator[Sent]:
    """Yield the objects of a tree, all of them or those of one kind."""
    for file in files(case):
        for entry in yaml.load_all(file.read_text(encoding="utf-8"), Loader):
            if entry and kind in (None, entry["kind"]):
                yield Sent(file, entry)


def workflows(case: Case) -> list[pathlib.Path]:
    """Return the workflows of a repository."""
    return sorted((case.root / ".github" / "workflows").glob("*.yml"))


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: a plain date is a word."""


Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"] for first, rules in Loader.yaml_implicit_resolvers.items()
}
