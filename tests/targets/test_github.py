"""The workflow of GitHub Actions: what it may do, who owns it, and its shell, run for real against a bare remote."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import click
import pytest
import yaml

from mlspec.__main__ import main
from mlspec.cli import program
from mlspec.compiler import Request, compile_specs

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [f".github/workflows/mlspec{more}.yml" for more in ("", "-commit", "-promotion", "-approvals", "-rollout")]
FILE, COMMIT, PROMOTION, APPROVALS, ROLLOUTS = FILES
SPEC = """\
apiVersion: mlspec.dev/v1
name: iris
owner: {team: ml}
platform: {ci: [github], repository: {url: "https://github.com/acme/ml.git"}}
environments: {dev: {namespace: iris-dev}, prod: {namespace: iris, after: dev, approvals: 1}}
models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
serving: {iris: {model: iris, replicas: 2}}
"""
PROD = "prod: {namespace: iris, after: dev, approvals: 1"
TOKEN = "only-for-git"


def git(folder, *arguments):
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, env=surroundings()).stdout.strip()


def surroundings(**more):
    """A shell without settings of this machine."""
    who = {
        f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "ann"), ("EMAIL", "ann@acme.example"))
    }
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8", **who, **more}


def repository(folder, **specs):
    (folder / ".git").mkdir(parents=True)
    for name, text in specs.items():
        (folder / name).mkdir()
        (folder / name / "mlspec.yaml").write_text(text)
    return folder


def workflow(folder, text=SPEC):
    repository(folder, iris=text)
    assert main(["compile", "--quiet", str(folder)]) == 0
    return read(folder)


def read(folder, file=FILE):
    return yaml.load((folder / file).read_text(), yaml.BaseLoader)


def everything(folder):
    """Return the jobs of all workflows."""
    return {name: job for file in FILES for name, job in read(folder, file)["jobs"].items()}


def steps(jobs):
    return [step for job in jobs.values() for step in job["steps"]]


def codes(*paths):
    return [diagnostic.code for diagnostic in compile_specs(Request(paths=paths)).diagnostics]


# What it may do


def test_rights_are_the_least(tmp_path):
    workflow(tmp_path / "r")
    assert all(read(tmp_path / "r", file)["permissions"] == {} for file in FILES)
    jobs = everything(tmp_path / "r")
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "validate": {"contents": "read"},
        "tree": {"contents": "read"},
        "ratchet": {"contents": "read"},
        "plan": {"contents": "read"},
        "comment": {"pull-requests": "write"},
        "commit": {"contents": "write"},
        "prepare": {"actions": "read", "contents": "read"},
        "promote": {"contents": "write"},
        "count": {"contents": "read", "pull-requests": "read"},
        "say": {"statuses": "write"},
        "look": {"contents": "read"},
        "rollout": {"contents": "write"},
    }
    assert {file: sorted(read(tmp_path / "r", file)["on"]) for file in FILES} == {
        FILE: ["merge_group", "pull_request"],
        COMMIT: ["push"],
        PROMOTION: ["workflow_dispatch"],
        APPROVALS: ["merge_group", "pull_request", "pull_request_review"],
        ROLLOUTS: ["schedule"],
    }
    assert all(int(job["timeout-minutes"]) <= 20 for job in jobs.values())
    assert jobs["promote"]["environment"] == "${{ inputs.to }}"
    assert jobs["promote"]["needs"] == "prepare"


def test_secrets_are_those_of_an_environment_and_of_one_step(tmp_path):
    """A secret of the whole repository could be read from any branch; each of these can be kept in an environment."""
    workflow(tmp_path / "r")
    jobs = everything(tmp_path / "r")
    assert {(name, secret) for name, job in jobs.items() for secret in re.findall(r"secrets\.(\w+)", json.dumps(job))} == {
        ("commit", "MLSPEC_PUSH_TOKEN"),
        ("promote", "MLSPEC_PUSH_TOKEN"),
        ("rollout", "MLSPEC_PUSH_TOKEN"),
        ("rollout", "MLSPEC_PROMETHEUS_TOKEN"),
    }
    assert {name: job["environment"] for name, job in jobs.items() if "environment" in job} == {
        "commit": "${{ vars.MLSPEC_PUSH_ENVIRONMENT }}",
        "promote": "${{ inputs.to }}",
        "rollout": "mlspec-rollout",
    }
    assert sum("secrets." in json.dumps(step) for step in steps(jobs)) == 3


def test_who_may_write_words_has_nothing_of_the_repository(tmp_path):
    """A token that comments or sets a status is on no machine that has installed, compiled or checked out anything."""
    workflow(tmp_path / "r")
    for name in ("comment", "say"):
        job = everything(tmp_path / "r")[name]
        assert [step["name"] for step in job["steps"]][:-1] == ["Set up Python"]
        assert job["steps"][-1]["shell"] == "python"
        assert "head.repo.full_name == github.repository" in job["if"]


def test_no_expression_stands_in_a_script(tmp_path):
    workflow(tmp_path / "r")
    scripts = [step["run"] for step in steps(everything(tmp_path / "r")) if "run" in step]
    assert scripts
    assert not any("${{" in script for script in scripts)


def test_actions_are_pinned_and_say_their_version(tmp_path):
    workflow(tmp_path / "r")
    text = "".join((tmp_path / "r" / file).read_text() for file in FILES)
    used = re.findall(r"^ +uses: (.*)$", text, re.MULTILINE)
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in used)


def test_no_token_is_left_on_the_disk(tmp_path):
    workflow(tmp_path / "r")
    checkouts = [step for step in steps(everything(tmp_path / "r")) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 10
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)
    assert all(set(step["with"]) <= {"persist-credentials", "fetch-depth"} for step in checkouts)


def test_the_token_is_in_the_step_that_needs_it(tmp_path):
    workflow(tmp_path / "r")
    holding = {
        (name, step["name"]) for name, job in everything(tmp_path / "r").items() for step in job["steps"] if "github.token" in str(step)
    }
    assert holding == {
        ("comment", "Comment on the pull request, or edit the comment"),
        ("commit", "Compile and commit"),
        ("prepare", "Check that somebody has to approve"),
        ("prepare", "Show what the promotion would do"),
        ("promote", "Promote what was approved"),
        ("count", "Count who approved"),
        ("say", "Say whether enough people approve"),
        ("look", "Look for a rollout that is under way"),
        ("rollout", "Ask the gates, and move the rollouts"),
    }


def lines(jobs):
    """Return every call of mlspec in a script, as words; what stands for a value of the run's is a word of its own."""
    for step in steps(jobs):
        for said in re.findall(r"(?:^ *|&& |with_token |\$\(|\bif )mlspec (.+)", step.get("run", ""), re.MULTILINE):
            line = re.sub(r'"\$\([^()]*\)"|"\./\$\w+"|"\$\w+/\w+"|"\$\w+"', "word", said).replace('"${only[@]}"', "--only word")
            yield re.split(r" (?:\|\||&&|[12]?>)|\)", line)[0].split()


