"""The manual pages."""

from __future__ import annotations

import json

import pytest

from mlspec.__main__ import main


@pytest.mark.parametrize("word", ["MLS-E090", "mls-e090", "e090", "unable"])
def test_a_page(word, capsys):
    assert main(["explain", word]) == 0
    out = capsys.readouterr().out
    assert out.startswith("MLS-E090 unable (error)\n\nThe surroundings let mlspec do its work")
    assert "Bad (shell)::" in out


def test_an_unknown_code_offers_the_nearest(capsys):
    assert main(["explain", "MLS-E09O"]) == 2
    assert "did you mean MLS-E090?" in capsys.readouterr().err


def test_the_list(capsys):
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "MLS-E090  The surroundings let mlspec do its work: what it reads can be read, where it writes can be written." in lines
    codes = [line.split()[0] for line in lines]
    assert codes == sorted(codes, key=lambda code: (code[5:], code))


def test_json(capsys):
    assert main(["explain", "MLS-E090", "--format", "json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert {name: entry[name] for name in ("code", "name", "severity", "security")} == {
        "code": "MLS-E090",
        "name": "unable",
        "severity": "error",
        "security": False,
    }


def test_all_in_json(capsys):
    assert main(["explain", "--all", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) > 50
