import pytest

from checks.asset_subjects import examine, shown

IMAGE = "image: ghcr.io/acme/train:1.0"
MODEL = "models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}\n"
DATA = "datasets: {customers: {uri: s3://d/c, version: {delta: 1}}}\n"
SERVING = "serving: {churn: {model: churn}}\n"
LIVE = "thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}\n"

UNKNOWN = [
    ("datasets: {d: {uri: s3://d, version: {delta: 1}, quality: nope}}", "datasets/d/quality nope"),
    (DATA + "features: {f: {entity: id, from: custmers, fields: [a]}}", "features/f/from custmers"),
    ("models: {m: {framework: sklearn, version: '1', uri: s3://m, trainedBy: fit}}", "models/m/trainedBy fit"),
    ("models: {m: {framework: sklearn, version: '1', uri: s3://m, features: [f]}}", "models/m/features/0 f"),
    ("models: {m: {framework: sklearn, version: '1', uri: s3://m, evaluatedOn: [d]}}", "models/m/evaluatedOn/0 d"),
    (f"pipelines: {{p: {{{IMAGE}, on: [{{dataset: d}}], steps: {{a: {{run: [a]}}}}}}}}", "pipelines/p/on/0/dataset d"),
    (f"pipelines: {{p: {{{IMAGE}, on: [{{breach: b}}], steps: {{a: {{run: [a]}}}}}}}}", "pipelines/p/on/0/breach b"),
    (f"pipelines: {{p: {{{IMAGE}, on: [{{pipeline: q}}], steps: {{a: {{run: [a]}}}}}}}}", "pipelines/p/on/0/pipeline q"),
    (f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{run: [a], after: [b]}}}}}}}}", "pipelines/p/steps/a/after/0 b"),
    (f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{use: b}}}}}}}}", "pipelines/p/steps/a/use b"),
    (
        f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{run: [a, '${{inputs.x}}'], inputs: {{x: steps.b.y}}}}}}}}}}",
        "pipelines/p/steps/a/inputs/x steps.b.y",
    ),
    (
        f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{run: [a, '${{inputs.x}}'], inputs: {{x: models.b}}}}}}}}}}",
        "pipelines/p/steps/a/inputs/x models.b",
    ),
    (f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{run: [a, '${{steps.b.y}}']}}}}}}}}", "pipelines/p/steps/a/run/1 '${steps.b.y}'"),
    (DATA + f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{check: t, data: customers}}}}}}}}", "pipelines/p/steps/a/check t"),
    (MODEL + "serving: {churn: {model: chrun}}", "serving/churn/model chrun"),
    (MODEL + "serving: {churn: {model: churn, split: {other: 10}, expose: {host: a.b}}}", "serving/churn/split/other other"),
    (MODEL + "serving: {churn: {model: churn, shadow: other, expose: {host: a.b}}}", "serving/churn/shadow other"),
    (MODEL + "serving: {churn: {model: churn, shadow: {model: other}, expose: {host: a.b}}}", "serving/churn/shadow/model other"),
    (MODEL + "serving: {churn: {model: churn, rollout: {strategy: canary, gate: g}}}", "serving/churn/rollout/gate g"),
    (MODEL + SERVING[:-2] + ", g: {graph: {sequence: [churn, chrun]}}}", "serving/g/graph/sequence/1 chrun"),
    (
        MODEL + SERVING[:-2] + ", g: {graph: {ensemble: [churn, {switch: [{x: {when: a > 1}}]}]}}}",
        "serving/g/graph/ensemble/1/switch/0/x x",
    ),
    (MODEL + SERVING[:-2] + ", g: {graph: {split: {churn: 50, x: 50}}}}", "serving/g/graph/split/x x"),
    (MODEL + SERVING + LIVE + "monitoring: {chrun: {alerts: [online]}}", "monitoring/chrun chrun"),
    (MODEL + SERVING + "monitoring: {churn: {alerts: [online]}}", "monitoring/churn/alerts/0 online"),
]


