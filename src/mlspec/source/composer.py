"""From YAML events to plain data and marks, within bounds; every fault that does not stop the parser is collected."""

from __future__ import annotations

import re
from typing import Any

from mlspec.diagnostics import Diagnostic, Finding, Rejected, diagnose, nearest
from mlspec.location import Mark, SourceText
from mlspec.source import faults, limits
from mlspec.source.scalars import LEADING, resolve

MERGE = "<<"
_skip_blank = re.compile(r"(?:[ \t\r\n]+|(?<![^\s])#[^\n]*)*").match
_skip_property = re.compile(r"[&!][^\s\[\]{},]*").match


def parse_events(text: str) -> Any:
    """Return PyYAML's event parser for a text: libyaml's where it is installed, else the one in Python."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        from yaml import SafeLoader

        return SafeLoader(text)
    return CParser(text)


class Stopped(Exception):  # noqa: N818 - a way out of the parser's loop
    """The rest of the file cannot be read; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.found.message)


class _Open:
    """A map or list whose end was not seen yet: what to return to when it ends."""

    __slots__ = ("anchor", "before", "key", "key_end", "key_start", "marks", "merges", "merging", "start", "tree")

    def __init__(
        self,
        tree: Any,
        marks: Any,
        key: str | None,
        key_start: int,
        key_end: int,
        merges: Any,
        merging: bool,
        start: int,
        anchor: str | None,
        before: int,
    ) -> None:
        self.tree, self.marks, self.key, self.key_start, self.key_end, self.merges, self.merging = (
            tree,
            marks,
            key,
            key_start,
            key_end,
            merges,
            merging,
        )
        self.start, self.anchor, self.before = start, anchor, before


class _Anchor:
    """A value that aliases may name."""

    __slots__ = ("mark", "size", "tree")

    def __init__(self, tree: Any, mark: Mark, size: int) -> None:
        self.tree, self.mark, self.size = tree, mark, size


