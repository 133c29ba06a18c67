"""Environments, overrides and the platform."""

import pytest

from checks.build_serving import findings, messages
from mlspec.checks import environments, overrides, platform

BASE = """\
vars: {bucket: b}
datasets: {events: {uri: s3://d/e, schema: {age: {type: integer}}}}
models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}
pipelines: {fit: {image: r/i, steps: {one: {run: [x]}}}}
serving: {x: {model: a, env: {A: b}}, y: {model: a, in: [prod]}}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{dev: {namespace: d}, prod: {namespace: p, after: dve}}", [("MLS-E452", "environments/prod/after")]),
        ("{dev: {namespace: d, after: dev}, prod: {namespace: p}}", [("MLS-E453", "environments/dev/after")]),
        ("{dev: {namespace: d, after: prod}, prod: {namespace: p, after: dev}}", [("MLS-E453", "environments/dev/after")]),
        ("{dev: {namespace: d}, prod: {namespace: p, vars: {bukcet: x}}}", [("MLS-E455", "environments/prod/vars/bukcet")]),
        ("{dev: {namespace: p}, prod: {namespace: p}}", [("MLS-E458", "environments/prod/namespace")]),
        ("{dev: {namespace: p, cluster: in-cluster}, prod: {namespace: p}}", [("MLS-E458", "environments/prod/namespace")]),
        ("{dev: {namespace: p, cluster: 'https://x'}, prod: {namespace: p}}", []),
        ("{dev: {namespace: d}, prod: {namespace: p, cluster: 'http://x'}}", [("MLS-E459", "environments/prod/cluster")]),
        ("{dev: {namespace: d}, test: {namespace: t, after: dev}, prod: {namespace: p, after: dev}}", []),
    ],
)
def test_environments(text, expected):
    assert findings(f"{BASE}environments: {text}\n", environments) == expected


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ("serving: {z: {replicas: 2}}", "serving/z"),
        ("serving: {x: null, z: null}", "serving/z"),
        ("serving: {x: {replicas: null}}", "serving/x/replicas"),
        ("serving: {y: {replicas: 2}}", "serving/y"),
        ("models: {b: {version: 2.0.0}}", "models/b"),
        ("pipelines: {fit: {steps: {two: {image: r/j}}}}", "pipelines/fit/steps/two"),
        ("datasets: {events: {schema: {aeg: {min: 3}}}}", "datasets/events/schema/aeg"),
        ("thresholds: {t: {mode: report}}", "thresholds/t"),
        ("serving: {x: {env: {B: null}}}", "serving/x/env/B"),
    ],
)
def test_override_of_nothing(over, where):
    text = f"{BASE}environments: {{prod: {{namespace: p}}, dev: {{namespace: d, overrides: {{{over}}}}}}}\n"
    assert findings(text, overrides) == [("MLS-E456", f"environments/dev/overrides/{where}")]


@pytest.mark.parametrize(
    "over",
    [
        "serving: {x: {replicas: 2, resources: {cpu: 2}, env: {A: c, B: d}}}",
        "serving: {x: null}",
        "serving: {z: {model: a}}",
        "serving: {x: {env: {A: null}}}",
        "models: {b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}}",
        "pipelines: {fit: {steps: {two: {run: [y]}}, timeout: 5m}}",
        "thresholds: {t: {on: live, rules: [{metric: errorRate, max: 1%}]}}",
        "governance: {risk: high}",
        "datasets: {events: {schema: {age: {min: 3}, city: {type: string}}}}",
    ],
)
def test_right_override(over):
    assert findings(f"{BASE}environments: {{prod: {{namespace: p}}, dev: {{namespace: d, overrides: {{{over}}}}}}}\n", overrides) == []


def test_near_name_is_offered():
    text = f"{BASE}environments: {{prod: {{namespace: p, overrides: {{models: {{aa: {{version: 2.0.0}}}}}}}}}}\n"
    assert "did you mean `a`?" in messages(text, overrides)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{serving: {kserve: {}, seldon: {}}}", [("MLS-E283", "platform/serving/seldon")]),
        ("{gateway: {}}", [("MLS-E283", "platform/gateway")]),
        ("{gitops: flux}", [("MLS-W254", "platform/gitops")]),
        ("{gitops: none}", []),
        ("{serving: {kserve: {version: latest}}}", [("MLS-E285", "platform/serving/kserve/version")]),
        ("{pipelines: {kubeflow: {version: '2.5'}}}", [("MLS-E285", "platform/pipelines/kubeflow/version")]),
        ("{repository: {url: 'file:///srv/git'}}", [("MLS-E285", "platform/repository/url")]),
        ("{repository: {url: '--upload-pack=x'}}", [("MLS-E285", "platform/repository/url")]),
        ("{repository: {url: 'ext::sh -c x'}}", [("MLS-E285", "platform/repository/url")]),
        ("{repository: {url: 'https://token@github.com/a/b'}}", [("MLS-E285", "platform/repository/url")]),
        ("{repository: {url: 'git@github.com:a/b.git'}}", []),
        ("{repository: {url: 'ssh://git@host:2222/a/b.git', branch: release/2027.1}}", []),
        ("{repository: {url: 'https://h/a', branch: a..b}}", [("MLS-E285", "platform/repository/branch")]),
        ("{repository: {url: 'https://h/a', branch: 'a$(id)'}}", [("MLS-E285", "platform/repository/branch")]),
        ("{identity: {annotations: {iam.gke.io/gcp-service-account: a@b}}}", []),
        (
            "{identity: {annotations: {sidecar.istio.io/inject: 'true'}}}",
            [("MLS-E514", "platform/identity/annotations/sidecar.istio.io/inject")],
        ),
        ("{identity: {annotations: {'a b': c}}}", [("MLS-E514", "platform/identity/annotations/a b")]),
        ("{monitoring: {prometheus: {labels: {'a b': c}}}}", [("MLS-E285", "platform/monitoring/prometheus/labels/a b")]),
    ],
)
def test_platform(text, expected):
    if "gateway: {}" in text:  # no environment can be made of it, so only the check itself is asked
        from checks.build_serving import load
        from mlspec.checks.subject import Project

        found = platform.one_word_a_key(Project(load(f"platform: {text}\n"), None, ()))
        assert [(f.code.id, "/".join(map(str, f.found.path))) for f in found] == expected
        return
    assert findings(f"platform: {text}\n", platform) == expected
