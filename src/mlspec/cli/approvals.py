"""The command approvals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, compiling, examples, speaking

if TYPE_CHECKING:
    from mlspec.approvals import Count
    from mlspec.changes.side import Side
    from mlspec.repository.clone import Clone

_UNTOUCHED = "no environment that asks for approvals is touched"


@click.command(
    "approvals",
    epilog=examples(
        ("mlspec approvals --base origin/main --github", "in a workflow of GitHub Actions, on a pull request"),
        ("mlspec approvals --env prod --base origin/main --reviews reviews.json --author ada", "from a file, in the shape of GitHub's API"),
        ("mlspec approvals --base origin/main", "which environments a change touches, and what they ask for"),
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment. Repeatable.")
@click.option("--base", metavar="REV", help="What the change is merged into; with --github, the event says so.")
@click.option("--head", metavar="REV", default="HEAD", show_default=True, help="The change; with --github, the event says so.")
@click.option("--reviews", type=click.Path(path_type=Path), help="A JSON list of reviews, as GitHub's API gives it.")
@click.option("--github", is_flag=True, help="Ask GitHub: GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL, GITHUB_TOKEN.")
@click.option("--author", metavar="LOGIN", help="Whose change it is: their own approval does not count.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How it is written.")
@compiling
@speaking
@click.pass_obj
def command(
    console: Console,
    *,
    paths: tuple[Path, ...],
    environments: tuple[str, ...],
    base: str | None,
    head: str,
    reviews: Path | None,
    github: bool,
    author: str | None,
    form: str,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Count who approved of a change, for each environment that asks for approvals and whose tree the change touches.

    Touched is an environment when its files differ between base and head, or what the specs compile to does. Of each person the latest
    review counts, when it is of the head commit and not the author's. How many are needed is the larger of what base and head ask
    for, so that a change cannot lower its own bar. Exits 1 when an environment has too few, or when someone asks for changes.
    """
    from mlspec.approvals import count, read_reviews
    from mlspec.cli.sides import sides
    from mlspec.diagnostics import Unable
    from mlspec.repository.clone import open_clone, resolve

    if github and (reviews or author):
        raise click.UsageError("--github asks for reviews and author itself; leave out --reviews and --author")
    if reviews and not author:
        raise click.UsageError("--reviews needs --author LOGIN: whose own approval does not count")
    data: Any = None
    if github:
        from mlspec.cli.pull_request import fetch_reviews, read_event

        event = read_event()
        base, head, author = base or event.base, event.head, event.author
        data = fetch_reviews(event)
    elif reviews:
        try:
            data = json.loads(reviews.read_bytes())
        except ValueError as error:
            raise Unable(f"{reviews}: it is not JSON: {error}", status=2) from None
    if base is None:
        raise click.UsageError("say what the change is merged into: --base REV")
    clone = open_clone(paths[0] if paths else Path())
    with sides(base, head, paths, crds, templates, merge_base=True) as (before, after):
        touched = _touched(clone, before, after, environments)
    if data is None:
        _tell_needed(console, touched, form)
        return 0
    try:
        counted = count(read_reviews(data), author or "", resolve(clone, head))
    except ValueError as error:
        raise Unable(
            f"the reviews cannot be read: {error}", "give what GitHub answers to /repos/OWNER/NAME/pulls/N/reviews", status=2
        ) from None
    return _tell(console, touched, counted, form)


def _touched(clone: Clone, before: Side, after: Side, environments: tuple[str, ...]) -> dict[str, int]:
    """Return the environments that ask for approvals and that a change touches, with how many they ask for."""
    from mlspec.approvals import needed
    from mlspec.diagnostics import Unable

    if before.refused or after.refused:
        refused = sorted({*before.refused, *after.refused})
        raise Unable(
            f"{', '.join(refused)} does not compile, so what the change touches is not known", "let mlspec validate pass first", status=1
        )
    files = _folders(clone, before), _folders(clone, after)
    asked = needed([_asked(before)], [_asked(after)])
    known = {place.rpartition("/")[2] for place in asked}
    for name in environments:
        if name not in known:
            raise click.UsageError(f"no such environment: {name}; there are {', '.join(sorted(known)) or 'none'}")
    return {
        place: number
        for place, number in sorted(asked.items())
        if number and (not environments or place.rpartition("/")[2] in environments) and files[0].get(place) != files[1].get(place)
    }


def _asked(side: Side) -> dict[str, int]:
    return {f"{name}/{plan.environment}": plan.approvals for name, project in side.projects.items() for plan in project.plans.values()}


def _folders(clone: Clone, side: Side) -> dict[str, tuple[Any, Any]]:
    """Return, by project and environment, what is compiled for it and what is committed of it."""
    from mlspec.repository.trees import list_tree

    committed = list_tree(clone, side.commit)
    found: dict[str, tuple[Any, Any]] = {}
    for name, project in side.projects.items():
        for plan in project.plans.values():
            below = f"{plan.folder}/"
            files = {path: value for path, value in project.files.items() if path.startswith(below)}
            there = {path: (entry.mode, entry.object) for path, entry in committed.items() if path.startswith(below)}
            found[f"{name}/{plan.environment}"] = files, there
    return found


def _tell_needed(console: Console, touched: Mapping[str, int], form: str) -> None:
    """Say what is asked for, where nobody said who approved."""
    if form == "json":
        click.echo(json.dumps({"schemaVersion": 1, "needed": touched}, indent=2))
        return
    if not touched:
        console.say(_UNTOUCHED)
    for place, number in touched.items():
        click.echo(f"{place} asks for {number}")


def _tell(console: Console, touched: Mapping[str, int], counted: Count, form: str) -> int:
    missing = {place: number - len(counted.approved) for place, number in touched.items() if len(counted.approved) < number}
    failed = bool(touched) and bool(missing or counted.refused)
    if form == "json":
        made = {"schemaVersion": 1, "passed": not failed, "needed": touched, **counted._asdict()}
        click.echo(json.dumps(made, indent=2))
        return int(failed)
    if not touched:
        console.say(_UNTOUCHED)
        return 0
    for place, number in touched.items():
        verdict = "too few" if place in missing else "enough"
        click.echo(f"{place}: {len(counted.approved)} of {number} approvals, {verdict}")
    click.echo(f"approved by: {', '.join(counted.approved) or 'nobody'}")
    for person in counted.refused:
        click.echo(f"{person} asks for changes")
    for person, why in counted.passed_over.items():
        click.echo(f"not counted: {person} {why}")
    return int(failed)
