"""Broken specs, a few at a time: nothing but a refusal comes out. scripts/fuzz.py does the same for hours."""

from __future__ import annotations

import importlib.util
import random
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected, Unable

SCRIPT = Path(__file__).parent.parent / "scripts" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    """Return the script as a module."""
    loader = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(loader)
    sys.modules["fuzz"] = module
    loader.loader.exec_module(module)
    return module


def survive(stage, data):
    with suppress(Rejected, Unable):
        stage(data)


@settings(max_examples=200, deadline=2000, database=None)
@given(data=st.binary(max_size=200))
def test_any_bytes(fuzz, data):
    survive(fuzz.read_stage, data)


@settings(max_examples=200, deadline=2000, database=None)
@given(
    text=st.text(st.characters(codec="utf-8") | st.sampled_from("\n :-[]{}&*!|>'\"%@`#,?<~$"), max_size=120),
    key=st.sampled_from(["description", "vars", "serving", "models", "pipelines", "extends", "patches", "thresholds", "environments"]),
)
def test_any_text_below_a_section(fuzz, text, key):
    head = b"".join(line for _, line in fuzz.HEAD if not line.startswith(key.encode()))
    survive(fuzz.compile_stage, head + f"{key}: {text}".encode())


@pytest.mark.parametrize("seed", range(4))
def test_mutated_specs(fuzz, seed):
    assert fuzz.run(["read"], 500, 10, seed) == 0
    assert fuzz.run(["compile"], 100, 10, seed) == 0


def test_reshaped_specs_are_specs(fuzz):
    """Most of what the script makes is still YAML, or it would test the reader alone."""
    chance, pool, right = random.Random(1), fuzz.Pool(fuzz.corpus()), fuzz.right_specs()
    read = 0
    for _ in range(50):
        try:
            fuzz.read_stage(fuzz.reshape(chance.choice(right), pool, chance))
            read += 1
        except Rejected:
            pass
    assert read > 35
