"""The command why."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import compiling, examples
from mlspec.diagnostics import Unable


@click.command(
    "why",
    epilog=examples(
        ("mlspec why deploy/churn/prod/serving-churn-api.yaml:24", "where the 24th line comes from"),
        ("mlspec why deploy/churn/prod/serving-churn-api.yaml:24 --spec ml/mlspec.yaml", "with the spec named"),
    ),
)
@click.argument("place", metavar="FILE:LINE")
@click.option("--spec", type=click.Path(exists=True, path_type=Path), help="The spec that made the file, or a folder above it.")
@compiling
def command(place: str, spec: Path | None, crds: Path | None, templates: Path | None) -> int:
    """Say which template line and which spec lines made a line of a compiled file, and why the value is what it is."""
    file, line = _parse(place)
    for text in _trace(file, line, spec or Path(), crds, templates):
        click.echo(text)
    return 0


def _parse(place: str) -> tuple[Path, int]:
    name, _, number = place.rpartition(":")
    if not name or not number.isdecimal() or int(number) < 1:
        raise click.UsageError(f"expected FILE:LINE such as deploy/churn/prod/serving-api.yaml:24, found {place}")
    file = Path(name)
    if not file.is_file():
        raise click.UsageError(f"no such file: {name}")
    return file, int(number)


def _trace(file: Path, line: int, spec: Path, crds: Path | None, templates: Path | None) -> list[str]:
    """Compile with traces and return what is known of the line, as text."""
    try:
        from mlspec.compiler import trace_line
    except ImportError:
        raise Unable("this build of mlspec cannot trace values yet") from None
    found: list[str] = trace_line(file, line, spec=spec, crds=crds, templates=templates)
    return found
