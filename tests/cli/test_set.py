"""mlspec set: what is written, in which form, and when nothing is."""

import json

import pytest

from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
vars: {host: "churn.dev", v: "1"}
environments:
  dev: {namespace: churn-dev}
  prod:
    namespace: churn
    after: dev
    overrides:
      serving: {churn: {replicas: {min: 2, max: 4}}}   # busy
models:
  churn:
    framework: sklearn
    version: '1.0.0'     # what runs
    uri: s3://acme/churn/1.0.0
serving:
  churn:
    model: churn
    replicas: {min: 1, max: 3}
    expose: {host: "${env.name}.${vars.host}"}
    rollout: {strategy: canary, steps: [10, 50], pause: 10m}
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    file = tmp_path / "mlspec.yaml"
    file.write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    yield file
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".mlspec")] == []


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main(["set", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (("models.churn.version", "2.0"), "'1.0.0'", "'2.0'"),
        (("models.churn.uri", "s3://acme/churn/2"), "s3://acme/churn/1.0.0", "s3://acme/churn/2"),
        (("--env", "prod", "serving.churn.replicas.min", "3"), "{min: 2, max: 4}", "{min: 3, max: 4}"),
        (("environments.prod.overrides.serving.churn.replicas.max", "9"), "max: 4", "max: 9"),
        (("--env", "dev", "models.churn.version", "1.10"), "churn-dev}", 'churn-dev, overrides: {models: {churn: {version: "1.10"}}}}'),
        (
            ("--env", "prod", "models.churn.version", "2.4.0"),
            "# busy\n",
            "# busy\n      models:\n        churn:\n          version: 2.4.0\n",
        ),
        (("vars.v", "2"), '"1"}', '"2"}'),
        (("--env", "prod", "vars.host", "churn.acme"), "# busy\n", "# busy\n    vars:\n      host: churn.acme\n"),
        (("serving.churn.rollout.steps[0]", "5"), "[10, 50]", "[5, 50]"),
        (
            ("--env", "dev", "serving.churn.rollout.steps[0]", "5"),
            "churn-dev}",
            "churn-dev, overrides: {serving: {churn: {rollout: {steps: [5, 50]}}}}}",
        ),
        (("serving.churn.rollout.steps", "[20]"), "[10, 50]", "[20]"),
        (("serving.churn.resources", "{cpu: 1}"), "pause: 10m}\n", "pause: 10m}\n    resources: {cpu: 1}\n"),
        (("models.churn.description", "yes"), "1.0.0\n", '1.0.0\n    description: "yes"\n'),
        (("models.churn.description", "a: b # c"), "1.0.0\n", '1.0.0\n    description: "a: b # c"\n'),
        (("environments.prod.approvals", "2"), "# busy\n", "# busy\n    approvals: 2\n"),
    ],
)
def test_one_value_is_set(spec, run, arguments, old, new):
    status, _, said = run(*arguments)
    assert status == 0, said
    assert SPEC.count(old) == 1
    assert spec.read_text() == SPEC.replace(old, new)


def test_line_ends_mode_and_link_stay(tmp_path, spec, run):
    real = tmp_path / "real.yaml"
    real.write_bytes(SPEC.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    spec.unlink()
    spec.symlink_to("real.yaml")
    assert run("models.churn.version", "2.0.0")[0] == 0
    assert spec.is_symlink()
    assert real.read_bytes() == SPEC.replace("1.0.0'", "2.0.0'").replace("\n", "\r\n").encode()
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("models.chrun.version", "2"), 2, "did you mean models.churn?"),
        (("models.churn.vesion", "2"), 2, "did you mean `version`?"),
        (("--env", "pord", "models.churn.version", "2"), 2, "did you mean prod?"),
        (("--env", "prod", "name", "x"), 2, "leave --env out"),
        (("--env", "prod", "serving.chrun.model", "x"), 2, "did you mean serving.churn?"),
        (("serving.churn.rollout.steps[7]", "2"), 2, "list of 2"),
        (("serving.churn.rollout.steps[2]", "2"), 2, "count from 0: [0] to [1]"),
        (("a..b", "2"), 2, "is no path"),
        (("models.churn.version.x", "2"), 1, "MLS-E2"),
        (("serving.churn.replicas.min", "9"), 1, "MLS-E254"),
        (("serving.churn.model", "nobody"), 1, "MLS-E4"),
        (("--env", "prod", "serving.churn.replicas.min", "many"), 1, "MLS-E2"),
    ],
)
def test_nothing_is_written_that_would_not_be_accepted(spec, run, arguments, status, said):
    before = spec.stat()
    found, _, text = run(*arguments)
    assert (found, said in text) == (status, True), text
    assert spec.read_text() == SPEC
    assert spec.stat().st_mtime_ns == before.st_mtime_ns
    assert f".{spec.name}." not in text


def test_a_dry_run_shows_the_difference(spec, run):
    status, out, said = run("models.churn.version", "2.0.0", "--dry-run")
    assert status == 0
    assert "-    version: '1.0.0'     # what runs\n+    version: '2.0.0'     # what runs\n" in out
    assert out.startswith("--- a/mlspec.yaml\n+++ b/mlspec.yaml\n")
    assert "models.churn.version: 1.0.0 → 2.0.0" in said
    assert spec.read_text() == SPEC


def test_the_same_value_changes_nothing(spec, run):
    assert run("models.churn.version", "1.0.0") == (0, "", "nothing to change\n")


def test_a_value_of_a_base_file_is_overridden_and_said(tmp_path, spec, run):
    base = "models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/1}}\n"
    base += "serving: {churn: {model: churn, expose: {host: a.dev}, rollout: {strategy: canary, steps: [10, 50]}}}\n"
    (tmp_path / "base.yaml").write_text(base)
    own = "apiVersion: mlspec.dev/v1\nname: churn\nowner: {team: ml}\nextends: base.yaml\n"
    spec.write_text(own)
    status, _, said = run("models.churn.version", "2.0.0")
    assert status == 0, said
    assert spec.read_text() == own + "models:\n  churn:\n    version: 2.0.0\n"
    assert "it comes from base.yaml:1; mlspec.yaml overrides it now" in said
    assert run("serving.churn.rollout.steps[1]", "60")[0] == 0
    assert spec.read_text().endswith("serving:\n  churn:\n    rollout:\n      steps: [10, 60]\n")
    assert (tmp_path / "base.yaml").read_text() == base


def test_environments_with_a_value_of_their_own_are_named(spec, run):
    assert "note: prod has a value of its own" in run("serving.churn.replicas.max", "5")[2]


def test_what_was_found_on_new_lines_is_said(spec, run):
    status, out, _ = run("--format", "json", "serving.churn.rollout.pause", "20m")
    assert (status, json.loads(out)["diagnostics"]) == (0, [])


def test_a_spec_that_is_not_there(tmp_path, spec, run):
    assert run("name", "x", "elsewhere.yaml")[0] == 2
