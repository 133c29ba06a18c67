"""A stand-in of GitHub: its API with the rights of each token, its git over HTTP (the real git), and a Prometheus beside it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs

BOT = "github-actions[bot]"
BACKEND = ("git", "http-backend")


class Asked(NamedTuple):
    """One request with a token of a job."""

    job: str
    method: str
    path: str
    status: int


class Token(NamedTuple):
    """What a token may."""

    job: str
    permissions: dict


RIGHTS = (
    ("GET", r"issues/\d+/comments", "pull-requests", "read"),
    ("POST", r"issues/\d+/comments", "pull-requests", "write"),
    ("PATCH", r"issues/comments/\d+", "pull-requests", "write"),
    ("GET", r"pulls/\d+/reviews", "pull-requests", "read"),
    ("POST", r"statuses/[0-9a-f]{40}", "statuses", "write"),
    ("GET", r"environments/[\w-]+", "actions", "read"),
)
"""What each request needs, as GitHub's REST API documents it ("Permissions required for GitHub Apps")."""


def git(folder, *arguments, **more):
    """Run git without settings of this machine; return what it says."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "ann"), ("EMAIL", "a@x.example"))}
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8", **who, **more}
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, env=env).stdout.strip()


class Host:
    """The repository acme/ml, what was said in it, and who asked for what."""

    def __init__(self, folder):
        self.folder, self.bare = folder, folder / "acme" / "ml.git"
        self.bare.parent.mkdir(parents=True)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        for key in ("uploadpack.allowAnySHA1InWant", "http.receivepack"):
            git(self.bare, "config", key, "true")
        self.tokens, self.asked, self.used = {}, [], set()
        self.comments, self.reviews, self.statuses, self.environments = [], [], [], {}
        self.measured = None
        """What Prometheus answers to every question; None: it answers with an error."""
        self.prometheus_tokens = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def tip(self, branch="main"):
        return git(self.bare, "rev-parse", f"refs/heads/{branch}")

    def log(self, branch="main"):
        return git(self.bare, "log", "--first-parent", "--format=%s", f"refs/heads/{branch}").splitlines()

    def branches(self):
        return git(self.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()

    def merged(self, number, head, base="main"):
        """Make what GitHub would merge, refs/pull/N/merge; return its commit."""
        onto = self.tip(base)
        tree = git(self.bare, "merge-tree", "--write-tree", onto, head).splitlines()[0]
        made = git(self.bare, "commit-tree", tree, "-p", onto, "-p", head, "-m", f"Merge {head} into {onto}")
        git(self.bare, "update-ref", f"refs/pull/{number}/merge", made)
        return made

    def merge(self, number, base="main"):
        """Merge a pull request; return the new tip."""
        made = git(self.bare, "rev-parse", f"refs/pull/{number}/merge")
        git(self.bare, "update-ref", f"refs/heads/{base}", made, self.tip(base))
        return made

    def allow(self, token, right, level):
        """Note what a token is used for; say whether it may."""
        has = self.tokens[token].permissions.get(right)
        if has in ("write", level):
            self.used.add((self.tokens[token].job, right, level))
            return True
        return False

    def answer(self, method, path, query, data, token):
        """Return status and body of a request to the API."""
        if token not in self.tokens:
            return 401, {}
        rest = path.removeprefix("/repos/acme/ml/")
        needed = [(right, level) for verb, pattern, right, level in RIGHTS if verb == method and re.fullmatch(pattern, rest)]
        if not needed:
            return 404, {}
        if not self.allow(token, *needed[0]):
            return 403, {"message": "Resource not accessible by integration"}
        return getattr(self, f"_{method.lower()}_{rest.split('/')[0]}")(rest, query, data)

    def _get_issues(self, rest, query, _):
        return 200, self._page([one for one in self.comments if one["issue"] == int(rest.split("/")[1])], query)

    def _post_issues(self, rest, _, data):
        if len(data["body"]) > 65536:
            return 422, {"message": "body is too long"}
        self.say(int(rest.split("/")[1]), data["body"], BOT)
        return 201, self.comments[-1]

    def _patch_issues(self, rest, _, data):
        (there,) = [one for one in self.comments if one["id"] == int(rest.split("/")[2])]
        if there["user"]["login"] != BOT:
            return 403, {}
        there["body"] = data["body"]
        return 200, there

    def _get_pulls(self, _, query, __):
        return 200, self._page(self.reviews, query)

    def _post_statuses(self, rest, _, data):
        self.statuses.append((rest.split("/")[1], data["context"], data["state"]))
        return 201, {}

    def _get_environments(self, rest, *_):
        there = self.environments.get(rest.split("/")[1])
        return (200, {"protection_rules": there}) if there is not None else (404, {})

    def _page(self, many, query):
        page, size = int(query.get("page", ["1"])[0]), int(query.get("per_page", ["30"])[0])
        return many[(page - 1) * size : page * size]

    def say(self, issue, body, login):
        """Let somebody comment."""
        number = len(self.comments) + 1
        self.comments.append({"id": number, "issue": issue, "body": body, "user": {"login": login}, "html_url": f"{self.url}/c/{number}"})

    def review(self, login, state, commit, number=0):
        """Let somebody review a commit."""
        at = f"2026-01-01T00:00:{len(self.reviews):02}Z"
        self.reviews.append({"id": number, "user": {"login": login}, "state": state, "commit_id": commit, "submitted_at": at})


def _handler(host):
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if path.startswith("/acme/ml"):
                return self.git(path, query, body)
            said = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            if path.startswith("/prometheus/"):
                host.prometheus_tokens.add(said)
                result = [{"metric": {}, "value": [1.0, host.measured]}]
                made = {"status": "success", "data": {"resultType": "vector", "result": result}}
                return self.send(503 if host.measured is None else 200, json.dumps(made).encode())
            status, made = host.answer(self.command, path.removeprefix("/api"), parse_qs(query), json.loads(body) if body else None, said)
            host.asked.append(Asked(host.tokens[said].job if said in host.tokens else "", self.command, path, status))
            return self.send(status, json.dumps(made).encode())

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that the server looks for

        def git(self, path, query, body):
            words = (self.headers["Authorization"] or "").split()
            token = base64.b64decode(words[1]).decode().partition(":")[2] if len(words) == 2 else ""
            if token not in host.tokens:
                return self.send(401, b"", **{"WWW-Authenticate": 'Basic realm="GitHub"'})
            writes = "git-receive-pack" in path + query
            job = host.tokens[token].job
            if not host.allow(token, "contents", "write" if writes else "read"):
                host.asked.append(Asked(job, "push" if writes else "fetch", path, 403))
                return self.send(403, b"")
            if self.command == "POST":
                host.asked.append(Asked(job, "push" if writes else "fetch", path, 200))
            env = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(host.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": re.sub(r"^/acme/ml(\.git)?/", "/acme/ml.git/", path),
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers["Content-Type"] or "",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers["Content-Encoding"] or "",
                "HTTP_GIT_PROTOCOL": self.headers["Git-Protocol"] or "",
                "REMOTE_USER": job,
            }
            done = subprocess.run(BACKEND, input=body, capture_output=True, env=env, check=False)
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            return self.send(int(headers.pop("Status", "200").split()[0]), rest, **headers)

        def send(self, status, body, **headers):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Answer