def test_every_call_of_mlspec_is_one_that_there_is(tmp_path):
    """Each is parsed by click: the command, its options and its arguments exist."""
    workflow(tmp_path / "r")
    called = [line for line in lines(everything(tmp_path / "r")) if line != ["--version"]]
    assert {line[0] for line in called} == {"validate", "gate", "check", "compile", "diff", "commit", "promote", "approvals", "rollout"}
    assert len(called) >= 12
    for line in called:
        found = program.get_command(click.Context(program), line[0])
        rest = line[1:]
        while isinstance(found, click.Group):
            found, rest = found.get_command(click.Context(found), rest[0]), rest[1:]
        context = click.Context(found, resilient_parsing=True)
        parsed, left, _ = found.make_parser(context).parse_args(list(rest))
        assert left == [], line
        for option in found.params:
            if isinstance(option.type, click.Choice) and isinstance(parsed.get(option.name), str):
                assert parsed[option.name] in option.type.choices, line


# The settings


def test_settings_reach_every_job(tmp_path):
    text = SPEC.replace("ci: [github]", "ci: [{github: {runner: 'self-hosted, linux', install: \"true # a: 'b'\\nmlspec --version\"}}]")
    workflow(tmp_path / "r", text)
    jobs = everything(tmp_path / "r")
    assert {json.dumps(job["runs-on"]) for job in jobs.values()} == {'["self-hosted", "linux"]'}
    assert {step["run"] for step in steps(jobs) if step["name"] == "Install mlspec"} == {"true # a: 'b'\nmlspec --version\n"}


def test_the_version_that_compiled_is_installed(tmp_path):
    from mlspec import __version__

    workflow(tmp_path / "r")
    installs = {step["run"] for step in steps(everything(tmp_path / "r")) if step["name"] == "Install mlspec"}
    assert len(installs) == 1
    assert f"'mlspec=={__version__}'" in installs.pop()


@pytest.mark.parametrize(
    ("platform", "branches"),
    [
        ("ci: [github]", ["main"]),
        ('repository: {url: "https://github.com/a/b.git"}', ["main"]),
        ('repository: {url: "git@github.com:a/b.git", branch: release/2027}', ["release/2027"]),
        ('repository: {url: "https://github.com/a/b.git", branch: "a+b!"}', ["a\\+b\\!"]),
    ],
)
def test_the_branch_is_matched_and_nothing_else(tmp_path, platform, branches):
    text = re.sub(r"platform: .*", f"platform: {{{platform}}}", SPEC)
    workflow(tmp_path / "r", text)
    assert read(tmp_path / "r", COMMIT)["on"]["push"]["branches"] == branches


def test_environments_may_have_branches_of_their_own(tmp_path):
    text = SPEC.replace(PROD, PROD + ', platform: {repository: {branch: live, url: "https://github.com/acme/ml.git"}}')
    workflow(tmp_path / "r", text)
    assert read(tmp_path / "r", COMMIT)["on"]["push"]["branches"] == ["live", "main"]
    holding = [step["env"]["BRANCHES"] for step in steps(everything(tmp_path / "r")) if "BRANCHES" in step.get("env", {})]
    assert holding == ["live main"] * 4


def test_no_other_host_gets_a_workflow(tmp_path):
    repository(tmp_path / "r", iris=re.sub(r"platform: .*", 'platform: {repository: {url: "https://git.acme.example/ml.git"}}', SPEC))
    assert main(["compile", "--quiet", str(tmp_path / "r")]) == 0
    assert not (tmp_path / "r" / ".github").exists()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ('runner: "ubuntu latest"', "MLS-E851"),
        ('runner: "a,,b"', "MLS-E851"),
        (r'install: "a\tb"', "MLS-E852"),
        (r'install: "a\u2028b"', "MLS-E852"),
        ('install: "pip install mlspec==${{ github.head_ref }}"', "MLS-E508"),
        ('runner: "${{ github.actor }}"', "MLS-E508"),
    ],
)
def test_a_setting_that_a_workflow_cannot_hold_is_refused(tmp_path, settings, code):
    repository(tmp_path / "r", iris=SPEC.replace("ci: [github]", f"ci: [{{github: {{{settings}}}}}]"))
    assert code in codes(tmp_path / "r")


