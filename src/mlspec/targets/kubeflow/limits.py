"""What Kubeflow Pipelines cannot do of a plan.

Sources: kubeflow/pipelines 2.14, api/v2alpha1/pipeline_spec.proto and kubernetes_platform/proto/kubernetes_executor_config.proto (which
fields there are), backend/src/v2/compiler/argocompiler/dag.go (names of tasks), backend/src/v2/component/launcher_v2.go (placeholders).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.steps import strings
from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.plan.node import Node
from mlspec.plan.pipelines import kind_of
from mlspec.plan.plan import Plan
from mlspec.quantity import seconds
from mlspec.targets.kubeflow.commands import SHELLS, champion_of, compares, interpreter
from mlspec.targets.kubeflow.names import settings
from mlspec.targets.kubeflow.pipeline import JUDGING
from mlspec.targets.kubeflow.references import split
from mlspec.targets.kubeflow.wiring import REMOTE, inputs_of


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what Kubeflow Pipelines cannot do."""
    yield from _namespace(plan)
    for name, pipeline in plan.node.pipelines.items():
        path: Path = ("pipelines", name)
        yield from _parameters(path, pipeline)
        yield from _timeout(path, pipeline)
        for step, entry in pipeline.steps.items():
            yield from _step(plan, name, step, entry, (*path, "steps", step))


def _step(plan: Plan, pipeline: str, name: str, step: Node, path: Path) -> Iterator[Finding]:
    kind = kind_of(step)
    yield from _timeout(path, step)
    if name.endswith("-driver") and name.removesuffix("-driver") in plan.node.pipelines[pipeline].steps:
        other = name.removesuffix("-driver")
        yield cannot(path, f"it runs a task of its own called `{name}` for the step `{other}`", "choose another name")
    if "executor-logs" in (step.outputs or ()):
        yield cannot((*path, "outputs", "executor-logs"), "it keeps the logs of a step under that name", "choose another name")
    yield from _assets(plan, step)
    if kind in REMOTE:
        yield from _remote(path, step)
    else:
        yield from _pod(path, step)
    if kind in JUDGING and step.cache:
        said = f"what a `{kind}` step reads or changes lies outside the pipeline, so an earlier result says nothing"
        yield cannot((*path, "cache"), said, "remove `cache`")
    if kind == "gate" and step.champion is None and compares(plan, step.gate) and champion_of(plan, pipeline, name) is None:
        yield which_champion((*path, "gate"), step.gate)
    if isinstance(step.run, str):
        yield from _script(path, step.run)
    if kind == "score":
        yield from _output(path, step)


def _assets(plan: Plan, step: Node) -> Iterator[Finding]:
    """Places and versions of data become arguments, in which ``{{`` is evaluated; that of the step itself is refused for every engine."""
    used = {tuple(reference.split(".")) for reference in inputs_of(step).values() if reference.startswith(("datasets.", "models."))}
    if kind_of(step) == "check":
        used.add(("datasets", step.data))
    for section, name in sorted(used):
        tree = plan.tree[section][name]
        for place, text in strings({"uri": tree["uri"], "version": tree.get("version")}, (section, name)):
            if "{{" in text:
                yield cannot(place, "it evaluates `{{` in what a step is given", "choose a place without it")


def _pod(path: Path, step: Node) -> Iterator[Finding]:
    if step.resources.storage is not None:
        said = "the container of a step has cpu, memory and accelerators, no local disk"
        yield cannot((*path, "resources", "storage"), said, "remove it, or let the step be `distributed`, whose nodes have one")
    place = step.place
    if place and place.priority is not None:
        yield cannot((*path, "place", "priority"), "the pod of a step has no priority", "use `queue`, whose Kueue queue has priorities")
    if place and place.spread is not None:
        yield cannot((*path, "place", "spread"), "a step is one pod", "remove it; only a `distributed` or `tune` step has several")


def _remote(path: Path, step: Node) -> Iterator[Finding]:
    for name, output in step.outputs.items() if step.outputs else ():
        if output == "value":
            said = "the nodes of a job share no file with the step that would read the value"
            yield cannot((*path, "outputs", name), said, "write it as a file (kind `file`), which a later step reads")


def _script(path: Path, script: str) -> Iterator[Finding]:
    words = interpreter(script)
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if program not in SHELLS and not program.startswith("python"):
        said = f"a script is handed over as an argument (`-c`), and `{program}` may not take one so"
        yield cannot((*path, "run"), said, f"begin it with one of {', '.join(SHELLS[:3])} or python, or write `run` as a list")


