"""The texts of a dashboard: what an endpoint is for, whose it is, what runs, which gates hold it, which data is behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.plan.versions import Version, versions_by_label
from mlspec.targets.prometheus.panels import markdown, table


def about(plan: Plan, endpoint: str) -> str:
    """Return what the project is for, who answers for it, and what was promised."""
    node, owner = plan.node, plan.node.owner
    told = [owner[key] for key in ("email", "slack", "oncall") if owner[key] is not None]
    parts = [
        f"**{markdown(endpoint)}** of {markdown(plan.project)}, in {markdown(plan.environment)} (namespace {markdown(plan.namespace)})"
    ]
    if node.description:
        parts.append(markdown(node.description))
    parts.append(f"**Owner:** {markdown(plan.team)}" + (f" ({', '.join(map(markdown, told))})" if told else ""))
    if node.objectives:
        rows = [[_spell(goal[key]) for key in ("kpi", "target", "baseline", "by")] for goal in node.objectives]
        parts.append(table(("Objective", "Target", "Before", "By"), rows))
    parts.append(f"Compiled from {markdown(plan.spec_file)}. Green passes, red lies beyond a bound of that file.")
    return "\n\n".join(parts)


def versions(plan: Plan, endpoint: str) -> str:
    """Return what answers requests: models, versions, roles and shares."""
    node, entry = plan.node, plan.node.serving[endpoint]
    if entry.model is None:
        return "A graph of other endpoints; each has its own versions, and its own dashboard where it asks for one."
    rows = [
        [label, one.version, one.model.framework, one.runtime, _share(one, entry)]
        for label, one in versions_by_label(plan, endpoint).items()
    ]
    made = table(("Version", "Of the model", "Framework", "Server", "Traffic"), rows)
    card = node.models[entry.model].card
    titles = {"intendedUse": "Intended use", "outOfScope": "Out of scope", "limitations": "Limitations", "ethics": "Ethics"}
    said = [f"**{title}:** {markdown(card[key])}" for key, title in titles.items() if card and card[key] is not None]
    return "\n\n".join([made, *said])


def _share(version: Version, entry: Node) -> str:
    return f"copies of {entry.shadow.percent} %" if version.role == "shadow" else f"{version.weight} %"


def gates(plan: Plan, endpoint: str) -> str:
    """Return the rules that hold the endpoint, its model and its data, and where each is enforced."""
    node = plan.node
    rows = [
        [name, bound_of(rule), rule.severity or "block", threshold.mode or "enforce", ", ".join(places)]
        for name, threshold in sorted(node.thresholds.items())
        if (places := enforced_at(node, name, endpoint))
        for rule in threshold.rules
    ]
    return table(("Threshold", "Rule", "Severity", "Mode", "Enforced at"), rows) if rows else "No threshold names this endpoint."


def bound_of(rule: Node) -> str:
    """Return a rule in words."""
    parts = [str(rule.name or rule.metric or rule.query)]
    if rule.quantile is not None:
        parts.append(f"quantile {_spell(rule.quantile)}")
    if rule.column is not None:
        parts.append(f"of {rule.column}")
    signs = {"min": "at least", "max": "at most", "equals": "is", "maxGap": "differs by at most", "across": "across", "forEach": "for each"}
    parts += [f"{word} {_spell(rule[key])}" for key, word in signs.items() if rule[key] is not None]
    if rule.noWorseThan is not None:
        parts.append(
            f"no worse than the {rule.noWorseThan}" + (f", give or take {_spell(rule.tolerance)}" if rule.tolerance is not None else "")
        )
    if rule.window is not None:
        parts.append(f"over {rule.window}")
    if rule["for"] is not None:
        parts.append(f"for {rule['for']}")
    if rule.minSamples is not None:
        parts.append(f"with {rule.minSamples} samples or more")
    return " ".join(parts)


def enforced_at(node: Node, name: str, endpoint: str) -> list[str]:
    """Return the places that enforce a threshold for an endpoint: its alerts, its rollout, the pipelines behind its models."""
    made: list[str] = []
    if name in (node.monitoring[endpoint].alerts or ()):
        made.append("alerts")
    rollout = node.serving[endpoint].rollout
    if rollout and rollout.gate == name:
        made.append("rollout")
    for pipeline in _trainers(node, endpoint):
        steps = node.pipelines[pipeline].steps
        made += [f"{pipeline}, step {step}" for step in steps if name in (steps[step].check, steps[step].gate)]
    if made and any(trigger.breach == name for _, pipeline in node.pipelines.items() for trigger in pipeline.on or ()):
        made.append("a breach starts a pipeline")
    return made


def data(plan: Plan, endpoint: str) -> str:
    """Return the datasets behind the endpoint: where they lie, what pins them, how fresh they must be."""
    node = plan.node
    rows = []
    for name in _datasets(node, endpoint):
        entry = node.datasets[name]
        age = entry.refresh.maxAge if entry.refresh else None
        rows.append([name, entry.uri, plan.pins.get(f"datasets/{name}", "not pinned"), _spell(age) or "not said"])
    return table(("Dataset", "Where", "Version", "At most so old"), rows) if rows else "No dataset of the project is named by its models."


def _models(node: Node, endpoint: str) -> list[str]:
    entry = node.serving[endpoint]
    found = [entry.model, *(entry.split or ()), entry.shadow.model if entry.shadow else None]
    return [name for name in dict.fromkeys(found) if name is not None]


def _trainers(node: Node, endpoint: str) -> list[str]:
    found = [node.models[name].trainedBy for name in _models(node, endpoint)]
    return [name for name in dict.fromkeys(found) if name is not None and name in node.pipelines]


def _datasets(node: Node, endpoint: str) -> list[str]:
    drift = node.monitoring[endpoint].drift
    found: list[Any] = [drift.against] if drift else []
    for name in _models(node, endpoint):
        model = node.models[name]
        found += model.evaluatedOn or []
        found += [node.features[feature]["from"] for feature in model.features or []]
    for pipeline in _trainers(node, endpoint):
        steps = node.pipelines[pipeline].steps
        for step in (steps[name] for name in steps):
            found.append(step.data)
            found += (
                [source.removeprefix("datasets.") for _, source in step.inputs.items() if source.startswith("datasets.")]
                if step.inputs
                else []
            )
    return [name for name in dict.fromkeys(found) if name is not None and name in node.datasets]


def _spell(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else str(value)
