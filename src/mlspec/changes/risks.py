"""What a reviewer must not miss: loosened gates, wider access, things that go away, versions that are not pinned, policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.changes.edits import Edit
from mlspec.changes.evidence import evidence_of
from mlspec.changes.gates import Loosening, loosenings
from mlspec.changes.guards import lapses, may_weaken
from mlspec.changes.objects import Key, ObjectChange, Objects, item_of
from mlspec.changes.sentences import short
from mlspec.changes.side import Project
from mlspec.changes.waiver import concerns, loss_of, shortfall, waivers_of
from mlspec.location import Path, format_path
from mlspec.plan.plan import Plan
from mlspec.rollout import STEPPED

GATE, ACCESS, REMOVAL, PIN, POLICY, SECRET, DATA = "gate", "access", "removal", "pin", "policy", "secret", "data"
KINDS = {
    GATE: "a gate is looser",
    ACCESS: "access is wider",
    REMOVAL: "goes away",
    PIN: "is not pinned",
    POLICY: "policy",
    SECRET: "a secret is named anew",
    DATA: "people's data",
}
"""Kinds of risks and their names, the gravest first."""


class Risk(NamedTuple):
    """One thing that a reviewer must decide on."""

    kind: str
    environments: tuple[str, ...]
    """Empty for the project as a whole."""
    text: str
    note: str = ""
    """What else is known of it: whether a waiver allows it."""


def risks_of(before: Project, after: Project, edits: Iterable[Edit] = (), environments: tuple[str, ...] = ()) -> list[Risk]:
    """Return the risks of a change, what is true of several environments once, the gravest kind first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, old in before.plans.items():
        new = after.plans.get(name)
        if environments and name not in environments:
            continue
        if new is None:
            found.setdefault((REMOVAL, f"environment {name} (namespace {old.namespace}, {_count(old)})"), [])
            continue
        bad = [(GATE, text) for text, is_bad in evidence_of(before, after, name) if is_bad]
        for pair in dict.fromkeys([*_loosened(before, after, name), *bad, *_between(old, new), *_early(before, after, name)]):
            found.setdefault(pair, []).append(name)
    for name, new in after.plans.items():
        if name not in before.plans and (not environments or name in environments):
            for pair in dict.fromkeys(_anew(new)):
                found.setdefault(pair, []).append(name)
    found |= {pair: [] for pair in _whole(before, after, edits)}
    made = [Risk(kind, tuple(names), text, *note) for (kind, text, *note), names in found.items()]
    return sorted(made, key=lambda risk: list(KINDS).index(risk.kind))


def _loosened(before: Project, after: Project, environment: str) -> Iterator[tuple[str, str, str]]:
    """Yield what guards less than it did, each with the waiver that allows it or the word that none does."""
    old, new = before.plans[environment], after.plans[environment]
    gates = before.gates(environment)
    losses = [loss_of(one, gates) for one in (*loosenings(gates, after.gates(environment)), *lapses(old, new))]
    waivers, earlier = waivers_of(new), waivers_of(old)
    for loss in losses:
        one = loss.loosening
        if one.field and one.path[0] == "governance":
            continue  # that is told of the project as a whole
        covers = (waiver for waiver in waivers if concerns(waiver, loss) and not shortfall(waiver, loss, losses, earlier))
        waiver = next(covers, None)
        note = f"waived until {waiver.until} ({waiver.ticket or 'no ticket'})" if waiver else "no waiver covers it"
        yield (*(_lapsed(one) if one.field else (GATE, one.text)), note)


def _early(before: Project, after: Project, environment: str) -> Iterator[tuple[str, str]]:
    """Yield the versions that come together with the environment that they should have been seen to run in before."""
    old, new = before.plans[environment], after.plans[environment]
    earlier = new.environments[environment]["after"]
    if earlier not in before.plans or earlier not in after.plans:
        return
    for model, entry in new.tree["models"].items():
        here = [plan.tree["models"].get(model, {}).get("version") for plan in (old, new)]
        there = [side.plans[earlier].tree["models"].get(model, {}).get("version") for side in (before, after)]
        if None not in here and here[0] != here[1] and here[1] == there[1] and there[0] != there[1]:
            yield POLICY, f"{model} {entry['version']} comes together with the environment before it, not after it has run there"


