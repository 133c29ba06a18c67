"""What was found, written for people and for machines: one file a format, one door for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from mlspec.diagnostics import Diagnostic

FORMATS = ("text", "json", "sarif", "github", "gitlab", "junit")


def report(
    diagnostics: Sequence[Diagnostic],
    format: str,  # noqa: A002 - it is called so everywhere
    stream: TextIO,
    *,
    colour: bool,
    tool_version: str,
    files_checked: Sequence[str],
) -> None:
    """Write diagnostics to a stream in one of the FORMATS, sorted by place, each once.

    ``files_checked`` names every spec file that was read, so that a file without faults is seen to have been checked.
    ``colour`` counts for ``text`` alone. Raises ValueError for another format.
    """
    found = sorted(dict.fromkeys(diagnostics), key=lambda diagnostic: diagnostic.order)
    if format == "text":
        from mlspec.reporters.text import write

        write(found, stream, colour=colour)
    elif format == "json":
        from mlspec.reporters.envelope import write_json

        write_json(found, stream, tool_version, files_checked)
    elif format == "sarif":
        from mlspec.reporters.sarif import write_sarif

        write_sarif(found, stream, tool_version)
    elif format == "github":
        from mlspec.reporters.github import write_github

        write_github(found, stream)
    elif format == "gitlab":
        from mlspec.reporters.gitlab import write_gitlab

        write_gitlab(found, stream)
    elif format == "junit":
        from mlspec.reporters.junit import write_junit

        write_junit(found, stream, files_checked)
    else:
        raise ValueError(f"no such format: {format}")
