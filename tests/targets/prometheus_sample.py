"""A spec whose endpoints use every field of monitoring, and how tests make plans and objects of it."""

import copy
from pathlib import Path

import yaml

from mlspec.conform import Kinds
from mlspec.examine import examine
from mlspec.library import Library
from mlspec.render import fill

SPEC = """
apiVersion: mlspec.dev/v1
name: shop
description: Orders what people look at by what they are likely to buy.
owner: {team: search, email: search@shop.example, slack: "#search", oncall: https://oncall.shop.example/search}
objectives:
- {kpi: orders per visit, target: 3.1%, baseline: 2.6%, by: 2027-03-31}
platform:
  storage: {secret: object-store}
  identity: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/search"}}
  secrets: {externalSecrets: {store: vault}}
  monitoring:
    prometheus:
      {url: "http://prometheus.watch.svc:9090", pushgateway: "http://push.watch.svc:9091", labels: {watch: "yes"}, dashboards: board}
  repository: {url: https://github.com/shop/ml.git}
  ci: []
environments:
  live: {namespace: shop}
datasets:
  visits:
    uri: s3://shop/visits
    format: parquet
    version: {snapshot: "2026-11-01"}
    schema: {age: {type: integer, min: 0}, plan: {type: category, values: [a, b]}, gender: {type: category, values: [f, m]}}
    refresh: {maxAge: 36h}
models:
  rank:
    {framework: xgboost, version: 1.4.0, uri: s3://shop/rank/1.4.0, trainedBy: train, evaluatedOn: [visits], card: {intendedUse: Order.}}
  rank-b: {framework: sklearn, version: 0.2.0, uri: s3://shop/rank-b/0.2.0}
  words: {framework: huggingface, version: 2.0.0, uri: "hf://shop/words@abc123"}
pipelines:
  train:
    on: [{breach: input-drift}]
    image: "ghcr.io/shop/train@sha256:DIGEST"
    steps:
      fit: {run: [python, -m, shop.fit, "${outputs.model}", "${outputs.metrics}"], outputs: {model: model, metrics: metrics}}
      gate: {gate: release, metrics: steps.fit.metrics}
      register: {register: rank, model: steps.fit.model, after: [gate]}
thresholds:
  release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}
  online:
    on: live
    rules:
    - {metric: latency, quantile: 0.95, max: 80ms, window: 5m}
    - {metric: errorRate, max: 1%, window: 5m}
    - {metric: errorRate, max: 0.5%, window: 30m, severity: warn}
  input-drift:
    on: drift
    rules:
    - {metric: psi, column: age, max: 0.2}
    - {metric: psi, column: plan, max: 0.2}
    - {metric: missingRatio, column: age, max: 5%}
serving:
  rank:
    model: rank
    replicas: {min: 2, max: 6}
    split: {rank-b: 20}
    expose: {host: rank.shop.example}
    logging: {mode: request, sink: s3://shop/log}
  words:
    model: words
    runtime: vllm
    resources: {cpu: "8", memory: 40Gi, gpu: 1}
monitoring:
  rank:
    slo: {availability: 99.9%, latency: {max: 200ms, quantile: 0.99}, window: 30d}
    alerts: [online, input-drift]
    drift: {against: visits, current: s3://shop/requests, every: 30m, image: "ghcr.io/shop/compare@sha256:DIGEST"}
    outliers: {method: isolationForest, share: 1%}
    bias: {across: gender, metric: selectionRate, maxGap: 0.1}
    dashboard: true
    notify: {slack: "#search-alerts", email: alerts@shop.example, webhook: {secret: pager/url}}
  words:
    alerts: [online]
    dashboard: true
""".replace("DIGEST", "ab" * 32)


class Loader(yaml.SafeLoader):
    """YAML whose `on` is a word, as mlspec reads it."""


Loader.yaml_implicit_resolvers = {key: value for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items() if key not in "oO"}


def sample(**changes):
    """Return the spec as data, with dotted changes: ``{"monitoring.rank.notify": None}`` takes a field out."""
    tree = copy.deepcopy(yaml.load(SPEC, Loader))
    for path, value in changes.items():
        holder = tree
        *above, last = path.split(".")
        for part in above:
            holder = holder[part]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return tree


def plan_of(tree, folder: Path, live=None):
    """Return the plan of the last environment of a spec given as data. Raises Rejected."""
    (folder / ".git").mkdir(exist_ok=True)
    file = folder / "mlspec.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return examine(file, folder, str, live or {}).plans[-1]


KINDS = Kinds.load()


def objects_of(plan, renderings, folder: Path):
    """Return the objects that renderings make, by kind and name; each must conform."""
    found = {}
    for manifest in fill(plan, renderings, Library.load(None, folder, None)):
        assert list(KINDS.check(manifest.object, len(manifest.text))) == [], manifest.name
        key = manifest.object["kind"], manifest.object["metadata"]["name"]
        assert key not in found
        found[key] = manifest.object
    return found
