"""The section `platform`: which systems the manifests are written for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from mlspec.spec.model import Model, by_type, optional
from mlspec.spec.scalars import Image, Label, Line, Name, SecretName, Text, Url

WORD_OR_MAP = "expected a word, or a map of one word and its settings"


class KserveSettings(Model):
    """Settings of KServe."""

    version: Line = optional(description="The version on the cluster (0.20).")
    mode: Literal["standard", "knative"] = optional(description="How KServe runs models: standard Deployments, or Knative Services.")


class NoSettings(Model):
    """A system without settings."""


class Serving(Model):
    """One serving system with its settings."""

    kserve: KserveSettings = optional(description="KServe.")
    kubernetes: NoSettings = optional(description="Plain Kubernetes with Argo Rollouts.")
    seldon: NoSettings = optional(description="Seldon Core 2.")


class KubeflowSettings(Model):
    """Settings of Kubeflow Pipelines."""

    version: Line = optional(description="The version on the cluster (2.14).")
    namespace: Name = optional(description="Where pipelines live (the environment's namespace).")
    api: Url = optional(description="The API of the pipeline server.")


class Pipelines(Model):
    """One pipeline system with its settings."""

    kubeflow: KubeflowSettings = optional(description="Kubeflow Pipelines.")
    argo: NoSettings = optional(description="Argo Workflows.")
    tekton: NoSettings = optional(description="Tekton.")
    airflow: NoSettings = optional(description="Apache Airflow.")


class PrometheusSettings(Model):
    """Settings of Prometheus."""

    url: Url = optional(description="Where Prometheus answers queries.")
    pushgateway: Url = optional(description="Where batch jobs push their gauges.")
    labels: dict[str, Label] = optional(description="Labels by which Prometheus finds rules and monitors.")
    dashboards: Label = optional(description="The label by which Grafana finds dashboards.")


class Monitoring(Model):
    """One monitoring system with its settings."""

    prometheus: PrometheusSettings = optional(description="The Prometheus operator, Alertmanager and Grafana.")
    none: NoSettings = optional(description="No monitoring.")


class CiSettings(Model):
    """Settings of a CI system."""

    runner: Line = optional(description="The runner that the jobs ask for.")
    install: Text = optional(description="How mlspec gets onto the runner.")


class Ci(Model):
    """One CI system with its settings."""

    github: CiSettings = optional(description="GitHub Actions.")
    gitlab: CiSettings = optional(description="GitLab CI.")
    jenkins: CiSettings = optional(description="Jenkins.")
    azure: CiSettings = optional(description="Azure Pipelines.")
    tekton: CiSettings = optional(description="Tekton with Pipelines-as-Code.")


class GitopsSettings(Model):
    """Settings of a GitOps system."""

    namespace: Name = optional(description="Where the GitOps system looks for its objects (argocd).")
    project: Name = optional(description="The name of the AppProject (the project's name).")
    sync: Literal["automated", "manual"] = optional(description="Whether changes in git are applied by themselves (automated).")


class Gitops(Model):
    """One GitOps system with its settings."""

    argocd: GitopsSettings = optional(description="Argo CD.")
    flux: GitopsSettings = optional(description="Flux.")
    none: NoSettings = optional(description="No GitOps objects.")


class GatewaySettings(Model):
    """Which Gateway the routes hang on."""

    name: Name = optional(description="The name of the Gateway (kserve-ingress-gateway).")
    namespace: Name = optional(description="The namespace of the Gateway (kserve).")


class Gateway(Model):
    """The implementation of the Gateway API; HTTP metrics are read there."""

    istio: GatewaySettings = optional(description="Istio.")
    envoy: GatewaySettings = optional(description="Envoy Gateway.")


class EventsSettings(Model):
    """Settings of Argo Events."""

    bus: Name = optional(description="The name of the EventBus (default).")


class Events(Model):
    """The event system that starts retraining."""

    argo: EventsSettings = optional(description="Argo Events.")
    none: NoSettings = optional(description="No event system.")


class Registry(Model):
    """The model registry."""

    mlflow: Url = Field(description="The URL of the MLflow server.")


class ExternalSecrets(Model):
    """The store that External Secrets reads from."""

    store: Name = Field(description="The name of the store.")
    kind: Literal["ClusterSecretStore", "SecretStore"] = optional(description="The kind of the store (ClusterSecretStore).")


class Secrets(Model):
    """Where named secrets come from."""

    external_secrets: ExternalSecrets = Field(description="The External Secrets operator.")


class Identity(Model):
    """Workload identity."""

    annotations: dict[str, Text] = Field(description="Annotations of every ServiceAccount.", min_length=1)


class Storage(Model):
    """Access to the object store."""

    secret: SecretName = Field(description="The Secret with the credentials of the object store.")


class Runner(Model):
    """What the small programs of mlspec run in."""

    image: Image = Field(description="The image for gates, checks, registration and submission (the pipeline's own image).")


class Repository(Model):
    """The git repository that holds the spec and the compiled tree."""

    url: Line = Field(description="Its URL, as the GitOps system reads it.")
    branch: Line = optional(description="The branch that is deployed (main).")


class Platform(Model):
    """Which systems the manifests are written for; every key has a default."""

    serving: Annotated[
        Annotated[Literal["kserve", "kubernetes", "seldon"], Tag("@scalar")] | Annotated[Serving, Tag("@map")], by_type(WORD_OR_MAP)
    ] = optional(description="Where models are served (kserve).")
    pipelines: Annotated[
        Annotated[Literal["kubeflow", "argo", "tekton", "airflow"], Tag("@scalar")] | Annotated[Pipelines, Tag("@map")],
        by_type(WORD_OR_MAP),
    ] = optional(description="Where pipelines run (kubeflow).")
    monitoring: Annotated[
        Annotated[Literal["prometheus", "none"], Tag("@scalar")] | Annotated[Monitoring, Tag("@map")], by_type(WORD_OR_MAP)
    ] = optional(description="What watches the endpoints (prometheus).")
    ci: list[
        Annotated[
            Annotated[Literal["github", "gitlab", "jenkins", "azure", "tekton"], Tag("@scalar")] | Annotated[Ci, Tag("@map")],
            by_type(WORD_OR_MAP),
        ]
    ] = optional(description="The CI systems that validate, compile and commit (by the repository's host).")
    gitops: Annotated[
        Annotated[Literal["argocd", "flux", "none"], Tag("@scalar")] | Annotated[Gitops, Tag("@map")], by_type(WORD_OR_MAP)
    ] = optional(description="What deploys the tree (argocd where the repository is known).")
    gateway: Annotated[Annotated[Literal["istio", "envoy"], Tag("@scalar")] | Annotated[Gateway, Tag("@map")], by_type(WORD_OR_MAP)] = (
        optional(description="Where traffic is divided and HTTP metrics are read (istio).")
    )
    events: Annotated[Annotated[Literal["argo", "none"], Tag("@scalar")] | Annotated[Events, Tag("@map")], by_type(WORD_OR_MAP)] = optional(
        description="What carries events to pipelines (argo)."
    )
    registry: Annotated[
        Annotated[Literal["none"], Tag("@scalar")] | Annotated[Registry, Tag("@map")],
        by_type("expected none, or a map such as {mlflow: URL}"),
    ] = optional(description="Where models are registered (MLflow at http://mlflow.mlflow.svc:5000).")
    secrets: Annotated[
        Annotated[Literal["existing"], Tag("@scalar")] | Annotated[Secrets, Tag("@map")],
        by_type("expected existing, or a map externalSecrets: {store: NAME}"),
    ] = optional(description="Where named secrets come from (existing: they must be there already).")
    identity: Identity = optional(description="Workload identity.")
    storage: Storage = optional(description="Access to the object store.")
    runner: Runner = optional(description="What the small programs of mlspec run in.")
    repository: Repository = optional(description="The git repository.")
