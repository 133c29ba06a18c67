"""The command rollout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, compiling, examples, speaking
from mlspec.cli.driving import drive

if TYPE_CHECKING:
    from mlspec.cli.committing import Done
    from mlspec.cli.rebuilding import Live
    from mlspec.cli.stepping import Order, Step
    from mlspec.rollout import Rollout

SPEC = Path("mlspec.yaml")
_HEADS = ("environment", "endpoint", "strategy", "state", "live", "new", "step", "traffic", "gate")


@click.group(
    "rollout",
    epilog=examples(
        ("mlspec rollout status", "every endpoint, with its versions"),
        ("mlspec rollout advance churn-api --env prod", "the next step, in the work tree"),
        ("mlspec rollout abort churn-api --env prod --commit", "take the new version away, as a commit"),
        ("mlspec rollout finish churn-api --env prod --push", "give it everything, on the remote"),
    ),
)
def command() -> None:
    """Move the rollout of a new version: from step to step, to its end, or back.

    A step edits the facts about what serves in mlspec.lock, and nothing else; the tree follows from them. Every step is a whole
    state in git, and `git revert` of its commit is its inverse. The tree must be what the spec compiles to when a step is made.
    """


@command.command(
    "status",
    epilog=examples(
        ("mlspec rollout status", "every endpoint in every environment"),
        ("mlspec rollout status churn-api --env prod --format json", "one of them, for a script"),
    ),
)
@click.argument("words", nargs=-1, metavar="[ENDPOINT] [SPEC]")
@click.option("--env", "environment", metavar="NAME", help="Only this environment.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How it is written.")
@speaking
@click.pass_obj
def status(console: Console, words: tuple[str, ...], environment: str | None, form: str) -> int:
    """Say which versions stand where, and how far each rollout has come. By spec and lock; no cluster is asked."""
    from mlspec.cli.stepping import plan_of, require_endpoint
    from mlspec.rollout import rollout_of

    endpoint, spec = _words(words)
    plans = _plans(spec)
    if environment is not None:
        plans = (plan_of(plans, environment),)
    if endpoint is not None and all(endpoint not in plan.tree["serving"] for plan in plans):
        require_endpoint(plans[0], endpoint)
    found = [rollout_of(plan, name) for plan in plans for name in sorted(plan.tree["serving"]) if endpoint in (None, name)]
    if form == "json":
        click.echo(json.dumps({"schemaVersion": 1, "rollouts": [_as_json(one) for one in found]}, indent=2))
        return 0
    if not found:
        console.say("the spec serves nothing")
        return 0
    lines = [[head.upper() for head in _HEADS], *(_row(one) for one in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _words(words: tuple[str, ...]) -> tuple[str | None, Path]:
    """Tell endpoint and spec apart: a path ends in .yaml or .yml, or has a slash."""
    if len(words) > 2:
        raise click.UsageError("expected [ENDPOINT] [SPEC]")
    if len(words) == 2:
        return words[0], Path(words[1])
    if words and (words[0].endswith((".yaml", ".yml")) or "/" in words[0]):
        return None, Path(words[0])
    return (words[0] if words else None), SPEC


def _plans(spec: Path) -> tuple[Any, ...]:
    from mlspec.cli.locked import plans_of

    return plans_of(spec)


def _as_json(found: Rollout) -> dict[str, Any]:
    made: dict[str, Any] = {key: getattr(found, key) for key in ("environment", "endpoint", "strategy", "state")}
    made["live"] = found.live._asdict() if found.live else None
    made["new"] = found.new._asdict() if found.new else None
    if found.state == "under way":
        made |= {"step": found.step + 1, "percent": found.percent}
    return made | {"steps": list(found.steps), "pause": found.pause or None, "gate": found.gate or None}


def _row(found: Rollout) -> list[str]:
    live, new = (which.version if which else "-" for which in (found.live, found.new))
    under_way = found.state == "under way"
    step = f"{found.step + 1}/{max(1, len(found.steps))}" if under_way else "-"
    same = found.state == "settled"
    traffic = f"{found.percent} %" if under_way else "-"
    return [found.environment, found.endpoint, found.strategy, found.state, live, "-" if same else new, step, traffic, found.gate or "-"]


def _moving(function: Callable[..., int]) -> Callable[..., int]:
    """Add what all moves take."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="List the files that changed."),
        click.option("--author-email", metavar="EMAIL", help="The address; else GIT_AUTHOR_EMAIL, else git's user.email."),
        click.option("--author-name", metavar="NAME", help="Who commits; else GIT_AUTHOR_NAME, else git's user.name."),
        click.option("--remote", default="origin", show_default=True, help="The remote for --push."),
        click.option(
            "--push", is_flag=True, help="Make the step on the branch as the remote has it, and push; nothing in this clone moves."
        ),
        click.option("--commit", is_flag=True, help="Make the step in the last commit of this branch, and commit it."),
        click.option(
            "--at", type=click.IntRange(1), metavar="STEP", help="Only if it is at this step; else exit 4. What a gate looked at."
        ),
        click.option("--env", "environment", metavar="NAME", help="The environment; needed where there are several."),
        click.argument("spec", default=SPEC, type=click.Path(path_type=Path), metavar="[SPEC]"),
        click.argument("endpoint"),
    ):
        function = option(function)
    return compiling(speaking(click.pass_obj(function)))


