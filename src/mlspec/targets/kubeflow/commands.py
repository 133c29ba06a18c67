"""What the container of each kind of step runs.

The launcher of KFP 2.14 (backend/src/v2/component/launcher_v2.go) fills placeholders in the command and the arguments alone,
and its cache looks at image, command, arguments and inputs, not at variables. So variables are handed over as arguments of
``env``: those that hold a run-time value are filled, and a changed one is never answered from the cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from mlspec.plan.node import Node
from mlspec.plan.pipelines import kind_of
from mlspec.plan.plan import Plan
from mlspec.quantity import seconds
from mlspec.targets.kubeflow.names import PROGRAMS, api_of, namespace_of, runner_image
from mlspec.targets.kubeflow.references import Reference, like, literal, split
from mlspec.targets.kubeflow.wiring import REMOTE, Wiring, best_of, inputs_of, outputs_of

PYTHON = "python3"
SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh")
LONGEST = 30 * 86400
"""How many seconds are waited for what has no timeout."""
ANNOUNCE = 'while [ "$1" != -- ]; do printf %s "$1" > "$2"; shift 2; done; shift; exec "$@"'
"""Writes each first word into the file that the second one names, and goes on as the command behind ``--``."""
SETTLING = 60
"""Seconds that a step which waits for other pods has left to clean up when their time is over."""


class Work(NamedTuple):
    """What a task runs, and what the engine keeps of it besides the outputs that the spec names."""

    image: str
    command: list[str]
    mounted: bool
    """Whether the programs of mlspec are mounted."""
    kept: Mapping[str, str] = MappingProxyType({})
    """These outputs by name, with the kind of each."""


def work_of(plan: Plan, pipeline: str, name: str, wiring: Wiring) -> Work:
    """Return what a step runs; what it reads is noted in its wiring."""
    step: Node = plan.node.pipelines[pipeline].steps[name]
    kind = kind_of(step)
    if step.use is not None:
        plan.reads.add((*step.here, "use"))
    made = _KINDS.get(kind, _run)(plan, pipeline, name, step, wiring)
    variables = list(_variables(plan, step, wiring))
    return made._replace(command=["env", *variables, *made.command] if variables else made.command)


def _variables(plan: Plan, step: Node, wiring: Wiring) -> Iterator[str]:
    """Yield the variables of a step, as ``NAME=VALUE``: those that are written, its outputs, the versions of its datasets."""
    kind = kind_of(step)
    if kind in REMOTE:
        return  # the job's own pods have them
    written = dict(step.env.items()) if step.env else {}
    for name in sorted(written):
        yield like(f"{name}={wiring.text(written[name])}", written[name])
    outputs = [*outputs_of(step), *(["scores"] if kind == "score" else [])]
    for name in sorted(outputs):
        variable = variable_of("OUTPUT", name)
        if variable not in written:
            yield f"{variable}={wiring.output(name)}"
    for name, dataset in sorted(datasets_of(step).items()):
        version = version_of(plan, dataset)
        variable = variable_of("VERSION", name)
        if version is not None and variable not in written:
            yield f"{variable}={literal(version)}"


def variable_of(what: str, name: str) -> str:
    """Return the variable that tells a program of an output's path, or of the version of an input."""
    return f"MLSPEC_{what}_{name.upper().replace('-', '_')}"


def datasets_of(step: Node) -> dict[str, str]:
    """Return the datasets that a step reads, by the name of the input."""
    if kind_of(step) == "check":
        return {"data": step.data}
    return {name: reference[9:] for name, reference in inputs_of(step).items() if reference.startswith("datasets.")}


def version_of(plan: Plan, dataset: str) -> str | None:
    """Return the version that a dataset is pinned to, such as ``delta:12``; None when it has none."""
    version = plan.node.datasets[dataset].version
    if not version:
        return None
    kind, value = next(version.items())
    text = f"{kind}:{value}"
    pinned = plan.pins.get(f"datasets/{dataset}", "")
    return pinned if pinned.startswith(f"{text}@") else text


