"""The code under which drift is reported: files that are not what the specs compile to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspec.diagnostics import Diagnostic, Found, code, diagnose
from mlspec.location import Mark, SourceText

if TYPE_CHECKING:
    from mlspec.writers.comparison import Difference


@code("MLS-E640", "drift")
def _drift(path: str, kind: str) -> Found:
    """What lies in the repository is what the specs compile to.

    A spec was changed and not compiled, a file was edited by hand, or another version of mlspec wrote it. Run
    mlspec compile and commit what it writes; mlspec check shows the difference line by line.

    Bad (shell)::

        mlspec compile
        rm -r deploy/churn/prod
        mlspec check --format json

    Good (shell)::

        mlspec compile
        mlspec check --format json
    """
    return Found((), f"{path} is {kind}; it is not what the spec compiles to", "run mlspec compile, and commit what it writes")


def as_diagnostic(difference: Difference) -> Diagnostic:
    """Return the diagnostic of a file that differs; it stands at the file's beginning."""
    return diagnose(_drift(difference.path, difference.kind), Mark(SourceText(difference.path, ""), 0, 0))
