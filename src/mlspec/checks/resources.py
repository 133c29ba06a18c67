"""What containers ask for and where they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlspec.checks.serving import containers
from mlspec.checks.subject import Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path
from mlspec.quantity import amount

MEBIBYTE = 2**20
MUCH_CPU = 256
MUCH_MEMORY = 24 * 2**40
"""The largest machines that clouds rent out; more than that is a slip of the unit."""
_RESOURCE = re.compile(
    r"(?=.{1,317}\Z)(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}/[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_KEY = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def is_qualified(key: str) -> bool:
    """Tell whether a key may name a label or an annotation: an optional DNS prefix, a slash, at most 63 letters."""
    return _KEY.fullmatch(key) is not None


def is_label(value: str) -> bool:
    """Tell whether a text may be the value of a label."""
    return _LABEL.fullmatch(value) is not None


def requests(subject: Subject) -> Iterator[tuple[Path, Any]]:
    """Yield every map `resources` of a spec."""
    for path, body in _bodies(subject):
        if "resources" in body:
            yield (*path, "resources"), body["resources"]


def places(subject: Subject) -> Iterator[tuple[Path, Any]]:
    """Yield every map `place` of a spec."""
    for path, body in _bodies(subject):
        if "place" in body:
            yield (*path, "place"), body["place"]


def _bodies(subject: Subject) -> Iterator[tuple[Path, Any]]:
    for name, endpoint in subject.serving.items():
        for part, container in containers(endpoint):
            yield ("serving", name, *part), container
    for name, pipeline in subject.pipelines.items():
        for step, body in pipeline["steps"].items():
            yield ("pipelines", name, "steps", step), body


@code("MLS-E275", "memory-too-small")
def memory_too_small(subject: Subject) -> Iterator[Found]:
    """Memory and storage are at least 1Mi; a number without a unit is bytes.

    `memory: 4` asks for four bytes, and the container would never start.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {memory: 4}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {memory: 4Gi}}}
    """
    for path, resources in requests(subject):
        for field in ("memory", "storage"):
            value = resources.get(field)
            if value is not None and amount(value) < MEBIBYTE:
                bare = str(value).replace(".", "").isdigit() and amount(value) > 0
                advice = f"write {value}Gi or {value}Mi" if bare else "write a quantity such as 512Mi or 4Gi"
                yield Found((*path, field), f"{field} is {value}, which is {_bytes(amount(value))}, expected at least 1Mi", advice)


def _bytes(size: Decimal) -> str:
    return "1 byte" if size == 1 else f"{size:f} bytes"


@code("MLS-E276", "cpu-too-small")
def cpu_too_small(subject: Subject) -> Iterator[Found]:
    """Processor time is at least 1m, a thousandth of a core, and a whole number of them.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {cpu: 0m}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {cpu: 500m}}}
    """
    for path, resources in requests(subject):
        cpu = resources.get("cpu")
        if cpu is not None and (amount(cpu) <= 0 or amount(cpu) * 1000 % 1):
            yield Found(
                (*path, "cpu"),
                f"cpu is {cpu}, expected whole thousandths of a core, at least 1m",
                "write cores or thousandths, such as 2 or 500m",
            )


@code("MLS-W253", "suspicious-quantity", severity="warning")
def suspicious_quantity(subject: Subject) -> Iterator[Found]:
    """A request that no machine can meet is most often a slip of the unit.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {cpu: 500}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, resources: {cpu: 500m}}}
    """
    for path, resources in requests(subject):
        cpu, memory = resources.get("cpu"), resources.get("memory")
        if cpu is not None and amount(cpu) > MUCH_CPU:
            yield Found(
                (*path, "cpu"), f"cpu is {cpu} cores, more than one machine has", f"write {cpu}m if thousandths of a core are meant"
            )
        if memory is not None and amount(memory) > MUCH_MEMORY:
            yield Found((*path, "memory"), f"memory is {memory}, more than one machine has", "check the unit: Mi, Gi and Ti grow by 1024")


@code("MLS-E277", "gpu-type")
def gpu_type(subject: Subject) -> Iterator[Found]:
    """The type of an accelerator is the resource name that its device plugin gives, with the vendor's domain before it.

    Bad::

        models: {vision: {framework: onnx, version: 1.0.0, uri: s3://m/vision}}
        serving: {vision: {model: vision, resources: {gpu: {type: A100, count: 1}}}}

    Good::

        models: {vision: {framework: onnx, version: 1.0.0, uri: s3://m/vision}}
        serving: {vision: {model: vision, resources: {gpu: {type: nvidia.com/gpu, count: 1}}, place: {nodeSelector: {accelerator: a100}}}}
    """
    for path, resources in requests(subject):
        gpu = resources.get("gpu")
        if isinstance(gpu, dict) and "type" in gpu and not _RESOURCE.fullmatch(gpu["type"]):
            yield Found(
                (*path, "gpu", "type"),
                f'"{gpu["type"]}" is not the name of a resource, expected one such as nvidia.com/gpu',
                "write the device plugin's resource, and choose a model of gpu with `place.nodeSelector`",
            )


@code("MLS-E278", "toleration")
def toleration(subject: Subject) -> Iterator[Found]:
    """A toleration says what Kubernetes would accept: a key unless it tolerates everything, and a value with Equal only.

    `operator: Exists` matches any value and has none; without an operator it is Equal. `tolerationSeconds` belongs to NoExecute.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, place: {tolerations: [{key: gpu, operator: Exists, value: "true"}]}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, place: {tolerations: [{key: gpu, operator: Exists}]}}}
    """
    for path, place in places(subject):
        for at, item in enumerate(place.get("tolerations", ())):
            where: Path = (*path, "tolerations", at)
            operator = item.get("operator", "Equal")
            if operator == "Exists" and "value" in item:
                related = (((*where, "operator"), "Exists matches any value"),)
                yield Found(
                    (*where, "value"),
                    "a toleration with Exists has no value",
                    "remove the value, or write `operator: Equal`",
                    on="key",
                    related=related,
                )
            elif operator == "Equal" and "key" not in item:
                yield Found(
                    where,
                    "a toleration without a key tolerates everything, and needs `operator: Exists`",
                    "add `key:`, or write `operator: Exists`",
                )
            elif "key" in item and not is_qualified(item["key"]):
                yield Found((*where, "key"), f'"{item["key"]}" is not the key of a taint', "write a key such as nvidia.com/gpu")
            elif not is_label(item.get("value", "")):
                yield Found(
                    (*where, "value"),
                    f'"{item["value"]}" is not the value of a taint',
                    "write letters, digits, '.', '_' and '-', at most 63",
                )
            if "tolerationSeconds" in item and item.get("effect") != "NoExecute":
                yield Found(
                    (*where, "tolerationSeconds"),
                    "tolerationSeconds has a meaning for the effect NoExecute only",
                    "remove it, or write `effect: NoExecute`",
                    on="key",
                )


@code("MLS-E279", "node-label")
def node_label(subject: Subject) -> Iterator[Found]:
    """A node selector names labels as nodes can have them.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, place: {nodeSelector: {accelerator: "NVIDIA A100"}}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, place: {nodeSelector: {accelerator: nvidia-a100}}}}
    """
    for path, place in places(subject):
        for key, value in place.get("nodeSelector", {}).items():
            where: Path = (*path, "nodeSelector", key)
            if not is_qualified(key):
                yield Found(
                    where, f'"{key}" is not the key of a label', "write a key such as accelerator or topology.kubernetes.io/zone", on="key"
                )
            elif not is_label(value):
                yield Found(where, f'"{value}" is not the value of a label', "write letters, digits, '.', '_' and '-', at most 63")


CHECKS = (memory_too_small, cpu_too_small, suspicious_quantity, gpu_type, toleration, node_label)
PROJECT_CHECKS = ()
