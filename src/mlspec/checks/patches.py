"""Patches of generated objects: their form, and what they may not touch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path

KINDS = frozenset(
    (
        *("AlertmanagerConfig", "AnalysisTemplate", "Application", "ConfigMap", "CronJob", "CronWorkflow", "Deployment", "EventSource"),
        *("Experiment", "ExternalSecret", "GitRepository", "HTTPRoute", "HorizontalPodAutoscaler", "InferenceGraph", "InferenceService"),
        *("Job", "Kustomization", "LLMInferenceService", "Model", "Pipeline", "PipelineRun", "PipelineVersion", "PodDisruptionBudget"),
        *("PodMonitor", "PrometheusRule", "Rollout", "ScaledObject", "Sensor", "Service", "ServiceMonitor", "ServingRuntime", "Task"),
        *("TrainJob", "TrainingRuntime", "WorkflowTemplate"),
    )
)
"""What patches may change. Objects of the whole cluster, of rights, of identities and of the network are not among them."""
FIELDS = {
    **dict.fromkeys(
        ("securityContext", "privileged", "capabilities", "allowPrivilegeEscalation", "seccompProfile", "procMount"),
        "keeps the container confined",
    ),
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "hostPath", "hostPort", "hostUsers"), "opens the node to the container"),
    **dict.fromkeys(("serviceAccountName", "serviceAccount", "automountServiceAccountToken"), "decides what the pod may do"),
    **dict.fromkeys(
        ("destination", "project", "source", "sources", "sourceRef", "targetNamespace", "repoURL"), "decides what is deployed where"
    ),
    **dict.fromkeys(("apiVersion", "kind", "ownerReferences", "finalizers"), "says what the object is"),
}
"""Fields that no patch sets or removes, and why."""
GITOPS_ONLY = frozenset({"destination", "project", "source", "sources", "sourceRef", "targetNamespace", "repoURL"})
GITOPS_KINDS = frozenset({"Application", "Kustomization", "GitRepository"})
PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
WHOLES = frozenset(
    {
        "spec",
        "template",
        "metadata",
        "predictor",
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "jobTemplate",
        "workflowSpec",
    }
)
"""Parts that hold protected fields; replacing or removing one as a whole would drop them."""
RESERVED = (
    *("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "helm.sh/", "meta.helm.sh/", "kargo.akuity.io/"),
    *(
        "sidecar.istio.io/",
        "traffic.sidecar.istio.io/",
        "istio.io/",
        "inject.istio.io/",
        "linkerd.io/",
        "config.linkerd.io/",
        "vault.hashicorp.com/",
    ),
    *("app.kubernetes.io/", "mlspec.dev/", "kubernetes.io/", "kubectl.kubernetes.io/", "pod-security.kubernetes.io/"),
    *("container.apparmor.security.beta.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/", "security.alpha.kubernetes.io/"),
    *("eks.amazonaws.com/", "iam.gke.io/", "azure.workload.identity/", "iam.amazonaws.com/"),
)
_TOKEN = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


@code("MLS-E510", "patch-form")
def patch_form(subject: Subject) -> Iterator[Found]:
    """A patch has either `merge` or `json`, and each operation of `json` has what RFC 6902 asks for.

    `add`, `replace` and `test` have a value, `move` and `copy` have `from`, and paths are JSON pointers: they begin with `/`, and
    write `~1` for a slash and `~0` for a tilde inside a key.

    Bad::

        patches: [{target: {kind: Deployment}, reason: pilot}]

    Good::

        patches: [{target: {kind: InferenceService}, reason: pilot, merge: {spec: {predictor: {timeout: 90}}}}]
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for at, patch in enumerate(subject.tree.get("patches", ())):
        path: Path = ("patches", at)
        if "merge" in patch and "json" in patch:
            yield Found(
                (*path, "json"),
                "the patch has `merge` and `json`, expected one of them",
                "make two patches of it",
                on="key",
                related=(((*path, "merge"), "`merge`"),),
            )
        elif "merge" not in patch and "json" not in patch:
            yield Found(path, "the patch has neither `merge` nor `json`", "add `merge:` with what is to be set")
        for number, operation in enumerate(patch.get("json", ())):
            fault = _fault(operation)
            if fault:
                field, words, advice = fault
                yield Found((*path, "json", number, *field), words, advice)


