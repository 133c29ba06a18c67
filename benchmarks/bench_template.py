"""How long one manifest of about 1 KB takes, in microseconds: PYTHONPATH=src python benchmarks/bench_template.py."""

from __future__ import annotations

import gc
from timeit import repeat
from typing import Any

from mlspec.emit import emit
from mlspec.template import compile_template

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ name }}
  namespace: {{ namespace }}
  labels:
    app.kubernetes.io/name: {{ name }}
    app.kubernetes.io/managed-by: mlspec
    {% for key, value in labels.items() %}
    mlspec.dev/{{ key }}: {{ value }}
    {% endfor %}
spec:
  replicas: {{ replicas }}
  selector:
    matchLabels: {app.kubernetes.io/name: {{ name }}}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ name }}
    spec:
      serviceAccountName: {{ name }}
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: server
        image: {{ image }}
        args:
        - --model={{ model.uri }}
        - --port={{ port }}
        ports:
        - name: http
          containerPort: {{ port }}
        resources:
          requests:
            cpu: {{ resources.cpu }}
            memory: {{ resources.memory }}
          limits:
            memory: {{ resources.memory }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        {% if probe %}
        readinessProbe:
          httpGet:
            path: {{ probe }}
            port: http
        {% endif %}
"""


class Model:
    """A model."""

    uri: str = "s3://models/churn/12"


class Resources:
    """What it asks for."""

    cpu: str = "500m"
    memory: str = "1Gi"


class View:
    """What the template reads."""

    name: str = "churn-api"
    namespace: str = "ml-prod"
    labels: dict[str, str]
    replicas: int = 3
    image: str = "registry.example.com/acme/serve:1.2@sha256:0123456789abcdef"
    model: Model
    port: int = 8080
    resources: Resources
    probe: str | None = "/v2/health/ready"

    def __init__(self) -> None:
        self.labels, self.model, self.resources = {"team": "growth", "tier": "1"}, Model(), Resources()


def microseconds(function: Any, *arguments: Any) -> float:
    return min(repeat(lambda: function(*arguments), number=5000, repeat=7)) / 5000 * 1e6


def main() -> None:
    loader = {"deployment": DEPLOYMENT}.__getitem__
    gc.disable()
    template, view = compile_template("deployment", loader, View), View()
    objects = template.objects(view)
    print(f"size     {len(template.text(view))} bytes")
    print(f"compile  {min(repeat(lambda: compile_template('deployment', loader, View), number=3, repeat=3)) / 3 * 1e3:.1f} ms")
    print(f"objects  {microseconds(template.objects, view):.2f} us")
    print(f"text     {microseconds(template.text, view):.2f} us")
    print(f"trace    {microseconds(template.trace, view):.2f} us")
    print(f"emit     {microseconds(emit, objects):.2f} us")


if __name__ == "__main__":
    main()
