"""The command promote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, examples, reporting
from mlspec.cli.editing import Spec, finish, known_environment, make_draft, spec_argument
from mlspec.diagnostics import Finding, Rejected, Unable, diagnose, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlspec.examine import Examined
    from mlspec.lock import Fact
    from mlspec.plan.plan import Plan
    from mlspec.promotion.versions import Promotion
    from mlspec.promotion.views import View
    from mlspec.rollout import Rollout


@click.command(
    "promote",
    epilog=examples(
        ("mlspec promote --from dev --to staging", "all versions that differ, as one change"),
        ("mlspec promote --from staging --to prod --only churn", "those of one model alone"),
        ("mlspec promote --from dev --to staging --dry-run", "show the edit, write nothing"),
        ("mlspec promote --from dev --to staging --require-gates", "only with the results of the gates at hand"),
    ),
)
@spec_argument
@click.option("--from", "source", required=True, metavar="ENV", help="The environment whose versions are taken.")
@click.option("--to", "target", required=True, metavar="ENV", help="The environment that comes right after it.")
@click.option("--only", multiple=True, metavar="NAME", help="Only the versions of this model, dataset, pipeline or endpoint. Repeatable.")
@click.option("--require-gates", is_flag=True, help="Refuse a model whose gates have no result in the repository.")
@click.option("--dry-run", is_flag=True, help="Show the edit as a diff, and write nothing.")
@reporting
@click.pass_obj
def command(console: Console, *, spec: Path, source: str, target: str, only: tuple[str, ...], require_gates: bool, dry_run: bool) -> int:
    """Let an environment run the versions of the one before it: models, datasets and images move as one edit of the spec.

    SPEC is the spec; without one, mlspec.yaml here. Nothing else of the environment changes, and nothing of any other. Models must
    have passed their gates in the environment that they come from. No environment is skipped. The edit is yours to commit.
    """
    from shlex import quote

    from mlspec.compiler import show
    from mlspec.examine import examine
    from mlspec.promotion.placement import edits_of
    from mlspec.promotion.versions import compare
    from mlspec.promotion.views import View

    opened = Spec(spec, dry_run=dry_run)
    source, target = known_environment(opened, source), known_environment(opened, target)
    _require_order(opened, source, target)
    examined = examine(spec, opened.root, show, _live(opened))
    here, there = (View(opened.tree, opened.source.mark, name) for name in (source, target))
    _require_known(only, here)
    promotion = compare(here, there, only)
    if promotion.clashes:
        others = ", ".join(promotion.clashes)
        raise Unable(f"{others} would change too: told by the same variable", "leave --only out, or write the version without it", status=1)
    lines = [f"{target}: {unit.text}" for unit in promotion.units]
    notes = [*promotion.notes, *_judge(opened, examined, promotion, source, require_gates=require_gates)]
    if not promotion.units:
        for note in notes:
            console.say(f"note: {note}")
        console.report((), [opened.shown])
        console.say(f"nothing to do: {target} has the versions of {source}")
        return 0
    draft = make_draft(opened, edits_of(opened.tree, target, promotion.moves))
    hold_still(opened, draft.made.examined, target, promotion.moves)
    message = f"{target}: " + ", ".join(unit.text for unit in promotion.units)
    message = message if len(message) < 100 else f"Promote {source} to {target}"
    next_ = [f"next: git commit -m {quote(message)} -- {quote(opened.shown)}, then mlspec commit"]
    finish(console, draft, [*lines, *(f"note: {note}" for note in notes)], dry_run=dry_run, after=next_)
    return 0


def _require_order(spec: Spec, source: str, target: str) -> None:
    from mlspec.promotion.order import chain_to, skipped_environment

    after = (spec.tree.get("environments", {}).get(target) or {}).get("after")
    if source == target:
        raise click.UsageError(f"{source} and {target} are one environment")
    if after != source:
        finding = skipped_environment(source, target, chain_to(spec.tree, source, target), after)
        raise Rejected([diagnose(finding, spec.source.mark)])


def _require_known(only: tuple[str, ...], view: View) -> None:
    from mlspec.promotion.versions import names

    known = names(view)
    for name in only:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}"
            raise click.UsageError(f"nothing named {name} has a version in {view.environment}; {hint}")


def hold_still(spec: Spec, after: Examined, environment: str, moves: Any) -> None:
    """Make sure that an edit changes what it was to change, and nothing else. Raises Unable (status 1) when it would."""
    from mlspec.promotion.moves import strays

    found = strays(spec.tree, spec.source.mark, after.source.tree, after.source.mark, environment, moves)
    if found:
        raise Unable(f"the edit would change more than it should: {', '.join(found[:5])}", "edit the file by hand", status=1)


def _judge(spec: Spec, examined: Examined, promotion: Promotion, source: str, *, require_gates: bool) -> list[str]:
    """Return notes of gates without results and of rollouts under way. Raises Rejected for a version that did not pass, or was aborted."""
    from mlspec.plan.rules import rules_of
    from mlspec.promotion.evidence import aborted_in_source, fault_of, gate_not_passed, gate_result_missing, gates_of, result_path
    from mlspec.rollout import ABORTED

    plan = next(plan for plan in examined.plans if plan.environment == source)
    findings: list[Finding] = []
    notes: list[str] = []
    for unit in promotion.units:
        if unit.kind != "model":
            continue
        model = plan.tree["models"][unit.name]
        for rollout in _unfinished(plan, unit.name):
            if rollout.state == ABORTED:
                findings.append(aborted_in_source(("models", unit.name, "version"), unit.name, rollout))
            else:
                notes.append(f"the rollout of {unit.name} {model['version']} is still under way in {source} ({rollout.endpoint})")
        for threshold in gates_of(plan.tree, unit.name):
            rules = rules_of(plan, threshold)
            if rules["mode"] != "enforce":
                continue
            file = result_path(source, unit.name, str(model["version"]), threshold)
            path = ("models", unit.name, "version")
            data = _result(spec.file.parent / file)
            if data is None and require_gates:
                findings.append(gate_result_missing(path, source, unit.name, threshold, file))
            elif data is None:
                notes.append(f"there is no result of {threshold} for {unit.name} in {source} (looked for {file})")
            elif why := data if isinstance(data, str) else fault_of(data, rules):
                findings.append(gate_not_passed(path, source, unit.name, threshold, file, why))
            else:
                notes.append(f"{unit.name} passed {threshold} in {source}")
    if findings:
        raise Rejected(examined.diagnose(findings, plan))
    return notes


def _live(spec: Spec) -> Mapping[str, Mapping[str, Fact]]:
    """Return what the lock says of what serves. Raises Rejected when it cannot be read."""
    from mlspec.lock import parse_lock
    from mlspec.tree import lock_path

    where = lock_path(spec.file, spec.root)
    data = _read(spec.root / where)
    return {} if data is None else parse_lock(data, where).live


def _unfinished(plan: Plan, model: str) -> list[Rollout]:
    """Return the rollouts of a model's version in an environment that were aborted or are under way."""
    from mlspec.rollout import ABORTED, UNDER_WAY, rollout_of

    serving = [name for name, endpoint in plan.tree["serving"].items() if endpoint.get("model") == model]
    return [rollout for rollout in (rollout_of(plan, name) for name in serving) if rollout.state in (ABORTED, UNDER_WAY)]


def _result(file: Path) -> bytes | str | None:
    """Return a result; a text, why it is none, where something else lies there; None where nothing does."""
    data = _read(file)
    return "what lies there is no file" if data is None and os.path.lexists(file) else data


def _read(file: Path) -> bytes | None:
    if not file.is_file():
        return None
    from mlspec.source.files import read_file

    return read_file(file, str(file))
