"""mlspec lock: pins as the files of the repository give them, and whether they still hold."""

import json

import pytest

from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
environments: {prod: {namespace: churn}}
datasets:
  one: {uri: s3://m/one, version: {dvc: data/one.dvc}}
  two: {uri: s3://m/two, version: {dvc: data/two.parquet.dvc}}
models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
"""
DVC = "outs:\n- md5: {}\n  size: 3\n  hash: md5\n  path: one\n"
LOCK = """\
schema: '2.0'
stages:
  prepare:
    cmd: python prepare.py
    deps:
    - path: data/one
      hash: md5
      md5: 11111111111111111111111111111111
    outs:
    - path: PATH
      hash: md5
      md5: MD5.dir
      size: 1
"""
A, B, C = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    (tmp_path / "data" / "one.dvc").write_text(DVC.format(A))
    (tmp_path / "dvc.lock").write_text(LOCK.replace("PATH", "data/two.parquet").replace("MD5", B))
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "-q"]) == 0
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*arguments, command="lock"):
        capsys.readouterr()
        status = main([command, *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_pins_come_from_dvc_files_and_from_dvc_lock(folder, run):
    text = (folder / "mlspec.lock").read_text()
    assert f'"datasets/one": "dvc:data/one.dvc@{A}"' in text
    assert f'"datasets/two": "dvc:data/two.parquet.dvc@{B}.dir"' in text
    assert run("--check") == (0, "", "mlspec.lock: 3 pins hold\n")


def test_the_nearest_dvc_lock_counts(folder, run):
    (folder / "data" / "dvc.lock").write_text(LOCK.replace("PATH", "two.parquet").replace("MD5", C))
    status, _, said = run("--check")
    assert status == 1
    assert f"the repository has dvc:data/two.parquet.dvc@{C}.dir" in said


def test_stale_pins_are_listed_and_nothing_is_written(folder, run):
    before = (folder / "mlspec.lock").read_bytes()
    (folder / "data" / "one.dvc").write_text(DVC.format(C))
    (folder / "mlspec.yaml").write_text(SPEC.replace("1.0.0", "2.0.0"))
    status, out, _ = run("--check", "--format", "json")
    found = json.loads(out)["diagnostics"]
    assert status == 1
    assert [(entry["code"], entry["file"]) for entry in found] == [("MLS-E728", "mlspec.lock")] * 2
    lines = before.decode().split("\n")
    assert "datasets/one" in lines[found[0]["line"] - 1]
    assert "models/churn" in lines[found[1]["line"] - 1]
    assert (folder / "mlspec.lock").read_bytes() == before


def test_pins_are_written_anew_and_nothing_else(folder, run):
    before = (folder / "mlspec.lock").read_text()
    (folder / "data" / "one.dvc").write_text(DVC.format(C))
    assert run()[0] == 0
    assert (folder / "mlspec.lock").read_text() == before.replace(A, C)
    assert run("--check")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == [".git", "data", "deploy", "dvc.lock", "mlspec.lock", "mlspec.yaml"]


@pytest.mark.parametrize(
    "text", ["", "stages: 3\n", "stages: {a: {outs: [3]}}\n", "a: [\n", "stages: {a: {outs: [{path: data/two.parquet, md5: x}]}}\n"]
)
def test_a_dvc_lock_that_says_nothing_pins_nothing(folder, run, text):
    (folder / "dvc.lock").write_text(text)
    status, _, said = run("--check")
    assert status == 1
    assert "datasets/two is pinned" in said


def test_without_a_lock(folder, run):
    (folder / "mlspec.lock").unlink()
    status, _, said = run("--check")
    assert status == 1
    assert "run mlspec compile" in said


OVERRIDDEN = SPEC.replace(
    "{prod: {namespace: churn}}",
    "{dev: {namespace: d, vars: {v: 1.1.0}, overrides: {datasets: {one: {version: {dvc: data/three.dvc}}}}}, "
    "prod: {namespace: churn, after: dev}}",
).replace("version: 1.0.0", 'version: "${vars.v}"')
OVERRIDDEN = OVERRIDDEN.replace("datasets:\n", "vars: {v: 1.0.0}\ndatasets:\n", 1)


def test_what_an_environment_overrides_is_pinned_for_it_and_checked(folder, run):
    """A version that an override or a variable of an environment gives is a pin of that environment; what all share stays one fact."""
    (folder / "data" / "three.dvc").write_text(DVC.format(C))
    (folder / "mlspec.yaml").write_text(OVERRIDDEN)
    assert main(["compile", "-q"]) == 0
    text = (folder / "mlspec.lock").read_text()
    pins = text[text.index("pins:") : text.index("files:")].splitlines()[1:]
    assert pins == [
        f'  "datasets/one/dev": "dvc:data/three.dvc@{C}"',
        f'  "datasets/one/prod": "dvc:data/one.dvc@{A}"',
        f'  "datasets/two": "dvc:data/two.parquet.dvc@{B}.dir"',
        '  "models/churn/dev": "1.1.0"',
        '  "models/churn/prod": "1.0.0"',
    ]
    assert run("--check")[0] == 0
    (folder / "data" / "three.dvc").write_text(DVC.format("d" * 32))
    status, _, said = run("--check")
    assert status == 1
    assert "datasets/one/dev is pinned to" in said
    assert "datasets/one/prod" not in said


def test_an_override_without_its_file_is_said_at_the_override(folder, run):
    (folder / "mlspec.yaml").write_text(OVERRIDDEN)
    _, out, _ = run("--format", "json", command="validate")
    [found] = [one for one in json.loads(out)["diagnostics"] if one["code"] == "MLS-W490"]
    assert (found["environment"], found["line"]) == ("dev", 4)
