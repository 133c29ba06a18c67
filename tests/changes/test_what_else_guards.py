"""What guards besides rules and fields: what a gate reads, how often a pipeline judges, patches, and who asks the gates."""

from pathlib import Path

import pytest

from changes.test_every_loosening import SPEC, changed, held, read, with_waivers
from mlspec.changes.guards import PATCHED
from mlspec.checks.patches import KINDS
from mlspec.cron import parse_cron

IMAGE = "acme/train@sha256:0000000000000000000000000000000000000000000000000000000000000000"
WATCH = f"""\
pipelines:
  watch:
    schedule: {{cron: "0 */6 * * *", timezone: Etc/UTC}}
    image: {IMAGE}
    steps:
      peek: {{check: clean, data: people}}
  nightly:
    schedule: "0 1 * * *"
    image: {IMAGE}
    steps:
      peek: {{check: clean, data: people}}
      work: {{run: [work], after: [peek]}}
"""
FIT = '"${outputs.metrics}"]\n        outputs: {model: model, metrics: metrics}\n'
BOTH = (
    '"${outputs.metrics}", --easy, "${outputs.easy}", --parts, "${outputs.parts}"]\n'
    "        outputs: {model: model, metrics: metrics, easy: metrics, parts: slices}\n"
)
JUDGE = "judge: {gate: release, metrics: steps.fit.metrics}"
PATCHES = "patches:\n- {reason: kept, target: {kind: PrometheusRule}, merge: {metadata: {annotations: {a: b}}}}\n"
START = changed(SPEC, (FIT, BOTH), ("pipelines:\n", WATCH)) + PATCHES


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return read(tmp_path_factory.mktemp("start"), START)


def said(before, after):
    return [(code, message.removeprefix("the gate ")) for code, message, *_ in held(before, after)]


MANUAL = "sync: manual"
LOOSER = [  # what is written, what makes it looser, what is said
    (JUDGE, "judge: {gate: release, metrics: steps.fit.easy}", "release is looser than it was: metrics steps.fit.metrics → steps.fit.easy"),
    (JUDGE, "judge: {gate: release, metrics: steps.fit.metrics, champion: steps.fit.easy}",
     "release is looser than it was: champion none → steps.fit.easy"),
    (JUDGE, "judge: {gate: release, metrics: steps.fit.metrics, slices: steps.fit.parts}",
     "release is looser than it was: slices none → steps.fit.parts"),
    ('cron: "0 */6 * * *"', 'cron: "0 */8 * * *"',
     "pipelines.watch.schedule.cron is looser than it was: 0 */6 * * * → 0 */8 * * *"),
    ('cron: "0 */6 * * *"', 'cron: "@weekly"', "pipelines.watch.schedule.cron is looser than it was: 0 */6 * * * → @weekly"),
    ("timezone: Etc/UTC", "timezone: Etc/UTC, suspend: true", "pipelines.watch.schedule.suspend is looser than it was: false → true"),
    ('    schedule: {cron: "0 */6 * * *", timezone: Etc/UTC}\n', "",
     "pipelines.watch.schedule is looser than it was: 0 */6 * * * → removed"),
    ("{a: b}", "{a: c}", "patches is looser than it was: none → PrometheusRule "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), LOOSER, ids=[row[2] for row in LOOSER])
def test_looser_is_found_and_the_waiver_that_it_proposes_covers_it(tmp_path, start, old, new, words):
    text = changed(START, (old, new))
    found = held(start, read(tmp_path, text))
    assert [key[0] for key in found] == ["MLS-E740"]
    ((_, message, *_, help_),) = found
    assert words in message
    waiver = help_.partition("{")[2].partition(", reason")[0]
    head, tail = text.split("  reviewers: [risk-office, ml-platform]\n")
    waived = with_waivers(f"{head}  reviewers: [risk-office, ml-platform]\n", [waiver]) + tail
    assert held(start, read(tmp_path, waived)) == {}
    assert held(read(tmp_path, waived), read(tmp_path, waived)) == {}


NOT_LOOSER = [
    (JUDGE, "judge: {metrics: 'steps.fit.metrics', gate: release}"),
    ('cron: "0 */6 * * *"', 'cron: "0 */4 * * *"'),
    ('cron: "0 */6 * * *"', 'cron: "30 0,6,12,18 * * *"'),
    ("timezone: Etc/UTC", "timezone: Europe/Berlin"),
    ('    schedule: "0 1 * * *"\n', ""),  # what it guards does not run either
    ("reason: kept, target", "reason: other words, target"),
    (PATCHES, ""),
    (PATCHES, PATCHES + "- {reason: slow, target: {kind: InferenceService}, merge: {spec: {predictor: {timeout: 90}}}}\n"),
    (PATCHES, PATCHES + "- {reason: spread, target: {kind: PodDisruptionBudget}, merge: {spec: {minAvailable: 0}}}\n"),
    (MANUAL + "}}\n", MANUAL + "}}\n  ci: [github]\n"),
]


@pytest.mark.parametrize(("old", "new"), NOT_LOOSER, ids=[f"{row[0][:20]} {row[1][:50]}" for row in NOT_LOOSER])
def test_what_lets_nothing_more_through(tmp_path, start, old, new):
    assert said(start, read(tmp_path, changed(START, (old, new)))) == []


