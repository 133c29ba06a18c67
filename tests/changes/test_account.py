"""What is told of a change: sentences, causes, risks, effects, totals; and what becomes of specs that do not compile."""

import shutil
from copy import deepcopy

import pytest
import yaml

from changes.specs import accounted, basic, side
from mlspec.__main__ import main
from mlspec.changes.effects import effects_of
from mlspec.changes.objects import differences, key_of
from mlspec.changes.totals import shown, totals_of


def edited(*steps):
    """Return the basic spec with things changed: each step a path and a value; None takes away."""
    tree = basic()
    for path, value in steps:
        holder = tree
        for part in path[:-1]:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if value is None:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
    return tree


def only(made):
    (project,) = made.projects
    return project


def texts(project):
    return {f"{','.join(names)}: {text}" if names else text for names, text in project.sentences}


SENTENCES = [
    (
        (("models", "churn", "version"), "2.3.0"),
        "dev,prod: churn 2.2.1 → 2.3.0, served by churn-api, batch-api (canary at 10 %, 50 %, pauses 10m; rolling)",
    ),
    ((("thresholds", "release", "rules", 0, "min"), 0.86), "dev,prod: gate release: auc min 0.88 → min 0.86, LOOSER"),
    ((("thresholds", "release", "rules", 0, "min"), 0.9), "dev,prod: gate release: auc min 0.88 → min 0.9, tighter"),
    ((("thresholds", "release", "mode"), "report"), "dev,prod: gate release: mode enforce → report, LOOSER"),
    ((("serving", "churn-api", "rollout", "pause"), "30m"), "dev,prod: churn-api canary pauses 10m → 30m"),
    ((("serving", "churn-api", "replicas"), 3), "dev,prod: churn-api replicas 2 to 6 → 3"),
    ((("serving", "batch-api"), None), "dev,prod: endpoint batch-api REMOVED (churn, 1 replicas)"),
    ((("serving", "churn-api", "access"), {"from": ["web"]}), "dev,prod: churn-api: web may call it"),
    ((("serving", "churn-api", "resources"), {"cpu": "2"}), "dev,prod: churn-api CPU 500m → 2"),
    ((("environments", "prod", "approvals"), 1), "prod: approvals 2 → 1"),
    ((("environments", "staging"), {"namespace": "churn-staging"}), "staging: environment added, namespace churn-staging"),
    ((("datasets", "people", "version"), {"delta": 4}), "dev,prod: people data version delta 3 → 4"),
    ((("environments", "prod", "overrides"), {"serving": {"churn-api": {"replicas": 9}}}), "prod: churn-api replicas 2 to 6 → 9"),
]


@pytest.mark.parametrize(("step", "said"), SENTENCES)
def test_sentences(step, said, tmp_path):
    assert said in texts(only(accounted(tmp_path, basic(), edited(step))))


WAIVER = {"threshold": "release", "reason": "r", "owner": "o", "ticket": "ML-1", "until": "2030-01-01"}


@pytest.mark.parametrize(("governed", "note"), [({}, "no waiver covers it"), ({"waivers": [WAIVER]}, "waived until 2030-01-01 (ML-1)")])
def test_a_looser_gate_is_told_with_its_waiver(governed, note, tmp_path):
    after = edited((("thresholds", "release", "rules", 0, "min"), 0.86), (("governance",), governed))
    notes = {risk.text: risk.note for risk in only(accounted(tmp_path, basic(), after)).risks if risk.kind == "gate"}
    assert notes == {"gate release: auc min 0.88 → min 0.86": note}


def early(tree):
    return "churn 2.3.0 comes together with the environment before it, not after it has run there" in {
        risk.text for risk in tree.risks if risk.environments == ("prod",)
    }


def test_a_version_that_comes_everywhere_at_once_is_a_risk_and_one_that_was_promoted_is_none(tmp_path):
    assert early(only(accounted(tmp_path / "a", basic(), edited((("models", "churn", "version"), "2.3.0")))))
    first = edited((("environments", "dev", "overrides"), {"models": {"churn": {"version": "2.3.0"}}}))
    assert not early(only(accounted(tmp_path / "b", basic(), first)))
    then = edited((("models", "churn", "version"), "2.3.0"))
    assert not early(only(accounted(tmp_path / "c", first, then)))


