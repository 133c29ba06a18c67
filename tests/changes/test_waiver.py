"""Waivers: which loosening each covers, until when, and what is said of one that reaches too far or lasts too long."""

import pytest

from changes.test_every_loosening import SPEC, changed, held, read

AUC = ("auc, min: 0.88", "auc, min: 0.86")
RECALL = ("min: 0.7, forEach", "min: 0.6, forEach")
WIDE = ("max: 1%, window: 5m", "max: 2%, window: 1h")
PAUSE = ("pause: 10m", "pause: 5m")


def waived(*waivers, until="2026-12-31", ticket=", ticket: ML-1"):
    """Return waivers as lines below ``governance``."""
    lines = "".join(f"  - {{{one}, reason: pilot, owner: ml{ticket}, until: {until}}}\n" for one in waivers)
    return f"  waivers:\n{lines}" if waivers else ""


def codes(folder, before, after):
    old, new = (read(folder / name, text) for name, text in (("before", before), ("after", after)))
    return sorted({key[0] for key in held(old, new)})


COVERS = [  # the edits, the waivers, what is found
    ([AUC], ["threshold: release"], []),
    ([AUC], ["threshold: release, rule: auc"], []),
    ([AUC], ["threshold: release, rule: auc, to: 0.86"], []),
    ([AUC], ["threshold: release, rule: auc, to: 86%"], []),
    ([AUC], ["threshold: release, rule: auc, to: min 0.8"], []),
    ([AUC], ["threshold: release, rule: auc, to: 0.87"], ["MLS-E743"]),
    ([AUC], ["threshold: release, rule: auc, to: max 0.8"], ["MLS-E743"]),
    ([AUC], ["threshold: release, rule: auc, to: 100ms"], ["MLS-E743"]),
    ([AUC], ["threshold: release, rule: auc, to: window 1h"], ["MLS-E743"]),
    ([AUC], ["threshold: release, rule: loss"], ["MLS-E740"]),
    ([AUC], ["threshold: release, rule: recall, slice: sex"], ["MLS-E740"]),
    ([AUC], ["threshold: online, rule: errorRate"], ["MLS-E740"]),
    ([AUC, RECALL], ["threshold: release"], ["MLS-E743"]),
    ([AUC, RECALL], ["threshold: release, rule: auc"], ["MLS-E740"]),
    ([AUC, RECALL], ["threshold: release, rule: auc", "threshold: release, rule: recall"], []),
    ([AUC, RECALL], ["threshold: release, rule: auc", "threshold: release, rule: recall, slice: sex, to: 0.6"], []),
    ([AUC, RECALL], ["threshold: release, rule: auc", "threshold: release"], ["MLS-E743"]),
    ([WIDE], ["threshold: online"], []),
    ([WIDE], ["threshold: online, to: 2%"], ["MLS-E743"]),
    ([WIDE], ["threshold: online, to: 2%", "threshold: online, to: window 60m"], []),
    ([WIDE], ["threshold: online, to: 2%", "threshold: online, to: for 60m"], ["MLS-E743"]),
    ([PAUSE], ["field: serving.api.rollout.pause"], []),
    ([PAUSE], ["field: serving.api.rollout"], []),
    ([PAUSE], ["field: serving.api.rollout.pause, to: 300s"], []),
    ([PAUSE], ["field: serving.api.rollout.pause, to: 6m"], ["MLS-E743"]),
    ([PAUSE], ["field: serving.api.rollout.steps"], ["MLS-E740"]),
    ([PAUSE], ["threshold: online"], ["MLS-E740"]),
    ([PAUSE, ("[10, 30, 60]", "[20, 60]")], ["field: serving.api.rollout"], ["MLS-E743"]),
    ([PAUSE, ("[10, 30, 60]", "[20, 60]")], ["field: serving.api.rollout.pause", "field: serving.api.rollout.steps, to: '[20, 60]'"], []),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "waivers", "expected"), COVERS, ids=[f"{row[1]} {row[2]}" for row in COVERS])
def test_what_a_waiver_covers(tmp_path, edits, waivers, expected):
    assert codes(tmp_path, SPEC, changed(SPEC, *edits) + waived(*waivers)) == expected


