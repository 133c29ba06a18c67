"""A step that searches parameters as an Experiment of Katib 0.19, which the step creates and awaits.

Sources: kubeflow/katib v0.19.0: pkg/webhook/v1beta1 (what an Experiment must have; how the collector of standard output wraps a
command), pkg/suggestion/v1beta1 with manifests/v1beta1/installs/katib-standalone/katib-config.yaml (which service answers for which
algorithm: hyperopt for random and tpe, skopt for bayesianoptimization, goptuna for cmaes, optuna for grid, its own for hyperband).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.quantity import plain
from mlspec.targets.kubeflow.names import account_of, namespace_of
from mlspec.targets.kubeflow.references import split
from mlspec.targets.kubeflow.remote import CONTAINER_SECURITY, POD_SECURITY, Remote, spelled

ALGORITHMS = {
    "random": "random",
    "grid": "grid",
    "tpe": "tpe",
    "bayesian": "bayesianoptimization",
    "cmaes": "cmaes",
    "hyperband": "hyperband",
}
SCALED = ("random", "tpe", "bayesian")
"""The algorithms whose service reads the distribution of a range."""
BUDGETS = ("budget", "epochs", "iterations", "max_epochs", "max_iter", "max_steps", "n_estimators", "num_boost_round", "rounds", "steps")
"""Names by which Hyperband knows the parameter that says how much a trial may cost."""
ETA = 3
"""How many times fewer trials go on, each with as many times the budget; what Katib takes when nothing is said."""
CONTAINER = "trial"
NAME_LIMIT = 32
"""What an Experiment's name may have before its suffix: a service is called ``<name>-bayesianoptimization``."""
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def experiment(plan: Plan, pipeline: str, step: str) -> dict[str, Any]:
    """Return the Experiment of a ``tune`` step. Its run-time values are markers, see ``trainer.settings_of``.

    The value of a trial is the last ``metric=value`` that it prints. Trials are pods of their own: an input that is an artifact must
    reach them as a URI.
    """
    remote = Remote(plan, pipeline, step)
    tune = remote.entry.tune
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"generateName": remote.generate_name(NAME_LIMIT), "namespace": namespace_of(plan), "labels": remote.labels},
        "spec": {
            "objective": _objective(tune.objective),
            "algorithm": _algorithm(tune),
            "parallelTrialCount": tune.trials.parallel,
            "maxTrialCount": tune.trials.max,
            "maxFailedTrialCount": tune.trials.failed,
            "resumePolicy": "Never",
            "parameters": [_parameter(name, search) for name, search in sorted(tune.search.items())],
            "metricsCollectorSpec": {
                "collector": {"kind": "StdOut"},
                "source": {"filter": {"metricsFormat": [rf"(?:^|[^\w-])({tune.objective.metric})\s*=\s*({NUMBER})"]}},
            },
            "trialTemplate": {
                "primaryContainerName": CONTAINER,
                "retain": False,
                "trialParameters": [{"name": name, "reference": name} for name in sorted(tune.search) if name in _read(remote)],
                "trialSpec": _trial(remote),
            },
        },
    }


def _objective(written: Node) -> dict[str, Any]:
    made: dict[str, Any] = {"type": written.goal, "objectiveMetricName": written.metric}
    if written.target is not None:
        made["goal"] = _number(written.target)
    return {**made, "metricStrategies": [{"name": written.metric, "value": "latest"}]}


