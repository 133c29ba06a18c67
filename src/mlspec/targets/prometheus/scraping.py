"""The view of a PodMonitor: how the metrics of an endpoint's model servers get into Prometheus, with the labels that queries ask for.

Sources: Prometheus Operator 0.93 (pkg/prometheus/promcfg.go: without a port every container of a pod is a target; relabelings of the
monitor run after its own); Prometheus 3 (discovery/kubernetes/pod.go: a container without ports has the bare address of its pod; equal
targets of one job are scraped once); KServe 0.20.0 (config/runtimes: no container declares a port for metrics; pods of both modes carry
``serving.kserve.io/inferenceservice`` and ``component``, and the server is ``kserve-container``).
"""

from __future__ import annotations

from typing import Any

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.live import SERVERS, Source, family_of, tells_tensorflow
from mlspec.plan.plan import Plan
from mlspec.plan.versions import versions
from mlspec.target import View

INTERVAL = "30s"
"""How often the model servers are asked; the shortest windows of ours hold four of it."""


class ScrapeView(View):
    """What is scraped of one endpoint."""

    def __init__(self, plan: Plan, endpoint: str) -> None:
        self._plan, self._endpoint = plan, endpoint

    @property
    def _source(self) -> Source:
        source = scraped(self._plan, self._endpoint)
        assert source is not None
        return source

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
    def selector(self) -> dict[str, Any]:
        """The pods of the model servers of all versions; transformers and explainers are the team's own."""
        names = sorted(version.name for version in versions(self._plan, self._endpoint))
        made: dict[str, Any] = {"matchLabels": {"component": "predictor"}}
        if len(names) == 1:
            made["matchLabels"]["serving.kserve.io/inferenceservice"] = names[0]
        else:
            made["matchExpressions"] = [{"key": "serving.kserve.io/inferenceservice", "operator": "In", "values": names}]
        return made

    @property
    def endpoint(self) -> str:
        """The endpoint, as a label of every series."""
        return self._endpoint

    @property
    def port(self) -> int:
        """The port that serves metrics."""
        return self._source.port

    @property
    def path(self) -> str:
        """Where they are."""
        return self._source.path

    @property
    def interval(self) -> str:
        """How often they are read."""
        return INTERVAL


def monitoring_labels(plan: Plan, endpoint: str) -> dict[str, str]:
    """Return the labels of an object that Prometheus is to find."""
    chosen = plan.node.platform.monitoring.prometheus.labels
    return {**(chosen.plain() if chosen else {}), **labels(plan, endpoint)}


def scraped(plan: Plan, endpoint: str) -> Source | None:
    """Return the kind of an endpoint's model servers; None where nothing is known to be scraped.

    Versions of one endpoint have one runtime unless ``auto`` picked another for a split model; then the first that listens is taken.
    """
    entry = plan.node.serving[endpoint]
    if "graph" in entry:
        return None
    family = family_of(versions(plan, endpoint)[0].runtime)
    if family is None or (family == "tfserving" and not tells_tensorflow(entry)):
        return None
    return SERVERS[family]
