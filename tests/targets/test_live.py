"""Which series tells what: every name with the source that it was confirmed in, every query read by Prometheus's own parser."""

import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from prometheus_sample import plan_of

from mlspec.compiler import Request, compile_specs
from mlspec.plan.live import GATEWAYS, SERVERS, labels_of, live_query, samples_query, scope_of, slow_requests
from mlspec.plan.versions import versions
from mlspec.targets.kserve.access import PolicyView
from mlspec.targets.prometheus.scraping import ScrapeView

PLACES = [os.environ.get("MLSPEC_JUDGES", ""), os.environ["PATH"], str(Path.home() / ".cache" / "mlspec-judges" / "bin")]
PROMTOOL = shutil.which("promtool", path=os.pathsep.join(filter(None, PLACES)))

SOURCES = {
    "istio": ("Istio 1.27", "docs: reference/config/metrics", ["istio_requests_total", "istio_request_duration_milliseconds"]),
    "envoy": (
        "Envoy 1.36",
        "docs: configuration/upstream/cluster_manager/cluster_stats",
        ["envoy_cluster_upstream_rq_xx", "envoy_cluster_upstream_rq_time"],
    ),
    "kserve": (
        "KServe 0.20.0",
        "python/kserve/kserve/metrics.py, model.py",
        ["request_predict_seconds", "request_preprocess_seconds_count", "-request_postprocess_seconds_count"],
    ),
    "huggingface": (
        "KServe 0.20.0 with vLLM 0.11",
        "python/huggingfaceserver; vllm/v1/metrics/loggers.py",
        [
            *("request_predict_seconds", "vllm:e2e_request_latency_seconds", "request_predict_seconds_count"),
            *("vllm:e2e_request_latency_seconds_count", "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds"),
            *("vllm:time_per_output_token_seconds", "vllm:num_requests_waiting", "vllm:generation_tokens_total"),
            "vllm:kv_cache_usage_perc",
        ],
    ),
    "mlserver": (
        "MLServer 1.7",
        "mlserver/rest/app.py (PrometheusMiddleware, prefix rest_server), settings.py (metrics_port 8082)",
        ["rest_server_request_duration_seconds", "rest_server_requests_total"],
    ),
    "triton": (
        "Triton 2.60",
        "docs/user_guide/metrics.md",
        [
            *("nv_inference_request_success", "nv_inference_request_failure", "nv_inference_pending_request_count"),
            "nv_inference_request_summary_us",
        ],
    ),
    "tfserving": (
        "TensorFlow Serving 2.19",
        "servables/tensorflow/util.cc",
        [":tensorflow:serving:request_latency", ":tensorflow:serving:request_count"],
    ),
    "torchserve": ("TorchServe 0.12", "docs/metrics.md", ["ts_inference_requests_total", "Requests5XX"]),
    "vllm": (
        "vLLM 0.11",
        "vllm/v1/metrics/loggers.py; prometheus-fastapi-instrumentator 7 (http_requests_total, statuses grouped)",
        [
            *("vllm:e2e_request_latency_seconds", "http_requests_total", "vllm:time_to_first_token_seconds"),
            *("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds", "vllm:num_requests_waiting"),
            *("vllm:generation_tokens_total", "vllm:kv_cache_usage_perc"),
        ],
    ),
}
"""Where each name was confirmed: system and version, file, names."""


@pytest.mark.parametrize("name", sorted({**GATEWAYS, **SERVERS}))
def test_every_series_has_a_source(name):
    source = {**GATEWAYS, **SERVERS}[name]
    histograms = [one.series for one in (*source.latency, *source.tokens, *source.between)]
    plain = [source.waiting, source.generated, source.full, source.summary, source.errors.partition("{")[0]]
    used = {*histograms, *source.requests, *filter(None, plain)}
    version, file, confirmed = SOURCES[name]
    assert version
    assert file
    assert used == set(confirmed)


FRAMEWORKS = {
    "sklearn": "sklearn", "mlserver": "mlflow", "triton": "onnx", "tfserving": "tensorflow", "torchserve": "pytorch", "vllm": "huggingface",
    "huggingface": "huggingface", "custom": "custom",
}  # fmt: skip


def spec(runtime="sklearn", *, gateway="istio", exposed=False, mode="standard", rules=(), **entry):
    endpoint = {"model": "m", "runtime": runtime, **entry}
    if runtime == "custom":
        endpoint["image"] = "ghcr.io/shop/own@sha256:" + "ab" * 32
    if exposed:
        endpoint["expose"] = {"host": "m.shop.example"}
    framework = FRAMEWORKS[runtime]
    return {
        "apiVersion": "mlspec.dev/v1",
        "name": "shop",
        "owner": {"team": "search"},
        "platform": {"gateway": gateway, "serving": {"kserve": {"mode": mode}}, "ci": []},
        "environments": {"live": {"namespace": "shop"}},
        "models": {
            "m": {"framework": framework, "version": "2.0.0", "uri": "s3://shop/m/2"},
            "other": {"framework": framework, "version": "1.0.0", "uri": "s3://shop/other/1"},
        },
        "thresholds": {"online": {"on": "live", "rules": list(rules)}},
        "serving": {"m": endpoint},
        "monitoring": {"m": {"alerts": ["online"]}},
    }