def test_a_waiver_of_before_covers_what_it_was_written_for_and_no_later_loosening(tmp_path):
    """Without `to` it covers what came with it; with `to`, whatever keeps to that; a waiver that was edited is one of the change."""
    first = changed(SPEC, AUC)
    further = changed(SPEC, ("auc, min: 0.88", "auc, min: 0.84"))
    assert codes(tmp_path, SPEC, first + waived("threshold: release")) == []
    assert codes(tmp_path, first + waived("threshold: release"), further + waived("threshold: release")) == ["MLS-E743"]
    assert codes(tmp_path, SPEC + waived("threshold: release"), first + waived("threshold: release")) == ["MLS-E743"]
    bounded = waived("threshold: release, rule: auc, to: 0.86")
    assert codes(tmp_path, SPEC + bounded, first + bounded) == []
    assert codes(tmp_path, first + bounded, further + bounded) == ["MLS-E743"]
    assert codes(tmp_path, first + bounded, further + waived("threshold: release, rule: auc, to: 0.84")) == ["MLS-W743"]


LASTS = [  # the edit, a waiver that has ended, whether what it allowed is still there
    (AUC, "threshold: release, rule: auc, to: 0.86", True),
    (AUC, "threshold: release, rule: auc, to: 0.87", True),
    (AUC, "threshold: release, rule: auc, to: 0.85", False),
    (AUC, "threshold: release", False),
    (WIDE, "threshold: online, to: window 1h", True),
    (WIDE, "threshold: online, to: window 61m", False),
    (("severity: block", "severity: warn"), "threshold: release, rule: lift, to: severity warn", True),
    (("mode: enforce", "mode: report"), "threshold: stricter, to: report", True),
    (("mode: enforce", "mode: report"), "threshold: stricter, to: off", False),
    (("    - {metric: loss, max: 0.1}\n", ""), "threshold: release, rule: loss, to: removed", True),
    (AUC, "threshold: release, rule: loss, to: removed", False),
    (PAUSE, "field: serving.api.rollout.pause, to: 5m", True),
    (PAUSE, "field: serving.api.rollout.pause, to: 4m", False),
    (("    approvals: 2\n", "    approvals: 1\n"), "field: environments.prod.approvals, to: 1", True),
    (("    outliers: {method: isolationForest, share: 2%}\n", ""), "field: monitoring.api.outliers, to: removed", True),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "waiver", "there"), LASTS, ids=[f"{row[1]} {row[2]}" for row in LASTS])
def test_the_end_of_a_waiver_holds_after_the_loosening_is_merged(tmp_path, edit, waiver, there):
    """With `to`, a gate that is as loose on the day after is an error, though nothing differs from the base any more."""
    text = changed(SPEC, edit) + waived(waiver, until="2026-05-31")
    assert codes(tmp_path, text, text) == (["MLS-E741"] if there else ["MLS-W741"])
    tight = SPEC + waived(waiver, until="2026-05-31")
    assert codes(tmp_path, tight, tight) == ["MLS-W741"]
    assert codes(tmp_path, text, changed(SPEC, edit)) == (["MLS-W743"] if there else [])


def test_a_waiver_that_is_prolonged_is_told(tmp_path):
    text = changed(SPEC, AUC)
    old, new, less = (text + waived("threshold: release", until=day) for day in ("2026-09-30", "2026-12-31", "2026-08-31"))
    assert codes(tmp_path, old, new) == ["MLS-W743"]
    assert codes(tmp_path, old, less) == []


def test_an_ended_one_and_one_without_a_ticket(tmp_path):
    text = changed(SPEC, AUC)
    assert codes(tmp_path, SPEC, text + waived("threshold: release, rule: auc, to: 0.86", until="2026-05-31")) == ["MLS-E741"]
    assert codes(tmp_path, SPEC, text + waived("threshold: release", ticket="")) == ["MLS-E742"]
    ended = waived("threshold: release, rule: auc, to: 0.86", until="2026-05-31")
    good = "  - {threshold: release, reason: r, owner: o, ticket: T-1, until: 2026-06-01}\n"
    assert codes(tmp_path, SPEC, text + ended + good) == ["MLS-W741"]
    assert codes(tmp_path, text + ended + good, text + ended + good) == ["MLS-W741"]
