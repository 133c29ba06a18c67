"""The view of a dashboard: what an endpoint is for, whose it is, what was promised, and how it does, for someone who never saw it.

Sources: Grafana 12 (schema version 42, the last of the classic model; Markdown panels; a data source variable); its Helm chart's
sidecar (a label finds dashboards, the annotation ``grafana_folder`` files them, equal file names overwrite each other); kube-state-metrics
2.17; cAdvisor of Kubernetes 1.34; DCGM exporter 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.prometheus import card
from mlspec.targets.prometheus.budgets import budgets
from mlspec.targets.prometheus.comparisons import comparisons
from mlspec.targets.prometheus.panels import Panel, place, row, text
from mlspec.targets.prometheus.rules import identity, matchers
from mlspec.targets.prometheus.traffic import live_rules, saturation, traffic

SCHEMA = 42


class DashboardView(View):
    """The ConfigMap that holds the dashboard of one endpoint."""

    def __init__(self, plan: Plan, endpoint: str) -> None:
        self._plan, self._endpoint = plan, endpoint

    @property
    def name(self) -> str:
        """The name of the ConfigMap."""
        return object_name(self._endpoint, "dashboard")

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object, and the one by which Grafana finds dashboards."""
        found: str = self._plan.node.platform.monitoring.prometheus.dashboards
        return {found: "1", **labels(self._plan, self._endpoint)}

    @property
    def annotations(self) -> dict[str, str]:
        """The folder that it is filed in, and whom to ask."""
        return {"grafana_folder": f"{self._plan.team}/{self._plan.project}", **contacts(self._plan)}

    @property
    def file(self) -> str:
        """The name of its file; Grafana's sidecar writes those of all namespaces into one folder."""
        return f"{object_name(self._endpoint)}-{dashboard_uid(self._plan, self._endpoint)}.json"

    @property
    def dashboard(self) -> str:
        """The dashboard, as JSON in one spelling."""
        wanted = bool(self._plan.node.monitoring[self._endpoint].dashboard)
        return dashboard_text(dashboard(self._plan, self._endpoint)) if wanted else ""


def dashboard_text(board: dict[str, Any]) -> str:
    """Return a dashboard as JSON, keys sorted, a line a panel: what changes in a panel changes one line."""
    lines = []
    for key in sorted(board):
        value = board[key]
        text = "[\n  " + ",\n  ".join(map(_json, value)) + "\n ]" if key == "panels" else _json(value)
        lines.append(f" {_json(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def dashboard_uid(plan: Plan, endpoint: str) -> str:
    """Return the name by which Grafana knows the dashboard of an endpoint: the same for ever, and no one else's."""
    return f"mlspec-{sha256(f'{plan.project}/{plan.environment}/{endpoint}'.encode()).hexdigest()[:24]}"


def dashboard(plan: Plan, endpoint: str) -> dict[str, Any]:
    """Return the dashboard of an endpoint as Grafana reads it."""
    project, environment = plan.project, plan.environment
    return {
        "id": None,
        "uid": dashboard_uid(plan, endpoint),
        "title": f"{endpoint} ({project}, {environment})",
        "description": " ".join((plan.node.description or "").split()),
        "tags": sorted({"mlspec", project, environment, plan.team}),
        "schemaVersion": SCHEMA,
        "version": 0,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": list(_links(plan)),
        "annotations": {"list": [_alerts(plan, endpoint)]},
        "templating": {"list": [_source()]},
        "panels": place(_panels(plan, endpoint)),
    }


def _panels(plan: Plan, endpoint: str) -> Iterator[Panel]:
    yield text("What this is", card.about(plan, endpoint), width=10, height=12)
    yield text("What runs", card.versions(plan, endpoint), width=14, height=12)
    yield row("Requests")
    yield from traffic(plan, endpoint)
    promised = list(budgets(plan, endpoint))
    if promised:
        yield row("Objectives")
        yield from promised
    held = list(live_rules(plan, endpoint))
    if held:
        yield row("Live thresholds")
        yield from held
    yield row("Capacity")
    yield from saturation(plan, endpoint)
    compared = list(comparisons(plan, endpoint))
    if compared:
        yield row("Data")
        yield from compared
    yield row("Gates")
    yield text("What must hold, and where it is enforced", card.gates(plan, endpoint), width=14, height=10)
    yield text("Data behind it", card.data(plan, endpoint), width=10, height=10)


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "current": {},
        "options": [],
        "hide": 0,
        "refresh": 1,
        "includeAll": False,
        "multi": False,
        "skipUrlSync": False,
    }


def _alerts(plan: Plan, endpoint: str) -> dict[str, Any]:
    """Return the marks of the endpoint's alerts on every curve."""
    where = matchers(identity(plan, endpoint))
    return {
        "name": "Alerts",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": f'max by (alertname, severity) (ALERTS{{alertstate="firing",{where}}})',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}}",
        "step": "60s",
    }


def _links(plan: Plan) -> Iterator[dict[str, Any]]:
    owner, repository = plan.node.owner, plan.node.platform.repository
    found = [("Who is on call", owner.oncall), ("Repository", repository.url if repository else None)]
    for title, url in found:
        if url is not None and str(url).startswith(("https://", "http://")):
            yield {
                "title": title,
                "type": "link",
                "icon": "external link",
                "tooltip": "",
                "url": url,
                "tags": [],
                "asDropdown": False,
                "targetBlank": True,
                "includeVars": False,
                "keepTime": False,
            }
