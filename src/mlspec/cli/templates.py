"""The command templates."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from mlspec.cli.console import Console, examples, speaking
from mlspec.diagnostics import nearest
from mlspec.resources import templates_root

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(
    "templates",
    epilog=examples(
        ("mlspec templates list", "every built-in template"),
        ("mlspec templates show kserve/inference-service.yaml.j2", "one of them"),
        ("mlspec templates diff ./templates", "what one's own folder changes"),
        ("mlspec templates check ./templates", "whether it still fits this mlspec"),
    ),
)
def command() -> None:
    """List, show, compare and check templates. A folder of one's own replaces templates by their names."""


@command.command("list", epilog=examples(("mlspec templates list", "every built-in template")))
def list_templates() -> int:
    """List the built-in templates by name."""
    for name in _names(templates_root()):
        click.echo(name)
    return 0


@command.command("show", epilog=examples(("mlspec templates show kserve/inference-service.yaml.j2", "the text of one template")))
@click.argument("name")
def show(name: str) -> int:
    """Print the template NAME."""
    click.echo(_read(templates_root(), name), nl=False)
    return 0


@command.command("diff", epilog=examples(("mlspec templates diff ./templates", "what one's own folder changes")))
@click.argument("folder", type=FOLDER)
@speaking
@click.pass_obj
def diff(console: Console, folder: Path) -> int:
    """Show how the templates of FOLDER differ from the built-in ones; exit 1 where they do."""
    root = templates_root()
    built_in = set(_names(root))
    differ = False
    for name in _names(folder):
        before = (root / name).read_text("utf-8").splitlines(keepends=True) if name in built_in else []
        after = (folder / name).read_text("utf-8").splitlines(keepends=True)
        for line in difflib.unified_diff(before, after, f"built-in/{name}" if before else "/dev/null", f"{folder}/{name}"):
            differ = True
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
            click.echo(console.painted(line.rstrip("\n"), colour) if colour else line.rstrip("\n"))
    return int(differ)


@command.command(
    "check", epilog=examples(("mlspec templates check ./templates", "one's own"), ("mlspec templates check", "the built-in ones"))
)
@click.argument("folder", type=FOLDER, required=False)
@speaking
@click.pass_obj
def check(console: Console, folder: Path | None) -> int:
    """Compile the templates of FOLDER (or the built-in ones) against the names that their views offer."""
    root = templates_root()
    unknown = sorted(set(_names(folder)) - set(_names(root))) if folder else []
    for name in unknown:
        near = nearest(name, _names(root))
        click.echo(f"{folder}/{name}: replaces nothing" + (f"; did you mean {near}?" if near else ""), err=True)
    checked = _check_all(folder or root)
    console.say(f"{checked} templates fit" if checked != 1 else "1 template fits")
    return int(bool(unknown))


def _names(folder: Path) -> list[str]:
    """Return the names of the templates in a folder, hidden files left out."""
    files = (file.relative_to(folder) for file in folder.rglob("*.j2") if file.is_file())
    return sorted(file.as_posix() for file in files if not any(part.startswith(".") for part in file.parts))


def _read(folder: Path, name: str) -> str:
    names = _names(folder)
    if name not in names:
        near = nearest(name, names)
        raise click.UsageError(f"no such template: {name}" + (f"; did you mean {near}?" if near else "; mlspec templates list shows them"))
    return (folder / name).read_text("utf-8")


def _check_all(folder: Path) -> int:
    """Compile every template of a folder; return how many. Raises Rejected where one does not fit."""
    names = _names(folder)
    for name in names:
        _check_one(folder, name)
    return len(names)


def _check_one(folder: Path, name: str) -> None:
    """Compile one template. What it may name is known to its target."""
    (folder / name).read_text("utf-8")
