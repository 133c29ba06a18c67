"""The command bump."""

from __future__ import annotations

import math
import re
import shlex
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlspec.cli.console import Console, examples, reporting

if TYPE_CHECKING:
    from mlspec.plan.plan import Plan

SPEC = Path("mlspec.yaml")
_PAGES = 50
"""Pages of an answer that are read, 200 versions each."""
_GRACE = 2.0
"""Seconds that an answer may take beyond the time for asking, before it is left."""
_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>$]+")
"""Sources that a spec takes as `uri`, and takes literally."""


class Candidate(NamedTuple):
    """One version of a model, as the registry has it."""

    number: int
    source: str
    metrics: dict[str, Any]
    slices: Any
    archived: bool = False

    @property
    def version(self) -> str:
        """The version as a spec writes it."""
        return str(self.number)


@click.command(
    "bump",
    epilog=examples(
        ("mlspec bump", "every model of the spec"),
        ("mlspec bump churn --env dev", "one model, in one environment's overrides"),
        ("mlspec bump churn --write", "edit the spec"),
        ("mlspec bump --registry http://localhost:5000", "a registry that is called otherwise from here"),
    ),
)
@click.argument("words", nargs=-1, metavar="[MODEL] [SPEC]")
@click.option("--env", "environment", metavar="NAME", help="Judge by this environment's gates, and edit its overrides alone.")
@click.option("--registry", metavar="URL", help="Where MLflow is from here; else platform.registry.")
@click.option("--ungated", is_flag=True, help="Propose versions of models that no gate stands before, too.")
@click.option("--write", is_flag=True, help="Make the edits, instead of printing the commands that make them.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to try.")
@reporting
@click.pass_obj
def command(
    console: Console,
    *,
    words: tuple[str, ...],
    environment: str | None,
    registry: str | None,
    ungated: bool,
    write: bool,
    timeout: float,
) -> int:
    """Ask the registry for a newer version of a model that passed its gate, and propose the edit.

    A version has passed when the metrics that it was registered with pass every gate of the pipelines that register the model: they are
    held against the rules again, so a gate that has become stricter counts. Rules that compare with the champion compare with
    the version that the spec names. Prints `mlspec set` commands on stdout; nothing when there is nothing newer.
    """
    from mlspec.cli.locked import plans_of
    from mlspec.cli.stepping import plan_of

    if not 0 < timeout < math.inf:
        raise click.UsageError(f"--timeout {timeout}: expected seconds, more than none")
    if len(words) > 2:
        raise click.UsageError("expected [MODEL] [SPEC]")
    model, spec = _words(words)
    plans = plans_of(spec)
    if environment is not None:
        plans = (plan_of(plans, environment),)
    _require_model(plans, model)
    edits: list[tuple[tuple[str, ...], str]] = []
    for name in sorted({name for plan in plans for name in plan.tree["models"] if model in (None, name)}):
        having = [plan for plan in plans if name in plan.tree["models"]]
        found = _newest(console, having, name, registry, timeout, ungated=ungated)
        if found is not None:
            edits += [(("models", name, "version"), found.version), (("models", name, "uri"), found.source)]
    if write and edits:
        return _write(console, spec, environment, edits)
    for path, value in edits:
        where = f" --env {environment}" if environment else ""
        which = "" if spec == SPEC else f" {shlex.quote(str(spec))}"
        click.echo(f"mlspec set{where} {shlex.quote('.'.join(path))} {shlex.quote(value)}{which}")
    return 0


def _words(words: Sequence[str]) -> tuple[str | None, Path]:
    if len(words) == 1 and (words[0].endswith((".yaml", ".yml")) or "/" in words[0]):
        return None, Path(words[0])
    return (words[0] if words else None), Path(words[1]) if len(words) == 2 else SPEC


def _require_model(plans: Sequence[Plan], model: str | None) -> None:
    from mlspec.diagnostics import nearest

    known = sorted({name for plan in plans for name in plan.tree["models"]})
    if model is not None and model not in known:
        near = nearest(model, known)
        raise click.UsageError(
            f"no such model: {model}; " + (f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}")
        )


def _newest(
    console: Console, plans: Sequence[Plan], model: str, registry: str | None, timeout: float, *, ungated: bool
) -> Candidate | None:
    """Return the newest version that passed, and say what was looked at."""
    from mlspec.reporters.printable import printable

    settings = plans[0].tree["platform"]["registry"]
    url = registry or settings.get("mlflow")
    if url is None:
        console.say(f"{model}: the platform has no registry")
        return None
    versions = {plan.environment: str(plan.tree["models"][model]["version"]) for plan in plans}
    if len(set(versions.values())) > 1:
        console.say(f"{model}: {', '.join(f'{name} has {version}' for name, version in versions.items())}; choose with --env")
        return None
    known = sorted(_patiently(str(url), model, timeout), key=lambda one: -one.number)
    now = plans[0].tree["models"][model]
    serving = next((one for one in known if one.version == now["version"] or one.source == now["uri"]), None)
    floor = serving.number if serving else _number(str(now["version"]))
    newer = [one for one in known if one.number > floor]
    if not newer:
        console.say(f"{model}: {now['version']} is the newest" if known else f"{model}: the registry has no version of it")
        return None
    gates = {name: plan for plan in plans for name in gates_before(plan, model)}
    if not gates and not ungated:
        console.say(f"{model}: {newer[0].version} is newer, but no gate stands before it; --ungated proposes it all the same")
        return None
    for one in newer:
        why = _unfit(one) or faults(plans, model, one, serving)
        if not why:
            console.say(f"{model}: {now['version']} → {one.version}" + (f", which passed {', '.join(sorted(gates))}" if gates else ""))
            return one
        console.say(printable(f"{model}: {one.version} is newer, but {'; '.join(why)}"))
    return None


