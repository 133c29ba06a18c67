"""The gate as people meet it: rules, metrics, verdicts; and what the program says and how it ends."""

import ast
import json
import subprocess
import sys
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.resources import read_program
from mlspec.runtime import gate


def rule(metric="auc", **more):
    return {"name": metric, "metric": metric, "severity": "block", **more}


def rules_of(*rules, mode="enforce", on="evaluation"):
    return {"threshold": "release", "on": on, "mode": mode, "rules": list(rules)}


def judged(made, metrics, slices=None, champion=None):
    """Judge texts, as the program reads them."""
    metrics = gate.parse_json(metrics.encode())
    slices = gate.parse_json(slices.encode()) if slices is not None else None
    champion = gate.parse_json(champion.encode()) if isinstance(champion, str) and champion.startswith("{") else champion
    return gate.judge(rules_of(made), metrics, slices, champion)


BOUNDS = [
    (rule(min="0.86"), "0.86", "passed", ""),
    (rule(min="0.86"), "0.86000000000000000000000000000000001", "passed", ""),
    (rule(min="0.86"), "0.85999999999999999999999999999999999", "failed", "below the bound"),
    (rule(min="0.3"), "0.30000000000000004", "passed", ""),
    (rule(max="0.3"), "0.30000000000000004", "failed", "above the bound"),
    (rule(max="0.3"), "0.3", "passed", ""),
    (rule(max="0.3"), "3e-1", "passed", ""),
    (rule(min="0.1", max="0.3"), "0.2", "passed", ""),
    (rule(min="0.1", max="0.3"), "0.31", "failed", "above the bound"),
    (rule(min="0.1", max="0.3"), "0.09", "failed", "below the bound"),
    (rule(equals="3"), "3.0", "passed", ""),
    (rule(equals="3"), "3.0000001", "failed", "not what is asked for"),
    (rule(min="-1"), "-1", "passed", ""),
    (rule(min="0"), "-0.0", "passed", ""),
    (rule(), "1", "failed", "the rule has no bound"),
    (rule(min="0.9", severity="warn"), "0.8", "warning", "below the bound"),
]


@pytest.mark.parametrize(("made", "value", "verdict", "why"), BOUNDS)
def test_bounds_are_inclusive_and_exact(made, value, verdict, why):
    (row,) = judged(made, f'{{"auc": {value}}}')
    assert (row["verdict"], row["why"]) == (verdict, why)


NOTHING = [
    ("{}", "`auc` is not there"),
    ('{"auc": null}', "`auc` is null, not a number"),
    ('{"auc": true}', "`auc` is true, not a number"),
    ('{"auc": "0.99"}', '`auc` is "0.99", not a number'),
    ('{"auc": [0.99]}', "not a number"),
    ('{"auc": {"value": 0.99}}', "not a number"),
    ('{"auc": NaN}', "`auc` is NaN, not a number that can be compared"),
    ('{"auc": Infinity}', "`auc` is Infinity, not a number that can be compared"),
    ('{"auc": -Infinity}', "`auc` is -Infinity"),
    ('{"auc": 1e999999999}', "`auc` is 1E+999999999"),
    ('{"auc": ' + "9" * 5000 + "}", "not a number that can be compared"),
    ('{"auc": 0.99, "auc": 0.1}', "a key stands there twice"),
    ("", "the file is empty"),
    ("  \n", "the file is empty"),
    ('{"auc": 0.99', "the file is not JSON"),
    ("[0.99]", "there are no metrics"),
    ("0.99", "there are no metrics"),
    ('"auc"', "there are no metrics"),
    ("null", "there are no metrics"),
    ("[" * 100_000, "the file is not JSON"),
]


@pytest.mark.parametrize(("metrics", "why"), NOTHING, ids=range(len(NOTHING)))
@pytest.mark.parametrize("bound", [{"min": "0"}, {"max": "1"}, {"equals": "1"}, {"noWorseThan": "champion", "better": "more"}])
def test_what_is_no_number_does_not_pass(metrics, why, bound):
    (row,) = judged(rule(**bound), metrics, champion='{"auc": 0.1}')
    assert row["verdict"] == "failed"
    assert why in row["why"]


