"""The text of a template made readable for a YAML parser, every character still in its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from jinja2 import Environment, TemplateSyntaxError

from mlspec.diagnostics import Finding
from mlspec.location import SourceText
from mlspec.template import codes
from mlspec.template.codes import Span

OPEN, CLOSE, FILL, TAG, INCLUDE = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
"""Private-use characters that stand for what Jinja's marks enclose while YAML is parsed."""
_FIRST = 0xE100
_MOST = 0xF8FF - _FIRST
PLACEHOLDER = re.compile(f"{OPEN}(.){FILL}*{CLOSE}")
INCLUDED = re.compile(f"{INCLUDE}(.){FILL}*")
_PRIVATE = re.compile("[\ue000-\ue004]|\\\\(?:u|U0000)[eE]00[0-4]")
_CONTROL = re.compile(r"\{[{%#][-+]|[-+][}%#]\}")
_NAME = re.compile(r"""\s*include\s+(["'])([^"']+)\1\s*""")


class Expression(NamedTuple):
    """What stands between ``{{`` and ``}}``, or between raw tags."""

    span: Span
    source: str
    raw: bool


class Tag(NamedTuple):
    """What stands between ``{%`` and ``%}``: ``word`` is its first word, ``rest`` what follows."""

    span: Span
    word: str
    rest: str


class Prepared(NamedTuple):
    """A template as YAML of the same length: expressions and includes are placeholders, tags and comments are blank."""

    text: SourceText
    yaml: str
    expressions: list[Expression]
    tags: list[Tag]
    includes: list[Tag]
    comments: list[int]


class Unreadable(Exception):  # noqa: N818 - it ends the reading of one template
    """A template that cannot be read any further, with its finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.found.message)


def normalised(name: str, text: str) -> SourceText:
    """Return a template's text with one kind of line end and without a byte order mark."""
    return SourceText(name, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def prepare(text: SourceText, environment: Environment, kind_of: Callable[[Tag, str], str]) -> Prepared:
    """Make a template readable for a YAML parser; ``kind_of`` tells whether an included fragment is a map or a list.

    Raises Unreadable.
    """
    source = text.text
    private = _PRIVATE.search(source)
    if private:
        raise Unreadable(
            codes.template_syntax(Span(text, *private.span()), "U+E000 to U+E004 cannot stand in a template", "put the text into the view")
        )
    pieces = _pieces(text, environment)
    characters = list(source)
    result = Prepared(text, "", [], [], [], [])
    tags: list[Tag] = []
    for what, start, end, inner in pieces:
        span = Span(text, start, end)
        if what == "comment":
            result.comments.append(start)
            characters[start:end] = ["\n" if character == "\n" else " " for character in source[start:end]]
            continue
        if "\n" in source[start:end]:
            raise Unreadable(codes.template_syntax(span, "this goes over several lines; it stands on one"))
        if what == "tag":
            word, _, rest = inner.strip().partition(" ")
            tags.append(Tag(span, word, rest.strip()))
            continue
        number = len(result.expressions)
        if number > _MOST:
            raise Unreadable(codes.template_syntax(span, f"the template has more than {_MOST} expressions"))
        result.expressions.append(Expression(span, inner, what == "raw"))
        characters[start:end] = OPEN + chr(_FIRST + number) + FILL * (end - start - 3) + CLOSE
    for tag in tags:
        _tag(tag, characters, result, kind_of)
    return result._replace(yaml="".join(characters))


def _tag(tag: Tag, characters: list[str], result: Prepared, kind_of: Callable[[Tag, str], str]) -> None:
    """Blank a tag out of the text, or put the placeholder of an include in its place."""
    (text, start, end) = tag.span
    line = text.text.rfind("\n", 0, start) + 1
    line_end = text.text.find("\n", end)
    before = "".join(characters[line:start]).strip()
    after = "".join(characters[end : line_end if line_end >= 0 else None]).strip()
    if before.startswith("#"):
        characters[start:end] = " " * (end - start)
        return
    if before or (after and not after.startswith("#")):
        raise Unreadable(codes.template_syntax(tag.span, "a tag stands alone on its line", "put it on a line of its own"))
    if tag.word != "include":
        characters[start:end] = ("#" + TAG).ljust(end - start)
        result.tags.append(tag)
        return
    name = _NAME.fullmatch(f"include {tag.rest}")
    if name is None:
        raise Unreadable(
            codes.not_allowed(tag.span, "an include of anything but one literal name", 'write {% include "folder/file.yaml.j2" %}')
        )
    marker = INCLUDE + chr(_FIRST + len(result.includes)) + FILL
    written = f"- {marker}" if kind_of(tag, name[2]) == "list" else f"{marker}: {FILL}"
    characters[start:end] = written.ljust(end - start)
    result.includes.append(tag._replace(rest=name[2]))


def index(character: str) -> int:
    """Return the number that a placeholder's second character stands for."""
    return ord(character) - _FIRST


def _pieces(text: SourceText, environment: Environment) -> list[tuple[str, int, int, str]]:
    """Cut a template at Jinja's marks: (what, start, end, inside)."""
    source = text.text
    found: list[tuple[str, int, int, str]] = []
    at, begin, inside, is_open = 0, 0, 0, False
    try:
        for _, token, value in environment.lex(source):
            if source[at : at + len(value)] != value:
                raise Unreadable(_whitespace_control(text))
            if token in ("variable_begin", "block_begin", "comment_begin", "raw_begin"):
                begin, inside, is_open = at, at + len(value), True
            at += len(value)
            if token in ("variable_end", "block_end", "comment_end", "raw_end"):
                what = {"variable_end": "expression", "block_end": "tag", "comment_end": "comment", "raw_end": "raw"}[token]
                is_open = False
                found.append((what, begin, at, source[inside : at - len(value)]))
    except TemplateSyntaxError as error:
        start = begin if is_open else text.line_starts[min(error.lineno, len(text.line_starts)) - 1]
        line = text.position(start)[0]
        message = str(error.message or error).rstrip(".")
        raise Unreadable(
            codes.template_syntax(Span(text, start, text.line_starts[line - 1] + len(text.line(line))), message[:1].lower() + message[1:])
        ) from None
    if is_open:
        opening = Span(text, begin, inside)
        raise Unreadable(codes.template_syntax(opening, f"this `{opening.words}` is never closed", "close it on the same line"))
    for what, start, end, _ in found:
        if what != "raw" and (_CONTROL.match(source, start) or _CONTROL.match(source, end - 3)):
            raise Unreadable(_whitespace_control(text))
    return found


def _whitespace_control(text: SourceText) -> Finding:
    match = _CONTROL.search(text.text)
    start, end = match.span() if match else (0, 0)
    finding: Finding = codes.template_syntax(
        Span(text, start, end), "whitespace control means nothing in a template", "leave out the - or +"
    )
    return finding
