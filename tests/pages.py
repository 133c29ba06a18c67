"""Pages of documentation as the tests read them: their code blocks, the commands in them, and how those are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELLIPSIS = "…"
"""A line of shown output that stands for any number of lines."""


class Block(NamedTuple):
    """One code block of a page."""

    language: str
    text: str
    start: int
    """Where its text begins in the page."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Run(NamedTuple):
    """One command of a console block and what is shown of its output."""

    command: str
    shown: str
    start: int
    """Where the shown output begins in the page."""

    @property
    def end(self) -> int:
        return self.start + len(self.shown)


def pages() -> list[Path]:
    """Return every page for people: the top of the repository and docs."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Return the code blocks of a page."""
    return [Block(match[1], match[2], match.start(2)) for match in _FENCE.finditer(text)]


def runs(block: Block) -> list[Run]:
    """Return the commands of a console block; one goes on in the next line where its line ends in a backslash."""
    found: list[Run] = []
    at = block.start
    command, shown, begin = "", "", at
    going_on = False
    for line in block.text.splitlines(keepends=True):
        if going_on:
            command += "\n" + line.rstrip("\n").removeprefix("> ")
            begin = at + len(line)
        elif line.startswith("$ "):
            if command:
                found.append(Run(command, shown, begin))
            command, shown, begin = line[2:].rstrip("\n"), "", at + len(line)
        else:
            shown += line
        going_on = (going_on or line.startswith("$ ")) and line.endswith("\\\n")
        at += len(line)
    if command:
        found.append(Run(command, shown, begin))
    return found


class Shell:
    """A shell whose folder stays from command to command, and which knows `mlspec`."""

    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        (home / "bin").mkdir(parents=True)
        program = home / "bin" / "mlspec"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlspec "$@"\n')
        program.chmod(0o755)
        self._state = home / "folder"
        self.folder = folder / "work"
        self.folder.mkdir()
        self._variables = {
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "TMPDIR": str(home),
        }

    def run(self, command: str) -> str:
        """Run a command; return what it says on both streams."""
        script = f'{command}\nstatus=$?\npwd > "{self._state}"\nexit $status'
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.folder = Path(self._state.read_text().strip())
        return done.stdout


def fits(shown: str, said: str) -> bool:
    """Tell whether output is what a page shows; a line with an ellipsis stands for any lines."""
    parts = [re.escape(part) for part in re.split(rf"^{ELLIPSIS}\n", shown, flags=re.MULTILINE)]
    return re.fullmatch(r"(?:.*\n)*".join(parts), said) is not None
