"""Who a pipeline's pods run as and what they may do: accounts, roles, network policies, secrets.

Sources: kubeflow/pipelines 2.14 to 2.17: manifests/kustomize/base/pipeline/pipeline-runner-role.yaml (what a run's account has there),
backend/src/v2 (the launcher reads the ConfigMap ``kfp-launcher`` and the Secret of the artifact store), backend/src/apiserver/common
(the resources and verbs that a multi-user server asks for, and the audience of its tokens); argo-workflows 3.6 and later: an
executor reports through ``workflowtaskresults``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, View
from mlspec.targets.kubeflow.names import account_of, api_of, namespace_of

LAUNCHER = "kfp-launcher"
"""The ConfigMap in which Kubeflow Pipelines keeps where artifacts go."""
ARTIFACT_SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - the name of a Secret
"""The Secret that opens the artifact store that Kubeflow Pipelines brings."""
API_GROUP = "pipelines.kubeflow.org"
TOKEN_AUDIENCE = "pipelines.kubeflow.org"  # noqa: S105 - an audience
TOKEN_FOLDER = "/var/run/secrets/kubeflow/pipelines"  # noqa: S105 - where Kubeflow's own clients look for it
EVENT_PORT = 12000
BREACH_LIMIT = 63 - len("-eventsource-svc")


def submitter(plan: Plan, pipeline: str) -> str:
    """Return the ServiceAccount that starts runs of a pipeline."""
    return object_name(plan.project, pipeline, "submit")


def watcher(plan: Plan, pipeline: str) -> str:
    """Return the ServiceAccount that hears of breaches and creates the Job that starts a run."""
    return object_name(plan.project, pipeline, "breach")


def breach(pipeline: str) -> str:
    """Return the name of the EventSource and Sensor of a pipeline; the Service of the EventSource adds ``-eventsource-svc``."""
    return object_name(pipeline, "breach", limit=BREACH_LIMIT)


class PipelineView(View):
    """What all objects that surround one pipeline share."""

    def __init__(self, plan: Plan, pipeline: str) -> None:
        self._plan, self._pipeline = plan, pipeline

    @property
    def _entry(self) -> Node:
        entry: Node = self._plan.node.pipelines[self._pipeline]
        return entry

    @property
    def name(self) -> str:
        """The name of the object."""
        return object_name(self._plan.project, self._pipeline)

    @property
    def namespace(self) -> str:
        """The namespace in which runs take place."""
        return namespace_of(self._plan)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._pipeline)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)


class AccountView(PipelineView):
    """The ServiceAccount of a pipeline's steps; it has a token, for Argo's executor reports with it."""

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask, and the identity that the platform gives to workloads."""
        identity = self._plan.node.platform.identity
        return {**contacts(self._plan), **(identity.annotations.plain() if identity else {})}

    @property
    def token(self) -> bool:
        """Whether its pods get a token for the Kubernetes API."""
        return True

    @property
    def secrets(self) -> list[dict[str, str]]:
        """The secret that opens the object store."""
        storage = self._plan.node.platform.storage
        return [{"name": storage.secret}] if storage else []


class HelperAccountView(PipelineView):
    """The ServiceAccount of what starts runs: it opens no store and has no cloud identity."""

    def __init__(self, plan: Plan, pipeline: str, name: str, token: bool) -> None:
        super().__init__(plan, pipeline)
        self._name, self._token = name, token

    @property
    def name(self) -> str:
        """The name of the account."""
        return self._name

    @property
    def token(self) -> bool:
        """Whether its pods get a token for the Kubernetes API."""
        return self._token

    @property
    def secrets(self) -> list[dict[str, str]]:
        """None."""
        return []


class RoleView(PipelineView):
    """A Role and its RoleBinding, both of one name."""

    def __init__(self, plan: Plan, pipeline: str, name: str, account: str, rules: list[dict[str, Any]]) -> None:
        super().__init__(plan, pipeline)
        self._name, self._account, self._rules = name, account, rules

    @property
    def name(self) -> str:
        """The name of the role and of its binding."""
        return self._name

    @property
    def account(self) -> str:
        """The ServiceAccount that has the role."""
        return self._account

    @property
    def rules(self) -> list[dict[str, Any]]:
        """What the role allows, and nothing else."""
        return self._rules


