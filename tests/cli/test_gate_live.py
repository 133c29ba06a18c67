"""`mlspec gate --prometheus`: live rules against a stand-in Prometheus; what is not measured does not pass."""

import json

import pytest

from cli.rollouts import make, set_version
from cli.stand_in import serving, vector
from mlspec.__main__ import main
from mlspec.cli import prometheus

CALL = ["gate", "online", "--endpoint", "api", "--env", "prod", "--prometheus"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prometheus, "PAUSES", ())
    monkeypatch.setattr(prometheus.Prometheus.__init__, "__defaults__", (None, ()))
    make(tmp_path)
    assert main(["compile", "-q"]) == 0
    set_version(tmp_path, "1.1.0")
    assert main(["compile", "-q"]) == 0
    return tmp_path


def answers(errors=None, latency=None, requests=None):
    """Return an answer by what is asked: the share of errors, the latency, the number of requests."""

    def answer(path, query):
        text = query["query"]
        found = errors if text.startswith("round(") else latency if "histogram_quantile" in text else requests
        return found if isinstance(found, tuple) else vector(*([] if found is None else [found]))

    return answer


GOOD = {"errors": "0.01", "latency": "0.2", "requests": "100"}
VERDICTS = [
    ({}, 0, "passed (2)"),
    ({"errors": "0.010001"}, 1, "above the bound"),
    ({"latency": "0.2000001"}, 1, "above the bound"),
    ({"errors": "NaN"}, 1, "is NaN, not a number"),
    ({"latency": "+Inf"}, 1, "is Infinity, not a number"),
    ({"errors": None}, 1, "Prometheus has no such series"),
    ({"latency": None}, 1, "Prometheus has no such series"),
    ({"requests": "99.5"}, 1, "100 samples are needed, and there are 99.5"),
    ({"requests": None}, 1, "100 samples are needed, and no requests were counted"),
    ({"requests": "NaN"}, 1, "100 samples are needed"),
    ({"errors": "1e-05"}, 0, "passed (2)"),
    ({"errors": vector("0.001", "0.002")}, 3, "has 2 series, expected one"),
    ({"errors": vector("0.001", warnings=["a store is down"])}, 3, "Prometheus warns: a store is down"),
    ({"errors": (503, {"status": "error", "error": "too busy"})}, 3, "answered 503: too busy"),
    ({"errors": (422, {"status": "error", "error": "bad query"})}, 3, "answered 422: bad query"),
    ({"errors": (401, b"who are you")}, 3, "answered 401"),
    ({"errors": (302, b"")}, 3, "answered 302"),
    ({"errors": (200, b"<html>")}, 3, "the answer is not one of Prometheus"),
    ({"errors": (200, {"status": "error", "data": {}})}, 3, "the answer is not one of Prometheus"),
    ({"errors": (200, {"status": "success", "data": {"resultType": "matrix", "result": []}})}, 3, "the answer is not one"),
    ({"errors": (200, {"status": "success", "data": {"resultType": "vector", "result": ["x"]}})}, 3, "the answer is not one"),
    ({"errors": (200, {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "no"]}]}})}, 3, "is no number"),
    ({"errors": (200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "0.001"]}})}, 0, "passed (2)"),
    ({"errors": (503, b""), "latency": "0.9"}, 1, "2 of 2 not passed"),
]


@pytest.mark.parametrize(("changed", "status", "said"), VERDICTS)
def test_verdicts(home, capsys, changed, status, said):
    with serving(answers(**{**GOOD, **changed})) as (url, _):
        assert main([*CALL, url]) == status
    assert said in " ".join(capsys.readouterr().out.split())


def test_the_canary_is_asked_for_and_others_on_request(home, capsys):
    with serving(answers(**GOOD)) as (url, asked):
        assert main([*CALL, url + "/", "--version", "canary"]) == 0
        assert all('"api-canary-predictor' in query["query"] or "api-canary" in query["query"] for _, query, _ in asked)
        asked.clear()
        assert main([*CALL, url, "--version", "stable"]) == 0
        assert not any("canary" in query["query"] for _, query, _ in asked)
        assert main([*CALL, url, "--version", "all"]) == 0
        capsys.readouterr()
        assert main([*CALL, url, "--version", "cannary"]) == 2
        assert "--version stable|canary|all" in capsys.readouterr().err


