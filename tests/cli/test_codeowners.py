"""mlspec codeowners: who is asked about which path, in the file that the host reads."""

import json

import pytest

from mlspec.__main__ import main
from mlspec.codeowners import Forge, forge_of, handle, pattern

SPEC = """\
apiVersion: mlspec.dev/v1
name: NAME
owner: {team: ml, email: ml@acme.example}
platform: {repository: {url: "URL"}}
governance: {reviewers: [risk, "@ann"]}
environments: {dev: {namespace: NAME-dev}, prod: {namespace: NAME, after: dev, approvals: 1}}
models: {m: {framework: sklearn, version: "1.0.0", uri: "s3://acme/m/1.0.0"}}
serving: {NAME: {model: m, replicas: 2}}
"""
GITHUB = "https://github.com/acme/models.git"


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(root, name, url=GITHUB, **changes):
    text = SPEC.replace("NAME", name).replace("URL", url)
    for old, new in changes.items():
        text = text.replace(old, new)
    (root / name).mkdir()
    (root / name / "mlspec.yaml").write_text(text)


def lines(capsys):
    assert main(["codeowners"]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_team_owns_and_reviewers_are_asked_where_approval_is(root, capsys):
    put(root, "churn")
    assert lines(capsys) == [
        ["/churn/mlspec.lock", "@acme/ml"],
        ["/churn/mlspec.yaml", "@acme/ml"],
        ["/deploy/argocd/churn.yaml", "@acme/ml"],
        ["/deploy/churn/", "@acme/ml"],
        ["/deploy/churn/prod/", "@acme/risk", "@ann"],
    ]


def test_projects_share_a_block(root, capsys):
    put(root, "churn")
    put(root, "basket", **{"team: ml": "team: shop"})
    found = [path for path, *_ in lines(capsys)]
    assert found == sorted(found)
    assert {"/deploy/basket/", "/deploy/churn/"} < set(found)


def test_the_rest_of_the_file_is_kept(root):
    put(root, "churn")
    file = root / "CODEOWNERS"
    file.write_bytes(b"*.md @docs\r\n# mlspec: begin\r\nold @x\r\n# mlspec: end\r\n/last @y")
    assert main(["codeowners", "--write", "-q"]) == 0
    data = file.read_bytes()
    assert data.startswith(b"*.md @docs\r\n# mlspec: begin")
    assert data.endswith(b"# mlspec: end\r\n/last @y")
    assert b"old @x" not in data
    assert main(["codeowners", "--write", "-q"]) == 0
    assert file.read_bytes() == data
    assert not (root / ".github").exists()


def test_check(root):
    put(root, "churn")
    assert main(["codeowners", "--check", "-q"]) == 1
    assert not (root / ".github").exists()
    assert main(["codeowners", "--write", "-q"]) == 0
    assert main(["codeowners", "--check", "-q"]) == 0
    assert (root / ".github" / "CODEOWNERS").is_file()


def test_check_in_a_format_for_machines_is_a_document_whatever_was_found(root, capsys):
    put(root, "churn")
    for status in (1, 0):
        assert main(["codeowners", "--check", "--format", "json"]) == status
        assert json.loads(capsys.readouterr().out)["summary"]["errors"] == 0
        assert main(["codeowners", "--write", "-q"]) == 0


def test_gitlab_has_a_section(root, capsys):
    put(root, "churn", "https://gitlab.com/acme/ai/models.git")
    assert lines(capsys)[:2] == [["[mlspec]"], ["/churn/mlspec.lock", "@acme/ai/ml"]]
    assert main(["codeowners", "--write", "-q"]) == 0
    assert (root / ".gitlab" / "CODEOWNERS").is_file()


def test_without_a_known_host_mail_is_all(root, capsys):
    put(root, "churn", "https://git.acme.example/models.git", **{'[risk, "@ann"]': "[risk@acme.example]"})
    assert lines(capsys)[0] == ["/churn/mlspec.lock", "ml@acme.example"]


def test_who_cannot_be_named_is_refused(root, capsys):
    put(root, "churn", "https://git.acme.example/models.git")
    assert main(["codeowners", "--format", "github"]) == 1
    said = capsys.readouterr().out
    assert said.count("title=MLS-E730") == 2
    assert "churn/mlspec.yaml" in said


@pytest.mark.parametrize(
    ("person", "written"),
    [
        ("ml", "@acme/ml"),
        ("ML-Platform", "@acme/ml-platform"),
        ("@ann", "@ann"),
        ("@other/team", "@other/team"),
        ("ann@acme.example", "ann@acme.example"),
        ("two words", ""),
        ("a @evil", ""),
        ("ml.ops", ""),
        ("#x", ""),
    ],
)
def test_handles_on_github(person, written):
    assert handle(person, Forge("github", "acme")) == written


def test_forges():
    assert forge_of("github.com", "acme/models") == Forge("github", "acme")
    assert forge_of("gitlab.acme.example", "a/b/c") == Forge("gitlab", "a/b")
    assert forge_of("", "") == Forge("", "")


def test_patterns_match_one_path():
    assert pattern("a b/[x]#.yaml") == "/a\\ b/?x??.yaml"
