"""Reading revisions: what a commit has, whatever the work tree looks like."""

import os
from pathlib import Path

import pytest

from mlspec.compiler import Request, compile_specs
from mlspec.diagnostics import Unable
from mlspec.repository.clone import open_clone, resolve
from mlspec.repository.temporary import temporary
from mlspec.repository.trees import LINK, checkout, list_tree, owned_by, read_objects
from repository.build_clone import bot, commit_all, git, spec


def texts(there, commit):
    """Return the files of a commit by path; links are left out."""
    files = {path: entry.object for path, entry in list_tree(there, commit).items() if entry.mode != LINK}
    contents = read_objects(there, files.values())
    return {path: contents[name] for path, name in files.items()}


def test_files_of_a_revision(clone):
    first = git(clone, "rev-parse", "HEAD")
    (clone / "churn/mlspec.yaml").write_text(spec(version="2.0.0"))
    (clone / "link").symlink_to("churn")
    commit_all(clone)
    (clone / "churn/mlspec.yaml").write_text("not committed")
    there = open_clone(clone)
    assert texts(there, first) == {"churn/mlspec.yaml": spec().encode()}
    assert texts(there, resolve(there, "HEAD")) == {"churn/mlspec.yaml": spec(version="2.0.0").encode()}
    assert set(list_tree(there, resolve(there, "HEAD"))) == {"churn/mlspec.yaml", "link"}


@pytest.mark.parametrize("revision", ["--help", "--upload-pack=touch x", "nothing", "HEAD:churn", "", "HEAD^99", ":/x", "a..b"])
def test_what_is_no_commit(clone, revision):
    with pytest.raises(Unable) as caught:
        resolve(open_clone(clone), revision)
    assert caught.value.status == 2


def test_a_checkout_compiles_as_the_commit_does(clone):
    assert bot(clone).returncode == 0
    there = open_clone(clone)
    with temporary() as folder:
        tree = folder / "tree"
        tree.mkdir()
        copy = checkout(there, resolve(there, "HEAD"), tree)
        assert sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()) == [
            "churn/mlspec.lock",
            "churn/mlspec.yaml",
        ]
        outcome = compile_specs(Request(paths=(tree,)))
        (project,) = outcome.projects
        assert project.old == project.lock
        copy.bring(project.tree)
        assert all((tree / path).read_bytes() == data for path, data in project.tree.items())


def test_a_checkout_writes_through_no_link(clone, tmp_path):
    """A tree that was made by hand, with a file below what is also a link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (clone / "way").symlink_to(outside)
    (clone / "up").symlink_to("../outside")
    (clone / "loop").symlink_to("loop")
    (clone / "within").symlink_to("churn/mlspec.yaml")
    (clone / "through").symlink_to("within")
    commit_all(clone)
    there = open_clone(clone)
    with temporary() as folder:
        tree = folder / "tree"
        tree.mkdir()
        checkout(there, resolve(there, "HEAD"), tree)
        for name in ("way", "up", "loop", "through"):
            assert str((tree / name).readlink()) == "/dev/null/outside", name
        assert (tree / "within").read_text() == spec()
    assert list(outside.iterdir()) == []


def test_a_tree_that_no_checkout_may_have(clone):
    blob = git(clone, "rev-parse", "HEAD:churn/mlspec.yaml")
    tree = git_input(clone, f"040000 tree {git_input(clone, f'100644 blob {blob}{chr(9)}evil.yaml{chr(10)}', 'mktree')}\t..\n", "mktree")
    commit = git(clone, "commit-tree", tree, "-m", "evil")
    with temporary() as folder:
        inside = folder / "tree"
        inside.mkdir()
        with pytest.raises(Unable, match="no checkout may have"):
            checkout(open_clone(clone), commit, inside)
        assert not (folder / "evil.yaml").exists()


def git_input(folder: Path, text: str, *arguments: str) -> str:
    import subprocess

    run = subprocess.run(["git", *arguments], cwd=folder, input=text, env=os.environ, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_replaced_objects_are_not_believed(clone):
    (clone / "churn/mlspec.yaml").write_text(spec(version="6.6.6"))
    other = git(clone, "hash-object", "-w", "churn/mlspec.yaml")
    git(clone, "replace", git(clone, "rev-parse", "HEAD:churn/mlspec.yaml"), other)
    there = open_clone(clone)
    assert texts(there, resolve(there, "HEAD")) == {"churn/mlspec.yaml": spec().encode()}


def test_what_a_broken_lock_owns():
    assert owned_by(b'\xff\nfiles:\n  "deploy/a.yaml": "sha256:00"\n<<<<<<<\n  "deploy/b.yaml": "sha256:11"\n') == {
        "deploy/a.yaml",
        "deploy/b.yaml",
    }
    assert owned_by(b"") == set()
