"""What people read."""

from __future__ import annotations

import io

import pytest

from mlspec.diagnostics import Diagnostic, Related
from mlspec.location import Site, SourceText
from mlspec.reporters import report

SPEC = SourceText("demo/mlspec.yaml", "name: iris\nserving:\n\tiris: {model: 模型, replicas: tree}\nbad: \x1b[31m\u202etext\n")


def site(text: SourceText, stretch: str) -> Site:
    start = text.text.index(stretch)
    return text.site(start, start + len(stretch))


def shown(*diagnostics: Diagnostic, colour: bool = False) -> str:
    stream = io.StringIO()
    report(diagnostics, "text", stream, colour=colour, tool_version="1", files_checked=["demo/mlspec.yaml"])
    return stream.getvalue()


def test_the_whole_layout():
    found = Diagnostic(
        "MLS-E203",
        "error",
        "found the text 'tree', expected a whole number",
        site(SPEC, "tree"),
        "write a number such as 3",
        "not a number",
        (Related(site(SPEC, "iris"), "of this project"),),
        "prod",
        ("a note\nof two lines",),
    )
    assert shown(found) == (
        "error[MLS-E203]: found the text 'tree', expected a whole number\n"
        " --> demo/mlspec.yaml:3:30\n"
        "  |\n"
        "3 |     iris: {model: 模型, replicas: tree}\n"
        "  |                                   ^^^^ not a number\n"
        " ::: demo/mlspec.yaml:1:7\n"
        "  |\n"
        "1 | name: iris\n"
        "  |       ---- of this project\n"
        "  |\n"
        "  = note: a note\n"
        "          of two lines\n"
        "  = note: in environment prod\n"
        "  = help: write a number such as 3\n"
        "\n"
        "1 error in 1 file; mlspec explain MLS-E203 tells more\n"
    )


def test_nothing_found_says_nothing():
    assert shown() == ""


def test_sorted_by_place_counted_and_once():
    late = Diagnostic("MLS-E301", "error", "late", Site("b.yaml", 9, 1, 9, 2, "x"))
    early = Diagnostic("MLS-W101", "warning", "early", Site("a.yaml", 1, 1, 1, 2, "x"))
    text = shown(late, early, late)
    assert text.index("early") < text.index("late")
    assert text.endswith("1 error, 1 warning in 2 files; mlspec explain MLS-E301 tells more\n")


def test_one_fault_in_two_environments_is_read_once():
    one, other = (Diagnostic("MLS-E203", "error", "m", site(SPEC, "tree"), environment=name) for name in ("dev", "prod"))
    text = shown(one, other)
    assert text.count("error[") == 1
    assert "in environments dev, prod" in text
    assert text.endswith("1 error in 1 file; mlspec explain MLS-E203 tells more\n")


def test_control_and_bidi_characters_are_written_out():
    text = shown(Diagnostic("MLS-E104", "error", "found \x1b\u202e", site(SPEC, "text")))
    assert "\x1b" not in text
    assert "\u202e" not in text
    lines = text.splitlines()
    assert lines[0] == r"error[MLS-E104]: found \x1b\u202e"
    assert lines[3] == r"4 | bad: \x1b[31m\u202etext"
    assert lines[4].index("^") == lines[3].index("text")


def test_a_long_line_becomes_a_window():
    text = SourceText("a.yaml", "x: " + "a" * 5000 + "BAD" + "b" * 5000)
    lines = shown(Diagnostic("MLS-E203", "error", "m", site(text, "BAD"))).splitlines()
    assert len(lines[3]) < 220
    assert lines[4].index("^^^") == lines[3].index("BAD")
    assert lines[4].count("^") == 3


@pytest.mark.parametrize("column", [1, 5000, 10003])
def test_a_window_at_either_end(column):
    lines = shown(Diagnostic("MLS-E203", "error", "m", Site("a.yaml", 1, column, 1, column + 1, "é" * 10003))).splitlines()
    assert len(lines[3]) < 220
    assert lines[3][lines[4].index("^")] == "é"


def test_a_stretch_over_lines_is_marked_to_the_end_of_its_first():
    lines = shown(Diagnostic("MLS-E203", "error", "m", Site("a.yaml", 1, 3, 4, 1, "a: [1,"))).splitlines()
    assert lines[4] == "  |   ^^^^"


def test_what_must_not_be_shown_is_not_shown():
    secret = "AKIA" + "A" * 16
    hidden = Site("a.yaml", 2, 5, 2, 25, "")
    other = Site("a.yaml", 3, 5, 3, 25, f"b: {secret}")
    text = shown(Diagnostic("MLS-E501", "error", "looks like a secret", hidden, "name it", related=(Related(other, "and here"),)))
    assert secret not in text
    assert text.startswith("error[MLS-E501]: looks like a secret\n --> a.yaml:2:5\n ::: a.yaml:3:5: and here\n  = help: name it\n")


def test_colour_only_when_asked():
    found = Diagnostic("MLS-E203", "error", "m", site(SPEC, "tree"))
    assert "\x1b[" not in shown(found)
    assert "\x1b[1;31merror[MLS-E203]\x1b[0m" in shown(found, colour=True)
