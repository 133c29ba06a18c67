"""How many of what: the counts that close every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlspec.diagnostics import SEVERITIES, Diagnostic


def count(diagnostics: Sequence[Diagnostic]) -> dict[str, int]:
    """Return the number of errors, warnings and notes, by severity."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    return {severity: counts[severity] for severity in SEVERITIES}


def plural(number: int, noun: str) -> str:
    """Return a number and its noun: ``1 error``, ``2 errors``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def closing_line(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the line that ends a report: the counts, and where to read on. Empty when nothing was found."""
    if not diagnostics:
        return ""
    counts = ", ".join(plural(number, severity) for severity, number in count(diagnostics).items() if number)
    files = len({diagnostic.site.file for diagnostic in diagnostics})
    worst = min(diagnostics, key=lambda diagnostic: SEVERITIES.index(diagnostic.severity))
    return f"{counts} in {plural(files, 'file')}; mlspec explain {worst.code} tells more"
