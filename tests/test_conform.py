"""Objects are judged strictly: by the tables, by the CRDs of a folder, by names and sizes."""

from __future__ import annotations

import copy
import filecmp
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.conform import MOST_DATA, TABLES, Kinds
from mlspec.diagnostics import Unable
from mlspec.location import format_path
from mlspec.shape import compile_shape

ROOT = pathlib.Path(__file__).parents[1]
CRDS = pathlib.Path(os.environ.get("MLSPEC_CRDS", ROOT.parent / "shared" / "crds"))

KINDS = Kinds.load()
SERVICE: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "churn", "namespace": "ml", "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
    "spec": {
        "predictor": {
            "minReplicas": 1,
            "maxReplicas": 3,
            "model": {
                "modelFormat": {"name": "sklearn"},
                "storageUri": "s3://models/churn",
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": 2, "nvidia.com/gpu": 1}},
                "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": "http"}},
                "ports": [{"containerPort": 8080}],
            },
        }
    },
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web"}},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web@sha256:0",
                        "ports": [{"containerPort": 80}],
                        "resources": {"limits": {"cpu": Decimal("0.5")}},
                    }
                ]
            },
        },
    },
}


def changed(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one value set; a number in the path is an index."""
    found = below = copy.deepcopy(obj)
    *parts, last = path.split("/")
    for part in parts:
        below = below[int(part)] if isinstance(below, list) else below[part]
    below[last] = value
    return found


def places(obj: dict[str, Any], kinds: Kinds | None = None) -> list[str]:
    return [format_path(fault.path) for fault in (kinds or Kinds.load()).check(obj)]


def test_right_objects_conform() -> None:
    kinds = Kinds.load()
    assert kinds.check(SERVICE) == ()
    assert kinds.check(DEPLOYMENT) == ()
    assert kinds.notes == ()


def test_source_names_project_and_version() -> None:
    kinds = Kinds.load()
    assert kinds.source(SERVICE) == "KServe 0.20.0"
    assert kinds.source(DEPLOYMENT) == "Kubernetes 1.37"
    assert kinds.source({"apiVersion": "a/v1", "kind": "B"}) == ""


@pytest.mark.parametrize(
    ("obj", "path", "value", "place", "expected"),
    [
        (
            DEPLOYMENT,
            "spec/template/spec/containers/0/imagePullPolciy",
            "Always",
            "spec.template.spec.containers[0].imagePullPolciy",
            "imagePullPolicy",
        ),
        (
            DEPLOYMENT,
            "spec/template/spec/containers/0/imagePullPolicy",
            "Allways",
            "spec.template.spec.containers[0].imagePullPolicy",
            'one of "Always", "IfNotPresent", "Never"',
        ),
        (DEPLOYMENT, "spec/replicas", "2", "spec.replicas", "a whole number"),
        (DEPLOYMENT, "spec/replicas", True, "spec.replicas", "a whole number"),
        (DEPLOYMENT, "spec/replicas", None, "spec.replicas", "a whole number"),
        (
            DEPLOYMENT,
            "spec/strategy/rollingUpdate/maxSurge",
            Decimal("1.5"),
            "spec.strategy.rollingUpdate.maxSurge",
            "a whole number or a text",
        ),
        (DEPLOYMENT, "spec/template/metadata/lables", {}, "spec.template.metadata.lables", "labels"),
        (DEPLOYMENT, "status", {}, "status", "spec"),
        (SERVICE, "spec/predictor/minReplica", 1, "spec.predictor.minReplica", "minReplicas"),
        (SERVICE, "spec/predictor/model/imagePullPolciy", "Always", "spec.predictor.model.imagePullPolciy", "imagePullPolicy"),
        (SERVICE, "spec/predictor/model/env", [{"nmae": "A"}], "spec.predictor.model.env[0].name", "a text"),
    ],
)
def test_what_is_wrong_is_named(obj: dict[str, Any], path: str, value: Any, place: str, expected: str) -> None:
    faults = Kinds.load().check(changed(obj, path, value))
    assert format_path(faults[0].path) == place
    if "status" not in path:
        assert faults[0].expected == expected


def test_keys_of_lists_stand_once() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}]
    obj = changed(DEPLOYMENT, "spec/template/spec/containers/0/ports", ports)
    assert places(obj) == ["spec.template.spec.containers[0].ports[2]"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata/name", "Web"),
        ("metadata/name", "a" * 254),
        ("metadata/name", ""),
        ("metadata/namespace", "ml.prod"),
        ("metadata/labels", {"app": "a" * 64}),
        ("metadata/labels", {"app": "no blanks"}),
        ("metadata/labels", {"app": 1}),
        ("metadata/labels", {"-app": "x"}),
        ("metadata/labels", {"Example.com/app": "x"}),
        ("metadata/annotations", {"a": True}),
        ("metadata/annotations", {"a": "x" * 262144}),
        ("metadata/annotations", {"a b": "x"}),
        ("metadata/annotations", {1: "x"}),
        ("metadata/resourceVersion", "1"),
        ("metadata", {}),
        ("metadata", None),
        ("metadata", "web"),
    ],
)
def test_metadata(path: str, value: Any) -> None:
    assert places(changed(DEPLOYMENT, path, value))[0].startswith("metadata")


@pytest.mark.parametrize(
    ("version", "kind", "name", "ok"),
    [
        ("v1", "Namespace", "ml.prod", False),
        ("v1", "Service", "1up", False),
        ("v1", "ServiceAccount", "1up.x", True),
        ("rbac.authorization.k8s.io/v1", "Role", "system:x", True),
        ("rbac.authorization.k8s.io/v1", "Role", "a/b", False),
    ],
)
def test_names_follow_their_kind(version: str, kind: str, name: str, ok: bool) -> None:
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
    assert ("metadata.name" not in places(obj)) is ok


def test_sizes() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "x" * MOST_DATA}}
    assert places(config) == []
    assert places(changed(config, "data/b", "é")) == ["data"]
    big = changed(DEPLOYMENT, "spec/template/spec/containers/0/args", ["x" * 1000] * 1600)
    assert [fault.expected for fault in Kinds.load().check(big)] == ["at most 1572864 bytes"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3) | st.integers(), below, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([SERVICE, DEPLOYMENT]), st.data(), JUNK)
def test_no_value_breaks_the_check(obj: dict[str, Any], data: st.DataObject, junk: Any) -> None:
    found = below = copy.deepcopy(obj)
    for _ in range(data.draw(st.integers(0, 6))):
        key = data.draw(st.sampled_from(sorted(below) if isinstance(below, dict) else range(len(below)))) if below else 0
        if not below or not isinstance(below[key], dict | list):
            break
        below = below[key]
    if isinstance(below, dict):
        below[data.draw(st.sampled_from([*sorted(below), "new"]))] = junk
    for fault in KINDS.check(found):
        assert fault.message
        assert fault.expected
        assert fault.rule


def test_unknown_kinds_are_not_skipped() -> None:
    kinds = Kinds.load()
    name = {"metadata": {"name": "a"}}
    assert kinds.check({"apiVersion": "apps/v1beta1", "kind": "Deployment", **name})[0].expected == "apps/v1"
    assert kinds.check({"apiVersion": "apps/v1", "kind": "Deploymnt", **name})[0].expected == "Deployment"
    assert kinds.check({"apiVersion": "a.b/v1", "kind": "Zebra", **name})[0].message == "no schema for Zebra of a.b/v1"
    assert places({"kind": "Zebra"}) == ["apiVersion"]
    assert places([1]) == [""]  # type: ignore[arg-type]


def test_kustomization_has_no_name() -> None:
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["a.yaml"]}
    assert places(kustomization) == []
    assert places({**kustomization, "resorces": []}) == ["resorces"]


def test_every_kind_loads_and_refuses_an_unknown_field() -> None:
    kinds = Kinds.load()
    assert len(kinds.names) > 50
    for name in kinds.names:
        version, _, kind = name.rpartition("/")
        obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "zebra": 1}
        assert "zebra" in places(obj, kinds), name
        assert kinds.source(obj), name


def test_tables_hold_only_what_a_shape_understands() -> None:
    for path in TABLES.glob("*.json"):
        table = json.loads(path.read_text(encoding="utf-8"))
        if path.name == "index.json":
            continue
        assert table["source"]
        assert table["version"]
        for schema in table["definitions"].values():
            compile_shape(schema, definitions=table["definitions"])


def test_opaque_crds_are_typed_by_other_schemas() -> None:
    experiment = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "tune"},
        "spec": {"objective": {"type": "maximize", "objectiveMetricName": "auc"}, "maxTrialCont": 3},
    }
    assert places(experiment) == ["spec.maxTrialCont"]
    sensor = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "s"},
        "spec": {"dependencies": [], "triggers": [{"tmplate": {}}]},
    }
    assert places(sensor) == ["spec.triggers[0].tmplate"]


CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: toys.example.com
spec:
  group: example.com
  names:
    kind: Toy
    plural: toys
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [colour, size]
            x-kubernetes-validations:
            - rule: self.min <= self.max
              message: min must not be above max
            - rule: self.size == oldSelf.size
            - rule: "self.__namespace__ != 'kube-system'"
            properties:
              colour: {type: string, enum: [red, =]}
              size: {type: string, default: big}
              namespace: {type: string, default: here}
              min: {type: integer, default: 1}
              max: {type: integer, default: 2}
              share: {type: number, maximum: 0.5}
              port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
              note: {type: string, nullable: true}
              open: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
              inner: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
              shut: {type: object}
              tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
"""
TOY = {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": {"name": "a"}, "spec": {"colour": "red"}}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "toys.yaml").write_text(CRD, encoding="utf-8")
    return tmp_path


def test_crds_of_a_folder(folder: pathlib.Path) -> None:
    kinds = Kinds.load(folder)
    assert kinds.check(TOY) == ()
    assert kinds.source(TOY) == (folder / "toys.yaml").as_posix()
    assert kinds.source(DEPLOYMENT) == "Kubernetes 1.37"
    assert "example.com/v1/Toy" in kinds.names


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("colour", "=", ""),
        ("colour", "blue", "spec.colour"),
        ("coluor", "red", "spec.coluor"),
        ("share", Decimal("0.5"), ""),
        ("share", Decimal("0.6"), "spec.share"),
        ("port", "http", ""),
        ("port", Decimal("1.5"), "spec.port"),
        ("note", None, ""),
        ("open", {"b": 1}, ""),
        ("open", {"a": 1}, "spec.open.a"),
        ("inner", {"apiVersion": "v1", "kind": "X", "more": 1}, ""),
        ("inner", {"kind": "X"}, "spec.inner.apiVersion"),
        ("shut", {"a": 1}, "spec.shut.a"),
        ("tags", ["a", "b", "a"], "spec.tags[2]"),
    ],
)
def test_structural_schemas(folder: pathlib.Path, field: str, value: Any, place: str) -> None:
    assert places(changed(TOY, f"spec/{field}", value), Kinds.load(folder)) == ([place] if place else [])