class Composer:
    """Builds one document out of events. ``findings`` holds the faults that did not stop it."""

    def __init__(self, source: SourceText, why: str) -> None:
        self.source, self.why = source, why
        self.findings: list[Finding] = []
        self.anchors: dict[str, _Anchor] = {}
        self.opened: dict[str, Mark] = {}
        self.token_end = 0
        """Where the last event ended: the way to what stands before a fault of the parser."""

    def add(self, finding: Finding) -> None:
        """Keep a fault, up to the cap."""
        self.findings.append(finding)
        if len(self.findings) >= limits.FAULTS:
            self.findings.pop()
            raise Stopped(finding)

    def at(self, start: int, end: int) -> Mark:
        """Return a mark for a place that is no value."""
        return Mark(self.source, start, end)

    def compose(self) -> tuple[Any, Mark] | None:
        """Return the document's data and its marks, None for a stream without a document.

        Raises Stopped for what ends the reading, and whatever the parser raises.
        """
        from yaml.events import (
            AliasEvent,
            DocumentStartEvent,
            MappingEndEvent,
            MappingStartEvent,
            ScalarEvent,
            SequenceEndEvent,
            SequenceStartEvent,
            StreamEndEvent,
        )

        parser = parse_events(self.source.text)
        source, text, why = self.source, self.source.text, self.why
        get_event = parser.get_event
        stack: list[_Open] = []
        tree: Any = None  # the container that is being filled; None outside the document
        marks: Any = None
        key: str | None = None
        key_start = key_end = -1
        merges: list[tuple[Any, Mark]] | None = None
        in_map = False
        merging = False  # the key is `<<`: its value is merged
        count = 0
        depth = 0
        result: tuple[Any, Mark] | None = None
        documents = 0
        value: Any
        while True:
            event = get_event()
            kind = type(event)
            if kind is ScalarEvent:
                start, end = event.start_mark.index, event.end_mark.index
                value = event.value
                style = event.style
                anchor = event.anchor
                if anchor is not None or event.tag is not None:
                    start = self.skip_properties(start, end, event.tag)
                if end - start > 65536:
                    self.check_length(start, end, value)
                if style:
                    if style == '"':
                        if not value.isprintable():
                            self.check_escapes(start, end)
                    elif style in "|>":
                        end = start + len(text[start:end].rstrip())
                elif value[:1] in LEADING:
                    value = resolve(value)
                if in_map and key is None:
                    if value.__class__ is not str:
                        value = self.refuse_key(start, end, value)
                    elif value == MERGE and not style:
                        merging = True
                        if merges:
                            self.add(faults.duplicate_key(self.at(start, end), MERGE, merges[0][1].key_site()))
                    if value in marks and not merging:
                        self.add(faults.duplicate_key(self.at(start, end), value, marks[value].key_site()))
                        value = "\0" + value  # what follows goes elsewhere: the first stays to be pointed at
                    if anchor is not None:
                        self.define(anchor, value, self.at(start, end), 1)
                    key, key_start, key_end = value, start, end
                    self.token_end = end
                    continue
                count += 1
                mark = Mark(source, start, end, key_start, key_end, None, why)
                if anchor is not None:
                    self.define(anchor, value, mark, 1)
                self.token_end = end
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                start, end = event.start_mark.index, event.end_mark.index
                if event.tag is not None or event.anchor is not None:
                    start = self.skip_properties(start, len(text), event.tag)
                depth += 1
                if depth > limits.DEPTH:
                    raise Stopped(faults.too_deep(self.at(start, min(start + 1, len(text)))))
                if in_map and key is None:
                    key = self.refuse_collection_key(start, parser, depth)
                    key_start, key_end = start, self.token_end
                    depth -= 1
                    continue
                count += 1
                if count > limits.NODES:
                    raise Stopped(faults.too_many_values(self.at(start, start + 1), False))
                if event.anchor is not None:
                    self.open(event.anchor, self.at(start, start + 1))
                stack.append(_Open(tree, marks, key, key_start, key_end, merges, merging, start, event.anchor, count))
                merging = False
                in_map = kind is MappingStartEvent
                tree, marks = ({}, {}) if in_map else ([], [])
                key, key_start, key_end, merges = None, -1, -1, None
                self.token_end = end
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                frame = stack.pop()
                depth -= 1
                start, end = frame.start, event.end_mark.index
                closing = "}" if in_map else "]"
                flow = start < len(text) and text[start] in "{[" and text[end - 1 : end] == closing and event.start_mark.index == end - 1
                if not flow:
                    last = next(reversed(marks.values() if in_map else marks), None) if marks else None
                    end = max(last.end, last.key_end) if last is not None else max(start, self.token_end)
                if merges is not None:
                    tree, marks = self.merge(tree, marks, merges)
                value = tree
                mark = Mark(source, start, end, frame.key_start, frame.key_end, marks, why)
                if frame.anchor is not None:
                    self.opened.pop(frame.anchor, None)
                    self.anchors[frame.anchor] = _Anchor(value, mark, count - frame.before + 1)
                tree, marks, key, key_start, key_end, merges = (
                    frame.tree,
                    frame.marks,
                    frame.key,
                    frame.key_start,
                    frame.key_end,
                    frame.merges,
                )
                merging = frame.merging
                in_map = tree.__class__ is dict
                self.token_end = end
            elif kind is AliasEvent:
                start, end = event.start_mark.index, event.end_mark.index
                if in_map and key is None:
                    self.add(faults.key_not_text(self.at(start, end), "an alias", "write the key out"))
                    key, key_start, key_end = "\0" + text[start:end] + str(start), start, end
                    continue
                named = self.look_up(event.anchor, start, end)
                count += named.size
                if count > limits.NODES:
                    raise Stopped(faults.too_many_values(self.at(start, end), True))
                value = named.tree
                mark = Mark(source, start, end, key_start, key_end, named.mark.children, why)
                self.token_end = end
            elif kind is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise Stopped(faults.second_document(self.at(*self.whole_line(event.start_mark.index))))
                if event.version or event.tags:
                    self.add(faults.directive(self.at(*self.whole_line(self.find_directive()))))
                continue
            elif kind is StreamEndEvent:
                return result
            else:
                continue
            # a value is complete: put it where it belongs
            if count > limits.NODES:
                raise Stopped(faults.too_many_values(self.at(mark.start, mark.end), False))
            if tree is None:
                result = value, mark
            elif in_map:
                assert key is not None
                if merging and key == MERGE:
                    merges = [*(merges or ()), (value, mark)]
                    merging = False
                else:
                    tree[key] = value
                    marks[key] = mark
                key, key_start, key_end = None, -1, -1
            else:
                tree.append(value)
                marks.append(mark)

    def skip_properties(self, start: int, end: int, tag: str | None) -> int:
        """Return where a value begins behind its anchor and tag; a tag is a fault."""
        text = self.source.text
        while (found := _skip_property(text, start)) is not None and found.end() <= end:
            if found[0][0] == "!" and tag is not None:
                self.add(faults.tag(self.at(found.start(), found.end()), found[0]))
            blank = _skip_blank(text, found.end())
            start = blank.end() if blank else found.end()
        return min(start, end)

    def check_length(self, start: int, end: int, value: str) -> None:
        """Refuse a scalar that is too long."""
        size = len(value.encode("utf-8", "replace"))
        if size > limits.SCALAR_BYTES:
            self.add(faults.scalar_too_long(self.at(start, min(end, start + 1)), size))

    def check_escapes(self, start: int, end: int) -> None:
        """Refuse escapes that give NUL or, with a parser that lets them pass, surrogates."""
        for escape in find_escapes(self.source.text, start, end):
            number = ord(escape[0])
            if number == 0 or 0xD800 <= number < 0xE000:
                self.add(refuse_escape(self.at(escape[1], escape[2])))

    def refuse_key(self, start: int, end: int, value: Any) -> str:
        """Report a key that is not text and return one to go on with."""
        raw = self.source.text[start:end]
        kind = "empty" if not raw else "null" if value is None else f"the boolean {raw}" if isinstance(value, bool) else f"the number {raw}"
        way = "write a name before the colon" if not raw else f'write "{raw}" in quotes'
        self.add(faults.key_not_text(self.at(start, max(end, start)), kind, way))
        return raw or f"\0{start}"

    def refuse_collection_key(self, start: int, parser: Any, level: int) -> str:
        """Report a map or list as a key, skip it, and return a key to go on with."""
        from yaml.events import MappingEndEvent, MappingStartEvent, SequenceEndEvent, SequenceStartEvent

        text = self.source.text
        braces = start > 0 and text[start - 1 : start + 1] == "{{"
        depth = level
        first = start
        while depth >= level:
            event = parser.get_event()
            if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                depth += 1
                if depth > limits.DEPTH:
                    begin: Any = event.start_mark
                    raise Stopped(faults.too_deep(self.at(begin.index, begin.index + 1)))
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                depth -= 1
            end_mark: Any = event.end_mark
            self.token_end = max(self.token_end, end_mark.index)
        if braces:
            self.add(faults.template_braces(self.at(start - 1, start + 1), "{{"))
        else:
            what = "a list" if text[start : start + 1] in "[-" else "a map"
            self.add(faults.key_not_text(self.at(first, first + 1), what, "write a name before the colon"))
        return f"\0{start}"

    def open(self, name: str, mark: Mark) -> None:
        """Note an anchor whose value is not complete, so that an alias inside it is seen."""
        known = self.anchors.get(name)
        first = known.mark if known else self.opened.get(name)
        if first is not None:
            self.add(faults.duplicate_anchor(self.anchor_mark(mark.start, name), name, first.value_site()))
        self.opened[name] = mark

    def define(self, name: str, tree: Any, mark: Mark, size: int) -> None:
        """Make a scalar known under its anchor."""
        known = self.anchors.get(name)
        first = known.mark if known else self.opened.get(name)
        if first is not None:
            self.add(faults.duplicate_anchor(self.anchor_mark(mark.start, name), name, first.value_site()))
        self.anchors[name] = _Anchor(tree, mark, size)

    def anchor_mark(self, start: int, name: str) -> Mark:
        """Return the mark of the anchor that stands before a value."""
        at = self.source.text.rfind(f"&{name}", 0, start)
        return self.at(at, at + len(name) + 1) if at >= 0 else self.at(start, start)

    def look_up(self, name: str, start: int, end: int) -> _Anchor:
        """Return what an alias names; where there is nothing, report it and return null."""
        if name in self.opened:
            self.add(faults.self_alias(self.at(start, end), name, self.opened[name].value_site()))
        elif name in self.anchors:
            return self.anchors[name]
        else:
            self.add(faults.unknown_alias(self.at(start, end), name, nearest(name, self.anchors)))
        return _Anchor(None, self.at(start, end), 1)

    def merge(self, tree: dict[str, Any], marks: dict[str, Mark], merges: list[tuple[Any, Mark]]) -> tuple[dict[str, Any], dict[str, Mark]]:
        """Return a map with the keys that its merge keys bring; what is written in the map stands, earlier sources win."""
        merged: dict[str, Any] = {}
        merged_marks: dict[str, Mark] = {}
        for value, mark in merges:
            for part, place in (
                zip(value, mark.children, strict=True) if isinstance(value, list) and isinstance(mark.children, list) else ((value, mark),)
            ):
                if self.source.text[place.start : place.start + 1] != "*":
                    found = "a map that is no alias" if isinstance(part, dict) else "a list" if isinstance(part, list) else "no alias"
                    self.add(faults.merge_key(place, found))
                elif not isinstance(part, dict) or not isinstance(place.children, dict):
                    if not self.findings:
                        self.add(faults.merge_key(place, "an alias of a list" if isinstance(part, list) else "an alias of a single value"))
                else:
                    for name, below in part.items():
                        if name not in merged:
                            merged[name], merged_marks[name] = below, place.children[name]
        return {**merged, **tree}, {**merged_marks, **marks}

    def whole_line(self, offset: int) -> tuple[int, int]:
        """Return the stretch from an offset to the end of its line."""
        text = self.source.text
        end = text.find("\n", offset)
        return offset, len(text[: end if end >= 0 else len(text)].rstrip())

    def find_directive(self) -> int:
        """Return the offset of the first directive."""
        found = re.search(r"^%", self.source.text, re.MULTILINE)
        return found.start() if found else 0


_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)


def find_escapes(text: str, start: int, end: int) -> list[tuple[str, int, int]]:
    """Return the characters that escapes in a double-quoted stretch name, each with its place."""
    found = []
    for match in _ESCAPE.finditer(text, start, end):
        digits = match[1] or match[2] or match[3]
        if digits:
            number = int(digits, 16)
            found.append((chr(number) if number < 0x110000 else "\0", match.start(), match.end()))
        elif match[4] == "0":
            found.append(("\0", match.start(), match.end()))
    return found


def refuse_escape(mark: Mark) -> Finding:
    """Report an escape that names no character that text may hold."""
    escape = mark.text.text[mark.start : mark.end]
    found: Finding = faults.unknown_escape(
        mark, escape, "the escape {escape} names no character that text may hold", "write the character itself, or \\U and eight digits"
    )
    return found


def rejected(findings: list[Finding], source: SourceText) -> Rejected:
    """Return the exception that carries findings of one text."""
    root = Mark(source, 0, 0)
    seen: dict[tuple[Any, ...], Diagnostic] = {}
    for finding in findings:
        diagnostic = diagnose(finding, root)
        seen.setdefault(diagnostic.order, diagnostic)
    return Rejected(list(seen.values())[: limits.FAULTS])
