"""Builds what checks look at from the text of a spec, with as little machinery as will do."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

import yaml

from mlspec.checks.subject import Project, Subject
from mlspec.location import Mark, SourceText
from mlspec.plan.platform import complete, words

SECTIONS = ("datasets", "features", "models", "pipelines", "thresholds", "serving", "monitoring")


class Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^(?:null|~|)$"), ["n", "~", ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$"), list("-0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^(?:<<)$"), ["<"])
Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))


def load(text: str) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.load(text, Loader)
    return {"apiVersion": "mlspec.dev/v1", "name": "acme", "owner": {"team": "ml"}} | tree


def merge(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(base.get(key), value)
    return merged


def replace(node: Any, values: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        return {key: replace(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [replace(value, values) for value in node]
    if isinstance(node, str):
        return re.sub(r"\$\{((?:vars|env)\.[\w-]+)\}", lambda m: str(values.get(m[1], m[0])), node)
    return node


def platform(tree: dict[str, Any]) -> dict[str, Any]:
    return words(complete(tree))


def project(text: str) -> Project:
    tree = load(text)
    mark = Mark(SourceText("mlspec.yaml", text), 0, 0)
    subjects = []
    for name, environment in (tree.get("environments") or {"default": {"namespace": tree["name"]}}).items():
        body = {key: value for key, value in tree.items() if key != "environments"}
        body = merge(body, environment.get("overrides") or {})
        body["platform"] = merge(tree.get("platform") or {}, environment.get("platform") or {})
        variables = {f"vars.{k}": v for k, v in ((tree.get("vars") or {}) | (environment.get("vars") or {})).items()}
        body = replace(body, variables | {"env.name": name, "env.namespace": environment["namespace"]})
        absent = {}
        for section in SECTIONS:
            gone = {
                k
                for k, v in body.get(section, {}).items()
                if isinstance(v, dict) and (("in" in v and name not in v["in"]) or name in v.get("notIn", ()))
            }
            absent[section] = frozenset(gone)
            if gone:
                body[section] = {k: v for k, v in body[section].items() if k not in gone}
        subjects.append(Subject(body, mark, name, environment["namespace"], platform(body["platform"]), absent))
    return Project(tree, mark, tuple(subjects))


def project_checks(module: Any) -> tuple[Any, ...]:
    return (*getattr(module, "FIRST_CHECKS", ()), *getattr(module, "PROJECT_CHECKS", ()))


def findings(text: str, *modules: Any) -> list[tuple[str, str]]:
    """Return (code, path with / between its parts) of what the checks of some modules say of a spec, each once."""
    whole = project(text)
    said: dict[tuple[str, str], None] = {}
    for module in modules:
        for check in getattr(module, "CHECKS", ()):
            for subject in whole.subjects:
                for finding in check(subject):
                    said[finding.code.id, "/".join(map(str, finding.found.path))] = None
        for check in project_checks(module):
            for finding in check(whole):
                said[finding.code.id, "/".join(map(str, finding.found.path))] = None
    return list(said)


def messages(text: str, *modules: Any) -> str:
    """Return everything that the checks of some modules say of a spec, as one text."""
    whole = project(text)
    found = [f.found for m in modules for c in getattr(m, "CHECKS", ()) for s in whole.subjects for f in c(s)]
    found += [f.found for m in modules for c in project_checks(m) for f in c(whole)]
    return "\n".join(f"{f.message} | {f.help} | {f.label} | {f.related}" for f in found)


def examples(page: str) -> dict[str, str]:
    """Return the examples of a manual page by their title."""
    import textwrap

    parts = re.split(r"^(Bad|Good)::$", page, flags=re.MULTILINE)
    return {title: textwrap.dedent(text).strip() + "\n" for title, text in zip(parts[1::2], parts[2::2], strict=True)}
