import pytest

from checks.asset_subjects import examine, shown
from mlspec.checks import steps
from mlspec.checks.order import cycles
from mlspec.checks.pipelines import CHECKS
from mlspec.checks.references import unknown_name
from mlspec.checks.subject import Subject
from mlspec.location import Mark, SourceText
from mlspec.spec.pipelines import STEP_KINDS

HEAD = "models: {m: {framework: sklearn, version: '1', uri: s3://m}}\ndatasets: {d: {uri: s3://d, version: {delta: 1}}}\n"
MAKE = "  make: {run: 'x ${outputs.model} ${outputs.metrics}', outputs: {model: model, metrics: metrics}}\n"


def pipeline(text, more=""):
    return HEAD + f"pipelines:\n p:\n  image: a/b:1\n{more}  steps:\n" + "".join(f"  {line}\n" for line in text.splitlines())


CASES = [
    ("  a: {run: '${outputs.x}'}", ["E410 run '${outputs.x}'"]),
    (MAKE + "  a: {run: '${steps.make.modle}'}", ["E410 run '${steps.make.modle}'"]),
    (MAKE + "  a: {register: m, model: steps.make.modle}", ["E410 model steps.make.modle"]),
    (MAKE + "  a: {run: '${steps.make.modle} ${steps.make.modle}'}", ["E410 run '${steps.make.modle} ${steps.make.modle}'"]),
    ("  a: {run: '${inputs.x}'}", ["E411 run '${inputs.x}'"]),
    ("  a: {run: [x, y], env: {A: '${inputs.x}'}}", ["E411 env/A '${inputs.x}'"]),
    ("  a: {run: '${params.x}'}", ["E412 run '${params.x}'"]),
    ("  a: {run: '${inputs.i}', inputs: {i: params.x}}", ["E412 inputs/i params.x"]),
    ("  a: {notebook: n.ipynb, parameters: {x: '${params.x}'}}", ["E412 parameters/x '${params.x}'"]),
    ("  a: {run: '${inputs.d.uri}', inputs: {d: datasets.d}}", ["E413 run '${inputs.d.uri}'"]),
    (MAKE + "  a: {run: '${steps.make.best.x}'}", ["E413 run '${steps.make.best.x}'"]),
    (MAKE + "  a: {run: '${steps.make}'}", ["E413 run '${steps.make}'"]),
    ("  a: {run: x, timeout: '${params.x}'}", ["E414 timeout '${params.x}'"]),
    ("  a: {check: q, data: d, env: {A: '${inputs.x}'}}", ["E414 env/A '${inputs.x}'"]),
    (MAKE + "  a: {register: m, model: steps.make.metrics}", ["E415 model steps.make.metrics"]),
    (MAKE + "  a: {run: '$${inputs.x} ${HOME}'}", []),
    (MAKE + "  a: {use: make, retries: 2, after: [make]}", []),
    (MAKE + "  b: {use: make, run: 'x ${outputs.modle}'}", ["E410 run 'x ${outputs.modle}'"]),
]
QUALITY = "thresholds: {q: {on: data, rules: [{metric: rows, min: 1}]}}\n"


@pytest.mark.parametrize(("text", "rows"), CASES)
def test_references_in_steps(text, rows):
    found = [row.split(" ", 2) for row in shown(QUALITY * ("check" in text) + pipeline(text))]
    found = [(code, "/".join(path.split("/")[4:]), excerpt) for code, path, excerpt in found]
    assert [" ".join(row) for row in found] == rows


