"""The ratchet: every way in which the gates of a plan are looser than those of another, by meaning and not by text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from mlspec.changes.bounds import ALERT, GATE, MODES, Bound, Weakness, bounds_of, shown, weaknesses
from mlspec.checks.order import step_edges
from mlspec.location import Path
from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of

Threshold = Mapping[str, Any]
READINGS = ("metrics", "slices", "champion")
"""Fields of a gate step that name an output of another step."""


class Reading(NamedTuple):
    """The output of a step that a gate reads."""

    reference: str
    source: str
    """What the step does, and which output it is: the same under another name."""

    def same_as(self, other: Reading | None) -> bool:
        """Tell whether two gates read the same."""
        return other is not None and (self.reference == other.reference or self.source == other.source)


class Use(NamedTuple):
    """One place that refers to a threshold."""

    threshold: str
    guarded: str
    """What it guards, however the place is called: ``pipelines.train``, ``serving.churn-api``, ``datasets.people``."""
    how: str
    """``gate`` or ``alert``."""
    path: Path
    data: str = ""
    """The dataset that a step checks."""
    holds: tuple[tuple[str, Path], ...] = ()
    """The steps that run only after it, ``register churn`` for what registers a model, each with its place."""
    reads: Mapping[str, Reading] = MappingProxyType({})
    """What a gate step judges, by its field: ``metrics``, ``slices``, ``champion``."""


class Gates(NamedTuple):
    """The thresholds of one environment, what refers to them, and what there is that could be guarded."""

    thresholds: Mapping[str, Threshold]
    uses: tuple[Use, ...] = ()
    guarded: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()
    """Every step that guards nothing, as ``Use.holds`` names it, with its pipeline before it: ``pipelines.train.fit``."""


class Loosening(NamedTuple):
    """One way in which a gate lets more through than it did."""

    threshold: str
    rule: str
    """The rule's name; empty where the threshold as a whole is looser."""
    kind: str
    """``value``, ``bound``, ``direction``, ``tolerance``, ``slice``, ``quantile``, ``severity``, ``window``, ``for``, ``minSamples``,
    ``rule`` (removed), ``mode``, ``threshold`` (removed), ``reference`` (no longer used), ``order`` (a step does not wait any more),
    ``metrics``, ``slices``, ``champion`` (a gate step reads another output)."""
    before: str
    after: str
    path: Path
    """Where it stands, or stood, in the spec."""
    field: bool = False
    """Whether it is no threshold that is looser: ``threshold`` is a field of the spec then."""
    now: Path = ()
    """Where it is to be seen now, when that is elsewhere."""

    @property
    def text(self) -> str:
        """It in words: ``gate release: auc min 0.88 → min 0.86``."""
        rule = f" {self.rule}" if self.rule else ""
        kind = "" if self.kind in _PLAIN else f" {_WORDS.get(self.kind, self.kind)}"
        return f"gate {self.threshold}:{rule}{kind} {self.before} → {self.after}"


_PLAIN = frozenset({"value", "bound", "rule", "threshold", "direction", "reference", "order", "guard", "patch"})
"""Kinds of which the two values say enough."""
_WORDS = {"slice": "holds", "minSamples": "samples needed", "for": "must last"}


def gates_of(plan: Plan) -> Gates:
    """Return the gates of one environment. The plan's notes of what was read are left as they are."""
    plan = plan.watched()
    thresholds = {name: rules_of(plan, name) for name in plan.tree["thresholds"]}
    things = {f"{section}.{name}" for section in ("pipelines", "serving", "datasets") for name in plan.tree[section]}
    steps = {
        f"pipelines.{name}.{called}"
        for name, pipeline in plan.tree["pipelines"].items()
        for step, called in _names(pipeline["steps"]).items()
        if not _guards(pipeline["steps"][step])
    }
    return Gates(thresholds, tuple(_uses(plan.tree)), frozenset(things), frozenset(steps))


