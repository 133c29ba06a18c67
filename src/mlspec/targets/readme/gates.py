"""Where a gate is enforced, and its bound in words."""

from __future__ import annotations

from decimal import Decimal

from mlspec.plan.node import Node


def _spell(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def bound_of(rule: Node) -> str:
    """Return a rule in words: ``auc ≥ 0.86``, ``recall ≥ 0.7 for each gender``."""
    subject = rule.metric or rule.name or rule.query
    if rule.quantile is not None:
        subject += f" p{_spell(Decimal(rule.quantile) * 100).rstrip('0').rstrip('.')}"
    if rule.column is not None:
        subject += f" of {rule.column}"
    parts = []
    for key, sign in (("min", "≥"), ("max", "≤"), ("equals", "=")):
        if rule[key] is not None:
            parts.append(f"{sign} {_spell(rule[key])}")
    if rule.noWorseThan is not None:
        parts.append(
            f"no worse than the {rule.noWorseThan}" + (f" by more than {_spell(rule.tolerance)}" if rule.tolerance is not None else "")
        )
    if rule.maxGap is not None:
        parts.append(f"differs by at most {_spell(rule.maxGap)} across {rule.across}")
    for key, word in (("forEach", "for each"), ("window", "over"), ("for", "for")):
        if rule[key] is not None:
            parts.append(f"{word} {rule[key]}")
    if rule.minSamples is not None:
        parts.append(f"with at least {rule.minSamples} samples")
    return f"{subject} {' '.join(parts)}"


def enforced_at(node: Node, name: str) -> list[str]:
    """Return the places that enforce a threshold."""
    made: list[str] = []
    for pipeline, entry in sorted(node.pipelines.items()):
        for step, value in entry.steps.items():
            if name in (value.check, value.gate):
                made.append(f"pipeline {pipeline}, step {step}")
        made += [f"starts pipeline {pipeline}" for trigger in entry.on or [] if trigger.breach == name]
    made += [f"quality of dataset {dataset}" for dataset, entry in sorted(node.datasets.items()) if entry.quality == name]
    made += [f"rollout of {endpoint}" for endpoint, entry in sorted(node.serving.items()) if entry.rollout.gate == name]
    made += [f"alerts of {endpoint}" for endpoint, entry in sorted(node.monitoring.items()) if name in (entry.alerts or [])]
    return made