TUNE = (
    "  t: {tune: {objective: {metric: auc, goal: maximize}, trials: {max: 4}, search: {depth: {int: [1, 3]}}}, run: 'x ${params.depth}'}\n"
)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (TUNE + "  a: {run: 'x ${steps.t.best.depth}'}", []),
        (TUNE + "  a: {run: 'x ${steps.t.best.dept}'}", ["E412"]),
        (TUNE + "  a: {run: 'x ${steps.t.best}'}", ["E413"]),
        (TUNE + "  a: {run: 'x ${inputs.b}', inputs: {b: steps.t.best}}", ["E410"]),
        (TUNE, ["W414"]),
        (TUNE.replace("depth}'", "dept}'") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E412"]),
        (TUNE.replace(" ${params.depth}", "") + "  a: {run: 'x ${steps.t.best.depth}'}", ["W411"]),
        (TUNE.replace("max: 4", "max: 4, failed: 5") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E224"]),
        (TUNE.replace("[1, 3]", "[3, 3]") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E222"]),
        (TUNE.replace("[1, 3]", "[1, 2.5]") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E225"]),
        (TUNE.replace("int: [1, 3]", "int: [1, 3], double: [1, 2]") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E221"]),
        (TUNE.replace("int: [1, 3]", "categorical: [1, 3], scale: log") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E225"]),
        (TUNE.replace("int: [1, 3]", "categorical: [1, 1]") + "  a: {run: 'x ${steps.t.best.depth}'}", ["E220"]),
    ],
)
def test_tuning(text, codes):
    assert [row[:4] for row in shown(pipeline(text))] == codes


def test_a_cycle_prints_its_way_and_its_edges():
    text = pipeline(
        "  a: {run: x, after: [b]}\n  b: {run: '${inputs.i}', inputs: {i: steps.c.o}}\n"
        "  c: {run: '${outputs.o} ${steps.a.p}', outputs: {o: file}}"
    )
    cycle, output = sorted(examine(text), key=lambda d: d.code != "MLS-E416")
    assert (cycle.message, cycle.path) == ("the steps wait for each other: a → b → c → a", "pipelines/p/steps/a/after/0")
    assert [one.message for one in cycle.related] == ["`b` waits for `c`", "`c` waits for `a`"]
    assert output.code == "MLS-E410"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("  a: {run: x, after: [a]}", ["E416 pipelines/p/steps/a/after/0 a"]),
        ("  a: {use: a}", ["E419 pipelines/p/steps/a/use a"]),
        ("  a: {use: b}\n  b: {use: a}", ["E419 pipelines/p/steps/a/use b"]),
        (
            "  a: {run: x, after: [b]}\n  b: {run: x, after: [a]}\n" + "  c: {run: x, after: [a]}\n  d: {run: x, after: [d]}",
            ["E416 pipelines/p/steps/a/after/0 b", "E416 pipelines/p/steps/d/after/0 d"],
        ),
    ],
)
def test_circles(text, rows):
    assert shown(pipeline(text)) == rows


def test_pipelines_in_a_circle():
    steps_ = "image: a/b:1, steps: {a: {run: x}}"
    text = f"pipelines:\n p: {{on: [{{pipeline: q}}], {steps_}}}\n q: {{on: [{{pipeline: p}}], {steps_}}}\n"
    text += f" r: {{on: [{{pipeline: r}}], {steps_}}}"
    assert shown(text) == ["E417 pipelines/p/on/0/pipeline q", "E417 pipelines/r/on/0/pipeline r"]


def test_a_chain_of_ten_thousand_steps_is_walked_without_recursion():
    edges = {str(n): [(str(n - 1), ("after", 0))] if n else [] for n in range(10_000)}
    assert list(cycles(edges)) == []
    edges["0"] = [("9999", ("x",))]
    (cycle,) = cycles(edges)
    assert len(cycle) == 10_000
    chain = {f"s{n}": {"run": "x", "after": [f"s{n - 1}"] if n else []} for n in range(10_000)}
    tree = {"pipelines": {"p": {"image": "a/b:1", "steps": chain}}}
    subject = Subject(tree, Mark(SourceText("", ""), 0, 0), "default", "x", {}, {})
    assert [finding for check in (*CHECKS, unknown_name) for finding in check(subject)] == []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("  a: {run: x, inputs: {i: datasets.d}}", ["W412 inputs/i i"]),
        ("  a: {run: x, outputs: {o-p: file}}", ["W413 outputs/o-p o-p"]),
        ("  a: {run: 'x $MLSPEC_OUTPUT_O_P', outputs: {o-p: file}}", []),
        ("  a: {run: x, score: m, data: d, output: s3://x}", ["W413 output output"]),
        ("  a: {notebook: n.ipynb, inputs: {i: datasets.d}, outputs: {o: file}}", []),
    ],
)
def test_what_is_declared_and_never_used(text, rows):
    found = [row.split(" ", 2) for row in shown(pipeline(text))]
    assert [f"{code} {'/'.join(path.split('/')[4:])} {excerpt}" for code, path, excerpt in found] == rows


def test_steps_without_image_are_one_error():
    (said,) = examine("pipelines: {p: {steps: {a: {run: x}, b: {run: x}, c: {run: x, image: 'a/b:1'}}}}")
    assert (said.code, said.path, len(said.related)) == ("MLS-E418", "pipelines/p/steps/a", 1)


def test_a_gate_runs_in_the_runners_image():
    text = "datasets: {d: {uri: s3://d, version: {delta: 1}}}\npipelines: {p: {steps: {a: {check: q, data: d}}}}\n" + QUALITY
    assert [row[:4] for row in shown(text)] == ["E418"]
    assert shown("platform: {runner: {image: 'a/b:1'}}\n" + text) == []


def test_the_kinds_of_steps_are_those_of_the_language():
    assert steps.KINDS == STEP_KINDS


def test_a_used_step_is_merged():
    made = steps.whole_step({"a": {"run": "x", "env": {"A": "1", "B": "2"}, "after": ["z"]}, "b": {"use": "a", "env": {"B": "3"}}}, "b")
    assert made == {"run": "x", "env": {"A": "1", "B": "3"}}
