"""Dashboards: what Grafana asks of the JSON, queries that parse, and what a reader who never saw the project finds."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from prometheus_sample import objects_of, plan_of, sample

from mlspec.target import Rendering
from mlspec.targets.prometheus.dashboard import DashboardView, dashboard, dashboard_text, dashboard_uid
from mlspec.targets.prometheus.panels import Bound, markdown, place, text, thresholds

JUDGES = Path(os.environ.get("MLSPEC_JUDGES", Path.home() / ".cache" / "mlspec-judges")) / "bin"
PROMTOOL = shutil.which("promtool") or (str(JUDGES / "promtool") if (JUDGES / "promtool").is_file() else None)
UNITS = {"none", "short", "s", "percentunit", "reqps", "cps"}
POINT = {"type": "object", "required": ["h", "w", "x", "y"], "additionalProperties": False, "properties": {
    "h": {"type": "integer", "minimum": 1}, "w": {"type": "integer", "minimum": 1, "maximum": 24},
    "x": {"type": "integer", "minimum": 0, "maximum": 23}, "y": {"type": "integer", "minimum": 0}}}  # fmt: skip
SOURCE = {"type": "object", "required": ["type", "uid"], "properties": {"type": {"const": "prometheus"}, "uid": {"const": "${datasource}"}}}
STEP = {"type": "object", "required": ["color", "value"], "additionalProperties": False, "properties": {
    "color": {"enum": ["green", "red"]}, "value": {"type": ["number", "null"]}}}  # fmt: skip
QUERY = {"type": "object", "required": ["refId", "expr", "legendFormat", "datasource"], "properties": {
    "refId": {"type": "string", "pattern": "^[A-Z]{1,2}$"}, "expr": {"type": "string", "minLength": 1},
    "legendFormat": {"type": "string", "minLength": 1}, "datasource": SOURCE}}  # fmt: skip
FIELDS = {"type": "object", "required": ["defaults", "overrides"], "properties": {"defaults": {
    "type": "object", "required": ["unit", "thresholds", "color"], "properties": {
        "unit": {"enum": sorted(UNITS)},
        "color": {"type": "object", "properties": {"mode": {"enum": ["thresholds", "palette-classic"]}}},
        "thresholds": {"type": "object", "required": ["mode", "steps"], "properties": {
            "mode": {"const": "absolute"}, "steps": {"type": "array", "minItems": 1, "items": STEP}}}}}}}  # fmt: skip
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "gridPos"],
    "properties": {"id": {"type": "integer", "minimum": 1}, "title": {"type": "string", "minLength": 1}, "gridPos": POINT},
    "oneOf": [
        {"required": ["collapsed", "panels"], "properties": {"type": {"const": "row"}}},
        {"required": ["options"], "properties": {"type": {"const": "text"}, "options": {
            "type": "object", "required": ["mode", "content"], "properties": {"mode": {"const": "markdown"}}}}},
        {"required": ["datasource", "targets", "fieldConfig", "options", "description"], "properties": {
            "type": {"enum": ["timeseries", "stat"]}, "datasource": SOURCE, "fieldConfig": FIELDS,
            "description": {"type": "string", "minLength": 10}, "targets": {"type": "array", "minItems": 1, "items": QUERY}}},
    ],
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "required": ["id", "uid", "title", "schemaVersion", "panels", "templating", "time", "refresh", "tags", "graphTooltip", "editable"],
    "properties": {
        "id": {"type": "null"},
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{8,40}$"},
        "title": {"type": "string", "minLength": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "schemaVersion": {"const": 42},
        "graphTooltip": {"enum": [0, 1, 2]},
        "editable": {"type": "boolean"},
        "panels": {"type": "array", "items": PANEL, "minItems": 1},
        "templating": {"type": "object", "properties": {"list": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["name", "type", "query", "hide"], "properties": {"type": {"const": "datasource"}}}}}},
    },
}  # fmt: skip
"""What Grafana 12 asks of a classic dashboard (kinds/dashboard/dashboard_kind.cue), and of the panels that we use."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="module")
def plan(folder):
    return plan_of(sample(), folder)


@pytest.fixture(scope="module")
def boards(plan):
    return {endpoint: dashboard(plan, endpoint) for endpoint in ("rank", "words")}


@pytest.mark.parametrize("endpoint", ["rank", "words"])
def test_keeps_the_shape_that_grafana_reads(boards, endpoint):
    import jsonschema

    jsonschema.Draft202012Validator(SCHEMA).validate(boards[endpoint])


@pytest.mark.parametrize("endpoint", ["rank", "words"])
def test_panels_have_their_own_ids_and_places(boards, endpoint):
    panels = boards[endpoint]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in panels))


def queries(board):
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return [*found, *(entry["expr"] for entry in board["annotations"]["list"])]


