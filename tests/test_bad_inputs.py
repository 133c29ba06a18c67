"""Bad specs of every kind: each has its code and its place, nothing is written, nothing breaks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
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
    before, began = photograph(folder), time.process_time()
    status = main(["compile", "--format", "json", *(arguments or (str(folder),))])
    took = time.process_time() - began
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
    return [
        f"{e['code']} {e['line']}:{e['column']} {e['message']}" for e in found if e["severity"] == "error" and e["code"] not in UNFINISHED
    ]


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


def refuse(data: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Compile bytes that must be refused for one reason; return the diagnostic."""
    status, found = run(repository(folder, data), capsys)
    errors = [entry for entry in found if entry["severity"] == "error"]
    assert len(errors) == 1, errors
    assert status == 1
    return errors[0]


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        pytest.param(b"", "MLS-E001", 1, 1, id="1 nothing"),
        pytest.param(b"\xef\xbb\xbf", "MLS-E001", 1, 1, id="1 a byte order mark alone"),
        pytest.param(b"\n\n  \n", "MLS-E001", 1, 1, id="1 blank lines"),
        pytest.param(SMALL.decode().encode("utf-16"), "MLS-E004", 1, 1, id="4 UTF-16"),
        pytest.param(SMALL.decode().encode("utf-16-le"), "MLS-E004", 1, 1, id="4 UTF-16 without a mark"),
        pytest.param(SMALL + "description: fünf\n".encode("latin-1"), "MLS-E004", 6, 15, id="4 Latin-1"),
        pytest.param(SMALL + b"description: a\xc3\n", "MLS-E004", 6, 15, id="4 a cut character"),
        pytest.param(SMALL + b"description: \xed\xa0\x80\n", "MLS-E004", 6, 14, id="4 a surrogate"),
        pytest.param(SMALL + b"description: \xc0\x80\n", "MLS-E004", 6, 14, id="4 an overlong NUL"),
        pytest.param(SMALL + b"# " + b"x" * (5 * 1024 * 1024), "MLS-E003", 1, 1, id="10 a file of 5 MiB"),
        pytest.param(SMALL + b"description: " + b"x" * (257 * 1024), "MLS-E005", 6, 14, id="10 a text of 257 KiB"),
        pytest.param(SMALL + b"vars: " + b"[" * 100_000, "MLS-E112", 6, 70, id="17 100,000 brackets"),
        pytest.param(SMALL + b"vars: " + b"{a: " * 500, "MLS-E112", 6, 259, id="17 500 braces"),
        pytest.param(SMALL + b"vars:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 3000)), "MLS-E112", 70, 1, id="18 3,000 levels"),
        pytest.param(SMALL + b"vars:\n  a: " + b"- " * 3000, "MLS-E121", 7, 6, id="18 a list that begins beside its key"),
        pytest.param(SMALL + b"vars: {" + b"?" * 50_000, "MLS-E116", 6, 7, id="17 50,000 question marks"),
    ],
)
def test_refused_bytes(data, code, line, column, tmp_path, capsys):
    error = refuse(data, tmp_path, capsys)
    assert (error["code"], error["line"]) == (code, line), error
    assert abs(error["column"] - column) <= 70, error


def test_a_merge_bomb(tmp_path, capsys):
    levels = [f"  l{n}: &l{n}\n" + "".join(f"    {a}{n}: {{<<: *l{n - 1}}}\n" for a in "abcdefgh") for n in range(1, 9)]
    data = SMALL + b"vars:\n  l0: &l0 {" + ", ".join(f"k{n}: x" for n in range(50)).encode() + b"}\n" + "".join(levels).encode()
    assert refuse(data, tmp_path, capsys)["code"] == "MLS-E113"


def test_a_chain_of_10_000_steps(tmp_path, capsys):
    steps = "".join(f"      s{n}: {{run: [x], after: [s{(n + 1) % 10_000}]}}\n" for n in range(10_000))
    (tmp_path / ".git").mkdir()
    (tmp_path / "mlspec.yaml").write_bytes(SMALL + b"pipelines:\n  p:\n    image: r.io/a:1\n    steps:\n" + steps.encode())
    assert main(["validate", "--format", "json", str(tmp_path)]) == 1
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [entry["code"] for entry in found if entry["severity"] == "error"] == ["MLS-E416"]