def test_rules_run_after_defaults(folder: pathlib.Path) -> None:
    pytest.importorskip("cel", reason="the package common-expression-language is not installed")
    kinds = Kinds.load(folder)
    fault = kinds.check(changed(TOY, "spec/min", 5))[0]
    assert (fault.path, fault.message) == (("spec",), "min must not be above max")
    assert places(changed(TOY, "spec/namespace", "kube-system"), kinds) == ["spec"]
    assert [note.partition(": ")[2] for note in kinds.notes] == ["1 CEL rules not run, they compare with the object in the cluster"]


def test_rules_that_cannot_run_are_said(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel", None)
    kinds = Kinds.load(folder)
    assert kinds.check(changed(TOY, "spec/min", 5)) == ()
    assert any("CEL rules not run 2 times; install mlspec[cel]" in note for note in kinds.notes)


def test_unknown_functions_are_said(folder: pathlib.Path) -> None:
    pytest.importorskip("cel", reason="the package common-expression-language is not installed")
    (folder / "toys.yaml").write_text(CRD.replace("self.min <= self.max", "isURL(self.size)"), encoding="utf-8")
    kinds = Kinds.load(folder)
    assert kinds.check(TOY) == ()
    assert any("isURL" in note for note in kinds.notes)


def test_versions_that_a_crd_does_not_serve(folder: pathlib.Path) -> None:
    fault = Kinds.load(folder).check({**TOY, "apiVersion": "example.com/v2"})[0]
    assert (fault.path, fault.expected) == (("apiVersion",), "example.com/v1")


def test_a_crd_replaces_the_table(folder: pathlib.Path) -> None:
    text = CRD.replace("example.com", "serving.kserve.io").replace("Toy", "InferenceService").replace("name: v1\n", "name: v1beta1\n")
    (folder / "other.yml").write_text(text, encoding="utf-8")
    assert "spec.predictor" in places(SERVICE, Kinds.load(folder))


def test_an_open_crd_does_not_take_the_table_away(tmp_path: pathlib.Path) -> None:
    head, _, _ = CRD.partition("        type: object\n")
    text = head.replace("example.com", "kubeflow.org").replace("Toy", "Experiment").replace("name: v1\n", "name: v1beta1\n")
    (tmp_path / "a.yaml").write_text(f"{text}        type: object\n        x-kubernetes-preserve-unknown-fields: true\n", encoding="utf-8")
    kinds = Kinds.load(tmp_path)
    obj = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "a"}, "spec": {"objectiv": {}}}
    assert places(obj, kinds) == ["spec.objectiv"]
    assert kinds.source(obj).endswith("a.yaml and Katib 0.19.0")


