"""`mlspec approvals`: whose review counts, and which environments a change touches."""

import json

import pytest

from cli.stand_in import serving
from mlspec.__main__ import main
from mlspec.approvals import count, needed, read_reviews
from repository.build_clone import commit_all, git

HEAD, OLD = "a" * 40, "b" * 40


def review(person, state="APPROVED", commit=HEAD, at=1):
    user = {"login": person} if person else None
    return {"user": user, "state": state, "commit_id": commit, "submitted_at": f"2026-01-01T00:00:{at:02d}Z"}


COUNTS = [
    ([], ()),
    ([review("bob")], ("bob",)),
    ([review("bob"), review("eve")], ("bob", "eve")),
    ([review("bob"), review("bob", at=2)], ("bob",)),
    ([review("bob"), review("BOB", at=2)], ("BOB",)),
    ([review("ada")], ()),
    ([review("ADA")], ()),
    ([review("bob", commit=OLD)], ()),
    ([review("bob", commit=OLD), review("bob", at=2)], ("bob",)),
    ([review("bob"), review("bob", commit=OLD, at=2)], ()),
    ([review("bob"), review("bob", "CHANGES_REQUESTED", at=2)], ()),
    ([review("bob", "CHANGES_REQUESTED"), review("bob", at=2)], ("bob",)),
    ([review("bob", at=2), review("bob", "CHANGES_REQUESTED", at=1)], ("bob",)),
    ([review("bob"), review("bob", "DISMISSED", at=2)], ()),
    ([review("bob"), review("bob", "COMMENTED", at=2)], ("bob",)),
    ([review("bob"), review("bob", "PENDING", at=2)], ("bob",)),
    ([review("bob", "COMMENTED")], ()),
    ([review("bob", "approved")], ("bob",)),
    ([review(None)], ()),
]


@pytest.mark.parametrize(("reviews", "approved"), COUNTS)
def test_counting(reviews, approved):
    assert count(read_reviews(reviews), "ada", HEAD).approved == approved


@pytest.mark.parametrize("data", [{}, None, "x", [1], [{"user": {}}], [{"state": 1}]])
def test_what_is_no_list_of_reviews(data):
    with pytest.raises(ValueError, match="expected"):
        read_reviews(data)


def test_the_larger_number_is_needed():
    assert needed([{"prod": 2, "dev": 0}], [{"prod": 1, "new": 3}]) == {"prod": 2, "dev": 0, "new": 3}


SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
environments:
  dev: {namespace: churn-dev}
  staging: {namespace: churn-staging, after: dev, approvals: 1}
  prod: {namespace: churn, after: staging, approvals: 2}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/1.0.0"}}
serving: {api: {model: churn}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main", ".")
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    assert main(["compile", "-q"]) == 0
    commit_all(tmp_path)
    git(tmp_path, "switch", "-q", "-c", "change")
    return tmp_path


def change(folder, old, new, compiled=True):
    spec = folder / "mlspec.yaml"
    spec.write_text(spec.read_text().replace(old, new))
    assert not compiled or main(["compile", "-q"]) == 0
    return commit_all(folder)


def judged(folder, capsys, reviews, *words):
    (folder / "reviews.json").write_text(json.dumps(reviews))
    capsys.readouterr()
    status = main(["approvals", "--base", "main", "--reviews", "reviews.json", "--author", "ada", "--format", "json", *words])
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] == (status == 0)
    return status, found["needed"]


STAGING = ("approvals: 1}", "approvals: 1, overrides: {serving: {api: {replicas: 2}}}}")
PROD = ("approvals: 2}", "approvals: 2, overrides: {serving: {api: {replicas: 2}}}}")
CHANGES = [
    (STAGING, 1, 0, {"churn/staging": 1}),
    (STAGING, 0, 1, {"churn/staging": 1}),
    (PROD, 1, 1, {"churn/prod": 2}),
    (PROD, 2, 0, {"churn/prod": 2}),
    (('"1.0.0"', '"1.1.0"'), 1, 1, {"churn/prod": 2, "churn/staging": 1}),
    (("namespace: churn-dev}", "namespace: churn-dev, overrides: {serving: {api: {replicas: 2}}}}"), 0, 0, {}),
    (("approvals: 2}", "approvals: 0, overrides: {serving: {api: {replicas: 2}}}}"), 1, 1, {"churn/prod": 2}),
    (("  prod: {namespace: churn, after: staging, approvals: 2}\n", ""), 1, 1, {"churn/prod": 2}),
]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "spec alone"])
@pytest.mark.parametrize(("edit", "people", "status", "asked"), CHANGES)
def test_changes(home, capsys, edit, people, status, asked, compiled):
    """A change of the spec alone counts as the tree that comes of it: a bot may be the one who compiles."""
    head = change(home, *edit, compiled=compiled)
    reviews = [review(name, commit=head) for name in ("bob", "eve")[:people]]
    assert judged(home, capsys, reviews) == (status, asked)


