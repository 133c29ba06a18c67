"""Endpoints by themselves: what answers, how many, what it asks for, what goes to its containers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.subject import Subject, Tree
from mlspec.diagnostics import Found, code
from mlspec.location import Path

GATEWAY_METRICS = ("requestRate", "concurrency")
"""What the gateway counts, and so what is known of an endpoint that has no pod."""
RATIO_METRICS = ("cpu", "memory", "gpu")
RESERVED_VARIABLES = {
    "PYTHONPATH": "KServe refuses it",
    "STORAGE_URI": "mlspec sets it from the model's uri",
    "PROTOCOL": "mlspec sets it from the runtime",
    "MLSERVER_MODEL_NAME": "mlspec sets it to the name of the endpoint",
    "MLSERVER_MODEL_URI": "mlspec sets it to where the model is mounted",
    "K_SERVICE": "Knative sets it",
    "K_REVISION": "Knative sets it",
    "K_CONFIGURATION": "Knative sets it",
    "PORT": "the platform sets it",
}
GENERATIVE_RUNTIMES = ("vllm", "huggingface")


def replica_range(endpoint: Tree) -> tuple[int, int]:
    """Return between how many replicas an endpoint scales; (1, 1) when it says nothing."""
    replicas = endpoint.get("replicas", 1)
    if isinstance(replicas, dict):
        return replicas["min"], replicas["max"]
    return replicas, replicas


def is_knative(subject: Subject) -> bool:
    """Tell whether KServe runs models as Knative Services."""
    settings = subject.platform.get("serving.settings") or {}
    return bool(subject.platform.get("serving") == "kserve" and settings.get("mode") == "knative")


def containers(endpoint: Tree) -> Iterator[tuple[Path, Any]]:
    """Yield the parts of an endpoint that are containers: itself, its transformer, its explainer."""
    yield (), endpoint
    for part in ("transform", "explain"):
        if part in endpoint:
            yield (part,), endpoint[part]


@code("MLS-E250", "model-or-graph")
def model_or_graph(subject: Subject) -> Iterator[Found]:
    """An endpoint has a model or a graph, and never both.

    A model answers by itself; a graph combines other endpoints and has no model of its own.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {replicas: 2}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 2}}
    """
    for name, endpoint in subject.serving.items():
        path: Path = ("serving", name)
        if "model" in endpoint and "graph" in endpoint:
            related = (((*path, "model"), "the model stands here"),)
            yield Found(
                (*path, "graph"),
                f"endpoint `{name}` has a model and a graph, expected one of them",
                "remove one of the two",
                on="key",
                related=related,
            )
        elif "model" not in endpoint and "graph" not in endpoint:
            yield Found(
                path,
                f"endpoint `{name}` has neither a model nor a graph",
                "add `model:` with the name of a model",
                on="key",
                label="nothing answers here",
            )


@code("MLS-E254", "replicas-crossed")
def replicas_crossed(subject: Subject) -> Iterator[Found]:
    """The smallest number of replicas is not above the largest.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 5, max: 2}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 2, max: 5}}}
    """
    for name, endpoint in subject.serving.items():
        low, high = replica_range(endpoint)
        if low > high:
            path: Path = ("serving", name, "replicas")
            first, last = list(endpoint["replicas"])[:2]
            yield Found(
                (*path, last),
                f"`min` is {low} and `max` is {high}: the smallest number of replicas is above the largest",
                f"write {{min: {high}, max: {low}}}, or the numbers that are meant",
                related=(((*path, first), f"`{first}` stands here"),),
            )


@code("MLS-E255", "scale-to-zero")
def scale_to_zero(subject: Subject) -> Iterator[Found]:
    """An endpoint that may have no replica needs a metric that exists while nothing runs.

    Only the gateway still sees requests then. So the endpoint must be exposed through it, and scale on what it counts:
    requestRate or concurrency. A processor that does not run has no load, and would never be started again.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 0, max: 3}, autoscale: {metric: cpu, target: 80%}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris:
            model: iris
            replicas: {min: 0, max: 3}
            autoscale: {metric: requestRate, target: 10}
            expose: {host: iris.acme.example}
    """
    counted = " or ".join(GATEWAY_METRICS)
    for name, endpoint in subject.serving.items():
        low, high = replica_range(endpoint)
        if low > 0 or high == 0 or low > high:
            continue
        path: Path = ("serving", name, "replicas", "min")
        metric = endpoint.get("autoscale", {}).get("metric")
        if "graph" in endpoint:
            yield Found(path, f"endpoint `{name}` is a graph, and its router cannot scale to zero", "write min: 1")
        elif metric is None:
            yield Found(
                path,
                f"endpoint `{name}` scales to zero on its processor load, which is unknown while nothing runs",
                f"add `autoscale` with {counted} as its metric",
            )
        elif metric not in GATEWAY_METRICS:
            yield Found(
                ("serving", name, "autoscale", "metric"),
                f"endpoint `{name}` scales to zero on {metric}, which is unknown while nothing runs",
                f"scale on {counted}, which the gateway counts, or write min: 1",
                related=((path, "zero replicas are allowed here"),),
            )
        elif "expose" not in endpoint and not is_knative(subject):
            yield Found(
                path,
                f"endpoint `{name}` scales to zero, but is not exposed, so no gateway counts its requests",
                "add `expose` with a host, or write min: 1",
            )


@code("MLS-E256", "autoscale-target")
def autoscale_target(subject: Subject) -> Iterator[Found]:
    """The target of scaling has the unit of its metric: a ratio for cpu, memory and gpu, a number above zero otherwise.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 1, max: 3}, autoscale: {metric: cpu, target: 80}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 1, max: 3}, autoscale: {metric: cpu, target: 80%}}}
    """
    for name, endpoint in subject.serving.items():
        if "autoscale" not in endpoint:
            continue
        metric, target = endpoint["autoscale"]["metric"], endpoint["autoscale"]["target"]
        path: Path = ("serving", name, "autoscale", "target")
        related = ((("serving", name, "autoscale", "metric"), f"the metric is {metric}"),)
        if metric in RATIO_METRICS:
            if not _is_share(target):
                number = isinstance(target, int) and 0 < target <= 100
                advice = f"write {target}%" if number else "write a ratio such as 80%"
                yield Found(path, f"the target for {metric} is {target}, expected a ratio above 0% and up to 100%", advice, related=related)
        elif not isinstance(target, int | Decimal) or target <= 0:
            yield Found(
                path,
                f"the target for {metric} is {target}, expected a number above 0",
                f"write how much {metric} one replica takes, such as 10",
                related=related,
            )


def _is_share(target: Any) -> bool:
    if isinstance(target, str):
        return target.endswith("%") and 0 < Decimal(target[:-1]) <= 100
    return isinstance(target, Decimal) and 0 < target < 1


@code("MLS-E257", "gpu-metric-without-gpu")
def gpu_metric_without_gpu(subject: Subject) -> Iterator[Found]:
    """Only an endpoint that asks for a gpu can scale on how busy its gpus are.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 1, max: 3}, autoscale: {metric: gpu, target: 80%}}}

    Good::

        models: {vision: {framework: onnx, version: 1.0.0, uri: s3://m/vision}}
        serving:
          vision: {model: vision, replicas: {min: 1, max: 3}, autoscale: {metric: gpu, target: 80%}, resources: {gpu: 1}}
    """
    for name, endpoint in subject.serving.items():
        if endpoint.get("autoscale", {}).get("metric") == "gpu" and not endpoint.get("resources", {}).get("gpu"):
            path: Path = ("serving", name, "autoscale", "metric")
            yield Found(
                path, f"endpoint `{name}` scales on gpu, but asks for none", "add `resources: {gpu: 1}`, or scale on another metric"
            )


@code("MLS-W250", "autoscale-without-range", severity="warning")
def autoscale_without_range(subject: Subject) -> Iterator[Found]:
    """Scaling needs room between the smallest and the largest number of replicas.

    With one fixed number there is no autoscaler, and what `autoscale` says has no effect.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 3, autoscale: {metric: cpu, target: 80%}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: {min: 1, max: 3}, autoscale: {metric: cpu, target: 80%}}}
    """
    for name, endpoint in subject.serving.items():
        low, high = replica_range(endpoint)
        if "autoscale" in endpoint and low == high:
            path: Path = ("serving", name)
            related = (((*path, "replicas"), f"always {low}"),) if "replicas" in endpoint else ()
            yield Found(
                (*path, "autoscale"),
                f"endpoint `{name}` always has {low} replica{'' if low == 1 else 's'}, so `autoscale` has no effect",
                "write replicas as {min: .., max: ..}, or remove `autoscale`",
                on="key",
                related=related,
            )


@code("MLS-W251", "no-replicas", severity="warning")
def no_replicas(subject: Subject) -> Iterator[Found]:
    """An endpoint with zero replicas answers nobody.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 0}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, replicas: 1}}
    """
    for name, endpoint in subject.serving.items():
        if replica_range(endpoint)[1] == 0:
            yield Found(
                ("serving", name, "replicas"),
                f"endpoint `{name}` has no replicas and answers nobody",
                "write at least 1, or leave the endpoint out with `notIn`",
            )


@code("MLS-E280", "explainer-form")
def explainer_form(subject: Subject) -> Iterator[Found]:
    """An explainer is a container (`image`) or a method that the platform brings (`method`), and never both.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, explain: {args: [--top, "3"]}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, explain: {method: art}}}
    """
    for name, endpoint in subject.serving.items():
        explainer = endpoint.get("explain")
        if explainer is None or ("image" in explainer) != ("method" in explainer):
            continue
        path: Path = ("serving", name, "explain")
        if "image" in explainer:
            related = (((*path, "image"), "the image stands here"),)
            yield Found(
                (*path, "method"),
                f"the explainer of `{name}` has an image and a method, expected one of them",
                "remove one of the two",
                on="key",
                related=related,
            )
        else:
            yield Found(path, f"the explainer of `{name}` has neither an image nor a method", "add `image:`, or `method: art`", on="key")


@code("MLS-E281", "reserved-variable")
def reserved_variable(subject: Subject) -> Iterator[Found]:
    """Some environment variables of a server belong to mlspec and to the platform.

    Written twice, one of the two values would win without a word; PYTHONPATH is refused by KServe itself.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, env: {STORAGE_URI: "s3://m/other"}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, env: {LOG_LEVEL: info}}}
    """
    for name, endpoint in subject.serving.items():
        for part, container in containers(endpoint):
            for variable in container.get("env", ()):
                if variable in RESERVED_VARIABLES:
                    path: Path = ("serving", name, *part, "env", variable)
                    yield Found(
                        path,
                        f"the environment variable {variable} is reserved: {RESERVED_VARIABLES[variable]}",
                        "use another name",
                        on="key",
                    )


@code("MLS-E282", "batch-of-generative-server")
def batch_of_generative_server(subject: Subject) -> Iterator[Found]:
    """A generative server puts requests together by itself; the batcher before it would not understand its API.

    Bad::

        models: {chat: {framework: huggingface, version: 1.0.0, uri: "hf://acme/chat@1a2b3c4"}}
        serving: {chat: {model: chat, runtime: vllm, batch: {size: 8}}}

    Good::

        models: {chat: {framework: huggingface, version: 1.0.0, uri: "hf://acme/chat@1a2b3c4"}}
        serving: {chat: {model: chat, runtime: vllm, args: [--max-num-seqs, "8"], resources: {gpu: 1}}}
    """
    for name, endpoint in subject.serving.items():
        runtime = endpoint.get("runtime", "auto")
        framework = subject.models.get(endpoint.get("model"), {}).get("framework")
        if "batch" in endpoint and (runtime in GENERATIVE_RUNTIMES or (runtime == "auto" and framework == "huggingface")):
            path: Path = ("serving", name, "batch")
            yield Found(
                path,
                f"endpoint `{name}` runs a generative server, which batches by itself",
                "remove `batch`, and tune the server with `args`",
                on="key",
            )


CHECKS = (
    model_or_graph,
    replicas_crossed,
    scale_to_zero,
    autoscale_target,
    gpu_metric_without_gpu,
    autoscale_without_range,
    no_replicas,
    explainer_form,
    reserved_variable,
    batch_of_generative_server,
)
PROJECT_CHECKS = ()
