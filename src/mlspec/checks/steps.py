"""The steps of a pipeline as checks read them: kinds, inputs, outputs, and the run-time references in their strings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.location import Path

Tree = Mapping[str, Any]

KINDS = ("use", "tune", "distributed", "score", "notebook", "check", "gate", "register", "run")
"""A step's kind is the first of these keys that it has (spec.pipelines.STEP_KINDS; a test holds them equal)."""
ROOTS = ("params", "inputs", "outputs", "steps")
RUNNING = ("run", "env", "parameters", "output")
"""Fields of a step whose strings an engine fills in when the step runs."""
IDLE = ("check", "gate", "register")
"""Kinds of steps that run nothing of the team's own."""
_TOKEN = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+)\}")


class Mention(NamedTuple):
    """A run-time reference in a string of a step."""

    path: Path
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The reference as it is written."""
        return "${" + ".".join(self.parts) + "}"


class Link(NamedTuple):
    """A field that names an output of a step: ``steps.STEP.OUTPUT``."""

    path: Path
    field: str
    step: str
    output: str


def kind_of(step: Tree) -> str:
    """Return the kind of a step; empty when it has none."""
    return next((kind for kind in KINDS if kind in step), "")


def pipelines(sections: Tree) -> Iterator[tuple[str, Tree, Tree]]:
    """Yield the name, the pipeline and the steps of each pipeline."""
    for name, pipeline in sections.items():
        yield name, pipeline, pipeline.get("steps") or {}


def whole_step(steps: Tree, name: str) -> Tree | None:
    """Return a step with what it takes over by ``use``; None when that cannot be told (an unknown step, a circle).

    ``use: NAME`` stands for a copy of that step of the same pipeline; what the using step writes is laid over it:
    maps merge, scalars and lists replace. ``in``, ``notIn`` and ``after`` are not taken over.
    """
    step = steps.get(name)
    if step is None or "use" not in step:
        return step
    chain = [step]
    seen = {name}
    while "use" in chain[-1]:
        used = chain[-1]["use"]
        if used in seen or used not in steps:
            return None
        seen.add(used)
        chain.append(steps[used])
    made: dict[str, Any] = {key: value for key, value in chain[-1].items() if key not in ("in", "notIn", "after")}
    for layer in reversed(chain[:-1]):
        for key, value in layer.items():
            if key != "use":
                made[key] = {**made[key], **value} if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def inputs_of(step: Tree) -> dict[str, str]:
    """Return the inputs of a step by name, with those that its kind brings."""
    written: dict[str, str] = dict(step.get("inputs") or {})
    if "score" in step:
        return {"model": f"models.{step['score']}", "data": f"datasets.{step.get('data')}"} | written
    return written


def outputs_of(step: Tree) -> dict[str, str]:
    """Return the kinds of a step's outputs by name, with those that its kind brings."""
    written: dict[str, str] = dict(step.get("outputs") or {})
    return {"scores": "directory"} | written if "score" in step else written


def searched(step: Tree) -> Tree:
    """Return the parameters that a tune step searches; empty for other steps."""
    tune = step.get("tune")
    found: Tree = tune.get("search", {}) if isinstance(tune, dict) else {}
    return found


def strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every string below a value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from strings(item, (*path, at))


_MOST_REMEMBERED = 500
_mentions: dict[tuple[int, Path], tuple[Any, tuple[Mention, ...]]] = {}
"""What was found below a value, with the value itself, so that its id stays its own; many checks ask of the same few."""


def mentions(value: Any, path: Path) -> Iterator[Mention]:
    """Return the run-time references in the strings below a value."""
    key = (id(value), path)
    known = _mentions.get(key)
    if known is None:
        if len(_mentions) >= _MOST_REMEMBERED:
            _mentions.clear()
        known = _mentions[key] = (value, tuple(_find_mentions(value, path)))
    return iter(known[1])


def _find_mentions(value: Any, path: Path) -> Iterator[Mention]:
    for place, text in strings(value, path):
        if "${" not in text:
            continue
        for token in _TOKEN.finditer(text):
            if token[1] is not None:
                parts = tuple(token[1].split("."))
                if parts[0] in ROOTS:
                    yield Mention(place, parts)


def running_mentions(step: Tree, path: Path) -> Iterator[Mention]:
    """Yield the run-time references where they may stand: in what a step runs."""
    if kind_of(step) in IDLE:
        return
    for field in RUNNING:
        if field in step:
            yield from mentions(step[field], (*path, field))


def links(step: Tree, path: Path) -> Iterator[Link]:
    """Yield the fields of a step that name an output of a step."""
    for name, reference in (step.get("inputs") or {}).items():
        if reference.startswith("steps."):
            _, source, output = reference.split(".", 2)
            yield Link((*path, "inputs", name), "inputs", source, output)
    for field in ("metrics", "slices", "champion", "model"):
        reference = step.get(field)
        if isinstance(reference, str) and reference.startswith("steps."):
            _, source, output = reference.split(".", 2)
            yield Link((*path, field), field, source, output)


def needs(step: Tree, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the steps that a step waits for, each with the place that says so."""
    for at, name in enumerate(step.get("after") or ()):
        yield name, (*path, "after", at)
    for link in links(step, path):
        yield link.step, link.path
    for mention in running_mentions(step, path):
        if mention.parts[0] == "steps":
            yield mention.parts[1], mention.path
