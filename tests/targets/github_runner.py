"""A small runner of GitHub's workflows: events start them, jobs run in clones of their own, and a token may what its job may."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from targets.github_expressions import Free, evaluate, fill
from targets.github_host import Host, Token, git

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = ".github/workflows"
LONGEST_S = 120
TYPES = {"pull_request": ["opened", "synchronize", "reopened"]}
"""The activities that start a workflow which names none."""


class Event(NamedTuple):
    """What starts a run."""

    name: str
    ref: str
    sha: str
    payload: dict[str, Any] = {}  # noqa: RUF012 - never changed
    fork: bool = False
    """Whether the head is of another repository: the token only reads then, and there are no secrets."""
    files: tuple[str, ...] = ()
    """What a push changed."""
    inputs: dict[str, str] = {}  # noqa: RUF012 - never changed


class Job(NamedTuple):
    """What came of a job."""

    result: str
    said: str = ""
    outputs: dict[str, str] = {}  # noqa: RUF012 - never changed
    summary: str = ""
    workspace: Path | None = None


def starts(on: Any, event: Event) -> bool:
    """Tell whether an event starts a workflow with such triggers."""
    triggers = dict.fromkeys(on, "") if isinstance(on, list) else on
    if event.name not in triggers:
        return False
    given = triggers[event.name] if isinstance(triggers[event.name], dict) else {}
    types = given.get("types") or TYPES.get(event.name)
    if types and event.payload.get("action") not in types:
        return False
    if "branches" in given and not any(_fits(one, event.ref.removeprefix("refs/heads/")) for one in given["branches"]):
        return False
    return "paths" not in given or any(_fits(pattern, file) for pattern in given["paths"] for file in event.files)


def _fits(pattern: str, text: str) -> bool:
    """Tell whether a pattern of a filter fits: `**` is anything, `*` anything without a slash, a backslash takes the meaning off."""
    made, at = "", 0
    for found in re.finditer(r"\\(.)|\*\*|\*", pattern):
        made += re.escape(pattern[at : found.start()]) + (re.escape(found[1]) if found[1] else ".*" if found[0] == "**" else "[^/]*")
        at = found.end()
    return re.fullmatch(made + re.escape(pattern[at:]), text) is not None


def load(host: Host, commit: str) -> dict[str, Any]:
    """Return the workflows of a commit, by file."""
    names = git(host.bare, "ls-tree", "--name-only", commit, f"{WORKFLOWS}/").splitlines()
    return {name.rpartition("/")[2]: yaml.load(git(host.bare, "show", f"{commit}:{name}"), yaml.BaseLoader) for name in names}


class Run:
    """One run of one workflow; jobs whose environment has reviewers wait for `approve`."""

    def __init__(self, host: Host, folder: Path, workflow: Any, event: Event, *, variables: Any = None, hidden: Any = None) -> None:
        self._host, self._folder, self._workflow, self._event = host, folder, workflow, event
        self._variables, self._hidden = variables or {}, hidden or {}
        self._approved: set[str] = set()
        self.jobs: dict[str, Job] = {}
        self._go()

    def approve(self, environment: str) -> None:
        """Let the reviewers of an environment approve."""
        self._approved.add(environment)
        for name in [name for name, job in self.jobs.items() if job.result == "waiting"]:
            del self.jobs[name]
        self._go()

    @property
    def results(self) -> dict[str, str]:
        """What came of each job."""
        return {name: self.jobs[name].result for name in self._workflow["jobs"] if name in self.jobs}

    @property
    def said(self) -> str:
        """What the jobs wrote."""
        return "\n".join(f"--- {name}: {job.result}\n{job.said}" for name, job in self.jobs.items())

    def _go(self) -> None:
        while ready := [name for name in self._workflow["jobs"] if name not in self.jobs and self._is_ready(name)]:
            with ThreadPoolExecutor(2) as pool:
                self.jobs.update(zip(ready, pool.map(self._do, ready), strict=True))

    def _needs(self, name: str) -> list[str]:
        needs = self._workflow["jobs"][name].get("needs", [])
        return [needs] if isinstance(needs, str) else needs

    def _is_ready(self, name: str) -> bool:
        return all(self.jobs.get(other, Job("waiting")).result != "waiting" for other in self._needs(name))

    def _do(self, name: str) -> Job:
        job = self._workflow["jobs"][name]
        before = {other: self.jobs[other] for other in self._needs(name)}
        contexts = self._contexts(before)
        condition = job.get("if", "success()").strip()
        condition = condition[3:-2] if condition.startswith("${{") else condition
        well = all(one.result == "success" for one in before.values())
        functions = {"success": lambda: well, "cancelled": lambda: False, "always": lambda: True, "failure": lambda: not well}
        if not any(f"{word}()" in condition for word in functions):
            condition = f"success() && ({condition})"
        if not evaluate(condition, contexts, functions):
            return Job("skipped")
        environment = fill(job.get("environment", ""), contexts)
        reviewed = any(rule["type"] == "required_reviewers" for rule in self._host.environments.get(environment) or [])
        if reviewed and environment not in self._approved:
            return Job("waiting", said=environment)
        return Machine(self, name, job, contexts, environment).work()

    def _contexts(self, before: dict[str, Job]) -> dict[str, Any]:
        event = self._event
        github = {
            "event": Free(event.payload),
            "event_name": event.name,
            "ref": event.ref,
            "ref_name": event.ref.removeprefix("refs/heads/").removeprefix("refs/pull/"),
            "sha": event.sha,
            "repository": "acme/ml",
            "run_id": "7",
        }
        declared = {name: dict.fromkeys(self._workflow["jobs"][name].get("outputs", {})) for name in before}
        needs = {name: {"result": job.result, "outputs": {**declared[name], **job.outputs}} for name, job in before.items()}
        return {"github": github, "needs": needs, "inputs": event.inputs, "vars": Free(self._variables)}


class Machine:
    """What one job runs on: a folder, a token, and no mlspec until a step installs it."""

    def __init__(self, run: Run, name: str, job: Any, contexts: dict[str, Any], environment: str) -> None:
        self._host, self._event, self._name, self._job = run._host, run._event, name, job
        self._folder = run._folder / f"{name}-{secrets.token_hex(4)}"
        self._workspace, self._temp, self._bin = (self._folder / part for part in ("workspace", "temp", "bin"))
        for folder in (self._workspace, self._temp, self._bin, self._folder / "home"):
            folder.mkdir(parents=True)
        self._token = "ghs_" + secrets.token_hex(16)
        asked = job.get("permissions", run._workflow.get("permissions"))
        assert isinstance(asked, dict), "a token without limits"
        rights = {right: "read" if run._event.fork else level for right, level in asked.items()}
        self._host.tokens[self._token] = Token(name, rights)
        hidden = run._hidden.get(environment, {}) if not run._event.fork else {}
        github = {**contexts["github"], "token": self._token, "workspace": str(self._workspace)}
        steps = {step["id"]: {"outputs": Free()} for step in job["steps"] if "id" in step}
        self._contexts = {**contexts, "github": github, "secrets": Free(hidden), "steps": steps}
        self._env = {**run._workflow.get("env", {}), **job.get("env", {})}
        self._shell = run._workflow.get("defaults", {}).get("run", {}).get("shell")
        self._said: list[str] = []
        self._install_python()

    def work(self) -> Job:
        """Run the steps, up to the first that fails."""
        result = "success"
        for step in self._job["steps"]:
            assert "if" not in step, "steps with conditions are not known here"
            status, outputs = self._use(step) if "uses" in step else self._run(step)
            if "id" in step:
                self._contexts["steps"] = {**self._contexts["steps"], step["id"]: {"outputs": Free(outputs)}}
            if status:
                self._said.append(f"{step['name']}: exit {status}")
                result = "failure"
                break
        given = {key: fill(value, self._contexts) for key, value in self._job.get("outputs", {}).items()}
        config = self._workspace / ".git" / "config"
        assert not config.exists() or self._token not in config.read_text(), "the token is on the disk"
        summary = self._temp / "GITHUB_STEP_SUMMARY"
        text = summary.read_text() if summary.exists() else ""
        assert len(text.encode()) <= 1024 * 1024, "GitHub shows no summary of more than 1 MiB"
        return Job(result, "\n".join(self._said), given, text, self._workspace)

    def _install_python(self) -> None:
        """Put a Python there whose pip knows mlspec and nothing else."""
        python = self._bin / "python"
        python.write_text(
            f'#!/bin/sh\nif [ "$1 $2 $3" = "-m pip install" ]; then\n  for last; do :; done\n'
            f'  case $last in mlspec==*) ;; *) echo "no such package: $last" >&2; exit 1;; esac\n'
            f'  printf \'#!/bin/sh\\nPYTHONPATH=%s exec %s -m mlspec "$@"\\n\' "{ROOT / "src"}" "{sys.executable}" > "{self._bin}/mlspec"\n'
            f'  chmod +x "{self._bin}/mlspec"\n  exit 0\nfi\nexec "{sys.executable}" "$@"\n'
        )
        python.chmod(0o755)

    def _surroundings(self) -> dict[str, str]:
        path = [part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "mlspec").exists()]
        event = self._temp / "event.json"
        event.write_text(json.dumps(self._event.payload))
        settled = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": f"{self._host.url}/api",
            "GITHUB_EVENT_NAME": self._event.name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": self._event.ref,
            "GITHUB_REPOSITORY": "acme/ml",
            "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": self._host.url,
            "GITHUB_SHA": self._event.sha,
            "GITHUB_WORKSPACE": str(self._workspace),
            "RUNNER_TEMP": str(self._temp),
            "CI": "true",
        }
        home = {"HOME": str(self._folder / "home"), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
        return {"PATH": os.pathsep.join([str(self._bin), *path]), **home, **settled}

    def _run(self, step: Any) -> tuple[int, dict[str, str]]:
        assert "${{" not in step["run"], "an expression in a script"
        shell = step.get("shell", self._shell)
        line = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], "python": ["python"]}[shell]
        script = self._temp / f"{secrets.token_hex(4)}.script"
        script.write_text(step["run"])
        env = {**self._env, **step.get("env", {})}
        env = {**self._surroundings(), **{key: fill(value, self._contexts) for key, value in env.items()}}
        files = {key: self._temp / key for key in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        for key, file in files.items():
            file.touch()
            env[key] = str(file)
        program = shutil.which(line[0], path=env["PATH"])
        assert program
        done = subprocess.run(
            [program, *line[1:], str(script)],
            cwd=self._workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert self._token not in done.stdout, "the token is in the log"
        self._said += [f"## {step['name']}", done.stdout]
        self._env.update(line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines())
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        for key in ("GITHUB_ENV", "GITHUB_OUTPUT"):
            files[key].unlink()
        return done.returncode, outputs

    def _use(self, step: Any) -> tuple[int, dict[str, str]]:
        name, _, commit = step["uses"].partition("@")
        assert re.fullmatch("[0-9a-f]{40}", commit), "an action that is not pinned"
        given = {key: fill(value, self._contexts) for key, value in step.get("with", {}).items()}
        if name == "actions/checkout":
            self._check_out(**{key.replace("-", "_"): value for key, value in given.items()})
        else:
            assert name == "actions/setup-python", name
        return 0, {}

    def _check_out(self, *, persist_credentials: str = "true", fetch_depth: str = "1") -> None:
        """Do as actions/checkout v7 does: a shallow clone of one commit, or all branches and tags."""
        assert persist_credentials == "false"
        ref, commit = self._event.ref, self._event.sha
        here = ref.replace("refs/heads/", "refs/remotes/origin/").replace("refs/pull/", "refs/remotes/pull/")
        git(self._workspace, "init", "--quiet")
        git(self._workspace, "remote", "add", "origin", f"{self._host.url}/acme/ml")
        whole = ["--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"]
        one = f"+{commit}:{here}"
        wanted = {"1": ["--no-tags", "--depth=1", "origin", one], "0": whole if ref.startswith("refs/heads/") else [*whole, one]}[
            fetch_depth
        ]
        header = "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        secret = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{self._host.url}/.extraheader", "GIT_CONFIG_VALUE_0": header}
        git(self._workspace, "fetch", "--quiet", "--prune", *wanted, **secret)
        if ref.startswith("refs/heads/"):
            git(self._workspace, "checkout", "--quiet", "--force", "-B", ref.removeprefix("refs/heads/"), here)
        else:
            git(self._workspace, "checkout", "--quiet", "--force", here)