def test_several_documents_and_lists(tmp_path: pathlib.Path) -> None:
    (tmp_path / "all.yaml").write_text(f"---\n{CRD}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\n", encoding="utf-8")
    kinds = Kinds.load(tmp_path)
    assert kinds.check(TOY) == ()
    assert kinds.notes[0].startswith("1 document is no CustomResourceDefinition and not used: ")


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- 1",
        "text",
        "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\n",
        CRD.replace("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"),
        CRD.replace("      openAPIV3Schema:", "      schema:"),
        CRD.replace("{type: object}", "{type: object"),
        CRD.replace("type: string, enum", "type: string, pattern: '(', enum"),
        CRD + "---\n" + CRD,
    ],
)
def test_broken_crds_name_their_file(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Unable, match=r"broken\.yaml") as caught:
        Kinds.load(tmp_path).check(TOY)
    assert caught.value.status == 3
    assert caught.value.help


def test_a_folder_that_is_none(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Unable, match="is not a folder"):
        Kinds.load(tmp_path / "none")
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Unable, match=r"a\.yaml"):
        Kinds.load(tmp_path)


def test_loading_needs_nothing_heavy() -> None:
    heavy = ("yaml", "jsonschema", "pydantic", "cel", "kubernetes")
    code = f"import sys, mlspec.conform as c; c.Kinds.load(); print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    assert done.stdout.strip() == ""


@pytest.mark.slow
@pytest.mark.skipif(not CRDS.is_dir(), reason="no CRD folder: set MLSPEC_CRDS, or put it at ../shared/crds")
@pytest.mark.skipif(importlib.util.find_spec("kubernetes_validate") is None, reason="kubernetes-validate is not installed")
def test_tables_are_up_to_date(tmp_path: pathlib.Path) -> None:
    script = ROOT / "scripts" / "build_kinds.py"
    subprocess.run(
        [sys.executable, script, "--crds", CRDS, "--out", tmp_path], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    names = sorted(path.name for path in TABLES.glob("*.json"))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == names
    assert filecmp.cmpfiles(TABLES, tmp_path, names, shallow=False)[1:] == ([], [])
