"""What docs/errors.md shows is what is said. `MLSPEC_UPDATE=1 pytest tests/test_errors_page.py` writes it anew."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from mlspec.compiler import Request, compile_specs
from mlspec.diagnostics import Rejected
from mlspec.reporters.text import write
from pages import DOCS, Block, blocks

PAGE = DOCS / "errors.md"
TEXT = PAGE.read_text("utf-8")
NUMBER = 20


def entries() -> list[tuple[str, str, Block, Block | None]]:
    """Return each mistake: its title, the spec, what mlspec says and, where it is shown, what pydantic says."""
    found = []
    for match in re.finditer(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        inside = [block for block in blocks(TEXT) if match.start() < block.start < match.end()]
        spec, said, *others = inside
        pydantic = [block for block in others if TEXT[: block.start].endswith("**pydantic**\n\n```text\n")]
        found.append((match[1], spec.text, said, pydantic[0] if pydantic else None))
    return found


def said_by_mlspec(spec: str, folder: Path) -> str:
    """Return what mlspec says, without the closing line."""
    (folder / ".git").mkdir()
    (folder / "mlspec.yaml").write_text(spec)
    try:
        found = compile_specs(Request((Path("mlspec.yaml"),))).diagnostics
    except Rejected as rejected:
        found = rejected.diagnostics
    stream = io.StringIO()
    write(found, stream, colour=False)
    return stream.getvalue().rpartition("\n\n")[0] + "\n"


def said_by_pydantic(spec: str) -> str:
    """Return what the models alone say, without their addresses of pages."""
    import yaml
    from pydantic import ValidationError

    from mlspec.spec.spec import Spec

    try:
        Spec.model_validate(yaml.safe_load(spec))
    except ValidationError as error:
        lines = [line for line in str(error).splitlines() if "errors.pydantic.dev" not in line]
        return "\n".join(lines) + "\n"
    return "nothing\n"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry[0])
def test_shown_is_said(entry, tmp_path, monkeypatch):
    _, spec, shown, pydantic = entry
    monkeypatch.chdir(tmp_path)
    assert said_by_mlspec(spec, tmp_path) == shown.text
    assert pydantic is None or said_by_pydantic(spec) == pydantic.text


def test_there_are_twenty() -> None:
    assert [entry[0].split(".")[0] for entry in entries()] == [str(number) for number in range(1, NUMBER + 1)]


def test_one_cause_is_one_error() -> None:
    for title, _, shown, _ in entries():
        assert shown.text.count("error[") == (2 if "schedule" in title else 1), title


@pytest.mark.skipif("MLSPEC_UPDATE" not in os.environ, reason="only where the page is to be written anew")
def test_write_the_page_anew(tmp_path, monkeypatch):
    text = TEXT
    for number, (_, spec, shown, pydantic) in reversed(list(enumerate(entries()))):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        if pydantic is not None:
            text = text[: pydantic.start] + said_by_pydantic(spec) + text[pydantic.end :]
        text = text[: shown.start] + said_by_mlspec(spec, folder) + text[shown.end :]
    PAGE.write_text(text, "utf-8")
