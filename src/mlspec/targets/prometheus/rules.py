"""The view of a PrometheusRule: what is recorded of an endpoint, and which alerts watch it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlspec.names import object_name
from mlspec.plan.labels import contacts
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.prometheus.scraping import monitoring_labels

CRITICAL, WARNING, INFO = "critical", "warning", "info"


class Rule(NamedTuple):
    """One rule of a group: a recording when it has ``record``, else an alert."""

    expr: str
    labels: Mapping[str, str]
    record: str = ""
    alert: str = ""
    lasting: str = ""
    """For how long the expression must hold before the alert fires."""
    annotations: Mapping[str, str] = {}


class Group(NamedTuple):
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Rule, ...]


class RuleView(View):
    """The rules of one endpoint."""

    def __init__(self, plan: Plan, endpoint: str) -> None:
        self._plan, self._endpoint = plan, endpoint

    @property
    def name(self) -> str:
        """The name of the object."""
        return object_name(self._endpoint)

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object, and those by which Prometheus finds it."""
        return monitoring_labels(self._plan, self._endpoint)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def groups(self) -> list[Group]:
        """The recordings of objectives, then the alerts by what they watch."""
        return list(groups_of(self._plan, self._endpoint))


def groups_of(plan: Plan, endpoint: str) -> Iterator[Group]:
    """Yield the groups of rules of an endpoint; none that would be empty."""
    from mlspec.targets.prometheus.alerts import absences, bounds_of_comparisons, threshold_alerts
    from mlspec.targets.prometheus.objectives import objective_rules

    name = object_name(endpoint)
    for objective, made in objective_rules(plan, endpoint):
        yield Group(f"{name}-{objective}", tuple(made))
    for part, found in (
        ("live", threshold_alerts(plan, endpoint, "live")),
        ("drift", threshold_alerts(plan, endpoint, "drift")),
        ("comparisons", bounds_of_comparisons(plan, endpoint)),
        ("absence", absences(plan, endpoint)),
    ):
        rules = tuple(found)
        if rules:
            yield Group(f"{name}-{part}", rules)


def identity(plan: Plan, endpoint: str) -> dict[str, str]:
    """Return the labels by which everything that is measured of an endpoint is known, in recordings and in what jobs push."""
    return {"project": plan.project, "environment": plan.environment, "endpoint": endpoint}


def matchers(labels: Mapping[str, str]) -> str:
    """Return labels as the matchers of a selector. Values are quoted as PromQL reads them."""
    return ",".join(f'{key}="{_quoted(value)}"' for key, value in labels.items())


def alert_labels(plan: Plan, endpoint: str, severity: str, **others: str) -> dict[str, str]:
    """Return the labels of an alert: how bad it is, who owns what it is about, and what that is."""
    made = {"severity": severity, "team": plan.team, "namespace": plan.namespace, **identity(plan, endpoint), **others}
    return {key: literal(value) for key, value in made.items()}


def notes(plan: Plan, summary: str, description: str) -> dict[str, str]:
    """Return the annotations of an alert; the runbook is the page that the owner names for whoever is on call."""
    made = {"summary": summary, "description": description}
    page = plan.node.owner.oncall
    return {**made, "runbook_url": literal(page)} if page is not None else made


def literal(text: str) -> str:
    """Return a text that Prometheus's templates give back as it was written."""
    return text.replace("{{", '{{ "{{" }}')


def title(text: str) -> str:
    """Return a name for an alert: the words of a text, each with a capital."""
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text)) or "Threshold"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
