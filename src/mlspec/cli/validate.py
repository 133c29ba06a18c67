"""The command validate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, paths, reporting

if TYPE_CHECKING:
    from mlspec.compiler import Outcome


@click.command(
    "validate",
    epilog=examples(
        ("mlspec validate", "every mlspec.yaml below this folder"),
        ("mlspec validate churn/mlspec.yaml", "one spec"),
        ("mlspec validate --format sarif > mlspec.sarif", "for code scanning"),
        ("mlspec validate --format github", "as annotations of a change"),
    ),
)
@paths
@compiling
@reporting
@click.pass_obj
def command(console: Console, paths: tuple[Path, ...], crds: Path | None, templates: Path | None) -> int:
    """Check specs and what they compile to, and write nothing.

    PATH is a spec, or a folder that is searched for files named mlspec.yaml; without one, this folder. Whatever compile
    would refuse is refused: the language, the meaning, the limits of the platform, the API schemas of every object.
    """
    from mlspec.compiler import Request, compile_specs

    outcome = compile_specs(Request(paths=paths or (Path(),), crds=crds, templates=templates, texts=False))
    console.report(outcome.diagnostics, outcome.files)
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        return 1
    for line in (*summarize(outcome), *outcome.notes):
        console.say(line)
    return 0


def summarize(outcome: Outcome) -> list[str]:
    """Return a line a project: its environments, and how many objects conform to which schemas."""
    conformed = ", ".join(f"{source}: {number}" for source, number in outcome.conformed.items())
    total = sum(outcome.conformed.values())
    if len(outcome.projects) != 1:
        if not outcome.files:
            return ["0 projects: no mlspec.yaml was found"]
        return [f"{len(outcome.projects)} projects, {_objects(total)} ({conformed})" if conformed else f"{len(outcome.projects)} projects"]
    (project,) = outcome.projects
    count = len(project.environments)
    places = f"{count} environment" if count == 1 else f"{count} environments"
    return [f"{project.name}: {places}, {_objects(total)}" + (f" ({conformed})" if conformed else "")]


def _objects(number: int) -> str:
    return f"{number} object conforms" if number == 1 else f"{number} objects conform"
