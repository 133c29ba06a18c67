"""Every field of monitoring has an effect or is refused, through the whole line from spec to tree."""

import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from prometheus_sample import sample

from mlspec.compiler import Request, compile_specs

OTHERS = {
    "availability": ["99.5%"],
    "max": ["150ms"],
    "quantile": [0.9],
    "window": ["28d"],
    "against": ["people"],
    "current": ["s3://shop/elsewhere"],
    "every": ["1h"],
    "image": ["ghcr.io/shop/other@sha256:" + "cd" * 32],
    "method": ["other"],
    "share": ["2%"],
    "across": ["plan"],
    "metric": ["accuracy"],
    "maxGap": [0.2],
    "dashboard": [False],
    "slack": ["#elsewhere"],
    "email": ["else@shop.example"],
    "secret": ["pager/address", "other/url"],
    "alerts": ["slow"],
    "url": ["http://prometheus.elsewhere.svc:9090"],
    "pushgateway": ["http://push.elsewhere.svc:9091", "http://push.watch.svc:9095"],
    "watch": ["no way"],
    "dashboards": ["shown"],
}


def whole():
    tree = sample()
    tree["datasets"]["people"] = {**tree["datasets"]["visits"], "uri": "s3://shop/people"}
    tree["thresholds"]["slow"] = {"on": "live", "rules": [{"metric": "latency", "quantile": 0.5, "max": "50ms"}]}
    return tree


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


LEAVES = [path for path in leaves(whole()) if path[0] == "monitoring" or path[:2] == ("platform", "monitoring")]


@pytest.fixture(scope="module")
def tree_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    (folder / ".git").mkdir()

    def make(tree):
        file = folder / "mlspec.yaml"
        file.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        outcome = compile_specs(Request((file,)))
        if not outcome.projects:
            return [diagnostic.code for diagnostic in outcome.diagnostics]
        return {path: data for path, data in outcome.projects[0].tree.items() if not path.endswith(".md")}

    return make


@pytest.fixture(scope="module")
def before(tree_of):
    made = tree_of(whole())
    assert isinstance(made, dict), made
    return made


def test_one_file_an_endpoint_and_one_for_what_they_share(before):
    assert {"deploy/shop/live/monitoring-rank.yaml", "deploy/shop/live/monitoring-words.yaml", "deploy/shop/live/monitors.yaml"} <= set(
        before
    )


def test_no_object_is_there_twice(before):
    found = [
        (item["apiVersion"], item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for path, data in before.items()
        if path.endswith(".yaml") and not path.endswith("kustomization.yaml")
        for item in yaml.safe_load_all(data)
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_has_an_effect_or_is_refused(tree_of, before, path):
    key = next(part for part in reversed(path) if isinstance(part, str))
    for other in OTHERS[key]:
        tree = whole()
        holder = tree
        for part in path[:-1]:
            holder = holder[part]
        assert holder[path[-1]] != other
        holder[path[-1]] = other
        assert tree_of(tree) != before


@pytest.mark.parametrize("part", ["slo", "drift", "outliers", "bias", "dashboard", "notify"])
def test_without_a_part_its_objects_are_gone(tree_of, before, part):
    tree = whole()
    if part == "drift":
        tree["monitoring"]["rank"]["alerts"] = ["online"]
        tree["pipelines"]["train"].pop("on")
        del tree["monitoring"]["rank"]["outliers"]
    del tree["monitoring"]["rank"][part]
    made = tree_of(tree)
    assert isinstance(made, dict), made
    assert made != before
    text = made["deploy/shop/live/monitoring-rank.yaml"].decode()
    marks = {
        "slo": "ErrorBudgetBurn",
        "drift": "name: rank-drift",
        "outliers": "name: rank-outliers",
        "bias": "name: rank-bias",
        "dashboard": "name: rank-dashboard",
        "notify": "#search-alerts",
    }
    assert marks[part] in before["deploy/shop/live/monitoring-rank.yaml"].decode()
    assert marks[part] not in text
