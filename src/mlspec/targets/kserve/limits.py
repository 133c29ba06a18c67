"""What KServe cannot do of a plan: the rules of its webhooks, and fields that it has no place for.

Source: KServe 0.20.0, pkg/apis/serving/v1beta1 (inference_service_validation.go, component.go) and pkg/constants.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.targets.kserve.metrics import QUEUES
from mlspec.targets.kserve.runtimes import AUTOMATIC, SCHEMES, SERVERS, runtimes_of

OBJECT_STORES = ("s3", "gs", "abfs")


@code("MLS-E801", "platform-cannot")
def cannot(path: Path, what: str, alternative: str) -> Found:
    """What a spec asks for must be something that its platform can do; no field is ever passed over in silence.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: s3://m/requests}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: http://broker.mlops.svc/iris}}}
    """
    return Found(
        path, f"KServe cannot do `{format_path(path)}`: {what}", alternative, on="key", label="serving: kserve has no place for this"
    )


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what KServe cannot do."""
    node = plan.node
    knative = node.platform.serving.kserve.mode == "knative"
    for name, entry in node.serving.items():
        path: Path = ("serving", name)
        if "graph" in entry:
            yield from _graph(path, entry, knative)
            continue
        yield from _model(plan, path, entry)
        yield from _logging(plan, path, entry)
        yield from _scaling(path, entry, knative)
        if knative:
            yield from _knative(path, entry)


def _model(plan: Plan, path: Path, entry: Node) -> Iterator[Finding]:
    models = plan.node.models
    used = [entry.model, *(entry.split or ()), *([entry.shadow.model] if entry.shadow else [])]
    for name in dict.fromkeys(used):
        model = models[name]
        scheme = model.uri.split("://", 1)[0]
        if scheme not in SCHEMES:
            yield cannot(
                ("models", name, "uri"),
                f"its storage initializer does not read {scheme}://",
                f"use one of {', '.join(SCHEMES[:6])}, https or oci",
            )
        runtime = AUTOMATIC.get(model.framework) if entry.runtime == "auto" else entry.runtime
        if runtime == "custom" or (runtime is None and model.framework == "custom"):
            continue
        if runtime is None:
            yield cannot((*path, "model"), f"it has no server for {model.framework}", "write runtime: custom with an image that serves it")
        elif model.framework not in SERVERS[runtime].formats:
            able = ", ".join(runtimes_of(model.framework)) or "custom"
            yield cannot(
                (*path, "runtime"), f"{runtime} does not serve {model.framework} (model {name})", f"use {able}, or custom with an image"
            )
        elif entry.batch and "v1" not in SERVERS[runtime].protocols:
            yield cannot(
                (*path, "batch"), f"its batcher speaks the v1 protocol, {runtime} does not", "set batching in the model's own configuration"
            )
    if entry.explain and entry.explain.method is not None and entry.explain.method != "art":
        yield cannot((*path, "explain", "method"), f"it does not bring {entry.explain.method}", "use art, or an image")


def _logging(plan: Plan, path: Path, entry: Node) -> Iterator[Finding]:
    logging = entry.logging
    if not logging:
        return
    scheme = logging.sink.split("://", 1)[0]
    if scheme not in ("http", "https", *OBJECT_STORES):
        yield cannot((*path, "logging", "sink"), f"its logger does not write to {scheme}://", "use an http sink, s3 or gs")
    elif scheme in OBJECT_STORES and not plan.node.platform.storage:
        yield cannot(
            (*path, "logging", "sink"),
            "its logger needs the credentials of the object store",
            "name the secret in platform.storage.secret, or use an http sink",
        )


def _scaling(path: Path, entry: Node, knative: bool) -> Iterator[Finding]:
    wanted = entry.autoscale
    if not wanted:
        return
    metric, place = wanted.metric, (*path, "autoscale", "metric")
    runtime = entry.runtime
    if knative and metric not in ("concurrency", "requestRate"):
        yield cannot(place, f"with Knative it does not scale on {metric}", "use concurrency or requestRate, or mode: standard")
    elif metric == "gpu" and "gpu" not in entry.resources:
        yield cannot(place, "the endpoint asks for no gpu", "add resources.gpu, or scale on another metric")
    elif metric == "queueDepth" and runtime not in QUEUES and runtime != "auto":
        yield cannot(place, f"{runtime} does not count the requests that wait", f"use {', '.join(sorted(QUEUES))}, or scale on concurrency")
    elif metric in ("concurrency", "requestRate") and runtime == "custom" and not entry.expose and not knative:
        yield cannot(place, "a custom server's own metrics are not known", "expose it, so that the gateway counts, or scale on cpu")
    if knative and wanted.cooldown is not None:
        yield cannot((*path, "autoscale", "cooldown"), "with Knative the window is a cluster setting", "use mode: standard")


def _knative(path: Path, entry: Node) -> Iterator[Finding]:
    for key in ("split", "shadow"):
        if key in entry:
            yield cannot(
                (*path, key),
                "with Knative it divides traffic between revisions of one model only",
                "use platform.serving: {kserve: {mode: standard}}",
            )
    if entry.expose and entry.expose.path != "/":
        yield cannot(
            (*path, "expose", "path"), "with Knative a host name leads to one service whole", "use a host of its own, or mode: standard"
        )
    if entry.expose and entry.expose.tls:
        yield cannot(
            (*path, "expose", "tls"), "with Knative certificates are a setting of the cluster", "leave it out, or use mode: standard"
        )
    if entry.rollout.strategy in ("blueGreen", "recreate"):
        yield cannot(
            (*path, "rollout", "strategy"), f"with Knative there is no {entry.rollout.strategy}", "use canary or rolling, or mode: standard"
        )


def _graph(path: Path, entry: Node, knative: bool) -> Iterator[Finding]:
    wanted = entry.autoscale
    able = ("concurrency", "requestRate") if knative else ("cpu", "memory")
    if wanted and wanted.metric not in able:
        yield cannot((*path, "autoscale", "metric"), f"a graph does not scale on {wanted.metric} here", f"use {' or '.join(able)}")
