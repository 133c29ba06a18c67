"""The examples on the manual pages of these checks are true."""

import re
import textwrap
from pathlib import Path

import pytest

from checks.asset_subjects import HEAD, examine, modules, read
from mlspec.spec.parse import explain

NORTH = [p for p in Path(__file__).parents[2].glob("examples/**/mlspec.yaml") if ".git" not in p.parts]
CHECKS = {check.code.id: check for module in modules() for check in (*module.CHECKS, *getattr(module, "PROJECT_CHECKS", ()))}


def examples(page, title):
    block = re.search(rf"^{title}::\n\n((?:    .*\n|\n)+)", page + "\n", re.MULTILINE)
    assert block, f"no section {title}"
    return textwrap.dedent(block[1])


@pytest.mark.parametrize("code", CHECKS)
def test_page(code):
    page = CHECKS[code].code.page
    assert page.split("\n", 1)[0].endswith((".", "%."))
    for title, expected in (("Bad", {code}), ("Good", set())):
        text = examples(page, title)
        assert explain(read(HEAD + text)[0]) == [], "the example is not of the shape of the language"
        assert {d.code for d in examine(text)} == expected, [d.message for d in examine(text)]


def test_every_code_is_in_range():
    for code, check in CHECKS.items():
        family, number = code[4], int(code[5:])
        assert family in "EW"
        assert 220 <= number <= 249 or 400 <= number <= 449
        assert (check.code.severity == "warning") == (family == "W")
