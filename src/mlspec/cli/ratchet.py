"""The ratchet: the gates of compiled specs held against what they were at a revision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlspec.diagnostics import Rejected, Unable

if TYPE_CHECKING:
    from mlspec.compiler import Compiled
    from mlspec.diagnostics import Diagnostic, Finding
    from mlspec.examine import Examined
    from mlspec.plan.plan import Plan
    from mlspec.repository.clone import Clone


def day(given: datetime | None) -> date:
    """Return the day by which waivers end: as given, else today's in UTC."""
    return given.date() if given else datetime.now(UTC).date()


def find_spent(projects: Sequence[Compiled], today: date) -> list[Diagnostic]:
    """Return the waivers that have ended, of projects whose makings were kept."""
    from mlspec.waivers import ended

    return [one for project in projects for one in _diagnosed(_examined(project), [(plan, ended(plan, today)) for plan in _plans(project)])]


def hold_against(projects: Sequence[Compiled], revision: str, today: date) -> list[Diagnostic]:
    """Return what is wrong with the gates of projects (whose makings were kept) as against a revision of their repository.

    Raises Unable when the revision is not here, or when a spec is refused as it was there: then nothing can be said of its gates.
    """
    from mlspec.repository.clone import open_clone

    found: list[Diagnostic] = []
    by_root: dict[Path, list[Compiled]] = {}
    for project in projects:
        by_root.setdefault(project.root.resolve(), []).append(project)
    for root, here in by_root.items():
        found += _hold(open_clone(root), here, revision, today)
    return found


def _hold(clone: Clone, projects: Sequence[Compiled], revision: str, today: date) -> list[Diagnostic]:
    from mlspec.cli.rebuilding import revision as copied
    from mlspec.repository.clone import resolve
    from mlspec.waivers import hold

    names = {project.name: clone.relative(project.spec) for project in projects}
    found: list[Diagnostic] = []
    with copied(clone, resolve(clone, revision)):
        for project in projects:
            old = _as_it_was(names[project.name], project.name, revision)
            if old is None:
                continue
            pairs = _pairs(old.plans, _plans(project))
            found += _diagnosed(_examined(project), [(new, hold(was, new, today, revision)) for was, new in pairs])
    return found


def _as_it_was(path: str, name: str, revision: str) -> Examined | None:
    """Return a spec as it was, in the copy that one stands in: at the same path, else under the same name; None when it is new."""
    from mlspec.examine import examine
    from mlspec.source.files import find_specs

    spec = Path(path)
    if not spec.is_file():
        named = re.compile(rb"""^name:[ ]*["']?""" + re.escape(name.encode()) + rb"""["']?[ ]*(#.*)?\r?$""", re.MULTILINE)
        there = [one for one in find_specs([Path()]) if one.is_file() and named.search(one.read_bytes())]
        if not there:
            return None
        spec = there[0]
    root = Path.cwd()

    def display(file: Path) -> str:
        return f"{revision}:{file.resolve().relative_to(root.resolve()).as_posix()}"

    try:
        return examine(spec.absolute(), root, display, {})
    except Rejected as rejected:
        first = rejected.diagnostics[0]
        where = f"{first.site.file}:{first.site.line}"
        raise Unable(
            f"the gates at {revision} cannot be read: {where} {first.code} {first.message}", "compare with a revision that is right"
        ) from None


def _pairs(before: Sequence[Plan], after: Sequence[Plan]) -> list[tuple[Plan, Plan]]:
    """Return the environments that were and are: by name, else by cluster and namespace, since a new name guards nothing less."""
    known = {plan.environment: plan for plan in after}
    fresh = {(plan.cluster, plan.namespace): plan for plan in after if plan.environment not in {old.environment for old in before}}
    pairs = []
    for old in before:
        new = known.get(old.environment) or fresh.get((old.cluster, old.namespace))
        if new is not None:
            pairs.append((old, new))
    return pairs


def _examined(project: Compiled) -> Examined:
    assert project.made is not None
    return project.made.examined


def _plans(project: Compiled) -> tuple[Plan, ...]:
    return _examined(project).plans


def _diagnosed(examined: Examined, found: Sequence[tuple[Plan, Sequence[Finding]]]) -> list[Diagnostic]:
    from mlspec.waivers import merged

    placed = {plan.environment: examined.diagnose(findings, plan) for plan, findings in found}
    return [replace(diagnostic, environment=names) for diagnostic, names in merged(placed)]