def guarded(version):
    """A model that a pipeline registers behind the gate `release`."""
    steps = {
        "fit": {"run": ["fit", "--out", "${outputs.m}", "${outputs.o}"], "outputs": {"m": "metrics", "o": "model"}},
        "gate": {"gate": "release", "metrics": "steps.fit.m"},
        "keep": {"register": "churn", "model": "steps.fit.o", "after": ["gate"]},
    }
    tree = edited(
        (("models", "churn", "version"), version), (("models", "churn", "trainedBy"), "train"), (("pipelines", "train", "steps"), steps)
    )
    tree["platform"]["registry"] = {"mlflow": "http://mlflow.mlops.svc:5000"}
    return tree


RESULTS = [
    (None, "churn 2.3.0: no result of gate release is in the repository", None),
    (0.95, "churn 2.3.0 passed gate release in dev", None),
    (0.5, None, "churn 2.3.0 did not pass gate release in dev: auc 0.5, expected >= 0.88"),
]


@pytest.mark.parametrize(("auc", "said", "risk"), RESULTS)
def test_what_the_repository_knows_of_a_version(auc, said, risk, tmp_path, capsys):
    if auc is not None:
        file = tmp_path / "after/p0/.mlspec/results/dev/churn/2.3.0/release.json"
        file.parent.mkdir(parents=True)
        metrics, spec = tmp_path / "metrics.json", tmp_path / "mlspec.yaml"
        metrics.write_text(f'{{"auc": {auc}, "loss": 0.1}}')
        spec.write_text(yaml.safe_dump(guarded("2.3.0"), sort_keys=False))
        main(["gate", "release", str(spec), "--metrics", str(metrics), "--env", "dev", "--format", "json"])
        file.write_text(capsys.readouterr().out)
    project = only(accounted(tmp_path, guarded("2.2.1"), guarded("2.3.0")))
    assert [text for text in texts(project) if "gate release" in text and "2.3.0" in text] == ([f"dev,prod: {said}"] if said else [])
    assert [one.text for one in project.risks if "2.3.0 did" in one.text] == ([risk] if risk else [])


def test_digests_are_told_by_their_beginning(tmp_path):
    after = edited((("pipelines", "train", "image"), "ghcr.io/acme/train@sha256:" + "1" * 64))
    project = only(accounted(tmp_path, basic(), after))
    assert any("sha256:000000000000… → " in text and text.endswith("sha256:111111111111…") for text in texts(project))


def test_a_canary_that_a_newer_version_ends(tmp_path):
    folder = tmp_path / "before" / "p0"
    side(tmp_path / "before", basic())
    assert main(["compile", "-q", str(folder)]) == 0
    side(tmp_path / "before", edited((("models", "churn", "version"), "2.3.0")))
    assert main(["compile", "-q", str(folder)]) == 0
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    project = only(
        accounted(tmp_path, edited((("models", "churn", "version"), "2.3.0")), edited((("models", "churn", "version"), "2.4.0")))
    )
    said = "churn-api: 2.2.1 goes on serving; the canary 2.3.0, at step 1, ends; 2.4.0 gets 10 % of the traffic at first"
    assert f"dev,prod: {said}" in texts(project)


def test_a_version_is_one_sentence_though_its_place_changes_too(tmp_path):
    after = edited((("models", "churn", "version"), "2.3.0"), (("models", "churn", "uri"), "s3://${vars.bucket}/churn/2.3.0"))
    said = [one.text for one in only(accounted(tmp_path, basic(), after)).sentences]
    assert sum("2.2.1" in text for text in said) == 1
    assert not any("s3://" in text for text in said)


def test_an_edition_is_held_against_the_one_whose_place_it_takes(tmp_path):
    project = only(accounted(tmp_path, basic(), edited((("thresholds", "release", "rules", 0, "min"), 0.9))))
    hunks = [hunk for one in project.environments for hunk in one.hunks if hunk.change.key.kind == "ConfigMap" and hunk.edition]
    assert {field.path[0] for hunk in hunks for field, _ in hunk.edition} == {"data"}
    assert all(causes for hunk in hunks for _, causes in hunk.edition)


