"""Feed broken specs to mlspec and watch that nothing but a refusal comes out: `python scripts/fuzz.py --count 100000`."""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from mlspec.diagnostics import Rejected, Unable
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


STAGES: dict[str, Callable[[bytes], None]] = {"read": read_stage, "format": format_stage}
"""What an input goes through. A compile of the whole spec belongs here as soon as there is one."""


def corpus() -> list[bytes]:
    """Return what is mutated: the seeds, the examples, and the fixtures of the tests."""
    found = [path.read_bytes() for folder in ("examples", "tests") for path in sorted((ROOT / folder).rglob("*.yaml"))]
    return [*SEEDS, *(data for data in found if len(data) < 20_000)]


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
    inputs = corpus()
    chance = random.Random(seed)
    started, tried, accepted, failed, slowest = time.perf_counter(), 0, 0, 0, 0.0
    while tried < count and time.perf_counter() - started < seconds:
        data = mutate(chance.choice(inputs), inputs, chance)
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
