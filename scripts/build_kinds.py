"""Writes src/mlspec/kinds/*.json, the tables that manifests are checked against.

    python scripts/build_kinds.py --crds DIR [--core DIR] [--out DIR]

DIR holds the custom resource definitions of the projects in SOURCES, each in the folder named there. The core kinds come
from the package kubernetes-validate (a tool of this script, not of mlspec). The tables hold facts only: names of fields,
types, what is required, allowed values, patterns, bounds and the keys of lists. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import importlib.util
import json
import pathlib
import sys
from typing import Any

import yaml

from mlspec.shape import compile_shape
from mlspec.structural import LABELS, METADATA, close_root

KUBERNETES = "1.37.0"
CORE = {
    "v1": ["Namespace", "ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "ResourceQuota", "LimitRange"],
    "apps/v1": ["Deployment", "StatefulSet", "DaemonSet"],
    "batch/v1": ["Job", "CronJob"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "policy/v1": ["PodDisruptionBudget"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
}
# file: name, version, {CRD file: versions}
SOURCES: dict[str, tuple[str, str, dict[str, tuple[str, ...]]]] = {
    "kserve": (
        "KServe",
        "0.20.0",
        {
            "kserve/inferenceservices.serving.kserve.io.yaml": ("v1beta1",),
            "kserve/inferencegraphs.serving.kserve.io.yaml": ("v1alpha1",),
            "kserve/servingruntimes.serving.kserve.io.yaml": ("v1alpha1",),
            "kserve/trainedmodels.serving.kserve.io.yaml": ("v1alpha1",),
        },
    ),
    "gateway-api": (
        "Gateway API",
        "1.6.1",
        {
            "gateway-api/httproutes.gateway.networking.k8s.io.yaml": ("v1",),
            "gateway-api/referencegrants.gateway.networking.k8s.io.yaml": ("v1", "v1beta1"),
        },
    ),
    "argo-cd": (
        "Argo CD",
        "3.5.1",
        {"argo-cd/applications.argoproj.io.yaml": ("v1alpha1",), "argo-cd/appprojects.argoproj.io.yaml": ("v1alpha1",)},
    ),
    "external-secrets": (
        "External Secrets",
        "2.9.0",
        {"external-secrets/externalsecrets.external-secrets.io.yaml": ("v1",)},
    ),
    "keda": (
        "KEDA",
        "2.20.2",
        {"keda/scaledobjects.keda.sh.yaml": ("v1alpha1",), "keda/triggerauthentications.keda.sh.yaml": ("v1alpha1",)},
    ),
    "prometheus-operator": (
        "Prometheus Operator",
        "0.93.0",
        {
            "prometheus-operator/prometheusrules.monitoring.coreos.com.yaml": ("v1",),
            "prometheus-operator/servicemonitors.monitoring.coreos.com.yaml": ("v1",),
            "prometheus-operator/podmonitors.monitoring.coreos.com.yaml": ("v1",),
            "prometheus-operator/alertmanagerconfigs.monitoring.coreos.com.yaml": ("v1alpha1",),
        },
    ),
    "kubeflow-pipelines": (
        "Kubeflow Pipelines",
        "2.17.0",
        {
            "kubeflow-pipelines/pipelines.pipelines.kubeflow.org.yaml": ("v2beta1",),
            "kubeflow-pipelines/pipelineversions.pipelines.kubeflow.org.yaml": ("v2beta1",),
        },
    ),
    "kubeflow-trainer": ("Kubeflow Trainer", "2.3.0", {"kubeflow-trainer/trainjobs.trainer.kubeflow.org.yaml": ("v1alpha1",)}),
    "argo-rollouts": (
        "Argo Rollouts",
        "1.9.1",
        {"argo-rollouts/rollouts.argoproj.io.yaml": ("v1alpha1",), "argo-rollouts/analysistemplates.argoproj.io.yaml": ("v1alpha1",)},
    ),
    "argo-workflows": (
        "Argo Workflows",
        "4.1.2",
        {
            "argo-workflows/workflowtemplates.argoproj.io.yaml": ("v1alpha1",),
            "argo-workflows/cronworkflows.argoproj.io.yaml": ("v1alpha1",),
            "argo-workflows/workflows.argoproj.io.yaml": ("v1alpha1",),
        },
    ),
    "tekton": (
        "Tekton Pipelines",
        "1.15.0",
        {
            "tekton-pipeline/pipelines.tekton.dev.yaml": ("v1",),
            "tekton-pipeline/tasks.tekton.dev.yaml": ("v1",),
            "tekton-pipeline/pipelineruns.tekton.dev.yaml": ("v1",),
        },
    ),
    "flux": (
        "Flux",
        "2.9.4",
        {
            "flux/kustomizations.kustomize.toolkit.fluxcd.io.yaml": ("v1",),
        },
    ),
    # the newest one that could be had; later versions only add fields
    "flux-source": ("Flux", "2.2.3", {"flux/gitrepositories.source.toolkit.fluxcd.io.yaml": ("v1",)}),
    "kueue": ("Kueue", "0.19.2", {"kueue/localqueues.kueue.x-k8s.io.yaml": ("v1beta1", "v1beta2")}),
    "sealed-secrets": ("Sealed Secrets", "0.36.6", {"sealed-secrets/sealedsecrets.bitnami.com.yaml": ("v1alpha1",)}),
}
# Projects whose CRD says nothing about the spec: file: name, version, schema file, {kind: definition}
OPEN = {
    "argo-events": (
        "Argo Events",
        "1.9.11",
        "argo-events/schema/argo-events.schema.json",
        {
            "argoproj.io/v1alpha1/EventSource": "io.argoproj.events.v1alpha1.EventSource",
            "argoproj.io/v1alpha1/Sensor": "io.argoproj.events.v1alpha1.Sensor",
            "argoproj.io/v1alpha1/EventBus": "io.argoproj.events.v1alpha1.EventBus",
        },
    ),
    "katib": (
        "Katib",
        "0.19.0",
        "kubeflow-katib/schema/katib-v1beta1.swagger.json",
        {"kubeflow.org/v1beta1/Experiment": "v1beta1.Experiment"},
    ),
}
# What the schemas of the core kinds leave to prose: allowed values, bounds, and the default of a list's key.
QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
PORT = {"minimum": 1, "maximum": 65535}
LABEL = {"maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
PROTOCOL = ["TCP", "UDP", "SCTP"]
COUNT = {"minimum": 0}
KNOWN: dict[str, dict[str, Any]] = {
    "Container": {
        "name": LABEL,
        "imagePullPolicy": ["Always", "IfNotPresent", "Never"],
        "terminationMessagePolicy": ["File", "FallbackToLogsOnError"],
        "restartPolicy": ["Always", "OnFailure", "Never"],
    },
    "ContainerPort": {"protocol": PROTOCOL, "containerPort": PORT, "hostPort": PORT},
    "PodSpec": {
        "restartPolicy": ["Always", "OnFailure", "Never"],
        "dnsPolicy": ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        "preemptionPolicy": ["Never", "PreemptLowerPriority"],
        "terminationGracePeriodSeconds": COUNT,
        "activeDeadlineSeconds": {"minimum": 1},
    },
    "Volume": {"name": LABEL},
    "Probe": {
        "initialDelaySeconds": COUNT,
        "timeoutSeconds": COUNT,
        "periodSeconds": COUNT,
        "successThreshold": COUNT,
        "failureThreshold": COUNT,
    },
    "HTTPGetAction": {"scheme": ["HTTP", "HTTPS"]},
    "SeccompProfile": {"type": ["Localhost", "RuntimeDefault", "Unconfined"]},
    "Toleration": {
        "operator": ["Exists", "Equal", "Lt", "Gt"],
        "effect": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
    },
    "TopologySpreadConstraint": {"whenUnsatisfiable": ["DoNotSchedule", "ScheduleAnyway"], "maxSkew": {"minimum": 1}},
    "NodeSelectorRequirement": {"operator": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]},
    "LabelSelectorRequirement": {"operator": ["In", "NotIn", "Exists", "DoesNotExist"]},
    "ServicePort": {"protocol": PROTOCOL, "port": PORT},
    "ServiceSpec": {
        "type": ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        "sessionAffinity": ["ClientIP", "None"],
        "externalTrafficPolicy": ["Cluster", "Local"],
        "internalTrafficPolicy": ["Cluster", "Local"],
        "ipFamilyPolicy": ["PreferDualStack", "RequireDualStack", "SingleStack"],
    },
    "PersistentVolumeClaimSpec": {"volumeMode": ["Block", "Filesystem"]},
    "DeploymentSpec": {"replicas": COUNT, "revisionHistoryLimit": COUNT, "minReadySeconds": COUNT, "progressDeadlineSeconds": COUNT},
    "DeploymentStrategy": {"type": ["Recreate", "RollingUpdate"]},
    "StatefulSetSpec": {"replicas": COUNT, "podManagementPolicy": ["OrderedReady", "Parallel"]},
    "StatefulSetUpdateStrategy": {"type": ["OnDelete", "RollingUpdate"]},
    "JobSpec": {
        "backoffLimit": COUNT,
        "completions": COUNT,
        "parallelism": COUNT,
        "activeDeadlineSeconds": {"minimum": 1},
        "ttlSecondsAfterFinished": COUNT,
        "completionMode": ["Indexed", "NonIndexed"],
    },
    "CronJobSpec": {
        "concurrencyPolicy": ["Allow", "Forbid", "Replace"],
        "successfulJobsHistoryLimit": COUNT,
        "failedJobsHistoryLimit": COUNT,
        "startingDeadlineSeconds": COUNT,
    },
    "HorizontalPodAutoscalerSpec": {"minReplicas": COUNT, "maxReplicas": {"minimum": 1}},
    "MetricSpec": {"type": ["ContainerResource", "External", "Object", "Pods", "Resource"]},
    "MetricTarget": {"type": ["AverageValue", "Utilization", "Value"]},
    "HPAScalingPolicy": {"type": ["Pods", "Percent"]},
    "HPAScalingRules": {"selectPolicy": ["Disabled", "Max", "Min"]},
    "NetworkPolicyPort": {"protocol": PROTOCOL, "endPort": PORT},
    "PodDisruptionBudgetSpec": {"unhealthyPodEvictionPolicy": ["AlwaysAllow", "IfHealthyBudget"]},
}
ITEMS = {
    "NetworkPolicySpec": {"policyTypes": ["Egress", "Ingress"]},
    "PersistentVolumeClaimSpec": {"accessModes": ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]},
}
DATA_KEY = {"type": "string", "maxLength": 253, "pattern": r"^[-._a-zA-Z0-9]+$"}
DATA: dict[str, Any] = {"propertyNames": DATA_KEY}
KNOWN |= {"ConfigMap": {"data": DATA, "binaryData": DATA}, "Secret": {"data": DATA, "stringData": DATA}}
NEED_SPEC = {"CronJob", "HorizontalPodAutoscaler", "Job", "PersistentVolumeClaim", "Pod", "Experiment", "EventSource", "Sensor"}
OPEN_MAP: dict[str, Any] = {"type": "object"}
WHOLE: dict[str, dict[str, Any]] = {
    "Quantity": {"type": ["string", "number"], "pattern": QUANTITY},
    "Amount": {"type": ["string", "number"]},
    "IntOrString": {"type": ["integer", "string"]},
    "ObjectMeta": METADATA,
    "RawExtension": OPEN_MAP,
    "K8SResource": OPEN_MAP,
    "Unstructured": OPEN_MAP,
    "JSON": {},
}
KUSTOMIZATION_FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("apiVersion kind namespace namePrefix nameSuffix", {"type": "string"}),
    ("components crds generators resources transformers validators", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
    ("commonAnnotations commonLabels", {"type": "object", "additionalProperties": {"type": "string"}}),
    ("buildMetadata", {"type": "array", "items": {"type": "string"}}),
    ("openapi generatorOptions sortOptions", OPEN_MAP),
    ("configMapGenerator helmCharts images labels patches replacements replicas secretGenerator", {"type": "array", "items": OPEN_MAP}),
]
KUSTOMIZATION: dict[str, Any] = {
    "type": "object",
    "properties": {"metadata": METADATA} | {name: schema for names, schema in KUSTOMIZATION_FIELDS for name in names.split()},
    "additionalProperties": False,
}

TEXT: dict[str, Any] = {"type": "string"}
DOMAIN_MAPPING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": METADATA,
        "spec": {
            "type": "object",
            "properties": {
                "ref": {
                    "type": "object",
                    "properties": dict.fromkeys(("address", "apiVersion", "group", "kind", "name", "namespace"), TEXT),
                    "required": ["kind", "name"],
                    "additionalProperties": False,
                },
                "tls": {"type": "object", "properties": {"secretName": TEXT}, "required": ["secretName"], "additionalProperties": False},
            },
            "required": ["ref"],
            "additionalProperties": False,
        },
    },
    "required": ["spec"],
    "additionalProperties": False,
}
"""Knative Serving 1.20, serving.knative.dev/v1beta1, written by hand: its CRD is rarely among a folder's."""


