"""The command fmt."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import Console, examples, paths, reporting
from mlspec.diagnostics import Unable


@click.command(
    "fmt",
    epilog=examples(
        ("mlspec fmt", "every spec below this folder"),
        ("mlspec fmt churn/mlspec.yaml", "one spec"),
        ("mlspec fmt --check", "change nothing; exit 1 where something would change"),
    ),
)
@paths
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where something would change.")
@reporting
@click.pass_obj
def command(console: Console, paths: tuple[Path, ...], check: bool) -> int:
    """Bring specs into one layout: indentation, quotes, blanks. Comments and the order of keys stay."""
    from mlspec.cli.publishing import heal_roots
    from mlspec.source.files import find_specs, read_file, repository_root
    from mlspec.source.reader import read
    from mlspec.writers.replacement import replace

    if not check:
        heal_roots(paths or (Path(),), None)
    changed = 0
    files = find_specs(paths or (Path(),))
    for file in files:
        data = read_file(file, str(file))
        formatted = _format(read(data, str(file)).text.text, file).encode()
        if formatted == data:
            continue
        changed += 1
        if not check:
            replace(repository_root(file), file, formatted, data)
        console.say(f"{file}: {'would change' if check else 'formatted'}")
    console.report((), [str(file) for file in files])
    if not changed:
        console.say("nothing to change")
    return int(check and changed > 0)


def _format(text: str, file: Path) -> str:
    from mlspec.source.edit import format_text

    try:
        return format_text(text)
    except Unable as error:
        raise Unable(f"{file}: {error.message}", error.help, status=error.status) from None
