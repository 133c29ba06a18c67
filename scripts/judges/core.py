"""kubernetes-validate: the kinds of Kubernetes itself, against the schemas of its newest release."""

from __future__ import annotations

from collections.abc import Iterator

from judges.bench import Case, Skipped, Verdict, absent, files, program, run, verdict


def kubernetes_validate(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Hold every object of Kubernetes itself against a second set of schemas, unknown fields refused. It passes over other kinds."""
    tool = program("kubernetes-validate")
    if tool is None:
        yield absent("kubernetes-validate")
        return
    for case in cases:
        done = run([tool, "--strict", *map(str, files(case))])
        lines = (done.stdout + done.stderr).splitlines()
        looked = sum(" passed for resource " in line for line in lines)
        wrong = [line for line in lines if " passed for resource " not in line and "find schema for kind" not in line]
        yield verdict(case, "kubernetes-validate", f"{looked} objects", wrong or [] if not done.returncode else wrong or ["it failed"])
