"""Resolving: one form and every default for what a spec may say in several ways or leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.plan.environments import DEFAULT, environment_names
from mlspec.plan.monitoring import resolve_monitoring
from mlspec.plan.pipelines import resolve_pipelines
from mlspec.plan.platform import complete

Tree = Mapping[str, Any]
IN_CLUSTER = "https://kubernetes.default.svc"
SERVING_RESOURCES = {"cpu": "500m", "memory": "1Gi"}
RUNTIMES = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "tensorflow": "tfserving",
    "pytorch": "triton",
    "onnx": "triton",
    "tensorrt": "triton",
    "mlflow": "mlserver",
    "catboost": "mlserver",
    "huggingface": "huggingface",
    "pmml": "pmml",
    "paddle": "paddle",
    "custom": "custom",
}
"""The runtime that ``auto`` picks for a framework."""


def resolve_environments(tree: Tree) -> dict[str, dict[str, Any]]:
    """Return every environment with its defaults, in promotion order."""
    written = tree.get("environments") or {DEFAULT: {"namespace": tree["name"]}}
    made: dict[str, dict[str, Any]] = {}
    for name in environment_names(tree):
        entry = written[name]
        made[name] = {
            "namespace": entry["namespace"],
            "cluster": entry.get("cluster", IN_CLUSTER),
            "after": entry.get("after"),
            "approvals": entry.get("approvals", 0),
        }
    return made


def resolve_output(tree: Tree) -> dict[str, str]:
    """Return where the output goes and in which layout."""
    return {"root": "deploy", "layout": "component", **tree.get("output", {})}


def resolve(tree: Tree) -> dict[str, Any]:
    """Return the tree of one environment in one form, with every default.

    The tree has the shape of the language and its references are replaced.
    """
    made = dict(tree)
    made["platform"] = complete(tree.get("platform", {}))
    made["serving"] = {name: _endpoint(entry) for name, entry in tree.get("serving", {}).items()}
    made["pipelines"] = resolve_pipelines(tree)
    made["monitoring"] = resolve_monitoring(tree)
    for section in ("models", "datasets", "features", "thresholds"):
        made[section] = tree.get(section, {})
    return made


def _endpoint(written: Tree) -> dict[str, Any]:
    made = dict(written)
    replicas = written.get("replicas", 1)
    made["replicas"] = replicas if isinstance(replicas, dict) else {"min": replicas, "max": replicas}
    made["resources"] = resolve_resources(written.get("resources", {}), SERVING_RESOURCES)
    made["rollout"] = {"strategy": "rolling", **written.get("rollout", {})}
    if made["rollout"]["strategy"] == "canary":
        made["rollout"].setdefault("steps", [10, 50])
    if made["rollout"]["strategy"] in ("canary", "blueGreen"):
        made["rollout"].setdefault("pause", "10m")
    if "autoscale" not in written and made["replicas"]["min"] < made["replicas"]["max"] and "graph" not in written:
        made["autoscale"] = {"metric": "cpu", "target": "80%"}
    if "model" in written:
        made["runtime"] = written.get("runtime", "auto")
    if "shadow" in written:
        shadow = written["shadow"]
        made["shadow"] = {"percent": 100, **shadow} if isinstance(shadow, dict) else {"model": shadow, "percent": 100}
    if "expose" in written:
        made["expose"] = {"path": "/", "tls": False, **written["expose"]}
    for part in ("transform", "explain"):
        if "image" in written.get(part, {}):
            made[part] = {**written[part], "resources": resolve_resources(written[part].get("resources", {}), SERVING_RESOURCES)}
    return made


def resolve_resources(written: Tree, defaults: Tree) -> dict[str, Any]:
    """Return what a container asks for, with defaults and accelerators as ``{type, count}``."""
    made = {**defaults, **written}
    gpu = written.get("gpu")
    if isinstance(gpu, dict):
        made["gpu"] = {"type": "nvidia.com/gpu", **gpu}
    elif gpu:
        made["gpu"] = {"type": "nvidia.com/gpu", "count": gpu}
    else:
        made.pop("gpu", None)
    return made
