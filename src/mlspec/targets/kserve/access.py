"""The views of what surrounds an endpoint: account, policy, budget, secrets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.live import SERVERS, family_of
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.kserve.version import Version


class ComponentView(View):
    """What all objects of one endpoint share."""

    def __init__(self, plan: Plan, endpoint: str, versions: list[Version]) -> None:
        self._plan, self._endpoint, self._versions = plan, endpoint, versions

    @property
    def _entry(self) -> Node:
        entry: Node = self._plan.node.serving[self._endpoint]
        return entry

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
        """The labels of every object."""
        return labels(self._plan, self._endpoint)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def selector(self) -> dict[str, Any]:
        """The pods of the endpoint: those of all its versions."""
        if not self._versions:
            return {"matchLabels": {"serving.kserve.io/inferencegraph": self._endpoint}}
        names = [version.name for version in self._versions]
        if len(names) == 1:
            return {"matchLabels": {"serving.kserve.io/inferenceservice": names[0]}}
        return {"matchExpressions": [{"key": "serving.kserve.io/inferenceservice", "operator": "In", "values": sorted(names)}]}


class AccountView(ComponentView):
    """The ServiceAccount of an endpoint."""

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask, and the identity that the platform gives to workloads."""
        identity = self._plan.node.platform.identity
        return {**contacts(self._plan), **(identity.annotations.plain() if identity else {})}

    @property
    def secrets(self) -> list[dict[str, str]]:
        """Secrets that open the stores of the models."""
        storage = self._plan.node.platform.storage
        names = [version.model.secret for version in self._versions] + [storage.secret if storage else None]
        return [{"name": name} for name in sorted({name for name in names if name is not None})]


class PolicyView(ComponentView):
    """Who may call an endpoint, and what it may reach."""

    @property
    def callers(self) -> list[str]:
        """Namespaces that may call it: those that are named, the gateway's when it is exposed, and Knative's activator."""
        entry = self._entry
        names = set(entry.access["from"]) if entry.access else set()
        if entry.expose:
            names.add(self._gateway)
        if self._plan.node.platform.serving.kserve.mode == "knative":
            names.add("knative-serving")
        return sorted(names - {self._plan.namespace})

    @property
    def _gateway(self) -> str:
        gateway = self._plan.node.platform.gateway
        namespace: str = gateway[gateway.word].namespace
        return namespace

    @property
    def monitoring(self) -> str | None:
        """The namespace of Prometheus, when there is one in the cluster."""
        monitoring = self._plan.node.platform.monitoring
        return namespace_of(monitoring.prometheus.url) if monitoring.word == "prometheus" else None

    @property
    def metrics_port(self) -> int:
        """The port that serves metrics."""
        family = family_of(self._versions[0].runtime) if self._versions else None
        return SERVERS[family].port if family else 8080

    @property
    def _reached(self) -> list[str]:
        logging = self._entry.logging
        return [logging.sink] if logging else []

    @property
    def neighbours(self) -> list[str]:
        """Namespaces of the cluster that it calls."""
        names = {namespace_of(url) for url in self._reached if url.startswith("http")}
        return sorted(name for name in names if name is not None and name != self._plan.namespace)

    @property
    def ports(self) -> list[int]:
        """Ports outside the cluster that it calls, besides 443."""
        made = set()
        for url in self._reached:
            if url.startswith("http") and namespace_of(url) is None:
                parts = urlsplit(url)
                made.add(parts.port or (443 if parts.scheme == "https" else 80))
        return sorted(made - {443})


def namespace_of(url: str) -> str | None:
    """Return the namespace of a Service's URL (``http://name.namespace.svc...``); None for a host outside the cluster."""
    parts = (urlsplit(url).hostname or "").split(".")
    return parts[1] if len(parts) >= 3 and parts[2] == "svc" else None


class BudgetView(ComponentView):
    """How many pods of an endpoint may be away at once."""


class SecretView(View):
    """A secret that comes from the store of the platform."""

    def __init__(self, plan: Plan, secret: str) -> None:
        self._plan, self._secret = plan, secret

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
        store: str = self._plan.node.platform.secrets.externalSecrets.store
        return store

    @property
    def store_kind(self) -> str:
        """The kind of the store."""
        kind: str = self._plan.node.platform.secrets.externalSecrets.kind
        return kind


def secrets_of(plan: Plan) -> list[str]:
    """Return the names of the secrets that the endpoints of a plan need."""
    node = plan.node
    names: set[str] = set()
    for entry in (value for _, value in node.serving.items()):
        for holder in (entry, entry.transform, entry.explain):
            for _, value in holder.env.items() if holder and holder.env else ():
                if isinstance(value, Node):
                    names.add(value.secret.split("/", 1)[0])
        used = [entry.model, *(entry.split or ()), entry.shadow.model if entry.shadow else None]
        names |= {node.models[name].secret for name in used if name and node.models[name]} - {None}
    if node.serving and node.platform.storage:
        names.add(node.platform.storage.secret)
    return sorted(names)