def _fault(operation: Any) -> tuple[tuple[str, ...], str, str] | None:
    op = operation["op"]
    for field in ("path", "from"):
        if field in operation and not _TOKEN.fullmatch(operation[field]):
            return (
                (field,),
                f'"{operation[field]}" is not a JSON pointer',
                "write it like /spec/minReadySeconds, with ~1 for a slash inside a key",
            )
    if op in ("add", "replace", "test") and "value" not in operation:
        return (), f"the operation {op} has no value", "add `value:`"
    if op in ("move", "copy") and "from" not in operation:
        return (), f"the operation {op} does not say from where", "add `from:` with a JSON pointer"
    if op in ("move", "copy", "remove") and "value" in operation:
        return ("value",), f"the operation {op} takes no value", "remove the value"
    if op not in ("move", "copy") and "from" in operation:
        return ("from",), f"the operation {op} takes no `from`", "remove it"
    return None


@code("MLS-E511", "patch-kind", security=True)
def patch_kind(subject: Subject) -> Iterator[Found]:
    """Patches change workloads, routes, rules and pipelines; never rights, identities, networks or objects of the whole cluster.

    Bad::

        patches: [{target: {kind: ClusterRole}, reason: pilot, merge: {rules: []}}]

    Good::

        patches: [{target: {kind: InferenceService}, reason: pilot, merge: {spec: {predictor: {timeout: 90}}}}]
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for at, patch in enumerate(subject.tree.get("patches", ())):
        kind = patch["target"]["kind"]
        if kind not in KINDS:
            near = nearest(kind, KINDS)
            advice = f"did you mean {near}?" if near else "see the reference for the kinds that patches may change"
            yield Found(("patches", at, "target", "kind"), f"objects of the kind {kind} cannot be patched", advice)


@code("MLS-E512", "patch-of-protected-field", security=True)
def patch_of_protected_field(subject: Subject) -> Iterator[Found]:
    """Patches leave alone what confines a container, what it may do, where it is deployed, and its probes.

    That holds for parts that contain such fields too: a merge patch replaces lists as a whole, and a list of containers without
    their security contexts would drop them. Name the one field instead: `/spec/template/spec/containers/0/terminationMessagePolicy`.

    Bad::

        patches: [{target: {kind: Deployment}, reason: pilot, merge: {spec: {template: {spec: {hostNetwork: true}}}}}]

    Good::

        patches: [{target: {kind: InferenceService}, reason: pilot, merge: {spec: {predictor: {terminationGracePeriodSeconds: 90}}}}]
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for at, patch in enumerate(subject.tree.get("patches", ())):
        kind = patch["target"]["kind"]
        if "merge" in patch:
            yield from _protected(patch["merge"], ("patches", at, "merge"), kind)
        for number, operation in enumerate(patch.get("json", ())):
            path: Path = ("patches", at, "json", number)
            if operation["op"] == "test" or not _TOKEN.fullmatch(operation["path"]):
                continue
            pointers = [("path", operation["path"])]
            if operation["op"] == "move" and "from" in operation:
                pointers.append(("from", operation["from"]))
            faults = [(field, _pointed(pointer, kind, operation["op"])) for field, pointer in pointers]
            told = next(((field, fault) for field, fault in faults if fault), None)
            if told:
                yield Found((*path, told[0]), told[1], "say it in the language, or leave it as it is")
            elif isinstance(operation.get("value"), dict | list):
                yield from _protected(operation["value"], (*path, "value"), kind, within=True)


def protects(field: str, kind: str) -> bool:
    """Tell whether a field of an object of a kind is left alone by patches."""
    return bool(_why(field, kind))


def _why(field: str, kind: str) -> str:
    if field in GITOPS_ONLY and kind not in GITOPS_KINDS:
        return ""
    return FIELDS.get(field, "")


