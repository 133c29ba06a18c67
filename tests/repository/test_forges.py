"""Addresses of hosts, and the pages on which a person opens a request."""

import pytest

from mlspec.repository.forges import Request, host_of, page
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


def test_credentials_are_left_out():
    assert redacted("fatal: unable to access 'https://u:p@host/x': no") == "fatal: unable to access 'https://host/x': no"
