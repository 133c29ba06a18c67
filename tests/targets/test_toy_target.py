"""A target is added in its folders and nowhere else: here one that writes a ConfigMap for each endpoint."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
VIEW = '''
"""A toy."""

from mlspec.target import Rendering, Target, View, nothing


class ToyView(View):
    """One endpoint."""

    def __init__(self, plan, endpoint):
        self._plan, self._endpoint = plan, endpoint

    @property
    def name(self) -> str:
        """The endpoint."""
        return self._endpoint

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self._plan.namespace

    @property
    def model(self) -> str:
        """The model."""
        return self._plan.node.serving[self._endpoint].model


def render(plan):
    for name in sorted(plan.node.serving):
        yield Rendering("toy/config.yaml.j2", ToyView(plan, name), f"{plan.folder}/serving-{name}.yaml")


TARGET = Target("toy", ("serving", "seldon"), "serving", render, nothing)
'''
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
data:
  model: {{ model }}
"""
SPEC = """
apiVersion: mlspec.dev/v1
name: toys
owner: {team: play}
platform: {serving: seldon}
models: {bear: {framework: sklearn, version: 1.0.0, uri: s3://toys/bear}}
serving: {bear: {model: bear%s}}
"""


@pytest.fixture
def run(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "src/mlspec/targets/toy").mkdir()
    (tmp_path / "src/mlspec/targets/toy/__init__.py").write_text(VIEW)
    (tmp_path / "templates/toy").mkdir()
    (tmp_path / "templates/toy/config.yaml.j2").write_text(TEMPLATE)
    home = tmp_path / "repository"
    home.mkdir()

    def call(spec, *arguments):
        (home / "mlspec.yaml").write_text(spec)
        surroundings = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-m", "mlspec", *arguments], cwd=home, env=surroundings, capture_output=True, text=True, check=False
        )

    return call


def test_a_toy_target_compiles(run):
    done = run(SPEC % "", "compile", "--stdout")
    assert done.returncode == 0, done.stderr
    assert "kind: ConfigMap" in done.stdout
    assert "model: bear" in done.stdout


def test_what_the_toy_does_not_read_is_an_error(run):
    done = run(SPEC % ", replicas: 3", "validate", "--format", "json")
    assert done.returncode == 1
    (diagnostic,) = json.loads(done.stdout)["diagnostics"]
    assert diagnostic["code"] == "MLS-E802"
    assert "serving.bear.replicas" in diagnostic["message"]
