"""The git binary: called with an argument list and a locked-down configuration, within a time limit, its output bounded."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from mlspec.diagnostics import Unable
from mlspec.repository import troubles

OLDEST = (2, 31)
"""The oldest git that has every option used here."""
LOCAL_S, REMOTE_S = 120.0, 300.0
"""Seconds that a command may take: one that works on the disk, and one that speaks to a remote."""
OUTPUT_BYTES = 1 << 30
_CHUNK = 1 << 16
_NO_CREDENTIALS = re.compile(
    r"could not read (Username|Password)|terminal prompts disabled|Authentication failed|Permission denied \(|HTTP 40[13]"
)
_NO_REMOTE = re.compile(
    r"transport '.*' not allowed|Could not resolve host|unable to access|Could not read from remote|does not appear to be a git|"
    r"Connection (refused|timed)"
)

_DAMAGED = re.compile(
    r"object file .* is empty|(loose|packed) object|unable to (read|unpack|find|parse) |bad (tree|object|commit|blob)|"
    r"inflate: |packfile|missing (tree|object|commit|blob)|not a (tree|valid) object|unpack tree object|"
    r"Could not read [0-9a-f]{40}|necessary objects|promisor",
)
_PROGRAMS = r"^(core\.sshcommand|credential(\..*)?\.helper|remote\..*\.(uploadpack|receivepack))$"
"""What a configuration names to run on the way to a remote."""
_DISTANT = frozenset({"fetch", "ls-remote", "push"})
"""Commands that speak to a remote; remotes.py tells them what to run there, whatever a configuration says."""

_CONFIGURATION = (
    # Nothing of the repository's runs: hooks, monitors, filters, other transports, signers, maintenance.
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", os.devnull),
    ("core.alternateRefsCommand", "true"),
    ("protocol.ext.allow", "never"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "no"),
    ("fetch.prune", "false"),
    ("push.recurseSubmodules", "no"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("credential.interactive", "false"),
    ("core.askPass", ""),
    # What a person likes must not change what is written or read.
    ("core.splitIndex", "false"),
    ("core.untrackedCache", "false"),
    ("core.logAllRefUpdates", "true"),
    ("i18n.commitEncoding", "UTF-8"),
    ("i18n.logOutputEncoding", "UTF-8"),
    ("user.useConfigOnly", "true"),
)
_KEPT = frozenset(
    f"GIT_{name}"
    for name in (  # noqa: SIM905
        "AUTHOR_NAME AUTHOR_EMAIL AUTHOR_DATE COMMITTER_NAME COMMITTER_EMAIL COMMITTER_DATE SSH SSH_COMMAND SSH_VARIANT "
        "SSL_CAINFO SSL_CAPATH SSL_CERT SSL_KEY SSL_NO_VERIFY SSL_VERSION HTTP_USER_AGENT HTTP_LOW_SPEED_LIMIT HTTP_LOW_SPEED_TIME "
        "HTTP_PROXY_AUTHMETHOD CONFIG_GLOBAL CONFIG_SYSTEM CONFIG_NOSYSTEM CONFIG_COUNT CEILING_DIRECTORIES EXEC_PATH TEMPLATE_DIR"
    ).split()
)
_SET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_PROXY_COMMAND": "",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}


class Result(NamedTuple):
    """What a command said."""

    status: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        """The output as text, without the line end."""
        return os.fsdecode(self.out).removesuffix("\n")


class Git:
    """Git, standing in one folder."""

    __slots__ = ("_environment", "_local", "_settings", "folder", "ignored")

    def __init__(self, folder: Path, settings: tuple[tuple[str, str], ...] = (), ignored: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.ignored = ignored
        """Keys of the repository's own configuration that say what to run, and are not heeded (see ``guard``)."""
        self._environment = _environment()
        self._settings = (*_CONFIGURATION, *settings)
        self._local: dict[str, str] = {}

    def guard(self, folder: Path) -> Git:
        """Return git in another folder of this repository, which runs nothing that the repository's own configuration names.

        How a remote is reached is for the user to say, and for the system: what they have set goes on to hold.
        """
        said = os.fsdecode(self.attempt("config", "-z", "--show-scope", "--get-regexp", _PROGRAMS).out).split("\0")
        entries = [(scope, *entry.partition("\n")[::2]) for scope, entry in zip(said[::2], said[1::2], strict=False)]
        own = [key for scope, key, _ in entries if scope in {"local", "worktree"}]
        theirs = [(key, value) for scope, key, value in entries if scope not in {"local", "worktree"}]
        settings: list[tuple[str, str]] = []
        ignored: list[str] = []
        if "core.sshcommand" in own:
            ssh = os.environ.get("GIT_SSH")
            settings.append(("core.sshCommand", dict(theirs).get("core.sshcommand") or (shlex.quote(ssh) if ssh else "ssh")))
            ignored.append("core.sshCommand")
        if any(key.startswith("credential.") for key in own):
            # An empty helper empties the list; those of user and system are put in again.
            settings.append(("credential.helper", ""))
            settings += [(key, value) for key, value in theirs if key.startswith("credential.") and "=" not in key]
            ignored.append("credential.helper")
        guarded = Git(folder, tuple(settings), tuple(ignored))
        if any(key.endswith("uploadpack") for key in own):
            # The first value counts, so none can be laid over it; a partial clone would run it wherever an object is missing.
            guarded._environment["GIT_NO_LAZY_FETCH"] = "1"
            guarded._local = {"GIT_ALLOW_PROTOCOL": "none"}
        return guarded

    def run(
        self,
        *arguments: str,
        input: bytes = b"",  # noqa: A002
        seconds: float = LOCAL_S,
        variables: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command and return what it said; ``variables`` are set in its environment.

        Raises Unable when git is missing or too old, does not end in time, says too much, or fails.
        """
        result = self.attempt(*arguments, input=input, seconds=seconds, variables=variables)
        if result.status:
            raise self.explain(result.error, arguments[0])
        return result

    def attempt(
        self,
        *arguments: str,
        input: bytes = b"",  # noqa: A002
        seconds: float = LOCAL_S,
        variables: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command that may fail. Raises Unable when it cannot be run, does not end in time, or says too much."""
        settings = [word for key, value in self._settings for word in ("-c", f"{key}={value}")]
        line = [_binary(), *settings, *arguments]
        try:
            process = subprocess.Popen(
                line,
                cwd=self.folder,
                env={**self._environment, **({} if arguments[0] in _DISTANT else self._local), **(variables or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A group of its own can be ended as a whole, and has no terminal on which ssh could ask.
                start_new_session=True,
            )
        except OSError as error:
            raise troubles.no_git(f"git cannot be run: {error.strerror}", "check the folder, and that git can be executed") from None
        try:
            out, said = _converse(process, input, seconds, arguments[0])
            return Result(process.wait(), out, said.decode("utf-8", "replace"))
        except BaseException:
            _end(process)
            raise

    def explain(self, said: str, command: str) -> Unable:
        """Return what a failure of this git means, and what to do about it."""
        return explain(said, command, self.ignored)


def explain(said: str, command: str, ignored: tuple[str, ...] = ()) -> Unable:
    """Return what a failure of git means, and what to do about it. ``ignored`` are settings that might have helped."""
    lines = [line.strip() for line in redacted(said).splitlines() if line.strip()]
    last = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "it said nothing")
    if last.endswith("Could not read from remote repository.") and lines.index(last):
        last = lines[lines.index(last) - 1]  # what ssh said, or the other end
    last = last.removeprefix("fatal: ").removeprefix("error: ")
    if "dubious ownership" in said:
        found = re.search(r"dubious ownership in repository at '(.*?)'", said)
        folder = found[1] if found else "FOLDER"
        return troubles.dubious_ownership(folder)
    if "not a git repository" in said:
        return troubles.no_repository()
    if _NO_CREDENTIALS.search(said):
        return troubles.no_credentials(last, ignored)
    if _NO_REMOTE.search(said):
        return troubles.remote_unreachable(last)
    if _DAMAGED.search(said):
        return troubles.unreadable_object(f"git {command} cannot read an object: {last}")
    return troubles.git_failed(command, last)


def redacted(text: str) -> str:
    """Return a text without the names and passwords in its URLs."""
    return re.sub(r"(?<=://)[^/@\s']*@", "", text)


@cache
def _binary() -> str:
    """Return the path of git. Raises Unable when there is none, or one that is too old."""
    found = shutil.which("git", path=_path())
    if found is None:
        raise troubles.no_git("git is not on the PATH", f"install git {'.'.join(map(str, OLDEST))} or newer")
    try:
        said = subprocess.run([found, "--version"], capture_output=True, timeout=LOCAL_S, check=True, env=_environment()).stdout
    except (OSError, subprocess.SubprocessError):
        raise troubles.no_git(f"{found} cannot be run", "install git anew") from None
    version = re.search(rb"(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        shown = said.decode("utf-8", "replace").strip().removeprefix("git version ")
        raise troubles.no_git(f"git is of version {shown}", f"install git {'.'.join(map(str, OLDEST))} or newer")
    return found


def _environment() -> dict[str, str]:
    """Return the environment for git: nothing in it points to another repository, asks, or speaks another language."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or (name in _KEPT and value) or name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"))
    }
    return {**kept, **_SET, "PATH": _path()}


def _path() -> str:
    """Return the PATH without its relative folders: the repository in which git stands is no place for programs."""
    return os.pathsep.join(folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder.startswith(os.sep))


def _converse(process: subprocess.Popen[bytes], data: bytes, seconds: float, command: str) -> tuple[bytes, bytes]:
    """Write and read until the process has said all. Raises Unable past the time limit or the bound of the output."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    until = time.monotonic() + seconds
    said: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    left = memoryview(data)
    with selectors.DefaultSelector() as selector:
        for stream in said:
            selector.register(stream, selectors.EVENT_READ)
        if left:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        else:
            process.stdin.close()
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if time.monotonic() >= until:
                raise troubles.git_too_slow(command, seconds)
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    left = _write(process.stdin, left)
                    if not left:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                stream = key.fileobj  # type: ignore[assignment]
                chunk = os.read(stream.fileno(), _CHUNK)
                if not chunk:
                    selector.unregister(stream)
                    stream.close()
                    continue
                said[stream] += chunk
                if len(said[stream]) > OUTPUT_BYTES:
                    raise troubles.git_failed(command, f"it says more than {OUTPUT_BYTES >> 20} MiB")
    try:
        process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise troubles.git_too_slow(command, seconds) from None
    return bytes(said[process.stdout]), bytes(said[process.stderr])


def _write(stream: IO[bytes], left: memoryview) -> memoryview:
    """Write what fits; nothing is left when the process does not listen any more."""
    try:
        return left[os.write(stream.fileno(), left[:_CHUNK]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return left[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream and not stream.closed:
            try:
                stream.close()
            except OSError:
                continue
