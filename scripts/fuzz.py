"""Feed broken specs to mlspec and watch that nothing but a refusal comes out: `python scripts/fuzz.py --count 100000`."""

from __future__ import annotations

import argparse
import atexit
import faulthandler
import io
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlspec.compiler import Request, compile_specs
from mlspec.diagnostics import Diagnostic, Rejected, Unable
from mlspec.reporters import FORMATS, report
from mlspec.source.edit import format_text
from mlspec.source.reader import read
from mlspec.source.suppress import suppress

ROOT = Path(__file__).resolve().parent.parent
SLOWEST_S = 2.0
MEMORY_BYTES = 1 << 30
SEEDS = (
    b"a: 1\n",
    b"a: &x {b: 1, c: [1, 2]}\nd: {<<: *x, b: 2}\ne: [*x, *x]\n",
    b"a: |\n  text # no comment\n   more\n\nb: >-\n  folded\n  text\n# comment\nc: 'it''s'\nd: \"\\u00e9\\n\\x41\"\n",
    b"? a\n: b\nc: {\"q\": 'r', s: [t, {u: v}]} # mlspec: ignore[MLS-W101] why\n",
    b"a:\n- b\n- - c\n  - d\n-\n  e: f\n\tg: h\n",
    b"%YAML 1.2\n---\na: !!str b\n...\n---\nc: d\n",
    "ä: „ö“ 😀\nb: \u202e\n".encode(),
    b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d]\n",
    b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> theirs\n",
    b"a: 'open\nb: [1, 2\nc: {d: e\n",
)
TOKENS = (
    *(
        "- ",
        ": ",
        ":",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        " #",
        "&a ",
        "*a",
        "*b",
        "!",
        "!!int ",
        "!<x> ",
        "|",
        ">",
        "|-",
        ">+2",
        "'",
        '"',
        "\\",
        "\\0",
        "\\x41",
    ),
    *(
        "\\ud800",
        "\\UFFFFFFFF",
        "%",
        "%YAML 1.1\n",
        "@",
        "`",
        "<<: *a",
        "<<",
        "---\n",
        "...\n",
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "  ",
        "\n\n",
        "\n  ",
        "\n- ",
    ),
    *(
        "null",
        "~",
        "true",
        "1",
        "-0.50",
        "1e3",
        "0o14",
        "1" * 50,
        "2026-01-01",
        "no",
        "\ufeff",
        "\u2028",
        "\u202e",
        "\x85",
        "\0",
        "\x1b",
        "é",
        "😀",
        "${vars.x}",
    ),
    *(
        "{{ x }}",
        "{% if %}",
        "# mlspec: ignore[MLS-E103] x\n",
        "x" * 1100,
        "[" * 70,
        "- " * 70,
        "a: &a\n",
        "*a : ",
        "&a &b ",
        "!x !y ",
        "? ? ",
        "{? ",
    ),
)


def read_stage(data: bytes) -> None:
    """Read, look at every place that a message could point at, and judge the comments."""
    document = read(data, "mlspec.yaml")
    waiting = [document.mark]
    for _ in range(2_000):
        if not waiting:
            break
        mark = waiting.pop()
        mark.value_site()
        mark.key_site()
        if not 0 <= mark.start <= mark.end <= len(document.text.text):
            raise AssertionError(f"a mark lies outside of the text: {mark.start}..{mark.end}")
        if isinstance(mark.children, dict):
            waiting += mark.children.values()
        elif isinstance(mark.children, list):
            waiting += mark.children
    suppress(document.findings, [document])


def format_stage(data: bytes) -> None:
    """Format what can be read."""
    if len(data) < 5_000:
        format_text(data.decode("utf-8", "replace"))


def compile_stage(data: bytes) -> None:
    """Take the whole line up to the rendered tree, and report what is found in every format; write nothing."""
    spec = workshop() / "mlspec.yaml"
    spec.write_bytes(data)
    try:
        found = compile_specs(Request(paths=(spec,))).diagnostics
    except Rejected as rejected:
        report_stage(rejected.diagnostics)
        raise
    report_stage(found)
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise Rejected(found)


def report_stage(found: Sequence[Diagnostic]) -> None:
    """Hold every diagnostic to its form, and write it in each format."""
    for diagnostic in found:
        site = diagnostic.site
        if not (site.line >= 1 and site.column >= 1 and (site.line, site.column) <= (site.end_line, site.end_column)):
            raise AssertionError(f"{diagnostic.code} has no place: {site}")
        if not diagnostic.message or "invalid" in diagnostic.message.lower().split():
            raise AssertionError(f"{diagnostic.code} says nothing: {diagnostic.message!r}")
    for form in FORMATS:
        stream = io.StringIO()
        report(found, form, stream, colour=False, tool_version="0", files_checked=("mlspec.yaml",))
        stream.getvalue().encode("utf-8", "backslashreplace")


