"""The story of a change in git is run exactly as it is written. `MLSPEC_UPDATE=1 pytest tests/test_story.py` writes shown output anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pages import DOCS, Shell, blocks, fits, runs

PAGE = DOCS / "story.md"
FILE = re.compile(r"# (\S+\.yaml)\n")
BOT = "(cd ../bot && mlspec commit --push)"
BRANCH = "git -C ../remote.git rev-parse main"


def of_a_fresh_clone(shell: Shell) -> str:
    """Return what `mlspec check` says where nothing is but what the remote has on main, as Argo CD reads it."""
    return shell.run("git clone --quiet ../remote.git ../fresh && (cd ../fresh && mlspec check); rm -rf ../fresh")


def test_a_fresh_clone_is_clean_after_every_commit_of_the_bot(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    shell = Shell(tmp_path)
    changes: list[tuple[int, int, str]] = []
    faults: list[str] = []
    commits = 0
    for block in blocks(text):
        name = FILE.match(block.text)
        if block.language == "yaml" and name:
            (shell.folder / name[1]).write_text(block.text)
        for run in runs(block) if block.language == "console" else ():
            before = shell.run(BRANCH) if BOT in run.command else ""
            said = shell.run(run.command)
            if not fits(run.shown, said):
                faults.append(f"$ {run.command}\nshown:\n{run.shown}said:\n{said}")
                changes.append((run.start, run.end, said))
            if BOT in run.command:
                commits += shell.run(BRANCH) != before
                assert of_a_fresh_clone(shell) == "up to date\n", run.command
    if faults and os.environ.get("MLSPEC_UPDATE"):
        for start, end, said in reversed(changes):
            text = text[:start] + said + text[end:]
        PAGE.write_text(text, "utf-8")
        return
    assert not faults, "\n".join(faults)
    # Seven runs of the bot, one of them with nothing to do.
    assert text.count(f"$ {BOT}") == commits + 1 == 7