def network_risks(changes: Iterable[ObjectChange], before: Objects, after: Objects) -> list[tuple[Key, str]]:
    """Return where network policies let more in or out than they did, told from the objects alone."""
    found: list[tuple[Key, str]] = []
    for change in changes:
        if change.key.kind != "NetworkPolicy":
            continue
        old, new = (dict(side.get(change.key) or {}).get("spec") or {} for side in (before, after))
        if change.sign == "-":
            if _stays(change.key, before, after):
                found.append((change.key, "the network policy goes away: anybody may call"))
            continue
        for way in ("ingress", "egress"):
            theirs = [entry for entry in new.get(way) or () if entry not in (old.get(way) or ())]
            peers = [peer for entry in old.get(way) or () for peer in entry.get("from") or entry.get("to") or ()]
            fresh = [peer for entry in theirs for peer in entry.get("from") or entry.get("to") or () if peer not in peers]
            if change.sign == "~" and fresh:
                found.append((change.key, f"{way} is opened to {', '.join(short(peer) for peer in fresh[:5])}"))
            elif change.sign == "~" and any(not (entry.get("from") or entry.get("to")) for entry in theirs):
                found.append((change.key, f"{way} is opened to everybody"))
    return found


def _stays(key: Key, before: Objects, after: Objects) -> bool:
    """Tell whether something that a policy belonged to is still there."""
    name = item_of(before[key])
    return any(other.environment == key.environment and item_of(thing) == name for other, thing in after.items())


def _count(plan: Plan) -> str:
    number = len(plan.tree["serving"])
    return f"{number} endpoint{'' if number == 1 else 's'}"