# Who owns it


def two(folder, second=SPEC):
    return repository(folder, iris=SPEC, rose=second.replace("iris", "rose"))


def listed(folder, name):
    return f'"{FILE}"' in (folder / name / "mlspec.lock").read_text()


def test_two_projects_write_one_workflow(tmp_path, capsys):
    folder = two(tmp_path / "r")
    assert main(["compile", str(folder), "-v"]) == 0
    assert capsys.readouterr().err.count(FILE) == 1
    assert listed(folder, "iris")
    assert listed(folder, "rose")
    assert main(["check", str(folder)]) == 0
    before = (folder / FILE).read_bytes()
    assert main(["compile", "--quiet", str(folder / "rose")]) == 0
    assert (folder / FILE).read_bytes() == before


def test_it_stays_until_the_last_project_lets_it_go(tmp_path):
    folder = two(tmp_path / "r")
    assert main(["compile", "--quiet", str(folder)]) == 0
    for name, stays in (("iris", True), ("rose", False)):
        spec = folder / name / "mlspec.yaml"
        spec.write_text(spec.read_text().replace("ci: [github]", "ci: []"))
        assert main(["compile", "--quiet", str(spec)]) == 0
        assert (folder / FILE).exists() is stays
        assert not listed(folder, name)


def test_projects_that_disagree_are_refused(tmp_path, capsys):
    folder = two(tmp_path / "r", SPEC.replace("ci: [github]", "ci: [{github: {runner: big}}]"))
    assert main(["compile", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "MLS-E850" in said
    assert "different values of `runner`" in said
    assert "iris says it here" in said
    assert not (folder / FILE).exists()


def test_projects_may_not_name_two_branches(tmp_path):
    folder = two(tmp_path / "r", SPEC.replace("ml.git", 'ml.git", branch: "next'))
    assert codes(folder) == ["MLS-E850"]


def test_a_project_without_ci_does_not_disagree(tmp_path):
    folder = two(tmp_path / "r", SPEC.replace("ci: [github]", "ci: []"))
    assert codes(folder) == []
    assert main(["compile", "--quiet", str(folder)]) == 0
    assert not listed(folder, "rose")


def test_an_edit_by_hand_is_refused(tmp_path, capsys):
    workflow(tmp_path / "r")
    file = tmp_path / "r" / FILE
    file.write_text(file.read_text().replace("permissions: {}", "permissions: write-all"))
    assert main(["check", str(tmp_path / "r")]) == 1
    assert main(["compile", str(tmp_path / "r")]) == 1
    assert "MLS-E610" in capsys.readouterr().err


def test_projects_may_be_compiled_one_by_one_by_newer_versions(tmp_path, monkeypatch):
    """The lock of one project alone knows what another wrote since."""
    from mlspec.targets.github import workflow as made

    folder = two(tmp_path / "r")
    repository(tmp_path / "new", tulip=SPEC.replace("iris", "tulip"))
    shutil.copytree(tmp_path / "new" / "tulip", folder / "later")
    for version, path in (("0.1.0", folder / "iris"), ("0.1.1", folder / "rose"), ("0.1.2", folder / "iris"), ("0.1.3", folder / "later")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / version))
        monkeypatch.setattr(made, "__version__", version)
        assert main(["compile", "--quiet", str(path)]) == 0
        assert f"mlspec=={version}" in (folder / FILE).read_text()


def test_a_project_left_out_as_unchanged_is_asked_when_the_workflow_changes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = two(tmp_path / "r")
    assert main(["compile", "--quiet", str(folder)]) == 0
    spec = folder / "iris" / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("ci: [github]", "ci: [{github: {runner: big}}]"))
    before = (folder / FILE).read_bytes()
    assert main(["compile", "--quiet", str(folder)]) == 1
    assert "MLS-E850" in capsys.readouterr().err
    assert (folder / FILE).read_bytes() == before


# Its shell


