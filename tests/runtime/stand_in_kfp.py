"""A stand-in for the API server of Kubeflow Pipelines: it refuses what the API definitions of release 2.14.6 do not allow.

The paths, their query parameters and the bodies below follow backend/api/v2beta1 of that release (PipelineService,
ExperimentService, RunService and filter.proto). Ids are UIDs, as in the Kubernetes-native store.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema

VERSION = "2.14.6"
TEXT = {"type": "string"}
COMPARISONS = ("GREATER_THAN", "GREATER_THAN_EQUALS", "LESS_THAN", "LESS_THAN_EQUALS")


def message(**properties: Any) -> dict[str, Any]:
    """A protobuf message as its JSON form: unknown fields are refused."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


RUNTIME_CONFIG = message(parameters={"type": "object"}, pipeline_root=TEXT)
REFERENCE = message(pipeline_id=TEXT, pipeline_version_id=TEXT)
RUN = message(
    experiment_id=TEXT,
    display_name=TEXT,
    description=TEXT,
    pipeline_version_reference=REFERENCE,
    pipeline_spec={"type": "object"},
    runtime_config=RUNTIME_CONFIG,
    service_account=TEXT,
)
EXPERIMENT = message(display_name=TEXT, description=TEXT, namespace=TEXT)
PREDICATE = message(
    operation={"enum": [*COMPARISONS, "EQUALS", "NOT_EQUALS", "IN", "IS_SUBSTRING"]},
    key=TEXT,
    string_value=TEXT,
    int_value={"type": "integer"},
)
FILTER = message(predicates={"type": "array", "items": PREDICATE})
LISTED = {"namespace", "page_token", "page_size", "sort_by", "filter"}
OPERATIONS: list[tuple[str, str, str, set[str], Any]] = [
    ("GET", r"pipelines/names/([^/]+)", "pipeline_by_name", {"namespace"}, None),
    ("GET", r"pipelines/([^/]+)/versions", "versions", LISTED - {"namespace"}, None),
    ("GET", r"experiments", "experiments_list", LISTED, None),
    ("POST", r"experiments", "experiment_create", set(), EXPERIMENT),
    ("GET", r"runs", "runs_list", LISTED | {"experiment_id"}, None),
    ("POST", r"runs", "run_create", {"experiment_id"}, RUN),
    ("GET", r"runs/([^/:]+)", "run_get", {"experiment_id"}, None),
    ("POST", r"runs/([^/:]+):terminate", "run_terminate", {"experiment_id"}, None),
]