SAMPLES = [
    ('{"auc": 1, "rows": 100}', "passed", ""),
    ('{"auc": 1, "rows": 99}', "failed", "100 samples are needed, and there are 99"),
    ('{"auc": 1}', "failed", "100 samples are needed, and `rows` is not there"),
    ('{"auc": 1, "rows": NaN}', "failed", "100 samples are needed, and `rows` is NaN, not a number that can be compared"),
]


@pytest.mark.parametrize(("metrics", "verdict", "why"), SAMPLES)
def test_too_few_samples_do_not_pass(metrics, verdict, why):
    (row,) = judged(rule(min="0", minSamples=100), metrics)
    assert (row["verdict"], row["why"]) == (verdict, why)


MORE = {"noWorseThan": "champion", "better": "more"}
LESS = {"noWorseThan": "champion", "better": "less"}
CHAMPION = [
    (MORE, "0.9", '{"auc": 0.9}', "passed"),
    (MORE, "0.89999", '{"auc": 0.9}', "failed"),
    (MORE, "0.95", '{"auc": 0.9}', "passed"),
    ({**MORE, "tolerance": "0.005"}, "0.895", '{"auc": 0.9}', "passed"),
    ({**MORE, "tolerance": "0.005"}, "0.8949999", '{"auc": 0.9}', "failed"),
    ({**MORE, "toleranceShare": "0.01"}, "0.891", '{"auc": 0.9}', "passed"),
    ({**MORE, "toleranceShare": "0.01"}, "0.8909", '{"auc": 0.9}', "failed"),
    ({**MORE, "toleranceShare": "0.1"}, "-1.1", '{"auc": -1}', "passed"),
    ({**MORE, "toleranceShare": "0.1"}, "-1.11", '{"auc": -1}', "failed"),
    (LESS, "0.9", '{"auc": 0.9}', "passed"),
    (LESS, "0.91", '{"auc": 0.9}', "failed"),
    ({**LESS, "tolerance": "0.01"}, "0.91", '{"auc": 0.9}', "passed"),
    ({"noWorseThan": "champion"}, "0.9", '{"auc": 0.9}', "failed"),
    (MORE, "0.9", "{}", "failed"),
    (MORE, "0.9", '{"auc": NaN}', "failed"),
    (MORE, "0.9", gate.NONE_YET, "passed"),
    (MORE, "0.9", None, "undecided"),
    (MORE, "0.9", "is away", "undecided"),
    ({**MORE, "severity": "warn"}, "0.9", "is away", "warning"),
]


@pytest.mark.parametrize(("bound", "value", "champion", "verdict"), CHAMPION)
def test_the_champion_is_no_better(bound, value, champion, verdict):
    (row,) = judged(rule(**bound), f'{{"auc": {value}}}', champion=champion)
    assert row["verdict"] == verdict


def test_before_the_first_champion_the_rule_says_so():
    (row,) = judged(rule(**MORE), '{"auc": 0.1}', champion=gate.NONE_YET)
    assert row["why"] == "there is no champion yet"


SLICES = (
    '{"sex": {"f": {"auc": 0.9, "sel": 0.30, "rows": 50}, "m": {"auc": 0.8, "sel": 0.38, "rows": 9}}, "one": {"a": {"sel": 1}}, "none": {}}'
)
SLICED = [
    (rule(min="0.8", forEach="sex"), [("auc [sex=f]", "passed"), ("auc [sex=m]", "passed")]),
    (rule(min="0.85", forEach="sex"), [("auc [sex=f]", "passed"), ("auc [sex=m]", "failed")]),
    (rule(min="0.1", forEach="sex", minSamples=10), [("auc [sex=f]", "passed"), ("auc [sex=m]", "failed")]),
    (rule(min="0.1", forEach="age"), [("auc", "failed")]),
    (rule(min="0.1", forEach="none"), [("auc", "failed")]),
    (rule("other", min="0.1", forEach="sex"), [("other [sex=f]", "failed"), ("other [sex=m]", "failed")]),
    (rule("sel", maxGap="0.08", across="sex"), [("sel", "passed")]),
    (rule("sel", maxGap="0.0799999", across="sex"), [("sel", "failed")]),
    (rule("sel", maxGap="0.08", across="sex", minSamples=10), [("sel", "failed")]),
    (rule("sel", maxGap="1", across="one"), [("sel", "failed")]),
    (rule("other", maxGap="1", across="sex"), [("other", "failed")]),
    (rule("sel", maxGap="1", across="sex", forEach="one"), [("sel", "failed")]),
    (rule(forEach="sex", **MORE), [("auc [sex=f]", "passed"), ("auc [sex=m]", "failed")]),
]


