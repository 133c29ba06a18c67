"""`mlspec rollout drive`: every rollout under way goes on or back as its gate says, when its pause is over."""

import os
from datetime import UTC, datetime

import pytest

from cli.rollouts import BLUE_GREEN, CANARY, commit_all, facts, git, make, set_version, weights
from cli.stand_in import serving, vector
from mlspec.__main__ import main
from mlspec.cli import prometheus

BEGAN = 1_770_000_000
GOOD = {"errors": "0.001", "latency": "0.1", "requests": "1000"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("GIT_", "MLSPEC_")):
            monkeypatch.delenv(name)
    for name, value in {"GIT_AUTHOR_NAME": "bot", "GIT_AUTHOR_EMAIL": "b@example.com", "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(prometheus.Prometheus.__init__, "__defaults__", (None, ()))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return begin(make(tmp_path / "work"), monkeypatch)


def begin(folder, monkeypatch, text=CANARY):
    """Commit a rollout that began at BEGAN."""
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{BEGAN - 3600} +0000")
    (folder / "mlspec.yaml").write_text(text)
    assert main(["compile", "-q"]) == 0
    commit_all(folder)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{BEGAN} +0000")
    set_version(folder, "1.1.0")
    assert main(["compile", "-q"]) == 0
    commit_all(folder, "1.1.0")
    return folder


def at(minutes):
    return datetime.fromtimestamp(BEGAN + minutes * 60, UTC).isoformat()


def drive(*words, minutes=11, **found):
    """Drive against a Prometheus that finds this; return the exit."""
    told = {**GOOD, **found}

    def answer(path, query):
        text = query["query"]
        value = told["errors"] if text.startswith("round(") else told["latency"] if "histogram_quantile" in text else told["requests"]
        return value if isinstance(value, tuple) else vector(*([] if value is None else [value]))

    with serving(answer) as (url, asked):
        status = main(["rollout", "drive", "--prometheus", url, "--now", at(minutes), *words])
    drive.asked = asked
    return status


def test_from_step_to_step_to_the_end(home, monkeypatch, capsys):
    assert drive("--commit") == 0
    assert "gives it 50 %, step 2 of 2" in capsys.readouterr().out
    assert weights(home) == {"api": 50, "api-canary": 50}
    assert git(home, "log", "-1", "--format=%s").startswith("Advance the rollout of 1.1.0")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{BEGAN + 11 * 60} +0000")
    git(home, "commit", "-q", "--amend", "--no-edit")
    assert drive("--commit", minutes=20) == 0, "the pause counts from the step"
    assert "left alone for 60 s more, at step 2 of 2" in capsys.readouterr().out
    (home / "notes.txt").write_text("x")
    commit_all(home, "something else")
    assert drive("--commit", minutes=21) == 0
    assert weights(home) == {"api": 100}
    assert facts(home)["version"] == "1.1.0"
    capsys.readouterr()
    before = git(home, "rev-parse", "HEAD")
    assert drive("--commit", minutes=99) == 0
    assert "no rollout is under way on main" in capsys.readouterr().err
    assert git(home, "rev-parse", "HEAD") == before
    assert drive.asked == []


@pytest.mark.parametrize(
    ("found", "minutes", "status", "said", "state"),
    [
        ({}, 9, 0, "left alone for 60 s more", "canary"),
        ({}, 10, 0, "Advance the rollout", "canary"),
        ({"errors": "0.02"}, 11, 1, "Abort the rollout of 1.1.0", "aborted"),
        ({"errors": "0.02"}, 1, 1, "Abort the rollout of 1.1.0", "aborted"),
        ({"errors": None}, 1, 0, "left alone for 9 min more", "canary"),
        ({"requests": "99"}, 9, 0, "left alone for 60 s more", "canary"),
        ({"errors": None}, 11, 1, "Abort", "aborted"),
        ({"requests": "99"}, 11, 1, "Abort", "aborted"),
        ({"errors": (503, b"")}, 1, 0, "left alone for 9 min more", "canary"),
        ({"errors": (503, b"")}, 11, 3, "left alone, online is not decided", "canary"),
        ({"errors": (503, b""), "latency": "9"}, 1, 1, "Abort", "aborted"),
    ],
)
def test_verdicts(home, capsys, found, minutes, status, said, state):
    assert drive("--commit", minutes=minutes, **found) == status
    assert said in capsys.readouterr().out
    assert state in facts(home)
    assert main(["check", "-q"]) == 0


def test_without_a_word_it_only_says_what_it_would_do(home, capsys):
    before = git(home, "rev-parse", "HEAD")
    assert drive() == 0
    assert "prod/api: would advance: online passes" in capsys.readouterr().out
    assert drive(errors="1") == 1
    assert "prod/api: would abort: online does not pass (errorRate" in capsys.readouterr().out
    assert git(home, "rev-parse", "HEAD") == before
    assert git(home, "status", "--porcelain") == ""


def test_on_the_remote_nothing_here_moves(home, tmp_path):
    git(home, "clone", "-q", "--bare", str(home), str(tmp_path / "remote.git"))
    git(home, "remote", "add", "origin", str(tmp_path / "remote.git"))
    before = git(home, "rev-parse", "HEAD")
    assert drive("--push", "--from", "main") == 0
    assert git(home, "rev-parse", "HEAD") == before
    assert git(tmp_path / "remote.git", "log", "-1", "--format=%s", "main").startswith("Advance")


def test_a_rollout_that_moved_meanwhile_is_left_alone(home, monkeypatch, capsys):
    """The gate looked at 1.1.0; what stands at the same step by now is 1.2.0."""
    from mlspec.cli import driving

    real = driving.judge

    def late(*given):
        verdict = real(*given)
        set_version(home, "1.2.0")
        assert main(["compile", "-q"]) == 0
        commit_all(home, "1.2.0")
        return verdict

    monkeypatch.setattr(driving, "judge", late)
    assert drive("--commit") == 4
    assert "somebody else has moved this rollout" in capsys.readouterr().out
    assert facts(home)["canary"] == "1.2.0"
    assert facts(home)["step"] == 0


def test_a_tree_behind_its_spec_gets_no_step(home, capsys):
    spec = home / "mlspec.yaml"
    spec.write_text(spec.read_text().replace("team: growth", "team: risk"))
    commit_all(home, "an edit")
    assert drive("--commit") == 1
    said = capsys.readouterr()
    assert "MLS-E738" in said.err
    assert "cannot advance" in said.out


def test_a_shallow_clone_says_what_it_needs(home, tmp_path, monkeypatch, capsys):
    git(tmp_path, "clone", "-q", "--depth=1", home.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert drive() == 3
    assert "fetch the history" in capsys.readouterr().err


def test_a_merge_begins_the_pause(home, monkeypatch, capsys):
    """What was compiled on a branch an hour before it was merged has not run for an hour."""
    git(home, "checkout", "-q", "-b", "next")
    set_version(home, "1.2.0")
    assert main(["compile", "-q"]) == 0
    commit_all(home, "1.2.0")
    git(home, "checkout", "-q", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{BEGAN + 3600} +0000")
    git(home, "merge", "-q", "--no-ff", "-m", "merge", "next")
    assert drive("--commit", minutes=65) == 0
    assert "left alone for 5 min more" in capsys.readouterr().out


def test_each_environment_may_have_its_prometheus(home, capsys):
    assert drive("--prometheus", "prod=http://127.0.0.1:1") == 3
    assert drive.asked == []
    assert "Connection refused" in capsys.readouterr().out
    assert drive("--prometheus", "nonsense") == 2
    assert drive("--env", "nowhere") == 2
    assert drive("--env", "dev") == 0
    assert drive.asked == []


def test_no_gate_no_step(home, monkeypatch, capsys):
    begin(home, monkeypatch, CANARY.replace(", gate: online", "").replace(", gate: null", ""))
    set_version(home, "1.3.0")
    assert main(["compile", "-q"]) == 0
    commit_all(home)
    assert drive("--commit", minutes=99) == 0
    assert "has no gate, so people move it" in capsys.readouterr().out


def test_blue_green(home, monkeypatch):
    begin(home, monkeypatch, BLUE_GREEN)
    set_version(home, "1.3.0")
    assert main(["compile", "-q"]) == 0
    commit_all(home)
    assert drive("--commit") == 0
    assert facts(home)["version"] == "1.3.0"


def test_with_knative_the_gate_looks_at_both_versions(home, monkeypatch, capsys):
    """The pods of a revision are named by its number, which only the cluster knows: asked alone, a canary would never be found."""
    begin(home, monkeypatch, CANARY.replace("platform: {", "platform: {serving: {kserve: {mode: knative}}, "))
    assert drive("--commit") == 0
    said = capsys.readouterr().out
    assert "Advance the rollout of 1.1.0" in said
    assert "online passes, measured of both versions together" in said
    assert len(drive.asked) == 3
    wanted = 'destination_service_name=~"(api-predictor|api-canary-predictor)-[0-9]{5}"'
    assert all(wanted in query["query"] for _, query, _ in drive.asked)


def test_without_an_address_nothing_is_asked(home, capsys):
    assert main(["rollout", "drive"]) == 2
    assert "--prometheus URL" in capsys.readouterr().err
