"""Diagnostics as a Code Quality report of GitLab."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from mlspec.diagnostics import CODES, Diagnostic
from mlspec.reporters.fingerprint import fingerprints

_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}


def write_gitlab(diagnostics: Sequence[Diagnostic], stream: TextIO) -> None:
    """Write the array; a fingerprint holds no line, so that an edit above does not make a fault new."""
    entries = [
        {
            "description": f"{diagnostic.message} ({diagnostic.help})" if diagnostic.help else diagnostic.message,
            "check_name": diagnostic.code,
            "fingerprint": fingerprint,
            "severity": _severity(diagnostic),
            "location": {
                "path": diagnostic.site.file.removeprefix("./"),
                "lines": {"begin": diagnostic.site.line, "end": diagnostic.site.end_line},
            },
        }
        for diagnostic, fingerprint in zip(diagnostics, fingerprints(diagnostics), strict=True)
    ]
    json.dump(entries, stream, indent=2)
    stream.write("\n")


def _severity(diagnostic: Diagnostic) -> str:
    entry = CODES.get(diagnostic.code)
    if entry is not None and entry.security:
        return "critical"
    return _SEVERITIES[diagnostic.severity]
