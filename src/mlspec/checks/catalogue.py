"""Every check, in the order in which they run."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from mlspec import checks
from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Finding


class Checks(NamedTuple):
    """The checks of one environment, those of a whole spec, and those that come before anything is settled."""

    first: tuple[Callable[[Project], list[Finding]], ...]
    subject: tuple[Callable[[Subject], list[Finding]], ...]
    project: tuple[Callable[[Project], list[Finding]], ...]


@cache
def find_checks() -> Checks:
    """Return every check of the modules beside this one, by module name."""
    modules = [
        importlib.import_module(f"{checks.__name__}.{name.removesuffix('.py')}")
        for name in sorted(os.listdir(checks.__path__[0]))  # noqa: PTH208 - pkgutil and pathlib cost a start
        if name.endswith(".py") and name not in ("__init__.py", "catalogue.py")
    ]
    return Checks(
        tuple(check for module in modules for check in getattr(module, "FIRST_CHECKS", ())),
        tuple(check for module in modules for check in getattr(module, "CHECKS", ())),
        tuple(check for module in modules for check in getattr(module, "PROJECT_CHECKS", ())),
    )
