"""The words that the formats of a plan share: headline, sentences, edits, fields, totals."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby, takewhile
from typing import Any, NamedTuple

from mlspec.changes.account import Account, EnvironmentAccount, Hunk, ProjectAccount
from mlspec.changes.causes import Cause
from mlspec.changes.edits import Edit
from mlspec.changes.objects import ObjectChange
from mlspec.changes.sentences import shorten
from mlspec.changes.side import Side
from mlspec.changes.totals import Total, shown
from mlspec.changes.values import ABSENT, Change, compare
from mlspec.location import format_path
from mlspec.reporters.printable import printable
from mlspec.reporters.summary import plural
from mlspec.secrecy import MASK, secret_in

_DIGEST = re.compile(r"(?<=-)[0-9a-f]{8,64}\b")
LONGEST = 200
"""Characters of one value on one line."""
LINES = 40
"""Lines of one text or one whole object."""


def headline(account: Account) -> str:
    """Return what there is, in one line: ``8 files follow from these 2 edits``."""
    files = sum(len(project.files) for project in account.projects)
    edits = sum(len(project.edits) for project in account.projects)
    if not account.projects:
        return "nothing that is compiled differs" if not account.broken else "what does not compile cannot be compared"
    if not edits:
        return f"{plural(files, 'file')} {'differs' if files == 1 else 'differ'}, and no field of a spec does"
    if not files:
        return f"{plural(edits, 'edit')}, and no compiled file differs"
    return (
        f"{plural(files, 'file')} {'follows' if files == 1 else 'follow'} from {'this' if edits == 1 else 'these'} {plural(edits, 'edit')}"
    )


def findings_of(spec: str, side: Side) -> list[str]:
    """Return what keeps a spec from compiling on a side: what was found in it, and in files that are no specs of their own."""
    found = [one for one in side.diagnostics if one.severity == "error"]
    found = [one for one in found if one.site.file == spec or one.site.file not in side.refused]
    return [f"{one.site.file}:{one.site.line}:{one.site.column}  {one.code}  {one.message}" for one in found]


def where(names: Sequence[str], project: ProjectAccount) -> str:
    """Return the environments that something is true of, in words; empty for the whole project."""
    known = {environment.name for environment in project.environments if environment.name}
    if len(names) > 2 and known and known <= set(names):
        return "every environment"
    return ", ".join(names)


def value(found: Any, longest: int | None = LONGEST) -> str:
    """Return a value on one line, at most so many characters of it; what looks like a secret is masked."""
    if found is ABSENT:
        return "none"
    if isinstance(found, Decimal):
        return str(found)
    text = json.dumps(found, ensure_ascii=False, default=str)
    if isinstance(found, str) and found and found.isprintable() and not found.startswith(("{", "[", '"', " ")) and not found.endswith(" "):
        text = found if found not in ("true", "false", "null", "none") and not _is_number(found) else text
    if secret_in(text):
        return MASK
    text = shorten(printable(text))
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def edit_line(edit: Edit) -> str:
    """Return an edit: its place, and what it changes."""
    place = f"{edit.file}:{edit.line}"
    change = edit.change
    if not change.path:
        return f"{place}  the whole spec"
    name = format_path(change.path)
    if change.sign == "~":
        return f"{place}  {name}: {value(change.before)} → {value(change.after)}"
    sign, what = ("added", change.after) if change.sign == "+" else ("removed", change.before)
    return f"{place}  {name} {sign}: {value(what)}"


def field_lines(change: Change, renamed: Mapping[tuple[str, str], str] = {}) -> Iterator[str]:
    """Yield the lines of one field, each with its sign: values, a whole object as YAML, the lines of a long text that differ.

    ``renamed`` has the old and the new names of objects whose names end in digests: what follows from those alone is said so.
    """
    name = format_path(change.path)
    before, after = change.before, change.after
    if isinstance(before, str) and isinstance(after, str) and (before, after) in renamed:
        yield f"~ {name}: the new name of {renamed[before, after]}"
        return
    if isinstance(before, str) and isinstance(after, str) and (inside := _documents(before, after)) is not None:
        yield f"~ {name}:"
        yield from _bounded([f"{line[:1]}  {line[1:]}" for one in inside for line in field_lines(one, renamed)])
        return
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"~ {name}:"
        lines = list(difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=0))[2:]
        yield from _bounded(_windows([line for line in lines if not line.startswith("@@")]))
        return
    if change.sign == "~":
        texts = _windows([f"-{value(before, None)}", f"+{value(after, None)}"])
        yield from (f"{text[0]} {name}: {text[1:]}" for text in texts)
        return
    sign, found = (change.sign, after if change.sign == "+" else before)
    if isinstance(found, dict | list) and found:
        from mlspec.emit import emit

        text = emit(found) if isinstance(found, dict) else emit({"items": found}).removeprefix("items:\n")
        lead = f"{name}:" if name else ""
        lines = [printable(MASK if secret_in(line) else line)[:LONGEST] for line in text.rstrip("\n").split("\n")]
        yield from _bounded([*([f"{sign} {lead}"] if lead else []), *(f"{sign} {'  ' if lead else ''}{line}" for line in lines)])
        return
    yield f"{sign} {name}: {value(found)}"


def _documents(before: str, after: str) -> tuple[Change, ...] | None:
    """Return how two texts differ as documents of JSON, such as dashboards are; None where they are none, or differ in layout alone."""
    if not (before.startswith(("{", "[")) and after.startswith(("{", "["))):
        return None
    try:
        found = compare(*(json.loads(text, parse_float=Decimal) for text in (before, after)))
    except ValueError:
        return None
    return found if found and all(change.path for change in found) else None


def cause_words(causes: Sequence[Cause]) -> str:
    """Return causes in short: the numbers of edits, counted from one, or what else it was."""
    numbers = [str(cause.edit + 1) for cause in causes if cause.kind == "spec"]
    others = [f"{cause.kind}: {cause.what}" for cause in causes if cause.kind != "spec"]
    shown_ = numbers if len(numbers) <= 6 else [*numbers[:5], f"and {len(numbers) - 5} more"]
    return ", ".join([*([f"edit {', '.join(shown_)}"] if numbers else []), *others])


def grouped(hunk: Hunk) -> list[tuple[tuple[Cause, ...], list[Change]]]:
    """Return the fields of a hunk by what caused them, in their order."""
    groups: dict[tuple[Cause, ...], list[Change]] = {}
    for change, causes in hunk.edition or zip(hunk.change.changes, hunk.causes, strict=True):
        groups.setdefault(causes, []).append(change)
    return list(groups.items())


class Piece(NamedTuple):
    """One object that differs, as it is shown; alike in several environments it is shown once."""

    sign: str
    title: str
    lines: list[str]


def pieces(project: ProjectAccount) -> list[Piece]:
    """Return the objects of a project that differ; one that another takes the place of is shown with that other.

    What is alike in several environments, but for what these are called and have of their own, is shown once.
    """
    found: list[tuple[Hunk, EnvironmentAccount, list[str]]] = []
    exact: list[bool] = []
    known: dict[tuple[str, str], list[int]] = {}
    for environment in project.environments:
        replaced = {hunk.change.replaces for hunk in environment.hunks if hunk.change.replaces}
        for hunk in environment.hunks:
            if hunk.change.key in replaced:
                continue
            alike = known.setdefault(_heading(hunk), [])
            for at in alike:
                first, there, names = found[at]
                same = _facts(first) == _facts(hunk)
                if same or _alike(_facts(first), there.own, _facts(hunk), environment.own):
                    names.append(environment.name)
                    exact[at] = exact[at] and same
                    break
            else:
                alike.append(len(found))
                found.append((hunk, environment, [environment.name]))
                exact.append(True)
    return [_piece(project, *one, exact=same) for one, same in zip(found, exact, strict=True)]


def _piece(project: ProjectAccount, hunk: Hunk, environment: EnvironmentAccount, names: list[str], *, exact: bool) -> Piece:
    renamed = {
        (one.change.replaces.name, one.change.key.name): f"{one.change.key.stem.name}-…" for one in environment.hunks if one.change.replaces
    }
    lines = [
        line
        for causes, changes in grouped(hunk)
        for line in [f"@@ from {cause_words(causes)} @@", *(line for one in changes for line in field_lines(one, renamed))]
    ]
    sign, name = _heading(hunk)
    there = where(names, project) or "the project as a whole"
    return Piece(sign, f"{sign} {name}  ({there}{'' if exact else f'; shown as in {environment.name}'})", lines)


def _heading(hunk: Hunk) -> tuple[str, str]:
    return ("~", _title(hunk.change)) if hunk.edition else (hunk.change.sign, hunk.change.key.text)


def _facts(hunk: Hunk) -> str:
    """Return all that differs and why as one text; digests in it are left out, for they differ where anything does."""
    return _DIGEST.sub("…", repr(grouped(hunk)))


def _alike(facts: str, own: Mapping[str, str], others: str, theirs: Mapping[str, str]) -> bool:
    """Tell whether facts of one environment are those of another, once what each is called and has of its own is put for the other's."""
    return _translate(facts, own, theirs) == others or _translate(others, theirs, own) == facts


