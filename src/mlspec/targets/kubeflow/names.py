"""What the objects of a pipeline are called and where they live."""

from __future__ import annotations

from mlspec.names import object_name
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan

PROGRAMS = "/mlspec"
"""Where the programs are mounted in a container."""
AWAIT_RESOURCES = {"cpu": "100m", "memory": "256Mi"}
"""What a container asks for that only waits for something."""


def settings(plan: Plan) -> Node:
    """Return the settings of Kubeflow Pipelines."""
    found: Node = plan.node.platform.pipelines.kubeflow
    return found


def namespace_of(plan: Plan) -> str:
    """Return the namespace in which pipelines live and run."""
    return settings(plan).namespace or plan.namespace


def api_of(plan: Plan) -> str:
    """Return the URL of the pipeline server."""
    url: str = settings(plan).api
    return url


def pipeline_object(pipeline: str) -> str:
    """Return the name of a Pipeline object."""
    return object_name(pipeline)


def version_object(pipeline: str, digest: str) -> str:
    """Return the name of a PipelineVersion object: another digest, another version."""
    return object_name(pipeline, digest[:12])


def account_of(plan: Plan, pipeline: str) -> str:
    """Return the ServiceAccount that a pipeline's steps run as."""
    return plan.node.pipelines[pipeline].serviceAccount or object_name(plan.project, pipeline)


def runner_image(plan: Plan, pipeline: str, step: Node | None = None) -> str:
    """Return the image that a program of mlspec runs in: the step's own, the platform's runner, else the pipeline's.

    A pipeline without an image whose first container step has one lends that (the checks want an image somewhere).
    """
    node = plan.node.pipelines[pipeline]
    runner = plan.node.platform.runner
    own = step.image if step is not None else None
    image: str | None = own or (runner.image if runner else None) or node.image
    return image or next(other.image for _, other in node.steps.items() if other.image)