@pytest.mark.parametrize(("made", "expected"), SLICED)
@pytest.mark.parametrize("apart", [True, False])
def test_slices_stand_in_the_metrics_or_apart(made, expected, apart):
    champion = '{"slices": {"sex": {"f": {"auc": 0.9}, "m": {"auc": 0.81}}}}'
    rows = judged(made, "{}", SLICES, champion) if apart else judged(made, f'{{"slices": {SLICES}}}', None, champion)
    assert [(row["rule"], row["verdict"]) for row in rows] == expected


@pytest.mark.parametrize("slices", ["", "[]", "null", "1", '{"sex": 1}', '{"sex": {"f": 1}}', '{"sex": {"f": null, "m": []}}'])
@pytest.mark.parametrize("bound", [{"forEach": "sex", "min": "0"}, {"across": "sex", "maxGap": "1"}])
def test_slices_of_another_shape_do_not_pass(slices, bound):
    assert {row["verdict"] for row in judged(rule(**bound), '{"auc": 1}', slices)} == {"failed"}


@pytest.mark.parametrize("champion", ['{"slices": 1}', '{"slices": {"sex": []}}', '{"slices": {"sex": {"f": 3}}}', "{}"])
def test_champions_of_another_shape_do_not_pass(champion):
    assert {row["verdict"] for row in judged(rule(forEach="sex", **MORE), "{}", SLICES, champion)} == {"failed"}


# --- any numbers

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e30"), max_value=Decimal("1e30"), places=20)


@settings(max_examples=200, deadline=None)
@given(value=NUMBERS, low=NUMBERS, high=NUMBERS)
def test_a_verdict_is_an_exact_comparison(value, low, high):
    metrics = f'{{"auc": {value}}}'
    assert (judged(rule(min=str(low)), metrics)[0]["verdict"] == "passed") == (value >= low)
    assert (judged(rule(max=str(high)), metrics)[0]["verdict"] == "passed") == (value <= high)
    assert (judged(rule(min=str(low), max=str(high)), metrics)[0]["verdict"] == "passed") == (low <= value <= high)
    assert (judged(rule(equals=str(low)), metrics)[0]["verdict"] == "passed") == (value == low)


@settings(max_examples=200, deadline=None)
@given(value=NUMBERS, best=NUMBERS, slack=NUMBERS.map(abs))
def test_a_comparison_with_the_champion_is_exact(value, best, slack):
    from fractions import Fraction

    made = rule(tolerance=format(slack, "f"), **MORE)
    passed = judged(made, f'{{"auc": {value}}}', champion=f'{{"auc": {best}}}')[0]["verdict"] == "passed"
    assert passed == (Fraction(value) >= Fraction(best) - Fraction(slack))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(min_size=1), NUMBERS, min_size=2, max_size=5), NUMBERS.map(abs))
