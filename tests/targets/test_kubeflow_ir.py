"""Kubeflow: the intermediate representation is what KFP reads, and every command runs when its placeholders are filled."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from targets.kubeflow_spec import compiled, errors, objects, tree, version

FIELDS_2_14 = {
    "secretAsVolume", "secretAsEnv", "pvcMount", "nodeSelector", "podMetadata", "imagePullSecret", "imagePullPolicy",
    "configMapAsVolume", "configMapAsEnv", "activeDeadlineSeconds", "fieldPathAsEnv", "tolerations", "genericEphemeralVolume",
    "nodeAffinity", "podAffinity", "enabledSharedMemory", "emptyDirMounts",
}  # fmt: skip
"""The fields of KubernetesExecutorConfig in kfp-kubernetes 2.14.6."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    outcome = compiled(tree(), tmp_path_factory.mktemp("shop"))
    assert errors(outcome) == []
    return objects(outcome)


@pytest.fixture(scope="module", params=["train", "nightly"])
def spec(made, request):
    return version(made, request.param)["spec"]


def test_protobuf_reads_the_pipeline(spec):
    protocol = pytest.importorskip("kfp.pipeline_spec.pipeline_spec_pb2")
    from google.protobuf import json_format

    message = json_format.ParseDict(spec["pipelineSpec"], protocol.PipelineSpec())
    assert message.schema_version == "2.1.0"
    deployment = json_format.ParseDict(spec["pipelineSpec"]["deploymentSpec"], protocol.PipelineDeploymentConfig())
    assert set(deployment.executors) == {component.executor_label for component in message.components.values()}
    platform = json_format.ParseDict(spec["platformSpec"], protocol.PlatformSpec())
    assert set(platform.platforms["kubernetes"].deployment_spec.executors) == set(deployment.executors)


