"""Pins: what data versions resolve to, from files of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path

_MD5 = re.compile(r"^\s*-?\s*md5:\s*([0-9a-f]{32}(?:\.dir)?)\s*$", re.MULTILINE)
_LIMIT = 1024 * 1024


def pin(tree: Mapping[str, Any], folder: FilePath) -> tuple[dict[str, str], list[Finding]]:
    """Return the pins of the datasets and models of a spec, and what could not be pinned.

    A ``.dvc`` file gives the MD5 of its content (DVC 3: ``outs[0].md5``).
    """
    pins: dict[str, str] = {}
    findings: list[Finding] = []
    for name, dataset in (tree.get("datasets") or {}).items():
        for kind, value in (dataset.get("version") or {}).items():
            pins[f"datasets/{name}"] = f"{kind}:{value}"
            if kind == "dvc":
                md5 = _dvc(folder, value)
                if md5 is None:
                    findings.append(not_pinned_here(("datasets", name, "version", "dvc"), value))
                else:
                    pins[f"datasets/{name}"] = f"dvc:{value}@{md5}"
    for name, model in (tree.get("models") or {}).items():
        pins[f"models/{name}"] = str(model["version"])
    return pins, findings


def pin_files(tree: Mapping[str, Any], folder: FilePath) -> list[FilePath]:
    """Return the files that ``pin`` reads."""
    versions = [dataset.get("version") or {} for dataset in (tree.get("datasets") or {}).values()]
    return [folder / version["dvc"] for version in versions if "dvc" in version]


def _dvc(folder: FilePath, path: str) -> str | None:
    file = folder / path
    try:
        if ".." in FilePath(path).parts or file.is_symlink() or not file.is_file() or file.stat().st_size > _LIMIT:
            return None
        found = _MD5.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found[1] if found else None


@code("MLS-W490", "not-pinned-here", severity="warning")
def not_pinned_here(path: Path, file: str) -> Found:
    """A dataset that is pinned by a `.dvc` file is pinned only when that file is in the repository.

    Without it the lock holds the path alone, and nobody can tell later which data a model was trained on.

    Bad::

        datasets: {customers: {uri: s3://m/customers, version: {dvc: data/absent.dvc}}}

    Good::

        datasets: {customers: {uri: s3://m/customers, version: {snapshot: "2026-11-01"}}}
    """
    return Found(
        path,
        f"not pinned here: there is no `{file}` with an md5 beside the spec",
        "commit the .dvc file, or give the path from the spec's folder",
        label="no such file, or no md5 in it",
    )
