"""What an auditor asks, and which mlspec may compile the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mlspec import __version__
from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import CODES, Code, Found, code, nearest
from mlspec.quantity import is_duration, seconds

_BOUND = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*([0-9]{1,6}(?:\.[0-9]{1,6}){0,3})\s*")


@code("MLS-E518", "unacceptable-risk")
def unacceptable_risk(subject: Subject) -> Iterator[Found]:
    """A use whose risk is unacceptable is not deployed.

    The class is that of the EU AI Act: such uses are prohibited, whatever gates they pass.

    Bad::

        governance: {risk: unacceptable}

    Good::

        governance: {risk: high}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if subject.tree.get("governance", {}).get("risk") == "unacceptable":
        yield Found(
            ("governance", "risk"),
            "the risk of this use is unacceptable, so nothing is compiled for it",
            "do not deploy it, or correct the class if it is wrong",
        )


@code("MLS-E519", "unwaivable-code")
def unwaivable_code(subject: Subject, codes: Mapping[str, Code] = CODES) -> Iterator[Found]:
    """A waiver names the code of a warning; errors and security findings cannot be waived.

    Bad::

        governance: {waivers: [{code: MLS-W999, reason: pilot, owner: ml, until: 2027-03-31}]}

    Good::

        governance: {waivers: [{code: MLS-W501, reason: pilot, owner: ml, until: 2027-03-31}]}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for at, waiver in enumerate(subject.tree.get("governance", {}).get("waivers", ())):
        named = waiver.get("code")
        if named is None:
            continue
        entry = codes.get(named) or next((one for one in codes.values() if one.name == named), None)
        path = ("governance", "waivers", at, "code")
        if entry is None:
            near = nearest(named, [*codes, *(one.name for one in codes.values())])
            yield Found(
                path, f"there is no code {named}", f"did you mean {near}?" if near else "name a code as mlspec prints it, such as MLS-W501"
            )
        elif entry.severity == "error":
            yield Found(path, f"{named} is an error and cannot be waived", "repair what it says, or waive the threshold that is meant")


@code("MLS-E523", "idle-waiver-field")
def idle_waiver_field(subject: Subject) -> Iterator[Found]:
    """Every field of a waiver has to say something: `rule` is one of a `threshold`, `slice` one of a `rule`, and a code has no `to`.

    Bad::

        governance: {waivers: [{code: MLS-W501, rule: auc, reason: pilot, owner: ml, until: 2027-03-31}]}

    Good::

        governance: {waivers: [{threshold: release, rule: auc, to: 0.8, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
    """
    for at, waiver in enumerate(subject.tree.get("governance", {}).get("waivers", ())):
        for key, other in (("rule", "threshold"), ("slice", "rule")):
            if key in waiver and other not in waiver:
                said = f"`{key}` is one of a `{other}`, and there is none"
                yield Found(("governance", "waivers", at, key), said, f"add `{other}`", on="key")
        if "to" in waiver and "code" in waiver:
            said = "`to` says how loose a gate may become, and this waiver is for a warning"
            yield Found(("governance", "waivers", at, "to"), said, "remove `to`", on="key")


@code("MLS-W519", "waiver-of-nothing", severity="warning")
def waiver_of_nothing(subject: Subject) -> Iterator[Found]:
    """A waiver names a threshold, a rule of it or a field that there is, or one that is being removed.

    Removing a gate needs a waiver as loosening it does, and such a waiver names what is no longer there; it goes once the removal is
    merged. Everywhere else the name is a slip.

    Bad::

        governance: {waivers: [{threshold: relaese, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}

    Good::

        governance: {waivers: [{threshold: release, reason: pilot, owner: ml, ticket: ML-1, until: 2027-03-31}]}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
    """
    known = subject.tree.get("thresholds") or {}
    for at, waiver in enumerate(subject.tree.get("governance", {}).get("waivers", ())):
        named = waiver.get("threshold")
        if named is not None and named not in known:
            near = nearest(named, known)
            help_ = f"did you mean {near}?" if near else "keep it while the removal of that threshold is reviewed, then remove it"
            yield Found(("governance", "waivers", at, "threshold"), f"there is no threshold {named}", help_)
        elif named is not None and "rule" in waiver and waiver.get("to") != "removed":
            rules = {name: None for rule in known[named]["rules"] for name in _names(rule)}
            if waiver["rule"] not in rules and not any(waiver["rule"].startswith(f"{name} ") for name in rules):
                near = nearest(waiver["rule"], rules)
                help_ = f"did you mean {near}?" if near else f"there are {', '.join(rules)}"
                yield Found(("governance", "waivers", at, "rule"), f"{named} has no rule {waiver['rule']}", help_)
        section = str(waiver.get("field", "governance")).partition(".")[0]
        if section not in _GUARDING:
            near = nearest(section, _GUARDING)
            help_ = f"did you mean {near}?" if near else f"write the path that mlspec prints; it begins with one of {', '.join(_GUARDING)}"
            yield Found(("governance", "waivers", at, "field"), f"nothing in {section} guards", help_)


_GUARDING = ("serving", "monitoring", "datasets", "pipelines", "patches", "environments", "platform", "governance")
"""Sections with fields that guard without a threshold."""


def _names(rule: Mapping[str, object]) -> list[str]:
    return [str(rule[key]) for key in ("name", "metric", "query") if key in rule]


@code("MLS-E520", "malformed-retention")
def malformed_retention(subject: Subject) -> Iterator[Found]:
    """How long records are kept is a duration.

    Bad::

        governance: {retention: seven years}

    Good::

        governance: {retention: 7y}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    retention = subject.tree.get("governance", {}).get("retention")
    if retention is not None and not (is_duration(retention) and seconds(retention) > 0):
        yield Found(("governance", "retention"), f'"{retention}" is not a duration', "write it like 400d or 7y")


def parse_range(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Read a range of versions such as ``>=0.1,<1``. Raises ValueError for what is none."""
    bounds = []
    for part in text.split(","):
        match = _BOUND.fullmatch(part)
        if match is None:
            raise ValueError(part.strip())
        bounds.append((match[1] or "==", _release(match[2])))
    return bounds


def _release(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def allows(text: str, version: str) -> bool:
    """Tell whether a range of versions holds a version; what follows its numbers (``rc1``) does not count."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    here = _release(".".join(match[0].split(".")[:4])) if match else (0, 0, 0, 0)
    tests = {
        ">=": here.__ge__,
        "<=": here.__le__,
        ">": here.__gt__,
        "<": here.__lt__,
        "==": here.__eq__,
        "!=": here.__ne__,
    }
    return all(tests[operator](bound) for operator, bound in parse_range(text))


@code("MLS-E521", "malformed-requires")
def malformed_requires(project: Project) -> Iterator[Found]:
    """`requires` is a range of versions: bounds with >=, >, <=, <, == or !=, separated by commas.

    Bad::

        requires: "^1.0"

    Good::

        requires: ">=0.1,<1"
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if "requires" in project.tree:
        try:
            parse_range(project.tree["requires"])
        except ValueError as error:
            yield Found(("requires",), f'"{error}" is not a bound on versions', "write it like >=0.1,<1")


@code("MLS-E522", "other-version-required")
def other_version_required(project: Project, version: str = __version__) -> Iterator[Found]:
    """A spec is compiled by a version of mlspec that its `requires` allows.

    Otherwise two versions would take turns in rewriting the tree.

    Bad::

        requires: ">=900"

    Good::

        requires: ">=0.1"
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    wanted = project.tree.get("requires")
    try:
        if wanted is not None and not allows(wanted, version):
            yield Found(("requires",), f"this is mlspec {version}, but the spec requires {wanted}", "install a version that it allows")
    except ValueError:
        return


CHECKS = (unacceptable_risk, unwaivable_code, idle_waiver_field, waiver_of_nothing, malformed_retention)
PROJECT_CHECKS = (malformed_requires, other_version_required)
