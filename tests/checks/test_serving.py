"""Endpoints, runtimes, traffic, graphs and resources."""

import pytest

from checks.build_serving import findings
from mlspec.checks import graphs, resources, runtimes, serving, traffic

MODULES = (serving, runtimes, traffic, graphs, resources)
MODELS = """\
models:
  a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}
  b: {framework: xgboost, version: 1.0.0, uri: s3://m/b}
  c: {framework: catboost, version: 1.0.0, uri: s3://m/c}
  t: {framework: tensorflow, version: 1.0.0, uri: s3://m/t}
  p: {framework: pmml, version: 1.0.0, uri: s3://m/p}
  h: {framework: huggingface, version: 1.0.0, uri: hf://m/h}
"""
X = "expose: {host: x.acme.example}"


def said(endpoint, more=""):
    return findings(f"{MODELS}{more}\nserving:\n  x: {endpoint}\n", *MODULES)


@pytest.mark.parametrize(
    ("endpoint", "code", "where"),
    [
        ("{}", "MLS-E250", "serving/x"),
        ("{model: a, graph: {sequence: [y]}}", "MLS-E250", "serving/x/graph"),
        ("{model: t, runtime: sklearn}", "MLS-E251", "serving/x/runtime"),
        ("{model: a, runtime: sklearn, split: {t: 5}, " + X + "}", "MLS-E251", "serving/x/runtime"),
        ("{model: c, runtime: triton}", "MLS-E251", "serving/x/runtime"),
        ("{model: a, runtime: custom}", "MLS-E252", "serving/x/runtime"),
        ("{model: a, image: 'r/i@sha256:00'}", "MLS-E252", "serving/x/image"),
        ("{model: a, replicas: {min: 2, max: 1}}", "MLS-E254", "serving/x/replicas/max"),
        ("{model: a, replicas: {max: 1, min: 2}}", "MLS-E254", "serving/x/replicas/min"),
        ("{model: a, replicas: {min: 0, max: 2}}", "MLS-E255", "serving/x/replicas/min"),
        (
            "{model: a, replicas: {min: 0, max: 2}, autoscale: {metric: memory, target: 50%}, " + X + "}",
            "MLS-E255",
            "serving/x/autoscale/metric",
        ),
        ("{model: a, replicas: {min: 0, max: 2}, autoscale: {metric: requestRate, target: 5}}", "MLS-E255", "serving/x/replicas/min"),
        ("{model: a, replicas: {min: 1, max: 2}, autoscale: {metric: cpu, target: 80}}", "MLS-E256", "serving/x/autoscale/target"),
        ("{model: a, replicas: {min: 1, max: 2}, autoscale: {metric: cpu, target: 0%}}", "MLS-E256", "serving/x/autoscale/target"),
        ("{model: a, replicas: {min: 1, max: 2}, autoscale: {metric: concurrency, target: 80%}}", "MLS-E256", "serving/x/autoscale/target"),
        ("{model: a, replicas: {min: 1, max: 2}, autoscale: {metric: requestRate, target: 0}}", "MLS-E256", "serving/x/autoscale/target"),
        ("{model: a, autoscale: {metric: cpu, target: 80%}}", "MLS-W250", "serving/x/autoscale"),
        ("{model: a, replicas: 0}", "MLS-W251", "serving/x/replicas"),
        ("{model: a, rollout: {strategy: recreate, gate: online}}", "MLS-E258", "serving/x/rollout/gate"),
        ("{model: a, rollout: {strategy: blueGreen, steps: [5]}, " + X + "}", "MLS-E258", "serving/x/rollout/steps"),
        ("{model: a, rollout: {strategy: canary, steps: [5, 20, 20]}, " + X + "}", "MLS-E259", "serving/x/rollout/steps/2"),
        ("{model: a, split: {b: 99, t: 1}, " + X + "}", "MLS-E260", "serving/x/split/t"),
        ("{model: a, split: {b: 60}, rollout: {strategy: canary, steps: [10, 50]}, " + X + "}", "MLS-E260", "serving/x/rollout/steps/1"),
        ("{model: a, shadow: b}", "MLS-E261", "serving/x/shadow"),
        ("{model: a, split: {b: 9}, rollout: {strategy: canary}}", "MLS-E261", "serving/x/split"),
        ("{model: a, split: {a: 9}, " + X + "}", "MLS-E263", "serving/x/split/a"),
        ("{model: a, split: {b: 9}, shadow: {model: b, percent: 5}, " + X + "}", "MLS-E263", "serving/x/shadow/model"),
        ("{model: a, expose: {host: 10.1.2.3}}", "MLS-E271", "serving/x/expose/host"),
        ("{model: a, expose: {host: a.ns.svc.cluster.local}}", "MLS-E271", "serving/x/expose/host"),
        ("{model: a, expose: {host: " + "a" * 56 + ".acme.example}, rollout: {strategy: blueGreen}}", "MLS-E271", "serving/x/expose/host"),
        ("{model: a, expose: {host: x.acme.example, path: /a/../b}}", "MLS-E272", "serving/x/expose/path"),
        ("{model: a, expose: {host: x.acme.example, path: /a%2Fb}}", "MLS-E272", "serving/x/expose/path"),
        ("{model: a, logging: {mode: all, sink: 'kafka://k/t'}}", "MLS-E273", "serving/x/logging/sink"),
        ("{model: a, logging: {mode: all, sink: 'http://k/t', sample: 0.5}}", "MLS-E274", "serving/x/logging/sample"),
        ("{model: a, access: {from: [crm, acme]}}", "MLS-W252", "serving/x/access/from/1"),
        ("{model: a, resources: {memory: 4}}", "MLS-E275", "serving/x/resources/memory"),
        ("{model: a, transform: {image: r/i, resources: {storage: 100k}}}", "MLS-E275", "serving/x/transform/resources/storage"),
        ("{model: a, resources: {cpu: 0.0005}}", "MLS-E276", "serving/x/resources/cpu"),
        ("{model: a, resources: {memory: 512Ti}}", "MLS-W253", "serving/x/resources/memory"),
        ("{model: a, resources: {gpu: {type: A100, count: 1}}}", "MLS-E277", "serving/x/resources/gpu/type"),
        ("{model: a, place: {tolerations: [{value: x}]}}", "MLS-E278", "serving/x/place/tolerations/0"),
        (
            "{model: a, place: {tolerations: [{key: k, tolerationSeconds: 5}]}}",
            "MLS-E278",
            "serving/x/place/tolerations/0/tolerationSeconds",
        ),
        ("{model: a, place: {nodeSelector: {'a b': c}}}", "MLS-E279", "serving/x/place/nodeSelector/a b"),
        ("{model: a, explain: {method: art, image: r/i}}", "MLS-E280", "serving/x/explain/method"),
        ("{model: a, explain: {method: art, env: {PYTHONPATH: /x}}}", "MLS-E281", "serving/x/explain/env/PYTHONPATH"),
        ("{model: h, batch: {size: 4}}", "MLS-E282", "serving/x/batch"),
    ],
)
def test_fault_of_an_endpoint(endpoint, code, where):
    assert said(endpoint) == [(code, where)]


