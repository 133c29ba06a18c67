"""Every code keeps its promise: it has a page, its bad examples are found and its good ones pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mlspec.catalogue import load
from mlspec.diagnostics import CODES, Rejected

ROOT = Path(__file__).parent.parent
PAGES = load()
HEADING = re.compile(r"^(Bad|Good)(?: \((\w+)\))?::[ ]*$", re.MULTILINE)
UNFINISHED = {"MLS-E803"}
"""Codes that say that a target is not written yet; good examples of other rules may ask for one."""
BASE = {"apiVersion": "apiVersion: mlspec.dev/v1", "name": "name: demo", "owner": "owner: {team: ml}"}
CHURN = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: ml}
environments: {prod: {namespace: churn}}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/1.0.0"}}
serving: {churn: {model: churn, replicas: 2}}
"""


def examples(*kinds):
    """Yield (code, verdict, kind, number, text) of every example of some kinds; the kind of a spec is empty."""
    for code in PAGES.values():
        headings = list(HEADING.finditer(code.page))
        for number, heading in enumerate(headings):
            rest = code.page[heading.end() :].lstrip("\n")
            lines = []
            for line in rest.split("\n"):
                if line.strip() and not line.startswith("    "):
                    break
                lines.append(line)
            kind = heading[2] or ""
            if kind in kinds:
                text = textwrap.dedent("\n".join(lines)).strip("\n") + "\n"
                yield pytest.param(code.id, heading[1], text, id=f"{code.id}-{heading[1]}-{number}")


def complete(text):
    """Lay the part of a spec over the smallest head. Text that is no map of keys is left as it is."""
    if text.startswith(("%", "---", "{", "[")) or not re.search(r"^[^\s#-].*:", text, re.MULTILINE):
        return text
    return "".join(line + "\n" for key, line in BASE.items() if not re.search(rf"^{key}\s*:", text, re.MULTILINE)) + text


def compiled(folder):
    """Return the codes that a compilation of a folder finds, errors and all."""
    compiler = pytest.importorskip("mlspec.compiler")
    try:
        return list(compiler.compile_specs(compiler.Request(paths=(folder,))).diagnostics)
    except Rejected as rejected:
        return list(rejected.diagnostics)


@pytest.mark.parametrize("code", PAGES.values(), ids=list(PAGES))
def test_every_code_has_a_page(code):
    assert re.fullmatch(r"MLS-[EWN]\d{3}", code.id)
    assert {"E": "error", "W": "warning", "N": "note"}[code.id[4]] == code.severity
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code.name)
    assert code.summary.endswith(".")
    assert 10 <= len(code.summary) <= 200
    assert code.page.split("\n")[1:2] == [""], "the first line stands alone"
    verdicts = {heading[1] for heading in HEADING.finditer(code.page)}
    assert verdicts == {"Bad", "Good"}


def test_names_are_unique():
    names = [code.name for code in PAGES.values()]
    assert sorted(names) == sorted(set(names))


def test_the_catalogue_misses_none():
    written = set()
    for file in (ROOT / "src" / "mlspec").rglob("*.py"):
        written |= set(re.findall(r'^ *@code\(\s*"(MLS-\w+)"', file.read_text("utf-8"), re.MULTILINE))
    assert written == set(PAGES) == set(CODES)


@pytest.mark.parametrize(("code", "verdict", "text"), list(examples("")))
def test_examples_of_specs(code, verdict, text, tmp_path):
    (tmp_path / "mlspec.yaml").write_text(complete(text), encoding="utf-8", newline="")
    found = compiled(tmp_path)
    if verdict == "Bad":
        assert code in {diagnostic.code for diagnostic in found}
    else:
        assert [
            f"{fault.code} {fault.message}"
            for fault in found
            if fault.code == code or (fault.severity == "error" and fault.code not in UNFINISHED)
        ] == []


@pytest.mark.parametrize(("code", "verdict", "text"), list(examples("lock")))
def test_examples_of_locks(code, verdict, text):
    from mlspec.lock import parse_lock

    try:
        parse_lock(text.encode(), "mlspec.lock")
        found = set()
    except Rejected as rejected:
        found = {diagnostic.code for diagnostic in rejected.diagnostics}
    assert (code in found) is (verdict == "Bad")


@pytest.mark.parametrize(("code", "verdict", "text"), list(examples("python")))
def test_examples_of_python(code, verdict, text):
    from mlspec import artifacts

    try:
        exec(text, {name: getattr(artifacts, name) for name in dir(artifacts)})
        found = set()
    except Rejected as rejected:
        found = {diagnostic.code for diagnostic in rejected.diagnostics}
    assert (code in found) is (verdict == "Bad")


@pytest.mark.parametrize(("code", "verdict", "text"), list(examples("shell")))
def test_examples_of_the_shell(code, verdict, text, tmp_path):
    """Run the lines in a repository with a spec named churn; where they do not run mlspec, validate what they left."""
    pytest.importorskip("mlspec.compiler")
    tools, folder = tmp_path / "bin", tmp_path / "repository"
    tools.mkdir()
    (folder / ".git").mkdir(parents=True)
    if not re.search(r"> *\S*mlspec\.yaml|mkfifo", text):
        (folder / "mlspec.yaml").write_text(CHURN)
    shim = tools / "mlspec"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlspec "$@"\n')
    shim.chmod(0o755)
    if not re.search(r"^mlspec ", text, re.MULTILINE):
        text += "if [ -e mlspec.yaml ]; then mlspec validate --format json mlspec.yaml; else mlspec validate --format json; fi\n"
    surroundings = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(["sh", "-c", text], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert "this is a bug" not in run.stderr
    assert (code in run.stdout + run.stderr) is (verdict == "Bad"), run.stdout + run.stderr
