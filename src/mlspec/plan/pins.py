"""Pins: what data versions resolve to, from files of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Any

from mlspec.diagnostics import Finding, Found, Rejected, code
from mlspec.location import Path

_MD5 = re.compile(r"^\s*-?\s*md5:\s*([0-9a-f]{32}(?:\.dir)?)\s*$", re.MULTILINE)
_DIGEST = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_LIMIT = 1024 * 1024


def pin(tree: Mapping[str, Any], folder: FilePath) -> tuple[dict[str, str], list[Finding]]:
    """Return the pins of the datasets and models of one environment, by ``datasets/NAME`` and ``models/NAME``, and what has none.

    ``tree`` is the spec as it is in that environment, references replaced: what an override pins is pinned, too. A ``.dvc`` file
    gives the MD5 of its content (DVC 3: ``outs[0].md5``). What a pipeline of DVC makes has no such file: its MD5 is that of the
    output in ``dvc.lock``.
    """
    pins: dict[str, str] = {}
    findings: list[Finding] = []
    for name, dataset in (tree.get("datasets") or {}).items():
        for kind, value in (dataset.get("version") or {}).items():
            pins[f"datasets/{name}"] = f"{kind}:{value}"
            if kind == "dvc":
                md5 = _dvc(folder, value) or _output(folder, value)
                if md5 is None:
                    findings.append(not_pinned_here(("datasets", name, "version", "dvc"), value))
                else:
                    pins[f"datasets/{name}"] = f"dvc:{value}@{md5}"
    for name, model in (tree.get("models") or {}).items():
        pins[f"models/{name}"] = str(model["version"])
    return pins, findings


def join(pins: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the pins of environments as facts of one lock.

    What is pinned to the same in every environment that has it is one fact, ``datasets/people``; else there is one for each of them,
    ``datasets/people/prod``.
    """
    found: dict[str, dict[str, str]] = {}
    for environment, facts in pins.items():
        for name, fact in facts.items():
            found.setdefault(name, {})[environment] = fact
    facts = {}
    for name, by in found.items():
        if len(set(by.values())) == 1:
            facts[name] = next(iter(by.values()))
        else:
            facts |= {f"{name}/{environment}": fact for environment, fact in by.items()}
    return facts


def pin_files(tree: Mapping[str, Any], folder: FilePath) -> list[FilePath]:
    """Return the files that ``pin`` reads for a tree."""
    versions = [dataset.get("version") or {} for dataset in (tree.get("datasets") or {}).values()]
    written = [version["dvc"] for version in versions if "dvc" in version]
    return [file for path in written for file in (folder / path, *(lock for lock, _ in _locks(folder, path)))]


def _dvc(folder: FilePath, path: str) -> str | None:
    found = _MD5.search(_text(folder, path))
    return found[1] if found else None


def _text(folder: FilePath, path: str) -> str:
    """Return the text of a small file below a folder; nothing where there is none."""
    file = folder / path
    try:
        if ".." in FilePath(path).parts or file.is_symlink() or not file.is_file() or file.stat().st_size > _LIMIT:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _locks(folder: FilePath, path: str) -> list[tuple[FilePath, str]]:
    """Return each ``dvc.lock`` that may know an output, the nearest first, with the output's path from there."""
    output = PurePosixPath(path.removesuffix(".dvc"))
    if output.is_absolute() or ".." in output.parts:
        return []
    return [(folder / above / "dvc.lock", output.relative_to(above).as_posix()) for above in output.parents]


def _output(folder: FilePath, path: str) -> str | None:
    """Return the MD5 of an output of a DVC pipeline."""
    for lock, output in _locks(folder, path):
        text = _text(folder, lock.relative_to(folder).as_posix())
        if not text:
            continue
        from mlspec.source.reader import read

        try:
            stages = read(text.encode(), "dvc.lock").tree.get("stages")
        except Rejected:
            continue
        for stage in stages.values() if isinstance(stages, dict) else ():
            for out in (stage.get("outs") if isinstance(stage, dict) else None) or ():
                if isinstance(out, dict) and out.get("path") == output and _DIGEST.fullmatch(str(out.get("md5"))):
                    return str(out["md5"])
    return None


@code("MLS-W490", "not-pinned-here", severity="warning")
def not_pinned_here(path: Path, file: str) -> Found:
    """A dataset that is pinned by a `.dvc` file is pinned only when that file is in the repository.

    Data that a pipeline of DVC makes has no such file; it is pinned by `dvc.lock`, in which its output is looked up by the path
    without `.dvc`. Without either the lock holds the path alone, and nobody can tell later which data a model was trained on.

    Bad::

        datasets: {customers: {uri: s3://m/customers, version: {dvc: data/absent.dvc}}}

    Good::

        datasets: {customers: {uri: s3://m/customers, version: {snapshot: "2026-11-01"}}}
    """
    return Found(
        path,
        f"not pinned here: there is no `{file}` with an md5 beside the spec",
        "commit the .dvc file or the dvc.lock, or give the path from the spec's folder",
        label="no such file, or no md5 in it; no such output in dvc.lock either",
    )
