"""A repository whose endpoint goes over step by step."""

from __future__ import annotations

from mlspec.lock import parse_lock
from repository.build_clone import commit_all, git

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
platform: {ci: [github], repository: {url: "https://github.com/acme/ml.git"}}
environments:
  dev: {namespace: churn-dev, overrides: {serving: {api: {rollout: {strategy: rolling, steps: null, pause: null, gate: null}}}}}
  prod: {namespace: churn, after: dev}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/1.0.0"}}
thresholds:
  online: {on: live, rules: [{metric: errorRate, max: 1%, minSamples: 100}, {metric: latency, quantile: 0.95, max: 200ms, window: 10m}]}
serving:
  api:
    model: churn
    rollout: {strategy: canary, steps: [10, 50], pause: 10m, gate: online}
"""
EXPOSED = SPEC.replace("gate: null}}}}}", "gate: null}, expose: {host: dev.acme.example}}}}}")
CANARY = EXPOSED + "    expose: {host: churn.acme.example}\n"
BLUE_GREEN = CANARY.replace("{strategy: canary, steps: [10, 50], pause", "{strategy: blueGreen, pause").replace("steps: null, ", "")


def make(folder, text=CANARY):
    """Make a repository with one spec, not compiled."""
    git(folder, "init", "-q", "-b", "main", ".")
    (folder / "mlspec.yaml").write_text(text)
    return folder


def set_version(folder, version):
    """Let the spec name another version."""
    import re

    spec = folder / "mlspec.yaml"
    text = re.sub(r'version: "[^"]*", uri: "[^"]*"', f'version: "{version}", uri: "s3://acme/churn/{version}"', spec.read_text())
    spec.write_text(text)


def facts(folder, place="prod/api"):
    """Return what the lock says of an endpoint."""
    return dict(parse_lock((folder / "mlspec.lock").read_bytes(), "mlspec.lock").live[place])


def tree(folder):
    """Return every file that mlspec owns, and the lock."""
    lock = parse_lock((folder / "mlspec.lock").read_bytes(), "mlspec.lock")
    return {path: (folder / path).read_bytes() for path in [*lock.files, "mlspec.lock"]}


def weights(folder, environment="prod"):
    """Return the Services that answer, with their shares, from the tree."""
    import yaml

    text = (folder / f"deploy/churn/{environment}/serving-api.yaml").read_text()
    routes = {made["metadata"]["name"]: made for made in yaml.safe_load_all(text) if made["kind"] == "HTTPRoute"}
    rules = routes["api-traffic"]["spec"]["rules"]
    return {entry["name"].removesuffix("-predictor"): entry["weight"] for entry in rules[-1]["backendRefs"]}


__all__ = ["BLUE_GREEN", "CANARY", "commit_all", "facts", "git", "make", "set_version", "tree", "weights"]
