"""Rules of endpoints: what each threshold becomes, and that every alert fires just beyond its bound and never at or below it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from prometheus_sample import objects_of, plan_of, sample

from mlspec.target import Rendering
from mlspec.targets.prometheus.objectives import burns
from mlspec.targets.prometheus.rules import RuleView, groups_of, literal
from mlspec.targets.prometheus.scraping import ScrapeView

PLACES = [os.environ.get("MLSPEC_JUDGES", ""), os.environ["PATH"], str(Path.home() / ".cache" / "mlspec-judges" / "bin")]
PROMTOOL = shutil.which("promtool", path=os.pathsep.join(filter(None, PLACES)))
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: set MLSPEC_JUDGES, or install prometheus")

ONLINE = [
    {"metric": "latency", "quantile": 0.95, "max": "80ms", "for": "2m"},
    {"metric": "errorRate", "max": "1%"},
    {"metric": "availability", "min": "99%", "severity": "warn", "minSamples": 1000},
    {"metric": "requestRate", "min": 1, "max": 10, "severity": "warn", "name": "rate of requests"},
    {"metric": "requestRate", "equals": 2, "name": "exactly"},
    {"query": "custom_seconds # as measured", "name": "wait", "max": "60ms"},
]
DRIFT = [
    {"metric": "psi", "column": "age", "max": 0.2, "for": "1h"},
    {"metric": "share", "max": "30%", "minSamples": 500, "severity": "warn"},
    {"metric": "ks", "column": "age", "min": 0.1},
]


def tree(**changes):
    # drift.py, the program of the comparisons, is not needed for rules
    return sample(**{"thresholds.online.rules": ONLINE, "thresholds.input-drift.rules": DRIFT, **changes})


def rules(made, endpoint="rank"):
    return [rule for group in groups_of(made, endpoint) for rule in group.rules]


def alerts(made, name, endpoint="rank"):
    return [rule for rule in rules(made, endpoint) if rule.alert == name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rules")


@pytest.fixture(scope="module")
def whole(folder):
    return plan_of(tree(), folder)


def test_the_object_conforms_and_is_found_by_prometheus(whole, folder):
    made = objects_of(whole, [Rendering("prometheus/prometheus-rule.yaml.j2", RuleView(whole, "rank"), "x.yaml")], folder)
    labels = made["PrometheusRule", "rank"]["metadata"]["labels"]
    assert labels["watch"] == "yes"
    assert labels["mlspec.dev/team"] == "search"
    names = [group["name"] for group in made["PrometheusRule", "rank"]["spec"]["groups"]]
    assert names == ["rank-availability", "rank-latency", "rank-live", "rank-drift", "rank-comparisons", "rank-absence"]


def test_every_alert_says_whose_it_is(whole):
    for rule in rules(whole):
        if rule.alert:
            assert {"severity", "team", "namespace", "project", "environment", "endpoint"} <= set(rule.labels)
            assert rule.annotations["summary"].startswith("rank: ")
            assert rule.annotations["runbook_url"] == "https://oncall.shop.example/search"
            assert rule.annotations["description"]


def test_severity_follows_rule_and_mode(folder):
    made = plan_of(tree(), folder)
    assert {rule.labels["severity"] for rule in alerts(made, "ErrorRate")} == {"critical"}
    assert {rule.labels["severity"] for rule in alerts(made, "Availability")} == {"warning"}
    reported = plan_of(tree(**{"thresholds.online.mode": "report"}), folder)
    assert {rule.labels["severity"] for rule in alerts(reported, "ErrorRate")} == {"info"}
    resting = plan_of(tree(**{"thresholds.online.mode": "off"}), folder)
    assert alerts(resting, "ErrorRate") == []


def test_a_threshold_is_held_against_each_version(whole):
    assert [rule.labels["version"] for rule in alerts(whole, "ErrorRate")] == ["stable", "rank-b"]
    assert [rule.labels["version"] for rule in alerts(whole, "Wait")] == ["all"]


def test_a_breach_starts_what_waits_for_it(folder):
    made = plan_of(tree(), folder)
    starting = [rule.labels["rule"] for rule in rules(made) if "mlspec_action" in rule.labels]
    assert starting == ["psi of age", "ks of age"]
    assert {rule.labels["mlspec_pipeline"] for rule in alerts(made, "DriftPsiOfAge")} == {"train"}
    reported = plan_of(tree(**{"thresholds.input-drift.mode": "report"}), folder)
    assert [rule for rule in rules(reported) if "mlspec_action" in rule.labels] == []
    mild = plan_of(tree(**{"thresholds.input-drift.rules": [DRIFT[1]]}), folder)
    assert [rule.labels["rule"] for rule in rules(mild) if "mlspec_action" in rule.labels] == ["share"]


def test_texts_are_shown_as_they_were_written(whole):
    (rule, _) = alerts(whole, "RateOfRequests")
    assert rule.labels["rule"] == "rate of requests"
    assert "{{ $value | humanize }}; threshold online allows 1 to 10." in rule.annotations["description"]
    assert literal("{{ evil }}") == '{{ "{{" }} evil }}'
    (latency, _) = alerts(whole, "LatencyP95")
    assert "{{ $value | humanizeDuration }}; threshold online allows at most 80ms." in latency.annotations["description"]
    (errors, _) = alerts(whole, "ErrorRate")
    assert "{{ $value | humanizePercentage }}; threshold online allows at most 1%." in errors.annotations["description"]


def test_for_is_kept(whole):
    assert {rule.lasting for rule in alerts(whole, "LatencyP95")} == {"2m"}
    assert [rule.lasting for rule in alerts(whole, "DriftPsiOfAge")] == ["1h"]


@pytest.mark.parametrize(
    ("days", "longs", "shorts"),
    [
        (30, [3600, 21600, 86400, 259200], [300, 1800, 7200, 21600]),
        (7, [840, 5040, 20160, 60480], [120, 420, 1680, 5040]),
        (90, [10800, 64800, 259200, 777600], [900, 5400, 21600, 64800]),
    ],
)
def test_spans_follow_the_window_of_an_objective(days, longs, shorts):
    made = burns(days * 86400)
    assert [pair.long for pair in made] == longs
    assert [pair.short for pair in made] == shorts
    # the same share of the budget is gone whenever the same alert fires
    assert [round(float(pair.factor) * pair.long / (days * 86400), 3) for pair in made] == [0.02, 0.05, 0.1, 0.1]


def test_an_objective_without_alerts_that_cannot_fire(folder):
    made = plan_of(tree(**{"monitoring.rank.slo": {"availability": "90%"}}), folder)
    assert [rule.labels["over"] for rule in alerts(made, "ErrorBudgetBurn")] == ["6h", "1d", "3d"]


def test_what_rests_at_zero_is_not_missed(folder):
    changes = {"thresholds.online.rules": [{"metric": "requestRate", "max": 5}], "serving.words.replicas": {"min": 0, "max": 2}}
    changes["serving.words.autoscale"] = {"metric": "concurrency", "target": 4}
    changes |= {"platform.serving": {"kserve": {"mode": "knative"}}, "serving.rank.split": None}
    assert alerts(plan_of(tree(**changes), folder), "MetricsAbsent", "words") == []


def test_the_scrape_gives_series_the_labels_that_queries_ask_for(whole, folder):
    made = objects_of(whole, [Rendering("prometheus/pod-monitor.yaml.j2", ScrapeView(whole, "words"), "x.yaml")], folder)
    spec = made["PodMonitor", "words"]["spec"]
    assert spec["selector"] == {"matchLabels": {"component": "predictor", "serving.kserve.io/inferenceservice": "words"}}
    (endpoint,) = spec["podMetricsEndpoints"]
    written = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"] if "targetLabel" in one}
    assert written == {"__address__": "[$1]:8000", "service": "$1-predictor", "endpoint": "words"}


# What follows is judged by Prometheus's own tool.

KNOWN = 'project="shop",environment="live",endpoint="rank"'
ISTIO = 'reporter="source",destination_service_namespace="shop",destination_service_name="rank-predictor"'
REQUESTS = f'istio_requests_total{{{ISTIO},response_code="200"}}'
ERRORS = f'istio_requests_total{{{ISTIO},response_code="503"}}'
BUCKET = "istio_request_duration_milliseconds_bucket"
NAN = " ".join(["NaN"] * 200)


def latencies(fast):
    """Return a histogram of 1000 requests a minute, so many below 50ms and the rest below 100ms."""
    return {
        f'{BUCKET}{{{ISTIO},le="50"}}': f"0+{fast}x200",
        f'{BUCKET}{{{ISTIO},le="100"}}': "0+1000x200",
        f'{BUCKET}{{{ISTIO},le="+Inf"}}': "0+1000x200",
        f"istio_request_duration_milliseconds_count{{{ISTIO}}}": "0+1000x200",
    }


def shares(bad, total):
    """Return so many failed requests a minute of so many."""
    return {ERRORS: f"0+{bad}x200", REQUESTS: f"0+{total - bad}x200"}


def drift(value, metric="psi", column='column="age",', rows=1000):
    made = {f'mlspec_drift{{{KNOWN},{column}metric="{metric}"}}': f"{value}x200"}
    return {**made, f'mlspec_monitor_rows{{{KNOWN},job="mlspec-drift"}}': f"{rows}x200"}


def gauge(name, value):
    return {f"{name}{{{KNOWN}}}": f"{value}x200"}


def each_minute(total):
    return {REQUESTS: f"0+{total}x200"}


FIRES = {
    "latency": ('alertname="LatencyP95",version="stable"', latencies(870), 20),
    "errorRate": ('alertname="ErrorRate",version="stable"', shares(11, 1000), 20),
    "availability": ('alertname="Availability",version="stable"', shares(11, 1000), 20),
    "too few requests": ('alertname="RateOfRequests",version="stable"', each_minute(59), 20),
    "too many requests": ('alertname="RateOfRequests",version="stable"', each_minute(601), 20),
    "not equal, less": ('alertname="Exactly",version="stable"', each_minute(119), 20),
    "not equal, more": ('alertname="Exactly",version="stable"', each_minute(121), 20),
    "query": ('alertname="Wait"', {"custom_seconds": "0.0601x200"}, 20),
    "drift": ('alertname="DriftPsiOfAge"', drift("0.2001"), 70),
    "drift share": ('alertname="DriftShare"', drift("0.301", "share", "", 500), 20),
    "drift below": ('alertname="DriftKsOfAge"', drift("0.0999", "ks"), 20),
    "bias": ('alertname="BiasBeyondBound"', gauge("mlspec_bias", "0.1001"), 20),
    "outliers": ('alertname="OutliersBeyondBound"', gauge("mlspec_outlier_share", "0.0101"), 20),
    "budget 1h": ('alertname="ErrorBudgetBurn",objective="availability",over="1h"', shares(145, 10000), 70),
    "budget 6h": ('alertname="ErrorBudgetBurn",objective="availability",over="6h"', shares(61, 10000), 130),
    "budget 1d": ('alertname="ErrorBudgetBurn",objective="availability",over="1d"', shares(31, 10000), 130),
    "budget 3d": ('alertname="ErrorBudgetBurn",objective="availability",over="3d"', shares(11, 10000), 130),
    # 1% may be slower than 200ms; of what lies between 100ms and 250ms a third counts as slower
    "latency budget": (
        'alertname="ErrorBudgetBurn",objective="latency",over="1h"',
        {
            **{f'{BUCKET}{{{ISTIO},le="{bound}"}}': "0+500x200" for bound in ("50", "100.0")},
            **{f'{BUCKET}{{{ISTIO},le="{bound}"}}': "0+1000x200" for bound in ("250.0", "+Inf")},
            f"istio_request_duration_milliseconds_count{{{ISTIO}}}": "0+1000x200",
        },
        70,
    ),
    "gateway silent": ('alertname="MetricsAbsent"', {}, 70),
    "comparison never ran": ('alertname="MonitorNotReporting",task="drift"', {}, 40),
    "comparison stopped": (
        'alertname="MonitorNotReporting",task="bias"',
        {f'mlspec_monitor_last_success_seconds{{{KNOWN},job="mlspec-bias"}}': "0x200"},
        110,
    ),
}
SILENT = {
    "latency at its bound": ('alertname="LatencyP95"', latencies(876), 20),
    "latency before two minutes": ('alertname="LatencyP95"', latencies(870), 2),
    "errorRate on its bound": ('alertname="ErrorRate"', shares(10, 1000), 20),
    "errorRate on its bound, few": ('alertname="ErrorRate"', shares(3, 300), 20),
    "errorRate without an error": ('alertname="ErrorRate"', each_minute(100), 20),
    "errorRate of NaN": ('alertname="ErrorRate"', {ERRORS: NAN, REQUESTS: NAN}, 20),
    "errorRate without requests": ('alertname="ErrorRate"', shares(0, 0), 20),
    "availability on its bound": ('alertname="Availability"', shares(10, 1000), 20),
    "availability of too few": ('alertname="Availability"', shares(11, 150), 20),
    "requests on the least": ('alertname="RateOfRequests"', each_minute(60), 20),
    "requests on the most": ('alertname="RateOfRequests"', each_minute(600), 20),
    "equal": ('alertname="Exactly"', each_minute(120), 20),
    "equal to NaN": ('alertname="Exactly"', {REQUESTS: NAN}, 20),
    "query on its bound": ('alertname="Wait"', {"custom_seconds": "0.06x200"}, 20),
    "query of NaN": ('alertname="Wait"', {"custom_seconds": NAN}, 20),
    "drift on its bound": ('alertname="DriftPsiOfAge"', drift("0.2"), 70),
    "drift before an hour": ('alertname="DriftPsiOfAge"', drift("0.3"), 50),
    "drift of NaN": ('alertname="DriftPsiOfAge"', {f'mlspec_drift{{{KNOWN},column="age",metric="psi"}}': NAN}, 70),
    "drift of another endpoint": ('alertname="DriftPsiOfAge"', {'mlspec_drift{endpoint="x",column="age",metric="psi"}': "9x200"}, 70),
    "drift share of too few": ('alertname="DriftShare"', drift("0.4", "share", "", 499), 20),
    "drift on the least": ('alertname="DriftKsOfAge"', drift("0.1", "ks"), 20),
    "bias on its bound": ('alertname="BiasBeyondBound"', gauge("mlspec_bias", "0.1"), 20),
    "outliers on their bound": ('alertname="OutliersBeyondBound"', gauge("mlspec_outlier_share", "0.01"), 20),
    "budget kept": ('alertname="ErrorBudgetBurn",objective="availability"', shares(9, 10000), 130),
    "budget 1h kept": ('alertname="ErrorBudgetBurn",objective="availability",over="1h"', shares(143, 10000), 70),
    "budget 1h, over since": (
        'alertname="ErrorBudgetBurn",objective="availability",over="1h"',
        {ERRORS: "0+500x40 20000x40", REQUESTS: "0+9500x80"},
        60,
    ),
    "latency budget kept": ('alertname="ErrorBudgetBurn",objective="latency"', latencies(900), 70),
    "gateway counts": ('alertname="MetricsAbsent"', each_minute(1), 190),
    "comparison reports": (
        'alertname="MonitorNotReporting",task="drift"',
        {f'mlspec_monitor_last_success_seconds{{{KNOWN},job="mlspec-drift"}}': "0+60x200"},
        190,
    ),
    "comparison, one run late": (
        'alertname="MonitorNotReporting",task="bias"',
        {f'mlspec_monitor_last_success_seconds{{{KNOWN},job="mlspec-bias"}}': "0x200"},
        65,
    ),
    **{
        f"nothing at all: {name}": (f'alertname="{name}"', {}, 190)
        for name in ("LatencyP95", "ErrorRate", "Availability", "RateOfRequests", "Exactly", "Wait", "DriftPsiOfAge", "DriftShare")
    },
    **{
        f"nothing at all: {name}": (f'alertname="{name}"', {}, 190)
        for name in ("BiasBeyondBound", "OutliersBeyondBound", "ErrorBudgetBurn")
    },
}


def written(made, endpoint="rank"):
    """Return the file of rules that the operator would give to Prometheus."""
    groups = []
    for group in groups_of(made, endpoint):
        entries = []
        for rule in group.rules:
            entry = {"expr": rule.expr, "labels": dict(rule.labels)}
            entry |= {"record": rule.record} if rule.record else {"alert": rule.alert, "annotations": dict(rule.annotations)}
            entries.append(entry | ({"for": rule.lasting} if rule.lasting else {}))
        groups.append({"name": group.name, "rules": entries})
    return {"groups": groups}


def judged(cases):
    """Return what promtool is to run: cases of the same series in one test, since each test has a database of its own."""
    tests = {}
    for fires, (select, series, minute) in cases:
        written = {"interval": "1m", "input_series": [{"series": key, "values": values} for key, values in series.items()]}
        test = tests.setdefault(str(series), {**written, "promql_expr_test": []})
        expr = f'(count(ALERTS{{alertstate="firing",{select}}}) > bool 0) or vector(0)'
        sample = {"labels": "{}", "value": int(fires)}
        test["promql_expr_test"].append({"expr": expr, "eval_time": f"{minute}m", "exp_samples": [sample]})
    return {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": list(tests.values())}


def promtool(*arguments, folder):
    return subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@needs_promtool
@pytest.mark.conformance
def test_prometheus_accepts_the_rules_and_lints_nothing(folder, tmp_path):
    made = plan_of(tree(), folder)
    for endpoint in ("rank", "words"):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(written(made, endpoint)))
        done = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.conformance
def test_alerts_fire_just_beyond_and_not_before(folder, tmp_path):
    """All cases in one run of the tool; what it prints shows the expression and the minute."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(written(plan_of(tree(), folder))))
    cases = [*((True, case) for case in FIRES.values()), *((False, case) for case in SILENT.values())]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(judged(cases)))
    done = promtool("test", "rules", "test.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.conformance
def test_a_server_that_is_not_scraped_is_missed(folder, tmp_path):
    made = plan_of(tree(**{"thresholds.online.rules": [{"metric": "requestRate", "max": 5}]}), folder)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(written(made, "words")))
    up, missed = 'up{namespace="shop",service="words-predictor"}', 'alertname="MetricsAbsent"'
    cases = [
        (False, (missed, {up: "1x60"}, 50)),
        (True, (missed, {up: "0x60"}, 20)),
        (True, (missed, {}, 20)),
        (False, (missed, {up: "0x60"}, 10)),
    ]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(judged(cases)))
    done = promtool("test", "rules", "test.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_judged(whole):
    """A new kind of alert has to come with a case that fires and one that is silent."""
    made = {rule.alert for rule in rules(whole) if rule.alert}
    for cases in (FIRES, SILENT):
        assert made == {select.split('"')[1] for select, _, _ in cases.values()}
