"""Start a run of Kubeflow Pipelines (2.14, API v2beta1), or make a TrainJob or Experiment and await its end.

Exit codes: 0 good, 1 failed or late, 2 usage, 3 not reached or refused, 128 + signal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import signal
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_KFP_TOKEN = os.environ.get("KF_PIPELINES_SA_TOKEN_PATH", "/var/run/secrets/kubeflow/pipelines/token")
_KINDS = {"trainer.kubeflow.org/TrainJob": ("trainjobs", "Complete"), "kubeflow.org/Experiment": ("experiments", "Succeeded")}
"""What `create` makes: its plural, and its condition of success."""
_ENDS = {"SUCCEEDED": True, "FAILED": False, "CANCELED": False, "SKIPPED": False}
_MARK = "mlspec.dev/submitted"
_LONGEST = 40
"""Characters of a name that Katib takes."""
Json = dict[str, Any]


class Stop(Exception):  # noqa: N818
    """The end: an exit code, why, and the HTTP status if that is why."""

    def __init__(self, code: int, line: str, status: int = 0) -> None:
        super().__init__(line)
        self.code, self.status = code, status


class Again(Stop):
    """A fault that may pass."""


def say(line: str) -> None:
    """Tell."""
    print(f"submit: {line}", file=sys.stderr, flush=True)


class Api:
    """A JSON API. The token is read anew each time: Kubernetes replaces it."""

    def __init__(self, url: str, token: str, ca: str, seconds: float) -> None:
        self._at, self._token, self.end = urlsplit(url.rstrip("/")), Path(token), time.monotonic() + seconds
        self._tls = ssl.create_default_context(cafile=ca or None) if self._at.scheme == "https" else None

    def _send(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        seconds, host = min(20.0, max(1.0, self.end - time.monotonic())), self._at.netloc
        line = HTTPSConnection(host, timeout=seconds, context=self._tls) if self._tls else HTTPConnection(host, timeout=seconds)
        headers = {"Content-Type": "application/json"}
        try:
            if self._token.is_file():
                headers["Authorization"] = "Bearer " + self._token.read_text(encoding="utf-8").strip()
            line.request(method, f"{self._at.path}/{path}", None if body is None else json.dumps(body), headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise Again(3, f"no answer from {host}: {error or type(error).__name__}") from None
        finally:
            line.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """Return the object that a request is answered with."""
        asked = urlencode({key: value for key, value in query.items() if value})
        status, text = self._send(method, f"{path}?{asked}", body)
        try:
            made = json.loads(text or b"{}")
        except ValueError:
            made = str(text[:200])
        if status < 300 and isinstance(made, dict):
            return made
        said = made.get("message") if isinstance(made, dict) else f"no JSON object, is a login needed? {made}"
        line = f"{method} {path} was answered {status}: {said}"
        raise (Again if status >= 500 or status in (409, 429) else Stop)(3, line, status)

    def patiently(self, step: Callable[[], Any]) -> Any:
        """Return what `step` returns, trying again while there is time."""
        pause = 0.25
        while True:
            try:
                return step()
            except Again as error:
                if time.monotonic() + pause >= self.end:
                    raise Stop(3, f"gave up: {error}") from None
                say(f"{error}; again in {pause:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 15)

    def watch(self, path: str, made: Json, read: Callable[[Json], tuple[str, bool | None]], poll: float) -> tuple[Json, bool | None]:
        """Return a thing at its end and whether that is good; None when it is late."""
        seen = ""
        while True:
            state, good = read(made)
            if state != seen:
                seen = state
                say(state)
            if good is not None or time.monotonic() >= self.end:
                return made, good
            time.sleep(min(poll, max(0.0, self.end - time.monotonic())))
            try:
                made = self.call("GET", path)
            except Again as error:
                say(f"{error}; waiting")


def pages(api: Api, what: str, key: str, name: str = "", **query: Any) -> Iterator[Json]:
    """Yield the entries of a list, or those with a display name."""
    named = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]})
    while query.get("page_token") != "":
        page = api.call("GET", f"apis/v2beta1/{what}", page_size=100, filter=name and named, **query)
        yield from page.get(key) or []
        query["page_token"] = page.get("next_page_token", "")


def reference(api: Api, pipeline: str, version: str, namespace: str) -> Json:
    """Return the ids of a pipeline and its version, which GitOps may be about to bring."""
    try:
        key = api.call("GET", f"apis/v2beta1/pipelines/names/{quote(pipeline)}", namespace=namespace)["pipeline_id"]
    except Stop as error:
        raise Again(3, f"there is no pipeline {pipeline} in {namespace}") if error.status == 404 else error from None
    for one in pages(api, f"pipelines/{key}/versions", "pipeline_versions"):
        if version in (one.get("name"), one.get("display_name"), f"{pipeline}-{one.get('name')}"):
            return {"pipeline_id": key, "pipeline_version_id": one["pipeline_version_id"]}
    raise Again(3, f"the pipeline {pipeline} has no version {version}")


def experiment(api: Api, name: str, namespace: str) -> str:
    """Return the id of the experiment, made when it is missing."""
    for found in pages(api, "experiments", "experiments", name, namespace=namespace):
        return str(found["experiment_id"])
    return str(api.call("POST", "apis/v2beta1/experiments", {"display_name": name, "namespace": namespace})["experiment_id"])


def started(api: Api, body: Json, namespace: str) -> Json:
    """Return the run with this name and key, started when there is none."""
    for found in pages(api, "runs", "runs", body["display_name"], namespace=namespace, experiment_id=body["experiment_id"]):
        if body["description"] in str(found.get("description")):
            say(f"the run {body['display_name']} was started before")
            return found
    return api.call("POST", "apis/v2beta1/runs", body)


def run(api: Api, wanted: argparse.Namespace) -> None:
    """Start a run and print its id, or await its end, too."""
    key, space = wanted.once or secrets.token_hex(8), wanted.namespace
    body: Json = {
        "display_name": wanted.name or f"{wanted.pipeline}-{key}",
        "description": f"started by mlspec, key {key}.",
        "runtime_config": {"parameters": wanted.parameters},
        "pipeline_version_reference": api.patiently(lambda: reference(api, wanted.pipeline, wanted.version, space)),
        "experiment_id": api.patiently(lambda: experiment(api, wanted.experiment or wanted.pipeline, space)),
        **({"service_account": wanted.service_account} if wanted.service_account else {}),
    }
    made = api.patiently(lambda: started(api, body, space))
    what, path = f"the run {made['run_id']}", f"apis/v2beta1/runs/{made['run_id']}"
    print(made["run_id"], flush=True)
    if not wanted.wait:
        return
    end, good = api.watch(path, made, lambda now: (f"{what} is {now.get('state')}", _ENDS.get(now.get("state", ""))), wanted.poll)
    if good is None:
        api.end = time.monotonic() + 20
        api.patiently(lambda: api.call("POST", path + ":terminate"))
        raise Stop(1, f"{what} did not end within {wanted.timeout:g} s and was terminated")
    if not good:
        tasks = end.get("run_details", {}).get("task_details", [])
        steps = ", ".join(str(task.get("display_name")) for task in tasks if task.get("state") == "FAILED")
        raise Stop(1, f"{what} is {end['state']}; failed steps: {steps or 'none'}")


def filled(thing: Any, sets: dict[str, str]) -> Any:
    """Return JSON data with `@{NAME}` in its strings replaced; `@@{` stands for `@{`."""
    used = set()

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        if found[2] not in sets:
            raise Stop(2, f"no --set gives {found[0]}")
        used.add(found[2])
        return json.dumps(sets[found[2]])[1:-1]

    made = re.sub(r"(@?)@\{(\w*)\}", value, json.dumps(thing))
    if set(sets) - used:
        raise Stop(2, f"--set {set(sets) - used}: no such place in the object")
    return json.loads(made)


def _true(made: Json) -> dict[str, Json]:
    every = made.get("status", {}).get("conditions") or []
    return {one["type"]: one for one in every if one["status"] == "True"}


def create(api: Api, wanted: argparse.Namespace) -> None:
    """Make the object, await its end, write what was found; delete what is cancelled or late."""
    thing, plural, success = _object(wanted)
    meta = thing["metadata"]
    folder = f"apis/{thing['apiVersion']}/namespaces/{quote(meta['namespace'])}/{plural}"
    path, what = f"{folder}/{quote(meta['name'])}", f"{thing['kind']} {meta['namespace']}/{meta['name']}"

    def read(now: Json) -> tuple[str, bool | None]:
        true, status = _true(now), now.get("status", {})
        counts = [f"{count} {key}" for key, count in status.items() if key.startswith("trials")]
        return f"{what}: {', '.join([*true, *counts])}", False if "Failed" in true else True if success in true else None

    try:
        made = api.patiently(lambda: _made(api, thing, folder, path))
        print(meta["name"], flush=True)
        end, good = api.watch(path, made, read, wanted.poll)
        if good is None:
            say(f"{what} did not end within {wanted.timeout:g} s")
            sys.exit(1)
    except SystemExit:
        _delete(api, path, what)
        raise
    if not good:
        failed = _true(end)["Failed"]
        raise Stop(1, f"{what} failed: {failed.get('reason')}: {failed.get('message')}")
    if thing["kind"] == "Experiment":
        found = best(thing["spec"]["objective"], end)
        say(f"{what}: the best is {found}")
        files = [(Path(wanted.best_dir, name), text) for name, text in found.items() if wanted.best_dir]
        for path_, text in [*files, *([(Path(wanted.result), json.dumps(found))] if wanted.result else [])]:
            path_.parent.mkdir(parents=True, exist_ok=True)
            path_.write_text(text, encoding="utf-8")


def _made(api: Api, thing: Json, folder: str, path: str) -> Json:
    """Return the object: made, or as an earlier attempt left it; a failed one is made anew."""
    try:
        return api.call("POST", folder, thing, fieldValidation="Strict")
    except Again as error:
        if error.status != 409:
            raise
    found, what = api.call("GET", path), f"{path} of an earlier attempt"
    meta = found["metadata"]
    if meta.get("annotations", {}).get(_MARK) != thing["metadata"]["annotations"][_MARK]:
        raise Stop(3, f"there is another {path}")
    if "deletionTimestamp" not in meta:
        if "Failed" not in _true(found):
            say(f"{what} is there")
            return found
        api.call("DELETE", path, {"preconditions": {"uid": meta["uid"]}})
    raise Again(3, f"{what} is being deleted")


def _delete(api: Api, path: str, what: str) -> None:
    api.end = time.monotonic() + 15
    try:
        api.patiently(lambda: api.call("DELETE", path))
        say(f"deleted {what}")
    except Stop as error:
        say(f"could not delete {what}: {error}")


def best(goal: Json, made: Json) -> dict[str, str]:
    """Return the parameters of an Experiment's best trial, and its value of the objective, as texts."""
    metric, how = goal["objectiveMetricName"], {"maximize": "max", "minimize": "min"}[goal["type"]]
    try:
        trial = made["status"]["currentOptimalTrial"]
        value = next(one[how] for one in trial["observation"]["metrics"] if one["name"] == metric)
        float(value)
        return {metric: value, **{one["name"]: one["value"] for one in trial["parameterAssignments"]}}
    except (LookupError, TypeError, ValueError, StopIteration):
        raise Stop(1, f"no trial reported {metric}, so there are no best parameters") from None