def test_a_gap_is_exact(values, most):
    from fractions import Fraction

    slices = json.dumps({"g": {key: {"auc": 0} for key in values}})
    parsed = gate.parse_json(slices.encode())
    for key, value in values.items():
        parsed["g"][key]["auc"] = value
    (row,) = gate.judge(rules_of(rule(across="g", maxGap=format(most, "f"))), {}, parsed)
    gap = max(map(Fraction, values.values())) - min(map(Fraction, values.values()))
    assert (row["verdict"] == "passed") == (gap <= Fraction(most))


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.floats() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=80, deadline=None)
@given(JSON, JSON, JSON)
def test_whatever_is_given_is_judged_and_only_numbers_pass(metrics, slices, champion):
    made = rules_of(rule(min="0"), rule(forEach="g", min="0"), rule(across="g", maxGap="1"), rule(**MORE))
    rows = gate.judge(made, metrics, slices, champion)
    value = metrics.get("auc") if isinstance(metrics, dict) else None
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    assert good or rows[0]["verdict"] == "failed"
    for form in ("table", "json", "junit", "markdown"):
        gate.render(made, rows, form)


@pytest.mark.parametrize(
    "made",
    [
        rule(min="much"),
        rule(min="NaN"),
        rule(max="NaN"),
        rule(min=None),
        {"metric": "auc"},
        {"name": "x", "min": "1"},
        rule(**MORE, tolerance="x"),
    ],
)
def test_rules_without_sense_are_refused(made):
    with pytest.raises(gate.Unable):
        judged(made, '{"auc": 1}', champion='{"auc": 1}')


# --- the program


@pytest.fixture
def run(tmp_path):
    (tmp_path / "gate.py").write_text(read_program("gate"))

    def call(made, metrics, *more, **files):
        for name, content in {"rules": json.dumps(made), "metrics": metrics, **files}.items():
            if content is not None:
                (tmp_path / f"{name}.json").write_bytes(content if isinstance(content, bytes) else content.encode())
        command = [sys.executable, "-I", "-S", str(tmp_path / "gate.py")]
        command += ["--rules", str(tmp_path / "rules.json"), "--metrics", str(tmp_path / "metrics.json")]
        command += [piece.replace("@", f"{tmp_path}/") for piece in more]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})

    return call


def test_the_table(run):
    made = rules_of(rule(min="0.86"), rule("recall", min="0.7", forEach="sex"), rule("sel", maxGap="0.08", across="sex", severity="warn"))
    slices = '{"sex": {"f": {"recall": 0.9, "sel": 0.3}, "m": {"recall": 0.69, "sel": 0.4}}}'
    done = run(made, '{"auc": 0.871}', "--slices", "@slices.json", slices=slices)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "RULE            BOUND        FOUND  VERDICT  WHY",
        "auc             >= 0.86      0.871  passed",
        "recall [sex=f]  >= 0.7       0.9    passed",
        "recall [sex=m]  >= 0.7       0.69   failed   below the bound",
        "sel             gap <= 0.08  0.1    warning  above the bound: 0.3 at f, 0.4 at m",
        "release: 1 of 4 not passed",
    ]
    assert done.returncode == 1


ENDS = [
    ("enforce", '{"auc": 0.9}', [], 0, "release: passed (1)"),
    ("enforce", '{"auc": 0.8}', [], 1, "release: 1 of 1 not passed"),
    ("report", '{"auc": 0.8}', [], 0, "release: 1 of 1 not passed; the mode is report, so nothing stops"),
    ("off", '{"auc": 0.8}', [], 0, "release: nothing is checked, the mode is off"),
    ("enforce", "", [], 1, "release: 1 of 1 not passed"),
    ("enforce", b"\xff\xfe", [], 1, "release: 1 of 1 not passed"),
    ("enforce", b'\xef\xbb\xbf{"auc": 0.9}', [], 0, "release: passed (1)"),
]


@pytest.mark.parametrize(("mode", "metrics", "more", "status", "said"), ENDS)
def test_how_it_ends(run, mode, metrics, more, status, said):
    done = run(rules_of(rule(min="0.86"), mode=mode), metrics, *more)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (status, said, "")


def test_no_rules_pass_nothing(run):
    assert run(rules_of(), "{}").returncode == 1


