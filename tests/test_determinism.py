"""The same spec gives the same bytes: whatever the machine, the hash seed, the language, the zone, the folder or the order of its maps."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
STORY = "parcel-eta"
SPEC = EXAMPLES / STORY / "mlspec.yaml"


class Words(yaml.SafeLoader):
    """YAML in which `on` is a word."""


Words.yaml_implicit_resolvers = {first: rules for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items() if first not in "oO"}


def compile_in(root: Path, cwd: Path | None = None, **surroundings: str) -> None:
    """Compile what lies in a folder, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **surroundings}
    target = os.path.relpath(root, cwd) if cwd else "."
    command = [sys.executable, "-m", "mlspec", "compile", "--quiet", target]
    done = subprocess.run(command, cwd=cwd or root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def tree(root: Path) -> dict[str, bytes]:
    """Return every file of a folder but the specs."""
    files = (file for file in root.rglob("*") if file.is_file() and file.name != "mlspec.yaml")
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(files)}


def repository(folder: Path, text: str | None = None) -> Path:
    """Make a repository that holds one spec."""
    (folder / ".git").mkdir(parents=True)
    (folder / "mlspec.yaml").write_text(SPEC.read_text(encoding="utf-8") if text is None else text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = repository(tmp_path_factory.mktemp("expected") / "here")
    compile_in(root)
    return tree(root)


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4242"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TZ": "Pacific/Kiritimati"},
        {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"},
        {"XDG_CACHE_HOME": "/nowhere", "HOME": "/nowhere"},
        {"NO_COLOR": "1", "CI": "true", "GITHUB_ACTIONS": "true", "USER": "somebody-else"},
    ],
    ids=lambda surroundings: next(f"{name}={value}" for name, value in surroundings.items()),
)
def test_surroundings_do_not_matter(surroundings: dict[str, str], expected: dict[str, bytes], tmp_path: Path) -> None:
    root = repository(tmp_path / "there")
    compile_in(root, **surroundings)
    assert tree(root) == expected


def test_the_checkout_and_the_working_folder_do_not_matter(expected: dict[str, bytes], tmp_path: Path) -> None:
    root = repository(tmp_path / "a b" / "ü" / ("deep" * 20))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    compile_in(root, cwd=elsewhere)
    assert tree(root) == expected


def test_compiling_again_changes_nothing(expected: dict[str, bytes], tmp_path: Path) -> None:
    root = repository(tmp_path / "there")
    compile_in(root)
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*") if file.is_file()}
    compile_in(root)
    assert {file: file.stat().st_mtime_ns for file in root.rglob("*") if file.is_file()} == before
    assert tree(root) == expected


def test_projects_compiled_together_and_alone_are_the_same(tmp_path: Path) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    for root in (together, alone):
        shutil.copytree(EXAMPLES / "orchard", root, ignore=shutil.ignore_patterns("deploy", "mlspec.lock"))
        (root / ".git").mkdir()
    compile_in(together)
    for name in ("harvest", "grading"):
        compile_in(alone / name)
    assert tree(together) == tree(alone)


def shuffled(value: Any, order: random.Random, path: tuple[str, ...] = ()) -> Any:
    """Return data with its maps in another order. Lists stay: their order means something; so do environments, which are promoted in it."""
    if isinstance(value, list):
        return [shuffled(item, order, path) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if path != ("environments",):
        order.shuffle(keys)
    return {key: shuffled(value[key], order, (*path, key)) for key in keys}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("story", ["parcel-eta", "kitchen-assistant", "iris"])
def test_the_order_of_maps_does_not_matter(story: str, seed: int, tmp_path: Path) -> None:
    data = yaml.load((EXAMPLES / story / "mlspec.yaml").read_text(encoding="utf-8"), Words)
    roots = []
    for name, spec in (("written", data), ("shuffled", shuffled(data, random.Random(seed)))):
        roots.append(repository(tmp_path / name, yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)))
        compile_in(roots[-1])
    written, other = (tree(root) for root in roots)
    digests = [files.pop("mlspec.lock") for files in (written, other)]
    assert other == written
    # the locks differ in one line: the digest of the spec itself
    lines = [digest.decode().splitlines() for digest in digests]
    assert len(lines[0]) == len(lines[1])
    assert [a for a, b in zip(*lines, strict=True) if a != b and '"mlspec.yaml"' not in a] == []