def loosenings(before: Gates, after: Gates) -> list[Loosening]:
    """Return every way in which gates are looser than they were, each once, in the order of the thresholds before.

    A gate is looser when something that it stopped, or warned of, can pass. What is as strict under another name, in another place of
    the same pipeline, or in another spelling is no loosening; neither is a gate of something that is no longer there. A threshold that
    was ``off`` counts by its rules all the same: they are what it promises when it is switched on.
    """
    found: list[Loosening] = []
    for name, old in before.thresholds.items():
        new = after.thresholds.get(name)
        uses = [use for use in before.uses if use.threshold == name and _is_there(use, after)]
        if new is not None:
            found += _between(name, old, new, _ways(before, after, name))
        elif not uses and not any(use.threshold == name for use in before.uses) and not _renamed(name, old, before, after):
            found.append(Loosening(name, "", "threshold", f"{len(old['rules'])} rules", "removed", ("thresholds", name)))
        for use in uses:
            found += _at(use, old, before, after)
    return list(dict.fromkeys(found))


def _is_there(use: Use, after: Gates) -> bool:
    """Tell whether what a gate guarded still is there, the data that it looked at included."""
    return use.guarded in after.guarded and (not use.data or f"datasets.{use.data}" in after.guarded)


def _renamed(name: str, old: Threshold, before: Gates, after: Gates) -> bool:
    """Tell whether a threshold that nothing uses goes on under a name that is new."""
    fresh = [new for other, new in after.thresholds.items() if other not in before.thresholds and new["on"] == old["on"]]
    return any(not list(_between(name, old, new, frozenset())) for new in fresh)


def _at(use: Use, old: Threshold, before: Gates, after: Gates) -> Iterator[Loosening]:
    """Yield what became of a gate where it was used: whether its threshold, or one as strict, still holds back the same there."""
    here = [other for other in after.uses if _place(other) == _place(use)]
    same = [other for other in here if other.threshold == use.threshold]
    held = {step for other in same or here for step, _ in other.holds}
    for step, path in use.holds:
        if here and step not in held and f"{use.guarded}.{step}" in after.steps:
            yield Loosening(use.threshold, "", "order", f"{step} waits for it", "does not wait", path)
    if same:
        yield from _elsewhere(use, same)
        return
    instead = [name for name in dict.fromkeys(other.threshold for other in here) if after.thresholds[name]["on"] == old["on"]]
    kept = [after.thresholds[name] for name in instead]
    together = {"on": old["on"], "mode": max((one["mode"] for one in kept), key=MODES.index, default="off"), "rules": _all_rules(kept)}
    losses = list(_between(use.threshold, old, together, frozenset({use.how})))
    known = {other.threshold for other in before.uses if _place(other) == _place(use)}
    if losses and not set(instead) - known:  # nothing has come in its place
        gone = use.threshold not in after.thresholds
        what = "removed" if gone else "no longer used there"
        of = f"guards {use.guarded}" + (f" with {use.data}" if use.data else "")
        losses = [Loosening(use.threshold, "", "threshold" if gone else "reference", of, what, use.path)]
    yield from (one._replace(now=use.path) for one in losses)


def _elsewhere(use: Use, same: list[Use]) -> Iterator[Loosening]:
    """Yield what a gate step judged and does not judge any more: other metrics, other slices, another champion."""
    for key in READINGS:
        was = use.reads.get(key)
        if any(other.reads.get(key) == was or (was is not None and was.same_as(other.reads.get(key))) for other in same):
            continue
        now, place = same[0].reads.get(key), same[0].path[:-1]
        before, after = (one.reference if one else "none" for one in (was, now))
        yield Loosening(use.threshold, "", key, before, after, (*use.path[:-1], key), now=(*place, key) if now else same[0].path)


def _place(use: Use) -> tuple[str, str, str]:
    return use.guarded, use.how, use.data


def _all_rules(thresholds: Iterable[Threshold]) -> list[Any]:
    return [rule for threshold in thresholds for rule in threshold["rules"]]


def _ways(before: Gates, after: Gates, name: str) -> frozenset[str]:
    return frozenset(use.how for gates in (before, after) for use in gates.uses if use.threshold == name)


def _between(name: str, old: Threshold, new: Threshold, uses: frozenset[str]) -> Iterator[Loosening]:
    path: Path = ("thresholds", name)
    if MODES.index(new["mode"]) < MODES.index(old["mode"]):
        yield Loosening(name, "", "mode", old["mode"], new["mode"], (*path, "mode"))
    theirs = list(bounds_of(new))
    mine = list(bounds_of(old))
    for bound in mine:
        here = (*path, "rules", list(old["rules"]).index(bound.rule))
        for weakness in _weakest(bound, theirs, mine, uses):
            yield Loosening(name, bound.name, weakness.kind, weakness.before, weakness.after, here)


