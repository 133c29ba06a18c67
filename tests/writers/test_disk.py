import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlspec.artifacts import STAGING, Tree, path_fault
from mlspec.diagnostics import Rejected, Unable
from mlspec.lock import emit_lock
from mlspec.writers import exchange, journal
from mlspec.writers.disk import heal, write
from mlspec.writers.publication import Output, Publication
from writers.build_tree import CI, A, B, expected, make, modes, output, publication, snapshot, staging_left


@contextlib.contextmanager
def refused(*codes):
    with pytest.raises(Rejected) as caught:
        yield caught
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == list(codes)


@contextlib.contextmanager
def unable(match, status=3):
    with pytest.raises(Unable, match=match) as caught:
        yield
    assert caught.value.status == status


@contextlib.contextmanager
def untouched(root):
    before = snapshot(root)
    yield
    assert snapshot(root) == before


def test_cold(tmp_path):
    report = write(publication(tmp_path, A))
    assert snapshot(tmp_path) == expected(A)
    assert report.created == tuple(sorted(expected(A)))
    assert report[1:] == ((), (), (), (), (), False)


def test_change(tmp_path):
    write(publication(tmp_path, A))
    report = write(publication(tmp_path, B, A))
    assert snapshot(tmp_path) == expected(B)
    assert report.removed == ("deploy/churn/old/x.yaml", "deploy/churn/prod/endpoint-b.yaml")
    assert report.created == ("deploy/churn/new/deep/y.yaml", "deploy/churn/prod/endpoint-c.yaml", "deploy/flux/churn.yaml")
    assert len(report.updated) == 5
    assert report.unchanged == ("deploy/churn/dev/endpoint-a.yaml", "deploy/churn/dev/kustomization.yaml")


def test_nothing_to_do_touches_nothing(tmp_path):
    write(publication(tmp_path, A))
    before = {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in [tmp_path, *tmp_path.rglob("*")]}
    report = write(publication(tmp_path, A, A))
    assert {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in [tmp_path, *tmp_path.rglob("*")]} == before
    assert report[:3] == ((), (), ())


def test_removing_a_project(tmp_path):
    write(publication(tmp_path, A))
    write(Publication(str(tmp_path), [output({}, A, remove=True)]))
    assert snapshot(tmp_path) == {"churn/": None}, "the folder of the spec is not ours"


def test_a_missing_file_is_written_again(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / "deploy/churn/prod/endpoint-a.yaml").unlink()
    report = write(publication(tmp_path, A, A))
    assert report.created == ("deploy/churn/prod/endpoint-a.yaml",)
    assert snapshot(tmp_path) == expected(A)


def test_a_missing_folder_is_written_again(tmp_path):
    write(publication(tmp_path, A))
    subprocess.run(["rm", "-r", tmp_path / "deploy"], check=True)
    write(publication(tmp_path, A, A))
    assert snapshot(tmp_path) == expected(A)


def test_edited_files_are_all_named_and_kept(tmp_path):
    write(publication(tmp_path, A))
    for path in ("deploy/churn/prod/endpoint-a.yaml", "deploy/churn/prod/endpoint-b.yaml", CI):
        (tmp_path / path).write_bytes(b"mine")
    with untouched(tmp_path), refused("MLS-E610", "MLS-E610", "MLS-E610") as caught:
        write(publication(tmp_path, B, A))
    assert [d.site.file for d in caught.value.diagnostics] == [CI, "deploy/churn/prod/endpoint-a.yaml", "deploy/churn/prod/endpoint-b.yaml"]
    write(publication(tmp_path, B, A, overwrite_edits=True))
    assert snapshot(tmp_path) == expected(B)


def test_an_edit_to_just_what_is_wanted_is_no_loss(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / CI).write_bytes(B[CI])
    write(publication(tmp_path, B, A))
    assert snapshot(tmp_path) == expected(B)