class Remote:
    """A bare repository, a person's clone of it, and the job's clone: as the checkout action leaves it."""

    def __init__(self, folder, spec=SPEC):
        self.folder = folder
        self.bare, self.person = folder / "remote.git", folder / "person"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "clone", "--quiet", str(self.bare), str(self.person))
        git(self.person, "checkout", "--quiet", "-B", "main")
        (self.person / "mlspec.yaml").write_text(spec)
        (self.person / "train.py").write_text("print('fit')\n")
        self.compile()
        self.jobs = everything(self.person)
        self.push("first")
        bin_ = folder / "bin"
        bin_.mkdir()
        first = f'"{folder}/before"'
        shim = f'#!/bin/sh\nenv >> "{folder}/seen"\n[ ! -x {first} ] || {first} "$@"\nexec "{sys.executable}" -m mlspec "$@"\n'
        (bin_ / "mlspec").write_text(shim)
        (bin_ / "mlspec").chmod(0o755)

    def compile(self):
        assert main(["compile", "--quiet", str(self.person)]) == 0

    def push(self, message, *, branch="main"):
        git(self.person, "add", "--all")
        git(self.person, "commit", "--quiet", "--message", message)
        git(self.person, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")

    def edit(self, old, new, *, compiled=False, branch="main"):
        git(self.person, "fetch", "--quiet", "origin")
        git(self.person, "checkout", "--quiet", "-B", branch, "origin/main")
        spec = self.person / "mlspec.yaml"
        assert old in spec.read_text()
        spec.write_text(spec.read_text().replace(old, new))
        if compiled:
            self.compile()
        self.push(f"{old} becomes {new}", branch=branch)

    def refuse(self, script):
        """Let the remote refuse pushes as a script over OLD, NEW and REF says."""
        hook = self.bare / "hooks" / "pre-receive"
        hook.write_text(f"#!/bin/sh\nwhile read -r OLD NEW REF; do {script}; done\n")
        hook.chmod(0o755)

    def before(self, command, script):
        """Let something happen once, just before a command of mlspec."""
        file = self.folder / "before"
        file.write_text(f'#!/bin/sh\n[ "$1" = {command} ] || exit 0\nmkdir "{self.folder}/done" 2>/dev/null || exit 0\n{script}\n')
        file.chmod(0o755)

    def job(self, name, *, whole=False):
        clone = self.folder / name
        git(self.folder, "clone", "--quiet", *([] if whole else ["--depth=1"]), self.bare.as_uri(), str(clone))
        return clone

    def start(self, clone, job, name, *, server="https://github.com", more=None, **inputs):
        """Start a step of a job as GitHub would."""
        (step,) = [step for step in self.jobs[job]["steps"] if step["name"] == name]
        tokens = ("${{ github.token }}", "${{ secrets.MLSPEC_PUSH_TOKEN || github.token }}")
        known = {"${{ github.ref_name }}": "main", **dict.fromkeys(tokens, TOKEN)}
        given = {key: inputs.get(key, known.get(value, value)) for key, value in step.get("env", {}).items()}
        assert not any("${{" in value for value in given.values()), given
        files = {key: str(self.folder / key.lower()) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        settled = {
            "GITHUB_SERVER_URL": server,
            "GITHUB_REPOSITORY": "acme/ml",
            "GITHUB_RUN_ID": "7",
            "RUNNER_TEMP": str(clone.parent / f"{clone.name}.tmp"),
        }
        Path(settled["RUNNER_TEMP"]).mkdir(exist_ok=True)
        env = surroundings(PYTHONPATH=str(ROOT / "src"), **settled, **files, **given, **(more or {}))
        env["PATH"] = f"{self.folder / 'bin'}:{env['PATH']}"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.Popen(command, cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, clone, job, name, **inputs):
        running = self.start(clone, job, name, **inputs)
        said = running.communicate(timeout=120)[0]
        return running.returncode, said

    def commit(self, name):
        return self.run(self.job(name), "commit", "Compile and commit")

    def log(self, branch="main"):
        return git(self.bare, "log", "--format=%s", branch).splitlines()

    def show(self, path):
        return git(self.bare, "show", f"main:{path}")

    def outputs(self):
        """Return what the steps gave to later ones, and forget it."""
        file = self.folder / "github_output"
        found = dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
        file.unlink(missing_ok=True)
        return found

    def summary(self):
        return (self.folder / "github_step_summary").read_text()

    def is_current(self, branch="main"):
        git(self.folder, "clone", "--quiet", f"--branch={branch}", str(self.bare), str(self.folder / "judge"))
        try:
            return main(["check", "--quiet", str(self.folder / "judge")]) == 0
        finally:
            shutil.rmtree(self.folder / "judge")


@pytest.fixture
def remote(tmp_path):
    return Remote(tmp_path)


# The bot


def test_the_bot_commits_what_follows_and_then_nothing(remote):
    remote.edit("replicas: 2", "replicas: 3")
    assert not remote.is_current()
    status, said = remote.commit("one")
    assert status == 0, said
    assert remote.log() == ["Compile iris", "replicas: 2 becomes replicas: 3", "first"]
    assert remote.is_current()
    assert git(remote.bare, "log", "-1", "--format=%an %cn", "main") == "github-actions[bot] github-actions[bot]"
    body = git(remote.bare, "log", "-1", "--format=%b", "main")
    assert re.fullmatch(r"Mlspec-Source: [0-9a-f]{40}\nMlspec-Digest: \S+\nMlspec-Compiler: \S+", body)
    changed = set(git(remote.bare, "diff", "--name-only", "main~", "main").splitlines())
    tree = {f"deploy/iris/{path}" for path in ("README.md", "dev/serving-iris.yaml", "prod/serving-iris.yaml")}
    assert changed == {*tree, "mlspec.lock"}
    status, said = remote.commit("two")
    assert (status, remote.log()[0], len(remote.log())) == (0, "Compile iris", 3), said
    assert "nothing to commit" in said


def test_bots_that_race_lose_nothing(remote):
    remote.edit("replicas: 2", "replicas: 3")
    bots = [remote.start(remote.job(f"bot{number}"), "commit", "Compile and commit") for number in range(2)]
    remote.edit("team: ml", "team: science")
    bots.append(remote.start(remote.job("bot2"), "commit", "Compile and commit"))
    said = [bot.communicate(timeout=120)[0] for bot in bots]
    assert [bot.returncode for bot in bots] == [0, 0, 0], said
    log = remote.log()
    assert {"replicas: 2 becomes replicas: 3", "team: ml becomes team: science", "first"} <= set(log)
    assert 1 <= log.count("Compile iris") <= 2
    assert remote.is_current()
    git(remote.bare, "fsck", "--strict")


def test_what_was_pushed_since_is_compiled(remote):
    clone = remote.job("one")
    remote.edit("replicas: 2", "replicas: 3")
    status, said = remote.run(clone, "commit", "Compile and commit")
    assert status == 0, said
    assert remote.is_current()


def test_the_token_is_on_no_disk(remote):
    remote.edit("replicas: 2", "replicas: 3")
    clone = remote.job("one")
    status, said = remote.run(clone, "commit", "Compile and commit")
    assert status == 0, said
    assert TOKEN not in (remote.folder / "seen").read_text()
    assert TOKEN not in (clone / ".git" / "config").read_text()
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "worktree", "list").count("\n") == 0


def test_a_protected_branch_is_proposed_to_and_never_forced(remote):
    remote.edit("replicas: 2", "replicas: 3")
    remote.refuse('[ "$REF" != refs/heads/main ] || { echo "protected branch" >&2; exit 1; }')
    status, said = remote.commit("one")
    assert status == 0, said
    assert "::warning title=mlspec::main takes no push" in said
    assert "open a pull request" in remote.summary()
    assert remote.log() == ["replicas: 2 becomes replicas: 3", "first"]
    assert remote.log("mlspec/main")[0] == "Compile iris"
    assert remote.is_current("mlspec/main")
    assert remote.commit("two")[0] == 0
    assert len(remote.log("mlspec/main")) == 3


def test_a_workflow_is_changed_by_people_alone(remote):
    remote.edit("ci: [github]", "ci: [{github: {runner: big}}]")
    remote.refuse('git diff --quiet "$OLD" "$NEW" -- .github || { echo "refusing to allow a GitHub App to update workflow" >&2; exit 1; }')
    status, said = remote.commit("one")
    assert status == 1, said
    assert "only a person may push" in said
    assert len(remote.log()) == 2
    assert git(remote.bare, "branch", "--list", "mlspec/*") == ""


def test_a_broken_spec_stops_the_bot(remote):
    remote.edit("replicas: 2", "replicas: -2")
    status, said = remote.commit("one")
    assert status == 1
    assert "::error file=mlspec.yaml" in said
    assert len(remote.log()) == 2


@pytest.mark.parametrize("mine", [True, False])
def test_the_server_of_the_repository_gets_the_token_and_no_other(remote, mine):
    clone = remote.job("one")
    with server({}) as (url, asked):
        git(clone, "remote", "set-url", "origin", f"{url}/acme/ml.git")
        status, _ = remote.run(clone, "commit", "Compile and commit", server=url if mine else "https://github.com")
    assert status != 0, "nothing is served there"
    expected = "basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert {one.token for one in asked} == {expected if mine else None}


# Pull requests


def pull_request(remote, old, new, *, compiled=False, name="pr"):
    """Return a clone at the merge of a change, as GitHub makes it for a pull request."""
    remote.edit(old, new, compiled=compiled, branch=f"change-{name}")
    clone = remote.job(name, whole=True)
    git(clone, "checkout", "--quiet", "--detach", "origin/main")
    git(clone, "merge", "--quiet", "--no-ff", "--no-edit", f"origin/change-{name}")
    return clone


LIVE = SPEC + "thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}\n"
GATE = SPEC + "thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}\n"


def test_every_gate_is_proven(tmp_path):
    remote = Remote(tmp_path, GATE)
    assert remote.run(remote.job("one"), "validate", "Prove that every gate can pass and can fail")[0] == 0
    remote.edit("min: 0.8", "min: 80")
    status, said = remote.run(remote.job("two"), "validate", "Prove that every gate can pass and can fail")
    assert status == 1
    assert "cannot be reached" in said


@pytest.mark.parametrize("compiled", [True, False])
def test_a_looser_gate_needs_a_waiver(tmp_path, compiled):
    remote = Remote(tmp_path, GATE)
    name = "Check that no gate is looser without a waiver"
    status, said = remote.run(pull_request(remote, "min: 0.8", "min: 0.7", compiled=compiled), "ratchet", name, BASE="HEAD^1")
    assert status == 1, said
    assert "MLS-E740" in said
    status, said = remote.run(pull_request(remote, "min: 0.8", "min: 0.9", compiled=compiled, name="two"), "ratchet", name, BASE="HEAD^1")
    assert status == 0, said


def test_the_plan_is_shown_and_handed_on(remote):
    clone = pull_request(remote, "replicas: 2", "replicas: 3")
    status, said = remote.run(clone, "plan", "Say what the change does")
    assert status == 0, said
    made = remote.outputs()
    text = gzip.decompress(base64.b64decode(made["plan"])).decode()
    assert made["differs"] == "1"
    assert text.startswith("<!-- mlspec plan -->\n")
    assert "replicas" in text
    assert text in remote.summary()
    other = pull_request(remote, "team: ml}", "team: ml}  # a remark", name="two")
    assert remote.run(other, "plan", "Say what the change does")[0] == 0
    assert remote.outputs()["differs"] == "0"


def test_the_plan_is_that_of_the_merge_alone(remote):
    """What others merged since the branch was made is no part of it."""
    remote.edit("replicas: 2", "replicas: 3", branch="change")
    remote.edit("team: ml}", "team: science}", compiled=True)
    clone = remote.job("pr", whole=True)
    git(clone, "checkout", "--quiet", "--detach", "origin/main")
    git(clone, "merge", "--quiet", "--no-ff", "--no-edit", "origin/change")
    assert remote.run(clone, "plan", "Say what the change does")[0] == 0
    text = gzip.decompress(base64.b64decode(remote.outputs()["plan"])).decode()
    assert "replicas" in text
    assert "science" not in text


def test_a_plan_of_what_does_not_compile_is_a_plan(remote):
    clone = pull_request(remote, "replicas: 2", "replicas: -2")
    assert remote.run(clone, "plan", "Say what the change does")[0] == 0
    assert "does not compile" in remote.summary()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    workflow(folder / "r")
    return everything(folder / "r")


def speak(jobs, job, answers, **given):
    """Run the script in Python of a job against a stand-in of GitHub; return exit, what it said, and what it asked for."""
    (script,) = [step["run"] for step in jobs[job]["steps"] if step.get("shell") == "python"]
    with server(answers) as (url, asked):
        settled = {"GITHUB_API_URL": url, "GITHUB_REPOSITORY": "acme/ml", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7"}
        env = surroundings(TOKEN=TOKEN, **settled, **given)
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert {one.token for one in asked} <= {f"Bearer {TOKEN}"}
    return done.returncode, done.stdout + done.stderr, asked


MARKER = "<!-- mlspec plan -->"
COMMENTS, COMMENT = "/repos/acme/ml/issues/12/comments", "/repos/acme/ml/issues/comments/99"


def remark(number, body, login="github-actions[bot]"):
    return {"id": number, "body": body, "user": {"login": login} if login else None, "html_url": "https://x"}


@pytest.mark.parametrize(
    ("there", "differs", "said"),
    [
        ([], "1", ("POST", COMMENTS)),
        ([], "0", None),
        ([remark(99, f"{MARKER}\nold")], "1", ("PATCH", COMMENT)),
        ([remark(99, f"{MARKER}\nold")], "0", ("PATCH", COMMENT)),
        ([remark(99, f"{MARKER}\nnew\n")], "1", None),
        ([remark(98, f"{MARKER}\nold", "mallory")], "1", ("POST", COMMENTS)),
        ([remark(98, f"look: {MARKER}\nold"), remark(97, None), remark(96, MARKER, None)], "1", ("POST", COMMENTS)),
        ([*(remark(n, "chat", "ann") for n in range(100)), remark(99, f"{MARKER}\nold")], "1", ("PATCH", COMMENT)),
    ],
)
def test_the_comment_is_edited_in_place(jobs, there, differs, said):
    answers = {COMMENTS: there, COMMENT: remark(99, ""), ("POST", COMMENTS): remark(1, "")}
    plan = base64.b64encode(gzip.compress(f"{MARKER}\nnew".encode())).decode()
    status, text, asked = speak(jobs, "comment", answers, NUMBER="12", PLAN=plan, DIFFERS=differs)
    assert status == 0, text
    written = [one for one in asked if one.method != "GET"]
    assert [(one.method, one.path) for one in written] == ([said] if said else [])
    assert all(one.data == {"body": f"{MARKER}\nnew"} for one in written)


def test_nothing_but_a_plan_is_commented(jobs):
    status, text, asked = speak(jobs, "comment", {}, NUMBER="12", PLAN=base64.b64encode(gzip.compress(b"hello")).decode(), DIFFERS="1")
    assert (status, asked) == (1, [])
    assert "this is no plan" in text


# Approvals


def counted(remote, reviews, *, own="true", name="pr"):
    clone = pull_request(remote, "replicas: 2", "replicas: 3", name=name)
    head, base = git(clone, "rev-parse", f"origin/change-{name}"), git(clone, "rev-parse", "origin/main")
    event = remote.folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12, "user": {"login": "ann"}, "base": {"sha": base}, "head": {"sha": head}}}))
    made = [{"user": {"login": who}, "state": state, "commit_id": head, "submitted_at": "2026-01-01T00:00:00Z"} for who, state in reviews]
    with server({"/repos/acme/ml/pulls/12/reviews": made}) as (url, _):
        more = {"GITHUB_EVENT_PATH": str(event), "GITHUB_API_URL": url}
        return remote.run(clone, "count", "Count who approved", OWN=own, more=more)


