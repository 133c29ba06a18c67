"""Register a model version with MLflow (REST API 2.0, as MLflow 2.3 to 3.x serve it): registered model, version, tags, alias.

Run again for the same source and run, it finds the version it made and makes no second one. Prints the version.
Exit codes: 0 registered, 1 metrics that are no finite numbers, 2 usage, 3 the registry cannot be reached or refuses.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn

_API = "/api/2.0/mlflow/"
_ONCE = 20
"""Seconds that one request may take."""
_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that are read."""
_TAG = 5000
"""Characters that a tag of a model version holds (MLflow 2; 100,000 in MLflow 3)."""


class Stop(Exception):  # noqa: N818
    """The end of the program: an exit code and the line that says why."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


class Again(Exception):  # noqa: N818
    """A fault that may pass: no connection, an answer 5xx or 429."""


class Refused(Exception):  # noqa: N818
    """An answer 4xx of the registry: its error code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials go to the registry only; a redirect (to a page of login, mostly) is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Registry:
    """MLflow's REST API under a URL, with the credentials that MLflow's own client reads from the environment."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/") + _API
        self._end = time.monotonic() + timeout
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json", **_credentials()}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Send one request. Raises Again, Refused, or Stop when the answer is not the registry's."""
        url = self._url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, self._headers, method=method)  # noqa: S310 - http(s) was checked
        left = min(_ONCE, max(1.0, self._end - time.monotonic()))
        try:
            with self._opener.open(request, timeout=left) as answer:
                text = answer.read(_LIMIT)
        except urllib.error.HTTPError as error:
            raise _explained(error, path) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Again(f"no answer: {getattr(error, 'reason', None) or error or type(error).__name__}") from None
        try:
            made = json.loads(text)
        except ValueError:
            made = None
        if not isinstance(made, dict):
            raise Stop(3, f"`{path}` answered with something other than a JSON object; is this MLflow's address, without a login page?")
        return made

    def patiently(self, step: Any) -> Any:
        """Return what `step` returns, trying again with growing pauses while its faults may pass and there is time."""
        pause = 0.5
        while True:
            try:
                return step()
            except Again as error:
                if time.monotonic() + pause >= self._end:
                    raise Stop(3, f"gave up on the registry: {error}") from None
                print(f"register: {error}; again in {pause:g} s", file=sys.stderr)
                time.sleep(pause)
                pause = min(pause * 2, 15)


def _credentials() -> dict[str, str]:
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if not token and not user:
        return {}
    if token:
        return {"Authorization": f"Bearer {token}"}
    pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def _explained(error: urllib.error.HTTPError, path: str) -> Exception:
    """Return what an answer that is no success means."""
    try:
        text = error.read(_LIMIT).decode("utf-8", "replace").strip()
    except (OSError, HTTPException):
        text = ""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    code, message = str(said.get("error_code", "")), str(said.get("message") or text[:300] or error.reason)
    if error.code >= 500 or error.code == 429:
        return Again(f"the registry answered {error.code} to `{path}`: {message}")
    if 300 <= error.code < 400:
        return Stop(3, f"the registry redirects `{path}` to {error.headers.get('Location')}; write its final address, or set credentials")
    return Refused(error.code, code, message)


def registered(registry: Registry, model: str, tags: dict[str, str]) -> None:
    """Make the registered model unless there is one."""
    try:
        registry.call("POST", "registered-models/create", {"name": model, "tags": _pairs(tags)})
    except Refused as error:
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise


def version_of(registry: Registry, model: str, key: str) -> dict[str, Any] | None:
    """Return the version with this key, made by an earlier attempt; None when there is none."""
    found = registry.call("GET", "model-versions/search", filter=f"name='{model}' and tags.`mlspec.key`='{key}'", max_results="10")
    versions = [one for one in found.get("model_versions") or [] if isinstance(one, dict) and "version" in one]
    return max(versions, key=lambda one: int(one["version"]), default=None)