def test_a_foreign_file_in_the_way(tmp_path):
    path = tmp_path / "deploy/churn/prod/endpoint-a.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with untouched(tmp_path), refused("MLS-E611"):
        write(publication(tmp_path, A, overwrite_edits=True))
    path.write_bytes(A["deploy/churn/prod/endpoint-a.yaml"])
    write(publication(tmp_path, A))
    assert snapshot(tmp_path) == expected(A)


def put_unowned(root):
    folder = root / "deploy/churn/prod"
    (folder / "notes/deep/empty").mkdir(parents=True)
    (folder / "notes/deep/a.txt").write_bytes(b"note")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "to-folder").symlink_to("/etc")
    (folder / "mine.yaml").write_bytes(b"mine")
    (folder / "mine.yaml").chmod(0o640)
    (root / "deploy/churn/old/mine").write_bytes(b"stays")
    return {
        "deploy/churn/prod/notes/deep/empty/": None,
        "deploy/churn/prod/notes/deep/a.txt": b"note",
        "deploy/churn/prod/link": "/etc/passwd",
        "deploy/churn/prod/to-folder": "/etc",
        "deploy/churn/prod/mine.yaml": b"mine",
        "deploy/churn/old/mine": b"stays",
    }


@pytest.mark.parametrize("way", ["links", "no links"])
def test_unowned_files_stay(tmp_path, monkeypatch, way):
    write(publication(tmp_path, A))
    unowned = put_unowned(tmp_path)
    if way == "no links":
        monkeypatch.setattr(os, "link", failing(1))
    report = write(publication(tmp_path, B, A))
    assert snapshot(tmp_path) == expected(B, **unowned)
    assert (tmp_path / "deploy/churn/prod/mine.yaml").stat().st_mode & 0o777 == 0o640
    assert report.unowned == (
        "deploy/churn/old/mine", "deploy/churn/prod/link", "deploy/churn/prod/mine.yaml", "deploy/churn/prod/notes/",
        "deploy/churn/prod/to-folder",
    )  # fmt: skip
    (warning,) = report.warnings
    assert (warning.code, warning.severity, warning.site.file) == ("MLS-W610", "warning", "deploy/churn")
    assert "5 entries" in warning.message


def failing(number, real=None, times=10**9, after=0):
    """Return a function that calls through, and from its n-th call on fails with an error number."""
    left = [after, times]

    def call(*arguments, **options):
        if left[0] <= 0 and left[1] > 0:
            left[1] -= 1
            raise OSError(number, os.strerror(number), "somewhere")
        left[0] -= 1
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize("link", ["deploy", "deploy/churn", "deploy/churn/prod", "deploy/argocd", "churn", ".github"])
def test_symbolic_links_on_the_way_are_refused(tmp_path, link):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    with untouched(tmp_path), unable("symbolic link"):
        write(publication(root, A))


@pytest.mark.parametrize(
    "path", ["deploy/churn/prod/endpoint-a.yaml", "deploy/argocd/churn.yaml", "churn/mlspec.lock", "deploy/churn/old/x.yaml"]
)
def test_a_symbolic_link_for_a_file_is_refused(tmp_path, path):
    root = tmp_path / "root"
    write(publication(root, A))
    (tmp_path / "outside").write_bytes((root / path).read_bytes())
    (root / path).unlink()
    (root / path).symlink_to(tmp_path / "outside")
    with untouched(tmp_path), unable("symbolic link"):
        write(publication(root, B, A))


@pytest.mark.parametrize("path", ["deploy", "deploy/churn", "deploy/churn/prod", "churn", ".github"])
def test_a_file_where_a_folder_is_needed(tmp_path, path):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"")
    with untouched(tmp_path), unable("is a file where a folder is needed"):
        write(publication(tmp_path, A))


@pytest.mark.parametrize("path", ["deploy/churn/prod/endpoint-a.yaml", "deploy/argocd/churn.yaml"])
def test_a_folder_where_a_file_is_needed(tmp_path, path):
    (tmp_path / path / "x").mkdir(parents=True)
    with untouched(tmp_path), unable("is a folder where a file is needed"):
        write(publication(tmp_path, A))


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, kind):
    path = tmp_path / "deploy/argocd/churn.yaml"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    with unable("not a regular file"):
        write(publication(tmp_path, A))