UNABLE = [
    (rules_of(rule(min="0")), None, [], "metrics.json"),
    (rules_of(rule(min="x")), '{"auc": 1}', [], "the rules cannot be read"),
    (rules_of(rule(min="0"), on="data"), "{}", [], "does not hold rules on evaluation"),
    ([], "{}", [], "does not hold rules on evaluation"),
    (rules_of(rule(min="0")), "{}", ["--slices", "@gone.json"], "gone.json"),
    (rules_of(rule(min="0")), "{}", ["--output", "@rules.json/x/y"], "rules.json"),
]


@pytest.mark.parametrize(("made", "metrics", "more", "said"), UNABLE)
def test_what_cannot_be_read_is_said_without_a_traceback(run, made, metrics, more, said):
    done = run(made, metrics, *more)
    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


USAGE = [
    ["--registry", "http://x"],
    ["--registry", "file:///etc/passwd", "--model", "m"],
    ["--champion", "x", "--no-champion-yet"],
    ["--champion", "x", "--registry", "http://x", "--model", "m"],
    ["--format", "xml"],
]


@pytest.mark.parametrize("more", USAGE)
def test_usage(run, more):
    assert run(rules_of(), "{}", *more).returncode == 2


def test_formats(run, tmp_path):
    made = rules_of(rule(min="0.86"), {**rule(max="0.1"), "name": 'a|b <"&*'})
    done = run(made, '{"auc": 0.9}', "--format", "json")
    assert json.loads(done.stdout) == {
        "threshold": "release",
        "on": "evaluation",
        "mode": "enforce",
        "passed": False,
        "verdicts": [
            {"rule": "auc", "bound": ">= 0.86", "found": "0.9", "verdict": "passed", "why": ""},
            {"rule": 'a|b <"&*', "bound": "<= 0.1", "found": "0.9", "verdict": "failed", "why": "above the bound"},
        ],
    }
    suite = ElementTree.fromstring(run(made, '{"auc": 0.9}', "--format", "junit").stdout)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [(case.get("name"), [fault.get("message") for fault in case]) for case in suite] == [
        ("auc", []),
        ('a|b <"&*', ["expected <= 0.1, found 0.9; above the bound"]),
    ]
    assert run(made, '{"auc": 0.9}', "--format", "markdown").stdout.splitlines() == [
        "**release**: 1 of 2 not passed",
        "",
        "| rule | bound | found | verdict | why |",
        "| --- | --- | --- | --- | --- |",
        r"| auc | \>= 0.86 | 0.9 | passed |  |",
        r"| a\|b \<\"\&\* | \<= 0.1 | 0.9 | failed | above the bound |",
    ]
    done = run(made, '{"auc": 0.9}', "--format", "json", "--output", "@new/verdicts.json")
    assert done.stdout.startswith("RULE")
    assert json.loads((tmp_path / "new/verdicts.json").read_text())["passed"] is False


def test_names_from_files_cannot_forge_lines(run):
    slices = json.dumps({"g": {"x\nrelease: passed\x1b[2J": {"auc": 0.1}, "\udc80": {"auc": 1}}})
    done = run(rules_of(rule(min="0.5", forEach="g")), "{}", "--slices", "@slices.json", slices=slices)
    assert done.returncode == 1
    assert "auc [g=x?release: passed?[2J]" in done.stdout
    assert len(done.stdout.splitlines()) == 4


# --- MLflow


