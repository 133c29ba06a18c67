"""Layers of data laid over one another: maps merge by key, scalars and lists replace; marks follow the data."""

from __future__ import annotations

from typing import Any, Literal

from mlspec.location import Mark

Layer = tuple[dict[str, Any], Mark]
"""A map and its mark."""
Null = Literal["keep", "remove"]


def merge(base: Layer, over: Layer, why: str, null: Null = "keep") -> Layer:
    """Lay one map over another and return the result; neither is changed, unchanged parts are shared.

    Keys of the base come first, in their order, then new ones. With ``null="remove"`` a null over a key of the base takes
    the key out of the data; its mark stays, so that the null can be pointed at; a null where the base has nothing stays
    a null. ``why`` is stamped on the marks of what the upper layer brings; with ``written`` they keep their own. Merged
    maps have the place that the base gave them when ``why`` is ``override``, else the place of the upper layer.
    """
    (tree, mark), (over_tree, over_mark) = base, over
    if not over_tree:
        return base
    memo: dict[int, Mark] = {}
    return _merge(tree, mark, over_tree, over_mark, why, null, memo)


def _merge(tree: dict[str, Any], mark: Mark, over: dict[str, Any], over_mark: Mark, why: str, null: Null, memo: dict[int, Mark]) -> Layer:
    result = dict(tree)
    places = _children(mark)
    below = dict(places)
    over_places = _children(over_mark)
    for key, value in over.items():
        place = over_places.get(key, over_mark)
        known = result.get(key)
        if value is None and null == "remove" and key in result:
            del result[key]
            below[key] = stamp(place, why, memo)
        elif isinstance(value, dict) and isinstance(known, dict) and key in places:
            result[key], below[key] = _merge(known, places[key], value, place, why, null, memo)
        else:
            result[key] = value
            below[key] = stamp(place, why, memo)
    at = mark if why == "override" else over_mark
    if tree and not result:
        at = below[next(reversed(over))]  # the null that emptied it is what there is to point at
    return result, Mark(at.text, at.start, at.end, at.key_start, at.key_end, below, at.why)


def _children(mark: Mark) -> dict[str, Mark]:
    return mark.children if isinstance(mark.children, dict) else {}


def stamp(mark: Mark, why: str, memo: dict[int, Mark] | None = None) -> Mark:
    """Return a mark and all below it with another ``why``; itself where nothing is to be changed.

    Marks that are shared (by aliases) stay shared: ``memo`` remembers what was stamped, by identity.
    """
    if why in {"written", mark.why}:
        return mark
    memo = {} if memo is None else memo
    done = memo.get(id(mark))
    if done is not None:
        return done
    children = mark.children
    below: dict[str, Mark] | list[Mark] | None = None
    if isinstance(children, dict):
        below = {key: stamp(child, why, memo) for key, child in children.items()}
    elif isinstance(children, list):
        below = [stamp(child, why, memo) for child in children]
    stamped = memo[id(mark)] = Mark(mark.text, mark.start, mark.end, mark.key_start, mark.key_end, below, why)
    return stamped
