"""The check of data as people meet it: rows, rules, and what the program says."""

import ast
import gzip
import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from mlspec.resources import read_program
from mlspec.runtime import check_data

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PEOPLE = {
    "age": [18, 30, 42, None],
    "plan": ["a", "b", "a", "z"],
    "score": [0.5, float("nan"), 1.5, 2.5],
    "seen": [datetime(2026, 1, day, tzinfo=UTC) for day in (30, 31, 29)] + [None],
    "day": [date(2026, 1, 30)] * 4,
    "id": [1, 2, 3, 3],
}
COLUMNS = {
    "age": {"type": "integer", "min": "20", "max": "40", "nullable": True},
    "plan": {"type": "category", "values": ["a", "b"]},
    "score": {"type": "number", "nullable": True},
    "seen": {"type": "timestamp", "nullable": True},
    "day": {"type": "date"},
    "id": {"type": "integer"},
}


def rule(metric, **more):
    name = f"{metric} of {more['column']}" if "column" in more else metric
    return {"name": name, "metric": metric, "severity": "block", **more}


def rules_of(*rules, mode="enforce"):
    return {"threshold": "quality", "on": "data", "mode": mode, "rules": list(rules)}


def people(folder, form="parquet", rows=PEOPLE):
    table = pa.table(rows)
    path = folder / f"people.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        rows = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in table.to_pylist()]
        spelled = [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in rows]
        if form == "csv":
            lines = [",".join(table.column_names), *(",".join("" if v is None else str(v) for v in row.values()) for row in spelled)]
            path.write_text("\n".join(lines) + "\n")
        elif form == "csv.gz":
            lines = [",".join(table.column_names), *(",".join("" if v is None else str(v) for v in row.values()) for row in spelled)]
            with gzip.open(path, "wt") as file:
                file.write("\n".join(lines) + "\n")
        elif form == "jsonl":
            path.write_text("\n".join(map(json.dumps, spelled)) + "\n")
        else:
            path.write_text(json.dumps(spelled))
    return path


def found(path, made, columns=COLUMNS, form=None):
    (row,) = check_data.check(rules_of(made), {"name": "people", "format": form, "columns": columns}, str(path), NOW)
    return row["verdict"], row["found"], row["why"]


MEASURES = [
    (rule("rows", min="4"), ("passed", "4", "")),
    (rule("rows", min="5"), ("failed", "4", "below the bound")),
    (rule("nullRatio", column="age", max="0.25"), ("passed", "0.25", "")),
    (rule("nullRatio", column="age", max="0.2"), ("failed", "0.25", "above the bound")),
    (rule("nullRatio", column="score", max="0.1"), ("failed", "0.25", "above the bound")),
    (rule("nullRatio", max="0.1"), ("failed", "0.25", "above the bound")),
    (rule("nullRatio", column="plan", max="0"), ("passed", "0", "")),
    (rule("duplicateRatio", column="id", max="0"), ("failed", "0.25", "above the bound")),
    (rule("duplicateRatio", column="age", max="0"), ("passed", "0", "")),
    (rule("duplicateRatio", max="0"), ("passed", "0", "")),
    (rule("distinct", column="plan", equals="3"), ("passed", "3", "")),
    (rule("distinct", column="age", min="4"), ("failed", "3", "below the bound")),
    (rule("min", column="age", min="18"), ("passed", "18", "")),
    (rule("max", column="age", max="41"), ("failed", "42", "above the bound")),
    (rule("mean", column="age", equals="30"), ("passed", "30", "")),
    (rule("stddev", column="age", equals="12"), ("passed", "12", "")),
    (rule("mean", column="score", equals="1.5"), ("passed", "1.5", "")),
    (rule("mean", column="plan", min="0"), ("failed", "-", "`mean plan`: it holds string, not numbers")),
    (rule("mean", column="nope", min="0"), ("failed", "-", "`mean nope`: the data has no such column")),
    (rule("outOfRange", column="age", max="0.5"), ("passed", "0.5", "")),
    (rule("outOfRange", max="0.25"), ("failed", "0.5", "above the bound")),
    (rule("outOfRange", column="score", max="1"), ("failed", "-", "`outOfRange score`: no column has min or max in the spec")),
    (rule("unknownValues", column="plan", max="0.25"), ("passed", "0.25", "")),
    (rule("unknownValues", max="0"), ("failed", "0.25", "above the bound")),
    (rule("age", column="seen", max="43200"), ("passed", "43200", "")),
    (rule("age", column="seen", max="43199"), ("failed", "43200", "above the bound")),
    (rule("age", column="day", max="129600"), ("passed", "129600", "")),
    (rule("age", column="plan", max="129600"), ("failed", "-", "`age plan`: it holds neither dates nor timestamps")),
    (rule("schemaMatch", equals=True), ("passed", "1", "")),
    (rule("rows", min="4", minSamples=5), ("failed", "-", "5 samples are needed, and there are 4")),
    (rule("mean", column="age", min="0", minSamples=5), ("failed", "-", "5 samples are needed, and there are 4")),
]


