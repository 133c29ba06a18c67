"""Rollouts: where the versions of an endpoint stand by spec and lock, and which facts of the lock the next step is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mlspec.diagnostics import Finding, Found, Rejected, code, diagnose
from mlspec.location import Path
from mlspec.lock import Fact
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.plan.versions import outstanding, step_of, taken_back

Facts = dict[str, Fact]

FIRST, SETTLED, UNDER_WAY, ABORTED = "first", "settled", "under way", "aborted"
STEPPED = ("canary", "blueGreen")
"""Strategies that go step by step."""


class Which(NamedTuple):
    """One version, as the lock knows it."""

    version: str
    uri: str


class Rollout(NamedTuple):
    """How far the rollout of an endpoint has come in one environment."""

    environment: str
    endpoint: str
    strategy: str
    """``canary``, ``blueGreen``, ``rolling``, ``recreate``; ``graph`` for an endpoint that has no model of its own."""
    state: str
    """``first`` (not compiled yet), ``settled``, ``under way`` or ``aborted``."""
    live: Which | None
    """What serves; None before the first compilation, and for a graph."""
    new: Which | None
    """What the spec names; None for a graph."""
    step: int
    """The step of a canary under way, counted from 0."""
    steps: tuple[int, ...]
    """The percentages of a canary."""
    pause: str
    gate: str

    @property
    def percent(self) -> int:
        """The share of the traffic that the new version gets, in percent."""
        if self.state == SETTLED:
            return 100
        return self.steps[self.step] if self.state == UNDER_WAY and self.steps else 0

    @property
    def place(self) -> str:
        """What the lock calls it."""
        return f"{self.environment}/{self.endpoint}"


def rollout_of(plan: Plan, endpoint: str) -> Rollout:
    """Return how far the rollout of an endpoint has come. Raises KeyError when the environment has no such endpoint."""
    entry: Node | None = plan.node.serving[endpoint]
    if entry is None:
        raise KeyError(endpoint)
    if entry.model is None:
        return Rollout(plan.environment, endpoint, "graph", SETTLED, None, None, 0, (), "", "")
    model = plan.node.models[entry.model]
    known = plan.live.get(endpoint, {})
    new = Which(str(model.version), str(model.uri))
    live = Which(known["version"], known["uri"]) if "version" in known else None
    state = FIRST if live is None else SETTLED
    if live is not None and outstanding(entry, known, model):
        state = ABORTED if taken_back(known, model) else UNDER_WAY
    rollout = entry.rollout
    steps = tuple(rollout.steps) if rollout.strategy == "canary" else ()
    step = step_of(entry, known, model) if state == UNDER_WAY else 0
    return Rollout(
        plan.environment, endpoint, str(rollout.strategy), state, live, new, step, steps, str(rollout.pause or ""), str(rollout.gate or "")
    )


def advance(rollout: Rollout) -> Facts:
    """Return the lock's facts of the next step; after the last one the new version has everything."""
    live, new = _both(rollout)
    if rollout.step + 1 >= len(rollout.steps):
        return finish(rollout)
    return {**live._asdict(), "canary": new.version, "canaryUri": new.uri, "step": rollout.step + 1}


def finish(rollout: Rollout) -> Facts:
    """Return the lock's facts of an endpoint that serves the version that the spec names."""
    return dict(_both(rollout)[1]._asdict())


def abort(rollout: Rollout) -> Facts:
    """Return the lock's facts of an endpoint whose new version went away, and stays away while the spec names it."""
    live, new = _both(rollout)
    return {**live._asdict(), "aborted": new.version, "abortedUri": new.uri}


def start(rollout: Rollout) -> Facts:
    """Return the lock's facts of a rollout that begins again at its first step."""
    live, new = _both(rollout)
    return {**live._asdict(), "canary": new.version, "canaryUri": new.uri, "step": 0}


def _both(rollout: Rollout) -> tuple[Which, Which]:
    assert rollout.live is not None
    assert rollout.new is not None
    return rollout.live, rollout.new


MOVES: dict[str, tuple[Callable[[Rollout], Facts], str]] = {
    "advance": (advance, UNDER_WAY),
    "finish": (finish, UNDER_WAY),
    "abort": (abort, UNDER_WAY),
    "start": (start, ABORTED),
}
"""What can be done, and the state in which it can."""


