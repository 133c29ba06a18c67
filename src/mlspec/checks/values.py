"""Values that contradict each other anywhere in a spec: twice in a list, several of one choice, bounds in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.steps import pipelines, searched
from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path, format_path
from mlspec.quantity import is_duration, ratio, seconds

_SECTIONS = ("objectives", "platform", "datasets", "features", "models", "pipelines", "thresholds", "serving", "monitoring", "governance")
_REPEATABLE = frozenset({"run", "args", "transform", "shape", "tolerations", "sequence", "steps", "int", "double", "json"})
"""Lists in which one thing may stand twice: commands, sizes, pairs, a model called once more; a canary has a check of its own."""


def as_number(value: Any) -> Decimal | None:
    """Return a finite number as a decimal; None for everything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def measure(value: Any) -> tuple[str, Decimal] | None:
    """Return what a bound is written as (``number``, ``ratio`` or ``duration``) and its size: itself, of one, in seconds."""
    number = as_number(value)
    if number is not None:
        return "number", number
    if not isinstance(value, str):
        return None
    if is_duration(value):
        return "duration", seconds(value)
    try:
        return ("ratio", ratio(value)) if value.endswith("%") else None
    except ArithmeticError:
        return None


@code("MLS-E220", "listed-twice")
def listed_twice(subject: Subject) -> Iterator[Found]:
    """A list must not hold one thing twice.

    The second entry changes nothing, so one of the two was meant to be something else. Commands and arguments are exempt.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn, access: {from: [crm, billing, crm]}}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn, access: {from: [crm, billing]}}}
    """
    for section in _SECTIONS:
        for path, items in _lists(subject.tree.get(section), (section,)):
            yield from _repeated(items, path)


