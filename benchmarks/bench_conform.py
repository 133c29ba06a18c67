"""How long it takes to judge the objects of one project: python benchmarks/bench_conform.py"""

from __future__ import annotations

import time
from typing import Any

from mlspec.conform import Kinds

META = {"name": "churn", "namespace": "ml", "labels": {"app.kubernetes.io/name": "churn"}}
CONTAINER = {"name": "main", "image": "registry.example.com/churn:1", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
POD = {"containers": [CONTAINER], "serviceAccountName": "churn", "securityContext": {"runAsNonRoot": True}}
MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://models/churn", "resources": CONTAINER["resources"]}
OBJECTS: list[tuple[str, str, dict[str, Any]]] = [
    ("serving.kserve.io/v1beta1", "InferenceService", {"spec": {"predictor": {"minReplicas": 1, "model": MODEL}}}),
    (
        "serving.kserve.io/v1alpha1",
        "InferenceGraph",
        {"spec": {"nodes": {"root": {"routerType": "Splitter", "steps": [{"serviceName": "a"}]}}}},
    ),
    ("v1", "ConfigMap", {"data": {"a": "b"}}),
    ("v1", "ServiceAccount", {}),
    ("v1", "Namespace", {}),
    ("batch/v1", "CronJob", {"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}}}),
    ("batch/v1", "Job", {"spec": {"template": {"spec": POD}}}),
    ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
    ("rbac.authorization.k8s.io/v1", "Role", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    ("monitoring.coreos.com/v1", "PrometheusRule", {"spec": {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up"}]}]}}),
    ("external-secrets.io/v1", "ExternalSecret", {"spec": {"secretStoreRef": {"name": "a", "kind": "SecretStore"}}}),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", {"spec": {"rules": [{"backendRefs": [{"name": "a", "port": 80}]}]}}),
]


def main() -> None:
    objects = [{"apiVersion": version, "kind": kind, "metadata": META, **rest} for version, kind, rest in OBJECTS]
    start = time.process_time()
    kinds = Kinds.load()
    faults = [fault for obj in objects for fault in kinds.check(obj)]
    print(f"first check of {len(objects)} kinds: {(time.process_time() - start) * 1e3:.1f} ms, {len(faults)} faults")
    rounds = 1000
    start = time.process_time()
    for _ in range(rounds):
        for obj in objects:
            kinds.check(obj)
    print(f"every further check: {(time.process_time() - start) * 1e6 / rounds / len(objects):.1f} µs an object")


if __name__ == "__main__":
    main()
