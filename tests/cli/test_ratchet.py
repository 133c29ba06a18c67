"""`mlspec check --against`: every loosening is found where it stands now, and only a waiver that has not ended lets it pass."""

import json
import re

import pytest

from mlspec.__main__ import main
from repository.build_clone import commit_all, git

SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
environments:
  dev: {namespace: churn-dev, overrides: {serving: {api: {expose: {host: dev.acme.example}}}}}
  prod: {namespace: churn, after: dev}
datasets:
  people: {uri: s3://d/people.parquet, version: {delta: 1}, quality: clean, schema: {age: {type: integer}, sex: {type: category}}}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/1.0.0", trainedBy: train}}
thresholds:
  clean: {on: data, rules: [{metric: rows, min: 1000}]}
  release:
    on: evaluation
    rules:
    - {metric: auc, min: 0.88, minSamples: 500}
    - {metric: recall, min: 0.7, forEach: sex}
    - {metric: auc, name: champion, noWorseThan: champion, tolerance: 0.005}
  online: {on: live, rules: [{metric: errorRate, max: 1%, window: 5m}]}
pipelines:
  train:
    image: acme/train@sha256:0000000000000000000000000000000000000000000000000000000000000000
    steps:
      fit:
        run: [train, --out, "${outputs.model}", --metrics, "${outputs.metrics}"]
        outputs: {model: model, metrics: metrics}
      judge: {gate: release, metrics: steps.fit.metrics}
      keep: {register: churn, model: steps.fit.model, after: [judge]}
serving:
  api:
    model: churn
    rollout: {strategy: canary, gate: online}
    expose: {host: churn.acme.example}
monitoring:
  api: {alerts: [online]}
"""
WAIVER = "governance: {{waivers: [{{threshold: {of}, reason: pilot, owner: ml{ticket}, until: {until}}}]}}\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main", ".")
    (tmp_path / "mlspec.yaml").write_text(SPEC)
    commit_all(tmp_path)
    return tmp_path


def edit(folder, old, new, more=""):
    spec = folder / "mlspec.yaml"
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new) + more)
    assert main(["compile", "-q"]) == 0


def found(capsys, *words):
    """Return what check finds of the ratchet: code, line, message, and the lines of the former values."""
    capsys.readouterr()
    status = main(["check", "--against", "HEAD", "--format", "json", "--today", "2026-06-01", *words])
    made = json.loads(capsys.readouterr().out)["diagnostics"]
    kept = [one for one in made if re.match("MLS-.74", one["code"])]
    assert status == int(any(one["severity"] == "error" for one in made))
    return [(one["code"], one["line"], one["message"], [(other["file"], other["line"]) for other in one["related"]]) for one in kept]


LOOSER = [
    ("min: 0.88", "min: 0.87", "auc min 0.88 → min 0.87"),
    ("recall, min: 0.7", "recall, max: 0.7", "recall for each sex min 0.7 → max 0.7"),
    ("minSamples: 500", "minSamples: 50", "auc samples needed 500 → 50"),
    ("500}", "500, severity: warn}", "auc severity block → warn"),
    ("0.7, forEach: sex", "0.7", "recall for each sex"),
    ("    - {metric: recall, min: 0.7, forEach: sex}\n", "", "recall for each sex min 0.7 → removed"),
    ("tolerance: 0.005", "tolerance: 0.01", "champion tolerance 0.005 → 0.01"),
    ("max: 1%", "max: 2%", "errorRate max 0.01 → max 0.02"),
    ("window: 5m", "window: 1h", "errorRate window 5m → 1h"),
    ("    on: evaluation\n", "    mode: report\n    on: evaluation\n", "mode enforce → report"),
    ("on: data,", "on: data, mode: off,", "mode enforce → off"),
    (", gate: online", "", "guards serving.api → no longer used there"),
    (", quality: clean", "", "guards datasets.people → no longer used there"),
]


@pytest.mark.parametrize(("old", "new", "said"), LOOSER, ids=[entry[2] for entry in LOOSER])
def test_loosenings(home, capsys, old, new, said):
    """Each is found where it is now (one that left nothing behind: near by), with what it was beside it."""
    edit(home, old, new)
    [(code, line, message, related)] = found(capsys)
    assert code == "MLS-E740"
    assert said in message
    there = SPEC[: SPEC.index(old)].count("\n") + 1
    assert line == there or (not new and abs(line - there) <= 3)
    assert related[0][0] == "HEAD:mlspec.yaml"
    assert abs(related[0][1] - there) <= 1


TIGHTER = [
    ("min: 0.88", "min: 0.9"),
    ("min: 0.88", "min: 88%"),
    ("max: 1%", "max: 0.5%"),
    ("tolerance: 0.005", "tolerance: 0.001"),
    ("minSamples: 500", "minSamples: 600"),
    ("- {metric: auc, min: 0.88, minSamples: 500}\n    - {metric: recall, min: 0.7, forEach: sex}",
     "- {metric: recall, min: 0.7, forEach: sex}\n    - {metric: auc, min: 0.88, minSamples: 500}"),
    ("model: churn\n", "model: churn\n    replicas: 3\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), TIGHTER)
def test_what_is_no_loosening(home, capsys, old, new):
    edit(home, old, new)
    assert found(capsys) == []


WAIVERS = [
    ("release", ", ticket: ML-1", "2026-06-01", []),
    ("release", ", ticket: ML-1", "2026-05-31", ["MLS-E741"]),
    ("release", "", "2026-06-01", ["MLS-E742"]),
    ("online", ", ticket: ML-1", "2026-06-01", ["MLS-E740"]),
    ("online", ", ticket: ML-1", "2026-05-31", ["MLS-E740", "MLS-W741"]),
]


@pytest.mark.parametrize(("of", "ticket", "until", "codes"), WAIVERS)
def test_waivers(home, capsys, of, ticket, until, codes):
    edit(home, "min: 0.88", "min: 0.86", WAIVER.format(of=of, ticket=ticket, until=until))
    assert sorted(one[0] for one in found(capsys)) == codes


def test_a_waiver_that_nothing_relies_on_is_a_warning(home, capsys):
    edit(home, "name: churn", "name: churn", WAIVER.format(of="release", ticket="", until="2026-05-31"))
    assert [one[0] for one in found(capsys)] == ["MLS-W741"]
    assert main(["check", "--today", "2026-06-01"]) == 0
    assert "MLS-W741" in capsys.readouterr().err
    assert main(["check", "--today", "2026-05-31"]) == 0
    assert "MLS-W741" not in capsys.readouterr().err


def test_in_one_environment_alone(home, capsys):
    edit(home, "prod: {namespace: churn, after: dev}",
         "prod: {namespace: churn, after: dev, overrides: {thresholds: {clean: {rules: [{metric: rows, min: 10}]}}}}")  # fmt: skip
    capsys.readouterr()
    assert main(["check", "--against", "HEAD", "--format", "json"]) == 1
    [one] = [one for one in json.loads(capsys.readouterr().out)["diagnostics"] if one["code"] == "MLS-E740"]
    assert (one["environment"], one["line"]) == ("prod", 6)


def test_a_removed_environment_is_no_loosening_but_a_renamed_one_is_looked_at(home, capsys):
    edit(home, "  prod: {namespace: churn, after: dev}\n", "")
    assert found(capsys) == []
    git(home, "checkout", "-q", "mlspec.yaml")
    edit(home, "prod: {namespace: churn, after: dev}", "live: {namespace: churn, after: dev}")
    assert found(capsys) == []
    edit(home, "min: 0.88", "min: 0.8")
    assert [one[0] for one in found(capsys)] == ["MLS-E740"]


def test_what_guards_nothing_any_more_in_one_environment(home, capsys):
    """`notIn` that takes an endpoint away is no loosening; a threshold that is not in an environment guards nothing there."""
    spec = home / "mlspec.yaml"
    text = spec.read_text().replace(", overrides: {serving: {api: {expose: {host: dev.acme.example}}}}", "")
    spec.write_text(text.replace("    model: churn\n", "    model: churn\n    notIn: [dev]\n").replace("{alerts", "{notIn: [dev], alerts"))
    assert main(["compile", "-q"]) == 0
    assert found(capsys) == []
    spec.write_text(SPEC.replace("{alerts", "{notIn: [dev], alerts").replace("gate: online}", "gate: online}"))
    assert main(["compile", "-q"]) == 0
    assert [one[0] for one in found(capsys)] == ["MLS-E740"], "nothing alerts in dev, where the endpoint still is"


def test_a_new_spec_and_a_moved_one(home, capsys):
    (home / "ml").mkdir()
    git(home, "mv", "mlspec.yaml", "ml/mlspec.yaml")
    spec = home / "ml/mlspec.yaml"
    spec.write_text(spec.read_text().replace("min: 0.88", "min: 0.8"))
    (home / "mlspec.lock").unlink(missing_ok=True)
    assert main(["compile", "-q"]) == 0
    assert [(one[0], one[3][0][0]) for one in found(capsys, "ml")] == [("MLS-E740", "HEAD:mlspec.yaml")]
    spec.write_text(spec.read_text().replace("name: churn", "name: other"))
    assert found(capsys, "ml") == [], "it is another project at another place"


def test_a_renamed_project_at_its_place(home, capsys):
    edit(home, "name: churn", "name: churner")
    edit(home, "min: 0.88", "min: 0.8")
    assert [one[0] for one in found(capsys)] == ["MLS-E740"]


def test_a_gate_in_a_base_file(home, capsys):
    (home / "base.yaml").write_text("thresholds: {extra: {on: evaluation, rules: [{metric: f1, min: 0.7}]}}\n")
    edit(home, "name: churn\n", "name: churn\nextends: base.yaml\n")
    commit_all(home)
    base = home / "base.yaml"
    base.write_text(base.read_text().replace("0.7", "0.6"))
    assert main(["compile", "-q"]) == 0
    capsys.readouterr()
    assert main(["check", "--against", "HEAD"]) == 1
    said = capsys.readouterr().err
    assert "base.yaml:1:" in said
    assert "HEAD:base.yaml:1:" in said
    assert "HEAD has f1 min 0.7" in said


def test_what_cannot_be_compared(home, capsys, tmp_path):
    edit(home, "name: churn", "name: churn")
    assert main(["check", "--against", "nowhere"]) == 2
    assert "there is no commit" in capsys.readouterr().err
    (home / "mlspec.yaml").write_text("name: [")
    commit_all(home)
    (home / "mlspec.yaml").write_text(SPEC)
    assert main(["compile", "-q"]) == 0
    assert main(["check", "--against", "HEAD"]) == 3
    assert "the gates at HEAD cannot be read: HEAD:mlspec.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif", "junit", "text"])
def test_formats(home, capsys, form):
    edit(home, "min: 0.88", "min: 0.8")
    capsys.readouterr()
    assert main(["check", "--against", "HEAD", "--format", form]) == 1
    said = capsys.readouterr()
    assert "MLS-E740" in said.out + said.err


def test_the_day_is_read(home, capsys):
    assert main(["compile", "-q"]) == 0
    assert main(["check", "--today", "31.12.2026"]) == 2
