"""The command explain."""

from __future__ import annotations

import json
from typing import Any

import click

from mlspec.cli.console import Console, examples, speaking
from mlspec.diagnostics import Code, nearest


@click.command(
    "explain",
    epilog=examples(
        ("mlspec explain MLS-E203", "the page of a code"),
        ("mlspec explain e203", "the same, shorter"),
        ("mlspec explain", "every code with its first line"),
        ("mlspec explain --all --format json", "every page, for a tool"),
    ),
)
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="Show every page.")
@click.option("--format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How pages are written.")
@speaking
@click.pass_obj
def command(console: Console, code: str | None, everything: bool, format: str) -> int:
    """Show the manual page of CODE: the rule, the reason, a bad and a good example. Without CODE, list them all."""
    from mlspec.catalogue import find, load

    codes = load()
    if code is None:
        chosen = list(codes.values())
    else:
        found = find(code, codes)
        if found is None:
            near = nearest(code.upper(), codes) or nearest(code, [known.name for known in codes.values()])
            raise click.UsageError(f"no such code: {code}" + (f"; did you mean {near}?" if near else "; mlspec explain lists them"))
        chosen = [found]
    if format == "json":
        entries = [_entry(one) for one in chosen]
        click.echo(json.dumps(entries if code is None else entries[0], indent=2))
    elif code is None and not everything:
        for one in chosen:
            click.echo(f"{console.painted(one.id, 'yellow')}  {one.summary}")
    else:
        click.echo("\n\n".join(_page(one, console) for one in chosen))
    return 0


def _page(code: Code, console: Console) -> str:
    kind = f"{code.severity}, security: a comment cannot silence it" if code.security else code.severity
    return f"{console.painted(code.id, 'yellow')} {code.name} ({kind})\n\n{code.page}"


def _entry(code: Code) -> dict[str, Any]:
    return {
        "code": code.id,
        "name": code.name,
        "severity": code.severity,
        "security": code.security,
        "summary": code.summary,
        "page": code.page,
    }
