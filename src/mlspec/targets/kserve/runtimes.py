"""The model servers that KServe brings: formats, protocols and the flag that names a model.

Source: KServe 0.20.0, config/runtimes/*.yaml and pkg/apis/serving/v1beta1.
"""

from __future__ import annotations

from typing import NamedTuple

from mlspec.plan.versions import AUTOMATIC

__all__ = ["AUTOMATIC", "SCHEMES", "SERVERS", "Server", "runtimes_of", "storage_uri"]


class Server(NamedTuple):
    """One serving runtime."""

    runtime: str
    """The ClusterServingRuntime."""
    formats: dict[str, tuple[str, str | None]]
    """By framework of the model, the format and its version."""
    protocol: str
    """The protocol that requests speak when nothing asks for another."""
    protocols: tuple[str, ...]
    name_argument: str | None = None
    """The argument that sets the name by which requests address the model."""
    name_variable: str | None = None
    """Or the environment variable that does."""
    port: int = 8080
    """The port that serves requests and, where nothing else is said, metrics."""


SERVERS: dict[str, Server] = {
    "sklearn": Server("kserve-sklearnserver", {"sklearn": ("sklearn", "1")}, "v2", ("v1", "v2"), "--model_name="),
    "xgboost": Server("kserve-xgbserver", {"xgboost": ("xgboost", "2")}, "v2", ("v1", "v2"), "--model_name="),
    "lightgbm": Server("kserve-lgbserver", {"lightgbm": ("lightgbm", "4")}, "v2", ("v1", "v2"), "--model_name="),
    "pmml": Server("kserve-pmmlserver", {"pmml": ("pmml", "4")}, "v2", ("v1", "v2"), "--model_name="),
    "paddle": Server("kserve-paddleserver", {"paddle": ("paddle", "2")}, "v2", ("v1", "v2"), "--model_name="),
    "mlserver": Server(
        "kserve-mlserver",
        {"mlflow": ("mlflow", "2"), "sklearn": ("sklearn", "1"), "xgboost": ("xgboost", "2"), "lightgbm": ("lightgbm", "4")},
        "v2",
        ("v2",),
        None,
        "MLSERVER_MODEL_NAME",
    ),
    "tfserving": Server("kserve-tensorflow-serving", {"tensorflow": ("tensorflow", "2")}, "v1", ("v1",), "--model_name="),
    "torchserve": Server("kserve-torchserve", {"pytorch": ("pytorch", "1")}, "v2", ("v1", "v2")),
    "triton": Server(
        "kserve-tritonserver",
        {"onnx": ("onnx", "1"), "pytorch": ("pytorch", "1"), "tensorrt": ("tensorrt", "8"), "tensorflow": ("triton", "2")},
        "v2",
        ("v2",),
    ),
    "huggingface": Server("kserve-huggingfaceserver", {"huggingface": ("huggingface", "1")}, "v2", ("v1", "v2"), "--model_name="),
    "vllm": Server("kserve-vllmserver", {"huggingface": ("vLLM", "1")}, "v2", ("v2",), "--served-model-name=", None, 8000),
}

SCHEMES = ("gs", "s3", "hdfs", "webhdfs", "hf", "pvc", "file", "http", "https", "oci", "oci+native")
"""What KServe's storage initializer reads (0.20.0, pkg/apis/serving/v1beta1/component.go)."""


def storage_uri(uri: str) -> str:
    """Return a model's URI as KServe reads it: a Hugging Face revision stands behind a colon there."""
    if uri.startswith("hf://") and "@" in uri:
        return ":".join(uri.rsplit("@", 1))
    return uri


def runtimes_of(framework: str) -> list[str]:
    """Return the runtimes that can serve a framework."""
    return [name for name, server in SERVERS.items() if framework in server.formats]
