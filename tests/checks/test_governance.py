"""Governance, and the versions of mlspec that a spec allows."""

import pytest

from checks.build_serving import findings, project
from mlspec.checks import governance, images

RULES = "thresholds: {t: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}\n"
REST = "reason: r, owner: o, until: 2027-01-01"
SINCE = images.image_without_digest.code.id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("governance: {risk: unacceptable}", [("MLS-E518", "governance/risk")]),
        ("governance: {risk: high, retention: 7y}", []),
        ("governance: {retention: 7 years}", [("MLS-E520", "governance/retention")]),
        ("governance: {retention: 0d}", [("MLS-E520", "governance/retention")]),
        ("governance: {waivers: [{code: MLS-W999, reason: r, owner: o, until: 2027-01-01}]}", [("MLS-E519", "governance/waivers/0/code")]),
        ("governance: {waivers: [{code: MLS-E518, reason: r, owner: o, until: 2027-01-01}]}", [("MLS-E519", "governance/waivers/0/code")]),
        (f"governance: {{waivers: [{{code: {SINCE}, reason: r, owner: o, until: 2027-01-01}}]}}", []),
        ("governance: {waivers: [{code: image-without-digest, reason: r, owner: o, until: 2027-01-01}]}", []),
        (
            "governance: {waivers: [{code: image-without-digest, rule: a, slice: b, to: 1, reason: r, owner: o, until: 2027-01-01}]}",
            [("MLS-E523", "governance/waivers/0/rule"), ("MLS-E523", "governance/waivers/0/to")],
        ),
        (
            "governance: {waivers: [{field: serv.a, reason: r, owner: o, until: 2027-01-01}]}",
            [("MLS-W519", "governance/waivers/0/field")],
        ),
        (f"{RULES}governance: {{waivers: [{{threshold: t, rule: acu, {REST}}}]}}", [("MLS-W519", "governance/waivers/0/rule")]),
        (f"{RULES}governance: {{waivers: [{{threshold: t, rule: auc for each sex, {REST}}}]}}", []),
        (
            "governance: {waivers: [{threshold: t, reason: r, owner: o, until: 2027-01-01}]}",
            [("MLS-W519", "governance/waivers/0/threshold")],
        ),
        ("requires: '>=0.1,<900'", []),
        ("requires: '~1'", [("MLS-E521", "requires")]),
        ("requires: '>=1,'", [("MLS-E521", "requires")]),
        ("requires: '<0.0.1'", [("MLS-E522", "requires")]),
    ],
)
def test_governance(text, expected):
    assert findings(f"{text}\n", governance) == expected


@pytest.mark.parametrize(
    ("wanted", "version", "right"),
    [
        (">=1.2", "1.2.0", True),
        (">1.2", "1.2.0", False),
        ("1.2.0", "1.2", True),
        ("!=1.2", "1.2.1", True),
        (">=0.9,<1", "0.10.0", True),
        ("<1", "1.0.0rc1", False),
    ],
)
def test_versions(wanted, version, right):
    assert governance.allows(wanted, version) is right
    found = governance.other_version_required(project(f"requires: '{wanted}'\n"), version)
    assert (found == []) is right