class RefusalError(Exception):
    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class StandInKfp:
    """Pipelines, versions, experiments and runs in memory; ``states`` is what a run goes through, one state an asking."""

    def __init__(self, before: Callable[[str, str, Any], Any] | None = None, page: int = 2) -> None:
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.version_lists: dict[str, list[dict[str, Any]]] = {}
        self.experiments: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.states: list[str] = ["PENDING", "RUNNING", "SUCCEEDED"]
        self.created_at = "2099-01-01T00:00:00Z"
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[dict[str, str]] = []
        self.page = page
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(json.loads(raw) if raw else None)

            def answer(self, body: Any) -> None:
                outer.headers.append(dict(self.headers))
                made = before(self.command, self.path, body) if before else "go on"
                if made is None:
                    self.close_connection = True
                    return
                status, answer = outer.answer(self.command, self.path, body) if made == "go on" else made
                raw = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, namespace: str, pipeline: str, *versions: str) -> None:
        """Apply a Pipeline and its PipelineVersions, the newest last."""
        key = self.pipelines.setdefault(f"{namespace}/{pipeline}", {"pipeline_id": str(uuid.uuid4()), "name": pipeline})["pipeline_id"]
        kept = self.version_lists.setdefault(key, [])
        for name in versions:
            kept.insert(0, {"pipeline_id": key, "pipeline_version_id": str(uuid.uuid4()), "name": name, "display_name": name})

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer a request as the definitions say; what they do not know is 4xx, as grpc-gateway has it."""
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        self.asked.append((method, parts.path, query, body))
        try:
            for verb, pattern, name, known, schema in OPERATIONS:
                found = re.fullmatch("/apis/v2beta1/" + pattern, parts.path)
                if not found or verb != method:
                    continue
                if set(query) - known:
                    raise RefusalError(400, f"unknown query parameters {set(query) - known}")
                if (schema is None) != (body is None):
                    raise RefusalError(400, "a body where there is none, or none where there is one")
                if schema is not None:
                    jsonschema.validate(body, schema)
                if "filter" in query:
                    jsonschema.validate(json.loads(query["filter"]), FILTER)
                return 200, getattr(self, "_" + name)(*map(unquote, found.groups()), query, body)
            raise RefusalError(404, f"no such method: {method} {parts.path}")
        except jsonschema.ValidationError as error:
            return 400, {"code": 3, "message": f"proto: {error.message}", "details": []}
        except RefusalError as error:
            return error.status, {"code": 5 if error.status == 404 else 3, "message": str(error), "details": []}

    def _paged(self, key: str, entries: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        for predicate in json.loads(query.get("filter", "{}")).get("predicates", []):
            entries = [one for one in entries if one.get(predicate["key"]) == predicate["string_value"]]
        start = int(query.get("page_token") or 0)
        after = start + self.page
        made: dict[str, Any] = {key: entries[start:after], "total_size": len(entries)}
        return {**made, "next_page_token": str(after)} if after < len(entries) else made

    def _pipeline_by_name(self, name: str, query: dict[str, str], _: Any) -> Any:
        try:
            return self.pipelines[f"{query.get('namespace')}/{name}"]
        except KeyError:
            raise RefusalError(404, f"Namespace/Pipeline {query.get('namespace')}/{name} not found") from None

    def _versions(self, key: str, query: dict[str, str], _: Any) -> Any:
        return self._paged("pipeline_versions", self.version_lists[key], query)

    def _experiments_list(self, query: dict[str, str], _: Any) -> Any:
        return self._paged("experiments", [one for one in self.experiments if one["namespace"] == query.get("namespace")], query)

    def _experiment_create(self, _: Any, body: Any) -> Any:
        if any(one["display_name"] == body["display_name"] and one["namespace"] == body["namespace"] for one in self.experiments):
            raise RefusalError(409, f"an experiment {body['display_name']} exists")
        self.experiments.append({**body, "experiment_id": str(uuid.uuid4())})
        return self.experiments[-1]

    def _runs_list(self, query: dict[str, str], _: Any) -> Any:
        return self._paged("runs", [one for one in self.runs if one["experiment_id"] == query.get("experiment_id")], query)

    def _run_create(self, _: Any, body: Any) -> Any:
        if body["experiment_id"] not in {one["experiment_id"] for one in self.experiments}:
            raise RefusalError(404, "no such experiment")
        ids = {(one["pipeline_id"], one["pipeline_version_id"]) for versions in self.version_lists.values() for one in versions}
        if tuple(body["pipeline_version_reference"].values()) not in ids:
            raise RefusalError(404, "no such pipeline version")
        run = {**body, "run_id": str(uuid.uuid4()), "state": self.states[0], "created_at": self.created_at}
        self.runs.append({**run, "left": self.states[1:]})
        return run

    def _run(self, key: str) -> dict[str, Any]:
        found = next((one for one in self.runs if one["run_id"] == key), None)
        if found is None:
            raise RefusalError(404, f"Run {key} not found")
        return found

    def _run_get(self, key: str, _: Any, __: Any) -> Any:
        run = self._run(key)
        if run["left"]:
            run["state"] = run["left"].pop(0)
        made = {name: value for name, value in run.items() if name != "left"}
        if run["state"] == "FAILED":
            tasks = [{"display_name": "train", "state": "FAILED"}, {"display_name": "check", "state": "SUCCEEDED"}]
            made |= {"error": {"code": 13, "message": "the step train exited with 1"}, "run_details": {"task_details": tasks}}
        return made

    def _run_terminate(self, key: str, _: Any, __: Any) -> Any:
        self._run(key).update(state="CANCELED", left=[])
        return {}
