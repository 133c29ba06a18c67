"""The labels and annotations that every object carries."""

from __future__ import annotations

from mlspec.names import object_name
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan

MANAGER = "mlspec"


def labels(plan: Plan, item: str, version: str | None = None) -> dict[str, str]:
    """Return the labels of an object of an item; the version stands in labels, never in a selector."""
    node = plan.node
    made = {
        "app.kubernetes.io/name": object_name(item),
        "app.kubernetes.io/instance": object_name(item, plan.environment),
        "app.kubernetes.io/part-of": node.name,
        "app.kubernetes.io/managed-by": MANAGER,
        "mlspec.dev/team": node.owner.team,
        "mlspec.dev/environment": plan.environment,
    }
    if version is not None:
        made["app.kubernetes.io/version"] = version
    return made


def contacts(plan: Plan) -> dict[str, str]:
    """Return the annotations that say whom to ask."""
    owner: Node = plan.node.owner
    return {f"mlspec.dev/{key}": value for key in ("email", "slack", "oncall") if (value := owner[key]) is not None}
