"""actionlint, zizmor and check-jsonschema: the workflow of the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from judges.bench import Case, Skipped, Verdict, absent, lines_of, program, run, verdict, workflows


def actionlint(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Ask actionlint, with shellcheck over every script when it is here."""
    shell = program("shellcheck")
    if shell is None:
        yield Skipped("actionlint's shellcheck", "shellcheck is not here, so scripts are judged by actionlint alone")
    yield from each(cases, "actionlint", lambda tool: [tool, "-no-color", f"-shellcheck={shell or ''}", "-pyflakes="])


def zizmor(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Ask zizmor as its auditor, who lets nothing pass."""
    yield from each(cases, "zizmor", lambda tool: [tool, "--offline", "--persona=auditor"])


def schema(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Hold the workflow against the schema of workflows."""
    yield from each(cases, "check-jsonschema", lambda tool: [tool, "--builtin-schema", "vendor.github-workflows"])


def each(cases: list[Case], judge: str, command: Callable[[str], list[str]]) -> Iterator[Verdict | Skipped]:
    """Yield the verdict of a program on every case that has a workflow."""
    tool = program(judge)
    if tool is None:
        yield absent(judge)
        return
    for case in cases:
        found = workflows(case)
        if found:
            done = run([*command(tool), *map(str, found)])
            yield verdict(case, judge, f"{len(found)} workflow{'s' * (len(found) > 1)}", lines_of(done))
