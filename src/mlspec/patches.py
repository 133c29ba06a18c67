"""Patches: changes of generated objects, the last resort of a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path

Tree = dict[str, Any]


class PatchFailed(Exception):  # noqa: N818 - it is not an error of mlspec
    """An operation that does not fit the object."""


def matches(target: Tree, item: Tree, environment: str) -> bool:
    """Tell whether a patch's target selects an object."""
    if target["kind"] != item["kind"] or target.get("environment", environment) != environment:
        return False
    if "apiVersion" in target and target["apiVersion"] != item["apiVersion"]:
        return False
    pattern = re.escape(target.get("name", "*")).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, item["metadata"]["name"]) is not None


def patch(item: Tree, entry: Tree) -> Tree:
    """Return an object with a patch applied. Raises PatchFailed when an operation finds no place."""
    if "merge" in entry:
        merged: Tree = _merge(item, entry["merge"])
        return merged
    made: Any = _copy(item)
    for operation in entry["json"]:
        made = _operate(made, operation)
    changed: Tree = made
    return changed


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _merge(base: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    made = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merge(made.get(key), value)
    return made


def _parts(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise PatchFailed(f"`{pointer}` does not begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _find(root: Any, parts: list[str]) -> Any:
    place = root
    for part in parts:
        if isinstance(place, dict) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            raise PatchFailed(f"the object has nothing at `/{'/'.join(parts)}`")
    return place


def _operate(root: Any, operation: Tree) -> Any:
    kind, parts = operation["op"], _parts(operation["path"])
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise PatchFailed(f"`{kind}` lacks a value")
    if kind in ("move", "copy"):
        if "from" not in operation:
            raise PatchFailed(f"`{kind}` lacks `from`")
        source = _parts(operation["from"])
        value = _copy(_find(root, source))
        if kind == "move":
            root = _operate(root, {"op": "remove", "path": operation["from"]})
        return _operate(root, {"op": "add", "path": operation["path"], "value": value})
    if kind == "test":
        if _find(root, parts) != operation["value"]:
            raise PatchFailed(f"the value at `{operation['path']}` is not the one that is tested for")
        return root
    holder, last = _find(root, parts[:-1]), parts[-1]
    if isinstance(holder, list):
        _operate_list(holder, kind, last, operation)
    elif isinstance(holder, dict):
        if kind in ("remove", "replace") and last not in holder:
            raise PatchFailed(f"the object has nothing at `{operation['path']}`")
        if kind == "remove":
            del holder[last]
        else:
            holder[last] = operation["value"]
    else:
        raise PatchFailed(f"`{operation['path']}` leads through a value that holds nothing")
    return root


def _operate_list(holder: list[Any], kind: str, last: str, operation: Tree) -> None:
    if kind == "add" and last == "-":
        holder.append(operation["value"])
        return
    if not last.isdigit() or int(last) > len(holder) - (kind != "add"):
        raise PatchFailed(f"the list has no place `{last}`")
    if kind == "add":
        holder.insert(int(last), operation["value"])
    elif kind == "remove":
        del holder[int(last)]
    else:
        holder[int(last)] = operation["value"]


@code("MLS-E891", "patch-without-object")
def patch_without_object(path: Path, target: Tree) -> Found:
    """A patch must match at least one generated object.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget, name: iirs}
          reason: drain two pods at once
          merge: {spec: {maxUnavailable: 2}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget, name: iris}
          reason: drain two pods at once
          merge: {spec: {maxUnavailable: 2}}
    """
    what = " ".join(str(target[key]) for key in ("kind", "name", "environment") if key in target)
    return Found(
        (*path, "target"),
        f"no generated object is {what}",
        "compare kind and name with the compiled tree",
        on="key",
        label="matches nothing",
    )


@code("MLS-E892", "patch-does-not-fit")
def patch_does_not_fit(path: Path, why: str, name: str) -> Found:
    """Every operation of a patch must find its place in the object.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget}
          reason: drain two pods at once
          json: [{op: replace, path: /spec/maxUnavailible, value: 2}]

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget}
          reason: drain two pods at once
          json: [{op: replace, path: /spec/maxUnavailable, value: 2}]
    """
    return Found(
        path, f"the patch does not fit {name}: {why}", "compare its paths with the compiled object", on="value", label="does not fit"
    )


def written(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield the patches of a spec with their paths."""
    for at, entry in enumerate(tree.get("patches") or []):
        yield ("patches", at), entry


__all__ = ["Finding", "PatchFailed", "matches", "patch", "patch_does_not_fit", "patch_without_object", "written"]
