"""Kubeflow Pipelines 2.14: pipelines as objects of the cluster, what their steps run, and what starts their runs."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target


def render(plan: Plan) -> Iterator[Rendering]:
    """Make the objects of every pipeline, one file each, and the programs that their steps run."""
    from mlspec.targets.kubeflow.jobs import surroundings, surroundings_of_all
    from mlspec.targets.kubeflow.pipeline import PipelineView, VersionView, build_all
    from mlspec.targets.kubeflow.programs import RuntimeView, config_of, programs_of

    data = programs_of(plan)
    config = config_of(plan, data)
    if data:
        yield Rendering("kubeflow/runtime.yaml.j2", RuntimeView(plan, data), f"{plan.folder}/runtime.yaml")
    built = build_all(plan, config)
    versions = {name: entry.version for name, entry in built.items()}
    for name in sorted(built):
        file = f"{plan.folder}/pipeline-{name}.yaml"
        yield Rendering("kubeflow/pipeline.yaml.j2", PipelineView(plan, name), file)
        yield Rendering("kubeflow/pipeline-version.yaml.j2", VersionView(plan, name, built[name], config, versions), file)
        yield from surroundings(plan, name, versions[name], config)
    yield from surroundings_of_all(plan)


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what Kubeflow Pipelines cannot do."""
    from mlspec.targets.kubeflow import limits
    from mlspec.targets.kubeflow.jobs import check_surroundings

    yield from limits.check(plan)
    yield from check_surroundings(plan)


TARGET = Target("kubeflow", ("pipelines", "kubeflow"), "pipelines", render, check)