@cache
def workshop() -> Path:
    """Return a repository of its own for the specs that are compiled."""
    folder = Path(tempfile.mkdtemp(prefix="mlspec-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / ".git").mkdir()
    (folder / "base.yaml").write_text("datasets: {d: {uri: s3://b/d, format: csv, version: {snapshot: a}}}\n", encoding="utf-8")
    return folder


STAGES: dict[str, Callable[[bytes], None]] = {"read": read_stage, "format": format_stage, "compile": compile_stage}
"""What an input goes through."""


HEAD = (
    (b"apiVersion:", b"apiVersion: mlspec.dev/v1\n"),
    (b"name:", b"name: demo\n"),
    (b"owner:", b"owner: {team: ml}\n"),
    (b"models:", b"models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}\n"),
)


def corpus() -> list[bytes]:
    """Return what is mutated: the seeds, and all kinds of wrong specs."""
    return [*SEEDS, *right_specs(), *(spec for file in sorted((ROOT / "tests" / "bad_inputs").glob("*.txt")) for spec in fixtures(file))]


def right_specs() -> list[bytes]:
    """Return specs that are right: the examples, and the odd ones of the tests."""
    found = [path.read_bytes() for path in sorted((ROOT / "examples").rglob("mlspec.yaml"))]
    return [*(data for data in found if len(data) < 20_000), *fixtures(ROOT / "tests" / "good_inputs.txt")]


def fixtures(file: Path) -> list[bytes]:
    """Return the specs of a file of fixtures, completed."""
    parts = [part.partition(b"\n")[2] for part in file.read_bytes().split(b"\n=== ")]
    plain = [part.replace("«".encode(), b"").replace("»".encode(), b"") for part in parts]
    return [b"".join(line for key, line in HEAD if key not in part) + part for part in plain]


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 100, 10**9, 10**30, 0.5, 1.5, "", "x", "1", "no", "iris", "demo", "default", "a b", "${vars.a}"),
    *(
        "${env.name}",
        "${steps.a.b}",
        "${",
        "$${",
        "${vars.a.b.c}",
        "1%",
        "0.5%",
        "5m",
        "0s",
        "2Gi",
        "500m",
        "s3://b/x",
        "r.io/a:1",
        "@daily",
    ),
    *(
        "0 0 31 2 *",
        "../x",
        "a/b/c",
        "é",
        "\n",
        "{{x}}",
        "dev",
        "2027-02-30",
        "kserve",
        "kubernetes",
        "none",
        "x" * 300,
        [],
        {},
        [1],
        ["a"],
    ),
    *([None], {"a": None}, {"in": ["dev"]}, {"min": 3, "max": 1}, {"secret": "a/b"}, {"iris": 50}, {"model": "iris"}, [[]], {"": ""}),
)


def reshape(data: bytes, pool: Pool, random: random.Random) -> bytes:
    """Change a few values of a spec, mostly for what stands at the same place in another one."""
    try:
        tree = copied(read(data, "mlspec.yaml").tree)
    except Rejected:
        return data
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        places = [place for place in places_of(tree) if len(place[2]) > 1 or place[2][0] in pool.sections]
        if not places:
            break
        parent, key, pattern = random.choice(places)
        match random.randrange(12):
            case 0:
                parent[key] = random.choice(VALUES)
            case 1:
                del parent[key]
            case 2:
                second, second_key, _ = random.choice(places)
                parent[key], second[second_key] = copied(second[second_key]), copied(parent[key])
            case 3 if isinstance(parent, dict):
                parent[random.choice(("x", "a_b", "dev", f"{key}2"))] = copied(parent[key])
            case 4 if isinstance(tree.setdefault("environments", {}), dict):
                section = random.choice(list(tree))
                over = {"namespace": random.choice(("x", "y")), "overrides": {section: copied(tree[section])}}
                tree["environments"][random.choice(("dev", "prod"))] = over
            case 5 | 6 | 7 if isinstance(parent[key], dict):
                known = sorted(pool.fields.get(pattern, ()))
                if known:
                    field = random.choice(known)
                    parent[key][field] = copied(random.choice(pool.values[*pattern, field]))
            case 8:
                section = random.choice(sorted(pool.sections))
                value, now = copied(random.choice(pool.values[section,])), tree.get(section)
                tree[section] = {**now, **value} if isinstance(now, dict) and isinstance(value, dict) else value
            case _:
                parent[key] = copied(random.choice(pool.values.get(pattern, VALUES)))
    style = random.choice((None, True, False))
    return yaml.dump(copied(tree), Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=style).encode()


