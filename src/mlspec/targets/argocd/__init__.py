"""Argo CD 3.5: one AppProject, and one Application an environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target, View, nothing


class DeliveryView(View):
    """What an AppProject and its Applications share."""

    def __init__(self, plans: tuple[Plan, ...], at: int = 0) -> None:
        self._plans, self._plan = plans, plans[at]

    @property
    def _settings(self) -> Node:
        settings: Node = self._plan.node.platform.gitops.argocd
        return settings

    @property
    def namespace(self) -> str:
        """The namespace that Argo CD reads."""
        namespace: str = self._settings.namespace
        return namespace

    @property
    def project(self) -> str:
        """The AppProject."""
        return self._settings.project or self._plan.project

    @property
    def repository(self) -> str:
        """The repository that holds the tree."""
        url: str = self._plan.node.platform.repository.url
        return url


class ProjectView(DeliveryView):
    """What the project may deploy, from where and to where."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object, without an environment: the project spans them all."""
        made = labels(self._plan, self._plan.project)
        del made["mlspec.dev/environment"]
        return {**made, "app.kubernetes.io/instance": object_name(self._plan.project)}

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def description(self) -> str:
        """What the project is for, in one line of at most 255 characters."""
        text = self._plan.node.description or f"{self._plan.project}, owned by {self._plan.team}"
        return " ".join(text.split())[:255]

    @property
    def destinations(self) -> list[dict[str, str]]:
        """The namespaces and clusters of its environments and of their pipelines, and no others."""
        made = [{**_cluster(plan), "namespace": namespace} for plan in self._plans for namespace in _namespaces(plan)]
        return [entry for at, entry in enumerate(made) if entry not in made[:at]]


class ApplicationView(DeliveryView):
    """The deployment of one environment."""

    @property
    def name(self) -> str:
        """The Application's name."""
        return object_name(self._plan.project, self._plan.environment)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._plan.project)

    @property
    def annotations(self) -> dict[str, str]:
        """Which folder it is made from, so that only changes there make Argo CD look, and whom to ask."""
        return {"argocd.argoproj.io/manifest-generate-paths": f"/{self._plan.folder}", **contacts(self._plan)}

    @property
    def branch(self) -> str:
        """The branch that is deployed."""
        branch: str = self._plan.node.platform.repository.branch
        return branch

    @property
    def folder(self) -> str:
        """The folder that is deployed."""
        return self._plan.folder

    @property
    def destination(self) -> dict[str, str]:
        """The cluster, by URL or by name, and the namespace."""
        return {**_cluster(self._plan), "namespace": self._plan.namespace}

    @property
    def automated(self) -> bool:
        """Whether changes in git are applied by themselves."""
        return bool(self._settings.sync == "automated")

    @property
    def namespace_labels(self) -> dict[str, str]:
        """Labels of the namespace: restricted pods where that is possible, and Katib's injection where a pipeline tunes."""
        made = {"pod-security.kubernetes.io/enforce": "restricted"}
        if _admits_driver(self._plan):
            made = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
        if any("tune" in step for pipeline in self._plan.tree["pipelines"].values() for step in pipeline["steps"].values()):
            made["katib.kubeflow.org/metrics-collector-injection"] = "enabled"
        return made

    @property
    def ignored(self) -> list[dict[str, Any]]:
        """Fields that controllers own, and nothing else: KServe writes defaults of its components' containers."""
        return []


def _admits_driver(plan: Plan) -> bool:
    """Tell whether pods run in the environment's namespace that Kubeflow makes and that a restricted one would refuse.

    Kubeflow Pipelines sets the security of the pods of its own drivers and launchers since 2.16 (kubeflow/pipelines#12782).
    """
    settings = plan.node.platform.pipelines.kubeflow
    if settings is None or not plan.tree["pipelines"] or settings.namespace not in (None, plan.namespace):
        return False
    return tuple(map(int, str(settings.version).removeprefix("v").split(".")[:2])) < (2, 16)


def _namespaces(plan: Plan) -> list[str]:
    """Return the namespaces that an environment's objects lie in: its own, and the one that its pipelines are kept in."""
    settings = plan.node.platform.pipelines.kubeflow
    kept = settings.namespace if settings is not None and plan.tree["pipelines"] else None
    return [plan.namespace, *([kept] if kept not in (None, plan.namespace) else [])]


def _cluster(plan: Plan) -> dict[str, str]:
    cluster = plan.cluster
    return {"server": cluster} if "://" in cluster else {"name": cluster}


def render_project(plans: tuple[Plan, ...]) -> Iterator[Rendering]:
    """Make the AppProject and the Applications, all in one file."""
    file = f"{plans[0].output['root']}/argocd/{plans[0].project}.yaml"
    yield Rendering("argocd/app-project.yaml.j2", ProjectView(plans), file)
    for at in range(len(plans)):
        yield Rendering("argocd/application.yaml.j2", ApplicationView(plans, at), file)


TARGET = Target("argocd", ("gitops", "argocd"), "", nothing, nothing, render_project)
