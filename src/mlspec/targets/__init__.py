"""The targets: each a folder here, its templates in templates/, its cases in tests/targets/; none imports another."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib import metadata

from mlspec.target import Target

GROUP = "mlspec.targets"
"""The entry-point group by which another package brings a target of its own."""


@cache
def find_targets() -> tuple[Target, ...]:
    """Return every target: those of this folder, and those that installed packages bring, by name."""
    found: dict[str, Target] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            target: Target = importlib.import_module(f"{__name__}.{module.name}").TARGET
            found[target.name] = target
    for entry in metadata.entry_points(group=GROUP):
        target = entry.load()
        found[target.name] = target
    return tuple(found[name] for name in sorted(found))
