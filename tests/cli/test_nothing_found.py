"""What commands say where there is no spec: nobody takes an empty folder for a good one."""

import pytest

from mlspec.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("validate",), "0 projects: no mlspec.yaml was found"),
        (("compile",), "0 projects: no mlspec.yaml was found"),
        (("check",), "nothing to check: no mlspec.yaml was found"),
        (("lock", "--check"), "no mlspec.yaml was found"),
    ],
)
def test_an_empty_folder(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments]) == 0
    assert capsys.readouterr() == ("", f"{said}\n")