def _between(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    for section in ("serving", "pipelines"):
        for name in old.tree[section]:
            if name not in new.tree[section]:
                yield REMOVAL, f"{'endpoint' if section == 'serving' else 'pipeline'} {name}"
    for name in old.tree["monitoring"]:
        if name not in new.tree["monitoring"] and name in new.tree["serving"]:
            yield GATE, f"nothing watches endpoint {name} any more"
    for name, endpoint in new.tree["serving"].items():
        yield from _access(name, old.tree["serving"].get(name), endpoint)
    yield from _forgotten(old, new)
    yield from _pins(old, new)
    yield from _policy(old, new)
    known = set(secrets_in(old.tree))
    yield from ((SECRET, f"{secret} (in {place})") for secret, place in secrets_in(new.tree).items() if secret not in known)
    for name, dataset in new.tree["datasets"].items():
        columns = (old.tree["datasets"].get(name) or {}).get("schema") or {}
        for column, facts in (dataset.get("schema") or {}).items():
            for flag in ("pii", "protected"):
                if (columns.get(column) or {}).get(flag) and not facts.get(flag):
                    yield DATA, f"column {column} of {name} is no longer said to be {flag}"


def _forgotten(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    """Yield endpoints of which no lock says any more what serves, so that a rollout ends with its new version everywhere."""
    for name, endpoint in new.tree["serving"].items():
        if name in new.live or endpoint["rollout"]["strategy"] not in STEPPED:
            continue
        serves = old.live.get(name, {}).get("version")
        version = (new.tree["models"].get(endpoint.get("model")) or {}).get("version")
        if serves is not None and version is not None and str(version) != serves:
            yield GATE, f"no lock says any more that {name} serves {serves}, so {version} takes its place at once and no gate is asked"


def _anew(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the risks of an environment that is added."""
    for name, endpoint in plan.tree["serving"].items():
        yield from _access(name, None, endpoint)
    yield from ((SECRET, f"{secret} (in {place})") for secret, place in secrets_in(plan.tree).items())


def _access(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    before = old or {}
    callers = [caller for caller in (new.get("access") or {}).get("from", ()) if caller not in (before.get("access") or {}).get("from", ())]
    if callers:
        yield ACCESS, f"namespace{'s' if len(callers) > 1 else ''} {', '.join(callers)} may call {name}"
    exposed, was = new.get("expose"), before.get("expose")
    if exposed and not was:
        yield ACCESS, f"{name} is reached from outside the cluster, at {exposed['host']}{exposed['path']}" + _plain(exposed)
    elif exposed and was:
        if exposed["host"] != was["host"]:
            yield ACCESS, f"{name} is reached at {exposed['host']} instead of {was['host']}"
        if exposed["path"] != was["path"] and was["path"].startswith(exposed["path"]):
            yield ACCESS, f"{name} answers below {exposed['path']} instead of {was['path']}"
        if was["tls"] and not exposed["tls"]:
            yield ACCESS, f"{name} is reached without TLS"
    logging, logged = new.get("logging"), before.get("logging")
    if logging and (not logged or logging["sink"] != logged["sink"] or logging["mode"] != logged["mode"]):
        yield (
            DATA,
            f"{logging['mode']} of {name} {'are' if logging['mode'] != 'all' else 'that is asked and answered are'} logged to "
            + str(logging["sink"]),
        )


def _plain(exposed: Mapping[str, Any]) -> str:
    return "" if exposed["tls"] else ", without TLS"


def _lapsed(one: Loosening) -> tuple[str, str]:
    """Return what guards less than it did, in words: a gate, or a policy."""
    section, name, *rest = (*map(str, one.path), "")
    turn = f"{one.before} → {one.after}"
    if section == "environments" and "after" in rest:
        return POLICY, f"no longer promoted after {one.before}" + (f", but after {one.after}" if one.after != "removed" else "")
    if section == "environments":
        return POLICY, f"approvals {turn}"
    if one.kind == "patch":
        return GATE, f"a patch of {short(one.after.rpartition(' ')[0])}, which gates and guards are made of; what it does is not judged"
    if (section, name) == ("platform", "ci"):
        return GATE, "no CI system asks the gates of rollouts or counts approvals any more"
    if (section, name) == ("platform", "gitops"):
        return POLICY, f"changes in git are applied by themselves from now on (sync: {turn})"
    said = {
        "strategy": f"new versions of {name} get all traffic at once ({turn})",
        "pause": f"new versions of {name} are watched for less, {turn} a step",
        "steps": f"new versions of {name} get more traffic sooner, steps {turn}",
        "guard": f"{one.threshold} {one.after}",
    }
    return GATE, said.get(one.kind, f"{one.threshold}: {turn}")


def _get(entry: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = entry
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _pins(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    for name, dataset in new.tree["datasets"].items():
        was = old.tree["datasets"].get(name)
        if was is not None and "version" in was and "version" not in dataset:
            yield PIN, f"dataset {name} has no version any more"
    images = dict(_images(old.tree, ()))
    for path, image in _images(new.tree, ()):
        if "@" not in image and images.get(path, "@") != image:
            yield PIN, f"image {image} of {format_path(path)} has a tag and no digest"
    for name, model in new.tree["models"].items():
        was = old.tree["models"].get(name)
        if was is not None and was["version"] == model["version"] and was.get("uri") != model.get("uri"):
            yield PIN, f"model {name} {model['version']} is read from another place under the same version"


def _images(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "image" and isinstance(item, str):
                yield (*path, key), item
            else:
                yield from _images(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _images(item, (*path, at))


def _policy(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    was, is_ = old.environments[old.environment], new.environments[new.environment]
    for key in ("cluster", "namespace"):
        if was[key] != is_[key]:
            yield POLICY, f"moves from {key} {was[key]} to {is_[key]}; what runs there is deleted"
    one, other = (str(plan.tree["platform"]["gitops"]["word"]) for plan in (old, new))
    if one != other:
        yield POLICY, f"deployed by {other} instead of {one}"
    for patch in new.tree.get("patches") or ():
        if patch not in (old.tree.get("patches") or ()) and patch["target"].get("environment", new.environment) == new.environment:
            yield POLICY, f"a patch of {short(patch['target'])} ({short(patch['reason'])})"
    for patch in old.tree.get("patches") or ():
        here = patch["target"].get("environment", old.environment) == old.environment
        if here and patch not in (new.tree.get("patches") or ()) and may_weaken(patch):
            yield POLICY, f"a patch of {short(patch['target'])} is not made any more ({short(patch['reason'])})"
    place = ("platform", "repository")
    repositories = [_get(plan.tree, place) for plan in (old, new)]
    if repositories[0] and repositories[0] != repositories[1]:
        yield POLICY, f"deployed from {short(repositories[1])} instead of {short(repositories[0])}"


def _whole(before: Project, after: Project, edits: Iterable[Edit]) -> Iterator[tuple[str, str]]:
    """Yield the risks of the project as a whole."""
    old, new = before.tree, after.tree
    if "requires" in old and "requires" not in new:
        yield PIN, f"any version of mlspec may compile (requires {short(old['requires'])} removed)"
    if old.get("owner", {}).get("team") != new.get("owner", {}).get("team"):
        yield POLICY, f"owner {short(old.get('owner', {}).get('team', 'none'))} → {short(new.get('owner', {}).get('team', 'none'))}"
    one, other = old.get("governance") or {}, new.get("governance") or {}
    levels = ("minimal", "limited", "high")
    if one.get("risk") in levels and (other.get("risk") not in levels or levels.index(other["risk"]) < levels.index(one["risk"])):
        yield POLICY, f"governance.risk {one['risk']} → {other.get('risk', 'none')}"
    for reviewer in one.get("reviewers") or ():
        if reviewer not in (other.get("reviewers") or ()):
            yield POLICY, f"{reviewer} no longer reviews"
    known = {_waived(waiver): waiver for waiver in one.get("waivers") or ()}
    for waiver in other.get("waivers") or ():
        was = known.get(_waived(waiver))
        what = f"{_waived(waiver)} until {waiver['until']}, by {short(waiver['owner'])}: {short(waiver['reason'])}"
        if was is None:
            yield POLICY, f"a waiver of {what}"
        elif str(waiver["until"]) > str(was["until"]):
            yield POLICY, f"a waiver is extended: {what}"
    if old.get("templates") != new.get("templates") and "templates" in new:
        yield POLICY, f"templates of the project's own in {short(new['templates'])} replace built-in ones"
    changed = {name for name in {*before.templates, *after.templates} if before.templates.get(name) != after.templates.get(name)}
    for name in sorted(changed):
        yield POLICY, f"the template {name} {'differs' if name in after.templates else 'is removed'}"
    for file in sorted({edit.file for edit in edits} - {before.spec, after.spec}):
        yield POLICY, f"the base file {file} differs; other projects may share it"


def _waived(waiver: Mapping[str, Any]) -> str:
    parts = [waiver.get("threshold") or waiver.get("field") or waiver.get("code"), waiver.get("rule"), waiver.get("slice")]
    return " ".join(str(part) for part in parts if part) + (f" to {waiver['to']}" if "to" in waiver else "")


def secrets_in(value: Any, path: Path = ()) -> dict[str, str]:
    """Return the secrets that a plan names, each with the first place."""
    found: dict[str, str] = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = (*path, key)
            if here == ("platform", "secrets"):
                continue  # the way they come, not one of them
            if key == "secret" and isinstance(item, str):
                found.setdefault(item, format_path(here))
            elif key == "secrets" and isinstance(item, Mapping) and all(isinstance(name, str) for name in item.values()):
                for variable, name in item.items():
                    found.setdefault(name, format_path((*here, variable)))
            else:
                found = {**secrets_in(item, here), **found}
    elif isinstance(value, list):
        for at, item in enumerate(value):
            found = {**secrets_in(item, (*path, at)), **found}
    return found


__all__ = ["KINDS", "Risk", "network_risks", "risks_of", "secrets_in"]