@pytest.mark.parametrize(("text", "row"), UNKNOWN)
def test_an_unknown_name_is_one_error_at_its_place(text, row):
    assert shown(text) == ["E401 " + row]


def test_the_nearest_name_is_offered():
    (said,) = examine(MODEL + "serving: {churn: {model: chrun}}")
    assert said.help == "did you mean `churn`?"


def test_a_name_of_another_kind_is_told():
    (said,) = examine(MODEL + SERVING + "monitoring: {churn: {alerts: [churn]}}")
    assert said.notes == ("`churn` is a model, expected a threshold",)


def test_the_steps_that_are_offered_leave_out_the_step_itself():
    (said,) = examine(f"pipelines: {{p: {{{IMAGE}, steps: {{prepare: {{run: [a], after: [prepar]}}}}}}}}")
    assert "did you mean" not in said.help


ENVIRONMENTS = "environments: {dev: {namespace: c-dev}, prod: {namespace: c}}\n"


def test_what_is_absent_in_an_environment_is_told_with_both_places():
    text = ENVIRONMENTS + MODEL[:-3] + ", in: [dev]}}\n" + SERVING
    assert shown(text) == ["E402 serving/churn/model churn"]
    (said,) = examine(text)
    assert "left out of the environment `prod`" in said.message
    assert [one.site.line for one in said.related] == [5]


def test_an_absent_step_is_told_once():
    steps = "{a: {run: [a, '${outputs.y}'], outputs: {y: file}, notIn: [prod]}, b: {run: [b, '${inputs.y}'], inputs: {y: steps.a.y}}}"
    assert shown(ENVIRONMENTS + f"pipelines: {{p: {{{IMAGE}, steps: {steps}}}}}") == ["E402 pipelines/p/steps/b/inputs/y steps.a.y"]


def test_a_threshold_of_the_wrong_kind_is_told_with_its_kind():
    evaluation = "thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}\n"
    text = evaluation + "datasets: {d: {uri: s3://d, version: {delta: 1}, quality: release}}"
    assert shown(text) == ["E403 datasets/d/quality release"]
    text = MODEL + LIVE + DATA + f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{check: online, data: customers}}}}}}}}"
    assert shown(text) == ["E403 pipelines/p/steps/a/check online"]


def test_trained_by_must_register():
    text = (
        "models: {m: {framework: sklearn, version: '1', uri: s3://m, trainedBy: p}}\n"
        f"pipelines: {{p: {{{IMAGE}, steps: {{a: {{run: [a]}}}}}}}}"
    )
    assert shown(text) == ["E404 models/m/trainedBy p"]


COLUMNS = "datasets: {d: {uri: s3://d, version: {delta: 1}, quality: q, schema: {id: {type: string}, age: {type: integer}}}}\n"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("thresholds: {q: {on: data, rules: [{metric: mean, column: agee, min: 1}]}}", ["E405 thresholds/q/rules/0/column agee"]),
        ("thresholds: {q: {on: data, rules: [{metric: rows, min: 1, forEach: x}]}}", ["E405 thresholds/q/rules/0/forEach x"]),
        (
            "thresholds: {q: {on: data, rules: [{metric: rows, min: 1}]}}\nfeatures: {f: {entity: key, from: d, fields: [age, b]}}",
            ["E405 features/f/entity key", "E405 features/f/fields/1 b"],
        ),
    ],
)
def test_columns_are_those_of_the_schema(text, rows):
    assert shown(COLUMNS + text) == rows


def test_a_threshold_that_is_used_in_one_environment_is_used():
    text = ENVIRONMENTS + MODEL + SERVING + LIVE + "monitoring: {churn: {alerts: [online], in: [dev]}}"
    assert shown(text) == []
    assert shown(MODEL + SERVING + LIVE) == ["W401 thresholds/online online"]
