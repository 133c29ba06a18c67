"""How a new version of an endpoint goes out, as KServe's objects note it."""

from __future__ import annotations

from mlspec.plan.node import Node
from mlspec.plan.versions import Version, live, standing_by, step_of, versions

__all__ = ["Version", "live", "rollout_notes", "standing_by", "step_of", "versions"]


def rollout_notes(entry: Node) -> dict[str, str]:
    """Return the annotations that say how a new version of an endpoint goes out."""
    rollout = entry.rollout
    made: dict[str, str] = {}
    if rollout.strategy in ("canary", "blueGreen"):
        made["mlspec.dev/rollout"] = rollout.strategy
        made["mlspec.dev/rollout-pause"] = rollout.pause
    if rollout.strategy == "canary":
        made["mlspec.dev/rollout-steps"] = ",".join(map(str, rollout.steps))
    if rollout.gate is not None:
        made["mlspec.dev/rollout-gate"] = rollout.gate
    return made
