"""Putting manifests together into the files of a tree."""

from __future__ import annotations

from pathlib import Path as FilePath

from mlspec.artifacts import Tree
from mlspec.emit import emit
from mlspec.examine import Examined
from mlspec.lock import NAME
from mlspec.render import Manifest

KUSTOMIZATION = "kustomization.yaml"


def header(spec_file: str) -> str:
    """Return the first line of a file that mlspec owns."""
    return f"# Written by mlspec from {spec_file}; edits are refused. Change the spec and compile again.\n"


def lock_path(spec: FilePath, root: FilePath) -> str:
    """Return the lock's path from the root: beside its spec, which may be a symlink that the reader has yet to judge."""
    return (spec.absolute().parent.resolve().relative_to(root.resolve()) / NAME).as_posix()


def file_of(manifest: Manifest) -> str:
    """Return the file that a manifest goes into: its component's, or one of its own where the layout is ``object``."""
    if manifest.object is None or manifest.plan.output["layout"] == "component":
        return manifest.file
    stem = manifest.file.removesuffix(".yaml")
    return f"{stem}-{manifest.object['kind'].lower()}-{manifest.object['metadata']['name']}.yaml"


def assemble(examined: Examined, manifests: list[Manifest]) -> Tree:
    """Return the tree: objects by file in the order in which they were made, and a kustomization an environment."""
    head = header(examined.plans[0].spec_file)
    parts: dict[str, list[str]] = {}
    for manifest in manifests:
        parts.setdefault(file_of(manifest), []).append(manifest.text)
    files = {path: (head + "---\n".join(texts) if path.endswith(".yaml") else "".join(texts)).encode() for path, texts in parts.items()}
    for plan in examined.plans:
        below = sorted(path.removeprefix(plan.folder + "/") for path in files if path.startswith(plan.folder + "/"))
        if below:
            kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": below}
            files[f"{plan.folder}/{KUSTOMIZATION}"] = (head + emit(kustomization)).encode()
    return Tree(files, examined.name)
