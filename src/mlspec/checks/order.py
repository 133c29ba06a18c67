"""The order of steps and pipelines: circles, and guards that hold nothing back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlspec.checks.steps import Tree, kind_of, needs, pipelines, searched, whole_step
from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path

Edges = Mapping[str, Sequence[tuple[str, Path]]]
"""What waits for what: name → the names it waits for, each with the place that says so."""
_GUARDS = ("check", "gate")
_EXAMINED = 100
"""How many idle guards of a pipeline are looked into; each costs a walk over what comes before it."""


def step_edges(steps: Tree, path: Path) -> dict[str, list[tuple[str, Path]]]:
    """Return the edges among steps; steps that are not there are left out."""
    return {
        name: [need for need in needs(whole_step(steps, name) or step, (*path, name)) if need[0] in steps] for name, step in steps.items()
    }


def cycles(edges: Edges) -> Iterator[list[tuple[str, Path]]]:
    """Yield circles that share no node, each as its nodes with the place of the edge to the next one.

    Takes away, again and again, what waits for nothing; what is left waits in a circle or for one. Linear in the number of edges
    while there is no circle, and never recursive: chains of many thousand steps are fine.
    """
    waiting = {name: len({target for target, _ in targets}) for name, targets in edges.items()}
    followers: dict[str, list[str]] = {}
    for name, targets in edges.items():
        for target in {target for target, _ in targets}:
            followers.setdefault(target, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    left = dict.fromkeys(edges)
    while True:
        while ready:
            name = ready.pop()
            if left.pop(name, "") is not None:
                continue
            for follower in followers.get(name, ()):
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        if not left:
            return
        cycle = _follow(edges, left)
        yield cycle
        ready = [name for name, _ in cycle]


def _follow(edges: Edges, left: Mapping[str, None]) -> list[tuple[str, Path]]:
    """Walk along the edges among what is left until a node comes twice; return that circle, its first node first."""
    way: dict[str, Path] = {}
    name = next(iter(left))
    while name not in way:
        target, place = next((t, p) for t, p in edges[name] if t in left)
        way[name] = place
        name = target
    names = list(way)
    around = names[names.index(name) :]
    order = {one: at for at, one in enumerate(edges)}
    start = around.index(min(around, key=order.__getitem__))
    return [(one, way[one]) for one in (*around[start:], *around[:start])]


def _way(cycle: Sequence[tuple[str, Path]]) -> str:
    names = [name for name, _ in cycle]
    if len(names) > 12:
        names = [*names[:6], f"… {len(names) - 9} more …", *names[-3:]]
    return " → ".join([*names, cycle[0][0]])


def _circle(cycle: list[tuple[str, Path]], one: str, waits: str, advice: str) -> Found:
    name, place = cycle[0]
    if len(cycle) == 1:
        return Found(place, f"the {one} `{name}` {waits} itself", advice, label="itself")
    said = f"the {one}s wait for each other: {_way(cycle)}"
    related = tuple((path, f"`{node}` {waits} `{cycle[(at + 1) % len(cycle)][0]}`") for at, (node, path) in enumerate(cycle) if at)
    return Found(place, said, advice, label=f"`{name}` {waits} `{cycle[1][0]}`", related=related[:10])


@code("MLS-E416", "step-cycle")
def step_cycle(subject: Subject) -> Iterator[Found]:
    """Steps must not wait for each other in a circle.

    A step waits for the steps named in `after` and for those whose outputs it reads. The message shows the circle, the related
    places its edges.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare], after: [fit]}
              fit: {run: [fit], after: [prepare]}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              prepare: {run: [prepare]}
              fit: {run: [fit], after: [prepare]}
    """
    for name, _, steps in pipelines(subject.pipelines):
        for cycle in cycles(step_edges(steps, ("pipelines", name, "steps"))):
            yield _circle(cycle, "step", "waits for", "take one of these edges away")


@code("MLS-E417", "pipeline-cycle")
def pipeline_cycle(subject: Subject) -> Iterator[Found]:
    """Pipelines must not start each other in a circle: it would never end.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            on: [{pipeline: score}]
            steps: {fit: {run: [fit]}}
          score:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            on: [{pipeline: train}]
            steps: {score: {run: [score]}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
          score:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            on: [{pipeline: train}]
            steps: {score: {run: [score]}}
    """
    edges: dict[str, list[tuple[str, Path]]] = {}
    for name, pipeline, _ in pipelines(subject.pipelines):
        edges[name] = [
            (trigger["pipeline"], ("pipelines", name, "on", at, "pipeline"))
            for at, trigger in enumerate(pipeline.get("on") or ())
            if trigger.get("pipeline") in subject.pipelines
        ]
    for cycle in cycles(edges):
        yield _circle(cycle, "pipeline", "is started by", "take one of these triggers away")


@code("MLS-E419", "use-circle")
def use_circle(subject: Subject) -> Iterator[Found]:
    """A step must not take itself over with `use`, nor in a circle.

    `use: NAME` is a copy of the step NAME of the same pipeline (after base files are merged) with the fields written beside it
    laid over: maps merge, scalars and lists replace; `after`, `in` and `notIn` are not copied.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {use: fit, retries: 2}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}, refit: {use: fit, retries: 2, after: [fit]}}
    """
    for name, _, steps in pipelines(subject.pipelines):
        edges: dict[str, list[tuple[str, Path]]] = {
            step: [(written["use"], ("pipelines", name, "steps", step, "use"))] if written.get("use") in steps else []
            for step, written in steps.items()
        }
        for cycle in cycles(edges):
            yield _circle(cycle, "step", "is a copy of", "let one of them say what it does")


@code("MLS-W414", "step-for-nothing", severity="warning")
def step_for_nothing(subject: Subject) -> Iterator[Found]:
    """A check or gate that no step waits for holds nothing back, and the result of a search that nobody reads is lost.

    Write the guard into `after` of the steps that it is meant to stop; read what a `tune` step found as
    `${steps.STEP.best.PARAMETER}`. A guard at the end of its pipeline is fine: it makes the run fail.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}", "${outputs.metrics}"], outputs: {model: model, metrics: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics}
              register: {register: churn, model: steps.fit.model}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}", "${outputs.metrics}"], outputs: {model: model, metrics: metrics}}
              gate: {gate: release, metrics: steps.fit.metrics}
              register: {register: churn, model: steps.fit.model, after: [gate]}
    """
    for name, _, written in pipelines(subject.pipelines):
        steps = {step: whole_step(written, step) or written[step] for step in written}
        guards = [step for step, whole in steps.items() if kind_of(whole) in _GUARDS or searched(whole)]
        if not guards:
            continue
        place = ("pipelines", name, "steps")
        edges = step_edges(written, place)
        awaited = {target for targets in edges.values() for target, _ in targets}
        workers = [step for step, whole in steps.items() if kind_of(whole) not in _GUARDS]
        for step in [guard for guard in guards if guard not in awaited][:_EXAMINED]:
            if searched(steps[step]):
                if not steps[step].get("outputs"):
                    advice = f"read it as ${{steps.{step}.best.{next(iter(searched(steps[step])))}}} in a later step"
                    yield Found((*place, step), f"no step reads what `{step}` found", advice, on="key", label="found for nobody")
                continue
            before = _before(edges, step)
            held = [worker for worker in workers if worker not in before]
            if held:
                advice = f"add `after: [{step}]` to what it is meant to hold back, such as `{'`, `'.join(held[:4])}`"
                said = f"no step waits for `{step}`, so it holds nothing back"
                yield Found((*place, step), said, advice, on="key", label="guards nothing")


def _before(edges: Edges, step: str) -> set[str]:
    """Return the steps that come before a step."""
    found: set[str] = set()
    waiting = [step]
    while waiting:
        for target, _ in edges[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


CHECKS = (step_cycle, pipeline_cycle, use_circle, step_for_nothing)
