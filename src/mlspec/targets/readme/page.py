"""The view of the tree's README: rows of its tables, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from mlspec.checks.order import step_edges
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.plan.versions import versions
from mlspec.target import View
from mlspec.targets.readme.gates import bound_of, enforced_at
from mlspec.targets.readme.needs import needs_of

Row = dict[str, Any]


def spell(value: Any) -> str:
    """Return a value as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return ", ".join(spell(item) for item in value)
    return "" if value is None else str(value)


class PageView(View):
    """What people ask of a project."""

    def __init__(self, plans: tuple[Plan, ...]) -> None:
        self._plans = plans
        self._node = plans[-1].node

    @property
    def name(self) -> str:
        """The project."""
        return self._plans[0].project

    @property
    def spec(self) -> str:
        """The spec that the tree is compiled from."""
        return self._plans[0].spec_file

    @property
    def description(self) -> str:
        """What it is for."""
        return spell(self._node.description)

    @property
    def owner(self) -> Row:
        """Who answers for it."""
        owner = self._node.owner
        return {"team": owner.team, "contacts": [spell(owner[key]) for key in ("email", "slack", "oncall") if owner[key] is not None]}

    @property
    def objectives(self) -> list[Row]:
        """The business objectives."""
        return [{key: spell(entry[key]) for key in ("kpi", "target", "baseline", "by")} for entry in self._node.objectives or []]

    @property
    def environments(self) -> list[Row]:
        """Where it is deployed, in promotion order."""
        return [
            {
                "name": plan.environment,
                "namespace": plan.namespace,
                "cluster": plan.cluster,
                "after": spell(plan.environments[plan.environment]["after"]),
                "approvals": plan.approvals,
            }
            for plan in self._plans
        ]

    @property
    def endpoints(self) -> list[Row]:
        """What runs where."""
        return [self._endpoint(plan, name, entry) for plan in self._plans for name, entry in sorted(plan.node.serving.items())]

    def _endpoint(self, plan: Plan, name: str, entry: Node) -> Row:
        model = plan.node.models[entry.model] if entry.model else None
        replicas, rollout = entry.replicas, entry.rollout
        return {
            "environment": plan.environment,
            "name": name,
            "model": f"{entry.model} {_standing(plan, name)}" if model else f"graph of {', '.join(self._members(entry.graph))}",
            "replicas": spell(replicas.min) if replicas.min == replicas.max else f"{replicas.min}–{replicas.max}",
            "address": f"{'https' if entry.expose.tls else 'http'}://{entry.expose.host}{entry.expose.path}"
            if entry.expose
            else f"http://{name}-predictor.{plan.namespace}.svc",
            "rollout": rollout.strategy,
            "traffic": ", ".join(f"{percent} % to {other}" for other, percent in sorted(entry.split.items())) if entry.split else "",
            "shadow": entry.shadow.model if entry.shadow else "",
        }

    def _members(self, graph: Node) -> list[str]:
        kind = next(iter(graph))
        if kind == "split":
            return sorted(graph.split)
        made: list[str] = []
        for member in graph[kind]:
            if isinstance(member, str):
                made.append(member)
            elif next(iter(member)) in ("sequence", "ensemble", "switch", "split"):
                made += self._members(member)
            else:
                made.append(next(iter(member)))
        return list(dict.fromkeys(made))

    @property
    def models(self) -> list[Row]:
        """The models with card and signature."""
        return [self._model(name, entry) for name, entry in sorted(self._node.models.items())]

    def _model(self, name: str, entry: Node) -> Row:
        facts = [
            ("Framework", entry.framework),
            ("Version", self._each(lambda node: node.models[name] and node.models[name].version)),
            ("Artifact", self._each(lambda node: node.models[name] and node.models[name].uri)),
            ("Trained by", entry.trainedBy),
            ("Features", entry.features),
            ("Evaluated on", entry.evaluatedOn),
            ("Secret", entry.secret),
            ("Inputs", _signature(entry.signature.inputs if entry.signature else None)),
            ("Outputs", _signature(entry.signature.outputs if entry.signature else None)),
            (
                "Hyperparameters",
                ", ".join(f"{key} = {spell(value)}" for key, value in sorted(entry.hyperparameters.items()))
                if entry.hyperparameters
                else None,
            ),
        ]
        card = entry.card
        titles = {
            "intendedUse": "Intended use",
            "outOfScope": "Out of scope",
            "limitations": "Limitations",
            "ethics": "Ethics",
            "references": "References",
        }
        return {
            "name": name,
            "description": spell(entry.description),
            "facts": [{"key": key, "value": spell(value)} for key, value in facts if value],
            "card": [{"key": title, "value": spell(card[key])} for key, title in titles.items() if card and card[key] is not None],
        }

    def _each(self, ask: Callable[[Node], str | None]) -> str:
        """Return what all environments say, or what each of them says."""
        said = {plan.environment: spell(answer) for plan in self._plans if (answer := ask(plan.node)) is not None}
        if len(set(said.values())) == 1:
            return next(iter(said.values()))
        return "; ".join(f"{value} in {environment}" for environment, value in said.items())

    @property
    def datasets(self) -> list[Row]:
        """The data and what pins it."""
        return [self._dataset(name, entry) for name, entry in sorted(self._node.datasets.items())]

    def _dataset(self, name: str, entry: Node) -> Row:
        refresh = ", ".join(f"{key} {spell(value)}" for key, value in sorted(entry.refresh.items())) if entry.refresh else ""
        splits = ", ".join(f"{key} {spell(value)}" for key, value in sorted(entry.splits.items())) if entry.splits else ""
        facts = [
            ("Where", self._each(lambda node: node.datasets[name] and node.datasets[name].uri)),
            ("Format", entry.format),
            ("Version", self._each(lambda node: node.datasets[name] and _pin(node.datasets[name]))),
            ("Quality", entry.quality),
            ("Refresh", refresh),
            ("Sensitivity", entry.sensitivity),
            ("Retention", entry.retention),
            ("Splits", splits),
        ]
        columns = [{"name": column, "about": _column(about)} for column, about in sorted(entry.schema.items())] if entry.schema else []
        return {
            "name": name,
            "description": spell(entry.description),
            "facts": [{"key": k, "value": spell(v)} for k, v in facts if v],
            "columns": columns,
        }

    @property
    def features(self) -> list[Row]:
        """The feature views."""
        return [
            {
                "name": name,
                "entity": entry.entity,
                "from": entry["from"],
                "fields": spell(entry.fields),
                "ttl": spell(entry.ttl),
                "online": spell(bool(entry.online)),
                "transform": " ".join(entry.transform or []) + (f" in {entry.image}" if entry.image else ""),
            }
            for name, entry in sorted(self._node.features.items())
        ]

    @property
    def gates(self) -> list[Row]:
        """Each rule of each threshold, and where it is enforced."""
        return [self._gate(name, entry, rule) for name, entry in sorted(self._node.thresholds.items()) for rule in entry.rules]

    def _gate(self, name: str, entry: Node, rule: Node) -> Row:
        return {
            "name": name,
            "reads": entry.on,
            "rule": bound_of(rule),
            "severity": rule.severity or "block",
            "mode": entry.mode or "enforce",
            "where": ", ".join(enforced_at(self._node, name)) or "nowhere",
        }

    @property
    def pipelines(self) -> list[Row]:
        """The pipelines and when they run."""
        made: list[Row] = []
        for name, entry in sorted(self._node.pipelines.items()):
            schedule = entry.schedule
            when = (
                [f"{schedule.cron} {spell(schedule.timezone) or 'Etc/UTC'}" if isinstance(schedule, Node) else spell(schedule)]
                if schedule
                else []
            )
            when += [f"{key} {value}" for trigger in entry.on or [] for key, value in trigger.items()]
            made.append(
                {
                    "name": name,
                    "when": "; ".join(when) or "on request",
                    "steps": ", ".join(_in_order(entry.steps, self._plans[-1].tree, name)),
                }
            )
        return made

    @property
    def needs(self) -> list[str]:
        """What must exist beforehand: secrets, resource definitions, gateways, namespaces."""
        return needs_of(self._node, self._namespaces)

    @property
    def _namespaces(self) -> str:
        return ", ".join(dict.fromkeys(plan.namespace for plan in self._plans))

    @property
    def governance(self) -> list[Row]:
        """What an auditor asks."""
        entry = self._node.governance
        if not entry:
            return []
        titles = {"risk": "Risk class", "reviewers": "Reviewers", "regulations": "Regulations", "retention": "Retention"}
        return [{"key": title, "value": spell(entry[key])} for key, title in titles.items() if entry[key]]

    @property
    def waivers(self) -> list[Row]:
        """Dated exceptions."""
        entry = self._node.governance
        keys = ("reason", "owner", "ticket", "until")
        return [{"of": _waived(waiver), **{key: spell(waiver[key]) for key in keys}} for waiver in entry.waivers or []] if entry else []

    @property
    def patches(self) -> list[Row]:
        """Last resorts and their reasons."""
        return [
            {"kind": entry.target.kind, "name": spell(entry.target.name) or "*", "reason": entry.reason}
            for entry in self._node.patches or []
        ]


