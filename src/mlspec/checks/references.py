"""References by name: whether what is named exists, is there in this environment, and is of the right kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from mlspec.checks.steps import Tree, needs, pipelines, whole_step
from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path, format_path, walk

_NOUNS = {
    "datasets": "dataset",
    "features": "feature view",
    "models": "model",
    "pipelines": "pipeline",
    "thresholds": "threshold",
    "serving": "endpoint",
    "steps": "step",
}
_GRAPHS = ("sequence", "ensemble", "switch", "split")


class Reference(NamedTuple):
    """A place that names an item of a section. Steps stand in the section ``pipelines.PIPELINE.steps``."""

    path: Path
    section: str
    name: str
    kinds: tuple[str, ...] = ()
    """What the threshold may be on; all where empty."""
    on: Literal["key", "value"] = "value"

    @property
    def noun(self) -> str:
        """What kind of thing is named."""
        return _NOUNS[self.section.rsplit(".", 1)[-1]]

    @property
    def home(self) -> Path:
        """The path of what is named."""
        return (*self.section.split("."), self.name)


def references(subject: Subject) -> Iterator[Reference]:
    """Yield every reference by name in a spec."""
    yield from _asset_references(subject)
    for name, pipeline, steps in pipelines(subject.pipelines):
        yield from _trigger_references(pipeline, ("pipelines", name))
        for step, written in steps.items():
            yield from _step_references(written, ("pipelines", name, "steps", step), f"pipelines.{name}.steps")
    for name, endpoint in subject.serving.items():
        yield from _endpoint_references(endpoint, ("serving", name))
    for name, monitor in subject.monitoring.items():
        yield from _monitor_references(monitor, ("monitoring", name))


def _asset_references(subject: Subject) -> Iterator[Reference]:
    for name, dataset in subject.datasets.items():
        if "quality" in dataset:
            yield Reference(("datasets", name, "quality"), "thresholds", dataset["quality"], ("data",))
    for name, feature in subject.features.items():
        yield Reference(("features", name, "from"), "datasets", feature["from"])
    for name, model in subject.models.items():
        if "trainedBy" in model:
            yield Reference(("models", name, "trainedBy"), "pipelines", model["trainedBy"])
        for field, section in (("features", "features"), ("evaluatedOn", "datasets")):
            for at, named in enumerate(model.get(field) or ()):
                yield Reference(("models", name, field, at), section, named)


def _trigger_references(pipeline: Tree, path: Path) -> Iterator[Reference]:
    for at, trigger in enumerate(pipeline.get("on") or ()):
        for field, section, kinds in (
            ("dataset", "datasets", ()),
            ("breach", "thresholds", ("live", "drift")),
            ("pipeline", "pipelines", ()),
        ):
            if field in trigger:
                yield Reference((*path, "on", at, field), section, trigger[field], kinds)


def _step_references(step: Tree, path: Path, siblings: str) -> Iterator[Reference]:
    for field, section, kinds in (
        ("check", "thresholds", ("data",)),
        ("gate", "thresholds", ("evaluation",)),
        ("register", "models", ()),
        ("score", "models", ()),
        ("data", "datasets", ()),
        ("use", siblings, ()),
    ):
        if field in step:
            yield Reference((*path, field), section, step[field], kinds)
    for name, reference in (step.get("inputs") or {}).items():
        root, _, named = reference.partition(".")
        if root in ("datasets", "models"):
            yield Reference((*path, "inputs", name), root, named)
    told: set[tuple[str, Path]] = set()
    for need in needs(step, path):
        if need not in told:
            told.add(need)
            yield Reference(need[1], siblings, need[0])


def _endpoint_references(endpoint: Tree, path: Path) -> Iterator[Reference]:
    if "model" in endpoint:
        yield Reference((*path, "model"), "models", endpoint["model"])
    for name in endpoint.get("split") or ():
        yield Reference((*path, "split", name), "models", name, on="key")
    shadow = endpoint.get("shadow")
    if isinstance(shadow, dict):
        yield Reference((*path, "shadow", "model"), "models", shadow["model"])
    elif shadow is not None:
        yield Reference((*path, "shadow"), "models", shadow)
    gate = (endpoint.get("rollout") or {}).get("gate")
    if gate is not None:
        yield Reference((*path, "rollout", "gate"), "thresholds", gate, ("live",))
    if "graph" in endpoint:
        yield from _graph_references(endpoint["graph"], (*path, "graph"))


def _graph_references(graph: Tree, path: Path) -> Iterator[Reference]:
    waiting: list[tuple[Any, Path]] = [(graph, path)]
    while waiting:
        below, place = waiting.pop()
        for form in _GRAPHS:
            members = below.get(form) or ()
            if isinstance(members, dict):
                yield from (Reference((*place, form, name), "serving", name, on="key") for name in members)
                continue
            for at, member in enumerate(members):
                here = (*place, form, at)
                if isinstance(member, str):
                    yield Reference(here, "serving", member)
                elif any(key in _GRAPHS for key in member):
                    waiting.append((member, here))
                else:
                    yield from (Reference((*here, name), "serving", name, on="key") for name in member)


def _monitor_references(monitor: Tree, path: Path) -> Iterator[Reference]:
    yield Reference(path, "serving", str(path[-1]), on="key")
    for at, name in enumerate(monitor.get("alerts") or ()):
        yield Reference((*path, "alerts", at), "thresholds", name, ("live", "drift"))
    if "drift" in monitor:
        yield Reference((*path, "drift", "against"), "datasets", monitor["drift"]["against"])


def known(subject: Subject, section: str) -> Tree:
    """Return the items that a section has in this environment; steps by ``pipelines.PIPELINE.steps``."""
    if "." not in section:
        return subject.section(section)
    found: Tree = subject.pipelines[section.split(".")[1]]["steps"]
    return found


def offer(name: str, names: Any, otherwise: str) -> str:
    """Return advice that offers the nearest name, or lists the names, or says what to do when there are none."""
    near = nearest(name, names)
    if near:
        return f"did you mean `{near}`?"
    listed = sorted(names)
    if not listed:
        return otherwise
    shown = ", ".join(f"`{one}`" for one in listed[:8])
    return f"choose one of {shown}{' and more' if len(listed) > 8 else ''}, or {otherwise}"


@code("MLS-E401", "unknown-name")
def unknown_name(subject: Subject) -> Iterator[Found]:
    """What is referred to by name must exist.

    Datasets, feature views, models, pipelines, thresholds, endpoints and steps are declared once and named wherever they are
    used. Names are compared letter by letter.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: chrun}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        serving: {churn: {model: churn}}
    """
    for reference in references(subject):
        names = known(subject, reference.section)
        if reference.name in names or reference.name in subject.absent.get(reference.section, ()):
            continue
        other = next((s for s in _NOUNS if s not in ("steps", reference.section) and reference.name in subject.section(s)), None)
        where = f"`{reference.section}`"
        notes = (f"`{reference.name}` is a {_NOUNS[other]}, expected a {reference.noun}",) if other else ()
        advice = offer(reference.name, _fitting(subject, reference), f"add `{reference.name}` to {where}")
        said = f"`{format_path(reference.path)}` names the {reference.noun} `{reference.name}`, which {where} does not have"
        if reference.section == "serving" and reference.path[0] == "monitoring":
            said = f"`{format_path(reference.path)}` watches the endpoint `{reference.name}`, which {where} does not have"
        yield Found(reference.path, said, advice, on=reference.on, label=f"no {reference.noun} of that name", notes=notes)


def _fitting(subject: Subject, reference: Reference) -> list[str]:
    """Return the names that could stand there, thresholds of the wrong kind and the item itself left out."""
    names = known(subject, reference.section)
    if reference.kinds:
        return [name for name, item in names.items() if item["on"] in reference.kinds]
    inside = reference.path[3] if reference.section.endswith(".steps") else None
    return [name for name in names if name != inside]


@code("MLS-E402", "absent-name")
def absent_name(subject: Subject) -> Iterator[Found]:
    """What is referred to must be there in the environment of the item that refers to it.

    An item with `in` or `notIn` is left out of the other environments; whatever names it must be left out there too, or
    name something else by an override.

    Bad::

        environments: {dev: {namespace: churn-dev}, prod: {namespace: churn}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, in: [dev]}}
        serving: {churn: {model: churn}}

    Good::

        environments: {dev: {namespace: churn-dev}, prod: {namespace: churn}}
        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, in: [dev]}}
        serving: {churn: {model: churn, in: [dev]}}
    """
    for reference in references(subject) if subject.absent else ():
        if reference.name not in subject.absent.get(reference.section, ()):
            continue
        home, reached = walk(subject.mark, reference.home)
        if home.why == "override" and reached == len(reference.home) and home.children is None:
            said = f"the {reference.noun} `{reference.name}` is removed here, and `{format_path(reference.path)}` names it"
            advice = f"remove what names it in `{subject.environment}` too, or keep `{reference.name}`"
            yield Found(reference.home, said, advice, label="removed here", related=((reference.path, "named here"),))
            continue
        place, gone = format_path(reference.path), f"left out of the environment `{subject.environment}`"
        said = f"`{place}` names the {reference.noun} `{reference.name}`, which is {gone}"
        advice = f"leave out what names it in `{subject.environment}` too, or let `{reference.name}` be there"
        related = ((reference.home, f"left out of `{subject.environment}` by its `in` or `notIn`"),)
        yield Found(reference.path, said, advice, on=reference.on, label=f"not in `{subject.environment}`", related=related)


@code("MLS-E403", "threshold-kind")
def threshold_kind(subject: Subject) -> Iterator[Found]:
    """A threshold must read what its place can give: data, evaluation metrics, live traffic or drift scores.

    `check` and `quality` take thresholds on data, `gate` of a step those on evaluation, `rollout.gate` those on live,
    `alerts` and `on: breach` those on live and drift.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [release]}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    for reference in references(subject):
        threshold = subject.thresholds.get(reference.name) if reference.kinds else None
        if threshold is None or threshold["on"] in reference.kinds:
            continue
        wanted = " or ".join(reference.kinds)
        fitting = sorted(name for name, item in subject.thresholds.items() if item["on"] in reference.kinds)
        advice = (
            f"name one on {wanted}: " + ", ".join(f"`{name}`" for name in fitting[:8])
            if fitting
            else f"declare a threshold on {wanted} and name it here"
        )
        said = f"`{format_path(reference.path)}` names `{reference.name}`, a threshold on {threshold['on']}; expected one on {wanted}"
        related = (((*reference.home, "on"), f"it is on {threshold['on']}"),)
        yield Found(reference.path, said, advice, label=f"on {threshold['on']}, not on {wanted}", related=related)