def _rule(group: str, resource: str, verbs: list[str], names: list[str] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return {**made, "resourceNames": names} if names else made


def run_rules(plan: Plan, pipeline: str) -> list[dict[str, Any]]:
    """Return what the account of a pipeline's steps may do: report to Argo, read where artifacts go, make what its steps await."""
    node = plan.node
    storage = node.platform.storage
    steps = [step for _, step in node.pipelines[pipeline].steps.items()]
    rules = [
        _rule("argoproj.io", "workflowtaskresults", ["create", "patch"]),
        _rule("", "configmaps", ["get"], [LAUNCHER]),
        _rule("", "secrets", ["get"], sorted({ARTIFACT_SECRET, *([str(storage.secret)] if storage else [])})),
    ]
    if any("distributed" in step for step in steps):
        rules.append(_rule("trainer.kubeflow.org", "trainjobs", ["create", "get", "delete"]))
    if any("tune" in step for step in steps):
        rules.append(_rule("kubeflow.org", "experiments", ["create", "get", "delete"]))
    if _starts_others(plan, pipeline):
        rules += submit_rules()
    return rules


def _starts_others(plan: Plan, pipeline: str) -> bool:
    """Tell whether another pipeline runs when this one has succeeded: then its last step starts it."""
    return any(trigger.get("pipeline") == pipeline for other in plan.tree["pipelines"].values() for trigger in other.get("on") or ())


def submit_rules() -> list[dict[str, Any]]:
    """Return what a multi-user pipeline server must allow to start a run by names and to await it.

    The server asks the cluster whether an account may do this; without users of its own it does not ask.
    """
    return [
        _rule(API_GROUP, "experiments", ["create", "get", "list"]),
        _rule(API_GROUP, "pipelines", ["get", "list"]),
        _rule(API_GROUP, "runs", ["create", "get", "list", "terminate"]),
    ]


class PolicyView(PipelineView):
    """What may call the pods that start runs, and what these may reach."""

    def __init__(self, plan: Plan, pipeline: str, name: str, selector: dict[str, str]) -> None:
        super().__init__(plan, pipeline)
        self._name, self._selector = name, selector

    @property
    def name(self) -> str:
        """The name of the policy."""
        return self._name

    @property
    def selector(self) -> dict[str, str]:
        """The labels of the pods."""
        return self._selector

    @property
    def callers(self) -> list[str]:
        """Namespaces that may call them."""
        return []

    @property
    def event_port(self) -> int:
        """The port at which they are called."""
        return EVENT_PORT

    @property
    def bus(self) -> bool:
        """Whether they speak to the event bus, which runs in their own namespace."""
        return False

    @property
    def api_namespace(self) -> str | None:
        """The namespace of the pipeline server, when they call it and it is in the cluster."""
        return None

    @property
    def ports(self) -> list[int]:
        """Ports outside the namespace that they call."""
        return []


class SubmitPolicyView(PolicyView):
    """The policy of the Jobs that start runs: they reach the pipeline server and nothing else."""

    @property
    def api_namespace(self) -> str | None:
        """The namespace of the pipeline server, when it is in the cluster."""
        return service_namespace(api_of(self._plan))

    @property
    def ports(self) -> list[int]:
        """The port of a pipeline server outside the cluster."""
        if self.api_namespace is not None:
            return []
        parts = urlsplit(api_of(self._plan))
        return [parts.port or (443 if parts.scheme == "https" else 80)]


class HearingPolicyView(PolicyView):
    """The policy of what hears of breaches: Alertmanager calls it, it speaks to the event bus."""

    @property
    def callers(self) -> list[str]:
        """The namespace of Alertmanager, which is that of Prometheus."""
        monitoring = self._plan.node.platform.monitoring
        found = service_namespace(monitoring.prometheus.url) if monitoring.word == "prometheus" else None
        return [found] if found else []

    @property
    def bus(self) -> bool:
        """It passes events on."""
        return True


class ActingPolicyView(PolicyView):
    """The policy of the Sensor: it speaks to the event bus and to the Kubernetes API."""

    @property
    def bus(self) -> bool:
        """It takes events."""
        return True

    @property
    def ports(self) -> list[int]:
        """The Kubernetes API, by the port of its Service and by that of its servers."""
        return [443, 6443]


def service_namespace(url: str) -> str | None:
    """Return the namespace of a Service's URL (``http://name.namespace.svc...``); None for a host outside the cluster."""
    parts = (urlsplit(url).hostname or "").split(".")
    return parts[1] if len(parts) >= 3 and parts[2] == "svc" else None


class SecretView(View):
    """A secret that comes from the store of the platform."""

    def __init__(self, plan: Plan, secret: str) -> None:
        self._plan, self._secret = plan, secret

    @property
    def name(self) -> str:
        """The name of the secret, here and in the store."""
        return self._secret

    @property
    def namespace(self) -> str:
        """The namespace in which runs take place."""
        return namespace_of(self._plan)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._plan.project)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def store(self) -> str:
        """The name of the store."""
        store: str = self._plan.node.platform.secrets.externalSecrets.store
        return store

    @property
    def store_kind(self) -> str:
        """The kind of the store."""
        kind: str = self._plan.node.platform.secrets.externalSecrets.kind
        return kind