def test_hard_links_are_not_written_through(tmp_path):
    root = tmp_path / "root"
    write(publication(root, A))
    for number, path in enumerate(A):
        os.link(root / path, tmp_path / f"other-{number}")
    write(publication(root, B, A))
    assert [(tmp_path / f"other-{number}").read_bytes() for number in range(len(A))] == list(A.values())


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o777, 0o022])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write(publication(tmp_path, A))
        write(publication(tmp_path, B, A))
    finally:
        os.umask(before)
    assert modes(tmp_path) == {0o644}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}


def test_an_executable_bit_is_taken_back(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / CI).chmod(0o755)
    assert write(publication(tmp_path, A, A)).updated == (CI,)
    assert modes(tmp_path) == {0o644}
    (tmp_path / CI).chmod(0o600)
    assert write(publication(tmp_path, A, A)).updated == ()


def test_a_root_that_is_not_there_is_made_and_not_left_behind(tmp_path):
    write(publication(tmp_path / "new/out", A))
    assert snapshot(tmp_path / "new/out") == expected(A)
    bad = Publication(str(tmp_path / "other/out"), [output(A)._replace(lock_path="../mlspec.lock")])
    with unable("no lock can be written"):
        write(bad)
    assert not (tmp_path / "other").exists()


def test_a_root_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for root in ("file", "file/out"):
        with unable(r"cannot be"):
            write(publication(tmp_path / root, A))


def test_a_lock_that_changed_meanwhile(tmp_path):
    write(publication(tmp_path, A))
    with untouched(tmp_path), unable("changed while mlspec compiled", status=4):
        write(publication(tmp_path, B))
    with untouched(tmp_path), unable("changed while mlspec compiled", status=4):
        write(publication(tmp_path, A, B))


def test_shared_files_belong_to_all(tmp_path):
    two = {CI: A[CI], "deploy/fraud/prod/a.yaml": b"fraud"}
    write(Publication(str(tmp_path), [output(A), output(two, project="fraud")]))
    both = {**expected(A), **expected(two, "fraud")}
    assert snapshot(tmp_path) == both
    without = {path: data for path, data in A.items() if path != CI}
    write(publication(tmp_path, without, A, others={CI: make(two)[1].files[CI]}))
    assert (tmp_path / CI).exists(), "another project still has it"
    write(Publication(str(tmp_path), [output({}, two, "fraud", remove=True)]))
    assert not (tmp_path / ".github").exists()


def test_a_shared_file_that_another_project_changed_is_no_edit(tmp_path):
    two = {CI: b"ci 1", "deploy/fraud/prod/a.yaml": b"fraud"}
    write(Publication(str(tmp_path), [output(A), output(two, project="fraud")]))
    write(publication(tmp_path, B, A, others=make(two)[1].files))
    later = {**two, CI: b"ci 3"}
    write(publication(tmp_path, later, two, "fraud", others=make(B)[1].files))
    assert (tmp_path / CI).read_bytes() == b"ci 3"


def test_projects_that_disagree_write_nothing(tmp_path):
    with untouched(tmp_path), refused("MLS-E620"):
        write(Publication(str(tmp_path), [output(A), output({CI: b"other"}, project="fraud")]))


@pytest.mark.parametrize("inside", ["deploy/churn/mlspec.lock", "deploy/churn/sub/mlspec.lock", "mlspec.lock"])
def test_a_lock_within_the_output(tmp_path, inside):
    first, second = output(A)._replace(lock_path=inside), output(B, A)._replace(lock_path=inside)
    write(Publication(str(tmp_path), [first]))
    assert snapshot(tmp_path) == {**A, inside: first.lock}
    report = write(Publication(str(tmp_path), [second]))
    assert snapshot(tmp_path) == {**B, inside: second.lock}
    assert report.unowned == ()


