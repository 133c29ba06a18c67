"""What machines read: every format parses, holds what its reader requires, and hides what must stay hidden."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from mlspec.diagnostics import CODES, Code, Diagnostic, Related
from mlspec.location import Site
from mlspec.reporters import FORMATS, report

SECRET = "AKIA" + "B" * 16
NASTY = Diagnostic(
    "MLS-E203",
    "error",
    'found "<a>\x00\x1b\ud800 & 100%\r\n::error::x',  # the second line must not become a command
    Site("a,b:c/mlspec.yaml", 3, 5, 3, 9, f"k: {SECRET}"),
    "do this",
    related=(Related(Site("a.yaml", 1, 1, 1, 2, SECRET), "here"),),
    environment="prod",
    path="serving/iris",
)
WARNING = Diagnostic("MLS-W301", "warning", "nobody reads it", Site("mlspec.yaml", 1, 1, 2, 4, "name: x"), path="vars/x")
NOTE = Diagnostic("MLS-W302", "note", "so you know", Site("mlspec.yaml", 5, 1, 5, 4, "name: x"))
ALL = (NOTE, WARNING, NASTY)
FILES = ("a,b:c/mlspec.yaml", "clean/mlspec.yaml", "mlspec.yaml")


def written(form: str, *diagnostics: Diagnostic, files: tuple[str, ...] = FILES) -> str:
    stream = io.StringIO()
    report(diagnostics, form, stream, colour=True, tool_version="0.1.0", files_checked=files)
    return stream.getvalue()


@pytest.fixture
def security_code(monkeypatch):
    monkeypatch.setitem(CODES, "MLS-E203", Code("MLS-E203", "a-name", "error", "The rule.\n\nWhy.\n\nBad::\n\n    x: 1", security=True))


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "text"])
def test_no_machine_format_repeats_the_source(form):
    hidden = replace(NASTY, site=replace(NASTY.site, excerpt=""))
    assert SECRET not in written(form, hidden, WARNING, NOTE)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_can_be_encoded_and_ends_its_line(form):
    text = written(form, *ALL)
    text.encode("utf-8")
    assert text.endswith("\n")


def test_another_format():
    with pytest.raises(ValueError, match="xml"):
        written("xml")


def test_json():
    document = json.loads(written("json", *ALL))
    assert document["schemaVersion"] == 1
    assert document["tool"] == {"name": "mlspec", "version": "0.1.0"}
    assert document["summary"] == {"errors": 1, "warnings": 1, "notes": 1, "files": 3}
    assert [entry["code"] for entry in document["diagnostics"]] == ["MLS-E203", "MLS-W301", "MLS-W302"]
    assert document["diagnostics"][0] == {
        "code": "MLS-E203",
        "severity": "error",
        "message": NASTY.message,
        "help": "do this",
        "file": "a,b:c/mlspec.yaml",
        "line": 3,
        "column": 5,
        "endLine": 3,
        "endColumn": 9,
        "environment": "prod",
        "related": [{"file": "a.yaml", "line": 1, "column": 1, "message": "here"}],
    }


def test_json_of_nothing():
    assert json.loads(written("json"))["diagnostics"] == []


def test_sarif(security_code):
    document = json.loads(written("sarif", *ALL))
    assert document["version"] == "2.1.0"
    assert document["$schema"].startswith("https://")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "mlspec"
    assert driver["semanticVersion"] == "0.1.0"
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
    assert driver["rules"][0]["properties"] == {"tags": ["security"], "security-severity": "8.0"}
    assert driver["rules"][0]["fullDescription"]["text"] == "The rule.\n\nWhy."
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert set(location["physicalLocation"]["region"]) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%2Cb%3Ac/mlspec.yaml"


def test_github():
    lines = written("github", *ALL).splitlines()
    assert lines == [
        (
            "::error file=a%2Cb%3Ac/mlspec.yaml,line=3,endLine=3,col=5,endColumn=9,title=MLS-E203"
            r'::found "<a>\x00\x1b\ud800 & 100%25%0D%0A::error::x'
            "%0Ain environment prod%0Ahelp: do this"
        ),
        "::warning file=mlspec.yaml,line=1,endLine=2,title=MLS-W301::nobody reads it",
        "::notice file=mlspec.yaml,line=5,endLine=5,col=1,endColumn=4,title=MLS-W302::so you know",
        "1 error, 1 warning, 1 note in 2 files; mlspec explain MLS-E203 tells more",
    ]


def test_gitlab(security_code):
    entries = json.loads(written("gitlab", *ALL))
    assert [entry["severity"] for entry in entries] == ["critical", "minor", "info"]
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["location"]["lines"]["begin"] >= 1


def test_gitlab_fingerprints_outlive_a_moved_line_and_differ_by_ordinal():
    moved = replace(WARNING, site=replace(WARNING.site, line=40, end_line=41))
    (first,) = json.loads(written("gitlab", WARNING))
    (second,) = json.loads(written("gitlab", moved))
    assert first["fingerprint"] == second["fingerprint"]
    both = json.loads(written("gitlab", WARNING, moved))
    assert both[0]["fingerprint"] != both[1]["fingerprint"]


def test_junit():
    root = ElementTree.fromstring(written("junit", *ALL).encode())
    assert root.attrib == {"name": "mlspec", "tests": "4", "failures": "1", "errors": "0"}
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == sorted(FILES)
    (passing,) = suites["clean/mlspec.yaml"]
    assert passing.tag == "testcase"
    assert len(passing) == 0
    (failing,) = suites["a,b:c/mlspec.yaml"]
    assert failing.attrib["name"] == "MLS-E203"
    (failure,) = failing
    assert failure.tag == "failure"
    assert "<a>" in failure.attrib["message"]
    assert [case[0].tag for case in suites["mlspec.yaml"]] == ["system-out", "system-out"]