def _number(value: Decimal | int) -> int | float:
    """Return a number as JSON has it; Katib keeps a goal as a double."""
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _text(value: Any) -> str:
    """Return a bound or a value as Katib takes it: as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else str(value)


def _algorithm(tune: Node) -> dict[str, Any]:
    made: dict[str, Any] = {"algorithmName": ALGORITHMS[tune.algorithm]}
    if tune.algorithm == "hyperband":
        budget = budget_of(tune)
        most = _text(tune.search[budget].int[1])
        settings = {"resource_name": budget, "r_l": most, "eta": str(ETA)}
        made["algorithmSettings"] = [{"name": name, "value": value} for name, value in settings.items()]
    return made


def _parameter(name: str, search: Node) -> dict[str, Any]:
    if search.categorical is not None:
        return {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": [_text(value) for value in search.categorical]}}
    form = "int" if search.int is not None else "double"
    low, high = search[form]
    space = {"min": _text(low), "max": _text(high)}
    if search.scale is not None:
        space["distribution"] = "logUniform" if search.scale == "log" else "uniform"
    return {"name": name, "parameterType": form, "feasibleSpace": space}


def _read(remote: Remote) -> frozenset[str]:
    """Return the searched parameters that the command or a variable reads; Katib refuses one that its template does not hold."""
    pieces = [piece for text in (*remote.argv, *remote.env.values()) for piece in split(text)]
    return frozenset(piece.parts[1] for piece in pieces if not isinstance(piece, str) and remote.is_searched(piece))


def _trial(remote: Remote) -> dict[str, Any]:
    command, passed = _command(remote)
    place = remote.entry.place
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": remote.image,
        "command": ["sh", "-c", command],
        "resources": remote.resources(),
        "securityContext": CONTAINER_SECURITY,
    }
    if variables := [*remote.variables(), *passed]:
        container["env"] = variables
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": account_of(remote.plan, remote.pipeline),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        **remote.placement(),
        "containers": [container],
    }
    if place and place.priority:
        pod["priorityClassName"] = place.priority
    if remote.spread:
        spread = {"maxSkew": 1, "topologyKey": remote.spread, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": remote.selector}
        pod["topologySpreadConstraints"] = [spread]
    labels = {**remote.labels, "sidecar.istio.io/inject": "false"}
    job: dict[str, Any] = {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"labels": {**remote.labels, **remote.queue}}, "spec": job}


def _command(remote: Remote) -> tuple[str, list[dict[str, Any]]]:
    """Return the command of a trial as one line of a shell, and the variables that carry what varies.

    The collector puts a redirection behind the words of the command and has a shell read them all. So every word is quoted, and a
    word with references travels in a variable: no value can be anything but a part of its word.
    """
    from shlex import quote

    passed: list[dict[str, Any]] = []

    def word(text: str) -> str:
        if all(isinstance(piece, str) for piece in split(text)):
            return spelled(quote("".join(piece for piece in split(text) if isinstance(piece, str))))
        name = f"MLSPEC_WORD_{len(passed) + 1}"
        passed.append({"name": name, "value": remote.text(text)})
        return f'"${name}"'

    return " ".join([word(text) for text in remote.argv]), passed


def budget_of(tune: Node) -> str | None:
    """Return the searched parameter that Hyperband spends; None when there is not exactly one of such a name."""
    found = [name for name in tune.search if name.lower().replace("-", "_") in BUDGETS and tune.search[name].int is not None]
    return found[0] if len(found) == 1 else None


@code("MLS-E832", "katib-cannot")
def katib_cannot(path: Path, what: str, alternative: str, on: Literal["key", "value"] = "key") -> Found:
    """What a search asks for must be something that Katib can do.

    Its grid has no steps for fractions. CMA-ES needs two numeric ranges and knows no categories. Grid, CMA-ES and Hyperband walk
    every range evenly, so `scale: log` would have no effect. Hyperband spends one whole-number parameter whose name says so (`epochs`,
    `iterations`, `steps`, `rounds`, `budget`, `n_estimators`, ..) and must be able to run its first bracket at once. Trials share no
    outputs: train once more with the best parameters in a step of its own.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune:
                  {objective: {metric: auc, goal: maximize}, algorithm: grid, trials: {max: 4}, search: {rate: {double: [0.1, 0.4]}}}
                run: [fit, "${params.rate}"]
              fit: {run: [fit, "${steps.tune.best.rate}"]}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune:
                  objective: {metric: auc, goal: maximize}
                  algorithm: grid
                  trials: {max: 4}
                  search: {rate: {categorical: [0.1, 0.2, 0.3, 0.4]}}
                run: [fit, "${params.rate}"]
              fit: {run: [fit, "${steps.tune.best.rate}"]}
    """
    said = f"Katib cannot do `{format_path(path)}`: {what}"
    return Found(path, said, alternative, on=on, label="pipelines: kubeflow has no place for this")


def check_tune(path: Path, entry: Node) -> Iterator[Finding]:
    """Yield what Katib cannot do of a ``tune`` step."""
    tune = entry.tune
    here = (*path, "tune")
    algorithm = tune.algorithm or "random"
    for name in tune.search:
        yield from _check_range((*here, "search", name), tune.search[name], algorithm)
    yield from {"grid": _check_grid, "cmaes": _check_cmaes, "hyperband": _check_hyperband}.get(algorithm, _nothing)(here, tune)
    if entry.outputs:
        said = "every trial would write over what the others wrote"
        yield katib_cannot((*path, "outputs"), said, "remove it, and train with the best parameters in a step of its own")


def _nothing(path: Path, tune: Node) -> Iterator[Finding]:  # noqa: ARG001
    return iter(())


def _check_range(path: Path, search: Node, algorithm: str) -> Iterator[Finding]:
    if search.scale == "log" and search.categorical is None and algorithm not in SCALED:
        able = ", ".join(SCALED)
        yield katib_cannot((*path, "scale"), f"its {algorithm} walks every range evenly", f"use one of {able}, or scale: linear")
    for at, value in enumerate(search.categorical or ()):
        if isinstance(value, str) and any(character in '"\\' or ord(character) < 32 for character in value):
            said = "it puts values into JSON without escaping them"
            yield katib_cannot((*path, "categorical", at), said, "write a value without quotes, backslashes and line breaks", "value")


def _check_grid(path: Path, tune: Node) -> Iterator[Finding]:
    points = 1
    for name in tune.search:
        search = tune.search[name]
        if search.double is not None:
            said = "its grid needs a step between two fractions, and a range has none"
            yield katib_cannot((*path, "search", name, "double"), said, "list the values: categorical: [0.1, 0.2, ..]")
            return
        points *= len(search.categorical) if search.categorical is not None else _width(search.int)
    if tune.trials.max > points:
        said = f"the grid has {points} points, fewer than the {tune.trials.max} trials"
        yield katib_cannot((*path, "trials", "max"), said, f"write at most {points}")


def _width(ends: list[Any]) -> int:
    return max(0, int(ends[1]) - int(ends[0])) + 1


def _check_cmaes(path: Path, tune: Node) -> Iterator[Finding]:
    categories = [name for name in tune.search if tune.search[name].categorical is not None]
    for name in categories:
        said = "its CMA-ES knows ranges of numbers only"
        yield katib_cannot((*path, "search", name, "categorical"), said, "use tpe, bayesian or random")
    if not categories and len(tune.search) < 2:
        yield katib_cannot((*path, "algorithm"), "its CMA-ES needs two ranges or more", "search another parameter, or use tpe")


def _check_hyperband(path: Path, tune: Node) -> Iterator[Finding]:
    budget = budget_of(tune)
    if budget is None:
        said = "its Hyperband must know which one parameter says how much a trial may cost"
        advice = f"search one whole-number parameter of such a name: {', '.join(BUDGETS)}"
        yield katib_cannot((*path, "algorithm"), said, advice)
        return
    low, high = (int(end) for end in tune.search[budget].int)
    if high < ETA:
        said = f"its Hyperband needs a budget of {ETA} or more"
        yield katib_cannot((*path, "search", budget, "int"), said, f"let `{budget}` go up to {ETA} or more")
        return
    brackets = int(math.log(high) / math.log(ETA))
    first = int(high / ETA**brackets)
    if low > first:
        said = f"its Hyperband begins with `{budget}` at {first}, below {low}"
        yield katib_cannot((*path, "search", budget, "int"), said, f"begin the range at {first} or less, or use tpe")
    if (tune.trials.parallel or 1) < ETA**brackets:
        said = f"its Hyperband starts {ETA**brackets} trials at once for a budget of {high}"
        yield katib_cannot((*path, "trials"), said, f"write parallel: {ETA**brackets}, or a smaller budget")
