"""The targets: each a folder here, its templates in templates/, its cases in tests/targets/; none imports another."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from pathlib import Path

from mlspec.target import Target

GROUP = "mlspec.targets"
"""The entry-point group by which another package brings a target of its own."""


@cache
def find_targets() -> tuple[Target, ...]:
    """Return every target: those of this folder, and those that installed packages bring, by name."""
    found: dict[str, Target] = {}
    for entry in sorted(os.scandir(__path__[0]), key=lambda entry: entry.name):
        if os.path.isfile(f"{entry.path}/__init__.py"):  # noqa: PTH113 - pkgutil and pathlib cost a start
            target: Target = importlib.import_module(f"{__name__}.{entry.name}").TARGET
            found[target.name] = target
    if is_extended():
        from importlib import metadata

        for point in metadata.entry_points(group=GROUP):
            target = point.load()
            found[target.name] = target
    return tuple(found[name] for name in sorted(found))


@cache
def is_extended() -> bool:
    """Tell whether an installed package brings targets; reading its metadata properly costs more than the rest of a short run."""
    for folder in sys.path:
        try:
            names = [entry.name for entry in os.scandir(folder or ".")]
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    text = Path(folder, name, "entry_points.txt").read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue
                if f"[{GROUP}]" in text:
                    return True
    return False
