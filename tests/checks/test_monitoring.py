import pytest

from checks.asset_subjects import examine, shown

BASE = (
    "models: {m: {framework: sklearn, version: '1', uri: s3://m}}\n"
    "datasets: {d: {uri: s3://d, version: {delta: 1}, schema: {a: {type: integer}}}}\n"
)
SERVING = "serving: {m: {model: m}}\n"
DRIFT = "thresholds: {t: {on: drift, rules: [{metric: psi, column: a, max: 0.2}]}}\n"
LIVE = "thresholds: {t: {on: live, rules: [{metric: errorRate, max: 1%}]}}\n"
FULL = "against: d, every: 1h, current: s3://r, image: 'a/b:1'"


@pytest.mark.parametrize(
    ("monitor", "rows"),
    [
        (f"alerts: [t], drift: {{{FULL}}}", []),
        (f"alerts: [t], drift: {{{FULL.replace('1h', '50m')}}}", ["E246 drift/every 50m"]),
        (f"alerts: [t], drift: {{{FULL.replace('1h', '90s')}}}", ["E246 drift/every 90s"]),
        (f"alerts: [t], drift: {{{FULL.replace('1h', '1d')}}}", []),
        (f"alerts: [t], drift: {{{FULL.replace('1h', '7d')}}}", ["E246 drift/every 7d"]),
        (f"alerts: [t], drift: {{{FULL.replace(', current: s3://r', '')}}}", ["E432 drift drift"]),
        (f"alerts: [t], drift: {{{FULL.split(', image', maxsplit=1)[0]}}}", ["E433 drift drift"]),
        (f"alerts: [t], drift: {{{FULL}}}, bias: {{across: x, metric: rate, maxGap: 0.1}}", ["E405 bias/across x"]),
        (f"alerts: [t], drift: {{{FULL}}}, bias: {{across: a, metric: rate, maxGap: -0.1}}", ["E233 bias/maxGap -0.1"]),
        (f"alerts: [t, t], drift: {{{FULL}}}", ["E220 alerts/1 t"]),
        (f"alerts: [t], drift: {{{FULL}}}, slo: {{availability: 50%}}", ["E247 slo/availability 50%"]),
        (f"alerts: [t], drift: {{{FULL}}}, slo: {{availability: 99.9999%}}", ["E247 slo/availability 99.9999%"]),
        (f"alerts: [t], drift: {{{FULL}}}, slo: {{}}", ["E223 slo slo"]),
        (f"alerts: [t], drift: {{{FULL}}}, notify: {{}}", ["E223 notify notify"]),
        (f"alerts: [t], drift: {{{FULL}}}, slo: {{latency: {{max: 80ms, quantile: 95}}}}", ["E232 slo/latency/quantile 95"]),
        (f"alerts: [t], drift: {{{FULL}}}, slo: {{latency: {{max: 80ms, quantile: 95%}}}}", []),
        ("alerts: [t]", ["E431 alerts/0 t"]),
    ],
)
def test_monitors(monitor, rows):
    found = [row.split(" ", 2) for row in shown(BASE + SERVING + DRIFT + f"monitoring: {{m: {{{monitor}}}}}")]
    paths = [(code, "/".join(path.split("/")[2:]), text) for code, path, text in found]
    assert [" ".join((code, path.removesuffix("/current").removesuffix("/image"), text)) for code, path, text in paths] == rows


def test_drift_without_a_threshold():
    assert shown(BASE + SERVING + f"monitoring: {{m: {{drift: {{{FULL}}}}}}}") == ["E430 monitoring/m/drift drift"]


def test_the_sink_of_the_logs_gives_the_requests():
    drift = "monitoring: {m: {alerts: [t], drift: {against: d, every: 1h, image: 'a/b:1'}}}"
    serving = "serving: {m: {model: m, logging: {mode: all, sink: '%s'}}}\n"
    assert shown(BASE + DRIFT + drift + "\n" + serving % "gs://x") == []
    (said,) = examine(BASE + DRIFT + drift + "\n" + serving % "http://broker")
    assert (said.code, len(said.related)) == ("MLS-E432", 1)


def test_the_pipeline_that_trained_the_model_gives_the_image():
    base = BASE.replace("uri: s3://m}", "uri: s3://m, trainedBy: p}")
    pipeline = "pipelines: {p: {%s, steps: {a: {run: '${outputs.m}', outputs: {m: model}%s}, r: {register: m, model: steps.a.m%s}}}}\n"
    drift = f"monitoring: {{m: {{alerts: [t], drift: {{{FULL.split(', image', maxsplit=1)[0]}}}}}}}"
    assert shown(base + SERVING + DRIFT + pipeline % ("image: 'a/b:1'", "", "") + drift) == []
    own = ", image: 'a/b:1'"
    assert [row[:4] for row in shown(base + SERVING + DRIFT + pipeline % ("retries: 1", own, own) + drift)] == ["E433"]


def test_an_empty_monitor_says_nothing():
    assert shown(BASE + SERVING + "monitoring: {m: {}}") == ["E223 monitoring/m m"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (LIVE + SERVING + "monitoring: {m: {alerts: [t]}}", ["E434 monitoring/m/alerts/0 t"]),
        (LIVE.replace("live,", "live, mode: off,") + SERVING + "monitoring: {m: {alerts: [t]}}", []),
        (SERVING + "monitoring: {m: {slo: {availability: 99%}}}", ["E434 monitoring/m/slo slo"]),
        (LIVE + "serving: {m: {model: m, rollout: {strategy: canary, gate: t}}}", ["E434 serving/m/rollout/gate t"]),
    ],
)
def test_without_monitoring_nothing_is_enforced(text, rows):
    found = shown("platform: {monitoring: none}\n" + BASE + text)
    assert [" ".join(row.split(" ")) for row in found] == rows


PIPELINE = "pipelines: {p: {image: 'a/b:1', on: [{breach: t}], steps: {a: {run: x}}}}\n"


def test_a_breach_needs_events_and_alerts():
    watched = BASE + SERVING + LIVE + PIPELINE + "monitoring: {m: {alerts: [t]}}"
    assert shown(watched) == []
    assert shown("platform: {events: none}\n" + watched) == ["E434 pipelines/p/on/0/breach t"]
    assert shown(BASE + SERVING + LIVE + PIPELINE) == ["E435 pipelines/p/on/0/breach t"]


def test_a_champion_needs_a_registry_or_a_step():
    rule = "thresholds: {t: {on: evaluation, rules: [{metric: auc, noWorseThan: champion}]}}\n"
    steps = "a: {run: '${outputs.m}', outputs: {m: metrics}}, g: {gate: t, metrics: steps.a.m%s}"
    text = "platform: {registry: none}\n" + rule + f"pipelines: {{p: {{image: 'a/b:1', steps: {{{steps}}}}}}}"
    assert shown(text % "") == ["E436 pipelines/p/steps/g/gate t"]
    assert shown(text % ", champion: steps.a.m") == []
