"""What a change of objects would do in a cluster: what is refused, restarted, deleted or made anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlspec.changes.objects import Key, ObjectChange, Objects, item_of
from mlspec.changes.values import ABSENT, Change
from mlspec.location import Path, format_path
from mlspec.quantity import amount

REFUSED, LOST, REPLACED, STOPPED, STARTED, RESTARTED = "refused", "lost", "replaced", "stopped", "started", "restarted"
"""Kinds of effects, the gravest first."""


class Effect(NamedTuple):
    """One effect on one object."""

    kind: str
    key: Key
    text: str
    grave: bool
    """Whether it stops a deployment or loses data or an endpoint."""


Place = tuple[str, ...]
_IMMUTABLE: Mapping[tuple[str, str], tuple[tuple[Place, ...], tuple[Place, ...]]] = {
    ("apps", "Deployment"): ((("spec", "selector"),), ()),
    ("apps", "DaemonSet"): ((("spec", "selector"),), ()),
    ("apps", "ReplicaSet"): ((("spec", "selector"),), ()),
    ("apps", "StatefulSet"): (
        (("spec",),),
        tuple(
            ("spec", key)
            for key in (
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
                "revisionHistoryLimit",
            )
        ),
    ),
    ("batch", "Job"): (
        tuple(("spec", key) for key in ("selector", "template", "completions", "completionMode", "podFailurePolicy", "successPolicy")),
        (),
    ),
    ("", "PersistentVolumeClaim"): ((("spec",),), (("spec", "resources", "requests"), ("spec", "volumeAttributesClassName"))),
    ("", "Service"): ((("spec", "clusterIP"), ("spec", "clusterIPs")), ()),
    ("", "Secret"): ((("type",),), ()),
    ("rbac.authorization.k8s.io", "RoleBinding"): ((("roleRef",),), ()),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ((("roleRef",),), ()),
    ("storage.k8s.io", "StorageClass"): ((("provisioner",), ("parameters",), ("reclaimPolicy",), ("volumeBindingMode",)), ()),
    ("trainer.kubeflow.org", "TrainJob"): ((("spec",),), (("spec", "suspend"),)),
    ("kubeflow.org", "Experiment"): (
        (("spec",),),
        (("spec", "parallelTrialCount"), ("spec", "maxTrialCount"), ("spec", "maxFailedTrialCount"), ("spec", "resumePolicy")),
    ),
    ("pipelines.kubeflow.org", "PipelineVersion"): ((("spec",),), ()),
    ("serving.kserve.io", "InferenceService"): ((("metadata", "annotations", "serving.kserve.io/deploymentMode"),), ()),
}
"""By group and kind: the fields that an API server or a webhook refuses to change, and those below them that may change."""
_SCALING = ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling")
_CALM = frozenset([*_SCALING, "canaryTrafficPercent", "deploymentStrategy", "timeout", "labels", "annotations"])
_PODS: Mapping[tuple[str, str], tuple[tuple[Place, ...], frozenset[str]]] = {
    ("apps", "Deployment"): ((("spec", "template"),), frozenset()),
    ("apps", "StatefulSet"): ((("spec", "template"),), frozenset()),
    ("apps", "DaemonSet"): ((("spec", "template"),), frozenset()),
    ("argoproj.io", "Rollout"): ((("spec", "template"),), frozenset()),
    ("serving.kserve.io", "InferenceService"): (
        (("spec", "predictor"), ("spec", "transformer"), ("spec", "explainer")),
        _CALM,
    ),
}
"""By group and kind: where pods are described, and what there changes no pod."""
_SERVES = frozenset({"InferenceService", "InferenceGraph", "HTTPRoute", "Service", "Ingress", "VirtualService"})
_HOLDS_DATA = frozenset({"PersistentVolumeClaim", "PersistentVolume", "StatefulSet", "Namespace", "CustomResourceDefinition"})


def effects_of(changes: Iterable[ObjectChange], before: Objects, after: Objects) -> list[Effect]:
    """Return what changes of objects would do, the gravest first. It is told from the objects alone; no cluster is asked."""
    found: list[Effect] = []
    replaced = {change.replaces for change in changes if change.replaces and change.replaces.namespace == change.key.namespace}
    for change in changes:
        if change.sign == "-" and change.key not in replaced:
            found += _removal(change.key, before[change.key], after)
        elif change.sign == "+" and change.key.kind in ("Job", "TrainJob", "Experiment"):
            found.append(Effect(STARTED, change.key.stem, "runs anew as soon as it is applied", False))
        elif change.sign == "~":
            found += _update(change, before[change.key], after[change.key])
    order = (REFUSED, LOST, REPLACED, STOPPED, STARTED, RESTARTED)
    return sorted(found, key=lambda effect: (order.index(effect.kind), effect.key))


def _answers(key: Key, item: Mapping[str, Any], after: Objects) -> bool:
    """Tell whether another version of the same endpoint stays, as the stable one does when a canary goes."""
    name = item_of(item)
    return bool(name) and any(
        (other.environment, other.kind, other.namespace) == (key.environment, key.kind, key.namespace) and item_of(found) == name
        for other, found in after.items()
    )


def _removal(key: Key, item: Mapping[str, Any], after: Objects) -> Iterator[Effect]:
    if "Prune=false" in _sync(item):
        yield Effect(STOPPED, key, "stays in the cluster: it may not be pruned", False)
    elif key.kind in _HOLDS_DATA:
        yield Effect(LOST, key, "is deleted, with the data that it holds", True)
    elif key.kind in _SERVES and _answers(key, item, after):
        yield Effect(STOPPED, key, "is deleted: other versions of the endpoint answer in its place", False)
    elif key.kind in _SERVES:
        what = "the endpoint stops answering" if key.kind.startswith("Inference") else "nothing answers at its address any more"
        yield Effect(STOPPED, key, f"is deleted: {what}", True)
    elif key.kind in ("Deployment", "DaemonSet", "CronJob", "Rollout"):
        yield Effect(STOPPED, key, "is deleted: what it runs stops", True)
    elif key.kind in ("Job", "TrainJob", "Experiment"):
        yield Effect(STOPPED, key, "is deleted, and its pods if they still run", False)
    elif key.kind in ("Application", "ApplicationSet"):
        text = "is deleted: with its finalizer, what it deployed is deleted too; without, nobody keeps it any more"
        yield Effect(STOPPED, key, text, True)


def _update(change: ObjectChange, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Effect]:
    fixed = [field for field in change.changes if _is_fixed(change.key, field, before)]
    if fixed:
        names = ", ".join(dict.fromkeys(format_path(field.path) for field in fixed[:3])) + (" …" if len(fixed) > 3 else "")
        if {"Replace=true", "Force=true"} <= _sync(after):
            loss = change.key.kind in _HOLDS_DATA
            text = f"{names} cannot be changed in place, so it is deleted and made anew" + (", with the data that it holds" if loss else "")
            yield Effect(LOST if loss else REPLACED, change.key, text, True)
        else:
            text = f"{names} cannot be changed: the cluster refuses it until the object is deleted or has another name"
            yield Effect(REFUSED, change.key, text, True)
    if change.key.kind == "PersistentVolumeClaim" and (size := _shrunk(before, after)):
        yield Effect(REFUSED, change.key, f"a volume cannot shrink ({size}): the cluster refuses it", True)
    places, calm = _PODS.get((_group(change.key), change.key.kind), ((), frozenset()))
    touched = [field for field in change.changes if _is_in(field.path, places) and not _is_calm(field.path, calm)]
    if touched:
        names = ", ".join(dict.fromkeys(format_path(field.path[-2:] if len(field.path) > 1 else field.path) for field in touched[:3]))
        yield Effect(RESTARTED, change.key, f"its pods are replaced ({names}{' …' if len(touched) > 3 else ''})", False)


def _is_fixed(key: Key, field: Change, before: Mapping[str, Any]) -> bool:
    if key.kind in ("ConfigMap", "Secret") and before.get("immutable") is True and field.path[:1] != ("metadata",):
        return True
    fixed, free = _IMMUTABLE.get((_group(key), key.kind), ((), ()))
    # The whole of `spec` is fixed below its free parts; a change of `spec` itself touches both.
    if key.kind == "Service" and field.before is ABSENT:
        return False
    return _is_in(field.path, fixed) and not _is_in(field.path, free)


def _is_in(path: Path, places: Iterable[Place]) -> bool:
    return any(path[: len(place)] == place for place in places)


def _is_calm(path: Path, calm: frozenset[str]) -> bool:
    return len(path) > 2 and path[2] in calm


def _shrunk(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    sizes = [str(((one.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage", "0")) for one in (before, after)]
    try:
        return f"{sizes[0]} → {sizes[1]}" if amount(sizes[1]) < amount(sizes[0]) else ""
    except ValueError:
        return ""


def _sync(item: Mapping[str, Any]) -> set[str]:
    options = ((item.get("metadata") or {}).get("annotations") or {}).get("argocd.argoproj.io/sync-options", "")
    return {option.strip() for option in str(options).split(",")}


def _group(key: Key) -> str:
    return key.api_version.rpartition("/")[0]