def _protected(tree: Any, root: Path, kind: str, *, within: bool = False) -> Iterator[Found]:
    left: list[tuple[Path, Any]] = [(root, tree)]
    while left:
        path, node = left.pop()
        entries = enumerate(node) if isinstance(node, list) else node.items()
        for key, value in entries:
            here = (*path, key)
            words = ""
            if isinstance(key, str):
                if _why(key, kind):
                    words = f"`{key}` {_why(key, kind)}, and is not patched"
                elif key in PROBES and (value is None or value == {}):
                    words = f"`{key}` tells whether the pod works, and is not removed"
                elif key in ("name", "namespace") and len(path) >= 1 and path[-1] == "metadata" and len(path) == len(root) + 1:
                    words = f"the {key} of an object is not patched"
                elif key in WHOLES and not isinstance(value, dict) and not (isinstance(value, list) and within):
                    words = f"`{key}` would be replaced as a whole, and with it what protects the pod"
            if words:
                yield Found(here, words, "say it in the language, or patch the one field with `json`", on="key")
            elif isinstance(value, dict | list):
                left.append((here, value))


def _pointed(pointer: str, kind: str, op: str) -> str:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not parts:
        return "a patch does not replace a whole object"
    for part in parts:
        if _why(part, kind):
            return f"`{part}` {_why(part, kind)}, and is not patched"
    last = parts[-1]
    if op in ("remove", "move") and last in PROBES:
        return f"`{last}` tells whether the pod works, and is not removed"
    if parts[0] == "metadata" and last in ("name", "namespace") and len(parts) == 2:
        return f"the {last} of an object is not patched"
    if last in WHOLES or (len(parts) > 1 and parts[-2] in ("containers", "initContainers", "ephemeralContainers")):
        return f"`{pointer}` would be replaced as a whole, and with it what protects the pod"
    return ""


@code("MLS-E513", "reserved-annotation", security=True)
def reserved_annotation(subject: Subject) -> Iterator[Found]:
    """Patches set no labels and annotations that belong to the GitOps system, to meshes, to identities, or to mlspec.

    One annotation can turn an object into a hook, keep it from being pruned, or put a container beside it.

    Bad::

        patches: [{target: {kind: Job}, reason: pilot, merge: {metadata: {annotations: {argocd.argoproj.io/hook: PreSync}}}}]

    Good::

        patches: [{target: {kind: InferenceService}, reason: pilot, merge: {metadata: {annotations: {acme.example/cost-centre: "4711"}}}}]
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for at, patch in enumerate(subject.tree.get("patches", ())):
        left: list[tuple[Path, Any]] = [(("patches", at, "merge"), patch.get("merge", {}))]
        for number, operation in enumerate(patch.get("json", ())):
            path: Path = ("patches", at, "json", number)
            parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")]
            if (
                len(parts) > 1
                and parts[-2] in ("annotations", "labels", "matchLabels")
                and operation["op"] != "test"
                and is_reserved(parts[-1])
            ):
                yield _reserved((*path, "path"), parts[-1], "value")
            elif parts[-1] in ("annotations", "labels") and isinstance(operation.get("value"), dict):
                yield from (_reserved((*path, "value", key), key, "key") for key in operation["value"] if is_reserved(key))
            elif isinstance(operation.get("value"), dict | list):
                left.append(((*path, "value"), operation["value"]))
        while left:
            where, node = left.pop()
            entries = enumerate(node) if isinstance(node, list) else node.items()
            for key, value in entries:
                if key in ("annotations", "labels", "matchLabels") and isinstance(value, dict):
                    yield from (_reserved((*where, key, name), name, "key") for name in value if is_reserved(name))
                elif isinstance(value, dict | list):
                    left.append(((*where, key), value))


def is_reserved(key: str) -> bool:
    """Tell whether a label or annotation belongs to someone who acts on it."""
    return key.startswith(RESERVED) or key.partition("/")[0].endswith((".argoproj.io", ".istio.io", ".fluxcd.io", ".linkerd.io"))


def _reserved(path: Path, key: str, on: Any) -> Found:
    return Found(path, f"`{key}` is reserved: its owner acts on it", "remove it", on=on)


CHECKS = (patch_form, patch_kind, patch_of_protected_field, reserved_annotation)
PROJECT_CHECKS = ()
