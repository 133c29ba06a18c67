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
