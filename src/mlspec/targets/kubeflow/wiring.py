"""What one step reads and writes: declared inputs and references become inputs of a KFP component, and edges between tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mlspec.plan.node import Node
from mlspec.plan.pipelines import kind_of
from mlspec.plan.plan import Plan
from mlspec.targets.kubeflow.references import Reference, literal, place, split

TYPES = {
    "model": "system.Model",
    "metrics": "system.Metrics",
    "table": "system.Dataset",
    "parquet": "system.Dataset",
    "slices": "system.Artifact",
    "directory": "system.Artifact",
    "file": "system.Artifact",
}
"""The artifact type of each kind of output; a ``value`` is an output parameter."""
REMOTE = ("distributed", "tune")
"""Kinds of steps whose work other pods do: they read and write in the object store, so they get URIs in place of paths."""
BEST = "best"
"""The output parameter that holds what a search found, as a JSON object of texts."""


class Source(NamedTuple):
    """Where a run-time value comes from, the same wherever in the pipeline it is read."""

    kind: str
    """``parameter``, ``artifact``, ``uri`` (of an artifact), ``value``, ``best``, ``run``."""
    step: str
    name: str


def inputs_of(step: Node) -> dict[str, str]:
    """Return the inputs of a step by name, with those that its kind brings."""
    written = dict(step.inputs.items()) if step.inputs else {}
    if kind_of(step) == "score":
        return {"model": f"models.{step.score}", "data": f"datasets.{step.data}"} | written
    return written


def outputs_of(step: Node) -> dict[str, str]:
    """Return the kinds of the outputs that the engine keeps of a step. Scores are not kept: they lie where ``output`` says."""
    return {name: str(kind) for name, kind in step.outputs.items()} if step.outputs else {}


def best_of(step: Node) -> str:
    """Return the name of the output parameter of a tune step that holds the best parameters."""
    return _free(BEST, outputs_of(step))


def uri_of(step: Node, output: str) -> str:
    """Return the name of the output parameter of a step that holds the URI of one of its artifacts."""
    return _free(f"{output}-uri", outputs_of(step))


class Wiring:
    """The inputs of one task, gathered while its strings are put together."""

    def __init__(self, plan: Plan, pipeline: str, step: str) -> None:
        self._plan = plan
        self._pipeline: Node = plan.node.pipelines[pipeline]
        self._step, self._node = step, self._pipeline.steps[step]
        self._names: dict[Source, str] = {}
        self.awaited: dict[str, None] = {}
        """The steps that it waits for because of what it reads."""
        self._remote = kind_of(self._node) in REMOTE
        self._kept = outputs_of(self._node)
        for name, reference in inputs_of(self._node).items():
            for piece in self._read(reference):
                if isinstance(piece, Source):
                    self._name(self._faced(piece), name)

    def text(self, written: str) -> str:
        """Return a string of the step with its references as placeholders."""
        return place(written, self.put)

    def put(self, reference: Reference) -> str:
        """Return what stands for a reference: placeholders, and the text of what is known before."""
        return "".join(
            literal(piece) if isinstance(piece, str) else self._placeholder(piece) for piece in self._absolute(self._step, reference)
        )

    def input(self, name: str) -> str:
        """Return what stands for an input of the step."""
        return self.put(Reference(("inputs", name)))

    def output(self, name: str) -> str:
        """Return what stands for an output of the step."""
        return self.put(Reference(("outputs", name)))

    def path(self, reference: str) -> str:
        """Return what stands for ``steps.STEP.OUTPUT`` as a file that lies in the container."""
        return self.put(Reference(tuple(reference.split("."))))

    def uri(self, reference: str) -> str:
        """Return what stands for ``steps.STEP.OUTPUT`` as a place in the object store."""
        (source,) = self._read(reference)
        assert isinstance(source, Source)
        return self._placeholder(source._replace(kind="uri"))

    def run_id(self) -> str:
        """Return what stands for the id of the run."""
        return self._placeholder(Source("run", "", "id"))

    def result(self) -> str:
        """Return what stands for the file in which a search leaves what it found."""
        return f"{{{{$.outputs.parameters['{best_of(self._node)}'].output_file}}}}"

    def _absolute(self, step: str, reference: Reference) -> Iterator[str | Source]:
        """Yield what a reference in a step's string comes from. References within a score's ``output`` are followed."""
        root, *rest = reference.parts
        node = self._pipeline.steps[step]
        if root == "params":
            yield Source("parameter", "", rest[0])
        elif root == "inputs":
            yield from self._read(inputs_of(node)[rest[0]])
        elif root == "outputs":
            yield from self._written(step, rest[0])
        elif rest[1] == BEST and len(rest) == 3:
            yield Source("best", rest[0], rest[2])
        else:
            self.awaited[rest[0]] = None
            yield from self._written(rest[0], rest[1])

    def _read(self, reference: str) -> Iterator[str | Source]:
        section, *rest = reference.split(".")
        if section in ("datasets", "models"):
            yield self._plan.node[section][rest[0]].uri
        elif section == "params":
            yield Source("parameter", "", rest[0])
        else:
            self.awaited[rest[0]] = None
            yield from self._written(rest[0], rest[1])

    def _written(self, step: str, output: str) -> Iterator[str | Source]:
        node = self._pipeline.steps[step]
        if kind_of(node) == "score" and output == "scores":
            for piece in split(node.output):
                if isinstance(piece, Reference):
                    yield from self._absolute(step, piece)
                else:
                    yield piece
            return
        yield Source("value" if node.outputs[output] == "value" else "artifact", step, output)

    def _placeholder(self, source: Source) -> str:
        if source.step == self._step:
            if source.kind == "value":
                return f"{{{{$.outputs.parameters['{source.name}'].output_file}}}}"
            return f"{{{{$.outputs.artifacts['{source.name}'].{'uri' if self._remote else 'path'}}}}}"
        source = self._faced(source)
        name = self._name(source, _stem(source))
        if source.kind == "artifact":
            return f"{{{{$.inputs.artifacts['{name}'].path}}}}"
        return f"{{{{$.inputs.parameters['{name}']}}}}"

    def _faced(self, source: Source) -> Source:
        """Return what is read of a source: other pods fetch an artifact themselves, so the step must not fetch it for them."""
        return source._replace(kind="uri") if self._remote and source.kind == "artifact" else source

    def announced(self) -> list[tuple[str, str]]:
        """Return the artifacts whose URIs are read: step and output."""
        return [(source.step, source.name) for source in self._names if source.kind == "uri"]

    def _name(self, source: Source, wanted: str) -> str:
        if source.step:
            self.awaited[source.step] = None
        name = self._names.get(source)
        if name is None:
            name = self._names[source] = _free(wanted, self._names.values())
        return name

    def definitions(self) -> dict[str, Any]:
        """Return the inputs of the component; empty when it has none."""
        parameters = {name: {"parameterType": self._type(source)} for source, name in self._sorted() if source.kind != "artifact"}
        artifacts = {name: {"artifactType": self._artifact(source)} for source, name in self._sorted() if source.kind == "artifact"}
        return _without_empty({"parameters": parameters, "artifacts": artifacts})

    def inputs(self) -> dict[str, Any]:
        """Return what the task gives to the component; empty when it has no inputs."""
        parameters = {name: self._given(source) for source, name in self._sorted() if source.kind != "artifact"}
        artifacts = {
            name: {"taskOutputArtifact": {"producerTask": source.step, "outputArtifactKey": source.name}}
            for source, name in self._sorted()
            if source.kind == "artifact"
        }
        return _without_empty({"parameters": parameters, "artifacts": artifacts})

    def _sorted(self) -> list[tuple[Source, str]]:
        return sorted(self._names.items(), key=lambda entry: entry[1])

    def _type(self, source: Source) -> str:
        return parameter_type(self._pipeline.parameters[source.name]) if source.kind == "parameter" else "STRING"

    def _artifact(self, source: Source) -> dict[str, str]:
        return artifact_type(str(self._pipeline.steps[source.step].outputs[source.name]))

    def _given(self, source: Source) -> dict[str, Any]:
        if source.kind == "parameter":
            return {"componentInputParameter": source.name}
        if source.kind == "run":
            return {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
        if source.kind == "value":
            return {"taskOutputParameter": {"producerTask": source.step, "outputParameterKey": source.name}}
        if source.kind == "uri":
            key = uri_of(self._pipeline.steps[source.step], source.name)
            return {"taskOutputParameter": {"producerTask": source.step, "outputParameterKey": key}}
        key = best_of(self._pipeline.steps[source.step])
        return {
            "taskOutputParameter": {"producerTask": source.step, "outputParameterKey": key},
            "parameterExpressionSelector": f'parseJson(string_value)["{source.name}"]',
        }


def artifact_type(kind: str) -> dict[str, str]:
    """Return the artifact type of a kind of output."""
    return {"schemaTitle": TYPES[kind], "schemaVersion": "0.0.1"}


def parameter_type(value: Any) -> str:
    """Return the type of a parameter that has this value."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, str):
        return "STRING"
    return "NUMBER_INTEGER" if isinstance(value, int) else "NUMBER_DOUBLE"


def _stem(source: Source) -> str:
    if source.kind == "parameter":
        return f"params-{source.name}"
    if source.kind == "run":
        return "run-id"
    stem = f"{source.step}-best-{source.name}" if source.kind == "best" else f"{source.step}-{source.name}"
    return f"{stem}-uri" if source.kind == "uri" else stem


def _free(wanted: str, taken: Any) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _without_empty(made: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in made.items() if value}
