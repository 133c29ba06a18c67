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


def test_no_revision_at_all_is_not_the_last_versions(spec, run):
    commit(spec, NEW, "two")
    assert run("--to", "")[0] == 2
    assert spec.read_text() == NEW


NOTES = [  # what was then, what is now in its place, what is noted of the way back with --to
    ("prod: {namespace: churn, after: dev}", "prod: {namespace: moved, after: dev}",
     "prod was in the namespace churn then; it stays in moved, where that version may never have run"),
    ("prod: {namespace: churn, after: dev}", "prod: {namespace: churn, cluster: b, after: dev}", "prod was in the cluster "),
    ("  churn: {model: churn, replicas: 2}\n", "  churn: {model: churn, replicas: 2}\n  more: {model: churn}\n",
     "InferenceService more is deleted: the endpoint stops answering"),
    ("monitoring:\n", "thresholds: {t: {on: live, rules: [{metric: errorRate, max: 1%}]}}\nmonitoring:\n",
     "gate t: 1 rules → removed is looser: mlspec check --against asks for a waiver"),
    (", outputs: {y: float64}}", ", outputs: {y: float64}}", None),
    ("    signature: {inputs: {age: int64}, outputs: {y: float64}}\n", "",
     "the signature of churn is not known as it is, so callers are not compared"),
    ("monitoring:\n  churn: {dashboard: true}\n",
     "pipelines: {t: {image: 'a/b:1', steps: {s: {run: [s]}}}}\nmonitoring:\n  churn: {dashboard: true}\n", None),
    ("replicas: 2}", "replicas: 2}\npipelines: {t: {image: 'a/b:1', steps: {s: {run: [s], secrets: {A: there/key}}}}}", None),
    ("replicas: 2}\n", "replicas: 2}\n", None),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "noted"), NOTES)
def test_what_nobody_should_be_surprised_by_is_noted(spec, run, then, now, noted):
    assert then in NEW
    commit(spec, NEW.replace(then, now), "two")
    status, _, said = run("--to", "HEAD~1", "--dry-run")
    assert status == 0, said
    notes = [line for line in said.splitlines() if line.startswith("note: ")]
    assert any(noted in line for line in notes) if noted else notes == []


def test_a_secret_that_is_needed_again_is_noted(spec, run):
    steps = "pipelines: {t: {image: 'a/b:1', steps: {s: {run: [s], secrets: {A: creds/key}}}}}\n"
    commit(spec, SPEC + steps, "two")
    commit(spec, NEW + steps.replace("creds/key", "fresh/key"), "three")
    said = run("--to", "HEAD~1", "--dry-run")[2]
    assert "pipelines.t.steps.s.secrets.A needs the secret creds/key, which nothing names now; see that it is still there" in said


def test_a_signature_that_changed_under_one_version(spec, run):
    commit(spec, SPEC.replace("{age: int64}", "{years: int64}"), "two")
    status, _, said = run("--to", "HEAD~1")
    assert (status, "MLS-E726" in said) == (1, True), said


def test_steps_that_score_are_callers(spec, run):
    score = "datasets: {d: {uri: s3://a/d.parquet, version: {delta: 1}, schema: {age: {type: integer}}}}\n"
    score += "pipelines: {t: {image: 'a/b:1', steps: {s: {score: churn, data: d, output: 's3://a/o.parquet', run: [s]}}}}\n"
    text = (NEW + score).replace("serving:\n  churn: {model: churn, replicas: 2}\nmonitoring:\n  churn: {dashboard: true}\n", "")
    commit(spec, text.replace("1.1.0", "1.0.0"), "two")
    commit(spec, text.replace("{y: float64}", "{y: float64, p: float64}"), "three")
    status, _, said = run()
    assert (status, "(behind t.s)" in said) == (1, True), said


REVISIONS = ["v1", "v1-light", "merged", "side", "HEAD~4^{commit}"]


