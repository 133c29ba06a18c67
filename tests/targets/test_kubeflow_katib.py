"""Searches: what each field of a tune step becomes, how its command survives Katib's shell, and what Katib cannot do."""

import json
import re
import subprocess
from decimal import Decimal

import pytest

from mlspec.conform import Kinds
from mlspec.targets.kubeflow.jobs import check_surroundings
from mlspec.targets.kubeflow.katib import experiment
from mlspec.targets.kubeflow.trainer import settings_of
from targets.kubeflow_sample import is_restricted, place, plan_of, tree

SEARCH = "pipelines/train/steps/search"
POD = "spec/trialTemplate/trialSpec/spec/template/spec"


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return experiment(plan_of(tree(), tmp_path_factory.mktemp("search")), "train", "search")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/generateName", "train-search-"),
        ("metadata/namespace", "shop-live"),
        ("spec/objective", {
            "type": "maximize", "goal": 0.95, "objectiveMetricName": "auc", "metricStrategies": [{"name": "auc", "value": "latest"}],
        }),
        ("spec/algorithm", {"algorithmName": "tpe"}),
        ("spec/maxTrialCount", 20),
        ("spec/parallelTrialCount", 4),
        ("spec/maxFailedTrialCount", 2),
        ("spec/parameters", [
            {"name": "depth", "parameterType": "int", "feasibleSpace": {"min": "3", "max": "10"}},
            {"name": "plan", "parameterType": "categorical", "feasibleSpace": {"list": ["basic", "pro", "1.5"]}},
            {"name": "rate", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.3", "distribution": "logUniform"}},
        ]),
        ("spec/metricsCollectorSpec/collector/kind", "StdOut"),
        ("spec/trialTemplate/primaryContainerName", "trial"),
        ("spec/trialTemplate/retain", False),
        ("spec/trialTemplate/trialParameters",
         [{"name": "depth", "reference": "depth"}, {"name": "plan", "reference": "plan"}, {"name": "rate", "reference": "rate"}]),
        ("spec/trialTemplate/trialSpec/metadata/labels/kueue.x-k8s.io~queue-name", "search"),
        ("spec/trialTemplate/trialSpec/spec/template/metadata/labels/sidecar.istio.io~inject", "false"),
        (f"{POD}/containers/0/image", "ghcr.io/shop/train@sha256:" + "ab" * 32),
        (f"{POD}/containers/0/resources", {
            "requests": {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "8Gi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "4Gi", "ephemeral-storage": "8Gi", "nvidia.com/gpu": "1"},
        }),
        (f"{POD}/serviceAccountName", "shop-train"),
        (f"{POD}/automountServiceAccountToken", False),
        (f"{POD}/nodeSelector", {"pool": "gpu"}),
        (f"{POD}/tolerations", [{"key": "gpu", "operator": "Exists"}]),
        (f"{POD}/priorityClassName", "high"),
        (f"{POD}/topologySpreadConstraints/0/topologyKey", "kubernetes.io/hostname"),
        (f"{POD}/containers/0/env/0", {"name": "MODE", "value": "fast $$$$ @{PARAMS_SEED}"}),
        (f"{POD}/containers/0/env/1", {"name": "WANDB", "valueFrom": {"secretKeyRef": {"name": "tracking", "key": "key"}}}),
    ],
)  # fmt: skip
def test_becomes(search, path, value):
    assert place(search, path) == value


def test_conforms_and_is_json(search):
    named = {**search, "metadata": {**search["metadata"], "name": "train-search-abc12"}}
    assert Kinds.load().check(json.loads(json.dumps(named), parse_float=Decimal)) == ()
    assert json.loads(json.dumps(search)) == search
    trial = search["spec"]["trialTemplate"]["trialSpec"]
    assert Kinds.load().check({**trial, "metadata": {**trial["metadata"], "name": "trial"}}) == ()


def test_trials_are_restricted(search):
    assert is_restricted(place(search, POD))


def test_searched_parameters_are_no_settings(tmp_path):
    settings = settings_of(plan_of(tree(), tmp_path), "train", "search")
    assert dict(settings) == {"INPUTS_TABLE": "inputs.table", "PARAMS_SEED": "params.seed"}


def ran(item, values, markers):
    """Return the words that a trial's program gets: markers filled, parameters put in, wrapped by the collector, run by a shell."""
    text = json.dumps(place(item, POD))
    for name, value in markers.items():
        text = text.replace("@{" + name + "}", json.dumps(value)[1:-1])
    for name, value in values.items():
        text = text.replace("${trialParameters." + name + "}", value)  # as Katib does it: by text
    (container,) = json.loads(text)["containers"]
    kubelet = re.compile(r"\$\$")
    command = container["command"]
    assert command[:2] == ["sh", "-c"]
    line = kubelet.sub("$", " ".join([*command[2:], "2>&1", "&&", "echo completed"]))
    env = {entry["name"]: kubelet.sub("$", entry["value"]) for entry in container.get("env", ()) if "value" in entry}
    return subprocess.run(["sh", "-c", line], env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, check=True).stdout


