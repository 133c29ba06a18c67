"""drift.py on files made here, its scores compared with computations of their own, its gauges read by a parser of the text format."""

from __future__ import annotations

import base64
import bisect
import contextlib
import datetime
import gzip
import importlib.util
import io
import json
import math
import os
import random
import re
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
from pyarrow import parquet

PROGRAM = Path(__file__).parents[2] / "src" / "mlspec" / "runtime" / "drift.py"
PYTHON = os.environ.get("MLSPEC_PROGRAM_PYTHON", sys.executable)
"""The programs travel: an older Python can be named to run them."""
ALONE = sys.executable != PYTHON
"""Whether every run is a process of its own, which takes half a second to import pyarrow; else most runs are calls of the same main."""
LABELS = {"project": "churn", "environment": "prod", "endpoint": "churn"}
NOW = "2026-11-21T08:00:00Z"
SECONDS = 1795248000.0
COLUMNS = {
    "customer": {"type": "string", "key": True},
    "age": {"type": "integer"},
    "income": {"type": "number"},
    "plan": {"type": "category"},
    "churned": {"type": "boolean", "label": True},
}


class StandInPushgateway:
    """A Pushgateway that reads what it is sent as strictly as the text format says, and replaces groups on PUT."""

    def __init__(self, *answers: int) -> None:
        self.groups: dict[tuple[tuple[str, str], ...], dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        self.texts: list[str] = []
        left = list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_PUT(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, said = left.pop(0) if left else 200, ""
                if status == 200:
                    outer.texts.append(text)
                    try:
                        outer.groups[group(self.path)] = parsed(text)
                    except (AssertionError, ValueError) as error:
                        status, said = 400, f"text format parsing error: {error}"
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def values(self, name: str) -> dict[tuple[str, str], float]:
        """What the only group holds of a metric: (column, metric) to value."""
        (held,) = self.groups.values()
        found = {}
        for (metric, labels), value in held.items():
            if metric == name:
                assert LABELS.items() <= dict(labels).items()
                found[dict(labels).get("column", ""), dict(labels).get("metric", "")] = value
        return found


def group(path: str) -> tuple[tuple[str, str], ...]:
    parts = path.strip("/").split("/")
    assert parts.pop(0) == "metrics"
    assert parts[0] == "job"
    assert len(parts) % 2 == 0
    made = []
    for at in range(0, len(parts), 2):
        name, at_base64, _ = parts[at].partition("@base64")
        value = base64.urlsafe_b64decode(parts[at + 1]).decode() if at_base64 else unquote(parts[at + 1])
        made.append((name, value))
    return tuple(made)


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the text format 0.0.4 strictly: a type before the samples of each family, families in one piece, no sample twice."""
    assert text.endswith("\n")
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    typed: list[str] = []
    for line in text.splitlines():
        comment = re.fullmatch(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge", line)
        if comment:
            assert comment[1] not in typed, f"a second TYPE of {comment[1]}"
            typed.append(comment[1])
            continue
        sample = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)', line)
        assert sample, f"no sample: {line}"
        assert typed, "a sample before its TYPE"
        assert sample[1] == typed[-1], "a family in pieces"
        labels = tuple(sorted(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"', sample[2])))
        assert len(dict(labels)) == len(labels)
        assert (sample[1], labels) not in found
        found[sample[1], labels] = float(sample[3])
        assert math.isfinite(found[sample[1], labels])
    return found


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def alone(*arguments: str) -> Done:
    """Run the program by itself: isolated, so that it finds nothing of mlspec."""
    done = subprocess.run([PYTHON, "-I", str(PROGRAM), *arguments], capture_output=True, text=True, check=False, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def called(*arguments: str) -> Done:
    """Load the program's file and call its main in this process."""
    found = importlib.util.spec_from_file_location("drift_program", PROGRAM)
    assert found is not None
    assert found.loader is not None
    program = importlib.util.module_from_spec(found)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            found.loader.exec_module(program)
            code = program.main([*arguments])
        except SystemExit as ended:
            code = ended.code
    return Done(code, out.getvalue(), err.getvalue())


class Place:
    """A folder with a reference, what is current, a dataset and thresholds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = {"name": "customers", "format": "parquet", "columns": COLUMNS}
        self.against, self.current = folder / "reference.parquet", folder / "current.parquet"

    def rules(self, *rules: dict[str, Any], mode: str = "enforce") -> None:
        made = [{"name": "x", "severity": "block", **rule} for rule in rules]
        threshold = {"threshold": "input-drift", "on": "drift", "mode": mode, "rules": made}
        (self.folder / "rules.json").write_text(json.dumps(threshold))

    def run(self, url: str, *more: str, task: str = "drift", options: dict[str, Any] | None = None, by_itself: bool = ALONE) -> Done:
        (self.folder / "dataset.json").write_text(json.dumps(self.dataset))
        arguments = ["--task", task, "--dataset", str(self.folder / "dataset.json"), "--against", str(self.against)]
        if task == "drift":
            arguments += ["--rules", str(self.folder / "rules.json")]
        arguments += ["--current", str(self.current), "--pushgateway", url, "--labels", json.dumps(LABELS), "--now", NOW]
        arguments += ["--options", json.dumps(options or {}), *more]
        done = alone(*arguments) if by_itself else called(*arguments)
        assert "Traceback" not in done.err, done.err
        return done

    def scores(self, *more: str, task: str = "drift", options: dict[str, Any] | None = None) -> tuple[Done, dict[tuple[str, str], float]]:
        """Run, and return what was pushed of the task's gauge."""
        gauge = {"drift": "mlspec_drift", "bias": "mlspec_bias", "outliers": "mlspec_outlier_share"}[task]
        with StandInPushgateway() as there:
            done = self.run(there.url, *more, task=task, options=options)
        assert set(there.groups) == {(("job", f"mlspec-{task}"), *sorted(LABELS.items()))}, done.err
        return done, there.values(gauge)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def customers(seed: int, count: int = 3000, age: float = 40, plans: str = "aaabbc") -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "customer": f"c{at}",
            "age": round(draw.gauss(age, 10)),
            "income": draw.lognormvariate(8, 0.5) if draw.random() > 0.1 else None,
            "plan": draw.choice(plans),
            "churned": draw.random() > 0.5,
        }
        for at in range(count)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=700)
    return path


