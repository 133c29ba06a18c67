"""Containers that a step has others make for it: the nodes of a training job, the trials of a search."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from mlspec.names import object_name
from mlspec.plan.labels import labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.targets.kubeflow.commands import datasets_of, interpreter, variable_of, version_of
from mlspec.targets.kubeflow.references import Reference, literal, marker_names, place, references, split

POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_MARKER = re.compile(r"@\{([^{}]*)\}")
TOPOLOGY = {"zone": "topology.kubernetes.io/zone", "host": "kubernetes.io/hostname"}


class Remote:
    """A step whose command runs in containers of another object, and the run-time references of its strings."""

    def __init__(self, plan: Plan, pipeline: str, step: str) -> None:
        self.plan, self.pipeline, self.step = plan, pipeline, step
        self.owner: Node = plan.node.pipelines[pipeline]
        self.entry: Node = self.owner.steps[step]
        self.command: str | list[str] = self.entry.run
        self.env: dict[str, str] = dict(self.entry.env.items()) if self.entry.env else {}
        self.searched: frozenset[str] = frozenset(self.entry.tune.search) if self.entry.tune else frozenset()
        texts = [self.command] if isinstance(self.command, str) else list(self.command)
        found = references([*texts, *self.env.values()])
        outputs = [Reference(("outputs", name)) for name in self.entry.outputs or ()]
        self.names = marker_names(dict.fromkeys([*(one for one in found if not self.is_searched(one)), *outputs]))

    def is_searched(self, reference: Reference) -> bool:
        """Tell whether a reference is a parameter that the step's search varies."""
        return len(reference.parts) == 2 and reference.parts[0] == "params" and reference.parts[1] in self.searched

    def settings(self) -> list[tuple[str, str]]:
        """Return the markers to fill when the step runs, each with the reference that it stands for."""
        return [(name, ".".join(reference.parts)) for reference, name in self.names.items()]

    def put(self, reference: Reference) -> str:
        """Return what stands for a reference: a marker, or the searched parameter."""
        if self.is_searched(reference):
            return "${trialParameters." + reference.parts[1] + "}"
        return "@{" + self.names[reference] + "}"

    def text(self, text: str) -> str:
        """Return a string with its references replaced; the kubelet hands the rest over as it was written."""
        return place(text, self.put, spelled) if "$" in text else spelled(text)

    @property
    def argv(self) -> list[str]:
        """The command as a list of arguments, references and all; a script is given to its interpreter."""
        return [*interpreter(self.command), self.command] if isinstance(self.command, str) else self.command

    @property
    def confused(self) -> str | None:
        """A string in which an ``@`` stands right before a marker, which would be read as a literal ``@{``; None without one."""
        for text in (*self.argv, *self.env.values()):
            pieces = split(text)
            for before, after in pairwise(pieces):
                if isinstance(before, str) and before.endswith("@") and isinstance(after, Reference) and not self.is_searched(after):
                    return text
        return None

    @property
    def image(self) -> str:
        """The image: the step's own, else the pipeline's."""
        image: str = self.entry.image or self.owner.image
        return image

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the pods, by which they are found and spread."""
        return {**labels(self.plan, self.pipeline), "mlspec.dev/step": object_name(self.step)}

    @property
    def selector(self) -> dict[str, Any]:
        """What finds the pods of this step, of every run."""
        keys = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "mlspec.dev/environment", "mlspec.dev/step")
        own = self.labels
        return {"matchLabels": {key: own[key] for key in keys}}

    def generate_name(self, limit: int) -> str:
        """Return the beginning of the names of what is made; a name begins with a letter there."""
        name = object_name(self.pipeline, self.step, limit=limit - 1)
        return (name if name[0].isalpha() else object_name("run", self.pipeline, self.step, limit=limit - 1)) + "-"

    def variables(self) -> list[dict[str, Any]]:
        """Return the environment variables, sorted by name: those of the step, its secrets, its outputs, the versions of its data."""
        made: dict[str, Any] = {name: {"value": self.text(value)} for name, value in self.env.items()}
        for name, written in self.entry.secrets.items() if self.entry.secrets else ():
            secret, key = written.split("/", 1)
            made[name] = {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name in self.entry.outputs or ():
            made.setdefault(variable_of("OUTPUT", name), {"value": self.put(Reference(("outputs", name)))})
        for name, dataset in datasets_of(self.entry).items():
            version = version_of(self.plan, dataset)
            if version is not None:
                made.setdefault(variable_of("VERSION", name), {"value": spelled(version)})
        return [{"name": name, **made[name]} for name in sorted(made)]

    def resources(self) -> dict[str, Any]:
        """Return requests and limits: memory, storage and accelerators are limits too, cpu has none."""
        asked = self.entry.resources
        requests = {"cpu": str(asked.cpu), "memory": str(asked.memory)}
        limits = {"memory": str(asked.memory)}
        if asked.storage is not None:
            requests["ephemeral-storage"] = limits["ephemeral-storage"] = str(asked.storage)
        if asked.gpu and asked.gpu.count:
            requests[asked.gpu.type] = limits[asked.gpu.type] = str(asked.gpu.count)
        return {"requests": requests, "limits": limits}

    def placement(self) -> dict[str, Any]:
        """Return the node selector and tolerations of the pods."""
        place_ = self.entry.place
        made: dict[str, Any] = {}
        if place_ and place_.nodeSelector:
            made["nodeSelector"] = place_.nodeSelector.plain()
        if place_ and place_.tolerations:
            made["tolerations"] = [toleration.plain() for toleration in place_.tolerations]
        return made

    @property
    def queue(self) -> dict[str, str]:
        """The label of the queue that admits the pods; empty without one."""
        place_ = self.entry.place
        return {"kueue.x-k8s.io/queue-name": place_.queue} if place_ and place_.queue else {}

    @property
    def spread(self) -> str | None:
        """The key of the nodes' label that the pods are spread over."""
        place_ = self.entry.place
        return TOPOLOGY[place_.spread] if place_ and place_.spread else None


def spelled(text: str) -> str:
    """Return a text that neither the kubelet nor the program that fills markers changes."""
    return _MARKER.sub(r"@\g<0>", literal(text))
