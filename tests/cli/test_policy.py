"""A change cannot loosen what judges it: not the base, not the program, not by a comment, not by sheer size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.__main__ import main
from repository.build_clone import commit_all, git, make_clone, spec

HIJACK = 'import os\nprint("HIJACKED")\nopen(os.environ["MARK"], "a").write(__file__ + "\\n")\n'
MODULES = ("sitecustomize", "usercustomize", "jinja2", "click", "yaml", "json", "pydantic", "ruamel", "kubernetes", "encodings")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    folder = make_clone(tmp_path / "clone")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main([*arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


# What a change is held against


BASE = """\
owner: {team: ml}
models: {m: {framework: sklearn, version: "1.0.0", uri: "s3://acme/m/1.0.0"}}
thresholds:
  online: {on: live, rules: [{metric: errorRate, max: 1%, window: 5m}]}
"""
SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
extends: ../base.yaml
environments: {prod: {namespace: churn}}
serving: {churn: {model: m, replicas: 2}}
monitoring: {churn: {alerts: [online]}}
"""
LOOSER = BASE.replace("max: 1%", "max: 5%")


@pytest.fixture
def guarded(home):
    """A repository whose gate stands in a base file, as an organisation would keep it; main has it."""
    (home / "base.yaml").write_text(BASE)
    (home / "churn/mlspec.yaml").write_text(SPEC)
    assert main(["compile", "--quiet"]) == 0
    commit_all(home)
    git(home, "checkout", "-q", "-b", "change")
    return home


def test_a_gate_is_held_against_the_base_branch_not_against_the_change(guarded, run):
    """The change loosens the gate in the base file, and uses the looser one in the same breath."""
    (guarded / "base.yaml").write_text(LOOSER)
    (guarded / "churn/mlspec.yaml").write_text(SPEC.replace("replicas: 2", "replicas: 3"))
    assert run("compile")[0] == 0
    commit_all(guarded)
    assert run("check")[0] == 0, "by itself it is in order"
    status, said = run("check", "--against", "main")
    assert (status, "error[MLS-E740]" in said) == (1, True), said
    status, said = run("diff", "--from", "main")
    assert "base.yaml" in said, "the reviewer is told"
    assert "errorRate" in said


def test_another_base_is_no_way_around(guarded, run):
    (guarded / "mine.yaml").write_text(LOOSER)
    (guarded / "churn/mlspec.yaml").write_text(SPEC.replace("../base.yaml", "../mine.yaml"))
    assert run("compile")[0] == 0
    commit_all(guarded)
    status, said = run("check", "--against", "main")
    assert (status, "error[MLS-E740]" in said) == (1, True), said


def test_a_gate_that_is_taken_away_is_no_way_around(guarded, run):
    (guarded / "base.yaml").write_text(BASE[: BASE.index("thresholds:")])
    (guarded / "churn/mlspec.yaml").write_text(SPEC[: SPEC.index("monitoring:")])
    assert run("compile")[0] == 0
    commit_all(guarded)
    status, said = run("check", "--against", "main")
    assert (status, "error[MLS-E740]" in said) == (1, True), said


# What runs


@pytest.fixture
def hijacked(home, tmp_path, monkeypatch):
    """A repository whose root has modules of the names that mlspec imports; returns the mark that they leave."""
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    for name in MODULES:
        (home / f"{name}.py").write_text(HIJACK)
    (home / "mlspec").mkdir()
    for name in ("__init__", "__main__"):
        (home / "mlspec" / f"{name}.py").write_text(HIJACK)
    return tmp_path / "mark"


WAYS = {"the installed program": [str(Path(sys.executable).with_name("mlspec"))], "python -I -m": [sys.executable, "-I", "-m", "mlspec"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", ["validate", "compile", "diff"])
def test_no_module_of_the_repository_is_imported(home, hijacked, way, command):
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if (
        not Path(WAYS[way][0]).exists()
        or subprocess.run([*WAYS[way], "--version"], env=surroundings, capture_output=True, check=False).returncode
    ):
        pytest.skip("mlspec is not installed here")
    done = subprocess.run([*WAYS[way], command], cwd=home, env=surroundings, capture_output=True, text=True, check=False)
    assert (done.returncode, hijacked.exists(), "HIJACKED" in done.stdout) == (0, False, False), done.stderr


def test_the_trap_works(home, hijacked):
    subprocess.run([sys.executable, "-c", "import jinja2"], cwd=home, capture_output=True, check=False)
    assert hijacked.exists()


# How far inclusion goes


def test_files_that_extend_one_another_in_a_circle(home, run):
    (home / "churn/a.yaml").write_text("extends: b.yaml\n")
    (home / "churn/b.yaml").write_text("extends: [a.yaml]\n")
    (home / "churn/mlspec.yaml").write_text("extends: a.yaml\n" + spec())
    status, said = run("validate")
    assert (status, "error[MLS-E483]" in said) == (1, True), said
    assert "churn/a.yaml → churn/b.yaml → churn/a.yaml" in said


@pytest.mark.parametrize("shape", ["beside one another", "in a row"])
def test_ten_thousand_bases(home, run, shape):
    names = [f"b{number}.yaml" for number in range(10_000)]
    for name, following in zip(names, [*names[1:], None], strict=True):
        (home / "churn" / name).write_text(f"extends: {following}\n" if shape == "in a row" and following else "vars: {a: b}\n")
    first = "[" + ", ".join(names) + "]" if shape == "beside one another" else names[0]
    (home / "churn/mlspec.yaml").write_text(f"extends: {first}\n{spec()}")
    status, said = run("validate")
    assert (status, "error[MLS-E484]" in said) == (1, True), said[:2000]
    assert len(said) < 20_000, "it is said once"


# What a comment can do

SILENCED = {
    "a security code": ("MLS-E501", "MLS-E580"),
    "an error": ("MLS-E202", "MLS-E581"),
}


@pytest.mark.parametrize("what", SILENCED)
def test_a_comment_silences_neither(home, run, what):
    code, answer = SILENCED[what]
    (home / "churn/mlspec.yaml").write_text(spec() + f"description: fine # mlspec: ignore[{code}] we know what we do\n")
    status, said = run("compile")
    assert (status, f"error[{answer}]" in said, code in said) == (1, True, True), said
    assert not (home / "deploy").exists()


def test_a_comment_in_a_base_silences_neither(home, run):
    (home / "churn/base.yaml").write_text("vars: {a: b} # mlspec: ignore[MLS-E501] we know what we do\n")
    (home / "churn/mlspec.yaml").write_text("extends: base.yaml\n" + spec())
    status, said = run("compile")
    assert (status, "error[MLS-E580]" in said) == (1, True), said


def test_every_security_code_is_refused(home, run):
    from mlspec.catalogue import load

    codes = [code.id for code in load().values() if code.security]
    assert len(codes) > 10
    (home / "churn/mlspec.yaml").write_text(spec() + f"description: fine # mlspec: ignore[{', '.join(codes)}] all of them\n")
    status, said = run("compile")
    assert status == 1
    assert all(f"{code} is a security code and cannot be ignored" in said for code in codes)