@pytest.mark.parametrize(
    ("reviews", "own", "status", "verdict"),
    [
        ([("bob", "APPROVED")], "true", 0, "0"),
        ([("ann", "APPROVED")], "true", 0, "1"),
        ([], "true", 0, "1"),
        ([], "false", 1, "1"),
        ([("bob", "CHANGES_REQUESTED"), ("eve", "APPROVED")], "true", 0, "1"),
    ],
)
def test_reviews_are_counted(remote, reviews, own, status, verdict):
    found, said = counted(remote, reviews, own=own)
    assert found == status, said
    assert remote.outputs() == {"status": verdict}
    assert "iris/prod" in remote.summary()


@pytest.mark.parametrize(
    ("event", "status", "state"),
    [
        ("pull_request", "0", "success"),
        ("pull_request_review", "1", "pending"),
        ("pull_request", "3", "error"),
        ("pull_request", "", "error"),
        ("merge_group", "", "success"),
    ],
)
def test_the_verdict_is_a_status_of_the_commit(jobs, event, status, state):
    path = f"/repos/acme/ml/statuses/{'a' * 40}"
    found, text, asked = speak(jobs, "say", {("POST", path): {}}, EVENT=event, STATUS=status, COMMIT="a" * 40)
    assert found == 0, text
    assert [(one.data["context"], one.data["state"]) for one in asked] == [("mlspec/approvals", state)]


