"""Small specs for tests of changes: drawn at random, compiled, and what they make."""

from pathlib import Path

import yaml

from mlspec.changes.account import account
from mlspec.changes.side import Project, Side
from mlspec.compiler import Request, compile_specs
from mlspec.library import Library

IMAGE = "ghcr.io/acme/train@sha256:" + "0" * 64


def library(project):
    return Library.load(None, project.compiled.spec.parent, project.tree.get("templates"))


def side(folder: Path, *trees, label="a") -> Side:
    """Compile specs, each a map or a text, in folders of their own; a spec that is refused is so in the side."""
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    for number, tree in enumerate(trees):
        spec = folder / f"p{number}" / "mlspec.yaml"
        spec.parent.mkdir(exist_ok=True)
        spec.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree, sort_keys=False))
    outcome = compile_specs(Request(paths=(folder,), keep=True))
    refused = {f"p{number}/mlspec.yaml" for number in range(len(trees))}
    projects = {compiled.name: Project(compiled, Path.cwd()) for compiled in outcome.projects}
    return Side(label, "", projects, outcome.diagnostics, tuple(sorted(refused - {project.spec for project in projects.values()})))


def accounted(folder: Path, before, after, **more):
    """Return the account of a change of one spec; None for a side without it."""
    old = side(folder / "before", *([before] if before is not None else []), label="before")
    new = side(folder / "after", *([after] if after is not None else []), label="after")
    return account(old, new, library, **more)


def basic():
    return {
        "apiVersion": "mlspec.dev/v1",
        "name": "churn",
        "owner": {"team": "growth"},
        "platform": {"repository": {"url": "https://git.example.com/growth/churn.git"}, "ci": ["github"]},
        "vars": {"bucket": "dev-models"},
        "environments": {
            "dev": {"namespace": "churn-dev"},
            "prod": {"namespace": "churn", "after": "dev", "approvals": 2, "vars": {"bucket": "models"}},
        },
        "datasets": {"people": {"uri": "s3://data/people.parquet", "version": {"delta": 3}, "quality": "clean"}},
        "models": {"churn": {"framework": "sklearn", "version": "2.2.1", "uri": "s3://${vars.bucket}/churn/2.2.1"}},
        "pipelines": {
            "train": {
                "image": IMAGE,
                "steps": {
                    "check": {"check": "clean", "data": "people"},
                    "fit": {"run": ["fit", "--out", "${outputs.m}"], "outputs": {"m": "metrics"}, "after": ["check"]},
                    "gate": {"gate": "release", "metrics": "steps.fit.m"},
                },
            }
        },
        "thresholds": {
            "clean": {"on": "data", "rules": [{"metric": "rows", "min": 100}]},
            "release": {"on": "evaluation", "rules": [{"metric": "auc", "min": 0.88}, {"metric": "loss", "max": 0.3}]},
            "alive": {"on": "live", "rules": [{"metric": "errorRate", "max": "1%"}]},
        },
        "serving": {
            "churn-api": {
                "model": "churn",
                "replicas": {"min": 2, "max": 6},
                "expose": {"host": "churn-${env.name}.example.com", "tls": True},
                "rollout": {"strategy": "canary", "steps": [10, 50], "pause": "10m", "gate": "alive"},
            },
            "batch-api": {"model": "churn", "replicas": 1},
        },
        "monitoring": {"churn-api": {"slo": {"availability": "99.9%"}, "alerts": ["alive"]}},
    }


def draw(dice, tree):
    """Change a few things in a spec, of every section."""
    from copy import deepcopy

    made = deepcopy(tree)
    ways = [
        lambda: made["models"]["churn"].update(version=dice.choice(["2.3.0", "2.4.0"])),
        lambda: made["serving"]["churn-api"].update(replicas=dice.choice([1, 3, {"min": 1, "max": 9}])),
        lambda: made["serving"]["churn-api"]["rollout"].update(pause=dice.choice(["5m", "30m"])),
        lambda: made["serving"]["churn-api"].update(resources={"cpu": dice.choice(["1", "2"]), "memory": "2Gi"}),
        lambda: made["serving"].pop("batch-api", None),
        lambda: made["serving"].update(third={"model": "churn", "env": {"A": dice.choice("xyz")}}),
        lambda: made["serving"]["churn-api"].update(access={"from": dice.choice([["web"], ["web", "shop"]])}),
        lambda: made["thresholds"]["release"]["rules"][0].update(min=dice.choice([0.8, 0.9])),
        lambda: made["thresholds"]["alive"]["rules"][0].update(max=dice.choice(["2%", "0.5%"])),
        lambda: made["environments"]["prod"].update(approvals=dice.choice([0, 1, 3])),
        lambda: made["environments"]["prod"].setdefault("overrides", {}).update(serving={"churn-api": {"replicas": dice.choice([4, 8])}}),
        lambda: made["environments"].update(staging={"namespace": "churn-staging"}),
        lambda: made["vars"].update(bucket=dice.choice(["a-models", "b-models"])),
        lambda: made["datasets"]["people"].update(version={"delta": dice.choice([4, 5])}),
        lambda: made["monitoring"]["churn-api"].update(slo={"availability": dice.choice(["99%", "99.5%"])}),
        lambda: made["owner"].update(email=dice.choice(["a@example.com", "b@example.com"])),
        lambda: made["pipelines"]["train"].update(schedule=dice.choice(["0 3 * * *", "0 4 * * *"])),
        lambda: made["pipelines"]["train"]["steps"]["fit"].update(run=["fit", "--fast", "${outputs.m}"]),
        lambda: made.update(description=dice.choice(["one", "two"])),
        lambda: made.update(
            patches=[
                {
                    "target": {"kind": "InferenceService", "name": "churn-api"},
                    "reason": "slow start",
                    "merge": {"spec": {"predictor": {"timeout": 90}}},
                }
            ]
        ),
    ]
    for way in dice.sample(ways, dice.randint(1, 5)):
        way()
    return made
