"""Where the files that travel with mlspec lie: templates and schemas, in a wheel or in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_root() -> Path:
    """Return the folder of the built-in templates."""
    return _root("templates")


def schemas_root() -> Path:
    """Return the folder of the JSON Schemas."""
    return _root("schemas")


def _root(name: str) -> Path:
    """Return the copy inside an installed wheel, else the folder at the top of the checkout."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent.parent / name


@cache
def read_program(name: str) -> str:
    """Return the text of a program that travels with manifests: ``gate``, ``submit``, ... (``src/mlspec/runtime``)."""
    return (_PACKAGE / "runtime" / f"{name}.py").read_text(encoding="utf-8")
