"""What the reader makes of right specs: data, marks, and no crash on anything."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected
from mlspec.location import Mark, locate
from mlspec.source import composer
from mlspec.source.reader import Document, read

SCALARS: list[tuple[str, Any]] = [
    *[(text, True) for text in ("true", "True", "TRUE")],
    *[(text, False) for text in ("false", "False", "FALSE")],
    *[(text, None) for text in ("null", "Null", "NULL", "~", "")],
    *[(text, int(text)) for text in ("0", "-0", "7", "-12", "999999999999999999")],
    *[(text, Decimal(text)) for text in ("0.5", "-0.50", "1.10", "-0.0", "3.000")],
    *[
        (text, text)
        for text in ("0o14", "014", "08", "1e3", "1_000", ".nan", ".inf", "-.inf", "1:30", "190:20:30", "2026-01-01", "0x1F", "0b11")
    ],
    *[
        (text, text)
        for text in ("no", "on", "yes", "off", "y", "n", "No", "+1", ".5", "1.", "--1", "1.2.3", "nUll", "tRue", "nothing", "2024-13-45")
    ],
    *[(text, text) for text in ("1" * 19, "0." + "1" * 50, "１２", "٣", "T99:99:99Z", "1%", "500m", "2Gi")],
]


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[repr(text) for text, _ in SCALARS])
def test_plain_scalar(text: str, value: Any) -> None:
    found = read(f"a: {text}\nb: [{text or '~'}]\n".encode(), "f").tree
    assert found["a"] == value
    assert type(found["a"]) is type(value)
    assert str(found["a"]) == str(value)
    assert found["b"] == [value]


def test_quoted_scalars_are_text() -> None:
    assert read(b"a: '1'\nb: \"true\"\nc: |\n  1\nd: >-\n  null\n", "f").tree == {"a": "1", "b": "true", "c": "1\n", "d": "null"}


def test_keys_are_text() -> None:
    assert list(read(b"no: 1\non: 2\ny: 3\n'1': 4\n'null': 5\n2x: 6\n", "f").tree) == ["no", "on", "y", "1", "null", "2x"]


def texts(mark: Mark) -> Any:
    """The source of each value, in the shape of the data."""
    if isinstance(mark.children, dict):
        return {key: texts(child) for key, child in mark.children.items()}
    if isinstance(mark.children, list):
        return [texts(child) for child in mark.children]
    return mark.text.text[mark.start : mark.end]


TEXT = """# head
a: plain  # comment
"b": 'single'
c: &anchor "double é😀"
d:
  e: [1, {f: g}]   # comment
  h:
  - i
  - - j
k: |
  block
  text

# comment
l: >-  # folded
  some
  more
m:
n: &n
o: &map
  p: q
r: &list   # c
- s
t: multi
  line
u: {}
v: &w []
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_marks(ending: str, start: str) -> None:
    document = read((start + TEXT.replace("\n", ending)).encode(), "f")
    expected = {
        "a": "plain",
        "b": "'single'",
        "c": '"double é😀"',
        "d": {"e": ["1", {"f": "g"}], "h": ["i", ["j"]]},
        "k": "|\n  block\n  text",
        "l": ">-  # folded\n  some\n  more",
        "m": "",
        "n": "",
        "o": {"p": "q"},
        "r": ["s"],
        "t": "multi\n  line",
        "u": {},
        "v": [],
    }
    assert dict(texts(document.mark).items()) == _endings(expected, ending)
    for key, mark in _below(document.mark):
        assert mark.text.text[mark.key_start : mark.key_end].strip("'\"") == key
    source = document.text.text
    place = {key: source[mark.start : mark.end].replace("\r\n", "\n") for key, mark in document.mark.children.items()}  # type: ignore[union-attr]
    assert place["d"] == "e: [1, {f: g}]   # comment\n  h:\n  - i\n  - - j"
    assert place["o"] == "p: q"
    assert place["r"] == "- s"
    assert place["u"] == "{}"
    assert place["v"] == "[]"
    assert locate(document.mark, ("b",)).column == 6
    assert [comment.text for comment in document.comments] == ["# head", "# comment", "# comment", "# comment", "# folded", "# c"]


def _endings(data: Any, ending: str) -> Any:
    if isinstance(data, dict):
        return {key: _endings(value, ending) for key, value in data.items()}
    if isinstance(data, list):
        return [_endings(value, ending) for value in data]
    return data.replace("\n", ending)


def _below(mark: Mark) -> list[tuple[str, Mark]]:
    if isinstance(mark.children, dict):
        return [pair for key, child in mark.children.items() for pair in [(key, child), *_below(child)]]
    if isinstance(mark.children, list):
        return [pair for child in mark.children for pair in _below(child)]
    return []


def test_plain_and_source() -> None:
    document = read(b"a: 1.10\nb: '1'\nc:\nd: |\n  x\n", "f")
    marks = document.mark.children
    assert isinstance(marks, dict)
    assert [document.plain(mark) for mark in marks.values()] == [True, False, True, False]
    assert document.source_of(marks["a"]) == "1.10"


def test_aliases() -> None:
    document = read(b"a: &x {b: 1}\nc: *x\n", "f")
    assert document.tree == {"a": {"b": 1}, "c": {"b": 1}}
    assert locate(document.mark, ("c",)).line == 2
    assert locate(document.mark, ("c", "b")).line == 1


