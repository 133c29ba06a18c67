"""Which server runs which framework."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path

FRAMEWORKS = {
    "sklearn": ("sklearn",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "mlserver": ("sklearn", "xgboost", "lightgbm", "catboost", "mlflow", "huggingface"),
    "tfserving": ("tensorflow",),
    "torchserve": ("pytorch",),
    "triton": ("tensorflow", "pytorch", "onnx", "tensorrt"),
    "vllm": ("huggingface",),
    "huggingface": ("huggingface",),
}
"""What each runtime can load. `custom` loads what its image can, and is not listed."""
ONLY_KSERVE = ("pmml", "paddle")
"""KServe brings a server for these; the language has no word for it but `auto`."""


def runtimes_for(framework: str) -> list[str]:
    """Return the words for runtimes that can load a framework, but `custom`."""
    return [runtime for runtime, loads in FRAMEWORKS.items() if framework in loads]


@code("MLS-E251", "runtime-and-framework")
def runtime_and_framework(subject: Subject) -> Iterator[Found]:
    """The runtime of an endpoint must be able to load what its model was made with.

    Bad::

        models: {vision: {framework: pytorch, version: 1.0.0, uri: s3://m/vision}}
        serving: {vision: {model: vision, runtime: sklearn}}

    Good::

        models: {vision: {framework: pytorch, version: 1.0.0, uri: s3://m/vision}}
        serving: {vision: {model: vision, runtime: triton}}
    """
    for name, endpoint in subject.serving.items():
        loads = FRAMEWORKS.get(endpoint.get("runtime", "auto"))
        if loads is None:
            continue
        answering: list[tuple[Path, str | None]] = [(("serving", name, "model"), endpoint.get("model"))]
        answering += [(("serving", name, "split", model), model) for model in endpoint.get("split", ())]
        shadow = endpoint.get("shadow")
        answering.append((("serving", name, "shadow"), shadow.get("model") if isinstance(shadow, dict) else shadow))
        for where, model in answering:
            framework = subject.models.get(str(model), {}).get("framework")
            if framework is None or framework in loads:
                continue
            able = runtimes_for(framework)
            related: tuple[tuple[Path, str], ...] = ((("models", str(model), "framework"), "the framework stands here"),)
            if where[2] != "model":
                related += ((where, "the model is used here"),)
            advice = (
                f"write {' or '.join(able)}, or leave `runtime` out" if able else "write `runtime: custom` with an `image` that loads it"
            )
            yield Found(
                ("serving", name, "runtime"),
                f"the runtime {endpoint['runtime']} cannot load the model `{model}`, which was made with {framework}",
                advice,
                related=related,
            )


@code("MLS-E252", "runtime-and-image")
def runtime_and_image(subject: Subject) -> Iterator[Found]:
    """`runtime: custom` needs an `image`, and `image` belongs to `runtime: custom` alone.

    Every other runtime brings its own image; an image beside it would have no effect.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, runtime: custom}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris:
            model: iris
            runtime: custom
            image: ghcr.io/acme/iris@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for name, endpoint in subject.serving.items():
        path: Path = ("serving", name)
        runtime = endpoint.get("runtime", "auto")
        if runtime == "custom" and "image" not in endpoint:
            yield Found(
                (*path, "runtime"), f"endpoint `{name}` has the runtime custom, but no image", "add `image:` with the image of the server"
            )
        elif runtime != "custom" and "image" in endpoint and "graph" not in endpoint:
            related = (((*path, "runtime"), "the runtime stands here"),) if "runtime" in endpoint else ()
            yield Found(
                (*path, "image"),
                f"endpoint `{name}` has an image, but its runtime is {runtime}",
                "write `runtime: custom`, or remove the image",
                on="key",
                related=related,
            )


@code("MLS-E253", "no-runtime-for-framework")
def no_runtime_for_framework(subject: Subject) -> Iterator[Found]:
    """Where the runtime is left to mlspec, there must be a server for the framework on this platform.

    Bad::

        models: {rules: {framework: custom, version: 1.0.0, uri: s3://m/rules}}
        serving: {rules: {model: rules}}

    Good::

        models: {rules: {framework: custom, version: 1.0.0, uri: s3://m/rules}}
        serving:
          rules:
            model: rules
            runtime: custom
            image: ghcr.io/acme/rules@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for name, endpoint in subject.serving.items():
        model = endpoint.get("model")
        framework = subject.models.get(model, {}).get("framework")
        if framework is None or endpoint.get("runtime", "auto") != "auto" or "image" in endpoint:
            continue
        platform = subject.platform.get("serving", "kserve")
        if runtimes_for(framework) or (framework in ONLY_KSERVE and platform == "kserve"):
            continue
        where: Path = ("serving", name, "runtime") if "runtime" in endpoint else ("serving", name, "model")
        own = f"write `runtime: custom` with an `image` that loads {framework}"
        yield Found(
            where,
            f"no server on {platform} loads the model `{model}`, which was made with {framework}",
            f"serve it on kserve, or {own}" if framework in ONLY_KSERVE else own,
            related=((("models", model, "framework"), "the framework stands here"),),
        )


CHECKS = (runtime_and_framework, runtime_and_image, no_runtime_for_framework)
PROJECT_CHECKS = ()
