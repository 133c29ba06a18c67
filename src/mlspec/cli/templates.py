"""The command templates."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, examples, reporting, speaking
from mlspec.diagnostics import nearest
from mlspec.resources import templates_root

if TYPE_CHECKING:
    from mlspec.cli.sample import Sample

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_WIDTH = 72


@click.group(
    "templates",
    epilog=examples(
        ("mlspec templates list", "every built-in template"),
        ("mlspec templates show kserve/http-route.yaml.j2", "the names it may use, with values"),
        ("mlspec templates diff ./templates", "what one's own folder changes"),
        ("mlspec templates check ./templates", "whether it still fits this mlspec"),
    ),
)
def command() -> None:
    """List, show, compare and check templates. A folder of one's own replaces templates by their names."""


@command.command("list", epilog=examples(("mlspec templates list", "every built-in template")))
def list_templates() -> int:
    """List the built-in templates by name, each with what it is for."""
    root = templates_root()
    names = _names(root)
    width = max(len(name) for name in names)
    for name in names:
        click.echo(f"{name.ljust(width)}  {_purpose((root / name).read_text('utf-8'))}".rstrip())
    return 0


@command.command(
    "show",
    epilog=examples(
        ("mlspec templates show kserve/http-route.yaml.j2", "the names it may use"),
        ("mlspec templates show kserve/http-route.yaml.j2 --text", "its text, to begin one's own with"),
    ),
)
@click.argument("name")
@click.option("--text", is_flag=True, help="Print the text of the template instead.")
@speaking
@click.pass_obj
def show(console: Console, name: str, text: bool) -> int:
    """List the names that the template NAME may use: type, meaning, and the value for a small spec.

    A template that others include sees the names of those.
    """
    source = _read(templates_root(), name)
    if text:
        click.echo(source, nl=False)
        return 0
    for kind, names, samples in _views_of(name):
        title = f"{kind.__name__}: {_first_line(kind)}"
        click.echo(console.painted(title, "yellow") + (f" (of {', '.join(names)})" if names != [name] else ""))
        for line in _described(kind, samples):
            click.echo(line)
    return 0


@command.command(
    "diff",
    epilog=examples(
        ("mlspec templates diff ./templates", "what one's own folder changes"),
        ("mlspec templates diff", "the folders that the specs name"),
    ),
)
@click.argument("folder", type=FOLDER, required=False)
@click.option("--templates", "option", type=FOLDER, help="The same as FOLDER, as other commands spell it.")
@speaking
@click.pass_obj
def diff(console: Console, folder: Path | None, option: Path | None) -> int:
    """Show how the templates of FOLDER differ from the built-in ones; exit 1 where they do.

    Without FOLDER: the folders that the specs below this one name under `templates`.
    """
    root = templates_root()
    built_in = set(_names(root))
    folders = _folders(folder or option)
    if not folders:
        raise click.UsageError("no spec below this folder names a folder of templates; give one")
    differ = False
    for own in folders:
        for name in _names(own):
            before = (root / name).read_text("utf-8").splitlines(keepends=True) if name in built_in else []
            after = (own / name).read_text("utf-8").splitlines(keepends=True)
            for line in difflib.unified_diff(before, after, f"built-in/{name}" if before else "/dev/null", f"{own}/{name}"):
                differ = True
                colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
                click.echo(console.painted(line.rstrip("\n"), colour) if colour else line.rstrip("\n"))
    return int(differ)


@command.command(
    "check",
    epilog=examples(
        ("mlspec templates check ./templates", "one's own"),
        ("mlspec templates check", "the folders that the specs name; where none does, the built-in templates"),
    ),
)
@click.argument("folder", type=FOLDER, required=False)
@click.option("--templates", "option", type=FOLDER, help="The same as FOLDER, as other commands spell it.")
@reporting
@click.pass_obj
def check(console: Console, folder: Path | None, option: Path | None) -> int:
    """Compile the templates of FOLDER against the names of their views, and hold what they make of a small spec against its schema.

    Without FOLDER: the folders that the specs below this one name under `templates`; where none does, the built-in templates.
    """
    from mlspec.cli.fit import examine_templates
    from mlspec.cli.sample import find_samples
    from mlspec.library import Library

    root = templates_root()
    folders = _folders(folder or option)
    samples = find_samples()
    failed = False
    for own in folders or [root]:
        names = _names(own)
        fit = examine_templates(Library((own, root) if folders else (root,)), samples)
        console.report(fit.diagnostics, [f"{own.as_posix()}/{name}" for name in names])
        unused = [name for name in names if name not in fit.used]
        for name in unused if folders else ():
            near = nearest(name, _names(root))
            advice = f"; did you mean {near}?" if near else ""
            click.echo(f"{own.as_posix()}/{name}: nothing uses a template of this name{advice}", err=True)
        failed = failed or bool(fit.diagnostics) or bool(unused)
        if not fit.diagnostics and not unused:
            console.say(f"{len(names)} templates fit" if len(names) != 1 else "1 template fits")
    return int(failed)


def _folders(given: Path | None) -> list[Path]:
    """Return the folder that was given, or the folders that the specs below this one name."""
    if given is not None:
        return [given]
    from mlspec.compiler import show as shown
    from mlspec.diagnostics import Rejected
    from mlspec.source.extends import load
    from mlspec.source.files import find_specs, repository_root

    found: dict[Path, None] = {}
    for spec in find_specs([Path()]):
        try:
            named = load(spec, repository_root(spec), shown).tree.get("templates")
        except Rejected:
            continue
        if isinstance(named, str) and (spec.parent / named).is_dir():
            found[spec.parent / named] = None
    return list(found)


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


def _purpose(text: str) -> str:
    """Return the first sentence of the comment that a template begins with."""
    if not text.startswith("{#"):
        return ""
    comment = " ".join(text[2 : text.index("#}")].split())
    return comment.partition(". ")[0].rstrip(".")


def _views_of(name: str) -> Iterator[tuple[type, list[str], list[Sample]]]:
    """Yield each class of views that a template is filled with, the templates that say so, and the small spec's views."""
    from mlspec.cli.fit import examine_templates
    from mlspec.cli.sample import find_samples
    from mlspec.library import Library

    samples = find_samples()
    used = [name] if name in samples else examine_templates(Library((templates_root(),)), samples).used.get(name, [])
    kinds: dict[type, tuple[list[str], list[Sample]]] = {}
    for user in used:
        for sample in samples[user]:
            names, found = kinds.setdefault(sample.kind, ([], []))
            names.append(user)
            found.append(sample)
    for kind, (names, found) in kinds.items():
        yield kind, names, found


def _described(kind: type, samples: list[Sample]) -> Iterator[str]:
    """Yield the lines of every name: its type and meaning, then a value."""
    views = [view for sample in samples for view in sample.views]
    for name, value in inspect.getmembers(kind, lambda member: isinstance(member, property)):
        if name.startswith("_"):
            continue
        hint = str(value.fget.__annotations__.get("return", "Any"))
        yield f"  {name}: {hint}"
        yield f"      {' '.join((inspect.getdoc(value) or '').split())}"
        yield f"      {_example(views, name)}"


def _example(views: list[Any], name: str) -> str:
    """Return the first value that says something, on one line."""
    import json

    for view in views:
        value = getattr(view, name)
        if value is not None and value not in ([], {}, ""):
            text = json.dumps(_plain(value), ensure_ascii=False)
            return "e.g. " + (text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…")
    return "absent for the small spec"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a named tuple by its names."""
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | None) else str(value)


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n", 1)[0]
