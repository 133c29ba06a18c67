"""A change of a plan in sentences of its domain; a field in its own words where no better ones are known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.changes.bounds import bounds_of, shown
from mlspec.changes.evidence import evidence_of
from mlspec.changes.gates import Gates, Loosening, loosenings
from mlspec.changes.side import Project
from mlspec.changes.values import ABSENT, Change, compare
from mlspec.location import format_path
from mlspec.plan.plan import Plan

LOOSER, TIGHTER = "LOOSER", "tighter"
_DIGEST, _SHOWN = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32,128}(?![0-9a-zA-Z])"), 12
_LONGEST = 160
"""Characters of one value."""
_ITEMS = {
    "serving": "endpoint",
    "models": "model",
    "pipelines": "pipeline",
    "datasets": "dataset",
    "features": "features",
    "thresholds": "gate",
    "monitoring": "monitoring of",
}


class Sentence(NamedTuple):
    """One sentence, and the environments that it is true of."""

    environments: tuple[str, ...]
    """Empty for the project as a whole."""
    text: str


def sentences_of(before: Project, after: Project, environments: tuple[str, ...] = ()) -> list[Sentence]:
    """Return what differs between two sides of a project, one sentence a fact; what is true of several environments is said once."""
    said: dict[str, list[str]] = {}
    here = [name for name in {**before.plans, **after.plans} if not environments or name in environments]
    for name in here:
        old, new = before.plans.get(name), after.plans.get(name)
        if old is None or new is None:
            there = new or old
            assert there is not None
            verb = "added" if old is None else "REMOVED"
            said.setdefault(f"environment {verb}, namespace {there.namespace}", []).append(name)
            continue
        known = (text for text, bad in evidence_of(before, after, name) if not bad)
        for text in (*_of_environment(old, new, before.gates(name), after.gates(name)), *known):
            if name not in said.setdefault(text, []):
                said[text].append(name)
    made = [Sentence(tuple(names), text) for text, names in said.items()]
    return sorted(made, key=lambda sentence: _rank(sentence.text))


def short(value: Any) -> str:
    """Return a value on one line, shortened where it is long."""
    if value is ABSENT:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = shorten(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def shorten(text: str) -> str:
    """Return a text with the beginnings of the digests in it."""
    return _DIGEST.sub(lambda found: f"{found[0][:_SHOWN]}…", text)


def gate_sentences(before: Gates, after: Gates) -> Iterator[str]:
    """Yield what differs of gates, each with whether it is looser or tighter."""
    looser, tighter = loosenings(before, after), loosenings(after, before)
    yield from (f"{one.text}, {LOOSER}" for one in looser)
    told = {_about(one) for one in looser}
    for one in tighter:
        if _about(one) not in told and one.kind != "threshold":
            yield _turned(one)
    touched = {one.threshold for one in (*looser, *tighter)}
    for name, new in after.thresholds.items():
        if name not in before.thresholds:
            rules = "; ".join(f"{bound.name} {shown(bound)}" for bound in bounds_of(new))
            yield f"gate {name} added: {rules}"
        elif new != before.thresholds[name] and name not in touched:
            yield f"gate {name} is written otherwise, and as strict as it was"


def _about(one: Loosening) -> tuple[str, str, str]:
    return one.threshold, one.rule, one.kind


def _turned(one: Loosening) -> str:
    """Return what the way back would loosen, as what the way there tightens."""
    if one.kind == "reference":
        return f"gate {one.threshold} now {one.before}, {TIGHTER}"
    if one.kind in ("rule", "bound") and one.after == "removed":
        return f"gate {one.threshold}: {one.rule} {one.before} added, {TIGHTER}"
    return f"{one._replace(before=one.after, after=one.before).text}, {TIGHTER}"


def _rank(text: str) -> int:
    words = ("environment ", "gate ")
    if LOOSER in text or "REMOVED" in text:
        return 0
    return next((at + 2 for at, word in enumerate(words) if text.startswith(word)), 1)


def _of_environment(old: Plan, new: Plan, gates: Gates, new_gates: Gates) -> Iterator[str]:
    told: set[tuple[Any, ...]] = set()
    for change in compare(dict(old.tree), dict(new.tree)):
        path = change.path
        if path[0] in ("thresholds", "environments", "vars", "patches", "governance"):
            continue
        section = str(path[0])
        if len(path) == 2 and section in _ITEMS and change.sign != "~":
            yield f"{_ITEMS[section]} {path[1]} {'added' if change.sign == '+' else 'REMOVED'}" + _which(path[0], change)
            continue
        group, text = _say(change, old.tree, new.tree)
        if group not in told:
            told.add(group)
            if text:
                yield text
    yield from _serving_on(old, new)
    yield from gate_sentences(gates, new_gates)
    for key in ("namespace", "cluster", "approvals", "after"):
        one, other = old.environments[old.environment][key], new.environments[new.environment][key]
        if one != other:
            yield f"{key} {one if one is not None else 'none'} → {other if other is not None else 'none'}"
    for change in compare(old.tree.get("governance") or {}, new.tree.get("governance") or {}):
        yield f"governance.{format_path(change.path)}: {short(change.before)} → {short(change.after)}"
    for change in compare(old.tree.get("patches") or [], new.tree.get("patches") or []):
        yield _patch(change)
    for name in sorted({**old.live, **new.live}):
        was, is_ = old.live.get(name, {}), new.live.get(name, {})
        if was != is_ and name in old.live and name in new.live:
            yield f"lock: {name} serves {live_words(was)} → {live_words(is_)}"


def _serving_on(old: Plan, new: Plan) -> Iterator[str]:
    """Yield what goes on serving beside a version that is new."""
    for name, endpoint in new.tree["serving"].items():
        model, rollout = endpoint.get("model"), endpoint["rollout"]
        serves = new.live.get(name, {}).get("version")
        versions = [plan.tree["models"].get(model, {}).get("version") for plan in (old, new)]
        if None in versions or versions[0] == versions[1] or rollout["strategy"] not in ("canary", "blueGreen"):
            continue
        if name not in old.tree["serving"] or serves == versions[1]:
            continue
        if serves is None:
            yield f"{name}: no lock says what serves, so {versions[1]} takes its place at once, whatever the rollout is"
            continue
        if new.live[name].get("aborted") == versions[1]:
            yield f"{name}: {serves} goes on serving; the rollout of {versions[1]} was aborted, and another version has to follow it"
            continue
        share = f"{rollout['steps'][0]} %" if rollout.get("steps") else "none"
        before = old.live.get(name, {})
        ends = ""
        if "step" in before and before.get("canary", versions[1]) != versions[1]:
            ends = f" the canary {before['canary']}, at step {int(before['step']) + 1}, ends;"
        yield f"{name}: {serves} goes on serving;{ends} {versions[1]} gets {share} of the traffic at first"


def live_words(facts: Mapping[str, str]) -> str:
    """Return what a lock says of an endpoint in an environment, in words."""
    serving = facts.get("version", "nothing")
    if "aborted" in facts:
        return f"{serving}, the rollout of {facts['aborted']} aborted"
    return serving + (f", canary {facts.get('canary', '')} at step {int(facts['step']) + 1}" if "step" in facts else "")


def _patch(change: Change) -> str:
    if change.sign != "~" and len(change.path) == 1:
        entry = change.after if change.sign == "+" else change.before
        verb = "added" if change.sign == "+" else "removed"
        return f"patch of {short(entry.get('target'))} {verb}: {short(entry.get('reason', ''))}"
    return f"patches{format_path(change.path)}: {short(change.before)} → {short(change.after)}"


def _which(section: Any, change: Change) -> str:
    entry = change.after if change.sign == "+" else change.before
    if section == "serving" and isinstance(entry, dict):
        model = entry.get("model", "a graph")
        return f" ({model}, {_range(entry['replicas'])} replicas)"
    if section == "models" and isinstance(entry, dict):
        return f" ({entry.get('framework')} {entry.get('version')})"
    return ""


def _say(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[Any, ...], str]:
    """Return what a change is a part of, and the sentence for all of it."""
    path = change.path
    section, name, field = map(str, (*path, "", "", "")[:3])
    known = _WORDS.get((section, field))
    if known is not None and name in old[section] and name in new[section]:
        size, words = known
        return path[: 2 + size], words(name, old, new, change)
    return path, f"{format_path(path)}: {short(change.before)} → {short(change.after)}"


Words = Callable[[str, Mapping[str, Any], Mapping[str, Any], Change], str]


def _version(name: str, old: Mapping[str, Any], new: Mapping[str, Any], _: Change) -> str:
    was, is_ = old["models"][name]["version"], new["models"][name]["version"]
    serving = [key for key, entry in new["serving"].items() if entry.get("model") == name]
    ways = {new["serving"][key]["rollout"]["strategy"] for key in serving}
    where = f", served by {', '.join(serving)}" if serving and serving != [name] else ""
    how = f" ({'; '.join(_way(new['serving'][key]['rollout']) for key in serving)})" if serving and ways != {"rolling"} else ""
    return f"{name} {was} → {is_}{where}{how}" if was != is_ else ""


def _way(rollout: Mapping[str, Any]) -> str:
    word = str(rollout["strategy"])
    strategy = {"blueGreen": "blue-green", "recreate": "all pods at once"}.get(word, word)
    steps = f" at {', '.join(f'{step} %' for step in rollout['steps'])}" if rollout.get("steps") else ""
    return strategy + steps + (f", pauses {rollout['pause']}" if rollout.get("pause") else "")


def _uri(name: str, old: Mapping[str, Any], new: Mapping[str, Any], change: Change) -> str:
    if old["models"][name]["version"] != new["models"][name]["version"]:
        return ""  # a new version lies elsewhere; that goes without saying
    return f"model {name} is read from {short(change.after)} instead of {short(change.before)}, UNDER THE SAME VERSION"


def _replicas(name: str, old: Mapping[str, Any], new: Mapping[str, Any], _: Change) -> str:
    return f"{name} replicas {_range(old['serving'][name]['replicas'])} → {_range(new['serving'][name]['replicas'])}"


def _range(replicas: Mapping[str, Any]) -> str:
    return f"{replicas['min']}" if replicas["min"] == replicas["max"] else f"{replicas['min']} to {replicas['max']}"


def _resources(name: str, _: Mapping[str, Any], __: Mapping[str, Any], change: Change) -> str:
    field = str(change.path[3]) if len(change.path) > 3 else "resources"
    what = {"cpu": "CPU", "gpu": "GPU"}.get(field, field)
    more = f" {format_path(change.path[4:])}" if len(change.path) > 4 else ""
    return f"{name} {what}{more} {short(change.before)} → {short(change.after)}"


def _rollout(name: str, old: Mapping[str, Any], new: Mapping[str, Any], _: Change) -> str:
    was, is_ = old["serving"][name]["rollout"], new["serving"][name]["rollout"]
    if was["strategy"] != is_["strategy"]:
        return f"{name} rollout {_way(was)} → {_way(is_)}"
    parts = []
    for key, words in (("steps", "steps"), ("pause", "pauses"), ("gate", "gate")):
        if was.get(key) != is_.get(key):
            parts.append(f"{words} {short(was.get(key, ABSENT))} → {short(is_.get(key, ABSENT))}")
    kind = {"canary": "canary", "blueGreen": "blue-green"}.get(is_["strategy"], "rollout")
    return f"{name} {kind} {', '.join(parts)}"


def _access(name: str, old: Mapping[str, Any], new: Mapping[str, Any], _: Change) -> str:
    was, is_ = ((tree["serving"][name].get("access") or {}).get("from", ()) for tree in (old, new))
    parts = [f"{caller} may call it" for caller in is_ if caller not in was]
    parts += [f"{caller} may no longer call it" for caller in was if caller not in is_]
    return f"{name}: {', '.join(parts)}" if parts else ""


def _plainly(words: str) -> Words:
    def say(name: str, _: Mapping[str, Any], __: Mapping[str, Any], change: Change) -> str:
        more = f" {format_path(change.path[3:])}" if len(change.path) > 3 else ""
        return f"{name} {words}{more} {short(change.before)} → {short(change.after)}"

    return say


_WORDS: Mapping[tuple[str, str], tuple[int, Words]] = {
    ("models", "version"): (1, _version),
    ("models", "uri"): (1, _uri),
    ("serving", "replicas"): (1, _replicas),
    ("serving", "resources"): (3, _resources),
    ("serving", "rollout"): (1, _rollout),
    ("serving", "model"): (1, _plainly("serves the model")),
    ("serving", "split"): (9, _plainly("traffic to")),
    ("serving", "shadow"): (9, _plainly("shadow")),
    ("serving", "expose"): (9, _plainly("exposed")),
    ("serving", "access"): (1, _access),
    ("pipelines", "schedule"): (9, _plainly("schedule")),
    ("datasets", "version"): (9, _plainly("data version")),
}
"""By section and field: how many parts of the path below the item make one fact, and its words."""
