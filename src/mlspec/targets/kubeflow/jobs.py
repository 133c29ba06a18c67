"""What starts the runs of a pipeline and what stands around them: its schedule, new data, breaches, and their access.

A run is started by ``submit.py`` by names alone. Where it may take only so long, or where only one may run at a time, the Job that
started it waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.names import CRON_JOB_LIMIT, HASH_LENGTH, object_name
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import Rendering
from mlspec.targets.kubeflow.access import HelperAccountView, SubmitPolicyView, accounts, roles, secrets, submit_rules, submitter
from mlspec.targets.kubeflow.katib import check_tune
from mlspec.targets.kubeflow.remote import Remote
from mlspec.targets.kubeflow.submitting import SubmitView, selector
from mlspec.targets.kubeflow.trainer import check_distributed
from mlspec.targets.kubeflow.triggers import breaches


class ScheduleView(SubmitView):
    """The schedule of a pipeline."""

    trigger = "schedule"

    @property
    def name(self) -> str:
        """The name of the CronJob; its Jobs add eleven characters."""
        return object_name(self._pipeline, limit=CRON_JOB_LIMIT)

    @property
    def _schedule(self) -> Node:
        schedule: Node = self._entry.schedule
        return schedule

    @property
    def schedule(self) -> str:
        """When it runs, as written."""
        cron: str = self._schedule.cron
        return cron

    @property
    def time_zone(self) -> str:
        """The time zone of the schedule."""
        zone: str = self._schedule.timezone
        return zone

    @property
    def suspended(self) -> bool:
        """Whether the schedule rests."""
        rests: bool = self._schedule.suspend
        return rests


class DatasetView(SubmitView):
    """The Job that starts a run because a new version of a dataset is pinned in git."""

    trigger = "dataset"
    waits = False

    def __init__(self, plan: Plan, pipeline: str, version: str, config: str, dataset: str) -> None:
        super().__init__(plan, pipeline, version, config)
        self._dataset = dataset

    @property
    def _pin(self) -> str:
        version = self._plan.node.datasets[self._dataset].version
        written = ",".join(f"{kind}:{value}" for kind, value in version.items()) if version else ""
        return self._plan.pins.get(f"datasets/{self._dataset}", written)

    @property
    def _once(self) -> str:
        return object_name(self._pipeline, "on", self._dataset, _digest(self._pin))

    @property
    def name(self) -> str:
        """The name of the Job: another one for other data.

        A Job cannot be changed, so whatever else goes into it is in the hash too; the key of ``--once`` is of the data alone, so a Job
        that is there for another reason starts nothing.
        """
        parts = [self._pin, self.arguments, self.image, self.programs, self.account, self.pod_labels, self.deadline]
        return object_name(self._pipeline, "on", self._dataset, _digest(json.dumps(parts, sort_keys=True)))

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask, and which data it is for.

        It has no sync wave of its own: the pipeline's version is in an earlier one, and a later one would wait until every endpoint is
        healthy, which before the first training none is.
        """
        return {**super().annotations, "mlspec.dev/dataset": f"{self._dataset}@{self._pin}"}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def surroundings(plan: Plan, pipeline: str, version: str, config: str) -> Iterator[Rendering]:
    """Make what surrounds a pipeline, in its own file: accounts, roles, policies, and what starts its runs.

    ``version`` is the name of the PipelineVersion that they start, ``config`` that of the ConfigMap with the programs.
    """
    file = f"{plan.folder}/pipeline-{pipeline}.yaml"
    entry = plan.node.pipelines[pipeline]
    yield from accounts(plan, pipeline, file)
    triggers = entry.on or []
    datasets = [trigger.dataset for trigger in triggers if trigger.dataset]
    breached = [trigger.breach for trigger in triggers if trigger.breach]
    if not (entry.schedule or datasets or breached):
        return
    name = submitter(plan, pipeline)
    yield Rendering("kubeflow/service-account.yaml.j2", HelperAccountView(plan, pipeline, name, False), file)
    yield from roles(plan, pipeline, name, name, submit_rules(), file)
    view = SubmitView(plan, pipeline, version, config)
    policy = SubmitPolicyView(plan, pipeline, name, selector(view.labels, "submit"))
    yield Rendering("kubeflow/network-policy.yaml.j2", policy, file)
    if entry.schedule:
        yield Rendering("kubeflow/cron-job.yaml.j2", ScheduleView(plan, pipeline, version, config), file)
    for dataset in datasets:
        yield Rendering("kubeflow/job.yaml.j2", DatasetView(plan, pipeline, version, config, dataset), file)
    if breached:
        yield from breaches(plan, pipeline, version, config, file)


def surroundings_of_all(plan: Plan) -> Iterator[Rendering]:
    """Make what the pipelines of an environment share: the secrets that their steps name."""
    yield from secrets(plan)


@code("MLS-E833", "at-before-reference")
def at_before_reference(path: Path, text: str) -> Found:
    """In a `distributed` or `tune` step an `@` must not stand right before a run-time reference.

    Their commands travel in an object in which `@{NAME}` marks what is filled in when the step runs, and `@@{` stands for itself.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {host: store}
            steps:
              fit: {run: [torchrun, fit.py, "ml@${params.host}"], distributed: {framework: pytorch, nodes: 2}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {host: ml@store}
            steps:
              fit: {run: [torchrun, fit.py, "${params.host}"], distributed: {framework: pytorch, nodes: 2}}
    """
    said = f'`{format_path(path)}` holds "{text}", with an @ right before a run-time reference'
    return Found(path, said, "pass the two parts as arguments of their own, or make the @ part of the value", label="an @ before ${")


def check_surroundings(plan: Plan) -> Iterator[Finding]:
    """Yield what the systems beside Kubeflow Pipelines cannot do of a plan: Kubeflow Trainer and Katib."""
    for name, pipeline in plan.node.pipelines.items():
        for step, entry in pipeline.steps.items():
            path: Path = ("pipelines", name, "steps", step)
            if "distributed" in entry:
                yield from check_distributed(path, entry)
            elif "tune" in entry:
                yield from check_tune(path, entry)
            else:
                continue
            confused = Remote(plan, name, step).confused
            if confused is not None:
                yield at_before_reference((*path, "run"), confused)