def numbers(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row[name] is not None]


EVERY = [{"metric": metric, "column": "income", "max": "0.2"} for metric in ("psi", "ks", "jsDivergence", "missingRatio")]


def test_the_same_distribution_is_near_zero(place: Place) -> None:
    write(place.against, customers(1))
    write(place.current, customers(2))
    place.rules(*EVERY, {"metric": "psi", "column": "plan", "max": "0.2"}, {"metric": "share", "max": "0.3"})
    done, scores = place.scores()
    assert done.code == 0, done.err
    assert scores["income", "psi"] < 0.02
    assert scores["income", "ks"] < 0.05
    assert scores["income", "jsDivergence"] < 0.01
    assert scores["income", "missingRatio"] == pytest.approx(0.1, abs=0.02)
    assert scores["plan", "psi"] < 0.02
    assert scores["", "share"] == 0
    assert "psi of income: " in done.err
    assert "within its bound" in done.err


def test_another_distribution_is_far(place: Place) -> None:
    write(place.against, customers(1))
    write(place.current, customers(2, age=52, plans="abccc"))
    far = [{"metric": "psi", "column": name, "max": "0.2"} for name in ("age", "plan")]
    place.rules(*far, {"metric": "share", "max": "0.3"})
    done, scores = place.scores()
    assert done.code == 0
    assert scores["age", "psi"] > 0.2
    assert scores["plan", "psi"] > 0.2
    assert scores["", "share"] == pytest.approx(2 / 3)
    assert "share: 0.666667 BEYOND its bound (2 of 3: age, plan)" in done.err
    assert place.scores("--verdict")[0].code == 1