class Pool:
    """Definitions named by a hash of their content, so that what many kinds share is written once."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.uses: collections.Counter[str] = collections.Counter()

    def add(self, node: Any) -> str:
        """Take a schema in; return its name. Everything below it is taken in as well."""
        text = json.dumps(self._below(node), sort_keys=True, separators=(",", ":"))
        name = hashlib.sha256(text.encode()).hexdigest()[:10]
        self.nodes.setdefault(name, json.loads(text))
        return name

    def _below(self, node: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.items():
            if key == "properties":
                found[key] = {name: self._ref(below) for name, below in value.items()}
            elif key in {"items", "additionalProperties", "propertyNames"} and isinstance(value, dict):
                found[key] = self._ref(value)
            else:
                found[key] = value
        return found

    def _ref(self, node: dict[str, Any]) -> dict[str, Any]:
        if not node or set(node) <= {"type", "default"}:
            return node
        default = {"default": node["default"]} if "default" in node else {}
        return {"$ref": self.add({key: value for key, value in node.items() if key != "default"}), **default}

    def table(self, roots: dict[str, str]) -> dict[str, Any]:
        """Return the definitions that the roots need, short or lonely ones written where they are used."""
        users = collections.Counter(roots.values())
        reached, waiting = set(), list(dict.fromkeys(roots.values()))
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            for ref in _refs(self.nodes[name]):
                users[ref] += 1
                waiting.append(ref)
        done: dict[str, Any] = {}
        kept = {name for name in reached if users[name] > 1 and len(json.dumps(self.nodes[name])) > 60} | set(roots.values())

        def write(node: Any) -> Any:
            if isinstance(node, list):
                return [write(below) for below in node]
            if not isinstance(node, dict):
                return node
            ref = node.get("$ref")
            if isinstance(ref, str):
                rest = {key: value for key, value in node.items() if key != "$ref"}
                return {"$ref": "#/definitions/" + short[ref], **rest} if ref in kept else {**write(self.nodes[ref]), **rest}
            return {key: write(value) for key, value in node.items()}

        short = {name: name[:5] for name in kept}
        if len(set(short.values())) != len(short):
            raise SystemExit("two definitions have one name: make the names longer")
        for name in sorted(kept):
            done[short[name]] = write(self.nodes[name])
        return done


def _refs(node: Any) -> list[str]:
    if isinstance(node, list):
        return [ref for below in node for ref in _refs(below)]
    if not isinstance(node, dict):
        return []
    ref = node.get("$ref")
    if isinstance(ref, str):
        return [ref]
    return [ref for below in node.values() for ref in _refs(below)]


def expand(name: str, definitions: dict[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a definition of a plain (swagger) schema with everything that it leads to written out and closed.

    What holds itself (the dead-letter trigger of a trigger) is followed one level down and open below it.
    """
    kind = name.rsplit(".", 1)[-1]
    if kind in WHOLE:
        return WHOLE[kind]
    if above.count(name) > 1:
        return OPEN_MAP
    node = plain(definitions[name], definitions, (*above, name))
    if "properties" in node:
        node.setdefault("type", "object")
        node["additionalProperties"] = False
    for field, known in KNOWN.get("Container" if kind == "EphemeralContainer" else kind, {}).items():
        if field in node.get("properties", {}):
            node["properties"][field] |= {"enum": known} if isinstance(known, list) else known
    for field, known in ITEMS.get(kind, {}).items():
        node["properties"][field]["items"] = {"type": "string", "enum": known}
    if kind == "LabelSelector":
        node["properties"]["matchLabels"] = LABELS
    return node


