"""What a parser's complaint means: the fault in our own words, at the place where a person would mend it."""

# mypy: disable-error-code="no-any-return"
# (functions with a code are Any to mypy)

from __future__ import annotations

import re
from typing import Any

from mlspec.diagnostics import Finding
from mlspec.location import Mark, SourceText
from mlspec.source import faults
from mlspec.source.composer import find_escapes, parse_events, refuse_escape

_find_conflicts = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?=[ \r\n]|\Z)[^\r\n]*", re.MULTILINE).finditer
_match_tight_pair = re.compile(r"[ \t]*(?:- +)*([A-Za-z_][\w.-]*):([^\s:/][^\r\n]*)").match
_BRACKETS = {"FlowSequenceStartToken": "]", "FlowMappingStartToken": "}"}


class Complaint:
    """A parser's error in plain form: offsets into the text, lower-case words."""

    __slots__ = ("at", "context", "context_at", "problem")

    def __init__(self, error: Any) -> None:
        mark, context_mark = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        self.problem = str(getattr(error, "problem", None) or "").lower()
        self.context = str(getattr(error, "context", None) or "").lower()
        self.context_at: int = context_mark.index if context_mark is not None else -1
        self.at: int = mark.index if mark is not None else max(self.context_at, 0)


class Token:
    """One token of the text before a fault."""

    __slots__ = ("end", "kind", "start", "style")

    def __init__(self, token: Any) -> None:
        self.kind: str = type(token).__name__
        self.start: int = token.start_mark.index
        self.end: int = token.end_mark.index
        self.style: str = getattr(token, "style", None) or ""


def find_conflicts(source: SourceText) -> list[Finding]:
    """Return a fault for every line that git left to mark a merge conflict; none when there is no opening marker."""
    found = list(_find_conflicts(source.text))
    if not any(match[0][0] in "<>" for match in found):
        return []
    opening = [match for match in found if match[0][0] == "<"] or found[:1]
    return [faults.conflict_marker(Mark(source, match.start(), match.end()), match[0][:7]) for match in opening]


def explain(error: BaseException, source: SourceText, reached: int) -> list[Finding]:
    """Return the faults that made the parser stop. ``reached`` is where its last event ended."""
    conflicts = find_conflicts(source)
    if conflicts:
        return conflicts
    if not hasattr(error, "problem_mark"):
        return [_unplaced(error, source, reached)]
    return [_Explanation(source, Complaint(error), reached).find()]


def _unplaced(error: BaseException, source: SourceText, reached: int) -> Finding:
    """Explain an error that has no place: the parser in Python lets some of Python's own through."""
    position = getattr(error, "position", None)
    at = position if isinstance(position, int) else reached
    at = min(at, len(source.text))
    if isinstance(error, (ValueError, OverflowError)):
        for character, start, end in find_escapes(source.text, at, len(source.text)):
            if character == "\0" or 0xD800 <= ord(character) < 0xE000:
                return refuse_escape(Mark(source, start, end))
    return faults.not_yaml(
        Mark(source, at, min(at + 1, len(source.text))),
        "the text is not YAML from here on",
        "check quotes, brackets and indentation above this place",
    )