def test_scores_are_exact(place: Place) -> None:
    old, new = customers(3, 900), customers(4, 700, age=44, plans="abbc")
    for row in new[:50]:
        row["plan"] = "new"
    write(place.against, old)
    write(place.current, new)
    rules = [{"metric": metric, "column": "income"} for metric in ("psi", "ks", "jsDivergence", "missingRatio")]
    place.rules(*rules, {"metric": "psi", "column": "plan"}, {"metric": "jsDivergence", "column": "plan"})
    done, scores = place.scores()
    assert done.code == 0, done.err
    a, b = numbers(old, "income"), numbers(new, "income")

    ordered = sorted(a)
    cuts = []
    for at in range(1, 10):
        rank = (len(ordered) - 1) * at / 10
        low = int(rank)
        cuts.append(ordered[low] * (1 - (rank - low)) + ordered[low + 1] * (rank - low))

    def shares(values: list[float]) -> list[float]:
        return [sum(bisect.bisect_right(cuts, value) == at for value in values) / len(values) for at in range(10)]

    def psi(p: list[float], q: list[float]) -> float:
        pairs = [(max(x, 1e-4), max(y, 1e-4)) for x, y in zip(p, q, strict=True)]
        return sum((y - x) * math.log(y / x) for x, y in pairs)

    def entropy(p: list[float]) -> float:
        return -sum(x * math.log2(x) for x in p if x)

    def js(p: list[float], q: list[float]) -> float:
        return entropy([(x + y) / 2 for x, y in zip(p, q, strict=True)]) - (entropy(p) + entropy(q)) / 2

    assert scores["income", "psi"] == pytest.approx(psi(shares(a), shares(b)), rel=1e-9)
    assert scores["income", "jsDivergence"] == pytest.approx(js(shares(a), shares(b)), rel=1e-9)
    steps = [abs(sum(x <= at for x in a) / len(a) - sum(y <= at for y in b) / len(b)) for at in a + b]
    assert scores["income", "ks"] == pytest.approx(max(steps), rel=1e-9)
    assert scores["income", "missingRatio"] == pytest.approx(1 - len(b) / 700, rel=1e-9)
    p, q = ([Counter(row["plan"] for row in rows)[plan] / len(rows) for plan in ("a", "b", "c", "new")] for rows in (old, new))
    assert scores["plan", "psi"] == pytest.approx(psi(p, q), rel=1e-9)
    assert scores["plan", "jsDivergence"] == pytest.approx(js(p, q), rel=1e-9)


def test_scores_agree_with_numpy(place: Place) -> None:
    numpy = pytest.importorskip("numpy")
    old, new = customers(5), customers(6, age=43)
    write(place.against, old)
    write(place.current, new)
    place.rules({"metric": "psi", "column": "age"}, {"metric": "psi", "column": "income"})
    _, scores = place.scores()
    for name in ("age", "income"):
        a, b = (numpy.array(numbers(rows, name), float) for rows in (old, new))
        edges = [-numpy.inf, *numpy.unique(numpy.quantile(a, numpy.linspace(0, 1, 11)[1:-1])), numpy.inf]
        p, q = (numpy.maximum(numpy.histogram(values, edges)[0] / len(values), 1e-4) for values in (a, b))
        assert scores[name, "psi"] == pytest.approx(float(((q - p) * numpy.log(q / p)).sum()), rel=1e-9)


def test_gauges_have_labels_rows_and_the_time(place: Place) -> None:
    write(place.against, customers(1, 300))
    write(place.current, customers(2, 250))
    place.rules({"metric": "psi", "column": "age"}, {"metric": "share"})
    with StandInPushgateway() as there:
        assert place.run(there.url).code == 0
    (held,) = there.groups.values()
    plain = tuple(sorted(LABELS.items()))
    assert held["mlspec_monitor_rows", plain] == 250
    assert held["mlspec_monitor_last_success_seconds", plain] == SECONDS
    assert ("mlspec_drift", tuple(sorted({**LABELS, "column": "age", "metric": "psi"}.items()))) in held
    assert ("mlspec_drift", tuple(sorted({**LABELS, "metric": "share"}.items()))) in held
    assert len(held) == 4