@code("MLS-E404", "model-not-registered")
def model_not_registered(subject: Subject) -> Iterator[Found]:
    """The pipeline that `trainedBy` names must register the model.

    `trainedBy` promises that new versions of the model come from that pipeline; they only do when one of its steps registers them.

    Bad::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, trainedBy: train}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: model}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn, trainedBy: train}}
        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [fit, "${outputs.model}"], outputs: {model: model}}
              register: {register: churn, model: steps.fit.model}
    """
    for name, model in subject.models.items():
        pipeline = model.get("trainedBy")
        if pipeline not in subject.pipelines:
            continue
        registered = _registered(subject.pipelines[pipeline]["steps"])
        if name in registered or any(one not in subject.models for one in registered):
            continue
        said = f"`models.{name}` is trained by the pipeline `{pipeline}`, which does not register it"
        others = [p for p, _, steps in pipelines(subject.pipelines) if name in _registered(steps)]
        advice = (
            f"did you mean `{others[0]}`, which registers it?" if others else f"add a step `register: {name}` to the pipeline `{pipeline}`"
        )
        if registered and not others:
            advice += f" (it registers {', '.join(sorted(registered))})"
        related = ((("pipelines", pipeline), f"no step here registers `{name}`"),)
        yield Found(("models", name, "trainedBy"), said, advice, label="does not register this model", related=related)


