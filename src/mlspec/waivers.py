"""Waivers: which loosened gates are allowed, until when, and what a loosening without one is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from mlspec.changes.gates import Gates, Loosening, gates_of, loosenings
from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, Site, locate
from mlspec.plan.plan import Plan


class Waiver(NamedTuple):
    """One entry of ``governance.waivers``."""

    path: Path
    of: str
    """The threshold, or the code, that it is for."""
    is_threshold: bool
    owner: str
    ticket: str
    until: date
    """The last day on which it counts."""


class Former(NamedTuple):
    """Where something stood at the revision that is compared with."""

    site: Site
    text: str


def waivers_of(plan: Plan) -> list[Waiver]:
    """Return the waivers of one environment, in the order in which they are written."""
    written: Sequence[Mapping[str, Any]] = (plan.tree.get("governance") or {}).get("waivers") or ()
    return [
        Waiver(
            ("governance", "waivers", at),
            str(entry.get("threshold") or entry.get("code")),
            "threshold" in entry,
            str(entry["owner"]),
            str(entry.get("ticket") or ""),
            date.fromisoformat(str(entry["until"])),
        )
        for at, entry in enumerate(written)
    ]


def hold(before: Plan, after: Plan, today: date, revision: str) -> list[Finding]:
    """Return what is wrong with the loosenings and the waivers of one environment.

    ``before`` is the environment as it was at a revision, which ``revision`` names. A loosening without a waiver is MLS-E740, with
    one that has ended MLS-E741, with one that names no ticket MLS-E742; other waivers that have ended are MLS-W741.
    """
    waivers = waivers_of(after)
    found: list[Finding] = []
    relied: set[Path] = set()
    old, new = gates_of(before), gates_of(after)
    for (threshold, where), losses in _grouped(old, new).items():
        formers = _formers(losses, threshold, before, revision)
        what = "; ".join(_said(one, threshold) for one in losses)
        known = [waiver for waiver in waivers if waiver.is_threshold and waiver.of == threshold]
        good = [waiver for waiver in known if waiver.until >= today]
        if not known:
            found.append(loosened_gate(where, threshold, what, formers))
        elif not good:
            last = max(known, key=lambda waiver: waiver.until)
            relied |= {waiver.path for waiver in known}
            found.append(ended_waiver(last, what, where, formers))
        elif not any(waiver.ticket for waiver in good):
            found.append(waiver_without_ticket(good[0], what, formers))
    return [*found, *(spent_waiver(waiver) for waiver in waivers if waiver.until < today and waiver.path not in relied)]


def ended(plan: Plan, today: date) -> list[Finding]:
    """Return the waivers of an environment that have ended (MLS-W741)."""
    return [spent_waiver(waiver) for waiver in waivers_of(plan) if waiver.until < today]


def _said(one: Loosening, threshold: str) -> str:
    return one.text.removeprefix(f"gate {threshold}: ")


def _formers(losses: Sequence[Loosening], threshold: str, before: Plan, revision: str) -> list[Former]:
    """Return what stood at each place at the revision."""
    there: dict[Site, list[str]] = {}
    for one in losses:
        there.setdefault(locate(before.mark, one.path), []).append(_said(one, threshold).rpartition(" → ")[0])
    return [Former(site, f"{revision} has {'; '.join(dict.fromkeys(texts))}") for site, texts in there.items()]


def _grouped(before: Gates, after: Gates) -> dict[tuple[str, Path], list[Loosening]]:
    """Return the loosenings by threshold and by the place that is to blame now: one place, one diagnostic."""
    groups: dict[tuple[str, Path], list[Loosening]] = {}
    for one in loosenings(before, after):
        groups.setdefault((one.threshold, _place(one, before, after)), []).append(one)
    return groups


def _place(one: Loosening, before: Gates, after: Gates) -> Path:
    """Return where in the spec as it is now a loosening is to be seen: its rule, else what is nearest to where it stood."""
    old, new = before.thresholds.get(one.threshold), after.thresholds.get(one.threshold)
    if one.path[2:3] != ("rules",) or old is None or new is None:
        return one.path
    path: Path = ("thresholds", one.threshold, "rules")
    was = old["rules"][one.path[3]]
    for keys in (("name",), ("metric", "query", "column")):
        for at, rule in enumerate(new["rules"]):
            if all(rule.get(key) == was.get(key) for key in keys):
                return (*path, at)
    return path


@code("MLS-E740", "loosened-gate")
def loosened_gate(path: Path, threshold: str, what: str, formers: Sequence[Former]) -> Found:
    """A gate gets looser only with a waiver.

    `mlspec check --against REV` holds every gate against what it was at REV, by what it lets through: a lower or higher bound, another
    direction, a dropped slice or rule, a longer window, fewer samples, `enforce` to `report`, a gate that nothing names any more. A waiver
    in `governance.waivers` says who answers for it, why, under which ticket and until when; it covers all rules of its threshold.

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
        f"the gate {threshold} is looser than it was: {what}",
        f"take it back, or add {{threshold: {threshold}, reason: ..., owner: ..., ticket: ..., until: YYYY-MM-DD}} to governance.waivers",
        related_sites=_sites(formers),
    )


@code("MLS-E741", "ended-waiver")
def ended_waiver(waiver: Waiver, what: str, where: Path, formers: Sequence[Former]) -> Found:
    """A gate that is looser than it was needs a waiver that has not ended.

    `until` is the last day on which a waiver counts. `--today` says which day it is; without it, the day is today's, in UTC.

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
        f"the waiver of {waiver.of} ended on {waiver.until}, and the gate is still looser than it was: {what}",
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
        f"the waiver of {waiver.of} names no ticket, and the gate is looser than it was: {what}",
        "add `ticket:`",
        related_sites=_sites(formers),
    )


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
        (*waiver.path, "until"), f"the waiver of {waiver.of} ended on {waiver.until}", "remove it, or prolong it while it is needed"
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
