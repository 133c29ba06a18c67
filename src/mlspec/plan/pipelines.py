"""Pipelines with one form and every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]


def resolve_pipelines(tree: Tree) -> dict[str, Any]:
    """Return the pipelines of one environment, resolved."""
    return dict(tree.get("pipelines", {}))
