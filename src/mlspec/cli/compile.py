"""The command compile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, paths, reporting
from mlspec.cli.validate import summarize

if TYPE_CHECKING:
    from mlspec.compiler import Outcome
    from mlspec.writers.disk import Changes


@click.command(
    "compile",
    epilog=examples(
        ("mlspec compile", "every spec below this folder, into its repository"),
        ("mlspec compile churn/mlspec.yaml -v", "one spec; list the files that change"),
        ("mlspec compile --out /tmp/tree", "the same tree elsewhere"),
        ("mlspec compile --stdout --env prod", "the objects of one environment, for a pipe"),
    ),
)
@paths
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; with --stdout or --out. Repeatable.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write the tree below this folder instead of the repository.")
@click.option("--stdout", is_flag=True, help="Print the objects, write nothing.")
@click.option("--overwrite-edits", is_flag=True, help="Replace generated files that were edited by hand.")
@click.option("-v", "--verbose", is_flag=True, help="List the files that changed.")
@compiling
@reporting
@click.pass_obj
def command(
    console: Console,
    *,
    paths: tuple[Path, ...],
    environments: tuple[str, ...],
    out: Path | None,
    stdout: bool,
    overwrite_edits: bool,
    verbose: bool,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Write the manifests of specs: all of them or, where anything is wrong, none.

    PATH is a spec, or a folder that is searched for files named mlspec.yaml; without one, this folder. Files that mlspec
    wrote before and that are not needed any more are removed; files that it did not write are left alone.

    A repository always holds every environment: leaving one out would remove its files. --env is therefore for --stdout
    and --out.
    """
    if environments and not (stdout or out):
        raise click.UsageError("--env needs --stdout or --out: a repository always holds every environment")
    if stdout and out:
        raise click.UsageError("--stdout and --out exclude each other")
    if stdout and console.format != "text":
        raise click.UsageError("--stdout prints objects; a --format for machines would mix with them")

    from mlspec.compiler import Request, compile_specs

    outcome = compile_specs(Request(paths=paths or (Path(),), environments=environments, out=out, crds=crds, templates=templates))
    console.report(outcome.diagnostics, outcome.files)
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        return 1
    if stdout:
        _print(outcome)
        return 0

    from mlspec.writers.disk import write

    for line in summarize(outcome):
        console.say(line)
    for project in outcome.projects:
        for line in describe(write(project, overwrite_edits=overwrite_edits), verbose):
            console.say(line)
    return 0


def _print(outcome: Outcome) -> None:
    """Print every object, and nothing but objects."""
    stream = sys.stdout.buffer
    for project in outcome.projects:
        stream.write(project.manifests)
    stream.flush()


def describe(changes: Changes, verbose: bool) -> list[str]:
    """Return the counts of what changed and, where wanted, each file."""
    groups = (("created", "+", changes.created), ("updated", "~", changes.updated), ("removed", "-", changes.removed))
    lines = [f"  {sign} {path}" for _, sign, files in groups for path in files] if verbose else []
    counts = [f"{len(files)} {verb}" for verb, _, files in groups if files]
    counts.append(f"{len(changes.unchanged)} unchanged")
    return [*lines, ", ".join(counts)]
