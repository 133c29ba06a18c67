"""A spec whose pipelines are started in every way, train on several nodes and search; and the plans that it makes."""

from __future__ import annotations

import copy

import yaml

from mlspec.compiler import Request, compile_specs
from mlspec.examine import examine

DIGEST = "sha256:" + "ab" * 32
SPEC = f"""
apiVersion: mlspec.dev/v1
name: shop
owner: {{team: search, email: search@shop.example}}
platform:
  storage: {{secret: object-store}}
  identity: {{annotations: {{eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/search"}}}}
  secrets: {{externalSecrets: {{store: vault}}}}
  runner: {{image: "ghcr.io/shop/runner@{DIGEST}"}}
  events: {{argo: {{bus: work}}}}
  ci: []
environments:
  live: {{namespace: shop-live}}
datasets:
  clicks: {{uri: s3://shop/clicks, format: parquet, version: {{snapshot: "2026-11-01"}}, schema: {{n: {{type: integer}}}}}}
models:
  rank: {{framework: xgboost, version: 1.4.0, uri: s3://shop/rank/1.4.0}}
thresholds:
  drifted: {{"on": drift, rules: [{{metric: psi, column: n, max: 0.2}}]}}
serving:
  rank: {{model: rank, expose: {{host: rank.shop.example}}, env: {{KEY: {{secret: shared/key}}}}}}
monitoring:
  rank: {{alerts: [drifted], drift: {{against: clicks, current: s3://shop/requests, every: 1h, image: "ghcr.io/shop/train@{DIGEST}"}}}}
pipelines:
  train:
    schedule: {{cron: "0 3 * * 1", timezone: Europe/Berlin, suspend: true}}
    "on": [{{dataset: clicks}}, {{breach: drifted}}]
    image: "ghcr.io/shop/train@{DIGEST}"
    parameters: {{seed: 7, depth: 4}}
    timeout: 4h
    steps:
      prepare:
        run: [prepare, "${{inputs.raw}}", "${{outputs.table}}"]
        inputs: {{raw: datasets.clicks}}
        outputs: {{table: parquet}}
        secrets: {{TOKEN: prepare-keys/token, KEY: shared/key}}
      search:
        tune:
          objective: {{metric: auc, goal: maximize, target: 0.95}}
          algorithm: tpe
          trials: {{max: 20, parallel: 4, failed: 2}}
          search:
            depth: {{int: [3, 10]}}
            rate: {{double: [0.01, 0.3], scale: log}}
            plan: {{categorical: [basic, pro, 1.5]}}
        run: [fit, "${{inputs.table}}", "--depth=${{params.depth}}", --rate, "${{params.rate}}", --plan, "${{params.plan}}", "it's $(HOME)",
              --seed, "${{params.seed}}"]
        inputs: {{table: steps.prepare.table}}
        env: {{MODE: "fast $$ ${{params.seed}}"}}
        secrets: {{WANDB: tracking/key}}
        resources: {{cpu: "2", memory: 4Gi, storage: 8Gi, gpu: 1}}
        place:
          {{nodeSelector: {{pool: gpu}}, tolerations: [{{key: gpu, operator: Exists}}], queue: search, priority: high, spread: host}}
        timeout: 2h
      fit:
        distributed: {{framework: pytorch, nodes: 4, processesPerNode: 8}}
        run: [torchrun, -m, fit, --data, "${{inputs.table}}", --out, "${{outputs.model}}", --depth, "${{steps.search.best.depth}}",
              "@{{literal}}", "${{HOME}}"]
        inputs: {{table: steps.prepare.table, raw: datasets.clicks}}
        outputs: {{model: model, metrics: metrics}}
        env: {{NCCL_DEBUG: INFO}}
        secrets: {{WANDB: tracking/key}}
        resources: {{cpu: "32", memory: 256Gi, gpu: {{type: nvidia.com/gpu, count: 8}}}}
        place: {{nodeSelector: {{pool: h100}}, tolerations: [{{key: gpu, operator: Exists}}], queue: big, spread: zone}}
        timeout: 90m
  nightly:
    schedule: "@daily"
    image: "ghcr.io/shop/train@{DIGEST}"
    serviceAccount: robot
    steps: {{report: {{run: [report]}}}}
  after:
    "on": [{{pipeline: train}}]
    image: "ghcr.io/shop/train@{DIGEST}"
    steps: {{report: {{run: [report]}}}}
"""


def tree(change=None):
    """Return the spec as data, with some leaves changed: ``{"pipelines/train/timeout": "1h"}``; None removes."""
    made = copy.deepcopy(yaml.load(SPEC, yaml.CSafeLoader))
    for path, value in (change or {}).items():
        *parents, key = path.split("/")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return made


def write(data, folder):
    """Write a spec into a folder that looks like a repository, and return its path."""
    (folder / ".git").mkdir(exist_ok=True)
    path = folder / "mlspec.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def plan_of(data, folder):
    """Return the plan of the one environment."""
    path = write(data, folder)
    (plan,) = examine(path, folder, str, {}).plans
    return plan


def compiled(data, folder):
    """Return the outcome of compiling a spec."""
    return compile_specs(Request((write(data, folder),)))


def objects(outcome):
    """Return the objects of a compiled project by kind and name."""
    (project,) = outcome.projects
    found = {}
    for path, text in project.tree.items():
        if path.endswith(".yaml") and not path.endswith("kustomization.yaml"):
            for item in yaml.load_all(text, yaml.CSafeLoader):
                key = item["kind"], item["metadata"]["name"]
                assert key not in found, f"{key} is there twice"
                found[key] = item
    return found


def place(item, path):
    """Return what lies at a path such as ``spec/containers/0/name``; a slash within a key is written ``~``."""
    for part in path.split("/"):
        item = item[int(part)] if isinstance(item, list) else item[part.replace("~", "/")]
    return item


def pods(value):
    """Yield every pod spec below a value: a map that has containers."""
    if isinstance(value, dict):
        if isinstance(value.get("containers"), list):
            yield value
        for below in value.values():
            yield from pods(below)
    elif isinstance(value, list):
        for below in value:
            yield from pods(below)


def is_restricted(pod, container=None):
    """Tell whether a pod, or one container of it, is what the restricted pod security profile asks for."""
    whole = pod["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in pod["containers"] if container is None else [container]:
        own = one["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
    return True
