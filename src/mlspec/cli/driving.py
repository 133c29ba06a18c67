"""The command rollout drive: every rollout that is under way, moved as its gate says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlspec.cli.console import Console, compiling, examples, speaking

if TYPE_CHECKING:
    from datetime import datetime

    from mlspec.plan.plan import Plan
    from mlspec.repository.clone import Clone
    from mlspec.rollout import Rollout

URL = "MLSPEC_PROMETHEUS_URL"
_STEP = ("canary", "canaryUri", "step")
"""What of the lock's facts makes a step another one."""


class Running(NamedTuple):
    """A rollout that is under way on a branch."""

    spec: str
    """Its path from the root."""
    plan: Plan
    found: Rollout
    since: int
    """When the branch came to this step, in seconds since 1970."""


class Verdict(NamedTuple):
    """What is to be done with a rollout, and why."""

    how: str
    """``advance``, ``abort``, or nothing."""
    text: str
    status: int = 0
    """Of the command, as far as this rollout goes."""


@click.command(
    "drive",
    epilog=examples(
        ("mlspec rollout drive --prometheus https://prometheus.acme.example", "say what would be done"),
        ("mlspec rollout drive --prometheus URL --push", "do it on the remote: what a job does every few minutes"),
        ("mlspec rollout drive --prometheus URL --prometheus dev=URL --push", "where dev has a Prometheus of its own"),
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "--prometheus",
    "urls",
    multiple=True,
    envvar=URL,
    show_envvar=True,
    metavar="[ENV=]URL",
    help="Where live thresholds are measured; for one environment, or all others.",
)
@click.option("--env", "environment", metavar="NAME", help="Only this environment.")
@click.option("--commit", is_flag=True, help="Make each step in the last commit of this branch, and commit it.")
@click.option("--push", is_flag=True, help="Look at the branch as the remote has it, make each step there, and push; nothing here moves.")
@click.option("--from", "source", metavar="BRANCH", help="The branch; else the one that is checked out.")
@click.option("--remote", default="origin", show_default=True, help="The remote for --push.")
@click.option("--author-name", metavar="NAME", help="Who commits; else GIT_AUTHOR_NAME, else git's user.name.")
@click.option("--author-email", metavar="EMAIL", help="The address; else GIT_AUTHOR_EMAIL, else git's user.email.")
@click.option("--now", metavar="TIME", help="The time by which a pause is over; else the clock's.")
@compiling
@speaking
@click.pass_obj
def drive(
    console: Console,
    *,
    paths: tuple[Path, ...],
    urls: tuple[str, ...],
    environment: str | None,
    commit: bool,
    push: bool,
    source: str | None,
    remote: str,
    author_name: str | None,
    author_email: str | None,
    now: str | None,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Ask the gate of every rollout that is under way, then advance it or abort it.

    A rollout whose pause is over is advanced when its gate passes and aborted when it does not. Before that it is aborted when
    a bound is measurably broken, and else left alone. The pause counts from the commit that brought the branch to the step, so the
    history has to be there. A rollout without a gate is left to people, and so is one whose gate cannot be asked.

    Without --commit or --push it is only said what would be done. One line for each rollout stands on stdout. Exits 0 when all is
    well, 1 when something was aborted or could not be moved, 3 when Prometheus could not be asked, 4 when somebody else was faster.
    """
    addresses = _addresses(urls)
    if commit and push:
        raise click.UsageError("--commit and --push exclude each other")
    moment = _moment(now)
    clone, branch, tip = _branch(paths, source, remote if push else None)
    statuses = [0]
    for one in _running(clone, tip, paths, environment):
        found = one.found
        url = addresses.get(found.environment, addresses.get(""))
        verdict = judge(one, url, moment)
        if verdict.how and (commit or push):
            verdict = _make(console, clone, branch, one, verdict, remote if push else None, (author_name, author_email), crds, templates)
        elif verdict.how:
            verdict = verdict._replace(text=f"would {verdict.how}: {verdict.text}")
        click.echo(f"{found.place}: {verdict.text}")
        statuses.append(verdict.status)
    if len(statuses) == 1:
        console.say(f"no rollout is under way on {branch}")
    return max(statuses)


def _addresses(urls: tuple[str, ...]) -> dict[str, str]:
    """Return where to ask, by environment; under the empty name, for all others."""
    import re

    made: dict[str, str] = {}
    for word in urls:
        name, url = ("", word) if re.match(r"https?://", word) else (word.partition("=")[0], word.partition("=")[2])
        if not re.match(r"https?://[^/\s]", url) or name in made:
            raise click.UsageError(f"{word}: expected http://... or https://..., or ENV=https://..., each once")
        made[name] = url
    return made


def _moment(now: str | None) -> datetime:
    from datetime import UTC, datetime

    if now is None:
        return datetime.now(UTC)
    try:
        made = datetime.fromisoformat(now)
    except ValueError:
        raise click.UsageError("expected a time such as 2026-01-31T12:00:00Z after --now") from None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _branch(paths: tuple[Path, ...], source: str | None, remote: str | None) -> tuple[Clone, str, str]:
    """Return the clone, the branch and its commit: on the remote, else here."""
    from mlspec.repository import clone as clones
    from mlspec.repository import remotes, troubles

    clone = clones.open_clone(paths[0] if paths else Path())
    branch = clones.checked_out(clone) if source is None else source
    if branch is None:
        raise troubles.detached_head()
    ref = clones.ref_of(clone, branch)
    tip = remotes.tips(clone, remote, [ref])[0] if remote else clones.find_commit(clone, ref)
    if tip is None:
        raise troubles.no_branch(f"there is no branch {branch}" + (f" on the remote {remote}" if remote else ""), "check its name")
    return clone, branch, tip


def _running(clone: Clone, tip: str, paths: tuple[Path, ...], environment: str | None) -> list[Running]:
    """Return the rollouts that are under way at a commit."""
    from mlspec.cli.locked import plans_of
    from mlspec.cli.rebuilding import revision
    from mlspec.rollout import UNDER_WAY, rollout_of
    from mlspec.source.files import find_specs

    found: list[tuple[str, Plan, Rollout]] = []
    known: set[str] = set()
    names = [clone.relative(path) for path in paths or (Path(clone.root or "."),)]
    with revision(clone, tip):
        for spec in find_specs([Path(name) for name in names]):
            for plan in plans_of(spec):
                known.add(plan.environment)
                rollouts = [rollout_of(plan, endpoint) for endpoint in sorted(plan.tree["serving"])]
                found += [(spec.as_posix(), plan, one) for one in rollouts if one.state == UNDER_WAY]
    if environment is not None and environment not in known:
        raise click.UsageError(f"no such environment: {environment}; there are {', '.join(sorted(known)) or 'none'}")
    return [
        Running(spec, plan, one, began(clone, tip, Path(spec).with_name("mlspec.lock").as_posix(), one.place))
        for spec, plan, one in found
        if environment in (None, one.environment)
    ]


def began(clone: Clone, tip: str, lock: str, place: str) -> int:
    """Return when the branch came to the step at which it is, in seconds since 1970: the time of the commit (a merge, mostly).

    Raises Unable when the history of a shallow clone ends before that.
    """
    from mlspec.repository.troubles import short_history

    wanted: Any = None
    when = 0
    for commit, time in _history(clone, tip, lock):
        facts = _facts(clone, commit, lock, place)
        if wanted is None:
            wanted = facts
        elif facts != wanted:
            return when
        when = time
    if clone.shallow:
        raise short_history(f"this clone ends before {place} came to its step")
    return when


def _history(clone: Clone, tip: str, path: str) -> Iterator[tuple[str, int]]:
    """Yield the commits of a branch that changed a file, the newest first, with their times."""
    said = clone.git.run("log", "--first-parent", "--no-show-signature", "--format=%H %ct", tip, "--", path).text
    for line in said.splitlines():
        commit, _, time = line.partition(" ")
        yield commit, int(time)


def _facts(clone: Clone, commit: str, path: str, place: str) -> dict[str, Any]:
    """Return what a lock said of a step; nothing where it said nothing, or cannot be read."""
    from mlspec.diagnostics import Rejected
    from mlspec.lock import parse_lock

    said = clone.git.attempt("cat-file", "blob", f"{commit}:{path}")
    try:
        live = parse_lock(said.out, path).live.get(place, {}) if said.status == 0 else {}
    except Rejected:
        return {}
    return {key: live.get(key) for key in _STEP}


def judge(one: Running, url: str | None, now: datetime) -> Verdict:
    """Return what is to be done with a rollout now."""
    from mlspec.cli.prometheus import Prometheus, token
    from mlspec.cli.prometheus import judge as ask
    from mlspec.plan.live import counts_apart
    from mlspec.plan.rules import rules_of
    from mlspec.quantity import seconds
    from mlspec.runtime import gate

    found = one.found
    if not found.gate:
        return Verdict("", "has no gate, so people move it")
    if url is None:
        raise click.UsageError(f"say where {found.gate} is measured: --prometheus URL, or {URL}")
    try:
        prometheus = Prometheus(url, token())
        rules = rules_of(one.plan, found.gate)
        rows = ask(one.plan, rules, found.endpoint, "canary", prometheus)
    except (gate.Unable, ValueError) as error:
        return Verdict("", f"left alone, {found.gate} cannot be asked: {error}", 3)
    status = gate.status_of(rules, rows)
    why = "; ".join(f"{row['rule']} {row['bound']}, found {row['found']}: {row['why']}" for row in rows if row["verdict"] != "passed")
    left = one.since + int(seconds(found.pause)) - int(now.timestamp())
    if status == 1 and (left <= 0 or any(row["verdict"] == "failed" and row["found"] != "-" for row in rows)):
        return Verdict("abort", f"{found.gate} does not pass ({why})", 1)
    if left > 0:
        return Verdict("", f"left alone for {_span(left)} more, at step {found.step + 1} of {max(1, len(found.steps))}")
    if status:
        return Verdict("", f"left alone, {found.gate} is not decided ({why})", 3)
    return Verdict("advance", f"{found.gate} passes" + ("" if counts_apart(one.plan) else ", measured of both versions together"))


def _span(left: int) -> str:
    if left < 120:
        return f"{left} s"
    return f"{-(-left // 60)} min"


def _make(
    console: Console,
    clone: Clone,
    branch: str,
    one: Running,
    verdict: Verdict,
    remote: str | None,
    author: tuple[str | None, str | None],
    crds: Path | None,
    templates: Path | None,
) -> Verdict:
    """Make the move that a verdict asks for, and return what came of it. What cannot be done stops no other rollout."""
    from mlspec.cli.rollout import commit_step
    from mlspec.cli.stepping import Order
    from mlspec.diagnostics import Rejected, Unable

    found = one.found
    order = Order(Path(clone.root or "") / one.spec, found.endpoint, found.environment, verdict.how, found.step + 1, crds, templates)
    try:
        done, step = commit_step(order, source=branch, remote=remote, author=author, expected=found)
    except Rejected as error:
        console.report(error.diagnostics, [one.spec])
        return Verdict("", f"cannot {verdict.how}, though {verdict.text}", 1)
    except Unable as error:
        return Verdict("", f"cannot {verdict.how}: {error}", error.status)
    return Verdict(verdict.how, f"{step.text} ({(done.commit or '')[:12]}); {verdict.text}", verdict.status)
