"""The plan of a change for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from mlspec.changes.account import Account, ProjectAccount
from mlspec.changes.risks import KINDS
from mlspec.reporters.plan_words import edit_line, effect_rows, findings_of, headline, other_files, pieces, total_rows, where
from mlspec.reporters.printable import printable
from mlspec.reporters.summary import plural

_COLOURS = {"+": "32", "-": "31", "~": "33", "@": "36", "!": "1;31", "#": "1"}


def write_plan_text(account: Account, stream: TextIO, *, colour: bool) -> None:
    """Write a plan: findings, sentences, risks, effects, totals, edits, then every object."""
    for style, line in _lines(account):
        text = printable(line)
        stream.write(f"\x1b[{_COLOURS[style]}m{text}\x1b[0m\n" if colour and style in _COLOURS and text else f"{text}\n")


def _lines(account: Account) -> Iterator[tuple[str, str]]:
    yield "#", f"{account.before.label} → {account.after.label}: {headline(account)}"
    for spec, side, other in account.broken:
        yield "!", f"{spec} does not compile at {side.label}"
        for text in findings_of(spec, side):
            yield "", f"  {text}"
        if other is not None:
            there = account.after if side is account.before else account.before
            yield "", f"  at {there.label} it is {other.name}: {plural(len(other.objects), 'object')} in {', '.join(other.plans)}"
    for project in account.projects:
        yield "", ""
        yield "#", f"{project.name} ({project.spec})" + (f", {project.state}" if project.state != "changed" else "")
        yield from _project(project)
    for one in account.warnings:
        yield "~", f"new warning: {one.site.file}:{one.site.line}  {one.code}  {one.message}"


def _project(project: ProjectAccount) -> Iterator[tuple[str, str]]:
    for names, text in project.sentences:
        lead = where(names, project)
        yield "!" if "LOOSER" in text or "REMOVED" in text else "", f"  {lead + ': ' if lead else ''}{text}"
    if project.risks:
        yield "", ""
        yield "!", f"  {plural(len(project.risks), 'risk')}"
        for risk in project.risks:
            lead = where(risk.environments, project)
            yield "!", f"    {KINDS[risk.kind]}: {risk.text}" + (f" ({lead})" if lead else "") + (f"; {risk.note}" if risk.note else "")
    if effects := effect_rows(project):
        yield "", ""
        yield "#", "  in the cluster"
        yield from (("!" if grave else "", f"    {text}") for grave, text in effects)
    rows = [(environment.name, *row) for environment in project.environments for row in total_rows(environment)]
    if rows:
        yield "", ""
        yield "#", "  asked for"
        for name, resource, before, after in rows:
            yield "", f"    {name + ': ' if name else ''}{resource} {before} → {after}"
    for note in project.notes:
        yield "~", f"  note: {note}"
    if project.edits:
        yield "", ""
        yield "#", "  edits"
        for number, edit in enumerate(project.edits, 1):
            yield "", f"    {number}. {edit_line(edit)}"
    for piece in pieces(project):
        yield "", ""
        yield piece.sign, f"  {piece.title}"
        for line in piece.lines:
            yield line[:1], f"    {line}"
    if others := other_files(project):
        yield "", ""
        yield "#", "  other files"
        yield from ((line[:1], f"    {line}") for line in others)
