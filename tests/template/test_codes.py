"""The manual page of each code holds a template that is refused with it, and one that is not."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from mlspec.diagnostics import CODES, Rejected
from mlspec.template import codes, compile_template


class View:
    name: str = "a"
    labels: dict[str, str]
    none: str | None = None

    def __init__(self) -> None:
        self.labels = {"team": "growth"}


def example(page: str, kind: str) -> str:
    match = re.search(rf"^{kind} \(template\)::\n\n((?:    .*\n|\n)+)", page + "\n", re.MULTILINE)
    assert match
    return dedent(match[1])


def outcome(text: str) -> set[str]:
    try:
        template = compile_template("self", {"self": text}.__getitem__, View)
        template.objects(View())
        template.text(View())
    except Rejected as rejected:
        return {diagnostic.code for diagnostic in rejected.diagnostics}
    return set()


@pytest.mark.parametrize("code", sorted(code.id for code in CODES.values() if code.id.startswith("MLS-E81")))
def test_examples(code: str) -> None:
    page = CODES[code].page
    assert outcome(example(page, "Bad")) == {code}
    assert outcome(example(page, "Good")) == set()


def test_all_codes_are_there() -> None:
    assert codes.unfit_value.code.id == "MLS-E819"
    assert len([code for code in CODES if code.startswith("MLS-E81")]) == 10