@pytest.mark.parametrize("number", [28, 5, 13, 30])  # ENOSPC, EIO, EACCES, EROFS
def test_every_call_that_fails_leaves_the_old_tree(tmp_path, monkeypatch, number):
    write(publication(tmp_path, A))
    put_unowned(tmp_path)
    before = snapshot(tmp_path)
    for name in ("write", "mkdir", "rmdir", "fchmod", "rename", "unlink", "open", "link", "renameat"):
        for after in range(200):
            with monkeypatch.context() as patch:
                calls = failing_once(patch, name, number, after)
                try:
                    write(publication(tmp_path, B, A))
                except Unable as error:
                    assert error.status == 3  # noqa: PT017
                    assert snapshot(tmp_path) == before, (name, after)
                    continue
            left = snapshot(tmp_path)
            assert {path: data for path, data in left.items() if not path.startswith(STAGING)} == {
                **expected(B), **{p: d for p, d in before.items() if p not in expected(A)}
            }, (name, after)  # fmt: skip
            write(publication(tmp_path, A, B))
            assert snapshot(tmp_path) == before
            if not calls:
                break
        else:
            pytest.fail(f"{name} is called more often than the test looks")


def failing_once(patch, name, number, after):
    """Let one call of one function fail; return a list that holds something once it did."""
    failed = []
    if name == "renameat":
        system = exchange._renameat()
        if system is None:
            return failed
        real, *flags = system
        count = [after]

        def renameat(*arguments):
            count[0] -= 1
            if count[0] == -1:
                failed.append(name)
                return number
            return real(*arguments)

        patch.setattr(exchange, "_renameat", lambda: (renameat, *flags))
        return failed
    real = getattr(os, name)
    left = [after]

    def call(*arguments, **options):
        left[0] -= 1
        if left[0] == -1:
            failed.append(name)
            raise OSError(number, os.strerror(number), "somewhere")
        return real(*arguments, **options)

    patch.setattr(os, name, call)
    return failed


def test_an_interrupt_leaves_the_old_tree(tmp_path, monkeypatch):
    write(publication(tmp_path, A))
    before = snapshot(tmp_path)
    real = journal._do
    for after in range(8):
        left = [after]

        def do(*arguments, left=left):
            real(*arguments)
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(journal, "_do", do)
            try:
                write(publication(tmp_path, B, A))
            except KeyboardInterrupt:
                pass
            else:
                assert after > 3
                return
        assert snapshot(tmp_path) == before


@pytest.mark.parametrize("system", ["exchange", "no exchange", "no flags"])
def test_systems_without_exchange(tmp_path, monkeypatch, system):
    if system == "no flags":
        monkeypatch.setattr(exchange, "_renameat", lambda: None)
    elif system == "no exchange":
        call, one, two = exchange._renameat()
        monkeypatch.setattr(exchange, "_renameat", lambda: (lambda *a: 22 if a[-1] == two else call(*a), one, two))
    write(publication(tmp_path, A))
    unowned = put_unowned(tmp_path)
    write(publication(tmp_path, B, A))
    assert snapshot(tmp_path) == expected(B, **unowned)


def test_two_at_once_wait_for_each_other(tmp_path):
    write(publication(tmp_path, A))
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with untouched(tmp_path), unable("another mlspec", status=4):
        write(publication(tmp_path, B, A), patience=0.05)
    timer = threading.Timer(0.1, os.close, [other])
    timer.start()
    write(publication(tmp_path, B, A), patience=10)
    timer.join()
    assert snapshot(tmp_path) == expected(B)


def test_a_journal_that_came_with_a_clone_is_not_carried_out(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / "1").write_bytes(b"evil")
    for lines in ("mlspec-journal 1 1\nplace 1 0 .git/hooks/pre-commit", "", "mlspec-journal 2 1"):
        (tmp_path / STAGING / "journal").write_text(lines)
        with untouched(tmp_path), unable("was not written in this folder"):
            write(publication(tmp_path, B, A))
    inode = (tmp_path / STAGING).stat().st_ino
    for path in (".git/hooks/pre-commit", "../x", "/etc/x"):
        (tmp_path / STAGING / "journal").write_text(f"mlspec-journal 1 {inode}\nplace 1 0 {path}")
        with untouched(tmp_path), unable("never writes"):
            write(publication(tmp_path, B, A))


