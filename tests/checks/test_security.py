"""Secrets, images, URIs, expressions and patches."""

import pytest

from checks.build_serving import findings, messages
from mlspec.checks import images, patches, platform, security

MODELS = "models: {a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}}\n"
HEX = "3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
JOINED = "".join
SECRETS = [
    JOINED(("-----BEGIN RSA ", "PRIVATE KEY-----")),
    JOINED(("AKIA", "IOSFODNN7EXAMPLE")),
    JOINED(("AIza", "SyA1234567890abcdefghijklmnopqrstuvw")),
    JOINED(("DefaultEndpointsProtocol=https;AccountKey=", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH==")),
    JOINED(("https://x.blob.core.windows.net/c?sv=1&sig=", "abcdefghijklmnopqrstuvwxyz012345")),
    JOINED(("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789")),
    JOINED(("github_pat_", "11ABCDEFG0abcdefghijklmnop")),
    JOINED(("glpat-", "abcdefghij0123456789")),
    JOINED(("xoxb-", "123456789012-abcdefghijkl")),
    JOINED(("https://hooks.slack.com/", "services/T00000000/B00000000/XXXXXXXXXXXX")),
    JOINED(("hf_", "abcdefghijklmnopqrstuvwxyzABCDEFGH")),
    JOINED(("sk-", "abcdefghijklmnopqrstuvwxyz012345")),
    JOINED(("sk-", "proj-abcdefghijklmnopqrst_uvwxyz012345")),
    JOINED(("eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0In0.", "abcdefghij")),
    "postgresql://user:hunter2@db.acme.example/x",
    "--password=hunter2",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_wherever_it_stands_and_never_printed(secret):
    text = f"{MODELS}description: |\n  see {secret}\nserving: {{x: {{model: a, args: [--x, '{secret}']}}}}\n"
    assert findings(text, security) == [("MLS-E501", "description"), ("MLS-E501", "serving/x/args/1")]
    assert secret[8:] not in messages(text, security)


@pytest.mark.parametrize(
    "harmless",
    [
        "risk-assessment-of-subscribers-in-europe",
        "sk-learn-model-for-subscribers-in-europe",
        "s3://bucket/path:with@signs",
        "https://host:8080/path?x=1",
        "hf://org/model@9d2c1b7",
        "ghcr.io/acme/train@sha256:" + HEX,
        "https://host/a:b@c",
        'rate(http_requests_total{code=~"5.."}[5m])',
    ],
)
def test_what_is_no_secret(harmless):
    assert findings(f"description: '{harmless}'\n", security) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serving: {x: {model: a, env: {DB_PASSWORD: hunter2}}}", [("MLS-E502", "serving/x/env/DB_PASSWORD")]),
        ("serving: {x: {model: a, transform: {image: i, env: {token: abc}}}}", [("MLS-E502", "serving/x/transform/env/token")]),
        ("pipelines: {p: {steps: {s: {run: [x], env: {OPENAI_API_KEY: abc}}}}}", [("MLS-E502", "pipelines/p/steps/s/env/OPENAI_API_KEY")]),
        ("serving: {x: {model: a, env: {DB_PASSWORD: {secret: db/password}}}}", []),
        ("serving: {x: {model: a, env: {MAX_TOKENS: '5', TOKENIZER: x, PASSWORD: ''}}}", []),
        ("serving: {x: {model: a, env: {GOOGLE_APPLICATION_CREDENTIALS: /var/run/key.json}}}", []),
        ("vars: {db_password: hunter2}", [("MLS-E502", "vars/db_password")]),
        (
            "environments: {p: {namespace: p, overrides: {serving: {x: {env: {API_KEY: abc}}}}}}",
            [("MLS-E502", "environments/p/overrides/serving/x/env/API_KEY")],
        ),
        (
            "platform: {monitoring: {prometheus: {url: 'http://169.254.169.254/latest'}}}",
            [("MLS-E507", "platform/monitoring/prometheus/url")],
        ),
        ("datasets: {d: {uri: 'https://metadata.google.internal/x'}}", [("MLS-E507", "datasets/d/uri")]),
        ("description: 'a ${{ github.token }}'", [("MLS-E508", "description")]),
        ("pipelines: {p: {steps: {s: {run: [echo, '{{x}}']}}}}", [("MLS-E509", "pipelines/p/steps/s/run/1")]),
        ("platform: {pipelines: tekton}\npipelines: {p: {steps: {s: {run: [echo, '{{x}}']}}}}", []),
        ("thresholds: {t: {on: live, rules: [{name: '{{ query 1 }}', query: up, min: 1}]}}", [("MLS-E509", "thresholds/t/rules/0/name")]),
        ("serving: {x: {model: a, args: ['{{.Name}}']}}", [("MLS-E509", "serving/x/args/0")]),
        ("platform: {serving: kubernetes}\nserving: {x: {model: a, args: ['{{.Name}}']}}", []),
        ("description: '{{ plain }}'", []),
    ],
)
def test_what_must_not_stand_in_a_spec(text, expected):
    assert findings(f"{MODELS}{text}\n", security) == expected


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("ghcr.io/acme/x", "MLS-E503"),
        ("ghcr.io/acme/x:latest", "MLS-E503"),
        ("localhost:5000/x", "MLS-E503"),
        ("ghcr.io/acme/x:1.0", "MLS-W501"),
        ("ghcr.io/Acme/x:1.0", "MLS-E504"),
        ("ghcr.io/acme/x@sha256:12", "MLS-E504"),
        ("ghcr.io/acme/x@md5:" + "0" * 32, "MLS-E504"),
        ("ghcr.io:99999/acme/x:1", "MLS-E504"),
        ("ghcr.io:/acme/x:1", "MLS-E504"),
        ("ghcr.io/acme//x:1", "MLS-E504"),
        ("ghcr.io/acme/x:", "MLS-E504"),
        ("ghcr.io/acme/x:-a", "MLS-E504"),
        ("https://ghcr.io/acme/x:1", "MLS-E504"),
        ("-x:1", "MLS-E504"),
        (f"registry.acme.example:5000/a/b_c/d-e.f:1.0@sha256:{HEX}", None),
        (f"python@sha256:{HEX}", None),
    ],
)
def test_images(image, code):
    text = f"{MODELS}serving: {{x: {{model: a, runtime: custom, image: '{image}'}}}}\n"
    assert findings(text, images) == ([(code, "serving/x/image")] if code else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: {m: {framework: sklearn, version: '1', uri: 'file:///m'}}", [("MLS-E505", "models/m/uri")]),
        ("models: {m: {framework: sklearn, version: '1', uri: 'lakefs://r/b'}}", [("MLS-E505", "models/m/uri")]),
        ("datasets: {d: {uri: 'lakefs://r/b'}}", []),
        ("datasets: {d: {uri: 'javascript://x'}}", [("MLS-E505", "datasets/d/uri")]),
        ("datasets: {d: {uri: 'abfs://container@account.dfs.core.windows.net/d'}}", []),
        ("datasets: {d: {uri: 's3://key@bucket/d'}}", [("MLS-E506", "datasets/d/uri")]),
        ("models: {m: {framework: huggingface, version: '1', uri: 'hf://org/model@rev'}}", []),
        ("owner: {team: ml, oncall: 'javascript:alert(1)'}", [("MLS-E505", "owner/oncall")]),
        ("owner: {team: ml, oncall: ask around}", [("MLS-E505", "owner/oncall")]),
        ("owner: {team: ml, oncall: 'https://oncall.acme.example/ml'}", []),
    ],
)
def test_uris(text, expected):
    assert findings(f"{text}\n", images) == expected


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ("merge: {spec: {minReadySeconds: 3}}", []),
        ("merge: {spec: {template: {spec: {tolerations: []}}}}", []),
        ("merge: {metadata: {annotations: {acme.example/x: y}}}", []),
        ("json: [{op: add, path: /spec/template/spec/containers/0/env/-, value: {name: A, value: b}}]", []),
        ("json: [{op: test, path: /spec/template/spec/serviceAccountName, value: x}]", []),
        ("json: [{op: add, path: spec, value: 1}]", [("MLS-E510", "json/0/path")]),
        ("json: [{op: add, path: /a~2, value: 1}]", [("MLS-E510", "json/0/path")]),
        ("json: [{op: replace, path: /spec/x}]", [("MLS-E510", "json/0")]),
        ("json: [{op: move, path: /spec/x}]", [("MLS-E510", "json/0")]),
        ("merge: {}, json: [{op: remove, path: /spec/x}]", [("MLS-E510", "json")]),
        ("merge: {spec: {template: {spec: {securityContext: null}}}}", [("MLS-E512", "merge/spec/template/spec/securityContext")]),
        ("merge: {spec: {template: {spec: {containers: [{name: x}]}}}}", [("MLS-E512", "merge/spec/template/spec/containers")]),
        ("merge: {spec: null}", [("MLS-E512", "merge/spec")]),
        ("merge: {metadata: {namespace: kube-system}}", [("MLS-E512", "merge/metadata/namespace")]),
        ("json: [{op: remove, path: /spec/template/spec/containers/0/livenessProbe}]", [("MLS-E512", "json/0/path")]),
        ("json: [{op: replace, path: /spec/template, value: {}}]", [("MLS-E512", "json/0/path")]),
        ("json: [{op: add, path: /spec/template/spec/containers/-, value: {name: x}}]", [("MLS-E512", "json/0/path")]),
        ("json: [{op: add, path: /spec/template/spec/x, value: {privileged: true}}]", [("MLS-E512", "json/0/value/privileged")]),
        ("merge: {metadata: {labels: {app.kubernetes.io/part-of: x}}}", [("MLS-E513", "merge/metadata/labels/app.kubernetes.io/part-of")]),
        ("json: [{op: add, path: /metadata/annotations/argocd.argoproj.io~1hook, value: Sync}]", [("MLS-E513", "json/0/path")]),
        (
            "json: [{op: add, path: /metadata/annotations, value: {sidecar.istio.io/inject: 'true'}}]",
            [("MLS-E513", "json/0/value/sidecar.istio.io/inject")],
        ),
    ],
)
def test_patches(patch, expected):
    text = f"patches: [{{target: {{kind: Deployment}}, reason: r, {patch}}}]\n"
    assert findings(text, patches, platform) == [(code, f"patches/0/{where}") for code, where in expected]


@pytest.mark.parametrize(
    "kind", ["ClusterRole", "Namespace", "Role", "ServiceAccount", "Secret", "NetworkPolicy", "AppProject", "Deploymnet"]
)
def test_kinds_that_are_not_patched(kind):
    text = f"patches: [{{target: {{kind: {kind}}}, reason: r, merge: {{spec: {{x: 1}}}}}}]\n"
    assert findings(text, patches) == [("MLS-E511", "patches/0/target/kind")]


def test_the_destination_of_an_application_is_not_patched():
    text = "patches: [{target: {kind: Application}, reason: r, merge: {spec: {destination: {namespace: x}}}}]\n"
    assert findings(text, patches) == [("MLS-E512", "patches/0/merge/spec/destination")]
