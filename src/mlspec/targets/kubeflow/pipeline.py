"""A pipeline as the intermediate representation of KFP (schema 2.1.0), and the two objects that hold it.

Sources: kubeflow/pipelines 2.14, api/v2alpha1/pipeline_spec.proto; backend/src/apiserver/webhook (the spec of a PipelineVersion cannot
change); backend/src/v2/compiler/argocompiler (retries: Argo gives up when ``backoffMaxDuration`` is over, however many are left).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.pipelines import kind_of
from mlspec.plan.plan import Plan
from mlspec.target import View
from mlspec.targets.kubeflow.commands import LONGEST, SETTLING, Work, announcing, datasets_of, deadline_of, start_work, version_of, work_of
from mlspec.targets.kubeflow.executors import container, pod
from mlspec.targets.kubeflow.names import account_of, namespace_of, pipeline_object, runner_image, version_object
from mlspec.targets.kubeflow.wiring import REMOTE, Wiring, artifact_type, outputs_of, parameter_type, uri_of

JUDGING = ("check", "gate", "register")
"""Kinds of steps that are never answered from the cache: what they judge or change lies outside the pipeline."""
PAUSE = 30
"""Seconds before a failed task is tried again; twice as many each time."""


class Task:
    """One task of a pipeline: what it reads, what it runs, and where."""

    def __init__(self, plan: Plan, pipeline: str, name: str) -> None:
        self.plan, self.pipeline, self.name = plan, pipeline, name
        self.owner: Node = plan.node.pipelines[pipeline]
        self.step: Node = self.owner.steps[name]
        self.kind = kind_of(self.step)
        self.wiring = Wiring(plan, pipeline, name)
        self.work = work_of(plan, pipeline, name, self.wiring)

    def announce(self, outputs: set[str]) -> None:
        """Let the task tell the URIs of these outputs.

        Who needs a URI alone takes it as a parameter: the launcher of KFP fetches every artifact that is an input, however large.
        """
        if outputs:
            self.work = announcing(self.work, {name: uri_of(self.step, name) for name in sorted(outputs)})

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs that the engine keeps, with their kinds."""
        return {**outputs_of(self.step), **self.work.kept}

    @property
    def awaited(self) -> list[str]:
        """The tasks that come before."""
        return sorted({*self.wiring.awaited, *(self.step.after or ())} - {self.name})

    @property
    def cached(self) -> bool:
        """Whether an earlier result may answer for it.

        Unless it says so itself, it is not when the result lies outside of the engine, or the data has no version and may have changed.
        """
        written, general = self.step.cache, bool(self.owner.cache)
        if written is not None:
            return bool(written)
        unpinned = any(version_of(self.plan, dataset) is None for dataset in datasets_of(self.step).values())
        return general and bool(self.outputs) and not unpinned and self.kind not in JUDGING

    @property
    def retries(self) -> int:
        """How often it is tried again."""
        own, general = self.step.retries, self.owner.retries
        return int(general if own is None else own)

    @property
    def deadline(self) -> int | None:
        """How many seconds an attempt may take. A step that waits for other pods has some more, to clean up."""
        asked = deadline_of(self.plan, self.pipeline, self.step)
        return asked + SETTLING if asked is not None and self.kind in REMOTE else asked

    def component(self) -> dict[str, Any]:
        """Return the component: its inputs and outputs, and which executor runs it."""
        made: dict[str, Any] = {"executorLabel": f"exec-{self.name}"}
        if definitions := self.wiring.definitions():
            made["inputDefinitions"] = definitions
        kept = self.outputs
        values = {name: {"parameterType": "STRING"} for name, kind in sorted(kept.items()) if kind == "value"}
        artifacts = {
            name: {"artifactType": artifact_type(kind), "metadata": {"kind": kind}}
            for name, kind in sorted(kept.items())
            if kind != "value"
        }
        outputs = {key: value for key, value in (("parameters", values), ("artifacts", artifacts)) if value}
        if outputs:
            made["outputDefinitions"] = outputs
        return made

    def task(self) -> dict[str, Any]:
        """Return the task: what it gives to the component, what comes before, retries and cache."""
        made: dict[str, Any] = {
            "taskInfo": {"name": self.name},
            "componentRef": {"name": f"comp-{self.name}"},
            "cachingOptions": {"enableCache": self.cached},
        }
        if inputs := self.wiring.inputs():
            made["inputs"] = inputs
        if self.awaited:
            made["dependentTasks"] = self.awaited
        if self.retries:
            made["retryPolicy"] = self._retry_policy()
        return made

    def _retry_policy(self) -> dict[str, Any]:
        """Return when to try again. The longest duration counts from the first attempt on, so it has room for all of them."""
        pauses = PAUSE * (2**self.retries - 1)
        most = LONGEST if self.deadline is None else self.deadline * (self.retries + 1) + pauses
        return {
            "maxRetryCount": self.retries,
            "backoffDuration": f"{PAUSE}s",
            "backoffFactor": 2,
            "backoffMaxDuration": f"{most}s",
        }

    def executor(self) -> dict[str, Any]:
        """Return the container."""
        return {"container": container(self.work, None if self.kind in REMOTE else self.step.resources)}

    def pod(self, config: str) -> dict[str, Any]:
        """Return what is special about the pod. What other pods do for it is placed there, and has the secrets there."""
        remote = self.kind in REMOTE
        return pod(
            self.plan,
            self.pipeline,
            self.name,
            config=config if self.work.mounted else None,
            deadline=self.deadline,
            secrets=None if remote else self.step.secrets,
            place=None if remote else self.step.place,
        )


