"""`mlspec rollout`: every step a whole state, from the first commit to the end of a canary and back."""

import json
import os

import pytest

from cli.rollouts import BLUE_GREEN, CANARY, commit_all, facts, git, make, set_version, tree, weights
from cli.stand_in import serving, vector
from mlspec.__main__ import main

OLD, NEW = ({"version": version, "uri": f"s3://acme/churn/{version}"} for version in ("1.0.0", "1.1.0"))
BESIDE = {"canary": "1.1.0", "canaryUri": "s3://acme/churn/1.1.0"}
GONE = {"aborted": "1.1.0", "abortedUri": "s3://acme/churn/1.1.0"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    for name, value in {"GIT_AUTHOR_NAME": "bot", "GIT_AUTHOR_EMAIL": "b@example.com", "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return make(tmp_path / "work")


def run(*words):
    return main(list(words))


def move(how, *words):
    return run("rollout", how, "api", "--env", "prod", *words)


def settled(folder):
    """Hold that the tree is what it will be: compiling changes nothing, and check is content."""
    before = tree(folder)
    assert run("check", "-q") == 0
    assert run("compile", "-q", "--fresh") == 0
    assert tree(folder) == before
    return before


def under_way(folder):
    assert run("compile", "-q") == 0
    set_version(folder, "1.1.0")
    assert run("compile", "-q") == 0


def test_to_the_end(home):
    assert run("compile", "-q") == 0
    first = settled(home)
    assert facts(home) == OLD
    assert weights(home) == {"api": 100}
    set_version(home, "1.1.0")
    assert run("compile", "-q") == 0
    settled(home)
    assert facts(home) == {**OLD, **BESIDE, "step": 0}
    assert facts(home, "dev/api") == NEW
    assert weights(home) == {"api": 90, "api-canary": 10}
    assert move("advance") == 0
    settled(home)
    assert facts(home) == {**OLD, **BESIDE, "step": 1}
    assert weights(home) == {"api": 50, "api-canary": 50}
    assert move("advance") == 0
    last = settled(home)
    assert facts(home) == NEW
    assert weights(home) == {"api": 100}
    assert b"canary" not in last["deploy/churn/prod/serving-api.yaml"].replace(b"rollout: canary", b"").replace(b'rollout: "canary"', b"")
    assert first.keys() == last.keys()


def test_finish_at_once_is_where_advancing_ends(home):
    under_way(home)
    begun = tree(home)
    assert move("advance") == move("advance") == 0
    advanced = tree(home)
    for path, data in begun.items():
        (home / path).write_bytes(data)
    assert move("finish") == 0
    assert tree(home) == advanced


def test_abort_and_start_again(home):
    assert run("compile", "-q") == 0
    old = tree(home)
    set_version(home, "1.1.0")
    assert run("compile", "-q") == 0
    begun = tree(home)
    assert move("advance") == 0
    assert move("abort") == 0
    aborted = settled(home)
    assert facts(home) == {**OLD, **GONE}
    assert weights(home) == {"api": 100}
    path = "deploy/churn/prod/serving-api.yaml"
    assert aborted[path] == old[path], "as before the new version came"
    assert move("advance") == move("finish") == move("abort") == 1
    assert tree(home) == aborted
    assert move("start") == 0
    assert settled(home) == begun
    assert move("start") == 1


def test_what_follows_an_abort(home):
    under_way(home)
    assert move("abort") == 0
    set_version(home, "1.2.0")
    assert run("compile", "-q") == 0
    settled(home)
    assert facts(home) == {**OLD, "canary": "1.2.0", "canaryUri": "s3://acme/churn/1.2.0", "step": 0}
    assert weights(home) == {"api": 90, "api-canary": 10}
    assert move("abort") == 0
    set_version(home, "1.0.0")
    assert run("compile", "-q") == 0
    assert settled(home)
    assert facts(home) == OLD


def test_another_place_of_the_same_version_is_another_canary(home):
    under_way(home)
    assert move("abort") == 0
    spec = home / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("s3://acme/churn/1.1.0", "s3://acme/rebuilt/1.1.0"))
    assert run("compile", "-q") == 0
    assert weights(home) == {"api": 90, "api-canary": 10}


def test_a_new_version_in_the_middle_begins_at_the_first_step(home):
    under_way(home)
    assert move("advance") == 0
    set_version(home, "1.2.0")
    assert run("compile", "-q") == 0
    settled(home)
    assert facts(home)["step"] == 0
    assert weights(home) == {"api": 90, "api-canary": 10}


def test_blue_green(home):
    (home / "mlspec.yaml").write_text(BLUE_GREEN)
    under_way(home)
    settled(home)
    assert weights(home) == {"api": 100, "api-canary": 0}
    assert move("abort") == 0
    assert settled(home)
    assert move("start") == 0
    assert move("advance") == 0
    assert facts(home) == NEW
    assert settled(home)


def argo_cd(folder):
    """Return what Argo CD is told of each object of prod about order, from the tree."""
    import yaml

    told = {}
    for made in yaml.safe_load_all((folder / "deploy/churn/prod/serving-api.yaml").read_text()):
        notes = made["metadata"].get("annotations", {}).items()
        words = [f"{key.removeprefix('argocd.argoproj.io/')} {value}" for key, value in notes if key.startswith("argocd.argoproj.io/")]
        told |= {f"{made['kind']}/{made['metadata']['name']}": " ".join(words)} if words else {}
    return told


LAST, AFTER = {"InferenceService/api-canary": "sync-options PruneLast=true"}, {"HTTPRoute/api-traffic": "sync-wave 1"}


@pytest.mark.parametrize(("text", "beside"), [(CANARY, LAST | AFTER), (BLUE_GREEN, LAST)], ids=["canary", "blue-green"])
def test_traffic_comes_after_a_canary_and_goes_before_it(home, text, beside):
    (home / "mlspec.yaml").write_text(text)
    assert run("compile", "-q") == 0
    assert argo_cd(home) == {}, "nothing waits while one version stands alone"
    set_version(home, "1.1.0")
    assert run("compile", "-q") == 0
    assert argo_cd(home) == beside
    assert move("finish") == 0
    assert argo_cd(home) == {}


def test_a_step_touches_one_environment(home):
    (home / "mlspec.yaml").write_text(CANARY.replace("strategy: rolling, steps: null, pause: null, gate: null", "pause: 20m"))
    under_way(home)
    before = tree(home)
    assert move("advance") == 0
    changed = {path for path, data in tree(home).items() if data != before.get(path)}
    assert changed == {"mlspec.lock", "deploy/churn/README.md", "deploy/churn/prod/serving-api.yaml"}


REFUSED = [
    (("advance", "api", "--env", "dev"), 1, "MLS-E735"),
    (("finish", "api", "--env", "prod"), 1, "MLS-E736"),
    (("start", "api", "--env", "prod"), 1, "MLS-E736"),
    (("advance", "apo", "--env", "prod"), 2, "did you mean api?"),
    (("advance", "api", "--env", "prd"), 2, "did you mean prod?"),
    (("advance", "api"), 2, "--env dev|prod"),
    (("advance", "api", "gone.yaml", "--env", "prod"), 2, "there is no such file"),
]


@pytest.mark.parametrize(("words", "status", "said"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_what_is_refused(home, capsys, words, status, said):
    assert run("compile", "-q") == 0
    before = tree(home)
    assert run("rollout", *words) == status
    assert said in " ".join(capsys.readouterr().err.split())
    assert tree(home) == before


def test_before_the_first_compilation(home, capsys):
    assert move("advance") == 1
    assert "nothing serves in prod yet" in capsys.readouterr().err


def test_a_graph_is_refused(home, capsys):
    text = CANARY + "  both: {graph: {sequence: [api]}}\n"
    (home / "mlspec.yaml").write_text(text)
    assert run("compile", "-q") == 0
    assert run("rollout", "advance", "both", "--env", "prod") == 1
    assert "a graph has no version to roll out" in capsys.readouterr().err


def test_an_edit_that_was_not_compiled_is_not_swept_in(home, capsys):
    under_way(home)
    before = tree(home)
    set_version(home, "1.2.0")
    assert move("finish") == 1
    assert "MLS-E738" in capsys.readouterr().err
    assert tree(home) == before


def test_edits_by_hand_are_not_lost(home, capsys):
    under_way(home)
    file = home / "deploy/churn/prod/serving-api.yaml"
    file.write_text(file.read_text() + "# mine\n")
    before = tree(home)
    assert move("advance") == 1
    assert "MLS-E610" in capsys.readouterr().err
    assert tree(home) == before


def test_only_at_the_step_that_was_judged(home, capsys):
    under_way(home)
    assert move("advance", "--at", "2") == 4
    assert "is at step 1, not at 2" in capsys.readouterr().err
    assert move("advance", "--at", "1") == 0
    assert capsys.readouterr().err.endswith("next: commit the files that changed; with --commit, mlspec does\n")


def test_status(home, capsys):
    under_way(home)
    capsys.readouterr()
    assert run("rollout", "status") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["dev", "api", "rolling", "settled", "1.1.0", "-", "-", "-", "-"]
    assert lines[2] == ["prod", "api", "canary", "under", "way", "1.0.0", "1.1.0", "1/2", "10", "%", "online"]
    assert run("rollout", "status", "api", "--env", "prod", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schemaVersion"] == 1
    assert [(one["state"], one["step"], one["percent"], one["live"]) for one in found["rollouts"]] == [("under way", 1, 10, OLD)]
    assert move("abort") == 0
    assert run("rollout", "status", "mlspec.yaml") == 0
    assert "aborted" in capsys.readouterr().out
    assert run("rollout", "status", "apo") == 2


def test_a_committed_step_and_its_inverse(home):
    assert run("compile", "-q") == 0
    commit_all(home)
    set_version(home, "1.1.0")
    assert run("compile", "-q") == 0
    commit_all(home)
    begun = tree(home)
    assert move("advance", "--commit", "-q") == 0
    assert git(home, "status", "--short") == ""
    assert git(home, "log", "-1", "--format=%s") == "Advance the rollout of 1.1.0: api in prod gives it 50 %, step 2 of 2"
    assert weights(home) == {"api": 50, "api-canary": 50}
    settled(home)
    git(home, "revert", "--no-edit", "HEAD")
    assert settled(home) == begun
    assert move("finish", "--commit", "-q") == 0
    git(home, "revert", "--no-edit", "HEAD")
    assert settled(home) == begun


def test_an_uncommitted_edit_is_no_part_of_a_committed_step(home):
    under_way(home)
    commit_all(home)
    set_version(home, "1.2.0")
    mine = (home / "mlspec.yaml").read_bytes()
    assert move("advance", "--commit", "-q") == 0
    assert (home / "mlspec.yaml").read_bytes() == mine
    assert facts(home) == {**OLD, **BESIDE, "step": 1}


def test_on_the_remote(home, tmp_path, capsys):
    under_way(home)
    commit_all(home)
    git(tmp_path, "clone", "-q", "--bare", str(home), "remote.git")
    git(home, "remote", "add", "origin", str(tmp_path / "remote.git"))
    before = tree(home)
    assert move("advance", "--push", "-q") == 0
    assert tree(home) == before, "nothing in this clone moves"
    git(home, "pull", "-q", "origin", "main")
    assert facts(home)["step"] == 1
    settled(home)
    git(home, "reset", "-q", "--hard", "HEAD~1")
    assert move("abort", "--push", "--at", "1") == 4, "the remote has moved on"
    assert "is at step 2, not at 1" in capsys.readouterr().err


def test_one_advances_when_two_want_to(home, tmp_path, monkeypatch, capsys):
    """Somebody else makes the same step between compiling and pushing; the second does not take a step further."""
    from mlspec.repository import remotes

    (home / "mlspec.yaml").write_text(CANARY.replace("[10, 50]", "[10, 50, 90]"))
    under_way(home)
    commit_all(home)
    git(tmp_path, "clone", "-q", "--bare", str(home), "remote.git")
    git(home, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(tmp_path, "clone", "-q", "remote.git", "other")
    push, raced = remotes.push, []

    def late(clone, *rest):
        if not raced:
            raced.append(True)
            assert (
                main(
                    [
                        "rollout",
                        "advance",
                        "api",
                        str(tmp_path / "other/mlspec.yaml"),
                        "--env",
                        "prod",
                        "--push",
                        "-q",
                        "--author-name",
                        "other",
                    ]
                )
                == 0
            )
        return push(clone, *rest)

    monkeypatch.setattr(remotes, "push", late)
    assert move("advance", "--push") == 4
    assert "somebody else has moved this rollout" in capsys.readouterr().err
    git(home, "pull", "-q", "origin", "main")
    assert facts(home)["step"] == 1


def prometheus(state):
    """Answer for a canary whose errors and latency stand in ``state``."""

    def answer(path, query):
        assert path == "/api/v1/query"
        text = query["query"]
        assert "api-canary" in text
        if text.startswith("round("):
            return vector(state["errors"])
        if "histogram_quantile" in text:
            return vector(state["latency"])
        return vector(state["requests"])

    return answer


@pytest.mark.parametrize("ends", ["finish", "abort"])
def test_a_canary_with_its_gate(home, capsys, ends):
    """What the job of a CI system does every pause: ask the gate, then advance, or abort on a breach."""
    state = {"errors": "0.002", "latency": "0.12", "requests": "5000"}
    with serving(prometheus(state)) as (url, asked):

        def turn():
            verdict = run("gate", "online", "--prometheus", url, "--endpoint", "api", "--env", "prod")
            assert verdict in (0, 1)
            assert move("advance" if verdict == 0 else "abort", "--commit", "-q") == 0
            return settled(home)

        under_way(home)
        commit_all(home)
        old = facts(home)
        turn()
        assert facts(home)["step"] == 1
        if ends == "abort":
            state["errors"] = "0.0100001"
        turn()
        assert facts(home) == (NEW if ends == "finish" else {key: old[key] for key in ("version", "uri")} | GONE)
        assert weights(home) == {"api": 100}
        assert len(asked) == 6
        said = capsys.readouterr().out
        assert ("above the bound" in said) == (ends == "abort")
        assert run("gate", "online", "--prometheus", url, "--endpoint", "api", "--env", "prod") == 2, "there is no canary any more"
    subjects = git(home, "log", "--format=%s").splitlines()
    assert subjects[0].startswith("Finish" if ends == "finish" else "Abort")
