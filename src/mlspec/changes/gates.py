"""The ratchet: every way in which the gates of a plan are looser than those of another, by meaning and not by text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.changes.bounds import ALERT, GATE, MODES, Bound, Weakness, bounds_of, shown, weaknesses
from mlspec.location import Path
from mlspec.plan.plan import Plan
from mlspec.plan.rules import rules_of

Threshold = Mapping[str, Any]


class Use(NamedTuple):
    """One place that refers to a threshold."""

    threshold: str
    guarded: str
    """What it guards, however the place is called: ``pipelines.train``, ``serving.churn-api``, ``datasets.people``."""
    how: str
    """``gate`` or ``alert``."""
    path: Path


class Gates(NamedTuple):
    """The thresholds of one environment, what refers to them, and what there is that could be guarded."""

    thresholds: Mapping[str, Threshold]
    uses: tuple[Use, ...] = ()
    guarded: frozenset[str] = frozenset()


class Loosening(NamedTuple):
    """One way in which a gate lets more through than it did."""

    threshold: str
    rule: str
    """The rule's name; empty where the threshold as a whole is looser."""
    kind: str
    """``value``, ``bound``, ``direction``, ``tolerance``, ``slice``, ``quantile``, ``severity``, ``window``, ``for``, ``minSamples``,
    ``rule`` (removed), ``mode``, ``threshold`` (removed), ``reference`` (no longer used)."""
    before: str
    after: str
    path: Path
    """Where it stands, or stood, in the spec."""

    @property
    def text(self) -> str:
        """It in words: ``gate release: auc min 0.88 → min 0.86``."""
        rule = f" {self.rule}" if self.rule else ""
        kind = "" if self.kind in _PLAIN else f" {_WORDS.get(self.kind, self.kind)}"
        return f"gate {self.threshold}:{rule}{kind} {self.before} → {self.after}"


_PLAIN = frozenset({"value", "bound", "rule", "threshold", "direction", "reference"})
"""Kinds of which the two values say enough."""
_WORDS = {"slice": "holds", "minSamples": "samples needed", "for": "must last"}


def gates_of(plan: Plan) -> Gates:
    """Return the gates of one environment. The plan's notes of what was read are left as they are."""
    plan = plan.watched()
    thresholds = {name: rules_of(plan, name) for name in plan.tree["thresholds"]}
    things = {f"{section}.{name}" for section in ("pipelines", "serving", "datasets") for name in plan.tree[section]}
    return Gates(thresholds, tuple(_uses(plan.tree)), frozenset(things))


def loosenings(before: Gates, after: Gates) -> list[Loosening]:
    """Return every way in which gates are looser than they were, each once, in the order of the thresholds before.

    A gate is looser when something that it stopped, or warned of, can pass. What is as strict under another name, in another place of
    the same pipeline, or in another spelling is no loosening; neither is a gate of something that is no longer there. A threshold that
    was ``off`` counts by its rules all the same: they are what it promises when it is switched on.
    """
    found: list[Loosening] = []
    for name, old in before.thresholds.items():
        new = after.thresholds.get(name)
        uses = [use for use in before.uses if use.threshold == name and use.guarded in after.guarded]
        if new is not None:
            found += _between(name, old, new, _ways(before, after, name))
        elif not uses and not any(use.threshold == name for use in before.uses):
            found.append(Loosening(name, "", "threshold", f"{len(old['rules'])} rules", "removed", ("thresholds", name)))
        for use in uses:
            found += _at(use, old, after)
    return list(dict.fromkeys(found))


def _at(use: Use, old: Threshold, after: Gates) -> Iterator[Loosening]:
    """Yield what became of a gate where it was used, when its threshold is no longer used there."""
    here = [other for other in after.uses if other.guarded == use.guarded and other.how == use.how]
    if any(other.threshold == use.threshold for other in here):
        return
    instead = [name for name in dict.fromkeys(other.threshold for other in here) if after.thresholds[name]["on"] == old["on"]]
    if not instead:
        gone = use.threshold not in after.thresholds
        what = "removed" if gone else "no longer used there"
        yield Loosening(use.threshold, "", "threshold" if gone else "reference", f"guards {use.guarded}", what, use.path)
        return
    kept = [after.thresholds[name] for name in instead]
    together = {"on": old["on"], "mode": max((one["mode"] for one in kept), key=MODES.index), "rules": _all_rules(kept)}
    yield from _between(use.threshold, old, together, frozenset({use.how}))


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
        for step, entry in pipeline["steps"].items():
            for key in ("gate", "check"):
                if key in entry:
                    yield Use(entry[key], f"pipelines.{name}", GATE, ("pipelines", name, "steps", step, key))
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


__all__ = ["Gates", "Loosening", "Use", "gates_of", "loosenings"]
