"""Steps of pipelines: what they read and write, what their strings refer to, what they run in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.checks.references import offer
from mlspec.checks.steps import (
    IDLE,
    RUNNING,
    Tree,
    inputs_of,
    kind_of,
    links,
    mentions,
    outputs_of,
    pipelines,
    running_mentions,
    searched,
    strings,
    whole_step,
)
from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path, format_path

_WANTED = {"metrics": "metrics", "slices": "slices", "champion": "metrics", "model": "model"}
_CONTAINERS = ("run", "distributed", "tune", "score", "notebook")


def _steps(subject: Subject) -> Iterator[tuple[Path, Tree, Tree, Tree, Tree]]:
    """Yield each step: its path, the step as written, as it is with ``use``, its siblings, its pipeline.

    Steps whose ``use`` leads nowhere are left out; unknown-name and use-circle speak of them.
    """
    for name, pipeline, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            whole = whole_step(steps, step)
            if whole is not None:
                yield ("pipelines", name, "steps", step), written, whole, steps, pipeline


@code("MLS-E410", "unknown-output")
def unknown_output(subject: Subject) -> Iterator[Found]:
    """An output that is read or mentioned must be declared by its step.

    `steps.STEP.OUTPUT` names an output of another step, `${outputs.OUTPUT}` one of the step itself; both come from the step's
    `outputs`. The best parameters of a `tune` step are read as `${steps.STEP.best.PARAMETER}`.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare, "${outputs.table}"], outputs: {table: parquet}}
              fit: {run: [fit, "${inputs.table}"], inputs: {table: steps.prepare.tabel}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare, "${outputs.table}"], outputs: {table: parquet}}
              fit: {run: [fit, "${inputs.table}"], inputs: {table: steps.prepare.table}}
    """
    for path, written, whole, steps, _ in _steps(subject):
        named = [(link.path, link.step, link.output, f"steps.{link.step}.{link.output}") for link in links(written, path)]
        for mention in running_mentions(written, path):
            parts = mention.parts
            if parts[0] == "outputs" and len(parts) == 2 and parts[1] not in outputs_of(whole):
                advice = offer(parts[1], outputs_of(whole), f"declare it under `outputs` of `{path[-1]}`")
                yield Found(
                    mention.path,
                    f"`{mention.text}` names an output that the step `{path[-1]}` does not declare",
                    advice,
                    label="no output of that name",
                )
            elif parts[0] == "steps" and len(parts) == 3:
                named.append((mention.path, parts[1], parts[2], mention.text))
        told: set[tuple[Any, ...]] = set()
        for place, step, output, text in named:
            source = whole_step(steps, step)
            if source is None or output in outputs_of(source) or (place, text) in told:
                continue
            told.add((place, text))
            if output == "best" and searched(source):
                if place[len(path)] in RUNNING:
                    continue
                advice = f"read single parameters as ${{steps.{step}.best.{next(iter(searched(source)))}}} in `run`"
            else:
                advice = offer(output, outputs_of(source), f"declare it under `outputs` of `{step}`")
            related = (((*path[:3], step), f"the step `{step}`"),)
            yield Found(
                place,
                f"`{text}` names an output that the step `{step}` does not declare",
                advice,
                label="no output of that name",
                related=related,
            )


@code("MLS-E411", "unknown-input")
def unknown_input(subject: Subject) -> Iterator[Found]:
    """`${inputs.NAME}` must name an input that the step declares.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${inputs.raw}", "${inputs.rwa}"], inputs: {raw: datasets.customers}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${inputs.raw}"], inputs: {raw: datasets.customers}}
    """
    for path, written, whole, _, _ in _steps(subject):
        known = inputs_of(whole)
        for mention in running_mentions(written, path):
            if mention.parts[0] == "inputs" and len(mention.parts) == 2 and mention.parts[1] not in known:
                advice = offer(mention.parts[1], known, f"declare it under `inputs` of `{path[-1]}`")
                yield Found(
                    mention.path,
                    f"`{mention.text}` names an input that the step `{path[-1]}` does not declare",
                    advice,
                    label="no input of that name",
                )


@code("MLS-E412", "unknown-parameter")
def unknown_parameter(subject: Subject) -> Iterator[Found]:
    """A parameter that is read must be one of the pipeline, or one that the tune step searches.

    `${params.NAME}` and the input `params.NAME` read a parameter of the pipeline; within a `tune` step also a searched one.
    `${steps.STEP.best.NAME}` reads one that the tune step STEP searched.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {depth: 6}
            steps: {fit: {run: [fit, "${params.depth}", "${params.dept}"]}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {depth: 6}
            steps: {fit: {run: [fit, "${params.depth}"]}}
    """
    for path, written, whole, steps, pipeline in _steps(subject):
        own = pipeline.get("parameters") or {}
        asked = [(m.path, m.parts[1], m.text) for m in running_mentions(written, path) if m.parts[0] == "params" and len(m.parts) == 2]
        for name, reference in (written.get("inputs") or {}).items():
            if reference.startswith("params."):
                asked.append(((*path, "inputs", name), reference[7:], reference))
        for place, parameter, text in asked:
            if parameter not in own and parameter not in searched(whole):
                advice = offer(parameter, {**own, **searched(whole)}, f"add it to `parameters` of `{path[1]}`")
                yield Found(
                    place,
                    f"`{text}` names a parameter that the pipeline `{path[1]}` does not have",
                    advice,
                    label="no parameter of that name",
                )
        for mention in running_mentions(written, path):
            if mention.parts[0] != "steps" or len(mention.parts) != 4 or mention.parts[2] != "best":
                continue
            search = searched(whole_step(steps, mention.parts[1]) or {})
            if search and mention.parts[3] not in search:
                advice = offer(mention.parts[3], search, f"search it in `{mention.parts[1]}`")
                yield Found(
                    mention.path,
                    f"`{mention.text}` names a parameter that `{mention.parts[1]}` does not search",
                    advice,
                    label="not searched",
                )


@code("MLS-E413", "malformed-run-time-reference")
def malformed_run_time_reference(subject: Subject) -> Iterator[Found]:
    """A run-time reference has one of five forms.

    `${params.NAME}`, `${inputs.NAME}`, `${outputs.NAME}`, `${steps.STEP.OUTPUT}`, and `${steps.STEP.best.PARAMETER}` where STEP
    is a `tune` step.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare, "${outputs.table}"], outputs: {table: parquet}}
              fit: {run: [fit, "${steps.prepare.table}", "${steps.prepare.table.uri}"]}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare, "${outputs.table}"], outputs: {table: parquet}}
              fit: {run: [fit, "${steps.prepare.table}"]}
    """
    for path, written, _, steps, _ in _steps(subject):
        for mention in running_mentions(written, path):
            root, *rest = mention.parts
            source = whole_step(steps, rest[0]) if root == "steps" else None
            if root != "steps":
                wrong = len(rest) != 1
                advice = f"write ${{{root}.{rest[0]}}}"
            elif source is None:
                continue
            elif len(rest) == 2 and rest[1] == "best" and searched(source) and "best" not in outputs_of(source):
                wrong, advice = True, f"name one parameter: ${{steps.{rest[0]}.best.{next(iter(searched(source)))}}}"
            elif len(rest) == 3 and rest[1] == "best":
                wrong, advice = (
                    not searched(source),
                    f"`best` belongs to `tune` steps, and `{rest[0]}` is a `{kind_of(source)}` step; name one of its outputs",
                )
            else:
                wrong, advice = len(rest) != 2, "write ${steps.STEP.OUTPUT}"
            if wrong:
                yield Found(mention.path, f"`{mention.text}` is not a form of run-time reference", advice, label="not one of the forms")


@code("MLS-E414", "run-time-reference-here")
def run_time_reference_here(subject: Subject) -> Iterator[Found]:
    """A run-time reference can stand only in what a step runs: `run`, `env`, `parameters` of a notebook, `output`.

    Images, resources, timeouts and names are written into the manifests before anything runs. `check`, `gate` and `register`
    steps run nothing of their own.

    Bad::

        pipelines:
          train:
            parameters: {tag: "1.0"}
            steps: {fit: {run: [fit, "${params.tag}"], image: "ghcr.io/acme/train:${params.tag}"}}

    Good::

        vars: {tag: "1.0"}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
    """
    for name, _, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            kind = kind_of(whole_step(steps, step) or written)
            for field, value in written.items():
                if field in RUNNING and kind not in IDLE:
                    continue
                for mention in mentions(value, ("pipelines", name, "steps", step, field)):
                    said = f"`{mention.text}` is known only while the pipeline runs, and `{field}` is fixed before"
                    if field in RUNNING:
                        said = f"`{mention.text}` stands in a `{kind}` step, which runs nothing of its own"
                    advice = "use a value that is known before: vars, env, datasets or models"
                    yield Found(mention.path, said, advice, label="fixed before the run")


@code("MLS-E415", "output-kind")
def output_kind(subject: Subject) -> Iterator[Found]:
    """What a gate or a registration reads must be of the right kind.

    `metrics` and `champion` read an output of kind metrics, `slices` one of kind slices, `model` one of kind model.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: file}}
              register: {register: churn, model: steps.fit.model}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}
    """
    for path, written, _, steps, _ in _steps(subject):
        for link in links(written, path):
            wanted = _WANTED.get(link.field)
            source = whole_step(steps, link.step) if wanted else None
            kind = outputs_of(source).get(link.output) if source is not None else None
            if kind is None or kind == wanted:
                continue
            fitting = [f"steps.{name}.{o}" for name in steps for o, k in outputs_of(whole_step(steps, name) or {}).items() if k == wanted]
            advice = (
                f"name one of kind {wanted}: {', '.join(fitting[:6])}"
                if fitting
                else f"write its kind as {wanted}, if that is what it holds"
            )
            said = f"`{format_path(link.path)}` reads `steps.{link.step}.{link.output}` of kind {kind}, expected kind {wanted}"
            related = (((*path[:3], link.step, "outputs", link.output), f"declared as {kind}"),)
            yield Found(link.path, said, advice, label=f"of kind {kind}", related=related)


@code("MLS-E418", "step-without-image")
def step_without_image(subject: Subject) -> Iterator[Found]:
    """A step that runs a container must have an image: its own or its pipeline's.

    `check`, `gate` and `register` run in `platform.runner.image` where that is set.

    Bad::

        pipelines: {train: {steps: {fit: {run: [fit]}}}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
    """
    runner = _runner_image(subject)
    without: dict[Path, list[str]] = {}
    for path, _, whole, _, pipeline in _steps(subject):
        if "image" in whole or "image" in pipeline or (runner and kind_of(whole) not in _CONTAINERS):
            continue
        without.setdefault(path[:2], []).append(str(path[-1]))
    for path, names in without.items():
        shown = ", ".join(f"`{name}`" for name in names[:6]) + (" and more" if len(names) > 6 else "")
        many = len(names) > 1
        said = f"the step{'s' if many else ''} {shown} of the pipeline `{path[1]}` {'have' if many else 'has'} no image"
        related = tuple(((*path, "steps", name), "no image either") for name in names[1:6])
        advice = f"write `image:` in the pipeline `{path[1]}`, or in {'each of them' if many else 'the step'}"
        yield Found((*path, "steps", names[0]), said, advice, on="key", label="no image", related=related)


def _runner_image(subject: Subject) -> Any:
    for key in ("runner.settings", "runner"):
        runner = subject.platform.get(key)
        if isinstance(runner, dict):
            return runner.get("image")
    return (subject.tree.get("platform") or {}).get("runner", {}).get("image")


@code("MLS-E420", "input-taken")
def input_taken(subject: Subject) -> Iterator[Found]:
    """A `score` step brings its inputs `model` and `data` and its output `scores`; they cannot be declared again.

    Bad::

        datasets: {a: {uri: s3://d/a, version: {delta: 1}}, b: {uri: s3://d/b, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          nightly:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              score:
                score: churn
                data: a
                output: s3://d/scores
                inputs: {data: datasets.b}
                run: [score, "${inputs.model}", "${inputs.data}", "${outputs.scores}"]

    Good::

        datasets: {a: {uri: s3://d/a, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          nightly:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              score:
                score: churn
                data: a
                output: s3://d/scores
                run: [score, "${inputs.model}", "${inputs.data}", "${outputs.scores}"]
    """
    for path, written, whole, _, _ in _steps(subject):
        if "score" not in whole:
            continue
        for field, names in (("inputs", ("model", "data")), ("outputs", ("scores",))):
            for name in names:
                if name in (written.get(field) or ()):
                    said = f"`{field}.{name}` of the step `{path[-1]}` comes from `score` itself"
                    yield Found((*path, field, name), said, "give it another name", on="key", label="already there")


@code("MLS-W411", "unused-parameter", severity="warning")
def unused_parameter(subject: Subject) -> Iterator[Found]:
    """A parameter that no step reads changes nothing.

    Read it as `${params.NAME}` in `run`, or as the input `params.NAME`. A parameter that a `tune` step searches must be read by its `run`.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {depth: 6, seed: 7}
            steps: {fit: {run: [fit, "${params.depth}"]}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {depth: 6, seed: 7}
            steps: {fit: {run: [fit, "${params.depth}", "${params.seed}"]}}
    """
    for name, pipeline, steps in pipelines(subject.pipelines):
        own = pipeline.get("parameters") or {}
        read: set[str] = set()
        for step, written in steps.items():
            whole = whole_step(steps, step)
            here = set(own) if whole is None else _read_parameters(whole)
            # A misspelt parameter is an error of its own; that the right one is then unused is its consequence.
            read |= here if here <= {*own, *searched(whole or {})} else set(own)
            for parameter in searched(written):
                if parameter not in here and here <= {*own, *searched(written)}:
                    said = f"the step `{step}` searches `{parameter}`, which its `run` never reads"
                    place = ("pipelines", name, "steps", step, "tune", "search", parameter)
                    yield Found(place, said, f"pass it as ${{params.{parameter}}} in `run`", on="key", label="never read")
        for parameter in own:
            if parameter not in read:
                said = f"no step of the pipeline `{name}` reads the parameter `{parameter}`"
                advice = f"pass it as ${{params.{parameter}}}, or remove it"
                yield Found(("pipelines", name, "parameters", parameter), said, advice, on="key", label="never read")


def _read_parameters(step: Tree) -> set[str]:
    read = {mention.parts[1] for mention in running_mentions(step, ()) if mention.parts[0] == "params"}
    inputs = (step.get("inputs") or {}).values()
    return read | {reference[7:] for reference in inputs if reference.startswith("params.")}


@code("MLS-W412", "unused-input", severity="warning")
def unused_input(subject: Subject) -> Iterator[Found]:
    """An input that `run` never mentions is read by nobody.

    Pass it as `${inputs.NAME}`. To wait for a step without reading from it, use `after`.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit], inputs: {raw: datasets.customers}}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit, "${inputs.raw}"], inputs: {raw: datasets.customers}}}
    """
    for path, written, whole, _, _ in _steps(subject):
        if "run" not in whole:
            continue
        used = {mention.parts[1] for mention in running_mentions(whole, path) if mention.parts[0] == "inputs"}
        if not used <= inputs_of(whole).keys():
            continue
        for name in written.get("inputs") or ():
            if name not in used:
                said = f"`run` of the step `{path[-1]}` never mentions its input `{name}`"
                yield Found(
                    (*path, "inputs", name), said, f"pass it as ${{inputs.{name}}} in `run`, or remove it", on="key", label="never read"
                )


@code("MLS-W413", "unwritten-output", severity="warning")
def unwritten_output(subject: Subject) -> Iterator[Found]:
    """An output that `run` never mentions is probably written by nobody.

    Pass its path as `${outputs.NAME}`, or read it from the environment variable `MLSPEC_OUTPUT_<NAME>`; a mention of that
    variable in `run` or `env` counts.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit], outputs: {model: model}}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit, --out, "${outputs.model}"], outputs: {model: model}}}
    """
    for path, written, whole, _, _ in _steps(subject):
        if "run" not in whole:
            continue
        used = {mention.parts[1] for mention in running_mentions(whole, path) if mention.parts[0] == "outputs"}
        if not used <= outputs_of(whole).keys():
            continue
        text = "\n".join(s for field in ("run", "env") for _, s in strings(whole.get(field), ()))
        own = dict(written.get("outputs") or {}) if "score" not in written else outputs_of(written)
        for name in own:
            if name not in used and f"MLSPEC_OUTPUT_{name.upper().replace('-', '_')}" not in text:
                place = (*path, "outputs", name) if name in (written.get("outputs") or ()) else (*path, "output")
                said = f"`run` of the step `{path[-1]}` never mentions its output `{name}`"
                yield Found(place, said, f"pass its path as ${{outputs.{name}}} in `run`, or remove it", on="key", label="never written")


CHECKS = (
    unknown_output,
    unknown_input,
    unknown_parameter,
    malformed_run_time_reference,
    run_time_reference_here,
    output_kind,
    step_without_image,
    input_taken,
    unused_parameter,
    unused_input,
    unwritten_output,
)
