"""The view of an AlertmanagerConfig: who hears of which alert of an endpoint, and what starts a retraining.

Slack's address comes from a Secret of the project, never from Alertmanager's global settings: without a global one Alertmanager refuses
its whole configuration, everybody's alerts with it, while the operator leaves out the one object whose Secret is not there.

Sources: Prometheus Operator 0.93 (pkg/alertmanager/amcfg.go and operator.go: first-level routes continue, the namespace is matched by
the operator, an object whose secrets are missing is passed over, email needs a smarthost here or globally); Alertmanager 0.34 (config.go:
``no Slack API URL nor App token set``; dispatch: a route whose children all pass an alert by gets it itself, one of whose children takes
it does not).
"""

from __future__ import annotations

from typing import Any

from mlspec.names import LABEL_LIMIT, object_name
from mlspec.plan.labels import contacts
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.prometheus.scraping import monitoring_labels

TEAM, NOBODY = "team", "nobody"
PORT = 12000
"""The port on which the event source of a pipeline listens."""
_SUFFIX = "-eventsource-svc"
"""What Argo Events adds to the name of an event source for its Service."""
_TITLE = (
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }} {{ .Alerts.Firing | len }}{{ end }}] '
    "{{ .GroupLabels.alertname }} {{ .CommonLabels.endpoint }} ({{ .CommonLabels.environment }})"
)
_TEXT = (
    "{{ range .Alerts }}*{{ .Labels.severity }}* {{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ with .Annotations.runbook_url }}<{{ . }}|What to do>\n{{ end }}{{ end }}"
)


class RoutingView(View):
    """Where the alerts of one endpoint go."""

    def __init__(self, plan: Plan, endpoint: str) -> None:
        self._plan, self._endpoint = plan, endpoint

    @property
    def _monitor(self) -> Node:
        monitor: Node = self._plan.node.monitoring[self._endpoint]
        return monitor

    @property
    def name(self) -> str:
        """The name of the object."""
        return object_name(self._endpoint)

    @property
    def namespace(self) -> str:
        """The environment's namespace; the operator matches it by itself."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object, and those by which Alertmanager finds it."""
        return monitoring_labels(self._plan, self._endpoint)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def matchers(self) -> list[dict[str, str]]:
        """The alerts of this endpoint; without anyone to tell, those alone that start a pipeline."""
        wanted = {"project": self._plan.project, "environment": self._plan.environment, "endpoint": self._endpoint}
        made = [_equals(name, value) for name, value in wanted.items()]
        return made if self._monitor.notify else [*made, _equals("mlspec_action", "retrain")]

    @property
    def receiver(self) -> str:
        """Who hears of an alert that nothing below takes."""
        return TEAM if self._monitor.notify else NOBODY

    @property
    def routes(self) -> list[dict[str, Any]]:
        """What is told apart, in order: what starts a pipeline (and goes on), what pages nobody, what is urgent, the rest.

        The last route takes whatever is left: without it an alert that started a pipeline would reach nobody else.
        """
        made = [_retraining(pipeline) for pipeline in self.pipelines]
        if not self._monitor.notify:
            return made
        return [
            *made,
            {"matchers": [_equals("severity", "info")], "receiver": NOBODY},
            {"matchers": [_equals("severity", "critical")], "receiver": TEAM, "groupWait": "10s", "repeatInterval": "1h"},
            {"receiver": TEAM},
        ]

    @property
    def pipelines(self) -> list[str]:
        """The pipelines that a breach of the endpoint's thresholds starts."""
        return retrained_by(self._plan, self._endpoint)

    @property
    def receivers(self) -> list[dict[str, Any]]:
        """Who can be told."""
        made: list[dict[str, Any]] = [{"name": NOBODY}]
        notify = self._monitor.notify
        if notify:
            made.append({"name": TEAM, **_team(notify, slack_secret(self._plan))})
        for pipeline in self.pipelines:
            address = {"url": breach_address(self._plan, pipeline), "sendResolved": False}
            made.append({"name": _receiver_of(pipeline), "webhookConfigs": [address]})
        return made

    @property
    def inhibitions(self) -> list[dict[str, Any]]:
        """A warning is silent while the same alert of the same endpoint is critical; one that starts a pipeline never is."""
        if not self._monitor.notify:
            return []
        return [
            {
                "sourceMatch": [*self.matchers, _equals("severity", "critical")],
                "targetMatch": [
                    *self.matchers,
                    _equals("severity", "warning"),
                    {"name": "mlspec_action", "value": "retrain", "matchType": "!="},
                ],
                "equal": ["alertname", "endpoint", "environment", "objective", "project", "version"],
            }
        ]


def retrained_by(plan: Plan, endpoint: str) -> list[str]:
    """Return the pipelines that start when a threshold on the alerts of an endpoint is broken, sorted."""
    node = plan.node
    if node.platform.events.word == "none":
        return []
    alerts = set(node.monitoring[endpoint].alerts or ())
    return sorted(
        name
        for name, pipeline in node.pipelines.items()
        if any(trigger.breach in alerts for trigger in pipeline.on or () if trigger.breach)
    )


def breach_address(plan: Plan, pipeline: str) -> str:
    """Return the address at which the event source of a pipeline hears of breaches."""
    settings = plan.node.platform.pipelines
    namespace = (settings[settings.word].namespace if settings[settings.word] else None) or plan.namespace
    service = object_name(pipeline, "breach", limit=LABEL_LIMIT - len(_SUFFIX)) + _SUFFIX
    return f"http://{service}.{namespace}.svc:{PORT}/breach"


def _equals(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value, "matchType": "="}


def _receiver_of(pipeline: str) -> str:
    return f"retrain-{object_name(pipeline)}"


def _retraining(pipeline: str) -> dict[str, Any]:
    """Return the route of the alerts that start a pipeline: one message for all of them, again after a day while they last."""
    return {
        "matchers": [_equals("mlspec_action", "retrain"), _equals("mlspec_pipeline", pipeline)],
        "receiver": _receiver_of(pipeline),
        "groupBy": ["mlspec_pipeline"],
        "groupWait": "1m",
        "groupInterval": "1h",
        "repeatInterval": "1d",
        "continue": True,
    }


def _team(notify: Node, slack: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if notify.slack is not None:
        address = {"name": slack, "key": "url"}
        made["slackConfigs"] = [{"apiURL": address, "channel": notify.slack, "title": _TITLE, "text": _TEXT, "sendResolved": True}]
    if notify.email is not None:
        made["emailConfigs"] = [{"to": notify.email, "sendResolved": True}]
    if notify.webhook is not None:
        secret, _, key = notify.webhook.secret.partition("/")
        made["webhookConfigs"] = [{"urlSecret": {"name": secret, "key": key or "url"}, "sendResolved": True}]
    return made


def slack_secret(plan: Plan) -> str:
    """Return the Secret of a project that holds, under ``url``, the address at which Slack takes messages."""
    return object_name(plan.project, "slack")


def notify_secrets(plan: Plan) -> list[str]:
    """Return the names of the Secrets that are read to tell people of alerts."""
    names: set[str] = set()
    monitoring = plan.node.monitoring
    for notify in (monitoring[endpoint].notify for endpoint in monitoring):
        if notify and notify.webhook is not None:
            names.add(notify.webhook.secret.partition("/")[0])
        if notify and notify.slack is not None:
            names.add(slack_secret(plan))
    return sorted(names)
