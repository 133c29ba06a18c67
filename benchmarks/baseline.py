"""What a team would write instead of mlspec: text templates, Jinja and PyYAML. It makes equal objects, and checks nothing.

    baseline.py FLEET        write the manifests of a fleet of benchmarks/projects.py below FLEET/deploy

Fast for what it is: the C loader, templates compiled once, no look at what came out. It knows the fields that the fleet uses and
no others; no environment but the three of the fleet; no lock, no comparison with what is there.
"""

from __future__ import annotations

import copy
import sys
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
        pod-security.kubernetes.io/enforce: restricted
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

SERVERS = {
    "sklearn": {"format": "sklearn", "version": "1", "runtime": "sklearnserver", "protocol": "v2", "port": 8080},
    "xgboost": {"format": "xgboost", "version": "2", "runtime": "xgbserver", "protocol": "v2", "port": 8080},
    "lightgbm": {"format": "lightgbm", "version": "4", "runtime": "lgbserver", "protocol": "v2", "port": 8080},
    "onnx": {"format": "onnx", "version": "1", "runtime": "tritonserver", "protocol": "v2", "port": 8080},
    "tensorflow": {"format": "tensorflow", "version": "2", "runtime": "tensorflow-serving", "protocol": "v1", "port": 8080},
    "mlflow": {"format": "mlflow", "version": "2", "runtime": "mlserver", "protocol": "v2", "port": 8080},
}
TEXTS = {"meta": META, "endpoint": ENDPOINT, "secret": SECRET, "delivery": DELIVERY, "kustomization": KUSTOMIZATION}
JINJA = jinja2.Environment(loader=jinja2.DictLoader(TEXTS), undefined=jinja2.StrictUndefined, autoescape=False)


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


def project(spec: dict[str, Any], root: Path) -> None:
    """Write the manifests of one project."""
    shared = {"project": spec["name"], "owner": spec["owner"], "version": None}
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
        shared, repository=repository, description=spec["description"], environments=environments
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


def main() -> None:
    root = Path(sys.argv[1])
    for file in sorted(root.glob("projects/*/mlspec.yaml")):
        project(yaml.load(file.read_bytes(), Loader), root)


if __name__ == "__main__":
    main()
