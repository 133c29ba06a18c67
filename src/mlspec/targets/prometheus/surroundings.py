"""What surrounds the rules of an endpoint: routes of its alerts, its dashboard, its comparisons, and what those need."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, View
from mlspec.targets.prometheus.dashboard import DashboardView
from mlspec.targets.prometheus.drift import COMPONENT, JobView, MonitorsView, account_name, tasks
from mlspec.targets.prometheus.routing import RoutingView, notify_secrets, retrained_by

_PORTS = {"http": 80, "https": 443}


def surroundings(plan: Plan, endpoint: str) -> Iterator[Rendering]:
    """Make what one endpoint's monitoring needs besides its rules, all in one file."""
    file = f"{plan.folder}/monitoring-{endpoint}.yaml"
    monitor = plan.node.monitoring[endpoint]
    if monitor.notify or retrained_by(plan, endpoint):
        yield Rendering("prometheus/alertmanager-config.yaml.j2", RoutingView(plan, endpoint), file)
    if monitor.dashboard:
        yield Rendering("prometheus/dashboard.yaml.j2", DashboardView(plan, endpoint), file)
    asked = tasks(plan, endpoint)
    if asked:
        yield Rendering("prometheus/service-account.yaml.j2", AccountView(plan, endpoint), file)
        yield Rendering("prometheus/network-policy.yaml.j2", PolicyView(plan, endpoint), file)
    for task in asked:
        yield Rendering("prometheus/drift-cron-job.yaml.j2", JobView(plan, endpoint, task), file)


def shared(plan: Plan) -> Iterator[Rendering]:
    """Make what the monitoring of an environment has once: the programs of its comparisons, and its secrets."""
    node = plan.node
    if any(tasks(plan, endpoint) for endpoint in node.monitoring):
        yield Rendering("prometheus/monitors.yaml.j2", MonitorsView(plan), f"{plan.folder}/monitors.yaml")
    if node.platform.secrets.word == "externalSecrets":
        others = _others(plan)
        for secret in notify_secrets(plan):
            if secret not in others:
                yield Rendering("prometheus/external-secret.yaml.j2", SecretView(plan, secret), f"{plan.folder}/secret-{secret}.yaml")


def _others(plan: Plan) -> set[str]:
    """Return the secrets that endpoints and pipelines name here: their own systems fetch those, and no object may be there twice.

    Nothing counts as read by this.
    """
    tree = plan.tree
    platform, models = tree["platform"], tree["models"]
    found = {platform["storage"]["secret"]} if "storage" in platform else set()
    for entry in tree["serving"].values():
        parts = [entry, entry.get("transform") or {}, entry.get("explain") or {}]
        found |= {_name(value["secret"]) for part in parts for value in (part.get("env") or {}).values() if isinstance(value, dict)}
        shadow = entry.get("shadow")
        used = [entry.get("model"), *(entry.get("split") or ()), shadow["model"] if shadow else None]
        found |= {models[name]["secret"] for name in used if name is not None and "secret" in models[name]}
    word = platform["pipelines"]["word"]
    if platform["pipelines"][word].get("namespace", plan.namespace) != plan.namespace:
        return found
    for pipeline in tree["pipelines"].values():
        for step in pipeline["steps"].values():
            found |= {_name(value) for value in (step.get("secrets") or {}).values()}
            found |= {models[step["score"]]["secret"]} if "secret" in models.get(step.get("score"), {}) else set()
    return found


def _name(secret: str) -> str:
    return secret.partition("/")[0]


class NearbyView(View):
    """What the objects around the comparisons of one endpoint share."""

    def __init__(self, plan: Plan, endpoint: str) -> None:
        self._plan, self._endpoint = plan, endpoint

    @property
    def name(self) -> str:
        """The name of the object."""
        return account_name(self._endpoint)

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._endpoint)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)


class AccountView(NearbyView):
    """The account of an endpoint's comparisons."""

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask, and the identity that the platform gives to workloads."""
        identity = self._plan.node.platform.identity
        return {**contacts(self._plan), **(identity.annotations.plain() if identity else {})}


class PolicyView(NearbyView):
    """What an endpoint's comparisons may reach."""

    @property
    def selector(self) -> dict[str, str]:
        """Their pods."""
        made = labels(self._plan, self._endpoint)
        return {key: made[key] for key in ("app.kubernetes.io/instance", "app.kubernetes.io/part-of")} | COMPONENT

    @property
    def _pushgateway(self) -> str:
        address: str = self._plan.node.platform.monitoring.prometheus.pushgateway
        return address

    @property
    def pushgateway_namespace(self) -> str | None:
        """The namespace of the Pushgateway; None when it is outside the cluster."""
        parts = (urlsplit(self._pushgateway).hostname or "").split(".")
        return parts[1] if len(parts) >= 3 and parts[2] == "svc" else None

    @property
    def pushgateway_port(self) -> int:
        """The port of the Pushgateway."""
        parts = urlsplit(self._pushgateway)
        return parts.port or _PORTS[parts.scheme]


class SecretView(View):
    """A secret that comes from the store of the platform."""

    def __init__(self, plan: Plan, secret: str) -> None:
        self._plan, self._secret = plan, secret

    @property
    def _store(self) -> Node:
        store: Node = self._plan.node.platform.secrets.externalSecrets
        return store

    @property
    def name(self) -> str:
        """The name of the secret, here and in the store."""
        return self._secret

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._plan.project)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def store(self) -> str:
        """The name of the store."""
        store: str = self._store.store
        return store

    @property
    def store_kind(self) -> str:
        """The kind of the store."""
        kind: str = self._store.kind
        return kind