def plain(schema: dict[str, Any], definitions: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    if "$ref" in schema:
        return expand(schema["$ref"].rsplit("/", 1)[-1], definitions, above)
    node: dict[str, Any] = {key: schema[key] for key in ("enum", "const", "required", "pattern", "minimum", "maximum") if key in schema}
    types = schema.get("type")
    if isinstance(types, list):
        types = [name for name in types if name != "null"]
        types = types[0] if len(types) == 1 else types
    if types:
        node["type"] = types
    if "properties" in schema:
        node["properties"] = {name: plain(below, definitions, above) for name, below in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        node["additionalProperties"] = plain(schema["additionalProperties"], definitions, above)
    if "items" in schema:
        node["items"] = plain(schema["items"], definitions, above)
    fields = node.get("items", {}).get("properties", {})
    if schema.get("x-kubernetes-list-type") == "map" and set(schema["x-kubernetes-list-map-keys"]) <= set(fields):
        node["x-kubernetes-list-map-keys"] = keys = schema["x-kubernetes-list-map-keys"]
        if "protocol" in keys:
            fields["protocol"] = {**fields["protocol"], "default": "TCP"}
    if schema.get("x-kubernetes-list-type") == "set":
        node["uniqueItems"] = True
    return node


def root(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    node = expand(name, definitions)
    properties = {key: below for key, below in node["properties"].items() if key != "status"}
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    required = {key for key in node.get("required", ()) if key not in {"metadata", "status"}}
    if name.rsplit(".", 1)[-1] in NEED_SPEC:
        required.add("spec")
    return {**node, "properties": properties, "required": sorted(required)}


def core_definitions(folder: pathlib.Path | None) -> tuple[dict[str, Any], str]:
    if folder is None:
        spec = importlib.util.find_spec("kubernetes_validate")
        if spec is None or spec.origin is None:
            raise SystemExit("install kubernetes-validate, or give --core DIR")
        folder = pathlib.Path(spec.origin).parent / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    document = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))
    return document["$defs"], KUBERNETES


def core_kinds(definitions: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, node in definitions.items():
        for gvk in node.get("x-kubernetes-group-version-kind", ()):
            version = "/".join(filter(None, (gvk["group"], gvk["version"])))
            if gvk["kind"] in CORE.get(version, ()):
                found[f"{version}/{gvk['kind']}"] = root(name, definitions)
    missing = {f"{version}/{kind}" for version, kinds in CORE.items() for kind in kinds} - set(found)
    if missing:
        raise SystemExit(f"no schema for {sorted(missing)}")
    return found


def custom_kinds(folder: pathlib.Path, files: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    found = {}
    for name, versions in files.items():
        spec = yaml.load((folder / name).read_bytes(), Loader=yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            if version["name"] in versions:
                kind = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
                found[kind] = close_root(version["schema"]["openAPIV3Schema"])
        if not found:
            raise SystemExit(f"{name} has none of {versions}")
    return found


def write_table(out: pathlib.Path, stem: str, source: str, version: str, kinds: dict[str, Any]) -> list[str]:
    pool = Pool()
    roots = {kind: pool.add(schema) for kind, schema in sorted(kinds.items())}
    definitions = pool.table(roots)
    for schema in kinds.values():
        compile_shape(schema)
    for schema in definitions.values():
        compile_shape(schema, definitions=definitions)
    lines = [
        "{",
        f'"source":{json.dumps(source)},',
        f'"version":{json.dumps(version)},',
        f'"kinds":{json.dumps({kind: name[:5] for kind, name in roots.items()}, separators=(",", ":"))},',
        '"definitions":{',
        ",\n".join(f'"{name}":{json.dumps(node, sort_keys=True, separators=(",", ":"))}' for name, node in definitions.items()),
        "}}",
    ]
    (out / f"{stem}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sorted(kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crds", type=pathlib.Path, required=True)
    parser.add_argument("--core", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parents[1] / "src" / "mlspec" / "kinds")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("*.json"):
        old.unlink()
    index: dict[str, str] = {}
    core, version = core_definitions(options.core)

    def write(stem: str, source: str, version: str, kinds: dict[str, Any]) -> None:
        index.update(dict.fromkeys(write_table(options.out, stem, source, version, kinds), stem))

    write("kubernetes", "Kubernetes", version.removesuffix(".0"), core_kinds(core))
    write("kustomize", "kustomize", "5.8", {"kustomize.config.k8s.io/v1beta1/Kustomization": KUSTOMIZATION})
    write("knative", "Knative Serving", "1.20", {"serving.knative.dev/v1beta1/DomainMapping": DOMAIN_MAPPING})
    for stem, (source, version, files) in SOURCES.items():
        write(stem, source, version, custom_kinds(options.crds, files))
    for stem, (source, version, file, names) in OPEN.items():
        definitions = json.loads((options.crds / file).read_text(encoding="utf-8"))["definitions"]
        short = {name.replace("io.k8s.api.core.", ""): node for name, node in core.items() if name.startswith("io.k8s.api.core.v1.")}
        everything = {**core, **short, **definitions, "v1.Time": {"type": "string"}}
        write(stem, source, version, {kind: root(name, everything) for kind, name in names.items()})
    text = ",\n".join(f'"{kind}":"{stem}"' for kind, stem in sorted(index.items()))
    (options.out / "index.json").write_text("{\n" + text + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