class Start:
    """The last task of a pipeline that starts another one."""

    def __init__(self, plan: Plan, pipeline: str, name: str, other: str, version: str, awaited: list[str]) -> None:
        self.plan, self.pipeline, self.name = plan, pipeline, name
        self.awaited = awaited
        work = start_work(plan, pipeline_object(other), version, account_of(plan, other))
        self.work: Work = work._replace(image=runner_image(plan, pipeline))

    def component(self) -> dict[str, Any]:
        """Return the component."""
        return {"executorLabel": f"exec-{self.name}"}

    def task(self) -> dict[str, Any]:
        """Return the task, which comes after all others."""
        return {
            "taskInfo": {"name": self.name},
            "componentRef": {"name": f"comp-{self.name}"},
            "cachingOptions": {"enableCache": False},
            "dependentTasks": self.awaited,
        }

    def executor(self) -> dict[str, Any]:
        """Return the container."""
        return {"container": container(self.work, None)}

    def pod(self, config: str) -> dict[str, Any]:
        """Return what is special about the pod."""
        return pod(self.plan, self.pipeline, self.name, config=config, deadline=None, secrets=None, place=None)


def followers_of(plan: Plan, pipeline: str) -> list[str]:
    """Return the pipelines that are started when this one has succeeded."""
    return [name for name, other in sorted(plan.node.pipelines.items()) if any(trigger.pipeline == pipeline for trigger in other.on or ())]


def tasks_of(plan: Plan, pipeline: str, versions: dict[str, str]) -> list[Task | Start]:
    """Return the tasks of a pipeline. ``versions`` are the PipelineVersions of the pipelines that it starts."""
    made = [Task(plan, pipeline, name) for name in plan.node.pipelines[pipeline].steps]
    announced: dict[str, set[str]] = {}
    for task in made:
        for step, output in task.wiring.announced():
            announced.setdefault(step, set()).add(output)
    for task in made:
        task.announce(announced.get(task.name, set()))
    return [*made, *_starts(plan, pipeline, versions, made)]


def _starts(plan: Plan, pipeline: str, versions: dict[str, str], tasks: list[Task]) -> Iterator[Start]:
    awaited = {name for task in tasks for name in task.awaited}
    last = sorted(task.name for task in tasks if task.name not in awaited)
    taken = {task.name for task in tasks}
    for other in followers_of(plan, pipeline):
        name = f"start-{other}"
        while name in taken:
            name = f"{name}-run"
        yield Start(plan, pipeline, name, other, versions[other], last)


