"""The command line: arguments in, one call, text out. A command's module is imported when the command is run."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from mlspec import __version__
from mlspec.cli.console import examples

COMMANDS: dict[str, tuple[str, str]] = {
    "validate": ("Every day", "Check specs: language, meaning, platform limits and API schemas; write nothing."),
    "compile": ("Every day", "Write the manifests of specs into the repository, or elsewhere."),
    "check": ("Every day", "Say whether the compiled files are what the specs compile to."),
    "diff": ("Every day", "Say what a change does: sentences, risks, the cluster, every object."),
    "gate": ("Every day", "Hold metrics or data against the rules of a threshold."),
    "init": ("Every day", "Write a first mlspec.yaml."),
    "set": ("Every day", "Set one value of a spec; comments and formatting stay."),
    "fmt": ("Every day", "Bring specs into one layout; comments stay."),
    "commit": ("Delivery", "Compile what a branch has committed, and commit the result."),
    "promote": ("Delivery", "Move versions from one environment to the next."),
    "rollout": ("Delivery", "Move the rollout of a new version: on, to its end, or back."),
    "rollback": ("Delivery", "Prepare the way back to the versions that ran before, and rehearse it."),
    "bump": ("Delivery", "Ask the registry for a newer version of a model that passed its gate."),
    "lock": ("Delivery", "Pin data versions anew, or say whether the pins still hold."),
    "approvals": ("Delivery", "Count who approved of a change that an environment feels."),
    "explain": ("To understand", "Show the manual page of a code."),
    "why": ("To understand", "Say which spec line and template line made a line of a manifest."),
    "schema": ("To understand", "Print the JSON Schema of mlspec.yaml."),
    "templates": ("To understand", "List, show, compare and check templates."),
    "codeowners": ("Setting up", "Write the owners and reviewers of specs into CODEOWNERS."),
    "merge-driver": ("Setting up", "Let git merge generated files by compiling again."),
    "completion": ("Setting up", "Print the completion script of a shell."),
    "doctor": ("Setting up", "Say what mlspec finds on this machine."),
}
"""Section and short help of each command; the module ``mlspec.cli.NAME`` (a hyphen is an underscore there) holds it as ``command``."""


class Commands(click.Group):
    """A group that knows its commands by name and imports none of them for a help page."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mlspec.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, and offer the nearest one where there is none."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from mlspec.diagnostics import nearest

            near = nearest(args[0], COMMANDS)
            raise click.UsageError(f"no such command: {args[0]}" + (f"; did you mean {near}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the table, section by section."""
        width = max(map(len, COMMANDS))
        for section in dict.fromkeys(section for section, _ in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), text) for name, (of, text) in COMMANDS.items() if of == section])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A reader that went away (``| head``) is no fault: leave as other filters do."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise ClosedPipe from None
        return result


class ClosedPipe(Exception):  # noqa: N818 - it is not an error
    """Nobody reads what is written any more."""


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        ("mlspec init", "write a first spec"),
        ("mlspec validate", "check every mlspec.yaml below this folder"),
        ("mlspec compile churn/mlspec.yaml", "write its manifests"),
        ("mlspec explain MLS-E203", "read about a code"),
    )
    + "\n\nExits: 0 fine, 1 findings or drift, 2 usage, 3 surroundings, 4 conflict, 70 a bug of mlspec.",
)
@click.version_option(__version__, prog_name="mlspec", message="%(prog)s %(version)s")
def program() -> None:
    """Compile one mlspec.yaml into the manifests of a machine-learning project."""
