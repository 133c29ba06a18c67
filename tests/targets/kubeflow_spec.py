"""A spec that uses every field of pipelines that Kubeflow can do, and what it takes to compile one."""

from decimal import Decimal

import yaml

from mlspec.compiler import Request, compile_specs

DIGEST = "ab" * 32
SPEC = f"""
apiVersion: mlspec.dev/v1
name: shop
description: Ranks what people look for.
owner: {{team: search, email: search@shop.example}}
platform:
  ci: []
  pipelines: {{kubeflow: {{version: "2.14", api: "http://pipelines.ml.svc:8888"}}}}
  registry: {{mlflow: "http://mlflow.ml.svc:5000"}}
  runner: {{image: "ghcr.io/shop/runner@sha256:{DIGEST}"}}
environments:
  live: {{namespace: shop}}
datasets:
  clicks:
    {{uri: s3://shop/clicks, format: parquet, version: {{snapshot: n12}}, schema: {{day: {{type: date}}, price: {{type: number, min: 0}}}}}}
  fresh: {{uri: s3://shop/fresh, format: parquet}}
models:
  rank: {{framework: xgboost, version: 1.4.0, uri: s3://shop/rank/1.4.0, trainedBy: train}}
thresholds:
  clicks-quality: {{on: data, rules: [{{metric: rows, min: 100}}]}}
  release:
    on: evaluation
    rules:
    - {{metric: auc, min: 0.8}}
    - {{metric: auc, noWorseThan: champion, tolerance: 0.01}}
    - {{metric: recall, min: 0.6, forEach: country}}
pipelines:
  train:
    schedule: {{cron: "0 3 * * 1", timezone: Europe/Berlin, suspend: true}}
    on: [{{dataset: clicks}}]
    image: "ghcr.io/shop/train@sha256:{DIGEST}"
    parameters: {{depth: 6, rate: 0.25, note: "a $HOME $(HOME) $$5", fast: true}}
    retries: 2
    timeout: 4h
    cache: true
    serviceAccount: trainer
    steps:
      look:
        check: clicks-quality
        data: clicks
        timeout: 10m
      prepare:
        run:
          [tool, prepare, --in, "${{inputs.raw}}", --out, "${{outputs.table}}", --rows, "${{outputs.rows}}",
           --note, "${{params.note}}", --cost, "$$5 $(X) ${{HOME}} $${{HOME}}"]
        inputs: {{raw: datasets.clicks}}
        outputs: {{table: parquet, rows: value}}
        after: [look]
        env: {{LEVEL: "level ${{params.depth}} $(HOME)"}}
        secrets: {{TOKEN: hub/token, USER_NAME: hub/user, OTHER: store/key}}
        resources: {{cpu: "2", memory: 3Gi, gpu: {{type: nvidia.com/gpu, count: 1}}}}
        place:
          nodeSelector: {{pool: fast}}
          tolerations: [{{key: fast, operator: Equal, value: "yes", effect: NoExecute, tolerationSeconds: 60}}]
          queue: training
        retries: 3
        timeout: 1h30m
        cache: false
      again: {{use: prepare, env: {{LEVEL: other}}, after: [look]}}
      search:
        tune:
          objective: {{metric: auc, goal: maximize, target: 0.99}}
          algorithm: tpe
          trials: {{max: 20, parallel: 4, failed: 2}}
          search:
            depth: {{int: [3, 9]}}
            rate: {{double: [0.01, 0.3], scale: log}}
        run: [tool, trial, "${{steps.prepare.table}}", "${{params.depth}}", "${{params.rate}}"]
      nodes:
        distributed: {{framework: pytorch, nodes: 3, processesPerNode: 2}}
        run: [torchrun, fit.py, "${{inputs.table}}", "${{outputs.weights}}"]
        inputs: {{table: steps.prepare.table}}
        outputs: {{weights: model}}
        resources: {{cpu: "4", memory: 8Gi, storage: 20Gi, gpu: 2}}
        place: {{queue: big, spread: host}}
      fit:
        run: |
          tool fit "${{inputs.table}}" "${{outputs.model}}" "${{outputs.metrics}}" "${{outputs.slices}}" \\
            --depth "${{steps.search.best.depth}}" --rows "${{steps.prepare.rows}}" --fast "${{params.fast}}" \\
            --from "${{inputs.weights}}" --old "${{inputs.old}}" --rate "${{inputs.rate}}"
        inputs: {{table: steps.prepare.table, weights: steps.nodes.weights, old: models.rank, rate: params.rate}}
        outputs: {{model: model, metrics: metrics, slices: slices}}
        image: "ghcr.io/shop/fit@sha256:{DIGEST}"
      report:
        notebook: notebooks/report.ipynb
        parameters: {{title: "run of ${{params.note}}", depth: "${{params.depth}}", limit: 10, share: 0.5, plots: true}}
        inputs: {{metrics: steps.fit.metrics}}
        outputs: {{page: file}}
      gate: {{gate: release, metrics: steps.fit.metrics, slices: steps.fit.slices}}
      register: {{register: rank, model: steps.fit.model, metrics: steps.fit.metrics, after: [gate]}}
  nightly:
    on: [{{pipeline: train}}]
    image: "ghcr.io/shop/train@sha256:{DIGEST}"
    parameters: {{day: monday}}
    steps:
      score:
        score: rank
        data: fresh
        output: "s3://shop/scores/${{params.day}}"
        run: [tool, score, "${{inputs.model}}", "${{inputs.data}}", "${{outputs.scores}}"]
      publish:
        run: [tool, publish, "${{inputs.scores}}"]
        inputs: {{scores: steps.score.scores}}
        resources: {{cpu: 250m, memory: 512Mi}}
"""


class Loader(yaml.SafeLoader):
    """YAML as mlspec reads it, near enough for these specs."""


Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
Loader.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in entries if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, entries in Loader.yaml_implicit_resolvers.items()
}


def tree():
    """Return the spec as data."""
    return yaml.load(SPEC, Loader)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def compiled(spec, folder):
    """Return the outcome of a spec given as data."""
    (folder / ".git").mkdir(exist_ok=True)
    (folder / "mlspec.yaml").write_text(yaml.safe_dump(plain(spec), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return compile_specs(Request((folder / "mlspec.yaml",)))


def errors(outcome):
    """Return the codes and messages of what was found wrong."""
    return [(d.code, d.message) for d in outcome.diagnostics if d.severity == "error"]


def objects(outcome, environment="live"):
    """Return the objects of an environment by kind and name."""
    (project,) = outcome.projects
    found = {}
    for path, data in project.tree.items():
        if f"/{environment}/" in path and path.endswith(".yaml") and not path.endswith("kustomization.yaml"):
            for item in yaml.safe_load_all(data):
                found[item["kind"], item["metadata"]["name"]] = item
    return found


def version(made, pipeline):
    """Return the PipelineVersion of a pipeline."""
    (found,) = [item for (kind, _), item in made.items() if kind == "PipelineVersion" and item["spec"]["pipelineName"] == pipeline]
    return found
