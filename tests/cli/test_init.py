"""The first spec."""

from __future__ import annotations

import pytest
import yaml

from mlspec.__main__ import main
from mlspec.cli import init


def test_defaults(tmp_path, capsys):
    folder = tmp_path / "My Project_2"
    assert main(["init", "--yes", str(folder)]) == 0
    text = (folder / "mlspec.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    assert yaml.safe_load(text) == {
        "apiVersion": "mlspec.dev/v1",
        "name": "my-project-2",
        "owner": {"team": "ml-platform"},
        "models": {"my-project-2": {"framework": "sklearn", "version": "1.0.0", "uri": "s3://my-project-2-models/my-project-2/1.0.0"}},
        "serving": {"my-project-2": {"model": "my-project-2"}},
    }
    assert "mlspec validate" in capsys.readouterr().err


def test_options(tmp_path):
    options = [
        "--name",
        "2024",
        "--team",
        "growth",
        "--framework",
        "custom",
        "--image",
        "ghcr.io/a/b:1",
        "--version",
        "2.3",
        "--uri",
        "hf://a/b",
    ]
    more = ["--repository", "https://github.com/a/b.git", "--env", "dev", "--env", "null", "--schema", "../s.json"]
    assert main(["init", *options, *more, str(tmp_path)]) == 0
    spec = yaml.safe_load((tmp_path / "mlspec.yaml").read_text())
    assert spec["name"] == "2024"
    assert spec["platform"] == {"repository": {"url": "https://github.com/a/b.git"}}
    assert spec["environments"] == {"dev": {"namespace": "2024-dev"}, "null": {"namespace": "2024-null", "after": "dev"}}
    assert spec["models"]["2024"] == {"framework": "custom", "version": "2.3", "uri": "hf://a/b"}
    assert spec["serving"]["2024"] == {"model": "2024", "runtime": "custom", "image": "ghcr.io/a/b:1"}


def test_never_overwrites(tmp_path, capsys):
    file = tmp_path / "mlspec.yaml"
    file.write_text("mine")
    assert main(["init", "--yes", str(tmp_path)]) == 2
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--name", "Not A Name", "write lower-case letters, digits and dashes"),
        ("--uri", "http://x", "write a URI such as s3://"),
        ("--team", 'a"b', "write letters, digits, dashes"),
        ("--env", "a_b", "write lower-case letters"),
        ("--repository", 'a"\nb', "write it without blanks or quotes"),
    ],
)
def test_what_does_not_fit(option, value, said, tmp_path, capsys):
    assert main(["init", "--yes", option, value, str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "mlspec.yaml").exists()


def test_the_wizard_asks_again(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "_on_terminal", lambda: True)
    answers = iter(["Bad Name", "churn", "growth", "xgboost", "2.0.0", "s3://b/churn/2.0.0", "", "dev, prod"])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(answers))
    assert main(["init", str(tmp_path)]) == 0
    spec = yaml.safe_load((tmp_path / "mlspec.yaml").read_text())
    assert spec["name"] == "churn"
    assert list(spec["environments"]) == ["dev", "prod"]


@pytest.mark.parametrize("framework", [name for name in init.FRAMEWORKS if name != "custom"])
def test_every_first_spec_compiles(framework, tmp_path):
    compiler = pytest.importorskip("mlspec.compiler")
    main(
        [
            "init",
            "--yes",
            "--framework",
            framework,
            "--env",
            "dev",
            "--env",
            "prod",
            "--repository",
            "https://github.com/acme/x.git",
            str(tmp_path),
        ]
    )
    outcome = compiler.compile_specs(compiler.Request(paths=(tmp_path,)))
    assert [diagnostic for diagnostic in outcome.diagnostics if diagnostic.severity == "error"] == []
