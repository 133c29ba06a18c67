# ruff: noqa: E501
"""The emitter's output reads back the same, whatever the data."""

from __future__ import annotations

import enum
import unicodedata
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlspec.emit import emit, scalar

TRICKY = [
    "", " ", "a ", " a", "~", "null", "Null", "NULL", "y", "Y", "n", "N", "yes", "Yes", "no", "NO", "on", "On", "off", "OFF", "true", "True",
    "FALSE", "nan", ".nan", ".NaN", "inf", ".inf", "-.inf", "+.Inf", "0", "1", "-1", "+1", "017", "0o17", "0x1F", "0b11", "08", "1_000",
    "1e3", "1E3", "1.5", "1.", ".5", "-0", "1e", "12:30", "12:30:45", "190:20:30", "2026-01-01", "2026-01-01T00:00:00Z", "2001-12-14 21:59:43.10 -5",
    "=", "<<", "-", "- a", "--", "---", "--- a", "...", "? a", "?", ":", ": a", "a: b", "a:", "a :b", "a:b", "a #b", "#a", "a#b", "&a", "*a", "!a", "!!str a",
    "|", ">", "|-", "%a", "@a", "`a", "'", '"', "'a'", '"a"', "a'b", "{", "}", "[", "]", "{}", "[]", "{a: b}", "[a]", ",", "a, b", "{{ a }}", "${{ a }}",
    "a\\b", "\\", "a\nb", "a\nb\n", "\na", "a\n", "\n", "a\n\n", "a \nb", "\ta", "a\tb", "a\n\tb", "a\n b", " a\nb", "a\n---\nb", "a\r\nb", "\r", "a\n#b", "a\n\nb",
    "\x00", "\x07", "\x1b[31m", "\x7f", "\x80", "\x85", "a\x85b", "\xa0", "\xad", "a\u2028b", "\u2029", "\ufeff", "a\ufeffb", "\ufffe", "\uffff", "\ue000",
    "\u200b", "\u200d", "\u202e", "\U0001f680", "\U0001f468\u200d\U0001f469", "é", "e\u0301", "日本", "\U000e0001", "\U0010ffff", "\u180e", "\U0001fae8",
    "500m", "4Gi", "4gi", "25%", "1M", "1E", "1Ei", "1k", "30s", "5d", "1h", "1h30m", "1.2.3", "10.0.0.1", "s3://b/k", "/a/b", "nginx:1.2@sha256:ab",
    "kubernetes.io/name", "v1", "apps/v1", "0.1", "1,000", "0x", "0xg", "1__0", "+", "+a", "a" * 5000, "key with words", "a  b", "a: ", "x\u3000y", "null\n", "ſ", "\u212a", "nginx:1\u212a", "ON\n", "a ſ",
]  # fmt: skip

text = st.one_of(
    st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=("Cs",)), max_size=20), st.text("ab \n\t:-#|\"'{", max_size=12)
)
leaf = st.one_of(text, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none())
keys = text.filter(lambda key: len(key) < 90)
data = st.recursive(leaf, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)), max_leaves=20)


def read_1_1(written: str) -> Any:
    return yaml.load(written, Loader=yaml.CSafeLoader)


def read_1_2(written: str) -> Any:
    return YAML(typ="safe", pure=True).load(written)


@pytest.mark.parametrize("value", TRICKY, ids=ascii)
def test_tricky_text_reads_back(value: str) -> None:
    document: Any = {"k": value, "l": [value, [value], {"k": value}]}
    if len(value) < 900:
        document |= {"m": {value: "x"}}
    for read in (read_1_1, read_1_2):
        assert read(emit(document)) == document
        assert read(emit(value)) == value
    assert read_1_1("- " + scalar(value)) == [value]


def test_there_are_enough_tricky_texts() -> None:
    assert len(set(TRICKY)) >= 80


@settings(max_examples=300, deadline=None)
@given(data)
def test_everything_reads_back_in_yaml_1_1(value: Any) -> None:
    assert read_1_1(emit(value)) == value


@settings(max_examples=80, deadline=None)
@given(data)
def test_everything_reads_back_in_yaml_1_2(value: Any) -> None:
    assert read_1_2(emit(value)) == value


@settings(max_examples=200, deadline=None)
@given(text)
def test_nothing_invisible_is_written(value: str) -> None:
    for character in emit({"k": [value]}):
        assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"} or character == "\t"


def test_layout() -> None:
    value = {
        "kind": "X",
        "empty": {},
        "none": [],
        "list": [1, {"a": "b", "c": [{"d": "e"}]}, ["x", "z"], [], {}],
        "script": "set -e\n\necho hi\n",
        "tail": "a\nb",
        "map": {"e": None, "t": True, "d": Decimal("0.050"), "i": Decimal("1E+2"), "q": "500m", "s": "1"},
    }
    assert emit(value) == (
        "kind: X\nempty: {}\nnone: []\nlist:\n- 1\n- a: b\n  c:\n  - d: e\n- - x\n  - z\n- []\n- {}\n"
        "script: |\n  set -e\n\n  echo hi\ntail: |-\n  a\n  b\n"
        'map:\n  e: null\n  t: true\n  d: 0.05\n  i: 100\n  q: 500m\n  s: "1"\n'
    )


def test_what_was_written_before_changes_nothing() -> None:
    assert emit({"c\nd": "c\nd"}) == emit({"c\nd": "c\nd"}) == '"c\\nd": |-\n  c\n  d\n'


def test_other_kinds_of_text_and_collections() -> None:
    kind = enum.StrEnum("kind", {"no": "no"})
    assert emit({"a": kind.no, "b": (1, 2), "c": MappingProxyType({"d": ()})}) == 'a: "no"\nb:\n- 1\n- 2\nc:\n  d: []\n'


@pytest.mark.parametrize(
    "value",
    [1.5, {1: 2}, {None: 1}, {True: 1}, "\ud800", {"\udfff": 1}, 2**63, -(2**63) - 1, Decimal("NaN"), Decimal("Infinity"), Decimal("1e30"), Decimal("1e-999"), b"a", {1}, object(), {"k" * 1100: 1}],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_refused(value: Any) -> None:
    for place in (value, [value], {"a": {"b": [value]}}):
        with pytest.raises(ValueError):
            emit(place)


def test_a_long_key_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="key"):
            emit({"\x01" * 290: 1})


@pytest.mark.parametrize("value", ["kubernetes.io/name", "apps/v1", "500m", "4Gi", "25%", "30s", "s3://b/k", "key with words", "nginx:1.2"])
def test_plain_where_it_is_safe(value: str) -> None:
    assert scalar(value) == value
