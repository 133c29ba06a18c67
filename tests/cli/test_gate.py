"""`mlspec gate`: a spec, metrics or data, and the verdict that a pipeline's step would give as well."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from mlspec.__main__ import main
from mlspec.cli.proof import prove
from mlspec.resources import read_program

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
environments:
  dev: {namespace: dev}
  prod: {namespace: prod, after: dev, overrides: {thresholds: {strict: {rules: [{metric: auc, min: 0.9}]}}}}
datasets:
  people:
    uri: s3://d/people.parquet
    version: {delta: 1}
    quality: clean
    schema: {age: {type: integer, min: 18, max: 99}}
thresholds:
  clean: {on: data, rules: [{metric: rows, min: 3}, {metric: outOfRange, column: age, max: 10%}]}
  release:
    on: evaluation
    rules: [{metric: auc, min: 0.86}, {metric: auc, noWorseThan: champion, tolerance: 0.005}]
  sliced: {on: evaluation, rules: [{metric: recall, min: 0.7, forEach: sex}]}
  strict: {on: evaluation, rules: [{metric: auc, min: 0.8}]}
  watched: {on: evaluation, mode: report, rules: [{metric: auc, min: 0.8}]}
  online: {on: live, rules: [{metric: errorRate, max: 1%}]}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    (tmp_path / "good.json").write_text('{"auc": 0.9, "slices": {"sex": {"f": {"recall": 0.7}, "m": {"recall": 0.8}}}}')
    (tmp_path / "bad.json").write_text('{"auc": 0.1, "slices": {"sex": {"f": {"recall": 0.6}, "m": {"recall": 0.8}}}}')
    return tmp_path


CALLS = [
    ("release --metrics good.json --champion good.json", 0, "release: passed (2)"),
    ("release --metrics bad.json --champion good.json", 1, "release: 2 of 2 not passed"),
    ("release --metrics bad.json --no-champion-yet", 1, "release: 1 of 2 not passed"),
    ("release --metrics good.json --no-champion-yet mlspec.yaml", 0, "there is no champion yet"),
    ("sliced --metrics good.json", 0, "recall for each sex [sex=f]  >= 0.7  0.7    passed"),
    ("sliced --metrics bad.json", 1, "below the bound"),
    ("strict --metrics good.json --env dev", 0, ">= 0.8 "),
    ("strict --metrics good.json --env prod", 0, ">= 0.9 "),
    ("watched --metrics bad.json", 0, "watched: 1 of 1 not passed; the mode is report, so nothing stops"),
]


@pytest.mark.parametrize(("call", "status", "said"), CALLS)
def test_verdicts(home, capsys, call, status, said):
    assert main(["gate", *call.split()]) == status
    assert said in capsys.readouterr().out


USAGE = [
    ("", "expected THRESHOLD [SPEC]"),
    ("a b c", "expected THRESHOLD [SPEC]"),
    ("relese --metrics good.json", "no such threshold: relese; did you mean release?"),
    ("release", "release is on evaluation: it needs --metrics"),
    ("release --metrics good.json --data x", "release is on evaluation: it needs --metrics and not --data"),
    ("release --metrics good.json", "release compares with the champion: give --champion FILE, or --no-champion-yet"),
    ("release --metrics good.json --champion good.json --no-champion-yet", "contradict each other"),
    ("clean --metrics good.json", "clean is on data: it needs --data and not --metrics"),
    ("online --metrics good.json", "online is on live: it needs --prometheus"),
    ("strict --metrics good.json", "strict differs between dev and prod; choose with --env"),
    ("strict --metrics good.json --env test", "no such environment: test; there are dev, prod"),
    ("clean --data x --dataset nobody", "no such dataset: nobody; there are people"),
    ("clean --data x --now soon", "expected a time such as 2026-01-31T12:00:00Z after --now"),
    ("--self-test a b", "expected [SPEC] after --self-test"),
    ("release --metrics good.json --format xml", "'xml' is not one of"),
]


@pytest.mark.parametrize(("call", "said"), USAGE)
def test_usage(home, capsys, call, said):
    assert main(["gate", *call.split()]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "call", ["strict --env dev --metrics gone.json", "sliced --metrics good.json --slices gone.json", "clean --data gone.parquet"]
)
def test_what_is_not_there_is_said(home, capsys, call):
    assert main(["gate", *call.split()]) == 3
    assert "gone." in capsys.readouterr().err


def test_a_spec_that_is_refused_is_shown_as_ever(home, capsys):
    (home / "mlspec.yaml").write_text(SPEC.replace("min: 0.7,", "mni: 0.7,"))
    assert main(["gate", "sliced", "--metrics", "good.json"]) == 1
    assert "MLS-E" in capsys.readouterr().err


def test_data(home, capsys):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    pq.write_table(pa.table({"age": [20, 30, 40]}), home / "people.parquet")
    assert main(["gate", "clean", "--data", "people.parquet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "clean: passed (2)"
    pq.write_table(pa.table({"age": [20, 30, 4]}), home / "people.parquet")
    assert main(["gate", "clean", "--data", "people.parquet", "--format", "json"]) == 1
    assert [row["verdict"] for row in json.loads(capsys.readouterr().out)["verdicts"]] == ["passed", "failed"]


@pytest.mark.parametrize("form", ["table", "json", "junit", "markdown"])
@pytest.mark.parametrize("metrics", ["good.json", "bad.json"])
def test_the_command_and_the_program_give_one_verdict(home, capsys, form, metrics):
    from mlspec.cli.gate import _plans
    from mlspec.plan.rules import rules_text

    status = main(["gate", "sliced", "--metrics", metrics, "--format", form])
    (home / "gate.py").write_text(read_program("gate"))
    (home / "rules.json").write_text(rules_text(_plans(home / "mlspec.yaml", None)[0], "sliced"))
    command = [sys.executable, "-I", "-S", "gate.py", "--rules", "rules.json", "--metrics", metrics, "--format", form]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, capsys.readouterr().out)


# --- the proof


def test_every_rule_of_a_spec_is_proven(home, capsys):
    assert main(["gate", "--self-test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "RULE               BOUND   FOUND                           VERDICT  WHY",
        "rows               >= 3    3 passes, 2 does not            passed",
        "outOfRange of age  <= 0.1  0.1 passes, 0.1000001 does not  passed",
        "clean: passed (2)",
        "RULE                      BOUND                          FOUND                               VERDICT  WHY",
        "auc                       >= 0.86                        0.86 passes, 0.85999999 does not    passed",
        "auc against the champion  champion, at most 0.005 worse  0.995 passes, 0.994999999 does not  passed",
        "release: passed (2)",
        "RULE                 BOUND   FOUND                           VERDICT  WHY",
        "recall for each sex  >= 0.7  0.7 passes, 0.6999999 does not  passed",
        "sliced: passed (1)",
        "RULE  BOUND   FOUND                           VERDICT  WHY",
        "auc   >= 0.8  0.8 passes, 0.7999999 does not  passed",
        "strict: passed (1)",
        "RULE  BOUND   FOUND                           VERDICT  WHY",
        "auc   >= 0.8  0.8 passes, 0.7999999 does not  passed",
        "watched: passed (1)",
        "RULE       BOUND    FOUND                             VERDICT  WHY",
        "errorRate  <= 0.01  0.01 passes, 0.01000001 does not  passed",
        "online: passed (1)",
        "RULE  BOUND   FOUND                           VERDICT  WHY",
        "auc   >= 0.9  0.9 passes, 0.8999999 does not  passed",
        "strict: passed (1)",
    ]


def test_a_rule_that_cannot_be_broken_or_reached_fails_the_proof(home, capsys):
    (home / "mlspec.yaml").write_text(SPEC.replace("metric: recall, min: 0.7", "metric: recall, min: 70"))
    assert main(["gate", "--self-test", "mlspec.yaml", "--format", "junit"]) == 1
    suites = [ElementTree.fromstring(line + "</testsuite>") for line in capsys.readouterr().out.split("</testsuite>")[:-1]]
    assert [suite.get("failures") for suite in suites] == ["0", "0", "1", "0", "0", "0", "0"]


def test_a_spec_without_thresholds_has_nothing_to_prove(home, capsys):
    (home / "mlspec.yaml").write_text(
        "apiVersion: mlspec.dev/v1\nname: a\nowner: {team: b}\n"
        "models: {m: {framework: sklearn, version: '1', uri: s3://m/m}}\nserving: {m: {model: m}}\n"
    )
    assert main(["gate", "--self-test"]) == 0
    assert "there is no threshold" in capsys.readouterr().err


PROOFS = [
    ({"min": "0.5"}, "score", "0.5 passes, 0.4999999 does not", ""),
    ({"max": "0.5"}, "score", "0.5 passes, 0.5000001 does not", ""),
    ({"min": "0.5", "max": "0.5"}, "score", "0.5 passes, 0.4999999 does not", ""),
    ({"equals": "3"}, "score", "3 passes, 3.000001 does not", ""),
    ({"min": "-5"}, "score", "-5 passes, -5.000001 does not", ""),
    ({"min": "0"}, "auc", "0 passes, nothing does not", "the bound cannot be broken: `auc` lies between 0 and 1"),
    ({"min": "1.2"}, "auc", "nothing passes, 0 does not", "the bound cannot be reached: `auc` lies between 0 and 1"),
    ({"min": "95"}, "accuracy", None, "the bound cannot be reached: `accuracy` lies between 0 and 1"),
    ({"max": "1"}, "f1_score", None, "the bound cannot be broken: `f1_score` lies between 0 and 1"),
    ({"max": "-1"}, "val_loss", None, "the bound cannot be reached: `val_loss` is never below 0"),
    ({"max": "0.2"}, "val_loss", "0.2 passes, 0.2000001 does not", ""),
    ({"noWorseThan": "champion", "better": "more"}, "auc", "1 passes, 0.999999 does not", ""),
    ({"noWorseThan": "champion", "better": "less"}, "rmse", "0 passes, 0.000001 does not", ""),
    ({"noWorseThan": "champion", "better": "less", "toleranceShare": "0.1"}, "rmse", "0.55 passes, 0.55000001 does not", ""),
    (
        {"noWorseThan": "champion", "better": "more", "tolerance": "1"},
        "auc",
        None,
        "the bound cannot be broken: `auc` lies between 0 and 1",
    ),
    ({"noWorseThan": "champion"}, "score", None, "1 should pass: nothing tells whether more or less of it is better"),
    ({"maxGap": "0.1", "across": "g"}, "score", "0.1 passes, 0.1000001 does not", ""),
    ({"maxGap": "0", "across": "g"}, "score", "0 passes, 0.000001 does not", ""),
    ({"maxGap": "1", "across": "g"}, "recall", None, "the bound cannot be broken: `recall` lies between 0 and 1"),
    ({"min": "0.5", "forEach": "g", "minSamples": 10}, "score", "0.5 passes, 0.4999999 does not", ""),
    ({"min": "0", "minSamples": 10}, "auc", "0 passes, nothing does not", "the bound cannot be broken: `auc` lies between 0 and 1"),
    ({"min": "0", "forEach": "g", "minSamples": 10}, "recall", None, "the bound cannot be broken: `recall` lies between 0 and 1"),
    ({"min": "5"}, "rows", "5 passes, 4.999999 does not", ""),
    ({"min": "5", "minSamples": 3}, "rows", "5 passes, 4.999999 does not", ""),
    ({"min": "-1"}, "kappa", None, "the bound cannot be broken: `kappa` lies between -1 and 1"),
    (
        {"noWorseThan": "champion", "better": "more", "toleranceShare": "1"},
        "auc",
        None,
        "the bound cannot be broken: `auc` lies between 0 and 1",
    ),
    ({"noWorseThan": "champion", "better": "more", "toleranceShare": "0.01"}, "auc", "0.99 passes, 0.98999999 does not", ""),
    ({"noWorseThan": "champion", "better": "less", "tolerance": "0.01"}, "rmse", "0.01 passes, 0.01000001 does not", ""),
    ({"noWorseThan": "champion", "better": "more", "forEach": "g"}, "auc", "1 passes, 0.999999 does not", ""),
    ({"maxGap": "1", "across": "g", "forEach": "h"}, "score", None, "1 should pass: slices of slices are not measured"),
]


@pytest.mark.parametrize(("bound", "metric", "found", "why"), PROOFS)
def test_proofs(bound, metric, found, why):
    made = {"name": metric, "metric": metric, "severity": "warn", **bound}
    (row,) = prove({"threshold": "t", "on": "evaluation", "mode": "report", "rules": [made]})
    assert found is None or row["found"] == found
    assert why is None or row["why"] == why
    assert (row["verdict"] == "passed") == (why == "")


REACHED, BROKEN = "the bound cannot be reached: ", "the bound cannot be broken: "
OTHER_PROOFS = [  # what the threshold is on, the rule, what passes and what does not, or why not
    ("data", {"metric": "rows", "min": "1000"}, "1000 passes, 999 does not"),
    ("data", {"metric": "rows", "min": "10", "minSamples": 20}, "20 passes, 10 does not"),
    ("data", {"metric": "rows", "min": "0"}, BROKEN + "`rows` is a whole number, never below 0"),
    ("data", {"metric": "nullRatio", "max": "0"}, "0 passes, 0.000001 does not"),
    ("data", {"metric": "nullRatio", "column": "age", "max": "1"}, BROKEN + "`nullRatio` lies between 0 and 1"),
    ("data", {"metric": "nullRatio", "column": "age", "max": "0.1", "forEach": "plan"}, "0.1 passes, 0.1000001 does not"),
    ("data", {"metric": "nullRatio", "column": "age", "maxGap": "1", "across": "plan"}, BROKEN + "`nullRatio` lies between 0 and 1"),
    ("data", {"metric": "nullRatio", "column": "age", "maxGap": "0.1", "across": "plan", "minSamples": 5},
     "0.1 passes, 0.1000001 does not"),
    ("data", {"metric": "duplicateRatio", "min": "0"}, BROKEN + "`duplicateRatio` lies between 0 and 1"),
    ("data", {"metric": "distinct", "column": "plan", "equals": "3"}, "3 passes, 4 does not"),
    ("data", {"metric": "distinct", "column": "plan", "max": "3", "minSamples": 100}, "3 passes, 4 does not"),
    ("data", {"metric": "age", "max": "93600"}, "93600 passes, 93600.000001 does not"),
    ("data", {"metric": "mean", "column": "age", "min": "-5"}, "-5 passes, -5.000001 does not"),
    ("data", {"metric": "stddev", "column": "age", "min": "0"}, BROKEN + "`stddev` is never below 0"),
    ("data", {"metric": "schemaMatch", "equals": True}, "1 passes, 0 does not"),
    ("live", {"metric": "errorRate", "max": "0.01", "window": 300, "for": 120}, "0.01 passes, 0.01000001 does not"),
    ("live", {"metric": "errorRate", "max": "1"}, BROKEN + "`errorRate` lies between 0 and 1"),
    ("live", {"metric": "availability", "min": "0"}, BROKEN + "`availability` lies between 0 and 1"),
    ("live", {"metric": "latency", "quantile": "0.99", "max": "0.1", "minSamples": 50}, "0.1 passes, 0.1000001 does not"),
    ("live", {"metric": "latency", "quantile": "0.99", "min": "0", "minSamples": 50}, BROKEN + "`latency` is never below 0"),
    ("live", {"metric": "latency", "quantile": "0.99", "max": "-1"}, REACHED + "`latency` is never below 0"),
    ("live", {"query": "sum(waiting)", "max": "10"}, "10 passes, 10.000001 does not"),
    ("drift", {"metric": "psi", "column": "age", "max": "0.2", "minSamples": 100}, "0.2 passes, 0.2000001 does not"),
    ("drift", {"metric": "psi", "column": "age", "min": "0"}, BROKEN + "`psi` is never below 0"),
    ("drift", {"metric": "ks", "column": "age", "max": "1"}, BROKEN + "`ks` lies between 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize(("on", "rule", "said"), OTHER_PROOFS)
def test_proofs_of_data_live_and_drift(on, rule, said):
    (row,) = prove({"threshold": "t", "on": on, "mode": "enforce", "rules": [{"name": "r", **rule}]})
    assert said in (row["found"], row["why"]), row
    assert (row["verdict"] == "passed") == ("passes, " in said and "nothing" not in said)


def test_a_threshold_whose_rules_only_warn_is_named(home, capsys):
    text = SPEC.replace(
        "sliced: {on: evaluation, rules: [{metric: recall,", "sliced: {on: evaluation, rules: [{severity: warn, metric: recall,"
    )
    (home / "mlspec.yaml").write_text(text)
    assert main(["gate", "--self-test"]) == 0
    assert "note: every rule of sliced only warns, so it stops nothing" in capsys.readouterr().err
