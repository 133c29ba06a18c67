"""Monitoring with one form and every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]
WINDOW = "30d"
"""Over how long an error budget is counted when nothing is said."""


def resolve_monitoring(tree: Tree) -> dict[str, Any]:
    """Return what is monitored in one environment: objectives with their window and quantile, and whether there is a dashboard."""
    from decimal import Decimal

    made: dict[str, Any] = {}
    for name, written in tree.get("monitoring", {}).items():
        entry = {"dashboard": False, **written}
        if "slo" in written:
            slo = {"window": WINDOW, **written["slo"]}
            if "latency" in slo:
                slo["latency"] = {"quantile": Decimal("0.95"), **slo["latency"]}
            entry["slo"] = slo
        made[name] = entry
    return made
