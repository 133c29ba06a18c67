"""The command check."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.compile import describe
from mlspec.cli.console import Console, compiling, examples, paths, reporting


@click.command(
    "check",
    epilog=examples(
        ("mlspec check", "every spec below this folder"),
        ("mlspec check churn/mlspec.yaml", "one spec"),
        ("mlspec check --out /tmp/tree", "a tree that was compiled elsewhere"),
    ),
)
@paths
@click.option("--out", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Compare with the tree below this folder.")
@compiling
@reporting
@click.pass_obj
def command(console: Console, paths: tuple[Path, ...], out: Path | None, crds: Path | None, templates: Path | None) -> int:
    """Say whether the files in the repository are what the specs compile to; write nothing.

    Exits 1 and lists the files when something is missing, stale, edited by hand or left over. For CI, and for a hook
    before a commit.
    """
    from mlspec.compiler import Request, compile_specs
    from mlspec.writers.disk import compare

    outcome = compile_specs(Request(paths=paths or (Path(),), out=out, crds=crds, templates=templates))
    console.report(outcome.diagnostics, outcome.files)
    status = int(any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics))
    for project in outcome.projects:
        changes = compare(project)
        if not (changes.created or changes.updated or changes.removed):
            console.say(f"{project.name}: up to date")
            continue
        status = 1
        click.echo(f"{project.name}: the compiled files are not what the spec compiles to; run mlspec compile", err=True)
        for line in describe(changes, verbose=True):
            click.echo(line, err=True)
    return status
