"""promote, set and rollback on specs as people write them: anchors, flow style, CRLF, BOM, base files; only what was asked for changes."""

import re

import pytest

from mlspec.__main__ import main
from mlspec.promotion.views import View
from mlspec.source.extends import load
from repository.build_clone import commit_all, git

BLOCK = """\
apiVersion: mlspec.dev/v1   # the language
# before the name
name: churn
owner: {team: ml}           # who
environments:
  dev:                      # first
    namespace: churn-dev
    overrides:
      # ahead of the others
      models:
        churn:   # the one
          version: 2.0.0   # tried
          uri: s3://acme/churn/2.0.0
  staging:
    # after dev
    namespace: churn-staging
    after: dev   # in order
  prod: {namespace: churn, after: staging}
models:
  # what runs
  churn:
    framework: sklearn   # kind
    version: 1.0.0     # what runs
    uri: s3://acme/churn/1.0.0
    # the end
serving:
  churn: {model: churn}
# the last line
"""
FLOW = (
    "{apiVersion: mlspec.dev/v1, name: churn, owner: {team: ml}, environments: {dev: {namespace: churn-dev, overrides: {models: {churn: "
    "{version: 2.0.0, uri: 's3://acme/churn/2.0.0'}}}}, staging: {namespace: churn-staging, after: dev}, prod: {namespace: churn, after: "
    "staging}}, models: {churn: {framework: sklearn, version: 1.0.0, uri: 's3://acme/churn/1.0.0'}}, serving: {churn: {model: churn}}}\n"
)
ANCHORED = BLOCK.replace("models:\n  # what", "models:\n  # what").replace(
    "        churn:   # the one\n          version: 2.0.0   # tried\n          uri: s3://acme/churn/2.0.0\n",
    "        churn: &ahead {version: 2.0.0, uri: s3://acme/churn/2.0.0}   # the one, tried\n",
)
SHARED = ANCHORED.replace(
    "after: dev   # in order\n", "after: dev   # in order\n    overrides: {models: {churn: {version: 1.5.0, uri: s3://acme/churn/1.5.0}}}\n"
)
MERGED = BLOCK.replace(
    "  churn:\n    framework: sklearn   # kind\n",
    "  other: &kind\n    framework: sklearn   # kind\n    version: 7.0.0\n    uri: s3://acme/other/7\n  churn:\n    <<: *kind\n",
)
QUOTED = BLOCK.replace("models:", '"models":').replace("churn:   # the one", "'churn':   # the one").replace("version:", '"version":')
DIGEST = BLOCK.replace("2.0.0", "sha256-" + "a" * 40).replace("1.0.0", "sha256-" + "b" * 40)
LLM = (
    BLOCK.replace("sklearn", "huggingface")
    .replace("s3://acme/churn/1.0.0", "hf://acme/churn@aaaa")
    .replace("s3://acme/churn/2.0.0", "hf://acme/churn@bbbb")
)
LATER = BLOCK.replace(
    "prod: {namespace: churn, after: staging}", "prod: {namespace: churn, after: staging, overrides: {models: {churn: {version: 0.9.0}}}}"
)
SPECS = {
    "block": BLOCK, "flow": FLOW, "CRLF": BLOCK.replace("\n", "\r\n"), "BOM": "\ufeff" + BLOCK,
    "BOM and CRLF": "\ufeff" + BLOCK.replace("\n", "\r\n"),
    "an anchor": ANCHORED, "an anchor and an override": SHARED, "a merge key": MERGED, "quoted keys": QUOTED, "a digest": DIGEST,
    "a model of Hugging Face": LLM, "an override in prod alone": LATER, "no line end": BLOCK.rstrip("\n").removesuffix("# the last line"),
    "four spaces": re.sub(r"(?m)^( +)", lambda found: found[1] * 2, BLOCK),
    "a document marker": "---\n" + BLOCK + "...\n",
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q", "-b", "main", ".")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def states(folder, name="mlspec.yaml"):
    source = load(folder / name, folder, str)
    views = [View(source.tree, source.mark, environment) for environment in source.tree["environments"]]
    return {view.environment: {key: value for key, value in view.read.items() if key != "environments"} for view in views}


def comments(data):
    return re.findall(rb"#[^\r\n]*", data)


@pytest.mark.parametrize("form", SPECS)
def test_there_and_back_gives_the_first_bytes_again(home, run, form):
    """The version moves, no other environment does, comments and line ends stay; the way back ends where it began."""
    spec = home / "mlspec.yaml"
    first = SPECS[form].encode()
    spec.write_bytes(first)
    commit_all(home, "one")
    before = states(home)
    status, _, said = run("promote", "--from", "dev", "--to", "staging")
    assert status == 0, said
    second, after = spec.read_bytes(), states(home)
    assert second != first
    assert after["staging"]["models"]["churn"]["version"] == before["dev"]["models"]["churn"]["version"]
    assert after["staging"]["models"]["churn"]["uri"] == before["dev"]["models"]["churn"]["uri"]
    assert (after["dev"], after["prod"]) == (before["dev"], before["prod"])
    assert comments(second) == comments(first)
    assert second.startswith(b"\xef\xbb\xbf") == first.startswith(b"\xef\xbb\xbf")
    assert (b"\r\n" in second, second.count(b"\n") == second.count(b"\r\n")) == (
        b"\r\n" in first,
        first.count(b"\n") == first.count(b"\r\n"),
    )
    assert run("promote", "--from", "dev", "--to", "staging")[2].startswith("nothing to do")
    commit_all(home, "two")
    status, _, said = run("rollback", "--env", "staging")
    assert status == 0, said
    assert states(home) == before
    assert spec.read_bytes() == first
    commit_all(home, "three")
    assert run("rollback", "--env", "staging", "--to", "HEAD~1")[0] == 0
    assert spec.read_bytes() == second, "and there again"


BASE = """\
# shared by two environments
models:
  churn: {framework: sklearn, version: 1.0.0, uri: s3://acme/churn/1.0.0}
datasets:
  people: {uri: s3://d/people, version: {dvc: data/one.dvc}}
"""
EXTENDING = """\
apiVersion: mlspec.dev/v1
name: churn
extends: base.yaml
owner: {team: ml}
environments:
  dev:
    namespace: churn-dev
    overrides: {models: {churn: {version: 2.0.0, uri: s3://acme/churn/2.0.0}}, datasets: {people: {version: {dvc: data/two.dvc}}}}
  east: {namespace: churn-east, after: dev}
  west: {namespace: churn-west, after: dev}
  last: {namespace: churn-last, after: east}
serving: {churn: {model: churn}}
"""


def write(folder, **files):
    (folder / "data").mkdir(exist_ok=True)
    for name in ("one", "two"):
        (folder / "data" / f"{name}.dvc").write_text(f"outs:\n- md5: {'a' * 32}\n  path: {name}\n")
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_versions_of_a_base_file_that_two_environments_share(home, run):
    """The base file stays as it is; each environment gets its own override, model and data as one unit, and goes back alone."""
    write(home, base=BASE, mlspec=EXTENDING)
    commit_all(home, "one")
    for name in ("east", "west"):
        assert run("promote", "--from", "dev", "--to", name)[0] == 0
        commit_all(home, name)
    found = {name: (state["models"]["churn"]["version"], state["datasets"]["people"]["version"]) for name, state in states(home).items()}
    assert found == {
        "dev": ("2.0.0", {"dvc": "data/two.dvc"}),
        "east": ("2.0.0", {"dvc": "data/two.dvc"}),
        "west": ("2.0.0", {"dvc": "data/two.dvc"}),
        "last": ("1.0.0", {"dvc": "data/one.dvc"}),
    }
    assert (home / "base.yaml").read_text() == BASE
    assert run("rollback", "--env", "east")[0] == 0
    after = states(home)
    assert [after[name]["models"]["churn"]["version"] for name in after] == ["2.0.0", "1.0.0", "2.0.0", "1.0.0"]
    assert (home / "base.yaml").read_text() == BASE


def test_a_base_file_that_changed_since_goes_back_by_an_override(home, run):
    write(home, base=BASE, mlspec=EXTENDING)
    commit_all(home, "one")
    (home / "base.yaml").write_text(BASE.replace("1.0.0", "1.1.0"))
    commit_all(home, "two")
    status, _, said = run("rollback", "--env", "last")
    assert status == 0, said
    after = states(home)
    assert [after[name]["models"]["churn"]["version"] for name in after] == ["2.0.0", "1.1.0", "1.1.0", "1.0.0"]
    assert (home / "base.yaml").read_text() == BASE.replace("1.0.0", "1.1.0")


ORDERS = [
    (("dev", "last"), 1, "promoting from dev would skip east"),
    (("west", "last"), 1, "last comes after east, not after west"),
    (("east", "west"), 1, "west comes after dev, not after east"),
    (("dev", "eats"), 2, "did you mean east?"),
    (("dve", "east"), 2, "did you mean dev?"),
    (("east", "east"), 2, "one environment"),
    (("dev", "east", "--only", "poeple"), 2, "did you mean people?"),
]


@pytest.mark.parametrize(("words", "status", "said"), ORDERS, ids=[" to ".join(row[0][:2]) for row in ORDERS])
def test_the_order_of_environments(home, run, words, status, said):
    write(home, base=BASE, mlspec=EXTENDING)
    found, _, text = run("promote", "--from", words[0], "--to", words[1], *words[2:])
    assert (found, said in text) == (status, True), text
    assert (home / "mlspec.yaml").read_text() == EXTENDING


def test_one_name_takes_what_is_coupled_to_it_or_is_refused(home, run):
    """A version that a variable tells moves with all that the variable tells: the other item has to be asked for, too."""
    text = EXTENDING.replace("extends: base.yaml\n", "vars: {v: 1.0.0}\n").replace(
        "overrides: {models: {churn: {version: 2.0.0, uri: s3://acme/churn/2.0.0}}, datasets: {people: {version: {dvc: data/two.dvc}}}}",
        "vars: {v: 2.0.0}",
    )
    text += "models:\n  churn: &m {framework: sklearn, version: '${vars.v}', uri: 's3://acme/churn/${vars.v}'}\n  other: *m\n"
    write(home, mlspec=text)
    status, _, said = run("promote", "--from", "dev", "--to", "east", "--only", "churn")
    assert (status, "error: models.other.version would change too" in said) == (1, True), said
    assert (home / "mlspec.yaml").read_text() == text
    assert run("promote", "--from", "dev", "--to", "east", "--only", "churn", "--only", "other")[0] == 0
    assert {name: state["models"]["other"]["version"] for name, state in states(home).items()} == {
        "dev": "2.0.0", "east": "2.0.0", "west": "1.0.0", "last": "1.0.0",
    }  # fmt: skip


THEN = [  # what the spec was at the commit, and why nothing goes back to it
    (None, "it has no mlspec.yaml"),
    ("name: [", "mlspec.yaml cannot be read as it was: MLS-E1"),
    (BLOCK.replace("mlspec.dev/v1", "mlspec.dev/v0"), "mlspec.yaml cannot be read as it was: MLS-E"),
    (BLOCK.replace("framework:", "kind:"), "mlspec.yaml cannot be read as it was: MLS-E"),
    (BLOCK.replace("  prod: {namespace: churn, after: staging}\n", ""), "it has no environment prod"),
]


@pytest.mark.parametrize(("then", "why"), THEN, ids=[row[1] for row in THEN])
def test_revisions_that_nothing_goes_back_to(home, run, then, why):
    spec = home / "mlspec.yaml"
    (home / "other").write_text("x")
    if then is not None:
        spec.write_text(then)
    commit_all(home, "then")
    spec.write_text(BLOCK)
    commit_all(home, "now")
    status, _, said = run("rollback", "--env", "prod", "--to", "HEAD~1")
    assert (status, why in said) == (1, True), said
    assert "name another commit with --to" in said
    assert run("rollback", "--env", "prod")[0] == 1, "nor is it found among the last versions"
    assert spec.read_text() == BLOCK


@pytest.mark.parametrize("form", SPECS)
def test_set_changes_one_value(home, run, form):
    spec = home / "mlspec.yaml"
    first = SPECS[form].encode()
    spec.write_bytes(first)
    assert run("set", "--env", "prod", "models.churn.version", "3.0.0")[0] == 0
    before, after = first, spec.read_bytes()
    assert states(home)["prod"]["models"]["churn"]["version"] == "3.0.0"
    assert comments(after) == comments(before)
    assert run("set", "--env", "prod", "models.churn.version", "3.0.0")[2].strip().endswith("nothing to change")
    assert run("set", "--env", "prd", "models.churn.version", "3")[0] == 2
    assert run("set", "--env", "prod", "models.chrun.version", "3")[0] == 2
    assert spec.read_bytes() == after
