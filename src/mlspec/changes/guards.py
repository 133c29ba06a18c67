"""Guards beside thresholds: objectives, watching, careful rollouts, order, approvals, and every way in which they are looser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from mlspec.changes.gates import Loosening
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
    found += _environment(before, after)
    found += _platform(old["platform"], new["platform"])
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


__all__ = ["Measure", "lapses"]
