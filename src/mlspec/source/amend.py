"""Edits of a spec at paths: the text is spliced where a value stands, and is the same to the byte everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlspec.diagnostics import Rejected, Unable
from mlspec.location import Mark, Path, format_path
from mlspec.source.edit import write_flow
from mlspec.source.reader import Document, read, source_of


class _Absent:
    """The one value that stands for nothing at all."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""As the value of an edit: the key goes, and with it every map that it leaves empty."""

_PART = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\["([^"]+)"\]')
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+){2,}")
"""A version that every reader of YAML takes for text."""


class _Leaf:
    """A value to be written (or ABSENT), as opposed to a map of further edits."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


_Branch = dict[str | int, Any]
"""Edits below one map or list: by key, a leaf or a further branch."""
_Splice = tuple[int, int, int, str]
"""Start, minus the depth, end and the new text; of insertions at one place the deepest comes first."""


def parse_path(text: str) -> Path:
    """Return the path that people write: ``serving.api.rollout.steps[0]``. Raises Unable (status 2) for what is none."""
    path: list[str | int] = []
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or (part[1] is not None and (at == 0) == text.startswith(".", at)):
            raise Unable(f"`{text}` is no path", "write keys with dots between them, as models.churn.version", status=2)
        path.append(int(part[2]) if part[2] is not None else part[1] or part[3])
        at = part.end()
    if not path:
        raise Unable("the path is empty", "write keys with dots between them, as models.churn.version", status=2)
    return tuple(path)


def amend(text: str, edits: Iterable[tuple[Path, Any]], file: str = "the text to edit") -> str:
    """Return a text with values set (or, with ABSENT, removed) at paths; all else is untouched to the letter.

    A value that is written is replaced in place, in the quotes that it had. Maps that are missing on the way are added, on lines
    of their own below a map that is written so, else in braces. Values that are there already make no difference. Raises
    Rejected when the text is no spec, Unable (status 1) when a place cannot be edited without changing another: an anchor
    or alias is in the way.
    """
    before = read(text.encode("utf-8", "surrogatepass"), file)
    branch = _gather(edits)
    splicing = _Splicing(before)
    splicing.edit_map(before.tree, before.mark, branch, ())
    edited = splicing.apply()
    wanted = _changed(before.tree, branch)
    try:
        after = read(edited.encode("utf-8", "surrogatepass"), file).tree
    except Rejected:
        after = None
    if after is None or not same(wanted, after):
        places = ", ".join(format_path(path) for path in _leaves(branch))
        raise Unable(f"{places} cannot be set alone: an anchor, an alias or a merge key is in the way", "edit the file by hand", status=1)
    return text[: len(text) - len(before.text.text)] + edited  # a byte order mark stays


def same(one: Any, other: Any) -> bool:
    """Compare data by value and type; the order of keys does not matter, and 1.0 and 1.00 differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and str(one) == str(other)


def with_edits(tree: Any, edits: Iterable[tuple[Path, Any]]) -> Any:
    """Return data with values set or removed at paths, as ``amend`` does it to a text; what is not on the way is shared."""
    return _changed(tree, _gather(edits))


def _gather(edits: Iterable[tuple[Path, Any]]) -> _Branch:
    top: _Branch = {}
    for path, value in edits:
        here = top
        for part in path[:-1]:
            here = here.setdefault(part, {})
            if isinstance(here, _Leaf):
                raise ValueError(f"two edits overlap at {format_path(path)}")
        here[path[-1]] = _Leaf(value)
    return top


def _leaves(branch: _Branch, above: Path = ()) -> Iterable[Path]:
    for key, want in branch.items():
        if isinstance(want, _Leaf):
            yield (*above, key)
        else:
            yield from _leaves(want, (*above, key))