class _Explanation:
    """The search for the meaning of one complaint."""

    def __init__(self, source: SourceText, complaint: Complaint, reached: int) -> None:
        self.source, self.text, self.complaint, self.reached = source, source.text, complaint, reached
        self.at = min(complaint.at, len(self.text))
        self.tokens = self._scan()
        self.open = self._open_brackets()
        self.line, self.column = source.position(self.at)
        self.line_start = source.line_starts[self.line - 1]
        self.line_text = source.line(self.line)

    def find(self) -> Finding:
        """Return the most telling fault."""
        for rule in (
            self._tab,
            self._escape,
            self._quote,
            self._tag,
            self._directive,
            self._document,
            self._template,
            self._sign,
            self._bracket,
            self._after_value,
            self._colon,
            self._key,
            self._item,
            self._indent,
        ):
            found: Finding | None = rule()
            if found is not None:
                return found
        message = "the text is not YAML here"
        return faults.not_yaml(self.mark(self.at), message, "check quotes, brackets and indentation here and on the line above")

    def mark(self, start: int, end: int = -1) -> Mark:
        """Return the mark of a stretch; of one character where no end is given."""
        start = min(start, len(self.text))
        return Mark(self.source, start, min(end if end >= 0 else start + 1, len(self.text)))

    def says(self, *words: str) -> bool:
        """Tell whether the parser's words hold one of these."""
        said = f"{self.complaint.context} / {self.complaint.problem}"
        return any(word in said for word in words)

    def _scan(self) -> list[Token]:
        """Return the tokens up to the fault."""
        tokens: list[Token] = []
        parser = parse_events(self.text)
        try:
            while parser.check_token():
                token = Token(parser.get_token())
                if token.start > self.at or len(tokens) > 500_000:
                    break
                tokens.append(token)
        except Exception:
            return tokens
        return tokens

    def _open_brackets(self) -> list[Token]:
        stack: list[Token] = []
        for token in self.tokens:
            if token.kind in _BRACKETS:
                stack.append(token)
            elif token.kind in {"FlowSequenceEndToken", "FlowMappingEndToken"} and stack and token.start < self.at:
                stack.pop()
        return stack

    def _before(self) -> Token | None:
        """Return the last token with a width that ends at or before the fault."""
        return next((t for t in reversed(self.tokens) if t.end <= self.at and t.end > t.start and t.start < self.at), None)

    def _tab(self) -> Finding | None:
        indent = re.match(r"[ \t]*", self.line_text)
        tab = self.line_text.find("\t")
        if indent is None or not 0 <= tab < indent.end():
            return None
        if self.says("tab character") or (
            self.at <= self.line_start + indent.end() and self.says("cannot start any token", "found character '\\t'", "expected")
        ):
            return faults.tab_indent(self.mark(self.line_start + tab, self.line_start + indent.end()))
        return None

    def _escape(self) -> Finding | None:
        if not self.says("escape", "hexdecimal", "hexadecimal"):
            return None
        start = self.text.rfind("\\", self.complaint.context_at, self.at + 1)
        start = start if start >= 0 else self.at
        letter = self.text[start + 1 : start + 2]
        for character, begin, end in find_escapes(self.text, start, min(start + 10, len(self.text))):
            if begin == start and (character == "\0" or 0xD800 <= ord(character) < 0xE000):
                return refuse_escape(self.mark(start, end))
        mark = self.mark(start, start + 2)
        if letter in {"x", "u", "U"}:
            digits = {"x": "two", "u": "four", "U": "eight"}[letter]
            return faults.unknown_escape(
                mark,
                "\\" + letter,
                "the escape {escape} wants " + digits + " hexadecimal digits",
                "complete it, or write \\\\ for a backslash",
            )
        return faults.unknown_escape(
            mark,
            "\\" + letter if letter.isprintable() else "\\",
            "the escape {escape} is not known to YAML",
            "use single quotes, where nothing is escaped, or write \\\\ for a backslash",
        )

    def _quote(self) -> Finding | None:
        if self.says("while scanning a quoted scalar") and self.says("end of stream", "document indicator", "document separator"):
            opening = self.complaint.context_at
            return faults.unclosed_quote(self.mark(opening), self.text[opening : opening + 1])
        # a quote that the next quote in the file closed: `'a` … `b: 'c'`
        last = next((t for t in reversed(self.tokens) if t.style in {"'", '"'} and t.end <= self.at), None)
        if last is None or "\n" not in self.text[last.start : last.end]:
            return None
        between = self.text[last.end : self.at]
        if "\n" in between or not re.match(r"[\w./$-]", self.text[last.end : last.end + 1]):
            return None
        if re.search(r"\n[ \t]*(?:- )?[\w.-]+:[ \t]", self.text[last.start : last.end]):
            return faults.unclosed_quote(self.mark(last.start), last.style)
        return None

    def _tag(self) -> Finding | None:
        if self.says("tag") and not self.says("%tag", "directive"):
            start = self.complaint.context_at if self.complaint.context_at >= 0 else self.at
            found = re.compile(r"[^\s,\[\]{}]+").match(self.text, start)
            return faults.tag(self.mark(start, found.end() if found else start + 1), found[0] if found else "!")
        return None

    def _directive(self) -> Finding | None:
        if self.text[self.line_start : self.line_start + 1] == "%" and self.says(
            "directive", "yaml document", "version", "document start", "cannot start"
        ):
            return faults.directive(self.mark(self.line_start, self.line_start + len(self.line_text.rstrip())))
        return None

    def _document(self) -> Finding | None:
        if self.says("expected <document start>", "expected '<document start>'") and self.tokens:
            return faults.second_document(self.mark(self.at, self.line_start + len(self.line_text.rstrip())))
        return None

    def _template(self) -> Finding | None:
        """Explain `key: {{ x }}/y`, `key: {% if %}`: fine in a template, not in YAML."""
        for braces in ("{{", "{%"):
            found = re.match(r"[ \t]*(?:- +)*(?:[\w.-]+:[ \t]+)?(" + re.escape(braces) + ")", self.line_text)
            if found is not None and self.line_start + found.start(1) <= self.at:
                return faults.template_braces(self.mark(self.line_start + found.start(1), self.line_start + found.end(1)), braces)
        return None

    def _sign(self) -> Finding | None:
        """Explain a value that begins with a sign of YAML."""
        if self.says("anchor", "alias"):
            at = self.complaint.context_at if self.complaint.context_at >= 0 else self.at
            sign = self.text[at : at + 1]
            word = "an alias" if sign == "*" else "an anchor"
            return faults.unquoted_value(self.mark(at), f"`{sign}` begins {word}, and no name follows", "quote the value")
        if self.says("block scalar"):
            at = self.complaint.context_at if self.complaint.context_at >= 0 else self.at
            if self.says("leading empty line", "indentation indicator", "comment or line break"):
                return faults.unquoted_value(
                    self.mark(at),
                    f"`{self.text[at : at + 1]}` begins a block of text on the lines below, and something else follows it here",
                    "quote the value, or move the text to the next lines",
                )
        character = self.text[self.at : self.at + 1]
        if self.says("cannot start any token") and character and not character.isspace():
            return faults.unquoted_value(
                self.mark(self.at),
                "a value cannot begin with " + ("a backtick" if character == "`" else f"`{character}`"),
                "quote the value",
            )
        return None

    def _bracket(self) -> Finding | None:
        character = self.text[self.at : self.at + 1]
        if not self.open:
            if character in {"]", "}"}:
                return faults.unopened_bracket(self.mark(self.at), character)
            return None
        opening = self.open[-1]
        bracket, closing = self.text[opening.start], _BRACKETS[opening.kind]
        if not self._closed_later(opening, closing):
            return faults.unclosed_bracket(self.mark(opening.start), bracket, closing)
        if character in {"]", "}"} and character != closing:
            return faults.unclosed_bracket(
                self.mark(opening.start), bracket, closing, ((self.mark(self.at).value_site(), f"here stands {character} instead"),)
            )
        if character == ",":
            return faults.not_yaml(self.mark(self.at), "an item is missing before this comma", "delete the comma, or write the item")
        if self.says("expected ',' or") and character:
            return faults.missing_comma(self.mark(self.at), closing, self.mark(opening.start).value_site())
        return None

    def _closed_later(self, opening: Token, closing: str) -> bool:
        """Tell whether a bracket is closed before a line that looks like the map's next key."""
        if self.at >= len(self.text):
            return False
        line, _ = self.source.position(opening.start)
        indent = len(self.source.line(line)) - len(self.source.line(line).lstrip(" "))
        for number in range(line, len(self.source.line_starts) + 1):
            text = self.source.line(number)
            stripped = text.lstrip(" ")
            if number > line and len(text) - len(stripped) <= indent and re.match(r"""(?:- |["']?[\w.$-]+["']?:(?:\s|$))""", stripped):
                return False
            start = max(self.source.line_starts[number - 1], self.at) - self.source.line_starts[number - 1]
            if start <= len(text) and closing in text[start:]:
                return True
            if number - line > 2_000:
                return False
        return False

    def _after_value(self) -> Finding | None:
        """Explain text behind a quoted value or a closed bracket on one line."""
        before = self._before()
        if before is None or not self.says("expected key", "expected '-'", "block end", "mapping values", "expected ':'"):
            return None
        between = self.text[before.end : self.at]
        if "\n" in between or self.text[self.at : self.at + 1] in {"", "\n", "\r"}:
            return None
        related = ((self.mark(before.start, before.end).value_site(), "it ends here"),)
        if before.style in {"'", '"'}:
            other = "'" if before.style == '"' else '"'
            return faults.text_after_value(
                self.mark(self.at),
                "the quoted text",
                f"put the whole value into quotes, with {other} outside if it holds {before.style}",
                related,
            )
        if before.kind in {"FlowSequenceEndToken", "FlowMappingEndToken"}:
            return faults.text_after_value(
                self.mark(self.at), "the closed bracket", "quote the whole value, or delete what follows", related
            )
        return None

    def _colon(self) -> Finding | None:
        """Explain a colon that stands where no key can be."""
        if not self.says("mapping values are not allowed"):
            return None
        if self.column > 1024 and len(self.line_text[: self.column].split(":")[0]) > 1000:
            return faults.no_key(self.mark(self.line_start), "a key has at most 1,024 characters", "shorten the key")
        for number in (self.line - 1, self.line):
            tight = self._tight(number) if number else None
            if tight is not None:
                return tight
        before = next((t for t in reversed(self.tokens) if t.kind == "ScalarToken" and not t.style and t.start <= self.at), None)
        if before is not None and before.start >= self.line_start and re.search(r":[ \t]", self.text[self.line_start : before.start]):
            return faults.unquoted_value(
                self.mark(before.start, self.at + 1),
                "this value holds a colon followed by a space, which begins another key",
                "quote the value",
            )
        first = re.compile(r"[ \t]*").match(self.text, self.line_start)
        start = first.end() if first else self.line_start
        above = self._line_above()
        if above is not None and re.search(r":[ \t]", self.source.line(above)):
            return faults.indentation(
                self.mark(start, self.at),
                "this key stands deeper than the key above, which has a value already",
                "begin it in the column of the keys above, or give the key above no value",
            )
        if above is not None:
            return faults.no_key(self._line_mark(above), "expected a colon after this key", "write `key: value`")
        return faults.unquoted_value(self.mark(self.at), "a colon followed by a space cannot stand here", "quote the value")

    def _key(self) -> Finding | None:
        """Explain a line without a key."""
        if not self.says("expected ':'", "simple key"):
            return None
        at = self.complaint.context_at if self.complaint.context_at >= 0 else self.at
        number, _ = self.source.position(at)
        tight = self._tight(number)
        if tight is not None:
            return tight
        if self.text[at : at + 1] in {"'", '"'} and "\n" in self.text[at : self.at]:
            return faults.no_key(self.mark(at), "expected a key and a colon", "a quoted key stands on one line; is a quote not closed?")
        return faults.no_key(
            self._line_mark(number, at),
            "expected a key and a colon on this line",
            "write `key: value`; text that goes on from the line above is indented deeper than its key",
        )

    def _item(self) -> Finding | None:
        if self.says("block sequence entries are not allowed"):
            return faults.indentation(
                self.mark(self.at), "a list item cannot stand here", "begin the list on a line of its own below its key, or write [a, b]"
            )
        if self.says("mapping keys are not allowed"):
            return faults.unquoted_value(self.mark(self.at), "`?` followed by a space cannot stand here", "quote the value")
        if self.text[self.at : self.at + 1] == ":" and self.says("node content", "expected key", "block end"):
            return faults.key_not_text(self.mark(self.at), "empty", "write a name before the colon")
        if self.text[self.at : self.at + 1] == "-" and self.says("expected key", "block end"):
            return faults.indentation(
                self.mark(self.at),
                "a list item stands where a key is expected",
                "indent the list below the key that it belongs to, and give that key no other value",
            )
        return None

    def _indent(self) -> Finding | None:
        if not self.says("block mapping", "block collection", "block sequence") or self.complaint.context_at < 0:
            return None
        if self.line_text[: self.column - 1].strip(" "):
            return None
        opened, column = self.source.position(self.complaint.context_at)
        if opened == self.line:
            return None
        what, begin = ("item", "items of the list") if self.says("expected '-'") else ("key", "keys of the map")
        related = ((self.mark(self.complaint.context_at).value_site(), f"the {begin} begin in this column"),)
        if what == "item" and self.column == column:
            return faults.indentation(
                self._line_mark(self.line, self.at),
                "a key stands where a list item is expected",
                "begin it with `- `, or move the list below a key",
                related,
            )
        if self.column == column:
            return faults.no_key(self._line_mark(self.line, self.at), "expected a key and a colon on this line", "write `key: value`")
        return faults.indentation(
            self._line_mark(self.line, self.at),
            f"this line begins in column {self.column}; the {begin} begin in column {column}",
            "begin both in the same column",
            related,
        )

    def _tight(self, number: int) -> Finding | None:
        """Explain `key:value` without a space on a line."""
        start = self.source.line_starts[number - 1]
        found = _match_tight_pair(self.source.line(number))
        if found is None:
            return None
        return faults.missing_space(self.mark(start + found.start(1), start + found.end(1) + 1), found[1], found[2].rstrip())

    def _line_above(self) -> int | None:
        """Return the number of the nearest line above that is neither empty nor a comment."""
        for number in range(self.line - 1, max(0, self.line - 200), -1):
            text = self.source.line(number).strip()
            if text and text[0] != "#":
                return number
        return None

    def _line_mark(self, number: int, start: int = -1) -> Mark:
        begin = self.source.line_starts[number - 1]
        text = self.source.line(number)
        if start < 0:
            start = begin + len(text) - len(text.lstrip())
        return self.mark(start, max(begin + len(text.rstrip()), start))