def _output(path: Path, step: Node) -> Iterator[Finding]:
    for piece in split(step.output):
        if not isinstance(piece, str) and piece.parts[0] == "outputs":
            said = f"`{piece.text}` is what `output` itself decides"
            yield cannot((*path, "output"), said, "name the place by vars, params or the output of another step")


def _timeout(path: Path, entry: Node) -> Iterator[Finding]:
    written = entry.timeout
    if written is not None and seconds(written) % 1:
        yield cannot((*path, "timeout"), f"deadlines are whole seconds, and {written} is not", f"write {int(seconds(written)) + 1}s")


def _parameters(path: Path, pipeline: Node) -> Iterator[Finding]:
    for name, value in pipeline.parameters.items() if pipeline.parameters else ():
        if not isinstance(value, bool | str) and Decimal(repr(float(value))) != value:
            yield inexact((*path, "parameters", name), value)


def _namespace(plan: Plan) -> Iterator[Finding]:
    """Environments that run their pipelines in one namespace would own each other's objects."""
    shared = settings(plan).namespace
    mark: Any = plan.mark
    for part in ("platform", "pipelines", "kubeflow", "namespace"):
        mark = mark.child(part) if mark else None
    if shared is None or mark is None or mark.why == "override":
        return
    here = plan.environments[plan.environment]["cluster"]
    others = [name for name, entry in plan.environments.items() if name != plan.environment and entry["cluster"] == here]
    if others:
        yield shared_namespace(("platform", "pipelines", "kubeflow", "namespace"), shared, sorted([plan.environment, *others]))


@code("MLS-E820", "kubeflow-cannot")
def cannot(path: Path, what: str, alternative: str) -> Found:
    """What a pipeline asks for must be something that Kubeflow Pipelines can do; no field is ever passed over in silence.

    The pod of a step has no priority, no spreading and no local disk of its own there, deadlines are whole seconds, and steps that
    judge are never answered from the cache.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit], place: {priority: high}}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit], place: {queue: training}}}
    """
    said = f"Kubeflow Pipelines cannot do `{format_path(path)}`: {what}"
    return Found(path, said, alternative, on="key", label="pipelines: kubeflow has no place for this")


@code("MLS-E821", "which-champion")
def which_champion(path: Path, threshold: str) -> Found:
    """A gate that compares with the champion must know of which model.

    It is the model that a `register` step after the gate registers, else the one that the pipeline registers, else the one whose
    `trainedBy` names the pipeline. Or give the champion's metrics yourself as `champion: steps.STEP.OUTPUT`.

    Bad::

        thresholds: {release: {on: evaluation, rules: [{metric: auc, noWorseThan: champion}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.metrics}"], outputs: {metrics: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, noWorseThan: champion}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}", "${outputs.metrics}"], outputs: {model: model, metrics: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics}
              register: {register: churn, model: steps.fit.model, after: [gate]}
    """
    return Found(
        path,
        f"`{threshold}` compares with the champion, and nothing says of which model",
        "register one model after the gate, or give the champion's metrics as `champion: steps.STEP.OUTPUT`",
        label="the champion of which model?",
    )


@code("MLS-E822", "shared-pipeline-namespace")
def shared_namespace(path: Path, namespace: str, environments: list[str]) -> Found:
    """Environments on one cluster must not run their pipelines in one namespace: their objects have the same names.

    Leave `namespace` out, so that each environment uses its own, or set it in each environment's `platform`.

    Bad::

        platform: {pipelines: {kubeflow: {namespace: kubeflow-runs}}}
        environments: {dev: {namespace: churn-dev}, prod: {namespace: churn, after: dev}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}

    Good::

        environments: {dev: {namespace: churn-dev}, prod: {namespace: churn, after: dev}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
    """
    said = (
        f"the pipelines of {', '.join(environments)} would share the namespace `{namespace}`, and their objects would overwrite each other"
    )
    return Found(path, said, "remove it, or set it in the `platform` of each environment", label="one namespace for all")


@code("MLS-E823", "inexact-parameter")
def inexact(path: Path, value: Any) -> Found:
    """A number that is a parameter must survive Kubeflow Pipelines, which keeps numbers as binary floating point.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {seed: 9007199254740993}
            steps: {fit: {run: [fit, "${params.seed}"]}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            parameters: {seed: "9007199254740993"}
            steps: {fit: {run: [fit, "${params.seed}"]}}
    """
    near = format(Decimal(repr(float(value))), "f")
    return Found(
        path,
        f"Kubeflow Pipelines would hand on {near} for `{format_path(path)}`",
        "put it in quotes, so that it is handed on as text",
        label="has more digits than a parameter keeps",
    )
