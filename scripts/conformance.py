"""Hold what mlspec writes against systems and linters that nobody here wrote.

    conformance.py [--shared DIR] [--only CASE] [--judge NAME] [--keep]

Compiles the examples, and the specs of DIR/design/north-star for the default platform, each into a repository of its own. A real
Kubernetes API server takes every object (strict, applied, read back), a real Argo CD syncs every tree, and canaries commit by commit;
kube-score, checkov, kubernetes-validate, promtool, amtool, KFP's protobuf, actionlint, zizmor and check-jsonschema read what is theirs
to read; tests that are marked conformance ask them more. Judges are looked for below $MLSPEC_JUDGES (~/.cache/mlspec-judges), beside
this Python and on the path; one that is not here is skipped, and the table says so. What linters find is right only when
scripts/waivers.yaml gives the reason.
Exits 1 when a case does not compile, a judge objects, or a waiver is not needed.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import yaml

from judges.bench import Case, Done, Skipped, Verdict
from judges.canary import JUDGE as CANARIES
from judges.canary import canaries
from judges.ci import actionlint, schema, zizmor
from judges.cluster import Servers
from judges.core import kubernetes_validate
from judges.linters import checkov, kube_score
from judges.monitoring import amtool, promtool
from judges.pipelines import kfp
from judges.waivers import FILE, Waivers

ROOT = pathlib.Path(__file__).resolve().parent.parent
URL = "https://git.example/acme/models.git"
TESTS = "(tests)"
Judge = Callable[[list[Case]], Iterator[Verdict | Skipped]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="where tools/ and design/ are")
    parser.add_argument("--only", metavar="CASE", help="only the cases whose name holds this")
    parser.add_argument("--judge", metavar="NAME", help="only the judges whose name holds this")
    parser.add_argument("--keep", action="store_true", help="leave the API server running and the trees where they are")
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # into a file, too, every line stands there when it is said
    folder = pathlib.Path(tempfile.mkdtemp(prefix="conformance-"))
    servers, waivers = Servers(arguments.shared), Waivers()
    known = judges(servers, waivers, arguments.only or "")
    chosen = {name: judge for name, judge in known.items() if not arguments.judge or arguments.judge.lower() in name.lower()}
    if not chosen:
        parser.error(f"no such judge: {arguments.judge}; there are {', '.join(known)}")
    said: list[Verdict | Skipped] = []
    try:
        cases = [case for case in prepare(folder, arguments.shared) if not arguments.only or arguments.only in case.name]
        compiled = [case for case in cases if not (refusal := refused(case)) or said.append(refusal)]
        for name, judge in chosen.items():
            said += judge(compiled)
            if not arguments.only:
                said += needless(name, waivers, said)
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            servers.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return show(said)


def judges(servers: Servers, waivers: Waivers, only: str = "") -> dict[str, Judge]:
    """Return all judges by name, the quick ones first. ``only`` is for those that have cases of their own."""
    return {
        "actionlint": actionlint,
        "zizmor": zizmor,
        "check-jsonschema": schema,
        "promtool": promtool,
        "amtool": amtool,
        "kfp": kfp,
        "kubernetes-validate": kubernetes_validate,
        "kube-score": partial(kube_score, waivers=waivers),
        "checkov": partial(checkov, waivers=waivers),
        "Argo CD": servers.argo_cd,  # while the cluster is empty, so that nothing is synced because it was there
        CANARIES: partial(canaries, servers=servers, only=only),
        "kube-apiserver": servers.kubernetes,
        "pytest": tests,
    }


def tests(cases: list[Case]) -> Iterator[Verdict | Skipped]:
    """Run the tests that ask judges questions of their own, such as when an alert fires."""
    if importlib.util.find_spec("pytest") is None:
        yield Skipped("pytest", "this Python has no pytest")
        return
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MLSPEC_CONFORMANCE": "1", "PYTHONDONTWRITEBYTECODE": ""}
    itself = "tests/test_conformance.py::test_outside_judges_find_nothing"
    command = [sys.executable, "-u", "-m", "pytest", "-vv", "-m", "conformance", "-rfEs", "--durations=25", "--durations-min=5"]
    if importlib.util.find_spec("xdist"):
        command += ["-n", os.environ.get("WORKERS", "2"), "--dist", "loadgroup"]
    done = aloud([*command, "-p", "no:cacheprovider", "--deselect", itself, "tests"], surroundings, ROOT)
    lines = done.stdout.strip().splitlines() or ["it said nothing"]
    if done.returncode not in (0, 1):
        lines.append(f"pytest stopped with {done.returncode}")
    yield from (Skipped("pytest", line.removeprefix("SKIPPED ")) for line in lines if line.startswith("SKIPPED "))
    wrong = next((at for at, line in enumerate(lines) if re.match(r"=+ (FAILURES|ERRORS)", line)), 0)
    yield Verdict(TESTS, "pytest", lines[-1].strip("= "), lines[wrong:], done.returncode == 0)


def aloud(command: list[str], surroundings: dict[str, str], folder: pathlib.Path) -> Done:
    """Run a program that takes long and show what it says while it says it, behind each line how long that took.

    A test whose run is ended from outside has its name on the screen by then.
    """
    words = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**surroundings, "NO_COLOR": "1"}, cwd=folder)
    assert words.stdout is not None
    said, last = b"", time.monotonic()
    while piece := os.read(words.stdout.fileno(), 65536):
        said += piece
        text = piece.decode(errors="replace")
        if "\n" in text:
            text = text.replace("\n", f"  {time.monotonic() - last:.1f} s\n", 1)
            last = time.monotonic()
        print(text, end="", flush=True)
    return subprocess.CompletedProcess(command, words.wait(), said.decode(errors="replace"), "")


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
        print(f"skipped: the specs of {shared / 'design' / 'north-star'}, which are not here")
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
Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def whole(spec: dict) -> dict:
    """Return a spec for the default platform: with a repository that Argo CD can deploy from, and GitHub where another would run CI."""
    platform = spec.get("platform", {})
    other = platform.get("gitops", "argocd") != "argocd" or platform.get("ci", ["github"]) != ["github"]
    return {**spec, "platform": {"repository": {"url": URL}, **({"ci": ["github"]} if other else platform)}}


def refused(case: Case) -> Verdict | None:
    """Compile a case where it is; return the verdict when mlspec refuses it."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mlspec", "compile", "--quiet", str(case.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=case.root, env=surroundings)
    return Verdict(case.name, "mlspec", "refused", done.stderr.splitlines(), good=False) if done.returncode else None


