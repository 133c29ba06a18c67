"""Causes by trial: what of an object an edit made, among edits that reach one object, one digest or one derived value together."""

import random
from copy import deepcopy

import pytest

from changes.specs import accounted, basic, draw, library, side
from changes.test_account import edited, only
from mlspec.__main__ import main
from mlspec.changes import trials
from mlspec.changes.edits import edits_of
from mlspec.changes.objects import differences
from mlspec.changes.trials import Trials, take_back
from mlspec.changes.values import compare, same

VERSION = (("models", "churn", "version"), "2.3.0")
URI = (("models", "churn", "uri"), "s3://${vars.bucket}/churn/2.3.0")
PAUSE = (("serving", "churn-api", "rollout", "pause"), "30m")
ACCESS = (("serving", "churn-api", "access"), {"from": ["web"]})
AUC = (("thresholds", "release", "rules", 0, "min"), 0.9)
ROWS = (("thresholds", "clean", "rules", 0, "min"), 200)


def cited(project, kind, name, place=None):
    """Return the paths of the edits that an object's fields are tied to, those at a place or all; digests in names left out."""
    found = set()
    for environment in project.environments:
        for hunk in environment.hunks:
            if (hunk.change.key.kind, hunk.change.key.stem.name) != (kind, name) or hunk.change.sign == "-":
                continue
            pairs = hunk.edition or zip(hunk.change.changes, hunk.causes, strict=True)
            for field, causes in pairs:
                if place is None or place in field.path:
                    found |= {project.edits[cause.edit].path if cause.kind == "spec" else cause.what for cause in causes}
    return found


CITED = [
    ("the canary from what each would start one", "InferenceService", "churn-api-canary", None, {VERSION[0], URI[0]}),
    ("weights from the canary", "HTTPRoute", "churn-api-traffic", "weight", {VERSION[0], URI[0]}),
    ("the pause from its own field", "HTTPRoute", "churn-api-traffic", "mlspec.dev/rollout-pause", {PAUSE[0]}),
    ("the wave from the canary", "HTTPRoute", "churn-api-traffic", "argocd.argoproj.io/sync-wave", {VERSION[0], URI[0]}),
    ("who may call from the access list", "NetworkPolicy", "churn-api", "ingress", {ACCESS[0]}),
    ("the digest of the runtime from the gate in it", "ConfigMap", "churn-runtime", None, {AUC[0]}),
    ("what names the digest from what made it", "PipelineVersion", "train", None, {AUC[0]}),
]


@pytest.fixture(scope="module")
def change(tmp_path_factory):
    """A version under a canary, its pause, who may call, and a gate, in one change of a spec that was compiled before."""
    folder = tmp_path_factory.mktemp("change")
    for name, tree in (("before", basic()), ("after", basic())):
        side(folder / name, tree)
        assert main(["compile", "-q", str(folder / name)]) == 0
    return only(accounted(folder, basic(), edited(VERSION, URI, PAUSE, ACCESS, AUC)))


@pytest.mark.parametrize(("kind", "name", "place", "edits"), [row[1:] for row in CITED], ids=[row[0] for row in CITED])
def test_each_field_is_tied_to_the_edit_that_made_it(change, kind, name, place, edits):
    assert cited(change, kind, name, place) == edits


def test_two_edits_in_one_digest_are_both_causes(tmp_path):
    project = only(accounted(tmp_path, basic(), edited(AUC, ROWS)))
    assert cited(project, "PipelineVersion", "train") == {AUC[0], ROWS[0]}
    assert cited(project, "ConfigMap", "churn-runtime", "rules-release.json") == {AUC[0]}
    assert cited(project, "ConfigMap", "churn-runtime", "rules-clean.json") == {ROWS[0]}


def test_edits_that_are_a_spec_only_together_are_both_causes(tmp_path):
    new = {"framework": "sklearn", "version": "1.0.0", "uri": "s3://m/other"}
    project = only(accounted(tmp_path, basic(), edited((("models", "other"), new), (("serving", "batch-api", "model"), "other"))))
    assert cited(project, "InferenceService", "batch-api", "storageUri") == {("serving", "batch-api", "model"), ("models", "other")}


def test_a_value_that_each_of_two_edits_would_make_is_tied_to_both(tmp_path):
    both = ((("serving", "batch-api", "replicas"), 5), (("environments", "prod", "overrides"), {"serving": {"batch-api": {"replicas": 5}}}))
    project = only(accounted(tmp_path, basic(), edited(*both)))
    prod = next(one for one in project.environments if one.name == "prod")
    (hunk,) = (one for one in prod.hunks if one.change.key.kind == "InferenceService")
    assert {project.edits[cause.edit].path for causes in hunk.causes for cause in causes} == {
        ("serving", "batch-api", "replicas"),
        ("environments", "prod", "overrides"),
    }


@pytest.mark.parametrize("most", [trials.MOST_OBJECTS, 70, 0], ids=["each edit", "each item", "none"])
def test_causes_within_what_is_affordable(tmp_path, monkeypatch, most):
    monkeypatch.setattr(trials, "MOST_OBJECTS", most)
    fields = (
        (("serving", "churn-api", "replicas"), 3),
        (("serving", "churn-api", "env"), {"A": "b"}),
        (("serving", "batch-api", "replicas"), 3),
    )
    project = only(accounted(tmp_path, basic(), edited(*fields)))
    assert cited(project, "InferenceService", "batch-api", "minReplicas") == {fields[2][0]}
    assert fields[2][0] not in cited(project, "InferenceService", "churn-api", "predictor")


@pytest.mark.parametrize("seed", range(12))
def test_a_change_taken_back_edit_by_edit_is_the_first_spec(seed):
    dice = random.Random(seed)
    before, after = draw(dice, basic()), draw(dice, basic())
    for change in compare(before, after):
        assert same(take_back(deepcopy(after), [change]), after) is False
    made = after
    while found := compare(before, made):
        made = take_back(made, [found[-1]])
    assert same(made, before)


@pytest.mark.parametrize("seed", range(6))
def test_no_edit_is_blamed_for_what_stays_without_it(tmp_path, seed):
    dice = random.Random(seed)
    before, after = draw(dice, basic()), draw(dice, basic())
    old, new = side(tmp_path / "before", before), side(tmp_path / "after", after)
    one, other = old.projects["churn"], new.projects["churn"]
    edits = edits_of(one, other)
    found = Trials(one, other, edits, [library(one), library(other)])
    for change in differences(one.objects, other.objects):
        for field in change.changes:
            for at in found.needed(change.key, field):
                assert not same(found._objects((at,), False).get(change.key), other.objects.get(change.key))
            for at in found.enough(change.key, field):
                assert not same(found._objects((at,), True).get(change.key), one.objects.get(change.key))