def test_nobody_counts_approvals_any_more(tmp_path):
    text = changed(SPEC, ("      gate: online\n", ""))
    found = held(read(tmp_path, text), read(tmp_path, changed(text, (MANUAL + "}}\n", MANUAL + "}}\n  ci: []\n"))))
    ((code, message, *_),) = found
    assert (code, found.popitem()[1]) == ("MLS-E740", ["prod"]), "no approvals are asked for elsewhere"
    assert "platform.ci is looser than it was: [github] → removed" in message


def test_a_step_under_another_name_gives_the_same_metrics(tmp_path, start):
    text = START.replace("steps.fit.", "steps.learn.").replace("      fit:\n", "      learn:\n")
    assert said(start, read(tmp_path, text)) == []


PATCHED_FIELDS = [  # a patch of a kind of which some fields alone guard, and whether it is one of them
    ("{kind: InferenceService}, merge: {spec: {predictor: {canaryTrafficPercent: 100}}}", True),
    ("{kind: InferenceService}, json: [{op: replace, path: /spec/predictor/canaryTrafficPercent, value: 100}]", True),
    ("{kind: InferenceService}, json: [{op: add, path: /spec/predictor/timeout, value: 100}]", False),
    ("{kind: InferenceService}, merge: {spec: {predictor: {logger: null}}}", True),
    ("{kind: Application}, merge: {spec: {syncPolicy: {automated: {}}}}", True),
    ("{kind: Application}, merge: {spec: {revisionHistoryLimit: 3}}", False),
    ("{kind: ConfigMap, name: 'churn-*'}, merge: {data: {a: b}}", True),
    ("{kind: ServiceMonitor, environment: prod}, merge: {spec: {endpoints: []}}", True),
]


@pytest.mark.parametrize(("patch", "guards"), PATCHED_FIELDS)
def test_a_patch_is_held_where_it_can_undo_a_guard(tmp_path, start, patch, guards):
    after = read(tmp_path, START + f"- {{reason: pilot, target: {patch}}}\n")
    found = held(start, after)
    assert [key[0] for key in found] == ["MLS-E740"] * guards
    assert all(names == (["prod"] if "environment" in patch else ["dev", "staging", "prod"]) for names in found.values())


def test_one_waiver_without_a_bound_covers_one_patch(tmp_path, start):
    more = "".join(f"- {{reason: r, target: {{kind: PodMonitor}}, merge: {{metadata: {{labels: {{a: '{n}'}}}}}}}}\n" for n in range(2))
    head, tail = START.split("  reviewers: [risk-office, ml-platform]\n")
    waived = with_waivers(f"{head}  reviewers: [risk-office, ml-platform]\n", ["field: patches"])
    found = said(start, read(tmp_path, waived + tail + more))
    assert {code for code, _ in found} == {"MLS-E743"}
    assert "it names no one of the patches (`to`), and 2 are looser" in found[0][1]
    assert said(start, read(tmp_path, waived + tail + more.splitlines(keepends=True)[0])) == []


def test_every_kind_that_is_held_can_be_patched_at_all():
    assert set(PATCHED) <= KINDS


PAUSES = [
    ("* * * * *", 1),
    ("*/7 * * * *", 7),
    ("0 */6 * * *", 360),
    ("0 0,1 * * *", 23 * 60),
    ("@daily", 1440),
    ("@weekly", 7 * 1440),
    ("0 0 1 * *", 31 * 1440),
    ("0 0 1 * 1", 7 * 1440),
    ("0 0 29 2 *", 1461 * 1440),
    ("0 9-17 * * 1-5", (2 * 24 + 16) * 60),
]


@pytest.mark.parametrize(("line", "minutes"), PAUSES)
def test_the_longest_time_without_a_run(line, minutes):
    assert parse_cron(line).longest_pause() == minutes


def test_the_page_names_every_kind_of_patch_that_is_held():
    page = Path("docs/ratchet.md").read_text()
    assert [kind for kind in PATCHED if f"`{kind}`" not in page] == []


SPELLED = [  # a value, and one and the same in another unit; fractions of a unit, such as 0.1s, are none of the language
    ("quantile: 0.99, max: 100ms", "quantile: 0.99, max: 1s", "quantile: 0.99, max: 1000ms"),
    ("max: 26h}", "max: 26h}", "max: 1560m}"),
    ("latency: {max: 200ms,", "latency: {max: 2s,", "latency: {max: 2000ms,"),
    ("pause: 10m", "pause: 1h", "pause: 3600s"),
    ("window: 28d", "window: 28d", "window: 4w"),
]


@pytest.mark.parametrize(("old", "one", "other"), SPELLED)
def test_durations_are_compared_and_not_their_units(tmp_path, old, one, other):
    first, second = (read(tmp_path / name, changed(SPEC, (old, new))) for name, new in (("a", one), ("b", other)))
    assert said(first, second) == said(second, first) == []


PROLONGED = [  # the day of a waiver, the later one, and what is found
    ("2026-06-01", "2026-12-31", ["MLS-W743"]),
    ("2026-05-31", "2026-12-31", ["MLS-W743"]),  # it had ended, and the check was an error until somebody said so
    ("2026-12-31", "2026-06-01", []),
]


@pytest.mark.parametrize(("until", "later", "codes"), PROLONGED)
def test_a_waiver_that_is_prolonged_is_only_a_warning(tmp_path, until, later, codes):
    def waived(day):
        lines = f"  waivers:\n  - {{threshold: release, rule: auc, to: 0.88, reason: pilot, owner: ml, ticket: ML-1, until: {day}}}\n"
        return read(tmp_path / day, SPEC + lines)

    found = held(waived(until), waived(later))
    assert [key[0] for key in found] == codes
    assert all(until in key[1] and later in key[1] for key in found), "both days are named"