def move(plan: Plan, endpoint: str, how: str) -> Facts:
    """Return the lock's facts of an endpoint after a move.

    Raises Rejected: MLS-E735 (an endpoint that does not go step by step), MLS-E736 (nothing to move), MLS-E737 (aborted);
    KeyError as rollout_of does.
    """
    found = rollout_of(plan, endpoint)
    made, state = MOVES[how]
    if found.strategy not in STEPPED:
        _refuse(undivided_rollout(("serving", endpoint), found.strategy), plan)
    if found.state == ABORTED and state != ABORTED:
        _refuse(aborted_rollout(("serving", endpoint), found.new.version if found.new else "", how), plan)
    if found.state != state:
        _refuse(no_rollout(("serving", endpoint), found, how), plan)
    return made(found)


def _refuse(finding: Finding, plan: Plan) -> None:
    raise Rejected([diagnose(Finding(finding.code, finding.found, plan.environment), plan.mark)])


@code("MLS-E735", "undivided-rollout")
def undivided_rollout(path: Path, strategy: str) -> Found:
    """`mlspec rollout` moves endpoints whose strategy is canary or blueGreen.

    With `rolling` and `recreate` a new version takes the place of the old one as soon as it is compiled: there are no steps, and to go
    back is to set the version back. A graph has no version of its own; the endpoints it calls have.

    Bad (shell)::

        mlspec compile
        mlspec rollout advance churn --env prod

    Good (shell)::

        mlspec compile
        mlspec rollout status
    """
    if strategy == "graph":
        return Found(path, "a graph has no version to roll out", "name one of the endpoints that it calls", on="key")
    message = f"with the strategy {strategy} a new version replaces the old one at once; there are no steps"
    return Found((*path, "rollout", "strategy"), message, "to go back set the version back; to go step by step write `strategy: canary`")


@code("MLS-E736", "no-rollout")
def no_rollout(path: Path, rollout: Rollout, how: str) -> Found:
    """A rollout is moved while it is under way, and started again when it was aborted.

    It is under way from the compilation that finds another version in the spec than the one that serves until it is finished or
    aborted. `mlspec rollout status` tells.

    Bad (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        mlspec rollout advance churn --env prod

    Good (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        sed -i 's/1\\.0\\.0/1.1.0/g' mlspec.yaml
        mlspec compile
        mlspec rollout advance churn --env prod
    """
    version = rollout.new.version if rollout.new else ""
    if rollout.state == FIRST:
        return Found(path, f"nothing serves in {rollout.environment} yet, so nothing is rolled out", "run mlspec compile first", on="key")
    if rollout.state == UNDER_WAY:
        return Found(path, f"the rollout of {version} is under way already", "advance, finish or abort it", on="key")
    message = f"no rollout is under way: {version} serves in {rollout.environment} alone"
    return Found(path, message, "set another version first" if how != "start" else "only what was aborted is started again", on="key")


@code("MLS-E737", "aborted-rollout")
def aborted_rollout(path: Path, version: str, how: str) -> Found:
    """A version whose rollout was aborted is not moved on.

    It stays away although the spec still names it. Name another version, which begins a rollout of its own, or set the old one
    back; `mlspec rollout start` tries the same version once more, from the first step.

    Bad (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        sed -i 's/1\\.0\\.0/1.1.0/g' mlspec.yaml
        mlspec compile
        mlspec rollout abort churn --env prod
        mlspec rollout finish churn --env prod

    Good (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        sed -i 's/1\\.0\\.0/1.1.0/g' mlspec.yaml
        mlspec compile
        mlspec rollout abort churn --env prod
        mlspec rollout start churn --env prod
        mlspec rollout finish churn --env prod
    """
    message = f"the rollout of {version} was aborted" + (" already" if how == "abort" else "")
    return Found(path, message, "set another version, or run `mlspec rollout start` to try this one again", on="key")


@code("MLS-E738", "tree-behind-spec")
def tree_behind_spec(path: Path, lock: str, what: str) -> Found:
    """A step of a rollout is made in a tree that is what its spec compiles to.

    Otherwise the step would bring along whatever was edited since: another version than the one that the gate has looked at, for
    one. Compile and commit the edit by itself, then make the step.

    Bad (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        sed -i 's/1\\.0\\.0/1.1.0/g' mlspec.yaml
        mlspec rollout finish churn --env prod

    Good (shell)::

        sed -i 's/replicas: 2/rollout: {strategy: canary}, expose: {host: churn.acme.example}/' mlspec.yaml
        mlspec compile
        sed -i 's/1\\.0\\.0/1.1.0/g' mlspec.yaml
        mlspec compile
        mlspec rollout finish churn --env prod
    """
    return Found(
        path,
        f"the tree is not what the spec compiles to: {what} since {lock} was written",
        "run mlspec compile first, then the step",
        on="key",
    )
