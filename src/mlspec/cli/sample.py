"""A small spec that every target is shown, so that the names of its templates can be listed with values."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target, View

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
description: Who is about to leave?
owner: {team: growth, email: growth@acme.example}
platform:
  PLATFORM
  repository: {url: https://git.acme.example/growth/churn.git}
  secrets: {externalSecrets: {store: vault}}
  storage: {secret: model-store}
  gateway: {istio: {name: public, namespace: gateways}}
environments:
  prod: {namespace: churn, cluster: https://k8s.acme.example}
datasets:
  customers: {uri: s3://acme/customers, format: parquet, version: {snapshot: "2026-11-01"}, schema: {age: {type: integer}}}
models:
  churn: {framework: sklearn, version: 2.0.0, uri: s3://acme/churn/2.0.0, secret: model-store}
  plain: {framework: xgboost, version: 1.0.0, uri: s3://acme/plain/1.0.0}
thresholds:
  quality: {on: data, rules: [{metric: rows, min: 100}]}
  release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}
  online: {on: live, rules: [{metric: errorRate, max: 1%}]}
  drifted: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}
pipelines:
  train:
    schedule: "0 3 * * 1"
    on: [{dataset: customers}, {breach: drifted}]
    image: ghcr.io/acme/train@sha256:DIGEST
    steps:
      look: {check: quality, data: customers}
      search:
        tune: {objective: {metric: auc, goal: maximize}, trials: {max: 9}, search: {depth: {int: [2, 9]}}}
        run: [fit, "${params.depth}"]
        after: [look]
      fit:
        run: [fit, "${inputs.rows}", "${outputs.model}", "${outputs.metrics}"]
        inputs: {rows: datasets.customers}
        outputs: {model: model, metrics: metrics}
        after: [search]
        secrets: {TOKEN: hub/token}
      gate: {gate: release, metrics: steps.fit.metrics}
      register: {register: churn, model: steps.fit.model, after: [gate]}
serving:
  churn:
    model: churn
    replicas: {min: 2, max: 6}
    autoscale: {metric: cpu, target: 70%}
    expose: {host: churn.acme.example}
    rollout: {strategy: canary, steps: [10, 50], pause: 30m}
    split: {plain: 5}
    access: {from: [shop]}
  plain: {model: plain}
  both: {graph: {ensemble: [churn, plain]}}
monitoring:
  churn:
    slo: {availability: 99.9%}
    alerts: [online, drifted]
    drift: {against: customers, current: s3://acme/requests, every: 30m, image: ghcr.io/acme/train@sha256:DIGEST}
    dashboard: true
    notify: {slack: "#growth", webhook: {secret: pager/url}}
""".replace("DIGEST", "ab" * 32)
OTHER = {"kserve": "serving: {kserve: {mode: knative}}"}
"""The other way to run a target, where some of its templates are filled in no other."""
LIVE = {"prod/churn": {"version": "1.0.0", "model": "churn", "uri": "s3://acme/churn/1.0.0", "runtime": "sklearn", "step": "0"}}


class Sample(NamedTuple):
    """What a template is filled with."""

    kind: type[View]
    views: tuple[View, ...]
    """Every view that the small spec gives it, richest story first."""


def find_samples() -> dict[str, list[Sample]]:
    """Return every template that a target fills, with the classes of views it is filled with and views of each."""
    from mlspec.targets import find_targets

    found: dict[str, dict[type[View], list[View]]] = {}
    for target in find_targets():
        for rendering in _renderings(target):
            found.setdefault(rendering.template, {}).setdefault(type(rendering.view), []).append(rendering.view)
    return {name: [Sample(kind, tuple(views)) for kind, views in kinds.items()] for name, kinds in sorted(found.items())}


def _renderings(target: Target) -> Iterator[Rendering]:
    """Yield what a target makes of the small spec, on the platform that is its own."""
    key, word = target.platform or ("gitops", "argocd")
    own = f"{key}: [{word}]" if key == "ci" else f"{key}: {word}"
    for words in (own, OTHER[target.name]) if target.name in OTHER else (own,):
        plans = _plan(SPEC.replace("PLATFORM", words))
        for plan in plans:
            yield from target.render(plan)
        if target.render_project:
            yield from target.render_project(plans)


def _plan(text: str) -> tuple[Plan, ...]:
    from mlspec.examine import examine

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        spec = root / "mlspec.yaml"
        spec.write_text(text, encoding="utf-8")
        return examine(spec, root, Path.as_posix, LIVE).plans
