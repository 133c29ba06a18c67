"""The command diff."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mlspec.cli.console import Console, coloured, compiling, examples, speaking


def _keep_format(context: click.Context, _: click.Parameter, value: str) -> str:
    # What cannot be done is then said as the format wants it, too.
    context.ensure_object(Console).format = "json" if value == "json" else "text"
    return value


@click.command(
    "diff",
    epilog=examples(
        ("mlspec diff", "what the edits in the work tree do"),
        ("mlspec diff --from origin/main --merge-base", "what this branch does"),
        ("mlspec diff --from v1 --to v2 --env prod", "between two revisions, in prod"),
        ("mlspec diff --from HEAD^1 --to HEAD --format markdown", "as a comment on a pull request"),
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--from", "before", default="HEAD", show_default=True, metavar="REV", help="The commit before.")
@click.option("--to", "after", default="worktree", show_default=True, metavar="REV", help="The commit after, or the work tree.")
@click.option("--merge-base", is_flag=True, help="Begin where the histories of the two part.")
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; may be given more than once.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something differs.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    callback=_keep_format,
    help="For people, for programs, or for a comment on a pull request.",
)
@compiling
@speaking
@click.pass_obj
def command(
    console: Console,
    *,
    paths: tuple[Path, ...],
    before: str,
    after: str,
    merge_base: bool,
    environments: tuple[str, ...],
    exit_code: bool,
    form: str,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Say what a change does: in sentences, in risks, in the cluster, object by object, each with the edit that made it so.

    From git alone; no cluster is asked and nothing is written. Both sides are compiled by this mlspec. Exits 1 when a spec does not
    compile on one of the sides.
    """
    from mlspec.changes.account import account
    from mlspec.cli.sides import library_of, sides

    def library(project: Any) -> Any:
        return library_of(project, templates)

    with sides(before, after, paths, crds, templates, merge_base=merge_base, touched=not environments) as (old, new):
        for name in environments:
            _check_environment(name, [side for project in (*old.projects.values(), *new.projects.values()) for side in project.plans])
        made = account(old, new, library, environments)
        if form == "json":
            from mlspec.reporters.plan_json import write_plan_json

            write_plan_json(made, sys.stdout)
        elif form == "markdown":
            from mlspec.reporters.plan_markdown import write_plan_markdown

            write_plan_markdown(made, sys.stdout)
        else:
            from mlspec.reporters.plan_text import write_plan_text

            write_plan_text(made, sys.stdout, colour=coloured(sys.stdout, console.colour))
    return int(bool(made.broken) or (exit_code and made.differs))


def _check_environment(name: str, known: list[str]) -> None:
    from mlspec.diagnostics import nearest

    if known and name not in known:
        near = nearest(name, dict.fromkeys(known))
        raise click.UsageError(f"no project has an environment {name}" + (f"; did you mean {near}?" if near else ""))
