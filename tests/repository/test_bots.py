"""Many bots on one branch, killed at random: nothing is lost, nothing is there twice, nobody's work is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "bots.py"


def run(*arguments):
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_three_bots_of_three_commits():
    run("--bots", "3", "--commits", "3", "--kills", "0.3")


@pytest.mark.conformance
def test_four_bots_of_five_commits():
    run("--bots", "4", "--commits", "5", "--kills", "0.3")


@pytest.mark.conformance
@pytest.mark.limit(1800)
@pytest.mark.skipif(not os.environ.get("MLSPEC_CONFORMANCE"), reason="takes minutes; set MLSPEC_CONFORMANCE=1")
def test_sixteen_bots_of_twenty_commits():
    run()
