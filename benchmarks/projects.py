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
{secrets}
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
EXTRAS = (
    "",
    "    rollout: {{strategy: canary, steps: [10, 50], pause: 15m}}\n",
    "    logging: {{mode: all, sink: http://broker.mlops.svc/{name}}}\n",
    "    autoscale: {{metric: cpu, target: 70%}}\n",
    "    place: {{spread: zone}}\n",
)


def spec(number: int) -> str:
    """Return the text of one project's spec."""
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
        "secrets": "  secrets: {externalSecrets: {store: vault}}\n  storage: {secret: model-store}\n" if number % 3 == 0 else "",
    }
    made = [HEAD.format(**facts)]
    endpoints = 1 + number % 3
    made += [MODEL.format(at=at, framework=FRAMEWORKS[(number + at) % len(FRAMEWORKS)], **facts) for at in range(endpoints)]
    made.append("\nserving:\n")
    for at in range(endpoints):
        text = ENDPOINT + EXTRAS[(number + at) % len(EXTRAS)]
        made += [text.format(at=at, caller=TEAMS[(number + at + 1) % len(TEAMS)], **facts)]
    return "".join(made)


def write_fleet(root: Path, projects: int) -> None:
    """Write so many projects below a folder that is the root of a repository."""
    (root / ".git").mkdir(parents=True)
    for number in range(projects):
        folder = root / "projects" / f"p{number:05d}"
        folder.mkdir(parents=True)
        (folder / "mlspec.yaml").write_text(spec(number), encoding="utf-8")