def test_heal_without_anything_to_heal(tmp_path):
    assert heal(str(tmp_path)) is False
    assert heal(str(tmp_path / "nowhere")) is False
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / "1").write_bytes(b"half")
    assert heal(str(tmp_path)) is False
    assert not staging_left(tmp_path)
    (tmp_path / STAGING).write_bytes(b"")
    with unable("in the way"):
        heal(str(tmp_path))


def test_output_does_not_depend_on_the_way_there(tmp_path):
    write(publication(tmp_path / "one", B))
    write(publication(tmp_path / "two", A))
    write(publication(tmp_path / "two", B, A))
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


names = st.sampled_from(["a", "b", "c"])
place = st.lists(names, min_size=1, max_size=3).map("/".join)
folder = st.sampled_from(["deploy/churn/", "deploy/", "deploy/churn/a/", ""])
path = st.tuples(folder, place).map("".join)
contents = st.sampled_from([b"", b"1", b"2"])


def coherent(files):
    """Leave out what cannot lie beside what came before."""
    kept = {}
    for path, data in files.items():
        clash = any(path == known or path.startswith(known + "/") or known.startswith(path + "/") for known in kept)
        if not clash and not path_fault(path) and not path.startswith("churn") and path not in {"deploy", "deploy/churn"}:
            kept[path] = data
    return kept


trees = st.dictionaries(path, contents, max_size=8).map(coherent)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees, trees, trees, st.booleans(), st.integers(0, 2))
def test_any_two_trees(tmp_path, one, two, unowned, swaps, lock_at):
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    lock_path = ["churn/mlspec.lock", "deploy/churn/mlspec.lock", "deploy/churn/a/x/mlspec.lock"][lock_at]
    taken = {*one, *two, lock_path}
    mine = {
        path: data
        for path, data in unowned.items()
        if not any(path == t or path.startswith(t + "/") or t.startswith(path + "/") for t in taken)
    }
    if lock_at and any(lock_path.startswith(path + "/") for path in {**one, **two}):
        return
    real = exchange._renameat
    if not swaps:
        exchange._renameat = lambda: None
    try:
        first = output(one)._replace(lock_path=lock_path)
        write(Publication(str(root), [first]))
        for path, data in mine.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        second = output(two, one)._replace(lock_path=lock_path)
        write(Publication(str(root), [second]))
    finally:
        exchange._renameat = real
    assert snapshot(root) == {**two, **mine, lock_path: second.lock}
    assert write(Publication(str(root), [second._replace(old=make(two)[1])]))[:3] == ((), (), ())


def test_many_projects(tmp_path):
    def fleet(version, old=None):
        def files(number, v):
            return {f"deploy/p{number}/{env}/{part}.yaml": f"{v} {env}".encode() for env in ("dev", "prod") for part in "ab"} | {CI: b"ci"}

        return Publication(str(tmp_path), [output(files(n, version), old and files(n, old), f"p{n}") for n in range(150)])

    write(fleet("1"))
    write(fleet("2", "1"))
    assert (tmp_path / "deploy/p149/prod/b.yaml").read_bytes() == b"2 prod"
    assert write(fleet("2", "2"))[:3] == ((), (), ())
    assert len(list(Path("/proc/self/fd").iterdir())) < 60 if sys.platform == "linux" else True


def test_an_empty_tree_needs_no_folder(tmp_path):
    tree = Tree({})
    _, lock = make({})
    write(Publication(str(tmp_path), [Output("churn", "deploy/churn", tree, "mlspec.lock", emit_lock(lock))]))
    assert list(snapshot(tmp_path)) == ["mlspec.lock"]
