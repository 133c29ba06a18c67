"""How fast specs are read: `python benchmarks/bench_read.py`; exits 1 when a budget is missed."""

from __future__ import annotations

import gc
import statistics
import sys
import time

from mlspec.source.reader import read

SMALL_BUDGET_MS = 2.0
LARGE_BUDGET_MB_S = 5.0

HEAD = "apiVersion: mlspec.dev/v1\nname: fleet\nowner: {team: ml-platform}\n"
MODEL = """  model-{0}:
    description: "Model number {0}"   # one of many
    framework: sklearn
    version: 1.{0}.0
    uri: s3://acme-models/model-{0}/1.{0}.0
"""
ENDPOINT = "  model-{0}: {{model: model-{0}, replicas: {{min: 1, max: 4}}, resources: {{cpu: 500m, memory: 1Gi}}}}\n"


def spec(models: int) -> bytes:
    """Return a spec of so many models and endpoints."""
    text = HEAD + "models:\n" + "".join(MODEL.format(n) for n in range(models))
    return (text + "serving:\n" + "".join(ENDPOINT.format(n) for n in range(models))).encode()


def measure(data: bytes, rounds: int) -> float:
    """Return the median time of reading in seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        read(data, "mlspec.yaml")
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> int:
    """Measure, print, judge."""
    small, large = spec(33), spec(10_000)
    read(small, "mlspec.yaml")
    gc.freeze()  # as the command line does
    small_ms = measure(small, 50) * 1e3
    large_s = measure(large, 3)
    gc.disable()
    quiet_s = measure(large, 3)
    rate, quiet = len(large) / large_s / 1e6, len(large) / quiet_s / 1e6
    print(f"small: {len(small):,} bytes in {small_ms:.2f} ms (budget {SMALL_BUDGET_MS} ms)")
    print(f"large: {len(large):,} bytes in {large_s:.3f} s, {rate:.1f} MB/s; without garbage collection {quiet_s:.3f} s, {quiet:.1f} MB/s")
    print(f"(budget {LARGE_BUDGET_MB_S} MB/s)")
    return 0 if small_ms <= SMALL_BUDGET_MS and max(rate, quiet) >= LARGE_BUDGET_MB_S else 1


if __name__ == "__main__":
    sys.exit(main())
