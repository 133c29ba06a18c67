"""Read pipeline versions (JSON on stdin) with KFP's protobuf and print what is wrong; run by the Python that has kfp-pipeline-spec.

With --known it says which messages that Python has: those of pipelines, and those of pods when kfp-kubernetes is there.
"""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2


def main() -> int:
    if sys.argv[1:] == ["--known"]:
        print("pipelines", "pods" if kubernetes() else "")
        return 0
    problems = [f"{spec['name']}: {problem}" for spec in json.load(sys.stdin) for problem in faults(spec)]
    for problem in problems:
        print(problem)
    return int(bool(problems))


def faults(spec: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one pipeline version."""
    pipeline, platform = spec["pipelineSpec"], spec.get("platformSpec", {})
    executors = pipeline["deploymentSpec"]["executors"]
    try:
        message = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        pods = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
        special = kubernetes()
        for pod in pods.values() if special else ():
            json_format.ParseDict(pod, special.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        yield str(error)
        return
    if message.schema_version != "2.1.0":
        yield f"its schema is {message.schema_version}"
    labels = {name: component.executor_label for name, component in message.components.items()}
    tasks = message.root.dag.tasks
    yield from (f"no task runs the component {name}" for name in set(labels) - {task.component_ref.name for task in tasks.values()})
    yield from (f"no component uses the executor {name}" for name in set(executors) - set(labels.values()))
    yield from (f"the platform names {name}, which is no executor" for name in set(pods) - set(executors))
    yield from unreached(tasks, labels)


def unreached(tasks: Any, labels: dict[str, str]) -> Iterator[str]:
    """Yield tasks that never start, and what they take from where they do not wait for."""
    for name, task in tasks.items():
        if task.component_ref.name not in labels:
            yield f"{name} runs {task.component_ref.name}, which is no component"
        awaited = set(task.dependent_tasks)
        taken = {one.task_output_artifact.producer_task for one in task.inputs.artifacts.values() if one.HasField("task_output_artifact")}
        taken |= {
            one.task_output_parameter.producer_task for one in task.inputs.parameters.values() if one.HasField("task_output_parameter")
        }
        yield from (f"{name} takes from {other} without waiting for it" for other in taken - awaited)
    started: set[str] = set()
    while ready := {name for name, task in tasks.items() if name not in started and set(task.dependent_tasks) <= started}:
        started |= ready
    yield from (f"{name} is never started" for name in set(tasks) - started)


def kubernetes() -> Any:
    """Return the messages of kfp-kubernetes, whose package would import all of KFP; None where it is not."""
    found = importlib.util.find_spec("kfp")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = pathlib.Path(folder, "kubernetes", "kubernetes_executor_config_pb2.py")
        if file.exists():
            spec = importlib.util.spec_from_file_location(file.stem, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None


if __name__ == "__main__":
    sys.exit(main())
