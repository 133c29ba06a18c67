"""How a run begins and ends: help, usage, exits, streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlspec.__main__ import main
from mlspec.cli import COMMANDS
from mlspec.cli.console import FORMATS
from mlspec.diagnostics import Diagnostic, Rejected, Unable
from mlspec.location import Site

FAULT = Diagnostic("MLS-E203", "error", "found a tree", Site("mlspec.yaml", 2, 1, 2, 5, "tree"), "write 3")
WARNING = Diagnostic("MLS-W401", "warning", "nobody reads it", Site("mlspec.yaml", 1, 1, 1, 2, "x"))


@pytest.fixture
def compiler(monkeypatch):
    """Put something else in the place of the compiler: what it returns, or raises."""

    def install(result):
        def compile_specs(request):
            if isinstance(result, BaseException):
                raise result
            return result

        module = SimpleNamespace(compile_specs=compile_specs, Request=SimpleNamespace)
        monkeypatch.setitem(sys.modules, "mlspec.compiler", module)

    return install


def outcome(*diagnostics):
    project = SimpleNamespace(name="iris", environments=("default",), tree={"deploy/iris/default/a.yaml": b"apiVersion: v1\nkind: X\n"})
    return SimpleNamespace(projects=(project,), diagnostics=diagnostics, files=("mlspec.yaml",), conformed={"Kubernetes 1.37": 5}, notes=())


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)])
def test_every_help_page_has_examples(arguments, capsys):
    assert main([*arguments, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:\n" in text
    assert f"    mlspec {arguments[0]}" in text if arguments else True


@pytest.mark.parametrize("name", ["list", "show", "diff", "check"])
def test_pages_of_the_commands_of_templates(name, capsys):
    assert main(["templates", name, "--help"]) == 0
    assert f"mlspec templates {name}" in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    main(["--help"])
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


def test_the_formats_of_the_options_are_those_of_the_reporters():
    from mlspec import reporters

    assert FORMATS == reporters.FORMATS


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_but_click(arguments):
    script = f"""
import sys
from mlspec.__main__ import main
main({arguments!r})
own = sorted(name for name in sys.modules if name.startswith("mlspec"))
heavy = {{"pydantic", "jinja2", "ruamel", "jsonschema", "kubernetes", "yaml", "rich", "asyncio", "urllib.request", "subprocess"}}
print("|", own, sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.rsplit("|", 1)[1].strip() == "['mlspec', 'mlspec.__main__', 'mlspec.cli', 'mlspec.cli.console'] []"


def test_unknown_commands_are_usage(capsys):
    assert main(["valdate"]) == 2
    assert "did you mean validate?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["validate", "nowhere.yaml"], ["validate", "--format", "xml"], ["compile", "--env", "prod"], ["why", "x"]]
)
def test_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "Error:" in capsys.readouterr().err


def test_fine(compiler, capsys):
    compiler(outcome())
    assert main(["validate"]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "iris: 1 environment, 5 objects conform (Kubernetes 1.37: 5)\n"


def test_warnings_do_not_fail(compiler, capsys):
    compiler(outcome(WARNING))
    assert main(["validate"]) == 0
    assert "warning[MLS-W401]" in capsys.readouterr().err


def test_quiet_keeps_errors_alone(compiler, capsys):
    compiler(outcome(WARNING, FAULT))
    assert main(["validate", "-q"]) == 1
    err = capsys.readouterr().err
    assert "MLS-E203" in err
    assert "MLS-W401" not in err


def test_rejected_exits_1_and_is_reported(compiler, capsys):
    compiler(Rejected([FAULT]))
    assert main(["validate"]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("error[MLS-E203]: found a tree\n")


@pytest.mark.parametrize("result", [Rejected([FAULT]), outcome(FAULT)])
@pytest.mark.parametrize("form", [name for name in FORMATS if name != "text"])
def test_formats_change_the_stream_and_never_the_exit(form, result, compiler, capsys):
    compiler(result)
    assert main(["validate", "--format", form]) == 1
    streams = capsys.readouterr()
    assert "MLS-E203" in streams.out
    assert streams.err == ""


def test_no_variable_changes_the_format(compiler, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    compiler(Rejected([FAULT]))
    main(["validate"])
    assert capsys.readouterr().err.startswith("error[")


def test_unable_has_its_status(compiler, capsys):
    compiler(Unable("cannot read \x1b", "make it readable", status=3))
    assert main(["validate"]) == 3
    assert capsys.readouterr().err == "error: cannot read \\x1b\nhelp: make it readable\n"


def test_unable_in_json(compiler, capsys):
    compiler(Unable("no environment named x", "there are dev and prod", status=2))
    assert main(["validate", "--format", "json"]) == 2
    (entry,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert entry["code"] == "MLS-E090"
    assert entry["message"] == "no environment named x"
    assert entry["help"] == "there are dev and prod"


def test_faults_of_the_file_system_are_surroundings(compiler, capsys):
    compiler(PermissionError(13, "Permission denied", "/x/mlspec.yaml"))
    assert main(["validate"]) == 3
    assert capsys.readouterr().err == "error: /x/mlspec.yaml: Permission denied\n"


def test_a_bug_is_admitted_without_a_traceback(compiler, capsys, monkeypatch):
    monkeypatch.delenv("MLSPEC_DEBUG", raising=False)
    compiler(RuntimeError("surprise"))
    assert main(["validate"]) == 70
    err = capsys.readouterr().err
    assert "this is a bug in mlspec" in err
    assert "Traceback" not in err
    monkeypatch.setenv("MLSPEC_DEBUG", "1")
    assert main(["validate"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_interrupted(compiler):
    compiler(KeyboardInterrupt())
    assert main(["validate"]) == 130


def test_a_reader_that_went_away():
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [sys.executable, "-m", "mlspec", "completion", "bash"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (141, "")


def test_terminated():
    script = "import os, signal, sys, mlspec.__main__ as m; m._run = lambda *_: os.kill(os.getpid(), signal.SIGTERM); sys.exit(m.main([]))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 128 + signal.SIGTERM
    assert run.stderr == ""


@pytest.mark.parametrize(
    "case",
    [
        ([], {}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour(case, compiler, capsys, monkeypatch):
    options, variables, coloured = case
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    compiler(Rejected([FAULT]))
    main(["validate", *options])
    assert ("\x1b[" in capsys.readouterr().err) is coloured


def test_compile_to_stdout_prints_objects_and_nothing_else(compiler, capfdbinary):
    compiler(outcome(WARNING))
    assert main(["compile", "--stdout"]) == 0
    streams = capfdbinary.readouterr()
    assert streams.out == b"---\n# deploy/iris/default/a.yaml\napiVersion: v1\nkind: X\n"
    assert b"MLS-W401" in streams.err