def test_a_file_that_was_edited_by_hand_counts(home, capsys):
    file = home / "deploy/churn/prod/serving-api.yaml"
    file.write_text(file.read_text() + "# mine\n")
    commit_all(home)
    assert judged(home, capsys, [], "--env", "staging") == (0, {})
    assert judged(home, capsys, [], "--env", "prod") == (1, {"churn/prod": 2})


def test_who_asks_for_changes_stops_it(home, capsys):
    head = change(home, *STAGING)
    reviews = [review("bob", commit=head), review("eve", "CHANGES_REQUESTED", commit=head)]
    assert judged(home, capsys, reviews)[0] == 1


def test_what_happens_on_main_meanwhile_is_no_part_of_the_change(home, capsys):
    head = change(home, *STAGING)
    git(home, "switch", "-q", "main")
    change(home, *PROD)
    git(home, "switch", "-q", "change")
    assert judged(home, capsys, [review("bob", commit=head)]) == (0, {"churn/staging": 1})


def test_the_table(home, capsys):
    head = change(home, *PROD)
    (home / "reviews.json").write_text(json.dumps([review("bob", commit=head), review("ada", commit=head), review("eve", commit=OLD)]))
    assert main(["approvals", "--base", "main", "--reviews", "reviews.json", "--author", "ada"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "churn/prod: 1 of 2 approvals, too few"
    assert said[1] == "approved by: bob"
    assert "not counted: ada is the author" in said
    assert any(line.startswith("not counted: eve approved bbbbbbbbbbbb, not ") for line in said)


def test_without_reviews_it_says_what_is_asked(home, capsys):
    change(home, *PROD)
    assert main(["approvals", "--base", "main"]) == 0
    assert capsys.readouterr().out == "churn/prod asks for 2\n"
    assert main(["approvals", "--base", "main", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schemaVersion": 1, "needed": {"churn/prod": 2}}
    assert main(["approvals", "--base", "HEAD"]) == 0
    assert capsys.readouterr() == ("", "no environment that asks for approvals is touched\n")


def test_a_spec_that_does_not_compile_is_not_let_through(home, capsys):
    change(home, "framework: sklearn", "framework: sklaern", compiled=False)
    (home / "reviews.json").write_text("[]")
    assert main(["approvals", "--base", "main", "--reviews", "reviews.json", "--author", "ada"]) == 1
    assert "does not compile" in capsys.readouterr().err


def github(home, monkeypatch, url, head):
    event = {"number": 7, "user": {"login": "ada"}, "base": {"sha": git(home, "rev-parse", "main")}, "head": {"sha": head}}
    (home / "event.json").write_text(json.dumps({"pull_request": event}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(home / "event.json"))
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/ml")
    monkeypatch.setenv("GITHUB_API_URL", url)
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")


def test_github(home, capsys, monkeypatch):
    head = change(home, *PROD)
    many = [review(f"p{at}", "COMMENTED", head, 1) for at in range(100)]

    def answer(path, query):
        assert path == "/repos/acme/ml/pulls/7/reviews"
        return 200, many if query["page"] == "1" else [review("bob", commit=head), review("eve", commit=head)]

    with serving(answer) as (url, asked):
        github(home, monkeypatch, url, head)
        assert main(["approvals", "--github"]) == 0
    assert {headers["Authorization"] for _, _, headers in asked} == {"Bearer t0ken"}
    assert "2 of 2 approvals, enough" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [(403, b""), (500, b""), (200, {}), (200, b"x")])
def test_a_github_that_does_not_answer(home, monkeypatch, answer):
    head = change(home, *PROD)
    with serving(lambda *_: answer) as (url, _):
        github(home, monkeypatch, url, head)
        assert main(["approvals", "--github"]) == 3


def test_usage(home, capsys, monkeypatch):
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    assert main(["approvals", "--github"]) == 3
    assert main(["approvals"]) == 2
    (home / "reviews.json").write_text("[]")
    assert main(["approvals", "--base", "main", "--reviews", "reviews.json"]) == 2
    assert main(["approvals", "--base", "main", "--env", "prd"]) == 2
    (home / "reviews.json").write_text("{}")
    assert main(["approvals", "--base", "main", "--reviews", "reviews.json", "--author", "ada"]) == 2
    (home / "reviews.json").write_text("{")
    assert main(["approvals", "--base", "main", "--reviews", "reviews.json", "--author", "ada"]) == 2
