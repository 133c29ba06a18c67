"""What a team would write instead of mlspec: text templates, Jinja and PyYAML. It makes equal objects, and checks nothing.

    baseline.py FLEET        write the manifests of a fleet of benchmarks/projects.py below FLEET/deploy

Fast for what it is: the C loader, templates compiled once, no look at what came out. It knows the fields that the fleet uses and
no others; its longer templates are in templates/; no environment but the three of the fleet; no lock, no comparison with what is there.
"""

from __future__ import annotations

import copy
import hashlib
import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

META = """\
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
  labels:
    app.kubernetes.io/name: {{ item }}
    app.kubernetes.io/instance: {{ item }}-{{ env }}
    app.kubernetes.io/part-of: {{ project }}
    app.kubernetes.io/managed-by: mlspec
    mlspec.dev/team: {{ owner.team }}
    mlspec.dev/environment: {{ env }}
{%- for key, value in extra.items() %}
    {{ key }}: "{{ value }}"
{%- endfor %}
{%- if version %}
    app.kubernetes.io/version: "{{ version }}"
    networking.kserve.io/visibility: cluster-local
{%- endif %}
  annotations:
{%- for key, value in annotations.items() %}
    {{ key }}: "{{ value }}"
{%- endfor %}
    mlspec.dev/email: {{ owner.email }}
    mlspec.dev/slack: "{{ owner.slack }}"
"""

ENDPOINT = """\
apiVersion: v1
kind: ServiceAccount
{% with annotations = {} %}{% include "meta" %}{% endwith %}
automountServiceAccountToken: false
{%- if storage %}
secrets:
- name: {{ storage }}
{%- endif %}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{% with annotations = {} %}{% include "meta" %}{% endwith %}
spec:
  podSelector:
    matchLabels:
      serving.kserve.io/inferenceservice: {{ item }}
  policyTypes:
  - Ingress
  - Egress
  ingress:
  - from:
    - podSelector: {}
{%- for caller in callers %}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ caller }}
{%- endfor %}
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: monitoring
    ports:
    - port: {{ server.port }}
      protocol: TCP
  egress:
  - ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  - to:
    - podSelector: {}
  - ports:
    - port: 443
      protocol: TCP
{%- if neighbour %}
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ neighbour }}
{%- endif %}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
{% with annotations = service_annotations, version = model.version %}{% include "meta" %}{% endwith %}
spec:
  predictor:
    serviceAccountName: {{ item }}
    automountServiceAccountToken: false
    minReplicas: {{ replicas.min }}
    maxReplicas: {{ replicas.max }}
    autoScaling:
      metrics:
      - type: Resource
        resource:
          name: cpu
          target:
            type: Utilization
            averageUtilization: {{ target }}
    deploymentStrategy:
      type: RollingUpdate
      rollingUpdate:
        maxSurge: 25%
        maxUnavailable: 0
{%- if logging %}
    logger:
      mode: {{ logging.mode }}
      url: {{ logging.sink }}
{%- endif %}
{%- if place %}
    topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          serving.kserve.io/inferenceservice: {{ item }}
{%- endif %}
    securityContext:
      runAsNonRoot: true
      runAsUser: 1000
      runAsGroup: 1000
      fsGroup: 1000
      seccompProfile:
        type: RuntimeDefault
    model:
      modelFormat:
        name: {{ server.format }}
        version: "{{ server.version }}"
      runtime: kserve-{{ server.runtime }}
      protocolVersion: {{ server.protocol }}
      storageUri: {{ model.uri }}
      env:
{%- if model.framework == "mlflow" %}
      - name: MLSERVER_MODEL_NAME
        value: "{{ item }}"
{%- endif %}
{%- for key in variables | sort %}
      - name: {{ key }}
        value: "{{ variables[key] }}"
{%- endfor %}
      resources:
        requests:
          cpu: "{{ resources.cpu }}"
          memory: {{ resources.memory }}
        limits:
          memory: {{ resources.memory }}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities:
          drop:
          - ALL
---
apiVersion: policy/v1
kind: PodDisruptionBudget
{% with annotations = {} %}{% include "meta" %}{% endwith %}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      serving.kserve.io/inferenceservice: {{ item }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
{% with annotations = route_annotations, name = item + "-traffic" %}{% include "meta" %}{% endwith %}
spec:
  parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: kserve-ingress-gateway
    namespace: kserve
  hostnames:
  - {{ host }}
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /
    backendRefs:
    - group: ""
      kind: Service
      name: {{ item }}-predictor
      port: 80
      weight: 100
"""

SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
{% with annotations = {}, name = storage %}{% include "meta" %}{% endwith %}
spec:
  refreshInterval: 1h0m0s
  secretStoreRef:
    kind: ClusterSecretStore
    name: {{ store }}
  target:
    name: {{ storage }}
    creationPolicy: Owner
    deletionPolicy: Retain
  dataFrom:
  - extract:
      key: {{ storage }}
      conversionStrategy: Default
      decodingStrategy: None
      metadataPolicy: None
"""

DELIVERY = """\
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: {{ project }}
  namespace: argocd
  labels:
    app.kubernetes.io/name: {{ project }}
    app.kubernetes.io/instance: {{ project }}
    app.kubernetes.io/part-of: {{ project }}
    app.kubernetes.io/managed-by: mlspec
    mlspec.dev/team: {{ owner.team }}
  annotations:
    mlspec.dev/email: {{ owner.email }}
    mlspec.dev/slack: "{{ owner.slack }}"
spec:
  description: {{ description }}
  sourceRepos:
  - {{ repository }}
  destinations:
{%- for entry in environments %}
  - server: {{ entry.cluster }}
    namespace: {{ entry.namespace }}
{%- endfor %}
  clusterResourceWhitelist:
  - group: ""
    kind: Namespace
{%- for entry in environments %}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {{ project }}-{{ entry.env }}
  namespace: argocd
  labels:
    app.kubernetes.io/name: {{ project }}
    app.kubernetes.io/instance: {{ project }}-{{ entry.env }}
    app.kubernetes.io/part-of: {{ project }}
    app.kubernetes.io/managed-by: mlspec
    mlspec.dev/team: {{ owner.team }}
    mlspec.dev/environment: {{ entry.env }}
  annotations:
    argocd.argoproj.io/manifest-generate-paths: /deploy/{{ project }}/{{ entry.env }}
    mlspec.dev/email: {{ owner.email }}
    mlspec.dev/slack: "{{ owner.slack }}"
  finalizers:
  - resources-finalizer.argocd.argoproj.io/foreground
spec:
  project: {{ project }}
  source:
    repoURL: {{ repository }}
    targetRevision: main
    path: deploy/{{ project }}/{{ entry.env }}
    directory:
      recurse: true
      exclude: kustomization.yaml
  destination:
    server: {{ entry.cluster }}
    namespace: {{ entry.namespace }}
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
    managedNamespaceMetadata:
      labels:
        pod-security.kubernetes.io/enforce: {{ "baseline" if trains else "restricted" }}
{%- if trains %}
        pod-security.kubernetes.io/warn: restricted
{%- endif %}
    retry:
      limit: 5
      backoff:
        duration: 10s
        factor: 2
        maxDuration: 5m
    syncOptions:
    - CreateNamespace=true
    - ServerSideApply=true
    - ApplyOutOfSyncOnly=true
{%- endfor %}
"""

KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
{%- for name in names | sort %}
- {{ name }}
{%- endfor %}
"""


def server(kind: str, model_format: str, version: str, runtime: str, protocol: str, port: int) -> dict[str, Any]:
    return {"kind": kind, "format": model_format, "version": version, "runtime": runtime, "protocol": protocol, "port": port}