class Pool:
    """What stands at each place of the language in the specs that there are; names of items count as one place."""

    def __init__(self, specs: list[bytes]) -> None:
        self.values: dict[tuple[str, ...], list[Any]] = {}
        self.fields: dict[tuple[str, ...], set[str]] = {}
        for spec in specs:
            try:
                tree = read(spec, "mlspec.yaml").tree
            except Rejected:
                continue
            for parent, key, pattern in places_of(tree):
                self.values.setdefault(pattern, []).append(parent[key])
                self.fields.setdefault(pattern[:-1], set()).add(pattern[-1])
        self.sections = self.fields.pop(()) - {"apiVersion", "name", "owner", "extends"}


class Dumper(yaml.SafeDumper):
    """Writes every value out where it stands, numbers as they were read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.add_representer(Decimal, lambda dumper, number: dumper.represent_scalar("tag:yaml.org,2002:float", format(number, "f")))


def copied(value: Any, depth: int = 0) -> Any:
    """Return plain data that shares nothing; what is nested too deep is cut off."""
    if isinstance(value, dict | list) and depth > 40:
        return None
    if isinstance(value, dict):
        return {key: copied(item, depth + 1) for key, item in value.items()}
    return [copied(item, depth + 1) for item in value] if isinstance(value, list) else value


NAMED = frozenset(
    [
        "datasets",
        "features",
        "models",
        "pipelines",
        "thresholds",
        "serving",
        "monitoring",
        "environments",
        "steps",
        "schema",
        "inputs",
        "outputs",
        "env",
        "vars",
    ]
)
"""Keys under which names stand that a spec chooses itself."""


def places_of(tree: Any) -> Iterator[tuple[Any, Any, tuple[str, ...]]]:
    """Yield every value of plain data as its parent, its key, and the pattern of its place."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(tree, ())]
    while waiting:
        node, pattern = waiting.pop()
        if not isinstance(node, dict | list) or len(pattern) > 12:
            continue
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            name = "*" if isinstance(key, int) or (pattern and pattern[-1] in NAMED) else str(key)
            yield node, key, (*pattern, name)
            waiting.append((value, (*pattern, name)))


def mutate(data: bytes, others: list[bytes], random: random.Random) -> bytes:
    """Change a few places: bytes, tokens, lines, or a splice with another input."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5, 12))):
        at = random.randrange(len(data) + 1)
        until = min(len(data), at + random.choice((0, 1, 1, 2, 5, 20)))
        match random.randrange(9):
            case 0:
                data = data[:at] + bytes([random.randrange(256)]) + data[until:]
            case 1 | 2 | 3:
                data = data[:at] + random.choice(TOKENS).encode() + data[until:]
            case 4:
                data = data[:at] + data[until:]
            case 5:
                data = data[:at] + data[at:until] * random.choice((2, 3, 80)) + data[until:]
            case 6:
                lines = data.split(b"\n")
                line = random.randrange(len(lines))
                lines[line] = random.choice((b" ", b"  ", b"\t", b"- ", b"")) + lines[random.randrange(len(lines))]
                data = b"\n".join(lines)
            case 7:
                other = random.choice(others)
                data = data[:at] + other[random.randrange(len(other) + 1) :][:2_000] + data[until:]
            case _:
                data = (
                    data[:at]
                    + bytes(random.choice(b"[]{}:,#&*!|>'\"%@`-? \n\t\\") for _ in range(random.choice((1, 2, 4, 8))))
                    + data[until:]
                )
    return data[:40_000]


def run(stages: list[str], count: int, seconds: float, seed: int) -> int:
    """Run until the count or the time is used up; return how many inputs failed."""
    inputs, right = corpus(), right_specs()
    pool = Pool(inputs)
    chance = random.Random(seed)
    started, tried, accepted, failed, slowest = time.perf_counter(), 0, 0, 0, 0.0
    while tried < count and time.perf_counter() - started < seconds:
        data = chance.choice(right if "compile" in stages and chance.random() < 0.8 else inputs)
        if "compile" in stages and chance.random() < 0.7:
            data = reshape(data, pool, chance)
            if chance.random() < 0.1:
                data = mutate(data, inputs, chance)
        else:
            data = mutate(data, inputs, chance)
        for stage in stages:
            before = time.perf_counter()
            try:
                STAGES[stage](data)
                accepted += 1
            except (Rejected, Unable):
                pass
            except Exception:
                failed += 1
                print(f"--- {stage} failed on {data!r}")
                traceback.print_exc(file=sys.stdout)
            took = time.perf_counter() - before
            slowest = max(slowest, took)
            if took > SLOWEST_S:
                failed += 1
                print(f"--- {stage} took {took:.1f} s on {data[:2000]!r}")
        tried += 1
        if failed >= 20:
            break
    elapsed = time.perf_counter() - started
    print(f"{tried:,} inputs in {elapsed:.0f} s ({tried / elapsed:,.0f} a second), {accepted:,} accepted, {failed} failed")
    print(f"slowest: {slowest * 1e3:.0f} ms")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", action="append", choices=sorted(STAGES), help="default: read")
    given = parser.parse_args()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    return 1 if run(given.stage or ["read"], given.count, given.seconds, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
