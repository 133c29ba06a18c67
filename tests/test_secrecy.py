"""A secret that someone wrote into a spec reaches no output, whatever else is wrong around it."""

from __future__ import annotations

import time

import pytest

from mlspec.__main__ import main
from mlspec.reporters import FORMATS
from mlspec.secrecy import find_secrets, mask, pieces

CANARY = "Zq7canary4Xw9Lm2"
SHAPES = [
    "AKIAZQ7CANARY4XW9LM2",
    "ghp_Zq7canary4Xw9Lm2Zq7canary4Xw9Lm2Zq7c",
    "hf_Zq7canary4Xw9Lm2Zq7canary4Xw9Lm2",
    "https://user:Zq7canary4Xw9Lm2@models.acme.example/iris",
    "postgres://db.acme.example/x?password=Zq7canary4Xw9Lm2",
]
HEAD = "apiVersion: mlspec.dev/v1\nname: demo\nowner: {team: ml}\nmodels: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}\n"
UNDER_A_NAME = [
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: {CANARY}}}}}}}\n",
    f"serving: {{iris: {{model: iriss, env: {{DB_PASSWORD: {CANARY}}}}}}}\n",
    f"serving: {{iris: {{modell: iris, env: {{DB_PASSWORD: {CANARY}}}}}}}\n",
    f"serving: {{iris: {{model: iris, replicas: x, env: {{DB_PASSWORD: '{CANARY}'}}}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: {CANARY}}}, replicas: ]}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: {CANARY}\n",
    f'serving: {{iris: {{model: iris, env: {{DB_PASSWORD: "{CANARY}}}}}}}\n',
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: !!str {CANARY}}}}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: &a {CANARY}, B: *a, C: *d}}}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: {{value: {CANARY}}}}}}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: [{CANARY}]}}}}}}\n",
    f"serving: {{iris: {{model: iris, env: {{DB_PASSWORD: {{secret: '{CANARY} {CANARY}'}}}}}}}}\n",
    f"serving:\n  iris:\n    model: iris\n    env:\n      DB_PASSWORD: |\n        a line\n        {CANARY}\u200b\n",
    f"serving:\n  iris:\n    model: iris\n    env:\n      DB_PASSWORD:\n        {CANARY}\u200b\n",
    f"serving:\n  iris:\n    model: iris\n    env:\n      DB_PASSWORD:\n\t{CANARY}\n",
    f"serving:\n  iris:\n    model: iris\n    env:\n      DB_PASSWORD: {CANARY}\n      DB_PASSWORD: {CANARY}\n",
    f"models: {{iris: {{framework: sklearn, version: 1.0.0, uri: s3://m/iris, password: {CANARY}}}}}\n",
    f"models: {{iris: {{framework: sklearn, version: 1.0.0, uri: s3://m/iris, api-key: {CANARY}}}}}\n",
    f"models: {{iris: {{framework: sklearn, version: 1.0.0, uri: s3://m/iris, secret: {{token: {CANARY}}}}}}}\n",
    f"password: {CANARY}\n",
    f"password:{CANARY}\nvars: {{a: [}}\n",
    f"vars: {{db_token: {CANARY}}}\nservng: {{}}\n",
    f"vars: {{db_token: {CANARY}, 1a: 2}}\n",
    f"pipelines: {{p: {{image: 'r.io/a:1', steps: {{a: {{run: [x], secrets: {{HF_TOKEN: '{CANARY} x'}}}}}}}}}}\n",
    f"description: |\n  -----BEGIN RSA PRIVATE KEY-----\n  {CANARY}{CANARY}\u200b\n  -----END RSA PRIVATE KEY-----\n",
    f"description: |\n  -----BEGIN PRIVATE KEY-----\n  {CANARY}{CANARY}\n  -----END PRIVATE KEY-----\nservng: {{}}\n",
    f"environments: {{a: {{namespace: x, overrides: {{serving: {{iris: {{env: {{A_SECRET: {CANARY}}}}}}}}}}}}}\nserving: {{iris: {{model: iris}}}}\n",  # noqa: E501
    f"patches: [{{target: {{kind: Deployment}}, reason: x, merge: {{spec: {{env: [{{name: DB_PASSWORD, value: {CANARY}}}]}}}}}}]\n",
]


