"""The versions of an endpoint that stand side by side, and the traffic that each gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlspec.names import version_of
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan, remembered

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


@remembered
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
        weight = 0 if rollout.strategy == "blueGreen" else rollout.steps[step_of(entry, live, model)]
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
    if outstanding(entry, live, model):
        stable = stable._replace(version=live["version"], uri=live["uri"])
    return [stable, *made]


@remembered
def versions_by_label(plan: Plan, endpoint: str) -> dict[str, Version]:
    """Return the versions of an endpoint by what people call them: ``stable``, ``canary``, and the models of a split and a shadow."""
    entry = plan.node.serving[endpoint]
    others = {version_of(endpoint, name, plan.namespace): name for name in entry.split or ()}
    if "shadow" in entry:
        others.setdefault(version_of(endpoint, entry.shadow.model, plan.namespace), entry.shadow.model)
    return {others.get(version.name, version.role): version for version in versions(plan, endpoint)}


def standing_by(entry: Node, live: Mapping[str, str], model: Node) -> bool:
    """Tell whether a new version stands beside the live one instead of replacing it."""
    return outstanding(entry, live, model) and not taken_back(live, model)


def outstanding(entry: Node, live: Mapping[str, str], model: Node) -> bool:
    """Tell whether an endpoint that goes over step by step serves another version than the one that the spec names."""
    if "version" not in live:
        return False
    return entry.rollout.strategy in ("canary", "blueGreen") and (live["version"] != model.version or live["uri"] != model.uri)


def taken_back(live: Mapping[str, str], model: Node) -> bool:
    """Tell whether the version that the spec names is the one whose rollout was aborted."""
    return bool(live.get("aborted") == model.version and live.get("abortedUri", model.uri) == model.uri)


def step_of(entry: Node, live: Mapping[str, str], model: Node) -> int:
    """Return the step of a canary, counted from 0: the lock's, unless that was another version's."""
    if live.get("canary", model.version) != model.version or live.get("canaryUri", model.uri) != model.uri:
        return 0
    last = len(entry.rollout.steps) - 1 if entry.rollout.strategy == "canary" else 0
    return min(int(live.get("step", "0")), last)


def _version(name: str, role: str, model: Node, runtime: str, weight: int) -> Version:
    picked = AUTOMATIC.get(model.framework, "custom") if runtime == "auto" else runtime
    return Version(name, role, model, model.version, model.uri, picked, weight)


def live(plan: Plan) -> dict[str, dict[str, str | int]]:
    """Return what the lock is to remember: the version that answers, where its artifact lies, and how far a new one has come.

    A canary's version stands beside its step, so that the next one begins at the first step. One that was aborted stays so while
    the spec names it.
    """
    made: dict[str, dict[str, str | int]] = {}
    node = plan.node
    for name, entry in node.serving.items():
        if entry.model is None:
            continue
        model = node.models[entry.model]
        known = plan.live.get(name, {})
        if not outstanding(entry, known, model):
            made[name] = {"version": model.version, "uri": model.uri}
            continue
        made[name] = {"version": known["version"], "uri": known["uri"]}
        if taken_back(known, model):
            made[name] |= {"aborted": model.version, "abortedUri": model.uri}
        else:
            made[name] |= {"canary": model.version, "canaryUri": model.uri, "step": step_of(entry, known, model)}
    return made
