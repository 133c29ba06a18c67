"""Nothing that a person writes is without effect: every leaf of whole specs is changed in turn.

Then the tree changes, or a check objects. What only documents (DOCUMENTS) has to change the tree's README at least; anything else has to
change what a cluster, a CI system or Argo CD gets. The specs are those of the design where they lie beside the repository, and the examples
elsewhere.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import sys
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mlspec.checks.thresholds import METRICS
from mlspec.compiler import Request, compile_spec
from mlspec.conform import Kinds
from mlspec.diagnostics import Rejected
from mlspec.location import format_path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from conformance import Plain, whole  # noqa: E402

DESIGN = ROOT.parent / "shared" / "design" / "north-star"
STORIES = sorted(DESIGN.glob("*.yaml")) or sorted((ROOT / "examples").rglob("mlspec.yaml"))
PARTS = 4
"""In how many parts the leaves of a spec are tried, so that they can be tried side by side."""

PEOPLE = "it is written for people, and promises no behaviour"
FEATURES = "without a feature store on the platform they are a checked contract between data and model"
DOCUMENTS = {
    "description": PEOPLE,
    "objectives*": PEOPLE,
    "owner.*": PEOPLE,
    "datasets.*.description": PEOPLE,
    "datasets.*.sensitivity": PEOPLE,
    "datasets.*.retention": PEOPLE,
    "models.*.description": PEOPLE,
    "models.*.card.*": PEOPLE,
    "models.*.signature.*": PEOPLE,
    "models.*.hyperparameters.*": PEOPLE,
    "models.*.evaluatedOn*": PEOPLE,
    "governance.*": PEOPLE,
    "datasets.*.schema.*.pii": "who is in a column is for people; nothing that runs may know it",
    "datasets.*.refresh.schedule": "whoever makes the data runs it; that it came is seen by its age",
    "datasets.*.format": "steps of a team open their data themselves; only checks and comparisons read it here",
    "features.*": FEATURES,
    "platform.pipelines.kubeflow.version": "what must be there; what is written differs only where versions do (users of pods, 2.16)",
    "environments.*.after": "an order between environments is kept when something is promoted, which reads it from the spec",
    "environments.*.approvals": "who counts approvals reads from the spec how many are wanted, whatever a workflow says",
}
"""What may change the README of the tree alone, and why. It has to change that at least."""

EXCEPTIONS = {"serving.detector.runtime: auto": "Triton is what auto stands for, where a model is of TensorRT"}
"""Changes, as `path: value`, that are none, each with its reason."""


ZONES = ["Europe/Berlin", "Europe/Paris"]
ENOUGH = [1, pytest.param(3, marks=pytest.mark.conformance)]
"""How many changes of one leaf have to be taken before it is believed: make check is content with less than make conformance."""


class Change(NamedTuple):
    """A leaf, and what it is changed to."""

    path: tuple[str | int, ...]
    value: Any


def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where the leaves of a spec are."""
    if isinstance(node, dict | list) and node:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, key))
    else:
        yield path


