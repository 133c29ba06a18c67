"""Every field of the language that guards something: looser is found, at its line on both sides; tighter and the same are not."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected
from mlspec.examine import examine_source
from mlspec.location import locate
from mlspec.source.extends import load
from mlspec.waivers import hold

BASE = """\
thresholds:
  shared: {on: evaluation, rules: [{metric: f1, min: 0.7}]}
"""
SPEC = """\
apiVersion: mlspec.dev/v1
name: churn
owner: {team: growth}
extends: base.yaml
platform:
  gitops: {argocd: {sync: manual}}
  repository: {url: "https://github.com/acme/churn.git"}
  registry: {mlflow: "http://mlflow.mlflow.svc:5000"}
vars: {floor: 0.6}
environments:
  dev: {namespace: churn-dev, overrides: {serving: {api: {expose: {host: dev.acme.example}}}}}
  staging: {namespace: churn-staging, after: dev, overrides: {serving: {api: {expose: {host: staging.acme.example}}}}}
  prod:
    namespace: churn
    after: staging
    approvals: 2
    overrides:
      thresholds:
        stricter: {rules: [{metric: auc, min: 0.9}]}
datasets:
  people:
    uri: s3://d/people.parquet
    version: {delta: 1}
    quality: clean
    schema:
      age: {type: integer, min: 18, max: 99}
      plan: {type: category, values: [a, b]}
      mail: {type: string, unique: true}
      sex: {type: category}
  trained: {uri: s3://d/trained.parquet, version: {delta: 2}, schema: {age: {type: integer}, sex: {type: category}}}
models: {churn: {framework: sklearn, version: "1.0.0", uri: "s3://acme/churn/1.0.0", trainedBy: train}}
thresholds:
  clean:
    on: data
    rules:
    - {metric: rows, min: 1000}
    - {metric: nullRatio, column: age, max: 10%}
    - {metric: age, max: 26h}
    - {metric: schemaMatch, equals: true}
    - {metric: outOfRange, max: 1%}
    - {metric: unknownValues, max: 0}
  release:
    on: evaluation
    rules:
    - {metric: auc, min: 0.88, minSamples: 500}
    - {metric: loss, max: 0.1}
    - {metric: calibration, min: 0.9, max: 1.1}
    - {metric: recall, min: 0.7, forEach: sex}
    - {metric: precision, maxGap: 8%, across: sex}
    - {metric: auc, name: champion, noWorseThan: champion, tolerance: 0.005}
    - {metric: classes, equals: 3}
    - {metric: lift, min: 2, severity: block}
  stricter:
    on: evaluation
    mode: enforce
    rules: [{metric: auc, min: 0.8}]
  spare: {on: evaluation, rules: [{metric: kappa, min: 0.5}]}
  lowest: {on: evaluation, rules: [{metric: mcc, min: "${vars.floor}"}]}
  online:
    on: live
    rules:
    - {metric: errorRate, max: 1%, window: 5m, for: 2m}
    - {metric: latency, quantile: 0.99, max: 100ms}
    - {metric: availability, min: 99.5%}
    - {name: queue, query: "sum(waiting)", max: 10}
  moved:
    on: drift
    rules:
    - {metric: psi, column: age, max: 0.2, minSamples: 100}
pipelines:
  train:
    image: acme/train@sha256:0000000000000000000000000000000000000000000000000000000000000000
    steps:
      look: {check: clean, data: people}
      fit:
        after: [look]
        run: [train, --out, "${outputs.model}", --metrics, "${outputs.metrics}"]
        outputs: {model: model, metrics: metrics}
      judge: {gate: release, metrics: steps.fit.metrics}
      second: {gate: stricter, metrics: steps.fit.metrics}
      third: {gate: shared, metrics: steps.fit.metrics}
      fourth: {gate: lowest, metrics: steps.fit.metrics}
      keep: {register: churn, model: steps.fit.model, after: [judge, second, third, fourth]}
serving:
  api:
    model: churn
    rollout:
      strategy: canary
      steps: [10, 30, 60]
      pause: 10m
      gate: online
    logging: {mode: all, sink: s3://logs/api}
    expose: {host: churn.acme.example}
monitoring:
  api:
    slo:
      availability: 99.9%
      window: 28d
      latency: {max: 200ms, quantile: 0.99}
    alerts: [online, moved]
    drift:
      against: people
      every: 6h
      image: acme/train@sha256:0000000000000000000000000000000000000000000000000000000000000000
    outliers: {method: isolationForest, share: 2%}
    bias: {across: sex, metric: recall, maxGap: 0.08}
    notify: {slack: "#ml", email: ml@acme.example}
governance:
  risk: high
  reviewers: [risk-office, ml-platform]
"""
ALL = ("dev", "staging", "prod")
LOOSER = [  # what is written, what makes it looser, the same in other words, the gate that it is said of, what is said
    ("{metric: rows, min: 1000}", "{metric: rows, min: 100}", "{min: 1000, metric: rows}", "clean", "rows min 1000 → min 100"),
    ("max: 10%}", "max: 0.2}", "max: 0.1}", "clean", "nullRatio of age max 0.1 → max 0.2"),
    ("max: 26h}", "max: 27h}", "max: 1d2h}", "clean", "max 1d2h → max 1d3h"),
    ("    - {metric: schemaMatch, equals: true}\n", "", "    - {equals: true, metric: schemaMatch}\n", "clean",
     "schemaMatch equals true → removed"),
    ("min: 18,", "min: 16,", "min: 18.0,", "datasets.people.schema.age.min", "18 → 16"),
    ("max: 99}", "nullable: false}", "max: 99, nullable: false}", "datasets.people.schema.age.max", "99 → none"),
    ("values: [a, b]}", "values: [a, b, c]}", "values: [b, a]}", "datasets.people.schema.plan.values", "[a, b] → [a, b, c]"),
    ("unique: true}", "unique: false}", "nullable: false, unique: true}", "datasets.people.schema.mail.unique", "true → false"),
    ("min: 0.88, ", "min: 0.87, ", "min: 88%, ", "release", "auc min 0.88 → min 0.87"),
    ("loss, max: 0.1}", "loss, min: 0.1}", "loss, max: 10%}", "release", "loss max 0.1 → min 0.1"),
    ("max: 1.1}", "max: 1.2}", "max: 110%}", "release", "calibration max 1.1 → max 1.2"),
    ("min: 0.9, max", "max", "min: 90%, max", "release", "calibration min 0.9 → removed"),
    ("min: 0.7, forEach: sex}", "min: 0.7, forEach: plan}", "forEach: sex, min: 70%}", "release", "recall for each sex"),
    ("maxGap: 8%, across", "maxGap: 0.09, across", "maxGap: 0.08, across", "release", "precision across sex gap 0.08 → gap 0.09"),
    ("tolerance: 0.005", "tolerance: 0.006", "tolerance: 0.0050", "release", "champion tolerance 0.005 → 0.006"),
    ("noWorseThan: champion, tolerance: 0.005}", "min: 0.1}", None, "release", "champion"),
    ("equals: 3}", "equals: 4}", "equals: 3.0}", "release", "classes equals 3 → equals 4"),
    ("severity: block", "severity: warn", "name: lift", "release", "lift severity block → warn"),
    ("minSamples: 500}", "minSamples: 50}", "minSamples: 500, severity: block}", "release", "auc samples needed 500 → 50"),
    ("    mode: enforce\n", "    mode: report\n", "", "stricter", "mode enforce → report"),
    ("    mode: enforce\n", "    mode: off\n", "", "stricter", "mode enforce → off"),
    ("{metric: auc, min: 0.9}", "{metric: auc, min: 0.85}", "{metric: auc, min: 90%}", "stricter", "auc min 0.9 → min 0.85"),
    ("  spare: {on: evaluation, rules: [{metric: kappa, min: 0.5}]}\n", "",
     "  unused: {on: evaluation, rules: [{metric: kappa, min: 0.5}]}\n", "spare", "1 rules → removed"),
    ("floor: 0.6", "floor: 0.5", "floor: 60%", "lowest", "mcc min 0.6 → min 0.5"),
    ("max: 1%, window", "max: 1.5%, window", "max: 0.01, window", "online", "errorRate max 0.01 → max 0.015"),
    ("window: 5m", "window: 1h", "window: 300s", "online", "errorRate window 5m → 1h"),
    ("for: 2m", "for: 3m", "for: 120s", "online", "errorRate must last 2m → 3m"),
    ("quantile: 0.99, max: 100ms", "quantile: 0.95, max: 100ms", "max: 100ms, quantile: 0.990", "online", "quantile p99 → p95"),
    ("max: 100ms}", "max: 101ms}", "max: 100ms, name: l}", "online", "latency p99 max 100ms → max 101ms"),
    ("min: 99.5%", "min: 99%", "min: 0.995", "online", "availability min 0.995 → min 0.99"),
    ("max: 10}", "max: 11}", "max: 10.0}", "online", "queue max 10 → max 11"),
    ("max: 0.2, minSamples: 100", "max: 0.3, minSamples: 100", "minSamples: 100, max: 20%", "moved", "max 0.2 → max 0.3"),
    ("minSamples: 100}", "minSamples: 200}", "minSamples: 100, severity: block}", "moved", "samples needed 100 → 200"),
    ("look: {check: clean, data: people}", "look: {check: clean, data: trained}", "look: {data: people, check: clean}", "clean",
     "guards pipelines.train with people"),
    ("        after: [look]\n", "", None, "clean", "fit waits for it → does not wait"),
    ("judge: {gate: release, metrics: steps.fit.metrics}", "judge: {run: [look], after: [fit]}",
     "judge: {metrics: steps.fit.metrics, gate: release}", "release", "guards pipelines.train → no longer used there"),
    ("after: [judge, second", "after: [second", "after: [second, judge", "release", "register churn waits for it → does not wait"),
    ("{gate: stricter, ", "{gate: spare, ", None, "stricter", "auc min 0.9 → min 0.88"),
    ("      gate: online\n", "", "      gate: 'online'\n", "online", "guards serving.api → no longer used there"),
    ("    quality: clean\n", "", "    quality: 'clean'\n", "clean", "guards datasets.people → no longer used there"),
    ("strategy: canary\n      steps: [10, 30, 60]\n      pause: 10m\n      gate: online\n", "strategy: rolling\n", None,
     "serving.api.rollout.strategy", "canary → rolling"),
    ("steps: [10, 30, 60]", "steps: [10, 40, 60]", "steps: [ 10,30,60 ]", "serving.api.rollout.steps", "[10, 30, 60] → [10, 40, 60]"),
    ("steps: [10, 30, 60]", "steps: [10, 30]", "steps:\n      - 10\n      - 30\n      - 60", "serving.api.rollout.steps",
     "[10, 30, 60] → [10, 30]"),
    ("pause: 10m", "pause: 9m", "pause: 600s", "serving.api.rollout.pause", "10m → 9m"),
    ("availability: 99.9%", "availability: 99.8%", "availability: 0.999", "monitoring.api.slo.availability", "99.9% → 99.8%"),
    ("window: 28d", "window: 30d", "window: 4w", "monitoring.api.slo.window", "28d → 30d"),
    ("{max: 200ms, quantile: 0.99}", "{max: 300ms, quantile: 0.99}", "{quantile: 99%, max: 200ms}",
     "monitoring.api.slo.latency.max", "200ms → 300ms"),
    ("{max: 200ms, quantile: 0.99}", "{max: 200ms}", "{max: 200ms, quantile: 99%}", "monitoring.api.slo.latency.quantile", "99% → 95%"),
    ("      latency: {max: 200ms, quantile: 0.99}\n", "", None, "monitoring.api.slo.latency.max", "200ms → removed"),
    ("against: people", "against: trained", "against: 'people'", "monitoring.api.drift.against", "people → trained"),
    ("every: 6h", "every: 1d", "every: 360m", "monitoring.api.drift.every", "6h → 1d"),
    ("share: 2%", "share: 3%", "share: 0.02", "monitoring.api.outliers.share", "2% → 3%"),
    ("    outliers: {method: isolationForest, share: 2%}\n", "", None, "monitoring.api.outliers", "there → removed"),
    ("maxGap: 0.08}", "maxGap: 0.1}", "maxGap: 8%}", "monitoring.api.bias.maxGap", "8% → 10%"),
    ("{across: sex, metric: recall", "{across: plan, metric: recall", "{metric: recall, across: sex",
     "monitoring.api.bias.across", "sex → plan"),
    (", email: ml@acme.example", "", ", email: 'ml@acme.example'", "monitoring.api.notify.email", "there → removed"),
    ('    notify: {slack: "#ml", email: ml@acme.example}\n', "", None, "monitoring.api.notify", "there → removed"),
    ("    approvals: 2\n", "    approvals: 1\n", None, "environments.prod.approvals", "2 → 1"),
    ("    after: staging\n", "", "    after: 'staging'\n", "environments.prod.after", "staging → removed"),
    ("after: dev, overrides", "overrides", "after: 'dev', overrides", "environments.staging.after", "dev → removed"),
    ("{argocd: {sync: manual}}", "{argocd: {sync: automated}}", "{argocd: {sync: 'manual'}}", "platform.gitops", "manual → automated"),
    ("risk: high", "risk: limited", "risk: 'high'", "governance.risk", "high → limited"),
    ("[risk-office, ml-platform]", "[ml-platform]", "[ml-platform, risk-office]", "governance.reviewers", "risk-office → removed"),
]  # fmt: skip
BASE_LOOSER = ("min: 0.7}", "min: 0.65}", "min: 70%}", "shared", "f1 min 0.7 → min 0.65")
NEITHER = ("loss max", "recall for each", "classes", "auc min 0.9 → min 0.88", "guards pipelines.train with people", "people", "sex")
"""What differs and is not looser alone: the way back lets something else through."""
DAY = date(2026, 6, 1)


def read(folder: Path, spec: str, base: str = BASE):
    """Examine a spec with its base file."""
    folder.mkdir(exist_ok=True)
    (folder / ".git").mkdir(exist_ok=True)
    (folder / "base.yaml").write_text(base)
    file = folder / "mlspec.yaml"
    file.write_text(spec)
    return examine_source(load(file, folder, lambda path: path.name), file, folder, {})


def held(before, after):
    """Return what is found, each once, with the environments that have it: code, message, line now, line then, help."""
    found = {}
    olds = {plan.environment: plan for plan in before.plans}
    for plan in after.plans:
        for finding in hold(olds[plan.environment], plan, DAY, "main"):
            site = locate(plan.mark, finding.found.path)
            key = (
                finding.code.id,
                finding.found.message,
                (site.file, site.line),
                next((one for one, _ in finding.found.related_sites), None),
                finding.found.help,
            )
            found.setdefault(key, []).append(plan.environment)
    return found


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    return read(tmp_path_factory.mktemp("strict"), SPEC)


def changed(text, *edits):
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def line(text, part):
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(("old", "new", "same", "gate", "said"), LOOSER, ids=[f"{row[3]} {row[4]}" for row in LOOSER])
def test_looser_is_found_and_tighter_and_the_same_are_not(tmp_path, strict, old, new, same, gate, said):
    loose = read(tmp_path, changed(SPEC, (old, new)))
    found = held(strict, loose)
    mine = [key for key in found if key[1].startswith(f"the gate {gate} is looser than it was") and said in key[1]]
    assert mine, list(found)
    assert {code for code, *_ in found} == {"MLS-E740"}
    _, _, (file, now), then, _ = mine[0]
    assert file == "mlspec.yaml"
    at = line(SPEC, {"floor: 0.6": "metric: mcc", "{gate: stricter, ": "{metric: auc, min: 0.9}"}.get(old, old))
    last = at + old.rstrip("\n").count("\n")
    assert at - int(not new) <= then.line <= last, "where it stood"
    assert (at if new else 1) <= now <= max(last, line(SPEC, old)), "where it is, or what is nearest to where it stood"
    back = held(loose, strict)
    assert bool(back) == any(said.startswith(one) for one in NEITHER), list(back)
    if same is not None:
        assert held(strict, read(tmp_path, changed(SPEC, (old, same)))) == {}


def test_in_a_base_file(tmp_path, strict):
    old, new, same, gate, said = BASE_LOOSER
    [(code, message, now, then, _)] = held(strict, read(tmp_path, SPEC, BASE.replace(old, new)))
    assert (code, now, then.file, then.line) == ("MLS-E740", ("base.yaml", 2), "base.yaml", 2)
    assert f"the gate {gate} is looser than it was: {said}" == message
    assert held(read(tmp_path, SPEC, BASE.replace(old, new)), strict) == {}
    assert held(strict, read(tmp_path, SPEC, BASE.replace(old, same))) == {}


ALONE = [  # what prod overrides, the gate, what is said
    ("thresholds: {lowest: {mode: report}}", "lowest", "mode enforce → report"),
    ("thresholds: {lowest: {rules: [{metric: mcc, min: 0.1}]}}", "lowest", "mcc min 0.6 → min 0.1"),
    ("thresholds: {spare: null}", "spare", "1 rules → removed"),
    ("serving: {api: {rollout: {pause: 1m}}}", "serving.api.rollout.pause", "10m → 1m"),
    ("serving: {api: {rollout: {gate: null}}}", "online", "guards serving.api → no longer used there"),
    ("monitoring: {api: {outliers: null}}", "monitoring.api.outliers", "there → removed"),
    ("monitoring: {api: {notIn: [prod]}}", "monitoring.api.slo", "there → removed"),
    ("datasets: {people: {schema: {age: {min: 1}}}}", "datasets.people.schema.age.min", "18 → 1"),
    ("pipelines: {train: {steps: {keep: {after: [second, third, fourth]}}}}", "release", "register churn waits for it → does not wait"),
    ("governance: {risk: minimal}", "governance.risk", "high → minimal"),
]


@pytest.mark.parametrize(("override", "gate", "said"), ALONE, ids=[row[0] for row in ALONE])
def test_in_one_environment_alone_it_is_found_at_the_override(tmp_path, strict, override, gate, said):
    """An override, a null of one, and leaving out: all are seen where they are written, and said of that environment alone."""
    place = "        stricter: {rules: [{metric: auc, min: 0.9}]}\n"
    section, _, rest = override.partition(": ")
    added = f"        {rest[1:-1]}\n" if section == "thresholds" else f"      {override}\n"
    text = changed(SPEC, (place, place + added))
    found = held(strict, read(tmp_path, text))
    environments = next(found[key] for key in found if f"the gate {gate} is looser than it was" in key[1] and said in key[1])
    lines = [key[2][1] for key in found if f"the gate {gate} is looser than it was" in key[1]]
    assert environments == ["prod"]
    assert line(text, added) in lines or override.startswith(("thresholds: {spare", "monitoring"))
    assert held(read(tmp_path, text), strict) == {}


def test_an_environment_under_another_name_is_the_same_one(tmp_path, strict):
    text = SPEC.replace("  staging: {", "  stage: {").replace("after: staging\n", "after: stage\n")
    assert held_by_place(strict, read(tmp_path, text)) == []


def held_by_place(before, after):
    olds = {plan.namespace: plan for plan in before.plans}
    return [finding.found.message for plan in after.plans for finding in hold(olds[plan.namespace], plan, DAY, "main")]


SINGLE = [row for row in LOOSER if "\n" not in row[0][:-1] and row[3] not in ("governance.risk", "governance.reviewers")]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.sampled_from(SINGLE), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_any_of_them_together(tmp_path, strict, rows):
    text = SPEC
    for old, new, *_ in rows:
        assume(text.count(old) == 1)
        text = text.replace(old, new)
    try:
        loose = read(tmp_path, text)
    except Rejected:
        reject()
    said = {message.removeprefix("the gate ").partition(" is looser")[0] for _, message, *_ in held(strict, loose)}
    assert said == {gate for _, _, _, gate, _ in rows}


PROPOSED = re.compile(r"\{(.*?), reason: \.\.\., owner: \.\.\., ticket: \.\.\., until: YYYY-MM-DD\}")


@pytest.mark.parametrize(("old", "new", "same", "gate", "said"), LOOSER[::2], ids=[f"{row[3]} {row[4]}" for row in LOOSER[::2]])
def test_the_waivers_that_it_proposes_cover_it_and_nothing_else(tmp_path, strict, old, new, same, gate, said):
    text = changed(SPEC, (old, new))
    waivers = []
    for _ in range(9):
        found = held(strict, read(tmp_path, with_waivers(text, waivers)))
        if not found:
            break
        waivers += [f"{PROPOSED.search(help_)[1]}" for *_, help_ in found]
    assert found == {}, (waivers, list(found))
    other = next(row for row in (*LOOSER[5:], *LOOSER) if row[3] != gate and row[0] in text and row[3].count(".") <= 1)
    both = text.replace(other[0], other[1])
    assert any(f"the gate {other[3]} is" in key[1] for key in held(strict, read(tmp_path, with_waivers(both, waivers))))


def with_waivers(text, waivers):
    lines = "".join(f"  - {{{one}, reason: pilot, owner: ml, ticket: ML-1, until: 2026-12-31}}\n" for one in dict.fromkeys(waivers))
    return f"{text}  waivers:\n{lines}" if waivers else text
