"""Merging locks: fact by fact, an endpoint's facts as one, a real contradiction left to people."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected
from mlspec.lock import Lock, emit_lock, parse_lock
from mlspec.locks import merge_locks

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def lock(live=None, pins=None, files=None, inputs=None):
    return Lock(live=live or {}, pins=pins or {}, files=files or {}, inputs=inputs or {})


def merged(*three):
    result = merge_locks(*three)
    assert result.conflicts == ()
    return parse_lock(result.data, "mlspec.lock")


def test_each_side_changes_something_else():
    base = lock(live={"prod/a": {"version": "1"}, "prod/b": {"version": "1"}})
    ours = lock(live={"prod/a": {"version": "2"}, "prod/b": {"version": "1"}})
    theirs = lock(live={"prod/a": {"version": "1"}, "prod/b": {"version": "3"}}, pins={"models/b": "3"})
    found = merged(base, ours, theirs)
    assert found.live == {"prod/a": {"version": "2"}, "prod/b": {"version": "3"}}
    assert found.pins == {"models/b": "3"}


def test_facts_of_one_endpoint_are_of_one_side():
    """The version of one side and the step of the other would be a state that never was."""
    base = lock(live={"prod/a": {"version": "1", "step": 1}})
    ours = lock(live={"prod/a": {"version": "2", "step": 1}})
    theirs = lock(live={"prod/a": {"version": "1", "step": 2}})
    result = merge_locks(base, ours, theirs)
    assert result.conflicts == ("live prod/a",)
    with pytest.raises(Rejected) as raised:
        parse_lock(result.data, "mlspec.lock")
    assert [found.code for found in raised.value.diagnostics] == ["MLS-E602"]


@pytest.mark.parametrize("side", [1, 2])
def test_either_side_of_a_conflict_is_a_lock(side):
    base = lock(live={"prod/a": {"version": "1"}}, files={"deploy/a.yaml": A})
    sides = [lock(live={"prod/a": {"version": version}}, files={"deploy/a.yaml": A}) for version in "23"]
    lines, at = [], 0
    for line in merge_locks(base, *sides).data.decode().split("\n"):
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            at = {"<": 1, "=": 2, ">": 0}[line[0]]
        elif at in (0, side):
            lines.append(line)
    assert parse_lock("\n".join(lines).encode(), "mlspec.lock").live == sides[side - 1].live


def test_files_never_conflict():
    base = lock(files={"deploy/a": A, "deploy/gone": A}, inputs={"mlspec.yaml": A})
    ours = lock(files={"deploy/a": B, "deploy/new": A}, inputs={"mlspec.yaml": B})
    theirs = lock(files={"deploy/a": C, "deploy/gone": C}, inputs={"mlspec.yaml": C})
    found = merged(base, ours, theirs)
    assert found.files == {"deploy/a": B, "deploy/gone": C, "deploy/new": A}
    assert found.inputs == {"mlspec.yaml": B}


def test_dropped_and_changed_stays_known():
    found = merged(lock(live={"prod/a": {"version": "1"}}), lock(), lock(live={"prod/a": {"version": "2"}}))
    assert found.live == {"prod/a": {"version": "2"}}


def test_the_newer_compiler_is_named():
    found = parse_lock(merge_locks(Lock("0.1.0"), Lock("0.1.0"), Lock("0.2.0")).data, "mlspec.lock", "0.2.0")
    assert found.compiler == "0.2.0"


NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=2)
FACTS = st.dictionaries(st.sampled_from(["version", "step"]), st.integers(0, 3), min_size=1)
LIVE = st.dictionaries(st.builds("{}/{}".format, NAMES, NAMES), FACTS, max_size=4)
PINS = st.dictionaries(st.builds("models/{}".format, NAMES), st.sampled_from("123"), max_size=4)
FILES = st.dictionaries(NAMES, st.sampled_from([A, B, C]), max_size=4)
LOCKS = st.builds(lock, LIVE, PINS, FILES, FILES)


@settings(max_examples=100, deadline=None)
@given(LOCKS, LOCKS)
def test_one_side_alone_is_taken_whole(base, changed):
    for ours, theirs in ((base, changed), (changed, base), (changed, changed)):
        assert merge_locks(base, ours, theirs).data == emit_lock(changed)


@settings(max_examples=100, deadline=None)
@given(LOCKS, LOCKS, LOCKS)
def test_the_result_is_a_lock_or_says_why_not(base, ours, theirs):
    result = merge_locks(base, ours, theirs)
    if result.conflicts:
        assert b"<<<<<<< ours" in result.data
    else:
        found = parse_lock(result.data, "mlspec.lock")
        for key, facts in found.live.items():
            assert facts in (ours.live.get(key), theirs.live.get(key))