def at(node: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        node = node[key]
    return node


def changed(spec: dict[str, Any], change: Change) -> dict[str, Any]:
    made = copy.deepcopy(spec)
    at(made, change.path[:-1])[change.path[-1]] = change.value
    return made


@cache
def words() -> list[list[str]]:
    """Return the closed vocabularies of the schema."""
    found: list[list[str]] = []

    def search(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key == "enum":
                found.append([one for one in value if isinstance(one, str)])
            search(value)

    search(json.loads((ROOT / "schemas" / "mlspec.v1.schema.json").read_text(encoding="utf-8")))
    return found


def others(spec: dict[str, Any], path: tuple[str | int, ...]) -> list[Any]:
    """Return values for a leaf, the likeliest to be taken first; never the one that it has."""
    value = at(spec, path)
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [one for one in (value + 1, value * 2, value - 1, max(value // 2, 1)) if one != value]
    if isinstance(value, float):
        exact = Decimal(str(value))
        tried = [exact + Decimal("0.01"), exact - Decimal("0.01"), exact * 2, exact / 2, exact + 1]
        return [float(one) for one in tried if one != exact]
    made = [*numbered(value), *named(spec, value), *vocabulary(value), *referring(spec, path, value)]
    made += [f"{value}x", f"{value}-x", f"x{value}", f"{value}/x", value.upper(), f"{value} x"]
    return [one for one in dict.fromkeys(made) if one != value]


def numbered(value: str) -> Iterator[str]:
    """Yield a text with one of its numbers greater or less; a digest with another digit; a date with another day."""
    if re.search(r"[0-9a-f]{40}$", value):
        yield value[:-1] + ("0" if value[-1] != "0" else "1")
        return
    for match in reversed(list(re.finditer(r"\d+", value))):
        number = int(match[0])
        for other in (number + 1, number * 2, number - 1):
            if other > 0:
                yield value[: match.start()] + str(other).zfill(len(match[0])) + value[match.end() :]


def named(spec: dict[str, Any], value: str) -> Iterator[str]:
    """Yield what else there is of a kind that a leaf names."""
    for section in ("datasets", "models", "pipelines", "thresholds", "serving", "environments", "features"):
        names = spec.get(section) or {}
        if value in names:
            yield from names
    for pipeline in (spec.get("pipelines") or {}).values():
        if value in pipeline["steps"]:
            yield from pipeline["steps"]
    for dataset in (spec.get("datasets") or {}).values():
        if value in dataset.get("schema", {}):
            yield from dataset["schema"]


def vocabulary(value: str) -> Iterator[str]:
    """Yield the other words where a word is wanted."""
    for closed in (*words(), *map(list, METRICS.values()), ZONES):
        if value in closed:
            yield from closed


def referring(spec: dict[str, Any], path: tuple[str | int, ...], value: str) -> Iterator[str]:
    """Yield the other references that stand in the same place of other leaves, and a text without a reference."""
    if "${" in value:
        yield re.sub(r"\$\{[^}]*\}", "x", value)
    if re.fullmatch(r"(steps|datasets|models|params)\.[\w.-]+", value):
        for other in leaves(spec):
            text = at(spec, other)
            if isinstance(text, str) and text.partition(".")[0] == value.partition(".")[0] and other[:1] == path[:1]:
                yield text


class Bench:
    """Compiles changed specs where the spec lies."""

    def __init__(self, story: Path, folder: Path) -> None:
        self.spec = yaml.load(story.read_text(encoding="utf-8"), Plain)
        above = story.parent
        if DESIGN in story.parents:
            self.spec, around = whole(self.spec), [above / "data"]
        else:
            above = ROOT / "examples" / story.relative_to(ROOT / "examples").parts[0]
            around = [path for path in above.iterdir() if path.name != "deploy"]
        for path in around:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
        (folder / ".git").mkdir()
        self._file = folder / story.relative_to(above).with_name("mlspec.yaml")
        self._root = folder
        self._kinds = Kinds.load()
        self.first = self.compile(self.spec)

    def compile(self, spec: dict[str, Any]) -> dict[str, bytes]:
        """Return the tree of a spec. Raises Rejected."""
        self._file.write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True), encoding="utf-8")
        compiled, _ = compile_spec(self._file, self._root, Request((self._file,)), self._kinds, {})
        return dict(compiled.tree.items())

    def effect(self, path: tuple[str | int, ...], enough: int) -> str:
        """Return what changes of a leaf do: `objected` to all of them, `tree`, `page` when one changes the README alone, or `nothing`."""
        said, taken = "objected", 0
        for value in others(self.spec, path):
            if f"{format_path(path)}: {value}" in EXCEPTIONS:
                continue
            if taken == enough:
                break
            try:
                tree = self.compile(changed(self.spec, Change(path, value)))
            except Rejected:
                continue
            taken += 1
            touched = [name for name in tree.keys() | self.first.keys() if tree.get(name) != self.first.get(name)]
            if not touched:
                return f"nothing ({at(self.spec, path)!r} to {value!r})"
            if all(name.endswith("/README.md") for name in touched):
                said = f"page ({at(self.spec, path)!r} to {value!r})"
            elif said == "objected":
                said = "tree"
        return said


def tried(story: Path, part: int, enough: int, folder: Path) -> dict[str, str]:
    """Return the effect of each leaf of one part of a spec."""
    bench = Bench(story, folder)
    every = [path for path in leaves(bench.spec) if path != ("apiVersion",)]
    return {format_path(path): bench.effect(path, enough) for path in every[part::PARTS]}


@pytest.mark.slow
@pytest.mark.parametrize("enough", ENOUGH)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.parent.name}-{story.stem}")
def test_every_leaf_has_an_effect(story: Path, part: int, enough: int, tmp_path: Path) -> None:
    effects = tried(story, part, enough, tmp_path)
    assert {path: effect for path, effect in effects.items() if effect.startswith("nothing")} == {}
    quiet = {path: effect for path, effect in effects.items() if effect.startswith("page")}
    assert [path for path in quiet if not any(fnmatchcase(path, one) for one in DOCUMENTS)] == []
