"""Killed anywhere, the writer leaves a tree that the next run makes wholly old or wholly new."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.lock import Lock, parse_lock
from mlspec.writers import exchange
from mlspec.writers.disk import heal, write
from writers.build_tree import A, B, expected, make, publication, snapshot, staging_left

MUTATING = ("open", "write", "mkdir", "rmdir", "link", "rename", "unlink", "chmod", "fchmod")
STAYS = {"deploy/churn/prod/mine.txt": b"mine"}
OLD, NEW = expected(A, **STAYS), expected(B, **STAYS)


def old_tree(root):
    write(publication(root, A))
    (root / "deploy/churn/prod/mine.txt").write_bytes(b"mine")


def own_folder(found):
    return {path: data for path, data in found.items() if path.startswith("deploy/churn/")}


def check_after_kill(root, atomic):
    """Hold a root against both trees, before and after the next run; return whether that run was needed."""
    found = snapshot(root)
    if atomic:
        assert own_folder(found) in (own_folder(OLD), own_folder(NEW)), "the project's folder is old or new without any help"
    torn = {path: data for path, data in found.items() if not path.startswith(".mlspec-writing")} not in (OLD, NEW)
    assert not torn or staging_left(root)
    heal(str(root))
    assert snapshot(root) in (OLD, NEW)
    lock = parse_lock((root / "churn/mlspec.lock").read_bytes(), "mlspec.lock")
    write(publication(root, B, lock))
    assert snapshot(root) == NEW
    return torn


def die_at(number):
    """Make the n-th call that changes something, and all after it, the death of this process."""
    left = [number]

    def deadly(real):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in MUTATING:
        setattr(os, name, deadly(getattr(os, name)))
    system = exchange._renameat()
    if system:
        call, *flags = system
        mortal = deadly(call)
        exchange._renameat = lambda: (mortal, *flags)


def killed(root, number, prepare):
    """Write in a child that dies at its n-th call; return whether it died."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            prepare()
            die_at(number)
            write(publication(root, B, A))
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def no_exchange():
    exchange._renameat = lambda: None


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("way", ["exchange", "no exchange"])
def test_killed_at_every_change(tmp_path, way):
    torn = number = 0
    while True:
        root = tmp_path / str(number)
        old_tree(root)
        died = killed(root, number, no_exchange if way == "no exchange" else lambda: None)
        torn += check_after_kill(root, atomic=way == "exchange")
        if not died:
            break
        number += 1
        shutil.rmtree(root)
    assert number > 40
    assert torn > 0, "some of the deaths were between two renames"


def test_killed_while_healing(tmp_path):
    """The run that heals may be killed too."""
    old_tree(tmp_path / "start")
    middle = None
    for number in range(200):
        root = tmp_path / f"first-{number}"
        old_tree(root)
        killed(root, number, lambda: None)
        if (root / ".mlspec-writing/journal").exists() and (root / ".github/workflows/mlspec.yml").read_bytes() == B[
            ".github/workflows/mlspec.yml"
        ]:
            middle = number
            break
    assert middle is not None
    for second in range(200):
        root = tmp_path / f"second-{second}"
        old_tree(root)
        killed(root, middle, lambda: None)
        child = os.fork()
        if child == 0:
            die_at(second)
            heal(str(root))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        check_after_kill(root, atomic=True)
        if not os.WIFSIGNALED(status):
            return
    pytest.fail("healing makes more calls than the test looks")


def test_first_write_killed_at_every_change(tmp_path):
    number = 0
    while True:
        root = tmp_path / str(number)
        root.mkdir()
        child = os.fork()
        if child == 0:
            die_at(number)
            write(publication(root, B))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        heal(str(root))
        assert snapshot(root) in ({}, expected(B)), number
        if not os.WIFSIGNALED(status):
            break
        number += 1
    assert number > 20


DRIVER = """
import os, sys
sys.path[:0] = {path!r}
from writers.build_tree import A, B, publication
from mlspec.writers import disk, exchange, journal, staging
exchange._renameat()
os.access("/start-of-writing", os.F_OK)
disk.write(publication(sys.argv[1], B, A))
"""
CALLS = "openat,write,mkdir,mkdirat,link,linkat,rename,renameat,renameat2,unlink,unlinkat,rmdir,fchmod,fchmodat,ftruncate,access"


def traced(root, *options):
    tests = Path(__file__).parents[1]
    driver = DRIVER.format(path=[str(tests), str(tests.parent / "src")])
    return subprocess.run(["strace", "-qq", *options, sys.executable, "-c", driver, str(root)], capture_output=True, text=True, check=False)


@pytest.mark.conformance
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: the kernel's own calls cannot be counted")
def test_killed_at_every_system_call(tmp_path):
    root = tmp_path / "root"
    old_tree(root)
    log = tmp_path / "log"
    done = traced(root, "-e", f"trace={CALLS}", "-o", str(log))
    if done.returncode:
        pytest.skip(f"strace does not work here: {done.stderr[-200:]}")
    seen: dict[str, int] = {}
    places, writing = [], False
    for line in log.read_text().splitlines():
        call = re.match(r"(\w+)\(", line)
        if call is None:
            continue
        seen[call[1]] = seen.get(call[1], 0) + 1
        writing |= "/start-of-writing" in line
        if writing and call[1] != "access" and (call[1] != "openat" or "O_CREAT" in line):
            places.append((call[1], seen[call[1]]))
    assert len(places) > 40
    for call, when in places:
        shutil.rmtree(root)
        old_tree(root)
        done = traced(root, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}", "-o", "/dev/null")
        assert done.returncode == -signal.SIGKILL, (call, when, done.stderr)
        check_after_kill(root, atomic=True)


def test_old_and_new_differ_everywhere():
    assert own_folder(OLD) != own_folder(NEW)
    assert isinstance(make(A)[1], Lock)
