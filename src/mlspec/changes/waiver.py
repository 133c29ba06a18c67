"""Waivers: which loosening each of them allows, and whether what it allowed is still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.changes.bounds import MODES, Bound, bounds_of, decimal
from mlspec.changes.gates import Gates, Loosening
from mlspec.changes.guards import patch_name
from mlspec.location import Path, format_path
from mlspec.plan.plan import Plan
from mlspec.quantity import is_duration, ratio, seconds

REMOVED = ("removed", "no longer used there")
WHOLE = frozenset({"value", "bound", "rule", "mode", "threshold", "reference"})
"""Kinds of loosenings of thresholds that ``to`` speaks of when it names none."""
_PREFIXES = ("min", "max", "gap", "equals")
_LIVE = {"window": 300, "for": 0}


class Waiver(NamedTuple):
    """One entry of ``governance.waivers``."""

    path: Path
    of: str
    """The threshold, the field or the code that it is for."""
    key: str
    """Which of the three: ``threshold``, ``field`` or ``code``."""
    rule: str
    """The rule of the threshold, by its name or what it measures; empty for none in particular."""
    slice: str
    """The column by which that rule is sliced; empty for none in particular."""
    to: Any
    """How loose it may become; None for as loose as it became with the waiver."""
    owner: str
    ticket: str
    until: date
    """The last day on which it counts."""
    written: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is for, in words."""
        rule = f", rule {self.rule}" if self.rule else ""
        return f"{self.of}{rule}" + (f" by {self.slice}" if self.slice else "")

    @property
    def bound(self) -> str:
        """How loose it allows to become, as it is written."""
        return str(self.to).lower() if isinstance(self.to, bool) else str(self.to)

    def same_as(self, other: Waiver) -> bool:
        """Tell whether two are for the same loosening, until whichever day."""
        return (self.key, self.of, self.rule, self.slice, self.bound) == (other.key, other.of, other.rule, other.slice, other.bound)

    def stands_for(self, other: Waiver) -> bool:
        """Tell whether this one is for the same gate, and for the rule that another names."""
        return (self.key, self.of) == (other.key, other.of) and self.rule in ("", other.rule)