def test_what_is_asked_is_what_alerts_are_made_of(home):
    from mlspec.cli.locked import plans_of
    from mlspec.plan.live import live_query, samples_query
    from mlspec.plan.rules import rules_of

    plan = next(plan for plan in plans_of(home / "mlspec.yaml") if plan.environment == "prod")
    first, second = rules_of(plan, "online")["rules"]
    with serving(answers(**GOOD)) as (url, asked):
        assert main([*CALL, url]) == 0
    wanted = [
        live_query(plan, "api", first, "canary"),
        samples_query(plan, "api", first, "canary"),
        live_query(plan, "api", second, "canary"),
    ]
    assert [query["query"] for _, query, _ in asked] == wanted


def test_nobody_answers(home, capsys):
    assert main([*CALL, "http://127.0.0.1:1"]) == 3
    assert "Prometheus cannot be asked" in capsys.readouterr().out


def test_a_passing_fault_is_asked_again(home, monkeypatch):
    monkeypatch.setattr(prometheus.Prometheus.__init__, "__defaults__", (None, (0,)))
    calls = []

    def answer(path, query):
        calls.append(query)
        return (503, b"") if len(calls) == 1 else answers(**GOOD)(path, query)

    with serving(answer) as (url, _):
        assert main([*CALL, url]) == 0


def test_a_token_goes_along(home, monkeypatch):
    monkeypatch.setenv(prometheus.TOKEN, "s3same")
    with serving(answers(**GOOD)) as (url, asked):
        assert main([*CALL, url]) == 0
    assert {headers.get("Authorization") for _, _, headers in asked} == {"Bearer s3same"}


@pytest.mark.parametrize("mode", ["report", "off"])
def test_a_mode_that_stops_nothing(home, capsys, mode):
    spec = home / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("on: live,", f"on: live, mode: {mode},"))
    with serving(answers()) as (url, asked):
        assert main([*CALL, url]) == 0
    assert bool(asked) == (mode == "report")


def test_a_query_of_ones_own(home):
    spec = home / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("{metric: errorRate, max: 1%, minSamples: 100}", "{query: up, name: up, min: 1}"))
    for value, status in (("1", 0), ("0", 1)):
        with serving(lambda _, query, value=value: vector(value if query["query"] == "(up)" else "0.1")) as (url, _):
            assert main([*CALL, url]) == status


@pytest.mark.parametrize("form", ["json", "junit", "markdown"])
def test_formats(home, capsys, form):
    with serving(answers(**{**GOOD, "errors": "0.5"})) as (url, _):
        assert main([*CALL, url, "--format", form]) == 1
    said = capsys.readouterr().out
    if form == "json":
        found = json.loads(said)
        assert (found["on"], found["passed"], [row["verdict"] for row in found["verdicts"]]) == ("live", False, ["failed", "passed"])
    assert "errorRate" in said


USAGE = [
    (["online", "--prometheus", "http://x", "--env", "prod"], "it needs --endpoint"),
    (["online", "--prometheus", "http://x", "--endpoint", "api"], "--env dev|prod"),
    (["online", "--prometheus", "http://x", "--endpoint", "apo", "--env", "prod"], "did you mean api?"),
    (["online", "--prometheus", "x", "--endpoint", "api", "--env", "prod"], "expected http://... or https://..."),
    (["online", "--endpoint", "api", "--env", "prod"], "online is on live: it needs --prometheus"),
    (["online", "--prometheus", "http://x", "--metrics", "m.json", "--endpoint", "api", "--env", "prod"], "exclude each other"),
    (["online", "--prometheus", "http://x", "--endpoint", "api", "--env", "dev"], "api has no canary in dev"),
]


@pytest.mark.parametrize(("words", "said"), USAGE)
def test_usage(home, capsys, words, said):
    assert main(["gate", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
