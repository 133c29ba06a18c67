"""What is fetched from elsewhere: container images, and the schemes of URIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.checks.security import leads_to_metadata, placed
from mlspec.checks.serving import containers
from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?"
)
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")

MODEL_SCHEMES = ("s3", "gs", "hf", "oci", "pvc", "https", "abfs", "abfss", "models")
DATA_SCHEMES = (
    *("s3", "s3a", "gs", "hf", "oci", "pvc", "https", "abfs", "abfss", "wasbs", "hdfs", "webhdfs"),
    *("lakefs", "delta", "iceberg", "bigquery", "snowflake", "postgresql", "feast", "dvc", "kafka"),
)
STORE_SCHEMES = ("s3", "s3a", "gs", "pvc", "abfs", "abfss", "wasbs", "hdfs", "webhdfs", "lakefs")
CONTACT_SCHEMES = ("https", "http", "mailto", "tel")
CONTAINER_IN_FRONT = ("abfs", "abfss", "wasbs")
"""Schemes whose authority is container@account: what stands before the @ is no user."""


def images(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Yield every container image of a spec."""
    runner = (subject.tree.get("platform") or {}).get("runner")
    if runner:
        yield ("platform", "runner", "image"), runner["image"]
    bodies: list[tuple[Path, Any]] = [(("features", name), item) for name, item in subject.features.items()]
    for name, pipeline in subject.pipelines.items():
        bodies.append((("pipelines", name), pipeline))
        bodies += [(("pipelines", name, "steps", step), body) for step, body in pipeline["steps"].items()]
    for name, endpoint in subject.serving.items():
        bodies += [(("serving", name, *part), container) for part, container in containers(endpoint)]
    bodies += [(("monitoring", name, "drift"), item["drift"]) for name, item in subject.monitoring.items() if "drift" in item]
    for path, body in bodies:
        if "image" in body and "${" not in body["image"]:
            yield (*path, "image"), body["image"]


def split_image(image: str) -> tuple[str, str, str]:
    """Return the repository, the tag and the digest of an image; tag and digest are empty where there is none."""
    rest, _, digest = image.partition("@")
    slash = rest.rfind("/")
    colon = rest.find(":", slash + 1)
    return (rest, "", digest) if colon < 0 else (rest[:colon], rest[colon + 1 :], digest)


def fault_of(image: str) -> str:
    """Say what keeps a text from being an image reference; nothing when it is one."""
    repository, tag, digest = split_image(image)
    if "://" in image:
        return "it has a scheme"
    if "@" in image and not _DIGEST.fullmatch(digest):
        return "its digest is not sha256: and 64 hex digits"
    if image.rpartition("@")[0 if "@" in image else 2].endswith(":"):
        return "its tag is empty"
    if tag and not _TAG.fullmatch(tag):
        return f'its tag "{tag}" is not made of letters, digits, _, . and -, at most 128'
    first, slash, rest = repository.partition("/")
    path = repository
    if slash and (any(c in first for c in ".:[") or first == "localhost"):
        path = rest
        host = _HOST.fullmatch(first)
        if host is None or (host[1] and not 0 < int(host[1]) < 65536):
            return f'its registry "{first}" is not a host, with a port from 1 to 65535 if any'
    if len(repository) > 255:
        return "its name has more than 255 letters"
    for part in path.split("/"):
        if not _PART.fullmatch(part):
            return f'its part "{part}" has upper-case letters' if _PART.fullmatch(part.lower()) else f'its part "{part}" is not a name'
    return ""


@code("MLS-E504", "malformed-image")
def malformed_image(subject: Subject) -> Iterator[Found]:
    """An image is written [registry[:port]/]path[:tag][@sha256:digest], the path in lower case.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, runtime: custom, image: "ghcr.io/Acme/iris@sha256:1234"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris:
            model: iris
            runtime: custom
            image: ghcr.io/acme/iris@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for path, image in images(subject):
        fault = fault_of(image)
        if fault:
            yield Found(path, f'"{image}" is not an image: {fault}', "write it like ghcr.io/acme/train:5.1.0@sha256:...")


@code("MLS-E503", "mutable-image")
def mutable_image(subject: Subject) -> Iterator[Found]:
    """An image has a digest, or at least a tag other than latest.

    Otherwise the same commit deploys something else tomorrow, and nobody can say what ran.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, runtime: custom, image: "ghcr.io/acme/iris:latest"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris:
            model: iris
            runtime: custom
            image: ghcr.io/acme/iris@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for path, image in images(subject):
        _, tag, digest = split_image(image)
        if not digest and tag in ("", "latest") and not fault_of(image):
            what = "the tag latest" if tag else "neither a tag nor a digest"
            yield Found(path, f"the image {image} has {what}, so it may change at any time", "add the digest of the image, as @sha256:...")


