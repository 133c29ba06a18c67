"""Waivers: which loosened gates are allowed, until when, and what a loosening without one is called."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from mlspec.changes.gates import Gates, Loosening, gates_of, loosenings
from mlspec.changes.guards import lapses
from mlspec.changes.waiver import Loss, Waiver, concerns, lasting, loss_of, shortfall, waivers_of, written_for
from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, Site, locate
from mlspec.plan.plan import Plan


class Former(NamedTuple):
    """Where something stood at the revision that is compared with."""

    site: Site
    text: str


class Sides(NamedTuple):
    """An environment as it was and as it is, with all that is looser."""

    before: Plan
    after: Plan
    revision: str
    old: Gates
    new: Gates
    losses: tuple[Loss, ...]

    def former(self, losses: Sequence[Loss]) -> list[Former]:
        """Return what stood at each place at the revision."""
        there: dict[Site, list[str]] = {}
        for loss in losses:
            site = locate(self.before.mark, _former_path(loss.loosening, self.before))
            there.setdefault(site, []).append(_said(loss.loosening).rpartition(" → ")[0])
        return [Former(site, f"{self.revision} has {'; '.join(dict.fromkeys(texts))}") for site, texts in there.items()]


def hold(before: Plan, after: Plan, today: date, revision: str) -> list[Finding]:
    """Return what is wrong with the loosenings and the waivers of one environment.

    ``before`` is the environment as it was at a revision, which ``revision`` names. A loosening without a waiver is MLS-E740, with
    one that has ended MLS-E741, with one that names no ticket MLS-E742, with one that does not cover it MLS-E743; a loosening that
    lasts longer than was said is MLS-W743; other waivers that have ended are MLS-W741.
    """
    old, new = gates_of(before), gates_of(after)
    losses = tuple(loss_of(one, old) for one in (*loosenings(old, new), *lapses(before, after)))
    sides = Sides(before, after, revision, old, new, losses)
    waivers, earlier = waivers_of(after), waivers_of(before)
    found: list[Finding] = []
    relied: set[Path] = set()
    for (gate, where), group in _grouped(sides).items():
        for verdict in _judged(group, losses, waivers, earlier, today):
            what = "; ".join(_said(loss.loosening) for loss in verdict.losses)
            formers = sides.former(verdict.losses)
            waiver = verdict.waiver
            if waiver is None:
                found.append(loosened_gate(where, gate, what, written_for(verdict.losses[0], losses), formers))
            elif verdict.fault == "ended":
                relied |= {other.path for other in waivers if any(concerns(other, loss) for loss in verdict.losses)}
                found.append(ended_waiver(waiver, what, where, formers))
            elif verdict.fault == "ticket":
                found.append(waiver_without_ticket(waiver, what, formers))
            else:
                found.append(narrow_waiver(waiver, verdict.fault, what, where, written_for(verdict.losses[0], losses), formers))
    found += _prolonged(sides, waivers, earlier)
    return [*found, *_ended(waivers, today, after, new, relied)]


def ended(plan: Plan, today: date) -> list[Finding]:
    """Return what is wrong with the waivers of an environment that have ended: MLS-E741 where what they allowed is there, else MLS-W741."""
    return _ended(waivers_of(plan), today, plan, gates_of(plan))


def _ended(waivers: Sequence[Waiver], today: date, plan: Plan, gates: Gates, told: Collection[Path] = ()) -> list[Finding]:
    found = []
    for waiver in waivers:
        if waiver.until >= today or waiver.path in told:
            continue
        place = None if any(other.until >= today and other.stands_for(waiver) for other in waivers) else lasting(waiver, plan, gates)
        found.append(spent_waiver(waiver) if place is None else ended_waiver(waiver, f"it is still {waiver.bound}", place, ()))
    return found


class Verdict(NamedTuple):
    """Some loosenings, and what is wrong with the waiver that comes nearest to covering them; none is when there is none."""

    losses: tuple[Loss, ...]
    waiver: Waiver | None
    fault: str
    """``ended``, ``ticket``, or why it does not cover them, in words."""


def _judged(
    group: Sequence[Loss], losses: Sequence[Loss], waivers: Sequence[Waiver], earlier: Sequence[Waiver], today: date
) -> Iterator[Verdict]:
    """Yield verdicts on loosenings of one place that no waiver covers, those alike together."""
    found: dict[tuple[Any, ...], list[Loss]] = {}
    heads: dict[tuple[Any, ...], tuple[Waiver | None, str]] = {}
    for loss in group:
        waiver, fault = _nearest(loss, losses, waivers, earlier, today)
        if waiver is None or fault:
            key = (waiver.path if waiver else (), fault)
            heads[key] = (waiver, fault)
            found.setdefault(key, []).append(loss)
    yield from (Verdict(tuple(alike), *heads[key]) for key, alike in found.items())


def _nearest(
    loss: Loss, losses: Sequence[Loss], waivers: Sequence[Waiver], earlier: Sequence[Waiver], today: date
) -> tuple[Waiver | None, str]:
    """Return the waiver that covers a loosening, with no fault; else the one that comes nearest, with what it lacks."""
    known = [waiver for waiver in waivers if concerns(waiver, loss)]
    if not known:
        return None, ""
    lacking = [(waiver, shortfall(waiver, loss, losses, earlier)) for waiver in known]
    whole = [waiver for waiver, why in lacking if not why]
    if not whole:
        return lacking[0]
    good = [waiver for waiver in whole if waiver.until >= today]
    if not good:
        return max(whole, key=lambda waiver: waiver.until), "ended"
    ticketed = [waiver for waiver in good if waiver.ticket]
    return (ticketed[0], "") if ticketed else (good[0], "ticket")


def _prolonged(sides: Sides, waivers: Sequence[Waiver], earlier: Sequence[Waiver]) -> Iterator[Finding]:
    """Yield where a loosening that was allowed until a day lasts longer: its waiver ends later, or is gone while the gate is as loose."""
    for old in earlier:
        now = next((waiver for waiver in waivers if waiver.same_as(old)), None)
        there = [Former(locate(sides.before.mark, (*old.path, "until")), f"{sides.revision} has {old.until}")]
        if now is not None and now.until > old.until:
            yield lasting_loosening((*now.path, "until"), f"the waiver of {now.name} ended on {old.until}, and now on {now.until}", there)
        elif now is None and (place := lasting(old, sides.after, sides.new)) is not None:
            yield lasting_loosening(place, f"the waiver of {old.name} is gone, and what it allowed is there: {old.bound}", there)


def _said(one: Loosening) -> str:
    return one.text.removeprefix(f"gate {one.threshold}: ")


def _former_path(one: Loosening, before: Plan) -> Path:
    return ("environments", before.environment, *one.path[2:]) if one.path[0] == "environments" else one.path


def _grouped(sides: Sides) -> dict[tuple[str, Path], list[Loss]]:
    """Return the loosenings by gate and by the place that is to blame now: one place, one diagnostic."""
    groups: dict[tuple[str, Path], list[Loss]] = {}
    for loss in sides.losses:
        groups.setdefault((loss.loosening.threshold, _place(loss.loosening, sides.old, sides.new)), []).append(loss)
    return groups


def _place(one: Loosening, before: Gates, after: Gates) -> Path:
    """Return where in the spec as it is now a loosening is to be seen: its rule, else what is nearest to where it stood."""
    old, new = before.thresholds.get(one.threshold), after.thresholds.get(one.threshold)
    if one.now:
        return one.now
    if one.field or one.path[2:3] != ("rules",) or old is None or new is None:
        return one.path
    path: Path = ("thresholds", one.threshold, "rules")
    was = old["rules"][one.path[3]]
    for keys in (("name",), ("metric", "query", "column")):
        for at, rule in enumerate(new["rules"]):
            if all(rule.get(key) == was.get(key) for key in keys):
                return (*path, at)
    return path


@code("MLS-E740", "loosened-gate")
def loosened_gate(path: Path, gate: str, what: str, waiver: str, formers: Sequence[Former]) -> Found:
    """A gate gets looser only with a waiver.

    `mlspec check --against REV` holds every gate against what it was at REV, by what it lets through: a lower or higher bound, another
    direction, a dropped slice or rule, a longer window, fewer samples, `enforce` to `report`, a gate that nothing names any more. A waiver
    in `governance.waivers` says who answers for it, why, under which ticket and until when. So it is with what guards without a
    threshold: objectives, drift, bias, canaries, the order of environments, approvals; a waiver names these with `field`.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        mlspec check --against HEAD

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-31
    """
    return Found(
        path,
        f"the gate {gate} is looser than it was: {what}",
        f"take it back, or add {{{waiver}, reason: ..., owner: ..., ticket: ..., until: YYYY-MM-DD}} to governance.waivers",
        related_sites=_sites(formers),
    )


@code("MLS-E741", "ended-waiver")
def ended_waiver(waiver: Waiver, what: str, where: Path, formers: Sequence[Former]) -> Found:
    """A gate that is looser than it was needs a waiver that has not ended.

    `until` is the last day on which a waiver counts. `--today` says which day it is; without it, the day is today's, in UTC. A waiver
    with `to` is held to its day without a revision to compare with: from then on the gate is stricter than `to`.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-04-01

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-31
    """
    return Found(
        (*waiver.path, "until"),
        f"the waiver of {waiver.name} ended on {waiver.until}, and the gate is still looser than it was: {what}",
        f"take the loosening back, or let {waiver.owner} prolong the waiver",
        related=((where, "the gate"),),
        related_sites=_sites(formers),
    )


@code("MLS-E742", "waiver-without-ticket")
def waiver_without_ticket(waiver: Waiver, what: str, formers: Sequence[Former]) -> Found:
    """A waiver for a loosened gate names a ticket.

    The ticket is where the way back is planned: whoever meets the waiver later can read what became of it.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, reason: pilot, owner: ml, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-01

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-01
    """
    return Found(
        waiver.path,
        f"the waiver of {waiver.name} names no ticket, and the gate is looser than it was: {what}",
        "add `ticket:`",
        related_sites=_sites(formers),
    )


@code("MLS-E743", "narrow-waiver")
def narrow_waiver(waiver: Waiver, why: str, what: str, where: Path, wanted: str, formers: Sequence[Former]) -> Found:
    """A waiver covers what it was written for, and no more.

    `rule` (and `slice`) names the rule that it is for; where several rules are looser it has to. `to` says how loose that may become.
    Without `to` it covers what came with it, and nothing that is loosened later.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.8/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, to: 0.86, reason: r, owner: a, ticket: B-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-01

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.88}]}}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/0.88/0.86/' mlspec.yaml
        sed -i '$a governance: {waivers: [{threshold: release, to: 0.86, reason: r, owner: a, ticket: B-1, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-01
    """
    return Found(
        waiver.path,
        f"the waiver of {waiver.name} does not cover what is looser than it was ({why}): {what}",
        f"take it back, or write a waiver with {{{wanted}, ...}}",
        related=((where, "the gate"),),
        related_sites=_sites(formers),
    )


@code("MLS-W743", "lasting-loosening", severity="warning")
def lasting_loosening(path: Path, what: str, formers: Sequence[Former]) -> Found:
    """A loosening that was allowed until a day goes back by that day.

    It lasts longer when the waiver is prolonged, or when a waiver with `to` goes while the gate is still as loose. Both can be right;
    whoever reviews the change has to know.

    Bad (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a governance: {waivers: [{code: MLS-W501, reason: pilot, owner: ml, until: 2027-03-31}]}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/2027-03-31/2027-06-30/' mlspec.yaml
        mlspec check --against HEAD --today 2027-03-01

    Good (shell)::

        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
        git init -q -b main
        sed -i '$a governance: {waivers: [{code: MLS-W501, reason: pilot, owner: ml, until: 2027-03-31}]}' mlspec.yaml
        git add -A
        git commit -q -m one
        sed -i 's/2027-03-31/2027-02-28/' mlspec.yaml
        mlspec check --against HEAD --today 2027-02-01
    """
    return Found(path, what, "make the gate as strict as it was, or let the reviewers agree", related_sites=_sites(formers))


@code("MLS-W741", "spent-waiver", severity="warning")
def spent_waiver(waiver: Waiver) -> Found:
    """A waiver that has ended is removed.

    Nothing relies on it any more; left where it is, it hides which exceptions there are.

    Bad (shell)::

        sed -i '$a governance: {waivers: [{code: MLS-W501, reason: pilot, owner: ml, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --today 2027-04-01

    Good (shell)::

        sed -i '$a governance: {waivers: [{code: MLS-W501, reason: pilot, owner: ml, until: 2027-03-31}]}' mlspec.yaml
        mlspec check --today 2027-03-31
    """
    return Found(
        (*waiver.path, "until"), f"the waiver of {waiver.name} ended on {waiver.until}", "remove it, or prolong it while it is needed"
    )


def _sites(formers: Sequence[Former]) -> tuple[tuple[Site, str], ...]:
    return tuple((former.site, former.text) for former in formers)


def merged(found: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, str]]:
    """Yield diagnostics by environment once each, with the environments that have it; none where all of them have."""
    groups: dict[tuple[Any, ...], tuple[Any, list[str]]] = {}
    for environment, diagnostics in found.items():
        for diagnostic in diagnostics:
            key = (diagnostic.code, diagnostic.site, diagnostic.message)
            groups.setdefault(key, (diagnostic, []))[1].append(environment)
    for diagnostic, names in groups.values():
        yield diagnostic, "" if len(names) == len(found) else ", ".join(names)