def plan(folder, runtime="sklearn", live=None, **how):
    return plan_of(spec(runtime, rules=[{"query": "up", "name": "up", "min": 1}], **how), folder, live)


METRICS = {
    "latency": {"quantile": "0.95"}, "errorRate": {}, "requestRate": {}, "availability": {}, "saturation": {},
    "timeToFirstToken": {"quantile": "0.95"}, "interTokenLatency": {"quantile": "0.5"}, "queueDepth": {}, "tokensPerSecond": {},
}  # fmt: skip
HTTP = {"latency", "errorRate", "requestRate", "availability"}
TOKENS = {"timeToFirstToken", "interTokenLatency", "tokensPerSecond"}
TELLS = {
    "sklearn": {*HTTP, "saturation"},
    "mlserver": {*HTTP, "saturation"},
    "triton": {*HTTP, "saturation", "queueDepth"} - {"latency"},
    "tfserving": {"saturation"},
    "torchserve": {*HTTP, "saturation"} - {"latency"},
    "vllm": {*HTTP, *TOKENS, "saturation", "queueDepth"},
    "huggingface": {"latency", "requestRate", *TOKENS, "saturation", "queueDepth"},
    "custom": {"saturation"},
}


@pytest.mark.parametrize("runtime", sorted(TELLS))
def test_what_a_server_tells(runtime, tmp_path):
    made = plan(tmp_path, runtime)
    told = {metric for metric, more in METRICS.items() if live_query(made, "m", {"metric": metric, **more}) is not None}
    assert told == TELLS[runtime]


@pytest.mark.parametrize("gateway", ["istio", "envoy"])
@pytest.mark.parametrize("runtime", ["custom", "triton", "torchserve"])
def test_a_gateway_tells_of_every_server(gateway, runtime, tmp_path):
    made = plan(tmp_path, runtime, gateway=gateway, exposed=True)
    told = {metric for metric, more in METRICS.items() if live_query(made, "m", {"metric": metric, **more}) is not None}
    assert told >= HTTP
    for metric in HTTP:
        assert "reporter" in (query := live_query(made, "m", {"metric": metric, **METRICS[metric]})) or "envoy_" in query


def test_queries_as_they_are_written(tmp_path):
    made = plan(tmp_path)
    where = 'namespace="shop",service="m-predictor"'
    assert live_query(made, "m", {"metric": "latency", "quantile": "0.95", "window": 600}) == (
        f"histogram_quantile(0.95, sum by (le) (rate(request_predict_seconds_bucket{{{where}}}[10m])))"
    )
    assert live_query(made, "m", {"metric": "requestRate"}) == f"sum(rate(request_preprocess_seconds_count{{{where}}}[5m]))"
    assert live_query(made, "m", {"query": "a # b", "name": "n"}) == "(a # b\n)"


def test_triton_tells_latencies_when_it_is_started_for_it(tmp_path):
    made = plan(tmp_path, "triton", args=["--metrics-config=summary_latencies=true"])
    assert 'quantile="0.95"' in live_query(made, "m", {"metric": "latency", "quantile": "0.95"})
    assert live_query(made, "m", {"metric": "latency", "quantile": "0.97"}) is None


def test_tensorflow_serving_tells_when_it_is_configured_for_it(tmp_path):
    made = plan(tmp_path, "tfserving", args=["--monitoring_config_file=/mnt/models/monitoring.config"])
    assert 'status!="OK"' in live_query(made, "m", {"metric": "errorRate"})


LIVE = {"live/m": {"version": "1.0.0", "uri": "s3://shop/m/1"}}


def test_versions_are_asked_for_one_by_one(tmp_path):
    made = plan(tmp_path, exposed=True, rollout={"strategy": "canary"}, split={"other": 10}, live=LIVE)
    assert labels_of(made, "m") == ["stable", "canary", "other"]
    rule = {"metric": "requestRate"}
    assert 'destination_service_name="m-canary-predictor"' in live_query(made, "m", rule, "canary")
    assert 'destination_service_name="m-other-predictor"' in live_query(made, "m", rule, "other")
    assert 'destination_service_name=~"m-predictor|m-canary-predictor|m-other-predictor"' in live_query(made, "m", rule)
    assert live_query(made, "m", rule, "nobody") is None


def test_a_gateway_that_cannot_tell_versions_apart(tmp_path):
    made = plan(tmp_path, gateway="envoy", exposed=True, rollout={"strategy": "canary"}, live=LIVE)
    assert labels_of(made, "m") == ["all"]
    assert 'envoy_cluster_name=~"httproute/shop/m-traffic/rule/.*"' in live_query(made, "m", {"metric": "errorRate"}, "all")
    assert 'service="m-canary-predictor"' in live_query(made, "m", {"metric": "errorRate"}, "canary")


