"""KServe: what each field of an endpoint becomes, and that none is without effect."""

import copy
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from mlspec.__main__ import main
from mlspec.compiler import Request, compile_specs

SPEC = """
apiVersion: mlspec.dev/v1
name: shop
owner: {team: search, email: search@shop.example}
platform:
  storage: {secret: object-store}
  identity: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/search"}}
  secrets: {externalSecrets: {store: vault}}
  gateway: {envoy: {name: front, namespace: edge}}
  ci: []
environments:
  live: {namespace: shop}
models:
  rank: {framework: xgboost, version: 1.4.0, uri: s3://shop/rank/1.4.0, secret: rank-store}
  rank-b: {framework: sklearn, version: 0.2.0, uri: s3://shop/rank-b/0.2.0}
  rank-c: {framework: lightgbm, version: 3.0.0, uri: gs://shop/rank-c/3.0.0}
  words: {framework: huggingface, version: 2.0.0, uri: "hf://shop/words@abc123", secret: hub}
  own: {framework: custom, version: 7.0.0, uri: pvc://models/own}
serving:
  rank:
    model: rank
    replicas: {min: 2, max: 6}
    autoscale: {metric: cpu, target: 70%, cooldown: 5m}
    resources: {cpu: "2", memory: 3Gi, storage: 1Gi}
    place: {nodeSelector: {pool: fast}, tolerations: [{key: fast, operator: Exists}], queue: serving, priority: high, spread: zone}
    rollout: {strategy: canary, steps: [5, 25], pause: 15m}
    split: {rank-b: 20}
    shadow: {model: rank-c, percent: 40}
    expose: {host: rank.shop.example, path: /v2, tls: true}
    logging: {mode: request, sink: http://broker.events.svc/rank}
    access: {from: [web]}
    env: {LOG_LEVEL: "cost $(HOME) $$5", KEY: {secret: rank-keys/key}}
    args: [--workers, "2"]
    batch: {size: 16, delay: 50ms}
    transform: {image: "ghcr.io/shop/rank-transform@sha256:DIGEST", args: [--fast], env: {A: b}, resources: {cpu: 250m, memory: 256Mi}}
    explain: {image: "ghcr.io/shop/rank-explain@sha256:DIGEST", args: [--slow]}
  words:
    model: words
    runtime: vllm
    replicas: {min: 1, max: 3}
    autoscale: {metric: queueDepth, target: 4}
    resources: {cpu: "8", memory: 40Gi, gpu: {type: nvidia.com/gpu, count: 2}}
  own:
    model: own
    runtime: custom
    image: "ghcr.io/shop/own@sha256:DIGEST"
    rollout: {strategy: recreate}
  flow:
    graph: {sequence: [rank, {words: {when: "score > 0.5"}}, {split: {own: 30, rank: 70}}]}
    replicas: {min: 1, max: 2}
    resources: {cpu: 200m, memory: 256Mi}
    expose: {host: flow.shop.example}
""".replace("DIGEST", "ab" * 32)


class Loader(yaml.SafeLoader):
    """YAML as mlspec reads it, near enough for these specs."""


Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))


def compiled(tree, tmp_path):
    """Return the outcome of a spec given as data."""
    (tmp_path / ".git").mkdir(exist_ok=True)
    (tmp_path / "mlspec.yaml").write_text(yaml.safe_dump(plain(tree), sort_keys=False), encoding="utf-8")
    return compile_specs(Request((tmp_path / "mlspec.yaml",)))


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def objects(outcome):
    (project,) = outcome.projects
    found = {}
    for path, data in project.tree.items():
        if path.endswith(".yaml") and not path.endswith("kustomization.yaml"):
            for item in yaml.safe_load_all(data):
                found[item["kind"], item["metadata"]["name"]] = item
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    outcome = compiled(yaml.load(SPEC, Loader), tmp_path_factory.mktemp("shop"))
    assert [d for d in outcome.diagnostics if d.severity == "error"] == []
    return objects(outcome)


