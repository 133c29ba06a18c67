"""The command why."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import Console, compiling, examples, speaking


@click.command(
    "why",
    epilog=examples(
        ("mlspec why deploy/churn/prod/serving-churn-api.yaml:24", "where the 24th line comes from"),
        ("mlspec why /tmp/tree/deploy/churn/prod/serving-churn-api.yaml:24 --spec ml/mlspec.yaml", "of a tree elsewhere"),
    ),
)
@click.argument("place", metavar="FILE:LINE")
@click.option("--spec", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The spec that made the file.")
@compiling
@speaking
@click.pass_obj
def command(console: Console, *, place: str, spec: Path | None, crds: Path | None, templates: Path | None) -> int:
    """Say which template line and which spec lines made a line of a compiled file, and why the value is what it is."""
    from mlspec.cli.provenance import trace_line

    file, line = _parse(place)
    found = trace_line(file, line, spec, crds, templates)
    click.echo(console.painted(found.title, "yellow"))
    width = max(len(role) for role, _, _ in found.rows)
    for role, where, what in found.rows:
        click.echo(f"  {role.ljust(width)}  {where}" + (f"  {what}" if what else ""))
    return 0


def _parse(place: str) -> tuple[Path, int]:
    name, _, number = place.rpartition(":")
    if not name or not number.isdecimal() or int(number) < 1:
        raise click.UsageError(f"expected FILE:LINE such as deploy/churn/prod/serving-api.yaml:24, found {place}")
    file = Path(name)
    if not file.is_file():
        raise click.UsageError(f"no such file: {name}")
    return file, int(number)
