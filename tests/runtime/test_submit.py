"""submit.py against a stand-in for Kubeflow Pipelines, a stand-in for a cluster, and a real API server where there is one."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from runtime.stand_in_kfp import StandInKfp

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "src" / "mlspec" / "runtime" / "submit.py"
PYTHON = os.environ.get("MLSPEC_PROGRAM_PYTHON", sys.executable)
"""The programs travel: an older Python can be named to run them."""
ONE_SERVER = pytest.mark.xdist_group("apiserver")
APISERVER = ROOT.parent / "shared" / "tools" / "apiserver" / "apiserver"


def start(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the program by itself: isolated, so that it finds nothing of mlspec."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KUBERNETES_", "KF_"))}
    command = [PYTHON, "-I", str(PROGRAM), *arguments, "--poll", "0.05"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**clean, **(env or {})})


class Done:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.out, self.err = process.communicate(timeout=60)
        self.code = process.returncode
        assert "Traceback" not in self.err, self.err


def submit(*arguments: str, env: dict[str, str] | None = None) -> Done:
    return Done(start(*arguments, env=env))


def kfp(there: StandInKfp, *more: str, env: dict[str, str] | None = None) -> Done:
    names = ("--namespace", "ml", "--pipeline", "train", "--version", "train-0a1b2c3d4e5f")
    return submit("run", "--api", there.url, *names, *more, env=env)


@pytest.fixture
def there() -> Iterator[StandInKfp]:
    with StandInKfp() as made:
        made.add("ml", "train", "train-000000000000", "train-111111111111", "train-0a1b2c3d4e5f", "train-222222222222")
        yield made


def test_a_run_is_started_by_names_and_parameters_keep_their_types(there: StandInKfp) -> None:
    parameters = {"rate": 0.1, "epochs": 3, "fast": True, "name": "a{{b}}", "list": [1, "x"], "map": {"k": None}}
    done = kfp(there, "--parameters", json.dumps(parameters), "--service-account", "p-train", "--experiment", "weekly", "--name", "sunday")
    assert (done.code, done.err) == (0, "")
    (run,) = there.runs
    assert done.out == run["run_id"] + "\n"
    assert run["runtime_config"] == {"parameters": parameters}
    assert (run["service_account"], run["display_name"]) == ("p-train", "sunday")
    version = next(one for one in there.version_lists[there.pipelines["ml/train"]["pipeline_id"]] if one["name"] == "train-0a1b2c3d4e5f")
    assert run["pipeline_version_reference"] == {key: version[key] for key in ("pipeline_id", "pipeline_version_id")}
    assert there.experiments == [{"display_name": "weekly", "namespace": "ml", "experiment_id": run["experiment_id"]}]


def test_a_version_named_without_its_pipeline_is_found() -> None:
    with StandInKfp() as there:
        there.add("ml", "train", "0a1b2c3d4e5f")
        assert kfp(there).code == 0


def test_an_experiment_that_is_there_is_used(there: StandInKfp) -> None:
    first, second = kfp(there), kfp(there)
    assert (first.code, second.code, len(there.experiments), len(there.runs)) == (0, 0, 1, 2)
    assert first.out != second.out


def test_once_is_once(there: StandInKfp) -> None:
    first, second, other = kfp(there, "--once", "day-1"), kfp(there, "--once", "day-1"), kfp(there, "--once", "day-2")
    assert first.out == second.out != other.out
    assert "was started before" in second.err
    assert [run["display_name"] for run in there.runs] == ["train-day-1", "train-day-2"]


def test_once_with_a_name_of_its_own_looks_at_the_key(there: StandInKfp) -> None:
    for key in ("day-1", "day-1", "day-11", "day-2"):
        assert kfp(there, "--once", key, "--name", "nightly").code == 0
    assert len(there.runs) == 3


def test_what_was_started_is_awaited(there: StandInKfp) -> None:
    done = kfp(there, "--wait")
    assert done.code == 0
    assert re.findall(r"is ([A-Z]+)", done.err) == ["PENDING", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "SKIPPED"])
def test_a_run_that_does_not_succeed_is_exit_1(there: StandInKfp, state: str) -> None:
    there.states = ["RUNNING", state]
    done = kfp(there, "--wait")
    assert done.code == 1
    assert f"is {state}" in done.err
    assert state != "FAILED" or "failed steps: train" in done.err


def test_a_run_that_takes_too_long_is_terminated(there: StandInKfp) -> None:
    there.states = ["RUNNING"]
    done = kfp(there, "--wait", "--timeout", "1")
    assert done.code == 1
    assert "did not end within 1 s and was terminated" in done.err
    assert there.runs[0]["state"] == "CANCELED"


def test_a_cancelled_wait_leaves_the_run(there: StandInKfp) -> None:
    there.states = ["RUNNING"]
    names = ("--namespace", "ml", "--pipeline", "train", "--version", "train-0a1b2c3d4e5f")
    process = start("run", "--api", there.url, *names, "--wait")
    assert process.stdout
    assert process.stdout.readline().strip() == there.runs[0]["run_id"]
    process.send_signal(signal.SIGTERM)
    assert Done(process).code == 143
    assert there.runs[0]["state"] == "RUNNING"


def test_a_pipeline_that_comes_later_is_waited_for() -> None:
    coming = [("ml", "train"), ("ml", "train", "train-0a1b2c3d4e5f")]

    def grow(_method: str, path: str, _body: Any) -> str:
        # what is looked for and not there yet is there when it is looked for again
        if coming and (len(coming) == 2 or "/versions" in path):
            threading.Timer(0.05, there.add, coming.pop(0)).start()
        return "go on"

    with StandInKfp(grow) as there:
        done = kfp(there)
    assert done.code == 0
    assert "there is no pipeline train in ml" in done.err
    assert "has no version train-0a1b2c3d4e5f" in done.err


def test_a_pipeline_that_never_comes_is_exit_3(there: StandInKfp) -> None:
    done = submit("run", "--api", there.url, "--namespace", "ml", "--pipeline", "train", "--version", "nope", "--timeout", "1")
    assert done.code == 3
    assert "gave up: the pipeline train has no version nope" in done.err


@pytest.mark.parametrize("fault", [(500, "oops"), (503, {"code": 14, "message": "database"}), (429, ""), None])
def test_faults_that_pass_are_waited_for(fault: Any) -> None:
    faults: list[Any] = [fault, "go on", fault, "go on"]
    with StandInKfp(lambda *_: faults.pop(0) if faults else "go on") as there:
        there.add("ml", "train", "train-0a1b2c3d4e5f")
        assert kfp(there, "--wait").code == 0


def test_a_start_whose_answer_was_lost_starts_one_run() -> None:
    lost: list[bool] = []

    def before(method: str, path: str, body: Any) -> Any:
        if method == "POST" and path.startswith("/apis/v2beta1/runs") and not lost:
            lost.append(True)
            there.answer(method, path, body)
            return None
        return "go on"

    with StandInKfp(before) as there:
        there.add("ml", "train", "train-0a1b2c3d4e5f")
        done = kfp(there)
    assert (done.code, len(there.runs)) == (0, 1)
    assert done.out.strip() == there.runs[0]["run_id"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, {"code": 3, "message": "bad parameter"}), "was answered 400: bad parameter"),
        ((401, "who?"), "was answered 401: no JSON object, is a login needed? b'who?'"),
        ((403, {"code": 7, "message": "not in ml"}), "was answered 403: not in ml"),
        ((302, ""), "was answered 302"),
        ((200, "<html>"), "is a login needed? b'<html>'"),
        ((200, {}), "cannot go on: KeyError('pipeline_id')"),
    ],
)
def test_answers_that_will_not_change_are_explained_at_once(answer: Any, said: str) -> None:
    with StandInKfp(lambda *_: answer) as there:
        done = kfp(there)
    assert done.code == 3
    assert said in done.err
    assert len(there.headers) == 1


def test_nobody_there_is_exit_3_within_the_time() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = submit("run", "--api", f"http://127.0.0.1:{port}", "--namespace", "m", "--pipeline", "p", "--version", "v", "--timeout", "0.5")
    assert done.code == 3
    assert "gave up: no answer from 127.0.0.1" in done.err


def test_the_projected_token_is_sent(there: StandInKfp, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert kfp(there, env={"KF_PIPELINES_SA_TOKEN_PATH": str(tmp_path / "token")}).code == 0
    assert {headers.get("Authorization") for headers in there.headers} == {"Bearer abc"}


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("run", "--api", "http://kfp"),
        ("run", "--api", "kfp:8888", "--namespace", "n", "--pipeline", "p", "--version", "v"),
        ("run", "--api", "http://kfp", "--namespace", "n", "--pipeline", "p", "--version", "v", "--parameters", "[1]"),
        ("run", "--api", "http://kfp", "--namespace", "n", "--pipeline", "p", "--version", "v", "--parameters", "{"),
        ("create", "--server", "http://k8s"),
        ("create", "--object", "{}"),
        ("create", "--server", "http://k8s", "--object", "{"),
        ("create", "--server", "http://k8s", "--object", "[]"),
        ("create", "--server", "http://k8s", "--object", '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}'),
        ("create", "--server", "http://k8s", "--object", '{"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {}}'),
        ("create", "--server", "http://k8s", "--object", '{"a": "@{NAME}"}'),
        ("create", "--server", "http://k8s", "--object", '{"a": "b"}', "--set", "UNUSED=1"),
    ],
)
def test_usage_is_exit_2(wrong: tuple[str, ...]) -> None:
    assert submit(*wrong).code == 2


# Objects in a cluster. The same tests run against a stand-in, and against a real API server where there is one.

TRAINER = "apis/trainer.kubeflow.org/v1alpha1/namespaces/ml/trainjobs"
KATIB = "apis/kubeflow.org/v1beta1/namespaces/ml/experiments"
TRAINJOB = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"generateName": "churn-fit-", "namespace": "ml", "annotations": {"who": "a@b.org"}},
    "spec": {
        "runtimeRef": {"name": "torch-distributed"},
        "trainer": {"image": "ghcr.io/acme/train:1.0", "command": ["torchrun", "t.py", "--data=@{DATA}", "--at=@@{HOME}"], "numNodes": 2},
    },
}
EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "search-@{RUN}", "namespace": "ml"},
    "spec": {
        "objective": {"type": "maximize", "objectiveMetricName": "auc"},
        "algorithm": {"algorithmName": "tpe"},
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.0001", "max": "0.1"}},
            {"name": "depth", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "9"}},
            {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ],
        "trialTemplate": {"primaryContainerName": "train", "trialSpec": {"x": "${trialParameters.lr}"}},
    },
}
BEST = {
    "bestTrialName": "search-7-abc",
    "parameterAssignments": [{"name": "lr", "value": "0.010"}, {"name": "depth", "value": "4"}, {"name": "kind", "value": "b"}],
    "observation": {"metrics": [{"name": "auc", "latest": "0.90", "max": "0.93", "min": "0.5"}]},
}


def condition(kind: str, reason: str = "Why", text: str = "because") -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": text, "lastTransitionTime": "2026-11-21T00:00:00Z"}


class Cluster:
    """What a test asks of a cluster, whichever it is: requests as an administrator, and the arguments that reach it."""

    def __init__(self, ask: Callable[..., Any], arguments: tuple[str, ...]) -> None:
        self.ask, self.arguments = ask, arguments

    def create(self, thing: Any, *more: str) -> subprocess.Popen[str]:
        return start("create", *self.arguments, "--object", json.dumps(thing), *more)

    def names(self, folder: str) -> list[str]:
        return [one["metadata"]["name"] for one in self.ask("GET", folder)["items"]]

    def status(self, path: str, **status: Any) -> None:
        """Say as a controller what became of a thing."""
        thing = self.ask("GET", path)
        self.ask("PUT", f"{path}/status", {**thing, "status": {**thing.get("status", {}), **status}})

    def empty(self) -> None:
        for folder in (TRAINER, KATIB):
            for name in self.names(folder):
                self.ask("DELETE", f"{folder}/{name}")


class StandInCluster:
    """The few verbs of a Kubernetes API that submit.py and the tests use."""

    def __init__(self, before: Callable[[str, str, Any], Any] | None = None) -> None:
        self.things: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0].strip("/")
                if self.headers.get("X-Test") is None:
                    outer.asked.append((self.command, path))
                    outer.tokens.append(self.headers.get("Authorization"))
                body = json.loads(raw) if raw else None
                made = before(self.command, path, body) if before and self.headers.get("X-Test") is None else "go on"
                status, answer = outer.answer(self.command, path, body) if made == "go on" else made
                text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.things:
                return 409, {"kind": "Status", "reason": "AlreadyExists", "message": f"{path} already exists"}
            body["metadata"]["uid"] = str(len(self.asked))
            self.things[path] = body
            return 201, body
        if method == "PUT":
            self.things[path.removesuffix("/status")] = body
            return 200, body
        if method == "GET" and path.endswith(("trainjobs", "experiments")):
            return 200, {"items": [thing for name, thing in self.things.items() if name.startswith(path)]}
        if path not in self.things:
            return 404, {"kind": "Status", "reason": "NotFound", "message": f"{path} not found"}
        return 200, self.things.pop(path) if method == "DELETE" else self.things[path]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def asker(url: str, headers: dict[str, str], context: ssl.SSLContext | None = None) -> Callable[..., Any]:
    def ask(method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{url}/{path}", data, {"Content-Type": "application/json", **headers}, method=method)
        return json.loads(urllib.request.urlopen(request, timeout=20, context=context).read())

    return ask


def _ready(ask: Callable[..., Any], folder: str) -> None:
    """Wait until the API server has a store for a definition that is new."""
    for _ in range(100):
        try:
            ask("GET", folder)
            return
        except urllib.error.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"{folder} never got ready")


@pytest.fixture(scope="module")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real API server with the real definitions of TrainJob and Experiment."""
    if not APISERVER.exists():
        pytest.skip("no ../shared/tools/apiserver beside this checkout")
    home = Path(os.environ.get("MLSPEC_APISERVER", Path.home() / ".cache" / "mlspec-apiserver"))
    binaries = Path(os.environ.get("KUBEBUILDER_ASSETS", home / "bin"))
    if not (binaries / "kube-apiserver").exists():
        pytest.skip(f"no kube-apiserver in {binaries}; build it with {APISERVER} build")
    own = tmp_path_factory.mktemp("apiserver")
    crds = own / "crds" / "kubeflow"
    crds.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = f"https://127.0.0.1:{port}"
    for name in ("kubeflow-trainer/trainjobs.trainer.kubeflow.org.yaml", "kubeflow-katib/experiments.kubeflow.org.yaml"):
        (crds / Path(name).name).write_text((APISERVER.parents[2] / "crds" / name).read_text())
    env = {**os.environ, "MLSPEC_APISERVER": str(own), "KUBEBUILDER_ASSETS": str(binaries), "MLSPEC_APISERVER_PORT": str(port)}
    try:
        for _ in range(3):  # kubectl's wait stumbles over a definition that has no conditions yet
            command = [str(APISERVER), "up", str(own / "crds")]
            up = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=180)
            if up.returncode == 0:
                break
        assert up.returncode == 0, up.stderr
        certificate = own / "run" / "certs" / "apiserver.crt"
        token = (own / "run" / "tokens").read_text().partition(",")[0]
        ask = asker(there, {"Authorization": f"Bearer {token}"}, ssl.create_default_context(cafile=str(certificate)))
        for folder in (TRAINER, KATIB):
            _ready(ask, folder)
        ask("POST", "api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
        account = "api/v1/namespaces/ml/serviceaccounts"
        ask("POST", account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "p-train"}})
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "p-train"}}
        rules = [
            {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": ["create", "get", "delete"]},
            {"apiGroups": ["kubeflow.org"], "resources": ["experiments"], "verbs": ["create", "get", "delete"]},
        ]
        ask("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/ml/roles", {**role, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "p-train"}
        subjects = [{"kind": "ServiceAccount", "name": "p-train", "namespace": "ml"}]
        binding = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
        ask("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/ml/rolebindings", binding)
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        (own / "token").write_text(ask("POST", f"{account}/p-train/token", asked)["status"]["token"])
        arguments = ("--server", there, "--ca-file", str(certificate), "--token-file", str(own / "token"))
        yield Cluster(ask, arguments)
    finally:
        kept = own / "run" / "pids"
        pids = kept.read_text().split() if kept.exists() else []
        subprocess.run([str(APISERVER), "down"], env=env, check=False, timeout=60)
        for pid in pids:  # an API server that lost its etcd may hang on
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@pytest.fixture(params=["stand-in", pytest.param("apiserver", marks=[pytest.mark.conformance, ONE_SERVER])])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "apiserver":
        made = request.getfixturevalue("apiserver")
        yield made
        made.empty()
        return
    with StandInCluster() as there:
        yield Cluster(asker(there.url, {"X-Test": "1"}), ("--server", there.url))


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def hear(process: subprocess.Popen[str], word: str) -> str:
    """Wait until the program says a word; return all that it said until then."""
    assert process.stderr
    said = ""
    for one in process.stderr:
        said += one
        if word in one:
            return said
    pytest.fail(f"it never said {word}: {said}")


def test_a_trainjob_is_made_awaited_and_left(cluster: Cluster) -> None:
    data = 's3://d/"quoted" \\ {{x}} ${y}\n'
    process = cluster.create(TRAINJOB, "--set", f"DATA={data}", "--timeout", "60")
    name = line(process)
    assert re.fullmatch("churn-fit-[0-9a-f]{5}", name)
    path = f"{TRAINER}/{name}"
    made = cluster.ask("GET", path)
    assert made["spec"]["trainer"]["command"] == ["torchrun", "t.py", f"--data={data}", "--at=@{HOME}"]
    assert made["metadata"]["annotations"]["who"] == "a@b.org"
    cluster.status(path, conditions=[condition("Suspended", "Suspended", "Kueue holds it")])
    assert "TrainJob ml/" in hear(process, "Suspended")
    cluster.status(path, conditions=[condition("Complete", "JobsCompleted")])
    done = Done(process)
    assert done.code == 0, done.err
    assert cluster.names(TRAINER) == [name]


def test_a_trainjob_that_fails_is_exit_1(cluster: Cluster) -> None:
    process = cluster.create(TRAINJOB, "--set", "DATA=x")
    cluster.status(f"{TRAINER}/{line(process)}", conditions=[condition("Failed", "DeadlineExceeded", "too slow")])
    done = Done(process)
    assert done.code == 1
    assert "failed: DeadlineExceeded: too slow" in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_cancelled_is_deleted(cluster: Cluster, number: int, code: int) -> None:
    process = cluster.create(TRAINJOB, "--set", "DATA=x")
    line(process)
    assert len(cluster.names(TRAINER)) == 1
    process.send_signal(number)
    done = Done(process)
    assert done.code == code
    assert "deleted TrainJob" in done.err
    assert cluster.names(TRAINER) == []


def test_what_is_late_is_deleted(cluster: Cluster) -> None:
    done = Done(cluster.create(TRAINJOB, "--set", "DATA=x", "--timeout", "1"))
    assert done.code == 1
    assert "did not end within 1 s" in done.err
    assert cluster.names(TRAINER) == []


def test_what_someone_else_deletes_is_exit_3(cluster: Cluster) -> None:
    process = cluster.create(TRAINJOB, "--set", "DATA=x")
    cluster.ask("DELETE", f"{TRAINER}/{line(process)}")
    done = Done(process)
    assert done.code == 3
    assert "was answered 404" in done.err


def test_an_experiment_gives_its_best_parameters(cluster: Cluster, tmp_path: Path) -> None:
    result, best = tmp_path / "out" / "best.json", tmp_path / "out" / "best"
    process = cluster.create(EXPERIMENT, "--set", "RUN=7", "--result", str(result), "--best-dir", str(best), "--timeout", "60")
    assert line(process) == "search-7"
    cluster.status(f"{KATIB}/search-7", conditions=[condition("Running")], trialsRunning=2, trialsSucceeded=1)
    hear(process, "1 trialsSucceeded")
    status = {"conditions": [condition("Running"), condition("Succeeded")], "trialsSucceeded": 3, "currentOptimalTrial": BEST}
    cluster.status(f"{KATIB}/search-7", **status)
    done = Done(process)
    assert done.code == 0, done.err
    parameters = {"auc": "0.93", "lr": "0.010", "depth": "4", "kind": "b"}
    assert json.loads(result.read_text()) == parameters
    assert {path.name: path.read_text() for path in best.iterdir()} == parameters


def test_an_experiment_without_a_best_trial_is_exit_1(cluster: Cluster, tmp_path: Path) -> None:
    process = cluster.create(EXPERIMENT, "--set", "RUN=7", "--result", str(tmp_path / "best.json"))
    empty = {"bestTrialName": "", "parameterAssignments": None, "observation": {"metrics": None}}
    cluster.status(f"{KATIB}/{line(process)}", conditions=[condition("Succeeded")], currentOptimalTrial=empty)
    done = Done(process)
    assert done.code == 1
    assert "no trial reported auc" in done.err
    assert not (tmp_path / "best.json").exists()


def test_a_retried_step_takes_up_what_an_earlier_attempt_left(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.create(EXPERIMENT, "--set", "RUN=7")
    line(first)
    first.kill()
    first.communicate()
    again = cluster.create(EXPERIMENT, "--set", "RUN=7", "--result", str(tmp_path / "best.json"))
    assert line(again) == "search-7"
    cluster.status(f"{KATIB}/search-7", conditions=[condition("Succeeded")], currentOptimalTrial=BEST)
    done = Done(again)
    assert done.code == 0, done.err
    assert "of an earlier attempt is there" in done.err


def test_a_retried_step_makes_a_failed_one_anew(cluster: Cluster) -> None:
    first = cluster.create(EXPERIMENT, "--set", "RUN=7")
    line(first)
    before = cluster.ask("GET", f"{KATIB}/search-7")["metadata"]["uid"]
    cluster.status(f"{KATIB}/search-7", conditions=[condition("Failed")])
    assert Done(first).code == 1
    again = cluster.create(EXPERIMENT, "--set", "RUN=7")
    line(again)
    assert cluster.ask("GET", f"{KATIB}/search-7")["metadata"]["uid"] != before
    again.terminate()
    assert Done(again).code == 143


def test_another_object_of_that_name_is_left_alone(cluster: Cluster) -> None:
    first = cluster.create(EXPERIMENT, "--set", "RUN=7")
    line(first)
    changed = {**EXPERIMENT, "spec": {**EXPERIMENT["spec"], "algorithm": {"algorithmName": "random"}}}  # type: ignore[dict-item]
    other = Done(cluster.create(changed, "--set", "RUN=7"))
    assert other.code == 3
    assert "there is another" in other.err
    assert cluster.names(KATIB) == ["search-7"]
    first.terminate()
    Done(first)


@pytest.mark.conformance
@ONE_SERVER
def test_a_real_api_server_refuses_an_unknown_field_and_it_is_explained(apiserver: Cluster) -> None:
    wrong = {**TRAINJOB, "spec": {**TRAINJOB["spec"], "nodes": "@{DATA}"}}  # type: ignore[dict-item]
    done = Done(apiserver.create(wrong, "--set", "DATA=x"))
    assert done.code == 3
    assert 'was answered 400: TrainJob in version "v1alpha1" cannot be handled' in done.err
    assert 'unknown field "spec.nodes"' in done.err


@pytest.mark.conformance
@ONE_SERVER
def test_a_real_api_server_forbids_another_namespace_and_it_is_explained(apiserver: Cluster) -> None:
    other = {**TRAINJOB, "metadata": {"generateName": "a-", "namespace": "default"}}
    done = Done(apiserver.create(other, "--set", "DATA=x"))
    assert done.code == 3
    assert "is forbidden" in done.err


def test_faults_of_the_cluster_that_pass_are_waited_for() -> None:
    faults: list[Any] = [(500, {"message": "etcd"}), (429, {}), "go on", (503, "")]
    with StandInCluster(lambda *_: faults.pop(0) if faults else "go on") as there:
        cluster = Cluster(asker(there.url, {"X-Test": "1"}), ("--server", there.url))
        process = cluster.create(TRAINJOB, "--set", "DATA=x")
        cluster.status(f"{TRAINER}/{line(process)}", conditions=[condition("Complete")])
        assert Done(process).code == 0
    assert not faults


def test_a_create_whose_answer_was_lost_makes_one_object() -> None:
    lost: list[bool] = []

    def before(method: str, path: str, body: Any) -> Any:
        if method == "POST" and not lost:
            lost.append(True)
            there.answer(method, path, body)
            return 504, {"message": "gateway"}
        return "go on"

    with StandInCluster(before) as there:
        cluster = Cluster(asker(there.url, {"X-Test": "1"}), ("--server", there.url))
        process = cluster.create(TRAINJOB, "--set", "DATA=x")
        name = line(process)
        assert cluster.names(TRAINER) == [name]
        process.terminate()
        assert Done(process).code == 143


def test_a_pod_finds_its_cluster_by_itself() -> None:
    authorities = ssl.get_default_verify_paths().cafile or ""
    arguments = ("create", "--object", json.dumps(TRAINJOB), "--set", "DATA=x", "--timeout", "0.3", "--ca-file", authorities)
    done = submit(*arguments, env={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"})
    assert done.code == 3
    assert "no answer from 127.0.0.1:9" in done.err or "cannot go on" in done.err


def test_a_token_is_read_anew(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    with StandInCluster() as there:
        cluster = Cluster(asker(there.url, {"X-Test": "1"}), ("--server", there.url, "--token-file", str(token)))
        process = cluster.create(TRAINJOB, "--set", "DATA=x")
        name = line(process)
        token.write_text("two\n")
        ends = time.monotonic() + 30
        while "Bearer two" not in there.tokens and time.monotonic() < ends:
            time.sleep(0.02)
        cluster.status(f"{TRAINER}/{name}", conditions=[condition("Complete")])
        assert Done(process).code == 0
    assert there.tokens[0] == "Bearer one"
    assert there.tokens[-1] == "Bearer two"
