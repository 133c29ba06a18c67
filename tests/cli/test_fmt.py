"""mlspec fmt: what it says of specs that are laid out well or not."""

import json

from mlspec.__main__ import main

SPEC = "apiVersion: mlspec.dev/v1\nname:   churn\nowner: {team: ml}\nmodels: {m: {framework: sklearn, version: 1.0.0, uri: s3://m/m}}\n"


def test_a_format_for_machines_is_a_document_whatever_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mlspec.yaml"
    spec.write_text(SPEC)
    for arguments, status, said in (
        (("--check",), 1, "mlspec.yaml: would change\n"),
        ((), 0, "mlspec.yaml: formatted\n"),
        (("--check",), 0, "nothing to change\n"),
    ):
        assert main(["fmt", *arguments, "--format", "json"]) == status
        out, err = capsys.readouterr()
        assert (json.loads(out)["diagnostics"], err) == ([], said)
    assert "name: churn\n" in spec.read_text()
