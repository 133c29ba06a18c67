"""What the scheduled comparisons cannot do of a plan: rates of bias that they do not know, and references that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding, Found, code, nearest
from mlspec.location import Path, format_path
from mlspec.plan.plan import Plan
from mlspec.targets.prometheus.drift import reference, tasks

RATES = ("selectionRate", "accuracy", "truePositiveRate", "falsePositiveRate", "precision")
"""The rates that the program compares between slices; it also takes them with underscores."""


@code("MLS-E843", "bias-metric")
def unknown_rate(path: Path, metric: str) -> Found:
    """`bias.metric` is one of the rates that can be computed of logged requests and their answers.

    They are `selectionRate` (the share of positive answers), `accuracy`, `truePositiveRate`, `falsePositiveRate` and `precision`; all but
    the first need the true answer beside the request.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
            bias: {across: gender, metric: fairness, maxGap: 0.1}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
            bias: {across: gender, metric: selectionRate, maxGap: 0.1}
    """
    near = nearest(metric, RATES)
    advice = f"did you mean `{near}`?" if near else f"use {', '.join(RATES)}"
    said = f"`{format_path(path)}` is {metric}, expected one of {', '.join(RATES)}"
    return Found(path, said, advice, label="not a rate that is compared")


@code("MLS-E844", "nothing-to-compare-with")
def nothing_to_compare_with(path: Path, endpoint: str) -> Found:
    """Bias and outliers need a dataset: `drift.against`, else what the model was evaluated on, else what its features are from.

    Its schema says what the columns of the requests are, and outliers are those that are unlike its rows.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, trainedBy: train}}
        pipelines:
          train:
            image: "ghcr.io/acme/train:1.0"
            steps:
              fit: {run: [python, -m, fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}
        serving: {churn: {model: churn, logging: {mode: all, sink: s3://d/requests}}}
        platform: {storage: {secret: object-store}}
        monitoring: {churn: {outliers: {method: isolationForest, share: 1%}}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, trainedBy: train, evaluatedOn: [customers]}}
        pipelines:
          train:
            image: "ghcr.io/acme/train:1.0"
            steps:
              fit: {run: [python, -m, fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}
        serving: {churn: {model: churn, logging: {mode: all, sink: s3://d/requests}}}
        platform: {storage: {secret: object-store}}
        monitoring: {churn: {outliers: {method: isolationForest, share: 1%}}}
    """
    said = f"nothing says which dataset the requests of `{endpoint}` are held against"
    return Found(path, said, "name the dataset in `evaluatedOn` of its model, or add `drift`", on="key", label="held against what?")


def check_comparisons(plan: Plan) -> Iterator[Finding]:
    """Yield what the comparisons of a plan cannot do."""
    known = {rate.lower() for rate in RATES}
    for endpoint, monitor in plan.node.monitoring.items():
        path: Path = ("monitoring", endpoint)
        if monitor.bias and str(monitor.bias.metric).replace("_", "").lower() not in known:
            yield unknown_rate((*path, "bias", "metric"), str(monitor.bias.metric))
        asked = tasks(plan, endpoint)
        if asked and reference(plan, endpoint) is None:
            yield nothing_to_compare_with((*path, asked[0]), endpoint)