class Built:
    """A pipeline put together: its parts, and the name of the version that holds them."""

    def __init__(self, plan: Plan, pipeline: str, config: str, versions: dict[str, str]) -> None:
        self._plan, self._pipeline, self._config = plan, pipeline, config
        self._tasks = tasks_of(plan, pipeline, versions)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the pipeline, each with its type and its value."""
        written = self._plan.node.pipelines[self._pipeline].parameters
        return {
            name: {"parameterType": parameter_type(value), "defaultValue": value, "isOptional": True}
            for name, value in sorted(written.items() if written else ())
        }

    @cached_property
    def tasks(self) -> dict[str, Any]:
        """The tasks by name."""
        return _by_name((task.name, task.task()) for task in self._tasks)

    @cached_property
    def components(self) -> dict[str, Any]:
        """The components by name."""
        return _by_name((f"comp-{task.name}", task.component()) for task in self._tasks)

    @cached_property
    def executors(self) -> dict[str, Any]:
        """The containers by name."""
        return _by_name((f"exec-{task.name}", task.executor()) for task in self._tasks)

    @cached_property
    def pods(self) -> dict[str, Any]:
        """What is special about the pods of the containers."""
        return _by_name((f"exec-{task.name}", task.pod(self._config)) for task in self._tasks)

    @cached_property
    def version(self) -> str:
        """The name of the version: another spec, another name, since the spec of a version cannot change."""
        whole = [self.parameters, self.tasks, self.components, self.executors, self.pods, namespace_of(self._plan)]
        patches = [entry for entry in self._plan.tree.get("patches") or () if entry["target"].get("kind") == "PipelineVersion"]
        text = json.dumps([whole, patches], sort_keys=True, ensure_ascii=False, default=str)
        return version_object(self._pipeline, hashlib.sha256(text.encode()).hexdigest())


def _by_name(entries: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return dict(sorted(entries))


def build_all(plan: Plan, config: str) -> dict[str, Built]:
    """Return every pipeline of a plan, put together. Those that others start come first, since a version names theirs."""
    made: dict[str, Built] = {}
    versions: dict[str, str] = {}
    waiting = list(plan.node.pipelines)
    while waiting:
        ready = [name for name in waiting if all(other in versions for other in followers_of(plan, name))]
        assert ready, "the checks refuse pipelines that start each other in a circle"
        for name in ready:
            made[name] = Built(plan, name, config, versions)
            versions[name] = made[name].version
        waiting = [name for name in waiting if name not in versions]
    return made


class PipelineView(View):
    """The pipeline, of which there are versions."""

    def __init__(self, plan: Plan, pipeline: str) -> None:
        self._plan, self._pipeline = plan, pipeline

    @property
    def name(self) -> str:
        """The name of the pipeline."""
        return pipeline_object(self._pipeline)

    @property
    def namespace(self) -> str:
        """The namespace in which pipelines live."""
        return namespace_of(self._plan)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._pipeline)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def description(self) -> str | None:
        """What the project is for."""
        description: str | None = self._plan.node.description
        return description


class VersionView(PipelineView):
    """One version of a pipeline."""

    def __init__(self, plan: Plan, pipeline: str, built: Built, config: str, versions: dict[str, str]) -> None:
        super().__init__(plan, pipeline)
        self._built, self._config, self._versions = built, config, versions

    @property
    def _parts(self) -> Built:
        """What was put together; anew where it is asked what was read for it."""
        if self._plan.reads.apart:
            return Built(self._plan, self._pipeline, self._config, self._versions)
        return self._built

    @property
    def name(self) -> str:
        """The name of the version, which changes with its content."""
        return self._parts.version

    @property
    def pipeline(self) -> str:
        """The name of its pipeline."""
        return pipeline_object(self._pipeline)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the pipeline, each with its type and its value."""
        return self._parts.parameters

    @property
    def tasks(self) -> dict[str, Any]:
        """The tasks by name."""
        return self._parts.tasks

    @property
    def components(self) -> dict[str, Any]:
        """The components by name."""
        return self._parts.components

    @property
    def executors(self) -> dict[str, Any]:
        """The containers by name."""
        return self._parts.executors

    @property
    def pods(self) -> dict[str, Any]:
        """What is special about the pods of the containers."""
        return self._parts.pods
