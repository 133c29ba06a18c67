"""What is watched of endpoints: objectives, drift, bias, and whether the platform can enforce a threshold where it is named."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.steps import Tree, pipelines
from mlspec.checks.subject import Subject
from mlspec.checks.values import measure
from mlspec.diagnostics import Found, code
from mlspec.location import Path, format_path
from mlspec.quantity import is_duration, seconds

_LEAST, _MOST = Decimal("0.9"), Decimal("0.99999")
_STORES = ("s3://", "gs://", "abfs://")
_EXACT = [Decimal(60 * n) for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)] + [Decimal(3600 * n) for n in (1, 2, 3, 4, 6, 8, 12, 24)]
"""The periods, in seconds, that a cron line keeps exactly: divisors of an hour, and of a day in hours."""


def _threshold(subject: Subject, name: Any) -> Tree | None:
    """Return a threshold that is enforced or reported; None when it is not there or rests."""
    found: Tree | None = subject.thresholds.get(name)
    return None if found is None or found.get("mode") == "off" else found


@code("MLS-E246", "drift-period")
def drift_period(subject: Subject) -> Iterator[Found]:
    """`drift.every` must divide an hour, or be whole hours that divide a day.

    The comparison runs by a cron line; every 50 minutes, say, cannot be written as one, and would run at uneven distances.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 50m, image: "ghcr.io/acme/drift:1.0"}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
    """
    for name, monitor in subject.monitoring.items():
        every = str((monitor.get("drift") or {}).get("every"))
        if not is_duration(every) or seconds(every) in _EXACT:
            continue
        near = min(_EXACT, key=lambda size: abs(size - seconds(every)))
        path = ("monitoring", name, "drift", "every")
        shown = f"{near // 3600}h" if near >= 3600 else f"{near // 60}m"
        yield Found(
            path,
            f"`{format_path(path)}` is {every}, which no cron line keeps exactly",
            f"the nearest that one does is {shown}",
            label="divides neither an hour nor a day",
        )


@code("MLS-E247", "availability-out-of-range")
def availability_out_of_range(subject: Subject) -> Iterator[Found]:
    """The availability objective lies between 90% and 99.999%.

    Below, the alerts for burning the error budget can never fire; above, a single failed request fires them.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {availability: 100%}}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {slo: {availability: 99.9%}}}
    """
    for name, monitor in subject.monitoring.items():
        availability = (monitor.get("slo") or {}).get("availability")
        size = measure(availability)
        if size is not None and not _LEAST <= size[1] <= _MOST:
            path = ("monitoring", name, "slo", "availability")
            yield Found(
                path,
                f"`{format_path(path)}` is {availability}, expected 90% to 99.999%",
                "write it like 99.9%",
                label="not from 90% to 99.999%",
            )


@code("MLS-E248", "outlier-share")
def outlier_share(subject: Subject) -> Iterator[Found]:
    """The share of outliers that passes lies above 0% and is at most 50%.

    An isolation forest is told how many outliers to expect; none is no expectation, and what more than half of the requests
    are is not an outlier.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn, logging: {mode: request, sink: s3://d/requests}}}
        platform: {storage: {secret: object-store}}
        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, every: 1h, image: "ghcr.io/acme/drift:1.0"}
            outliers: {method: isolationForest, share: 80%}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn, logging: {mode: request, sink: s3://d/requests}}}
        platform: {storage: {secret: object-store}}
        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, every: 1h, image: "ghcr.io/acme/drift:1.0"}
            outliers: {method: isolationForest, share: 1%}
    """
    for name, monitor in subject.monitoring.items():
        share = (monitor.get("outliers") or {}).get("share")
        size = measure(share)
        if size is not None and not 0 < size[1] <= Decimal("0.5"):
            path = ("monitoring", name, "outliers", "share")
            said = f"`{format_path(path)}` is {share}, expected more than 0% and at most 50%"
            yield Found(path, said, "write it like 1%", label="not from 0% to 50%")


@code("MLS-E430", "drift-without-threshold")
def drift_without_threshold(subject: Subject) -> Iterator[Found]:
    """A drift comparison needs a drift threshold on `alerts`: its rules say what is computed and what is too much.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
    """
    for name, monitor in subject.monitoring.items():
        alerts = monitor.get("alerts") or ()
        if "drift" not in monitor or any(alert not in subject.thresholds or subject.thresholds[alert]["on"] != "live" for alert in alerts):
            continue
        fitting = sorted(one for one, threshold in subject.thresholds.items() if threshold["on"] == "drift")
        advice = f"add `{fitting[0]}` to `alerts`" if fitting else "declare a threshold `on: drift` and name it in `alerts`"
        said = f"`{name}` is compared for drift, and no threshold on its `alerts` is on drift"
        yield Found(("monitoring", name, "drift"), said, advice, on="key", label="nothing is computed")


@code("MLS-E431", "threshold-without-drift")
def threshold_without_drift(subject: Subject) -> Iterator[Found]:
    """A drift threshold on `alerts` needs `drift`, which says what live requests are compared with.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [input-drift]}}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
    """
    for name, monitor in subject.monitoring.items():
        for at, alert in enumerate(monitor.get("alerts") or ()):
            if "drift" not in monitor and alert in subject.thresholds and subject.thresholds[alert]["on"] == "drift":
                said = f"`{alert}` is a threshold on drift, and `{name}` is not compared with anything"
                advice = f"add `drift: {{against: DATASET, every: 1h}}` to `monitoring.{name}`"
                yield Found(("monitoring", name, "alerts", at), said, advice, label="nothing measures it")
                break


@code("MLS-E432", "requests-unknown")
def requests_unknown(subject: Subject) -> Iterator[Found]:
    """Drift, bias and outliers are computed over logged requests; the spec must say where those lie.

    That is `drift.current`, or the endpoint's `logging.sink` when it is an object store (s3, gs, abfs).

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, every: 30m, image: "ghcr.io/acme/drift:1.0"}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn, logging: {mode: request, sink: s3://d/requests}}}
        platform: {storage: {secret: object-store}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, every: 30m, image: "ghcr.io/acme/drift:1.0"}
    """
    for name, monitor in subject.monitoring.items():
        what = _compared(monitor)
        if not what or "current" in (monitor.get("drift") or {}) or name not in subject.serving:
            continue
        logging = subject.serving[name].get("logging") or {}
        sink = str(logging.get("sink", ""))
        if sink.startswith(_STORES):
            continue
        path = ("monitoring", name, what, "current") if what == "drift" else ("monitoring", name, what)
        why = f"the endpoint logs to {sink}, which is no object store" if sink else "the endpoint does not log its requests"
        related = ((("serving", name, "logging", "sink"), "the sink of its logs"),) if sink else ()
        advice = "write where they lie as `current:` of `drift`, or log to an object store (s3, gs, abfs)"
        yield Found(
            path,
            f"nothing says where the logged requests of `{name}` lie: {why}",
            advice,
            on="key",
            label="over which requests?",
            related=related,
        )


def _compared(monitor: Tree) -> str:
    """Return the first thing that is computed over logged requests; empty when there is none."""
    return next((what for what in ("drift", "bias", "outliers") if what in monitor), "")


@code("MLS-E433", "comparison-without-image")
def comparison_without_image(subject: Subject) -> Iterator[Found]:
    """The scheduled comparison runs in `drift.image`, else in the image of the pipeline that trained the model; one must be there.

    Bad::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m}

    Good::

        datasets: {customers: {uri: s3://d/customers, version: {delta: 1}}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {input-drift: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        serving: {churn: {model: churn}}
        monitoring:
          churn:
            alerts: [input-drift]
            drift: {against: customers, current: s3://d/requests, every: 30m, image: "ghcr.io/acme/drift:1.0"}
    """
    for name, monitor in subject.monitoring.items():
        what = _compared(monitor)
        endpoint = subject.serving.get(name)
        if not what or endpoint is None or "image" in (monitor.get("drift") or {}):
            continue
        model = endpoint.get("model")
        if model is not None and model not in subject.models:
            continue
        trainer = subject.models[model].get("trainedBy") if model is not None else None
        if trainer is not None and (trainer not in subject.pipelines or "image" in subject.pipelines[trainer]):
            continue
        path = ("monitoring", name, what, "image") if what == "drift" else ("monitoring", name, what)
        why = f"the pipeline `{trainer}` has no image of its own" if trainer else "no pipeline of the spec trained its model"
        if model is None:
            why = "it is a graph, which no pipeline trained"
        advice = (
            "add `image:` to `drift`"
            if what == "drift"
            else "name in `trainedBy` the pipeline that trained the model, or add `drift` with an `image`"
        )
        yield Found(path, f"the comparison for `{name}` has no image to run in: {why}", advice, on="key", label="no image")


def _monitored(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Yield for each monitor the first place that needs a monitoring system, and what it is."""
    for name, monitor in subject.monitoring.items():
        path = ("monitoring", name)
        for at, alert in enumerate(monitor.get("alerts") or ()):
            if _threshold(subject, alert) is not None:
                yield (*path, "alerts", at), f"the threshold `{alert}`"
                break
        else:
            what = next((what for what in ("slo", "drift", "bias", "outliers") if what in monitor), None)
            if what:
                yield (*path, what), f"`{what}` of `{name}`"


def _rollout_gates(subject: Subject) -> Iterator[tuple[Path, str]]:
    for name, endpoint in subject.serving.items():
        rollout = endpoint.get("rollout") or {}
        if _threshold(subject, rollout.get("gate")) is not None:
            yield ("serving", name, "rollout", "gate"), rollout["gate"]


@code("MLS-E434", "not-enforced")
def not_enforced(subject: Subject) -> Iterator[Found]:
    """A threshold must stand where the chosen platform can enforce it.

    Live and drift thresholds are read from Prometheus (`platform.monitoring: prometheus`); `on: breach` needs an event system
    (`platform.events: argo`) besides. A threshold with `mode: off` may stand anywhere.

    Bad::

        platform: {monitoring: none}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}

    Good::

        platform: {monitoring: prometheus}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    if subject.platform.get("monitoring") == "none":
        gates = [(path, f"the gate `{gate}`") for path, gate in _rollout_gates(subject)]
        for path, what in (*_monitored(subject), *gates):
            related = ((("platform", "monitoring"), "no monitoring system here"),)
            yield Found(
                path,
                f"nothing can enforce {what}: `platform.monitoring` is none",
                "`monitoring: prometheus` could",
                on="key" if path[0] == "monitoring" and len(path) == 3 else "value",
                label="read by nobody",
                related=related,
            )
    if subject.platform.get("events") == "none":
        for path, threshold in _breaches(subject):
            related = ((("platform", "events"), "no event system here"),)
            yield Found(
                path,
                f"nothing can start a run when `{threshold}` fires: `platform.events` is none",
                "`events: argo` could",
                label="never starts",
                related=related,
            )


def _breaches(subject: Subject) -> Iterator[tuple[Path, str]]:
    for name, pipeline, _ in pipelines(subject.pipelines):
        for at, trigger in enumerate(pipeline.get("on") or ()):
            threshold = _threshold(subject, trigger.get("breach"))
            if threshold is not None and threshold["on"] in ("live", "drift"):
                yield ("pipelines", name, "on", at, "breach"), trigger["breach"]


@code("MLS-E435", "breach-never-fires")
def breach_never_fires(subject: Subject) -> Iterator[Found]:
    """A threshold that starts a pipeline must be on the `alerts` of an endpoint: only there is it measured.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        pipelines:
          train:
            on: [{breach: online}]
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
        serving: {churn: {model: churn}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        pipelines:
          train:
            on: [{breach: online}]
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps: {fit: {run: [fit]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    if subject.platform.get("monitoring") == "none" or subject.platform.get("events") == "none":
        return
    measured = {alert for monitor in subject.monitoring.values() for alert in monitor.get("alerts") or ()}
    for path, threshold in _breaches(subject):
        if threshold not in measured:
            related = ((("thresholds", threshold), "on the alerts of no endpoint"),)
            said = f"`{threshold}` is on the `alerts` of no endpoint, so it never fires"
            yield Found(path, said, f"add `{threshold}` to `monitoring.ENDPOINT.alerts`", label="never fires", related=related)


@code("MLS-E436", "no-registry")
def no_registry(subject: Subject) -> Iterator[Found]:
    """Registering a model and comparing with the champion need a model registry.

    With `registry: none` a gate can still compare when `champion` names the metrics of another step, and `mlspec gate` in a CI
    job when it is given `--champion`.

    Bad::

        platform: {registry: none}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}

    Good::

        platform: {registry: {mlflow: "http://mlflow.mlops.svc:5000"}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}
    """
    if subject.platform.get("registry") != "none":
        return
    related: tuple[tuple[Path, str], ...] = ((("platform", "registry"), "no registry here"),)
    for name, _, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            path = ("pipelines", name, "steps", step)
            if "register" in written:
                said = f"the step `{step}` registers a model, and `platform.registry` is none"
                yield Found(
                    (*path, "register"),
                    said,
                    "set `registry: {mlflow: URL}`, or remove the step",
                    label="registered nowhere",
                    related=related,
                )
            threshold = _threshold(subject, written.get("gate"))
            if threshold is None or "champion" in written:
                continue
            for at, rule in enumerate(threshold["rules"]):
                if "noWorseThan" in rule:
                    said = f"the gate `{written['gate']}` compares with the champion, and `platform.registry` is none"
                    place: Path = ("thresholds", written["gate"], "rules", at, "noWorseThan")
                    advice = "set `registry: {mlflow: URL}`, or give the champion's metrics as `champion: steps.STEP.OUTPUT`"
                    yield Found((*path, "gate"), said, advice, label="no champion", related=((place, "the comparison"), *related))
                    break


@code("MLS-W430", "gate-input-unused", severity="warning")
def gate_input_unused(subject: Subject) -> Iterator[Found]:
    """What a gate is given must be asked for by a rule: `champion` by `noWorseThan`, `slices` by `forEach` or `across`.

    Bad::

        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              test: {run: [test, "${outputs.all}", "${outputs.by}"], outputs: {all: metrics, by: slices}}
              gate: {gate: release, metrics: steps.test.all, slices: steps.test.by}

    Good::

        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8, forEach: gender}]}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              test: {run: [test, "${outputs.all}", "${outputs.by}"], outputs: {all: metrics, by: slices}}
              gate: {gate: release, metrics: steps.test.all, slices: steps.test.by}
    """
    for name, _, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            threshold = subject.thresholds.get(written["gate"]) if "gate" in written else None
            if threshold is None or threshold["on"] != "evaluation":
                continue
            for field, keys in (("champion", ("noWorseThan",)), ("slices", ("forEach", "across"))):
                if field in written and not any(key in rule for rule in threshold["rules"] for key in keys):
                    asked = " or ".join(f"`{key}`" for key in keys)
                    said = f"the gate `{step}` is given `{field}`, and no rule of `{written['gate']}` has {asked}"
                    yield Found(
                        ("pipelines", name, "steps", step, field),
                        said,
                        f"remove `{field}`, or add the rule that needs it",
                        on="key",
                        label="asked for by no rule",
                    )


CHECKS = (
    drift_period,
    availability_out_of_range,
    outlier_share,
    drift_without_threshold,
    threshold_without_drift,
    requests_unknown,
    comparison_without_image,
    not_enforced,
    breach_never_fires,
    no_registry,
    gate_input_unused,
)
