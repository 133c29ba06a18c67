"""Measures a fleet: `fleet.py [--sizes 1,10,100,1000] [--rounds 3] [--json FILE]`; exits 1 when a budget is missed.

Every measurement runs in a process of its own, and the best of some rounds counts, in processor time: how busy the machine is
should not matter. The trees of the hand-written script (baseline.py) and of mlspec are compared object by object first.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from projects import write_fleet

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"
MEMORY = Path("/dev/shm")

PER_OBJECT, UNCHANGED, HELP, VALIDATE, GROWTH, RSS = 4.0, 0.2, 1.5, 3.0, 1.15, 150.0
"""Budgets: times the script's cost per object; share of a cold compile; times the start of click (two); cost per object of the
largest fleet against one of 100; MB."""

HASHED = re.compile(rb"\b(train|runtime)-(?:[0-9a-f]{12}|[0-9a-f]{8})\b")
"""Names that hold a hash of what they name: each side takes it of its own text, and it is left out of the comparison."""

STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "find": (("compiler", "find_specs"),),
    "read": (("examine", "load"),),
    "settle": (("examine", "settle"), ("examine", "parse")),
    "check": (("examine", "examine"), ("examine", "_settle")),
    "resolve": (("examine", "_plan"),),
    "render": (("compiler", "render"), ("compiler", "fill")),
    "conform": (("compiler", "conform"),),
    "assemble": (("compiler", "assemble"), ("compiler", "digest")),
    "write": (("writers.disk", "write"),),
}
"""What belongs to a stage: functions, by the module that calls them. Time inside another stage counts there."""


class Stopwatch:
    """Processor time by stage, each moment counted once."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys([*STAGES, "rest"], 0.0)
        self._open = ["rest"]
        self._since = time.process_time()

    def turn(self, stage: str | None) -> None:
        """Count the time so far for the open stage; open another one, or close it."""
        now = time.process_time()
        self.spent[self._open[-1]] += now - self._since
        self._since = now
        if stage is None:
            self._open.pop()
        else:
            self._open.append(stage)

    def around(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return a function whose time is counted for a stage; what yields is run to its end at once."""

        def timed(*arguments: Any, **options: Any) -> Any:
            self.turn(stage)
            try:
                found = function(*arguments, **options)
                return iter(list(found)) if isinstance(found, Iterator) else found
            finally:
                self.turn(None)

        return timed


def child(root: str, watched: bool) -> None:
    """Compile a fleet in this process and print what it cost."""
    watch = Stopwatch()
    if watched:
        import importlib

        for stage, places in STAGES.items():
            for module, name in places:
                holder = importlib.import_module(f"mlspec.{module}")
                setattr(holder, name, watch.around(getattr(holder, name), stage))
        compiler, examine = importlib.import_module("mlspec.compiler"), importlib.import_module("mlspec.examine")
        compiler.examine = examine.examine  # type: ignore[attr-defined]
    from mlspec.__main__ import main

    status = main(["compile", "--quiet", root])
    watch.turn(None)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"status": status, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024, "stages": watch.spent}))


def ask(*command: str) -> tuple[float, str]:
    """Run a command; return its processor time in seconds and what it printed. Raises SystemExit when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def surroundings() -> dict[str, str]:
    """Return the environment of a measured process: ours, and bytecode that is kept as it usually is."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(SOURCE)}


def best(rounds: int, *command: str) -> float:
    return min(ask(*command)[0] for _ in range(rounds))


def compile_fleet(root: Path, *, watched: bool = False) -> dict[str, Any]:
    _, text = ask(sys.executable, str(HERE / "fleet.py"), "--child", str(root), *(["--watched"] if watched else []))
    found: dict[str, Any] = json.loads(text)
    if found["status"]:
        sys.exit(f"mlspec refused the fleet: {found['status']}")
    return found


def measure(projects: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Measure one size of fleet."""
    ours, theirs = folder / f"ours-{projects}", folder / f"theirs-{projects}"
    cold: list[dict[str, Any]] = []
    script: list[float] = []
    for _ in range(rounds):
        for root in (ours, theirs):
            shutil.rmtree(root, ignore_errors=True)
            write_fleet(root, projects)
        cold.append(compile_fleet(ours))
        script.append(ask(sys.executable, str(HERE / "baseline.py"), str(theirs))[0])
    objects = compare(ours, theirs)
    before = stamps(ours)
    again = [compile_fleet(ours) for _ in range(rounds)]
    written = sum(before[name] != stamp for name, stamp in stamps(ours).items())
    shutil.rmtree(ours)
    write_fleet(ours, projects)
    stages = compile_fleet(ours, watched=True)["stages"]
    return {
        "projects": projects,
        "objects": objects,
        "cold": min(run["cpu"] for run in cold),
        "again": min(run["cpu"] for run in again),
        "script": min(script),
        "rss": max(run["rss"] for run in cold),
        "written": written,
        "stages": stages,
    }


def stamps(root: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in root.rglob("*") if file.is_file()}


def compare(ours: Path, theirs: Path) -> int:
    """Compare two trees object by object; return how many there are. Raises SystemExit where they differ."""
    import yaml

    count = 0
    names = [{file.relative_to(root) for file in (root / "deploy").rglob("*.yaml")} for root in (ours, theirs)]
    if names[0] != names[1]:
        sys.exit(f"the trees differ in their files: {sorted(map(str, names[0] ^ names[1]))[:5]}")
    for name in sorted(names[0]):
        texts = [HASHED.sub(rb"\1", (root / name).read_bytes()) for root in (ours, theirs)]
        mine, script = (list(yaml.load_all(text, yaml.CSafeLoader)) for text in texts)
        if mine != script:
            sys.exit(f"{name}: the script makes other objects")
        count += len(mine)
    return count


def start(rounds: int, folder: Path) -> dict[str, float]:
    """Measure how long it takes to start: with a spec that only serves, and with one that trains and is watched as well."""
    root = folder / "start"
    write_fleet(root, 4)
    whole, spec = (str(root / "projects" / name / "mlspec.yaml") for name in ("p00000", "p00003"))
    mlspec = (sys.executable, "-m", "mlspec")
    rounds = max(rounds, 1) * 5
    best(1, *mlspec, "validate", spec)
    return {
        "click": best(rounds, sys.executable, "-c", "import click"),
        "help": best(rounds, *mlspec, "--help"),
        "validate": best(rounds, *mlspec, "validate", "--quiet", spec),
        "validate a whole project": best(rounds, *mlspec, "validate", "--quiet", whole),
    }


def judge(runs: list[dict[str, Any]], begun: dict[str, float]) -> list[tuple[str, float, float]]:
    """Return each budget with what was measured and what is allowed."""
    largest = runs[-1]
    by_size = {run["projects"]: run for run in runs}
    made = [
        ("cost per object, times the script's", largest["cold"] / largest["script"], PER_OBJECT),
        ("unchanged, share of cold", largest["again"] / largest["cold"], UNCHANGED),
        ("unchanged, files written", float(largest["written"]), 0.0),
        ("--help, times `import click`", begun["help"] / begun["click"], HELP),
        ("validate, times `import click`", begun["validate"] / begun["click"], VALIDATE),
        ("memory, MB", largest["rss"], RSS),
    ]
    if 100 in by_size and largest["projects"] > 100:
        small = by_size[100]
        made.append(("growth per object from 100", (largest["cold"] / largest["objects"]) / (small["cold"] / small["objects"]), GROWTH))
    return made


def show(runs: list[dict[str, Any]], begun: dict[str, float]) -> None:
    heads = (("projects", 8), ("objects", 8), ("cold s", 8), ("again s", 8), ("script s", 8), ("µs/object", 9), ("objects/s", 9))
    print(" ".join(f"{head:>{width}}" for head, width in heads), f"{'times':>6} {'MB':>6}")
    for run in runs:
        rate = run["cold"] / run["objects"]
        print(
            f"{run['projects']:8,} {run['objects']:8,} {run['cold']:8.2f} {run['again']:8.2f} {run['script']:8.2f} {rate * 1e6:9.0f} "
            f"{1 / rate:9,.0f} {run['cold'] / run['script']:6.1f} {run['rss']:6.0f}"
        )
    largest = runs[-1]
    print(f"\nstages of {largest['projects']:,} projects, µs per object (measuring costs some)")
    print("  " + ", ".join(f"{stage} {spent / largest['objects'] * 1e6:.0f}" for stage, spent in largest["stages"].items()))
    print("start: " + ", ".join(f"{what} {seconds * 1e3:.0f} ms" for what, seconds in begun.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,10,100,1000", help="numbers of projects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.watched)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        begun = start(arguments.rounds, folder)
        runs = [measure(int(size), arguments.rounds, folder) for size in arguments.sizes.split(",")]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(runs, begun)
    verdicts = judge(runs, begun)
    print()
    for what, found, allowed in verdicts:
        print(f"{'ok ' if found <= allowed else 'BAD'} {what}: {found:.2f} (at most {allowed:g})")
    if arguments.json:
        arguments.json.write_text(json.dumps({"runs": runs, "start": begun, "budgets": verdicts}, indent=1), encoding="utf-8")
    return int(any(found > allowed for _, found, allowed in verdicts))


if __name__ == "__main__":
    sys.exit(main())
