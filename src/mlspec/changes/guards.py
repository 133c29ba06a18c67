"""Guards beside thresholds: objectives, watching, careful rollouts, order, approvals, and every way in which they are looser."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from mlspec.changes.gates import Loosening
from mlspec.checks.order import step_edges
from mlspec.cron import parse_cron
from mlspec.location import Path, format_path
from mlspec.plan.plan import Plan
from mlspec.quantity import plain, ratio, seconds

Entry = Mapping[str, Any]

CARE = ("rolling", "blueGreen", "canary")
"""Ways in which a new version replaces the old one, the least careful first; ``recreate`` is as careful as ``rolling``."""
RISKS = ("minimal", "limited", "high")


class Measure(NamedTuple):
    """A field whose value is a number that grows as it gets looser."""

    size: Callable[[Any], Decimal]
    show: Callable[[Any], str]


def _share(value: Any) -> str:
    return f"{plain(ratio(value) * 100)}%"


def _length(value: Any) -> str:
    from mlspec.changes.bounds import span

    return span(seconds(value))


MONITORED: Mapping[tuple[str, ...], Measure] = {
    ("slo", "availability"): Measure(lambda value: -ratio(value), _share),
    ("slo", "window"): Measure(seconds, _length),  # of a longer one, a short outage is a smaller part
    ("slo", "latency", "max"): Measure(seconds, _length),
    ("slo", "latency", "quantile"): Measure(lambda value: -ratio(value), _share),
    ("drift", "every"): Measure(seconds, _length),
    ("outliers", "share"): Measure(ratio, _share),
    ("bias", "maxGap"): Measure(ratio, _share),
}
"""Objectives of an endpoint."""
COMPARED = (("drift", "against"), ("outliers", "method"), ("bias", "across"), ("bias", "metric"))
"""What is compared with what: of two that differ, neither is as strict as the other."""
_PIPELINES = ("Pipeline", "PipelineVersion", "WorkflowTemplate", "CronWorkflow", "PipelineRun", "Task")
PATCHED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("PrometheusRule", "AlertmanagerConfig", "PodMonitor", "ServiceMonitor", "AnalysisTemplate"), frozenset()),
    **dict.fromkeys((*_PIPELINES, "ConfigMap", "CronJob", "Rollout", "Sensor", "EventSource"), frozenset()),
    "HTTPRoute": frozenset({"weight", "rules", "backendRefs"}),
    "InferenceGraph": frozenset({"weight", "nodes"}),
    "InferenceService": frozenset({"canaryTrafficPercent", "logger"}),
    **dict.fromkeys(("Application", "Kustomization"), frozenset({"syncPolicy", "suspend", "ignoreDifferences"})),
}
"""Kinds of objects that gates and guards are made of, and which of their fields are theirs; all where none is named."""
_SCHEMA = {"schemaMatch": ("type", "nullable", "unique"), "outOfRange": ("min", "max"), "unknownValues": ("values",)}
"""Metrics on data that hold a dataset against its schema, and the fields of a column that each of them reads."""


def lapses(before: Plan, after: Plan) -> list[Loosening]:
    """Return every way in which what guards an environment, but for its thresholds, is looser than it was.

    Only of what is there on both sides: an endpoint that went needs no objective. Each is named by its field (``field`` is set).
    """
    old, new = before.tree, after.tree
    found: list[Loosening] = []
    for name, endpoint in new["serving"].items():
        if name in old["serving"]:
            found += _rollout(name, old["serving"][name]["rollout"], endpoint["rollout"])
            if name in old["monitoring"]:
                found += _watching(name, old["monitoring"][name], new["monitoring"].get(name) or {})
    for name, dataset in new["datasets"].items():
        if name in old["datasets"]:
            found += _schema(name, old, dataset.get("schema") or {})
    for name, pipeline in new["pipelines"].items():
        if name in old["pipelines"] and _judges(old["pipelines"][name]["steps"]):
            found += _schedule(name, old["pipelines"][name].get("schedule"), pipeline.get("schedule"))
    found += _patches(before, after)
    found += _environment(before, after)
    found += _platform(old["platform"], new["platform"])
    found += _asking(before, after)
    found += _governance(old.get("governance") or {}, new.get("governance") or {})
    return found


def _lapse(path: Path, kind: str, before: str, after: str) -> Loosening:
    return Loosening(format_path(path), "", kind, before, after, path, field=True)


def _rollout(name: str, old: Entry, new: Entry) -> Iterator[Loosening]:
    path: Path = ("serving", name, "rollout")
    if _care(new) < _care(old):
        yield _lapse((*path, "strategy"), "strategy", old["strategy"], new["strategy"])
        return
    if new["strategy"] not in ("canary", "blueGreen"):
        return
    if _care(old) and seconds(new["pause"]) < seconds(old["pause"]):
        yield _lapse((*path, "pause"), "pause", _length(old["pause"]), _length(new["pause"]))
    if old["strategy"] == new["strategy"] == "canary":
        pairs = zip_longest(old["steps"], new["steps"], fillvalue=100)
        if any(int(other) > int(one) for one, other in pairs):
            yield _lapse((*path, "steps"), "steps", _listed(old["steps"]), _listed(new["steps"]))


def _care(rollout: Entry) -> int:
    return CARE.index(rollout["strategy"]) if rollout["strategy"] in CARE else 0


def _listed(items: Any) -> str:
    return f"[{', '.join(map(str, items))}]"


def _watching(name: str, old: Entry, new: Entry) -> Iterator[Loosening]:
    path: Path = ("monitoring", name)
    gone = [key for key in ("slo", "drift", "outliers", "bias", "notify") if key in old and key not in new]
    for key in gone:
        yield _lapse((*path, key), "guard", "there", "removed")
    for parts, measure in MONITORED.items():
        was, now = _dig(old, parts), _dig(new, parts)
        if was is None or parts[0] in gone:
            continue
        if now is None:
            if parts[-1] != "quantile":  # goes with the latency
                yield _lapse((*path, *parts), "guard", measure.show(was), "removed")
        elif measure.size(now) > measure.size(was):
            yield _lapse((*path, *parts), "value", measure.show(was), measure.show(now))
    for parts in COMPARED:
        was, now = _dig(old, parts), _dig(new, parts)
        if was is not None and now is not None and was != now:
            yield _lapse((*path, *parts), "subject", str(was), str(now))
    if "notify" in old and "notify" in new:
        for way in old["notify"]:
            if way not in new["notify"]:
                yield _lapse((*path, "notify", way), "guard", "there", "removed")


def _schema(name: str, old: Entry, new: Entry) -> Iterator[Loosening]:
    """Yield what the columns of a dataset may hold anew, where something held it against them."""
    held: dict[str, set[str]] = {}
    for threshold in _checking(old, name):
        for rule in (old["thresholds"].get(threshold) or {}).get("rules") or ():
            for field in _SCHEMA.get(str(rule.get("metric")), ()):
                held.setdefault(field, set()).add(str(rule.get("column", "")))
    for column, was in (old["datasets"][name].get("schema") or {}).items():
        fields = {field for field, columns in held.items() if columns & {"", column}}
        path: Path = ("datasets", name, "schema", column)
        if fields and column not in new:
            yield _lapse(path, "guard", "there", "removed")
            continue
        yield from (
            _lapse((*path, field), "value", _said(was.get(field)), _said(new[column].get(field)))
            for field in sorted(fields)
            if _wider(field, was.get(field), new[column].get(field))
        )


def _checking(tree: Entry, dataset: str) -> Iterator[str]:
    if quality := tree["datasets"][dataset].get("quality"):
        yield quality
    for pipeline in tree["pipelines"].values():
        yield from (step["check"] for step in pipeline["steps"].values() if "check" in step and step.get("data") == dataset)


def _wider(field: str, old: Any, new: Any) -> bool:
    if field == "nullable":
        return bool(new) and not old
    if old is None or (field == "unique" and not old):
        return False
    if field in ("min", "max"):
        return new is None or (Decimal(new) < Decimal(old) if field == "min" else Decimal(new) > Decimal(old))
    if field == "values":
        return new is None or not {str(value) for value in new} <= {str(value) for value in old}
    return bool(old != new)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else _listed(value) if isinstance(value, list) else str(value)


def _judges(steps: Entry) -> bool:
    """Tell whether a pipeline does nothing but judge: whatever else it does leads to a gate or a check, and nothing waits for these."""
    edges = step_edges(steps, ())
    waited = {needed for found in edges.values() for needed, _ in found}
    return all("gate" in step or "check" in step for name, step in steps.items() if name not in waited)


def _schedule(name: str, old: Entry | None, new: Entry | None) -> Iterator[Loosening]:
    """Yield where a pipeline that only judges does so seldomer, told by the longest time without a run."""
    path: Path = ("pipelines", name, "schedule")
    if old is None or old["suspend"]:
        return
    if new is None:
        yield _lapse(path, "guard", old["cron"], "removed")
    elif new["suspend"]:
        yield _lapse((*path, "suspend"), "guard", "false", "true")
    elif parse_cron(new["cron"]).longest_pause() > parse_cron(old["cron"]).longest_pause():
        yield _lapse((*path, "cron"), "value", old["cron"], new["cron"])


def _patches(before: Plan, after: Plan) -> Iterator[Loosening]:
    """Yield patches that are new, or others than before, of objects that gates and guards are made of: what they do is not judged."""
    known = {patch_name(patch) for _, patch in _here(before)}
    for at, patch in _here(after):
        if patch_name(patch) not in known and may_weaken(patch):
            yield Loosening("patches", "", "patch", "none", patch_name(patch), ("patches", at), field=True)


def _here(plan: Plan) -> Iterator[tuple[int, Entry]]:
    for at, patch in enumerate(plan.tree.get("patches") or ()):
        if patch["target"].get("environment", plan.environment) == plan.environment:
            yield at, patch


def patch_name(patch: Entry) -> str:
    """Return what a patch is known by: what it is of, and eight digits of what it does; reason and environment are no part of it."""
    target = {key: value for key, value in patch["target"].items() if key != "environment"}
    made = json.dumps([target, patch.get("merge"), patch.get("json")], default=str, sort_keys=True)
    of = "/".join(str(target[key]) for key in ("kind", "name") if key in target)
    return f"{of} {hashlib.sha256(made.encode()).hexdigest()[:8]}"


def may_weaken(patch: Entry) -> bool:
    """Tell whether a patch is of what gates and guards are made of, so that it may undo or add to one."""
    fields = PATCHED.get(str(patch["target"]["kind"]))
    if not fields:
        return fields is not None
    pointers = [str(one[key]) for one in patch.get("json") or () for key in ("path", "from") if key in one]
    touched = {part for pointer in pointers for part in pointer.split("/")}
    return bool(fields & (touched | set(_keys([patch.get("merge"), [one.get("value") for one in patch.get("json") or ()]]))))


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from map(str, value)
    for below in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _keys(below)


def _asking(before: Plan, after: Plan) -> Iterator[Loosening]:
    """Yield where no CI system asks a gate, or counts approvals, any more."""
    old, new = (plan.tree["platform"]["ci"] for plan in (before, after))
    if not old or new:
        return
    asked = after.environments[after.environment]["approvals"] or _care_by_ci(after)
    if asked:
        yield _lapse(("platform", "ci"), "guard", _listed(one["word"] for one in old), "removed")


def _care_by_ci(plan: Plan) -> bool:
    """Tell whether the gate of a rollout is asked by the CI system: on plain Kubernetes Argo Rollouts asks it."""
    if plan.tree["platform"]["serving"]["word"] == "kubernetes":
        return False
    return any("gate" in endpoint["rollout"] for endpoint in plan.tree["serving"].values())


def _environment(before: Plan, after: Plan) -> Iterator[Loosening]:
    was, now = before.environments[before.environment], after.environments[after.environment]
    path: Path = ("environments", after.environment)
    if now["approvals"] < was["approvals"]:
        yield _lapse((*path, "approvals"), "value", str(was["approvals"]), str(now["approvals"]))
    first = was["after"]
    if first is None or first in _ahead(after) or _spot(before, first) in {_spot(after, name) for name in _ahead(after)}:
        return
    yield _lapse((*path, "after"), "order", str(first), str(now["after"] or "removed"))


def _ahead(plan: Plan) -> list[str]:
    """Return the environments that a version has been in before it comes to that of a plan."""
    found: list[str] = []
    name = plan.environments[plan.environment]["after"]
    while name is not None and name not in found and name in plan.environments:
        found.append(name)
        name = plan.environments[name]["after"]
    return found


def _spot(plan: Plan, environment: str) -> tuple[str, str]:
    """Return where an environment is: it is the same one under another name."""
    return str(plan.environments[environment]["cluster"]), str(plan.environments[environment]["namespace"])


def _platform(old: Entry, new: Entry) -> Iterator[Loosening]:
    one, other = (str(platform["monitoring"]["word"]) for platform in (old, new))
    if other == "none" != one:
        yield _lapse(("platform", "monitoring"), "guard", one, "none")
    was, now = (_dig(platform, ("gitops", str(platform["gitops"]["word"]), "sync")) for platform in (old, new))
    if was == "manual" and now == "automated":
        yield _lapse(("platform", "gitops"), "order", "manual", "automated")


def _governance(old: Entry, new: Entry) -> Iterator[Loosening]:
    was, now = old.get("risk"), new.get("risk")
    if was in RISKS and (now not in RISKS or RISKS.index(now) < RISKS.index(was)):
        yield _lapse(("governance", "risk"), "value", was, str(now or "removed"))
    for reviewer in old.get("reviewers") or ():
        if reviewer not in (new.get("reviewers") or ()):
            yield _lapse(("governance", "reviewers"), "guard", reviewer, "removed")


def _dig(entry: Any, parts: tuple[str, ...]) -> Any:
    for part in parts:
        entry = entry.get(part) if isinstance(entry, Mapping) else None
    return entry


__all__ = ["PATCHED", "Measure", "lapses", "may_weaken", "patch_name"]
