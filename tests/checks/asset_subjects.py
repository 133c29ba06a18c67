"""Builds subjects from YAML for the tests of checks, without the compiler: no overrides, no references, no bases."""

from __future__ import annotations

import importlib
import re
from decimal import Decimal
from types import ModuleType
from typing import Any

import yaml

from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Diagnostic, diagnose
from mlspec.location import Mark, SourceText

MODULES = ("references", "values", "pipelines", "order", "tuning", "thresholds", "data", "monitoring")
HEAD = "apiVersion: mlspec.dev/v1\nname: churn\nowner: {team: growth-ml}\n"
NAMED = ("datasets", "features", "models", "pipelines", "thresholds", "serving", "monitoring")
PLATFORM = {
    "serving": "kserve",
    "pipelines": "kubeflow",
    "monitoring": "prometheus",
    "ci": ("github",),
    "gitops": "argocd",
    "events": "argo",
    "registry": "mlflow",
}


def modules() -> list[ModuleType]:
    return [importlib.import_module(f"mlspec.checks.{name}") for name in MODULES]


def read(text: str) -> tuple[Any, Mark]:
    source = SourceText("mlspec.yaml", text)
    node = yaml.compose(text, yaml.CBaseLoader if hasattr(yaml, "CBaseLoader") else yaml.BaseLoader)
    return _build(node, source, -1, -1)


def _build(node: Any, source: SourceText, key_start: int, key_end: int) -> tuple[Any, Mark]:
    place = (source, node.start_mark.index, node.end_mark.index, key_start, key_end)
    if isinstance(node, yaml.MappingNode):
        pairs = {k.value: _build(v, source, k.start_mark.index, k.end_mark.index) for k, v in node.value}
        return {k: v for k, (v, _) in pairs.items()}, Mark(*place, {k: m for k, (_, m) in pairs.items()})
    if isinstance(node, yaml.SequenceNode):
        items = [_build(v, source, -1, -1) for v in node.value]
        return [v for v, _ in items], Mark(*place, [m for _, m in items])
    return _scalar(node), Mark(*place)


def _scalar(node: Any) -> Any:
    text = node.value
    if node.style:
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "null", "~"):
        return None
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return Decimal(text) if re.fullmatch(r"-?[0-9]+\.[0-9]+", text) else text


def project(text: str) -> Project:
    """Return the project of a YAML text; one subject an environment, `in` and `notIn` observed."""
    tree, mark = read(text)
    names = list(tree.get("environments") or {"default": None})
    return Project(tree, mark, tuple(_subject(tree, mark, name) for name in names))


def _subject(tree: dict[str, Any], mark: Mark, environment: str) -> Subject:
    tree, absent = dict(tree), {}

    def keep(items: dict[str, Any], section: str) -> dict[str, Any]:
        gone = frozenset(n for n, i in items.items() if environment not in i.get("in", [environment]) or environment in i.get("notIn", []))
        if gone:
            absent[section] = gone
        return {n: i for n, i in items.items() if n not in gone}

    for section in NAMED:
        if section in tree:
            tree[section] = keep(tree[section], section)
    for name, pipeline in tree.get("pipelines", {}).items():
        tree["pipelines"] = {**tree["pipelines"], name: {**pipeline, "steps": keep(pipeline["steps"], f"pipelines.{name}.steps")}}
    platform: dict[str, Any] = dict(PLATFORM)
    for key, value in tree.get("platform", {}).items():
        platform[key] = tuple(value) if isinstance(value, list) else value if isinstance(value, str) else next(iter(value))
        if isinstance(value, dict):
            platform[f"{key}.settings"] = value
    return Subject(tree, mark, environment, environment, platform, absent)


def examine(text: str) -> list[Diagnostic]:
    """Return what all the checks of these modules say of a spec, in order; environments that agree say it once."""
    if "apiVersion" not in text:
        text = HEAD + text
    whole = project(text)
    found = {}
    for module in modules():
        for subject in whole.subjects:
            for check in module.CHECKS:
                for finding in check(subject):
                    found.setdefault(diagnose(finding, whole.mark))
        for check in getattr(module, "PROJECT_CHECKS", ()):
            for finding in check(whole):
                found.setdefault(diagnose(finding, whole.mark))
    return sorted(found, key=lambda d: d.order)


def shown(text: str) -> list[str]:
    """Return what is said as `code path excerpt`: the excerpt is what the site covers."""
    lines = (text if "apiVersion" in text else HEAD + text).split("\n")
    rows = []
    for one in examine(text):
        line = lines[one.site.line - 1]
        end = one.site.end_column - 1 if one.site.end_line == one.site.line else len(line)
        rows.append(f"{one.code[4:]} {one.path} {line[one.site.column - 1 : end]}")
    return rows