def _waived(waiver: Node) -> str:
    """Return what a waiver is for: a code, a field or a threshold, with its rule, and how loose it may become."""
    parts = [spell(waiver.code or waiver.threshold or waiver.field), spell(waiver.rule)]
    words = [part for part in parts if part] + [f"by {spell(waiver.slice)}"] * (waiver.slice is not None)
    return " ".join(words) + (f", to {spell(waiver.to)}" if waiver.to is not None else "")


def _signature(fields: Node | None) -> str:
    if not fields:
        return ""
    return ", ".join(
        f"{name}: {value.type}{value.shape}" if isinstance(value, Node) else f"{name}: {value}" for name, value in sorted(fields.items())
    )


def _column(about: Node) -> str:
    flags = [flag for flag in ("pii", "protected", "label", "key", "unique", "nullable") if about[flag]]
    bounds = [f"{key} {spell(about[key])}" for key in ("min", "max", "values") if about[key] is not None]
    return "; ".join([about.type, *bounds, *flags, *([about.description] if about.description else [])])


def _in_order(steps: Node, tree: Mapping[str, Any], pipeline: str) -> list[str]:
    """Return the steps of a pipeline as they can run: each after what it needs, by name where that says nothing."""
    edges = step_edges(tree["pipelines"][pipeline]["steps"], ())
    left = {step: {need for need, _ in edges[step]} for step in steps}
    followers: dict[str, list[str]] = {}
    for step, needs in left.items():
        for need in needs:
            followers.setdefault(need, []).append(step)
    ready = sorted(step for step, needs in left.items() if not needs)
    made: list[str] = []
    while ready:
        made.append(heappop(ready))
        for follower in followers.get(made[-1], ()):
            left[follower].remove(made[-1])
            if not left[follower]:
                heappush(ready, follower)
    return made


def _pin(dataset: Node) -> str:
    return ", ".join(f"{key} {spell(value)}" for key, value in dataset.version.items()) if dataset.version else "not pinned"


def _standing(plan: Plan, endpoint: str) -> str:
    """Return the version that answers, and the one that stands beside it to take its place."""
    stable, *others = versions(plan, endpoint)
    canary = [f", {version.version} beside it at {version.weight} %" for version in others if version.role == "canary"]
    return "".join([stable.version, *canary])