def at(item, path):
    for part in path.split("/"):
        item = item[int(part)] if isinstance(item, list) else item[part]
    return item


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("InferenceService", "rank", "spec/predictor/minReplicas", 2),
        ("InferenceService", "rank", "spec/predictor/maxReplicas", 6),
        ("InferenceService", "rank", "spec/predictor/autoScaling/metrics/0/resource/target/averageUtilization", 70),
        ("InferenceService", "rank", "spec/predictor/autoScaling/behavior/scaleDown/stabilizationWindowSeconds", 300),
        ("InferenceService", "rank", "spec/predictor/model/modelFormat", {"name": "xgboost", "version": "2"}),
        ("InferenceService", "rank", "spec/predictor/model/runtime", "kserve-xgbserver"),
        ("InferenceService", "rank", "spec/predictor/model/protocolVersion", "v1"),
        ("InferenceService", "rank", "spec/predictor/model/args", ["--workers", "2"]),
        ("InferenceService", "rank", "spec/predictor/model/env/0/valueFrom/secretKeyRef", {"name": "rank-keys", "key": "key"}),
        ("InferenceService", "rank", "spec/predictor/model/env/1", {"name": "LOG_LEVEL", "value": "cost $$(HOME) $$$$5"}),
        ("InferenceService", "rank", "spec/predictor/model/resources/limits", {"memory": "3Gi", "ephemeral-storage": "1Gi"}),
        ("InferenceService", "rank", "spec/predictor/batcher", {"maxBatchSize": 16, "maxLatency": 50}),
        ("InferenceService", "rank", "spec/predictor/logger", {"mode": "request", "url": "http://broker.events.svc/rank"}),
        ("InferenceService", "rank", "spec/predictor/nodeSelector", {"pool": "fast"}),
        ("InferenceService", "rank", "spec/predictor/priorityClassName", "high"),
        ("InferenceService", "rank", "spec/predictor/topologySpreadConstraints/0/topologyKey", "topology.kubernetes.io/zone"),
        ("InferenceService", "rank", "metadata/labels/kueue.x-k8s.io~queue-name", "serving"),
        ("InferenceService", "rank", "metadata/annotations/serving.kserve.io~autoscalerClass", "hpa"),
        ("InferenceService", "rank", "spec/transformer/containers/0/args", ["--fast"]),
        ("InferenceService", "rank", "spec/explainer/containers/0/args", ["--slow"]),
        ("InferenceService", "rank-rank-b", "spec/predictor/model/args", ["--model_name=rank", "--workers", "2"]),
        ("InferenceService", "rank-rank-c", "spec/predictor/minReplicas", 1),
        ("InferenceService", "words", "spec/predictor/model/storageUri", "hf://shop/words:abc123"),
        ("InferenceService", "words", "spec/predictor/model/modelFormat/name", "vLLM"),
        ("InferenceService", "words", "spec/predictor/model/args", ["--served-model-name=words"]),
        ("InferenceService", "words", "spec/predictor/model/resources/limits/nvidia.com~gpu", "2"),
        ("InferenceService", "words", "metadata/annotations/serving.kserve.io~autoscalerClass", "keda"),
        ("InferenceService", "own", "spec/predictor/containers/0/env/0", {"name": "STORAGE_URI", "value": "pvc://models/own"}),
        ("InferenceService", "own", "spec/predictor/deploymentStrategy", {"type": "Recreate"}),
        ("HTTPRoute", "rank-traffic", "spec/hostnames", ["rank.shop.example"]),
        ("HTTPRoute", "rank-traffic", "spec/parentRefs/0/name", "front"),
        ("HTTPRoute", "rank-traffic", "spec/parentRefs/0/sectionName", "https"),
        ("HTTPRoute", "rank-traffic", "spec/rules/1/backendRefs/0/weight", 80),
        ("HTTPRoute", "rank-traffic", "spec/rules/1/backendRefs/0/name", "rank-transformer"),
        ("HTTPRoute", "rank-traffic", "spec/rules/1/backendRefs/1/weight", 20),
        ("HTTPRoute", "rank-traffic", "spec/rules/1/filters/0/requestMirror/percent", 40),
        ("HTTPRoute", "flow-traffic", "spec/rules/0/backendRefs/0/name", "flow"),
        ("InferenceGraph", "flow", "spec/nodes/root/steps/1/condition", "[@this].#(score>0.5)"),
        ("InferenceGraph", "flow", "spec/nodes/graph-2/steps/0", {"name": "own", "serviceName": "own", "weight": 30}),
        ("ServiceAccount", "rank", "secrets", [{"name": "object-store"}, {"name": "rank-store"}]),
        ("ServiceAccount", "rank", "metadata/annotations/eks.amazonaws.com~role-arn", "arn:aws:iam::1:role/search"),
        ("ExternalSecret", "rank-keys", "spec/secretStoreRef", {"kind": "ClusterSecretStore", "name": "vault"}),
        ("PodDisruptionBudget", "rank", "spec/maxUnavailable", 1),
    ],
)  # fmt: skip
def test_becomes(shop, kind, name, path, value):
    parts = path.split("/")
    item = shop[kind, name]
    for part in parts:
        item = item[int(part)] if isinstance(item, list) else item[part.replace("~", "/")]
    assert item == value


