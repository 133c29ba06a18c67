"""The programs, rules and datasets that the steps of a project need, in one immutable ConfigMap."""

from __future__ import annotations

import hashlib

from mlspec.names import object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.pipelines import kind_of
from mlspec.plan.plan import Plan
from mlspec.resources import read_program
from mlspec.target import View
from mlspec.targets.kubeflow.names import namespace_of


def programs_of(plan: Plan) -> dict[str, str]:
    """Return the files that the pipelines of a plan need, by name; empty when they need none."""
    programs: set[str] = set()
    thresholds: set[str] = set()
    datasets: set[str] = set()
    for name in plan.node.pipelines:
        pipeline = plan.node.pipelines[name]
        if pipeline.schedule or pipeline.on:
            programs.add("submit")
        for step in (pipeline.steps[name] for name in pipeline.steps):
            kind = kind_of(step)
            if kind == "check":
                programs |= {"check_data", "gate"}  # the one renders its verdicts with the other
                thresholds.add(step.check)
                datasets.add(step.data)
            elif kind == "gate":
                programs.add("gate")
                thresholds.add(step.gate)
            elif kind == "register":
                programs.add("register")
            elif kind in ("distributed", "tune"):
                programs.add("submit")
    return _texts(plan, programs, thresholds, datasets)


def _texts(plan: Plan, programs: set[str], thresholds: set[str], datasets: set[str]) -> dict[str, str]:
    made = {f"{name}.py": read_program(name) for name in programs}
    if thresholds or datasets:
        from mlspec.plan.rules import dataset_text, rules_text

        made |= {f"rules-{name}.json": rules_text(plan, name) for name in thresholds}
        made |= {f"dataset-{name}.json": dataset_text(plan, name) for name in datasets}
    return {name: made[name] for name in sorted(made)}


def config_of(plan: Plan, data: dict[str, str]) -> str:
    """Return the name of the ConfigMap that holds these files: other files, another name."""
    digest = hashlib.sha256()
    for name, text in sorted(data.items()):
        digest.update(f"{name}\0{len(text)}\0{text}\0".encode())
    return object_name(plan.project, "runtime", digest.hexdigest()[:8])


class RuntimeView(View):
    """The files that steps find at ``/mlspec``."""

    def __init__(self, plan: Plan, data: dict[str, str]) -> None:
        self._plan, self._data = plan, data

    @property
    def name(self) -> str:
        """The name of the object, which changes with its content."""
        return config_of(self._plan, self.data)

    @property
    def namespace(self) -> str:
        """The namespace in which pipelines run."""
        return namespace_of(self._plan)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._plan.project)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def data(self) -> dict[str, str]:
        """The files by name."""
        return programs_of(self._plan) if self._plan.reads.apart else self._data