def test_gauges_can_be_printed(place: Place) -> None:
    write(place.against, customers(1, 300))
    write(place.current, customers(2, 250))
    place.rules({"metric": "psi", "column": "age"})
    done = place.run("-")
    assert len(parsed(done.out)) == 3


@pytest.mark.parametrize(("old", "new"), [(300, 199), (100, 300), (300, 0)])
def test_too_few_rows_push_no_score(place: Place, old: int, new: int) -> None:
    write(place.against, customers(1, old))
    write(place.current, customers(2, max(new, 1)))
    place.rules({"metric": "psi", "column": "age"})
    done, scores = place.scores()
    assert done.code == 1
    assert scores == {}
    assert f"too few rows to say anything: {max(new, 1)} now, {old} in the reference, 200 needed" in done.err
    assert place.scores(options={"minRows": 1})[0].code == 0


def test_too_few_rows_replace_the_scores_of_before(place: Place) -> None:
    write(place.against, customers(1, 300))
    write(place.current, customers(2, 300))
    place.rules({"metric": "psi", "column": "age"})
    with StandInPushgateway() as there:
        assert place.run(there.url).code == 0
        write(place.current, customers(2, 3))
        assert place.run(there.url).code == 1
    (held,) = there.groups.values()
    assert list(held.values()) == [3]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"metric": "psi", "column": "gone"}, "psi of gone: not measured (0 values in the reference, 0 now, 1 needed)"),
        ({"metric": "missingRatio", "column": "gone"}, "missingRatio of gone: not measured (no such column)"),
        ({"metric": "ks", "column": "plan"}, "ks of plan: not measured (ks is of numbers)"),
        ({"metric": "psi", "column": "income", "minSamples": 5000}, "5000 needed"),
    ],
)
def test_what_cannot_be_measured_is_said_and_not_pushed(place: Place, rule: dict[str, Any], said: str) -> None:
    write(place.against, customers(1))
    write(place.current, customers(2))
    place.rules(rule, {"metric": "psi", "column": "age"})
    with StandInPushgateway() as there:
        done = place.run(there.url)
    assert done.code == 1
    assert said in done.err
    assert set(there.values("mlspec_drift")) == {("age", "psi")}
    assert there.values("mlspec_monitor_last_success_seconds") == {}


def test_a_column_that_is_all_missing_now_is_missing(place: Place) -> None:
    write(place.against, customers(1))
    write(place.current, [{**row, "income": float("nan")} for row in customers(2)])
    place.rules({"metric": "missingRatio", "column": "income", "max": "0.5"})
    assert place.scores()[1] == {("income", "missingRatio"): 1.0}


def test_a_column_whose_values_are_gone_counts_as_drifted(place: Place) -> None:
    write(place.against, customers(1))
    write(place.current, [{**row, "income": None} for row in customers(2)])
    place.rules({"metric": "share", "max": "0.5"})
    assert place.scores()[1] == {("", "share"): pytest.approx(1 / 3)}


def test_a_threshold_that_is_off_measures_nothing(place: Place) -> None:
    place.rules({"metric": "psi", "column": "age"}, mode="off")
    with StandInPushgateway() as there:
        done = place.run(there.url)
    assert (done.code, there.groups) == (0, {})


# Forms of logged requests


def kserve(rows: list[dict[str, Any]], order: list[str] | None, key: str) -> dict[str, Any]:
    """A record as KServe's logger stores it: the bytes of a v1 request in base64."""
    instances = [[row[name] for name in order] if order else row for row in rows]
    raw = base64.b64encode(json.dumps({"instances": instances}).encode()).decode()
    return {"Url": None, "Bytes": raw, "ContentType": "application/json", "ReqType": "org.kubeflow.serving.inference.request", "Id": key}