@pytest.mark.parametrize(("made", "expected"), MEASURES, ids=lambda made: made["name"] if isinstance(made, dict) else "")
def test_what_is_measured(tmp_path, made, expected):
    assert found(people(tmp_path), made) == expected


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "json"])
@pytest.mark.parametrize(
    ("made", "expected"), [entry for entry in MEASURES if entry[0]["metric"] not in ("age", "schemaMatch", "duplicateRatio")]
)
def test_formats_measure_the_same(tmp_path, form, made, expected):
    verdict = found(people(tmp_path, form), made)
    assert verdict[:2] == expected[:2]


SCHEMAS = [
    ({"age": {"type": "integer"}}, "`plan` is not in the spec; `score` is not in the spec"),
    ({**COLUMNS, "more": {"type": "integer"}}, "`more` is missing"),
    ({**COLUMNS, "plan": {"type": "integer"}}, "`plan` holds string, not integer"),
    ({**COLUMNS, "age": {"type": "integer"}}, "`age` has 1 nulls"),
    ({**COLUMNS, "id": {"type": "integer", "unique": True}}, "`id` has values that stand there twice"),
    ({}, "is not in the spec"),
]


@pytest.mark.parametrize(("columns", "expected"), SCHEMAS)
def test_a_schema_that_does_not_match_says_how(tmp_path, columns, expected):
    verdict, _, why = found(people(tmp_path), rule("schemaMatch", equals=True), columns)
    assert verdict == "failed"
    assert expected in why


def test_slices(tmp_path):
    path = people(tmp_path, rows={"sex": ["f", "f", "m", None], "x": [1.0, 2.0, 4.0, 8.0]})
    rules = rules_of(rule("mean", column="x", min="1.6", forEach="sex"), rule("mean", column="x", maxGap="7", across="sex"))
    rows = check_data.check(rules, {"name": "d", "format": None, "columns": {}}, str(path), NOW)
    assert [(row["rule"], row["found"], row["verdict"]) for row in rows] == [
        ("mean of x [sex=f]", "1.5", "failed"),
        ("mean of x [sex=m]", "4", "passed"),
        ("mean of x [sex=null]", "8", "passed"),
        ("mean of x", "6.5", "passed"),
    ]


def test_folders_of_files_with_their_own_types(tmp_path):
    for day, values in (("2026-01-30", [1, 2]), ("2026-01-31", [3.5])):
        folder = tmp_path / "data" / f"dt={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"x": values}), folder / "part.parquet")
        (folder / "_SUCCESS").touch()
    data = str(tmp_path / "data")
    columns = {"x": {"type": "number"}, "dt": {"type": "category"}}
    assert found(data, rule("max", column="x", max="3.5"), columns, "parquet") == ("passed", "3.5", "")
    assert found(data, rule("rows", equals="3"), columns, "parquet") == ("passed", "3", "")
    assert found(data, rule("schemaMatch", equals=True), columns, "parquet") == ("passed", "1", "")
    assert found(data, rule("distinct", column="dt", equals="2"), columns, "parquet") == ("passed", "2", "")


