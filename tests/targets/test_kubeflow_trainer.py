"""Training jobs: what each field of a distributed step becomes, and what Kubeflow Trainer cannot do."""

import json

import pytest

from mlspec.conform import Kinds
from mlspec.targets.kubeflow.jobs import check_surroundings
from mlspec.targets.kubeflow.trainer import settings_of, train_job
from targets.kubeflow_sample import is_restricted, place, plan_of, tree

FIT = "pipelines/train/steps/fit"
POD = "spec/runtimePatches/0/trainingRuntimeSpec/template/spec/replicatedJobs/0/template/spec/template"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return train_job(plan_of(tree(), tmp_path_factory.mktemp("job")), "train", "fit")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/generateName", "train-fit-"),
        ("metadata/namespace", "shop-live"),
        ("metadata/labels/kueue.x-k8s.io~queue-name", "big"),
        ("metadata/labels/mlspec.dev~step", "fit"),
        ("spec/runtimeRef", {"apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime", "name": "torch-distributed"}),
        ("spec/activeDeadlineSeconds", 5400),
        ("spec/trainer/image", "ghcr.io/shop/train@sha256:" + "ab" * 32),
        ("spec/trainer/numNodes", 4),
        ("spec/trainer/numProcPerNode", 8),
        ("spec/trainer/command", [
            "torchrun", "-m", "fit", "--data", "@{INPUTS_TABLE}", "--out", "@{OUTPUTS_MODEL}",
            "--depth", "@{STEPS_SEARCH_BEST_DEPTH}", "@@{literal}", "${HOME}",
        ]),
        ("spec/trainer/env", [
            {"name": "MLSPEC_OUTPUT_METRICS", "value": "@{OUTPUTS_METRICS}"},
            {"name": "MLSPEC_OUTPUT_MODEL", "value": "@{OUTPUTS_MODEL}"},
            {"name": "MLSPEC_VERSION_RAW", "value": "snapshot:2026-11-01"},
            {"name": "NCCL_DEBUG", "value": "INFO"},
            {"name": "WANDB", "valueFrom": {"secretKeyRef": {"name": "tracking", "key": "key"}}},
        ]),
        ("spec/trainer/resourcesPerNode", {
            "requests": {"cpu": "32", "memory": "256Gi", "nvidia.com/gpu": "8"}, "limits": {"memory": "256Gi", "nvidia.com/gpu": "8"},
        }),
        (f"{POD}/spec/serviceAccountName", "shop-train"),
        (f"{POD}/spec/nodeSelector", {"pool": "h100"}),
        (f"{POD}/spec/tolerations", [{"key": "gpu", "operator": "Exists"}]),
        (f"{POD}/metadata/labels/mlspec.dev~step", "fit"),
        (f"{POD}/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/topologyKey",
         "topology.kubernetes.io/zone"),
    ],
)  # fmt: skip
def test_becomes(job, path, value):
    assert place(job, path) == value


def test_conforms_and_is_json(job):
    named = {**job, "metadata": {**job["metadata"], "name": "train-fit-abc12"}}
    assert Kinds.load().check(named) == ()
    assert json.loads(json.dumps(job)) == job


def test_nodes_are_restricted(job):
    assert is_restricted(place(job, f"{POD}/spec"))


def test_settings_name_every_marker_and_nothing_else(tmp_path):
    plan = plan_of(tree(), tmp_path)
    settings = settings_of(plan, "train", "fit")
    assert dict(settings) == {
        "INPUTS_TABLE": "inputs.table",
        "OUTPUTS_MODEL": "outputs.model",
        "OUTPUTS_METRICS": "outputs.metrics",
        "STEPS_SEARCH_BEST_DEPTH": "steps.search.best.depth",
    }
    text = json.dumps(train_job(plan, "train", "fit"))
    for name, _ in settings:
        assert "@{" + name + "}" in text


def test_every_leaf_is_read(tmp_path):
    plan = plan_of(tree(), tmp_path)
    train_job(plan, "train", "fit")
    read = {path[4:] for path in plan.reads.paths if path[:4] == ("pipelines", "train", "steps", "fit")}
    for leaf in (
        ("distributed", "framework"), ("distributed", "nodes"), ("distributed", "processesPerNode"), ("run", 0), ("env", "NCCL_DEBUG"),
        ("secrets", "WANDB"), ("resources", "gpu", "count"), ("place", "queue"), ("place", "spread"), ("timeout",),
    ):  # fmt: skip
        assert leaf in read


def test_a_script_is_given_to_its_interpreter(tmp_path):
    plan = plan_of(tree({f"{FIT}/run": "set -u\ntorchrun fit.py ${inputs.table} ${outputs.model} ${outputs.metrics}\n"}), tmp_path)
    command = train_job(plan, "train", "fit")["spec"]["trainer"]["command"]
    assert command[:-1] == ["sh", "-ec"]
    assert command[-1] == "set -u\ntorchrun fit.py @{INPUTS_TABLE} @{OUTPUTS_MODEL} @{OUTPUTS_METRICS}\n"


def test_names_begin_with_a_letter_and_leave_room_for_pods(tmp_path):
    data = tree()
    data["pipelines"] = {"7" * 60: {**data["pipelines"]["train"], "on": None}}
    del data["pipelines"]["7" * 60]["on"], data["monitoring"], data["thresholds"]
    name = train_job(plan_of(data, tmp_path), "7" * 60, "fit")["metadata"]["generateName"]
    assert name[0].isalpha()
    assert len(name) <= 40


def found(change, tmp_path):
    return [
        (finding.code.id, ".".join(map(str, finding.found.path[4:]))) for finding in check_surroundings(plan_of(tree(change), tmp_path))
    ]


def test_nothing_is_found_in_what_trainer_can_do(tmp_path):
    assert found({}, tmp_path) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({f"{FIT}/distributed/framework": "mpi"}, "distributed.framework"),
        ({f"{FIT}/distributed/framework": "jax"}, "distributed.processesPerNode"),
        ({f"{FIT}/distributed/framework": "xgboost", f"{FIT}/distributed/processesPerNode": 2}, "distributed.processesPerNode"),
        ({f"{FIT}/env": {"PET_NNODES": "2"}}, "env.PET_NNODES"),
        ({f"{FIT}/place/priority": "high"}, "place.priority"),
    ],
)
def test_what_trainer_cannot_do_is_an_error(tmp_path, change, path):
    assert found(change, tmp_path) == [("MLS-E831", path)]


@pytest.mark.parametrize(
    ("framework", "processes", "name"),
    [("jax", 1, "jax-distributed"), ("jax", None, "jax-distributed"), ("xgboost", 8, "xgboost-distributed")],
)
def test_processes_that_a_runtime_starts_anyway_may_be_written(tmp_path, framework, processes, name):
    change = {f"{FIT}/distributed/framework": framework, f"{FIT}/distributed/processesPerNode": processes}
    assert found(change, tmp_path) == []
    job = train_job(plan_of(tree(change), tmp_path), "train", "fit")
    assert job["spec"]["runtimeRef"]["name"] == name
    assert "numProcPerNode" not in job["spec"]["trainer"]


def test_an_at_right_before_a_reference_is_an_error(tmp_path):
    run = ["torchrun", "ml@${inputs.table}", "${outputs.model}", "${outputs.metrics}"]
    assert found({f"{FIT}/run": run}, tmp_path) == [("MLS-E833", "run")]