def test_a_review_starts_nothing_but_the_count(tmp_path):
    """A job that is skipped passes for a check, so no other job may be in a workflow that reviews start."""
    workflow(tmp_path / "r")
    assert set(read(tmp_path / "r", APPROVALS)["jobs"]) == {"count", "say"}
    assert all("pull_request_review" not in read(tmp_path / "r", file)["on"] for file in (FILE, ROLLOUTS))


# Promotion


AHEAD = SPEC.replace(
    "dev: {namespace: iris-dev}", "dev: {namespace: iris-dev, overrides: {models: {iris: {version: 1.1.0, uri: s3://m/iris11}}}}"
)


def promotion(remote, approved=None, **given):
    job, name = ("prepare", "Show what the promotion would do") if approved is None else ("promote", "Promote what was approved")
    clone = remote.job(f"clone-{len(list(remote.folder.iterdir()))}")
    asked = {"FROM": "dev", "TO": "prod", "ONLY": "", "SPEC": "mlspec.yaml", "APPROVED": approved or "", **given}
    return remote.run(clone, job, name, **asked)


@pytest.fixture
def ahead(tmp_path):
    return Remote(tmp_path, AHEAD)


def test_what_is_shown_is_what_is_promoted(ahead):
    status, said = promotion(ahead)
    assert status == 0, said
    assert ahead.log() == ["first"], "nothing is pushed before it is approved"
    shown = ahead.summary()
    assert "    +++ b/deploy/iris/prod/serving-iris.yaml" in shown
    assert all(line.startswith(("    ", "## ")) or not line or " of main" in line for line in shown.splitlines())
    status, said = promotion(ahead, ahead.outputs()["change"])
    assert status == 0, said
    assert ahead.log()[0] == "Promote dev to prod"
    assert ahead.is_current()
    assert "1.1.0" in ahead.show("deploy/iris/prod/serving-iris.yaml")
    body = git(ahead.bare, "log", "-1", "--format=%b", "main")
    assert "prod: model iris" in body or "prod: iris" in body, body
    assert re.search(r"^Mlspec-Source: [0-9a-f]{40}\nMlspec-Compiler: \S+$", body, re.MULTILINE)
    status, said = promotion(ahead)
    assert (status, ahead.outputs()) == (0, {}), said


