"""Killed or refused at any system call that writes: old tree or new, never a mixture, and the next run heals."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from crashes import WORK_TREE, Stage
from tracing import Bench, spread, works

MEMORY = Path("/dev/shm")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(works()), reason=works() or "strace works")]
ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE", "EACCES", "EINTR")
EVERYWHERE = ERRORS[:1]
"""What make conformance lets every single call fail with; the others come up at a dozen places each."""
SOME = {"compile": 3, "set": 2, "rollout advance": 2}
"""How many places make check kills runs at; make conformance tries all places of all commands. In make check, test_kill.py kills at
every step without strace."""
PARTS = 4
"""In how many parts all places are tried, so that they can be tried side by side."""


CASES = [pytest.param(one, id=one.name, marks=() if one.name in SOME else pytest.mark.conformance) for one in WORK_TREE]


@pytest.fixture(scope="module", params=CASES)
def stage(request):
    folder = Path(tempfile.mkdtemp(prefix="mlspec-test-", dir=MEMORY if MEMORY.is_dir() else None))
    yield Stage(request.param, Bench(folder))
    shutil.rmtree(folder)


def test_killed_at_some_calls_that_write(stage):
    for place in spread(stage.places, SOME.get(stage.scenario.name, 2)):
        stage.check_killed(place)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_call_that_writes(stage, part):
    for place in stage.places[part::PARTS]:
        stage.check_killed(place)


def test_some_calls_that_write_fail(stage):
    for place, error in zip(spread(stage.places, SOME.get(stage.scenario.name, 2) // 2), ERRORS, strict=False):
        stage.check_failing(place, error)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("error", ERRORS)
def test_every_call_that_writes_fails(stage, error, part):
    places = stage.places if error in EVERYWHERE else spread(stage.places, 12)
    for place in places[part::PARTS]:
        stage.check_failing(place, error)


SIGNALS = (signal.SIGINT, signal.SIGTERM)


def test_asked_to_end_at_some_calls(stage):
    own = [place for place in stage.places if not place.git]
    for place, number in zip(spread(own, 2), SIGNALS, strict=True):
        stage.check_ended(place, number)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("number", SIGNALS)
def test_asked_to_end_at_any_call(stage, number, part):
    for place in [place for place in stage.places if not place.git][part::PARTS]:
        stage.check_ended(place, number)
