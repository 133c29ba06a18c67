"""Output folders in which something else lies than mlspec left: through the program, nothing is written but what is its own."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from mlspec.__main__ import main
from mlspec.diagnostics import Rejected, Unable
from mlspec.writers import exchange
from mlspec.writers.disk import heal, write
from repository.build_clone import commit_all, git, make_clone, spec
from writers.build_tree import A, B, expected, publication, snapshot

FILE = "deploy/churn/prod/serving-churn.yaml"
CHANGED = spec(version="1.0.1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A repository whose spec was compiled, and then changed; the outside lies beside it."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/theirs.txt").write_text("theirs\n")
    folder = make_clone(tmp_path / "home")
    monkeypatch.chdir(folder)
    assert main(["compile", "--quiet"]) == 0
    commit_all(folder)
    (folder / "churn/mlspec.yaml").write_text(CHANGED)
    return folder


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main([*arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def put(kind, path, outside):
    """Put something else in the place of a path."""
    kept = outside / "kept"
    if path.is_dir() and not path.is_symlink():
        shutil.move(path, kept)
    elif os.path.lexists(path):
        path.rename(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        if not kept.exists():
            kept.mkdir()
        path.symlink_to(kept)
    elif kind == "link to nothing":
        path.symlink_to(outside / "nothing")
    elif kind == "file":
        path.write_text("mine\n")
    elif kind == "folder":
        path.mkdir()
        (path / "mine.txt").write_text("mine\n")


IN_THE_WAY = {
    "the file is a link to a file": (FILE, "link", 3, "symbolic link"),
    "the file is a link to nothing": (FILE, "link to nothing", 3, "symbolic link"),
    "the file is a folder": (FILE, "folder", 3, "is a folder where a file is needed"),
    "the project's folder is a link": ("deploy/churn", "link", 3, "symbolic link"),
    "the environment's folder is a link": ("deploy/churn/prod", "link", 3, "symbolic link"),
    "the root of all output is a link": ("deploy", "link", 3, "symbolic link"),
    "the root of all output is a link to nothing": ("deploy", "link to nothing", 3, "symbolic link"),
    "the project's folder is a file": ("deploy/churn", "file", 3, "is a file where a folder is needed"),
    "the environment's folder is a file": ("deploy/churn/prod", "file", 3, "is a file where a folder is needed"),
    "the root of all output is a file": ("deploy", "file", 3, "is a file where a folder is needed"),
    "the lock is a link": ("churn/mlspec.lock", "link", 3, "link"),
    "the lock is a folder": ("churn/mlspec.lock", "folder", 3, "churn/mlspec.lock: Is a directory"),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_something_else_is_in_the_way(home, run, tmp_path, name):
    path, kind, status, words = IN_THE_WAY[name]
    put(kind, home / path, tmp_path / "outside")
    before = snapshot(tmp_path / "outside"), snapshot(home)
    found = run("compile")
    assert (found[0], words in found[1]) == (status, True), found[1]
    assert "bug" not in found[1]
    assert (snapshot(tmp_path / "outside"), snapshot(home)) == before


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_check_says_so_too(home, run, tmp_path, name):
    path, kind, *_ = IN_THE_WAY[name]
    put(kind, home / path, tmp_path / "outside")
    before = snapshot(tmp_path / "outside"), snapshot(home)
    status, said = run("check")
    assert status in {1, 3}, said
    assert "bug" not in said
    assert (snapshot(tmp_path / "outside"), snapshot(home)) == before


CALLS = ("open", "mkdir", "rmdir", "link", "rename", "unlink", "stat", "fchmod", "scandir", "renameat")


def before_call(patch, name, number, act):
    """Do something just before the n-th call of one function; return a list that holds something once it was done."""
    left, done = [number], []

    def counted(real):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] == -1:
                done.append(name)
                act()
            return real(*arguments, **options)

        return call

    if name == "renameat":
        system = exchange._renameat()
        if system:
            real, *flags = system
            counting = counted(real)
            patch.setattr(exchange, "_renameat", lambda: (counting, *flags))
    else:
        patch.setattr(os, name, counted(getattr(os, name)))
    return done


@pytest.mark.parametrize("swapped", ["deploy/churn", "deploy/churn/prod", "deploy"])
def test_a_folder_becomes_a_link_while_mlspec_writes(tmp_path, monkeypatch, swapped):
    """At every call of every kind: what lies outside stays as it is, and the next run puts things right."""
    outside, swaps = tmp_path / "outside", 0
    outside.mkdir()
    for name in ("endpoint-a.yaml", "prod/endpoint-a.yaml", "churn/prod/endpoint-a.yaml", "README.md"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text("theirs\n")
    theirs = snapshot(outside)
    for name in CALLS:
        for number in range(0, 400, 1 if name in {"rename", "renameat", "mkdir"} else 3):
            root = tmp_path / "root"
            write(publication(root, A))

            def swap(root=root):
                (root / swapped).rename(root / "kept")
                (root / swapped).symlink_to(outside)

            with monkeypatch.context() as patch:
                done = before_call(patch, name, number, swap)
                try:
                    write(publication(root, B, A))
                except (Unable, Rejected, OSError):
                    assert done, "nothing else may fail"
            assert snapshot(outside) == theirs, (name, number)
            if (root / swapped).is_symlink():
                (root / swapped).unlink()
                if (root / "kept").exists():
                    (root / "kept").rename(root / swapped)
            swaps += len(done)
            shutil.rmtree(root)
            if not done:
                break
        else:
            pytest.fail(f"{name} is called more often than the test looks")
    assert swaps > 30


@pytest.mark.parametrize("path", [FILE, "churn/mlspec.lock", "deploy/churn/README.md"])
def test_other_names_of_a_file_keep_what_they_name(home, run, tmp_path, path):
    os.link(home / path, tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    assert run("compile")[0] == 0
    assert (tmp_path / "other").read_bytes() == before
    assert run("check")[0] == 0


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o4755, 0o600])
def test_modes_are_made_right_where_a_file_is_written(home, run, mode):
    (home / FILE).chmod(mode)
    assert run("compile")[0] == 0
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o644
    assert "1.0.1" in (home / FILE).read_text()


def test_an_edit_by_hand_is_shown_and_not_overwritten(home, run):
    edited = (home / FILE).read_text().replace("churn", "mine", 1)
    (home / FILE).write_text(edited)
    before = snapshot(home)
    status, said = run("check")
    assert status == 1
    assert f"edited: {FILE}" in said
    assert any(line.startswith("  -") and "mine" in line for line in said.splitlines()), said
    status, said = run("compile")
    assert (status, "error[MLS-E610]" in said, "--overwrite-edits" in said) == (1, True, True), said
    assert snapshot(home) == before
    assert run("compile", "--overwrite-edits")[0] == 0
    assert run("check")[0] == 0


def test_a_file_of_somebody_else_is_kept_and_warned_of(home, run):
    mine = ("deploy/churn/mine.txt", "deploy/churn/prod/extra.yaml", "deploy/notes.txt")
    for path in mine:
        (home / path).write_text("mine\n")
    status, said = run("compile")
    assert (status, "warning[MLS-W610]" in said, "mine.txt" in said) == (0, True, True), said
    assert all(
        (home / path).read_text() == "mine\n" for path in ("deploy/churn/mine.txt", "deploy/churn/prod/extra.yaml", "deploy/notes.txt")
    )
    assert run("check")[0] == 0


def test_a_file_of_somebody_else_where_one_is_needed(home, run):
    (home / "churn/mlspec.yaml").write_text(CHANGED.replace("serving: {churn:", "serving: {other:"))
    (home / "deploy/churn/prod/serving-other.yaml").write_text("mine\n")
    before = snapshot(home)
    for options in ((), ("--overwrite-edits",)):
        status, said = run("compile", *options)
        assert (status, "error[MLS-E611]" in said) == (1, True), said
    assert snapshot(home) == before


def test_a_lock_that_was_lost_is_one_error_that_says_how_to_get_it_back(home, run):
    lock = (home / "churn/mlspec.lock").read_bytes()
    (home / "churn/mlspec.lock").unlink()
    (home / "churn/mlspec.yaml").write_text(CHANGED)
    before = snapshot(home)
    status, said = run("compile")
    assert (status, said.count("error[")) == (1, 1), said
    assert "error[MLS-E612]: churn/mlspec.lock does not list what mlspec wrote from churn/mlspec.yaml: " in said
    assert "git checkout HEAD -- churn/mlspec.lock" in said
    assert snapshot(home) == before
    (home / "churn/mlspec.lock").write_bytes(lock)
    assert run("compile")[0] == 0


def test_a_spec_that_moved_without_its_lock_is_one_error_that_names_both_places(home, run):
    (home / "moved").mkdir()
    (home / "churn/mlspec.yaml").rename(home / "moved/mlspec.yaml")
    status, said = run("compile")
    assert (status, said.count("error[")) == (1, 1), said
    assert "git mv churn/mlspec.lock moved/mlspec.lock" in said
    (home / "churn/mlspec.lock").rename(home / "moved/mlspec.lock")
    assert run("compile")[0] == 0


GONE = {
    "renamed": (CHANGED.replace("serving: {churn:", "serving: {other:"), {"-": {FILE}, "+": {"deploy/churn/prod/serving-other.yaml"}}),
    "removed": (CHANGED[: CHANGED.index("serving:")], {"-": {FILE, "deploy/churn/prod/kustomization.yaml"}, "+": set()}),
}


@pytest.mark.parametrize("what", GONE)
def test_what_is_not_served_any_more_goes_and_is_shown(home, run, what):
    text, files = GONE[what]
    (home / "churn/mlspec.yaml").write_text(text)
    status, plan = run("diff")
    assert (status, "endpoint churn REMOVED" in plan) == (0, True), plan
    before = set(snapshot(home))
    status, said = run("compile", "-v")
    assert (status, f"  - {FILE}" in said) == (0, True), said
    after = set(snapshot(home))
    assert (before - after, {path for path in after - before if not path.endswith("/")}) == (files["-"], files["+"])
    assert run("check")[0] == 0
    assert f" D {FILE}" in git(home, "status", "--porcelain")


def test_a_killed_swap_is_put_right(tmp_path):
    """A link that somebody put there while nobody wrote is found before anything is healed through it."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    write(publication(root, A))
    (root / "deploy/churn").rename(root / "kept")
    (root / "deploy/churn").symlink_to(outside)
    heal(str(root))
    with pytest.raises(Unable, match="symbolic link"):
        write(publication(root, B, A))
    assert list(outside.iterdir()) == []
    (root / "deploy/churn").unlink()
    (root / "kept").rename(root / "deploy/churn")
    write(publication(root, B, A))
    assert snapshot(root) == expected(B)
    assert Path(root / "deploy/churn").is_dir()