RISKS = [
    ((("thresholds", "release", "rules", 0, "min"), 0.86), "gate", "gate release: auc min 0.88 → min 0.86"),
    ((("serving", "churn-api", "rollout", "pause"), "5m"), "gate", "new versions of churn-api are watched for less, 10m → 5m a step"),
    ((("serving", "churn-api", "rollout", "steps"), [50]), "gate", None),
    ((("serving", "churn-api", "rollout"), {"strategy": "rolling"}), "gate", None),
    ((("thresholds", "alive", "rules", 0, "max"), "2%"), "gate", "gate alive: errorRate max 0.01 → max 0.02"),
    ((("monitoring", "churn-api", "slo", "availability"), "99%"), "gate", "monitoring.churn-api.slo.availability: 99.9% → 99%"),
    ((("serving", "churn-api", "access"), {"from": ["web"]}), "access", "namespace web may call churn-api"),
    ((("serving", "batch-api", "expose"), {"host": "b-${env.name}.example.com"}), "access", None),
    ((("serving", "churn-api", "expose", "tls"), False), "access", "churn-api is reached without TLS"),
    ((("serving", "batch-api"), None), "removal", "endpoint batch-api"),
    ((("environments", "prod"), None), "removal", "environment prod (namespace churn, 2 endpoints)"),
    ((("datasets", "people", "version"), None), "pin", "dataset people has no version any more"),
    ((("pipelines", "train", "image"), "ghcr.io/acme/train:1.2"), "pin", None),
    ((("models", "churn", "uri"), "s3://elsewhere/churn"), "pin", "model churn 2.2.1 is read from another place under the same version"),
    ((("environments", "prod", "approvals"), 0), "policy", "approvals 2 → 0"),
    ((("environments", "prod", "after"), None), "policy", "no longer promoted after dev"),
    ((("owner", "team"), "other"), "policy", "owner growth → other"),
    ((("models", "churn", "secret"), "hub"), "secret", "hub (in models.churn.secret)"),
    ((("serving", "churn-api", "env"), {"KEY": {"secret": "vault/key"}}), "secret", "vault/key (in serving.churn-api.env.KEY.secret)"),
    ((("governance",), {"waivers": [{"threshold": "release", "reason": "r", "owner": "o", "until": "2030-01-01"}]}), "policy", None),
    (
        (("patches",), [{"target": {"kind": "InferenceService"}, "reason": "slow", "merge": {"spec": {"predictor": {"timeout": 9}}}}]),
        "policy",
        None,
    ),
    ((("platform", "gitops"), {"argocd": {"sync": "manual"}}), None, None),
]


@pytest.mark.parametrize(("step", "kind", "said"), RISKS)
def test_risks_and_that_the_way_back_is_none(step, kind, said, tmp_path):
    found = only(accounted(tmp_path / "there", basic(), edited(step))).risks
    assert {risk.kind for risk in found} == ({kind} if kind else set())
    if said:
        assert found[0].text == said
    back = accounted(tmp_path / "back", edited(step), basic())
    reverse = [risk for project in back.projects for risk in project.risks if risk.kind == kind]
    moved = {"owner growth → other", "model churn 2.2.1 is read from another place under the same version"}
    assert not reverse or said in moved


def test_an_environment_that_names_no_secret_brings_none(tmp_path):
    after = edited((("environments", "staging"), {"namespace": "churn-staging"}))
    assert "secret" not in {risk.kind for risk in only(accounted(tmp_path, basic(), after)).risks}


def test_automated_sync_is_a_risk(tmp_path):
    before = edited((("platform", "gitops"), {"argocd": {"sync": "manual"}}))
    assert [risk.kind for risk in only(accounted(tmp_path, before, basic())).risks] == ["policy"]


def test_each_object_is_tied_to_its_own_edit_alone(tmp_path):
    after = edited((("serving", "churn-api", "replicas"), 4), (("serving", "batch-api", "replicas"), 5), (("vars", "bucket"), "other"))
    project = only(accounted(tmp_path, basic(), after))
    numbers = {edit.path: at for at, edit in enumerate(project.edits)}
    for environment in project.environments:
        for hunk in environment.hunks:
            for field, causes in zip(hunk.change.changes, hunk.causes, strict=True):
                cited = {cause.edit for cause in causes}
                if "storageUri" in str(field.path):
                    assert cited == {numbers["vars", "bucket"]}
                    assert environment.name == "dev"  # prod has a bucket of its own
                elif hunk.change.key.name == "batch-api":
                    assert numbers["serving", "churn-api", "replicas"] not in cited
                elif hunk.change.key.name == "churn-api":
                    assert numbers["serving", "batch-api", "replicas"] not in cited