def _weakest(bound: Bound, theirs: list[Bound], mine: list[Bound], uses: frozenset[str]) -> list[Weakness]:
    """Return in which ways nothing holds a bound any more: those of the bound that comes nearest."""
    held = [(found, other) for other in theirs if (found := weaknesses(bound, other, uses)) is not None]
    if any(not found for found, _ in held):
        return []
    if held:
        return min(held, key=lambda pair: (_different(bound, pair[1]), len(pair[0])))[0]
    had = {(other.measure, other.kind) for other in mine}
    same = [other for other in theirs if other.measure == bound.measure and (other.measure, other.kind) not in had]
    turned = {"min": "max", "max": "min"}.get(bound.kind)
    if any(other.kind == turned for other in same):
        return [Weakness("direction", shown(bound), shown(next(other for other in same if other.kind == turned)))]
    if same:
        return [Weakness("bound", shown(bound), shown(same[0]))]
    left = any(other.measure == bound.measure for other in theirs)
    return [Weakness("bound" if left else "rule", shown(bound), "removed")]


def _different(one: Bound, other: Bound) -> int:
    return sum(one.rule.get(key) != other.rule.get(key) for key in ("name", "forEach", "across", "quantile"))


def _uses(tree: Mapping[str, Any]) -> Iterator[Use]:
    for name, pipeline in tree["pipelines"].items():
        waiting = _waiting(pipeline["steps"], ("pipelines", name, "steps"))
        for step, entry in pipeline["steps"].items():
            for key in ("gate", "check"):
                if key in entry:
                    place: Path = ("pipelines", name, "steps", step, key)
                    data = str(entry.get("data", "")) if key == "check" else ""
                    reads = dict(_reads(pipeline["steps"], entry)) if key == "gate" else {}
                    yield Use(entry[key], f"pipelines.{name}", GATE, place, data, waiting[step], reads)
        for at, trigger in enumerate(pipeline.get("on") or ()):
            if "breach" in trigger:
                yield Use(trigger["breach"], f"pipelines.{name}", ALERT, ("pipelines", name, "on", at, "breach"))
    for name, endpoint in tree["serving"].items():
        if gate := endpoint["rollout"].get("gate"):
            yield Use(gate, f"serving.{name}", GATE, ("serving", name, "rollout", "gate"))
    for name, monitor in tree["monitoring"].items():
        for at, alert in enumerate(monitor.get("alerts") or ()):
            yield Use(alert, f"serving.{name}", ALERT, ("monitoring", name, "alerts", at))
    for name, dataset in tree["datasets"].items():
        if quality := dataset.get("quality"):
            yield Use(quality, f"datasets.{name}", GATE, ("datasets", name, "quality"))


def _reads(steps: Mapping[str, Any], gate: Mapping[str, Any]) -> Iterator[tuple[str, Reading]]:
    for key in READINGS:
        if key in gate:
            _, step, output = str(gate[key]).split(".", 2)
            made = {part: value for part, value in (steps.get(step) or {}).items() if part != "after"}
            yield key, Reading(str(gate[key]), f"{json.dumps(made, default=str, sort_keys=True)} {output}")


def _names(steps: Mapping[str, Any]) -> dict[str, str]:
    """Return what steps are called: one that registers a model by that, since another name makes it no other."""
    return {name: f"register {step['register']}" if "register" in step else name for name, step in steps.items()}


def _waiting(steps: Mapping[str, Any], path: Path) -> dict[str, tuple[tuple[str, Path], ...]]:
    """Return, for every guard, the steps that wait for it, at once or by way of others; other guards do not count."""
    names = _names(steps)
    direct: dict[str, set[str]] = {name: set() for name in steps}
    for name, edges in step_edges(steps, ()).items():
        for needed, _ in edges:
            direct[needed].add(name)
    found: dict[str, tuple[tuple[str, Path], ...]] = {}
    for name in (name for name, step in steps.items() if _guards(step)):
        seen: set[str] = set()
        left = [name]
        while left:
            fresh = direct[left.pop()] - seen
            seen |= fresh
            left += fresh
        found[name] = tuple((names[step], (*path, step, "after")) for step in steps if step in seen and not _guards(steps[step]))
    return found


def _guards(step: Mapping[str, Any]) -> bool:
    return "gate" in step or "check" in step


__all__ = ["Gates", "Loosening", "Reading", "Use", "gates_of", "loosenings"]
