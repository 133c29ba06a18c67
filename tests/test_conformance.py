"""The outside judges, as a test: slow, and only where `MLSPEC_CONFORMANCE` says so. `make conformance` is the usual way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "conformance.py"
sys.path.insert(0, str(SCRIPT.parent))

import conformance  # noqa: E402
from judges.bench import Case, Finding, Skipped, Verdict, objects, verdict  # noqa: E402
from judges.waivers import FILE, Waivers  # noqa: E402

WAIVER = """
- judge: kube-score
  check: container-resources
  kinds: [CronJob]
  names: ["*-drift"]
  says: CPU limit
  reason: a reason of at least forty letters, so that it says something
"""
FOUND = Finding("kube-score", "container-resources", "CronJob", "churn-drift", "drift: CPU limit is not set")


@pytest.mark.conformance
@pytest.mark.skipif(not os.environ.get("MLSPEC_CONFORMANCE"), reason="starts a Kubernetes API server and Argo CD; set MLSPEC_CONFORMANCE=1")
def test_outside_judges_find_nothing() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def waivers(tmp_path: Path) -> Waivers:
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER, encoding="utf-8")
    return Waivers(file)


def test_a_waiver_covers_what_it_names_and_nothing_else(waivers: Waivers) -> None:
    assert waivers.left([FOUND, FOUND]) == ([], 2)
    others = [
        FOUND._replace(judge="checkov"),
        FOUND._replace(check="container-image-tag"),
        FOUND._replace(kind="Job"),
        FOUND._replace(name="churn"),
        FOUND._replace(says="drift: Memory limit is not set"),
    ]
    assert waivers.left(others) == (others, 0)


def test_a_waiver_that_nothing_needs_is_a_fault(waivers: Waivers) -> None:
    assert waivers.unused("kube-score") == ["container-resources of CronJob: nothing needs it"]
    assert waivers.unused("checkov") == []
    waivers.left([FOUND])
    assert waivers.unused("kube-score") == []


def test_waivers_are_told_of_only_when_their_judge_saw_every_case(waivers: Waivers) -> None:
    assert list(conformance.needless("kube-score", waivers, [Skipped("kube-score", "it is not here")])) == []
    seen = Verdict("churn", "kube-score", "1 object", [], good=True)
    assert [one.good for one in conformance.needless("kube-score", waivers, [seen])] == [False]


@pytest.mark.parametrize("left_out", ["judge", "check", "kinds", "reason"])
def test_a_waiver_says_everything(tmp_path: Path, left_out: str) -> None:
    file = tmp_path / "waivers.yaml"
    lines = WAIVER.strip()[2:].splitlines()
    file.write_text("- " + "\n  ".join(line.strip() for line in lines if not line.strip().startswith(left_out)), encoding="utf-8")
    with pytest.raises(SystemExit, match="expected"):
        Waivers(file)


def test_our_waivers_are_all_read() -> None:
    assert {Waivers(FILE).unused("kube-score") != [], Waivers(FILE).unused("checkov") != []} == {True}


def test_the_table_says_what_is_wrong_and_what_was_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    case = Case("churn", Path())
    said = [
        verdict(case, "promtool", "3 rules", []),
        verdict(case, "kfp", "1 version", ["fit is never started"]),
        Skipped("amtool", "absent"),
    ]
    assert conformance.show(said) == 1
    assert conformance.show(said[:1]) == 0
    assert conformance.show(said[2:]) == 1  # where nobody judges, nothing is right
    first = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in first[:4]] == ["ok", "BAD", "fit", "skip"]
    assert first[4] == "1 cases, 2 verdicts, 1 not good, 1 skipped"


def test_a_repository_is_given_and_other_systems_are_left_out() -> None:
    assert conformance.whole({"name": "a"})["platform"] == {"repository": {"url": conformance.URL}}
    assert conformance.whole({"platform": {"gitops": "flux"}})["platform"]["ci"] == ["github"]
    assert conformance.whole({"platform": {"repository": {"url": "u"}}})["platform"] == {"repository": {"url": "u"}}


def test_objects_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "deploy" / "a.yaml"
    file.parent.mkdir()
    file.write_text("kind: A\nday: 2026-01-01\n---\nkind: B\n", encoding="utf-8")
    (tmp_path / "deploy" / "kustomization.yaml").write_text("kind: Kustomization\n", encoding="utf-8")
    assert [sent.object for sent in objects(Case("a", tmp_path))] == [{"kind": "A", "day": "2026-01-01"}, {"kind": "B"}]
    assert [sent.object["kind"] for sent in objects(Case("a", tmp_path), "B")] == ["B"]