def test_an_object_that_comes_is_tied_to_the_item_that_asks_for_it(tmp_path):
    after = edited((("serving", "third"), {"model": "churn"}), (("owner", "email"), "a@example.com"))
    project = only(accounted(tmp_path, basic(), after))
    (number,) = (at for at, edit in enumerate(project.edits) if edit.path == ("serving", "third"))
    added = [hunk for one in project.environments for hunk in one.hunks if hunk.change.sign == "+" and hunk.change.key.name == "third"]
    assert added
    assert {cause.edit for hunk in added for causes in hunk.causes for cause in causes} == {number}


def test_edits_name_file_and_line(tmp_path):
    (edit,) = only(accounted(tmp_path, basic(), edited((("models", "churn", "version"), "2.3.0")))).edits
    text = (tmp_path / "after" / "p0" / "mlspec.yaml").read_text().splitlines()
    assert edit.file == "p0/mlspec.yaml"
    assert "2.3.0" in text[edit.line - 1]


def test_projects_that_come_and_go(tmp_path):
    added = only(accounted(tmp_path / "a", None, basic()))
    assert (added.state, [one.text.split(":")[0] for one in added.sentences]) == ("added", ["project churn added"])
    removed = only(accounted(tmp_path / "b", basic(), None))
    assert removed.state == "removed"
    assert [risk.kind for risk in removed.risks] == ["removal"]
    assert all(causes for one in (*added.environments, *removed.environments) for hunk in one.hunks for causes in hunk.causes)


def test_nothing_differs(tmp_path):
    made = accounted(tmp_path, basic(), basic())
    assert made.projects == ()
    assert not made.differs


def test_a_side_that_does_not_compile_hides_neither_the_other_nor_what_it_is(tmp_path):
    broken = edited((("serving", "churn-api", "model"), "nobody"))
    made = accounted(tmp_path, basic(), broken)
    ((spec, side, other),) = made.broken
    assert (spec, side.label, other.name) == ("p0/mlspec.yaml", "after", "churn")
    assert made.projects == ()
    assert [one.code for one in made.after.diagnostics if one.severity == "error"]


def test_one_environment_alone(tmp_path):
    after = edited((("serving", "churn-api", "replicas"), 4), (("environments", "prod", "approvals"), 1))
    project = only(accounted(tmp_path, basic(), after, environments=("dev",)))
    assert {environment.name for environment in project.environments} == {"dev"}
    assert all(names == ("dev",) for names, _ in project.sentences)
    assert project.risks == ()


def objects(*items):
    return {key_of(item, "prod"): item for item in items}


def item(kind, api_version, spec, name="a", **more):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "n", **more}, "spec": spec}


EFFECTS = [
    ("Deployment", "apps/v1", {"selector": {"a": "1"}}, {"selector": {"a": "2"}}, "refused"),
    ("Deployment", "apps/v1", {"template": {"spec": {"x": 1}}}, {"template": {"spec": {"x": 2}}}, "restarted"),
    ("Deployment", "apps/v1", {"replicas": 1}, {"replicas": 2}, None),
    ("Job", "batch/v1", {"template": {"x": 1}}, {"template": {"x": 2}}, "refused"),
    ("StatefulSet", "apps/v1", {"serviceName": "a"}, {"serviceName": "b"}, "refused"),
    ("StatefulSet", "apps/v1", {"replicas": 1}, {"replicas": 2}, None),
    ("PersistentVolumeClaim", "v1", {"storageClassName": "a"}, {"storageClassName": "b"}, "refused"),
    ("Service", "v1", {"clusterIP": "None"}, {"clusterIP": "10.0.0.1"}, "refused"),
    ("TrainJob", "trainer.kubeflow.org/v1alpha1", {"runtimeRef": 1}, {"runtimeRef": 2}, "refused"),
    ("Experiment", "kubeflow.org/v1beta1", {"maxTrialCount": 1}, {"maxTrialCount": 2}, None),
    ("Experiment", "kubeflow.org/v1beta1", {"objective": 1}, {"objective": 2}, "refused"),
    ("InferenceService", "serving.kserve.io/v1beta1", {"predictor": {"minReplicas": 1}}, {"predictor": {"minReplicas": 2}}, None),
    ("InferenceService", "serving.kserve.io/v1beta1", {"predictor": {"model": 1}}, {"predictor": {"model": 2}}, "restarted"),
]


