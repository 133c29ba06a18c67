"""The config-management plugin of Argo CD: the very command of plugin.yaml, as the sidecar runs it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = yaml.safe_load((ROOT / "plugin" / "plugin.yaml").read_text())
SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
extends: ../company.yaml
environments: {dev: {namespace: churn-dev}, prod: {namespace: churn, after: dev}}
models: {m: {framework: sklearn, version: "1.0.0", uri: "s3://acme/m/1.0.0"}}
serving: {churn: {model: m, replicas: 2}}
"""
COMPANY = "platform: {repository: {url: https://github.com/acme/ml.git}}\n"


@pytest.fixture
def source(tmp_path):
    """A checkout as a sidecar has it: nobody may write to it."""
    root = tmp_path / "source"
    (root / ".git").mkdir(parents=True)
    (root / "churn").mkdir()
    (root / "company.yaml").write_text(COMPANY)
    (root / "churn" / "mlspec.yaml").write_text(SPEC)
    return root


def protect(root):
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def generate(source, tmp_path, **variables):
    """Run the command of plugin.yaml with what the sidecar's process has, and nothing else; root gives up its right to write anywhere."""
    tools = tmp_path / "bin"
    if not tools.exists():
        tools.mkdir(mode=0o755)
        (tools / "mlspec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m mlspec "$@"\n')
        (tools / "mlspec").chmod(0o755)
        shutil.copy(ROOT / "plugin" / "mlspec-generate", tools)
    protect(source)
    before = snapshot(source)
    command = PLUGIN["spec"]["generate"]["command"]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT / "src"),
        "ARGOCD_APP_NAME": "churn-prod",
        "ARGOCD_APP_NAMESPACE": "churn",
        "ARGOCD_APP_REVISION": "0" * 40,
        **variables,
    }
    done = subprocess.run(command, cwd=source / "churn", env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert snapshot(source) == before
    return done


def snapshot(root):
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


def objects(text):
    return [one for one in yaml.load_all(text, yaml.BaseLoader) if one is not None]


@pytest.mark.parametrize("variable", ["PARAM_ENVIRONMENT", "ARGOCD_ENV_ENVIRONMENT"])
def test_the_objects_of_one_environment_and_nothing_else(source, tmp_path, variable):
    done = generate(source, tmp_path, **{variable: "prod"})
    assert (done.returncode, done.stderr) == (0, "")
    found = objects(done.stdout)
    assert {"InferenceService", "ServiceAccount"} <= {one["kind"] for one in found}
    assert all(one["apiVersion"] and one["metadata"]["name"] for one in found)
    assert {one["metadata"]["namespace"] for one in found} == {"churn"}
    assert not {"Application", "AppProject", "Kustomization"} & {one["kind"] for one in found}


def test_the_objects_are_those_of_the_tree(source, tmp_path):
    """Rendered at sync or committed, a cluster gets the same."""
    from mlspec.__main__ import main

    assert main(["compile", "--quiet", "--out", str(tmp_path / "tree"), str(source)]) == 0
    folder = tmp_path / "tree" / "deploy" / "churn" / "prod"
    written = [one for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml" for one in objects(file.read_text())]
    assert objects(generate(source, tmp_path, PARAM_ENVIRONMENT="prod").stdout) == written


def test_a_bad_spec_prints_no_object(source, tmp_path):
    spec = source / "churn" / "mlspec.yaml"
    spec.write_text(SPEC.replace("model: m,", "model: n,"))
    done = generate(source, tmp_path, PARAM_ENVIRONMENT="prod")
    assert (done.returncode, done.stdout) == (1, "")
    assert "MLS-E401" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("environment", ["", "nowhere", "--out=/tmp/x", "$(touch /tmp/x)", "prod;id", "a b", "../prod", "PROD", "prod\nid"])
def test_what_is_no_environment_is_refused(source, tmp_path, environment):
    done = generate(source, tmp_path, PARAM_ENVIRONMENT=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written_is_no_fault(source, tmp_path):
    done = generate(source, tmp_path, PARAM_ENVIRONMENT="dev", XDG_CACHE_HOME="/proc/nothing")
    assert (done.returncode, done.stderr) == (0, "")
    assert {one["metadata"]["namespace"] for one in objects(done.stdout)} == {"churn-dev"}


def test_no_module_of_the_repository_is_imported(source, tmp_path):
    for name in ("mlspec.py", "yaml.py", "sitecustomize.py", "click.py"):
        (source / "churn" / name).write_text("raise SystemExit('imported')\n")
    assert generate(source, tmp_path, PARAM_ENVIRONMENT="dev").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_user_of_the_sidecar(tmp_path):
    """Root may write anywhere, so the command is run as user 999 as well, from a folder that user can enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("src/mlspec", "templates", "schemas"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        source = folder / "source"
        (source / "churn").mkdir(parents=True)
        (source / ".git").mkdir()
        (source / "company.yaml").write_text(COMPANY)
        (source / "churn" / "mlspec.yaml").write_text(SPEC)
        user = {"user": 999, "group": 999, "extra_groups": []}
        try:
            subprocess.run([sys.executable, "-c", "import pydantic"], check=True, capture_output=True, cwd="/", **user)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this Python is not for other users")
        line = [sys.executable, "-P", "-m", "mlspec", "compile", "--quiet", "--stdout", "--env", "prod", "mlspec.yaml"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(line, cwd=source / "churn", env=environment, capture_output=True, text=True, check=False, **user)
        assert (done.returncode, done.stderr) == (0, "")
        assert objects(done.stdout)


def test_the_plugin_is_what_argo_cd_reads():
    assert (PLUGIN["apiVersion"], PLUGIN["kind"]) == ("argoproj.io/v1alpha1", "ConfigManagementPlugin")
    assert set(PLUGIN["spec"]) <= {"version", "init", "generate", "discover", "parameters", "preserveFileMode", "provideGitCreds"}
    assert PLUGIN["spec"]["discover"] == {"fileName": "./mlspec.yaml"}
    assert "init" not in PLUGIN["spec"]
    assert (ROOT / "plugin" / PLUGIN["spec"]["generate"]["command"][0]).stat().st_mode & 0o111


def test_the_image_runs_as_argo_cd_wants_it():
    recipe = (ROOT / "plugin" / "Containerfile").read_text()
    last = recipe.rpartition("\nFROM ")[2]
    assert "\nUSER 999\n" in last
    assert 'ENTRYPOINT ["/var/run/argocd/argocd-cmp-server"]' in last
    assert "\nRUN " not in last
    for words in (line.split()[1:-1] for line in recipe.splitlines() if line.startswith("COPY ") and "--from" not in line):
        copied = [path for path in words if not path.startswith("--")]
        assert all((ROOT / path).exists() for path in copied), copied


def test_the_sidecar_may_nothing():
    patch = yaml.safe_load((ROOT / "plugin" / "sidecar.yaml").read_text())
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 999,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
