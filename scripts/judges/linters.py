"""kube-score and checkov: what they find is repaired, or let pass by a waiver that says why."""

from __future__ import annotations

import json
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import yaml

from judges.bench import Case, Finding, Skipped, Verdict, absent, files, objects, program, run, workflows
from judges.waivers import Waivers

FINE = 10  # the grade of kube-score that asks nothing


def kube_score(cases: list[Case], waivers: Waivers) -> Iterator[Verdict | Skipped]:
    """Let kube-score see each tree at once, since it holds objects against each other."""
    tool = program("kube-score")
    if tool is None:
        yield absent("kube-score")
        return
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            done = run([tool, "score", "-o", "json", *map(str, [*files(case), *hidden(case, pathlib.Path(folder))])])
        if done.returncode > 1 or not done.stdout:
            yield Verdict(case.name, "kube-score", "it could not read the tree", done.stderr.splitlines(), good=False)
            continue
        scored = json.loads(done.stdout) or []
        yield judged(case, "kube-score", f"{len(scored)} objects", scores(scored), waivers)


def scores(scored: list[dict]) -> Iterator[Finding]:
    """Yield what kube-score has against objects."""
    for entry in scored:
        kind, name = entry["type_meta"]["kind"], entry["object_meta"]["name"]
        for check in entry["checks"] or []:
            if check["grade"] < FINE and not check["skipped"]:
                says = [f"{one['path']}: {one['summary']}" if one["path"] else one["summary"] for one in check["comments"] or []]
                for one in says or [check["check"]["comment"]]:
                    yield Finding("kube-score", check["check"]["id"], kind, name, one)


def checkov(cases: list[Case], waivers: Waivers) -> Iterator[Verdict | Skipped]:
    """Let checkov see each tree, and the workflows of its repository."""
    tool = program("checkov")
    if tool is None:
        yield absent("checkov")
        return
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            tree = shutil.copytree(case.root / "deploy", pathlib.Path(folder, "deploy"))
            list(hidden(case, tree))
            reports = reported([tool, "-d", str(tree), "--framework", "kubernetes"])
        for file in workflows(case):
            reports += reported([tool, "-f", str(file), "--framework", "github_actions"])
        faults = [line for report in reports if "error" in report for line in report["error"]]
        if faults:
            yield Verdict(case.name, "checkov", "it could not read the tree", faults, good=False)
            continue
        seen = sum(report.get("summary", report)["passed"] + report.get("summary", report)["failed"] for report in reports)
        yield judged(case, "checkov", f"{seen} checks", (finding for report in reports for finding in failures(report)), waivers)


def reported(command: list[str]) -> list[dict]:
    """Return what checkov reports, one entry a framework."""
    done = run([*command, "--quiet", "--compact", "--skip-download", "--output", "json"])
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return [{"error": ["expected JSON", *(done.stderr or done.stdout).splitlines()[:5]]}]
    return report if isinstance(report, list) else [report]


def failures(report: dict) -> Iterator[Finding]:
    """Yield what checkov has against objects and jobs. A report of nothing has no results."""
    for check in report.get("results", {}).get("failed_checks", []):
        kind, _, name = check["resource"].partition(".")
        yield Finding("checkov", check["check_id"], kind, name.rpartition(".")[2], check["check_name"])
    for file in report.get("results", {}).get("parsing_errors", []):
        yield Finding("checkov", "parsing", "file", file, "it cannot be read")


def judged(case: Case, judge: str, looked: str, findings: Iterator[Finding], waivers: Waivers) -> Verdict:
    """Return the verdict on findings, less those that are let pass."""
    left, passed = waivers.left(findings)
    said = f"{looked}, {len(left)} findings, {passed} waived"
    return Verdict(case.name, judge, said, [f"{one.check} {one.kind}/{one.name}: {one.says}" for one in left], not left)


def hidden(case: Case, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Write the objects that stand inside others, such as the Jobs that a Sensor makes, where the linters see them; yield the files."""
    for number, sent in enumerate(objects(case, "Sensor")):
        made = [
            trigger["template"]["k8s"]["source"]["resource"] for trigger in sent.object["spec"]["triggers"] if "k8s" in trigger["template"]
        ]
        file = folder / f"sensor-{number}.yaml"
        for entry in made:
            entry["metadata"].setdefault("name", entry["metadata"].pop("generateName", "made-").rstrip("-"))
        file.write_text(yaml.safe_dump_all(made), encoding="utf-8")
        yield file
