"""Diagnostics as workflow commands of GitHub Actions, which become annotations of the change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from mlspec.diagnostics import SEVERITIES, Diagnostic
from mlspec.reporters.printable import printable
from mlspec.reporters.summary import closing_line

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def write_github(diagnostics: Sequence[Diagnostic], stream: TextIO) -> None:
    """Write one command a diagnostic, errors first because only ten of a level are shown, then the counts in plain text."""
    worst_first = sorted(diagnostics, key=lambda diagnostic: SEVERITIES.index(diagnostic.severity))
    stream.writelines(_command(diagnostic) + "\n" for diagnostic in worst_first)
    if diagnostics:
        stream.write(closing_line(diagnostics) + "\n")


def _command(diagnostic: Diagnostic) -> str:
    site = diagnostic.site
    properties: dict[str, str | int] = {}
    if site.file != ".":  # what is wrong with the surroundings stands in no file
        properties |= {"file": site.file, "line": site.line, "endLine": site.end_line}
        if site.line == site.end_line:  # columns of two different lines are refused
            properties |= {"col": site.column, "endColumn": site.end_column}
    properties["title"] = diagnostic.code
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    texts = [diagnostic.message]
    if diagnostic.environment:
        texts.append(f"in environment {diagnostic.environment}")
    if diagnostic.help:
        texts.append(f"help: {diagnostic.help}")
    return f"::{_LEVELS[diagnostic.severity]} {listed}::{_data(chr(10).join(texts))}"


def _data(text: str) -> str:
    return printable(text, "\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
