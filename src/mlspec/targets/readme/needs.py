"""What must exist before a tree can be deployed: systems, gateways, secrets."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.names import object_name
from mlspec.plan.node import Node
from mlspec.plan.pipelines import kind_of


def needs_of(node: Node, namespaces: str) -> list[str]:
    """Return what must exist beforehand, a line each; ``namespaces`` are those of all environments."""
    return [*_serving(node, namespaces), *_pipelines(node), *_monitoring(node), *_delivery(node), *_secrets(node, namespaces)]


def _serving(node: Node, namespaces: str) -> Iterator[str]:
    platform, serving = node.platform, node.serving
    entries = list(serving.values())
    if entries and platform.serving.word == "kserve":
        settings = platform.serving.kserve
        yield f"KServe {settings.version} in {settings.mode} mode, with its cluster serving runtimes"
        if settings.mode == "knative" and any(entry.place for entry in entries):
            yield "Knative's feature flags for what `place` sets (kubernetes.podspec-nodeselector and its kin)"
    if any("expose" in entry for entry in entries):
        gateway = platform.gateway[platform.gateway.word]
        where = f"{gateway.name} in namespace {gateway.namespace} ({platform.gateway.word})"
        yield f"the Gateway {where}, whose listeners accept routes from {namespaces}"
    if any(entry.autoscale and (entry.autoscale.metric not in ("cpu", "memory") or entry.replicas.min == 0) for entry in entries):
        prometheus = platform.monitoring.prometheus
        yield f"KEDA, and Prometheus at {prometheus.url if prometheus else 'a reachable place'}"


def _pipelines(node: Node) -> Iterator[str]:
    platform = node.platform
    pipelines = list(node.pipelines.values())
    steps = [step for entry in pipelines for step in entry.steps.values()]
    kinds = {kind_of(step) for step in steps}
    if pipelines and platform.pipelines.word == "kubeflow":
        settings = platform.pipelines.kubeflow
        yield f"Kubeflow Pipelines {settings.version} with pipelines as objects (pipelinesStoreKubernetes) and its API at {settings.api}"
    if "distributed" in kinds:
        yield "Kubeflow Trainer 2 with its cluster training runtimes"
    if "tune" in kinds:
        yield "Katib"
    if any("on" in entry and any(trigger.breach for trigger in entry.on) for entry in pipelines) and platform.events.word == "argo":
        yield f"Argo Events, with the EventBus {platform.events.argo.bus} in the namespaces of the pipelines"
    if platform.registry.word == "mlflow" and ("register" in kinds or _asks_champion(node)):
        yield f"MLflow at {platform.registry.mlflow}"
    placed = [*node.serving.values(), *steps]
    if any(entry.place and entry.place.queue for entry in placed):
        yield "Kueue with the queues that are named"


def _asks_champion(node: Node) -> bool:
    return any("noWorseThan" in rule for threshold in node.thresholds.values() for rule in threshold.rules)


def _monitoring(node: Node) -> Iterator[str]:
    entries = list(node.monitoring.values())
    prometheus = node.platform.monitoring.prometheus
    if not entries or not prometheus:
        return
    labels = ", ".join(f"{key}={value}" for key, value in prometheus["labels"].items())
    yield f"the Prometheus Operator, with a Prometheus and an Alertmanager that select {labels or 'every object'}"
    if any(entry.drift or entry.bias or entry.outliers for entry in entries):
        yield f"a Pushgateway at {prometheus.pushgateway}"
    if any(entry.dashboard for entry in entries):
        yield f"Grafana, with its sidecar reading ConfigMaps labelled {prometheus.dashboards}"
    if any(entry.notify and entry.notify.email for entry in entries):
        yield "global SMTP settings of Alertmanager, which sends the mails"


def _delivery(node: Node) -> Iterator[str]:
    platform = node.platform
    if platform.gitops.word == "argocd" and platform.repository:
        yield f"Argo CD reading namespace {platform.gitops.argocd.namespace}, with access to {platform.repository.url}"


def _secrets(node: Node, namespaces: str) -> Iterator[str]:
    names = sorted(set(_names(node)))
    if not names:
        return
    listed = ", ".join(names)
    secrets = node.platform.secrets
    if secrets.word == "externalSecrets":
        yield f"the {secrets.externalSecrets.kind} {secrets.externalSecrets.store} of External Secrets, holding {listed}"
    else:
        yield f"the Secrets {listed} in {namespaces}"


def _names(node: Node) -> Iterator[str]:
    """Yield the Secrets that anything reads."""
    for model in node.models.values():
        if model.secret:
            yield model.secret
    if node.platform.storage:
        yield node.platform.storage.secret
    for entry in node.serving.values():
        for part in (entry, entry.transform, entry.explain):
            for value in part.env.values() if part and part.env else ():
                if isinstance(value, Node):
                    yield value.secret.partition("/")[0]
    for pipeline in node.pipelines.values():
        for step in pipeline.steps.values():
            for value in step.secrets.values() if step.secrets else ():
                yield value.partition("/")[0]
    for entry in node.monitoring.values():
        if entry.notify and entry.notify.webhook:
            yield entry.notify.webhook.secret.partition("/")[0]
        if entry.notify and entry.notify.slack:
            yield f"{object_name(node.name, 'slack')} (key url: Slack's incoming webhook)"
