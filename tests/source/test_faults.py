"""Every fault of a spec's text: its code, its place, and its words."""

from __future__ import annotations

import pytest

from mlspec.diagnostics import CODES, Rejected
from mlspec.source import limits
from mlspec.source.reader import read

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k0: 1, k1: 1, k2: 1, k3: 1}\n" + "".join(
    f"{b}: &{b} {{" + ", ".join(f"{b}{n}: {{<<: *{a}}}" for n in range(9)) + "}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

CASES = [
    # (what, text, code, "line:column" of the first fault)
    ("empty", "", "E001", "1:1"),
    ("comments only", "# one\n# two\n", "E001", "1:1"),
    ("null", "null\n", "E001", "1:1"),
    ("document start only", "---\n", "E001", "1:1"),
    ("empty map", "{}\n", "E001", "1:1"),
    ("scalar at top", "hello\n", "E002", "1:1"),
    ("list at top", "# c\n- a\n", "E002", "2:1"),
    ("byte order mark in the middle", "a: 1\n\ufeffb: 2\n", "E102", "2:1"),
    ("utf-16", "a: 1\n".encode("utf-16"), "E004", "1:1"),
    ("latin-1", "a: 1\nb: caf\xe9\n".encode("latin-1"), "E004", "2:7"),
    ("overlong utf-8", b"a: \xc0\x80\n", "E004", "1:4"),
    ("encoded surrogate", b"a: \xed\xa0\x80\n", "E004", "1:4"),
    ("lone carriage return", "a: 1\rb: 2\n", "E102", "1:5"),
    ("NUL", "a: 1\nb: \0\n", "E102", "2:4"),
    ("C0", "a: \x1b[31m\n", "E102", "1:4"),
    ("DEL", "a: x\x7f\n", "E102", "1:5"),
    ("C1", "a: x\x9b\n", "E102", "1:5"),
    ("next line", "a: x\x85y\n", "E102", "1:5"),
    ("line separator", "a: x\u2028y\n", "E102", "1:5"),
    ("noncharacter", "a: x\uffff\n", "E102", "1:5"),
    ("bidi", 'a: "x\u202ey"\n', "E102", "1:6"),
    ("zero width", "na\u200bme: x\n", "E102", "1:3"),
    ("NUL by escape", 'a: "x\\0"\n', "E122", "1:6"),
    ("NUL by long escape", 'a: "\\U00000000"\n', "E122", "1:5"),
    ("surrogate by escape", 'a: "\\ud800"\n', "E122", "1:5"),
    ("beyond Unicode", 'a: "\\UFFFFFFFF"\n', "E122", "1:5"),
    ("unknown escape", 'a: "\\d+"\n', "E122", "1:5"),
    ("incomplete escape", 'a: "\\x4"\n', "E122", "1:5"),
    ("long scalar", "a: " + "x" * (limits.SCALAR_BYTES + 1) + "\n", "E005", "1:4"),
    ("large file", b"#" * (limits.FILE_BYTES + 1), "E003", "1:1"),
    ("alias bomb", BOMB, "E113", "6:8"),
    ("merge bomb", MERGES, "E113", None),
    ("self alias", "a: &a [*a]\n", "E109", "1:8"),
    ("500 brackets", "a: " + "[" * 500, "E112", "1:67"),
    ("100,000 brackets", "[" * 100_000, "E112", "1:65"),
    ("100,000 braces", "{a: " * 100_000, "E112", "1:257"),
    ("deep block map", "".join(" " * n + "a:\n" for n in range(300)), "E112", "65:65"),
    ("deep block list", "- " * 3000, "E112", "1:129"),
    ("deep complex keys", "? " * 3000, "E112", "1:129"),
    ("duplicate key", "a: 1\nb: 2\na: 3\n", "E103", "3:1"),
    ("duplicate key in a flow map", "x: {a: 1, 'a': 2}\n", "E103", "1:11"),
    ("duplicate merge key", "x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "E103", "2:13"),
    ("duplicate anchor", "a: &x 1\nb: &x 2\n", "E110", "2:4"),
    ("duplicate anchor inside itself", "a: &x {b: &x 2}\n", "E110", "1:11"),
    ("undefined alias", "a: *x\n", "E108", "1:4"),
    ("number as key", "1: a\n", "E104", "1:1"),
    ("boolean as key", "a: {true: b}\n", "E104", "1:5"),
    ("null as key", "~: b\n", "E104", "1:1"),
    ("empty key", "a: {: b}\n", "E104", "1:5"),
    ("list as key", "[a, b]: 1\n", "E104", "1:1"),
    ("map as key", "? {a: b}\n: 1\n", "E104", "1:3"),
    ("alias as key", "a: &a x\n*a : 1\n", "E104", "2:1"),
    ("tag", "a: !!python/object/apply:os.system [id]\n", "E105", "1:4"),
    ("core tag", "a: !!int foo\n", "E105", "1:4"),
    ("local tag", "a: !x {b: c}\n", "E105", "1:4"),
    ("tag behind an anchor", "a: &b !x c\n", "E105", "1:7"),
    ("tag without end", "a: !<x 1\n", "E105", "1:4"),
    ("unknown tag handle", "a: !y!x 1\n", "E105", "1:4"),
    ("YAML directive", "%YAML 1.1\n---\na: 1\n", "E106", "1:1"),
    ("strange YAML directive", "%YAML 1.9999999999999\n---\na: 1\n", "E106", "1:1"),
    ("TAG directive", "# c\n%TAG ! x\n---\na: 1\n", "E106", "2:1"),
    ("unknown directive", "%FOO\n---\na: 1\n", "E106", "1:1"),
    ("two documents", "a: 1\n---\nb: 1\n", "E107", "2:1"),
    ("text behind the end", "a: 1\n...\nb: 1\n", "E107", "3:1"),
    ("merge of a map", "a: {<<: {b: c}}\n", "E111", "1:9"),
    ("merge of a scalar", "a: {<<: 1}\n", "E111", "1:9"),
    ("merge of an alias of a scalar", "a: &a 1\nb: {<<: *a}\n", "E111", "2:9"),
    ("merge of a list with a scalar", "a: &a {b: c}\nd: {<<: [*a, 3]}\n", "E111", "2:14"),
    ("tab", "a:\n\tb: 1\n", "E114", "2:1"),
    ("tab behind spaces", "a:\n  b: 1\n \tc: 1\n", "E114", "3:2"),
    ("tab at the top", "\ta: 1\n", "E114", "1:1"),
    ("unclosed single quote", "a: 'x\nb: 2\n", "E115", "1:4"),
    ("unclosed double quote", 'x: 1\na: "x\nb: 2\n', "E115", "2:4"),
    ("quote closed by the next", "a: 'x\nb: 'y'\n", "E115", "1:4"),
    ("unclosed bracket", "a: [1, 2\nb: 3\n", "E116", "1:4"),
    ("unclosed bracket at the end", "a: [1, 2,\n", "E116", "1:4"),
    ("unclosed brace", "owner: {team: ml\nvars: {a: b}\n", "E116", "1:8"),
    ("unopened bracket", "a: [1, 2]]\n", "E117", "1:10"),
    ("unopened brace", "a: }\n", "E117", "1:4"),
    ("conflict", "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "E118", "2:1"),
    ("conflict at the top", "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n", "E118", "1:1"),
    ("missing space at the top", "apiVersion:v1\nname: x\n", "E119", "1:1"),
    ("missing space below", "b: 2\na:1\nc: 1\n", "E119", "2:1"),
    ("missing space in a list", "b:\n  - name:x\n    c: 1\n", "E119", "2:5"),
    ("template value", "a: {{ x }}\n", "E120", "1:4"),
    ("template value and text", "a: {{ x }}/b\n", "E120", "1:4"),
    ("template block", "a: 1\n{% if x %}\n", "E120", "2:1"),
    ("indented too little", "a:\n  b: 1\n c: 2\n", "E121", "3:2"),
    ("indented too much", "a: 1\n b: 2\n", "E121", "2:2"),
    ("list beside a value", "a: - b\n", "E121", "1:4"),
    ("list instead of a key", "a: 1\n- b\n", "E121", "2:1"),
    ("key behind a list", "- a\nb: 1\n", "E121", "2:1"),
    ("at sign", "a: @x\n", "E123", "1:4"),
    ("backtick", "a: `x`\n", "E123", "1:4"),
    ("star", "a: *.txt\n", "E123", "1:4"),
    ("ampersand", "a: & b\n", "E123", "1:4"),
    ("colon in a value", "a: b: c\n", "E123", "1:4"),
    ("bar with text", "a: |x\n  b\n", "E123", "1:4"),
    ("text behind quotes", 'a: "b" c\n', "E124", "1:8"),
    ("text behind a bracket", "a: [b] c\n", "E124", "1:8"),
    ("line without a key", "a: 1\nsome words\nb: 2\n", "E125", "2:1"),
    ("long key", "x" * 2000 + ": 1\n", "E125", "1:1"),
    ("missing comma", 'a: {b: "c" d: e}\n', "E126", "1:12"),
    ("missing comma in a long list", "a: [\n  'b'\n  'c'\n]\n", "E126", "3:3"),
    ("two commas", "a: [b,, c]\n", "E101", "1:7"),
]


@pytest.mark.parametrize(("text", "code", "place"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_fault(text: str | bytes, code: str, place: str | None) -> None:
    with pytest.raises(Rejected) as caught:
        read(text if isinstance(text, bytes) else text.encode(), "mlspec.yaml")
    first = caught.value.diagnostics[0]
    assert first.code == f"MLS-{code}", first
    if place is not None:
        assert f"{first.site.line}:{first.site.column}" == place, first
    assert first.message
    assert first.help
    assert len(caught.value.diagnostics) == 1, caught.value.diagnostics


def faults(text: str) -> list[str]:
    with pytest.raises(Rejected) as caught:
        read(text.encode(), "mlspec.yaml")
    return [f"{d.code[4:]} {d.site.line}:{d.site.column}" for d in caught.value.diagnostics]


def test_all_faults_are_reported() -> None:
    assert faults("a: 1\na: 2\n1: x\nb: *c\nd: !t e\na: 3\n") == ["E103 2:1", "E104 3:1", "E108 4:4", "E105 5:4", "E103 6:1"]


def test_all_forbidden_characters_are_reported() -> None:
    assert faults("a: \x01\nb: \x02\n") == ["E102 1:4", "E102 2:4"]


def test_the_number_of_faults_is_bounded() -> None:
    assert len(faults("a: 1\n" * 500)) == limits.FAULTS
    assert len(faults("a: \x01\n" * 500)) == limits.FAULTS


def test_a_duplicate_key_shows_the_first() -> None:
    with pytest.raises(Rejected) as caught:
        read(b"a: 1\na: 2\na: 3\n", "f")
    assert [(d.related[0].site.line, d.related[0].message) for d in caught.value.diagnostics] == [(1, "first written here")] * 2


def test_characters_are_named() -> None:
    with pytest.raises(Rejected) as caught:
        read("a: \u202e\n".encode(), "f")
    assert caught.value.diagnostics[0].message.startswith("U+202E RIGHT-TO-LEFT OVERRIDE ")


def test_an_encoding_is_guessed() -> None:
    with pytest.raises(Rejected) as caught:
        read("a: 1\nb: é\n".encode("latin-1"), "f")
    assert "byte 8 (line 2)" in caught.value.diagnostics[0].message
    assert "Latin-1" in caught.value.diagnostics[0].message


def test_hidden_characters_in_comments_are_warnings() -> None:
    document = read("a: 1 # \u202e x\n# \u200b\nb: '# x'\n".encode(), "f")
    assert [(d.code, d.severity, d.site.line, d.site.column) for d in document.findings] == [
        ("MLS-W101", "warning", 1, 8),
        ("MLS-W101", "warning", 2, 3),
    ]


def test_hidden_characters_behind_a_hash_in_a_value_are_faults() -> None:
    assert faults("a: '# \u202e'\n") == ["E102 1:7"]
    assert faults("a: |\n  # \u202e\n") == ["E102 2:5"]


def test_pages_are_complete() -> None:
    for code in CODES.values():
        if code.id[4:7] in {"E00", "E10", "E11", "E12", "W10", "E48", "E18", "W18", "E58"}:
            assert code.summary.endswith("."), code
            assert "Good::" in code.page, code
            assert "Bad::" in code.page or "Bad (shell)::" in code.page, code


def test_pages_show_their_code() -> None:
    """The example of each page of the reader gives the code of the page, where it is a spec."""
    for code in CODES.values():
        if code.id[4:7] in {"E00", "E10", "E11", "E12"} and "Bad::" in code.page:
            example = code.page.split("Bad::\n")[1].split("Good::")[0]
            with pytest.raises(Rejected) as caught:
                read("\n".join(line[4:] for line in example.split("\n")).strip("\n").encode() + b"\n", "f")
            assert [d.code for d in caught.value.diagnostics] == [code.id]
        if code.id[4:7] in {"E00", "E10", "E11", "E12"}:
            example = code.page.split("Good::\n")[1]
            assert read("\n".join(line[4:] for line in example.split("\n")).encode(), "f").tree
