import os

import pytest

from repository.build_clone import bot_identity, make_clone, make_remote


@pytest.fixture(autouse=True)
def a_bot_without_configuration(monkeypatch, tmp_path):
    """Nothing of this machine's git configuration takes part."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    for name, value in bot_identity().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


@pytest.fixture
def remote(tmp_path, clone):
    return make_remote(tmp_path / "remote.git", clone)
