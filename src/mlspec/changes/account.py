"""The whole account of a change: every project of two sides, with sentences, edits, objects, causes, effects, totals and risks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from mlspec.changes.causes import Cause, Tracer
from mlspec.changes.edits import Edit, edits_of
from mlspec.changes.effects import Effect, effects_of
from mlspec.changes.objects import ObjectChange, differences
from mlspec.changes.risks import ACCESS, Risk, network_risks, risks_of
from mlspec.changes.sentences import Sentence, sentences_of
from mlspec.changes.side import Project, Side
from mlspec.changes.totals import Total, totals_of
from mlspec.changes.values import Change
from mlspec.diagnostics import Diagnostic
from mlspec.library import Library

ADDED, REMOVED, CHANGED, SAME = "added", "removed", "changed", "same"


class Hunk(NamedTuple):
    """One object that differs, and for each field what made it so."""

    change: ObjectChange
    file: str
    """The file that holds the object; for a removed one, that held it."""
    causes: tuple[tuple[Cause, ...], ...]
    """For each of the change's fields."""
    edition: tuple[tuple[Change, tuple[Cause, ...]], ...] = ()
    """For an object that takes the place of another: how it differs from that one, its name aside."""


class EnvironmentAccount(NamedTuple):
    """What differs in one environment; the empty name stands for what the project has once."""

    name: str
    hunks: tuple[Hunk, ...]
    effects: tuple[Effect, ...]
    before: Mapping[str, Total]
    after: Mapping[str, Total]
    own: Mapping[str, str] = {}
    """What the environment alone is called or has: its name, namespace and cluster, and the values of its vars."""


class ProjectAccount(NamedTuple):
    """What differs of one project."""

    name: str
    spec: str
    state: str
    """``added``, ``removed``, ``changed`` or ``same``."""
    edits: tuple[Edit, ...]
    sentences: tuple[Sentence, ...]
    risks: tuple[Risk, ...]
    environments: tuple[EnvironmentAccount, ...]
    files: Mapping[str, str]
    """The compiled files that differ, each with ``+``, ``~`` or ``-``."""
    notes: tuple[str, ...]


class Account(NamedTuple):
    """What a change does."""

    before: Side
    after: Side
    projects: tuple[ProjectAccount, ...]
    """Those that differ."""
    broken: tuple[tuple[str, Side, Project | None], ...]
    """Specs that do not compile on a side, each with what the project is on the other side, if it compiles there."""
    warnings: tuple[Diagnostic, ...]
    """Warnings that the change brings."""

    @property
    def differs(self) -> bool:
        """Whether anything that is compiled differs, or cannot be known."""
        return bool(self.projects or self.broken)


def account(before: Side, after: Side, library: Callable[[Project], Library], environments: tuple[str, ...] = ()) -> Account:
    """Return the account of a change from one side to another.

    ``library`` gives the templates of a project, for tracing; ``environments`` restricts what is told to some of them. A project that does
    not compile on one side is neither added nor removed: it is in ``broken``.
    """
    broken = [(spec, side, _of_spec(other, spec)) for side, other in ((before, after), (after, before)) for spec in side.refused]
    hidden = {project.name for _, _, project in broken if project is not None}
    projects = []
    for name in sorted({*before.projects, *after.projects}):
        old, new = before.projects.get(name), after.projects.get(name)
        if name in hidden and (old is None or new is None):
            continue
        made = _project(old, new, library, environments)
        if made.state != SAME:
            projects.append(made)
    known = {(one.code, one.site.file, one.path, one.message) for one in before.diagnostics}
    warnings = tuple(
        one for one in after.diagnostics if one.severity == "warning" and (one.code, one.site.file, one.path, one.message) not in known
    )
    return Account(before, after, tuple(projects), tuple(broken), warnings)


def _of_spec(side: Side, spec: str) -> Project | None:
    return next((project for project in side.projects.values() if project.spec == spec), None)