@pytest.mark.parametrize(
    "endpoint",
    [
        "{model: a}",
        "{model: c}",
        "{model: p}",
        "{model: c, runtime: mlserver}",
        "{model: t, runtime: triton}",
        "{model: a, replicas: {min: 0, max: 0}, description: rests, autoscale: {metric: cpu, target: 0.8}}",
        "{model: a, replicas: {min: 1, max: 2}, autoscale: {metric: memory, target: 100%}}",
        "{model: a, split: {b: 50}, rollout: {strategy: canary, steps: [10, 50]}, " + X + "}",
        "{model: a, rollout: {strategy: canary, steps: [10, 100]}, " + X + "}",
        "{model: a, expose: {host: x.acme.example, path: /v1/}}",
        "{model: a, logging: {mode: all, sink: 'http://k/t', sample: 100%}}",
        "{model: a, resources: {cpu: 0.5, memory: 1Mi, gpu: 0}}",
        "{model: a, place: {tolerations: [{operator: Exists}, {key: k, value: v}]}}",
    ],
)
def test_right_endpoint(endpoint):
    assert [fault for fault in said(endpoint) if fault[0][4] == "E"] == []


@pytest.mark.parametrize(
    ("platform", "endpoint", "codes"),
    [
        ("serving: kubernetes", "{model: p}", ["MLS-E253"]),
        ("serving: kubernetes", "{model: a, logging: {mode: all, sink: 'http://k/t', sample: 5%}}", []),
        ("serving: {kserve: {mode: knative}}", "{model: a, replicas: {min: 0, max: 2}, autoscale: {metric: concurrency, target: 5}}", []),
        ("ci: []", "{model: a, rollout: {strategy: canary, gate: g}, " + X + "}", ["MLS-E262"]),
        ("ci: [], serving: kubernetes", "{model: a, rollout: {strategy: canary, gate: g}, " + X + "}", []),
    ],
)
def test_platform_decides(platform, endpoint, codes):
    assert [code for code, _ in said(endpoint, f"platform: {{{platform}}}")] == codes


