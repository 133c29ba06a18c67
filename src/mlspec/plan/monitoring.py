"""Monitoring with one form and every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]


def resolve_monitoring(tree: Tree) -> dict[str, Any]:
    """Return what is monitored in one environment, resolved."""
    return dict(tree.get("monitoring", {}))
