"""Results of gates that are kept in the repository, and what they say of a version."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from mlspec.diagnostics import Found, code
from mlspec.location import Path
from mlspec.promotion.moves import Tree, items
from mlspec.rollout import Rollout
from mlspec.runtime.gate import parse_json, row

_EXACT = 20
"""Characters of a number that a gate always shows as it is."""
_SHOWN = 100
"""Characters of a cell of a result that are shown."""


def gates_of(tree: Tree, model: str) -> list[str]:
    """Return the thresholds that guard a model: those of the `gate` steps in the pipelines that register it."""
    found: dict[str, None] = {}
    for pipeline in items(tree, "pipelines").values():
        steps = [step for step in items(pipeline, "steps").values() if isinstance(step, dict)]
        if any(step.get("register") == model for step in steps):
            found |= {str(step["gate"]): None for step in steps if "gate" in step}
    return list(found)


def result_path(environment: str, model: str, version: str, threshold: str) -> str:
    """Return where the result of a gate lies, from the spec's folder; names and versions hold no slash."""
    return f".mlspec/results/{environment}/{model}/{version}/{threshold}.json"


def fault_of(result: bytes, rules: Mapping[str, Any]) -> str:
    """Say why a result, as `mlspec gate --format json` writes it, is no pass of these rules; nothing when it is one."""
    report = parse_json(result)
    if isinstance(report, str):
        return f"the result {report}"
    rows = report.get("verdicts") if isinstance(report, dict) else None
    if not isinstance(rows, list) or not all(isinstance(entry, dict) and isinstance(entry.get("rule"), str) for entry in rows):
        return "the result is not one of mlspec gate"
    if report.get("threshold") != rules["threshold"]:
        return f"the result is one of {str(report.get('threshold'))[:_SHOWN]}"
    if report.get("on", rules["on"]) != rules["on"]:
        return f"the result is one on {str(report['on'])[:_SHOWN]}"
    broken = []
    for rule in rules["rules"]:
        about = [entry for entry in rows if _is_of(entry, rule)]
        if not about:
            return f"the result is older than the rule {rule['name']} {row(rule, '', '')['bound']}"
        # what was only a warning then may be asked for now
        well = ("passed", "warning") if rule.get("severity") == "warn" else ("passed",)
        broken += [
            entry for entry in about if entry.get("verdict") not in well or (entry["verdict"] == "passed" and not _keeps(entry, rule))
        ]
    known = {id(entry) for entry in broken}  # a hostile result has many
    broken += [entry for entry in rows if entry.get("verdict") not in ("passed", "warning") and id(entry) not in known]
    if broken:
        cells = [[str(entry.get(key))[:_SHOWN] for key in ("rule", "found", "bound")] for entry in broken[:3]]
        return "; ".join("{} {}, expected {}".format(*cell) for cell in cells)
    return "" if report.get("passed") is True else "the result does not say that it passed"


def _keeps(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Tell whether what was found is a number that keeps the bounds of a rule: a verdict that says otherwise was not written by a gate."""
    try:
        found = Decimal(str(entry.get("found")))
    except InvalidOperation:
        return False
    if not found.is_finite():
        return False
    if len(str(entry["found"])) > _EXACT:  # it was rounded to be shown
        return True
    low, high = (Decimal(rule[key]) if key in rule else found for key in ("min", "max"))
    same, gap = (Decimal(rule[key]) if key in rule else found for key in ("equals", "maxGap"))
    return low <= found <= high and found == same and found <= gap


def _is_of(entry: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Tell whether a row of a result is one of a rule, or of a slice of it, with the bound that the rule has now."""
    name, bound = str(rule["name"]), row(dict(rule), "", "")["bound"]
    if entry.get("bound") != bound:
        return False
    if "forEach" in rule and str(entry["rule"]).startswith(f"{name} [{rule['forEach']}="):
        return True
    # where there were no slices at all, the rule has one row of its own name, which failed
    return bool(entry["rule"] == name and ("forEach" not in rule or entry.get("verdict") != "passed"))


@code("MLS-E721", "gate-not-passed")
def gate_not_passed(path: Path, source: str, model: str, threshold: str, file: str, why: str) -> Found:
    """A version is promoted only when it passed its gates in the environment that it comes from.

    The gates of a model are the `gate` steps of the pipelines that register it. Their results are read from
    `.mlspec/results/<environment>/<model>/<version>/<threshold>.json` beside the spec, as `mlspec gate --format json` writes them.
    A result of other rules than those of today does not count: hold the metrics against the gate again.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mkdir -p .mlspec/results/dev/m/2.0.0
        echo '{"auc": 0.8}' > metrics.json
        mlspec gate release --metrics metrics.json --env dev --format json > .mlspec/results/dev/m/2.0.0/release.json
        mlspec promote --from dev --to prod --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mkdir -p .mlspec/results/dev/m/2.0.0
        echo '{"auc": 0.95}' > metrics.json
        mlspec gate release --metrics metrics.json --env dev --format json > .mlspec/results/dev/m/2.0.0/release.json
        mlspec promote --from dev --to prod --format json
    """
    return Found(
        path,
        f"{model} did not pass {threshold} in {source}: {why}",
        f"promote a version that passes; the result is in {file}",
        label="this version",
    )


@code("MLS-E722", "gate-result-missing")
def gate_result_missing(path: Path, source: str, model: str, threshold: str, file: str) -> Found:
    """With `--require-gates`, a version is promoted only when the results of its gates are in the repository.

    Without the option a missing result is said and does not stop the promotion: the pipeline may have stopped a bad version
    before it was registered. See MLS-E721 for where results are kept.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --require-gates --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --require-gates --format json
    """
    return Found(
        path,
        f"there is no result of {threshold} for {model} in {source}",
        f"write it with `mlspec gate {threshold} --metrics FILE --env {source} --format json > {file}`",
        label="this version",
    )


@code("MLS-E727", "aborted-in-source")
def aborted_in_source(path: Path, model: str, rollout: Rollout) -> Found:
    """A version whose rollout was aborted is not promoted to the next environment.

    There the spec names it and the old version serves: its canary did not pass its gate, or a person took it back. Promote another
    version, or let this one finish its rollout first. `mlspec rollout status` tells.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        printf 'serving: {churn: {model: m, rollout: {strategy: canary}, expose: {host: "${env.name}.acme.example"}}}\\n' >> mlspec.yaml
        mlspec compile
        mlspec set --env dev models.m.version 2.0.0
        mlspec compile
        mlspec rollout abort churn --env dev
        mlspec promote --from dev --to prod --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        printf 'serving: {churn: {model: m, rollout: {strategy: canary}, expose: {host: "${env.name}.acme.example"}}}\\n' >> mlspec.yaml
        mlspec compile
        mlspec set --env dev models.m.version 2.0.0
        mlspec compile
        mlspec rollout finish churn --env dev
        mlspec promote --from dev --to prod --format json
    """
    assert rollout.live is not None
    assert rollout.new is not None
    endpoint, environment = rollout.endpoint, rollout.environment
    return Found(
        path,
        f"the rollout of {model} {rollout.new.version} was aborted in {environment}: {endpoint} serves {rollout.live.version}",
        f"promote a version that finished its rollout; `mlspec rollout start {endpoint} --env {environment}` tries this one again",
        label="this version",
    )