@pytest.mark.parametrize("endpoint", ["rank", "words"])
def test_every_query_parses(boards, folder, endpoint):
    found = queries(boards[endpoint])
    assert len(found) > 10
    if PROMTOOL is not None:
        rules = [{"record": f"one:query:{at}", "expr": query} for at, query in enumerate(found)]
        file = folder / "rules.yml"
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
        checked = subprocess.run([PROMTOOL, "check", "rules", file], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return
    parser = pytest.importorskip("promql_parser", reason="neither promtool nor promql-parser is here")
    for query in found:
        parser.parse(query)


@pytest.mark.parametrize("endpoint", ["rank", "words"])
def test_thresholds_are_sorted_and_begin_without_a_value(boards, endpoint):
    for panel in boards[endpoint]["panels"]:
        if "fieldConfig" in panel:
            values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
            assert values[0] is None
            assert values[1:] == sorted(set(values[1:]))


def find(board, *words):
    """Return the one panel whose title holds these words."""
    (found,) = [panel for panel in board["panels"] if all(word in panel["title"] for word in words)]
    return found


def edges(panel):
    return [(step["color"], step["value"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("latency", "80ms"), [("green", None), ("red", 0.08)]),
        (("errorRate", "1%"), [("green", None), ("red", 0.01)]),
        (("errorRate", "0.5%"), [("green", None), ("red", 0.005)]),
        (("Drift: psi",), [("green", None), ("red", 0.2)]),
        (("Drift: missingRatio",), [("green", None), ("red", 0.05)]),
        (("Bias", "selectionRate", "gender"), [("green", None), ("red", 0.1)]),
        (("Outliers",), [("green", None), ("red", 0.01)]),
        (("Last comparison",), [("green", None), ("red", 4200)]),
        (("Availability: budget left",), [("red", None), ("green", 0)]),
        (("Availability: burn rate",), [("green", None), ("red", 1)]),
        (("Latency: burn rate",), [("green", None), ("red", 1)]),
    ],
)
def test_bounds_are_lines(boards, words, expected):
    assert edges(find(boards["rank"], *words)) == expected


def test_versions_are_told_apart(boards):
    assert [target["legendFormat"] for target in find(boards["rank"], "Traffic")["targets"]] == ["stable", "rank-b"]


def test_a_stranger_reads_what_it_is_for_whose_it_is_and_what_was_promised(boards):
    about = find(boards["rank"], "What this is")["options"]["content"]
    for said in ("Orders what people look at", "search@shop.example", "orders per visit", "3.1%", "2.6%", "2027-03-31"):
        assert said in about
    runs = find(boards["rank"], "What runs")["options"]["content"]
    for said in ("stable", "1.4.0", "xgboost", "80 %", "rank-b", "20 %", "Order."):
        assert said in runs
    gates = find(boards["rank"], "What must hold")["options"]["content"]
    for said in ("online", "input-drift", "release", "train, step gate", "alerts", "a breach starts a pipeline"):
        assert said in gates
    assert "36h" in find(boards["rank"], "Data behind it")["options"]["content"]


def test_accelerators_are_shown_where_there_are_any(boards):
    titles = {endpoint: [panel["title"] for panel in board["panels"]] for endpoint, board in boards.items()}
    assert "Accelerators" in titles["words"]
    assert "Accelerators" not in titles["rank"]


def test_the_config_map(plan, folder):
    made = objects_of(plan, [Rendering("prometheus/dashboard.yaml.j2", DashboardView(plan, "rank"), "x.yaml")], folder)
    item = made["ConfigMap", "rank-dashboard"]
    assert item["metadata"]["labels"]["board"] == "1"
    assert item["metadata"]["annotations"]["grafana_folder"] == "search/shop"
    ((file, data),) = item["data"].items()
    assert file == f"rank-{dashboard_uid(plan, 'rank')}.json"
    board = json.loads(data)
    assert board == json.loads(json.dumps(dashboard(plan, "rank")))
    assert dashboard_text(board) == data
    assert data.count('"gridPos"') == sum('"gridPos"' in line for line in data.splitlines())


def test_no_two_dashboards_have_one_uid(folder):
    class Stand:
        def __init__(self, project, environment):
            self.project, self.environment = project, environment

    names = ["a", "b", "a-b", "b-a"]
    uids = [dashboard_uid(Stand(p, e), n) for p in names for e in names for n in names]
    assert len(set(uids)) == len(uids)


HOSTILE = "a|b <script>alert(1)</script> ${datasource} `x` *y* [z](http://e) _w_ \\ $__all\nnext"


def test_texts_of_the_spec_stay_texts(folder):
    plan = plan_of(sample(description=HOSTILE), folder)
    content = find(dashboard(plan, "rank"), "What this is")["options"]["content"]
    line = next(line for line in content.splitlines() if line.startswith("a&#124;b"))
    assert not any(mark in line for mark in ("<", ">", "$", "`", "*", "[", "|", "\\", "_"))


def test_markdown_gives_back_the_text_through_html():
    import html

    assert html.unescape(markdown(HOSTILE)) == " ".join(HOSTILE.split())


@pytest.mark.parametrize(
    ("bounds", "steps"),
    [
        ([], [("green", None)]),
        ([Bound()], [("green", None)]),
        ([Bound(None, Decimal(5))], [("green", None), ("red", 5)]),
        ([Bound(Decimal("0.5"))], [("red", None), ("green", 0.5)]),
        ([Bound(Decimal(1), Decimal(2))], [("red", None), ("green", 1), ("red", 2)]),
        ([Bound(Decimal(2), Decimal(2))], [("red", None), ("red", 2)]),
    ],
)
def test_steps(bounds, steps):
    assert [(step["color"], step["value"]) for step in thresholds(bounds)] == steps


def test_panels_flow_into_the_grid():
    made = place([text("a", "", width=10, height=3), text("b", "", width=14, height=5), text("c", "", width=20, height=2)])
    assert [panel["gridPos"] for panel in made] == [
        {"x": 0, "y": 0, "w": 10, "h": 3},
        {"x": 10, "y": 0, "w": 14, "h": 5},
        {"x": 0, "y": 5, "w": 20, "h": 2},
    ]


def test_a_graph_has_a_dashboard_too(folder):
    tree = sample()
    tree["serving"]["flow"] = {"graph": {"sequence": ["rank", "words"]}, "resources": {"cpu": "1", "memory": "1Gi"}}
    tree["monitoring"]["flow"] = {"dashboard": True}
    board = dashboard(plan_of(tree, folder), "flow")
    assert "graph" in find(board, "What runs")["options"]["content"]
    assert find(board, "Replicas")
