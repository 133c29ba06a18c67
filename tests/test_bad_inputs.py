"""Bad specs of every kind: each has its code and its place, nothing is written, nothing breaks."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mlspec.__main__ import main

FOLDER = Path(__file__).parent / "bad_inputs"
BASE = {
    "apiVersion": "apiVersion: mlspec.dev/v1",
    "name": "name: demo",
    "owner": "owner: {team: ml}",
    "models": "models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}",
}
SLOWEST_S = 2.0
OPEN, CLOSE = "«", "»"


class Case(NamedTuple):
    """A spec whose guilty stretch stands between guillemets, and the code that it must be refused with."""

    row: str
    code: str
    raw: bool
    title: str
    text: str

    @property
    def data(self) -> bytes:
        """The bytes of the spec."""
        return self.text.replace(OPEN, "").replace(CLOSE, "").encode()

    @property
    def guilty(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the guilty stretch begins and ends: lines and columns, the whole file where none is marked."""
        if OPEN not in self.text:
            return (1, 1), (len(self.text), 1)
        before, _, rest = self.text.partition(OPEN)
        inside = rest.partition(CLOSE)[0]
        return position(before), position(before + inside)


def position(text: str) -> tuple[int, int]:
    """Return the line and column of what follows a text, for LF and CRLF."""
    return text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1


def complete(text: str) -> str:
    """Lay the part of a spec below the smallest head."""
    return "".join(line + "\n" for key, line in BASE.items() if not re.search(rf"^{OPEN}?{key}{CLOSE}?:", text, re.MULTILINE)) + text


def expand(text: str) -> str:
    """Write out what cannot be seen or is long: {FEFF}, {a*300}."""
    text = re.sub(r"\{([0-9A-F]{2,6})\}", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\{(\w)\*(\d+)\}", lambda found: found[1] * int(found[2]), text)
    return text.replace("{long-path}", "/".join(["a" * 100] * 50))


def cases(file: Path) -> Iterator[Case]:
    """Yield the cases of a file: a head `=== ROW CODE [raw]: TITLE`, then the text of the spec."""
    for part in re.split(r"^=== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        marks, _, title = head.partition(": ")
        row, code, *rest = marks.split()
        text = expand(text)
        yield Case(row, code, bool(rest), title, text if rest else complete(text))


CASES = [case for file in sorted(FOLDER.glob("*.txt")) for case in cases(file)]


def photograph(folder: Path) -> str:
    """Return a digest of everything in a folder: names, kinds, contents, times of change."""
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        seen.update(f"{path} {status.st_mode} {status.st_mtime_ns} {status.st_size}\n".encode())
        if path.is_file() and not path.is_symlink():
            seen.update(path.read_bytes())
    return seen.hexdigest()


def run(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """Compile a folder; return the exit status and the diagnostics. Nothing may be written, nothing may break."""
    before, began = photograph(folder), time.perf_counter()
    status = main(["compile", "--format", "json", *(arguments or (str(folder),))])
    took = time.perf_counter() - began
    out, err = capsys.readouterr()
    assert "bug in mlspec" not in out + err
    assert "Traceback" not in out + err
    assert photograph(folder) == before
    assert took < SLOWEST_S
    return status, json.loads(out)["diagnostics"] if out else []


def repository(folder: Path, data: bytes) -> Path:
    """Make a repository with a spec."""
    (folder / ".git").mkdir()
    (folder / "mlspec.yaml").write_bytes(data)
    return folder


@pytest.mark.parametrize("case", CASES, ids=[f"{case.row}-{case.code}-{case.title}" for case in CASES])
def test_refused(case, tmp_path, capsys):
    status, found = run(repository(tmp_path, case.data), capsys)
    errors = [entry for entry in found if entry["severity"] == "error"]
    shown = "\n".join(f"{e['code']} {e['line']}:{e['column']} {e['message']}" for e in errors)
    assert [entry["code"] for entry in errors] == case.code.split(","), shown
    first, last = case.guilty
    for error in errors:
        assert first <= (error["line"], error["column"]) <= last, shown
        assert (error["line"], error["column"]) <= (error["endLine"], error["endColumn"]), shown
        assert error["message"], "a message"
        assert error["help"], "an action"
    assert status == 1


UNFINISHED = {"MLS-E803"}
"""The code of what is not written yet; a right spec may meet it."""


def good() -> Iterator[object]:
    """Yield the specs that are right, however odd they look."""
    for part in re.split(r"^=== ", (FOLDER.parent / "good_inputs.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        yield pytest.param(complete(expand(text)), id=title)


def errors_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Validate a folder; return its errors."""
    main(["validate", "--format", "json", str(folder)])
    out, err = capsys.readouterr()
    assert "bug in mlspec" not in err
    found = json.loads(out)["diagnostics"]
    return [f"{e['code']} {e['line']}:{e['column']} {e['message']}" for e in found if e["severity"] == "error" and e["code"] not in UNFINISHED]


@pytest.mark.parametrize("text", list(good()))
def test_accepted(text, tmp_path, capsys):
    assert errors_of(repository(tmp_path, text.encode()), capsys) == []


SMALL = complete("serving: {iris: {model: iris}}\n").encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf" + SMALL, id="a byte order mark"),
        pytest.param(SMALL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + SMALL.replace(b"\n", b"\r\n"), id="both"),
        pytest.param(SMALL.replace(b"\n", b"\r\n", 2), id="mixed line ends"),
        pytest.param(b"---\n" + SMALL + b"...\n", id="document markers"),
        pytest.param(SMALL.rstrip(b"\n"), id="no line end"),
        pytest.param(SMALL + b"\n" * 1000, id="blank lines"),
        pytest.param(SMALL + b"# " + b"x" * 100_000, id="a long comment"),
    ],
)
def test_accepted_bytes(data, tmp_path, capsys):
    assert errors_of(repository(tmp_path, data), capsys) == []
