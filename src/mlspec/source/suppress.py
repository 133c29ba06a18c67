"""Comments that ask mlspec not to report something: ``# mlspec: ignore[MLS-W203] why it is right here``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mlspec.diagnostics import CODES, Code, Diagnostic, Finding, Found, code, diagnose, nearest
from mlspec.location import Mark
from mlspec.source.reader import Document

_match_request = re.compile(r"#\s*mlspec\s*:\s*(?P<word>\w+)?\s*(?:\[(?P<codes>[^\]]*)\])?(?P<reason>.*)", re.DOTALL).fullmatch

_may_match = re.compile(r"#\s*mlspec\s*:").search


class Request:
    """One comment that asks to ignore codes on a line."""

    __slots__ = ("codes", "file", "line", "mark", "reason", "used")

    def __init__(self, mark: Mark, line: int, codes: tuple[str, ...], reason: str) -> None:
        self.mark, self.line, self.codes, self.reason = mark, line, codes, reason
        self.file = mark.text.file
        self.used: set[str] = set()


@code("MLS-E180", "malformed-ignore")
def malformed_ignore(mark: Mark, message: str) -> Found:
    """A comment that ignores a code names the code and gives a reason.

    Whoever reads the spec next has to know why a finding is right to be left. The comment stands on the line that it
    concerns, or on a line of its own above it.

    Bad::

        vars: {a: b} # mlspec: ignore

    Good::

        vars: {a: b}
    """
    return Found((), message, "write `# mlspec: ignore[MLS-W000] the reason`", mark=mark)


@code("MLS-W180", "ignore-of-unknown-code", severity="warning")
def unknown_code(mark: Mark, name: str, near: str | None) -> Found:
    """A comment ignores codes that exist.

    Bad::

        vars: {a: b} # mlspec: ignore[MLS-W999] there is no such code

    Good::

        vars: {a: b}
    """
    return Found((), f"there is no code `{name}`", f"did you mean `{near}`?" if near else "see `mlspec explain` for all codes", mark=mark)


@code("MLS-W181", "unused-ignore", severity="warning")
def unused_ignore(mark: Mark, name: str) -> Found:
    """A comment ignores something that is found there.

    A comment that has outlived its cause would hide the next one.

    Bad::

        vars: {a: b} # mlspec: ignore[MLS-W401] kept for the next release

    Good::

        vars: {a: b}
    """
    return Found((), f"{name} is not found on the line that this comment concerns", "delete the comment", mark=mark)


@code("MLS-E580", "ignored-security-code", security=True)
def ignored_security(mark: Mark, name: str) -> Found:
    """A security code cannot be ignored by a comment in the spec.

    A spec would otherwise approve itself. What the code asks for has to be done; where a policy of the organisation allows
    an exception, it is made there.

    Bad::

        vars: {a: b} # mlspec: ignore[MLS-E580] we know what we do

    Good::

        vars: {a: b}
    """
    return Found((), f"{name} is a security code and cannot be ignored", "delete the comment, and do what the code asks for", mark=mark)


@code("MLS-E581", "ignored-error")
def ignored_error(mark: Mark, name: str) -> Found:
    """Only warnings can be ignored by a comment; an error says that no right tree can be made.

    Bad::

        vars: {a: b} # mlspec: ignore[MLS-E202] it will be there later

    Good::

        vars: {a: b}
    """
    return Found((), f"{name} is an error and cannot be ignored", "delete the comment, and repair what the error says", mark=mark)


def find_requests(document: Document) -> tuple[list[Request], list[Finding]]:
    """Return the requests of a file, and what is wrong with the form of others."""
    if not _may_match(document.text.text):
        return [], []
    requests: list[Request] = []
    findings: list[Finding] = []
    source = document.text
    comments = {source.position(comment.start)[0]: comment for comment in document.comments}
    for line, comment in comments.items():
        match = _match_request(comment.text)
        if match is None:
            continue
        mark = Mark(source, comment.start, comment.start + len(comment.text.rstrip()))
        codes = tuple(name.strip() for name in (match["codes"] or "").split(",") if name.strip())
        if match["word"] != "ignore":
            findings.append(malformed_ignore(mark, "this comment asks mlspec for something that it does not know; expected `ignore`"))
        elif not codes:
            findings.append(malformed_ignore(mark, "this comment names no code to ignore"))
        elif not match["reason"].strip(" \t-–—:"):
            findings.append(malformed_ignore(mark, "this comment gives no reason"))
        else:
            requests.append(Request(mark, _concerned(document, line, comment.start), codes, match["reason"].strip()))
    return requests, findings


def _concerned(document: Document, line: int, start: int) -> int:
    """Return the line that a comment concerns: its own, or the next with data where it stands alone."""
    source = document.text
    if source.text[source.line_starts[line - 1] : start].strip():
        return line
    for number in range(line + 1, len(source.line_starts) + 1):
        text = source.line(number).strip()
        if text and text[0] != "#":
            return number
    return line


def suppress(
    diagnostics: Iterable[Diagnostic], documents: Iterable[Document], *, complete: bool = True, codes: Mapping[str, Code] = CODES
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics that comments in the files do not ignore, and what is wrong with such comments, in order.

    ``complete`` says that all checks ran on all environments: only then is an unused comment known to be unused.
    """
    requests: list[Request] = []
    findings: list[Finding] = []
    for document in documents:
        found, wrong = find_requests(document)
        requests += found
        findings += wrong
    if not requests and not findings:
        return tuple(sorted(diagnostics, key=lambda each: each.order))
    by_line: dict[tuple[str, int], list[Request]] = {}
    for request in requests:
        by_line.setdefault((request.file, request.line), []).append(request)
        findings += _judge(request, codes)
    kept = [each for each in diagnostics if not _ignored(each, by_line, codes)]
    if complete:
        findings += [
            unused_ignore(request.mark, name)
            for request in requests
            for name in request.codes
            if name in codes and codes[name].severity != "error" and name not in request.used
        ]
    kept += [diagnose(finding, finding.found.mark) for finding in findings if finding.found.mark is not None]
    return tuple(sorted(kept, key=lambda each: each.order))


def _judge(request: Request, codes: Mapping[str, Code]) -> list[Finding]:
    """Return what is wrong with the codes that a request names."""
    found: list[Finding] = []
    for name in request.codes:
        if name not in codes:
            found.append(unknown_code(request.mark, name, nearest(name, codes)))
        elif codes[name].security:
            found.append(ignored_security(request.mark, name))
        elif codes[name].severity == "error":
            found.append(ignored_error(request.mark, name))
    return found


def _ignored(diagnostic: Diagnostic, by_line: dict[tuple[str, int], list[Request]], codes: Mapping[str, Code]) -> bool:
    entry = codes.get(diagnostic.code)
    if entry is not None and (entry.security or entry.severity == "error"):
        return False
    hit = False
    for request in by_line.get((diagnostic.site.file, diagnostic.site.line), ()):
        if diagnostic.code in request.codes:
            request.used.add(diagnostic.code)
            hit = True
    return hit


__all__ = ["Request", "find_requests", "suppress"]
