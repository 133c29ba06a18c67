"""The command fmt."""

from __future__ import annotations

import os
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
    from mlspec.source.files import find_specs, read_file
    from mlspec.source.reader import read

    changed = 0
    for file in find_specs(paths or (Path(),)):
        data = read_file(file, str(file))
        formatted = _format(read(data, str(file)).text.text, file).encode()
        if formatted == data:
            continue
        changed += 1
        if not check:
            _replace(file, formatted)
        console.say(f"{file}: {'would change' if check else 'formatted'}")
    if not changed:
        console.say("nothing to change")
    return int(check and changed > 0)


def _format(text: str, file: Path) -> str:
    from mlspec.source.edit import format_text

    try:
        return format_text(text)
    except Unable as error:
        raise Unable(f"{file}: {error.message}", error.help, status=error.status) from None


def _replace(file: Path, data: bytes) -> None:
    """Write a file beside the old one and put it in its place, so that no moment sees half of it."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.chmod(file.stat().st_mode & 0o777)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
