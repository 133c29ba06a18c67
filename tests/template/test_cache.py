"""The cache of compiled templates is trusted only where nobody else may write, and every fault of it means a compile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.template import compile_template, open_cache

TEXTS = {"t": "a: {{ x }}\nb: {{ x | percent }}\n{% include 'f' %}\n", "f": "c: 1\n"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_second_time_nothing_is_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = open_cache("1")
    assert compile_template("t", TEXTS.__getitem__, None, cache).source
    assert len(entries(folder)) == 1
    again = compile_template("t", TEXTS.__getitem__, None, open_cache("1"))
    assert not again.source
    assert again.text({"x": "5%"}) == "a: 5%\nb: 5%\nc: 1\n"
    changed = TEXTS | {"f": "c: 2\n"}
    assert compile_template("t", changed.__getitem__, None, open_cache("1")).source
    assert compile_template("t", TEXTS.__getitem__, None, open_cache("2")).source


def test_a_warm_start_imports_neither_jinja_nor_yaml(folder: Path) -> None:
    compile_template("t", TEXTS.__getitem__, None, open_cache("1"))
    program = (
        "import sys; from mlspec.template import *;"
        f"t = compile_template('t', {TEXTS!r}.__getitem__, None, open_cache('1'));"
        "assert t.text({'x': '5%'}); assert not {'jinja2', 'yaml', 'typing_extensions'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path), "XDG_CACHE_HOME": str(folder)})


@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_a_damaged_entry_is_compiled_anew(folder: Path, damage: bytes | None) -> None:
    compile_template("t", TEXTS.__getitem__, None, open_cache("1"))
    (entry,) = entries(folder)
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    assert compile_template("t", TEXTS.__getitem__, None, open_cache("1")).source
    assert not compile_template("t", TEXTS.__getitem__, None, open_cache("1")).source


def test_what_others_may_write_is_not_used(folder: Path) -> None:
    cache = open_cache("1")
    compile_template("t", TEXTS.__getitem__, None, cache)
    (entry,) = entries(folder)
    entry.chmod(0o666)
    assert compile_template("t", TEXTS.__getitem__, None, open_cache("1")).source
    entry.parent.chmod(0o777)
    assert open_cache("1") is None


def test_no_folder_no_cache(folder: Path) -> None:
    (folder / "mlspec").write_text("in the way")
    assert open_cache("1") is None


def test_a_changed_view_is_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = folder / "some_view.py"
    module.write_text("class View:\n    x: str\n")
    monkeypatch.syspath_prepend(str(folder))
    import some_view  # type: ignore[import-not-found]

    assert compile_template("t", TEXTS.__getitem__, some_view.View, open_cache("1")).source
    assert not compile_template("t", TEXTS.__getitem__, some_view.View, open_cache("1")).source
    module.write_text("class View:\n    x: int\n")
    assert compile_template("t", TEXTS.__getitem__, some_view.View, open_cache("1")).source
    sys.modules.pop("some_view")
