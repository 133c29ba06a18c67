"""Ordinary texts: strict names, and every value quoted for the language of its file."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected
from mlspec.template import compile_template
from mlspec.template.texts import render_text


def render(name: str, text: str, **names: Any) -> str:
    return render_text(name, {name: text}.__getitem__, names)


@pytest.mark.parametrize(
    ("name", "text", "value", "expected"),
    [
        ("a.sh.j2", "echo {{ x }}\n", "a b; rm -rf /", "echo 'a b; rm -rf /'\n"),
        ("a.sh.j2", "run {{ x | sh }}\n", ["a", "b c"], "run a 'b c'\n"),
        ("a.json.j2", '{"a": {{ x }}}\n', {"k": ['"']}, '{"a": {"k":["\\""]}}\n'),
        ("a.md.j2", "{{ x }}\n", "<b>*a* [x](y) @me", "\\<b\\>\\*a\\* \\[x\\](y) \\@me\n"),
        ("a.md.j2", "{{ x | code }}\n", "a`b", "``a`b``\n"),
        ("a.promql", "up{job={{ x }}}", 'a"\\\n', 'up{job="a\\"\\\\\\n"}'),
        ("Dockerfile.j2", "FROM {{ x }}\n{% for y in [1, 2] %}\n# {{ y }}\n{% endfor %}\n", "a:1", "FROM a:1\n# 1\n# 2\n"),
    ],
)
def test_quoting(name: str, text: str, value: Any, expected: str) -> None:
    assert render(name, text, x=value) == expected


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12))
def test_a_shell_reads_the_very_text(value: str) -> None:
    script = render("a.sh.j2", "printf %s {{ x }}", x=value)
    assert subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout.decode() == value


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a\n{{ y }}\n", "MLS-E818", 2),
        ("a\n{{ y\n", "MLS-E811", 2),
        ("a\n\n{{ x }}\n", "MLS-E819", 3),
        ("a\n{% include 'none' %}\n", "MLS-E810", 1),
        ("a\n{{ x.__class__.__mro__ }}\n", "MLS-E819", 2),
    ],
)
def test_refused(text: str, code: str, line: int) -> None:
    with pytest.raises(Rejected) as caught:
        render("a.sh.j2", text, x={})
    assert [(d.code, d.site.line) for d in caught.value.diagnostics] == [(code, line)]


def test_a_manifest_holds_a_text() -> None:
    texts = {"t": 'a:\n{% for p in ports %}\n- {{ text("s.sh.j2") }}\n{% endfor %}\n', "s.sh.j2": "run {{ p }} {{ name }}\n"}
    template = compile_template("t", texts.__getitem__, None)
    assert template.text({"ports": [1, 2], "name": "a b", "unused": 1}) == "a:\n- |\n  run 1 'a b'\n- |\n  run 2 'a b'\n"
