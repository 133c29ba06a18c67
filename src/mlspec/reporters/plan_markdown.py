"""The plan of a change as a comment on a pull request: within the length that hosts allow, and with nothing in it that acts.

Whatever comes from a spec stands in code, where hosts neither mention people, link issues and commits, load images nor read HTML. Text
outside of code is fixed text of this module and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from mlspec.changes.account import Account, ProjectAccount
from mlspec.changes.risks import KINDS
from mlspec.changes.side import Side
from mlspec.reporters.plan_words import (
    LONGEST,
    Piece,
    edit_line,
    effect_rows,
    findings_of,
    headline,
    other_files,
    pieces,
    total_rows,
    where,
)
from mlspec.reporters.printable import printable
from mlspec.reporters.summary import plural

MARKER = "<!-- mlspec plan -->"
"""The first line, by which CI finds its comment again."""
BUDGET = 65_000
"""Characters; GitHub takes 65,536."""
_MOVES = re.compile(r"^(HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD|@)|[\^~@]")
_RISK = 600
"""Characters of one risk."""
_SPECS, _FINDINGS = 8, 8
"""Specs that do not compile, and findings of each."""
_EACH = 12_000
"""Characters of sentences, of effects, of edits, each, in one comment; objects take what is left."""
_FOLDED = 12
"""More objects than this are folded away."""


def write_plan_markdown(account: Account, stream: TextIO) -> None:
    """Write a plan as Markdown of at most BUDGET characters; risks come first and are never cut, and what was cut is said."""
    stream.write(markdown_of(account))


def markdown_of(account: Account) -> str:
    """Return the comment."""
    risks = sum(len(project.risks) for project in account.projects)
    grave = sum(effect.grave for project in account.projects for one in project.environments for effect in one.effects)
    tail = [plural(risks, "risk")] if risks else []
    tail += [f"{plural(grave, 'grave effect')} in the cluster"] if grave else []
    head = [MARKER, f"### Plan: {'; '.join([headline(account), *tail])}", ""]
    head += [f"{_side(account.before)} → {_side(account.after)}. Both sides compiled by this mlspec.", ""]
    head += _broken(account)
    paper = _Paper(BUDGET)
    paper.must(head)
    paper.must(_all_risks(account.projects, paper.left - 2_000))
    for project in account.projects:
        _body(project, paper, len(account.projects))
    paper.list("New warnings", [f"{one.site.file}:{one.site.line} {one.code} {one.message}" for one in account.warnings])
    return paper.text()


def code(text: str) -> str:
    """Return a text as a span of code on one line, that nothing in it can end; safe in the cell of a table, too."""
    text = " ".join(printable(text).split()) or " "
    runs = re.findall(r"`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    gap = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def fenced(lines: Iterable[str], language: str = "") -> list[str]:
    """Return lines as a block of code that nothing in them can end."""
    made = [printable(line) for line in lines]
    runs = [len(run) for line in made for run in re.findall(r"`+", line)]
    fence = "`" * max(3, max(runs, default=0) + 1)
    return [f"{fence}{language}", *made, fence]


class _Paper:
    """The lines of a comment while it is written, and how much still fits."""

    def __init__(self, budget: int) -> None:
        self._lines: list[str] = []
        self._left = budget - 400  # for what is said of what was cut
        self._cut: list[str] = []

    @property
    def left(self) -> int:
        """How many characters still fit."""
        return self._left

    def must(self, lines: Iterable[str]) -> None:
        """Write lines that are never cut."""
        for line in lines:
            self._lines.append(line)
            self._left -= len(line) + 1

    def may(self, lines: Iterable[str]) -> bool:
        """Write lines when all of them fit, and say whether they did."""
        lines = list(lines)
        size = sum(len(line) + 1 for line in lines)
        if size > self._left:
            return False
        self._lines += lines
        self._left -= size
        return True

    def list(self, title: str, items: Iterable[str], name: str = "") -> None:
        """Write a list of code spans under a title, as many as may be had."""
        items = list(items)
        if not items:
            return
        lines: list[str] = [f"**{title}**", ""]
        size, shown = 0, 0
        for item in items:
            line = f"- {code(item[: 3 * LONGEST])}"
            size += len(line) + 1
            if size > min(_EACH, self._left - 200):
                break
            lines.append(line)
            shown += 1
        if shown < len(items):
            self.cut(f'{len(items) - shown} of {len(items)} under "{name or title}"')
        if shown:
            self.may([*lines, ""])

    def cut(self, what: str) -> None:
        """Note what is not there."""
        self._cut.append(what)

    def text(self) -> str:
        """Return the whole comment."""
        lines = list(self._lines)
        if self._cut:
            shown = self._cut if len(self._cut) <= 5 else [*self._cut[:4], f"and {len(self._cut) - 4} more parts"]
            lines += [f"**Cut, to fit into a comment:** {'; '.join(shown)}. All of it: {code('mlspec diff')} on the branch."]
        return "\n".join(lines).rstrip("\n") + "\n"


def _side(side: Side) -> str:
    """Return what people know a side by: its name and commit; the commit alone where the name is one that moves, like HEAD^1."""
    if not side.commit or side.commit.startswith(side.label):
        return code(side.label)
    shown = code(side.commit[:12])
    return shown if _MOVES.search(side.label) else f"{code(side.label)} ({shown})"


def _broken(account: Account) -> list[str]:
    lines: list[str] = []
    for spec, side, other in account.broken[:_SPECS]:
        lines += [f"**Does not compile** at {code(side.label)}: {code(spec)}", ""]
        found = findings_of(spec, side)
        lines += [f"- {code(text[:_RISK])}" for text in found[:_FINDINGS]]
        lines += [f"- and {len(found) - _FINDINGS} more findings"] if len(found) > _FINDINGS else []
        if other is not None:
            there = account.after if side is account.before else account.before
            objects = plural(len(other.objects), "object")
            lines += ["", f"At {code(there.label)} it is {code(other.name)}: {objects} in {code(', '.join(other.plans))}."]
        lines.append("")
    if len(account.broken) > _SPECS:
        lines += [f"**And {len(account.broken) - _SPECS} more specs do not compile.**", ""]
    return lines


def _all_risks(projects: Sequence[ProjectAccount], room: int) -> list[str]:
    """Return every risk, in fewer words where there is no room for all of them; those that no comment could hold are counted."""
    lines: list[str] = []
    for longest in (_RISK, 150, 60):
        lines = [line for project in projects for line in _risks(project, longest, many=len(projects) > 1)]
        if sum(len(line) + 1 for line in lines) <= room:
            return lines
    kept, size = 0, 0
    while kept < len(lines) and size + len(lines[kept]) + 1 <= room:
        size += len(lines[kept]) + 1
        kept += 1
    number = sum(line.startswith("- ") for line in lines[kept:])
    return [*lines[:kept], f"- **and {plural(number, 'more risk')}**, more than a comment can hold: {code('mlspec diff')} shows them", ""]


def _risks(project: ProjectAccount, longest: int, *, many: bool) -> list[str]:
    if not project.risks:
        return []
    lines = [f"**:warning: {plural(len(project.risks), 'risk')}**" + (f" in {code(project.name)}" if many else ""), ""]
    for risk in project.risks:
        lead = where(risk.environments, project)
        text = risk.text if len(risk.text) <= longest else f"{risk.text[: longest - 1]}…"
        note = f"; {code(risk.note[:longest])}" if risk.note else ""
        lines.append(f"- **{KINDS[risk.kind]}**: {code(text)}" + (f" in {code(lead[:longest])}" if lead else "") + note)
    return [*lines, ""]


def _body(project: ProjectAccount, paper: _Paper, many: int) -> None:
    title = f"#### {code(project.name)}" + (f", {project.state}" if project.state != "changed" else "")
    if not paper.may([f"{title} ({code(project.spec)})", ""] if many > 1 or project.state != "changed" else []):
        paper.cut(f"all but the risks of a project with {plural(len(project.files), 'file')}")
        return
    said = [(where(names, project), text) for names, text in project.sentences]
    paper.list("What changes", [f"{lead}: {text}" if lead else text for lead, text in said])
    effects = effect_rows(project)
    paper.list("In the cluster, grave", [text for grave, text in effects if grave])
    paper.list("In the cluster", [text for grave, text in effects if not grave])
    _totals(project, paper)
    if project.notes:
        paper.list("Notes", project.notes)
    paper.list("Edits", [f"{at}. {edit_line(edit)}" for at, edit in enumerate(project.edits, 1)])
    _objects(project, paper)
    paper.list("Other files", other_files(project))


def _totals(project: ProjectAccount, paper: _Paper) -> None:
    rows = [(environment.name or "project", *row) for environment in project.environments for row in total_rows(environment)]
    if rows:
        lines = ["| asked for | before | after |", "|---|---|---|"]
        for name, resource, before, after in rows:
            lines.append(f"| {_cell(f'{name}: {resource}')} | {_cell(before)} | {_cell(after)} |")
        if not paper.may([*lines, ""]):
            paper.cut("the totals of what is asked for")


def _cell(text: str) -> str:
    """Return a code span for the cell of a table, where a bar ends the cell even in code, and the way to write one differs."""
    return code(text.replace("|", "¦"))


def _objects(project: ProjectAccount, paper: _Paper) -> None:
    made = pieces(project)
    if not made:
        return
    title = f"{plural(len(made), 'object')} differ{'s' if len(made) == 1 else ''}"
    folded = len(made) > _FOLDED
    if not paper.may([f"<details><summary>{title}</summary>", ""] if folded else [f"**{title}**", ""]):
        paper.cut(plural(len(made), "object"))
        return
    brief = 0
    for at, piece in enumerate(made):
        if paper.may([*_piece(piece, piece.lines), ""]):
            continue
        brief += 1
        if not paper.may([*_piece(piece, [f"  {plural(len(piece.lines), 'line')} not shown"]), ""]):
            paper.cut(f"{len(made) - at} of {plural(len(made), 'object')}")
            brief -= 1
            break
    if brief:
        paper.cut(f"the fields of {brief} of {plural(len(made), 'object')}")
    if folded:
        paper.must(["</details>", ""])


def _piece(piece: Piece, lines: list[str]) -> list[str]:
    return fenced([piece.title, *lines], "diff")
