"""How commands speak: which format, which stream, in colour or not; and the options that say so."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import click

from mlspec import __version__

if TYPE_CHECKING:
    from mlspec.diagnostics import Diagnostic

FORMATS = ("text", "json", "sarif", "github", "gitlab", "junit")

Command = TypeVar("Command", bound=Callable[..., Any])


class Console:
    """What the options of one run say about its output; set once, when the options are read."""

    __slots__ = ("colour", "format", "quiet")

    def __init__(self) -> None:
        self.format = "text"
        self.colour = "auto"
        self.quiet = False

    def say(self, text: str) -> None:
        """Write a remark for people to stderr, unless they asked for quiet."""
        if not self.quiet:
            click.echo(text, err=True, color=True)

    def report(self, diagnostics: Sequence[Diagnostic], files: Sequence[str]) -> None:
        """Write diagnostics: text to stderr, formats for machines to stdout (there even when nothing was found)."""
        from mlspec.reporters import report

        text = self.format == "text"
        if text and self.quiet:
            diagnostics = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
        stream = sys.stderr if text else sys.stdout
        report(diagnostics, self.format, stream, colour=coloured(stream, self.colour), tool_version=__version__, files_checked=files)
        stream.flush()

    def painted(self, text: str, style: str, *, err: bool = False) -> str:
        """Return a text in a colour of click, where colours are wanted."""
        stream = sys.stderr if err else sys.stdout
        return click.style(text, fg=style) if coloured(stream, self.colour) else text


def coloured(stream: TextIO, wish: str) -> bool:
    """Say whether a stream takes colours: as wished, else by NO_COLOR and FORCE_COLOR, else on a terminal."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def examples(*lines: tuple[str, str]) -> str:
    """Return the examples of a help page: a command and what it is for, each."""
    width = max(len(command) for command, _ in lines)
    return "\n".join(["\b", "Examples:", *(f"  {command.ljust(width)}  {purpose}".rstrip() for command, purpose in lines)])


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    setattr(context.ensure_object(Console), str(parameter.name), value)
    return value


def speaking(command: Command) -> Command:
    """Add the options --color and --quiet."""
    command = click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_keep, help="Say nothing but errors.")(command)
    return click.option(
        "--color",
        "colour",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        expose_value=False,
        callback=_keep,
        help="Colour; auto heeds NO_COLOR, FORCE_COLOR and the terminal.",
    )(command)


def reporting(command: Command) -> Command:
    """Add the options --format, --color and --quiet."""
    return click.option(
        "--format",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        expose_value=False,
        callback=_keep,
        help="How diagnostics are written: text to stderr, the others to stdout.",
    )(speaking(command))


def paths(command: Command) -> Command:
    """Add the arguments PATH...: specs, or folders that are searched for them."""
    return click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))(command)


def _undisturbed(command: Command) -> Command:
    """Run a command without garbage collection: a compilation keeps what it makes, leaves no cycles, and ends soon."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return command(*arguments, **options)
        finally:
            if collecting:
                gc.enable()

    return cast("Command", run)


def compiling(command: Command) -> Command:
    """Add the options that say where schemas and templates of one's own lie."""
    command = click.option(
        "--templates",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder whose templates stand in for those of the same name.",
    )(_undisturbed(command))
    return click.option(
        "--crds", type=click.Path(exists=True, path_type=Path), help="Folder or file of CustomResourceDefinitions to check objects against."
    )(command)