@code("MLS-W501", "image-without-digest", severity="warning")
def image_without_digest(subject: Subject) -> Iterator[Found]:
    """A tag can be moved to another image; a digest cannot.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, runtime: custom, image: "ghcr.io/acme/iris:1.2.0"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris:
            model: iris
            runtime: custom
            image: ghcr.io/acme/iris:1.2.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    for path, image in images(subject):
        _, tag, digest = split_image(image)
        if not digest and tag not in ("", "latest") and not fault_of(image):
            yield Found(
                path, f"the image {image} has a tag, which can be moved, and no digest", "add its digest after the tag, as @sha256:..."
            )


def uris(subject: Subject) -> Iterator[tuple[Path, str, str, tuple[str, ...]]]:
    """Yield every URI whose scheme depends on its place: its path, itself, what it is, the schemes allowed there."""
    for name, dataset in subject.datasets.items():
        yield ("datasets", name, "uri"), dataset["uri"], "a dataset", DATA_SCHEMES
    for name, model in subject.models.items():
        yield ("models", name, "uri"), model["uri"], "a model", MODEL_SCHEMES
    for name, pipeline in subject.pipelines.items():
        for step, body in pipeline["steps"].items():
            if "output" in body:
                yield ("pipelines", name, "steps", step, "output"), body["output"], "scores", STORE_SCHEMES
    for name, monitor in subject.monitoring.items():
        if "current" in monitor.get("drift", {}):
            yield ("monitoring", name, "drift", "current"), monitor["drift"]["current"], "logged requests", STORE_SCHEMES
    oncall = subject.tree.get("owner", {}).get("oncall")
    if oncall is not None:
        yield ("owner", "oncall"), oncall, "who is on call", CONTACT_SCHEMES


@code("MLS-E505", "scheme-not-allowed")
def scheme_not_allowed(subject: Subject) -> Iterator[Found]:
    """The scheme of a URI is one that can be read at its place.

    Models come from s3, gs, abfs, hf, oci, pvc, https and models (MLflow); datasets from these and from tables and lakes. Files of
    one machine (`file:`) are not there on another, and `javascript:` is no place at all.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "file:///models/iris"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, uri, what, schemes in uris(subject):
        match = _SCHEME.match(uri)
        if match is None:
            yield Found(path, f'"{uri}" is not a URI: it has no scheme', f"write one with {', '.join(schemes)}")
        elif match[1] not in schemes and not leads_to_metadata(uri):
            yield Found(
                path,
                f"the scheme {match[1]} cannot be used for {what}, expected one of {', '.join(schemes)}",
                f"write it like {schemes[0]}://...",
            )


@code("MLS-E506", "user-in-uri", security=True)
def user_in_uri(subject: Subject) -> Iterator[Found]:
    """A URI names no user: credentials come from secrets and identities.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "https://reader@models.acme.example/iris"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "https://models.acme.example/iris", secret: models}}
        serving: {iris: {model: iris}}
    """
    places = [(path, uri) for path, uri, _, _ in uris(subject)]
    places += [
        (("serving", name, "logging", "sink"), item["logging"]["sink"]) for name, item in subject.serving.items() if "logging" in item
    ]
    for path, uri in places:
        scheme, slashes, rest = uri.partition("://")
        user, at, _ = rest.split("/", 1)[0].rpartition("@")
        if slashes and at and scheme not in CONTAINER_IN_FRONT and ":" not in user:
            yield Found(path, "the URI names a user", "remove what stands before the @, and name a secret", label="the value is not shown")


_PORT = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/\s@]*@)?(?:\[[^\]\s]*\]|[^:/\s?#\[]*):([0-9]+)(?:[/?#].*)?")
_ADDRESSES = frozenset({"url", "pushgateway", "api", "mlflow", "uri", "sink", "cluster", "current", "output", "oncall"})
"""Fields that hold a URL or URI and nothing else."""


@code("MLS-E284", "unreadable-address")
def unreadable_address(project: Project) -> Iterator[Found]:
    """The address of a service has a host that can be read and, if any, a port from 1 to 65535.

    Bad::

        platform: {monitoring: {prometheus: {url: "http://prometheus.monitoring.svc:90900"}}}

    Good::

        platform: {monitoring: {prometheus: {url: "http://prometheus.monitoring.svc:9090"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, text in placed(project.tree):
        if path[-1] not in _ADDRESSES or not (":" in text or "[" in text):
            continue
        match = _PORT.fullmatch(text)
        if match and not (len(match[1]) <= 5 and 1 <= int(match[1]) <= 65535):
            yield Found(path, f"the port {match[1][:20]} does not exist, expected 1 to 65535", "write the port that the service listens on")
        elif not _is_readable(text):
            yield Found(path, f'the host of "{text}" cannot be read', "write a host name, or an address of IPv6 in brackets")


def _is_readable(uri: str) -> bool:
    from urllib.parse import urlsplit

    try:
        urlsplit(uri).port  # noqa: B018 - it is asked for what it raises
    except ValueError:
        return not re.match(r"https?://", uri)
    return True


CHECKS = (malformed_image, mutable_image, image_without_digest, scheme_not_allowed, user_in_uri)
PROJECT_CHECKS = (unreadable_address,)