def _define(name: str, purpose: str, page: str) -> None:
    def run(
        console: Console,
        *,
        endpoint: str,
        spec: Path,
        environment: str | None,
        at: int | None,
        commit: bool,
        push: bool,
        crds: Path | None,
        templates: Path | None,
        **given: Any,
    ) -> int:
        from mlspec.cli.stepping import Order

        order = Order(spec, endpoint, environment, name, at, crds, templates)
        if commit or push:
            return _commit(console, order, push=push, **given)
        return _write(console, order, verbose=given["verbose"])

    run.__doc__ = page
    line = f"mlspec rollout {name} churn-api --env prod"
    command.command(name, epilog=examples((line, purpose), (f"{line} --push", "the same on the remote: what a bot does")))(_moving(run))


_define(
    "advance",
    "one step on",
    "Give the new version its next share of the traffic; after the last step, all of it.\n\n"
    "A blue-green rollout has no shares: advancing finishes it. Ask the gate first (mlspec gate THRESHOLD --prometheus URL).",
)
_define(
    "finish",
    "all traffic to the new version",
    "Give the new version all of the traffic; the old one goes away.\n\nThe commit's `git revert` brings both back, as they stood before.",
)
_define(
    "abort",
    "all traffic to the old version",
    "Take the new version away; the old one serves alone.\n\nIt stays away although the spec still names it, until the spec names another "
    "version or the rollout is started again.",
)
_define(
    "start",
    "once more from the first step",
    "Begin a rollout that was aborted once more, at its first step.\n\nA version that the spec names anew needs no start: "
    "compiling it begins its rollout.",
)


def _write(console: Console, order: Order, *, verbose: bool) -> int:
    """Make a step in the work tree."""
    from mlspec.cli.publishing import heal_roots, publications
    from mlspec.cli.stepping import find_step, read, requested
    from mlspec.writers.disk import write

    heal_roots((order.spec,), None)
    step = find_step(order)
    compiled = read(requested(order)._replace(live=step.live, keep=False))
    for publication in publications([compiled], None):
        report = write(publication)
        if verbose:
            for sign, files in (("+", report.created), ("~", report.updated), ("-", report.removed)):
                for path in files:
                    console.say(f"  {sign} {path}")
    console.say(step.text)
    console.say("next: commit the files that changed; with --commit, mlspec does")
    return 0


def _commit(
    console: Console, order: Order, *, push: bool, remote: str, author_name: str | None, author_email: str | None, verbose: bool
) -> int:
    """Make a step in a commit of its own, and say so."""
    from mlspec.cli.commit import tell

    done, step = commit_step(order, source=None, remote=remote if push else None, author=(author_name, author_email))
    tell(console, done, verbose=verbose)
    console.say(step.text)
    return 0


def commit_step(
    order: Order, *, source: str | None, remote: str | None, author: tuple[str | None, str | None], expected: Rollout | None = None
) -> tuple[Done, Step]:
    """Make a step in a commit of its own, again where somebody was faster, unless it was the rollout that moved (Unable, status 4).

    ``expected`` is the rollout as it was when the step was decided upon.
    """
    from mlspec.cli import committing
    from mlspec.cli.stepping import find_step
    from mlspec.repository.troubles import lost_race

    made: list[Step] = []
    seen = [expected] if expected else []

    def facts(spec: Path) -> tuple[Live, str]:
        step = find_step(order._replace(spec=spec))
        if seen and seen[0] != step.before:
            raise lost_race("somebody else has moved this rollout in the meantime", "look again: mlspec rollout status")
        seen[:], made[:] = [step.before], [step]
        return step.live, step.text

    done = committing.carry_out(
        committing.Order(
            paths=(order.spec,),
            source=source,
            target=None,
            propose=False,
            remote=remote,
            message=None,
            author=author,
            overwrite_edits=False,
            crds=order.crds.absolute() if order.crds else None,
            templates=order.templates.absolute() if order.templates else None,
            step=facts,
        )
    )
    return done, made[0]


command.add_command(drive)