def _lists(value: Any, path: Path) -> Iterator[tuple[Path, list[Any]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict) or (isinstance(item, list) and key not in _REPEATABLE):
                yield from _lists(item, (*path, key))
    elif isinstance(value, list):
        if len(value) > 1:
            yield path, value
        for at, item in enumerate(value):
            if isinstance(item, dict):
                yield from _lists(item, (*path, at))


def _repeated(items: list[Any], path: Path) -> Iterator[Found]:
    first: dict[Any, int] = {}
    for at, item in enumerate(items):
        key = _key(item)
        if key not in first:
            first[key] = at
            continue
        shown = f"`{item}`" if not isinstance(item, dict | list) else "the same entry"
        related = (((*path, first[key]), "here first"),)
        yield Found((*path, at), f"`{format_path(path)}` holds {shown} twice", "remove one of the two", label="here again", related=related)


def _key(item: Any) -> Any:
    """Return something hashable that is equal for equal items; 1, true and "1" differ."""
    if isinstance(item, dict):
        return frozenset((key, _key(value)) for key, value in item.items())
    if isinstance(item, list):
        return tuple(map(_key, item))
    return ("number", Decimal(item)) if as_number(item) is not None else (type(item), str(item))


def _choices(subject: Subject) -> Iterator[tuple[Path, Any, tuple[str, ...]]]:
    """Yield the maps that must have exactly one of some keys."""
    versions = ("sha256", "dvc", "lakefs", "delta", "iceberg", "snapshot", "git")
    for name, dataset in subject.datasets.items():
        if "version" in dataset:
            yield ("datasets", name, "version"), dataset["version"], versions
    for name, pipeline, steps in pipelines(subject.pipelines):
        for at, trigger in enumerate(pipeline.get("on") or ()):
            yield ("pipelines", name, "on", at), trigger, ("dataset", "breach", "pipeline")
        for step, written in steps.items():
            for parameter, search in searched(written).items():
                place = ("pipelines", name, "steps", step, "tune", "search", parameter)
                yield place, search, ("int", "double", "categorical")
    for name, threshold in subject.thresholds.items():
        for at, rule in enumerate(threshold["rules"]):
            yield ("thresholds", name, "rules", at), rule, ("metric", "query")
    for at, waiver in enumerate((subject.tree.get("governance") or {}).get("waivers") or ()):
        yield ("governance", "waivers", at), waiver, ("code", "threshold", "field")


@code("MLS-E221", "exactly-one-of")
def exactly_one_of(subject: Subject) -> Iterator[Found]:
    """Where the language gives a choice of keys, exactly one of them must be written.

    So it is with the pin of a dataset, the event of a trigger, the range of a searched parameter, metric and query of a rule,
    code, threshold and field of a waiver.

    Bad::

        datasets: {events: {uri: s3://d/events, version: {delta: 4, snapshot: monday}}}

    Good::

        datasets: {events: {uri: s3://d/events, version: {delta: 4}}}
    """
    for path, value, keys in _choices(subject):
        written = [key for key in value if key in keys]
        listed = ", ".join(keys)
        if not written:
            yield Found(path, f"`{format_path(path)}` has none of {listed}", f"write one of {listed}", label="nothing is chosen here")
        elif len(written) > 1:
            said = f"`{format_path(path)}` has both `{written[0]}` and `{written[1]}`, expected one of {listed}"
            related = (((*path, written[0]), "the other"),)
            yield Found(
                (*path, written[1]), said, f"keep `{written[0]}` or `{written[1]}`", on="key", label="one too many", related=related
            )


def _ranges(subject: Subject) -> Iterator[tuple[Path, Any, Path, Any, bool]]:
    """Yield the lower and upper end of every range, and whether they may be equal."""
    for name, dataset in subject.datasets.items():
        for column, written in (dataset.get("schema") or {}).items():
            if "min" in written and "max" in written:
                place = ("datasets", name, "schema", column)
                yield (*place, "min"), written["min"], (*place, "max"), written["max"], True
    for name, threshold in subject.thresholds.items():
        for at, rule in enumerate(threshold["rules"]):
            if "min" in rule and "max" in rule:
                rule_place = ("thresholds", name, "rules", at)
                yield (*rule_place, "min"), rule["min"], (*rule_place, "max"), rule["max"], True
    for name, _, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            for parameter, search in searched(written).items():
                for form in ("int", "double"):
                    if form in search:
                        here: Path = ("pipelines", name, "steps", step, "tune", "search", parameter, form)
                        yield (*here, 0), search[form][0], (*here, 1), search[form][1], False


@code("MLS-E222", "range-reversed")
def range_reversed(subject: Subject) -> Iterator[Found]:
    """The lower end of a range must not lie above its upper end.

    A searched range must also be wider than one value.

    Bad::

        datasets:
          people: {uri: s3://d/people, version: {delta: 1}, schema: {age: {type: integer, min: 120, max: 18}}}

    Good::

        datasets:
          people: {uri: s3://d/people, version: {delta: 1}, schema: {age: {type: integer, min: 18, max: 120}}}
    """
    for low_path, low, high_path, high, equal in _ranges(subject):
        a, b = measure(low), measure(high)
        if a is None or b is None or (a[0] == "duration") != (b[0] == "duration"):
            continue
        if a[1] > b[1]:
            said = f"`{format_path(high_path)}` is {high}, below {low}, the lower end of the range"
            yield Found(high_path, said, "exchange the two", label=f"below {low}", related=((low_path, f"the lower end, {low}"),))
        elif a[1] == b[1] and not equal:
            said = f"`{format_path(high_path)}` is {high}, as is the lower end; there is nothing to search"
            yield Found(
                high_path, said, "widen the range, or make it a parameter", label="no range", related=((low_path, "the lower end"),)
            )


def _talkative(subject: Subject) -> Iterator[tuple[Path, Any, tuple[str, ...]]]:
    """Yield the maps that say nothing unless they have at least one of some keys."""
    for name, dataset in subject.datasets.items():
        if "refresh" in dataset:
            yield ("datasets", name, "refresh"), dataset["refresh"], ("schedule", "maxAge")
    for name, model in subject.models.items():
        if "signature" in model:
            yield ("models", name, "signature"), model["signature"], ("inputs", "outputs")
        if "card" in model:
            yield ("models", name, "card"), model["card"], ("intendedUse", "outOfScope", "limitations", "ethics", "references")
    for name, monitor in subject.monitoring.items():
        yield ("monitoring", name), monitor, ("slo", "alerts", "drift", "outliers", "bias", "dashboard")
        if "slo" in monitor:
            yield ("monitoring", name, "slo"), monitor["slo"], ("availability", "latency")
        if "notify" in monitor:
            yield ("monitoring", name, "notify"), monitor["notify"], ("slack", "email", "webhook")


@code("MLS-E223", "nothing-said")
def nothing_said(subject: Subject) -> Iterator[Found]:
    """A map that only holds optional fields must have at least one of those that mean something.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {window: 30d}}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {availability: 99.9%, window: 30d}}}
    """
    for path, value, keys in _talkative(subject):
        if not any(key in value for key in keys):
            listed = ", ".join(keys)
            yield Found(
                path,
                f"`{format_path(path)}` has none of {listed}, so it says nothing",
                f"add one of {listed}, or remove it",
                on="key",
                label="nothing in it",
            )


CHECKS = (listed_twice, exactly_one_of, range_reversed, nothing_said)
