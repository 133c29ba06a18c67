"""One threshold, one meaning: on either side of a bound and on it, the command, the step of a pipeline and the alert say the same.

The command is `mlspec gate`, as CI runs it. The step is the program with the rules that the compiled ConfigMap holds. The alert is the
compiled PrometheusRule, whose comparison is computed here and, where promtool is, by Prometheus itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mlspec.__main__ import main
from mlspec.compiler import Request, compile_specs

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

HOME = Path(os.environ.get("MLSPEC_JUDGES", Path.home() / ".cache" / "mlspec-judges"))
PROMTOOL = shutil.which("promtool", path=os.pathsep.join([str(HOME / "bin"), str(HOME), os.environ["PATH"]]))
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32

BOUNDS: dict[str, tuple[dict[str, Any], dict[str, bool]]] = {
    "least": ({"min": 0.25}, {"0.2499999": False, "0.25": True, "0.2500001": True}),
    "most": ({"max": 0.3}, {"0.2999999": True, "0.3": True, "0.3000001": False}),
    "between": ({"min": 0.1, "max": 0.3}, {"0.0999999": False, "0.1": True, "0.2": True, "0.3": True, "0.3000001": False}),
    "exactly": ({"equals": 0.7}, {"0.6999999": False, "0.7": True, "0.7000001": False}),
    "below-zero": ({"min": -0.5}, {"-0.5000001": False, "-0.5": True, "-0.4999999": True}),
    "share": ({"max": "5%"}, {"0.0499999": True, "0.05": True, "0.0500001": False}),
    "small": ({"max": 0.0001}, {"0.0000999": True, "0.0001": True, "0.0001001": False}),
    "whole": ({"min": 3}, {"2.9999999": False, "3": True, "3.0000001": True}),
}
"""Bounds that mean something on every kind of threshold, and values with whether they keep them."""
FEW = {"max": 0.3, "minSamples": 100}
RATED = {"metric": "errorRate", "max": "1%"}


def rule(on: str, bound: dict[str, Any]) -> dict[str, Any]:
    """Return a rule of a kind with a bound, on a value that tests can choose freely."""
    what: dict[str, dict[str, Any]] = {
        "evaluation": {"metric": "score"},
        "data": {"metric": "max", "column": "score"},
        "drift": {"metric": "psi", "column": "score"},
        "live": {"query": "custom_score", "name": "score"},
    }
    return {**what[on], **bound}


def thresholds() -> dict[str, dict[str, Any]]:
    """Return a threshold a rule, so that what a judge says of it is said of that rule."""
    made = {
        f"{on}-{name}": {"on": on, "rules": [rule(on, bound)]}
        for on in ("evaluation", "data", "drift", "live")
        for name, (bound, _) in BOUNDS.items()
        if not (on == "drift" and "equals" in bound)
    }
    for on in ("evaluation", "data", "drift"):
        made[f"{on}-few"] = {"on": on, "rules": [rule(on, FEW)]}
    for on in ("evaluation", "data", "drift", "live"):
        made[f"{on}-mild"] = {"on": on, "rules": [rule(on, {"max": 0.3, "severity": "warn"})]}
        made[f"{on}-told"] = {"on": on, "mode": "report", "rules": [rule(on, {"max": 0.3})]}
    evaluation = {
        "each": {"metric": "score", "min": 0.7, "forEach": "plan"},
        "gap": {"metric": "score", "maxGap": 0.08, "across": "plan"},
        "champion": {"metric": "auc", "noWorseThan": "champion"},
        "champion-nearly": {"metric": "auc", "noWorseThan": "champion", "tolerance": 0.005},
        "champion-share": {"metric": "auc", "noWorseThan": "champion", "tolerance": "1%"},
        "champion-loss": {"metric": "loss", "noWorseThan": "champion", "tolerance": 0.005},
    }
    data = {
        "each": {"metric": "max", "column": "score", "max": 0.3, "forEach": "plan"},
        "gap": {"metric": "max", "column": "score", "maxGap": 0.25, "across": "plan"},
        "nulls": {"metric": "nullRatio", "column": "score", "max": "25%"},
        "rows": {"metric": "rows", "min": 4},
        "age": {"metric": "age", "column": "seen", "max": "36h"},
    }
    made |= {f"evaluation-{name}": {"on": "evaluation", "rules": [entry]} for name, entry in evaluation.items()}
    made |= {f"data-{name}": {"on": "data", "rules": [entry]} for name, entry in data.items()}
    made["live-rated"] = {"on": "live", "rules": [RATED]}
    return made


THRESHOLDS = thresholds()


def named(on: str) -> list[str]:
    return [name for name, threshold in THRESHOLDS.items() if threshold["on"] == on]


def spec() -> dict[str, Any]:
    """Return a spec in which every threshold is asked where its kind is asked."""
    run = ["fit", "${outputs.model}", "${outputs.metrics}", "${outputs.slices}"]
    steps: dict[str, Any] = {"fit": {"run": run, "outputs": {"model": "model", "metrics": "metrics", "slices": "slices"}}}
    steps |= {name: {"check": name, "data": "people"} for name in named("data")}
    steps |= {name: {"gate": name, "metrics": "steps.fit.metrics", "slices": "steps.fit.slices"} for name in named("evaluation")}
    steps["register"] = {"register": "m", "model": "steps.fit.model", "after": named("evaluation")}
    schema = {
        "score": {"type": "number", "nullable": True},
        "plan": {"type": "category", "values": ["a", "b"]},
        "seen": {"type": "timestamp"},
    }
    image = f"ghcr.io/shop/train@{DIGEST}"
    people = {"uri": "s3://b/people", "format": "parquet", "version": {"snapshot": "1"}, "schema": schema}
    drift = {"against": "people", "current": "s3://b/requests", "every": "30m", "image": image}
    bias = {"across": "plan", "metric": "selectionRate", "maxGap": 0.08}
    return {
        "apiVersion": "mlspec.dev/v1",
        "name": "shop",
        "owner": {"team": "search"},
        "platform": {"ci": [], "gitops": "none"},
        "environments": {"live": {"namespace": "shop"}},
        "datasets": {"people": people},
        "models": {"m": {"framework": "xgboost", "version": "1.0.0", "uri": "s3://b/m", "trainedBy": "train"}},
        "thresholds": THRESHOLDS,
        "pipelines": {"train": {"image": image, "steps": steps}},
        "serving": {"m": {"model": "m", "expose": {"host": "m.shop.example"}}},
        "monitoring": {"m": {"alerts": [*named("drift"), *named("live")], "drift": drift, "bias": bias}},
    }


class Shop(NamedTuple):
    """The compiled project."""

    folder: Path
    spec: Path
    programs: Path
    rules: dict[str, Any]
    """What the operator gives to Prometheus."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    (folder / ".git").mkdir()
    file = folder / "mlspec.yaml"
    file.write_text(yaml.safe_dump(spec(), sort_keys=False), encoding="utf-8")
    outcome = compile_specs(Request((file,)))
    assert [one for one in outcome.diagnostics if one.severity == "error"] == []
    texts = {path: data.decode() for path, data in outcome.projects[0].tree.items()}
    objects = [entry for path, text in texts.items() if path.endswith(".yaml") for entry in yaml.safe_load_all(text) if entry]
    programs = folder / "programs"
    programs.mkdir()
    (data,) = [one["data"] for one in objects if one["kind"] == "ConfigMap" and "gate.py" in one.get("data", {})]
    for name, text in data.items():
        (programs / name).write_text(text, encoding="utf-8")
    (rules,) = [one["spec"] for one in objects if one["kind"] == "PrometheusRule"]
    return Shop(folder, file, programs, rules)


