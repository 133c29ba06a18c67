"""From the file of a spec to plans: load, parse, settle, check, resolve; findings become diagnostics on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from mlspec.checks.catalogue import find_checks
from mlspec.checks.pipelines import run_time_reference_here
from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Diagnostic, Finding, Rejected, Related, diagnose
from mlspec.location import Mark, locate, walk
from mlspec.plan.environments import environment_names, settle
from mlspec.plan.pins import join, pin
from mlspec.plan.plan import Plan
from mlspec.plan.platform import complete, words
from mlspec.plan.references import References
from mlspec.plan.resolve import resolve, resolve_environments, resolve_output
from mlspec.source.extends import Source, load
from mlspec.source.suppress import suppress
from mlspec.spec.parse import parse


class Examined:
    """A spec that was read and checked: its plans, one an environment, and what was found."""

    __slots__ = ("diagnostics", "name", "pins", "plans", "root", "source", "spec")

    def __init__(
        self,
        spec: FilePath,
        root: FilePath,
        source: Source,
        plans: tuple[Plan, ...],
        pins: Mapping[str, str],
        diagnostics: tuple[Diagnostic, ...],
    ) -> None:
        self.spec, self.root, self.source = spec, root, source
        self.plans, self.pins, self.diagnostics = plans, pins, diagnostics
        self.name: str = source.tree["name"]

    def diagnose(self, findings: Iterable[Finding], plan: Plan) -> list[Diagnostic]:
        """Turn what was found in one environment into diagnostics."""
        return [_place(finding, plan.mark, self.source.mark, plan.environment) for finding in findings]


def examine(
    spec: FilePath,
    root: FilePath,
    display: Callable[[FilePath], str],
    live: Mapping[str, Mapping[str, Any]],
    text: bytes | None = None,
) -> Examined:
    """Read and check one spec.

    ``live`` is what the lock says of what serves; ``text`` stands in for what the spec's file holds. Raises Rejected with
    everything that was found when any of it is an error; Unable when the file cannot be read.
    """
    return examine_source(load(spec, root, display, text), spec, root, live)


def examine_source(source: Source, spec: FilePath, root: FilePath, live: Mapping[str, Mapping[str, Any]]) -> Examined:
    """Check a spec that was read, and resolve its environments. Raises Rejected with everything that was found when any is an error."""
    tree, mark = source.tree, source.mark
    found = [*source.findings, *(diagnose(finding, mark) for finding in parse(tree))]
    _stop(found, source)
    unsettled = Project(tree, mark, ())
    found += [diagnose(finding, mark) for check in find_checks().first for finding in check(unsettled)]
    _stop(found, source)
    subjects: list[Subject] = []
    names = environment_names(tree)
    for name in names:
        subject, findings = _settle(tree, mark, name)
        found += [_place(finding, subject.mark, mark, name) for finding in findings]
        subjects.append(subject)
    _stop(once(found, len(names)), source)
    for subject in subjects:
        for check in find_checks().subject:
            found += [_place(finding, subject.mark, mark, subject.environment) for finding in check(subject)]
    project = Project(tree, mark, tuple(subjects))
    for check_project in find_checks().project:
        found += [diagnose(finding, mark) for finding in check_project(project)]
    pins: dict[str, Mapping[str, str]] = {}
    for subject in subjects:
        pins[subject.environment], findings = pin(subject.tree, spec.parent)
        found += [_place(finding, subject.mark, mark, subject.environment) for finding in findings]
    found = once(found, len(names))
    _stop(found, source)
    plans = tuple(_plan(subject, source, root, spec, live, pins[subject.environment]) for subject in subjects)
    return Examined(spec, root, source, plans, join(pins), tuple(found))


def _settle(tree: dict[str, Any], mark: Mark, environment: str) -> tuple[Subject, list[Finding]]:
    settled = settle(tree, mark, environment)
    written = (tree.get("environments") or {}).get(environment, {})
    namespace = written.get("namespace", tree["name"])
    replaced, findings = settled.tree, []
    references = References(settled.tree, environment, namespace)
    replaced = references.replace()
    findings = references.findings
    if not findings:
        findings = parse(replaced)
    platform = words(complete(replaced.get("platform", {}))) if not findings else {}
    subject = Subject(replaced, settled.mark, environment, namespace, platform, settled.absent)
    if not findings:  # a reference passes for a value of any form; where none can be put in, no check could read the value
        findings = run_time_reference_here(subject)
    return subject, findings


def _plan(
    subject: Subject, source: Source, root: FilePath, spec: FilePath, live: Mapping[str, Mapping[str, Any]], pins: Mapping[str, str]
) -> Plan:
    prefix = f"{subject.environment}/"
    return Plan(
        resolve(subject.tree),
        subject.mark,
        environment=subject.environment,
        environments=resolve_environments(source.tree),
        output=resolve_output(source.tree),
        spec_file=spec.resolve().relative_to(root.resolve()).as_posix(),
        live={key.removeprefix(prefix): {k: str(v) for k, v in facts.items()} for key, facts in live.items() if key.startswith(prefix)},
        pins=pins,
    )


def _place(finding: Finding, mark: Mark, base: Mark, environment: str) -> Diagnostic:
    """Place a finding of one environment; where an override made the difference, the line that it overrides is shown too."""
    diagnostic = diagnose(Finding(finding.code, finding.found, environment), mark)
    place, depth = walk(mark, finding.found.path)
    if place.why != "override" and finding.found.mark is None:
        # Of two values that disagree in this environment alone, the one that it overrides is at fault.
        for at, (other, _) in enumerate(finding.found.related):
            overridden, reached = walk(mark, other)
            if overridden.why == "override" and reached == len(other):
                swapped = Related(diagnostic.site, "what it disagrees with")
                related = (*diagnostic.related[:at], swapped, *diagnostic.related[at + 1 :])
                return replace(diagnostic, site=overridden.value_site(), related=related, label="")
    if place.why != "override" or not depth:
        return diagnostic
    before, reached = walk(base, finding.found.path)
    if reached != len(finding.found.path) or before.why == "override":
        return diagnostic
    beside = Related(locate(base, finding.found.path), "what it overrides")
    return replace(diagnostic, related=(*diagnostic.related, beside))


def once(found: Iterable[Diagnostic], environments: int) -> list[Diagnostic]:
    """Keep one diagnostic a cause: what is found in every environment names none, what is found in some names them."""
    groups: dict[tuple[Any, ...], list[Diagnostic]] = {}
    for diagnostic in found:
        groups.setdefault((diagnostic.code, diagnostic.site), []).append(diagnostic)
    kept: list[Diagnostic] = []
    for group in groups.values():
        first = group[0]
        here = list(dict.fromkeys(d.environment for d in group if d.environment))
        unnamed = any(not d.environment for d in group)
        name = "" if unnamed or len(here) == environments else ", ".join(here)
        kept.append(replace(first, environment=name))
    return kept


def _stop(found: list[Diagnostic], source: Source) -> None:
    if any(diagnostic.severity == "error" for diagnostic in found):
        kept = suppress(found, source.documents, complete=False)
        if any(diagnostic.severity == "error" for diagnostic in kept):
            raise Rejected(kept)
