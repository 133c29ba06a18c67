"""How views read a plan: by attribute, with a note of every leaf that is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlspec.location import Path


class Reads:
    """The paths of the leaves that were read. While a part is watched, its reads are kept apart as well."""

    __slots__ = ("_open", "apart", "paths")

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.apart = False
        """Whether parts are to be watched: every read is then noted anew, not only the first one of a leaf."""
        self._open: list[set[Path]] = []

    @property
    def watching(self) -> bool:
        """Whether a part is being watched."""
        return bool(self._open)

    def add(self, path: Path) -> None:
        """Note that a leaf was read."""
        self.paths.add(path)
        for part in self._open:
            part.add(path)

    def add_all(self, paths: set[Path]) -> None:
        """Note that what these leaves made was read again."""
        for part in self._open:
            part.update(paths)

    def begin(self) -> None:
        """Begin to keep the reads of a part apart."""
        self._open.append(set())

    def end(self) -> set[Path]:
        """Return what was read since the last begin."""
        return self._open.pop()


class Told(str):
    """A text that knows where in the spec it stands; given out while a part is watched, so that a value keeps its own origin."""

    __slots__ = ("path",)
    path: Path


def _tell(value: Any, path: Path, reads: Reads) -> Any:
    reads.add(path)
    if type(value) is str and reads.watching:
        told = Told(value)
        told.path = path
        return told
    return value


class Node:
    """One map of a plan, read by attribute or by key. What is not there is None.

    What was read is kept, what was read by attribute as an attribute, so that reading it again costs nothing.
    """

    __slots__ = ("__dict__", "_known", "_map", "_path", "_reads")

    def __init__(self, values: Mapping[str, Any], path: Path, reads: Reads) -> None:
        self._map, self._path, self._reads = values, path, reads
        self._known: dict[str, Any] = {}

    def __getattr__(self, key: str) -> Any:
        value = self[key]
        if not (self._reads.apart or type(value) is list):
            self.__dict__[key] = value
        return value

    def __getitem__(self, key: str) -> Any:
        known = self._known.get(key)
        if known is not None:
            return known
        value = self._map.get(key)
        if value is None:
            return None
        kind = value.__class__
        if kind is dict:
            known = self._known[key] = Node(value, (*self._path, key), self._reads)
            return known
        if kind is list:
            return self._items(value, (*self._path, key))
        told = _tell(value, (*self._path, key), self._reads)
        if not self._reads.apart:
            self._known[key] = told
        return told

    def _items(self, values: list[Any], path: Path) -> list[Any]:
        made: list[Any] = []
        for at, value in enumerate(values):
            if type(value) is dict:
                made.append(Node(value, (*path, at), self._reads))
            elif type(value) is list:
                made.append(self._items(value, (*path, at)))
            else:
                made.append(_tell(value, (*path, at), self._reads))
        return made

    def __contains__(self, key: str) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __bool__(self) -> bool:
        return bool(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the keys and values, in the order in which they are written."""
        for key in self._map:
            yield key, self[key]

    def values(self) -> Iterator[Any]:
        """Yield the values, in the order in which they are written."""
        for key in self._map:
            yield self[key]

    @property
    def here(self) -> Path:
        """The path of this map in the spec."""
        return self._path

    def plain(self) -> dict[str, Any]:
        """Return the map as plain data, sorted by key; all its leaves count as read."""
        return {key: _plain(self[key]) for key in sorted(self._map)}


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        return value.plain()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