@pytest.mark.parametrize(("kind", "version", "before", "after", "effect"), EFFECTS)
def test_effects_of_an_update(kind, version, before, after, effect):
    old, new = objects(item(kind, version, before)), objects(item(kind, version, after))
    assert [one.kind for one in effects_of(differences(old, new), old, new)] == ([effect] if effect else [])


def test_immutable_config_and_volumes_that_shrink_or_go():
    old = objects({**item("ConfigMap", "v1", {}), "immutable": True, "data": {"a": "1"}})
    new = objects({**item("ConfigMap", "v1", {}), "immutable": True, "data": {"a": "2"}})
    assert [one.kind for one in effects_of(differences(old, new), old, new)] == ["refused"]
    sizes = [objects(item("PersistentVolumeClaim", "v1", {"resources": {"requests": {"storage": size}}})) for size in ("10Gi", "5Gi")]
    assert [one.kind for one in effects_of(differences(*sizes), *sizes)] == ["refused"]
    assert effects_of(differences(*reversed(sizes)), *reversed(sizes)) == []
    assert [one.kind for one in effects_of(differences(sizes[0], {}), sizes[0], {})] == ["lost"]


def test_an_object_that_argo_cd_replaces_is_made_anew():
    options = {"annotations": {"argocd.argoproj.io/sync-options": "Replace=true,Force=true"}}
    old, new = (objects(item("Job", "batch/v1", {"template": at}, **deepcopy(options))) for at in (1, 2))
    assert [one.kind for one in effects_of(differences(old, new), old, new)] == ["replaced"]


def test_a_version_that_goes_is_not_the_endpoint():
    labels = {"labels": {"app.kubernetes.io/name": "a"}}
    service = ("InferenceService", "serving.kserve.io/v1beta1", {})
    stable, canary = (objects(item(*service, name, **labels)) for name in ("a", "a-canary"))
    (gone,) = effects_of(differences({**stable, **canary}, stable), {**stable, **canary}, stable)
    assert (gone.text, gone.grave) == ("is deleted: other versions of the endpoint answer in its place", False)
    (last,) = effects_of(differences(stable, {}), stable, {})
    assert (last.text, last.grave) == ("is deleted: the endpoint stops answering", True)


def test_totals_count_replicas_scalers_and_jobs():
    asked = {"resourceCpuRequest": "500m", "resourceMemoryRequest": "1Gi"}
    steps = {name: {"container": {"resources": asked}} for name in ("fit", "judge")}
    pod = {"containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": 1}}}]}
    found = totals_of(
        objects(
            item("Deployment", "apps/v1", {"replicas": 2, "template": {"spec": pod}}, "d"),
            item(
                "HorizontalPodAutoscaler",
                "autoscaling/v2",
                {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 3, "maxReplicas": 5},
            ),
            item(
                "InferenceService",
                "serving.kserve.io/v1beta1",
                {"predictor": {"minReplicas": 1, "maxReplicas": 4, "model": pod["containers"][0]}},
                "i",
            ),
            item("Job", "batch/v1", {"template": {"spec": pod}}, "j"),
            item("PipelineVersion", "pipelines.kubeflow.org/v2beta1", {"pipelineSpec": {"deploymentSpec": {"executors": steps}}}, "p"),
        ),
        "prod",
    )
    assert [shown("cpu", number) for number in found["cpu"]] == ["2", "4.5", "1.5"]
    assert [shown("memory", number) for number in found["memory"]] == ["4Gi", "9Gi", "3Gi"]
    assert [shown("nvidia.com/gpu", number) for number in found["nvidia.com/gpu"]] == ["4", "9", "1"]