@pytest.mark.parametrize(
    ("graph", "code", "where"),
    [
        ("graph: {}", "MLS-E264", "graph"),
        ("graph: {split: {a: 1, b: 99}, sequence: [a]}", "MLS-E264", "graph/sequence"),
        ("graph: {split: {a: 1, b: 98}}", "MLS-E265", "graph/split/b"),
        ("graph: {sequence: [a, {split: {a: 50, b: 49}}]}", "MLS-E265", "graph/sequence/1/split/b"),
        ("graph: {sequence: [{a: {when: count}}]}", "MLS-E266", "graph/sequence/0/a/when"),
        ("graph: {sequence: [{a: {when: plan == pro}}]}", "MLS-E266", "graph/sequence/0/a/when"),
        ("graph: {ensemble: [{a: {when: n > 0}}, b]}", "MLS-E267", "graph/ensemble/0/a/when"),
        ("graph: {switch: [a, b]}", "MLS-E267", "graph/switch/0"),
        ("graph: {sequence: [a]}, env: {A: b}", "MLS-E268", "env"),
        ("graph: {sequence: [a]}, replicas: {min: 1, max: 3}, autoscale: {metric: concurrency, target: 3}", "MLS-E268", "autoscale/metric"),
        ("graph: {sequence: [a, g]}", "MLS-E451", "graph/sequence/1"),
        ("graph: {sequence: [a, {ensemble: [x]}]}", "MLS-E451", "graph/sequence/1/ensemble/0"),
    ],
)
def test_fault_of_a_graph(graph, code, where):
    text = f"{MODELS}serving:\n  a: {{model: a}}\n  b: {{model: b}}\n  x: {{graph: {{sequence: [g]}}}}\n  g: {{{graph}}}\n"
    assert findings(text, *MODULES) == [
        (code, f"serving/{'x/graph/sequence/0' if code == 'MLS-E451' and 'ensemble' in where else 'g/' + where}")
    ]


@pytest.mark.parametrize("condition", ["count > 0", "a.b.0.c == 'x y'", 'plan != "pro"', "ok == true", "score<=-0.5"])
def test_right_condition(condition):
    text = f"{MODELS}serving:\n  a: {{model: a}}\n  g:\n    graph:\n      sequence:\n      - a: {{when: {condition!r}}}\n"
    assert findings(text, *MODULES) == []


def test_ten_thousand_graphs_in_a_row_need_no_recursion():
    chain = "\n".join(f"  g{n}: {{graph: {{sequence: [g{n + 1}]}}}}" for n in range(2000))
    assert findings(f"serving:\n{chain}\n  g2000: {{graph: {{sequence: [g0]}}}}\n", graphs)[0][0] == "MLS-E451"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "environments: {dev: {namespace: d}, prod: {namespace: p}}\nserving: {x: {model: a, expose: {host: x.acme.example}}}",
            [("MLS-E270", "serving/x/expose/host")],
        ),
        (
            (
                "environments: {dev: {namespace: d}, prod: {namespace: p, cluster: 'https://p'}}\n"
                "serving: {x: {model: a, expose: {host: x.acme.example}}}"
            ),
            [],
        ),
        (
            "serving: {x: {model: a, expose: {host: h.acme.example, path: /a}}, y: {model: a, expose: {host: h.acme.example, path: /a/}}}",
            [("MLS-E270", "serving/y/expose/host")],
        ),
        (
            (
                "environments: {dev: {namespace: d}, prod: {namespace: p, overrides: {serving: {x: {expose: {host: y.acme.example}}}}}}\n"
                "serving: {x: {model: a, expose: {host: x.acme.example}}, y: {model: a, expose: {host: y.acme.example}, in: [dev]}}"
            ),
            [("MLS-E270", "environments/prod/overrides/serving/x/expose/host")],
        ),
    ],
)
def test_hosts_of_a_project(text, expected):
    assert findings(f"{MODELS}{text}\n", traffic) == expected
