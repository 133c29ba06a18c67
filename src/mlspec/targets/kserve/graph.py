"""The view of an InferenceGraph."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlspec.names import object_name
from mlspec.plan.node import Node
from mlspec.quantity import ratio
from mlspec.targets.kserve.access import ComponentView
from mlspec.targets.kserve.containers import quantity

ROUTERS = {"sequence": "Sequence", "ensemble": "Ensemble", "switch": "Switch", "split": "Splitter"}
SCALING = {"cpu": "cpu", "memory": "memory", "concurrency": "concurrency", "requestRate": "rps"}


class GraphView(ComponentView):
    """Endpoints combined."""

    @property
    def mode(self) -> str:
        """The deployment mode."""
        return "Knative" if self._plan.node.platform.serving.kserve.mode == "knative" else "Standard"

    @property
    def service_account(self) -> str:
        """The ServiceAccount of its router."""
        return object_name(self._endpoint)

    @property
    def min_replicas(self) -> int:
        """The smallest number of routers."""
        least: int = self._entry.replicas.min
        return least

    @property
    def max_replicas(self) -> int:
        """The largest number of routers."""
        most: int = self._entry.replicas.max
        return most

    @property
    def scale_metric(self) -> str | None:
        """What it scales on."""
        return SCALING[self._entry.autoscale.metric] if self._entry.autoscale else None

    @property
    def scale_target(self) -> int | None:
        """The value that it scales to: percent of what is asked for, or a number."""
        wanted = self._entry.autoscale
        if not wanted:
            return None
        return int(ratio(wanted.target) * 100) if wanted.metric in ("cpu", "memory") else int(Decimal(wanted.target))

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
    def cpu(self) -> str | None:
        """Processor time that its router asks for."""
        return quantity(self._entry.resources.cpu)

    @property
    def memory(self) -> str | None:
        """Memory that its router asks for."""
        return quantity(self._entry.resources.memory)

    @property
    def nodes(self) -> dict[str, Any]:
        """Its routers: ``root``, and one for each graph within it."""
        made: dict[str, Any] = {}
        self._add("root", self._entry.graph, made)
        return made

    def _add(self, name: str, graph: Node, made: dict[str, Any]) -> None:
        kind = next(key for key in ROUTERS if key in graph)
        steps: list[dict[str, Any]] = []
        made[name] = {"routerType": ROUTERS[kind], "steps": steps}
        if kind == "split":
            steps += [{"name": member, **self._call(member), "weight": weight} for member, weight in graph.split.items()]
            return
        for at, member in enumerate(graph[kind]):
            steps.append(self._step(kind, name, at, member, made))

    def _step(self, kind: str, name: str, at: int, member: Any, made: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any]
        when = "@this" if kind == "switch" else None
        if isinstance(member, str):
            step = {"name": member, **self._call(member)}
        elif any(key in member for key in ROUTERS):
            inner = f"{name}-{at}" if name != "root" else f"graph-{at}"
            self._add(inner, member, made)
            step = {"name": inner, "nodeName": inner}
        else:
            called, condition = next(member.items())
            step = {"name": called, **self._call(called)}
            when = gjson(condition.when)
        if kind == "sequence":
            step["dependency"] = "Hard"
            if at:
                step["data"] = "$response"
        if when is not None:
            step["condition"] = when
        return step

    def _call(self, member: str) -> dict[str, str]:
        other = self._plan.node.serving[member]
        if "graph" in other:
            return {"serviceUrl": f"http://{member}.{self._plan.namespace}.svc.cluster.local"}
        return {"serviceName": member}


def gjson(when: str) -> str:
    """Return a condition as the path by which KServe's router asks for it: ``count > 0`` is ``[@this].#(count>0)``."""
    field, operator, value = when.split(None, 2)
    return f"[@this].#({field}{operator}{value})"