def test_no_rows_pass_nothing_but_a_rule_on_rows(tmp_path):
    path = people(tmp_path, rows={"x": pa.array([], "int64")})
    assert found(path, rule("nullRatio", column="x", max="1"), {}) == ("failed", "-", "`nullRatio x`: there are no rows")
    assert found(path, rule("rows", max="1"), {}) == ("passed", "0", "")


def test_many_batches_are_put_together_exactly(tmp_path):
    count = 200_001
    path = people(tmp_path, rows={"x": list(range(count)), "g": [i % 7 for i in range(count)]})
    for made, expected in [
        (rule("distinct", column="x", equals="1"), str(count)),
        (rule("mean", column="x", equals="1"), str((count - 1) // 2)),
        (rule("max", column="x", equals="1"), str(count - 1)),
        (rule("distinct", column="g", equals="1"), "7"),
        (rule("duplicateRatio", max="0"), "0"),
    ]:
        assert found(path, made, {})[1] == expected


def test_more_values_than_can_be_told_apart_do_not_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(check_data, "MOST", 3)
    verdict = found(people(tmp_path, rows={"x": [1, 2, 3, 4]}), rule("distinct", column="x", min="1"), {})
    assert verdict == ("failed", "-", "`distinct x`: there are more than 3 different values")


@pytest.mark.parametrize(
    ("value", "spelled"), [(1, "1"), (1.0, "1"), (True, "true"), (None, "null"), ("01", "01"), (Decimal("2.50"), "2.5")]
)
def test_values_are_spelled_as_in_rules(value, spelled):
    assert check_data.spell(value) == spelled


# --- the program


def run(folder, made, data, *more, dataset=None, site=True):
    (folder / "rules.json").write_text(json.dumps(made))
    (folder / "dataset.json").write_text(json.dumps(dataset or {"name": "people", "format": None, "columns": COLUMNS}))
    for name in ("gate", "check_data"):
        (folder / f"{name}.py").write_text(read_program(name))
    command = [sys.executable, "-I", *(() if site else ("-S",)), str(folder / "check_data.py")]
    command += ["--rules", str(folder / "rules.json"), "--dataset", str(folder / "dataset.json"), "--data", str(data), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_says_what_it_found(tmp_path):
    done = run(
        tmp_path, rules_of(rule("rows", min="5"), rule("age", column="seen", max="43200")), people(tmp_path), "--now", NOW.isoformat()
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "RULE         BOUND     FOUND  VERDICT  WHY",
        "rows         >= 5      4      failed   below the bound",
        "age of seen  <= 43200  43200  passed",
        "quality: 1 of 2 not passed",
    ]
    assert done.returncode == 1


@pytest.mark.parametrize(("mode", "least", "status"), [("enforce", "4", 0), ("enforce", "5", 1), ("report", "5", 0), ("off", "5", 0)])
def test_modes(tmp_path, mode, least, status):
    assert run(tmp_path, rules_of(rule("rows", min=least), mode=mode), people(tmp_path)).returncode == status


def test_without_pyarrow_it_says_what_to_do(tmp_path):
    done = run(tmp_path, rules_of(rule("rows", min="1")), people(tmp_path), site=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: reading data needs pyarrow, which this image lacks: add it, or set platform.runner.image\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.parquet", None, "gone.parquet"),
        ("x.parquet", b"not parquet", "x.parquet"),
        ("x.csv", b"a,b\n1\n", "x.csv"),
        ("x.tfrecord", b"", "cannot check the format tfrecord, only parquet, csv, jsonl, json, orc"),
        ("x.json", b"{}", "expected one file, an array of objects"),
        ("x.json", b"[1", "x.json"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_traceback(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run(tmp_path, rules_of(rule("rows", min="1")), tmp_path / name)
    assert done.returncode == 3
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_usage(tmp_path):
    assert run(tmp_path, rules_of(), "x", "--now", "soon").returncode == 2


def test_it_is_small_and_runs_on_python_3_9():
    text = read_program("check_data")
    ast.parse(text, feature_version=(3, 9))
    assert len(text.encode()) <= 16384
