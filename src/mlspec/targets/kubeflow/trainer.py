"""A step of several nodes as a TrainJob of Kubeflow Trainer 2.3, which the step creates and awaits.

Sources: kubeflow/trainer v2.3.0: manifests/base/runtimes (names of the runtimes; their one job and container are called ``node``),
pkg/runtime/framework/plugins (torch reads numProcPerNode; jax runs one process a node; xgboost one worker a GPU; variables that the
plugins set are refused in a TrainJob), the CRD (what a runtime patch may change of a pod).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlspec.diagnostics import Finding, Found, code
from mlspec.location import Path, format_path
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.targets.kubeflow.commands import deadline_of
from mlspec.targets.kubeflow.names import account_of, namespace_of
from mlspec.targets.kubeflow.remote import CONTAINER_SECURITY, POD_SECURITY, Remote

RUNTIMES = {"pytorch": "torch-distributed", "jax": "jax-distributed", "xgboost": "xgboost-distributed"}
"""The ClusterTrainingRuntime of each framework."""
RESERVED = {"pytorch": ("PET_",), "jax": ("JAX_",), "xgboost": ("DMLC_",)}
"""How the variables begin by which the nodes of a framework find each other."""
MANAGER = "mlspec.dev/compiler"
NAME_LIMIT = 40
"""What a TrainJob's name may have before its suffix: pods are called ``<name>-node-0-<index>``."""


def train_job(plan: Plan, pipeline: str, step: str) -> dict[str, Any]:
    """Return the TrainJob of a ``distributed`` step. Its run-time values are markers, see ``settings_of``.

    The nodes are pods of their own: an input or output that is an artifact must reach them as a URI, not as a path of the step's pod.
    """
    remote = Remote(plan, pipeline, step)
    deadline = deadline_of(plan, pipeline, remote.entry)
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "generateName": remote.generate_name(NAME_LIMIT),
            "namespace": namespace_of(plan),
            "labels": {**remote.labels, **remote.queue},
        },
        "spec": {
            "runtimeRef": {
                "apiGroup": "trainer.kubeflow.org",
                "kind": "ClusterTrainingRuntime",
                "name": RUNTIMES[remote.entry.distributed.framework],
            },
            "trainer": _trainer(remote),
            "runtimePatches": [{"manager": MANAGER, "trainingRuntimeSpec": _patch(remote)}],
            **({} if deadline is None else {"activeDeadlineSeconds": deadline}),
        },
    }


def settings_of(plan: Plan, pipeline: str, step: str) -> list[tuple[str, str]]:
    """Return the markers ``@{NAME}`` in the object of a step, each with its reference as the spec writes it: ``inputs.table``.

    For ``distributed`` and ``tune`` steps; parameters that a search varies are none of them.
    """
    return Remote(plan, pipeline, step).settings()


def _trainer(remote: Remote) -> dict[str, Any]:
    asked = remote.entry.distributed
    made: dict[str, Any] = {
        "image": remote.image,
        "command": [remote.text(part) for part in remote.argv],
        "numNodes": asked.nodes,
        "resourcesPerNode": remote.resources(),
    }
    processes = asked.processesPerNode
    if processes is not None and asked.framework == "pytorch":
        made["numProcPerNode"] = processes
    if variables := remote.variables():
        made["env"] = variables
    return made


def _patch(remote: Remote) -> dict[str, Any]:
    """Return what is changed of the runtime's pods: who they run as, how restricted, and where."""
    pod: dict[str, Any] = {
        "serviceAccountName": account_of(remote.plan, remote.pipeline),
        "securityContext": POD_SECURITY,
        **remote.placement(),
        "containers": [{"name": "node", "securityContext": CONTAINER_SECURITY}],
    }
    if remote.spread:
        term = {"labelSelector": remote.selector, "topologyKey": remote.spread}
        preferred = [{"weight": 100, "podAffinityTerm": term}]
        pod["affinity"] = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    template = {"spec": {"template": {"metadata": {"labels": remote.labels}, "spec": pod}}}
    return {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}}}


@code("MLS-E831", "trainer-cannot")
def trainer_cannot(path: Path, what: str, alternative: str) -> Found:
    """What a step of several nodes asks for must be something that Kubeflow Trainer can do.

    Its runtime for MPI gives the step's image to the launcher alone, so the other nodes would run without your code. JAX runs one
    process a node, XGBoost one worker a GPU. The variables by which nodes find each other (`PET_*`, `JAX_*`, `DMLC_*`) are set by the
    runtime. A priority cannot be given to its pods; a queue can.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [python, -m, fit], distributed: {framework: mpi, nodes: 4}}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              fit: {run: [torchrun, -m, fit], distributed: {framework: pytorch, nodes: 4}}
    """
    said = f"Kubeflow Trainer cannot do `{format_path(path)}`: {what}"
    return Found(path, said, alternative, on="key", label="pipelines: kubeflow has no place for this")


def check_distributed(path: Path, entry: Node) -> Iterator[Finding]:
    """Yield what Kubeflow Trainer cannot do of a ``distributed`` step."""
    asked = entry.distributed
    framework = asked.framework
    here = (*path, "distributed")
    if framework not in RUNTIMES:
        yield trainer_cannot(
            (*here, "framework"),
            f"its runtime for {framework} gives the step's image to the launcher alone",
            f"use {' or '.join(sorted(RUNTIMES))}; torchrun starts programs of other frameworks too",
        )
        return
    yield from _check_processes(here, entry, framework)
    for name in entry.env or ():
        if name.startswith(RESERVED[framework]):
            yield trainer_cannot((*path, "env", name), f"the runtime for {framework} sets it", "remove it, or choose another name")
    if entry.place and entry.place.priority:
        said = "its pods cannot be given a priority"
        yield trainer_cannot((*path, "place", "priority"), said, "use `queue`, whose Kueue queue has priorities, or remove it")


def _check_processes(path: Path, entry: Node, framework: str) -> Iterator[Finding]:
    processes = entry.distributed.processesPerNode
    if processes is None or framework == "pytorch":
        return
    gpu = entry.resources.gpu if entry.resources else None
    fixed = max(1, int(gpu.count)) if gpu and framework == "xgboost" else 1
    if processes != fixed:
        rule = "it runs one worker a GPU, or one a node" if framework == "xgboost" else "it runs one process a node"
        yield trainer_cannot((*path, "processesPerNode"), f"for {framework} {rule}", f"remove it, or write {fixed}")
