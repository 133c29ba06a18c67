"""mlspec merge-driver: two branches that change one project, merged by a real git."""

import os
import subprocess
import sys

import pytest

from mlspec.__main__ import main
from repository.build_clone import git as plain_git

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
environments:
  dev:
    namespace: churn-dev

  prod:
    namespace: churn
    after: dev
models:
  m: {framework: sklearn, version: "1.0.0", uri: "s3://acme/m/1.0.0"}
serving:
  first:
    model: m
    replicas: 2

  second:
    model: m
    replicas: 2
"""
FIRST = SPEC.replace("replicas: 2\n\n", "replicas: 3\n\n")
SECOND = SPEC.removesuffix("2\n") + "4\n"
BOTH = FIRST.removesuffix("2\n") + "4\n"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with one compiled project, the driver installed, and mlspec on the path for git."""
    tools, folder = tmp_path / "bin", tmp_path / "clone"
    tools.mkdir()
    (tools / "mlspec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlspec "$@"\n')
    (tools / "mlspec").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder.mkdir()
    monkeypatch.chdir(folder)
    git(folder, "init", "-q", "-b", "main")
    state(folder, SPEC)
    run("merge-driver", "install")
    commit(folder, "base")
    return folder


def git(folder, *arguments, **options):
    return plain_git(folder, *arguments, **options)


def run(*arguments):
    assert main([*arguments, "--quiet"]) == 0


def state(folder, spec):
    (folder / "mlspec.yaml").write_text(spec)
    run("compile")


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def branches(folder, ours, theirs):
    """Commit one change on main and another on the branch theirs."""
    git(folder, "switch", "-q", "-c", "theirs")
    state(folder, theirs)
    commit(folder, "theirs")
    git(folder, "switch", "-q", "main")
    state(folder, ours)
    commit(folder, "ours")


def merge(folder, *words):
    environment = {
        **os.environ,
        **{f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_EDITOR": "true",
    }
    line = ["git", *(words or ("merge", "theirs"))]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def compiled(folder, spec):
    """Return the tree that a spec compiles to in an empty repository beside this one."""
    other = folder.parent / "fresh"
    (other / ".git").mkdir(parents=True)
    (other / "mlspec.yaml").write_text(spec)
    run("compile", str(other))
    return tree(other)


def tree(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(folder).parts and file.name != ".gitattributes"
    }


def unmerged(folder):
    return sorted({line.partition("\t")[2] for line in git(folder, "ls-files", "--unmerged").splitlines()})


def test_two_endpoints(clone):
    branches(clone, FIRST, SECOND)
    stopped = merge(clone)
    assert stopped.returncode == 1
    assert "mlspec merge-driver finish" in stopped.stdout + stopped.stderr
    assert "mlspec.lock" in unmerged(clone)
    assert "<<<<" not in "".join(tree(clone).values())
    run("merge-driver", "finish")
    assert unmerged(clone) == []
    assert tree(clone) == compiled(clone, BOTH)
    git(clone, "commit", "-q", "--no-edit")
    assert git(clone, "status", "--porcelain") == ""
    assert len(git(clone, "log", "-1", "--format=%P").split()) == 2
    run("check")


def test_two_environments(clone):
    def changed(spec, line, endpoint):
        return spec.replace(line, f"{line}    overrides: {{serving: {{{endpoint}: {{replicas: 5}}}}}}\n")

    one = changed(SPEC, "    namespace: churn-dev\n", "first")
    branches(clone, one, changed(SPEC, "    after: dev\n", "second"))
    assert merge(clone).returncode == 1
    run("merge-driver", "finish")
    assert tree(clone) == compiled(clone, changed(one, "    after: dev\n", "second"))
    git(clone, "commit", "-q", "--no-edit")
    assert git(clone, "status", "--porcelain") == ""
    run("check")


def test_a_conflict_in_the_spec_stays_one(clone):
    branches(clone, FIRST, SPEC.replace("replicas: 2\n\n", "replicas: 7\n\n"))
    assert merge(clone).returncode == 1
    before = tree(clone)
    assert "<<<<<<<" in before["mlspec.yaml"]
    assert main(["merge-driver", "finish", "--quiet"]) == 4
    assert tree(clone) == before
    assert "mlspec.yaml" in unmerged(clone)
    (clone / "mlspec.yaml").write_text(FIRST)
    git(clone, "add", "mlspec.yaml")
    run("merge-driver", "finish")
    assert unmerged(clone) == []
    assert tree(clone) == compiled(clone, FIRST)


def test_a_clone_that_was_not_told(clone):
    """Without the driver git merges as text; finish settles what it left."""
    git(clone, "config", "--remove-section", "merge.mlspec")
    branches(clone, FIRST, SECOND)
    merge(clone)
    assert "<<<<<<<" in (clone / "mlspec.lock").read_text()
    run("merge-driver", "finish")
    assert unmerged(clone) == []
    assert tree(clone) == compiled(clone, BOTH)


def test_a_rebase(clone):
    branches(clone, FIRST, SECOND)
    git(clone, "switch", "-q", "theirs")
    assert merge(clone, "rebase", "main").returncode == 1
    run("merge-driver", "finish")
    assert merge(clone, "rebase", "--continue").returncode == 0
    assert tree(clone) == compiled(clone, BOTH)
    assert git(clone, "status", "--porcelain") == ""


def test_an_endpoint_that_one_side_removed(clone):
    """The file that one side removed and the other changed goes or stays as the merged spec says."""
    git(clone, "switch", "-q", "-c", "theirs")
    state(clone, SPEC[: SPEC.index("\n  second")])
    commit(clone, "theirs")
    git(clone, "switch", "-q", "main")
    state(clone, SPEC.replace('"1.0.0"', '"1.1.0"').replace("m/1.0.0", "m/1.1.0"))
    commit(clone, "ours")
    assert merge(clone).returncode == 1
    assert any("second" in path for path in unmerged(clone))
    spec = (clone / "mlspec.yaml").read_text()
    assert "<<<<" not in spec
    run("merge-driver", "finish")
    assert unmerged(clone) == []
    assert tree(clone) == compiled(clone, spec)


def test_an_edit_by_hand_is_not_lost(clone):
    path = "deploy/churn/prod/serving-first.yaml"
    branches(clone, FIRST, SECOND)
    git(clone, "switch", "-q", "theirs")
    file = clone / path
    file.write_text(file.read_text() + "# by hand\n")
    commit(clone, "edit")
    git(clone, "switch", "-q", "main")
    merge(clone)
    before = tree(clone)
    assert main(["merge-driver", "finish", "--quiet"]) == 1
    assert tree(clone) == before
    assert path in unmerged(clone)
    run("merge-driver", "finish", "--overwrite-edits")
    assert tree(clone) == compiled(clone, BOTH)


def test_a_file_of_others_is_merged_as_text(clone):
    notes = clone / "deploy" / "notes.txt"
    notes.write_text("a\nb\nc\nd\ne\n")
    commit(clone, "notes")
    git(clone, "switch", "-q", "-c", "theirs")
    notes.write_text("a\nb\nc\nd\nE\n")
    commit(clone, "theirs")
    git(clone, "switch", "-q", "main")
    notes.write_text("A\nb\nc\nd\ne\n")
    commit(clone, "ours")
    assert merge(clone).returncode == 0
    assert notes.read_text() == "A\nb\nc\nd\nE\n"


def test_what_serves_stays_a_conflict(clone):
    """Both sides moved the same endpoint to another version: no machine decides that."""
    one, other = (SPEC.replace('"1.0.0"', f'"{v}"').replace("m/1.0.0", f"m/{v}") for v in ("1.1.0", "1.2.0"))
    branches(clone, one, other)
    merge(clone)
    (clone / "mlspec.yaml").write_text(other)
    git(clone, "add", "mlspec.yaml")
    lock = clone / "mlspec.lock"
    assert "<<<<<<< ours" in lock.read_text()
    assert main(["merge-driver", "finish", "--quiet"]) == 1
    kept, side = [], ""
    for line in lock.read_text().split("\n"):
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            side = {"<": "ours", "=": "theirs", ">": ""}[line[0]]
        elif side != "ours":
            kept.append(line)
    lock.write_text("\n".join(kept))
    run("merge-driver", "finish")
    assert tree(clone) == compiled(clone, other)


def test_a_project_that_one_side_removed(clone):
    """Whoever decides that the spec goes has decided it of all that it compiled to."""
    other = clone / "other"
    other.mkdir()
    (other / "mlspec.yaml").write_text(SPEC.replace("churn", "basket"))
    run("compile")
    commit(clone, "another project")
    git(clone, "switch", "-q", "-c", "theirs")
    (other / "mlspec.yaml").write_text(FIRST.replace("churn", "basket"))
    run("compile")
    commit(clone, "theirs")
    git(clone, "switch", "-q", "main")
    git(clone, "rm", "-rq", "other", "deploy/basket")
    git(clone, "commit", "-q", "-m", "gone")
    assert merge(clone).returncode == 1
    assert main(["merge-driver", "finish", "--quiet"]) == 4
    git(clone, "rm", "-q", "other/mlspec.yaml")
    run("merge-driver", "finish")
    assert unmerged(clone) == []
    assert tree(clone) == compiled(clone, SPEC)
    assert not other.exists()


def test_two_projects_need_no_driver(clone):
    other = clone / "other"
    other.mkdir()
    (other / "mlspec.yaml").write_text(SPEC.replace("churn", "basket"))
    run("compile")
    commit(clone, "another project")
    git(clone, "switch", "-q", "-c", "theirs")
    (other / "mlspec.yaml").write_text(FIRST.replace("churn", "basket"))
    run("compile")
    commit(clone, "theirs")
    git(clone, "switch", "-q", "main")
    state(clone, SECOND)
    commit(clone, "ours")
    assert merge(clone).returncode == 0
    run("check")


def test_endpoints_added_on_both_sides(clone):
    """Files that only one side has, and a spec that both sides lengthened."""
    third = SPEC.replace("  first:", "  third: {model: m, replicas: 2}\n\n  first:")
    branches(clone, third, SPEC + "  fourth: {model: m, replicas: 2}\n")
    assert merge(clone).returncode == 1
    run("merge-driver", "finish")
    assert tree(clone) == compiled(clone, third + "  fourth: {model: m, replicas: 2}\n")


def test_a_cherry_pick(clone):
    branches(clone, FIRST, SECOND)
    assert merge(clone, "cherry-pick", "theirs").returncode == 1
    run("merge-driver", "finish")
    assert merge(clone, "cherry-pick", "--continue").returncode == 0
    assert tree(clone) == compiled(clone, BOTH)


def test_from_a_folder_below(clone, monkeypatch):
    branches(clone, FIRST, SECOND)
    merge(clone)
    monkeypatch.chdir(clone / "deploy")
    run("merge-driver", "finish")
    assert tree(clone) == compiled(clone, BOTH)


def test_finish_without_a_merge_compiles(clone):
    (clone / "mlspec.yaml").write_text(FIRST)
    run("merge-driver", "finish")
    assert tree(clone) == compiled(clone, FIRST)


def test_install_twice_is_once(clone):
    text = (clone / ".gitattributes").read_text()
    run("merge-driver", "install")
    assert (clone / ".gitattributes").read_text() == text
    assert text.splitlines()[1:-1] == ["mlspec.lock text eol=lf merge=mlspec", "/deploy/** merge=mlspec"]


def test_install_keeps_other_lines(clone):
    file = clone / ".gitattributes"
    file.write_text("*.bin binary\n" + file.read_text() + "*.png binary")
    before = file.read_text()
    run("merge-driver", "install")
    assert file.read_text() == before


@pytest.mark.parametrize("before", [None, b"*.bin binary\n", b"*.bin binary\r\n*.txt text\r\n"])
def test_uninstall_takes_back_what_install_did(clone, before):
    file, configuration = clone / ".gitattributes", clone / ".git/config"
    run("merge-driver", "uninstall")
    assert not file.exists(), "it had nothing of anybody else's"
    if before is not None:
        file.write_bytes(before)
    git(clone, "config", "merge.other.driver", "true")
    configured = configuration.read_bytes()
    run("merge-driver", "install")
    assert configuration.read_bytes() != configured
    assert b"merge=mlspec" in file.read_bytes()
    run("merge-driver", "uninstall")
    assert (file.read_bytes() if file.exists() else None) == before
    assert configuration.read_bytes() == configured
    run("merge-driver", "uninstall")
    assert (file.read_bytes() if file.exists() else None) == before


def test_uninstall_keeps_settings_of_ones_own(clone):
    git(clone, "config", "merge.mlspec.mine", "kept")
    run("merge-driver", "uninstall")
    assert git(clone, "config", "--get-regexp", "^merge") == "merge.mlspec.mine kept"


def test_after_uninstall_git_merges_as_text(clone):
    run("merge-driver", "uninstall")
    commit(clone, "no driver")
    branches(clone, FIRST, SECOND)
    merge(clone)
    assert "<<<<<<<" in (clone / "mlspec.lock").read_text()


@pytest.mark.parametrize("name", ["install", "uninstall", "finish"])
def test_a_bare_repository_has_nothing_to_merge_in(clone, tmp_path, monkeypatch, name, capsys):
    git(tmp_path, "clone", "-q", "--bare", str(clone), "bare.git")
    monkeypatch.chdir(tmp_path / "bare.git")
    assert main(["merge-driver", name]) == 2
    assert "error[MLS-E710]: a bare repository has no work tree" in capsys.readouterr().err


def test_uninstall_writes_through_no_link(clone, tmp_path, capsys):
    (clone / ".gitattributes").rename(tmp_path / "elsewhere")
    (clone / ".gitattributes").symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    assert main(["merge-driver", "uninstall"]) == 3
    assert "symbolic link" in capsys.readouterr().err
    assert (tmp_path / "elsewhere").read_bytes() == before
