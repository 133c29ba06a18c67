"""The command gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, examples, speaking

if TYPE_CHECKING:
    from mlspec.plan.plan import Plan


@click.command(
    "gate",
    epilog=examples(
        ("mlspec gate release --metrics metrics.json", "the rules of the threshold release"),
        ("mlspec gate release --metrics m.json --champion old.json", "and no worse than the champion"),
        ("mlspec gate customers --data data/customers.parquet", "a threshold on data"),
        ("mlspec gate release --metrics m.json --format junit", "for a CI system"),
        ("mlspec gate online --prometheus http://localhost:9090 --endpoint api --env prod", "what a canary does now"),
        ("mlspec gate --self-test", "prove that every rule can pass and can fail"),
    ),
)
@click.argument("words", nargs=-1, metavar="[THRESHOLD] [SPEC]")
@click.option("--metrics", metavar="FILE", help="The metrics of an evaluation, a JSON object.")
@click.option("--slices", metavar="FILE", help="Metrics by slice; without it, the key slices of the metrics.")
@click.option("--champion", metavar="FILE", help="The metrics of the champion.")
@click.option("--no-champion-yet", is_flag=True, help="There is no champion, so nothing is compared with it.")
@click.option("--data", metavar="PATH", help="The data, a file, a folder or a URI, for a threshold on data.")
@click.option("--dataset", metavar="NAME", help="Whose columns the data has; needed where several datasets have the threshold.")
@click.option("--now", metavar="TIME", help="The time by which the age of data is told.")
@click.option("--prometheus", metavar="URL", help="Where a threshold on what is live is measured.")
@click.option("--endpoint", metavar="NAME", help="The endpoint that is measured.")
@click.option("--version", metavar="NAME", help="Its version: canary, stable, a model of a split, or all; else canary.")
@click.option("--env", "environment", metavar="NAME", help="The environment; needed where the rules differ between them.")
@click.option("--self-test", is_flag=True, help="Prove that every rule can pass and can fail.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "junit", "markdown"]),
    default="table",
    show_default=True,
    help="How it is written.",
)
@speaking
@click.pass_obj
def command(console: Console, /, *, words: tuple[str, ...], self_test: bool, environment: str | None, form: str, **given: Any) -> int:
    """Hold metrics, data or what is live against the rules of a threshold, as the steps of pipelines do.

    SPEC is the spec that has the threshold; without one, mlspec.yaml here. The same code gives the verdict here, in a step of a
    pipeline and before a promotion. A bound itself passes; what cannot be measured does not. Exits 0 when the threshold passes
    (always in mode report) and 1 when it does not.

    A threshold on what is live is asked of Prometheus, for one version of an endpoint: a rule without data does not pass. Exits 3
    when Prometheus cannot be asked, so that nothing was decided. A bearer token is taken from MLSPEC_PROMETHEUS_TOKEN.
    """
    least = 0 if self_test else 1
    if not least <= len(words) <= least + 1:
        raise click.UsageError("expected [SPEC] after --self-test" if self_test else "expected THRESHOLD [SPEC]")
    plans = _plans(Path(words[least]) if len(words) > least else Path("mlspec.yaml"), environment, live=given["prometheus"] is not None)
    if self_test:
        return _prove(console, plans, form)
    from mlspec.diagnostics import Unable
    from mlspec.runtime import gate

    plan, rules = _rules(plans, words[0], live=given["prometheus"] is not None)
    try:
        rows = _judge(plan, rules, given)
    except gate.Unable as error:
        raise Unable(str(error)) from None
    click.echo(gate.render(rules, rows, form), nl=False)
    return gate.status_of(rules, rows)


def _plans(spec: Path, environment: str | None, *, live: bool = False) -> tuple[Plan, ...]:
    if live:  # which versions there are stands in the lock
        from mlspec.cli.locked import plans_of

        plans = plans_of(spec)
    else:
        from mlspec.compiler import show
        from mlspec.examine import examine
        from mlspec.source.files import repository_root

        plans = examine(spec, repository_root(spec), show, {}).plans
    if environment is None:
        return plans
    chosen = tuple(plan for plan in plans if plan.environment == environment)
    if not chosen:
        known = ", ".join(plan.environment for plan in plans)
        raise click.UsageError(f"no such environment: {environment}; there are {known}")
    return chosen


def _rules(plans: tuple[Plan, ...], threshold: str, *, live: bool) -> tuple[Plan, dict[str, Any]]:
    """Return the rules of a threshold, and a plan that has them."""
    from mlspec.diagnostics import nearest
    from mlspec.plan.rules import rules_of

    having = [plan for plan in plans if threshold in plan.node.thresholds]
    if not having:
        known = sorted({name for plan in plans for name in plan.node.thresholds})
        near = nearest(threshold, known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}"
        raise click.UsageError(f"no such threshold: {threshold}; {hint}")
    rules = [rules_of(plan, threshold) for plan in having]
    other = next((plan for plan, made in zip(having, rules, strict=True) if made != rules[0]), None)
    if other is not None:
        raise click.UsageError(f"{threshold} differs between {having[0].environment} and {other.environment}; choose with --env")
    if rules[0]["on"] == "drift":
        raise click.UsageError(f"{threshold} is on drift, which is judged where it is measured; expected one on evaluation, data or live")
    if (rules[0]["on"] == "live") != live:
        raise click.UsageError(
            f"{threshold} is on {rules[0]['on']}: " + ("it needs --metrics or --data" if live else "it needs --prometheus")
        )
    if live and len(plans) > 1:
        raise click.UsageError(f"say in which environment: --env {'|'.join(plan.environment for plan in plans)}")
    return having[0], rules[0]


def _judge(plan: Plan, rules: dict[str, Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    from mlspec.runtime import gate

    if rules["on"] == "live":
        return _ask(plan, rules, given)
    for name in ("endpoint", "version"):
        if given[name] is not None:
            raise click.UsageError(f"--{name} needs --prometheus")
    own, other = ("data", "metrics") if rules["on"] == "data" else ("metrics", "data")
    if given[own] is None or given[other] is not None:
        raise click.UsageError(
            f"{rules['threshold']} is on {rules['on']}: it needs --{own}" + (f" and not --{other}" if given[other] else "")
        )
    if own == "data":
        return _check(plan, rules, given)
    compares = any("noWorseThan" in rule for rule in rules["rules"])
    if given["champion"] and given["no_champion_yet"]:
        raise click.UsageError("--champion and --no-champion-yet contradict each other")
    if compares and not (given["champion"] or given["no_champion_yet"]) and rules["mode"] != "off":
        raise click.UsageError(f"{rules['threshold']} compares with the champion: give --champion FILE, or --no-champion-yet")
    slices = gate.read_json(given["slices"]) if given["slices"] else None
    champion = gate.read_json(given["champion"]) if given["champion"] else gate.NONE_YET
    return gate.judge(rules, gate.read_json(given["metrics"]), slices, champion)


def _ask(plan: Plan, rules: dict[str, Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold a live threshold against Prometheus."""
    from mlspec.cli.prometheus import Prometheus, judge, token
    from mlspec.cli.stepping import require_endpoint
    from mlspec.plan.live import ALL
    from mlspec.plan.versions import versions_by_label

    for name in ("metrics", "data", "champion", "slices"):
        if given[name] is not None:
            raise click.UsageError(f"--{name} and --prometheus exclude each other")
    if given["endpoint"] is None:
        raise click.UsageError(f"{rules['threshold']} is on live: it needs --endpoint")
    require_endpoint(plan, given["endpoint"])
    graph = "graph" in plan.node.serving[given["endpoint"]]
    known = [*([] if graph else versions_by_label(plan, given["endpoint"])), ALL]
    version = given["version"] or ("canary" if not graph else ALL)
    if version not in known:
        raise click.UsageError(f"{given['endpoint']} has no {version} in {plan.environment}; choose with --version {'|'.join(known)}")
    try:
        prometheus = Prometheus(given["prometheus"], token())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return judge(plan, rules, given["endpoint"], version, prometheus)