class Mlflow(BaseHTTPRequestHandler):
    """As much of MLflow's REST API as a gate asks for."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        path = self.path.split("?")[0].removeprefix("/api/2.0/mlflow/")
        status, body = self.server.answers.get(path, (404, "<html>not here</html>"))
        if status == 0:
            self.connection.close()
            return
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def mlflow():
    server = HTTPServer(("127.0.0.1", 0), Mlflow)
    server.answers, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


ALIAS = "registered-models/alias"


def version(run_id="r1", **tags):
    return {
        "model_version": {"version": "3", "run_id": run_id, "tags": [{"key": f"mlspec.metric.{k}", "value": v} for k, v in tags.items()]}
    }


RUN = {"run": {"data": {"metrics": [{"key": "auc", "value": 0.9, "step": 0}, {"key": "bad", "value": "NaN"}]}}}
ANSWERS = [
    ({ALIAS: (200, version(auc="0.91"))}, "0.91", 0, "the champion has 0.91"),
    ({ALIAS: (200, version(auc="0.91"))}, "0.909", 1, "worse than the champion's 0.91"),
    ({ALIAS: (200, version()), "runs/get": (200, RUN)}, "0.9", 0, "the champion has 0.9"),
    ({ALIAS: (200, version()), "runs/get": (200, RUN)}, "0.89", 1, "worse than the champion's 0.9"),
    (
        {ALIAS: (200, version()), "runs/get": (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})},
        "1",
        1,
        "of the champion, `auc` is not there",
    ),
    ({ALIAS: (200, version(run_id="", auc="NaN"))}, "1", 1, "of the champion, `auc` is NaN"),
    ({ALIAS: (200, {})}, "1", 1, "of the champion, `auc` is not there"),
    (
        {ALIAS: (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Registered model alias champion not found."})},
        "0.1",
        0,
        "there is no champion yet",
    ),
    (
        {ALIAS: (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Registered Model with name=m not found"})},
        "0.1",
        0,
        "no champion yet",
    ),
    ({ALIAS: (404, "<html>")}, "1", 3, "answered 404 Not Found"),
    ({ALIAS: (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "name"})}, "1", 3, "answered 400 INVALID_PARAMETER_VALUE"),
    ({ALIAS: (401, {})}, "1", 3, "answered 401"),
    ({ALIAS: (200, {"model_version": []})}, "1", 1, "of the champion"),
    ({ALIAS: (200, version()), "runs/get": (200, {"run": []})}, "1", 3, "the champion is not known"),
    ({ALIAS: (200, version()), "runs/get": (403, {})}, "1", 3, "answered 403"),
]


@pytest.mark.parametrize(("answers", "value", "status", "said"), ANSWERS)
def test_the_champion_of_mlflow(mlflow, run, answers, value, status, said):
    mlflow.answers = answers
    done = run(rules_of(rule(**MORE)), f'{{"auc": {value}}}', "--registry", mlflow.url, "--model", "my model")
    assert (done.returncode, done.stderr) == (status, "")
    assert said in done.stdout
    assert mlflow.asked[0][0] == "/api/2.0/mlflow/registered-models/alias?name=my+model&alias=champion"


@pytest.mark.parametrize("answer", [(0, ""), (500, "{}"), (200, "<html>"), (200, "[]")])
def test_a_registry_that_does_not_answer_is_asked_again_and_never_passes(mlflow, monkeypatch, answer):
    mlflow.answers = {ALIAS: answer}
    monkeypatch.setattr(gate, "PAUSES", (0, 0))
    with pytest.raises(gate.Unable):
        gate.fetch_champion(mlflow.url, "m", {"auc"})
    assert len(mlflow.asked) == 3


def test_a_failed_rule_is_a_verdict_even_when_the_registry_is_away(mlflow, run):
    mlflow.answers = {ALIAS: (403, {})}
    done = run(rules_of(rule(min="0.99"), rule(**MORE)), '{"auc": 0.9}', "--registry", mlflow.url, "--model", "m")
    assert done.returncode == 1
    assert "undecided" in done.stdout


def test_the_registry_is_not_asked_when_no_rule_compares(mlflow, run):
    assert run(rules_of(rule(min="0")), '{"auc": 1}', "--registry", mlflow.url, "--model", "m").returncode == 0
    assert mlflow.asked == []


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
    ],
)
def test_credentials_come_from_the_variables_that_mlflow_has(mlflow, monkeypatch, variables, sent):
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    mlflow.answers = {ALIAS: (200, version(auc="1"))}
    assert gate.fetch_champion(mlflow.url, "m", {"auc"}) == {"auc": 1}
    assert mlflow.asked == [("/api/2.0/mlflow/registered-models/alias?name=m&alias=champion", sent)]


def test_it_is_small_and_runs_on_python_3_9():
    text = read_program("gate")
    ast.parse(text, feature_version=(3, 9))
    assert len(text.encode()) <= 16384