def test_a_shadow_answers_nobody(tmp_path):
    made = plan(tmp_path, exposed=True, shadow="other")
    assert labels_of(made, "m") == ["stable"]
    assert "other" not in live_query(made, "m", {"metric": "requestRate"})
    assert "m-other-predictor" in live_query(made, "m", {"metric": "requestRate"}, "other")


def test_knative_counts_by_revision(tmp_path):
    made = plan(tmp_path, exposed=True, mode="knative")
    assert 'destination_service_name=~"m-predictor-[0-9]{5}"' in live_query(made, "m", {"metric": "requestRate"})


def test_slow_requests_lie_evenly_between_two_bounds(tmp_path):
    scope = scope_of(plan(tmp_path, exposed=True), "m", "latency")
    slow, _ = slow_requests(scope, Decimal("0.08"), "5m")
    assert "0.4 * sum(rate(istio_request_duration_milliseconds_bucket" in slow
    assert slow.count("_bucket") == 2
    exact, _ = slow_requests(scope, Decimal("0.1"), "5m")
    assert exact.count("_bucket") == 1
    assert slow_requests(scope, Decimal(4000), "5m") is None


@pytest.mark.parametrize(("runtime", "port"), [("sklearn", 8080), ("triton", 8002), ("mlserver", 8082), ("vllm", 8000)])
def test_the_port_that_is_scraped_is_open_to_monitoring(runtime, port, tmp_path):
    made = plan(tmp_path, runtime)
    policy = PolicyView(made, "m", versions(made, "m"))
    assert policy.metrics_port == ScrapeView(made, "m").port == port


@pytest.mark.conformance
@pytest.mark.parametrize(
    "where", [{"exposed": True}, {"exposed": True, "gateway": "envoy"}, {}, {"mode": "knative", "exposed": True}], ids=str
)
def test_prometheus_reads_every_query(where, tmp_path):
    if PROMTOOL is None:
        pytest.skip("promtool is not here: set MLSPEC_JUDGES, or install prometheus")
    rules = []
    for runtime in FRAMEWORKS:
        args = ["--metrics-config=summary_latencies=true"] if runtime == "triton" else ["--monitoring_config_file=/x"]
        made = plan(tmp_path, runtime, args=args, **where)
        for metric, more in METRICS.items():
            query = live_query(made, "m", {"metric": metric, **more})
            count = samples_query(made, "m", {"metric": metric, **more, "window": 90})
            rules += [{"record": f"r:{runtime}:{metric}:{at}", "expr": one} for at, one in enumerate((query, count)) if one]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rules) > 60


SUMMARIES = "--metrics-config=summary_latencies=true"


def codes(tree, folder):
    (folder / ".git").mkdir(exist_ok=True)
    (folder / "mlspec.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    found = compile_specs(Request((folder / "mlspec.yaml",))).diagnostics
    return [(one.code, one.message, one.help) for one in found if one.severity == "error"]


@pytest.mark.parametrize(
    ("runtime", "rule", "how", "code", "words"),
    [
        ("sklearn", {"metric": "timeToFirstToken", "quantile": 0.9, "max": "1s"}, {}, "MLS-E840", "vLLM"),
        ("triton", {"metric": "latency", "quantile": 0.9, "max": "1s"}, {}, "MLS-E840", "summary_latencies"),
        ("triton", {"metric": "latency", "quantile": 0.97, "max": "1s"}, {"args": [SUMMARIES]}, "MLS-E840", "0.97"),
        ("tfserving", {"metric": "errorRate", "max": "1%"}, {}, "MLS-E840", "expose"),
        ("torchserve", {"metric": "latency", "quantile": 0.9, "max": "1s"}, {}, "MLS-E840", "expose"),
        ("custom", {"metric": "errorRate", "max": "1%"}, {}, "MLS-E840", "expose"),
        ("huggingface", {"metric": "availability", "min": "99%"}, {}, "MLS-E840", "expose"),
        ("custom", {"metric": "saturation", "max": "90%", "minSamples": 5}, {}, "MLS-E840", "minSamples"),
        ("sklearn", {"metric": "latency", "quantile": 0.9, "max": "10s"}, {}, "MLS-E841", "10s"),
        ("sklearn", {"metric": "latency", "quantile": 0.9, "max": "2h"}, {"exposed": True}, "MLS-E841", "1h"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_an_error(runtime, rule, how, code, words, tmp_path):
    ((found, message, advice),) = codes(spec(runtime, rules=[rule], **how), tmp_path)
    assert found == code
    assert words in message + str(advice)


def test_objectives_that_cannot_be_told_are_errors(tmp_path):
    tree = spec("triton", rules=[{"metric": "errorRate", "max": "1%"}])
    tree["monitoring"]["m"]["slo"] = {"availability": "99.9%", "latency": {"max": "1s"}}
    assert [code for code, _, _ in codes(tree, tmp_path)] == ["MLS-E840"]
    tree["monitoring"]["m"]["slo"] = {"availability": "99.9%", "window": "100d"}
    assert [code for code, _, _ in codes(tree, tmp_path)] == ["MLS-E842"]
