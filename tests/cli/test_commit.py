"""mlspec commit: what it takes in, what it leaves alone, where it stops."""

import json
import os

import pytest

from mlspec.__main__ import main
from repository.build_clone import bot_identity, commit_all, git, make_clone, make_remote, snapshot, spec

OURS = {"churn/mlspec.lock", "deploy/churn/README.md", "deploy/churn/prod/kustomization.yaml", "deploy/churn/prod/serving-churn.yaml"}


@pytest.fixture(autouse=True)
def a_bot_without_configuration(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    for name, value in bot_identity().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    yield
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.fixture
def clone(tmp_path, monkeypatch):
    folder = make_clone(tmp_path / "clone")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def remote(tmp_path, clone):
    return make_remote(tmp_path / "remote.git", clone)


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = main(["commit", *arguments])
        said = capsys.readouterr()
        return status, said.out.strip(), said.err

    return run


def files_of(folder, commit):
    return set(git(folder, "diff-tree", "-r", "--no-commit-id", "--name-only", commit).split("\n"))


def test_a_commit_holds_generated_files_alone(clone, run):
    before = git(clone, "rev-parse", "HEAD")
    status, commit, said = run("-v")
    assert status == 0, said
    assert git(clone, "rev-parse", "main") == commit
    assert git(clone, "rev-parse", "main^") == before
    assert files_of(clone, commit) == OURS
    assert git(clone, "status", "--porcelain") == ""
    assert main(["check"]) == 0
    trailers = dict(line.split(": ") for line in git(clone, "log", "-1", "--format=%(trailers:only)").split("\n"))
    assert trailers["Mlspec-Source"] == before
    assert trailers["Mlspec-Digest"].startswith("sha256:")
    assert trailers["Mlspec-Compiler"]
    assert git(clone, "log", "-1", "--format=%an <%ae> %cn %s") == "bot <bot@example.com> bot Compile churn"


def test_an_equal_tree_makes_no_commit(clone, run):
    run()
    before = git(clone, "rev-parse", "HEAD")
    status, commit, said = run()
    assert (status, commit) == (0, "")
    assert "nothing to commit" in said
    assert git(clone, "rev-parse", "HEAD") == before


def test_what_is_not_needed_any_more_goes(clone, run):
    run()
    text = spec().replace("serving: {churn: {model: m, replicas: 2}}", "serving: {other: {model: m}}")
    (clone / "churn/mlspec.yaml").write_text(text)
    commit_all(clone)
    status, commit, _ = run()
    assert status == 0
    assert "D\tdeploy/churn/prod/serving-churn.yaml" in git(clone, "show", "--name-status", "--no-renames", "--format=", commit)
    assert not (clone / "deploy/churn/prod/serving-churn.yaml").exists()
    assert git(clone, "status", "--porcelain") == ""


def test_the_message_names_the_projects_whose_files_changed(clone, run):
    for name in ("alpha", "beta"):
        (clone / name).mkdir()
        (clone / name / "mlspec.yaml").write_text(spec(name))
    commit_all(clone)
    run()
    assert git(clone, "log", "-1", "--format=%s") == "Compile alpha, beta, churn"
    (clone / "beta" / "mlspec.yaml").write_text(spec("beta", "2.0.0"))
    commit_all(clone)
    run()
    assert git(clone, "log", "-1", "--format=%s") == "Compile beta"


def test_a_dirty_work_tree_stays_byte_for_byte(clone, run):
    (clone / "notes.txt").write_text("one\n")
    (clone / "gone.txt").write_text("one\n")
    commit_all(clone)
    run()
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(clone)
    (clone / "notes.txt").write_text("two, staged\n")
    git(clone, "add", "notes.txt")
    (clone / "notes.txt").write_text("three, not staged\n")
    (clone / "untracked.txt").write_text("mine\n")
    (clone / "new.txt").write_text("mine, staged\n")
    git(clone, "add", "new.txt")
    git(clone, "rm", "-q", "gone.txt")
    (clone / "deploy/churn/README.md").write_text("edited by hand\n")
    (clone / "churn/mlspec.yaml").write_text(spec(version="9.9.9"))
    before, status_before = snapshot(clone), git(clone, "status", "--porcelain")
    status, commit, said = run()
    assert status == 0, said
    assert "MLS-W701" in said
    assert "churn/mlspec.yaml has changes" in said
    after = snapshot(clone)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed == {"churn/mlspec.lock", "deploy/churn/prod/serving-churn.yaml"}
    assert git(clone, "status", "--porcelain") == status_before
    assert git(clone, "diff", "--cached", "--name-only").split("\n") == ["gone.txt", "new.txt", "notes.txt"]
    assert "1.0.1" in git(clone, "show", f"{commit}:deploy/churn/prod/serving-churn.yaml")
    assert "9.9.9" not in git(clone, "show", f"{commit}:deploy/churn/prod/serving-churn.yaml")


def test_a_generated_file_that_is_edited_or_staged_is_left(clone, run):
    run()
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(clone)
    edited, staged = clone / "deploy/churn/prod/serving-churn.yaml", clone / "churn/mlspec.lock"
    edited.write_text("mine\n")
    staged.write_text("mine too\n")
    git(clone, "add", "churn/mlspec.lock")
    status, _, said = run()
    assert status == 0
    assert "left as you edited them: deploy/churn/prod/serving-churn.yaml" in said
    assert "left as you staged them: churn/mlspec.lock" in said
    assert "mlspec check shows" in said
    assert edited.read_text() == "mine\n"
    assert staged.read_text() == "mine too\n"
    assert git(clone, "status", "--porcelain").split("\n") == ["M  churn/mlspec.lock", " M deploy/churn/prod/serving-churn.yaml"]


def test_a_new_spec_that_nobody_committed_is_not_compiled(clone, run):
    (clone / "fraud").mkdir()
    (clone / "fraud/mlspec.yaml").write_text(spec("fraud"))
    status, commit, said = run()
    assert status == 0
    assert "fraud/mlspec.yaml has changes" in said
    assert files_of(clone, commit) == OURS
    assert run("fraud") == (2, "", run("fraud")[2])


def test_a_refused_spec_makes_no_commit(clone, run):
    (clone / "churn/mlspec.yaml").write_text(spec().replace("model: m", "model: n"))
    before = commit_all(clone)
    status, commit, said = run()
    assert (status, commit) == (1, "")
    assert "churn/mlspec.yaml:6" in said
    assert git(clone, "rev-parse", "HEAD") == before


def test_committed_hand_edits_are_refused_until_told_otherwise(clone, run):
    run()
    (clone / "deploy/churn/prod/serving-churn.yaml").write_text("a: b\n")
    commit_all(clone)
    status, _, said = run()
    assert status == 1
    assert "MLS-E610" in said
    assert run("--overwrite-edits")[0] == 0
    assert main(["check"]) == 0


def test_a_foreign_file_in_the_way_is_refused(clone, run):
    (clone / "deploy/churn/prod").mkdir(parents=True)
    (clone / "deploy/churn/prod/kustomization.yaml").write_text("mine: true\n")
    commit_all(clone)
    status, _, said = run()
    assert status == 1
    assert "MLS-E611" in said


def test_push_starts_from_the_remote_and_moves_nothing_here(clone, remote, run, tmp_path):
    git(tmp_path, "clone", "-q", str(remote), "other")
    (tmp_path / "other/churn/mlspec.yaml").write_text(spec(version="2.0.0"))
    source = commit_all(tmp_path / "other")
    git(tmp_path / "other", "push", "-q", "origin", "main")
    (clone / "notes.txt").write_text("mine\n")
    before, index, head = snapshot(clone), (clone / ".git/index").read_bytes(), git(clone, "rev-parse", "HEAD")
    status, commit, said = run("--push")
    assert status == 0, said
    assert git(remote, "rev-parse", "main") == commit
    assert git(remote, "rev-parse", "main^") == source
    assert "2.0.0" in git(remote, "show", "main:deploy/churn/prod/serving-churn.yaml")
    assert (snapshot(clone), (clone / ".git/index").read_bytes(), git(clone, "rev-parse", "HEAD")) == (before, index, head)
    assert run("--push")[:2] == (0, "")


def test_commits_that_were_not_pushed_are_said_to_be_left_out(clone, remote, run):
    status, _, said = run("--push")
    assert status == 0
    assert "not compiled" not in said
    status, _, said = run("--push")
    assert "not compiled" not in said  # this clone is behind the remote, which is nothing to talk about
    (clone / "churn" / "mlspec.yaml").write_text(spec("churn", "2.0.0"))
    commit_all(clone)
    status, commit, said = run("--push")
    assert (status, commit) == (0, "")
    assert "note: main has 1 commit here that origin has not, so they were not compiled: git push origin main first" in said


def test_somebody_faster_is_compiled_again(clone, remote, run, tmp_path, monkeypatch):
    from mlspec.repository import remotes

    git(tmp_path, "clone", "-q", str(remote), "other")
    real, faster = remotes.push, ["3.0.0", "2.0.0"]

    def push(*arguments):
        if faster:
            (tmp_path / "other/churn/mlspec.yaml").write_text(spec(version=faster.pop()))
            commit_all(tmp_path / "other")
            git(tmp_path / "other", "push", "-q", "origin", "main")
        return real(*arguments)

    monkeypatch.setattr(remotes, "push", push)
    monkeypatch.setattr("time.sleep", lambda _: None)
    status, commit, said = run("--push")
    assert status == 0, said
    assert git(remote, "rev-parse", "main") == commit
    assert "3.0.0" in git(remote, "show", "main:deploy/churn/prod/serving-churn.yaml")
    assert git(remote, "rev-list", "--count", "main") == "4"


def test_ten_lost_races_are_a_conflict(clone, remote, run, monkeypatch):
    from mlspec.repository import remotes

    tries = []

    def be_late(*_):
        tip = git(remote, "rev-parse", "main")
        tries.append(git(remote, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "another"))
        git(remote, "update-ref", "refs/heads/main", tries[-1])
        return False

    monkeypatch.setattr(remotes, "push", be_late)
    monkeypatch.setattr("time.sleep", lambda _: None)
    status, commit, said = run("--push")
    assert (status, commit, len(tries)) == (4, "", 10)
    assert "faster 10 times" in said


def test_a_lock_that_a_killed_push_has_left_on_the_remote_is_no_race(clone, remote, run, monkeypatch):
    lock = remote / "refs/heads/main.lock"
    lock.touch()
    monkeypatch.setattr("time.sleep", lambda _: None)
    status, commit, said = run("--push")
    assert (status, commit) == (4, "")
    assert "took no push 10 times, though nobody moved it" in said
    assert "refs/heads/main.lock" in said
    lock.unlink()
    assert run("--push")[0] == 0


def test_a_branch_that_was_taken_back_is_not_brought_back(clone, remote, run, monkeypatch):
    """A plain push would be a fast-forward, and publish again what somebody has just taken off the branch."""
    from mlspec.repository import remotes

    first = git(clone, "rev-parse", "HEAD")
    (clone / "secret.txt").write_text("oops\n")
    commit_all(clone)
    git(clone, "push", "-q", "origin", "main")
    real, once = remotes.push, [True]

    def push(*arguments):
        if once.pop() if once else False:
            git(clone, "push", "-q", "--force", "origin", f"{first}:main")
        return real(*arguments)

    monkeypatch.setattr(remotes, "push", push)
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert run("--push")[0] == 0
    assert "secret.txt" not in git(remote, "ls-tree", "-r", "--name-only", "main")


@pytest.mark.parametrize("push", [(), ("--push",)])
def test_a_branch_of_its_own_follows_without_force(clone, remote, run, push):
    where = remote if push else clone
    first = run("--branch", "deploy", *push)[1]
    assert git(where, "rev-parse", "deploy") == first
    assert git(where, "rev-parse", "deploy^") == git(clone, "rev-parse", "main")
    assert run("--branch", "deploy", *push)[:2] == (0, "")
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    source = commit_all(clone)
    git(clone, "push", "-q", "origin", "main")
    second = run("--branch", "deploy", *push)[1]
    assert git(where, "show", "-s", "--format=%P", second).split() == [first, source]
    assert "1.0.1" in git(where, "show", "deploy:deploy/churn/prod/serving-churn.yaml")
    assert git(clone, "rev-parse", "main") == source
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize("push", [(), ("--push",)])
def test_a_branch_of_its_own_is_left_alone_once_a_person_is_on_it(clone, remote, run, push, tmp_path):
    run("--branch", "deploy", *push)
    where = remote if push else clone
    git(tmp_path, "clone", "-q", "-b", "deploy", str(where), "other")
    (tmp_path / "other/mine.txt").write_text("mine\n")
    mine = commit_all(tmp_path / "other", "Mlspec-Source: no trailer, a subject")
    git(tmp_path / "other", "push", "-q", "origin", "deploy")
    (clone / "churn/mlspec.yaml").write_text(spec(version="1.0.1"))
    commit_all(clone)
    status, commit, said = run("--branch", "deploy", *push)
    assert (status, commit) == (4, "")
    assert "left alone" in said
    assert git(where, "rev-parse", "deploy") == mine


def test_a_pull_request_is_opened_once(clone, remote, run, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(
        f"""#!/bin/sh
printf '%s\\n' "$*" >> {tools}/log
case "$2" in
list) cat {tools}/open 2>/dev/null || echo '[]' ;;
create) cat > {tools}/body; echo '[{{"number": 7, "url": "https://github.com/acme/models/pull/7"}}]' > {tools}/open
  echo https://github.com/acme/models/pull/7 ;;
esac
"""
    )
    (tools / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr("mlspec.repository.remotes.address", lambda *_: "https://github.com/acme/models.git")
    status, commit, said = run("--pr")
    assert status == 0, said
    assert "pull request: https://github.com/acme/models/pull/7" in said
    assert git(remote, "rev-parse", "mlspec/main") == commit
    assert run("--pr")[0] == 0
    assert [line.split()[1] for line in (tools / "log").read_text().splitlines()] == ["list", "create", "list", "edit"]


def test_a_pull_request_without_a_tool_is_a_url(clone, remote, run, monkeypatch):
    monkeypatch.setattr("mlspec.repository.forges.shutil.which", lambda _: None)
    monkeypatch.setattr("mlspec.repository.remotes.address", lambda *_: "git@gitlab.acme.io:team/models.git")
    status, _, said = run("--pr")
    assert status == 0
    assert "https://gitlab.acme.io/team/models/-/merge_requests/new?" in said
    assert "source_branch%5D=mlspec%2Fmain" in said


def test_json_goes_to_stdout_alone(clone, capsys):
    assert main(["commit", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["diagnostics"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["--branch", "x", "--pr"], 2, "exclude"),
        (["--branch", "--upload-pack=touch x"], 2, "cannot be the name"),
        (["--branch", "HEAD"], 2, "cannot be the name"),
        (["--branch", "a..b"], 2, "cannot be the name"),
        (["--push", "--remote", "--upload-pack=touch x"], 3, "no remote named"),
        (["--push", "--remote", "nowhere"], 3, "no remote named"),
        (["--author-name", "a\nb"], 2, "cannot stand in a commit"),
        (["--author-email", "<a>"], 2, "cannot stand in a commit"),
        (["--message", "a\n\nMlspec-Source: b"], 2, "trailers"),
        (["--message", "a\x1b[31m"], 2, "control characters"),
        (["--from", "nothing"], 3, "no branch nothing"),
        (["churn", "../elsewhere"], 2, "not in the repository"),
        (["nothing-here"], 2, "has nothing at"),
    ],
)
def test_what_cannot_be(clone, remote, run, arguments, status, word):
    found = run(*arguments)
    assert found[0] == status
    assert word in found[2]
    assert not (clone / "x").exists()


@pytest.mark.parametrize("name", ["a$(id)", "a;touch${IFS}x", "${{github.token}}"])
def test_odd_names_of_branches_are_data(clone, remote, run, name):
    assert run("--branch", name, "--push")[0] == 0
    assert git(remote, "rev-parse", f"refs/heads/{name}")
    assert not (clone / "x").exists()
