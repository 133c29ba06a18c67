"""The spec as it is in one environment: overrides laid over, items of other environments left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.location import Mark, walk
from mlspec.source.layers import merge

Tree = Mapping[str, Any]
NAMED = ("datasets", "features", "models", "pipelines", "thresholds", "serving", "monitoring")
"""The sections that are maps of named items."""
DEFAULT = "default"
"""The name of the one environment of a spec that names none."""


class Settled:
    """A tree and its marks in one environment, and what that environment leaves out."""

    __slots__ = ("absent", "mark", "tree")

    def __init__(self, tree: dict[str, Any], mark: Mark, absent: dict[str, frozenset[str]]) -> None:
        self.tree, self.mark, self.absent = tree, mark, absent


def environment_names(tree: Tree) -> tuple[str, ...]:
    """Return the names of the environments, in promotion order where ``after`` gives one, else as written."""
    environments = tree.get("environments")
    if not isinstance(environments, dict) or not environments:
        return (DEFAULT,)
    order: list[str] = []
    left = list(environments)
    while left:
        ready = [name for name in left if _after(environments, name) not in left]
        if not ready:
            return (*order, *left)
        order += ready
        left = [name for name in left if name not in ready]
    return tuple(order)


def _after(environments: Tree, name: str) -> Any:
    written = environments[name]
    return written.get("after") if isinstance(written, dict) else None


def settle(tree: dict[str, Any], mark: Mark, environment: str) -> Settled:
    """Return the spec as it is in one environment. What it was given is not changed; unchanged parts are shared."""
    written = tree.get("environments", {}).get(environment) or {}
    below = mark.child("environments")
    place = below.child(environment) if below else None
    if written and place:
        for key, section in (("overrides", None), ("platform", "platform"), ("vars", "vars")):
            change, change_mark = written.get(key), place.child(key)
            if not change or change_mark is None:
                continue
            if section is not None:
                change, change_mark = {section: change}, _under(section, change_mark)
            tree, mark = merge((tree, mark), (change, change_mark), "override", null="remove")
    return _leave_out(tree, mark, environment)


def _under(key: str, mark: Mark) -> Mark:
    return Mark(mark.text, mark.start, mark.end, mark.key_start, mark.key_end, {key: mark}, mark.why)


def _leave_out(tree: dict[str, Any], mark: Mark, environment: str) -> Settled:
    """Leave out the items, and the pipeline steps, that are not for this environment."""
    absent: dict[str, frozenset[str]] = {}
    changed: dict[str, Any] = {}
    for section in NAMED:
        items = tree.get(section)
        if not isinstance(items, dict):
            continue
        gone = frozenset(name for name, item in items.items() if not _present(item, environment))
        removed = _removed(mark.child(section), items)
        if gone or removed:
            absent[section] = gone | removed
            items = {name: item for name, item in items.items() if name not in gone}
            changed[section] = items or None
        if section == "pipelines":
            kept = {name: _leave_steps_out(pipeline, environment, absent, name, mark) for name, pipeline in items.items()}
            if any(kept[name] is not items[name] for name in items):
                changed[section] = kept
    if changed:
        tree = {key: value for key, value in {**tree, **changed}.items() if value is not None or key not in changed}
    return Settled(tree, mark, absent)


def _removed(mark: Mark | None, items: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that a null of an override took out of a section: their marks are still there."""
    return frozenset(mark.children).difference(items) if mark is not None and isinstance(mark.children, dict) else frozenset()


def _leave_steps_out(pipeline: Any, environment: str, absent: dict[str, frozenset[str]], name: str, mark: Mark) -> Any:
    steps = pipeline.get("steps") if isinstance(pipeline, dict) else None
    if not isinstance(steps, dict):
        return pipeline
    gone = frozenset(step for step, item in steps.items() if not _present(item, environment))
    place, depth = walk(mark, ("pipelines", name, "steps"))
    removed = _removed(place, steps) if depth == 3 else frozenset()
    if gone or removed:
        absent[f"pipelines.{name}.steps"] = gone | removed
    if not gone:
        return pipeline
    return {**pipeline, "steps": {step: item for step, item in steps.items() if step not in gone}}


def _present(item: Any, environment: str) -> bool:
    if not isinstance(item, dict):
        return True
    if "in" in item and isinstance(item["in"], list):
        return environment in item["in"]
    if "notIn" in item and isinstance(item["notIn"], list):
        return environment not in item["notIn"]
    return True