@pytest.mark.parametrize("revision", REVISIONS)
def test_tags_branches_and_merges_are_commits(spec, run, revision):
    folder = spec.parent
    git(folder, "tag", "-a", "-m", "one", "v1")
    git(folder, "tag", "v1-light")
    git(folder, "switch", "-q", "-c", "side")
    (folder / "x").write_text("x")
    commit_all(folder, "side")
    git(folder, "switch", "-q", "main")
    commit(spec, SPEC.replace("replicas: 2", "replicas: 3"), "two")
    git(folder, "merge", "-q", "--no-edit", "side")
    git(folder, "branch", "merged")
    commit(spec, NEW, "three")
    commit(spec, NEW.replace("replicas: 2", "replicas: 4"), "four")
    status, _, said = run("--to", revision)
    assert status == 0, said
    assert f"prod: serving.churn.replicas 4 → {3 if revision == 'merged' else 2}" in said
    assert run("--to", "HEAD", "--dry-run")[0] == 0, "an edit that is not committed goes back to the last commit"


@pytest.mark.parametrize(
    "revision", ["HEAD:mlspec.yaml", "HEAD^{tree}", "HEAD..HEAD", "^HEAD", "@{upstream}", "HEAD\nHEAD", "-n1", "HEAD~99"]
)
def test_what_is_no_commit_is_wrong_usage(spec, run, revision):
    commit(spec, NEW, "two")
    assert run(f"--to={revision}")[0] == 2
    assert spec.read_text() == NEW


ROLLOUT = "rollout: {strategy: canary, steps: [10, 50], pause: 10m}, expose: {host: churn.acme.example}, in: [prod]"
CANARY = SPEC.replace("{model: churn, replicas: 2}", f"{{model: churn, replicas: 2, {ROLLOUT}}}").replace(
    "{dashboard: true}", "{dashboard: true, in: [prod]}"
)


def rolled(spec, version, *commands):
    """Commit a version, compiled, and what commands make of it."""
    spec.write_text(CANARY.replace("1.0.0", version))
    for words in (["compile"], *commands):
        assert main(words) == 0
    return commit_all(spec.parent, version)


PLATFORMS = [  # what the platform is now, in all environments, where nothing was said of it then; what prod says anew
    ("{serving: {kserve: {mode: knative}}}", "platform: {serving: kserve}"),
    ("{monitoring: {prometheus: {url: 'http://p.m.svc:9090'}}}", "platform: {monitoring: prometheus}"),
]


@pytest.mark.parametrize(("now", "written"), PLATFORMS)
def test_a_platform_that_nothing_was_said_of(spec, run, now, written):
    commit(spec, f"{NEW}platform: {now}\n", "two")
    commit(spec, f"{NEW}platform: {now}\n".replace("replicas: 2", "replicas: 3"), "three")
    status, _, said = run("--to", "HEAD~2", "--force")
    assert status == 0, said
    assert written in spec.read_text()


def test_rollouts_that_end_and_begin_with_the_way_back(spec, run):
    rolled(spec, "1.0.0")
    rolled(spec, "2.0.0")
    assert "note: the rollout of churn to 2.0.0 ends\n" in run("--dry-run")[2]
    for command in ("advance", "finish"):
        main(["rollout", command, "churn", "--env", "prod"])
    commit_all(spec.parent, "finished")
    said = run("--dry-run")[2]
    assert "note: churn goes back as it goes forward: 2.0.0 goes on serving, 1.0.0 gets 10 % of the traffic at first" in said


def test_no_way_back_leads_to_a_version_that_was_aborted(spec, run):
    rolled(spec, "1.0.0")
    rolled(spec, "2.0.0")
    assert main(["rollout", "abort", "churn", "--env", "prod"]) == 0
    commit_all(spec.parent, "aborted")
    assert "note" not in run("--dry-run")[2], "from the aborted one to the one before"
    rolled(spec, "3.0.0")
    status, _, said = run("--dry-run")
    assert (status, "prod: churn 3.0.0 → 1.0.0" in said) == (0, True), said
    assert "note: churn 2.0.0 was passed over: its rollout was aborted; --to takes it all the same" in said
    assert "prod: churn 3.0.0 → 2.0.0" in run("--dry-run", "--to", "HEAD~1")[2]


def test_outside_of_a_repository(tmp_path, monkeypatch, capsys):
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["rollback", "--env", "prod"]) == 3
    assert "no git repository" in capsys.readouterr().err


def test_a_history_that_is_cut_off_is_said_to_be(spec, run, tmp_path, monkeypatch):
    commit(spec, NEW, "two")
    git(tmp_path, "clone", "-q", "--depth", "1", spec.parent.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    status, out, err = run()
    assert (status, out) == (3, "")
    assert "error[MLS-E707]: no earlier commit of mlspec.yaml has other versions in prod" in err
    assert "git fetch --unshallow" in err
