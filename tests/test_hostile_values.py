"""Values that something downstream could run or retype: they leave as the data that they are, or not at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mlspec.__main__ import main
from mlspec.compiler import Request, compile_specs
from mlspec.reporters import FORMATS

HEAD = "apiVersion: mlspec.dev/v1\nname: demo\nowner: {team: ml}\nmodels: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}\n"
TRICKY = [
    *(
        "no",
        "on",
        "y",
        "yes",
        "NULL",
        "~",
        "",
        "1e3",
        "0o14",
        "08",
        "014",
        "1_000",
        ".inf",
        ".nan",
        "2026-01-01",
        "1:30",
        "0x1F",
        "-",
        "?",
        "=",
    ),
    *(
        "a: b",
        "a #b",
        "#a",
        "- a",
        "[a",
        "{a",
        "'a",
        '"a',
        "`a",
        "@a",
        "%a",
        "!a",
        "&a",
        "*a",
        "|",
        ">",
        "<<",
        "a\\nb",
        "a\\",
        "\t",
        " a ",
        "a\n",
    ),
    *(
        "a\n---\nkind: ClusterRoleBinding\n",
        "a\r\nb",
        "$(id)",
        "`id`",
        "; id",
        "$$",
        "$",
        "$$(a)",
        "$$$(b)",
        "$$$",
        "a$",
        "$a",
        "$(",
        "${HOME}",
        "é",
        "😀",
        "a\u00adb",
        "a\u200db",
        "\ufffd",
    ),
    *("true", "False", "null", "0", "1", "1.0", "+1", "1e400", "%s", "{}", "{0}", "{% x %}"),
]


def objects(folder: Path) -> list[dict[str, object]]:
    """Return every object of the compiled tree, read by another parser."""
    found: list[dict[str, object]] = []
    for file in sorted((folder / "deploy").rglob("*.yaml")):
        found += [loaded for loaded in yaml.load_all(file.read_text("utf-8"), yaml.CSafeLoader) if loaded]
    return found


def compiled(folder: Path, spec: str) -> list[dict[str, object]]:
    """Compile a spec in a repository of its own; return its objects."""
    (folder / ".git").mkdir()
    (folder / "mlspec.yaml").write_text(spec, encoding="utf-8", newline="")
    assert main(["compile", str(folder)]) == 0
    return objects(folder)


def container(found: list[dict[str, object]]) -> dict[str, object]:
    """Return the model of the one InferenceService."""
    (service,) = [each for each in found if each["kind"] == "InferenceService"]
    return service["spec"]["predictor"]["model"]  # type: ignore[index]


def expanded(text: str) -> str:
    """Return what a process sees of an argument: two dollars are one, and $(NAME) is a variable."""
    return re.sub(r"\$\$|\$\([^)]*\)", lambda found: "$" if found[0] == "$$" else "EXPANDED", text)


@pytest.mark.parametrize("platform", ["kserve"])
def test_rows_72_73_77_78_arguments_and_variables(platform, tmp_path, capsys):
    """Every string comes back as it was written, dollar signs so that the process sees what was written."""
    plain = json.dumps({"serving": {"iris": {"model": "iris", "args": TRICKY, "env": {f"V{at}": text for at, text in enumerate(TRICKY)}}}})
    spec = HEAD + "platform: {serving: " + platform + "}\n" + yaml.safe_dump(json.loads(plain), allow_unicode=False)
    found = compiled(tmp_path, spec)
    model = container(found)
    assert [expanded(text) for text in model["args"][-len(TRICKY) :]] == TRICKY  # type: ignore[index]
    variables = {entry["name"]: expanded(entry["value"]) for entry in model["env"] if entry["name"].startswith("V")}  # type: ignore[attr-defined]
    assert variables == {f"V{at}": text for at, text in enumerate(TRICKY)}
    assert "ClusterRoleBinding" not in {each["kind"] for each in found}


def test_row_78_no_text_is_written_bare(tmp_path, capsys):
    compiled(tmp_path, HEAD + "description: no\nserving: {iris: {model: iris, env: {A: no, B: '1e3', C: '0o14'}}}\n")
    for file in (tmp_path / "deploy").rglob("*.yaml"):
        for event in yaml.parse(file.read_text("utf-8"), yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent) and event.value in {"no", "1e3", "0o14"}:
                assert event.style == '"', file


@pytest.mark.parametrize(
    "text", ["\\e[31mred", "::add-mask::x", "::stop-commands::x", "a%0A::error::b", "</failure><x>", "]]>", "a\\r\\nb"]
)
@pytest.mark.parametrize("name", FORMATS)
def test_rows_82_83_84_what_a_message_quotes(text, name, tmp_path, capsys):
    (tmp_path / "mlspec.yaml").write_text(HEAD + f'serving: {{iris: {{model: "{text}"}}}}\n"{text}": 1\n', encoding="utf-8")
    assert main(["validate", "--format", name, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith(("::add-mask", "::stop-commands", "::error::"))]
    if name == "junit":
        tree = ElementTree.fromstring(out)
        assert {element.tag for element in tree.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "system-out"}
    elif name in {"json", "sarif", "gitlab"}:
        json.loads(out)


@pytest.mark.parametrize("name", FORMATS)
def test_row_82_what_a_file_name_holds(name, tmp_path, capsys):
    folder = tmp_path / "a\x1b[31mb\n::error::c"
    folder.mkdir()
    (folder / "mlspec.yaml").write_text(HEAD + "servng: {}\n")
    assert main(["validate", "--format", name, str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("::error::")]
    if name == "junit":
        ElementTree.fromstring(out)


def test_row_75_a_label_in_a_query(tmp_path):
    """A column's name cannot leave its quotes: it is an identifier, and is refused before any query is made."""
    (tmp_path / "mlspec.yaml").write_text(
        HEAD + "thresholds: {t: {on: drift, rules: [{metric: psi, column: 'x\"} or up{a=\"', max: 0.2}]}}\n", encoding="utf-8"
    )
    codes = [found.code for found in compile_specs(Request(paths=(tmp_path,))).diagnostics]
    assert "MLS-E301" in codes


