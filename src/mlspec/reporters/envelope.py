"""Diagnostics as JSON: one versioned envelope, positions in lines and 1-based code points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from mlspec.diagnostics import Diagnostic
from mlspec.reporters.summary import count

SCHEMA_VERSION = 1


def write_json(diagnostics: Sequence[Diagnostic], stream: TextIO, tool_version: str, files_checked: Sequence[str]) -> None:
    """Write the envelope, in ASCII, so that no terminal or log can misread it."""
    counts = count(diagnostics)
    json.dump(
        {
            "schemaVersion": SCHEMA_VERSION,
            "tool": {"name": "mlspec", "version": tool_version},
            "summary": {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"], "files": len(files_checked)},
            "diagnostics": [_entry(diagnostic) for diagnostic in diagnostics],
        },
        stream,
        indent=2,
    )
    stream.write("\n")


def _entry(diagnostic: Diagnostic) -> dict[str, Any]:
    site = diagnostic.site
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": site.file,
        "line": site.line,
        "column": site.column,
        "endLine": site.end_line,
        "endColumn": site.end_column,
        "environment": diagnostic.environment,
        "related": [
            {"file": other.site.file, "line": other.site.line, "column": other.site.column, "message": other.message}
            for other in diagnostic.related
        ],
    }
