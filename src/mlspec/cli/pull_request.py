"""The pull request that a workflow of GitHub Actions runs for, and its reviews."""

from __future__ import annotations

import json
import os
import re
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib import request
from urllib.error import HTTPError

from mlspec.diagnostics import Unable

ONCE_S = 30
_PAGES = 50
_BYTES = 16 * 1024 * 1024


class Event(NamedTuple):
    """What the event says of a pull request."""

    repository: str
    number: int
    author: str
    base: str
    head: str


def read_event() -> Event:
    """Return the pull request of this run. Raises Unable when it runs for none."""
    help_ = "run it in a workflow on pull_request or pull_request_review"
    try:
        text = Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes()
        made = json.loads(text)["pull_request"]
        event = Event(
            os.environ["GITHUB_REPOSITORY"],
            int(made["number"]),
            str(made["user"]["login"]),
            str(made["base"]["sha"]),
            str(made["head"]["sha"]),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise Unable(f"there is no pull request here: {type(error).__name__} {error}", help_) from None
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", event.repository) or not re.fullmatch(r"[0-9a-f]{40,64}", event.head):
        raise Unable("there is no pull request here: its repository or head commit is not one", help_)
    return event


def fetch_reviews(event: Event) -> list[Any]:
    """Return all reviews of a pull request, the oldest first. Raises Unable when GitHub cannot be asked."""
    found: list[Any] = []
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    if not re.match(r"https?://[^/]", api):
        raise Unable(f"GITHUB_API_URL is {api}; expected https://...")
    for page in range(1, _PAGES + 1):
        some = _get(f"{api}/repos/{event.repository}/pulls/{event.number}/reviews?per_page=100&page={page}")
        if not isinstance(some, list):
            raise Unable("GitHub answered with something other than a list of reviews")
        found += some
        if len(some) < 100:
            return found
    raise Unable(f"the pull request has more than {_PAGES * 100} reviews", "count them from a file: --reviews")


def _get(url: str) -> Any:
    asked = request.Request(url, headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"})  # noqa: S310
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    if token:
        asked.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with request.urlopen(asked, timeout=ONCE_S) as response:  # noqa: S310 - the scheme was looked at
            return json.loads(response.read(_BYTES))
    except HTTPError as error:
        help_ = "give the job `permissions: {pull-requests: read}` and GITHUB_TOKEN" if error.code in (401, 403, 404) else "run again"
        raise Unable(f"GitHub answered {error.code} to the question for reviews", help_) from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unable(f"GitHub cannot be asked for reviews: {getattr(error, 'reason', error)}", "run again") from None
