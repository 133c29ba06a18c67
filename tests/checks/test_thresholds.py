import pytest

from checks.asset_subjects import examine, shown

MODEL = "models: {m: {framework: sklearn, version: '1', uri: s3://m}}\nserving: {m: {model: m}}\n"
USES = {
    "data": "datasets: {d: {uri: s3://d, version: {delta: 1}, quality: t}}\n",
    "live": MODEL + "monitoring: {m: {alerts: [t]}}\n",
    "drift": MODEL + "datasets: {d: {uri: s3://d, version: {delta: 1}}}\n"
    "monitoring: {m: {alerts: [t], drift: {against: d, every: 1h, current: s3://r, image: 'a/b:1'}}}\n",
    "evaluation": "pipelines: {p: {image: 'a/b:1', steps: {"
    "a: {run: '${outputs.m}', outputs: {m: metrics}}, g: {gate: t, metrics: steps.a.m}}}}\n",
}


def rows(on, rule):
    found = [row.split(" ", 2) for row in shown(USES[on] + f"thresholds: {{t: {{on: {on}, rules: [{{{rule}}}]}}}}")]
    assert all(path.startswith("thresholds/t/rules/0") for _, path, _ in found), found
    found = [(code, path, "" if code == "E235" else text) for code, path, text in found]
    return [" ".join((code, path[21:], text)).strip() if path[21:] else code for code, path, text in found]


FINE = [
    ("data", "metric: rows, min: 10000"),
    ("data", "metric: nullRatio, column: age, max: 1%"),
    ("data", "metric: nullRatio, max: 0"),
    ("data", "metric: age, max: 36h"),
    ("data", "metric: schemaMatch, equals: true"),
    ("data", "metric: mean, column: age, min: -5, max: 5.5"),
    ("data", "metric: mean, column: age, maxGap: 5%, across: sex"),
    ("evaluation", "metric: auc, min: 0.86"),
    ("evaluation", "metric: auc, noWorseThan: champion, tolerance: 0.005"),
    ("evaluation", "metric: auc, noWorseThan: champion, tolerance: 1%"),
    ("evaluation", "metric: auc, noWorseThan: champion"),
    ("evaluation", "metric: recall, min: 0.7, forEach: gender, minSamples: 30"),
    ("evaluation", "metric: rate, maxGap: 0.08, across: gender, severity: warn"),
    ("live", "metric: latency, quantile: 0.95, max: 80ms, window: 5m, for: 10m, minSamples: 5"),
    ("live", "metric: availability, min: 99.9%"),
    ("live", "query: up, min: 1, name: up"),
    ("live", "query: up, max: 60ms, name: up, for: 5m"),
    ("drift", "metric: psi, column: a, max: 0.2"),
    ("drift", "metric: share, max: 30%, for: 1h"),
]


@pytest.mark.parametrize(("on", "rule"), FINE)
def test_a_rule_that_is_right(on, rule):
    assert rows(on, rule) == []


WRONG = [
    ("data", "metric: rows", ["E230"]),
    ("data", "metric: rows, min: 1, equals: 3", ["E230 equals equals"]),
    ("data", "metric: rows, min: 5, max: 3", ["E222 max 3"]),
    ("live", "metric: latency, quantile: 0.9, min: 5s, max: 80ms", ["E222 max 80ms"]),
    ("data", "metric: row, min: 1", ["E231 metric row"]),
    ("data", "metric: psi, min: 1", ["E231 metric psi"]),
    ("evaluation", "metric: a b, min: 1", ["E231 metric a b"]),
    ("data", "min: 1", ["E221"]),
    ("live", "metric: errorRate, query: up, max: 1%", ["E221 query query"]),
    ("data", "query: up, min: 1, name: x", ["E234 query query"]),
    ("live", "metric: latency, quantile: 95, max: 80ms", ["E232 quantile 95"]),
    ("live", "metric: latency, quantile: 0, max: 80ms", ["E232 quantile 0"]),
    ("live", "metric: latency, max: 80ms", ["E235 quantile"]),
    ("live", "metric: errorRate, quantile: 95, max: 1%", ["E234 quantile quantile"]),
    ("live", "metric: latency, quantile: 0.9, max: 80", ["E233 max 80"]),
    ("live", "metric: latency, quantile: 0.9, max: 80%", ["E233 max 80%"]),
    ("live", "metric: errorRate, max: 1", ["E233 max 1"]),
    ("live", "metric: errorRate, max: 5", ["E233 max 5"]),
    ("live", "metric: errorRate, max: 120%", ["E233 max 120%"]),
    ("live", "metric: errorRate, max: 5m", ["E233 max 5m"]),
    ("data", "metric: rows, min: 1.5", ["E233 min 1.5"]),
    ("data", "metric: rows, min: 10%", ["E233 min 10%"]),
    ("data", "metric: rows, equals: many", ["E233 equals many"]),
    ("data", "metric: schemaMatch, min: 1", ["E233 min 1"]),
    ("data", "metric: schemaMatch, equals: false", ["E233 equals false"]),
    ("evaluation", "metric: auc, min: 80ms", ["E233 min 80ms"]),
    ("evaluation", "metric: auc, noWorseThan: champion, tolerance: -0.1", ["E233 tolerance -0.1"]),
    ("evaluation", "metric: auc, min: 0.8, tolerance: 0.1", ["E234 tolerance tolerance"]),
    ("evaluation", "metric: auc, min: 0.8, across: gender", ["E234 across across"]),
    ("evaluation", "metric: auc, maxGap: 0.1", ["E235 across"]),
    ("evaluation", "metric: auc, min: 0.8, column: age", ["E234 column column"]),
    ("evaluation", "metric: auc, min: 0.8, window: 5m", ["E234 window window"]),
    ("data", "metric: rows, min: 1, for: 5m", ["E234 for for"]),
    ("data", "metric: rows, min: 1, column: age", ["E234 column column"]),
    ("data", "metric: rows, noWorseThan: champion", ["E234 noWorseThan noWorseThan"]),
    ("live", "metric: errorRate, max: 1%, forEach: x", ["E234 forEach forEach"]),
    ("live", "query: up, min: 1", ["E235 name"]),
    ("live", "query: up, min: 1, name: x, window: 5m", ["E234 window window"]),
    ("data", "metric: mean, min: 1", ["E235 column"]),
    ("drift", "metric: psi, max: 0.2", ["E235 column"]),
    ("drift", "metric: share, column: a, max: 20%", ["E234 column column"]),
    ("data", "metric: nullRatio, max: 100%", ["W240 max 100%"]),
]


@pytest.mark.parametrize(("on", "rule", "expected"), WRONG)
def test_a_rule_that_is_wrong_is_told_once_at_its_place(on, rule, expected):
    assert rows(on, rule) == expected


def test_help_says_what_is_meant():
    live = USES["live"] + "thresholds: {t: {on: live, rules: [{metric: %s}]}}"
    assert examine(live % "latency, quantile: 95, max: 80ms")[0].help == "did you mean 0.95?"
    assert examine(live % "errorRate, max: 5")[0].help == "did you mean 5%?"
    assert examine(live % "errorRat, max: 5%")[0].help == "did you mean `errorRate`?"
    assert examine(live % "latency, quantile: 0.9, max: 80")[0].help == "add the unit: 80ms or 80s"


def test_a_rule_that_stands_twice():
    assert shown(USES["data"] + "thresholds: {t: {on: data, rules: [{metric: rows, min: 1}, {min: 1, metric: rows}]}}") == [
        "E220 thresholds/t/rules/1 {min: 1, metric: rows}"
    ]