def _unfit(one: Candidate) -> list[str]:
    """Return why a version can be written into no spec, whatever its metrics are."""
    if one.archived:
        return ["it is archived"]
    if not _SOURCE.fullmatch(one.source) or not one.source.isprintable():
        return [f"its source {one.source[:200]!r} is no URI that a spec can have"]
    return []


def gates_before(plan: Plan, model: str) -> list[str]:
    """Return the thresholds on evaluations that a model has to pass in the pipelines that register it."""
    found: dict[str, None] = {}
    for pipeline in plan.tree["pipelines"].values():
        steps = pipeline["steps"].values()
        if any(step.get("register") == model for step in steps):
            found |= {str(step["gate"]): None for step in steps if "gate" in step}
    return list(found)


def faults(plans: Sequence[Plan], model: str, one: Candidate, serving: Candidate | None) -> list[str]:
    """Return why a version does not pass its gates, in words; nothing when it does."""
    from mlspec.plan.rules import rules_of
    from mlspec.runtime import gate

    champion: Any = (
        {**serving.metrics, "slices": serving.slices} if serving else "the registry does not know the version that the spec names"
    )
    found: dict[str, None] = {}
    for plan in plans:
        for threshold in gates_before(plan, model):
            rules = rules_of(plan, threshold)
            rows = gate.judge(rules, one.metrics, one.slices, champion)
            if rules["mode"] == "enforce":
                found |= {f"{threshold}: {row['rule']} {row['why']}": None for row in rows if row["verdict"] in ("failed", "undecided")}
    return list(found)


def _patiently(url: str, model: str, timeout: float) -> list[Candidate]:
    """Return what _ask does, or give up when an answer comes so slowly that it would outlast the time for it."""
    from mlspec.diagnostics import Unable

    found: list[Candidate] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            found.extend(_ask(url, model, timeout))
        except BaseException as error:  # raised again below
            failed.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout + _GRACE)
    if asking.is_alive():
        raise Unable(f"the registry {url} did not finish its answer within {timeout:g} s", "give it more time: --timeout SECONDS")
    if failed:
        raise failed[0]
    return found


def _ask(url: str, model: str, timeout: float) -> list[Candidate]:
    """Return the versions of a registered model that are ready. Raises Unable when the registry cannot be asked."""
    from mlspec.diagnostics import Unable
    from mlspec.reporters.printable import printable
    from mlspec.runtime import register

    if not re.match(r"https?://[^/]", url):
        raise click.UsageError(f"--registry {url}: expected http://... or https://...")
    registry = register.Registry(url, timeout)
    found: list[Candidate] = []
    page = ""
    try:
        for _ in range(_PAGES):
            query = {"filter": f"name='{model}'", "max_results": "200", **({"page_token": page} if page else {})}
            answer = registry.patiently(lambda query=query: registry.call("GET", "model-versions/search", **query))
            ours = [one for one in answer.get("model_versions") or () if one.get("name", model) == model]
            found += [_candidate(one) for one in ours if one.get("status", "READY") == "READY"]
            page = answer.get("next_page_token") or ""
            if not page:
                return found
    except register.Stop as error:
        raise Unable(printable(f"the registry {url}: {error}"), "say where it is from here: --registry URL") from None
    except register.Refused as error:
        raise Unable(printable(f"the registry {url} refused ({error.status} {error.code}): {error}")) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise Unable(f"the registry {url} answered with something other than versions", "is this MLflow's address?") from None
    raise Unable(f"the registry {url} has more than {_PAGES} pages of versions of {model}", "delete versions that nobody needs")


def _candidate(version: dict[str, Any]) -> Candidate:
    from mlspec.runtime import gate

    tags = {tag["key"]: str(tag.get("value", "")) for tag in version.get("tags") or ()}
    prefix = "mlspec.metric."
    metrics = {key[len(prefix) :]: gate.parse_json(value.encode()) for key, value in tags.items() if key.startswith(prefix)}
    slices = gate.parse_json(tags["mlspec.slices"].encode()) if "mlspec.slices" in tags else None
    number = _number(str(version["version"]))
    if number < 0:
        raise ValueError("a version of MLflow is a whole number")
    return Candidate(number, str(version["source"]), metrics, slices, version.get("current_stage") == "Archived")


def _number(text: str) -> int:
    """Return a version as MLflow counts them; -1 for a text that is none of its numbers."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1


def _write(console: Console, spec: Path, environment: str | None, edits: Sequence[tuple[tuple[str, ...], str]]) -> int:
    from mlspec.cli.editing import Spec, finish, make_draft
    from mlspec.promotion.placement import over

    above = ("environments", environment) if environment else ()
    placed: list[tuple[Any, Any]] = [((*above, *over(path)) if environment else path, value) for path, value in edits]
    draft = make_draft(Spec(spec, dry_run=False), placed)
    finish(console, draft, [f"{'.'.join(path)}: {value}" for path, value in edits], dry_run=False)
    return 0
