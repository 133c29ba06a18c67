"""Pull and merge requests: opened through the host's own command line where there is one, else by a person at a URL."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from mlspec.repository.git import REMOTE_S, redacted


class Request(NamedTuple):
    """A request to take one branch into another."""

    head: str
    base: str
    title: str
    body: str


class Opened(NamedTuple):
    """What came of it."""

    url: str
    """Of the request; where none could be opened, of the page that opens one (empty on a host nobody knows)."""
    done: bool
    """Whether there is a request now."""
    trouble: str = ""
    """What the host's command line said when it failed."""


def open_request(address: str, folder: Path, request: Request) -> Opened:
    """Open a request, or find the one that is open already. ``address`` is the remote's, ``folder`` one of the clone's."""
    host, project = host_of(address)
    if "gitlab" in host and shutil.which("glab"):
        opened = _through_glab(folder, request)
    elif host and "gitlab" not in host and "bitbucket" not in host and shutil.which("gh") and _gh_has_a_token():
        opened = _through_gh(folder, request)
    else:
        opened = Opened("", False)
    return opened if opened.done else opened._replace(url=page(host, project, request))


def host_of(address: str) -> tuple[str, str]:
    """Return host and project of a remote's address; two empty texts for a folder on a disk."""
    found = re.fullmatch(r"(?:https?|ssh|git)://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.+?)(?:\.git)?/?", address)
    found = found or re.fullmatch(r"(?:[^@/]+@)?([^/:]{2,}):(?!/)(.+?)(?:\.git)?/?", address)
    return (found[1].lower(), found[2]) if found else ("", "")


def page(host: str, project: str, request: Request) -> str:
    """Return the URL at which a person opens a request; empty for hosts that nobody knows."""
    from urllib.parse import quote

    head, base, root = quote(request.head, safe=""), quote(request.base, safe=""), f"https://{host}/{quote(project)}"
    if "gitlab" in host:
        return f"{root}/-/merge_requests/new?merge_request%5Bsource_branch%5D={head}&merge_request%5Btarget_branch%5D={base}"
    if "bitbucket" in host:
        return f"{root}/pull-requests/new?source={head}&dest={base}"
    server = os.environ.get("GITHUB_SERVER_URL", "")
    if host and host == host_of(f"{server}/x")[0]:  # of the job that runs here, whatever its host is called
        return f"{server}/{quote(project)}/compare/{quote(request.base)}...{quote(request.head)}?expand=1"
    if "github" in host:
        return f"{root}/compare/{quote(request.base)}...{quote(request.head)}?expand=1"
    return ""


def _gh_has_a_token() -> bool:
    """Tell whether gh may be asked. In GitHub Actions it is installed, and without a token it explains at length how to give it one."""
    names = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
    return os.environ.get("GITHUB_ACTIONS") != "true" or any(os.environ.get(name) for name in names)


def _through_gh(folder: Path, request: Request) -> Opened:
    here = ("--head", request.head, "--base", request.base)
    status, said, trouble = _run(folder, "gh", "pr", "list", *here, "--state", "open", "--json", "number,url")
    if status:
        return Opened("", False, trouble)
    try:
        found = json.loads(said or "[]")
    except ValueError:
        return Opened("", False, "gh answered something that is no JSON")
    if found:
        number = str(found[0]["number"])
        _run(folder, "gh", "pr", "edit", number, "--title", request.title, "--body-file", "-", input=request.body)
        return Opened(str(found[0]["url"]), True)
    status, said, trouble = _run(folder, "gh", "pr", "create", *here, "--title", request.title, "--body-file", "-", input=request.body)
    return Opened(_last_url(said), status == 0, trouble)


def _through_glab(folder: Path, request: Request) -> Opened:
    here = ("--source-branch", request.head, "--target-branch", request.base)
    status, said, trouble = _run(folder, "glab", "mr", "list", *here, "--output", "json")
    if status:
        return Opened("", False, trouble)
    try:
        found = json.loads(said or "[]")
    except ValueError:
        found = []
    if found:
        number = str(found[0]["iid"])
        _run(folder, "glab", "mr", "update", number, "--title", request.title, "--description", request.body)
        return Opened(str(found[0]["web_url"]), True)
    status, said, trouble = _run(folder, "glab", "mr", "create", *here, "--title", request.title, "--description", request.body, "--yes")
    return Opened(_last_url(said), status == 0, trouble)


def _last_url(said: str) -> str:
    found: list[str] = re.findall(r"https?://\S+", said)
    return found[-1] if found else ""


def _run(folder: Path, *line: str, input: str = "") -> tuple[int, str, str]:  # noqa: A002
    surroundings = {**os.environ, "GH_PROMPT_DISABLED": "1", "NO_PROMPT": "1", "NO_COLOR": "1", "GH_PAGER": "", "PAGER": "cat"}
    try:
        done = subprocess.run(
            line, cwd=folder, input=input, capture_output=True, text=True, timeout=REMOTE_S, check=False, env=surroundings
        )
    except (OSError, subprocess.SubprocessError) as error:
        return 1, "", f"{line[0]} cannot be run: {type(error).__name__}"
    lines = [text for text in redacted(done.stderr).splitlines() if text.strip()]
    return done.returncode, done.stdout, lines[-1] if lines else ""
