"""Thresholds taken apart into single bounds, and which bound is as strict as another: the arithmetic beneath the ratchet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

Rule = Mapping[str, Any]

ALERT = "alert"
GATE = "gate"
"""How a threshold is used; too few samples silence an alert, and close a gate."""
MODES = ("off", "report", "enforce")
_DURATIONS = frozenset({"latency", "timeToFirstToken", "interTokenLatency", "age"})
"""Metrics whose bounds are in seconds."""
_WINDOW = 300
"""Seconds over which a live metric is measured when its rule does not say."""


class Bound(NamedTuple):
    """One bound of one rule."""

    on: str
    rule: Rule
    kind: str
    """``min``, ``max``, ``equals``, ``maxGap``, ``noWorseThan``; empty where a rule has none."""

    @property
    def measure(self) -> tuple[str, ...]:
        """What is measured: bounds of different measures say nothing of each other."""
        return self.on, *(str(self.rule.get(key, "")) for key in ("metric", "query", "column"))

    @property
    def name(self) -> str:
        """What people call the rule."""
        return str(self.rule.get("name") or self.rule.get("metric") or "query")


class Weakness(NamedTuple):
    """One way in which a bound is weaker than another."""

    kind: str
    before: str
    after: str


def bounds_of(threshold: Mapping[str, Any]) -> Iterator[Bound]:
    """Yield every bound of a threshold, as ``rules_of`` gives it."""
    for rule in threshold["rules"]:
        kinds = [kind for kind in ("min", "max", "equals", "maxGap", "noWorseThan") if kind in rule]
        yield from (Bound(str(threshold["on"]), rule, kind) for kind in kinds or [""])


def weaknesses(old: Bound, new: Bound, uses: frozenset[str]) -> list[Weakness] | None:
    """Return in which ways a bound is weaker than an old one of the same measure; None where the two cannot be compared.

    No way at all means that whatever passes the new bound passes the old one.
    """
    if old.measure != new.measure:
        return None
    way = _value(old, new)
    if way is None:
        return None
    found = [*way, *_slices(old, new), *_quantile(old, new)]
    found += _ranked("severity", old, new, ("warn", "block"), "block")
    if old.on == "live":
        found += _longer("window", old, new, _WINDOW)
    if old.on in ("live", "drift"):
        found += _longer("for", old, new, 0)
    return [*found, *_samples(old, new, uses)]


def shown(bound: Bound) -> str:
    """Return a bound as people read it: ``min 0.88``, ``max 200ms``, ``champion, at most 1% worse``."""
    rule = bound.rule
    if bound.kind == "noWorseThan":
        slack = _slack(rule)
        return f"champion, at most {slack} worse" if slack != "0" else "no worse than the champion"
    if not bound.kind:
        return "no bound"
    name = "gap" if bound.kind == "maxGap" else bound.kind
    return f"{name} {_number(bound)}"


def span(seconds: Any) -> str:
    """Return a number of seconds as a duration: ``30m``, ``1h30m``, ``200ms``."""
    left, parts = int(Decimal(str(seconds)) * 1000), []
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def decimal(value: Any) -> Decimal | None:
    """Return a value as an exact number; None for a word or a truth value."""
    if isinstance(value, bool):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _value(old: Bound, new: Bound) -> list[Weakness] | None:
    """Compare what two bounds ask for; None where one does not bear on the other."""
    mine, other = old.rule.get(old.kind), new.rule.get(new.kind)
    if old.kind == "noWorseThan" and new.kind == "noWorseThan":
        return _champion(old, new)
    if old.kind == new.kind == "equals":
        return [] if _same(mine, other) else [Weakness("value", shown(old), shown(new))]
    if old.kind not in ("min", "max", "maxGap") or new.kind not in (old.kind, "equals") or (old.kind == "maxGap") != (new.kind == "maxGap"):
        return None
    asked, found = decimal(mine), decimal(other)
    if asked is None or found is None:
        return None
    weaker = found < asked if old.kind == "min" else found > asked
    return [Weakness("value", shown(old), shown(new))] if weaker else []


def _champion(old: Bound, new: Bound) -> list[Weakness]:
    mine, other = old.rule.get("better"), new.rule.get("better")
    if mine and other and mine != other:
        return [Weakness("direction", f"{mine} is better", f"{other} is better")]
    before, after = _slack(old.rule), _slack(new.rule)
    if after in ("0", before):
        return []
    same_terms = before == "0" or before.endswith("%") == after.endswith("%")
    tighter = same_terms and Decimal(after.rstrip("%")) <= Decimal(before.rstrip("%"))
    return [] if tighter else [Weakness("tolerance", before, after)]


def _slack(rule: Rule) -> str:
    """Return by how much the champion may be better: a number, or a percentage."""
    share = decimal(rule.get("toleranceShare", 0)) or Decimal(0)
    if share:
        return f"{_plain(share * 100)}%"
    return _plain(decimal(rule.get("tolerance", 0)) or Decimal(0))


def _slices(old: Bound, new: Bound) -> Iterator[Weakness]:
    """What holds for each slice need not hold for all together, and the reverse: an area under a curve is no mean."""
    for key, words in (("forEach", "for each"), ("across", "across")):
        before, after = (f"{words} {bound.rule[key]}" if key in bound.rule else "for all together" for bound in (old, new))
        if before != after:
            yield Weakness("slice", before, after)


def _quantile(old: Bound, new: Bound) -> Iterator[Weakness]:
    before, after = decimal(old.rule.get("quantile", "")), decimal(new.rule.get("quantile", ""))
    if before == after:
        return
    if before is None or after is None or (after > before if old.kind == "min" else after < before) or old.kind not in ("min", "max"):
        yield Weakness("quantile", _percentile(before), _percentile(after))


def _percentile(quantile: Decimal | None) -> str:
    return "none" if quantile is None else f"p{_plain(quantile * 100)}"


def _ranked(key: str, old: Bound, new: Bound, ranks: tuple[str, ...], default: str) -> Iterator[Weakness]:
    before, after = str(old.rule.get(key, default)), str(new.rule.get(key, default))
    if before in ranks and after in ranks and ranks.index(after) < ranks.index(before):
        yield Weakness(key, before, after)


def _longer(key: str, old: Bound, new: Bound, default: int) -> Iterator[Weakness]:
    """A longer window, like a longer wait, lets a short breach pass."""
    before, after = (Decimal(str(bound.rule.get(key, default))) for bound in (old, new))
    if after > before:
        yield Weakness(key, span(before), span(after))


def _samples(old: Bound, new: Bound, uses: frozenset[str]) -> Iterator[Weakness]:
    """A gate on fewer samples says less; an alert that waits for more is silent for longer."""
    before, after = (int(bound.rule.get("minSamples", 0)) for bound in (old, new))
    how = uses or frozenset({GATE} if old.on in ("data", "evaluation") else {ALERT} if old.on == "drift" else {ALERT, GATE})
    if (after < before and GATE in how) or (after > before and ALERT in how):
        yield Weakness("minSamples", str(before or "none"), str(after or "none"))


def _number(bound: Bound) -> str:
    value = bound.rule[bound.kind]
    number = decimal(value)
    if number is None:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return span(number) if bound.rule.get("metric") in _DURATIONS and number >= 0 else _plain(number)


def _same(one: Any, other: Any) -> bool:
    numbers = decimal(one), decimal(other)
    return numbers[0] == numbers[1] if None not in numbers else str(one) == str(other)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