def made(registry: Registry, model: str, source: str, key: str, tags: dict[str, str]) -> dict[str, Any]:
    """Return the version of this source and run, making it when it is not there yet."""
    found = version_of(registry, model, key)
    if found is None:
        body = {"name": model, "source": source, "tags": _pairs({**tags, "mlspec.key": key})}
        answer = registry.call("POST", "model-versions/create", body).get("model_version")
        if not isinstance(answer, dict) or "version" not in answer:
            raise Stop(3, "the registry made a version and did not say which")
        found = answer
    status = found.get("status", "READY")
    if status == "PENDING_REGISTRATION":
        raise Again(f"version {found['version']} is still being registered")
    if status != "READY":
        raise Stop(3, f"version {found['version']} is {status}: {found.get('status_message', 'no reason given')}")
    return found


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _read(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (OSError, ValueError, RecursionError) as error:
        raise Stop(3, f"cannot read {path}: {error}") from None
    if not isinstance(found, dict):
        raise Stop(3, f"{path} is no JSON object of numbers")
    return found


def metrics_of(path: str) -> dict[str, str]:
    """Return the numbers of a metrics file as tags, spelled as the file spells them. Raises Stop for what is no finite number."""
    found = _read(path)
    tags: dict[str, str] = {}
    for name, value in found.items():
        if name == "slices":
            tags.update(_slices(value))
            continue
        if not isinstance(value, Decimal):
            print(f"register: `{name}` in {path} is no number and gets no tag", file=sys.stderr)
            continue
        if not value.is_finite():
            raise Stop(1, f"the metric `{name}` in {path} is {value}, expected a finite number")
        tags[f"mlspec.metric.{name}"] = str(value)
    return tags


def _number(value: Decimal) -> Any:
    """Return a number as JSON writes it; what is not finite as text, which no gate takes for a number."""
    return (int(value) if value == int(value) else float(value)) if value.is_finite() else str(value)


def _slices(found: Any) -> dict[str, str]:
    """Return the metrics of slices as one tag, so that a champion's slices can be compared; left out, and said, when too long."""
    text = json.dumps(found, default=_number, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if len(text) <= _TAG:
        return {"mlspec.slices": text}
    print(f"register: the slices are {len(text)} characters, more than a tag holds ({_TAG}), and get none", file=sys.stderr)
    return {}


def register(registry: Registry, wanted: argparse.Namespace, tags: dict[str, str], metrics: dict[str, str]) -> str:
    """Return the version of the source: made, or found and brought up to date; the alias points to it."""
    key = hashlib.sha256(json.dumps([wanted.source, tags.get("run", "")]).encode()).hexdigest()[:32]
    project = {name: value for name, value in tags.items() if name == "project"}
    registry.patiently(lambda: registered(registry, wanted.model, project))
    every = {**tags, **metrics}
    found = registry.patiently(lambda: made(registry, wanted.model, wanted.source, key, every))
    version = str(found["version"])
    there = {tag.get("key"): tag.get("value") for tag in found.get("tags") or [] if isinstance(tag, dict)}
    for name, value in every.items():
        if there.get(name) != value:
            body = {"name": wanted.model, "version": version, "key": name, "value": value}
            registry.patiently(lambda body=body: registry.call("POST", "model-versions/set-tag", body))
    for alias in wanted.alias or ["challenger"]:
        body = {"name": wanted.model, "alias": alias, "version": version}
        registry.patiently(lambda body=body: registry.call("POST", "registered-models/alias", body))
    return version


def _tags(texts: list[str], usage: argparse.ArgumentParser) -> dict[str, str]:
    tags = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            usage.error(f"--tag {text}: expected KEY=VALUE")
        tags[name] = value
    return tags


def _arguments() -> argparse.ArgumentParser:
    usage = argparse.ArgumentParser(prog="register.py", description="Register a model version with MLflow.")
    usage.add_argument("--registry", required=True, metavar="URL", help="MLflow's address")
    usage.add_argument("--model", required=True, metavar="NAME", help="the registered model")
    usage.add_argument("--source", required=True, metavar="URI", help="where the model's artifact lies")
    usage.add_argument("--metrics", metavar="FILE", help="JSON object of numbers: tags mlspec.metric.NAME")
    usage.add_argument("--slices", metavar="FILE", help="the metrics of slices: tag mlspec.slices")
    usage.add_argument("--tag", action="append", default=[], metavar="K=V", help="a tag; that of `run` tells apart runs with one source")
    usage.add_argument("--alias", action="append", metavar="NAME", help="an alias that points to the version (challenger)")
    usage.add_argument("--output", metavar="FILE", help="where the version is written, too")
    usage.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="how long to try (120)")
    return usage


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    usage = _arguments()
    wanted = usage.parse_args(arguments)
    if urllib.parse.urlsplit(wanted.registry).scheme not in ("http", "https"):
        usage.error(f"--registry {wanted.registry}: expected http://… or https://…")
    if not wanted.model.strip() or set(wanted.model) & set("/:'\"\\"):
        usage.error(f"--model {wanted.model}: a name has no slash, colon, quote or backslash")
    tags = _tags(wanted.tag, usage)
    try:
        metrics = metrics_of(wanted.metrics) if wanted.metrics else {}
        if wanted.slices:
            metrics.update(_slices(_read(wanted.slices)))
        version = register(Registry(wanted.registry, wanted.timeout), wanted, tags, metrics)
        if wanted.output:
            Path(wanted.output).parent.mkdir(parents=True, exist_ok=True)
            Path(wanted.output).write_text(version, encoding="utf-8")
    except Stop as error:
        print(f"register: {error}", file=sys.stderr)
        return error.code
    except Refused as error:
        print(f"register: the registry refused ({error.status} {error.code}): {error}{_advice(error)}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"register: cannot write {wanted.output}: {error}", file=sys.stderr)
        return 3
    print(version)
    return 0


def _advice(error: Refused) -> str:
    if error.status == 401:
        return "; set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if error.status == 403:
        return "; may these credentials register models, and does `mlflow server --allowed-hosts` name this address?"
    return ""


def _exit() -> NoReturn:
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    _exit()