# What each judge says. True is "kept": exit 0, or an alert that stays silent.


class Asked(NamedTuple):
    """A threshold, what it is asked about, and what everyone has to say."""

    threshold: str
    kept: bool
    arguments: dict[str, str]
    """Options of the programs and of the command."""


def command(shop: Shop, asked: Asked) -> bool:
    """Return what `mlspec gate` says."""
    given = {key: value for key, value in asked.arguments.items() if key != "dataset"}
    options = [word for key, value in given.items() for word in (f"--{key}", value)]
    if "data" in given:
        options += ["--dataset", "people"]
    return {0: True, 1: False}[main(["gate", asked.threshold, str(shop.spec), *options, "--format", "json"])]


DRIVER = """
import contextlib, importlib, io, json, sys
sys.path.insert(0, sys.argv[1])
for program, arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            status = importlib.import_module(program).main(arguments)
        except SystemExit as stopped:
            status = stopped.code
    print(status)
"""


def step(shop: Shop, every: list[Asked]) -> list[bool]:
    """Return what the programs of the ConfigMap say, all in one process that has nothing of mlspec."""
    runs = []
    for asked in every:
        rules = str(shop.programs / f"rules-{asked.threshold}.json")
        more = {"dataset": str(shop.programs / "dataset-people.json")} if "data" in asked.arguments else {}
        options = {"rules": rules, **asked.arguments, **more}
        runs.append(["check_data" if more else "gate", [word for key, value in options.items() for word in (f"--{key}", value)]])
    surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    driver = [sys.executable, "-c", DRIVER, str(shop.programs)]
    done = subprocess.run(driver, input=json.dumps(runs), capture_output=True, text=True, check=False, cwd=shop.programs, env=surroundings)
    said = done.stdout.split()
    assert len(said) == len(every), done.stderr
    return [{"0": True, "1": False}[status] for status in said]


