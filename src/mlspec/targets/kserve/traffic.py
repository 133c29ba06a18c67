"""The view of the HTTPRoute that divides an endpoint's traffic."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlspec.names import object_name, version_of
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.targets.kserve.access import ComponentView
from mlspec.targets.kserve.version import Version, rollout_notes


class Backend(NamedTuple):
    """A Service and its share of the traffic."""

    name: str
    weight: int


class RouteView(ComponentView):
    """The route in front of an endpoint's versions, or the preview of a new one."""

    def __init__(self, plan: Plan, endpoint: str, versions: list[Version], preview: Version | None = None) -> None:
        super().__init__(plan, endpoint, versions)
        self._preview = preview

    @property
    def _gateway(self) -> Node:
        gateway = self._plan.node.platform.gateway
        settings: Node = gateway[gateway.word]
        return settings

    @property
    def name(self) -> str:
        """The name of the route; KServe would take the endpoint's own name."""
        return object_name(self._endpoint, "preview" if self._preview else "traffic")

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask, and how a new version goes out.

        A route that sends a canary some of the traffic comes after it: Argo CD 3.5 waits for the canary's health between two waves.
        """
        waits = not self._preview and any(version.role == "canary" and version.weight for version in self._versions)
        wave = {"argocd.argoproj.io/sync-wave": "1"} if waits else {}
        return {**super().annotations, **rollout_notes(self._entry), **wave}

    @property
    def gateway(self) -> str:
        """The Gateway that it hangs on."""
        name: str = self._gateway.name
        return name

    @property
    def gateway_namespace(self) -> str:
        """The namespace of the Gateway."""
        namespace: str = self._gateway.namespace
        return namespace

    @property
    def listener(self) -> str | None:
        """The Gateway's listener, when only https is meant."""
        return "https" if self._entry.expose.tls else None

    @property
    def host(self) -> str:
        """The host name; a preview's has ``-preview`` behind its first label."""
        host: str = self._entry.expose.host
        if not self._preview:
            return host
        first, _, rest = host.partition(".")
        return f"{first}-preview.{rest}" if rest else f"{first}-preview"

    @property
    def path(self) -> str:
        """The path before which nothing is answered."""
        path: str = self._entry.expose.path
        return path

    def _service(self, version: Version) -> str:
        return f"{version.name}-transformer" if self._entry.transform else f"{version.name}-predictor"

    @property
    def backends(self) -> list[Backend]:
        """The Services that answer, and their shares."""
        if self._preview:
            return [Backend(self._service(self._preview), 100)]
        if not self._versions:
            return [Backend(self._endpoint, 100)]
        self._read_shares()
        return [Backend(self._service(version), version.weight) for version in self._versions if version.role != "shadow"]

    def _read_shares(self) -> None:
        """Read again what the shares were made from: versions are made before a view is, and `mlspec why` asks the view."""
        entry = self._entry
        if any(version.role == "canary" for version in self._versions):
            _ = entry.rollout.strategy == "canary" and list(entry.rollout.steps)
        if "split" in entry:
            _ = [entry.split[name] for name in sorted(entry.split)]

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The mirror of a shadow."""
        entry = self._entry
        if self._preview or "shadow" not in entry:
            return []
        name = version_of(self._endpoint, entry.shadow.model, self._plan.namespace)
        shadow = next(version for version in self._versions if version.name == name)
        mirror: dict[str, Any] = {"backendRef": {"group": "", "kind": "Service", "name": self._service(shadow), "port": 80}}
        if entry.shadow.percent != 100:
            mirror["percent"] = entry.shadow.percent
        return [{"type": "RequestMirror", "requestMirror": mirror}]

    @property
    def explainer(self) -> str | None:
        """The Service that explains answers."""
        return f"{self._endpoint}-explainer" if self._entry.explain and not self._preview else None

    @property
    def explain_path(self) -> str:
        """The requests that ask for an explanation."""
        return "^/v1/models/[^/]+:explain$"


class DomainView(ComponentView):
    """The host name of an endpoint, with Knative."""

    @property
    def name(self) -> str:
        """The host name; it is the name of the mapping."""
        host: str = self._entry.expose.host
        return host

    @property
    def service(self) -> str:
        """The Knative Service that answers."""
        if not self._versions:
            return self._endpoint
        return f"{self._endpoint}-transformer" if self._entry.transform else f"{self._endpoint}-predictor"