def test_protobuf_reads_what_is_special_of_pods(spec):
    json_format = pytest.importorskip("google.protobuf.json_format")
    package = importlib.util.find_spec("kfp.kubernetes") if importlib.util.find_spec("kfp") else None
    if package is None or not package.submodule_search_locations:
        pytest.skip("kfp-kubernetes is not installed")
    file = Path(package.submodule_search_locations[0]) / "kubernetes_executor_config_pb2.py"  # its package would import all of kfp
    found = importlib.util.spec_from_file_location("kubernetes_executor_config_pb2", file)
    protocol = importlib.util.module_from_spec(found)
    found.loader.exec_module(protocol)
    for pod in spec["platformSpec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(pod, protocol.KubernetesExecutorConfig())
        assert set(pod) <= FIELDS_2_14


def test_tasks_name_what_is_there(spec):
    pipeline = spec["pipelineSpec"]
    tasks, components = pipeline["root"]["dag"]["tasks"], pipeline["components"]
    assert {task["componentRef"]["name"] for task in tasks.values()} == set(components)
    parameters = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    for task in tasks.values():
        component = components[task["componentRef"]["name"]]
        given, wanted = task.get("inputs", {}), component.get("inputDefinitions", {})
        assert {kind: set(entries) for kind, entries in given.items()} == {kind: set(entries) for kind, entries in wanted.items()}
        awaited = set(task.get("dependentTasks", []))
        assert awaited <= set(tasks)
        for name, entry in given.get("parameters", {}).items():
            if "componentInputParameter" in entry:
                source = parameters[entry["componentInputParameter"]]
                assert source["parameterType"] == wanted["parameters"][name]["parameterType"]
            elif "taskOutputParameter" in entry:
                producer = entry["taskOutputParameter"]
                assert producer["producerTask"] in awaited
                assert producer["outputParameterKey"] in outputs(pipeline, producer["producerTask"], "parameters")
        for name, entry in given.get("artifacts", {}).items():
            producer = entry["taskOutputArtifact"]
            assert producer["producerTask"] in awaited
            found = outputs(pipeline, producer["producerTask"], "artifacts")[producer["outputArtifactKey"]]
            assert found["artifactType"] == wanted["artifacts"][name]["artifactType"]


def outputs(pipeline, task, kind):
    component = pipeline["root"]["dag"]["tasks"][task]["componentRef"]["name"]
    return pipeline["components"][component]["outputDefinitions"][kind]


def test_placeholders_name_inputs_and_outputs(spec):
    pipeline = spec["pipelineSpec"]
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        component = pipeline["components"][f"comp-{name.removeprefix('exec-')}"]
        text = json.dumps(executor["container"]["command"])
        known = set()
        for side, field in (("inputs", "inputDefinitions"), ("outputs", "outputDefinitions")):
            for kind, entries in component.get(field, {}).items():
                known |= {f"{side}.{kind}['{entry}']" for entry in entries}
        found = set(re.findall(r"\{\{\$\.([^}]*?\])", text))
        assert found <= known
        # What is put into a command for nobody to see would be an input that is fetched in vain; edges alone may be so.
        assert {entry for entry in known if entry.startswith("outputs")} <= found


PROGRAM = """#!{python}
import json, os, sys
arguments = sys.argv[1:]
if sys.argv[0].endswith(("register.py", "submit.py")):
    for flag in ("--output", "--result"):
        if flag in arguments:
            with open(arguments[arguments.index(flag) + 1], "w") as file:
                file.write(json.dumps({{"depth": "7", "rate": "0.1"}}) if flag == "--result" else "3")
if sys.argv[0].endswith("papermill"):
    open(arguments[1], "w").write("{{}}")
for name, path in os.environ.items():
    if name.startswith("MLSPEC_OUTPUT_") and "://" not in path:
        with open(path, "w") as file:
            file.write('{{"auc": 0.9, "recall": 0.7, "rows": 500}}' if name.endswith("METRICS") else
                '{{"country": {{"de": {{"recall": 0.7, "rows": 300}}}}}}' if name.endswith("SLICES") else "42")
print(json.dumps([arguments, {{key: value for key, value in os.environ.items() if key.startswith("MLSPEC_") or key == "LEVEL"}}]))
"""


class Launcher:
    """What KFP's launcher does, on this machine: tasks in order, placeholders filled, outputs handed on."""

    def __init__(self, spec, data, folder):
        self.pipeline, self.folder = spec["pipelineSpec"], folder
        self.parameters, self.said = {}, {}
        self.programs = folder / "mlspec"
        self.programs.mkdir()
        for name, text in data.items():
            stand_in = name.endswith(".py") and name != "gate.py"
            (self.programs / name).write_text(PROGRAM.format(python=sys.executable) if stand_in else text, encoding="utf-8")
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name in ("tool", "papermill"):
            (bin_folder / name).write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
            (bin_folder / name).chmod(0o755)
        (bin_folder / "python3").symlink_to(sys.executable)
        self.environment = {"PATH": f"{bin_folder}:{os.defpath}", "HOME": "/nobody"}

    def run(self):
        tasks = dict(self.pipeline["root"]["dag"]["tasks"])
        while tasks:
            name = next(name for name, task in tasks.items() if not set(task.get("dependentTasks", [])) & set(tasks))
            self.task(name, tasks.pop(name))
        return self

    def task(self, name, task):
        component = self.pipeline["components"][task["componentRef"]["name"]]
        values = {}
        for key, entry in task.get("inputs", {}).get("parameters", {}).items():
            values[f"{{{{$.inputs.parameters['{key}']}}}}"] = self.parameter(entry)
        for key, entry in task.get("inputs", {}).get("artifacts", {}).items():
            producer = entry["taskOutputArtifact"]
            path = self.folder / producer["producerTask"] / producer["outputArtifactKey"]
            values[f"{{{{$.inputs.artifacts['{key}'].path}}}}"] = str(path)
            values[f"{{{{$.inputs.artifacts['{key}'].uri}}}}"] = f"s3:/{path}"
        home = self.folder / name
        home.mkdir()
        written = component.get("outputDefinitions", {})
        for key in written.get("artifacts", {}):
            values[f"{{{{$.outputs.artifacts['{key}'].path}}}}"] = str(home / key)
            values[f"{{{{$.outputs.artifacts['{key}'].uri}}}}"] = f"s3:/{home / key}"
        for key in written.get("parameters", {}):
            values[f"{{{{$.outputs.parameters['{key}'].output_file}}}}"] = str(home / key)
        command = self.pipeline["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["command"]
        filled = [self.fill(kubelet(argument), values) for argument in command]
        done = subprocess.run(filled, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, filled, done.stdout, done.stderr)
        self.said[name] = filled, done.stdout
        for key in written.get("parameters", {}):
            self.parameters[name, key] = (home / key).read_text(encoding="utf-8")

    def parameter(self, entry):
        if "componentInputParameter" in entry:
            value = self.pipeline["root"]["inputDefinitions"]["parameters"][entry["componentInputParameter"]]["defaultValue"]
            return json.dumps(value) if not isinstance(value, str) else value
        if "runtimeValue" in entry:
            assert entry["runtimeValue"]["constant"] == "{{$.pipeline_job_uuid}}"
            return "run-1"
        producer = entry["taskOutputParameter"]
        text = self.parameters[producer["producerTask"], producer["outputParameterKey"]]
        selector = entry.get("parameterExpressionSelector")
        return json.loads(text)[re.fullmatch(r'parseJson\(string_value\)\["(.*)"\]', selector)[1]] if selector else text

    def fill(self, text, values):
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        assert "{{" not in text
        return text.replace("/mlspec/", f"{self.programs}/")


def kubelet(text):
    """Return an argument as the kubelet hands it over; an expansion of its own is an error (kubernetes, third_party/.../expansion)."""
    made, at = "", 0
    while at < len(text):
        if text[at] == "$" and text[at + 1 : at + 2] == "$":
            made, at = made + "$", at + 2
        elif text[at] == "$" and text[at + 1 : at + 2] == "(":
            raise AssertionError(f"the kubelet would expand {text[at:]}")
        else:
            made, at = made + text[at], at + 1
    return made


@pytest.fixture(scope="module")
def launched(made, tmp_path_factory):
    (data,) = [item["data"] for (kind, _), item in made.items() if kind == "ConfigMap"]
    # The gate's champion would be asked of a registry; what gate.py does with one is tested with it.
    data = {**data, "rules-release.json": json.dumps(without_champion(json.loads(data["rules-release.json"])))}
    runs = {}
    for name in ("train", "nightly"):
        runs[name] = Launcher(version(made, name)["spec"], data, tmp_path_factory.mktemp(name)).run()
    return runs


def without_champion(rules):
    return {**rules, "rules": [rule for rule in rules["rules"] if "noWorseThan" not in rule]}


def said(run, task):
    _, output = run.said[task]
    return json.loads(output.splitlines()[-1])


def test_every_command_runs(launched):
    assert set(launched["train"].said) >= {"look", "prepare", "again", "search", "nodes", "fit", "report", "gate", "register"}
    assert set(launched["nightly"].said) == {"score", "publish"}


def test_a_process_sees_what_was_written(launched):
    arguments, variables = said(launched["train"], "prepare")
    assert arguments[-2:] == ["--cost", "$$5 $(X) ${HOME} ${HOME}"]
    assert arguments[arguments.index("--note") + 1] == "a $HOME $(HOME) $$5"
    assert variables["LEVEL"] == "level 6 $(HOME)"
    assert variables["MLSPEC_VERSION_RAW"] == "snapshot:n12"
    assert variables["MLSPEC_OUTPUT_TABLE"] == arguments[arguments.index("--out") + 1]
    assert said(launched["train"], "again")[1]["LEVEL"] == "other"


def test_values_go_from_step_to_step(launched):
    arguments, _ = said(launched["train"], "fit")
    options = dict(zip(arguments[5::2], arguments[6::2], strict=True))
    assert options["--depth"] == "7"
    assert options["--rows"] == "42"
    assert options["--fast"] == "true"
    assert options["--rate"] == "0.25"
    assert options["--old"] == "s3://shop/rank/1.4.0"
    assert arguments[1].endswith("/prepare/table")


def test_other_pods_get_uris(launched):
    filled, _ = launched["train"].said["nodes"]
    settings = [filled[at + 1] for at, word in enumerate(filled) if word == "--set"]
    assert [value.split("=", 1)[1][:5] for value in settings] == ["s3://", "s3://"]
    assert list(spec_inputs(launched["train"], "nodes")) == ["parameters"], "an artifact would be fetched in vain"
    job = json.loads(filled[filled.index("--object") + 1])
    assert job["kind"] == "TrainJob"
    assert {f"@{{{value.split('=', 1)[0]}}}" for value in settings} <= set(job["spec"]["trainer"]["command"])


def spec_inputs(run, task):
    return run.pipeline["root"]["dag"]["tasks"][task]["inputs"]


def test_the_registry_gets_the_uri(launched):
    arguments, _ = said(launched["train"], "register")
    source = arguments[arguments.index("--source") + 1]
    assert source.startswith("s3://")
    assert source.endswith("/fit/model")


def test_scores_lie_where_output_says(launched):
    arguments, variables = said(launched["nightly"], "score")
    assert arguments == ["score", "s3://shop/rank/1.4.0", "s3://shop/fresh", "s3://shop/scores/monday"]
    assert variables["MLSPEC_OUTPUT_SCORES"] == "s3://shop/scores/monday"
    assert said(launched["nightly"], "publish")[0] == ["publish", "s3://shop/scores/monday"]


def test_the_gate_says_no(made, tmp_path):
    (data,) = [item["data"] for (kind, _), item in made.items() if kind == "ConfigMap"]
    rules = without_champion(json.loads(data["rules-release.json"]))
    rules["rules"][0]["min"] = "0.95"
    launcher = Launcher(version(made, "train")["spec"], {**data, "rules-release.json": json.dumps(rules)}, tmp_path)
    with pytest.raises(AssertionError, match="gate"):
        launcher.run()
