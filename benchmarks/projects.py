"""Projects for measuring: as many as wanted, all different, the same on every machine."""

from __future__ import annotations

from pathlib import Path

FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "onnx", "tensorflow", "mlflow")
TEAMS = ("pricing", "search", "fraud", "logistics", "ads", "support", "growth")
SUBJECTS = ("churn", "demand", "ranking", "risk", "arrival", "basket", "intent", "quality", "spam", "price")

HEAD = """\
apiVersion: mlspec.dev/v1
name: {name}
description: Project {number} of the fleet; it scores {subject} for {team}.
owner:
  team: {team}
  email: {team}@fleet.example
  slack: "#{team}"

platform:
  repository: {{url: https://git.fleet.example/{team}/{name}.git}}
{registry}{secrets}
vars:
  bucket: {team}-models-dev
  domain: dev.fleet.example

environments:
  dev:
    namespace: {name}-dev
  staging:
    namespace: {name}-staging
    after: dev
    vars: {{bucket: {team}-models-staging, domain: staging.fleet.example}}
  prod:
    namespace: {name}
    cluster: https://k8s-{region}.fleet.example
    after: staging
    approvals: {approvals}
    vars: {{bucket: {team}-models, domain: fleet.example}}
    overrides:
      serving:
        {subject}-0:
          replicas: {{min: {low}, max: {high}}}
          resources: {{cpu: "{cpu}", memory: {memory}Gi}}

models:
"""
MODEL = """\
  {subject}-{at}:
    description: Model {at} of {name}.
    framework: {framework}
    version: {major}.{minor}.{at}
    uri: s3://${{vars.bucket}}/{name}/{subject}-{at}/{major}.{minor}.{at}
"""
ENDPOINT = """\
  {subject}-{at}:
    model: {subject}-{at}
    replicas: {{min: 1, max: {most}}}
    resources: {{cpu: 500m, memory: 1Gi}}
    expose: {{host: "{subject}-{at}-{name}.${{vars.domain}}"}}
    access: {{from: [{caller}, web]}}
    env: {{LOG_LEVEL: info, REGION: "{region}"}}
"""
DATA = """
datasets:
  rows:
    description: What {subject} of {name} is learnt from.
    uri: s3://${{vars.bucket}}/{name}/rows
    format: parquet
    version: {{snapshot: "{minor:04d}"}}
    quality: rows-quality
    schema:
      id: {{type: string, key: true}}
      amount: {{type: number, min: 0, max: {high}000}}
      region: {{type: category, values: [eu, us, ap]}}
      outcome: {{type: boolean, label: true}}

pipelines:
  train:
    schedule: {{cron: "{minor} {hour} * * {day}", timezone: Europe/Berlin}}
    image: ghcr.io/fleet-example/{subject}-train:{major}.{minor}@sha256:{image:064x}
    parameters: {{depth: {high}, rate: 0.{low}5, seed: {number}}}
    retries: {low}
    timeout: {high}h
    steps:
      check:
        check: rows-quality
        data: rows
      fit:
        run: [python, -m, {subject}.fit, --rows, "${{inputs.rows}}", --model, "${{outputs.model}}", --depth, "${{params.depth}}",
              --rate, "${{params.rate}}", --seed, "${{params.seed}}"]
        inputs: {{rows: datasets.rows}}
        outputs: {{model: model}}
        after: [check]
        resources: {{cpu: "{cpu}", memory: {memory}Gi}}
      evaluate:
        run: [python, -m, {subject}.evaluate, --model, "${{inputs.model}}", --rows, "${{inputs.rows}}", --metrics, "${{outputs.metrics}}"]
        inputs: {{model: steps.fit.model, rows: datasets.rows}}
        outputs: {{metrics: metrics}}
      gate:
        gate: release
        metrics: steps.evaluate.metrics
      register:
        register: {subject}-0
        model: steps.fit.model
        after: [gate]

"""
RULES = """
thresholds:
"""
RULES_OF_TRAINING = """\
  rows-quality:
    on: data
    rules:
    - {{metric: rows, min: {high}000}}
    - {{metric: nullRatio, column: amount, max: {low}%}}
  release:
    on: evaluation
    rules:
    - {{metric: auc, min: 0.8{approvals}}}
    - {{metric: recall, min: 0.7{low}}}
"""
RULES_OF_TRAFFIC = """\
  online:
    on: live
    rules:
    - {{metric: latency, quantile: 0.95, max: {high}0ms, window: 5m}}
    - {{metric: errorRate, max: {low}%, window: 5m}}
"""
MONITORING = """
monitoring:
  {subject}-0:
    slo: {{availability: 99.{low}%, window: 30d}}
    alerts: [online]
    dashboard: true
"""
EXTRAS = (
    "",
    "    rollout: {{strategy: canary, steps: [10, 50], pause: 15m}}\n",
    "    logging: {{mode: all, sink: http://broker.mlops.svc/{name}}}\n",
    "    autoscale: {{metric: cpu, target: 70%}}\n",
    "    place: {{spread: zone}}\n",
)


def spec(number: int) -> str:
    """Return the text of one project's spec."""
    trains, watched = number % 2 == 0, number % 5 < 3
    subject, team = SUBJECTS[number % len(SUBJECTS)], TEAMS[number % len(TEAMS)]
    facts = {
        "number": number,
        "name": f"{subject}-{number:05d}",
        "subject": subject,
        "team": team,
        "region": ("eu", "us", "ap")[number % 3],
        "approvals": number % 4,
        "low": 2 + number % 3,
        "high": 8 + number % 13,
        "cpu": 1 + number % 4,
        "memory": 2 + number % 6,
        "most": 2 + number % 5,
        "major": 1 + number % 9,
        "minor": number % 17,
        "hour": number % 24,
        "day": number % 7,
        "image": number * 7919,
        "registry": "  registry: {mlflow: http://mlflow.mlops.svc:5000}\n" if trains else "",
        "secrets": "  secrets: {externalSecrets: {store: vault}}\n  storage: {secret: model-store}\n" if number % 3 == 0 else "",
    }
    made = [HEAD.format(**facts)]
    endpoints = 1 + number % 3
    made += [MODEL.format(at=at, framework=FRAMEWORKS[(number + at) % len(FRAMEWORKS)], **facts) for at in range(endpoints)]
    made.append("\nserving:\n")
    for at in range(endpoints):
        text = ENDPOINT + EXTRAS[(number + at) % len(EXTRAS)]
        made += [text.format(at=at, caller=TEAMS[(number + at + 1) % len(TEAMS)], **facts)]
    if trains:
        made.append(DATA.format(**facts))
    if trains or watched:
        made.append(RULES)
    if trains:
        made.append(RULES_OF_TRAINING.format(**facts))
    if watched:
        made += [RULES_OF_TRAFFIC.format(**facts), MONITORING.format(**facts)]
    return "".join(made)


def write_fleet(root: Path, projects: int) -> None:
    """Write so many projects below a folder that is the root of a repository."""
    (root / ".git").mkdir(parents=True)
    for number in range(projects):
        folder = root / "projects" / f"p{number:05d}"
        folder.mkdir(parents=True)
        (folder / "mlspec.yaml").write_text(spec(number), encoding="utf-8")