def status_of(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Compile; return the exit status and all that was said. Nothing may be written."""
    before = photograph(folder)
    status = main(["compile", *(arguments or (str(folder),))])
    out, err = capsys.readouterr()
    assert "bug in mlspec" not in out + err
    assert photograph(folder) == before
    return status, out + err


def test_row_12_what_is_no_file(tmp_path, capsys):
    (tmp_path / ".git").mkdir()
    spec = tmp_path / "mlspec.yaml"
    os.mkfifo(spec)
    status, said = status_of(tmp_path, capsys, str(spec))
    assert (status, "a named pipe" in said) == (3, True)
    spec.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(spec))
        status, said = status_of(tmp_path, capsys, str(spec))
    assert (status, "a socket" in said) == (3, True)
    spec.unlink()
    status, said = status_of(tmp_path, capsys, os.devnull)
    assert (status, "a device" in said) == (3, True)
    status, said = status_of(tmp_path, capsys, str(spec))
    assert status == 2
    spec.mkdir()
    status, said = status_of(tmp_path, capsys, str(tmp_path))
    assert status in {0, 2}, said
    spec.rmdir()
    spec.symlink_to(spec)
    status, said = status_of(tmp_path, capsys, str(tmp_path))
    assert status in {2, 3}, said


def test_row_13_symlinks_that_lead_out(tmp_path, capsys):
    (tmp_path / "outside.yaml").write_text("canary: outside\n")
    root = tmp_path / "repository"
    root.mkdir()
    (root / ".git").mkdir()
    (root / "mlspec.yaml").symlink_to(tmp_path / "outside.yaml")
    status, said = status_of(root, capsys)
    assert (status, "MLS-E480" in said, "canary" in said) == (1, True, False)
    (root / "mlspec.yaml").unlink()
    (root / "mlspec.yaml").write_bytes(SMALL + b"extends: base.yaml\n")
    (root / "base.yaml").symlink_to(tmp_path / "outside.yaml")
    status, said = status_of(root, capsys)
    assert (status, "MLS-E480" in said, "canary" in said) == (1, True, False)
    (root / "base.yaml").unlink()
    (root / "base").symlink_to(tmp_path)
    (root / "mlspec.yaml").write_bytes(SMALL + b"extends: base/outside.yaml\n")
    status, said = status_of(root, capsys)
    assert (status, "MLS-E480" in said, "canary" in said) == (1, True, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_row_101_a_file_that_cannot_be_read(tmp_path, capsys):
    repository(tmp_path, SMALL)
    (tmp_path / "mlspec.yaml").chmod(0)
    assert main(["compile", str(tmp_path)]) == 3
    assert "cannot be read" in capsys.readouterr().err


def test_row_106_bases(tmp_path, capsys):
    repository(tmp_path, SMALL + b"extends: a.yaml\n")
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("vars: {a: b}\nextends: a.yaml\n")
    status, said = status_of(tmp_path, capsys)
    assert (status, "MLS-E483" in said, "a.yaml" in said) == (1, True, True)
    for number in range(1_200):
        (tmp_path / f"c{number}.yaml").write_text(f"extends: c{number + 1}.yaml\n")
    (tmp_path / "mlspec.yaml").write_bytes(SMALL + b"extends: c0.yaml\n")
    status, said = status_of(tmp_path, capsys)
    assert (status, "MLS-E484" in said) == (1, True)
    names = ", ".join(f"c{number}.yaml" for number in range(1_200))
    (tmp_path / "mlspec.yaml").write_bytes(SMALL + f"extends: [{names}]\n".encode())
    assert status_of(tmp_path, capsys)[0] == 1


def test_a_fault_in_a_base_is_shown_there(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(repository(tmp_path, SMALL.replace(b"serving: {iris: {model: iris}}\n", b"") + b"extends: base.yaml\n"))
    (tmp_path / "base.yaml").write_text("\nserving: {iris: {model: iriss}}\n")
    _, found = run(tmp_path, capsys)
    assert [(entry["code"], entry["file"], entry["line"], entry["column"]) for entry in found] == [("MLS-E401", "base.yaml", 2, 25)]