def needless(judge: str, waivers: Waivers, said: list[Verdict | Skipped]) -> Iterator[Verdict]:
    """Yield a verdict on the waivers of a judge that saw every case, when some of them are not needed."""
    unused = waivers.unused(judge) if any(isinstance(one, Verdict) and one.judge == judge for one in said) else []
    if unused:
        yield Verdict(FILE.name, judge, f"{len(unused)} not needed", unused, good=False)


def show(said: list[Verdict | Skipped]) -> int:
    """Print the table; return the exit."""
    verdicts = [one for one in said if isinstance(one, Verdict)]
    skipped = [one for one in said if isinstance(one, Skipped)]
    width = max((len(verdict.case) for verdict in verdicts), default=4)
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.good else 'BAD '}  {verdict.case:{width}}  {verdict.judge:19}  {verdict.said}")
        if not verdict.good:
            for line in verdict.lines:
                print(f"        {line}")
    for one in skipped:
        print(f"skip  {'all':{width}}  {one.judge:19}  {one.why}")
    wrong = sum(not verdict.good for verdict in verdicts)
    cases = {verdict.case for verdict in verdicts} - {FILE.name, TESTS}
    print(f"{len(cases)} cases, {len(verdicts)} verdicts, {wrong} not good, {len(skipped)} skipped")
    return int(bool(wrong) or not verdicts)


if __name__ == "__main__":
    sys.exit(main())
