"""mlspec rollback: which commit, which edit, and what the rehearsal finds."""

import json

import pytest

from mlspec.__main__ import main
from repository.build_clone import commit_all, git

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
environments:
  dev: {namespace: churn-dev}
  prod: {namespace: churn, after: dev}   # careful
models:
  churn:
    framework: sklearn
    version: 1.0.0     # what runs
    uri: s3://acme/churn/1.0.0
    signature: {inputs: {age: int64}, outputs: {y: float64}}
serving:
  churn: {model: churn, replicas: 2}
monitoring:
  churn: {dashboard: true}
"""
NEW = SPEC.replace("1.0.0", "1.1.0")


@pytest.fixture
def spec(tmp_path, monkeypatch):
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    file = folder / "mlspec.yaml"
    file.write_text(SPEC)
    commit_all(folder, "one")
    monkeypatch.chdir(folder)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    yield file
    assert list((tmp_path / "scratch").iterdir()) == []
    assert [path.name for path in folder.iterdir() if path.name.startswith(".mlspec")] == []


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main(["rollback", "--env", "prod", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def commit(spec, text, message):
    spec.write_text(text)
    return commit_all(spec.parent, message)


def test_the_last_commit_with_other_versions_is_found(spec, run):
    commit(spec, NEW, "two")
    commit(spec, NEW.replace("replicas: 2", "replicas: 3"), "three")
    status, out, said = run()
    assert (status, out) == (0, "")
    assert spec.read_text() == SPEC.replace("replicas: 2", "replicas: 3").replace(
        "after: dev}", "after: dev, overrides: {models: {churn: {version: 1.0.0, uri: s3://acme/churn/1.0.0}}}}"
    ).replace("version: 1.0.0     #", "version: 1.1.0     #").replace("uri: s3://acme/churn/1.0.0\n", "uri: s3://acme/churn/1.1.0\n")
    assert "(one)" in said
    assert "prod: churn 1.1.0 → 1.0.0" in said
    assert "nothing would stop it" in said
    assert "git commit -m 'Take prod back to " in said
    assert git(spec.parent, "log", "--format=%s", "-1") == "three"


def test_a_change_that_is_not_committed_goes_back_to_the_last_commit(spec, run):
    spec.write_text(NEW)
    status, _, said = run("--dry-run")
    assert status == 0
    assert "back to" in said
    assert spec.read_text() == NEW


def test_a_whole_environment_goes_back(spec, run):
    commit(spec, NEW.replace("replicas: 2", "replicas: 3").replace("    framework", "    description: New.\n    framework"), "two")
    status, _, said = run("--to", "HEAD~1")
    assert status == 0
    assert "prod: serving.churn.replicas 3 → 2" in said
    assert "prod: models.churn.description New. → nothing" in said
    assert run("--to", "HEAD~1")[2].startswith("nothing to do: prod is what it was at ")


def test_nothing_to_go_back_to(spec, run):
    status, _, said = run()
    assert status == 1
    assert "no earlier commit of mlspec.yaml has other versions in prod" in said


@pytest.mark.parametrize(("revision", "status"), [("nowhere", 2), ("--upload-pack=touch x", 2)])
def test_revisions_that_are_none(spec, run, revision, status):
    assert run(f"--to={revision}")[0] == status


def test_a_revision_without_the_environment(spec, run):
    first = commit(spec, SPEC.replace("  prod: {namespace: churn, after: dev}   # careful\n", ""), "less")
    commit(spec, NEW, "more")
    status, _, said = run("--to", first)
    assert status == 1
    assert "has no environment prod" in said


def test_a_signature_that_callers_do_not_know_stops_it(spec, run):
    text = NEW.replace("{age: int64}", "{age: float64, plan: string}").replace("{y: float64}", "{y: float64, p: float64}")
    commit(spec, text, "two")
    status, out, _ = run("--format", "json")
    (found,) = json.loads(out)["diagnostics"]
    assert (status, found["code"], found["environment"]) == (1, "MLS-E726", "prod")
    assert "input age is int64, they send float64; output p, which they read, is not there" in found["message"]
    assert "behind churn" in found["message"]
    assert spec.read_text() == text
    status, _, said = run("--force")
    assert status == 0
    assert "written because of --force" in said
    assert spec.read_text() != text


def test_what_a_cluster_would_refuse_stops_it(spec, run):
    text = SPEC + "patches: [{reason: kept, target: {kind: ConfigMap}, merge: {immutable: true}}]\n"
    commit(spec, text, "two")
    status, _, said = run("--to", "HEAD~1")
    assert status == 1
    assert "MLS-E723" in said
    assert "ConfigMap" in said
    assert spec.read_text() == text


def test_data_that_is_no_longer_pinned_stops_it(spec, run):
    data = SPEC + "datasets: {people: {uri: s3://acme/people, version: {dvc: old.dvc}}}\n"
    (spec.parent / "old.dvc").write_text("outs:\n- md5: " + "a" * 32 + "\n")
    commit(spec, data, "two")
    (spec.parent / "old.dvc").rename(spec.parent / "new.dvc")
    commit(spec, data.replace("old.dvc", "new.dvc"), "three")
    status, _, said = run()
    assert status == 1
    assert "MLS-E725" in said


def test_a_model_that_is_gone_stops_it_unless_it_is_brought_back(spec, run):
    text = NEW.replace("models:\n", "models:\n  other: {framework: sklearn, version: 1.0.0, uri: s3://acme/other}\n")
    commit(spec, text.replace("1.1.0", "1.0.9"), "two")
    commit(spec, NEW, "three")
    status, _, said = run()
    assert status == 1
    assert "MLS-E724" in said
    assert run("--to", "HEAD~1")[0] == 0
    assert "other: {framework: sklearn, version: 1.0.0" in spec.read_text()


def test_outside_of_a_repository(tmp_path, monkeypatch, capsys):
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["rollback", "--env", "prod"]) == 3
    assert "no git repository" in capsys.readouterr().err
