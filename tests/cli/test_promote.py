"""mlspec promote: the order of environments, gates, and what is said and written."""

import json
import os

import pytest

from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}
environments:
  dev:
    namespace: churn-dev
    overrides: {models: {churn: {version: 2.3.0, uri: s3://acme/churn/2.3.0}}}   # ahead
  staging: {namespace: churn-staging, after: dev}
  prod: {namespace: churn, after: staging}   # careful
models:
  churn: {framework: sklearn, version: 2.2.1, uri: s3://acme/churn/2.2.1, trainedBy: train}
thresholds:
  release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}
pipelines:
  train:
    image: ghcr.io/acme/train:1@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    steps:
      fit: {run: [fit, "${outputs.model}", "${outputs.scores}"], outputs: {model: model, scores: metrics}}
      gate: {gate: release, metrics: steps.fit.scores}
      register: {register: churn, model: steps.fit.model, after: [gate]}
serving:
  churn: {model: churn}
"""
RESULT = ".mlspec/results/dev/churn/2.3.0"


@pytest.fixture
def spec(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    file = tmp_path / "mlspec.yaml"
    file.write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture
def run(capsys):
    def run(*arguments, command="promote"):
        capsys.readouterr()
        status = main([command, *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def judge(run, folder, auc):
    (folder / "metrics.json").write_text(json.dumps({"auc": auc}))
    _, out, _ = run("release", "--metrics", "metrics.json", "--env", "dev", "--format", "json", command="gate")
    (folder / RESULT).mkdir(parents=True, exist_ok=True)
    (folder / RESULT / "release.json").write_text(out)


def test_versions_go_from_one_environment_to_the_next(spec, run):
    status, out, said = run("--from", "dev", "--to", "staging")
    assert (status, out) == (0, "")
    assert "staging: churn 2.2.1 → 2.3.0" in said
    assert "there is no result of release for churn in dev" in said
    assert "next: git commit -m 'staging: churn 2.2.1 → 2.3.0' -- mlspec.yaml" in said
    staging = SPEC.replace("after: dev}", "after: dev, overrides: {models: {churn: {version: 2.3.0, uri: s3://acme/churn/2.3.0}}}}")
    assert spec.read_text() == staging
    assert run("--from", "staging", "--to", "prod")[0] == 0
    assert spec.read_text() == staging.replace("version: 2.2.1, uri: s3://acme/churn/2.2.1", "version: 2.3.0, uri: s3://acme/churn/2.3.0")
    status, _, said = run("--from", "staging", "--to", "prod")
    assert status == 0
    assert "nothing to do: prod has the versions of staging" in said


def test_a_dry_run_writes_nothing(spec, run):
    status, out, _ = run("--from", "dev", "--to", "staging", "--dry-run")
    assert status == 0
    assert "+  staging: {namespace: churn-staging, after: dev, overrides:" in out
    assert spec.read_text() == SPEC


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--from", "dev", "--to", "prod"), 1, "MLS-E720"),
        (("--from", "dev", "--to", "prod"), 1, "mlspec promote --from dev --to staging; then mlspec promote --from staging --to prod"),
        (("--from", "prod", "--to", "staging"), 1, "staging comes after dev, not after prod"),
        (("--from", "prod", "--to", "dev"), 1, "does not say which environment it comes after"),
        (("--from", "dev", "--to", "dev"), 2, "one environment"),
        (("--from", "dev", "--to", "stagin"), 2, "did you mean staging?"),
        (("--from", "dev", "--to", "staging", "--only", "chrun"), 2, "did you mean churn?"),
        (("--from", "dev", "--to", "staging", "--require-gates"), 1, "MLS-E722"),
    ],
)
def test_what_is_refused(spec, run, arguments, status, said):
    found, _, text = run(*arguments)
    assert (found, said in text) == (status, True), text
    assert spec.read_text() == SPEC


def test_a_gate_that_was_passed_lets_a_version_through(spec, run, tmp_path):
    judge(run, tmp_path, 0.95)
    status, _, said = run("--from", "dev", "--to", "staging", "--require-gates")
    assert status == 0
    assert "churn passed release in dev" in said
    assert spec.read_text() != SPEC


def test_a_gate_that_was_not_passed_stops_it(spec, run, tmp_path):
    judge(run, tmp_path, 0.85)
    status, _, said = run("--from", "dev", "--to", "staging")
    assert status == 1
    assert "churn did not pass release in dev: auc 0.85, expected >= 0.9" in said
    assert "mlspec.yaml:8:" in said
    assert spec.read_text() == SPEC


def test_a_result_of_weaker_rules_does_not_count(spec, run, tmp_path):
    spec.write_text(SPEC.replace("min: 0.9", "min: 0.8"))
    judge(run, tmp_path, 0.85)
    spec.write_text(SPEC)
    status, _, said = run("--from", "dev", "--to", "staging")
    assert status == 1
    assert "the result is older than the rule auc >= 0.9" in said


ROW = {"rule": "auc", "bound": ">= 0.9", "found": "0.95", "verdict": "passed", "why": ""}
WELL = {"threshold": "release", "on": "evaluation", "mode": "enforce", "passed": True, "verdicts": [ROW]}


def said_of(**changes):
    return json.dumps({**WELL, **changes}).encode()


def row_of(**changes):
    return said_of(verdicts=[{**ROW, **changes}])


RESULTS = [  # what lies where the result should be, and why it is none
    (b"", "the result is empty"),
    (b"NaN", "the result is not one of mlspec gate"),
    (b"null", "the result is not one of mlspec gate"),
    (b"[]", "the result is not one of mlspec gate"),
    (said_of()[:-9], "the result is not JSON"),
    (said_of() + b"{}", "the result is not JSON"),
    (said_of().decode().encode("utf-16"), "the result is not JSON"),
    (b"\xff\xfe", "the result is not JSON"),
    (b"[" * 200_000, "the result is not JSON"),
    (b'{"passed": false, ' + said_of()[1:], "a key stands there twice"),
    (b"version https://git-lfs.github.com/spec/v1\n", "the result is not JSON"),
    (b"<<<<<<< ours\n" + said_of(), "the result is not JSON"),
    (said_of(passed="true"), "does not say that it passed"),
    (said_of(passed=1), "does not say that it passed"),
    (said_of(verdicts=[]), "the result is older than the rule auc >= 0.9"),
    (said_of(verdicts={"auc": "passed"}), "the result is not one of mlspec gate"),
    (said_of(verdicts=[ROW, None]), "the result is not one of mlspec gate"),
    (said_of(threshold="other"), "the result is one of other"),
    (said_of(threshold=None), "the result is one of None"),
    (said_of(on="live"), "the result is one on live"),
    (row_of(found="NaN"), "auc NaN, expected >= 0.9"),
    (row_of(found="Infinity"), "auc Infinity, expected >= 0.9"),
    (said_of().replace(b'"0.95"', b"NaN"), "auc NaN, expected >= 0.9"),
    (row_of(found="0.85"), "auc 0.85, expected >= 0.9"),
    (row_of(found=["0.95"]), "auc ['0.95'], expected >= 0.9"),
    (row_of(found=None), "auc None, expected >= 0.9"),
    (row_of(verdict="Passed"), "auc 0.95, expected >= 0.9"),
    (row_of(verdict=["passed"]), "auc 0.95, expected >= 0.9"),
    (row_of(verdict="warning"), "auc 0.95, expected >= 0.9"),
    (row_of(bound=">= 0.8"), "the result is older than the rule auc >= 0.9"),
    (row_of(bound={}), "the result is older than the rule auc >= 0.9"),
    (said_of(verdicts=[ROW, {**ROW, "rule": "auc [g=a]", "verdict": "failed"}]), "auc [g=a] 0.95, expected >= 0.9"),
    (said_of(verdicts=[ROW, *({**ROW, "rule": f"x{n}", "verdict": "failed"} for n in range(20_000))]), "x0 0.95, expected"),
]


@pytest.mark.parametrize(("result", "why"), RESULTS)
def test_a_result_that_is_none_stops_it(spec, run, tmp_path, result, why):
    (tmp_path / RESULT).mkdir(parents=True)
    (tmp_path / RESULT / "release.json").write_bytes(result)
    status, _, said = run("--from", "dev", "--to", "staging")
    assert (status, "MLS-E721" in said, why in said) == (1, True, True), said
    assert "\x1b" not in said
    assert spec.read_text() == SPEC


def test_the_result_that_these_were_made_of_is_one(spec, run, tmp_path):
    (tmp_path / RESULT).mkdir(parents=True)
    (tmp_path / RESULT / "release.json").write_bytes(said_of())
    assert run("--from", "dev", "--to", "staging", "--require-gates")[0] == 0


@pytest.mark.parametrize("place", ["dev/churn/2.2.1", "staging/churn/2.3.0", "prod/churn/2.3.0", "dev/other/2.3.0", "dev/churn/2.3.0/deep"])
def test_a_result_of_something_else_is_no_result(spec, run, tmp_path, place):
    (tmp_path / ".mlspec/results" / place).mkdir(parents=True)
    (tmp_path / ".mlspec/results" / place / "release.json").write_bytes(said_of())
    status, _, said = run("--from", "dev", "--to", "staging", "--require-gates")
    assert (status, "MLS-E722" in said) == (1, True), said


def hostile_words(found):
    return row_of(rule="auc", verdict="failed", found=found)


@pytest.mark.parametrize("words", ["\x1b[2J", "\n::error::x", "\r0.95", "x" * 1_000_000])
def test_what_a_result_says_is_shown_harmlessly(spec, run, tmp_path, words):
    (tmp_path / RESULT).mkdir(parents=True)
    (tmp_path / RESULT / "release.json").write_bytes(hostile_words(words))
    status, _, said = run("--from", "dev", "--to", "staging")
    assert status == 1
    assert not {"\x1b", "\r"} & set(said)
    assert "\n::" not in said
    assert len(said) < 10_000


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_a_result_that_is_no_file_stops_it(spec, run, tmp_path, kind):
    (tmp_path / RESULT).mkdir(parents=True)
    place = tmp_path / RESULT / "release.json"
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to("nowhere")
    else:
        os.mkfifo(place)
    status, _, said = run("--from", "dev", "--to", "staging")
    assert (status, "is no file" in said) == (1, True), said
    assert spec.read_text() == SPEC


def test_only_one_of_the_versions(spec, run):
    other = SPEC.replace("churn:1@", "churn:1@").replace(
        "s3://acme/churn/2.3.0}}}", "s3://acme/churn/2.3.0}}, pipelines: {train: {image: ghcr.io/acme/train:2}}}"
    )
    spec.write_text(other)
    status, _, said = run("--from", "dev", "--to", "staging", "--only", "train")
    assert status == 0
    assert "churn 2.2.1" not in said
    assert "pipelines.train.image" in said
    assert "version: 2.3.0" not in spec.read_text().partition("staging:")[2]


def test_a_spec_that_does_not_compile_is_refused(spec, run):
    spec.write_text(SPEC.replace("model: churn}", "model: nobody}"))
    status, _, said = run("--from", "dev", "--to", "staging")
    assert status == 1
    assert "nobody" in said


CANARY = SPEC.replace("{model: churn}", '{model: churn, rollout: {strategy: canary}, expose: {host: "${env.name}.acme.example"}}').replace(
    "    overrides: {models: {churn: {version: 2.3.0, uri: s3://acme/churn/2.3.0}}}   # ahead\n", ""
)


def test_a_version_that_was_aborted_goes_no_further(spec, run):
    spec.write_text(CANARY)
    assert run(command="compile")[0] == 0
    run("--env", "dev", "models.churn.version", "2.3.0", command="set")
    assert run(command="compile")[0] == 0
    status, _, said = run("--from", "dev", "--to", "staging", "--dry-run")
    assert (status, "note: the rollout of churn 2.3.0 is still under way in dev (churn)" in said) == (0, True), said
    assert run("abort", "churn", "--env", "dev", command="rollout")[0] == 0
    before = spec.read_bytes()
    status, _, said = run("--from", "dev", "--to", "staging")
    assert (status, spec.read_bytes()) == (1, before)
    assert "error[MLS-E727]: the rollout of churn 2.3.0 was aborted in dev: churn serves 2.2.1" in said
    assert run("start", "churn", "--env", "dev", command="rollout")[0] == 0
    assert run("finish", "churn", "--env", "dev", command="rollout")[0] == 0
    status, _, said = run("--from", "dev", "--to", "staging")
    assert (status, "rollout" in said) == (0, False), said