def _changed(value: Any, want: Any) -> Any:
    """Return data as a leaf or a branch wants it; ABSENT when nothing is left of a map."""
    if isinstance(want, _Leaf):
        return want.value
    if isinstance(value, list):
        made = list(value)
        for at, below in want.items():
            if not isinstance(at, int) or at >= len(made):
                raise Unable(f"there is no item {at} in a list of {len(made)}", "count from 0", status=1)
            made[at] = _changed(made[at], below)
        return made
    whole: dict[Any, Any] = dict(value) if isinstance(value, dict) else {}
    for key, below in want.items():
        found = _changed(whole.get(key), below)
        if found is ABSENT:
            whole.pop(key, None)
        else:
            whole[key] = found
    return whole or ABSENT


class _Splicing:
    """The changes of one text, gathered and then made all at once."""

    def __init__(self, document: Document) -> None:
        self.source, self.text = document.text, document.text.text
        self.ending = "\r\n" if "\r\n" in self.text else "\n"
        self.step = self._indentation(document.mark)
        self.splices: list[_Splice] = []

    def apply(self) -> str:
        made, at = [], 0
        for start, _, end, new in sorted(self.splices, key=lambda splice: splice[:2]):
            made += [self.text[at:start], new]
            at = max(at, end)
        return "".join(made) + self.text[at:]

    def edit_map(self, tree: Any, mark: Mark, branch: _Branch, path: Path) -> None:
        """Splice what a branch wants into a map that is written here."""
        own = self._own(mark)
        flow = self.text[mark.start : mark.start + 1] == "{"
        gone: list[str] = []
        added: dict[str, Any] = {}
        for key, want in branch.items():
            if not isinstance(key, str):
                raise Unable(f"{format_path(path)} is a map; it has no item {key}", "name a key of it", status=1)
            if _changed(tree.get(key), want) is ABSENT:
                gone += [key] if key in own else []
            elif key in own:
                self._edit(tree[key], own[key], want, (*path, key), flow=flow)
            else:  # what a merge key brought is written out, and wins over it
                added[key] = _Leaf(_changed(tree[key], want)) if key in tree else want
        self._remove([own[key] for key in gone], list(own.values()), path, flow=flow, refill=bool(added))
        if added:
            self._add(mark, list(own.values()), added, path, flow=flow, emptied=len(gone) == len(own))

    def _edit(self, value: Any, mark: Mark, want: Any, path: Path, *, flow: bool) -> None:
        shared = source_of(mark)[:1] == "*"
        if isinstance(want, _Leaf):
            wanted = want.value
            if same(value, wanted):
                return
            if isinstance(wanted, dict) and wanted and isinstance(value, dict) and not shared:
                below: _Branch = {key: _Leaf(ABSENT) for key in value if key not in wanted}
                self.edit_map(value, mark, {**{key: _Leaf(item) for key, item in wanted.items()}, **below}, path)
                return
            self._replace(mark, wanted, path)
        elif shared:
            self._replace(mark, _changed(value, want), path)
        elif isinstance(value, dict) and mark.children is not None:
            if value:
                self.edit_map(value, mark, want, path)
            else:
                self._replace(mark, _changed(value, want), path)
        elif isinstance(value, list):
            for at, below in want.items():
                if not isinstance(at, int) or at >= len(value):
                    raise Unable(f"{format_path(path)} has {len(value)} items; there is no item {at}", "count from 0", status=1)
                assert isinstance(mark.children, list)
                self._edit(value[at], mark.children[at], below, (*path, at), flow=flow)
        elif value is None and not flow and mark.start == mark.end:
            _, column = self.source.position(mark.key_start)
            lines = [line for key, below in want.items() for line in self._lines(str(key), below, column - 1 + self.step)]
            at = self._line_end(mark.start)
            self.splices.append((at, -len(path), at, "".join(self.ending + line for line in lines)))
        else:
            self._replace(mark, _changed(value, want), path)

    def _replace(self, mark: Mark, value: Any, path: Path) -> None:
        old = source_of(mark)
        start, space = mark.start, ""
        if mark.children is not None and old[:1] not in {"{", "[", "*"} and mark.key_end >= 0:
            start = self.text.index(":", mark.key_end) + 1  # what stood on lines of its own now stands behind its key
            space = " "
        elif not old and self.text[start - 1 : start] == ":":
            space = " "
        self.splices.append((start, -len(path), mark.end, space + written(value, old)))

    def _add(self, mark: Mark, own: list[Mark], added: dict[str, Any], path: Path, *, flow: bool, emptied: bool) -> None:
        if flow:
            pairs = ", ".join(f"{write_flow(key)}: {written(_fresh(want))}" for key, want in added.items())
            at = max(map(_end, own), default=mark.start + 1)
            self.splices.append((at, -len(path), at, f", {pairs}" if own and not emptied else pairs))
            return
        if own:
            _, column = self.source.position(own[0].key_start)
            at = self._line_end(max(map(_end, own)))
        else:
            first = re.compile(r"[ ]*<<").search(self.text, mark.start, mark.end)
            if first is None:
                raise Unable(f"no key can be added to {format_path(path)}", "edit the file by hand", status=1)
            _, column = self.source.position(self.text.index("<<", mark.start))
            at = self._line_end(mark.end)
        lines = [line for key, want in added.items() for line in self._lines(key, want, column - 1)]
        self.splices.append((at, -len(path), at, "".join(self.ending + line for line in lines)))

    def _lines(self, key: str, want: Any, indent: int) -> list[str]:
        if isinstance(want, _Leaf):
            return [f"{' ' * indent}{write_flow(key)}: {written(want.value)}"]
        below = [
            line for name, item in want.items() if _fresh(item) is not ABSENT for line in self._lines(str(name), item, indent + self.step)
        ]
        return [f"{' ' * indent}{write_flow(key)}:", *below]

    def _remove(self, gone: list[Mark], own: list[Mark], path: Path, *, flow: bool, refill: bool) -> None:
        if not gone:
            return
        order = sorted(own, key=lambda mark: mark.key_start)
        if flow:
            if refill and len(gone) == len(own):
                self.splices.append((order[0].key_start, -len(path), _end(order[-1]), ""))
                return
            for at, mark in enumerate(order):
                if mark not in gone:
                    continue
                if any(before not in gone for before in order[:at]):
                    self.splices.append((_end(order[at - 1]), -len(path), _end(mark), ""))
                else:
                    self.splices.append((mark.key_start, -len(path), order[at + 1].key_start if at + 1 < len(order) else _end(mark), ""))
            return
        for mark in gone:
            line = self.text.rfind("\n", 0, mark.key_start) + 1
            if self.text[line : mark.key_start].strip(" "):
                raise Unable(f"{format_path(path)} cannot lose its first key", "edit the file by hand", status=1)
            start = self._line_end(line - 1) if line else 0  # the line end before it goes, so that the one behind it stays
            self.splices.append((start, -len(path), self._line_end(_end(mark)), ""))

    def _own(self, mark: Mark) -> dict[str, Mark]:
        """Return the children of a map that are written in it: not those that an alias or a merge key brings."""
        children = mark.children if isinstance(mark.children, dict) else {}
        return {key: child for key, child in children.items() if mark.start <= child.key_start < mark.end and child.text is mark.text}

    def _line_end(self, at: int) -> int:
        """Return where the line ends that an offset lies on: before its line end."""
        end = self.text.find("\n", at)
        if end < 0:
            return len(self.text)
        return end - 1 if self.text[end - 1] == "\r" else end

    def _indentation(self, top: Mark) -> int:
        for child in self._own(top).values():
            below = [] if self.text[child.start : child.start + 1] in {"{", "*"} else list(self._own(child).values())
            if below:
                return max(1, self.source.position(below[0].key_start)[1] - 1)
        return 2


def _end(mark: Mark) -> int:
    return max(mark.end, mark.key_end)


def _fresh(want: Any) -> Any:
    """Return the value of what is wanted where nothing is yet."""
    return _changed(None, want)


def written(value: Any, like: str = "") -> str:
    """Return a value on one line, a text in the quotes of the one that it replaces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_flow(str(key))}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if not isinstance(value, str):
        return write_flow(value)
    if like[:1] == "'" and "'" not in value and value.isprintable():
        return f"'{value}'"
    if like[:1] == '"' and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return value if _RELEASE.fullmatch(value) else write_flow(value)
