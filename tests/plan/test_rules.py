"""Thresholds and datasets as JSON: what is written, what programs get, and that every leaf counts as read."""

import json
from pathlib import Path

import pytest

from mlspec.checks.directions import better
from mlspec.compiler import show
from mlspec.examine import examine
from mlspec.plan.rules import dataset_of, dataset_text, rules_of, rules_text

SPEC = """
apiVersion: mlspec.dev/v1
name: churn
owner: {{team: growth}}
datasets: {{people: {{uri: s3://d/people, version: {{delta: 1}}, quality: q}}}}
pipelines:
  train:
    image: ghcr.io/a/b@sha256:{digest}
    steps:
      fit: {{run: [fit, "${{outputs.m}}", "${{outputs.s}}"], outputs: {{m: metrics, s: slices}}}}
      gate: {{gate: t, metrics: steps.fit.m, slices: steps.fit.s}}
thresholds: {{q: {{on: data, rules: [{{metric: rows, min: 1}}]}}, t: {threshold}}}
"""


def plan_of(folder: Path, threshold: str, **more: str):
    spec = folder / "mlspec.yaml"
    text = SPEC.format(threshold=threshold, digest="0" * 64)
    for old, new in more.items():
        text = text.replace(old, new)
    spec.write_text(text)
    (plan,) = examine(spec, folder, show, {}).plans
    return plan


RULES = [
    ("{metric: auc, min: 0.860}", {"name": "auc", "metric": "auc", "severity": "block", "min": "0.86"}),
    ("{metric: auc, min: 0.1, max: 90%}", {"name": "auc", "metric": "auc", "severity": "block", "min": "0.1", "max": "0.9"}),
    ("{metric: n, equals: 3}", {"name": "n", "metric": "n", "severity": "block", "equals": "3"}),
    (
        "{metric: auc, noWorseThan: champion, tolerance: 0.5%}",
        {
            "name": "auc against the champion",
            "metric": "auc",
            "severity": "block",
            "noWorseThan": "champion",
            "better": "more",
            "toleranceShare": "0.005",
        },
    ),
    (
        "{metric: auc, noWorseThan: champion, tolerance: 0.005}",
        {
            "name": "auc against the champion",
            "metric": "auc",
            "severity": "block",
            "noWorseThan": "champion",
            "better": "more",
            "tolerance": "0.005",
        },
    ),
    (
        "{metric: sel, maxGap: 8%, across: sex, severity: warn, name: fair, minSamples: 30}",
        {"name": "fair", "metric": "sel", "severity": "warn", "maxGap": "0.08", "across": "sex", "minSamples": 30},
    ),
    (
        "{metric: auc, min: -1.50, forEach: sex}",
        {"name": "auc for each sex", "metric": "auc", "severity": "block", "min": "-1.5", "forEach": "sex"},
    ),
]


@pytest.mark.parametrize(("written", "expected"), RULES)
def test_a_rule_is_written_exactly(tmp_path, written, expected):
    plan = plan_of(tmp_path, f"{{on: evaluation, rules: [{written}]}}")
    made = rules_of(plan, "t")
    assert made == {"threshold": "t", "on": "evaluation", "mode": "enforce", "rules": [expected]}
    assert json.loads(rules_text(plan, "t")) == made


@pytest.mark.parametrize(
    ("metric", "beside", "expected"),
    [
        ("auc", [], "more"),
        ("map50", [], "more"),
        ("f1_score", [], "more"),
        ("rocAUC", [], "more"),
        ("RMSE", [], "less"),
        ("val_loss", [], "less"),
        ("logLoss", [], "less"),
        ("neg_log_loss", [], "more"),
        ("negative_log_likelihood", [], "less"),
        ("false_negative_rate", [], "less"),
        ("precision_at_fpr", [], ""),
        ("selection_rate", [], ""),
        ("selection_rate", [{"metric": "selection_rate", "min": 0.1}], "more"),
        ("selection_rate", [{"metric": "selection_rate", "max": 0.1}], "less"),
        ("selection_rate", [{"metric": "selection_rate", "min": 0.1, "max": 0.2}], ""),
        ("selection_rate", [{"metric": "other", "max": 0.1}], ""),
        ("auc", [{"metric": "auc", "min": 0.1}], "more"),
        ("auc", [{"metric": "auc", "max": 0.99}], ""),
        ("auc", [{"metric": "auc", "min": 0, "max": 0.99}], "more"),
    ],
)
def test_what_is_better_is_told_by_other_bounds_or_by_the_name(metric, beside, expected):
    assert better(metric, [{"metric": metric, "noWorseThan": "champion"}, *beside]) == expected