def _run(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:  # noqa: ARG001
    image = step.image or plan.node.pipelines[pipeline].image
    if isinstance(step.run, list):
        return Work(image, [wiring.text(argument) for argument in step.run], False)
    return Work(image, [*interpreter(step.run), wiring.text(step.run)], False)


def interpreter(script: str) -> list[str]:
    """Return the command that runs a script: the one of its first line (``#!/usr/bin/env python3``), else a shell that stops at errors."""
    first = script.split("\n", 1)[0]
    if not first.startswith("#!"):
        return ["sh", "-ec"]
    words = first[2:].split()
    if words and words[0].rsplit("/", 1)[-1] == "env":
        words = words[1:]
    return [*words, "-c"]


def _notebook(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:  # noqa: ARG001
    """Run a notebook by papermill; the notebook as it was run is kept.

    Inputs and outputs are parameters too, unless one of the parameters that are written has their name.
    """
    given = dict(step.parameters.items()) if step.parameters else {}
    kept = "notebook" if "notebook" not in outputs_of(step) else "executed-notebook"
    command = ["papermill", literal(step.notebook), f"{{{{$.outputs.artifacts['{kept}'].path}}}}"]
    for parameter, value in given.items():
        command += _setting(plan, pipeline, parameter, value, wiring)
    for parameter in inputs_of(step):
        if parameter not in given:
            command += ["-r", parameter, wiring.input(parameter)]
    for parameter in outputs_of(step):
        if parameter not in given and parameter not in inputs_of(step):
            command += ["-r", parameter, wiring.output(parameter)]
    return Work(step.image or plan.node.pipelines[pipeline].image, command, False, {kept: "file"})


def _setting(plan: Plan, pipeline: str, name: str, value: Any, wiring: Wiring) -> list[str]:
    """Return one parameter of papermill: texts raw, all else as YAML, so that it keeps its type."""
    if not isinstance(value, str):
        return ["-y", f"{name}: {_spell(value)}"]
    pieces = split(value)
    if len(pieces) == 1 and isinstance(pieces[0], Reference) and pieces[0].parts[0] == "params":
        typed = plan.node.pipelines[pipeline].parameters[pieces[0].parts[1]]
        if not isinstance(typed, str):
            return ["-y", like(f"{name}: {wiring.put(pieces[0])}", value)]
    return ["-r", name, wiring.text(value)]


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _check(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:  # noqa: ARG001
    command = [PYTHON, f"{PROGRAMS}/check_data.py", "--rules", f"{PROGRAMS}/rules-{step.check}.json"]
    command += ["--dataset", f"{PROGRAMS}/dataset-{step.data}.json", "--data", literal(plan.node.datasets[step.data].uri)]
    return Work(runner_image(plan, pipeline, step), command, True)


def _gate(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:
    command = [PYTHON, f"{PROGRAMS}/gate.py", "--rules", f"{PROGRAMS}/rules-{step.gate}.json", "--metrics", wiring.path(step.metrics)]
    if step.slices is not None:
        command += ["--slices", wiring.path(step.slices)]
    if step.champion is not None:
        command += ["--champion", wiring.path(step.champion)]
    elif compares(plan, step.gate):
        model = champion_of(plan, pipeline, name)
        assert model is not None, "limits.py refuses a gate whose champion cannot be told"
        command += ["--registry", literal(plan.node.platform.registry.mlflow), "--model", model]
    return Work(runner_image(plan, pipeline, step), command, True)


def compares(plan: Plan, threshold: str) -> bool:
    """Tell whether a threshold holds a version against the champion."""
    return any(rule.noWorseThan is not None for rule in plan.node.thresholds[threshold].rules)


def champion_of(plan: Plan, pipeline: str, gate: str) -> str | None:
    """Return the model whose champion a gate compares with; None when it cannot be told.

    It is the one that is registered after the gate, else the one that the pipeline registers, else the one that names the
    pipeline in ``trainedBy``.
    """
    steps = plan.node.pipelines[pipeline].steps
    registers = {name: step.register for name, step in steps.items() if kind_of(step) == "register"}
    after = {model for name, model in registers.items() if gate in (steps[name].after or ())}
    for models in (after, set(registers.values()), {name for name, model in plan.node.models.items() if model.trainedBy == pipeline}):
        if len(models) == 1:
            return str(models.pop())
    return None


def _register(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:  # noqa: ARG001
    command = [PYTHON, f"{PROGRAMS}/register.py", "--registry", literal(plan.node.platform.registry.mlflow)]
    command += ["--model", step.register, "--source", wiring.uri(step.model)]
    if step.metrics is not None:
        command += ["--metrics", wiring.path(step.metrics)]
    tags = {"project": plan.project, "environment": plan.environment, "pipeline": pipeline, "run": wiring.run_id()}
    for dataset in sorted({dataset for _, other in plan.node.pipelines[pipeline].steps.items() for dataset in datasets_of(other).values()}):
        version = version_of(plan, dataset)
        if version is not None:
            tags[f"dataset.{dataset}"] = literal(version)
    for key, value in tags.items():
        command += ["--tag", f"{key}={value}"]
    command += ["--alias", "challenger", "--output", "{{$.outputs.parameters['version'].output_file}}"]
    return Work(runner_image(plan, pipeline, step), command, True, {"version": "value"})


def _distributed(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:
    from mlspec.targets.kubeflow.trainer import settings_of, train_job

    return _create(plan, pipeline, train_job(plan, pipeline, name), settings_of(plan, pipeline, name), step, wiring)


def _tune(plan: Plan, pipeline: str, name: str, step: Node, wiring: Wiring) -> Work:
    from mlspec.targets.kubeflow.katib import experiment
    from mlspec.targets.kubeflow.trainer import settings_of

    made = _create(plan, pipeline, experiment(plan, pipeline, name), settings_of(plan, pipeline, name), step, wiring)
    return made._replace(command=[*made.command, "--result", wiring.result()], kept={best_of(step): "value"})


def _create(plan: Plan, pipeline: str, item: dict[str, Any], settings: list[tuple[str, str]], step: Node, wiring: Wiring) -> Work:
    """Create an object in the cluster and wait for its end; its run-time values are filled in by ``--set``."""
    text = json.dumps(item, ensure_ascii=False, indent=2, default=_spell) + "\n"
    command = [PYTHON, f"{PROGRAMS}/submit.py", "create", "--object", literal(text)]
    for name, reference in sorted(settings):
        command += ["--set", f"{name}={wiring.put(Reference(tuple(reference.split('.'))))}"]
    command += ["--timeout", str(deadline_of(plan, pipeline, step) or LONGEST)]
    runner = plan.node.platform.runner
    image = (runner.image if runner else None) or step.image or plan.node.pipelines[pipeline].image
    return Work(image, command, True)


def deadline_of(plan: Plan, pipeline: str, step: Node) -> int | None:
    """Return how many seconds a step may take: its own timeout, the pipeline's when that is shorter; None without either."""
    written = [plan.node.pipelines[pipeline].timeout, step.timeout]
    asked = [int(seconds(value)) for value in written if value is not None]
    return min(asked) if asked else None


def announcing(work: Work, outputs: Mapping[str, str]) -> Work:
    """Return work that first writes the URIs of some of its outputs into output parameters. ``outputs`` gives the parameter of each."""
    told = [
        placeholder
        for name, key in outputs.items()
        for placeholder in (f"{{{{$.outputs.artifacts['{name}'].uri}}}}", f"{{{{$.outputs.parameters['{key}'].output_file}}}}")
    ]
    command = ["sh", "-c", ANNOUNCE, "sh", *told, "--", *work.command]
    return work._replace(command=command, kept={**work.kept, **dict.fromkeys(outputs.values(), "value")})


def start_work(plan: Plan, pipeline: str, version: str, account: str) -> Work:
    """Return the work that starts a run of another pipeline."""
    command = [PYTHON, f"{PROGRAMS}/submit.py", "run", "--api", literal(api_of(plan)), "--namespace", namespace_of(plan)]
    command += ["--pipeline", pipeline, "--version", version, "--service-account", account]
    return Work("", command, True)


_KINDS = {
    "check": _check,
    "gate": _gate,
    "register": _register,
    "notebook": _notebook,
    "distributed": _distributed,
    "tune": _tune,
}
