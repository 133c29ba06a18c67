"""What compile says to people beside the findings."""

from mlspec.__main__ import main

SPEC = """\
apiVersion: mlspec.dev/v1
name: shop
owner: {team: search}
models: {rank: {framework: xgboost, version: VERSION, uri: s3://shop/rank/VERSION}}
serving: {rank: {model: rank, rollout: {strategy: canary}, expose: {host: rank.shop.example}}}
"""


def test_a_canary_beside_the_version_that_serves(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mlspec.yaml"
    for version in ("1.0.0", "1.1.0"):
        spec.write_text(SPEC.replace("VERSION", version))
        assert main(["compile"]) == 0
    assert "default/rank: version 1.0.0 goes on serving, the new one stands beside it as a canary" in capsys.readouterr().err


def test_a_version_that_was_aborted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mlspec.yaml"
    for version in ("1.0.0", "1.1.0"):
        spec.write_text(SPEC.replace("VERSION", version))
        assert main(["compile", "-q"]) == 0
    assert main(["rollout", "abort", "rank"]) == 0
    capsys.readouterr()
    said = "default/rank: version 1.0.0 goes on serving, the rollout of 1.1.0 was aborted (mlspec rollout start tries it again)"
    assert main(["compile", "--fresh"]) == 0
    assert said in capsys.readouterr().err
    spec.write_text(SPEC.replace("VERSION", "1.0.0"))
    assert main(["compile"]) == 0
    assert "aborted" not in capsys.readouterr().err


def test_a_new_version_is_written_whole_by_one_compile(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "mlspec.yaml"
    for strategy in ("rolling", "canary"):
        for version in ("1.0.0", "1.1.0"):
            spec.write_text(SPEC.replace("VERSION", version).replace("canary", strategy))
            assert main(["compile"]) == 0
            assert main(["check"]) == 0, capsys.readouterr().err
    assert "rank 1.1.0" in (tmp_path / "deploy/shop/README.md").read_text()
