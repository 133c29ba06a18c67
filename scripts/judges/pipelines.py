"""KFP's own protobuf: the intermediate representation of every pipeline version, and that each of its tasks can be reached."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator

from judges.bench import HOME, Case, Skipped, Verdict, objects, run, verdict

READER = pathlib.Path(__file__).with_name("read_pipeline.py")


def kfp(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Let KFP's protobuf read every pipeline, in the Python that has it."""
    able = {python: found for python in (sys.executable, str(HOME / "venv" / "bin" / "python")) if (found := known(python))}
    if not able:
        yield Skipped("kfp", "no Python here has kfp-pipeline-spec")
        return
    python = max(able, key=lambda one: len(able[one]))
    if "pods" not in able[python]:
        yield Skipped("kfp", "no Python here has kfp-kubernetes, so what is special of pods is not read")
    for case in cases:
        specs = [(sent.object["metadata"]["name"], sent.object["spec"]) for sent in objects(case, "PipelineVersion")]
        if not specs:
            continue
        text = json.dumps([{"name": name, **spec} for name, spec in specs])
        done = subprocess.run([python, str(READER)], input=text, capture_output=True, text=True, check=False)
        problems = done.stdout.splitlines() if done.returncode in (0, 1) else [f"{READER.name} failed", *done.stderr.splitlines()]
        yield verdict(case, "kfp", f"{len(specs)} pipeline versions", problems)


def known(python: str) -> list[str]:
    """Return which messages a Python has: those of pipelines, and those of pods."""
    done = run([python, str(READER), "--known"]) if pathlib.Path(python).exists() else None
    return done.stdout.split() if done and not done.returncode else []
