"""What every test finds, however pytest was started: a limit on its time, interruptible children, absolute paths."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

LIMIT_S, CONFORMANCE_LIMIT_S = 300, 600
"""Ten times what the longest test takes on a quiet machine; ``@pytest.mark.limit(seconds)`` gives a test its own."""


def pytest_configure() -> None:
    """Undo what a shell hands on: what it runs in the background ignores SIGINT, and so would all that tests start and interrupt."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTHONPATH" in os.environ:  # tests start Python in other folders
        os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep)))


@contextmanager
def limited(item: pytest.Item) -> Iterator[None]:
    """Fail what takes longer than a test may, so that one that hangs has a name and a traceback."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    own = item.get_closest_marker("limit")
    seconds = own.args[0] if own else CONFORMANCE_LIMIT_S if item.get_closest_marker("conformance") else LIMIT_S

    def end(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with limited(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with limited(item):
        return (yield)