def test_policy_lets_in_who_is_named_and_the_gateway(shop):
    ingress = shop["NetworkPolicy", "rank"]["spec"]["ingress"]
    names = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for peer in ingress[0]["from"]
        if "namespaceSelector" in peer
    ]
    assert names == ["edge", "web"]
    assert shop["NetworkPolicy", "words"]["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]


def test_policy_selects_pods_by_the_label_that_kserve_gives_them(shop):
    assert shop["NetworkPolicy", "words"]["spec"]["podSelector"] == {"matchLabels": {"serving.kserve.io/inferenceservice": "words"}}


WORDS = {
    "metric": ["memory", "concurrency"],
    "strategy": ["blueGreen", "rolling"], "mode": ["all"], "runtime": ["huggingface", "mlserver"], "spread": ["host"],
    "operator": ["Equal"], "framework": ["onnx", "sklearn"], "model": ["rank-b", "words"],
}  # fmt: skip


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def others(path, value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, max(0, value - 1)]
    key = next(part for part in reversed(path) if isinstance(part, str))
    if key in WORDS:
        return [word for word in WORDS[key] if word != value]
    for old, new in (("m", "1m"), ("Gi", "9Gi"), ("Mi", "9Mi"), ("%", "9%"), ("ms", "9ms")):
        if value.endswith(old) and value[: -len(old)].isdigit():
            return [value[: -len(old)] + new]
    return [value + "9", "x" + value]


WHOLE = yaml.load(SPEC, Loader)
LEAVES = [path for path in leaves(WHOLE) if path[0] in ("serving", "models", "platform", "environments") and path != ("platform", "ci")]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutation")

    def make(tree):
        outcome = compiled(tree, folder)
        if not outcome.projects:
            return None
        return {path: data for path, data in outcome.projects[0].tree.items() if not path.endswith(".md")}

    return make


@pytest.mark.slow
def test_every_field_has_an_effect_or_is_refused(manifests):
    before = manifests(WHOLE)
    without_effect = []
    for path in LEAVES:
        value = WHOLE
        for part in path:
            value = value[part]
        outcomes = []
        for other in others(path, value):
            tree = copy.deepcopy(WHOLE)
            holder = tree
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = other
            outcomes.append(manifests(tree))
        # What a custom server's model was made with is documentation: the tree's README says it.
        if all(outcome == before for outcome in outcomes) and path != ("models", "own", "framework"):
            without_effect.append(path)
    assert without_effect == []


def test_a_second_version_stands_beside_the_first(tmp_path):
    from mlspec.compiler import emit_project_lock

    tree = copy.deepcopy(WHOLE)
    first = compiled(tree, tmp_path)
    (tmp_path / "mlspec.lock").write_bytes(emit_project_lock(first.projects[0]))
    tree["models"]["rank"] |= {"version": "1.5.0", "uri": "s3://shop/rank/1.5.0"}
    second = compiled(tree, tmp_path)
    made = objects(second)
    assert made["InferenceService", "rank"]["spec"]["predictor"]["model"]["storageUri"] == "s3://shop/rank/1.4.0"
    assert made["InferenceService", "rank-canary"]["spec"]["predictor"]["model"]["storageUri"] == "s3://shop/rank/1.5.0"
    backends = made["HTTPRoute", "rank-traffic"]["spec"]["rules"][1]["backendRefs"]
    assert [(entry["name"], entry["weight"]) for entry in backends] == [
        ("rank-transformer", 75),
        ("rank-canary-transformer", 5),
        ("rank-rank-b-transformer", 20),
    ]
    assert second.projects[0].lock.live["live/rank"] == {
        "version": "1.4.0",
        "uri": "s3://shop/rank/1.4.0",
        "canary": "1.5.0",
        "canaryUri": "s3://shop/rank/1.5.0",
        "step": 0,
    }
    (tmp_path / "mlspec.lock").write_bytes(emit_project_lock(second.projects[0]))
    assert objects(compiled(tree, tmp_path)) == made


def test_examples_of_the_north_star_when_they_are_there():
    folder = Path(__file__).resolve().parents[3] / "shared" / "design" / "north-star"
    if not folder.is_dir():
        pytest.skip("the north-star specs are not beside this checkout")
    outcome = compile_specs(Request((folder / "minimal.yaml",)))
    assert [d.code for d in outcome.diagnostics] == []
    assert len(outcome.projects) == 1


KNATIVE = """
apiVersion: mlspec.dev/v1
name: shop
owner: {team: search}
platform: {serving: {kserve: {mode: knative}}}
models: {rank: {framework: xgboost, version: VERSION, uri: s3://shop/rank/VERSION}}
serving: {rank: {model: rank, rollout: {strategy: canary, steps: [20, 60]}, expose: {host: rank.shop.example}}}
"""


def test_with_knative_a_canary_is_a_revision_of_the_one_service(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    for version, steps in (("1.0.0", []), ("1.1.0", ["advance", "advance"])):
        (tmp_path / "mlspec.yaml").write_text(KNATIVE.replace("VERSION", version), encoding="utf-8")
        assert main(["compile", "--quiet"]) == 0
        seen.append(services(tmp_path))
        for step in steps:
            assert main(["rollout", step, "rank", "--env", "default"]) == 0
            seen.append(services(tmp_path))
    assert seen == [
        [("rank", "s3://shop/rank/1.0.0", None)],
        [("rank", "s3://shop/rank/1.1.0", 20)],
        [("rank", "s3://shop/rank/1.1.0", 60)],
        [("rank", "s3://shop/rank/1.1.0", None)],
    ]


def services(root):
    """Return name, artifact and share of each InferenceService."""
    objects = yaml.safe_load_all((root / "deploy/shop/default/serving-rank.yaml").read_text(encoding="utf-8"))
    found = [obj for obj in objects if obj["kind"] == "InferenceService"]
    predictors = [(obj["metadata"]["name"], obj["spec"]["predictor"]) for obj in found]
    return [(name, predictor["model"]["storageUri"], predictor.get("canaryTrafficPercent")) for name, predictor in predictors]
