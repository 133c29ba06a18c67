"""The command check."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, paths, reporting
from mlspec.reporters.printable import printable

if TYPE_CHECKING:
    from mlspec.writers.comparison import Difference

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(
    "check",
    epilog=examples(
        ("mlspec check", "every spec below this folder"),
        ("mlspec check churn/mlspec.yaml", "one spec"),
        ("mlspec check --out /tmp/tree", "a tree that was compiled elsewhere"),
        ("mlspec check --against origin/main", "and no gate is looser than on main without a waiver"),
    ),
)
@paths
@click.option("--out", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Compare with the tree below this folder.")
@click.option("--against", "revision", metavar="REV", help="Hold every gate against what it was at this revision.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The day by which waivers end; else today, in UTC.")
@compiling
@reporting
@click.pass_obj
def command(
    console: Console,
    *,
    paths: tuple[Path, ...],
    out: Path | None,
    revision: str | None,
    today: datetime | None,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Say whether the files in the repository are what the specs compile to; write nothing.

    Exits 1 and lists the files when something is missing, stale, edited by hand or left over. For CI, and for a hook
    before a commit.

    With --against REV, a gate that is looser than it was at REV needs a waiver in governance.waivers that has not ended.
    With that or --today, waivers that have ended are warned of.
    """
    from mlspec.cli.drift import as_diagnostic
    from mlspec.cli.publishing import publications
    from mlspec.compiler import Request, compile_specs
    from mlspec.writers.comparison import compare

    waiving = revision is not None or today is not None
    outcome = compile_specs(Request(paths=paths or (Path(),), out=out, crds=crds, templates=templates, keep=waiving))
    diagnostics = list(outcome.diagnostics)
    if waiving:
        from mlspec.cli.ratchet import day, find_spent, hold_against

        found = hold_against(outcome.projects, revision, day(today)) if revision is not None else find_spent(outcome.projects, day(today))
        diagnostics = sorted([*diagnostics, *found], key=lambda diagnostic: diagnostic.order)
    differences = [difference for publication in publications(outcome.projects, out) for difference in compare(publication).differences]
    refused = any(diagnostic.severity == "error" for diagnostic in diagnostics)
    if console.format != "text":
        console.report([*diagnostics, *map(as_diagnostic, differences)], outcome.files)
        return int(refused or bool(differences))
    console.report(diagnostics, outcome.files)
    for difference in differences:
        _show(difference, console)
    if differences:
        number = "1 file is" if len(differences) == 1 else f"{len(differences)} files are"
        click.echo(f"{number} not what the specs compile to; run mlspec compile", err=True)
    elif not refused:
        console.say("up to date" if outcome.projects else "nothing to check: no mlspec.yaml was found")
    return int(refused or bool(differences))


def _show(difference: Difference, console: Console) -> None:
    """Print one file that differs, with the lines that do."""
    click.echo(f"{difference.kind}: {difference.path}", err=True)
    if console.quiet:
        return
    for line in difference.diff:
        colour = _COLOURS.get(line[:1])
        text = printable(line)
        click.echo(f"  {console.painted(text, colour, err=True) if colour else text}", err=True, color=True)
