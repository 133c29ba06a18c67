"""Kubeflow: what each field of a pipeline becomes, that none is without effect, and what is refused."""

import copy
import json

import pytest

from targets.kubeflow_spec import DIGEST, compiled, errors, objects, tree, version

STEP = "spec/pipelineSpec/deploymentSpec/executors/exec-{}/container"
POD = "spec/platformSpec/platforms/kubernetes/deploymentSpec/executors/exec-{}"
TASK = "spec/pipelineSpec/root/dag/tasks/{}"
COMPONENT = "spec/pipelineSpec/components/comp-{}"
HELD = {"maxRetryCount": 3, "backoffDuration": "30s", "backoffFactor": 2, "backoffMaxDuration": "21810s"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    outcome = compiled(tree(), tmp_path_factory.mktemp("shop"))
    assert errors(outcome) == []
    return objects(outcome)


def at(item, path):
    for part in path.split("/"):
        item = item[int(part)] if isinstance(item, list) else item[part.replace("~", "/")]
    return item


def test_becomes(made):
    train, nightly = version(made, "train"), version(made, "nightly")
    (config,) = [name for kind, name in made if kind == "ConfigMap"]
    table = [
        (train, "spec/pipelineName", "train"),
        (train, "spec/pipelineSpec/pipelineInfo", {"name": "train"}),
        (train, "spec/pipelineSpec/schemaVersion", "2.1.0"),
        (train, "spec/pipelineSpec/root/inputDefinitions/parameters/depth", parameter("NUMBER_INTEGER", 6)),
        (train, "spec/pipelineSpec/root/inputDefinitions/parameters/rate", parameter("NUMBER_DOUBLE", 0.25)),
        (train, "spec/pipelineSpec/root/inputDefinitions/parameters/fast", parameter("BOOLEAN", True)),
        (train, "spec/pipelineSpec/root/inputDefinitions/parameters/note", parameter("STRING", "a $HOME $(HOME) $$5")),
        # order: data and after
        (train, TASK.format("prepare") + "/dependentTasks", ["look"]),
        (train, TASK.format("fit") + "/dependentTasks", ["nodes", "prepare", "search"]),
        (train, TASK.format("register") + "/dependentTasks", ["fit", "gate"]),
        (train, TASK.format("start-nightly") + "/dependentTasks", ["again", "register", "report"]),
        # retries, cache, timeouts
        (train, TASK.format("prepare") + "/retryPolicy", {**HELD}),
        (train, TASK.format("fit") + "/retryPolicy/maxRetryCount", 2),
        (train, TASK.format("prepare") + "/cachingOptions", {"enableCache": False}),
        (train, TASK.format("fit") + "/cachingOptions", {"enableCache": True}),
        (train, TASK.format("gate") + "/cachingOptions", {"enableCache": False}),
        (nightly, TASK.format("score") + "/cachingOptions", {"enableCache": False}),
        (train, POD.format("look") + "/activeDeadlineSeconds", 600),
        (train, POD.format("prepare") + "/activeDeadlineSeconds", 5400),
        (train, POD.format("fit") + "/activeDeadlineSeconds", 14400),
        (train, POD.format("search") + "/activeDeadlineSeconds", 14460),
        # inputs and outputs
        (train, TASK.format("fit") + "/inputs/artifacts/table", artifact("prepare", "table")),
        (train, TASK.format("nodes") + "/inputs/parameters/table", value("prepare", "table-uri")),
        (train, TASK.format("register") + "/inputs/parameters/fit-model-uri", value("fit", "model-uri")),
        (train, TASK.format("fit") + "/inputs/parameters/rate", {"componentInputParameter": "rate"}),
        (train, TASK.format("fit") + "/inputs/parameters/prepare-rows", value("prepare", "rows")),
        (train, TASK.format("fit") + "/inputs/parameters/search-best-depth", best("search", "depth")),
        (train, COMPONENT.format("fit") + "/outputDefinitions/artifacts/model/artifactType/schemaTitle", "system.Model"),
        (train, COMPONENT.format("fit") + "/outputDefinitions/artifacts/metrics/artifactType/schemaTitle", "system.Metrics"),
        (train, COMPONENT.format("fit") + "/outputDefinitions/artifacts/slices/artifactType/schemaTitle", "system.Artifact"),
        (train, COMPONENT.format("prepare") + "/outputDefinitions/artifacts/table/artifactType/schemaTitle", "system.Dataset"),
        (train, COMPONENT.format("prepare") + "/outputDefinitions/parameters/rows", {"parameterType": "STRING"}),
        (train, COMPONENT.format("search") + "/outputDefinitions/parameters/best", {"parameterType": "STRING"}),
        (train, COMPONENT.format("register") + "/outputDefinitions/parameters/version", {"parameterType": "STRING"}),
        # containers
        (train, STEP.format("fit") + "/image", f"ghcr.io/shop/fit@sha256:{DIGEST}"),
        (train, STEP.format("prepare") + "/image", f"ghcr.io/shop/train@sha256:{DIGEST}"),
        (train, STEP.format("gate") + "/image", f"ghcr.io/shop/runner@sha256:{DIGEST}"),
        (train, STEP.format("prepare") + "/resources", {
            "resourceCpuRequest": "2", "resourceMemoryRequest": "3Gi", "resourceMemoryLimit": "3Gi",
            "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "1"},
        }),
        (train, STEP.format("nodes") + "/resources", {
            "resourceCpuRequest": "100m", "resourceMemoryRequest": "256Mi", "resourceMemoryLimit": "256Mi",
        }),
        (train, STEP.format("look") + "/command", [
            "env", "MLSPEC_VERSION_DATA=snapshot:n12", "python3", "/mlspec/check_data.py", "--rules", "/mlspec/rules-clicks-quality.json",
            "--dataset", "/mlspec/dataset-clicks.json", "--data", "s3://shop/clicks",
        ]),
        (train, STEP.format("gate") + "/command", [
            "python3", "/mlspec/gate.py", "--rules", "/mlspec/rules-release.json",
            "--metrics", "{{$.inputs.artifacts['fit-metrics'].path}}", "--slices", "{{$.inputs.artifacts['fit-slices'].path}}",
            "--registry", "http://mlflow.ml.svc:5000", "--model", "rank",
        ]),
        (train, STEP.format("register") + "/command", [
            "python3", "/mlspec/register.py", "--registry", "http://mlflow.ml.svc:5000", "--model", "rank",
            "--source", "{{$.inputs.parameters['fit-model-uri']}}", "--metrics", "{{$.inputs.artifacts['fit-metrics'].path}}",
            "--tag", "project=shop", "--tag", "environment=live", "--tag", "pipeline=train",
            "--tag", "run={{$.inputs.parameters['run-id']}}", "--tag", "dataset.clicks=snapshot:n12",
            "--alias", "challenger", "--output", "{{$.outputs.parameters['version'].output_file}}",
        ]),
        (train, STEP.format("start-nightly") + "/command", [
            "python3", "/mlspec/submit.py", "run", "--api", "http://pipelines.ml.svc:8888", "--namespace", "shop",
            "--pipeline", "nightly", "--version", nightly["metadata"]["name"], "--service-account", "shop-nightly",
        ]),
        # pods
        (train, POD.format("prepare") + "/nodeSelector", {"labels": {"pool": "fast"}}),
        (train, POD.format("prepare") + "/tolerations", [
            {"key": "fast", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60},
        ]),
        (train, POD.format("prepare") + "/podMetadata/labels/kueue.x-k8s.io~queue-name", "training"),
        (train, POD.format("prepare") + "/podMetadata/labels/app.kubernetes.io~part-of", "shop"),
        (train, POD.format("prepare") + "/secretAsEnv", [
            {"secretName": "hub", "keyToEnv": [{"secretKey": "token", "envVar": "TOKEN"}, {"secretKey": "user", "envVar": "USER_NAME"}]},
            {"secretName": "store", "keyToEnv": [{"secretKey": "key", "envVar": "OTHER"}]},
        ]),
        (train, POD.format("gate") + "/configMapAsVolume", [{"configMapName": config, "mountPath": "/mlspec", "optional": False}]),
        (made["Pipeline", "train"], "metadata/annotations/argocd.argoproj.io~sync-wave", "-2"),
        (made["Pipeline", "train"], "spec", {"displayName": "train", "description": "Ranks what people look for."}),
        (made["ConfigMap", config], "immutable", True),
    ]  # fmt: skip
    assert [(path, at(item, path)) for item, path, _ in table] == [(path, expected) for _, path, expected in table]


def parameter(kind, default):
    return {"parameterType": kind, "defaultValue": default, "isOptional": True}


def artifact(task, output):
    return {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": output}}


def value(task, output):
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": output}}


def best(task, name):
    return {**value(task, "best"), "parameterExpressionSelector": f'parseJson(string_value)["{name}"]'}


def test_the_config_map_holds_what_is_needed_and_no_more(made, tmp_path):
    ((_, config),) = [(name, item) for (kind, name), item in made.items() if kind == "ConfigMap"]
    assert set(config["data"]) == {
        "check_data.py", "gate.py", "register.py", "submit.py", "rules-clicks-quality.json", "rules-release.json", "dataset-clicks.json",
    }  # fmt: skip
    small = tree()
    small["pipelines"] = {"plain": {"image": small["pipelines"]["train"]["image"], "steps": {"go": {"run": ["go"]}}}}
    small["models"]["rank"].pop("trainedBy")
    outcome = compiled(small, tmp_path)
    assert errors(outcome) == []
    assert [name for kind, name in objects(outcome) if kind == "ConfigMap"] == []


def changed(path, value):
    """Return the spec with one value changed; None takes it away."""
    made = tree()
    holder = made
    for part in path[:-1]:
        holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
    if value is None:
        holder.pop(path[-1])
    else:
        holder[path[-1]] = value
    return made


PREPARE = ("pipelines", "train", "steps", "prepare")


@pytest.mark.parametrize(
    ("path", "value", "code", "said"),
    [
        ((*PREPARE, "place", "priority"), "high", "MLS-E820", "place.priority"),
        ((*PREPARE, "place", "spread"), "zone", "MLS-E820", "place.spread"),
        ((*PREPARE, "resources", "storage"), "10Gi", "MLS-E820", "resources.storage"),
        ((*PREPARE, "timeout"), "1500ms", "MLS-E820", "whole seconds"),
        ((*PREPARE, "outputs", "executor-logs"), "file", "MLS-E820", "keeps the logs"),
        (("pipelines", "train", "steps", "prepare-driver"), {"run": ["go"]}, "MLS-E820", "prepare-driver"),
        (("pipelines", "train", "steps", "gate", "cache"), True, "MLS-E820", "cache"),
        (("pipelines", "train", "steps", "fit", "run"), "#!/usr/bin/env perl\nprint 1", "MLS-E820", "perl"),
        (("pipelines", "train", "steps", "nodes", "outputs", "weights"), "value", "MLS-E820", "outputs.weights"),
        (("pipelines", "nightly", "steps", "score", "output"), "s3://shop/${outputs.scores}", "MLS-E820", "output"),
        (("datasets", "clicks", "uri"), "s3://shop/{{x}}", "MLS-E820", "datasets.clicks.uri"),
        (("models", "rank", "uri"), "s3://shop/{{x}}", "MLS-E820", "models.rank.uri"),
        (("pipelines", "train", "parameters", "depth"), 2**53 + 1, "MLS-E823", "9007199254740992"),
    ],
)  # fmt: skip
def test_refuses_what_the_engine_cannot_do(tmp_path, path, value, code, said):
    found = errors(compiled(changed(path, value), tmp_path))
    assert [(got, said in message) for got, message in found if got.startswith("MLS-E82")][:1] == [(code, True)], found


def test_a_champion_must_be_of_a_model(tmp_path):
    spec = changed(("pipelines", "train", "steps", "register"), None)
    spec["models"]["rank"].pop("trainedBy")
    assert [code for code, _ in errors(compiled(spec, tmp_path))] == ["MLS-E821"]


def test_environments_do_not_share_a_namespace_for_pipelines(tmp_path):
    spec = changed(("platform", "pipelines", "kubeflow", "namespace"), "runs")
    made = objects(compiled(spec, tmp_path))
    assert {item["metadata"]["namespace"] for (kind, _), item in made.items() if kind != "Kustomization"} == {"runs"}
    spec["environments"]["next"] = {"namespace": "shop-next"}
    assert {code for code, _ in errors(compiled(spec, tmp_path))} == {"MLS-E822"}


def test_a_script_may_name_its_interpreter(tmp_path):
    for first, command in (("#!/usr/bin/env python3", ["python3", "-c"]), ("#!/bin/bash -eu", ["/bin/bash", "-eu", "-c"])):
        spec = changed(("pipelines", "nightly", "steps", "publish", "run"), f"{first}\nx ${{inputs.scores}}\n")
        found = at(version(objects(compiled(spec, tmp_path)), "nightly"), STEP.format("publish") + "/command")
        assert found[:-1] == command


def test_later_engines_restrict_pods(tmp_path):
    spec = changed(("platform", "pipelines", "kubeflow", "version"), "2.16")
    pods = at(version(objects(compiled(spec, tmp_path)), "train"), POD.format("fit").rsplit("/", 1)[0])
    assert all(pod["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True} for pod in pods.values())


def test_pinned_data_is_answered_from_the_cache_and_other_data_is_not(tmp_path):
    spec = changed((*PREPARE, "cache"), None)
    task = TASK.format("prepare") + "/cachingOptions/enableCache"
    assert at(version(objects(compiled(spec, tmp_path)), "train"), task) is True
    spec["pipelines"]["train"]["steps"]["prepare"]["inputs"]["raw"] = "datasets.fresh"
    assert at(version(objects(compiled(spec, tmp_path)), "train"), task) is False


def test_names_of_references_do_not_collide(tmp_path):
    spec = changed(("pipelines", "train", "steps", "fit", "inputs", "prepare-rows"), "params.note")
    made = version(objects(compiled(spec, tmp_path)), "train")
    given = at(made, TASK.format("fit") + "/inputs/parameters")
    assert given["prepare-rows"] == {"componentInputParameter": "note"}
    assert given["prepare-rows-2"] == value("prepare", "rows")


def test_a_version_is_named_after_its_content(made, tmp_path):
    before = {pipeline: version(made, pipeline)["metadata"]["name"] for pipeline in ("train", "nightly")}
    after = objects(compiled(changed(("pipelines", "nightly", "parameters", "day"), "friday"), tmp_path))
    names = {pipeline: version(after, pipeline)["metadata"]["name"] for pipeline in ("train", "nightly")}
    assert names["nightly"] != before["nightly"]
    assert names["train"] != before["train"], "it starts the other version now"
    spec = tree()
    spec["patches"] = [
        {"target": {"kind": "PipelineVersion"}, "reason": "told apart", "merge": {"spec": {"codeSourceURL": "https://shop.example"}}}
    ]
    patched = version(objects(compiled(spec, tmp_path)), "nightly")
    assert patched["spec"]["codeSourceURL"] == "https://shop.example"
    assert patched["metadata"]["name"] != before["nightly"], "the spec of a version cannot change"


def test_order_in_the_spec_changes_no_version(made, tmp_path):
    spec = tree()
    spec["pipelines"]["train"]["steps"] = dict(reversed(spec["pipelines"]["train"]["steps"].items()))
    again = version(objects(compiled(spec, tmp_path)), "train")
    assert again["metadata"]["name"] == version(made, "train")["metadata"]["name"]


WORDS = {
    "check": [], "gate": [], "register": [], "score": [], "data": [], "after": [], "use": [], "metrics": ["steps.fit.slices"], "slices": [],
    "operator": ["Exists"], "effect": ["NoSchedule"], "goal": ["minimize"], "algorithm": ["random"], "scale": ["linear"],
    "spread": ["zone"], "timezone": ["Europe/Paris"], "cron": ["0 4 * * 1"],
    "dataset": ["fresh"], "pipeline": [], "outputs": ["file", "directory"],
    "inputs": ["params.note", "datasets.fresh"], "framework": ["jax"], "notebook": ["notebooks/other.ipynb"],
    "image": [f"ghcr.io/shop/other@sha256:{DIGEST}"], "api": ["http://other.ml.svc:8888"], "mlflow": ["http://other.ml.svc:5000"],
    "metric": ["recall"], "version": ["2.16"], "secrets": ["hub/other"], "day": ["friday"],
}  # fmt: skip


def leaves(item, path=()):
    if isinstance(item, dict):
        for key, entry in item.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(item, list):
        for index, entry in enumerate(item):
            yield from leaves(entry, (*path, index))
    else:
        yield path


def others(path, current):
    if isinstance(current, bool):
        return [not current]
    if isinstance(current, int):
        return [current + 1, max(1, current - 1)]
    if not isinstance(current, str):
        return [current + current / 10]
    words = [part for part in path if isinstance(part, str)]
    for word in (words[-1], words[-2]):
        if WORDS.get(word):
            return [other for other in WORDS[word] if other != current]
    for end in ("m", "h", "Gi", "Mi"):
        if current.endswith(end) and current[: -len(end)].isdigit():
            return ["9" + current]
    return [current + "9", "x" + current]


LEAVES = [
    path
    for path in leaves(tree())
    if path[0] == "pipelines" or path[:2] in (("platform", "pipelines"), ("platform", "registry"), ("platform", "runner"))
]


@pytest.mark.slow
def test_every_field_has_an_effect_or_is_refused(tmp_path):
    def manifests(spec):
        outcome = compiled(spec, tmp_path)
        return {path: data for path, data in outcome.projects[0].tree.items() if not path.endswith(".md")} if outcome.projects else None

    whole = tree()
    before = manifests(whole)
    without_effect = []
    for path in LEAVES:
        current = whole
        for part in path:
            current = current[part]
        for other in others(path, current):
            spec = copy.deepcopy(whole)
            holder = spec
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = other
            if other != current and manifests(spec) == before:
                without_effect.append((path, other))
    assert without_effect == []


def test_each_text_leads_back_to_its_line(tmp_path):
    from pathlib import Path

    from mlspec.compiler import Request, compile_specs
    from mlspec.library import Library
    from mlspec.trace import causes

    compiled(tree(), tmp_path)
    outcome = compile_specs(Request((Path(tmp_path / "mlspec.yaml"),), keep=True))
    (project,) = outcome.projects
    (manifest,) = [entry for entry in project.made.manifests if entry.name.startswith("PipelineVersion train-")]
    library = Library.load(None, tmp_path, None)
    found = {cause.place: cause for cause in causes(manifest, library)}
    command = ("spec", "pipelineSpec", "deploymentSpec", "executors", "exec-prepare", "container", "command")
    places = {found[place].spec for place in found if place[:7] == command}
    run = ("pipelines", "train", "steps", "prepare", "run")
    assert {((*run, 0),), ((*run, 1),), ((*run, 5),)} <= places
    assert json.dumps(manifest.object, default=str)
