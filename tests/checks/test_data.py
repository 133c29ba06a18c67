import pytest

from checks.asset_subjects import shown

PINNED = "datasets: {d: {uri: s3://d, version: {delta: 1}}}\n"
HEX = "5c1f0d9a0c2b6e0f7a3ce1d5f0b7a9c4d2e6f8a1b3c5d7e9f0a2b4c6d8e0f1a3"


@pytest.mark.parametrize(
    ("version", "rows"),
    [
        (f"sha256: {HEX}", []),
        (f"sha256: {HEX.upper()}", [f"E240 sha256 {HEX.upper()}"]),
        ("sha256: abc", ["E240 sha256 abc"]),
        ("dvc: data/x.dvc", []),
        ("dvc: data/x", ["E240 dvc data/x"]),
        ("lakefs: vision/main@4c1a9e0", []),
        ("lakefs: vision/main", ["E240 lakefs vision/main"]),
        ("lakefs: vision@4c1a9e0", ["E240 lakefs vision@4c1a9e0"]),
        ("git: 4c1a9e0", []),
        ("git: v1.2.0", []),
        ("git: main", ["E240 git main"]),
        ("git: a..b", ["E240 git a..b"]),
        ("iceberg: 8744736658442914487", []),
        ("iceberg: last", ["E240 iceberg last"]),
        ("delta: 0", []),
        ("snapshot: monday", []),
        ("delta: 1, git: v1", ["E221 git git"]),
    ],
)
def test_pins(version, rows):
    found = [row.split(" ", 2) for row in shown(f"datasets: {{d: {{uri: s3://d, version: {{{version}}}}}}}")]
    assert [f"{code} {path.split('/')[-1]} {text}" for code, path, text in found] == rows


def test_an_empty_pin_has_none_of_the_forms():
    assert shown("datasets: {d: {uri: s3://d, version: {}}}") == ["E221 datasets/d/version {}"]


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("type: integer, min: 18, max: 120", []),
        ("type: integer, min: 18, max: 18", []),
        ("type: integer, min: 120, max: 18", ["E222 max 18"]),
        ("type: integer, min: 0.5", ["E241 min 0.5"]),
        ("type: number, min: 0.5", []),
        ("type: string, min: 1", ["E241 min min"]),
        ("type: category", []),
        ("type: category, values: [a, b]", []),
        ("type: category, values: [a, a]", ["E220 1 a"]),
        ("type: integer, values: [1, x]", ["E241 1 x"]),
        ("type: integer, max: 5, values: [1, 9]", ["E241 1 9"]),
        ("type: boolean, values: [true, 'no']", ["E241 1 'no'"]),
        ("type: string, values: [a, 1]", ["E241 1 1"]),
        ("type: date, values: [2026-01-31, 2026-02-31]", ["E241 1 2026-02-31"]),
        ("type: bytes, values: [a]", ["E241 values values"]),
    ],
)
def test_columns(column, rows):
    found = [row.split(" ", 2) for row in shown(f"datasets: {{d: {{uri: s3://d, version: {{delta: 1}}, schema: {{c: {{{column}}}}}}}}}")]
    assert [f"{code} {path.split('/')[-1]} {text}" for code, path, text in found] == rows


@pytest.mark.parametrize(
    ("splits", "codes"),
    [
        ("train: 80%, test: 20%", []),
        ("train: 0.7, validation: 0.2, test: 0.1", []),
        ("a: 33.3%, b: 33.3%, c: 33.3%", ["E242 datasets/d/splits splits"]),
        ("train: 80%, test: 30%", ["E242 datasets/d/splits splits"]),
    ],
)
def test_splits_are_exact(splits, codes):
    assert shown(f"datasets: {{d: {{uri: s3://d, version: {{delta: 1}}, splits: {{{splits}}}}}}}") == codes


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("datasets: {d: {uri: s3://d}}", ["W220 datasets/d d"]),
        ("datasets: {d: {uri: s3://d, version: {delta: 1}, refresh: {}}}", ["E223 datasets/d/refresh refresh"]),
        ("datasets: {d: {uri: s3://d, format: csv, version: {delta: 1}}}", ["E244 datasets/d/version/delta delta"]),
        (
            "datasets: {d: {uri: s3://d}}\npipelines: {p: {image: 'a/b:1', on: [{dataset: d}], steps: {a: {run: x}}}}",
            ["E245 pipelines/p/on/0/dataset d"],
        ),
        (
            PINNED + "pipelines: {p: {image: 'a/b:1', on: [{dataset: d}, {dataset: d}], steps: {a: {run: x}}}}",
            ["E220 pipelines/p/on/1 {dataset: d}"],
        ),
        (
            "datasets: {d: {uri: s3://d, version: {delta: 1}}}\npipelines: {p: {image: 'a/b:1', on: [{}], steps: {a: {run: x}}}}",
            ["E221 pipelines/p/on/0 {}"],
        ),
        (
            "datasets: {d: {uri: s3://d, version: {delta: 1}}}\nfeatures: {f: {entity: a, from: d, fields: [b], image: 'a/b:1'}}",
            ["E243 features/f/image image"],
        ),
        (
            "datasets: {d: {uri: s3://d, version: {delta: 1}}}\nfeatures: {f: {entity: a, from: d, fields: [b, b]}}",
            ["E220 features/f/fields/1 b"],
        ),
    ],
)
def test_datasets_and_features(text, rows):
    assert shown(text) == rows
