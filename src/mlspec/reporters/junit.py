"""Diagnostics as JUnit XML: one suite a file, one case a diagnostic, one passing case for a file without faults."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from mlspec.diagnostics import Diagnostic
from mlspec.reporters.printable import printable
from mlspec.reporters.text import write


def write_junit(diagnostics: Sequence[Diagnostic], stream: TextIO, files_checked: Sequence[str]) -> None:
    """Write the suites. Errors fail; warnings and notes pass with their text as output, as they do not fail a build."""
    by_file: dict[str, list[Diagnostic]] = {file: [] for file in files_checked}
    for diagnostic in diagnostics:
        by_file.setdefault(diagnostic.site.file, []).append(diagnostic)
    cases = sum(max(1, len(found)) for found in by_file.values())
    stream.write('<?xml version="1.0" encoding="utf-8"?>\n')
    stream.write(f'<testsuites name="mlspec" tests="{cases}" failures="{_failures(diagnostics)}" errors="0">\n')
    for file, found in sorted(by_file.items()):
        _write_suite(file, found, stream)
    stream.write("</testsuites>\n")


def _write_suite(file: str, found: Sequence[Diagnostic], stream: TextIO) -> None:
    name = _attribute(file)
    stream.write(f'  <testsuite name={name} tests="{max(1, len(found))}" failures="{_failures(found)}" errors="0">\n')
    if not found:
        stream.write(f'    <testcase name="valid" classname={name}/>\n')
    for diagnostic in found:
        place = f'name="{diagnostic.code}" classname={name} file={name} line="{diagnostic.site.line}"'
        text = _text(diagnostic)
        if diagnostic.severity == "error":
            body = f"<failure type={_attribute(diagnostic.code)} message={_attribute(diagnostic.message)}>{text}</failure>"
        else:
            body = f"<system-out>{text}</system-out>"
        stream.write(f"    <testcase {place}>{body}</testcase>\n")
    stream.write("  </testsuite>\n")


def _failures(diagnostics: Sequence[Diagnostic]) -> int:
    return sum(diagnostic.severity == "error" for diagnostic in diagnostics)


def _text(diagnostic: Diagnostic) -> str:
    block = StringIO()
    write([diagnostic], block, colour=False)
    return escape(block.getvalue().rsplit("\n\n", 1)[0])


def _attribute(text: str) -> str:
    """Return a quoted attribute. Newlines are written out too: XML would turn them into spaces."""
    return quoteattr(printable(text))
