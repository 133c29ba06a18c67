"""Runs of mlspec under strace: which calls write, and what is left when one of them kills it or fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

STRACE = shutil.which("strace")
GIT = shutil.which("git") or "git"
QUICK = "-f --seccomp-bpf"
"""What lets the kernel stop a program at the traced calls alone (strace 5.3); signals are not injected then (strace 6.1)."""
CALLS = (  # noqa: SIM905
    "openat open creat write pwrite64 writev pwritev pwritev2 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat "
    "symlink symlinkat truncate ftruncate fallocate chmod fchmod fchmodat chown fchown fchownat fsync fdatasync copy_file_range sendfile"
).split()
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")
_WRAPPER = """#!/bin/sh
number=$(($(cat "$TRACED_GIT/count") + 1))
echo "$number" > "$TRACED_GIT/count"
if [ -n "$TRACED_ALL" ]; then
    exec {strace} {quick} -y -qq -e trace={calls} -o "$TRACED_GIT/log.$number" {git} "$@"
elif [ "$number" = "$TRACED_NUMBER" ]; then
    {strace} -f $TRACED_QUICK -qq -e "trace=$TRACED_CALL" -e "inject=$TRACED_CALL:$TRACED_WHAT" -o "$TRACED_GIT/log" {git} "$@"
    status=$?
    if grep -q "killed by SIGKILL" "$TRACED_GIT/log"; then kill -9 "$PPID"; fi
    exit "$status"
fi
exec {git} "$@"
"""


class Place(NamedTuple):
    """One call that writes, of mlspec itself or of a git that it started."""

    call: str
    number: int
    """Which of its kind it is within its process, counted from 1."""
    git: int = 0
    """Which git: 0 is mlspec itself."""
    line: str = ""
    """What strace said of it."""

    def __str__(self) -> str:
        return f"{'git ' + str(self.git) + ', ' if self.git else ''}{self.call} {self.number}: {self.line[:160]}"

    @property
    def names_a_file(self) -> bool:
        """Whether it is about a file, and not about a pipe or what is said to people."""
        return not re.search(r"^(\d+ +)?write\(([12][<,]|\d+<(pipe|socket):)", self.line)


class Bench:
    """Where runs are traced: a folder with a cache, temporary files and a git that tells its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.scratch, self._git = folder, folder / "cache", folder / "scratch", folder / "git"
        for made in (self.cache, self.scratch, self._git):
            made.mkdir(parents=True)
        wrapper = self._git / "git"
        wrapper.write_text(_WRAPPER.format(strace=STRACE, quick=QUICK, calls=",".join(CALLS), git=GIT))
        wrapper.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MLSPEC_", "TRACED_"))}
        who = {
            f"GIT_{what}_{key}": value
            for what in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "bot"), ("EMAIL", "bot@acme.example"))
        }
        return {
            **kept,
            **who,
            "GIT_AUTHOR_DATE": "2026-01-02T00:00:00Z",
            "GIT_COMMITTER_DATE": "2026-01-02T00:00:00Z",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.cache),
            "TMPDIR": str(self.scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **more,
        }

    def run(self, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run mlspec as anybody would."""
        return self._run(where, arguments, (), {})

    def places(self, where: Path, *arguments: str) -> list[Place]:
        """Run mlspec, and return every call of it and of its git that writes, in no particular order."""
        (self._git / "count").write_text("0\n")
        log = self._git / "log"
        done = self._run(where, arguments, ("-y", "-e", f"trace={','.join(CALLS)}", "-o", str(log)), {"TRACED_ALL": "yes"})
        assert done.returncode == 0, done.stderr
        found = list(_places(log.read_text(errors="replace"), 0))
        for number in range(1, int((self._git / "count").read_text()) + 1):
            found += _places((self._git / f"log.{number}").read_text(errors="replace"), number)
        return found

    def inject(self, where: Path, place: Place, what: str, *arguments: str, alone: bool = False) -> subprocess.CompletedProcess[str]:
        """Run mlspec with one call killed (``signal=KILL``) or failing (``error=ENOSPC``); a ``+`` behind it: and all later ones too.

        ``alone``: mlspec starts no other program, in which calls would be counted anew.
        """
        what = f"{what.removesuffix('+')}:when={place.number}{'+' if what.endswith('+') else ''}"
        quick = QUICK.split() if what.startswith("error") else []
        if not place.git:
            strace = (*(quick if alone else ()), "-e", f"trace={place.call}", "-e", f"inject={place.call}:{what}", "-o", os.devnull)
            return self._run(where, arguments, strace, {})
        (self._git / "count").write_text("0\n")
        told = {"NUMBER": str(place.git), "CALL": place.call, "WHAT": what, "QUICK": " ".join(quick)}
        return self._run(where, arguments, None, {f"TRACED_{name}": value for name, value in told.items()})

    def _run(
        self, where: Path, arguments: tuple[str, ...], strace: tuple[str, ...] | None, more: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        traced = [STRACE, "-qq", *strace] if strace else []
        if strace != ():
            more = {**more, "PATH": f"{self._git}:{os.environ['PATH']}", "TRACED_GIT": str(self._git)}
        line = [*traced, sys.executable, "-m", "mlspec", *arguments]
        return subprocess.run(
            line, cwd=where, env=self.environment(**more), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )


def _places(log: str, git: int) -> list[Place]:
    """Return the calls of a log that write; of several processes, those of each are counted on their own."""
    counts: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, int], Place] = {}
    for line in log.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        process = line.split(" ", 1)[0] if line[0].isdigit() else ""
        call = match[1]
        number = counts[process, call] = counts.get((process, call), 0) + 1
        if call in {"openat", "open"} and "O_CREAT" not in line and "O_TRUNC" not in line:
            continue
        if git and call == "write" and re.search(r"write\([12][<,]", line):
            continue  # what git says
        found.setdefault((call, number), Place(call, number, git, line))
    return list(found.values())


def spread(places: list[Place], most: int) -> list[Place]:
    """Return at most so many places, evenly spread."""
    if len(places) <= most:
        return places
    return [places[at * len(places) // most] for at in range(most)]


def works() -> str:
    """Say why strace cannot be used here; nothing when it can."""
    if not sys.platform.startswith("linux"):
        return "strace is for Linux"
    if STRACE is None:
        return "strace is not installed: the kernel's own calls cannot be counted"
    done = subprocess.run([STRACE, "-qq", *QUICK.split(), "-e", "trace=rename", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"strace does not work here: {done.stderr.strip()[-200:]}"
    full = [STRACE, "-qq", *QUICK.split(), "-e", "trace=write", "-e", "inject=write:error=ENOSPC", "-o", os.devnull, "sh", "-c", "echo"]
    return "" if subprocess.run(full, capture_output=True, check=False).returncode else "this strace lets no call fail"
