"""promtool and amtool: the rules of Prometheus, the queries of dashboards, the routes of Alertmanager."""

from __future__ import annotations

import json
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import yaml

from judges.alertmanager import lowered
from judges.bench import Case, Skipped, Verdict, absent, lines_of, objects, program, run, verdict

VARIABLES = {"$__rate_interval": "5m", "$__interval": "5m", "$__range": "1h"}


def promtool(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Ask promtool about every rule, all lints on, and whether it can read every query of a dashboard."""
    tool = program("promtool")
    if tool is None:
        yield absent("promtool")
        return
    for case in cases:
        rules = {f"{space(sent.object)}.yaml": sent.object["spec"] for sent in objects(case, "PrometheusRule")}
        asked = {f"{space(sent.object)}.yaml": queries(sent.object) for sent in objects(case, "ConfigMap") if dashboards(sent.object)}
        if not rules and not asked:
            continue
        problems = checked([tool, "check", "rules", "--lint=all", "--lint-fatal"], rules)
        problems += checked([tool, "check", "rules"], {name: standing_in(exprs) for name, exprs in asked.items()})
        count = sum(len(group["rules"]) for spec in rules.values() for group in spec["groups"])
        yield verdict(case, "promtool", f"{count} rules, {sum(map(len, asked.values()))} queries", problems)


def amtool(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Ask amtool about every AlertmanagerConfig, as the operator would hand it to Alertmanager."""
    tool = program("amtool")
    if tool is None:
        yield absent("amtool")
        return
    for case in cases:
        found = {f"{space(sent.object)}.yml": lowered(sent.object) for sent in objects(case, "AlertmanagerConfig")}
        if found:
            yield verdict(case, "amtool", f"{len(found)} configurations", checked([tool, "check-config"], found))


def checked(command: list[str], texts: dict[str, Any]) -> list[str]:
    """Write files, let a program check them and return what it has against them."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in texts.items():
            pathlib.Path(folder, name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return lines_of(run([*command, *(str(pathlib.Path(folder, name)) for name in texts)])) if texts else []


def space(entry: dict[str, Any]) -> str:
    return f"{entry['metadata']['namespace']}-{entry['metadata']['name']}"


def dashboards(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the dashboards that a ConfigMap holds."""
    texts = [text for name, text in entry.get("data", {}).items() if name.endswith(".json")]
    return [board for board in map(json.loads, texts) if "panels" in board]


def queries(entry: dict[str, Any]) -> list[str]:
    """Return the queries of the dashboards of a ConfigMap, Grafana's variables filled in."""
    found = [target["expr"] for board in dashboards(entry) for panel in panels(board) for target in panel.get("targets", [])]
    filled = []
    for expr in found:
        for name, value in VARIABLES.items():
            expr = expr.replace(name, value)  # noqa: PLW2901
        filled.append(re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", expr))
    return filled


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board.get("panels", []):
        yield panel
        yield from panels(panel)


def standing_in(exprs: list[str]) -> dict[str, Any]:
    """Return rules that record queries, so that a checker of rules reads them."""
    return {"groups": [{"name": "queries", "rules": [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(exprs)]}]}