def test_every_word_reaches_the_program_as_it_was_written(tmp_path):
    run = ["printf", "%s|", "a b", "it's", "$(HOME)", "$$", "`id`", "${inputs.table}", "--depth=${params.depth}", "", "*", "x;y", 'q"r\\']
    change = {f"{SEARCH}/run": run, f"{SEARCH}/tune/search": {"depth": {"int": [3, 10]}}, f"{SEARCH}/env": None}
    made = experiment(plan_of(tree(change), tmp_path), "train", "search")
    output = ran(made, {"depth": "5"}, {"INPUTS_TABLE": "s3://a/b c';\"$X"})
    words = ["a b", "it's", "$(HOME)", "$$", "`id`", "s3://a/b c';\"$X", "--depth=5", "", "*", "x;y", 'q"r\\']
    assert output == "|".join(words) + "|completed\n"


def test_a_script_is_one_word_and_all_of_its_output_is_collected(tmp_path):
    script = 'echo one ${params.depth}\necho "two $0"\n'
    change = {f"{SEARCH}/run": script, f"{SEARCH}/tune/search": {"depth": {"int": [3, 10]}}, f"{SEARCH}/env": None}
    made = experiment(plan_of(tree(change), tmp_path), "train", "search")
    assert ran(made, {"depth": "5"}, {}).startswith("one 5\ntwo ")


def test_the_filter_reads_the_metric_and_no_other(search):
    (pattern,) = place(search, "spec/metricsCollectorSpec/source/filter/metricsFormat")
    assert re.findall(r".*\(.*\).*\(.*\).*", pattern)
    filter_ = re.compile(pattern)
    assert filter_.findall("auc=0.5") == [("auc", "0.5")]
    assert filter_.findall("step 3 auc = 1e-3, loss=2") == [("auc", "1e-3")]
    assert filter_.findall("auc=-.5") == [("auc", "-.5")]
    assert filter_.findall("val_auc=0.5 val-auc=0.4 auc_x=1 xauc=2") == []


def found(change, tmp_path):
    return [
        (finding.code.id, ".".join(map(str, finding.found.path[4:]))) for finding in check_surroundings(plan_of(tree(change), tmp_path))
    ]


def searching(algorithm, ranges, trials=None):
    run = ["fit", *(f"${{params.{name}}}" for name in ranges)]
    return {
        f"{SEARCH}/tune/algorithm": algorithm,
        f"{SEARCH}/tune/search": ranges,
        f"{SEARCH}/tune/trials": trials or {"max": 4},
        f"{SEARCH}/run": run,
        f"{SEARCH}/env": None,
        "pipelines/train/steps/fit/run": ["fit", "${inputs.table}", "${outputs.model}", "${outputs.metrics}"],
    }


A, B = {"double": [0.1, 0.9]}, {"int": [1, 9]}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (searching("grid", {"a": A}), "tune.search.a.double"),
        (searching("grid", {"b": {**B, "scale": "log"}}), "tune.search.b.scale"),
        (searching("grid", {"b": {"int": [1, 3]}}), "tune.trials.max"),
        (searching("cmaes", {"a": A}), "tune.algorithm"),
        (searching("cmaes", {"a": A, "b": B, "c": {"categorical": ["x", "y"]}}), "tune.search.c.categorical"),
        (searching("cmaes", {"a": {**A, "scale": "log"}, "b": B}), "tune.search.a.scale"),
        (searching("hyperband", {"a": A}), "tune.algorithm"),
        (searching("hyperband", {"a": A, "epochs": {"int": [1, 2]}}), "tune.search.epochs.int"),
        (searching("hyperband", {"a": A, "epochs": {"int": [5, 81]}}, {"max": 81, "parallel": 81}), "tune.search.epochs.int"),
        (searching("hyperband", {"a": A, "epochs": {"int": [1, 30]}}, {"max": 40, "parallel": 8}), "tune.trials"),
        (searching("random", {"c": {"categorical": ['a"b', "c"]}}), "tune.search.c.categorical.0"),
        ({f"{SEARCH}/outputs": {"model": "model"}}, "outputs"),
    ],
)
def test_what_katib_cannot_do_is_an_error(tmp_path, change, path):
    assert found(change, tmp_path) == [("MLS-E832", path)]


@pytest.mark.parametrize(
    ("algorithm", "ranges", "trials", "name"),
    [
        ("random", {"a": {**A, "scale": "log"}}, None, "random"),
        ("bayesian", {"a": {**A, "scale": "log"}, "b": B}, None, "bayesianoptimization"),
        ("cmaes", {"a": A, "b": B}, None, "cmaes"),
        ("grid", {"b": B, "c": {"categorical": ["x", True]}}, {"max": 18}, "grid"),
        ("hyperband", {"a": A, "epochs": {"int": [1, 27]}}, {"max": 40, "parallel": 27}, "hyperband"),
    ],
)
def test_algorithms(tmp_path, algorithm, ranges, trials, name):
    change = searching(algorithm, ranges, trials)
    assert found(change, tmp_path) == []
    assert experiment(plan_of(tree(change), tmp_path), "train", "search")["spec"]["algorithm"]["algorithmName"] == name


def test_hyperband_gets_what_katib_asks_for(tmp_path):
    change = searching("hyperband", {"a": A, "epochs": {"int": [1, 27]}}, {"max": 40, "parallel": 27})
    algorithm = experiment(plan_of(tree(change), tmp_path), "train", "search")["spec"]["algorithm"]
    assert algorithm["algorithmSettings"] == [
        {"name": "resource_name", "value": "epochs"},
        {"name": "r_l", "value": "27"},
        {"name": "eta", "value": "3"},
    ]
