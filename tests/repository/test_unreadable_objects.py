"""Objects that are missing, half fetched or damaged: fetched again where a remote has them, else named; never a crash."""

import os
import subprocess

import pytest

from mlspec.__main__ import main
from mlspec.diagnostics import Unable
from mlspec.repository import trees
from mlspec.repository.clone import is_ancestor, open_clone
from mlspec.repository.git import Git, explain
from mlspec.repository.remotes import tips
from repository.build_clone import commit_all, git, make_clone, snapshot, spec


def newer(remote, folder, count=30):
    """Push a commit with many files to the remote; return it."""
    git(folder, "clone", "-q", str(remote), "other")
    other = folder / "other"
    (other / "churn/mlspec.yaml").write_text(spec(version="2.0.0"))
    for number in range(count):
        (other / f"note-{number}.txt").write_bytes(os.urandom(200))
    commit = commit_all(other)
    git(other, "push", "-q", "origin", "main")
    return commit


def fetch_halfway(remote, clone, commit):
    """Leave in a clone what a fetch does that was killed while it unpacked: git unpacks commits first, files last."""
    names = git(remote, "rev-list", "--objects", commit, f"^{commit}^").split("\n")
    pack = subprocess.run(
        ["git", "pack-objects", "--stdout", "-q"],
        cwd=remote,
        input="".join(f"{line.split()[0]}\n" for line in names).encode(),
        capture_output=True,
        check=True,
    ).stdout
    half = subprocess.run(["git", "unpack-objects", "-q"], cwd=clone, input=pack[: len(pack) // 2], capture_output=True, check=False)
    assert half.returncode, "a whole pack is no test"
    assert git(clone, "cat-file", "-t", commit) == "commit"
    assert "BAD" in git(clone, "ls-tree", "-r", "--long", commit)


def drop(clone, name):
    """Remove the file of an object; return where it was."""
    file = clone / ".git/objects" / name[:2] / name[2:]
    file.chmod(0o644)
    file.unlink()
    return file


def test_a_commit_that_another_fetch_has_begun_is_fetched(clone, remote, tmp_path):
    commit = newer(remote, tmp_path)
    fetch_halfway(remote, clone, commit)
    assert tips(open_clone(clone), "origin", ["refs/heads/main"]) == [commit]
    assert "BAD" not in git(clone, "ls-tree", "-r", "--long", commit)


def test_a_bot_works_in_the_clone_of_a_killed_one(clone, remote, tmp_path, monkeypatch, capsys):
    fetch_halfway(remote, clone, newer(remote, tmp_path))
    monkeypatch.chdir(clone)
    before = snapshot(clone)
    assert main(["commit", "--push", "--quiet"]) == 0, capsys.readouterr().err
    assert "2.0.0" in git(remote, "show", "main:deploy/churn/prod/serving-churn.yaml")
    assert snapshot(clone) == before
    assert "missing" not in git(clone, "fsck", "--full", "--no-dangling")


def test_a_history_with_a_hole_is_fetched(clone, remote, tmp_path):
    """The last commit is whole, one before it is not: whether one is in the other's history could not be told."""
    newer(remote, tmp_path)
    commit = commit_all(make_change(tmp_path / "other"))
    git(tmp_path / "other", "push", "-q", "origin", "main")
    there = open_clone(clone)
    tips(there, "origin", ["refs/heads/main"])
    drop(clone, git(clone, "rev-parse", f"{commit}^"))
    with pytest.raises(Unable) as caught:
        is_ancestor(there, git(clone, "rev-parse", "main"), commit)
    assert caught.value.code.id == "MLS-E708"
    assert tips(there, "origin", ["refs/heads/main"]) == [commit]
    assert is_ancestor(there, git(clone, "rev-parse", "main"), commit)


def make_change(folder):
    (folder / "churn/mlspec.yaml").write_text(spec(version="3.0.0"))
    return folder


@pytest.mark.parametrize("harm", ["missing", "empty", "cut off", "garbage"])
@pytest.mark.parametrize("what", ["HEAD:churn/mlspec.yaml", "HEAD:churn", "HEAD^{tree}"])
@pytest.mark.parametrize("command", [["diff", "--to", "HEAD"], ["commit"], ["check", "--against", "HEAD"]], ids=" ".join)
def test_what_is_damaged_is_said(clone, monkeypatch, capsys, command, what, harm):
    name = git(clone, "rev-parse", what)
    file = clone / ".git/objects" / name[:2] / name[2:]
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes({"empty": b"", "cut off": whole[: len(whole) // 2], "garbage": b"x" * 40}.get(harm, b""))
    if harm == "missing":
        file.unlink()
    monkeypatch.chdir(clone)
    if command[0] == "check":
        main(["compile", "--quiet"])
    before = snapshot(clone)
    assert main(command) == 3
    said = capsys.readouterr().err
    assert "error[MLS-E708]" in said
    assert "git fsck" in said
    assert snapshot(clone) == before


def test_an_object_that_no_compilation_reads_is_not_asked_for(clone, monkeypatch, capsys):
    """A partial clone would fetch each of them."""
    (clone / "model.onnx").write_bytes(b"weights")
    commit_all(clone)
    drop(clone, git(clone, "rev-parse", "HEAD:model.onnx"))
    monkeypatch.chdir(clone)
    assert main(["diff", "--to", "HEAD", "--quiet"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("read", [trees.read_objects, trees.sizes_of])
def test_an_object_that_is_there_at_the_second_look_is_read(clone, monkeypatch, read):
    """Somebody packed the repository while git looked: the loose file was gone, the pack was not seen yet."""
    there = open_clone(clone)
    names = [git(clone, "rev-parse", f"HEAD:{path}") for path in ("churn/mlspec.yaml",)]
    wanted = read(there, names)
    file = drop(clone, names[0])
    whole = spec().encode()
    real = Git.attempt

    def attempt(self, *arguments, **options):
        result = real(self, *arguments, **options)
        if not file.exists():
            subprocess.run(["git", "hash-object", "-w", "--stdin"], cwd=clone, input=whole, capture_output=True, check=True)
        return result

    monkeypatch.setattr(Git, "attempt", attempt)
    assert read(there, names) == wanted


def test_a_tree_that_is_there_at_the_second_look_is_listed(clone, monkeypatch):
    there, commit = open_clone(clone), git(clone, "rev-parse", "HEAD")
    wanted = trees.list_tree(there, commit)
    name = git(clone, "rev-parse", "HEAD:churn")
    kept = (clone / ".git/objects" / name[:2] / name[2:]).read_bytes()
    file = drop(clone, name)
    real = Git.attempt

    def attempt(self, *arguments, **options):
        result = real(self, *arguments, **options)
        file.write_bytes(kept)
        return result

    monkeypatch.setattr(Git, "attempt", attempt)
    assert trees.list_tree(there, commit) == wanted


def test_objects_of_another_clone_are_read_where_they_lie(tmp_path, monkeypatch, capsys):
    make_clone(tmp_path / "one")
    git(tmp_path, "clone", "-q", "--shared", str(tmp_path / "one"), "two")
    monkeypatch.chdir(tmp_path / "two")
    assert main(["commit", "--quiet"]) == 0
    (tmp_path / "one/.git/objects").rename(tmp_path / "gone")
    capsys.readouterr()
    assert main(["commit"]) == 3
    assert "error[MLS-E7" in capsys.readouterr().err


def test_a_partial_clone_whose_remote_is_gone(clone, remote, tmp_path, monkeypatch, capsys):
    git(remote, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", remote.as_uri(), "partial")
    remote.rename(tmp_path / "elsewhere.git")
    monkeypatch.chdir(tmp_path / "partial")
    assert main(["diff", "--from", "HEAD", "--to", "HEAD"]) == 3
    assert "error[MLS-E705]: the remote cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    "said",
    [
        "fatal: not a tree object",
        "error: object file .git/objects/84/65 is empty\nfatal: loose object 8465 (stored in .git/objects/84/65) is corrupt",
        "error: inflate: data stream error (incorrect header check)",
        "fatal: bad object HEAD",
        "error: Could not read 1a249fa95a3625ca3dcd563cd1b33b183308ab05",
        "fatal: failed to unpack tree object HEAD",
        "fatal: packfile .git/objects/pack/pack-1.pack cannot be accessed",
    ],
)
def test_how_git_says_it(said):
    assert explain(said, "x").code.id == "MLS-E708"
