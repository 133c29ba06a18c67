"""The rehearsal of a way back: what would stop it, as far as the repository can tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mlspec.diagnostics import Diagnostic, Found, Rejected, code
from mlspec.location import Path

if TYPE_CHECKING:
    from mlspec.changes.effects import Effect
    from mlspec.cli.editing import Spec
    from mlspec.cli.rollback import Way
    from mlspec.compiler import Made
    from mlspec.plan.plan import Plan


class Rehearsal(NamedTuple):
    """What a way back would come to."""

    diagnostics: tuple[Diagnostic, ...]
    """What would stop it."""
    notes: tuple[str, ...]
    """What would not, and what nobody should be surprised by."""


def rehearse(spec: Spec, way: Way, after: Made, environment: str) -> Rehearsal:
    """Return what would stop the way back, and what it would bring along, as far as the repository can tell."""
    from mlspec.changes.effects import LOST, REFUSED, REPLACED
    from mlspec.plan.pins import pin

    before = _compiled(spec)
    plan, goal = (next(plan for plan in made.examined.plans if plan.environment == environment) for made in (before, after))
    effects = list(_effects(before, after, environment))
    stopping = [effect for effect in effects if effect.kind in (REFUSED, LOST, REPLACED)]
    findings = [effect_in_cluster(environment, f"{effect.key.text}: {effect.text}") for effect in stopping]
    findings += [
        incompatible_signature(("models", name, "signature"), environment, name, why, _callers(plan.tree, name))
        for name in _changed_models(way)
        if (why := _disagreement(way, name))
    ]
    planned = goal.tree["datasets"]
    changed = {name: planned[name] for name in planned if any(move.path[:2] == ("datasets", name) for move in way.moves)}
    for lost in pin({"datasets": changed}, spec.file.parent)[1]:
        name = str(lost.found.path[1])
        findings.append(data_not_pinned(("datasets", name), environment, name, changed[name]["version"]["dvc"]))
    for name in way.then.written.get("models") or {}:
        if name not in (way.now.written.get("models") or {}) and not any(move.path[:2] == ("models", name) for move in way.moves):
            findings.append(model_gone(environment, name, str(way.then.read["models"][name].get("version"))))
    deleted = [f"{effect.key.text} {effect.text}" for effect in effects if effect.grave and effect not in stopping]
    notes = [*_places(spec, way, environment), *_rollouts(plan, goal), *deleted, *_needs(plan, goal), *_looser(plan, goal), *_unknown(way)]
    return Rehearsal(tuple(before.examined.diagnose(findings, plan)), tuple(notes))


def _changed_models(way: Way) -> list[str]:
    """Return the models that are there on both sides, and of which something goes back."""
    moved = dict.fromkeys(str(move.path[1]) for move in way.moves if move.path[0] == "models" and len(move.path) > 1)
    both = [view.written.get("models") or {} for view in (way.then, way.now)]
    return [name for name in moved if all(name in models for models in both)]


def _places(spec: Spec, way: Way, environment: str) -> Iterator[str]:
    """Yield where the environment was at that commit, when it is somewhere else by now."""
    then, now = (tree["environments"][environment] or {} for tree in (way.old.source.tree, spec.tree))
    for key, default in (("namespace", way.old.source.tree.get("name")), ("cluster", "the cluster of Argo CD")):
        was, is_ = then.get(key, default), now.get(key, default)
        if was != is_:
            yield f"{environment} was in the {key} {was} then; it stays in {is_}, where that version may never have run"


def _rollouts(plan: Plan, goal: Plan) -> Iterator[str]:
    """Yield what becomes of rollouts: one that ends, one that begins with the way back, one that was aborted once."""
    from mlspec.rollout import ABORTED, UNDER_WAY, rollout_of

    for name in goal.tree["serving"]:
        new = rollout_of(goal, name)
        old = rollout_of(plan, name) if name in plan.tree["serving"] else new
        if old.state == UNDER_WAY and old.new is not None and old.new != new.new:
            yield f"the rollout of {name} to {old.new.version} ends"
        if old.new == new.new or new.live is None or new.new is None:
            continue
        if new.state == ABORTED:
            yield f"{name} keeps {new.live.version}: a rollout of {new.new.version} was aborted, and another version has to follow it"
        elif new.state == UNDER_WAY:
            how = f"gets {new.percent} % of the traffic at first" if new.steps else "stands beside it"
            yield f"{name} goes back as it goes forward: {new.live.version} goes on serving, {new.new.version} {how}; see mlspec rollout"


def _needs(plan: Plan, goal: Plan) -> Iterator[str]:
    """Yield the secrets that are named again: whether they are still there, the repository does not tell."""
    from mlspec.changes.risks import secrets_in

    known = secrets_in(plan.tree)
    for secret, place in secrets_in(goal.tree).items():
        if secret not in known:
            yield f"{place} needs the secret {secret}, which nothing names now; see that it is still there"


def _looser(plan: Plan, goal: Plan) -> Iterator[str]:
    """Yield the gates that the way back loosens."""
    from mlspec.changes.gates import gates_of, loosenings
    from mlspec.changes.guards import lapses

    found = [*loosenings(gates_of(plan), gates_of(goal)), *lapses(plan, goal)]
    for text in dict.fromkeys(one.text for one in found):
        yield f"{text} is looser: mlspec check --against asks for a waiver"


def _unknown(way: Way) -> Iterator[str]:
    """Yield models of which a signature is known on one side alone, so that nobody can compare them."""
    for name in _changed_models(way):
        then, now = (isinstance(view.written["models"][name].get("signature"), dict) for view in (way.then, way.now))
        if then != now:
            yield f"the signature of {name} is not known as it {'was' if now else 'is'}, so callers are not compared"


def _compiled(spec: Spec) -> Made:
    """Return what the spec compiles to as it is now."""
    from mlspec.compiler import Request, compile_specs

    outcome = compile_specs(Request(paths=(spec.file,), texts=False, keep=True))
    errors = [diagnostic for diagnostic in outcome.diagnostics if diagnostic.severity == "error"]
    if errors or not outcome.projects:
        raise Rejected(errors)
    made = outcome.projects[0].made
    assert made is not None
    return made


def _effects(before: Made, after: Made, environment: str) -> list[Effect]:
    """Return what would happen in a cluster to the objects of one environment."""
    from mlspec.changes.effects import effects_of
    from mlspec.changes.objects import differences, key_of

    sides = [
        {
            key_of(manifest.object, environment): manifest.object
            for manifest in made.manifests
            if manifest.object is not None
            and manifest.file.startswith(manifest.plan.folder + "/")
            and manifest.plan.environment == environment
        }
        for made in (before, after)
    ]
    return effects_of(differences(*sides), *sides)


def _callers(tree: Any, model: str) -> list[str]:
    """Return the endpoints of an environment that answer with a model, and the steps that score with it."""
    found = []
    for name, endpoint in tree["serving"].items():
        shadow = endpoint.get("shadow") or {}
        if model in (endpoint.get("model"), *(endpoint.get("split") or ()), shadow.get("model")):
            found.append(str(name))
    for name, pipeline in tree["pipelines"].items():
        found += [f"{name}.{step}" for step, entry in pipeline["steps"].items() if entry.get("score") == model]
    return found


def _disagreement(way: Way, model: str) -> str:
    """Say how the signature that callers know now differs from the one that they would meet; nothing when they can go on."""
    then, now = (view.written["models"][model].get("signature") for view in (way.then, way.now))
    if not isinstance(then, dict) or not isinstance(now, dict):
        return ""
    inputs = _pairs(now, then, "inputs")
    outputs = _pairs(then, now, "outputs")
    said = [f"input {name} is not sent by them" for name, (sent, _) in inputs.items() if sent is None]
    said += [f"input {name} is {taken}, they send {sent}" for name, (sent, taken) in inputs.items() if sent is not None and sent != taken]
    said += [f"output {name}, which they read, is not there" for name, (given, _) in outputs.items() if given is None]
    said += [
        f"output {name} is {given}, they read {read}" for name, (given, read) in outputs.items() if given is not None and given != read
    ]
    return "; ".join(said)


def _pairs(giving: Any, taking: Any, key: str) -> dict[str, tuple[Any, Any]]:
    """Return, for every value that one side takes, what the other gives and what is taken, in words."""
    from mlspec.source.amend import written

    gives, takes = giving.get(key) or {}, taking.get(key) or {}
    return {name: (written(gives[name]) if name in gives else None, written(value)) for name, value in takes.items()}


@code("MLS-E723", "refused-in-cluster")
def effect_in_cluster(environment: str, text: str) -> Found:
    """A way back is one that a cluster can go: no field that cannot be changed, no volume that would be lost.

    Kubernetes refuses changes of some fields (the template of a Job, the claims of a StatefulSet, the address of a Service), and a
    volume that the old tree does not have is deleted with its data. Delete the object yourself first, or go back by another way;
    `--force` writes the edit all the same.

    Bad (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m"}}\\nserving: {churn: {model: m}}\\n' >> mlspec.yaml
        printf 'monitoring: {churn: {dashboard: true}}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        printf 'patches: [{reason: kept, target: {kind: ConfigMap}, merge: {immutable: true}}]\\n' >> mlspec.yaml
        mlspec rollback --env prod --to HEAD --format json

    Good (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m"}}\\nserving: {churn: {model: m}}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i 's/1.0.0/2.0.0/' mlspec.yaml
        mlspec rollback --env prod --format json
    """
    return Found(
        ("environments", environment), f"going back would be stopped: {text}", "delete or rename the object first, or use --force", on="key"
    )


@code("MLS-E724", "model-gone")
def model_gone(environment: str, name: str, version: str) -> Found:
    """A version can be brought back only of a model that the spec still has.

    A model that was taken out of the spec is brought back with all that refers to it: name the commit with `--to`.

    Bad (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models:\\n  m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m"}\\n' >> mlspec.yaml
        printf '  n: {framework: sklearn, version: 1.0.0, uri: "s3://acme/n"}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i '/  n:/d; s/1.0.0/2.0.0/' mlspec.yaml
        mlspec rollback --env prod --format json

    Good (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models:\\n  m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m"}\\n' >> mlspec.yaml
        printf '  n: {framework: sklearn, version: 1.0.0, uri: "s3://acme/n"}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i '/  n:/d; s/1.0.0/2.0.0/' mlspec.yaml
        mlspec rollback --env prod --to HEAD --format json
    """
    return Found(
        ("models",),
        f"{environment} had {name} {version}, and the spec has no such model any more",
        "go back with --to, which brings it back",
    )


@code("MLS-E725", "data-not-pinned")
def data_not_pinned(path: Path, environment: str, name: str, file: str) -> Found:
    """Data is brought back only in a version that the repository still pins.

    A `.dvc` file that was deleted says no more which data it was. Take it back from git first
    (`git checkout REV -- data/customers.dvc`).

    Bad (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'datasets: {c: {uri: "s3://acme/c", version: {dvc: old.dvc}}}\\n' >> mlspec.yaml
        printf 'outs:\\n- md5: 0123456789abcdef0123456789abcdef\\n  path: c\\n' > old.dvc
        git add mlspec.yaml old.dvc
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        mv old.dvc new.dvc
        sed -i 's/old.dvc/new.dvc/' mlspec.yaml
        mlspec rollback --env prod --format json

    Good (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'datasets: {c: {uri: "s3://acme/c", version: {dvc: old.dvc}}}\\n' >> mlspec.yaml
        printf 'outs:\\n- md5: 0123456789abcdef0123456789abcdef\\n  path: c\\n' > old.dvc
        git add mlspec.yaml old.dvc
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        cp old.dvc new.dvc
        sed -i 's/old.dvc/new.dvc/' mlspec.yaml
        mlspec rollback --env prod --format json
    """
    return Found(
        path,
        f"dataset {name} would go back to `{file}` in {environment}, which the repository does not have",
        f"take `{file}` back from git",
    )


@code("MLS-E726", "incompatible-signature")
def incompatible_signature(path: Path, environment: str, name: str, why: str, callers: list[str]) -> Found:
    """A version is brought back only when those who call the one of now can call it.

    Callers send what the signature of now takes, and read what it gives. An old version that needs an input they do not send, or
    lacks an output they read, answers them with errors. Change the callers first; `--force` writes the edit all the same.

    Bad (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m", signature: {inputs: {age: int64}}}}\\n' >> mlspec.yaml
        printf 'serving: {churn: {model: m}}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i 's/1.0.0/2.0.0/; s/int64/float64/' mlspec.yaml
        mlspec rollback --env prod --format json

    Good (shell)::

        git init -q .
        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\nenvironments: {prod: {namespace: churn}}\\n' > mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://acme/m", signature: {inputs: {age: int64}}}}\\n' >> mlspec.yaml
        printf 'serving: {churn: {model: m}}\\n' >> mlspec.yaml
        git add mlspec.yaml
        git -c user.name=a -c user.email=a@example.com commit -q -m one
        sed -i 's/1.0.0/2.0.0/' mlspec.yaml
        mlspec rollback --env prod --format json
    """
    where = f"behind {', '.join(callers)}" if callers else "which nothing here serves"
    return Found(
        path,
        f"the callers of {name} in {environment} ({where}) do not fit the old signature: {why}",
        "change the callers first, or use --force",
    )
