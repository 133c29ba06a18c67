"""What starts a run when a threshold is breached: an EventSource that hears of it and a Sensor that acts.

Sources: argo-events v1.9.11: pkg/reconciler (labels of the pods, the volumes that they get), pkg/sensors/triggers/standard-k8s (an
object is made with one ``create``), pkg/sensors/dependencies (a text is compared as a regular expression).
"""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.names import object_name
from mlspec.plan.plan import Plan
from mlspec.target import Rendering
from mlspec.targets.kubeflow.access import (
    EVENT_PORT,
    ActingPolicyView,
    HearingPolicyView,
    HelperAccountView,
    PipelineView,
    breach,
    roles,
    watcher,
)
from mlspec.targets.kubeflow.submitting import SubmitView

COOL_DOWN = 600
"""Seconds that the Job of a run stays after its end; until then its name is taken and no other run begins."""


class HearingView(PipelineView):
    """The EventSource: an address that Alertmanager calls."""

    @property
    def name(self) -> str:
        """The name of the EventSource; its Service is ``<name>-eventsource-svc``."""
        return breach(self._pipeline)

    @property
    def account(self) -> str:
        """The ServiceAccount of its pod, which has no token."""
        return object_name(self._plan.project, self._pipeline, "hear")

    @property
    def bus(self) -> str:
        """The event bus."""
        name: str = self._plan.node.platform.events.argo.bus
        return name

    @property
    def port(self) -> int:
        """The port at which it is called."""
        return EVENT_PORT


class ActingView(SubmitView):
    """The Sensor, and the Job that it makes.

    The Job's name is always the same, so the cluster refuses a second one while a run is going on and a while after it.
    """

    trigger = "breach"

    @property
    def name(self) -> str:
        """The name of the Sensor."""
        return breach(self._pipeline)

    @property
    def source(self) -> str:
        """The EventSource that it listens to."""
        return breach(self._pipeline)

    @property
    def job(self) -> str:
        """The name of the Job."""
        return object_name(self._pipeline, "on-breach")

    @property
    def job_labels(self) -> dict[str, str]:
        """The labels of the Job."""
        return self.labels

    @property
    def watcher(self) -> str:
        """The ServiceAccount of the Sensor, which may make Jobs and nothing else."""
        return watcher(self._plan, self._pipeline)

    @property
    def bus(self) -> str:
        """The event bus."""
        name: str = self._plan.node.platform.events.argo.bus
        return name

    @property
    def pipeline_pattern(self) -> str:
        """The label of the alerts that are meant, as a regular expression."""
        return f"^{self._pipeline}$"

    @property
    def ttl(self) -> int | None:
        """Seconds after which the finished Job goes away by itself."""
        return COOL_DOWN


def breaches(plan: Plan, pipeline: str, version: str, config: str, file: str) -> Iterator[Rendering]:
    """Make what starts a run when a threshold is breached. Without an event system there is nothing to make."""
    if plan.node.platform.events.word != "argo":
        return  # the check not-enforced says so
    hearing, acting = HearingView(plan, pipeline), ActingView(plan, pipeline, version, config)
    account = acting.watcher
    yield Rendering("kubeflow/service-account.yaml.j2", HelperAccountView(plan, pipeline, hearing.account, False), file)
    yield Rendering("kubeflow/service-account.yaml.j2", HelperAccountView(plan, pipeline, account, True), file)
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}]
    yield from roles(plan, pipeline, account, account, rules, file)
    heard = HearingPolicyView(plan, pipeline, hearing.account, {"eventsource-name": hearing.name})
    yield Rendering("kubeflow/network-policy.yaml.j2", heard, file)
    acted = ActingPolicyView(plan, pipeline, account, {"sensor-name": acting.name})
    yield Rendering("kubeflow/network-policy.yaml.j2", acted, file)
    yield Rendering("kubeflow/event-source.yaml.j2", HearingView(plan, pipeline), file)
    yield Rendering("kubeflow/sensor.yaml.j2", ActingView(plan, pipeline, version, config), file)
