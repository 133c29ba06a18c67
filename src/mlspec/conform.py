"""Judges Kubernetes objects against the schemas of their kinds: unknown fields are refused, nothing is skipped in silence."""

from __future__ import annotations

import json
import marshal
import pathlib
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlspec.diagnostics import nearest
from mlspec.location import Path
from mlspec.shape import Fault, Shape, compile_shape
from mlspec.shape.values import describe, show

if TYPE_CHECKING:
    from mlspec.crds import CrdFolder

TABLES = pathlib.Path(__file__).with_name("kinds")
MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all names and values of the annotations of one object."""
MOST_DATA = 1024 * 1024
"""Bytes of all values of a ConfigMap or a Secret."""
MOST_OBJECT = 3 * 512 * 1024
"""Bytes of one object as JSON; what the cluster's store takes."""

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PATH_SEGMENT = (re.compile(r"(?!\.\.?\Z)[^/%]+"), "a name without / and %")
NAME_RULES: dict[str, tuple[re.Pattern[str], str]] = {
    "Namespace": (LABEL, "at most 63 of a-z, 0-9 and -, with a letter or digit at both ends"),
    "Service": (re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"), "at most 63 of a-z, 0-9 and -, a letter first, no - last"),
    "InferenceService": (re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"), "at most 63 of a-z, 0-9 and -, a letter first, no - last"),
    "CronJob": (re.compile(rf"(?=.{{1,52}}\Z){SUBDOMAIN.pattern}"), "at most 52 of a-z, 0-9, - and ., with a letter or digit at both ends"),
    "Role": PATH_SEGMENT,
    "RoleBinding": PATH_SEGMENT,
    "ClusterRole": PATH_SEGMENT,
    "ClusterRoleBinding": PATH_SEGMENT,
}
SUBDOMAIN_RULE = (SUBDOMAIN, "at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends of every part")
NAMELESS = "kustomize.config.k8s.io/"
"""Files of kustomize look like objects and have no name."""


class Kinds:
    """The kinds that are known: the tables of mlspec, and the CRDs of a folder in front of them."""

    def __init__(self, index: dict[str, str], folder: CrdFolder | None) -> None:
        self._index = index
        self._folder = folder
        self._tables: dict[str, dict[str, Any]] = {}
        self._shapes: dict[str, Shape | None] = {}

    @classmethod
    def load(cls, crds: pathlib.Path | None = None) -> Kinds:
        """Return the known kinds; with a folder, its CRDs replace the tables for their kinds.

        Raises ``Unable`` when the folder or a file of it cannot be read. Files are parsed when an object needs them, so
        ``check`` and ``source`` can raise it as well.
        """
        index = json.loads((TABLES / "index.json").read_text(encoding="utf-8"))
        if crds is None:
            return cls(index, None)
        from mlspec.crds import CrdFolder

        return cls(index, CrdFolder(crds))

    @property
    def names(self) -> list[str]:
        """Every known kind as ``apps/v1/Deployment``; of the folder, the kinds that its files name."""
        return sorted({*self._index, *(self._folder.names if self._folder else ())})

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be judged so far, one sentence each: rules that were not run, files that were not read."""
        return self._folder.notes if self._folder else ()

    def source(self, obj: dict[str, Any]) -> str:
        """Return what judges an object: ``Kubernetes 1.37``, ``KServe 0.20.0``, the file of a CRD; empty for nothing."""
        name = _kind_of(obj)
        table = self._table(self._index[name]) if name in self._index else {"source": "", "version": ""}
        known = f"{table['source']} {table['version']}".strip()
        if self._folder is not None and (file := self._folder.file(name)) is not None:
            return f"{file} and {known}" if known and self._folder.is_opaque(name) else file
        return known

    def check(self, obj: dict[str, Any], length: int | None = None) -> tuple[Fault, ...]:
        """Return every fault of an object, first what its schema says, then names and sizes. Empty means it conforms.

        ``length`` is the number of characters that it has as YAML, where that is known: a small object need not be measured then.
        """
        if not isinstance(obj, dict):
            return (Fault((), f"found {describe(obj)}", "a map with apiVersion, kind and metadata", "type"),)
        if missing := [key for key in ("apiVersion", "kind") if not isinstance(obj.get(key), str) or not obj[key]]:
            return tuple(Fault((key,), f"{key} is missing", "a text", "required") for key in missing)
        sizes = check_size(obj) if length is None or length * 8 > MOST_DATA else ()
        return (*self._check_kind(_kind_of(obj), obj), *check_metadata(obj), *sizes)

    def _check_kind(self, name: str, obj: dict[str, Any]) -> list[Fault]:
        faults: list[Fault] = []
        if self._folder is not None and (file := self._folder.file(name)) is not None:
            faults = self._folder.check(name, file, obj)
            if not self._folder.is_opaque(name):
                return faults
        elif name not in self._index:
            return [self._unknown(name)]
        # a CRD that leaves the spec open does not take away what the tables know of it
        shape = self._shape(name)
        return faults + [fault for fault in shape.faults(obj) if fault not in faults] if shape else faults

    def _unknown(self, name: str) -> Fault:
        version, _, kind = name.rpartition("/")
        known = [other.rpartition("/") for other in (*self._index, *(self._folder.kinds if self._folder else ()))]
        if others := sorted({group for group, _, other in known if other == kind}):
            return Fault(("apiVersion",), f"no schema for {kind} of {version}", " or ".join(others), "kind")
        meant = nearest(kind, {other for _, _, other in known})
        return Fault(("kind",), f"no schema for {kind} of {version}", meant or "a known kind, or a CRD that tells its schema", "kind")

    def _table(self, stem: str) -> dict[str, Any]:
        if stem not in self._tables:
            text = (TABLES / f"{stem}.json").read_text(encoding="utf-8")
            self._tables[stem] = json.loads(text, parse_float=Decimal)
        return self._tables[stem]

    def _shape(self, name: str) -> Shape | None:
        if name not in self._shapes:
            stem = self._index.get(name)
            if stem is None:
                return None
            table = self._table(stem)
            # the tables were verified when they were built, and their definitions are shared by the kinds of a file
            schema = table["definitions"][table["kinds"][name]]
            self._shapes[name] = compile_shape(schema, definitions=table["definitions"], trusted=True)
        return self._shapes[name]


def _kind_of(obj: dict[str, Any]) -> str:
    return f"{obj.get('apiVersion')}/{obj.get('kind')}"


def check_metadata(obj: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the name and with the size of the annotations; the rest of metadata is in the schemas."""
    metadata = obj.get("metadata")
    if obj["apiVersion"].startswith(NAMELESS):
        return
    if not isinstance(metadata, dict):
        if metadata is None:
            yield Fault(("metadata",), "metadata is missing", "a map with a name", "required")
        return
    name = metadata.get("name")
    if isinstance(name, str):
        pattern, words = NAME_RULES.get(obj["kind"], SUBDOMAIN_RULE)
        if pattern.fullmatch(name) is None:
            yield Fault(("metadata", "name"), f"found {show(name)}", words, "pattern")
    elif name is None and "generateName" not in metadata:
        yield Fault(("metadata", "name"), "name is missing", "a text", "required")
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        if len("".join(map(str, (*annotations, *annotations.values())))) * 4 <= MOST_ANNOTATIONS:
            return  # no character has more than four bytes
        size = sum(_bytes(part) for pair in annotations.items() for part in pair)
        if size > MOST_ANNOTATIONS:
            yield Fault(("metadata", "annotations"), f"found {size} bytes", f"at most {MOST_ANNOTATIONS} bytes", "maxLength")


def check_size(obj: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is too large to be stored: the data of a ConfigMap or a Secret, or the object as a whole."""
    if obj["kind"] in {"ConfigMap", "Secret"}:
        parts = [obj[key] for key in ("data", "binaryData", "stringData") if isinstance(obj.get(key), dict)]
        size = sum(_bytes(value) for part in parts for value in part.values())
        if size > MOST_DATA:
            yield Fault(("data",), f"found {size} bytes", f"at most {MOST_DATA} bytes", "maxLength")
            return
    # what marshal writes comes cheap and is never much shorter; only what is near the limit is written as JSON
    try:
        size = len(marshal.dumps(obj, 2))
    except ValueError:
        size = sum(_lengths(obj))
    if size * 8 > MOST_OBJECT:
        size = len(json.dumps(obj, default=str, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
        if size > MOST_OBJECT:
            yield Fault(_heaviest(obj), f"the object has {size} bytes, most of them here", f"at most {MOST_OBJECT} bytes", "maxLength")


def _heaviest(obj: Any) -> Path:
    """Return the way to the part of an object that holds more than half of what its parent holds, as far as there is one."""
    path: Path = ()
    while isinstance(obj, dict | list):
        parts: list[tuple[Any, Any]] = list(obj.items() if isinstance(obj, dict) else enumerate(obj))
        sizes = {key: sum(_lengths(value)) for key, value in parts}
        heaviest = max(sizes, key=lambda key: sizes[key], default=None)
        if heaviest is None or sizes[heaviest] * 2 < sum(sizes.values()):
            break
        path, obj = (*path, heaviest), obj[heaviest]
    return path


def _bytes(text: Any) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _lengths(value: Any) -> Iterator[int]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield len(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            yield sum(_bytes(key) for key in value) + len(value)
        elif isinstance(value, list):
            waiting.extend(value)
            yield len(value)
        else:
            yield 8