def secrets_of(plan: Plan) -> list[str]:
    """Return the names of the secrets that the pipelines of a plan need, by name."""
    node = plan.node
    if not node.pipelines:
        return []
    names = {str(node.platform.storage.secret)} if node.platform.storage else set()
    for pipeline in map(node.pipelines.__getitem__, node.pipelines):
        for step in map(pipeline.steps.__getitem__, pipeline.steps):
            names |= {value.split("/", 1)[0] for _, value in (step.secrets.items() if step.secrets else ())}
            model = node.models[step.score] if step.score else None
            if model and model.secret:
                names.add(str(model.secret))
    return sorted(names)


def served_secrets(plan: Plan) -> frozenset[str]:
    """Return the secrets that the endpoints of a plan name: their own target fetches those, and no object may be there twice.

    Nothing counts as read by this.
    """
    tree = plan.tree
    if tree["platform"]["serving"]["word"] != "kserve" or not tree["serving"] or namespace_of(plan) != plan.namespace:
        return frozenset()
    storage = tree["platform"].get("storage")
    names = {storage["secret"]} if storage else set()
    for entry in tree["serving"].values():
        for part in (entry, entry.get("transform"), entry.get("explain")):
            values = ((part or {}).get("env") or {}).values()
            names |= {value["secret"].split("/", 1)[0] for value in values if isinstance(value, dict)}
        shadow = entry.get("shadow")
        used = [entry.get("model"), *(entry.get("split") or ()), shadow["model"] if shadow else None]
        names |= {secret for name in used if name and (secret := tree["models"].get(name, {}).get("secret"))}
    return frozenset(names)


def secrets(plan: Plan) -> Iterator[Rendering]:
    """Make the secrets that pipelines need and no endpoint does, each in a file of its own."""
    if plan.node.platform.secrets.word != "externalSecrets":
        return
    others = served_secrets(plan)
    for secret in secrets_of(plan):
        if secret not in others:
            yield Rendering("kubeflow/external-secret.yaml.j2", SecretView(plan, secret), f"{plan.folder}/secret-{secret}.yaml")


def accounts(plan: Plan, pipeline: str, file: str) -> Iterator[Rendering]:
    """Make the account of a pipeline's steps with its role.

    An account that the spec names is somebody else's: it gets the role, and is not made.
    """
    name = object_name(plan.project, pipeline)
    account = account_of(plan, pipeline)
    if plan.node.pipelines[pipeline].serviceAccount is None:
        yield Rendering("kubeflow/service-account.yaml.j2", AccountView(plan, pipeline), file)
    yield from roles(plan, pipeline, name, account, run_rules(plan, pipeline), file)


def roles(plan: Plan, pipeline: str, name: str, account: str, rules: list[dict[str, Any]], file: str) -> Iterator[Rendering]:
    """Make a role of exactly these rules and bind an account to it."""
    view = RoleView(plan, pipeline, name, account, rules)
    yield Rendering("kubeflow/role.yaml.j2", view, file)
    yield Rendering("kubeflow/role-binding.yaml.j2", RoleView(plan, pipeline, name, account, rules), file)