def test_one_of_several_may_be_promoted(ahead):
    assert promotion(ahead, ONLY="iris")[0] == 0
    assert "change" in ahead.outputs()
    status, said = promotion(ahead, ONLY="nothing")
    assert status == 2, said
    assert ahead.outputs() == {}


def test_a_tree_that_is_behind_its_spec_is_not_promoted(ahead):
    ahead.edit("replicas: 2", "replicas: 5")
    status, said = promotion(ahead)
    assert status == 1, said
    assert "not of prod: deploy/iris/dev/serving-iris.yaml" in said
    assert "bring the tree up to date" in said


def test_another_change_of_the_same_files_is_shown_again(ahead):
    assert promotion(ahead)[0] == 0
    seen = ahead.outputs()["change"]
    ahead.edit("replicas: 2", "replicas: 3", compiled=True)
    status, said = promotion(ahead, seen)
    assert status == 4, said
    assert ahead.log() == ["replicas: 2 becomes replicas: 3", "first"]


def test_a_change_of_other_files_needs_no_other_approval(ahead):
    """Also between the moment of the fetch and that of the push."""
    assert promotion(ahead)[0] == 0
    seen = ahead.outputs()["change"]
    between = f"cd '{ahead.person}' && git pull --quiet origin main && echo more >> train.py && git commit --quiet -am between"
    ahead.before("compile", f"{between} && git push --quiet origin HEAD:main")
    status, said = promotion(ahead, seen)
    assert status == 0, said
    assert ahead.log() == ["Promote dev to prod", "between", "first"]
    assert "more" in ahead.show("train.py")
    assert ahead.is_current()


def test_a_protected_branch_gets_a_branch_beside_it(ahead):
    assert promotion(ahead)[0] == 0
    ahead.refuse('[ "$REF" != refs/heads/main ] || { echo "protected branch" >&2; exit 1; }')
    status, said = promotion(ahead, ahead.outputs()["change"])
    assert status == 0, said
    assert "https://github.com/acme/ml/compare/main...mlspec/promote-prod-7?expand=1" in ahead.summary()
    assert ahead.log("mlspec/promote-prod-7")[0] == "Promote dev to prod"
    assert ahead.log() == ["first"]


@pytest.mark.parametrize(
    "given",
    [
        {"TO": "prod;touch x"},
        {"TO": "../../x"},
        {"TO": "nowhere"},
        {"FROM": "--dry-run"},
        {"FROM": "$(touch x)"},
        {"ONLY": "a;touch x"},
        {"ONLY": "--dry-run"},
        {"ONLY": "$(touch x)"},
        {"SPEC": "../mlspec.yaml"},
        {"SPEC": "/etc/mlspec.yaml"},
        {"SPEC": "--mlspec.yaml"},
        {"SPEC": "no/such/mlspec.yaml"},
        {"BRANCHES": "live"},
    ],
)
def test_inputs_are_names_or_refused(ahead, given):
    status, said = promotion(ahead, **given)
    assert status not in (0, 126, 127), said
    assert not list(ahead.folder.rglob("x"))
    assert ahead.outputs() == {}


def asked_for(**more):
    """A rule that a user and a team are asked, in the shape of GitHub's API."""
    people = [{"type": "Team", "reviewer": {"slug": "risk"}}, {"type": "User", "reviewer": {"login": "ann"}}]
    return {"type": "required_reviewers", "reviewers": people, **more}


@pytest.mark.parametrize(
    ("rules", "status", "words"),
    [
        ([asked_for(prevent_self_review=True)], 0, "a promotion to prod waits for one of: ann, risk\n"),
        ([asked_for(prevent_self_review=False)], 0, "::warning title=mlspec::whoever starts a promotion to prod may approve it alone"),
        ([{"type": "wait_timer", "wait_timer": 30}], 1, "has no required reviewers"),
        ([], 1, "has no required reviewers"),
        (None, 1, "GET environments/prod: HTTP Error 404"),
    ],
)
def test_somebody_has_to_approve(jobs, rules, status, words):
    answers = {} if rules is None else {"/repos/acme/ml/environments/prod": {"protection_rules": rules}}
    found, said, asked = speak(jobs, "prepare", answers, TO="prod")
    assert found == status
    assert words in said
    assert ("::warning" in said) is ("::warning" in words)
    assert [one.path for one in asked] == ["/repos/acme/ml/environments/prod"]