def agree(shop: Shop, every: list[Asked]) -> None:
    """Hold the command and the step against what has to be said."""
    wrong = []
    for asked, stepped in zip(every, step(shop, every), strict=True):
        said = {"command": command(shop, asked), "step": stepped}
        if set(said.values()) != {asked.kept}:
            wrong.append((asked, said))
    assert wrong == []


class Metrics:
    """Writes files of metrics."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def __call__(self, text: str) -> str:
        file = self._folder / f"{len(list(self._folder.iterdir()))}.json"
        file.write_text(text, encoding="utf-8")
        return str(file)


def people(folder: Path, columns: dict[str, list[Any]]) -> str:
    """Write a dataset; what is not given is harmless."""
    folder.mkdir(exist_ok=True)
    rows = len(next(iter(columns.values())))
    whole = {"score": [0.2] * rows, "plan": ["a"] * rows, "seen": [NOW] * rows, **columns}
    file = folder / f"{len(list(folder.iterdir()))}.parquet"
    pq.write_table(pa.table(whole), file)
    return str(file)


@pytest.mark.parametrize("name", BOUNDS)
def test_the_oracle_is_arithmetic(name: str) -> None:
    bound, values = BOUNDS[name]
    assert len(set(values.values())) == 2
    for value, kept in values.items():
        numbers = {key: Decimal(str(one).rstrip("%")) / (100 if "%" in str(one) else 1) for key, one in bound.items()}
        least, most = numbers.get("min", numbers.get("equals")), numbers.get("max", numbers.get("equals"))
        assert ((least is None or Decimal(value) >= least) and (most is None or Decimal(value) <= most)) == kept


def test_bounds_of_evaluations(shop: Shop, tmp_path: Path) -> None:
    write = Metrics(tmp_path / "m")
    every = [
        Asked(f"evaluation-{name}", kept, {"metrics": write(f'{{"score": {value}}}')})
        for name, (_, values) in BOUNDS.items()
        for value, kept in values.items()
    ]
    every += [
        Asked(f"evaluation-{name}", False, {"metrics": write(text)})
        for name in BOUNDS
        for text in ("{}", '{"score": NaN}', '{"score": null}', '{"score": "0.2"}', '{"score": Infinity}', "[]", "")
    ]
    for rows, kept in ((99, False), (100, True), (101, True)):
        every.append(Asked("evaluation-few", kept, {"metrics": write(f'{{"score": 0.2, "rows": {rows}}}')}))
    every.append(Asked("evaluation-few", False, {"metrics": write('{"score": 0.2}')}))
    agree(shop, every)


def test_slices_of_evaluations(shop: Shop, tmp_path: Path) -> None:
    write = Metrics(tmp_path / "m")

    def parts(**values: str) -> dict[str, str]:
        inside = ", ".join(f'"{key}": {{"score": {value}}}' for key, value in values.items())
        return {"metrics": write('{"score": 0.9}'), "slices": write(f'{{"plan": {{{inside}}}}}')}

    within = parts(a="0.7", b="0.9")
    joined = {"metrics": write(json.dumps({"score": 0.9, "slices": json.loads(Path(within["slices"]).read_text())}))}
    agree(
        shop,
        [
            Asked("evaluation-each", kept=True, arguments=within),
            Asked("evaluation-each", kept=True, arguments=joined),
            Asked("evaluation-each", kept=True, arguments=parts(a="0.7000001")),
            Asked("evaluation-each", kept=False, arguments=parts(a="0.9", b="0.6999999")),
            Asked("evaluation-each", kept=False, arguments=parts(a="0.9", b="NaN")),
            Asked("evaluation-each", kept=False, arguments=parts()),
            Asked("evaluation-gap", kept=True, arguments=parts(a="0.3", b="0.38")),
            Asked("evaluation-gap", kept=True, arguments=parts(a="0.3799999", b="0.3")),
            Asked("evaluation-gap", kept=False, arguments=parts(a="0.3", b="0.3800001", c="0.35")),
            Asked("evaluation-gap", kept=False, arguments=parts(a="0.3")),
        ],
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("champion", {"0.8999999": False, "0.9": True, "0.9000001": True}),
        ("champion-nearly", {"0.8949999": False, "0.895": True, "0.8950001": True}),
        ("champion-share", {"0.8909999": False, "0.891": True, "0.8910001": True}),
        ("champion-loss", {"0.9049999": True, "0.905": True, "0.9050001": False}),
    ],
)
def test_no_worse_than_the_champion(shop: Shop, tmp_path: Path, name: str, values: dict[str, bool]) -> None:
    write = Metrics(tmp_path / "m")
    champion = write('{"auc": 0.9, "loss": 0.9}')
    metric = THRESHOLDS[f"evaluation-{name}"]["rules"][0]["metric"]
    every = [
        Asked(f"evaluation-{name}", kept, {"metrics": write(f'{{"{metric}": {value}}}'), "champion": champion})
        for value, kept in values.items()
    ]
    every.append(Asked(f"evaluation-{name}", False, {"metrics": write(f'{{"{metric}": 0.9}}'), "champion": write("{}")}))
    agree(shop, every)


def test_bounds_of_data(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    every = [
        Asked(f"data-{name}", kept, {"data": people(folder, {"score": [float(value), float(value)]})})
        for name, (_, values) in BOUNDS.items()
        for value, kept in values.items()
    ]
    every += [Asked(f"data-{name}", False, {"data": people(folder, {"score": pa.array([None], pa.float64())})}) for name in BOUNDS]
    for rows, kept in ((99, False), (100, True), (101, True)):
        every.append(Asked("data-few", kept, {"data": people(folder, {"score": [0.2] * rows})}))
    agree(shop, every)


def test_what_only_data_has(shop: Shop, tmp_path: Path) -> None:
    folder, plans = tmp_path / "d", ["a", "a", "b", "b"]
    asked = [
        ("each", True, {"score": [0.1, 0.3, 0.1, 0.3], "plan": plans}),
        ("each", False, {"score": [0.1, 0.3, 0.1, 0.3000001], "plan": plans}),
        ("gap", True, {"score": [0.1, 0.5, 0.1, 0.25], "plan": plans}),
        ("gap", True, {"score": [0.1, 0.5, 0.1, 0.2500001], "plan": plans}),
        ("gap", False, {"score": [0.1, 0.5, 0.1, 0.2499999], "plan": plans}),
        ("nulls", True, {"score": [0.1, 0.1, 0.1, None]}),
        ("nulls", True, {"score": [0.1, 0.1, 0.1, 0.1, None]}),
        ("nulls", False, {"score": [0.1, 0.1, None]}),
        ("rows", False, {"score": [0.1] * 3}),
        ("rows", True, {"score": [0.1] * 4}),
        ("rows", True, {"score": [0.1] * 5}),
    ]
    every = [Asked(f"data-{name}", kept, {"data": people(folder, columns)}) for name, kept, columns in asked]
    for beyond, kept in ((-1, True), (0, True), (1, False)):
        seen = NOW - timedelta(hours=36, microseconds=beyond)
        every.append(Asked("data-age", kept, {"data": people(folder, {"seen": [seen]}), "now": NOW.isoformat()}))
    agree(shop, every)


@pytest.mark.parametrize("way", ["mild", "told"])
def test_what_only_warns_stops_neither_command_nor_step(shop: Shop, tmp_path: Path, way: str) -> None:
    metrics = Metrics(tmp_path / "m")('{"score": 9}')
    data = people(tmp_path / "d", {"score": [9.0]})
    agree(shop, [Asked(f"evaluation-{way}", True, {"metrics": metrics}), Asked(f"data-{way}", True, {"data": data})])
    severity = {"mild": "warning", "told": "info"}[way]
    assert {alert["labels"]["severity"] for on in ("drift", "live") for alert in alerts(shop, f"{on}-{way}")} == {severity}


# Alerts. They fire beyond a bound only: on a bound, on nothing, on NaN and on too few samples they are silent. What is not measured
# passes no gate either way, and has alerts of its own.

DRIFT = 'mlspec_drift{project="shop",environment="live",endpoint="m",column="score",metric="psi"}'
ROWS = 'mlspec_monitor_rows{project="shop",environment="live",endpoint="m",job="mlspec-drift"}'
BIAS = 'mlspec_bias{project="shop",environment="live",endpoint="m"}'
WHERE = 'reporter="source",destination_service_namespace="shop",destination_service_name="m-predictor"'
SERIES = {"drift": DRIFT, "live": "custom_score"}


def alerts(shop: Shop, threshold: str) -> list[dict[str, Any]]:
    every = [one for group in shop.rules["groups"] for one in group["rules"]]
    return [one for one in every if one.get("labels", {}).get("threshold") == threshold]


class Measured(NamedTuple):
    """Series as they are when an alert is asked, and whether it has to be silent."""

    select: str
    expr: str
    series: dict[str, str]
    silent: bool


def measured(shop: Shop) -> list[Measured]:
    """Return every alert on every value."""
    every = []
    for threshold in (*named("drift"), *named("live")):
        on, _, name = threshold.partition("-")
        for alert in alerts(shop, threshold) if name in BOUNDS else ():
            select = f'threshold="{threshold}"'
            every += [Measured(select, alert["expr"], {SERIES[on]: value}, kept) for value, kept in BOUNDS[name][1].items()]
            every += [Measured(select, alert["expr"], {SERIES[on]: "NaN"}, True), Measured(select, alert["expr"], {}, True)]
    (few,) = alerts(shop, "drift-few")
    for value, rows, silent in (("0.3", 100, True), ("0.3000001", 99, True), ("0.3000001", 100, False), ("0.3000001", 101, False)):
        every.append(Measured('threshold="drift-few"', few["expr"], {DRIFT: value, ROWS: str(rows)}, silent))
    (bias,) = [one for group in shop.rules["groups"] for one in group["rules"] if one.get("alert") == "BiasBeyondBound"]
    for value, kept in {"0.0799999": True, "0.08": True, "0.0800001": False}.items():
        every.append(Measured('alertname="BiasBeyondBound"', bias["expr"], {BIAS: value}, kept))
    return every


def holds(expr: str, series: dict[str, str]) -> bool:
    """Compute an expression that compares series with numbers, exactly; what is not there or is NaN holds nowhere."""
    for name in re.findall(r"(?:min|max)\([^()]*\)|custom_score", expr):
        inner = name.partition("(")[2].removesuffix(")") or name
        expr = expr.replace(name, series.get(inner, "NaN"))
    words = re.findall(r"[()]|[<>]=?|and|or|[-\w.]+", expr)
    assert "".join(words) == expr.replace(" ", "")
    numbers = [repr(Decimal(word)) if re.fullmatch(r"-?[\d.]+|NaN", word) else word for word in words]
    return bool(eval(" ".join(numbers), {"Decimal": Quiet}))


class Quiet(Decimal):
    """A number of which NaN compares with nothing, as in PromQL."""

    def __lt__(self, other: Any) -> bool:
        return not (self.is_nan() or other.is_nan()) and super().__lt__(other)

    def __gt__(self, other: Any) -> bool:
        return not (self.is_nan() or other.is_nan()) and super().__gt__(other)

    def __ge__(self, other: Any) -> bool:
        return not (self.is_nan() or other.is_nan()) and super().__ge__(other)


def test_every_threshold_that_is_watched_has_its_alert(shop: Shop) -> None:
    assert [name for name in (*named("drift"), *named("live")) if len(alerts(shop, name)) != 1] == []


def test_alerts_compare_as_gates_do(shop: Shop) -> None:
    every = measured(shop)
    assert {one.silent for one in every} == {True, False}
    assert [one for one in every if holds(one.expr, one.series) == one.silent] == []


@pytest.mark.conformance
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: set MLSPEC_JUDGES, or install prometheus")
def test_prometheus_compares_as_gates_do(shop: Shop, tmp_path: Path) -> None:
    every = measured(shop)
    for bad, silent in ((9, True), (10, True), (11, False)):  # of 1000 requests a minute, against at most 1%
        counters = {
            f'istio_requests_total{{{WHERE},response_code="{code}"}}': f"0+{more}x20" for code, more in ((503, bad), (200, 1000 - bad))
        }
        every.append(Measured('threshold="live-rated"', "", counters, silent))
    tests = []
    for one in every:
        series = [{"series": key, "values": value if "+" in value else " ".join([value] * 20)} for key, value in one.series.items()]
        expr = f'(count(ALERTS{{alertstate="firing",{one.select}}}) > bool 0) or vector(0)'
        asked = {"expr": expr, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": int(not one.silent)}]}
        tests.append({"name": f"{one.select} {one.series}", "interval": "1m", "input_series": series, "promql_expr_test": [asked]})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(shop.rules), encoding="utf-8")
    written = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_step_runs_what_was_judged_here(shop: Shop) -> None:
    """Every threshold that a step names travels with it, as the command reads it."""
    from mlspec.examine import examine
    from mlspec.plan.rules import rules_of

    (plan,) = examine(shop.spec, shop.folder, str, {}).plans
    for name in (*named("evaluation"), *named("data")):
        assert json.loads((shop.programs / f"rules-{name}.json").read_text(encoding="utf-8")) == rules_of(plan, name)