def _check(plan: Plan, rules: dict[str, Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    from datetime import UTC, datetime

    from mlspec.plan.rules import dataset_of
    from mlspec.runtime import check_data, gate

    try:
        now = check_data.moment(given["now"]) if given["now"] else datetime.now(UTC)
    except ValueError:
        raise click.UsageError("expected a time such as 2026-01-31T12:00:00Z after --now") from None
    dataset = dataset_of(plan, _dataset(plan, rules["threshold"], given["dataset"]))
    try:
        return check_data.check(rules, dataset, given["data"], now)
    except gate.Unable:
        raise
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:  # as the program says it
        raise gate.Unable(f"{given['data']}: {error}") from None


def _dataset(plan: Plan, threshold: str, name: str | None) -> str:
    """Return the dataset whose columns the data has."""
    datasets, pipelines = plan.tree["datasets"], plan.tree["pipelines"]
    if name is not None:
        if name in datasets:
            return name
        raise click.UsageError(f"no such dataset: {name}; there are {', '.join(datasets) or 'none'}")
    having: set[str] = {key for key, dataset in datasets.items() if dataset.get("quality") == threshold}
    steps = (step for pipeline in pipelines.values() for step in pipeline["steps"].values())
    having |= {str(step["data"]) for step in steps if step.get("check") == threshold}
    if len(having) != 1:
        raise click.UsageError(f"{len(having)} datasets have {threshold}; name one of {', '.join(datasets)} with --dataset")
    return having.pop()


def _prove(console: Console, plans: tuple[Plan, ...], form: str) -> int:
    from mlspec.cli.proof import prove
    from mlspec.plan.rules import rules_of
    from mlspec.runtime import gate

    proven: list[dict[str, Any]] = []
    status = 0
    for plan in plans:
        for name in plan.node.thresholds:
            rules = rules_of(plan, name)
            if rules in proven:
                continue
            proven.append(rules)
            rows = prove(rules)
            shown = {**rules, "mode": "enforce"}
            click.echo(gate.render(shown, rows, form), nl=False)
            status = max(status, gate.status_of(shown, rows))
            if rules["mode"] == "enforce" and all(rule["severity"] == "warn" for rule in rules["rules"]):
                console.say(f"note: every rule of {name} only warns, so it stops nothing")
    if not proven:
        console.say("there is no threshold")
    return status