# Rollouts


CANARY = LIVE.replace("replicas: 2}", "replicas: 2, expose: {host: iris.acme.example}, ROLLOUT}").replace(
    "ROLLOUT", "rollout: {strategy: canary, steps: [10, 50], pause: 1m, gate: online}"
)


@pytest.fixture
def canary(tmp_path):
    made = Remote(tmp_path, CANARY.replace("dev: {namespace: iris-dev}, ", "").replace("after: dev, ", ""))
    made.edit("version: 1.0.0, uri: s3://m/iris", "version: 1.1.0, uri: s3://m/iris11", compiled=True)
    return made


def drive(remote, value, name):
    """Run the job against a Prometheus that measures one value."""
    answer = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, value]}]}}
    with server({"/api/v1/query": answer}) as (url, asked):
        given = {"MLSPEC_PROMETHEUS_URL": url, "MLSPEC_PROMETHEUS_TOKEN": "for prometheus"}
        status, said = remote.run(remote.job(name, whole=True), "rollout", "Ask the gates, and move the rollouts", **given)
    assert {one.token for one in asked} <= {"Bearer for prometheus"}
    return status, said


def found(remote, name):
    status, said = remote.run(remote.job(name), "look", "Look for a rollout that is under way")
    assert status == 0, said
    return remote.outputs()


def long_ago(remote):
    """Let the last commit be older than any pause."""
    git(remote.person, "fetch", "--quiet", "origin")
    git(remote.person, "reset", "--quiet", "--hard", "origin/main")
    subprocess.run(
        ["git", "commit", "--quiet", "--amend", "--no-edit"],
        cwd=remote.person,
        check=True,
        env=surroundings(GIT_COMMITTER_DATE="1770000000 +0000"),
    )
    git(remote.person, "push", "--quiet", "--force", "origin", "HEAD:main")


def test_a_canary_to_its_end(canary):
    assert found(canary, "look") == {"found": "yes"}
    status, said = drive(canary, "0.001", "early")
    assert (status, len(canary.log())) == (0, 2), said
    assert "left alone for" in canary.summary()
    for number, left in ((1, {"found": "yes"}), (2, {})):
        long_ago(canary)
        status, said = drive(canary, "0.001", f"step{number}")
        assert status == 0, said
        assert found(canary, f"look{number}") == left
    assert [line.split(":")[0] for line in canary.log()[:2]] == ["Finish the rollout of 1.1.0", "Advance the rollout of 1.1.0"]
    assert canary.is_current()


def test_a_canary_that_breaks_its_gate_is_taken_back_at_once(canary):
    status, said = drive(canary, "0.5", "one")
    assert status == 1, said
    assert canary.log()[0].startswith("Abort the rollout of 1.1.0")
    assert "    prod/iris: Abort the rollout" in canary.summary()
    assert canary.is_current()
    assert found(canary, "look") == {}
    assert git(canary.bare, "log", "-1", "--format=%an", "main") == "github-actions[bot]"


def test_nothing_is_looked_for_without_a_rollout(remote):
    assert found(remote, "look") == {}


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    token: str | None
    data: object


class server:  # noqa: N801 - reads as a function
    """A server that answers what it knows (lists by pages of a hundred) and notes what it was asked for."""

    def __init__(self, answers):
        asked = self.asked = []

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                asked.append(Asked(self.command, path, self.headers["Authorization"], json.loads(body) if body else None))
                made = answers.get((self.command, path), answers.get(path))
                if isinstance(made, list):
                    page = int(parse_qs(query).get("page", ["1"])[0])
                    made = made[(page - 1) * 100 : page * 100]
                self.send_response(404 if made is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps({} if made is None else made).encode())

            do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the server looks for

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Answer)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}", self.asked

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


# The judges


def judge(name):
    """Return a judge: from MLSPEC_JUDGES, the PATH or the cache; skip where there is none."""
    cache = Path.home() / ".cache" / "mlspec-judges"
    folders = [os.environ.get("MLSPEC_JUDGES", ""), os.environ["PATH"], str(cache / "bin"), str(cache / "venv" / "bin")]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    return found or pytest.skip(f"{name} is not on this machine; name its folder in MLSPEC_JUDGES")


VARIANTS = {
    "plain": SPEC,
    "settings": SPEC.replace(
        "ci: [github]", 'ci: [{github: {runner: ubuntu-22.04, install: "pip install --require-hashes -r r.txt\\nmlspec --version"}}]'
    ),
    "branches": SPEC.replace(PROD, PROD + ', platform: {repository: {branch: live+1, url: "https://github.com/acme/ml.git"}}'),
}


@pytest.mark.conformance
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "command",
    [
        ["actionlint", "-no-color", "-shellcheck=shellcheck"],
        ["zizmor", "--offline", "--persona=auditor", "--no-progress", "--quiet"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    ],
    ids=lambda command: command[0],
)
def test_judges_find_nothing(tmp_path, variant, command):
    program, *options = command
    if program == "actionlint":
        options[-1] = f"-shellcheck={judge('shellcheck')}"
    workflow(tmp_path / "r", VARIANTS[variant])
    done = subprocess.run(
        [judge(program), *options, *(str(tmp_path / "r" / file) for file in FILES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
