"""The composite action: what it may do, and its scripts, run for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from targets.github_expressions import fill

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "action.yml").read_text()
ACTION = yaml.load(TEXT, yaml.BaseLoader)
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
USE = """\
name: use
on: {pull_request: }
permissions: {}
jobs:
  use:
    runs-on: ubuntu-24.04
    steps:
      - id: mlspec
        uses: ./
        with:
          command: diff
          arguments: |
            --from
            origin/main
      - run: echo "$PROGRAM"
        env: {PROGRAM: "${{ steps.mlspec.outputs.program }}"}
"""
HOME = Path(os.environ.get("MLSPEC_JUDGES", Path.home() / ".cache" / "mlspec-judges"))
PLACES = [HOME / "bin", HOME / "venv" / "bin", Path(sys.executable).parent]


def script(name, tmp_path, **variables):
    """Run the script of a step as GitHub runs it."""
    file = tmp_path / "step.sh"
    file.write_text(STEPS[name]["run"])
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"), **variables}
    line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)]
    return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path):
    """A program that prints its arguments, each in brackets."""
    file = tmp_path / "program"
    file.write_text("#!/bin/sh\nprintf '[%s]' \"$@\"\nexit 1\n")
    file.chmod(0o755)
    return str(file)


def test_no_expression_stands_in_a_script():
    assert not any("${{" in step.get("run", "") for step in STEPS.values())


def test_actions_are_pinned_as_in_the_workflow():
    import json

    pins = json.loads((ROOT / "src/mlspec/targets/github/actions.json").read_text())
    used = re.findall(r"uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$", TEXT, re.MULTILINE)
    assert len(used) == TEXT.count("uses:")
    assert all((pins[name]["commit"], pins[name]["version"]) == (commit, version) for name, commit, version in used)


def test_every_input_is_used_and_every_used_one_is_there():
    assert set(re.findall(r"inputs\.([a-z-]+)", TEXT)) == set(ACTION["inputs"])


def test_arguments_stay_apart(tmp_path, program):
    done = script("Run mlspec", tmp_path, PROGRAM=program, COMMAND="diff", ARGUMENTS='--from\norigin/main\n\n$(id) `id` * "x"\n')
    assert (done.returncode, done.stdout) == (1, '[diff][--from][origin/main][$(id) `id` * "x"]')


def test_no_arguments_are_none(tmp_path, program):
    assert script("Run mlspec", tmp_path, PROGRAM=program, COMMAND="merge-driver", ARGUMENTS="").stdout == "[merge-driver]"


@pytest.mark.parametrize("command", ["", "--help", "a b", "validate;id", "../x", "validate\nid"])
def test_what_is_no_command_is_refused(tmp_path, program, command):
    done = script("Run mlspec", tmp_path, PROGRAM=program, COMMAND=command, ARGUMENTS="")
    assert (done.returncode, done.stdout) == (2, "::error::the input command is not the name of a command\n")


@pytest.mark.parametrize("version", ["latest", "1.0.0 --index-url=http://x", "1.0; id", "-r x", "1.0.0\nx"])
def test_what_is_no_version_is_refused(tmp_path, version):
    done = script("Install mlspec", tmp_path, PYTHON="/bin/false", SOURCE=str(ROOT), VERSION=version)
    assert (done.returncode, done.stdout) == (2, "::error::the input version is not a version such as 1.2.3\n")


def test_the_checkout_or_a_version_is_installed(tmp_path):
    """With a Python that makes a folder for `-m venv` and a pip that says what it is asked for."""
    python = tmp_path / "python"
    pip = '#!/bin/sh\necho "$@"\n'
    python.write_text(f"#!/bin/sh\nmkdir -p $4/bin\nprintf '%s' '{pip}' > $4/bin/python\nchmod +x $4/bin/python\n")
    python.chmod(0o755)
    for version, what in (("", "/the action"), ("1.2.0rc1", "mlspec==1.2.0rc1")):
        done = script("Install mlspec", tmp_path, PYTHON=str(python), SOURCE="/the action", VERSION=version)
        assert done.stdout.strip().endswith(f"-- {what}"), done.stderr
    assert f"program={tmp_path}/mlspec/bin/mlspec\n" in (tmp_path / "output").read_text()


def act(action, workspace, temp, **given):
    """Run the action whole, as a runner does, up to the first step that fails; return its exit, what it said and its output."""
    inputs = {name: one["default"] for name, one in ACTION["inputs"].items()} | given
    contexts = {"inputs": inputs, "steps": {"python": {"outputs": {"python-path": sys.executable}}}, "github": {"action_path": str(action)}}
    said = ""
    for step in ACTION["runs"]["steps"]:
        if "uses" in step:
            assert step["uses"].startswith("actions/setup-python@"), "nothing else has a stand-in"
            continue
        output = temp / "output"
        output.write_text("")
        env = {"PATH": "/usr/bin:/bin", "HOME": str(temp), "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(output), "LANG": "C.UTF-8"}
        env |= {name: fill(value, contexts) for name, value in step["env"].items()}
        env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        script = temp / "script"
        script.write_text(step["run"])
        folder = workspace / fill(step.get("working-directory", "."), contexts)
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, said, ""
        if "id" in step:
            outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
            contexts["steps"] = {**contexts["steps"], step["id"]: {"outputs": outputs}}
    return 0, said, fill(ACTION["outputs"]["program"]["value"], contexts)


@pytest.mark.conformance
def test_the_action_installs_its_checkout_and_runs_it(tmp_path):
    """With the real pip; beside the spec lie modules with names that a careless program would import."""
    action, workspace, temp = (tmp_path / name for name in ("action", "work space", "temp"))
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in names:
        if (
            name.startswith(("src/", "templates/", "schemas/", "pyproject", "README", "CHANGELOG", "action.yml"))
            and (ROOT / name).is_file()
        ):
            (action / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, action / name)
    (workspace / ".git").mkdir(parents=True)
    temp.mkdir()
    shutil.copytree(ROOT / "examples" / "iris", workspace / "iris")
    for name in ("mlspec.py", "sitecustomize.py", "yaml.py", "click.py"):
        for folder in (workspace, workspace / "iris"):
            (folder / name).write_text("raise SystemExit('imported')\n")
    status, said, program = act(action, workspace, temp)
    if "No matching distribution" in said or "NewConnectionError" in said:
        pytest.skip("there is no index of packages here")
    assert (status, "imported" in said, program) == (0, False, str(temp / "mlspec" / "bin" / "mlspec")), said
    arguments = {"command": "diff", "arguments": "--from\nnowhere", "working-directory": "iris"}
    assert act(action, workspace, temp, **arguments)[0] == 3
    spec = workspace / "iris" / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("framework:", "frame work:"))
    status, said, _ = act(action, workspace, temp)
    assert status == 1
    assert "::error file=iris/mlspec.yaml,line=" in said


@pytest.mark.conformance
@pytest.mark.parametrize(
    "line",
    [
        ["zizmor", "--offline", "--persona=auditor", "--no-progress", "--quiet", "action.yml"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"],
        ["actionlint", "-no-color", "-pyflakes="],
    ],
    ids=lambda line: line[0],
)
def test_judges_find_nothing(line, tmp_path):
    path = os.pathsep.join([*map(str, PLACES), os.environ["PATH"]])
    tool = shutil.which(line[0], path=path)
    if tool is None:
        pytest.skip(f"{line[0]} is not here")
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    shutil.copy(ROOT / "action.yml", tmp_path)
    (workflows / "use.yml").write_text(USE)
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    done = subprocess.run([tool, *line[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.conformance
def test_shellcheck_finds_nothing(tmp_path):
    tool = shutil.which("shellcheck", path=os.pathsep.join([*map(str, PLACES), os.environ["PATH"]]))
    if tool is None:
        pytest.skip("shellcheck is not here")
    scripts = {"bash": [step["run"] for step in STEPS.values() if "run" in step], "sh": [(ROOT / "plugin" / "mlspec-generate").read_text()]}
    for shell, texts in scripts.items():
        for text in texts:
            done = subprocess.run([tool, "--shell", shell, "-"], input=text, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
