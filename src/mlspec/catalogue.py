"""Every code there is: imports each module that registers one, which no other command has to pay for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from mlspec.diagnostics import CODES, Code

_PLACES = (
    *(
        "source",
        "lock",
        "artifacts",
        "conform",
        "template",
        "spec",
        "checks",
        "plan",
        "targets",
        "examine",
        "patches",
        "render",
        "compiler",
        "promotion",
        "codeowners",
    ),
    *("writers", "repository", "cluster", "cli.unable", "cli.drift", "rollout", "waivers", "cli.lock", "cli.rehearsal"),
)
"""Modules and packages of mlspec that register codes; packages are searched to the bottom."""


def load() -> Mapping[str, Code]:
    """Return every code by its id, in the order of the ids."""
    for place in _PLACES:
        _import_all(f"mlspec.{place}")
    return {name: CODES[name] for name in sorted(CODES, key=_order)}


def find(word: str, codes: Mapping[str, Code]) -> Code | None:
    """Return the code that people mean by an id, an id without its prefix, or a name; None when there is none."""
    wanted = word.strip()
    for candidate in (wanted.upper(), f"MLS-{wanted.upper()}"):
        if candidate in codes:
            return codes[candidate]
    return next((code for code in codes.values() if code.name == wanted.lower()), None)


def _order(name: str) -> tuple[str, str]:
    """Sort by family, errors and warnings of a family together."""
    return name[5:], name


def _import_all(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as error:  # a part that is not there yet registers nothing; tests/test_codes.py misses it
        if (error.name or "").startswith("mlspec."):
            return
        raise
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        importlib.import_module(found.name)
