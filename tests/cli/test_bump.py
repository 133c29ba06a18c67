"""`mlspec bump`: a registry over HTTP, versions with the metrics that they were registered with, and the edit that is proposed."""

import contextlib
import socket
import threading
import time

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
    ([version(1, "0.99"), version(2, "0.99")], None, "churn: 3 is the newest"),  # 3 was deleted: an older one is no way forward
    ([NOW, {**version(4, "0.95"), "aliases": ["champion", "candidate"]}], "4", "churn: 3 → 4"),
    ([{**NOW, "aliases": ["champion"]}, version(4, "0.80"), version(5)], None, "churn: 4 is newer, but release: auc below the bound"),
    ([NOW, {**version(4, "0.95"), "current_stage": "Archived"}], None, "churn: 4 is newer, but it is archived"),
    ([NOW, {**version(9, "0.99"), "name": "churn2"}, version(4, "0.95")], "4", "churn: 3 → 4"),  # of another model
    ([NOW, {**version(4, "0.95"), "tags": None}], None, "`auc` is not there"),
    ([NOW, version(4, "1e999999999")], None, "not a number that can be compared"),
    ([NOW, version(4, '"0.95"')], None, "not a number"),
    ([NOW, version(4, "true")], None, "not a number"),
    ([NOW, version(4, "[" * 5000)], None, "not a number"),
    ([NOW, {**version(4, "0.95"), "source": "models:/m-0123"}], None, "is no URI that a spec can have"),
    ([NOW, {**version(4, "0.95"), "source": "s3://a/${vars.b}"}], None, "is no URI that a spec can have"),
    ([NOW, {**version(4, "0.95"), "source": "--env=prod"}], None, "is no URI that a spec can have"),
    ([NOW, {**version(4, "0.95"), "source": "s3://a/'; rm -rf ~; '"}], None, "is no URI that a spec can have"),
    ([NOW, {**version(4, "0.95"), "source": "s3://a/\x1b[2J"}], None, "is no URI that a spec can have"),
    ([NOW, version(4, "0.95", **{"x" * 1000: "y" * 1000 * 1000})], "4", "churn: 3 → 4"),
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
        return 200, {"model_versions": [{**version(2), "name": "other"}] if query["filter"] == "name='other'" else []}

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
    *[(lambda *_, text=text: (200, {"model_versions": [version(text, "0.9")]}), 3, "something other than versions")
      for text in ("4.0", "4-rc1", "-4", "1_0", "٤", " 4", "9" * 5000)],
    (lambda *_: (200, {"model_versions": {"a": 1}}), 3, "something other than versions"),
    (lambda *_: (200, {"model_versions": [NOW], "next_page_token": "again"}), 3, "more than 50 pages"),
    (lambda *_: (200, b'{"model_versions": ' + b"[" * 500_000), 3, "something other than"),
    (lambda *_: (200, b"[]"), 3, "is this MLflow's address"),
    (lambda *_: (302, b""), 3, "the registry redirects"),
    (lambda *_: (404, {"error_code": "\x1b[2J", "message": "no\x1b[31m\n::error::x"}), 3, "refused (404 "),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "status", "said"), FAULTS)
def test_a_registry_that_does_not_answer(home, capsys, answer, status, said):
    found = bump(capsys, answer, "churn")
    assert found[0] == status
    assert found[1] == []
    assert said in found[2]
    assert "\x1b" not in found[2]
    assert "\n::" not in found[2]


def test_a_registry_that_is_not_there_is_no_finding(home, capsys):
    assert main(["bump", "churn", "--registry", "http://127.0.0.1:1", "--timeout", "0.1"]) == 3
    assert "gave up on the registry: no answer" in capsys.readouterr().err


def test_an_answer_that_trickles_is_left(home, capsys, monkeypatch):
    monkeypatch.setattr("mlspec.cli.bump._GRACE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    for _ in range(1200):
                        connection.sendall(b" ")
                        time.sleep(0.05)

        threading.Thread(target=trickle, daemon=True).start()
        began = time.monotonic()
        status = main(["bump", "churn", "--registry", f"http://127.0.0.1:{server.getsockname()[1]}", "--timeout", "0.3"])
        assert (status, time.monotonic() - began < 20) == (3, True)
    assert "did not finish its answer within 0.3 s" in capsys.readouterr().err


def test_environments_with_different_versions_are_asked_apart(home, capsys):
    text = SPEC.replace(
        "prod: {namespace: churn, after: dev, overrides: {",
        "prod: {namespace: churn, after: dev, overrides: {models: {churn: {version: '2'}}, ",
    )
    (home / "mlspec.yaml").write_text(text)
    answer = registry(version(2, "0.9"), NOW, version(4, "0.95"))
    assert bump(capsys, answer, "churn")[:2] == (0, [])
    assert "churn: dev has 3, prod has 2; choose with --env" in bump(capsys, answer, "churn")[2]
    assert bump(capsys, answer, "churn", "--env", "prod")[1][0] == "mlspec set --env prod models.churn.version 4"


def test_a_version_that_mlflow_did_not_count_is_newer_than_none(home, capsys):
    (home / "mlspec.yaml").write_text(SPEC.replace('version: "3"', "version: 2.0.0-rc1"))
    assert bump(capsys, registry(NOW, version(4, "0.95")), "churn", "--env", "dev")[1][0].endswith("version 4"), "3 is known by its place"
    (home / "mlspec.yaml").write_text(SPEC.replace('version: "3", uri: "s3://acme/churn/3"', 'version: 2.0.0-rc1, uri: "s3://acme/x"'))
    said = bump(capsys, registry(NOW, version(4, "0.95")), "churn", "--env", "dev")
    assert said[1] == []
    assert "the registry does not know the version that the spec names" in said[2]


def test_usage(home, capsys):
    assert main(["bump", "chrun"]) == 2
    assert "did you mean churn?" in capsys.readouterr().err
    assert main(["bump", "churn", "--env", "prd"]) == 2
    assert main(["bump", "churn", "--registry", "ftp://x"]) == 2
    for seconds in ("0", "-1", "nan", "inf"):
        assert main(["bump", "churn", "--registry", "http://127.0.0.1:1", "--timeout", seconds]) == 2