def _object(wanted: argparse.Namespace) -> tuple[Json, str, str]:
    """Return the object that is wanted, filled and named, its plural and its success."""
    text, pairs = wanted.object, [one.partition("=") for one in wanted.set]
    try:
        given = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
        thing = filled(given, {one[0]: one[2] for one in pairs})
        mark = hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:16]
        kind, meta = _KINDS[f"{thing['apiVersion'].partition('/')[0]}/{thing['kind']}"], thing["metadata"]
        if "name" not in meta:
            meta["name"] = meta.pop("generateName")[: _LONGEST - 6].rstrip("-") + "-" + secrets.token_hex(2) + secrets.choice("abcdef")
        meta["namespace"] = meta.get("namespace") or wanted.namespace or (_POD / "namespace").read_text(encoding="utf-8")
        meta["annotations"] = {**(meta.get("annotations") or {}), _MARK: mark}
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise Stop(2, f"--object: expected {' or '.join(_KINDS)}, named: {error!r}") from None
    return (thing, *kind)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    usage = argparse.ArgumentParser(prog="submit.py")
    usage.add_argument("verb", choices=["run", "create"])
    names = ("namespace", "pipeline", "version", "experiment", "service-account", "name", "once")
    for name in (*names, "object", "result", "best-dir", "token-file", "ca-file", "api"):
        usage.add_argument(f"--{name}", default="")
    usage.add_argument("--server", dest="api")
    usage.add_argument("--parameters", type=json.loads, default={})
    usage.add_argument("--set", action="append", default=[])
    usage.add_argument("--wait", action="store_true")
    usage.add_argument("--timeout", type=float)
    usage.add_argument("--poll", type=float, default=5)
    wanted = usage.parse_args(given)
    starts = wanted.verb == "run"
    for name in ("namespace", "pipeline", "version") if starts else ("object",):
        if not getattr(wanted, name):
            usage.error(f"{wanted.verb} needs --{name}")
    if not starts and not wanted.api:
        wanted.api = f"https://{os.environ.get('KUBERNETES_SERVICE_HOST', '')}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
        wanted.ca_file = wanted.ca_file or _POD / "ca.crt"
    wanted.token_file = wanted.token_file or (_KFP_TOKEN if starts else _POD / "token")
    wanted.timeout = wanted.timeout or (600 if starts else 86400)
    if not re.match("https?://[^/:]", wanted.api) or not isinstance(wanted.parameters, dict):
        usage.error("expected an http(s) --api, and an object as --parameters")
    return wanted


def _cancel(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    say("cancelled")
    sys.exit(128 + number)


def main(given: list[str] | None = None) -> int:
    """Run, and return the exit code."""
    wanted = _arguments(given)
    signal.signal(signal.SIGTERM, _cancel)
    signal.signal(signal.SIGINT, _cancel)
    try:
        api = Api(wanted.api, wanted.token_file, wanted.ca_file, wanted.timeout)
        (run if wanted.verb == "run" else create)(api, wanted)
    except Stop as error:
        say(str(error))
        return error.code
    except (OSError, LookupError, TypeError, AttributeError) as error:
        say(f"cannot go on: {error!r}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
