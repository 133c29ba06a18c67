"""A folder of CustomResourceDefinitions: which kinds it tells, and what it says about an object of one of them."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.diagnostics import Unable
from mlspec.rules import Rules
from mlspec.shape import Fault, Shape, compile_shape
from mlspec.shape.values import list_names
from mlspec.structural import close_root

SUFFIXES = {".yaml", ".yml", ".json"}
DEFINITION = re.compile(r"^kind: CustomResourceDefinition\s*$", re.MULTILINE)
GROUP = re.compile(r"^  group: [\"']?([a-z0-9.-]+)[\"']?\s*$", re.MULTILINE)
KIND = re.compile(r"^  names:\n(?:    .*\n|  - .*\n)*?    kind: [\"']?(\w+)[\"']?\s*$", re.MULTILINE)
BETWEEN = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)


class Entry(NamedTuple):
    """One CRD: the file it stands in, and its text or what was read from it."""

    file: str
    text: str
    document: dict[str, Any] | None


class Version(NamedTuple):
    """One version of one kind: its closed shape, its rules, and whether it says anything about the spec."""

    shape: Shape
    rules: Rules
    opaque: bool


class CrdFolder:
    """The CRDs of a folder. A file is parsed when an object needs it; what is plainly a CRD is found by its text."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Look at every YAML and JSON file below the folder. Raises ``Unable`` for what cannot be read or is no YAML."""
        self._entries: dict[str, Entry] = {}
        self._versions: dict[str, dict[str, Version]] = {}
        self._others: dict[str, int] = {}
        if not folder.is_dir():
            raise Unable(f"{folder} is not a folder", "give the folder that holds the CRDs")
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                self._take(path)

    @property
    def kinds(self) -> list[str]:
        """Every kind of the folder as ``group/Kind``."""
        return list(self._entries)

    @property
    def names(self) -> list[str]:
        """Every kind of the folder as ``group/version/Kind``; reads every file."""
        found = []
        for key in self._entries:
            group, _, kind = key.partition("/")
            found += [f"{group}/{version}/{kind}" for version in self._read(key)]
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out: documents that are no CRD, and rules that were not run."""
        rules = [version.rules for versions in self._versions.values() for version in versions.values()]
        notes = [note for rule in rules for note in rule.notes]
        if self._others:
            count, files = sum(self._others.values()), list(self._others)
            more = f" and {len(files) - 3} more files" if len(files) > 3 else ""
            what = "1 document is" if count == 1 else f"{count} documents are"
            notes.insert(0, f"{what} no CustomResourceDefinition and not used: {', '.join(files[:3])}{more}")
        return tuple(notes)

    def file(self, name: str) -> str | None:
        """Return the file that tells the kind of ``group/version/Kind``, whatever its versions; None when none does."""
        entry = self._entries.get(_key(name))
        return entry.file if entry else None

    def is_opaque(self, name: str) -> bool:
        """Whether the CRD of ``group/version/Kind`` leaves its spec open, so that it cannot judge it."""
        version = self._read(_key(name)).get(name.split("/")[1])
        return version is not None and version.opaque

    def check(self, name: str, file: str, obj: dict[str, Any]) -> list[Fault]:
        """Return the faults of an object of a kind that ``file`` tells. Raises ``Unable`` when its CRD cannot be read."""
        versions = self._read(_key(name))
        version = versions.get(name.split("/")[1])
        if version is None:
            served = [f"{obj['apiVersion'].partition('/')[0]}/{other}" for other in versions]
            return [Fault(("apiVersion",), f"{file} does not serve {obj['apiVersion']}", list_names(served), "kind")]
        # rules speak of objects whose shape is right
        return version.shape.faults(obj) or version.rules.check(obj)

    def _take(self, path: pathlib.Path) -> None:
        file = path.as_posix()
        try:
            text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Unable(f"{file} cannot be read: {error}", "correct the file or take it out of the folder") from error
        others = 0
        for part in [text] if path.suffix == ".json" else BETWEEN.split(text):
            group, kind = GROUP.findall(part), KIND.findall(part)
            if DEFINITION.search(part) and len(group) == 1 and len(kind) == 1:
                self._add(f"{group[0]}/{kind[0]}", Entry(file, part, None))
                continue
            document = _parse(part, file)
            for item in _items(document, file):
                if item.get("kind") == "CustomResourceDefinition":
                    self._add(_key_of(item, file), Entry(file, "", item))
                else:
                    others += 1
        if others:
            self._others[file] = others

    def _add(self, key: str, entry: Entry) -> None:
        if (other := self._entries.get(key)) is not None:
            raise Unable(f"{entry.file} and {other.file} both define {key}", "keep one of the two")
        self._entries[key] = entry

    def _read(self, key: str) -> dict[str, Version]:
        if key not in self._versions:
            entry = self._entries[key]
            document = entry.document if entry.document is not None else _parse(entry.text, entry.file)
            self._versions[key] = dict(_versions(document, entry.file))
        return self._versions[key]


def _key(name: str) -> str:
    """Return ``group/Kind`` of ``group/version/Kind``; kinds without a group are never custom."""
    parts = name.split("/")
    return f"{parts[0]}/{parts[2]}" if len(parts) == 3 else ""


def _key_of(document: dict[str, Any], file: str) -> str:
    try:
        return f"{document['spec']['group']}/{document['spec']['names']['kind']}"
    except (KeyError, TypeError) as error:
        raise _wrong(file, "has no spec.group and spec.names.kind") from error


def _wrong(file: str, what: str) -> Unable:
    return Unable(f"{file} {what}", "give a CustomResourceDefinition of apiextensions.k8s.io/v1, or take the file out of the folder")


def _parse(text: str, file: str) -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads ``=`` as a text and numbers without rounding them."""

    Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
    Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
    try:
        if file.endswith(".json"):
            return json.loads(text, parse_float=Decimal)
        return yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader, two tags added
    except (yaml.YAMLError, ValueError, RecursionError, ArithmeticError) as error:
        raise Unable(f"{file} cannot be read: {' '.join(str(error).split())}", "correct the file or take it out of the folder") from error


def _decimal(loader: Any, node: Any) -> Decimal:
    return Decimal(loader.construct_scalar(node).replace("_", ""))


def _items(document: Any, file: str) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise _wrong(file, "is not a CustomResourceDefinition")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _items(item, file)
        return
    yield document


def _is_opaque(closed: dict[str, Any]) -> bool:
    spec = closed["properties"].get("spec", {} if closed.get("additionalProperties", True) is not False else False)
    return spec is not False and not spec.keys() - {"type", "nullable"}


def _versions(document: Any, file: str) -> Iterator[tuple[str, Version]]:
    if not isinstance(document, dict) or document.get("apiVersion") != "apiextensions.k8s.io/v1":
        raise _wrong(file, "is not a CustomResourceDefinition of apiextensions.k8s.io/v1")
    try:
        for version in document["spec"]["versions"]:
            if version.get("served", True):
                schema = version["schema"]["openAPIV3Schema"]
                closed = close_root(schema)
                yield version["name"], Version(compile_shape(closed), Rules(schema, file), _is_opaque(closed))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(file, "is no complete CustomResourceDefinition: every version needs a name and schema.openAPIV3Schema") from error
    except ValueError as error:
        raise _wrong(file, f"holds a schema that cannot be used: {error}") from error
