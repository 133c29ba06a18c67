"""A disk that is really full, a signal at any moment, a reader that goes away: the old tree stays, and the exit says why."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from crashes import CANARY, GROWN, STARTED
from repository.build_clone import snapshot

MEMORY = Path("/dev/shm")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a cache of its own, out of the repository."""
    for name in ("cache", "tree"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return tmp_path


def fill(root):
    (root / ".git").mkdir()
    (root / "mlspec.yaml").write_text(STARTED)
    assert run(root, "compile", "-q").returncode == 0
    (root / "mlspec.yaml").write_text(GROWN)
    return snapshot(root)


def run(root, *arguments, **options):
    line = [sys.executable, "-m", "mlspec", *arguments]
    return subprocess.run(line, cwd=root, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def small_disk():
    """A file system of 512 KiB, with a tree in it."""
    folder = Path(tempfile.mkdtemp(prefix="mlspec-test-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.slow
@pytest.mark.parametrize("command", [("compile",), ("set", "models.churn.version", "1.2.0")], ids=lambda command: command[0])
def test_a_full_disk(home, small_disk, command):
    before = fill(small_disk)
    full = small_disk / "full"
    left = os.statvfs(small_disk)
    full.write_bytes(b"x" * (left.f_bavail * left.f_frsize - 4096))  # a little is left: enough to begin with
    done = run(small_disk, *command)
    full.unlink()
    if command[0] == "compile":
        assert done.returncode == 3
        assert "cannot be written: No space left on device" in done.stderr
        assert snapshot(small_disk) == before
    assert done.returncode in {0, 3}
    assert run(small_disk, "compile", "-q").returncode == 0
    assert not (small_disk / ".mlspec-writing").exists()


@pytest.mark.parametrize("limit", [1, 500, 3000])
def test_a_limit_on_the_size_of_files(home, limit):
    root = home / "tree"
    before = fill(root)
    done = run(root, "compile", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3
    assert "cannot be written: File too large" in done.stderr
    assert snapshot(root) == before
    assert run(root, "compile", "-q").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_any_moment(home, number, status):
    """The signal comes earlier or later in the run; where it comes in time, its status is the exit and nothing has changed."""
    root = home / "tree"
    before = fill(root)
    shutil.copytree(root, home / "kept")
    began = time.monotonic()
    assert run(root, "compile", "-q", "--fresh").returncode == 0
    takes = time.monotonic() - began
    after = snapshot(root)
    ended = set()
    for wait in [takes * share for share in (0.1, 0.4, 0.6, 0.8, 1.0)]:
        shutil.rmtree(root)
        shutil.copytree(home / "kept", root)
        line = [sys.executable, "-m", "mlspec", "compile", "--fresh"]
        with subprocess.Popen(line, cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            time.sleep(wait)
            process.send_signal(number)
            _, said = process.communicate()
        ended.add(process.returncode)
        assert process.returncode in {0, status, -number}, said  # below zero: Python itself had not yet started
        assert process.returncode < 0 or "Traceback" not in said
        assert snapshot(root) in (before, after)
        assert process.returncode != 0 or snapshot(root) == after
    assert ended & {status, -number}


GONE = [("compile", "-q", "--stdout"), ("schema",), ("compile", "-q", "--format", "json")]


@pytest.mark.parametrize("command", GONE, ids=" ".join)
def test_a_reader_that_goes_away(home, command):
    root = home / "tree"
    (root / ".git").mkdir()
    (root / "mlspec.yaml").write_text(CANARY)
    end, other = os.pipe()
    os.close(end)
    line = [sys.executable, "-m", "mlspec", *command]
    done = subprocess.run(line, cwd=root, stdout=other, stderr=subprocess.PIPE, text=True, check=False)
    os.close(other)
    assert (done.returncode, done.stderr) == (141, "")
