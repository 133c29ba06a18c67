"""The outside judges object: each is shown a tree that was right until one thing of it was broken."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import conformance  # noqa: E402
from judges.bench import Case, Loader, Skipped, files, workflows  # noqa: E402
from judges.cluster import Servers  # noqa: E402
from judges.waivers import Waivers  # noqa: E402

Entry = dict[str, Any]
pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("story") / "parcel-eta"
    shutil.copytree(ROOT / "examples" / "parcel-eta", root)
    (root / ".git").mkdir()
    made = Case(root.name, root)
    assert conformance.refused(made) is None
    return made


def tasks(entry: Entry) -> Entry:
    return entry["spec"]["pipelineSpec"]["root"]["dag"]["tasks"]


def wait_for_nothing(entry: Entry) -> None:
    next(task for task in tasks(entry).values() if "taskOutputArtifact" in str(task))["dependentTasks"] = []


def wait_in_a_circle(entry: Entry) -> None:
    for task in tasks(entry).values():
        task["dependentTasks"] = list(tasks(entry))


def unknown_field_of_pods(entry: Entry) -> None:
    for executor in entry["spec"]["platformSpec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        executor["unheardOf"] = 1


def twice(entry: Entry) -> None:
    entry["spec"]["groups"][0]["rules"] *= 2


def unclosed(entry: Entry) -> None:
    entry["data"] = {key: text.replace("sum(", "sum((") for key, text in entry["data"].items()}


def nobody(entry: Entry) -> None:
    entry["spec"]["route"]["receiver"] = "nobody-at-all"


def unknown_field(entry: Entry) -> None:
    entry["spec"]["unheardOf"] = 1


def any_image(entry: Entry) -> None:
    entry["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:latest"


@pytest.mark.parametrize(
    ("judge", "kind", "change", "says"),
    [
        ("kfp", "PipelineVersion", wait_for_nothing, "without waiting for it"),
        ("kfp", "PipelineVersion", wait_in_a_circle, "is never started"),
        ("kfp", "PipelineVersion", unknown_field_of_pods, "unheardOf"),
        ("promtool", "PrometheusRule", twice, "duplicate"),
        ("promtool", "ConfigMap", unclosed, "parse error"),
        ("amtool", "AlertmanagerConfig", nobody, "nobody-at-all"),
        ("kubernetes-validate", "CronJob", unknown_field, "unheardOf"),
        ("kube-score", "CronJob", any_image, "container-image-tag"),
        ("checkov", "CronJob", any_image, "CKV_K8S_43"),
    ],
)
def test_a_judge_objects_to_a_broken_tree(
    case: Case, tmp_path: Path, judge: str, kind: str, change: Callable[[Entry], None], says: str
) -> None:
    broken = Case(case.name, shutil.copytree(case.root, tmp_path / case.name))
    for file in files(broken):
        entries = [entry for entry in yaml.load_all(file.read_text(encoding="utf-8"), Loader) if entry]
        for entry in entries:
            if entry["kind"] == kind:
                change(entry)
        file.write_text(yaml.safe_dump_all(entries), encoding="utf-8")
    objects(judge, broken, says)


@pytest.mark.parametrize(
    ("judge", "broken", "says"),
    [
        ("actionlint", ("runs-on:", "run-on:"), "run-on"),
        ("zizmor", ("persist-credentials: false", "persist-credentials: true"), "artipacked"),
        ("check-jsonschema", ("runs-on:", "run-on:"), "run-on"),
    ],
)
def test_a_judge_objects_to_a_broken_workflow(case: Case, tmp_path: Path, judge: str, broken: tuple[str, str], says: str) -> None:
    made = Case(case.name, shutil.copytree(case.root, tmp_path / case.name))
    for file in workflows(made):
        text = file.read_text(encoding="utf-8")
        assert broken[0] in text
        file.write_text(text.replace(*broken), encoding="utf-8")
    objects(judge, made, says)


def objects(judge: str, case: Case, says: str) -> None:
    """Ask a judge; it has to object, in these words."""
    said = list(conformance.judges(Servers(Path("nowhere")), Waivers())[judge]([case]))
    if isinstance(said[0], Skipped):
        pytest.skip(said[0].why)
    assert not said[0].good
    assert says in "\n".join(said[0].lines)
