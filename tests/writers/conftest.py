import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path():
    """A folder in memory where there is one: these tests make so many files that a disk would drown them."""
    path = Path(tempfile.mkdtemp(prefix="mlspec-test-", dir=MEMORY if MEMORY.is_dir() else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)
