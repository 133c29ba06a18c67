"""`mlspec bump`: a registry over HTTP, versions with the metrics that they were registered with, and the edit that is proposed."""

import pytest

from cli.stand_in import serving
from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
environments:
  dev: {namespace: churn-dev}
  prod: {namespace: churn, after: dev, overrides: {thresholds: {release: {rules: [{metric: auc, min: 0.9}]}}}}
models:
  churn: {framework: sklearn, version: "3", uri: "s3://acme/churn/3", trainedBy: train}  # the one that counts
  other: {framework: sklearn, version: 1.0.0, uri: "s3://acme/other/1"}
thresholds:
  release: {on: evaluation, rules: [{metric: auc, min: 0.86}, {metric: auc, noWorseThan: champion, tolerance: 0.01}]}
pipelines:
  train:
    image: acme/train@sha256:0000000000000000000000000000000000000000000000000000000000000000
    steps:
      fit:
        run: [train, --out, "${outputs.model}", --metrics, "${outputs.metrics}"]
        outputs: {model: model, metrics: metrics}
      judge: {gate: release, metrics: steps.fit.metrics}
      keep: {register: churn, model: steps.fit.model, after: [judge]}
serving:
  api: {model: churn}
"""


def version(number, auc=None, status="READY", **more):
    tags = {} if auc is None else {"mlspec.metric.auc": auc}
    pairs = [{"key": key, "value": value} for key, value in {**tags, **more}.items()]
    return {"name": "churn", "version": str(number), "source": f"s3://acme/churn/{number}", "status": status, "tags": pairs}


def registry(*versions, pages=1):
    """Answer as MLflow does, the versions spread over pages."""

    def answer(path, query):
        assert path == "/api/2.0/mlflow/model-versions/search"
        if query["filter"] != "name='churn'":
            return 200, {}
        at = int(query.get("page_token", "0"))
        made = {"model_versions": [one for number, one in enumerate(versions) if number % pages == at]}
        return 200, {**made, **({"next_page_token": str(at + 1)} if at + 1 < pages else {})}

    return answer


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    return tmp_path


def bump(capsys, answer, *words):
    capsys.readouterr()
    with serving(answer) as (url, _):
        status = main(["bump", *words, "--registry", url, "--timeout", "1"])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


NOW = version(3, "0.88")
PROPOSALS = [
    ([NOW, version(4, "0.92")], "4", "churn: 3 → 4, which passed release"),
    ([NOW, version(4, "0.92"), version(5, "0.91")], "5", "churn: 3 → 5"),
    ([NOW, version(4, "0.92"), version(5, "0.80")], "4", "churn: 5 is newer, but release: auc below the bound"),
    ([NOW, version(10, "0.92"), version(9, "0.95")], "10", "churn: 3 → 10"),
    ([version(3, "0.99"), version(4, "0.92")], None, "worse than the champion's 0.99"),
    ([version(4, "0.92")], None, "the registry does not know the version that the spec names"),
    ([NOW, version(4)], None, "`auc` is not there"),
    ([NOW, version(4, "NaN")], None, "is NaN, not a number"),
    ([NOW, version(4, "0.92", "PENDING_REGISTRATION")], None, "churn: 3 is the newest"),
    ([version(2, "0.99"), NOW], None, "churn: 3 is the newest"),
    ([], None, "the registry has no version of it"),
]


@pytest.mark.parametrize(("versions", "proposed", "said"), PROPOSALS)
@pytest.mark.parametrize("pages", [1, 2])
def test_proposals(home, capsys, versions, proposed, said, pages):
    status, lines, err = bump(capsys, registry(*versions, pages=pages), "churn", "--env", "dev")
    assert status == 0
    assert said in err
    wanted = [f"mlspec set --env dev models.churn.version {proposed}", f"mlspec set --env dev models.churn.uri s3://acme/churn/{proposed}"]
    assert lines == (wanted if proposed else [])


def test_every_environments_gates_count(home, capsys):
    assert bump(capsys, registry(NOW, version(4, "0.89")), "churn")[1] == []
    assert bump(capsys, registry(NOW, version(4, "0.91")), "churn")[1] == [
        "mlspec set models.churn.version 4",
        "mlspec set models.churn.uri s3://acme/churn/4",
    ]


def test_a_model_that_no_gate_stands_before(home, capsys):
    def answer(path, query):
        return 200, {"model_versions": [version(2)] if query["filter"] == "name='other'" else []}

    assert "no gate stands before it" in bump(capsys, answer, "other")[2]
    assert bump(capsys, answer, "other", "--ungated")[1][0] == "mlspec set models.other.version 2"


def test_writing(home, capsys):
    assert bump(capsys, registry(NOW, version(4, "0.95")), "churn", "--write")[:2] == (0, [])
    text = (home / "mlspec.yaml").read_text()
    assert text == SPEC.replace('"3", uri: "s3://acme/churn/3"', '"4", uri: "s3://acme/churn/4"')
    assert bump(capsys, registry(NOW, version(4, "0.95")), "churn", "--write")[2] == "churn: 4 is the newest\n"


def test_writing_in_one_environment(home, capsys):
    assert bump(capsys, registry(NOW, version(4, "0.95")), "churn", "--env", "prod", "--write")[0] == 0
    from mlspec.cli.locked import plans_of

    found = {plan.environment: plan.tree["models"]["churn"]["version"] for plan in plans_of(home / "mlspec.yaml")}
    assert found == {"dev": "3", "prod": "4"}


FAULTS = [
    (lambda *_: (500, b""), 3, "gave up on the registry"),
    (lambda *_: (403, {"error_code": "PERMISSION_DENIED", "message": "no"}), 3, "refused (403 PERMISSION_DENIED): no"),
    (lambda *_: (200, b"<html>"), 3, "is this MLflow's address"),
    (lambda *_: (200, {"model_versions": [{"version": "x"}]}), 3, "something other than versions"),
]


@pytest.mark.parametrize(("answer", "status", "said"), FAULTS)
def test_a_registry_that_does_not_answer(home, capsys, answer, status, said):
    found = bump(capsys, answer, "churn")
    assert found[0] == status
    assert said in found[2]


def test_usage(home, capsys):
    assert main(["bump", "chrun"]) == 2
    assert "did you mean churn?" in capsys.readouterr().err
    assert main(["bump", "churn", "--env", "prd"]) == 2
    assert main(["bump", "churn", "--registry", "ftp://x"]) == 2
