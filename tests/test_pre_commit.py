"""The hooks for pre-commit: their file, and the real pre-commit with a clone of this repository."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

from repository.build_clone import commit_all, git, spec

ROOT = Path(__file__).resolve().parent.parent
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


def test_hooks_run_commands_that_exist():
    from mlspec.cli import COMMANDS

    assert [hook["entry"].split()[0] for hook in HOOKS.values()] == ["mlspec"] * 3
    assert {hook["entry"].split()[1] for hook in HOOKS.values()} == {"validate", "fmt", "check"} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("hook", "path", "runs"),
    [
        ("mlspec-validate", "churn/mlspec.yaml", True),
        ("mlspec-validate", "company.yaml", True),
        ("mlspec-validate", "templates/x.yaml.j2", True),
        ("mlspec-validate", "data/a.csv.dvc", True),
        ("mlspec-validate", "dvc.lock", True),
        ("mlspec-validate", "train.py", False),
        ("mlspec-fmt", "mlspec.yaml", True),
        ("mlspec-fmt", "a/b/mlspec.yaml", True),
        ("mlspec-fmt", "xmlspec.yaml", False),
        ("mlspec-fmt", "company.yaml", False),
    ],
)
def test_which_files_run_a_hook(hook, path, runs):
    assert bool(re.search(HOOKS[hook]["files"], path)) is runs


@pytest.fixture(scope="session")
def pre_commit(tmp_path_factory):
    """A pre-commit in a folder of its own, or none."""
    folder = tmp_path_factory.mktemp("pre-commit")
    venv.create(folder, with_pip=True)
    line = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pre-commit"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("pre-commit cannot be installed here")
    return folder / "bin" / "pre-commit"


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A clone of this repository with what is not committed yet, as pre-commit is to fetch it."""
    folder = tmp_path_factory.mktemp("source") / "mlspec"
    folder.mkdir()
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = ("src/", "templates/", "schemas/", ".pre-commit-hooks", "pyproject", "README", "CHANGELOG")
    for name in names.stdout.split("\0"):
        if name.startswith(wanted) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git(folder, "init", "-q")
    commit_all(folder)
    return folder


@pytest.mark.conformance
def test_the_real_one(pre_commit, source, tmp_path, tmp_path_factory):
    folder = tmp_path / "user"
    (folder / "churn").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "churn" / "mlspec.yaml").write_text(spec())
    config = {"repos": [{"repo": str(source), "rev": git(source, "rev-parse", "HEAD"), "hooks": [{"id": hook} for hook in HOOKS]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    subprocess.run([sys.executable, "-m", "mlspec", "compile", "-q"], cwd=folder, check=True)
    git(folder, "add", "-A")

    def run():
        environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path_factory.getbasetemp() / "hooks"), "NO_COLOR": "1"}
        environment.pop("PYTHONPATH", None)
        line = [str(pre_commit), "run", "--color=never"]
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return dict(re.findall(r"^(.+?)\.{2,}.*?(Passed|Failed|Skipped)$", done.stdout, re.MULTILINE)), done

    verdicts, done = run()
    assert verdicts == dict.fromkeys(("validate specs", "format specs", "check the compiled files"), "Passed"), done.stdout + done.stderr
    git(folder, "commit", "-qm", "first")

    file = folder / "churn" / "mlspec.yaml"
    file.write_text(spec(version="2.0.0"))
    git(folder, "add", "-A")
    verdicts, done = run()
    assert verdicts == {"validate specs": "Passed", "format specs": "Passed", "check the compiled files": "Failed"}, done.stdout
    assert "stale: deploy/churn/prod" in done.stdout

    file.write_text(spec().replace("model: m,", "model:    n,"))
    git(folder, "add", "-A")
    verdicts, done = run()
    assert verdicts["validate specs"] == verdicts["format specs"] == "Failed"
    assert "MLS-E401" in done.stdout