SERVERS = {
    "sklearn": server("sklearn", "sklearn", "1", "sklearnserver", "v2", 8080),
    "xgboost": server("xgboost", "xgboost", "2", "xgbserver", "v2", 8080),
    "lightgbm": server("lightgbm", "lightgbm", "4", "lgbserver", "v2", 8080),
    "onnx": server("triton", "onnx", "1", "tritonserver", "v2", 8002),
    "tensorflow": server("tfserving", "tensorflow", "2", "tensorflow-serving", "v1", 8080),
    "mlflow": server("mlserver", "mlflow", "2", "mlserver", "v2", 8082),
}
HERE = Path(__file__).resolve().parent
PROGRAMS = ("check_data.py", "gate.py", "register.py", "submit.py")
TEXTS = {"meta": META, "endpoint": ENDPOINT, "secret": SECRET, "delivery": DELIVERY, "kustomization": KUSTOMIZATION}
VERSION = "@version@"
BURNS = (
    ("1h", "5m", "14.4", ("critical", "2d2h")),
    ("6h", "30m", "6", ("critical", "5d")),
    ("1d", "2h", "3", ("warning", "10d")),
    ("3d", "6h", "1", ("warning", "30d")),
)
LOADER = jinja2.ChoiceLoader([jinja2.DictLoader(TEXTS), jinja2.FileSystemLoader(HERE / "templates")])
JINJA = jinja2.Environment(loader=LOADER, auto_reload=False, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            merge(under[key], value)
        else:
            under[key] = value
    return under


def fill(text: str, variables: dict[str, Any]) -> str:
    for name, value in variables.items():
        text = text.replace("${vars." + name + "}", str(value))
    return text


def project(spec: dict[str, Any], file: str, root: Path) -> None:
    """Write the manifests of one project."""
    shared = {"project": spec["name"], "owner": spec["owner"], "version": None, "extra": {}}
    repository = spec["platform"]["repository"]["url"]
    environments = []
    for env, entry in spec["environments"].items():
        here = merge(copy.deepcopy(spec), entry.get("overrides", {}))
        variables = {**spec["vars"], **entry.get("vars", {})}
        cluster = entry.get("cluster", "https://kubernetes.default.svc")
        environments.append({"env": env, "namespace": entry["namespace"], "cluster": cluster})
        storage = spec["platform"].get("storage", {}).get("secret")
        folder = root / "deploy" / spec["name"] / env
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for item, endpoint in here["serving"].items():
            model = dict(here["models"][endpoint["model"]])
            model["uri"] = fill(model["uri"], variables)
            data = view(item, endpoint, model, variables)
            text = JINJA.get_template("endpoint").render(
                shared, **data, env=env, namespace=entry["namespace"], storage=storage, name=item, item=item
            )
            names.append(f"serving-{item}.yaml")
            (folder / names[-1]).write_text(text, encoding="utf-8")
        general = {**shared, "env": env, "namespace": entry["namespace"], "storage": storage, "description": spec["description"]}
        if "pipelines" in here:
            for name, text in training(here, variables, general):
                names.append(name)
                (folder / name).write_text(text, encoding="utf-8")
        for item, entry_ in here.get("monitoring", {}).items():
            names.append(f"monitoring-{item}.yaml")
            text = monitoring(here, item, entry_, {**general, "repository": repository, "file": file})
            (folder / names[-1]).write_text(text, encoding="utf-8")
        if storage:
            store = spec["platform"]["secrets"]["externalSecrets"]["store"]
            names.append(f"secret-{storage}.yaml")
            text = JINJA.get_template("secret").render(
                shared, env=env, namespace=entry["namespace"], storage=storage, store=store, item=spec["name"]
            )
            (folder / names[-1]).write_text(text, encoding="utf-8")
        (folder / "kustomization.yaml").write_text(JINJA.get_template("kustomization").render(names=names), encoding="utf-8")
    delivery = root / "deploy" / "argocd"
    delivery.mkdir(parents=True, exist_ok=True)
    text = JINJA.get_template("delivery").render(
        shared, repository=repository, description=spec["description"], environments=environments, trains="pipelines" in spec
    )
    (delivery / f"{spec['name']}.yaml").write_text(text, encoding="utf-8")


def view(item: str, endpoint: dict[str, Any], model: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Return what the text of one endpoint needs."""
    rollout = endpoint.get("rollout")
    logging = endpoint.get("logging")
    target = endpoint.get("autoscale", {}).get("target", "80%")
    return {
        "model": model,
        "server": SERVERS[model["framework"]],
        "replicas": endpoint["replicas"],
        "resources": endpoint["resources"],
        "variables": endpoint["env"],
        "callers": sorted({*endpoint["access"]["from"], "kserve"}),
        "neighbour": "mlops" if logging else None,
        "logging": logging,
        "place": endpoint.get("place"),
        "target": int(target.removesuffix("%")),
        "host": fill(endpoint["expose"]["host"], variables),
        "service_annotations": {
            "serving.kserve.io/deploymentMode": "Standard",
            "serving.kserve.io/autoscalerClass": "hpa",
            "serving.kserve.io/enable-prometheus-scraping": "true",
        },
        "route_annotations": {
            "mlspec.dev/rollout": rollout["strategy"],
            "mlspec.dev/rollout-pause": rollout["pause"],
            "mlspec.dev/rollout-steps": ",".join(map(str, rollout["steps"])),
        }
        if rollout
        else {},
    }


def training(here: dict[str, Any], variables: dict[str, Any], general: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the files of the one pipeline: its objects, and the ConfigMap of programs and rules that its steps need."""
    pipeline, thresholds = here["pipelines"]["train"], here["thresholds"]
    rows = {**here["datasets"]["rows"], "uri": fill(here["datasets"]["rows"]["uri"], variables)}
    files = dict(programs())
    files["dataset-rows.json"] = JINJA.get_template("dataset.json.j2").render(rows=rows)
    for name in ("rows-quality", "release"):
        files[f"rules-{name}.json"] = JINJA.get_template("rules.json.j2").render(name=name, threshold=thresholds[name], share_of=share_of)
    config = f"{here['name']}-runtime-{files_digest(files)}"
    yield "runtime.yaml", JINJA.get_template("runtime.yaml.j2").render(general, item=here["name"], config=config, files=files)
    text = JINJA.get_template("pipeline.yaml.j2").render(
        general,
        item="train",
        model=pipeline["steps"]["register"]["register"],
        pipeline=pipeline,
        rows=rows,
        registry=here["platform"]["registry"]["mlflow"],
        config=config,
        timeout=int(pipeline["timeout"].removesuffix("h")) * 3600,
        digest=VERSION,
    )
    yield "pipeline-train.yaml", text.replace(VERSION, hashlib.sha256(text.encode()).hexdigest()[:12])


@cache
def programs() -> dict[str, str]:
    """Return the programs that travel with a pipeline, as they stand in a manifest."""
    folder = HERE.parent / "src" / "mlspec" / "runtime"
    return {name: textwrap.indent((folder / name).read_text(encoding="utf-8"), "    ") for name in PROGRAMS}


def files_digest(files: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()[:8]


def share_of(text: str) -> str:
    """Return a share as a number: 2% is 0.02."""
    return f"{Decimal(text.removesuffix('%')) / 100:f}"


def monitoring(here: dict[str, Any], item: str, entry: dict[str, Any], general: dict[str, Any]) -> str:
    """Return the rules, the PodMonitor and the dashboard of one endpoint."""
    promise, rules = entry["slo"], here["thresholds"]["online"]["rules"]
    allowed = 100 - Decimal(promise["availability"].removesuffix("%"))
    latency, errors = rules
    model = here["models"][here["serving"][item]["model"]]
    uid = hashlib.sha256(f"{here['name']}/{general['env']}/{item}".encode()).hexdigest()[:24]
    return JINJA.get_template("monitoring.yaml.j2").render(
        general,
        item=item,
        model=model,
        server=SERVERS[model["framework"]],
        promise=promise,
        allowed=allowed,
        budget=allowed / 100,
        burns=[(*burn, (Decimal(burn[2]) * allowed / 100).normalize(), *after) for *burn, after in BURNS],
        latency=latency,
        errors=errors,
        slow=(Decimal(latency["max"].removesuffix("ms")) / 1000).normalize(),
        share=share_of(errors["max"]),
        tags=sorted({"mlspec", here["name"], general["env"], here["owner"]["team"]}),
        uid=f"mlspec-{uid}",
    )


def main() -> None:
    root = Path(sys.argv[1])
    for file in sorted(root.glob("projects/*/mlspec.yaml")):
        project(yaml.load(file.read_bytes(), Loader), file.relative_to(root).as_posix(), root)


if __name__ == "__main__":
    main()
