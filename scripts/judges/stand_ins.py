"""Stand-ins for what is not beside an API server and Argo CD: controllers that say what is ready, and a Prometheus."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import pathlib
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from judges.bench import run

LONG_AGO = "2026-01-01T00:00:00Z"
FAILED = {"modelStatus": {"transitionStatus": "BlockedByFailedLoad"}, "conditions": [{"type": "Ready", "status": "False"}]}
"""The status of an InferenceService whose model cannot be loaded, as KServe 0.20 writes it."""
DOMAINS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: domainmappings.serving.knative.dev}
spec:
  group: serving.knative.dev
  scope: Namespaced
  names: {kind: DomainMapping, plural: domainmappings, singular: domainmapping, listKind: DomainMappingList}
  versions:
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
"""


class Found(NamedTuple):
    """What the stand-in Prometheus says; None where it has no series, and ``status`` 503 where it is away."""

    errors: str | None = "0.001"
    latency: str | None = "0.1"
    requests: str | None = "5000"
    status: int = 200


HEALTHY, BROKEN, SILENT, AWAY = Found(), Found(errors="0.02"), Found(None, None, None), Found(status=503)


def ready(service: dict[str, Any]) -> bool:
    """Tell whether an InferenceService answers."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in service.get("status", {}).get("conditions", []))


def runs(_: dict[str, Any]) -> dict[str, Any]:
    """Return the status of what has nothing to tell but that it is ready: an InferenceService, a secret from outside."""
    return {"conditions": [{"type": "Ready", "status": "True"}]}


def guards(_: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a PodDisruptionBudget that has enough pods."""
    return {
        "conditions": [
            {"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "", "lastTransitionTime": LONG_AGO}
        ]
    }


def accepted(route: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a route that its gateway accepted as it is now."""
    seen = {"status": "True", "message": "", "lastTransitionTime": LONG_AGO, "observedGeneration": route["metadata"]["generation"]}
    conditions = [{"type": kind, "reason": kind, **seen} for kind in ("Accepted", "ResolvedRefs")]
    parents = [
        {"parentRef": one, "controllerName": "walk.mlspec.dev/gateway", "conditions": conditions} for one in route["spec"]["parentRefs"]
    ]
    return {"parents": parents}


def ended(_: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a Job that is done."""
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": LONG_AGO} for kind in ("SuccessCriteriaMet", "Complete")]
    return {"conditions": conditions, "startTime": LONG_AGO, "completionTime": LONG_AGO, "succeeded": 1}


READY: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "inferenceservice": runs,
    "poddisruptionbudget": guards,
    "httproute": accepted,
    "externalsecret": runs,
    "job": ended,
}
"""What is said of each kind that Argo CD waits for."""


def said(wanted: Any, found: Any) -> bool:
    """Tell whether a status says all that is wanted; the API server may have added to it."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and said(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(said, wanted, found))
    return bool(wanted == found)


def settle(surroundings: dict[str, str], where: list[str], failing: Collection[str] = ()) -> None:
    """Say that what was applied is ready, and let go of what was deleted, once: none of the controllers that would do it is here.

    ``where`` are kubectl's words for a namespace or all; ``failing`` names InferenceServices whose model cannot be loaded.
    """
    kubectl = str(pathlib.Path(surroundings["KUBEBUILDER_ASSETS"], "kubectl"))
    listed = json.loads(run([kubectl, "get", ",".join(READY), *where, "-o", "json"], surroundings).stdout or '{"items": []}')
    for one in listed["items"]:
        kind, name, space = one["kind"].lower(), one["metadata"]["name"], one["metadata"]["namespace"]
        wanted = FAILED if name in failing else READY[kind](one)
        patch = [kubectl, "-n", space, "patch", kind, name, "--type=merge", "-p"]
        if one["metadata"].get("deletionTimestamp"):
            run([*patch, json.dumps({"metadata": {"finalizers": None}})], surroundings)
        elif not said(wanted, one.get("status", {})):
            run([*patch, json.dumps({"status": wanted}), "--subresource=status"], surroundings)


@contextlib.contextmanager
def settling(surroundings: dict[str, str]) -> Iterator[None]:
    """Stand in for controllers in every namespace, again and again."""
    over = threading.Event()

    def go() -> None:
        while not over.wait(1):
            settle(surroundings, ["-A"])

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def prometheus(found: Found) -> Iterator[tuple[str, list[str]]]:
    """Serve what a Prometheus finds of the canary's own series. Yields its URL and the queries that it was asked."""
    asked: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Answer, found, asked))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answer(http.server.BaseHTTPRequestHandler):
    """An answer of the stand-in for Prometheus."""

    def __init__(self, found: Found, asked: list[str], *given: Any) -> None:
        self._found, self._asked = found, asked
        super().__init__(*given)

    def do_GET(self) -> None:
        """Answer an instant query."""
        query = parse_qs(urlsplit(self.path).query)["query"][0]
        self._asked.append(query)
        value = self._found.errors if query.startswith("round(") else self._found.requests
        value = self._found.latency if "histogram_quantile" in query else value
        result = [] if value is None else [{"metric": {}, "value": [time.time(), value]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(self._found.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def know_domains(surroundings: dict[str, str]) -> None:
    """Let the API server take DomainMappings of Knative, whatever they hold, where it has no definition of them."""
    kubectl = str(pathlib.Path(surroundings["KUBEBUILDER_ASSETS"], "kubectl"))
    name = "domainmappings.serving.knative.dev"
    if run([kubectl, "get", "crd", name], surroundings).returncode:
        subprocess.run([kubectl, "apply", "-f", "-"], input=DOMAINS, text=True, check=True, env=surroundings, capture_output=True)
        run([kubectl, "wait", "--for", "condition=established", "crd", name], surroundings)