class Loss(NamedTuple):
    """A loosening with what waivers know it by."""

    loosening: Loosening
    rule: Mapping[str, Any]
    """The rule as it was; empty where none in particular is looser."""

    @property
    def aspect(self) -> tuple[str, ...]:
        """What is looser, whichever way: two of one rule are one thing to allow."""
        if self.loosening.kind == "patch":
            return self.loosening.threshold, self.loosening.after
        if self.loosening.field:
            return (self.loosening.threshold,)
        return (self.loosening.threshold, self.loosening.rule, *self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """What a waiver may call the rule: its name, or what it measures."""
        return (self.loosening.rule, *(str(self.rule[key]) for key in ("metric", "query") if key in self.rule))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by which the rule is sliced."""
        return tuple(str(self.rule[key]) for key in ("forEach", "across") if key in self.rule)


def waivers_of(plan: Plan) -> list[Waiver]:
    """Return the waivers of one environment, in the order in which they are written."""
    written: Sequence[Mapping[str, Any]] = (plan.tree.get("governance") or {}).get("waivers") or ()
    return [_waiver(at, entry) for at, entry in enumerate(written)]


def _waiver(at: int, entry: Mapping[str, Any]) -> Waiver:
    key = next((key for key in ("threshold", "field") if key in entry), "code")
    return Waiver(
        ("governance", "waivers", at),
        str(entry.get(key, "")),
        key,
        str(entry.get("rule") or ""),
        str(entry.get("slice") or ""),
        entry.get("to"),
        str(entry["owner"]),
        str(entry.get("ticket") or ""),
        date.fromisoformat(str(entry["until"])),
        entry,
    )


def loss_of(loosening: Loosening, before: Gates) -> Loss:
    """Return a loosening with the rule that it is one of."""
    threshold = before.thresholds.get(loosening.threshold)
    ruled = not loosening.field and threshold is not None and loosening.path[2:3] == ("rules",)
    return Loss(loosening, threshold["rules"][loosening.path[3]] if ruled and threshold else {})


def is_about(waiver: Waiver, loosening: Loosening) -> bool:
    """Tell whether a waiver is for the threshold, or for the field, that is looser."""
    if loosening.field:
        return waiver.key == "field" and (loosening.threshold == waiver.of or loosening.threshold.startswith(f"{waiver.of}."))
    return waiver.key == "threshold" and waiver.of == loosening.threshold


def concerns(waiver: Waiver, loss: Loss) -> bool:
    """Tell whether a loosening is of the threshold or field, of the rule and of the slices that a waiver names."""
    if not is_about(waiver, loss.loosening):
        return False
    return waiver.rule in ("", *loss.names) and waiver.slice in ("", *loss.columns)


def shortfall(waiver: Waiver, loss: Loss, losses: Iterable[Loss], earlier: Iterable[Waiver]) -> str:
    """Say why a waiver that concerns a loosening does not cover it, in words; nothing when it does.

    ``losses`` are all loosenings of the change, ``earlier`` the waivers that were there before it.
    """
    one = loss.loosening
    aspects = {other.aspect for other in losses if concerns(waiver, other)}
    if len(aspects) > 1 and (one.rule or one.field) and not (one.kind == "patch" and waiver.to is not None):
        said = (
            "one of the patches (`to`)" if one.kind == "patch" else "one of the fields" if one.field else "slice" if waiver.rule else "rule"
        )
        return f"it names no {said}, and {len(aspects)} are looser"
    if waiver.to is not None:
        return "" if _allows(waiver, one) else f"it allows {waiver.bound}"
    if any(waiver.written == old.written for old in earlier):
        return "it was there before, for what was looser then, and does not say with `to` how loose"
    return ""


def written_for(loss: Loss, losses: Iterable[Loss]) -> str:
    """Return the beginning of a waiver that covers a loosening and nothing else, as a spec has it."""
    from mlspec.source.edit import write_flow

    one, to = loss.loosening, _plain(loss.loosening.after)
    if one.field:
        return f"field: {write_flow(one.threshold)}, to: {write_flow(to)}"
    parts = [f"threshold: {write_flow(one.threshold)}"]
    if one.rule:
        metric = str(loss.rule.get("metric", one.rule))
        alike = {other.aspect for other in losses if other.loosening.threshold == one.threshold and metric in other.names}
        parts.append(f"rule: {write_flow(metric if len(alike) < 2 else one.rule)}")
    return ", ".join([*parts, f"to: {write_flow(to if one.kind in WHOLE else f'{one.kind} {to}')}"])


def _plain(after: str) -> str:
    return "removed" if after in REMOVED else after


def _allows(waiver: Waiver, one: Loosening) -> bool:
    """Tell whether ``to`` is as loose as what is there now, or looser."""
    to, after = waiver.bound, _plain(one.after)
    if not one.field and one.kind not in WHOLE:
        kind, _, to = to.partition(" ")
        if kind != one.kind:
            return False
    if to == after:
        return True
    if one.kind == "mode":
        return to in MODES and MODES.index(to) <= MODES.index(after)
    if one.kind == "tolerance" and len({text.endswith("%") for text in (one.before, after, to)}) > 1:
        return False
    if _word(to) and _word(to) != _word(after):
        return False
    before, now, allowed = (_number(text) for text in (one.before, after, to))
    if before is None or now is None or allowed is None or len({before[0], now[0], allowed[0]}) > 1 or before == now:
        return False
    return (allowed[1] - now[1]) * (now[1] - before[1]) >= 0


def _word(text: str) -> str:
    """Return which bound a text speaks of; nothing where it does not say."""
    word, _, rest = text.partition(" ")
    return word if word in _PREFIXES and rest else ""


def _number(text: str) -> tuple[str, Decimal] | None:
    """Return a bound as a number with its form; None for words."""
    text = text.removeprefix(f"{_word(text)} ") if _word(text) else text
    if text == "none":
        return "number", Decimal(0)
    if text == "0s":
        return "duration", Decimal(0)
    if is_duration(text):
        return "duration", seconds(text)
    if text.endswith("%"):
        return ("number", ratio(text)) if decimal(text[:-1]) is not None else None
    number = decimal(text.removeprefix("p"))
    if number is None or not number.is_finite():
        return None
    return "number", number / 100 if text.startswith("p") else number


def lasting(waiver: Waiver, plan: Plan, gates: Gates) -> Path | None:
    """Return the place that is still as loose as a waiver with ``to`` allows; None when nothing is, or when it cannot be told.

    It is told of bounds, windows, severities, modes and removals, and of the fields that hold one value.
    """
    if waiver.to is None or waiver.key == "code":
        return None
    return _lasting_field(waiver, plan) if waiver.key == "field" else _lasting_threshold(waiver, gates)


def _lasting_threshold(waiver: Waiver, gates: Gates) -> Path | None:
    path: Path = ("thresholds", waiver.of)
    threshold, to = gates.thresholds.get(waiver.of), waiver.bound
    if threshold is None:
        return path if to == "removed" else None
    if not waiver.rule and to in MODES:
        return (*path, "mode") if MODES.index(threshold["mode"]) <= MODES.index(to) else None
    bounds = [bound for bound in bounds_of(threshold) if waiver.rule in _called(bound) and waiver.slice in _sliced(bound)]
    if to == "removed":
        used = bounds if waiver.rule else [use for use in gates.uses if use.threshold == waiver.of]
        return None if used else path
    places = [bound for bound in bounds if _as_loose(bound, to)]
    alone = len({bound.kind for bound in bounds} & {"min", "max", "maxGap"}) == 1 or not _number(to) or _word(to)
    return (*path, "rules", list(threshold["rules"]).index(places[0].rule)) if places and alone else None


def _called(bound: Bound) -> tuple[str, ...]:
    return ("", bound.name, *(str(bound.rule[key]) for key in ("metric", "query") if key in bound.rule))


def _sliced(bound: Bound) -> tuple[str, ...]:
    return ("", *(str(bound.rule[key]) for key in ("forEach", "across") if key in bound.rule))


def _as_loose(bound: Bound, to: str) -> bool:
    word, _, rest = to.partition(" ")
    if word == "severity":
        return bool(bound.rule.get("severity", "block") == rest)
    if word in _LIVE:
        return is_duration(rest) and Decimal(str(bound.rule.get(word, _LIVE[word]))) >= seconds(rest)
    allowed, found = _number(to), decimal(bound.rule.get(bound.kind, ""))
    if allowed is None or found is None or _word(to) not in ("", bound.kind.replace("maxGap", "gap")):
        return False
    if bound.kind == "min":
        return found <= allowed[1]
    return bound.kind in ("max", "maxGap") and found >= allowed[1]


def _lasting_field(waiver: Waiver, plan: Plan) -> Path | None:
    """Return the place of a field that still has the value that a waiver allows."""
    if waiver.of == "patches":
        named = (("patches", at) for at, patch in enumerate(plan.tree.get("patches") or ()) if patch_name(patch) == waiver.bound)
        return next(named, None)
    tree = {**plan.tree, "environments": plan.environments}
    for path, value in _leaves(tree, ()):
        if format_path(path) == waiver.of:
            said = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else "removed" if value is None else str(value)
            numbers = _number(said), _number(waiver.bound)
            return path if said == waiver.bound or (None not in numbers and numbers[0] == numbers[1]) else None
    return tuple(waiver.of.split(".")) if waiver.bound == "removed" else None


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    yield path, value


__all__ = ["Loss", "Waiver", "concerns", "lasting", "loss_of", "shortfall", "waivers_of", "written_for"]
