"""Compiling again: what has not changed is left alone, and whatever could have changed is compiled."""

import os
import time

import pytest

from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: NAME
extends: ../company.yaml
templates: own
models: {m: {framework: sklearn, version: 1.0.0, uri: s3://acme/m}}
datasets: {rows: {uri: s3://acme/rows, version: {dvc: rows.dvc}}}
serving: {NAME: {model: m}}
"""
LEFT = "not changed since"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "company.yaml").write_text("owner: {team: growth}\n")
    for name in ("one", "two"):
        (root / name / "own").mkdir(parents=True)
        (root / name / "mlspec.yaml").write_text(SPEC.replace("NAME", name))
        (root / name / "rows.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef\n")
        (root / name / "own" / "notes.md").write_text("of no use\n")
    monkeypatch.chdir(root)
    time.sleep(0.05)  # what changed only now may be changing still, and is looked at more closely
    return root


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = main(["compile", *arguments])
        return status, capsys.readouterr().err

    return run


def test_what_has_not_changed_is_not_compiled_again(repository, run):
    assert LEFT not in run()[1]
    assert run() == (0, "2 projects have not changed since they were compiled (8 files)\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "one/mlspec.yaml").write_text(SPEC.replace("NAME", "one").replace("1.0.0", "1.0.1")),
        lambda root: (root / "one/rows.dvc").write_text("outs:\n- md5: ff23456789abcdef0123456789abcdef\n"),
        lambda root: (root / "one/own/more.md").write_text("more\n"),
        lambda root: (root / "one/own/notes.md").write_text("of much use\n"),
        lambda root: (root / "deploy/one/README.md").unlink(),
        lambda root: (root / "deploy/one/default/kustomization.yaml").unlink(),
        lambda root: (root / "one/mlspec.lock").unlink(),
        lambda root: (root / "deploy/one/default/stray.yaml").write_text("a: b\n"),
        lambda root: os.utime(root / "one/mlspec.yaml"),
    ],
)
def test_a_change_of_one_project_compiles_that_one(repository, run, change):
    run()
    change(repository)
    status, said = run("-v")
    assert status == 0
    assert "1 project has not changed since it was compiled" in said
    assert "one: 1 environment" in said


def test_a_base_is_part_of_every_project_that_extends_it(repository, run):
    run()
    (repository / "company.yaml").write_text("owner: {team: search}\n")
    assert LEFT not in run()[1]
    assert "mlspec.dev/team: search" in (repository / "deploy/one/default/serving-one.yaml").read_text()


def test_an_edit_of_the_output_is_still_refused(repository, run):
    run()
    (repository / "deploy/two/default/serving-two.yaml").write_text("kind: Mine\n")
    status, said = run()
    assert status == 1
    assert "MLS-E610" in said


def test_a_warning_is_said_again(repository, run):
    run()
    (repository / "one/rows.dvc").unlink()
    assert "MLS-W490" in run()[1]
    assert "MLS-W490" in run()[1]


def test_schemas_of_ones_own_are_asked_again(repository, run):
    run()
    (repository / ".mlspec/crds").mkdir(parents=True)
    assert LEFT not in run()[1]


def test_a_name_that_an_unchanged_project_has_is_refused(repository, run):
    run()
    (repository / "three").mkdir()
    (repository / "three/mlspec.yaml").write_text("apiVersion: mlspec.dev/v1\nname: one\nowner: {team: a}\n")
    status, said = run()
    assert status == 1
    assert "one" in said
    assert "three/mlspec.yaml" in said


def test_another_way_to_compile_is_another_matter(repository, run, tmp_path):
    run()
    assert LEFT not in run("--out", str(tmp_path / "elsewhere"))[1]
    assert LEFT in run("--out", str(tmp_path / "elsewhere"))[1]


def test_everything_is_compiled_on_request(repository, run):
    run()
    assert LEFT not in run("--fresh")[1]


def test_a_spec_that_changed_while_it_was_read_is_held_against_what_was_read(repository, run):
    (repository / "one/mlspec.yaml").write_text(SPEC.replace("NAME", "one").replace("1.0.0", "1.0.2"))  # within a tick of the run
    run()
    assert "2 projects have not changed" in run()[1]
    (repository / "one/mlspec.yaml").write_text(SPEC.replace("NAME", "one").replace("1.0.0", "1.0.3"))
    assert "one: 1 environment" in run()[1]


def test_a_cache_that_others_may_write_is_not_used(repository, run, tmp_path):
    run()
    (tmp_path / "cache/mlspec/compiled").chmod(0o777)
    assert LEFT not in run()[1]


def test_an_entry_that_is_no_entry_is_as_none(repository, run, tmp_path):
    run()
    for entry in (tmp_path / "cache/mlspec/compiled").rglob("*"):
        if entry.is_file():
            entry.write_bytes(b"\xff\n\n\n")
    assert LEFT not in run()[1]


def test_what_projects_have_to_agree_on_is_held_against_unchanged_ones_too(repository, run):
    platform = "platform: {ci: [{github: {runner: small}}], repository: {url: https://github.com/acme/a.git}}\n"
    (repository / "company.yaml").write_text(f"owner: {{team: growth}}\n{platform}")
    run()
    (repository / "two/mlspec.yaml").write_text(SPEC.replace("NAME", "two") + platform.replace("small", "large"))
    status, said = run()
    assert status == 1
    assert "MLS-E850" in said
