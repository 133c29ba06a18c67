"""Diagnostics as SARIF 2.1.0, as GitHub code scanning and most editors read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO
from urllib.parse import quote

from mlspec.diagnostics import CODES, Diagnostic
from mlspec.location import Site
from mlspec.reporters.fingerprint import fingerprints

_LONGEST = 1024
"""Characters of a description that GitHub takes."""
_SECURITY_SEVERITY = "8.0"
"""Of 10; shown as high. Every security code stands for something an attacker or a leak can use."""


def write_sarif(diagnostics: Sequence[Diagnostic], stream: TextIO, tool_version: str) -> None:
    """Write one run. No snippet is written: the platform has the file, and a log must not repeat what a file holds."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    results = [_result(diagnostic, mark, codes) for diagnostic, mark in zip(diagnostics, fingerprints(diagnostics), strict=True)]
    driver = {"name": "mlspec", "semanticVersion": tool_version, "rules": [_rule(code) for code in codes]}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    json.dump(document, stream, indent=2)
    stream.write("\n")


def _rule(name: str) -> dict[str, Any]:
    code = CODES.get(name)
    if code is None:
        text = {"text": f"see mlspec explain {name}"}
        return {"id": name, "shortDescription": text, "fullDescription": text, "help": text}
    rule: dict[str, Any] = {
        "id": name,
        "name": code.name,
        "shortDescription": {"text": code.summary[:_LONGEST]},
        "fullDescription": {"text": code.page.split("\n\nBad", 1)[0][:_LONGEST]},
        "help": {"text": code.page},
        "defaultConfiguration": {"level": code.severity},
    }
    if code.security:
        rule["properties"] = {"tags": ["security"], "security-severity": _SECURITY_SEVERITY}
    return rule


def _result(diagnostic: Diagnostic, mark: str, codes: Sequence[str]) -> dict[str, Any]:
    texts = [diagnostic.message, *diagnostic.notes]
    if diagnostic.environment:
        texts.append(f"in environment {diagnostic.environment}")
    if diagnostic.help:
        texts.append(f"help: {diagnostic.help}")
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": codes.index(diagnostic.code),
        "level": diagnostic.severity,
        "message": {"text": "\n".join(texts)},
        "locations": [_location(diagnostic.site)],
        "partialFingerprints": {"primaryLocationLineHash": mark},
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, **_location(other.site), "message": {"text": other.message}} for number, other in enumerate(diagnostic.related)
        ]
    return result


def _location(site: Site) -> dict[str, Any]:
    region = {"startLine": site.line, "startColumn": site.column, "endLine": site.end_line, "endColumn": site.end_column}
    uri = quote(site.file.removeprefix("./").replace("\\", "/"), errors="backslashreplace")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