def test_merge_keys() -> None:
    document = read(b"a: &a {k: 1, l: 2}\nb: &b {l: 3, m: 4}\nc: {l: 9, <<: [*a, *b]}\nd: {<<: *b, '<<': x}\n", "f")
    assert document.tree["c"] == {"k": 1, "l": 9, "m": 4}
    assert document.tree["d"] == {"l": 3, "m": 4, "<<": "x"}
    assert [(locate(document.mark, ("c", key)).line, locate(document.mark, ("c", key)).column) for key in "klm"] == [
        (1, 11),
        (3, 8),
        (2, 17),
    ]


def test_a_scalar_anchor_may_stand_on_a_key() -> None:
    assert read(b"&k a: 1\nb: *k\n", "f").tree == {"a": 1, "b": "a"}


def test_joiners_are_text() -> None:
    assert read("a: \u0645\u06cc\u200c\u062e\n".encode(), "f").tree == {"a": "\u0645\u06cc\u200c\u062e"}


def test_escapes_may_name_hidden_characters() -> None:
    assert read(b'a: "\\u202e\\x1b"\n', "f").tree == {"a": "\u202e\x1b"}


def test_ten_thousand_models_fit() -> None:
    models = "".join(f"  m{n}:\n    framework: sklearn\n    version: 1.0.{n}\n    uri: s3://b/m{n}\n" for n in range(10_000))
    serving = "".join(f"  m{n}: {{model: m{n}, replicas: {{min: 1, max: 2}}}}\n" for n in range(10_000))
    assert len(read(f"models:\n{models}serving:\n{serving}".encode(), "f").tree["models"]) == 10_000


class Strings(yaml.SafeLoader):
    """PyYAML with every plain scalar as text: what structure should be."""

    yaml_implicit_resolvers: dict[str, Any] = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}  # noqa: RUF012


def as_text(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: as_text(value) for key, value in data.items()}
    if isinstance(data, list):
        return [as_text(value) for value in data]
    if data is None or isinstance(data, bool):
        return "" if data is None else str(data).lower()
    return str(data)


@pytest.mark.parametrize("text", [TEXT, "a: &a {k: 1, l: 2}\nb: {<<: *a, l: 3}\nc: [*a, x]\n", "a:\n- b: 1\n  c: 2\n-\n  - d\n"])
def test_same_data_as_pyyaml(text: str) -> None:
    assert as_text(read(text.encode(), "f").tree) == yaml.load(text, Strings)


@pytest.fixture
def _slow_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser in Python, as where PyYAML has no libyaml."""
    monkeypatch.setattr(composer, "parse_events", yaml.SafeLoader)


@pytest.mark.usefixtures("_slow_parser")
def test_without_libyaml() -> None:
    test_marks("\n", "")
    test_merge_keys()
    for text in ("a: [1", "a: 'x", "a: b: c", 'a: "\\UFFFFFFFF"', 'a: "\\ud800"', "%YAML 1.9\n---\na: 1", "a:\n\tb: 1\n", "[" * 500):
        with pytest.raises(Rejected):
            read(text.encode(), "f")


PARTS = st.sampled_from(
    [
        *"abc 1:-?[]{},#&*!|>'\"%@`\n\t\\<~",
        "\n  ",
        "\n- ",
        ": ",
        " #",
        "&a ",
        "*a",
        "<<: *a",
        "---\n",
        "...",
        '"\\0"',
        "!!int",
        "é",
        "\u202e",
        "\ufeff",
        "\r",
        "{{",
        "{%",
        "# mlspec: ignore[x]",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PARTS, max_size=40).map(lambda parts: "".join(parts).encode()) | st.binary(max_size=60))
@example(b"? &a : *a")
def test_nothing_but_a_refusal_comes_out(data: bytes) -> None:
    try:
        document = read(data, "f")
    except Rejected as rejected:
        refused = rejected.diagnostics
        text = data.decode("utf-8", "replace").removeprefix("\ufeff")
        lines = text.count("\n") + 1
        for diagnostic in refused:
            assert diagnostic.message
            assert 1 <= diagnostic.site.line <= lines
            assert diagnostic.site.column >= 1
        return
    assert isinstance(document, Document)
    for _, mark in _below(document.mark):
        assert 0 <= mark.start <= mark.end <= len(document.text.text)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)
)
KEYS = st.text("abcdefgh_-é", min_size=1, max_size=8)
TREES = st.dictionaries(
    KEYS,
    st.recursive(LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3), max_leaves=15),
    min_size=1,
)


@settings(max_examples=150, deadline=None)
@given(TREES, st.sampled_from([None, False, True]), st.sampled_from(["'", '"']))
def test_reads_back_what_pyyaml_writes(tree: dict[str, Any], flow: bool | None, style: str) -> None:
    quoted = yaml.dump(_words(tree), default_flow_style=flow, allow_unicode=True, default_style=style, width=10_000)
    assert read(quoted.encode(), "f").tree == _words(tree)
    assert read(yaml.dump(tree, default_flow_style=flow, allow_unicode=True).replace("? ", "? ").encode(), "f").tree.keys() == tree.keys()


def _words(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _words(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_words(value) for value in data]
    return str(data)
