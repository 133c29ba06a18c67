"""register.py against a real MLflow server where there is one, and against a stand-in that misbehaves."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

PROGRAM = Path(__file__).parents[2] / "src" / "mlspec" / "runtime" / "register.py"
PYTHON = os.environ.get("MLSPEC_PROGRAM_PYTHON", sys.executable)
"""The programs travel: an older Python can be named to run them."""
SOURCE = "s3://models/churn/2026-11-21"
Answer = Callable[[str, str, Any], Any]


def register(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program by itself: isolated, so that it finds nothing of mlspec."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_") and "proxy" not in key.lower()}
    command = [PYTHON, "-I", str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={**clean, **(env or {})})
    assert "Traceback" not in done.stderr, done.stderr
    return done


class StandIn:
    """A registry in memory; ``before`` may answer a request in its place: a status and a text, or None to drop the connection."""

    def __init__(self, before: Answer | None = None) -> None:
        self.models: set[str] = set()
        self.versions: list[dict[str, Any]] = []
        self.aliases: dict[str, str] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, body: Any) -> None:
                path = self.path.removeprefix("/api/2.0/mlflow/")
                outer.requests.append((self.command, path, body))
                outer.headers.append(dict(self.headers))
                made = before(self.command, path, body) if before else "go on"
                if made is None:
                    self.close_connection = True
                    return
                status, text, *headers = outer.answer(path, body) if made == "go on" else made
                self.send_response(status)
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                raw = text.encode() if isinstance(text, str) else json.dumps(text).encode()
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        what, _, query = path.partition("?")
        if what == "registered-models/create":
            if body["name"] in self.models:
                return 400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "there is one"}
            self.models.add(body["name"])
            return 200, {"registered_model": {"name": body["name"]}}
        if what == "model-versions/search":
            key = urllib.parse.parse_qs(query)["filter"][0].rsplit("'", 2)[1]
            return 200, {"model_versions": [one for one in self.versions if {"key": "mlspec.key", "value": key} in one["tags"]]}
        if what == "model-versions/create":
            self.versions.append({**body, "version": str(len(self.versions) + 1), "status": "READY"})
            return 200, {"model_version": self.versions[-1]}
        if what == "registered-models/alias":
            self.aliases[body["alias"]] = body["version"]
            return 200, {}
        return 200, {}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def asked(stand_in: StandIn, what: str) -> list[Any]:
    return [body for _, path, body in stand_in.requests if path.startswith(what)]


def test_a_version_is_made_tagged_and_becomes_challenger(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"auc": 0.9100, "rows": 12000, "note": "fine", "slices": {"sex": {"f": {"auc": 0.9, "rows": 6000}}}}')
    with StandIn() as there:
        done = register(
            *("--registry", there.url + "/", "--model", "churn", "--source", SOURCE, "--metrics", str(metrics)),
            *("--tag", "project=retention", "--tag", "commit=abc", "--output", str(tmp_path / "out" / "version")),
        )
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert (tmp_path / "out" / "version").read_text() == "1"
    tags = {tag["key"]: tag["value"] for tag in there.versions[0]["tags"]}
    assert tags.pop("mlspec.key")
    assert tags == {
        "project": "retention",
        "commit": "abc",
        "mlspec.metric.auc": "0.9100",
        "mlspec.metric.rows": "12000",
        "mlspec.slices": '{"sex":{"f":{"auc":0.9,"rows":6000}}}',
    }
    assert there.aliases == {"challenger": "1"}
    assert "`note`" in done.stderr


def test_a_retried_step_makes_no_second_version_another_run_does() -> None:
    with StandIn() as there:
        arguments = ("--registry", there.url, "--model", "churn", "--source", SOURCE, "--tag")
        versions = [register(*arguments, f"run={run}").stdout.strip() for run in ("a", "a", "b", "a")]
    assert versions == ["1", "1", "2", "1"]
    assert len(there.versions) == 2


def test_tags_that_changed_are_set_on_the_version_that_is_there(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    with StandIn() as there:
        for value in ("0.90", "0.91"):
            metrics.write_text(f'{{"auc": {value}}}')
            assert register("--registry", there.url, "--model", "m", "--source", SOURCE, "--metrics", str(metrics)).stdout == "1\n"
    assert asked(there, "model-versions/set-tag") == [{"name": "m", "version": "1", "key": "mlspec.metric.auc", "value": "0.91"}]


@pytest.mark.parametrize("fault", [(500, "oops"), (503, {"message": "starting"}), (429, "slow down"), None])
def test_faults_that_pass_are_waited_for(fault: Any) -> None:
    faults = iter([fault, fault])
    with StandIn(lambda *_: next(faults, "go on")) as there:
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "again in 0.5 s" in done.stderr


def test_a_create_whose_answer_was_lost_makes_one_version() -> None:
    lost: list[bool] = []

    def before(method: str, path: str, body: Any) -> Any:
        if path.startswith("model-versions/create") and not lost:
            lost.append(True)
            there.answer(path, body)
            return 502, "bad gateway"
        return "go on"

    with StandIn(before) as there:
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE)
    assert done.stdout == "1\n"
    assert len(there.versions) == 1


def test_a_version_that_is_pending_is_awaited_and_a_failed_one_is_said() -> None:
    with StandIn() as there:
        register("--registry", there.url, "--model", "churn", "--source", SOURCE)
        there.versions[0]["status"] = "PENDING_REGISTRATION"
        threading.Timer(0.8, lambda: there.versions[0].update(status="FAILED_REGISTRATION", status_message="no such place")).start()
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE)
    assert done.returncode == 3
    assert "version 1 is FAILED_REGISTRATION: no such place" in done.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "<html>log in</html>"), "something other than a JSON object"),
        ((200, "[1]"), "something other than a JSON object"),
        ((302, "", {"Location": "https://login.example.com/"}), "redirects `registered-models/create` to https://login.example.com/"),
        ((401, "who?"), "(401 ): who?; set MLFLOW_TRACKING_TOKEN"),
        ((403, "Invalid Host header"), "--allowed-hosts"),
        ((400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad name"}), "(400 INVALID_PARAMETER_VALUE): bad name"),
    ],
)
def test_answers_that_will_not_change_are_explained_at_once(answer: Any, said: str) -> None:
    with StandIn(lambda *_: answer) as there:
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE)
    assert done.returncode == 3
    assert said in done.stderr
    assert len(there.requests) == 1


def test_nobody_there_is_exit_3_within_the_time() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    started = time.monotonic()
    done = register("--registry", f"http://127.0.0.1:{port}", "--model", "churn", "--source", SOURCE, "--timeout", "1")
    assert done.returncode == 3
    assert re.search(r"gave up on the registry: no answer: \[Errno \d+\] Connection refused", done.stderr)
    assert time.monotonic() - started < 10


def test_a_registry_that_hangs_is_given_up() -> None:
    with StandIn(lambda *_: time.sleep(3)) as there:
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE, "--timeout", "1")
    assert done.returncode == 3
    assert "timed out" in done.stderr


@pytest.mark.parametrize("text", ['{"auc": NaN}', '{"auc": Infinity}', '{"auc": -Infinity}'])
def test_a_metric_that_is_no_finite_number_is_not_registered(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with StandIn() as there:
        done = register("--registry", there.url, "--model", "churn", "--source", SOURCE, "--metrics", str(tmp_path / "m.json"))
    assert done.returncode == 1
    assert "expected a finite number" in done.stderr
    assert not there.requests


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\udcff"])
def test_metrics_that_cannot_be_read_are_exit_3(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text, errors="surrogateescape")
    done = register("--registry", "http://127.0.0.1:9", "--model", "m", "--source", SOURCE, "--metrics", str(tmp_path / "m.json"))
    assert done.returncode == 3
    assert "m.json" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--registry", "mlflow:5000", "--model", "m", "--source", SOURCE),
        ("--registry", "http://r", "--model", "a/b", "--source", SOURCE),
        ("--registry", "http://r", "--model", "it's", "--source", SOURCE),
        ("--registry", "http://r", "--model", "m", "--source", SOURCE, "--tag", "lonely"),
        ("--registry", "http://r", "--model", "m"),
    ],
)
def test_usage_is_exit_2(wrong: tuple[str, ...]) -> None:
    assert register(*wrong).returncode == 2


def test_credentials_come_from_the_environment() -> None:
    with StandIn() as there:
        arguments = ("--registry", there.url, "--model", "m", "--source", SOURCE)
        register(*arguments, env={"MLFLOW_TRACKING_TOKEN": "t0ken"})
        register(*arguments, env={"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pw"})
    sent = {headers.get("Authorization") for headers in there.headers}
    assert sent == {"Bearer t0ken", "Basic YW5uOnB3"}


@pytest.mark.parametrize(("program", "kilobytes"), [("register", 16), ("submit", 16), ("drift", 30)])
def test_a_program_is_small_and_reads_as_python_3_9(program: str, kilobytes: int) -> None:
    text = PROGRAM.with_name(f"{program}.py").read_text()
    assert len(text.encode()) < kilobytes * 1024
    imported = set()
    for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= sys.stdlib_module_names | {"pyarrow"}
    assert program == "drift" or "pyarrow" not in imported


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server with an empty database; its URL."""
    program = os.environ.get("MLSPEC_MLFLOW") or shutil.which("mlflow")
    if not program:
        pytest.skip("no mlflow executable on PATH or in MLSPEC_MLFLOW")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                *(program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")),
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(url + "/health", timeout=2).read()
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.conformance
@pytest.mark.xdist_group("mlflow")
def test_a_real_mlflow_has_the_version_its_tags_and_alias_once(mlflow: str, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"auc": 0.91, "log_loss": 0.2, "slices": {"sex": {"f": {"auc": 0.9}}}}')
    arguments = ("--registry", mlflow, "--model", "churn", "--source", SOURCE, "--metrics", str(metrics), "--tag", "project=x")
    first, again = (register(*arguments, "--tag", "run=r1") for _ in range(2))
    assert (first.returncode, first.stdout, first.stderr) == (0, "1\n", "")
    assert again.stdout == "1\n", again.stderr
    metrics.write_text('{"auc": 0.92}')
    assert register(*arguments, "--tag", "run=r2", "--alias", "challenger", "--alias", "candidate").stdout == "2\n"

    def ask(path: str) -> Any:
        return json.loads(urllib.request.urlopen(f"{mlflow}/api/2.0/mlflow/{path}", timeout=10).read())

    one = ask("model-versions/get?name=churn&version=1")["model_version"]
    tags = {tag["key"]: tag["value"] for tag in one["tags"]}
    assert one["source"] == SOURCE
    assert (tags["mlspec.metric.auc"], tags["mlspec.metric.log_loss"], tags["project"]) == ("0.91", "0.2", "x")
    assert json.loads(tags["mlspec.slices"]) == {"sex": {"f": {"auc": 0.9}}}
    for alias in ("challenger", "candidate"):
        assert ask(f"registered-models/alias?name=churn&alias={alias}")["model_version"]["version"] == "2"


@pytest.mark.conformance
@pytest.mark.xdist_group("mlflow")
def test_a_real_mlflow_refuses_a_local_path_and_it_is_explained(mlflow: str) -> None:
    done = register("--registry", mlflow, "--model", "local", "--source", "/tmp/model")
    assert done.returncode == 3
    assert "(400 INVALID_PARAMETER_VALUE)" in done.stderr
