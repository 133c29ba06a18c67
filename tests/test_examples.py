"""Each example compiles to the tree that is committed beside it. `MLSPEC_UPDATE=1 pytest tests/test_examples.py` writes the trees anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlspec.__main__ import main

EXAMPLES = Path(__file__).parent.parent / "examples"
STORIES = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())


def as_repository(story: str, folder: Path) -> Path:
    """Copy an example to where it is a repository of its own, as its page tells it."""
    root = folder / story
    shutil.copytree(EXAMPLES / story, root)
    (root / ".git").mkdir()
    return root


def files(root: Path) -> dict[str, bytes]:
    """Return what mlspec wrote: the tree, the workflow and the locks."""
    found = [*(root / "deploy").rglob("*"), *(root / ".github").rglob("*"), *root.rglob("mlspec.lock")]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(found) if file.is_file()}


def update(story: str, root: Path) -> None:
    """Write what was compiled back beside the spec."""
    for folder in ("deploy", ".github"):
        shutil.rmtree(EXAMPLES / story / folder, ignore_errors=True)
    for name, data in files(root).items():
        file = EXAMPLES / story / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@pytest.mark.parametrize("story", STORIES)
def test_compiles_to_the_committed_tree(story: str, tmp_path: Path) -> None:
    root = as_repository(story, tmp_path)
    assert main(["compile", "--quiet", "--overwrite-edits", str(root)]) == 0
    if os.environ.get("MLSPEC_UPDATE"):
        update(story, root)
    assert files(root) == files(EXAMPLES / story)


@pytest.mark.parametrize("story", STORIES)
def test_compiles_without_a_remark(story: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--quiet", str(as_repository(story, tmp_path))]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("story", STORIES)
def test_its_page_names_every_spec(story: str) -> None:
    page = (EXAMPLES / story / "README.md").read_text(encoding="utf-8")
    for spec in (EXAMPLES / story).rglob("mlspec.yaml"):
        assert spec.relative_to(EXAMPLES / story).as_posix() in page


def test_there_are_stories() -> None:
    assert len(STORIES) >= 4
