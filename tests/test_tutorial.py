"""The tutorial is run exactly as it is written. `MLSPEC_UPDATE=1 pytest tests/test_tutorial.py` writes shown output anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pages import DOCS, ELLIPSIS, Shell, blocks, fits, runs

PAGE = DOCS / "tutorial.md"
FILE = re.compile(r"# (\S+\.yaml)\n")


def test_every_command_says_what_is_shown(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    shell = Shell(tmp_path)
    changes: list[tuple[int, int, str]] = []
    faults: list[str] = []
    for block in blocks(text):
        if block.language == "yaml":
            name = FILE.match(block.text)
            if name:
                (shell.folder / name[1]).write_text(block.text)
            else:
                assert block.text in (shell.folder / "mlspec.yaml").read_text(), f"not in mlspec.yaml:\n{block.text}"
        for run in runs(block) if block.language == "console" else ():
            said = shell.run(run.command)
            if not fits(run.shown, said):
                faults.append(f"$ {run.command}\nshown:\n{run.shown}said:\n{said}")
                changes.append((run.start, run.end, said))
    if faults and os.environ.get("MLSPEC_UPDATE"):
        for start, end, said in reversed(changes):
            text = text[:start] + said + text[end:]
        PAGE.write_text(text, "utf-8")
        return
    assert not faults, "\n".join(faults)


def test_an_ellipsis_stands_for_lines() -> None:
    assert fits(f"a\n{ELLIPSIS}\nd\n", "a\nb\nc\nd\n")
    assert fits(f"a\n{ELLIPSIS}\n", "a\n")
    assert not fits(f"a\n{ELLIPSIS}\nd\n", "a\nb\nc\n")
    assert not fits("a\n", "b\n")
