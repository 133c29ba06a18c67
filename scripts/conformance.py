"""Hold what mlspec writes against systems that nobody here wrote: a real Kubernetes API server and a real Argo CD.

    conformance.py [--shared DIR] [--keep] [--only NAME]

Compiles the examples, and the specs of DIR/design/north-star for the default platform, each into a repository of its own; sends every object to the API server (strict, applied, read back) and shows every tree to Argo CD. Says clearly what it skips
and why. Exits 1 when an object is refused, warned about, comes back other than it was sent, or stays out of sync.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
URL = "https://git.example/acme/models.git"


class Case(NamedTuple):
    name: str
    root: pathlib.Path


class Verdict(NamedTuple):
    case: str
    judge: str
    said: str
    lines: list[str]
    good: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="where tools/ and design/ are")
    parser.add_argument("--only", help="only the cases whose name holds this")
    parser.add_argument("--keep", action="store_true", help="leave the judges running and the trees where they are")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
    stop: list[list[str]] = []
    try:
        cases = [case for case in prepare(folder, arguments.shared) if not arguments.only or arguments.only in case.name]
        wrong = [case for case in cases if not compiles(case)]
        verdicts = [*kubernetes(cases, arguments.shared, stop), *argo_cd(cases, arguments.shared, stop)]
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            for command in reversed(stop):
                subprocess.run(command, check=False)
            shutil.rmtree(folder, ignore_errors=True)
    show(verdicts)
    return int(bool(wrong) or not all(verdict.good for verdict in verdicts))


def prepare(folder: pathlib.Path, shared: pathlib.Path) -> Iterator[Case]:
    """Put every case into a folder of its own that is the root of a repository."""
    for story in sorted((ROOT / "examples").iterdir()):
        if story.is_dir():
            root = folder / story.name
            shutil.copytree(story, root)
            (root / ".git").mkdir()
            yield Case(story.name, root)
    specs = sorted((shared / "design" / "north-star").glob("*.yaml"))
    if not specs:
        print(f"skipped: the specs of {shared / 'design' / 'north-star'}, which is not there")
    for spec in specs:
        root = folder / f"north-star-{spec.stem}"
        (root / ".git").mkdir(parents=True)
        (root / "mlspec.yaml").write_text(yaml.safe_dump(whole(yaml.load(spec.read_text(), Plain)), sort_keys=False), encoding="utf-8")
        yield Case(root.name, root)


class Plain(yaml.SafeLoader):
    """YAML 1.2 as far as it matters here: ``on`` is a word, and so is a date."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, words) for tag, words in rules if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))


def whole(spec: dict) -> dict:
    """Return a spec for the default platform, with a repository that Argo CD can deploy from."""
    platform = spec.get("platform", {})
    other = platform.get("gitops", "argocd") != "argocd" or platform.get("ci", ["github"]) != ["github"]
    kept = {} if other else platform
    return {**spec, "platform": {"repository": {"url": URL}, **kept}}


def compiles(case: Case) -> bool:
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mlspec", "compile", "--quiet", str(case.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=case.root, env=surroundings)
    if done.returncode:
        print(f"{case.name}: mlspec refused it\n{done.stderr}")
    return done.returncode == 0


def kubernetes(cases: list[Case], shared: pathlib.Path, stop: list[list[str]]) -> Iterator[Verdict]:
    """Send every object to a real API server."""
    program = shared / "tools" / "apiserver" / "apiserver"
    if not ready(program, "the API server", "kube-apiserver"):
        return
    if not answers(environment(program)):
        subprocess.run([str(program), "up"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stop.append([str(program), "down"])
    judge = program.with_name("judge.py")
    for case in cases:
        flags = ["--apply", "--roundtrip", "--strict-warnings"]
        said, lines, status = run([sys.executable, str(judge), *flags, str(case.root / "deploy")], environment(program))
        yield Verdict(case.name, "kube-apiserver", said, lines, status == 0 and " 0 rejected" in said and said.endswith(" 0 differences"))


def argo_cd(cases: list[Case], shared: pathlib.Path, stop: list[list[str]]) -> Iterator[Verdict]:
    """Show every tree that Argo CD deploys to a real one."""
    program = shared / "tools" / "argocd" / "argocd-local"
    if not shutil.which("redis-server"):
        print("skipped: Argo CD: it needs redis-server, which is not there")
        return
    if not ready(program, "Argo CD", "argocd"):
        return
    kube = program.parent.parent / "apiserver" / "apiserver"
    subprocess.run([str(program), "up"], check=True, stdout=subprocess.DEVNULL)
    stop.append([str(program), "down"])
    for case in cases:
        if not (case.root / "deploy" / "argocd").is_dir():
            continue
        said, lines, status = run([sys.executable, str(program.with_name("sync.py")), str(case.root)], environment(kube))
        yield Verdict(case.name, "Argo CD", said, lines, status == 0)


def ready(program: pathlib.Path, what: str, binary: str) -> bool:
    """Tell whether a judge can be started; say why where it cannot. A judge that is not built yet is built where Go is."""
    if not program.exists():
        print(f"skipped: {what}: {program} is not there (say where it is with --shared)")
        return False
    name = program.parent.name
    home = pathlib.Path(os.environ.get(f"MLSPEC_{name.upper()}", pathlib.Path.home() / ".cache" / f"mlspec-{name}"))
    places = [home / "bin" / binary, pathlib.Path(os.environ.get("KUBEBUILDER_ASSETS", "/nowhere"), binary)]
    if any(place.exists() for place in places):
        return True
    if not shutil.which("go"):
        print(f"skipped: {what}: it is not built, and there is no Go to build it with")
        return False
    print(f"building {what}; this takes minutes, once")
    if subprocess.run([str(program), "build"], check=False).returncode:
        print(f"skipped: {what}: it could not be built")
        return False
    return True


def answers(environment: dict[str, str]) -> bool:
    """Tell whether an API server is up already; it is used then, and left running."""
    kubectl = pathlib.Path(environment["KUBEBUILDER_ASSETS"], "kubectl")
    asked = subprocess.run([str(kubectl), "get", "--raw", "/readyz"], capture_output=True, check=False, env=environment)
    return asked.returncode == 0


def environment(program: pathlib.Path) -> dict[str, str]:
    text = subprocess.run([str(program), "env"], check=True, capture_output=True, text=True).stdout
    words = [word.partition("=") for word in text.removeprefix("export ").split()]
    return {**os.environ, **{name: value for name, _, value in words}}


def run(command: list[str], environment: dict[str, str]) -> tuple[str, list[str], int]:
    """Run a judge; return its last line, the lines before it and its exit."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    *lines, said = (done.stdout.strip() or done.stderr.strip() or "it said nothing").splitlines()
    return said, [*lines, *(done.stderr.strip().splitlines() if done.stdout.strip() else [])], done.returncode


def show(verdicts: list[Verdict]) -> None:
    width = max((len(verdict.case) for verdict in verdicts), default=0)
    for verdict in verdicts:
        print(f"{'ok ' if verdict.good else 'BAD'}  {verdict.case:{width}}  {verdict.judge:14}  {verdict.said}")
        if not verdict.good:
            for line in verdict.lines:
                print(f"       {line}")
    if not verdicts:
        print("nothing was judged")


if __name__ == "__main__":
    sys.exit(main())
