"""The versions of an endpoint that stand side by side, and the traffic that each gets."""

from __future__ import annotations

from typing import NamedTuple

from mlspec.names import version_of
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan

AUTOMATIC = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "tensorflow": "tfserving",
    "pytorch": "triton",
    "onnx": "triton",
    "tensorrt": "triton",
    "mlflow": "mlserver",
    "huggingface": "huggingface",
    "pmml": "pmml",
    "paddle": "paddle",
}
"""The server that ``runtime: auto`` picks. TorchServe is no longer developed, so PyTorch goes to Triton unless it is named."""


class Version(NamedTuple):
    """One version of an endpoint, which answers by itself."""

    name: str
    role: str
    """``stable``, ``canary``, ``split`` or ``shadow``."""
    model: Node
    version: str
    uri: str
    runtime: str
    weight: int
    """The percentage of the traffic whose answers come from it; 0 for a shadow."""


def versions(plan: Plan, endpoint: str) -> list[Version]:
    """Return the versions of an endpoint: the stable one first, then canary, split models and shadow."""
    node = plan.node
    entry = node.serving[endpoint]
    models = node.models
    model = models[entry.model]
    live = plan.live.get(endpoint, {})
    taken = 0
    made: list[Version] = []
    rollout = entry.rollout
    if standing_by(entry, live, model):
        weight = 0 if rollout.strategy == "blueGreen" else rollout.steps[min(int(live.get("step", "0")), len(rollout.steps) - 1)]
        made.append(_version(version_of(endpoint, "canary", plan.namespace), "canary", model, entry.runtime, weight))
        taken += weight
    if "split" in entry:
        for name, percent in sorted(entry.split.items()):
            made.append(_version(version_of(endpoint, name, plan.namespace), "split", models[name], entry.runtime, percent))
            taken += percent
    if "shadow" in entry:
        other = models[entry.shadow.model]
        name = version_of(endpoint, entry.shadow.model, plan.namespace)
        if all(version.name != name for version in made):
            made.append(_version(name, "shadow", other, entry.runtime, 0))
    stable = _version(endpoint, "stable", model, entry.runtime, max(0, 100 - taken))
    if standing_by(entry, live, model):
        stable = stable._replace(version=live["version"], uri=live["uri"])
    return [stable, *made]


def versions_by_label(plan: Plan, endpoint: str) -> dict[str, Version]:
    """Return the versions of an endpoint by what people call them: ``stable``, ``canary``, and the models of a split and a shadow."""
    entry = plan.node.serving[endpoint]
    others = {version_of(endpoint, name, plan.namespace): name for name in entry.split or ()}
    if "shadow" in entry:
        others.setdefault(version_of(endpoint, entry.shadow.model, plan.namespace), entry.shadow.model)
    return {others.get(version.name, version.role): version for version in versions(plan, endpoint)}


def standing_by(entry: Node, live: dict[str, str] | object, model: Node) -> bool:
    """Tell whether a new version stands beside the live one instead of replacing it."""
    if not isinstance(live, dict) or "version" not in live:
        return False
    return entry.rollout.strategy in ("canary", "blueGreen") and (live["version"] != model.version or live["uri"] != model.uri)


def _version(name: str, role: str, model: Node, runtime: str, weight: int) -> Version:
    picked = AUTOMATIC.get(model.framework, "custom") if runtime == "auto" else runtime
    return Version(name, role, model, model.version, model.uri, picked, weight)


def live(plan: Plan) -> dict[str, dict[str, str | int]]:
    """Return what the lock is to remember: the version that answers, where its artifact lies, and a canary's step."""
    made: dict[str, dict[str, str | int]] = {}
    node = plan.node
    for name, entry in node.serving.items():
        if entry.model is None:
            continue
        model = node.models[entry.model]
        known = plan.live.get(name, {})
        if standing_by(entry, known, model):
            made[name] = {**known, "step": int(known.get("step", "0"))}
        else:
            made[name] = {"version": model.version, "uri": model.uri}
    return made
