"""The view of an InferenceService."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.quantity import plain, ratio, seconds
from mlspec.target import View
from mlspec.targets.kserve.containers import arguments, quantity, resources, spread, variables
from mlspec.targets.kserve.metrics import scaling_query
from mlspec.targets.kserve.runtimes import SERVERS, Server, storage_uri
from mlspec.targets.kserve.version import Version, rollout_notes, standing_by, step_of

RESOURCE_METRICS = ("cpu", "memory")
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
"""What a container says for itself where the pod cannot (Knative Serving 1.20, pkg/apis/serving/fieldmask.go)."""


class ServiceView(View):
    """One version of an endpoint, as one InferenceService."""

    def __init__(self, plan: Plan, endpoint: str, version: Version) -> None:
        self._plan, self._endpoint, self._version = plan, endpoint, version

    @property
    def _entry(self) -> Node:
        entry: Node = self._plan.node.serving[self._endpoint]
        return entry

    @property
    def _server(self) -> Server | None:
        return SERVERS.get(self._version.runtime)

    @property
    def _knative(self) -> bool:
        return bool(self._plan.node.platform.serving.kserve.mode == "knative")

    @property
    def _model(self) -> Node:
        node = self._plan.node
        if self._version.role in ("stable", "canary"):
            model: Node = node.models[self._entry.model]
            return model
        return self._version.model

    @property
    def _scaling(self) -> str:
        """``hpa``, ``keda`` or ``none``; with Knative its own."""
        entry = self._entry
        if self._knative:
            return "knative"
        if entry.replicas.min == entry.replicas.max or "autoscale" not in entry:
            return "none"
        return "hpa" if entry.autoscale.metric in RESOURCE_METRICS and entry.replicas.min > 0 else "keda"

    @property
    def name(self) -> str:
        """The InferenceService's name."""
        return self._version.name

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object, and the version."""
        return labels(self._plan, self._endpoint, self.version)

    @property
    def queue(self) -> str | None:
        """The Kueue queue."""
        place = self._entry.place
        queue: str | None = place.queue if place else None
        return queue

    @property
    def version(self) -> str:
        """The version of the model."""
        if self._version.role == "stable" and self._version.version != self._model.version:
            return self._version.version
        version: str = self._model.version
        return version

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask and, where no route of ours stands before it, how a new version goes out.

        What has a share of the traffic goes away last: Argo CD 3.5 prunes before it applies, and would leave the route with a share
        of the traffic for what is gone.
        """
        notes = rollout_notes(self._entry) if self._knative else {}
        last = {"argocd.argoproj.io/sync-options": "PruneLast=true"} if self._version.role != "stable" else {}
        return {**contacts(self._plan), **notes, **last}

    @property
    def mode(self) -> str:
        """The deployment mode."""
        return "Knative" if self._knative else "Standard"

    @property
    def standard(self) -> bool:
        """Whether KServe runs Deployments; with Knative the pod itself has no security context."""
        return not self._knative

    @property
    def autoscaler(self) -> str | None:
        """What scales it, in Standard mode."""
        return None if self._knative else self._scaling

    @property
    def service_account(self) -> str:
        """The ServiceAccount of its pods."""
        return object_name(self._endpoint)

    @property
    def min_replicas(self) -> int:
        """The smallest number of replicas; a canary, a split model or a shadow never rests."""
        least: int = self._entry.replicas.min
        return least if self._version.role in ("stable", "split") else max(1, min(1, least) or 1)

    @property
    def max_replicas(self) -> int:
        """The largest number of replicas."""
        most: int = self._entry.replicas.max
        return most

    @property
    def scale_metric(self) -> str | None:
        """What Knative scales on."""
        if not self._knative or "autoscale" not in self._entry:
            return None
        return {"concurrency": "concurrency", "requestRate": "rps"}.get(self._entry.autoscale.metric)

    @property
    def scale_target(self) -> int | None:
        """The value that Knative scales to."""
        return int(Decimal(self._entry.autoscale.target)) if self.scale_metric else None

    @property
    def autoscaling(self) -> dict[str, Any] | None:
        """The metric that it scales on, in Standard mode."""
        if self._scaling not in ("hpa", "keda"):
            return None
        wanted = self._entry.autoscale
        made: dict[str, Any] = {"metrics": [self._resource_metric(wanted) if self._scaling == "hpa" else self._external_metric(wanted)]}
        if wanted.cooldown is not None:
            made["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": int(seconds(wanted.cooldown))}}
        return made

    def _resource_metric(self, wanted: Node) -> dict[str, Any]:
        percent = int(ratio(wanted.target) * 100)
        return {"type": "Resource", "resource": {"name": wanted.metric, "target": {"type": "Utilization", "averageUtilization": percent}}}

    def _external_metric(self, wanted: Node) -> dict[str, Any]:
        platform = self._plan.node.platform
        gateway = platform.gateway.word if self._entry.expose else None
        query = scaling_query(
            wanted.metric,
            runtime=self._version.runtime,
            gateway=gateway,
            namespace=self.namespace,
            service=self.service,
            route=object_name(self._endpoint, "traffic"),
            share=self._version.weight,
        )
        target = plain(ratio(wanted.target) * 100) if wanted.metric == "gpu" else plain(Decimal(wanted.target))
        metric = {"backend": "prometheus", "serverAddress": platform.monitoring.prometheus.url, "query": query}
        return {"type": "External", "external": {"metric": metric, "target": {"type": "Value", "value": target}}}

    @property
    def service(self) -> str:
        """The Service through which it is called."""
        return f"{self.name}-transformer" if self._entry.transform else f"{self.name}-predictor"

    @property
    def strategy(self) -> dict[str, Any] | None:
        """How its Deployment replaces pods; Knative has no say in it."""
        if self._knative:
            return None
        if self._entry.rollout.strategy == "recreate":
            return {"type": "Recreate"}
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}

    @property
    def canary_percent(self) -> int | None:
        """The share of a new revision's traffic, with Knative."""
        rollout = self._entry.rollout
        known = self._plan.live.get(self._endpoint, {})
        if not self._knative or rollout.strategy != "canary" or not standing_by(self._entry, known, self._model):
            return None
        percent: int = rollout.steps[step_of(self._entry, known, self._model)]
        return percent

    @property
    def logger(self) -> dict[str, Any] | None:
        """Where requests and answers are logged."""
        logging = self._entry.logging
        if not logging or self._version.role == "shadow":
            return None
        made: dict[str, Any] = {"mode": logging.mode, "url": logging.sink}
        if not logging.sink.startswith("http"):
            place = urlsplit(logging.sink)
            made["url"] = f"{place.scheme}://{place.netloc}"
            made["storage"] = {
                "key": self._plan.node.platform.storage.secret,
                "path": place.path.strip("/") or "/",
                "parameters": {"type": place.scheme, "format": "json"},
            }
        return made

    @property
    def batcher(self) -> dict[str, Any] | None:
        """How requests are answered together; the delay in milliseconds."""
        batch = self._entry.batch
        if not batch:
            return None
        made: dict[str, Any] = {"maxBatchSize": batch.size}
        if batch.delay is not None:
            made["maxLatency"] = int(seconds(batch.delay) * 1000)
        return made

    @property
    def node_selector(self) -> dict[str, str] | None:
        """Labels that the node must have."""
        place = self._entry.place
        return place.nodeSelector.plain() if place and place.nodeSelector else None

    @property
    def tolerations(self) -> list[dict[str, Any]] | None:
        """Taints that are tolerated."""
        place = self._entry.place
        return [toleration.plain() for toleration in place.tolerations] if place and place.tolerations else None

    @property
    def priority(self) -> str | None:
        """The PriorityClass."""
        place = self._entry.place
        name: str | None = place.priority if place else None
        return name

    @property
    def spread(self) -> list[dict[str, Any]]:
        """What replicas are spread over."""
        place = self._entry.place
        return spread(place.spread if place else None, self.name)

    @property
    def custom(self) -> bool:
        """Whether the server is a container of the team's own."""
        return self._server is None

    @property
    def image(self) -> str | None:
        """The image of a custom server."""
        image: str | None = self._entry.image
        return image

    @property
    def format(self) -> dict[str, str]:
        """The format of the model."""
        server = self._server
        assert server is not None
        name, version = server.formats[self._model.framework]
        return {"name": name, "version": version} if version else {"name": name}

    @property
    def runtime(self) -> str:
        """The serving runtime."""
        assert self._server is not None
        wanted: str = self._entry.runtime
        return self._server.runtime if wanted else ""

    @property
    def protocol(self) -> str:
        """The protocol that requests speak; the batcher understands v1 alone."""
        assert self._server is not None
        return "v1" if self._entry.batch and "v1" in self._server.protocols else self._server.protocol

    @property
    def storage_uri(self) -> str:
        """Where the artifact lies."""
        if self._version.role == "stable" and self._version.uri != self._model.uri:
            return storage_uri(self._version.uri)
        return storage_uri(self._model.uri)

    @property
    def arguments(self) -> list[str]:
        """Arguments of the server; all versions answer to the endpoint's name, since the request path holds it."""
        made = arguments(self._entry.args)
        server = self._server
        if server is not None and server.name_argument and self.name != self._endpoint:
            return [f"{server.name_argument}{self._endpoint}", *made]
        if server is not None and server.runtime == "kserve-vllmserver":
            return [f"{server.name_argument}{self._endpoint}", *made]
        return made

    @property
    def variables(self) -> list[dict[str, Any]]:
        """Environment variables of the server."""
        made = variables(self._entry.env)
        if self._server is None:
            return [{"name": "STORAGE_URI", "value": self.storage_uri}, *made]
        if self._server.name_variable:
            return [{"name": self._server.name_variable, "value": self._endpoint}, *made]
        return made

    @property
    def cpu(self) -> str | None:
        """Processor time that is asked for."""
        return quantity(self._entry.resources.cpu)

    @property
    def memory(self) -> str | None:
        """Memory that is asked for, and the limit."""
        return quantity(self._entry.resources.memory)

    @property
    def storage(self) -> str | None:
        """Local disk that is asked for, and the limit."""
        return quantity(self._entry.resources.storage)

    @property
    def accelerators(self) -> dict[str, str]:
        """Accelerators by resource name."""
        gpu = self._entry.resources.gpu
        return {gpu.type: str(gpu.count)} if gpu and gpu.count else {}

    @property
    def transformer(self) -> dict[str, Any] | None:
        """The container before the model."""
        return self._component(self._entry.transform)

    @property
    def explainer(self) -> dict[str, Any] | None:
        """What explains answers: a container, or the method that KServe brings."""
        explain = self._entry.explain
        if self._version.role != "stable" or not explain:
            return None
        if explain.method == "art":
            return {"art": {"type": "SquareAttack", "name": "kserve-container"}}
        return self._component(explain)

    def _component(self, part: Node | None) -> dict[str, Any] | None:
        if not part or part.image is None:
            return None
        container: dict[str, Any] = {"name": "kserve-container", "image": part.image}
        container |= {key: value for key, value in (("args", arguments(part.args)), ("env", variables(part.env))) if value}
        container["resources"] = resources(part.resources)
        container["securityContext"] = {
            **(RESTRICTED if self._knative else {}),
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        return {"containers": [container]}