def _translate(facts: str, own: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    pairs = {value: theirs[key] for key, value in own.items() if value and theirs.get(key, value) != value}
    words = "|".join(re.escape(value) for value in sorted(pairs, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda found: pairs[found[0]], facts) if pairs else facts


def effect_rows(project: ProjectAccount) -> list[tuple[bool, str]]:
    """Return what would happen in a cluster, each with whether it is grave; what is true of several environments once."""
    found: dict[tuple[bool, str], list[str]] = {}
    for environment in project.environments:
        for effect in environment.effects:
            found.setdefault((effect.grave, f"{effect.key.text} {effect.text}"), []).append(environment.name)
    made = []
    for (grave, text), names in found.items():
        lead = where(names, project)
        made.append((grave, f"{lead}: {text}" if lead else text))
    return sorted(made, key=lambda row: not row[0])


def _title(change: ObjectChange) -> str:
    """Return what an object is called that takes the place of another."""
    was, key = change.replaces, change.key
    name = key.text if was is None or was.name == key.name else f"{key.kind} {key.stem.name}-…, under a new name"
    return name if was is None or was.namespace == key.namespace else f"{name}, in another namespace"


def total_rows(environment: EnvironmentAccount) -> Iterator[tuple[str, str, str]]:
    """Yield rows of totals: what is asked for, before and after; those that do not differ are left out."""
    for resource in sorted({*environment.before, *environment.after}):
        before, after = (side.get(resource, Total()) for side in (environment.before, environment.after))
        if (before.least, before.most) != (after.least, after.most):
            yield resource, _range(resource, before), _range(resource, after)
        if before.now_and_then != after.now_and_then:
            yield f"{resource} of jobs and steps", shown(resource, before.now_and_then), shown(resource, after.now_and_then)


def _range(resource: str, total: Total) -> str:
    least, most = shown(resource, total.least), shown(resource, total.most)
    return least if least == most else f"{least} to {most}"


def _windows(lines: list[str]) -> list[str]:
    """Shorten long lines; of a line that takes the place of another, what surrounds the first difference is shown."""
    shown_: list[str] = []
    for sign, run in groupby(_twins(lines), key=lambda pair: pair[0][:1]):
        for line, other in run:
            same = next((at for at, (one, two) in enumerate(zip(line[1:], other[1:], strict=False)) if one != two), 0)
            start = max(0, same - 60) if max(len(line), len(other)) > LONGEST else 0
            text = ("…" if start else "") + line[1 + start : start + LONGEST] + ("…" if len(line) > start + LONGEST else "")
            shown_.append(sign + printable(MASK if secret_in(line) else text))
    return shown_


def _twins(lines: list[str]) -> list[tuple[str, str]]:
    """Return each line with the one of the other side that stands at the same place of its block."""
    made: list[tuple[str, str]] = []
    at = 0
    while at < len(lines):
        gone = list(takewhile(lambda line: line[:1] == "-", lines[at:]))
        come = list(takewhile(lambda line: line[:1] == "+", lines[at + len(gone) :]))
        made += [(line, come[number] if number < len(come) else "") for number, line in enumerate(gone)]
        made += [(line, gone[number] if number < len(gone) else "") for number, line in enumerate(come)]
        at += max(1, len(gone) + len(come))
    return made


def other_files(project: ProjectAccount) -> list[str]:
    """Return the files that differ and hold no object that differs, each with its sign."""
    held = {hunk.file for environment in project.environments for hunk in environment.hunks}
    return [f"{sign} {path}" for path, sign in project.files.items() if path not in held]


def _bounded(lines: list[str]) -> Iterator[str]:
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"  … and {plural(len(lines) - LINES, 'line')} more"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
