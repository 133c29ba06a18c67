"""What the repository knows of a version that comes: whether it passed its gates where it ran before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from mlspec.changes.side import Project
from mlspec.promotion.evidence import fault_of, gates_of, result_path

MOST_BYTES = 1 << 20
"""What is read of a result; a longer one is cut, so that it is no result any more."""


def evidence_of(before: Project, after: Project, environment: str) -> Iterator[tuple[str, bool]]:
    """Yield what results say of the versions that are new in an environment, each with whether that is bad.

    A result counts when it is of the environment itself or of one that comes before it. Nothing is said of a model without gates.
    """
    old, new = before.plans[environment], after.plans[environment]
    folder = after.compiled.spec.parent
    for model, entry in new.tree["models"].items():
        version = entry.get("version")
        if version is None or version == old.tree["models"].get(model, {}).get("version"):
            continue
        for threshold in gates_of(dict(new.tree), model):
            rules = after.gates(environment).thresholds.get(threshold)
            if rules is None:
                continue
            found = {place: _read(folder / result_path(place, model, version, threshold)) for place in _line(after, environment)}
            kept = {place: data for place, data in found.items() if data is not None}
            if not kept:
                yield f"{model} {version}: no result of gate {threshold} is in the repository", False
            for place, data in kept.items():
                fault = fault_of(data, rules)
                said = f"did not pass gate {threshold} in {place}: {fault}" if fault else f"passed gate {threshold} in {place}"
                yield f"{model} {version} {said}", bool(fault)


def _line(project: Project, environment: str) -> list[str]:
    """Return an environment and those that come before it."""
    names: list[str] = []
    here: str | None = environment
    while here is not None and here not in names and here in project.plans:
        names.append(here)
        here = project.plans[here].environments[here]["after"]
    return names


def _read(file: FilePath) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES)
    except OSError:
        return None
