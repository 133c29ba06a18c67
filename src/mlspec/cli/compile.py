"""The command compile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, paths, reporting
from mlspec.cli.validate import summarize

if TYPE_CHECKING:
    from mlspec.cli.unchanged import Memory
    from mlspec.compiler import Outcome


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
@click.option("--fresh", is_flag=True, help="Compile even what has not changed since it was last compiled here.")
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
    fresh: bool,
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

    given = paths = paths or (Path(),)
    memory: Memory | None = None
    if not stdout:
        from mlspec.cli.publishing import heal_roots

        heal_roots(paths, out)
        if not (fresh or environments or crds):
            from mlspec.cli.unchanged import Memory

            memory = Memory(paths, out, templates)
            if memory.is_complete:
                console.report((), memory.files)
                console.say(memory.summary)
                return 0
            paths = memory.changed
    from mlspec.compiler import Request, compile_specs

    request = Request(paths=paths, environments=environments, out=out, crds=crds, templates=templates)
    outcome = compile_specs(request)
    if memory and memory.contradicts(outcome):
        memory = None
        outcome = compile_specs(request._replace(paths=given))
    console.report(outcome.diagnostics, sorted((*outcome.files, *(memory.files if memory else ()))))
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        return 1
    _require_known(environments, outcome)
    if stdout:
        _print(outcome, environments)
        return 0
    for line in (*summarize(outcome), *rollouts(outcome)):
        console.say(line)
    unowned = _write(console, outcome, out, environments, overwrite_edits=overwrite_edits, verbose=verbose)
    if memory:
        memory.keep(outcome, unowned)
        if memory.files:
            console.say(memory.summary)
    return 0


def _require_known(environments: tuple[str, ...], outcome: Outcome) -> None:
    known = {name for project in outcome.projects for name in project.environments}
    for name in environments:
        if name not in known:
            from mlspec.diagnostics import nearest

            near = nearest(name, known)
            raise click.UsageError(
                f"no environment named {name}; " + (f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}")
            )


def rollouts(outcome: Outcome) -> list[str]:
    """Return a line for each endpoint that does not serve the version that the spec names, or not alone."""
    said = []
    for project in outcome.projects:
        for place, facts in sorted(project.lock.live.items()):
            serves = f"{place}: version {facts.get('version')} goes on serving"
            if "step" in facts:
                said.append(f"{serves}, the new one stands beside it as a canary")
            elif "aborted" in facts:
                said.append(f"{serves}, the rollout of {facts['aborted']} was aborted (mlspec rollout start tries it again)")
    return said


def _print(outcome: Outcome, environments: tuple[str, ...]) -> None:
    """Print every object, and nothing but objects."""
    from mlspec.cli.publishing import narrow
    from mlspec.writers.stdout import write_objects

    for project in outcome.projects:
        write_objects(narrow(project, environments), sys.stdout)


def _write(
    console: Console, outcome: Outcome, out: Path | None, environments: tuple[str, ...], *, overwrite_edits: bool, verbose: bool
) -> list[str]:
    """Write, say what was done, and return what lies in the projects' folders that is not mlspec's."""
    from mlspec.cli.publishing import publications
    from mlspec.compiler import show
    from mlspec.writers.disk import write

    unowned: list[str] = []
    for publication in publications(outcome.projects, out, environments, overwrite_edits=overwrite_edits):
        report = write(publication)
        unowned += report.unowned
        if report.warnings and console.format == "text":
            console.report(report.warnings, ())
        if report.healed:
            console.say("finished what a killed run had begun")
        groups = (("created", "+", report.created), ("updated", "~", report.updated), ("removed", "-", report.removed))
        if verbose:
            for _, sign, files in groups:
                for path in files:
                    console.say(f"  {sign} {path}")
        counts = ", ".join([*(f"{len(files)} {verb}" for verb, _, files in groups if files), f"{len(report.unchanged)} unchanged"])
        console.say(f"{counts} in {show(Path(publication.root))}")
    return unowned
