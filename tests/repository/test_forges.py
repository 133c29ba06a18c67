"""Addresses of hosts, and the pages on which a person opens a request."""

import pytest

from mlspec.repository.forges import Request, host_of, open_request, page
from mlspec.repository.git import redacted

REQUEST = Request("mlspec/main", "main", "Compile churn", "")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/acme/models.git", ("github.com", "acme/models")),
        ("https://x-access-token:abc@github.com/acme/models", ("github.com", "acme/models")),
        ("git@github.com:acme/models.git", ("github.com", "acme/models")),
        ("ssh://git@gitlab.acme.io:2222/ml/team/models.git", ("gitlab.acme.io", "ml/team/models")),
        ("/srv/git/models.git", ("", "")),
        ("../models.git", ("", "")),
        ("file:///srv/git/models.git", ("", "")),
        ("C:/models.git", ("", "")),
    ],
)
def test_hosts(address, found):
    assert host_of(address) == found


def test_pages():
    assert page("github.com", "acme/models", REQUEST) == "https://github.com/acme/models/compare/main...mlspec/main?expand=1"
    assert page("gitlab.com", "acme/models", REQUEST).startswith("https://gitlab.com/acme/models/-/merge_requests/new?merge_request%5B")
    assert (
        page("bitbucket.org", "acme/models", REQUEST)
        == "https://bitbucket.org/acme/models/pull-requests/new?source=mlspec%2Fmain&dest=main"
    )
    assert page("", "", REQUEST) == ""


def test_a_host_is_known_by_the_job_that_runs_on_it(monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://code.acme.example:8443")
    assert page("code.acme.example", "acme/models", REQUEST).startswith("https://code.acme.example:8443/acme/models/compare/main...")
    assert page("git.acme.example", "acme/models", REQUEST) == ""


@pytest.mark.parametrize(("token", "asked"), [("", False), ("abc", True)])
def test_gh_is_not_asked_by_a_job_without_a_token(monkeypatch, tmp_path, token, asked):
    """It is on every runner of GitHub's, and would say how to give it a token instead of what a person can do."""
    gh = tmp_path / "gh"
    gh.write_text("#!/bin/sh\necho 'gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN' >&2\nexit 4\n")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for name in ("GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", token)
    opened = open_request("https://github.com/acme/models.git", tmp_path, REQUEST)
    assert (opened.done, bool(opened.trouble)) == (False, asked)
    assert opened.url == "https://github.com/acme/models/compare/main...mlspec/main?expand=1"


def test_credentials_are_left_out():
    assert redacted("fatal: unable to access 'https://u:p@host/x': no") == "fatal: unable to access 'https://host/x': no"