SURROUNDINGS = [
    {"LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    {"LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0"},
    {"PYTHONHASHSEED": "3", "TZ": "America/St_Johns", "HOME": "/nonexistent", "PYTHONIOENCODING": "ascii"},
]


@pytest.mark.parametrize("given", SURROUNDINGS, ids=range(len(SURROUNDINGS)))
def test_rows_101_102_other_surroundings_same_bytes(given, tmp_path, capsys):
    spec = (
        HEAD
        + "description: Ä 日本 😀\nserving: {iris: {model: iris, env: {A: é}}}\nenvironments: {dev: {namespace: x}, prod: {namespace: y}}\n"
    )
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    compiled(here, spec)
    (there / ".git").mkdir()
    (there / "mlspec.yaml").write_text(spec, encoding="utf-8")
    surroundings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parent.parent / "src"), **given}
    command = [sys.executable, "-m", "mlspec", "compile", str(there)]
    done = subprocess.run(command, env=surroundings, umask=0o077, capture_output=True, cwd="/", timeout=60, check=False)
    assert done.returncode == 0, done.stderr

    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts
        }

    assert files(here) == files(there)


def test_row_102_the_working_directory_is_gone(tmp_path):
    spec = tmp_path / "mlspec.yaml"
    spec.write_text(HEAD + "serving: {iris: {model: iris}}\n")
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m mlspec validate {spec}"
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    assert done.returncode in {0, 3}


def test_row_105_code_beside_a_spec_is_not_run(tmp_path):
    """An installed command puts no folder of the repository on the path; python -m does, so it is run with -P or -I."""
    canary = "import pathlib; pathlib.Path('canary').touch()\n"
    for name in ("sitecustomize.py", "click.py", "yaml.py", "usercustomize.py", "mlspec.py"):
        (tmp_path / name).write_text(canary)
    (tmp_path / "mlspec.yaml").write_text(HEAD + "serving: {iris: {model: iris}}\n")
    script = tmp_path.parent / "mlspec-command"
    script.write_text("import sys\nfrom mlspec.__main__ import main\nsys.exit(main())\n")
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    done = subprocess.run(
        [sys.executable, str(script), "compile"], cwd=tmp_path, env=surroundings, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists()


def test_row_99_a_closed_pipe(tmp_path):
    spec = tmp_path / "mlspec.yaml"
    spec.write_text(HEAD + "vars: {" + ", ".join(f"a-{n}!: 1" for n in range(3000)) + "}\n")
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    script = f"({sys.executable} -m mlspec validate --format json {spec}; echo $? >status) | head -c 10 >/dev/null"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert (tmp_path / "status").read_text().strip() == "141"
