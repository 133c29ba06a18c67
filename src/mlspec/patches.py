"""Patches: changes of generated objects, the last resort of a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.checks.patches import PROBES, protects
from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path

Tree = dict[str, Any]
MOST_VALUES = 100_000
"""Values of one object; more do not fit into what a cluster stores."""


_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class PatchFailed(Exception):  # noqa: N818 - it is not an error of mlspec
    """An operation that does not fit the object; ``path`` leads from the patch to it."""

    path: Path = ()


def matches(target: Tree, item: Tree, environment: str) -> bool:
    """Tell whether a patch's target selects an object."""
    if target["kind"] != item["kind"] or target.get("environment", environment) != environment:
        return False
    if "apiVersion" in target and target["apiVersion"] != item["apiVersion"]:
        return False
    return matches_glob(item["metadata"]["name"], target.get("name", "*"))


def matches_glob(name: str, glob: str) -> bool:
    """Tell whether a name is of a pattern with ``*`` and ``?``, in a time that grows with the product of their lengths."""
    at = place = 0
    star = after = -1
    while at < len(name):
        if place < len(glob) and glob[place] in ("?", name[at]) and glob[place] != "*":
            at, place = at + 1, place + 1
        elif place < len(glob) and glob[place] == "*":
            star, after, place = place, at, place + 1
        elif star >= 0:  # the last star takes one letter more
            after += 1
            at, place = after, star + 1
        else:
            return False
    return not glob[place:].strip("*")


def patch(item: Tree, entry: Tree) -> Tree:
    """Return an object with a patch applied. Raises PatchFailed when an operation finds no place."""
    if "merge" in entry:
        merged: Tree = _merge(item, entry["merge"])
        return merged
    made: Any = _copy(item)
    for at, operation in enumerate(entry["json"]):
        try:
            made = _operate(made, operation)
            if operation["op"] == "copy" and _count(made) > MOST_VALUES:
                raise PatchFailed(f"its copies make more than {MOST_VALUES} values of it")
        except PatchFailed as failure:
            failure.path = ("json", at, "path")
            raise
    changed: Tree = made
    return changed


def _count(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_count, below))


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
        elif isinstance(place, list) and _NUMBER.fullmatch(part) and int(part) < len(place):
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
    if not _NUMBER.fullmatch(last) or int(last) > len(holder) - (kind != "add"):
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


def protected(item: Tree) -> dict[Path, Any]:
    """Return what confines an object and its containers, by place: the fields that no patch may change, and which probes there are."""
    found: dict[Path, Any] = {}
    left: list[tuple[Path, Any]] = [((), item)]
    while left:
        path, node = left.pop()
        if isinstance(node, list):
            names = [each.get("name") if isinstance(each, dict) else None for each in node]
            left += [((*path, name if isinstance(name, str) else at), node[at]) for at, name in enumerate(names)]
        elif isinstance(node, dict):
            for key, value in node.items():
                if protects(key, item["kind"]):
                    found[(*path, key)] = value
                elif key in PROBES:
                    found[(*path, key)] = bool(value)
                else:
                    left.append(((*path, key), value))
    return found


def changed_place(before: dict[Path, Any], after: dict[Path, Any]) -> str:
    """Return the first place that two results of ``protected`` do not agree on; nothing where they do."""
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return format_path(min(changed, key=str)) if changed else ""


@code("MLS-E893", "patch-weakens", security=True)
def patch_weakens(path: Path, name: str, field: str) -> Found:
    """An object is as confined after a patch as it was before.

    Whatever way a patch goes (a part replaced as a whole, a copy, a move), security contexts, accounts, access to the node and
    probes are the same afterwards.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: InferenceService}
          reason: a server of our own
          json: [{op: replace, path: /spec/predictor/model, value: {modelFormat: {name: sklearn}, storageUri: s3://m/iris}}]

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: InferenceService}
          reason: a slow model
          json: [{op: add, path: /spec/predictor/timeout, value: 90}]
    """
    said = f"the patch changes `{field}` of {name}, which confines it"
    return Found(path, said, "patch single fields beside it, and leave it as it is", on="value", label="changes what confines the object")


def written(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield the patches of a spec with their paths."""
    for at, entry in enumerate(tree.get("patches") or []):
        yield ("patches", at), entry


__all__ = [
    "Finding",
    "PatchFailed",
    "changed_place",
    "matches",
    "patch",
    "patch_does_not_fit",
    "patch_weakens",
    "patch_without_object",
    "protected",
    "written",
]
