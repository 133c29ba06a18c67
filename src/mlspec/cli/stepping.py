"""A step of a rollout, from the spec and its lock: checked, compiled, and handed to whoever writes or commits it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from mlspec.diagnostics import Rejected, Unable, diagnose, nearest

if TYPE_CHECKING:
    from mlspec.compiler import Compiled, Outcome, Request
    from mlspec.lock import Fact, Lock
    from mlspec.plan.plan import Plan
    from mlspec.rollout import Rollout


class Order(NamedTuple):
    """What is asked for."""

    spec: Path
    endpoint: str
    environment: str | None
    how: str
    """``advance``, ``finish``, ``abort`` or ``start``."""
    at: int | None
    """The step, counted from 1, at which alone the move is made."""
    crds: Path | None
    templates: Path | None


class Step(NamedTuple):
    """A step that can be made."""

    before: Rollout
    facts: Mapping[str, Fact]
    live: Mapping[str, Mapping[str, Fact]]
    """What the lock is to say of all that serves."""

    @property
    def text(self) -> str:
        """It in words, for people and for the message of a commit."""
        found, facts = self.before, self.facts
        version = found.new.version if found.new else ""
        where = f"{found.endpoint} in {found.environment}"
        if "aborted" in facts:
            return f"Abort the rollout of {version}: {where} stays with {facts['version']}"
        if "step" not in facts:
            return f"Finish the rollout of {version}: {where} serves nothing else"
        step = int(facts["step"])
        percent = f"{found.steps[step]} %" if found.steps else "the preview"
        if found.state == "aborted":
            return f"Start the rollout of {version} again: {where} gives it {percent}"
        return f"Advance the rollout of {version}: {where} gives it {percent}, step {step + 1} of {len(found.steps)}"


def requested(order: Order) -> Request:
    """Return what is to be compiled."""
    from mlspec.compiler import Request

    return Request(paths=(order.spec,), crds=order.crds, templates=order.templates, keep=True)


def read(request: Request) -> Compiled:
    """Compile one spec. Raises Rejected when it is refused, Unable (status 2) when the path leads to several."""
    from mlspec.compiler import compile_specs

    outcome = compile_specs(request)
    return only(outcome)


def only(outcome: Outcome) -> Compiled:
    """Return the one project of a compilation."""
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        raise Rejected(outcome.diagnostics)
    if len(outcome.projects) != 1:
        raise Unable(f"expected one spec, found {len(outcome.projects)}", "name one: churn/mlspec.yaml", status=2)
    return outcome.projects[0]


def plan_of(plans: tuple[Plan, ...], environment: str | None) -> Plan:
    """Return the plan of an environment, which has to be named unless there is one alone."""
    known = {plan.environment: plan for plan in plans}
    if environment is None:
        if len(plans) == 1:
            return plans[0]
        raise click.UsageError(f"say in which environment: --env {'|'.join(known)}")
    if environment not in known:
        near = nearest(environment, known)
        raise click.UsageError(
            f"no such environment: {environment}; " + (f"did you mean {near}?" if near else f"there are {', '.join(known)}")
        )
    return known[environment]


def require_endpoint(plan: Plan, endpoint: str) -> None:
    """Raise UsageError when an environment has no such endpoint."""
    known = list(plan.tree["serving"])
    if endpoint not in known:
        near = nearest(endpoint, known)
        hint = f"did you mean {near}?" if near else f"{plan.environment} has {', '.join(known) or 'none'}"
        raise click.UsageError(f"no such endpoint: {endpoint}; {hint}")


def find_step(order: Order) -> Step:
    """Return the step that is asked for, from the spec and the lock as they are.

    Raises Rejected when it cannot be made (see ``mlspec.rollout.move``; MLS-E738 when spec and tree are apart), Unable (status 4)
    when the canary is not at the step that was expected.
    """
    from mlspec.rollout import move, rollout_of

    compiled = read(requested(order))
    assert compiled.made is not None
    plan = plan_of(compiled.made.examined.plans, order.environment)
    require_endpoint(plan, order.endpoint)
    facts = move(plan, order.endpoint, order.how)
    require_current(compiled, plan, order.endpoint)
    found = rollout_of(plan, order.endpoint)
    if order.at is not None and order.at != found.step + 1:
        from mlspec.repository.troubles import lost_race

        raise lost_race(f"{found.place} is at step {found.step + 1}, not at {order.at}", "look again: mlspec rollout status")
    assert compiled.old is not None
    return Step(found, facts, {**compiled.old.live, found.place: facts})


def require_current(compiled: Compiled, plan: Plan, endpoint: str) -> None:
    """Raise Rejected (MLS-E738) when the committed lock is not what the spec compiles to."""
    from mlspec.rollout import tree_behind_spec

    what = _apart(compiled.old, compiled.lock)
    if what:
        raise Rejected([diagnose(tree_behind_spec(("serving", endpoint), compiled.lock_path, what), plan.mark)])


def _apart(old: Lock | None, new: Lock) -> str:
    """Say what has changed since a lock was written; nothing when nothing has."""
    if old is None:
        return "nothing was compiled"
    if old.compiler != new.compiler:
        return f"mlspec {new.compiler} has come in place of {old.compiler}"
    if old.inputs != new.inputs:
        changed = sorted(path for path in {*old.inputs, *new.inputs} if old.inputs.get(path) != new.inputs.get(path))
        return f"{', '.join(changed[:3])} changed"
    for name in ("pins", "live", "files"):
        if getattr(old, name) != getattr(new, name):
            return f"its {name} changed"
    return ""