def _registered(steps: Tree) -> set[str]:
    wholes = [whole_step(steps, name) or {} for name in steps]
    return {step["register"] for step in wholes if "register" in step}


class ColumnReference(NamedTuple):
    """A place that names a column of a dataset."""

    path: Path
    dataset: str
    column: str


def column_references(subject: Subject) -> Iterator[ColumnReference]:
    """Yield every column that is named of a dataset at hand, once a place and dataset."""
    for name, feature in subject.features.items():
        yield ColumnReference(("features", name, "entity"), feature["from"], feature["entity"])
        for at, column in enumerate(feature["fields"]):
            yield ColumnReference(("features", name, "fields", at), feature["from"], column)
    for threshold, dataset in dict.fromkeys(_pairs(subject)):
        for at, rule in enumerate((subject.thresholds.get(threshold) or {}).get("rules") or ()):
            for field in ("column", "forEach", "across"):
                if field in rule:
                    yield ColumnReference(("thresholds", threshold, "rules", at, field), dataset, rule[field])
    for name, monitor in subject.monitoring.items():
        if "bias" in monitor and "drift" in monitor:
            yield ColumnReference(("monitoring", name, "bias", "across"), monitor["drift"]["against"], monitor["bias"]["across"])


def _pairs(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield each threshold on data or drift with a dataset that it is held against."""
    for name, dataset in subject.datasets.items():
        if _is_on(subject, dataset.get("quality"), "data"):
            yield dataset["quality"], name
    for _, _, steps in pipelines(subject.pipelines):
        for step in steps.values():
            if "check" in step and _is_on(subject, step["check"], "data"):
                yield step["check"], step["data"]
    for monitor in subject.monitoring.values():
        for threshold in monitor.get("alerts") or () if "drift" in monitor else ():
            if _is_on(subject, threshold, "drift"):
                yield threshold, monitor["drift"]["against"]


def _is_on(subject: Subject, threshold: Any, kind: str) -> bool:
    item = subject.thresholds.get(threshold) if isinstance(threshold, str) else None
    return item is not None and item["on"] == kind


@code("MLS-E405", "unknown-column")
def unknown_column(subject: Subject) -> Iterator[Found]:
    """A column that is named must be in the schema of the dataset at hand.

    A dataset without a `schema` is not looked into. The dataset at hand is that of `from` for a feature view, that of the
    check or of `quality` for a threshold on data, and `drift.against` for a threshold on drift.

    Bad::

        datasets:
          customers: {uri: s3://d/customers, version: {delta: 3}, schema: {id: {type: string}, age: {type: integer}}}
        features: {stats: {entity: id, from: customers, fields: [agee]}}

    Good::

        datasets:
          customers: {uri: s3://d/customers, version: {delta: 3}, schema: {id: {type: string}, age: {type: integer}}}
        features: {stats: {entity: id, from: customers, fields: [age]}}
    """
    for path, dataset, column in column_references(subject):
        schema = (subject.datasets.get(dataset) or {}).get("schema")
        if not schema or column in schema:
            continue
        said = f"`{format_path(path)}` names the column `{column}`, which the schema of the dataset `{dataset}` does not have"
        related = ((("datasets", dataset, "schema"), f"the columns of `{dataset}`"),)
        yield Found(path, said, offer(column, schema, f"add `{column}` to the schema"), label=f"no column of `{dataset}`", related=related)


@code("MLS-W401", "unused-threshold", severity="warning")
def unused_threshold(project: Project) -> Iterator[Found]:
    """A threshold that nothing names guards nothing.

    Bad::

        thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.8}]}}

    Good::

        models: {churn: {framework: sklearn, version: 1.0.0, uri: s3://m/churn}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {churn: {model: churn}}
        monitoring: {churn: {alerts: [online]}}
    """
    places = {
        "data": "a `check` step or `datasets.NAME.quality`",
        "evaluation": "a `gate` step",
        "live": "`rollout.gate` or `monitoring.NAME.alerts`",
        "drift": "`monitoring.NAME.alerts`",
    }
    used: set[str] = set()
    for subject in project.subjects:
        used.update(r.name for r in references(subject) if r.section == "thresholds" and r.path[0] != "governance")
    for name, threshold in (project.tree.get("thresholds") or {}).items():
        if name not in used and isinstance(threshold, dict):
            kind = threshold["on"]
            advice = f"name it in {places[kind]}, or remove it" if kind in places else "name it where it is meant to hold, or remove it"
            yield Found(
                ("thresholds", name),
                f"nothing refers to the threshold `{name}`, so it guards nothing",
                advice,
                on="key",
                label="never used",
            )


CHECKS = (unknown_name, absent_name, threshold_kind, model_not_registered, unknown_column)
PROJECT_CHECKS = (unused_threshold,)