def test_live_rules_have_seconds(tmp_path):
    live = (
        "{on: live, mode: report, rules: [{metric: latency, quantile: 0.95, max: 80ms, window: 5m, for: 90s},"
        " {query: 'a > 1', name: n, max: 1%}]}"
    )
    plan = plan_of(
        tmp_path,
        live,
        **{
            "      gate: {gate: t, metrics: steps.fit.m, slices: steps.fit.s}": "",
            "pipelines:": "monitoring: {m: {alerts: [t]}}\npipelines:",
        }
        | {"owner:": "models: {m: {framework: sklearn, version: '1', uri: s3://m/m}}\nserving: {m: {model: m}}\nowner:"},
    )
    assert rules_of(plan, "t") == {
        "threshold": "t",
        "on": "live",
        "mode": "report",
        "rules": [
            {
                "name": "latency p95",
                "metric": "latency",
                "severity": "block",
                "max": "0.08",
                "quantile": "0.95",
                "window": 300,
                "for": 90,
            },
            {"name": "n", "query": "a > 1", "severity": "block", "max": "0.01"},
        ],
    }


def test_every_leaf_counts_as_read(tmp_path):
    plan = plan_of(tmp_path, "{on: evaluation, mode: report, rules: [{metric: auc, min: 0.1}, {metric: f1, maxGap: 0.1, across: sex}]}")
    rules_of(plan, "t")
    here = ("thresholds", "t")
    rule = (*here, "rules")
    assert plan.reads.paths == {
        (*here, "on"),
        (*here, "mode"),
        (*rule, 0, "metric"),
        (*rule, 0, "min"),
        (*rule, 1, "metric"),
        (*rule, 1, "maxGap"),
        (*rule, 1, "across"),
    }


def test_the_text_has_a_line_a_rule(tmp_path):
    plan = plan_of(tmp_path, "{on: evaluation, rules: [{metric: auc, min: 0.1}, {metric: f1, max: 1}]}")
    assert rules_text(plan, "t").splitlines() == [
        '{"threshold": "t", "on": "evaluation", "mode": "enforce", "rules": [',
        '  {"name": "auc", "metric": "auc", "severity": "block", "min": "0.1"},',
        '  {"name": "f1", "metric": "f1", "severity": "block", "max": "1"}',
        "]}",
    ]


def test_a_dataset_is_its_columns(tmp_path):
    schema = "schema: {age: {type: number, min: 18, max: 120.50}, plan: {type: category, values: [a, 1, 2.0, true], nullable: true}}, "
    plan = plan_of(tmp_path, "{on: evaluation, rules: [{metric: a, min: 1}]}", **{"s3://d/people, ": f"s3://d/people.parquet, {schema}"})
    assert dataset_of(plan, "people") == {
        "name": "people",
        "format": "parquet",
        "columns": {
            "age": {"type": "number", "min": "18", "max": "120.5"},
            "plan": {"type": "category", "values": ["a", "1", "2", "true"], "nullable": True},
        },
    }
    assert json.loads(dataset_text(plan, "people")) == dataset_of(plan, "people")


def test_a_dataset_without_columns(tmp_path):
    plan = plan_of(tmp_path, "{on: evaluation, rules: [{metric: a, min: 1}]}")
    assert dataset_text(plan, "people") == '{"name": "people", "format": null, "columns": {}}\n'


def test_what_is_not_there_is_a_key_error(tmp_path):
    plan = plan_of(tmp_path, "{on: evaluation, rules: [{metric: a, min: 1}]}")
    with pytest.raises(KeyError, match="nope"):
        rules_of(plan, "nope")
    with pytest.raises(KeyError, match="nope"):
        dataset_of(plan, "nope")