def everything(spec: str, folder, capsys) -> dict[str, str]:
    """Return all that validate writes, by format."""
    (folder / "mlspec.yaml").write_text(spec, encoding="utf-8")
    said = {}
    for name in FORMATS:
        main(["validate", "--format", name, str(folder)])
        out, err = capsys.readouterr()
        said[name] = out + err
    return said


@pytest.mark.parametrize("spec", UNDER_A_NAME, ids=range(len(UNDER_A_NAME)))
def test_what_stands_under_the_name_of_a_secret(spec, tmp_path, capsys):
    for name, said in everything((HEAD if "models:" not in spec else HEAD.rpartition("models")[0]) + spec, tmp_path, capsys).items():
        assert "MLS-E" in said, name
        assert "canary" not in said.lower(), f"{name}\n{said}"


@pytest.mark.parametrize("secret", SHAPES)
@pytest.mark.parametrize(
    "place",
    [
        "description: '{}'\n",
        "description: '{}'\nservng: {{a: b}}\n",
        "services: {{a: '{}'}}\n",
        "vars: {{a: '{}', a: '{}'}}\n",
        "vars: {{a: '{}', b: [}}\n",
        "serving: {{iris: {{model: '{}'}}}}\n",
        "serving: {{iris: {{model: iris, args: ['{}'], replicas: x}}}}\n",
        "serving: {{iris: {{model: iris, runtime: '{}'}}}}\n",
        "serving: {{iris: {{model: iris, expose: {{host: '{}'}}}}}}\n",
        "requires: '{}'\n",
        "output: {{root: '{}'}}\n",
        "extends: '{}'\n",
        "pipelines: {{p: {{image: '{}', steps: {{s: {{run: [x]}}}}}}}}\n",
        "pipelines: {{p: {{image: 'r.io/a:1', schedule: '{}', steps: {{s: {{run: [x], timeout: '{}'}}}}}}}}\n",
        "# {}\nservng: {{}}  # {}\n",
        "<<<<<<< {}\n",
    ],
)
def test_what_looks_like_a_secret(secret, place, tmp_path, capsys):
    for name, said in everything(HEAD + place.replace("{}", secret).replace("{{", "{").replace("}}", "}"), tmp_path, capsys).items():
        assert "canary" not in said.lower(), f"{name}\n{said}"


def test_a_base_file_keeps_its_secrets(tmp_path, capsys):
    (tmp_path / ".git").mkdir()
    (tmp_path / "base.yaml").write_text(f"serving: {{iris: {{model: iriss, replicas: 3, env: {{DB_PASSWORD: {CANARY}}}}}}}\n")
    for name, said in everything(HEAD + "extends: base.yaml\n", tmp_path, capsys).items():
        assert "MLS-E" in said, name
        assert "canary" not in said, f"{name}\n{said}"


def test_lines_without_secrets_are_shown(tmp_path, capsys):
    spec = HEAD + "serving:\n  iris:\n    model: iriss\n    env:\n      HF_TOKEN: {secret: hf/token}\n"
    said = everything(spec, tmp_path, capsys)["text"]
    assert "    model: iriss" in said


def test_a_secret_that_is_named_hides_nothing():
    assert find_secrets("models: {a: {secret: hf-token}}\nenv: {HF_TOKEN: {secret: hf/token}}\n") == []


def test_masks():
    hidden = pieces(["'hunter2hunter2'", "abcd", "x"])
    assert mask("it is hunter2hunter2, not abcd or x", hidden) == "it is ***, not *** or x"
    assert mask("it is hunter2hu...", hidden) == "it is ***..."
    assert mask("clean", hidden) == "clean"


def test_large_texts_take_no_time():
    began = time.process_time()
    for text in (
        "password: " * 100_000,
        "a-" * 500_000,
        "'" * 500_000,
        "password: |\n" * 20_000,
        "password: {\n a\n" * 20_000,
        "://" * 300_000,
    ):
        find_secrets(text)
    assert time.process_time() - began < 5