def v2(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    return {"inputs": [{"name": name, "shape": [len(rows), 1], "datatype": "FP64", "data": [row[name] for row in rows]} for name in names]}


def matrix(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    data = [row[name] for row in rows for name in names]
    return {"inputs": [{"name": "x", "shape": [len(rows), len(names)], "datatype": "FP64", "data": data}]}


ORDER = ["age", "income", "plan"]


def logged(form: str, folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as logged requests of some form, three requests of a third each."""
    third = len(rows) // 3
    parts = [rows[:third], rows[third : 2 * third], rows[2 * third :]]
    folder.mkdir()
    if form.startswith("kserve"):
        records = [kserve(part, ORDER if form == "kserve lists" else None, str(at)) for at, part in enumerate(parts)]
        if form == "kserve parquet":
            low = [{"bytes": one["Bytes"], "reqType": one["ReqType"], "id": one["Id"], "endpoint": "e"} for one in records]
            parquet.write_table(pa.Table.from_pylist(low), folder / "a.parquet")
            return folder
        if form == "kserve batch":
            (folder / "0-request.json").write_text(json.dumps(records))
            return folder
        for at, record in enumerate(records):
            (folder / f"{at}-request.json").write_text(json.dumps(record))
            raw = base64.b64encode(b'{"predictions": [1]}').decode()
            answer = {**record, "ReqType": "org.kubeflow.serving.inference.response", "Bytes": raw}
            (folder / f"{at}-response.json").write_text(json.dumps(answer))
        return folder
    if form.startswith("event"):
        kind = "org.kubeflow.serving.inference.request"
        events = [{"specversion": "1.0", "id": str(at), "type": kind, "data": v2(part, ORDER)} for at, part in enumerate(parts)]
        if form == "events in base64":
            events = [{**one, "data": None, "data_base64": base64.b64encode(json.dumps(one["data"]).encode()).decode()} for one in events]
        payloads: list[Any] = events
    elif form == "v2 columns":
        payloads = [v2(part, ORDER) for part in parts]
    elif form == "v2 matrix":
        payloads = [matrix(part, ORDER) for part in parts]
    elif form == "v1":
        payloads = [{"instances": [{name: row[name] for name in ORDER} for row in part]} for part in parts]
    else:
        payloads = list(rows)
    text = "\n".join(json.dumps(one) for one in payloads)
    if form == "jsonl.gz":
        (folder / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    elif form == "json array":
        (folder / "a.json").write_text(json.dumps(payloads))
    elif form == "csv":
        lines = [",".join(ORDER), *(",".join("" if row[name] is None else str(row[name]) for name in ORDER) for row in rows)]
        (folder / "a.csv").write_text("\n".join(lines))
    else:
        (folder / "a.jsonl").write_text(text)
    return folder


FORMS = ["kserve lists", "kserve maps", "kserve batch", "kserve parquet", "events", "events in base64", "v2 columns", "v2 matrix", "v1"]


@pytest.mark.parametrize("form", [*FORMS, "rows", "jsonl.gz", "json array", "csv"])
def test_every_form_of_logged_requests_gives_the_same_scores(place: Place, form: str) -> None:
    old, new = customers(1, 900), customers(2, 600, age=45)
    write(place.against, old)
    place.current = write(place.folder / "plain.parquet", new)
    place.rules(*EVERY, {"metric": "psi", "column": "age"}, {"metric": "psi", "column": "plan"})
    _, expected = place.scores()
    place.current = logged(form, place.folder / "logs", new)
    done, scores = place.scores()
    assert done.code == 0, done.err
    assert scores == pytest.approx(expected, rel=1e-9)


def test_the_order_of_lists_can_be_said(place: Place) -> None:
    rows = customers(2, 300)
    write(place.against, customers(1, 300))
    place.rules({"metric": "missingRatio", "column": "age"}, {"metric": "psi", "column": "age"})
    place.current = place.folder / "a.jsonl"
    place.current.write_text("\n".join(json.dumps({"instances": [[row["plan"], row["age"]]]}) for row in rows))
    assert place.scores(options={"columns": ["plan", "age"]})[1]["age", "missingRatio"] == 0
    done, scores = place.scores()
    assert (done.code, scores) == (1, {})
    assert "300 records could not be read" in done.err


def test_only_young_files_count(place: Place) -> None:
    write(place.against, customers(1, 300))
    place.current = place.folder / "logs"
    for name, age, count in (("old", 7200, 500), ("new", 60, 250)):
        path = write(place.current / f"{name}.parquet", customers(2, count))
        os.utime(path, (SECONDS - age, SECONDS - age))
    write(place.current / "_temporary" / "x.parquet", customers(2, 10))
    place.rules({"metric": "psi", "column": "age"})
    for options, count in (({"window": 3600}, 250), ({}, 750)):
        with StandInPushgateway() as there:
            place.run(there.url, options=options)
        assert there.values("mlspec_monitor_rows") == {("", ""): count}


def test_many_rows_are_sampled_and_counted(place: Place) -> None:
    write(place.against, customers(1, 3000))
    write(place.current, customers(2, 3000))
    place.rules({"metric": "psi", "column": "age", "max": "0.1"})
    with StandInPushgateway() as there:
        assert place.run(there.url, options={"sample": 1000}).code == 0
        first = there.values("mlspec_drift")
        place.run(there.url, options={"sample": 1000})
        assert there.values("mlspec_drift") == first
    assert 0 < first["age", "psi"] < 0.1
    assert there.values("mlspec_monitor_rows") == {("", ""): 3000}


def test_dates_are_compared_as_times(place: Place) -> None:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    place.dataset["columns"] = {"day": {"type": "date"}, "at": {"type": "timestamp"}}  # type: ignore[assignment]
    rows = [{"day": (start + datetime.timedelta(days=at)).date(), "at": start + datetime.timedelta(hours=at)} for at in range(400)]
    write(place.against, rows)
    place.current = place.folder / "a.jsonl"
    place.current.write_text("\n".join(json.dumps({key: value.isoformat() for key, value in row.items()}) for row in rows))
    place.rules({"metric": "ks", "column": "day"}, {"metric": "ks", "column": "at"})
    assert place.scores()[1] == {("day", "ks"): 0.0, ("at", "ks"): 0.0}


# Bias


def decisions(count: int, rates: dict[str, float], seed: int = 1) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        gender = draw.choice(sorted(rates))
        made.append({"age": 40, "gender": gender, "prediction": int(draw.random() < rates[gender]), "churned": draw.random() < 0.5})
    return made


def test_the_gap_of_a_rate_between_slices(place: Place) -> None:
    rows = decisions(4000, {"f": 0.3, "m": 0.5})
    write(place.current, rows)
    done, scores = place.scores(task="bias", options={"across": "gender", "metric": "selection_rate", "maxGap": "0.1"})
    assert done.code == 0, done.err
    rates = {one: sum(r["prediction"] for r in rows if r["gender"] == one) / sum(r["gender"] == one for r in rows) for one in "fm"}
    assert scores == {("gender", "selection_rate"): pytest.approx(rates["m"] - rates["f"])}
    assert "BEYOND its bound (f 0.3091 of 2009, m 0.5083 of 1991)" in done.err


@pytest.mark.parametrize("metric", ["accuracy", "true_positive_rate", "falsePositiveRate", "precision"])
def test_rates_against_the_label(place: Place, metric: str) -> None:
    rows = decisions(3000, {"f": 0.3, "m": 0.5, "x": 0.9})
    write(place.current, rows)
    _, scores = place.scores(task="bias", options={"across": "gender", "metric": metric})
    rates = []
    for one in "fmx":
        pairs = [(bool(row["prediction"]), row["churned"]) for row in rows if row["gender"] == one]
        kept = {
            "accuracy": [given == truth for given, truth in pairs],
            "true_positive_rate": [given for given, truth in pairs if truth],
            "falsePositiveRate": [given for given, truth in pairs if not truth],
            "precision": [truth for given, truth in pairs if given],
        }[metric]
        rates.append(sum(kept) / len(kept))
    assert scores == {("gender", metric): pytest.approx(max(rates) - min(rates))}


def test_requests_are_joined_with_their_answers(place: Place) -> None:
    rows = decisions(900, {"f": 0.2, "m": 0.7})
    place.current = place.folder / "logs"
    place.current.mkdir()
    for at in range(0, 900, 3):
        part = rows[at : at + 3]
        request = kserve([{"age": row["age"], "gender": row["gender"]} for row in part], None, f"id{at}")
        # Probabilities, as a classifier answers: the last of a pair is that of the positive class.
        answers = [[0.9 - 0.8 * row["prediction"], 0.1 + 0.8 * row["prediction"]] for row in part]
        raw = base64.b64encode(json.dumps({"predictions": answers}).encode()).decode()
        (place.current / f"id{at}-request.json").write_text(json.dumps(request))
        response = {**request, "ReqType": "org.kubeflow.serving.inference.response", "Bytes": raw}
        (place.current / f"id{at}-response.json").write_text(json.dumps(response))
    done, scores = place.scores(task="bias", options={"across": "gender", "metric": "selection_rate"})
    rates = {one: sum(r["prediction"] for r in rows if r["gender"] == one) / sum(r["gender"] == one for r in rows) for one in "fm"}
    assert scores == {("gender", "selection_rate"): pytest.approx(rates["m"] - rates["f"])}, done.err


def test_a_word_can_be_the_positive_answer(place: Place) -> None:
    rows = [{**row, "prediction": "yes" if row["prediction"] else "no"} for row in decisions(600, {"f": 0.0, "m": 1.0})]
    write(place.current, rows)
    options = {"across": "gender", "metric": "selection_rate"}
    assert place.scores(task="bias", options={**options, "positive": "yes"})[1] == {("gender", "selection_rate"): 1.0}
    done = place.run("-", task="bias", options=options)
    assert done.code == 3
    assert "say which is the positive one" in done.err


def test_slices_that_are_too_small_are_left_out_and_one_is_no_comparison(place: Place) -> None:
    write(place.current, [*decisions(600, {"f": 0.5}), *decisions(5, {"m": 0.9})])
    done, scores = place.scores(task="bias", options={"across": "gender", "metric": "selection_rate"})
    assert (done.code, scores) == (1, {})
    assert "m too few" in done.err


# Outliers


def test_rows_like_the_reference_are_no_outliers_and_strange_ones_are(place: Place) -> None:
    write(place.against, customers(1, 2000))
    write(place.current, customers(2, 1000))
    done, scores = place.scores(task="outliers", options={"share": "0.05"})
    assert done.code == 0, done.err
    assert scores["", ""] < 0.03
    assert "rows over 3 columns" in done.err
    strange = customers(2, 1000)
    for row in strange[:200]:
        row.update(age=140, income=1e6, plan="zzz")
    write(place.current, strange)
    done, scores = place.scores(task="outliers", options={"share": "0.05"})
    assert scores["", ""] == pytest.approx(0.2, abs=0.03)
    assert "BEYOND its bound" in done.err


# Faults


@pytest.fixture
def usual(place: Place) -> Place:
    write(place.against, customers(1, 300))
    write(place.current, customers(2, 300))
    place.rules({"metric": "psi", "column": "age"})
    return place


def test_a_pushgateway_that_stumbles_is_tried_again(usual: Place) -> None:
    with StandInPushgateway(503, 500) as there:
        done = usual.run(there.url)
    assert done.code == 0
    assert len(there.groups) == 1
    assert "503" in done.err


def test_a_pushgateway_that_refuses_is_exit_3(usual: Place) -> None:
    with StandInPushgateway(400) as there:
        done = usual.run(there.url)
    assert done.code == 3
    assert "the Pushgateway refused the gauges: 400" in done.err


def test_data_that_is_not_there_is_exit_3_and_pushes_nothing(usual: Place) -> None:
    usual.current = usual.folder / "nowhere"
    with StandInPushgateway() as there:
        done = usual.run(there.url)
    assert (done.code, there.groups) == (3, {})
    assert "there is nothing at" in done.err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.parquet", "garbage", "cannot read the data"),
        ("a.avro", "x", "is of no known format; parquet, csv, json and jsonl can be read"),
        ("a.csv", "age\n\udcff", "cannot read the data"),
    ],
)
def test_data_that_cannot_be_read_is_exit_3(usual: Place, name: str, text: str, said: str) -> None:
    usual.current = usual.folder / name
    usual.current.write_text(text, errors="surrogateescape")
    done = usual.run("-")
    assert done.code == 3
    assert said in done.err


def test_records_that_cannot_be_read_are_counted(usual: Place) -> None:
    usual.current = usual.folder / "a.jsonl"
    good = "\n".join(json.dumps(row) for row in customers(2, 300))
    bad = '{"Bytes": "!", "ReqType": "x.request", "Id": "1"}\nnot json\n{"instances": 3}\n{"inputs": [{"shape": [1]}]}\n'
    usual.current.write_text(bad + good)
    done = usual.run("-")
    assert done.code == 0
    assert "4 records could not be read and are left out" in done.err


def test_without_pyarrow_it_says_what_is_needed(usual: Place) -> None:
    (usual.folder / "sitecustomize.py").write_text("import sys\nsys.modules['pyarrow'] = None\n")
    (usual.folder / "dataset.json").write_text(json.dumps(usual.dataset))
    arguments = ["--dataset", "dataset.json", "--rules", "rules.json", "--against", "a", "--current", "b", "--pushgateway", "-"]
    env = {**os.environ, "PYTHONPATH": str(usual.folder)}
    command = [sys.executable, str(PROGRAM), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=usual.folder, env=env)
    assert done.returncode == 3
    assert "the image needs pyarrow" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--dataset", "d", "--current", "c", "--pushgateway", "-", "--against", "a"),
        ("--dataset", "d", "--current", "c", "--pushgateway", "-", "--rules", "r"),
        ("--dataset", "d", "--current", "c", "--pushgateway", "pushgateway:9091", "--against", "a", "--rules", "r"),
        ("--dataset", "d", "--current", "c", "--pushgateway", "-", "--task", "bias"),
        ("--dataset", "d", "--current", "c", "--pushgateway", "-", "--task", "bias", "--options", '{"across": "a", "metric": "justice"}'),
        ("--dataset", "d", "--current", "c", "--pushgateway", "-", "--against", "a", "--rules", "r", "--labels", "[]"),
    ],
)
def test_usage_is_exit_2(wrong: tuple[str, ...]) -> None:
    done = alone(*wrong) if ALONE else called(*wrong)
    assert done.code == 2, done.err


@pytest.mark.parametrize("age", ["20", "50"])
def test_by_itself_it_does_what_its_main_does(usual: Place, age: str) -> None:
    """Isolated, with nothing of mlspec to import: the same exit, the same words, the same gauges."""
    write(usual.current, customers(2, 300, age=float(age)))
    ends = []
    for by_itself in (True, False):
        with StandInPushgateway() as there:
            done = usual.run(there.url, by_itself=by_itself)
        ends.append((done.code, done.out, done.err.replace(there.url, "URL"), there.texts))
    assert ends[0] == ends[1]
    assert len(ends[0][3]) == 1


def test_by_itself_a_wrong_line_is_exit_2() -> None:
    assert alone().code == 2


def test_a_label_with_a_slash_is_encoded(usual: Place) -> None:
    with StandInPushgateway() as there:
        done = usual.run(there.url, "--labels", json.dumps({**LABELS, "endpoint": 'a/b "c"\\'}))
    assert done.code == 0, done.err
    assert dict(next(iter(there.groups)))["endpoint"] == 'a/b "c"\\'
