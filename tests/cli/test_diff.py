"""The command diff, in repositories of its own."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from changes.specs import basic
from mlspec.__main__ import main
from repository.build_clone import commit_all, git


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, basic())
    commit_all(tmp_path)
    return tmp_path


def write(folder, tree, name="mlspec.yaml"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(tree, sort_keys=False))


def newer(version="2.3.0", **more):
    tree = basic()
    tree["models"]["churn"]["version"] = version
    return {**tree, **more}


def other():
    tree = newer()
    del tree["serving"], tree["monitoring"], tree["thresholds"]["alive"]
    environments = {name: {**entry, "namespace": f"other-{name}"} for name, entry in tree["environments"].items()}
    return {**tree, "name": "other", "environments": environments}


def run(capsys, *arguments):
    status = main(["diff", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_nothing_differs(repository, capsys):
    assert run(capsys, "--exit-code") == (0, "HEAD → worktree: nothing that is compiled differs\n", "")


def test_edits_of_the_work_tree(repository, capsys):
    write(repository, newer())
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    assert out.startswith("HEAD → worktree: 2 files follow from this 1 edit\n") or "follow from this 1 edit" in out
    assert "dev, prod: churn 2.2.1 → 2.3.0" in out
    assert "mlspec.yaml:" in out
    assert run(capsys, "--exit-code")[0] == 1
    assert git(repository, "status", "--porcelain") == "M mlspec.yaml"


def test_a_lock_that_is_lost_while_a_canary_is_under_way_is_a_risk(repository, capsys):
    assert main(["compile", "-q"]) == 0
    write(repository, newer())
    assert main(["compile", "-q"]) == 0
    commit_all(repository)
    (repository / "mlspec.lock").unlink()
    out = run(capsys)[1]
    assert "a gate is looser: no lock says any more that churn-api serves 2.2.1, so 2.3.0 takes its place at once" in out
    assert "more that batch-api" not in out  # it is rolling: its new version took the place of the old one


def test_two_revisions_and_the_way_back(repository, capsys):
    write(repository, newer())
    commit_all(repository)
    there = run(capsys, "--from", "HEAD^", "--to", "HEAD")[1]
    back = run(capsys, "--from", "HEAD", "--to", "HEAD^")[1]
    assert "churn 2.2.1 → 2.3.0" in there
    assert "churn 2.3.0 → 2.2.1" in back
    assert run(capsys)[1] == "HEAD → worktree: nothing that is compiled differs\n"


def test_a_repository_without_a_commit_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, basic())
    status, _, err = run(capsys)
    assert (status, "there is no commit 'HEAD' in this clone" in err, "commit the specs first" in err) == (2, True, True)


def test_where_histories_part(repository, capsys):
    git(repository, "switch", "-q", "-c", "mine")
    write(repository, newer())
    commit_all(repository)
    git(repository, "switch", "-q", "main")
    write(repository, {**basic(), "description": "theirs"})
    commit_all(repository)
    git(repository, "switch", "-q", "mine")
    assert "theirs" in run(capsys, "--from", "main", "--to", "HEAD")[1]
    assert "theirs" not in run(capsys, "--from", "main", "--to", "HEAD", "--merge-base")[1]


def test_json(repository, capsys):
    write(repository, newer())
    status, out, _ = run(capsys, "--format", "json")
    made = json.loads(out)
    assert (status, made["schemaVersion"], made["to"]) == (0, 1, {"revision": "worktree", "commit": ""})
    assert made["from"]["commit"] == git(repository, "rev-parse", "HEAD")
    (project,) = made["projects"]
    assert [(edit["shown"], edit["before"], edit["after"], edit["file"]) for edit in project["edits"]] == [
        ("models.churn.version", "2.2.1", "2.3.0", "mlspec.yaml")
    ]
    fields = [field for one in project["environments"] for thing in one["objects"] for field in thing["fields"]]
    assert all(field["causes"] == [{"kind": "spec", "edit": 0}] for field in fields)


def test_markdown(repository, capsys):
    write(repository, newer())
    status, out, _ = run(capsys, "--format", "markdown")
    assert status == 0
    assert out.startswith("<!-- mlspec plan -->\n### Plan: ")


def test_one_environment(repository, capsys):
    write(repository, newer())
    out = run(capsys, "--env", "prod")[1]
    assert "dev is left out" in out
    assert "(dev)" not in out
    assert run(capsys, "--env", "prot")[0] == 2


def test_a_spec_that_does_not_compile(repository, capsys):
    tree = basic()
    tree["serving"]["churn-api"]["model"] = "nobody"
    write(repository, tree)
    write(repository, other(), "other/mlspec.yaml")
    status, out, _ = run(capsys)
    assert status == 1
    assert "mlspec.yaml does not compile at worktree" in out
    assert "MLS-E4" in out
    assert "at HEAD it is churn: " in out
    assert "project other added" in out
    assert "REMOVED" not in out
    for form in ("json", "markdown"):
        assert run(capsys, "--format", form)[0] == 1


def test_projects_that_come_and_go(repository, capsys):
    (repository / "mlspec.yaml").unlink()
    out = run(capsys)[1]
    assert "project churn REMOVED" in out
    assert "goes away: project churn" in out


def test_base_files_overrides_and_references_are_named(repository, capsys):
    write(repository, {"vars": {"bucket": "one"}, "owner": {"team": "growth"}}, "base.yaml")
    tree = basic()
    del tree["owner"], tree["vars"], tree["environments"]["prod"]["vars"]
    write(repository, {**tree, "extends": "base.yaml"})
    commit_all(repository)
    write(repository, {"vars": {"bucket": "two"}, "owner": {"team": "growth"}}, "base.yaml")
    out = run(capsys)[1]
    assert "base.yaml:2  vars.bucket: one → two" in out
    assert "the base file base.yaml differs" in out


def test_paths_below_a_folder(repository, capsys, monkeypatch):
    write(repository, newer())
    write(repository, other(), "sub/mlspec.yaml")
    monkeypatch.chdir(repository / "sub")
    out = run(capsys)[1]
    assert "project other added" in out
    assert "churn 2.2.1" not in out
    assert "churn 2.2.1" in run(capsys, "..")[1]


@pytest.mark.parametrize(("arguments", "status"), [(["--from", "no-such"], 2), (["--from", "--upload-pack=x"], 2), (["no/such/path"], 2)])
def test_what_is_not_there(arguments, status, repository, capsys):
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (status, "")
    assert err
    assert run(capsys, "--format", "json", *arguments)[0] == status


def test_outside_of_a_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys)[0] == 3


def test_own_templates_are_a_cause_and_a_risk(repository, capsys):
    name = "kserve/inference-service.yaml.j2"
    template = Path(__file__).parents[2] / "templates" / name
    own = repository / "own" / name
    own.parent.mkdir(parents=True)
    shutil.copy(template, own)
    write(repository, {**basic(), "templates": "own"})
    commit_all(repository)
    own.write_text(own.read_text().replace("  predictor:", "  predictor:\n    timeout: 77", 1))
    out = run(capsys)[1]
    assert f"the template {name} differs" in out
    assert f"from template: {name}" in out
    assert "+ spec.predictor.timeout: 77" in out


def test_what_the_lock_alone_makes_differ(repository, capsys):
    assert main(["compile", "-q"]) == 0
    write(repository, newer())
    assert main(["compile", "-q"]) == 0
    commit_all(repository)
    lock = repository / "mlspec.lock"
    assert '"prod/churn-api/version": "2.2.1"' in lock.read_text()
    lock.write_text(lock.read_text().replace('"prod/churn-api/version": "2.2.1"', '"prod/churn-api/version": "2.2.0"'))
    capsys.readouterr()
    out = run(capsys)[1]
    assert "from lock: prod/churn-api serves 2.2.1, canary 2.3.0 at step 1 → 2.2.0, canary 2.3.0 at step 1" in out
    assert "and no field of a spec does" in out


@pytest.fixture
def compiled(monkeypatch):
    """The specs that were compiled, by name of their folder, one for each time."""
    from mlspec import compiler

    found = []
    whole = compiler.compile_specs

    def noting(request):
        found.extend(path.parent.name for path in request.paths)
        return whole(request)

    monkeypatch.setattr(compiler, "compile_specs", noting)
    return found


def two(repository, **more):
    """Commit two projects beside each other, compiled; the second extends a base file."""
    tree = {**other(), **more}
    owner = tree.pop("owner")
    write(repository, {"owner": owner}, "bases/owner.yaml")
    write(repository, basic(), "churn/mlspec.yaml")
    write(repository, {**tree, "extends": "../bases/owner.yaml"}, "other/mlspec.yaml")
    (repository / "mlspec.yaml").unlink()
    assert main(["compile", "-q"]) == 0
    commit_all(repository)


TOUCHED = [
    ("nothing", lambda _: None, []),
    ("one spec", lambda root: write(root, newer(), "churn/mlspec.yaml"), ["churn", "churn"]),
    ("a base file of one", lambda root: write(root, {"owner": {"team": "b"}}, "bases/owner.yaml"), ["other", "other"]),
    ("the lock of one", lambda root: (root / "churn/mlspec.lock").unlink(), ["churn", "churn"]),
    ("a field that no object holds", lambda root: write(root, {**basic(), "description": "seen"}, "churn/mlspec.yaml"), ["churn", "churn"]),
    ("a new spec", lambda root: write(root, {**newer(), "name": "third"}, "third/mlspec.yaml"), ["third"]),
    ("a spec that goes", lambda root: (root / "other/mlspec.yaml").unlink(), ["other"]),
    ("schemas of one's own", lambda root: (root / ".mlspec/crds").mkdir(parents=True), ["churn", "other", "churn", "other"]),
]


@pytest.mark.parametrize(("change", "names"), [row[1:] for row in TOUCHED], ids=[row[0] for row in TOUCHED])
def test_what_is_the_same_on_both_sides_is_not_compiled(change, names, repository, compiled, capsys):
    two(repository)
    compiled.clear()
    change(repository)
    assert run(capsys)[0] == 0
    assert compiled == names


def test_a_data_version_that_stands_in_a_file_of_its_own_is_looked_at(repository, compiled, capsys):
    (repository / "other/data").mkdir(parents=True)
    (repository / "other/data/people.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef\n  path: people\n")
    people = {"people": {"uri": "s3://data/people.parquet", "version": {"dvc": "data/people.dvc"}, "quality": "clean"}}
    two(repository, datasets=people)
    compiled.clear()
    (repository / "other/data/people.dvc").write_text("outs:\n- md5: 1123456789abcdef0123456789abcdef\n  path: people\n")
    out = run(capsys)[1]
    assert compiled == ["other", "other"]
    assert "1123456789abcdef0123456789abcdef" in out


def test_a_lock_that_was_written_for_another_spec_says_nothing_of_what_is_read(repository, compiled, capsys):
    two(repository)
    write(repository, newer(), "churn/mlspec.yaml")
    commit_all(repository)
    compiled.clear()
    assert run(capsys)[0] == 0
    assert compiled == ["churn", "churn"]