def _project(
    old: Project | None, new: Project | None, library: Callable[[Project], Library], environments: tuple[str, ...]
) -> ProjectAccount:
    there = new or old
    assert there is not None
    state = ADDED if old is None else REMOVED if new is None else CHANGED
    before, after = old.objects if old else {}, new.objects if new else {}
    changes = [change for change in differences(before, after) if not environments or change.key.environment in environments]
    edits = edits_of(old, new)
    hunks = list(_hunks(old, new, changes, edits, library))
    effects = effects_of(changes, before, after)
    names = list(dict.fromkeys([*(new.plans if new else ()), *(old.plans if old else ())]))
    made = []
    for name in ["", *names]:
        if environments and name not in environments:
            continue
        here = tuple(hunk for hunk in hunks if hunk.change.key.environment == name)
        totals = totals_of(before, name), totals_of(after, name)
        if here or totals[0] != totals[1]:
            made.append(
                EnvironmentAccount(name, here, tuple(one for one in effects if one.key.environment == name), *totals, _own(there, name))
            )
    files = _files(old, new, environments)
    sentences = sentences_of(old, new, environments) if old and new else [_whole(there, state)]
    risks = risks_of(old, new, edits, environments) if old and new else []
    risks += [
        Risk(ACCESS, (key.environment,), f"{key.text}: {text}")
        for key, text in network_risks(changes, before, after)
        if not any(risk.kind == ACCESS and key.environment in risk.environments for risk in risks) and old and new
    ]
    if state == REMOVED:
        risks.append(Risk("removal", (), f"project {there.name}, with {len(before)} objects in {', '.join(there.plans)}"))
    if state == CHANGED and not (edits or hunks or files or sentences):
        state = SAME
    return ProjectAccount(
        there.name, there.spec, state, edits, tuple(sentences), tuple(risks), tuple(made), files, tuple(_notes(old, new, environments))
    )


def _hunks(
    old: Project | None,
    new: Project | None,
    changes: Iterable[ObjectChange],
    edits: tuple[Edit, ...],
    library: Callable[[Project], Library],
) -> Iterator[Hunk]:
    """Yield changed objects with their causes; of a project that comes or goes, that is the cause."""
    tracer = Tracer(old, new, edits, library) if old and new else None
    for change in changes:
        file = _file(change, old, new)
        if tracer is None:
            yield Hunk(change, file, ((Cause("spec", 0),),))
        else:
            yield Hunk(change, file, tuple(tracer.causes(change)), tuple(tracer.edition(change)))


def _whole(project: Project, state: str) -> Sentence:
    verb = "added" if state == ADDED else "REMOVED"
    number = len(project.objects)
    return Sentence(tuple(project.plans), f"project {project.name} {verb}: {number} object{'' if number == 1 else 's'}")


def _own(project: Project, environment: str) -> dict[str, str]:
    plan = project.plans.get(environment)
    if plan is None:
        return {}
    variables = {f"vars.{key}": str(found) for key, found in plan.tree.get("vars", {}).items()}
    return {"name": environment, "namespace": plan.namespace, "cluster": plan.cluster, **variables}


def _file(change: ObjectChange, old: Project | None, new: Project | None) -> str:
    from mlspec.tree import file_of

    side = old if change.sign == "-" else new
    assert side is not None
    return file_of(side.manifests[change.key])


def _files(old: Project | None, new: Project | None, environments: tuple[str, ...]) -> dict[str, str]:
    """Return the sign of each file that differs, of some environments or of all."""
    before, after = old.files if old else {}, new.files if new else {}
    folders = tuple(f"{plan.folder}/" for side in (old, new) if side for name, plan in side.plans.items() if name in environments)
    return {
        path: "+" if path not in before else "-" if path not in after else "~"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path) and (not environments or path.startswith(folders))
    }


def _notes(old: Project | None, new: Project | None, environments: tuple[str, ...]) -> list[str]:
    notes = []
    if old is not None and old.compiled.old is not None:
        written = old.compiled.old
        stale = [path for path in {*written.files, *old.files} if written.files.get(path) != old.files.get(path)]
        if stale:
            number = "1 file" if len(stale) == 1 else f"{len(stale)} files"
            notes.append(
                f"{number} in the repository had not been compiled from the spec as it was, or by another mlspec ({written.compiler}):"
                " compiling changes them too"
            )
    if environments and new is not None:
        other = [name for name in new.plans if name not in environments]
        if other:
            notes.append(f"only {', '.join(environments)} is shown; {', '.join(other)} is left out")
    return notes
