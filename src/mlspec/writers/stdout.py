"""Objects as one stream of YAML documents, for ``kubectl apply -f -`` and for reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TextIO

_OBJECT = re.compile(rb"^apiVersion:", re.MULTILINE)
_KIND = re.compile(rb"^kind: \"?([A-Za-z]+)", re.MULTILINE)
_NOT_FOR_THE_CLUSTER = frozenset([b"Kustomization", b"Component"])


def write_objects(tree: Mapping[str, bytes], stream: TextIO) -> int:
    """Write every object of a tree, in the order of their paths; return how many files they came from.

    Files that are not Kubernetes objects (programs, CI files, kustomizations) are left out. Each file starts with a line
    that separates documents and a comment that names it. Raises BrokenPipeError when nobody reads on.
    """
    count = 0
    for path in sorted(tree):
        data = tree[path]
        if not path.endswith((".yaml", ".yml")) or not is_objects(data):
            continue
        text = data.decode().removeprefix("---\n")
        stream.write(f"---\n# {path}\n{text}")
        if not text.endswith("\n"):
            stream.write("\n")
        count += 1
    stream.flush()
    return count


def is_objects(data: bytes) -> bool:
    """Say whether a YAML file holds Kubernetes objects that a cluster takes."""
    kind = _KIND.search(data)
    return kind is not None and kind[1] not in _NOT_FOR_THE_CLUSTER and _OBJECT.search(data) is not None
