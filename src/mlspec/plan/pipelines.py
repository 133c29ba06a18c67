"""Pipelines with one form and every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.checks.steps import KINDS, whole_step

Tree = Mapping[str, Any]
STEP_RESOURCES = {"cpu": "500m", "memory": "1Gi"}


def resolve_pipelines(tree: Tree) -> dict[str, Any]:
    """Return the pipelines of one environment, resolved."""
    return {name: _pipeline(written) for name, written in (tree.get("pipelines") or {}).items()}


def kind_of(step: Any) -> str:
    """Return what a resolved step does: one of the step kinds, never ``use``."""
    return next(kind for kind in KINDS if kind != "use" and kind in step)


def _pipeline(written: Tree) -> dict[str, Any]:
    made = {"retries": 0, "cache": True, **written}
    if "schedule" in written:
        schedule = written["schedule"]
        made["schedule"] = {"timezone": "Etc/UTC", "suspend": False, **(schedule if isinstance(schedule, dict) else {"cron": schedule})}
    steps = written["steps"]
    made["steps"] = {name: _step(steps, name) for name in steps}
    return made


def _step(steps: Tree, name: str) -> dict[str, Any]:
    from mlspec.plan.resolve import resolve_resources

    whole = whole_step(steps, name)
    assert whole is not None, "the checks refuse a step that uses itself or one that is not there"
    made = {**steps[name], **whole}
    made["resources"] = resolve_resources(whole.get("resources", {}), STEP_RESOURCES)
    if isinstance(whole.get("tune"), dict):
        made["tune"] = {"algorithm": "random", **whole["tune"], "trials": {"parallel": 1, "failed": 0, **whole["tune"]["trials"]}}
    return made
