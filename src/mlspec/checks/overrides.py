"""Overrides: whether what an environment changes is there to be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.checks.environments import SECTIONS
from mlspec.checks.subject import Project
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path, format_path

REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "datasets": (("uri",),),
    "features": (("entity", "from", "fields"),),
    "models": (("framework", "version", "uri"),),
    "pipelines": (("steps",),),
    "thresholds": (("on", "rules"),),
    "serving": (("model",), ("graph",)),
    "monitoring": ((),),
    "steps": (
        ("run",),
        ("check", "data"),
        ("gate", "metrics"),
        ("register", "model"),
        ("notebook",),
        ("use",),
    ),
    "schema": (("type",),),
}
"""What makes a new item complete: one of these sets of fields."""
NOUNS = {
    "datasets": "dataset",
    "features": "feature view",
    "models": "model",
    "pipelines": "pipeline",
    "thresholds": "threshold",
    "serving": "endpoint",
    "monitoring": "monitor",
    "steps": "step",
    "schema": "column",
}


@code("MLS-E456", "override-of-nothing")
def override_of_nothing(project: Project) -> Iterator[Found]:
    """An override changes what is there, or adds a whole new item.

    A misspelt name would otherwise make a second, half-empty item and leave the real one as it is; a `null` for something that
    does not exist removes nothing. An optional field that the body of the spec leaves out may be set.

    Bad::

        environments: {prod: {namespace: iris, overrides: {serving: {irsi: {replicas: 3}}}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}

    Good::

        environments: {prod: {namespace: iris, overrides: {serving: {iris: {replicas: 3}}}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for environment, body in project.environments.items():
        overrides = body.get("overrides")
        if isinstance(overrides, dict):
            yield from _compare(project, environment, overrides)


def _compare(project: Project, environment: str, overrides: Any) -> Iterator[Found]:
    root: Path = ("environments", environment, "overrides")
    left: list[tuple[Path, Any, Any]] = [((), overrides, project.tree)]
    while left:
        path, over, base = left.pop()
        named = _kind_of_items(path)
        for key, value in over.items():
            here = (*path, key)
            where = (*root, *here)
            if not path and isinstance(value, dict):
                left.append((here, value, base[key] if isinstance(base.get(key), dict) else {}))
            elif key in base:
                gone = _absent_in(base[key], environment) if named else None
                if gone and value is not None:
                    yield Found(
                        where,
                        f"the {NOUNS[named]} `{key}` is not in {environment}, so there is nothing to override",
                        f"remove the override, or let `{key}` be in {environment}",
                        on="key",
                        related=(((*here, gone), f"`{gone}` keeps it out"),),
                    )
                elif isinstance(value, dict) and isinstance(base[key], dict):
                    left.append((here, value, base[key]))
            elif value is None:
                yield Found(
                    where, f"`{format_path(here)}` is not there, so null removes nothing", _advice(key, base, "remove the line"), on="key"
                )
            elif named and not _complete(named, value):
                noun = NOUNS[named]
                yield Found(
                    where,
                    f"there is no {noun} `{key}` to override, and what is written here is no whole {noun}",
                    _advice(key, base, f"write all that a {noun} needs, or override one that exists"),
                    on="key",
                )


def _kind_of_items(path: Path) -> str:
    """Return what kind of named items stands below a path of the spec; nothing when they are fields or plain values."""
    if len(path) == 1 and path[0] in SECTIONS:
        return str(path[0])
    if len(path) == 3 and (path[0], path[2]) in (("pipelines", "steps"), ("datasets", "schema")):
        return str(path[2])
    return ""


def _absent_in(item: Any, environment: str) -> str:
    if isinstance(item, dict):
        if isinstance(item.get("in"), list) and environment not in item["in"]:
            return "in"
        if isinstance(item.get("notIn"), list) and environment in item["notIn"]:
            return "notIn"
    return ""


def _complete(kind: str, item: Any) -> bool:
    return isinstance(item, dict) and any(all(field in item for field in fields) for fields in REQUIRED[kind])


def _advice(key: str, base: Any, otherwise: str) -> str:
    near = nearest(key, base)
    return f"did you mean `{near}`?" if near else otherwise


FIRST_CHECKS = (override_of_nothing,)
