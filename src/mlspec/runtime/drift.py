"""Compare logged requests with a dataset (drift), their slices with each other (bias), or find outliers; push gauges to a Pushgateway.

Exit codes: 0 measured and pushed, 1 something could not be measured (or, with --verdict, is beyond its bound), 2 usage,
3 data or Pushgateway cannot be reached. What is not measured is not pushed, so that an alert on its absence fires.
"""

from __future__ import annotations

import argparse
import base64
import bisect
import collections
import csv
import datetime
import io
import json
import math
import os
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

Row = dict[str, Any]
_DEFAULTS = {"bins": 10, "categories": 50, "drifted": 0.2, "sample": 50_000, "minRows": 200, "minSamples": 30, "threshold": 0.5}
_FLOOR = 1e-4
"""The share that an empty bin counts as in the population stability index, so that it stays finite."""
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}


class Stop(Exception):  # noqa: N818
    """The end of the program: its exit code, and why."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def say(line: str) -> None:
    """Report what is worth knowing."""
    print(f"drift: {line}", file=sys.stderr, flush=True)


# Reading


def records(uri: str, form: str | None, names: list[str], since: float) -> Iterator[Row]:
    """Yield what the files under a path or URI hold, those younger than `since`, a record at a time."""
    from pyarrow import fs, parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]

    place = uri.replace("s3a://", "s3://", 1) if "://" in uri else os.path.abspath(uri)  # noqa: PTH100
    system, path = fs.FileSystem.from_uri(place)
    top = system.get_file_info(path)
    found = system.get_file_info(fs.FileSelector(path, recursive=True)) if top.type == fs.FileType.Directory else [top]
    if top.type == fs.FileType.NotFound:
        raise Stop(3, f"there is nothing at {uri}")
    for info in sorted(found, key=lambda one: str(one.path)):
        hidden = any(part.startswith(("_", ".")) for part in info.path[len(path) :].split("/"))
        if info.type != fs.FileType.File or (hidden and info is not top) or (since and info.mtime_ns and info.mtime_ns < since * 1e9):
            continue
        plain = next((info.path[: -len(end)] for end in (".gz", ".bz2", ".zst") if info.path.endswith(end)), info.path)
        kind = _SUFFIXES.get(os.path.splitext(plain)[1].lower(), form)  # noqa: PTH122
        if kind == "parquet":
            with system.open_input_file(info.path) as source:
                file = parquet.ParquetFile(source)
                kept = [name for name in file.schema_arrow.names if name in names or name.lower() in ("bytes", "reqtype", "id")]
                for batch in file.iter_batches(8192, columns=kept):
                    yield from batch.to_pylist()
        elif kind in ("csv", "json", "jsonl"):
            with io.TextIOWrapper(io.BufferedReader(system.open_input_stream(info.path)), "utf-8", newline="") as text:
                yield from csv.DictReader(text) if kind == "csv" else _json(text, kind)
        else:
            raise Stop(3, f"{info.path} is {kind or 'of no known format'}; parquet, csv, json and jsonl can be read")


def _json(text: Iterable[str], kind: str) -> Iterator[Row]:
    if kind == "json":
        whole = "".join(text)
        try:
            made = json.loads(whole)
            yield from made if isinstance(made, list) else [made]
            return
        except ValueError:
            text = whole.splitlines()  # JSON lines under the name of JSON
    for line in text:
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"bytes": "", "reqtype": "unreadable"}


def unfolded(found: Iterable[Row], order: list[str], paired: bool) -> Iterator[Row]:
    """Yield the rows of plain tables, and those inside logged requests: KServe's log records, CloudEvents, or payloads (v1, v2).

    `order` names the columns of instances that are lists. With `paired`, rows wait for their answer of the same id, which becomes
    their `prediction`.
    """
    waiting: dict[str, list[Any]] = {}
    lost = 0
    for record in found:
        try:
            role, key, payload = _parts(record)
            rows = [record] if role == "row" else _answers(payload) if role == "response" else _rows(payload, order)
        except (ValueError, LookupError, TypeError, AttributeError):
            lost += 1
            continue
        if not paired or role == "row":
            yield from rows if role != "response" else ()
            continue
        other = waiting.pop(key, None)
        if other is None:
            waiting[key] = rows
            if len(waiting) > 10_000:
                del waiting[next(iter(waiting))]
            continue
        given, answers = (rows, other) if role == "request" else (other, rows)
        for at in range(min(len(given), len(answers))):
            yield {**given[at], "prediction": answers[at]}
    if lost:
        say(f"{lost} records could not be read and are left out")


def _parts(record: Row) -> tuple[str, str, Any]:
    low = {key.lower(): value for key, value in record.items()}
    if "bytes" in low and "reqtype" in low:
        role, payload = low["reqtype"], json.loads(base64.b64decode(low["bytes"]))
    elif "specversion" in low:
        data = low.get("data")
        role, payload = low["type"], json.loads(base64.b64decode(low["data_base64"])) if data is None else data
        payload = json.loads(payload) if isinstance(payload, str) else payload
    elif low.keys() & {"instances", "inputs", "dataframe_split", "dataframe_records"}:
        role, payload = "request", record
    else:
        role, payload = ("response", record) if low.keys() & {"predictions", "outputs"} else ("row", record)
    return "response" if role.endswith("response") else "row" if role == "row" else "request", str(low.get("id")), payload


def _rows(payload: Row, order: list[str]) -> list[Row]:
    if "dataframe_split" in payload:
        order, instances = payload["dataframe_split"]["columns"], payload["dataframe_split"]["data"]
    elif "inputs" in payload and all(isinstance(one, dict) and "shape" in one for one in payload["inputs"]):
        columns = {}
        for one in payload["inputs"]:
            tensor = _tensor(one)
            names = [one["name"]] if len(tensor[0]) == 1 else order if len(order) == len(tensor[0]) else []
            columns.update({name: [line[at] for line in tensor] for at, name in enumerate(names)})
        length = min(len(values) for values in columns.values())
        return [{name: values[at] for name, values in columns.items()} for at in range(length)]
    else:
        instances = payload.get("dataframe_records") or payload.get("instances") or payload["inputs"]
    return [one if isinstance(one, dict) else _named(one if isinstance(one, list) else [one], order) for one in instances]


def _named(values: list[Any], order: list[str]) -> Row:
    if len(values) != len(order):
        raise ValueError(f"{len(values)} values for {len(order)} columns")
    return {name: values[at] for at, name in enumerate(order)}


def _tensor(one: Row) -> list[list[Any]]:
    data = one["data"]
    while data and isinstance(data[0], list):
        data = [value for line in data for value in line]
    width = max(1, len(data) // max(1, one["shape"][0]))
    return [data[at : at + width] for at in range(0, len(data), width)]


def _answers(payload: Row) -> list[Any]:
    if "predictions" in payload:
        return list(payload["predictions"])
    return [line[0] if len(line) == 1 else line for line in _tensor(payload["outputs"][0])]


def sampled(rows: Iterable[Row], names: list[str], size: int) -> tuple[list[list[Any]], int, set[str]]:
    """Return the columns of at most `size` rows, each as likely as any other, how many rows there were, and the columns seen."""
    draw, seen = random.Random(0), 0  # noqa: S311 - the same rows give the same score
    kept: list[list[Any]] = []
    present: set[str] = set()
    for row in rows:
        at = seen if seen < size else draw.randrange(seen + 1)
        seen += 1
        if at < size:
            present.update(row)
            kept[at : at + 1] = [[row.get(name) for name in names]]
    return [[row[at] for row in kept] for at in range(len(names))], seen, present


# Measures


def number(value: Any) -> float | None:
    """Return a value as a number (a time in seconds); None when it is missing or no finite number."""
    if isinstance(value, str) and value.count("-") == 2:
        try:
            value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))  # noqa: FURB162 - Python 3.9
        except ValueError:
            return None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - made UTC below
    if isinstance(value, datetime.datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)).timestamp()  # noqa: UP017 - Python 3.9
    try:
        made = float(value)
    except (TypeError, ValueError):
        return None
    return made if math.isfinite(made) else None


def word(value: Any) -> str | None:
    """Return a value as the text of a category; None when it is missing."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def binned(old: list[Any], new: list[Any], numeric: bool, options: Row) -> tuple[list[float], list[float]]:
    """Return the shares of the bins: quantiles of the reference, or its values where they are few or words (the rest is one bin)."""
    counts, bins = collections.Counter(old), int(options["bins"])
    if numeric and len(counts) > bins:
        ordered = sorted(old)
        cuts = sorted({quantile(ordered, at / bins) for at in range(1, bins)})
        places = [[bisect.bisect_right(cuts, value) for value in values] for values in (old, new)]
        size = len(cuts) + 1
    else:
        index = {value: at for at, (value, _) in enumerate(sorted(counts.most_common(int(options["categories"])), key=str))}
        places = [[index.get(value, len(index)) for value in values] for values in (old, new)]
        size = len(index) + 1
    shares = [[found[at] / len(which) for at in range(size)] for which in places for found in [collections.Counter(which)]]
    return shares[0], shares[1]


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of sorted values, between two of them linearly."""
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def psi(old: list[float], new: list[float]) -> float:
    """Return the population stability index of two lists of shares."""
    floored = [(max(one, _FLOOR), max(new[at], _FLOOR)) for at, one in enumerate(old) if one or new[at]]
    return sum((right - left) * math.log(right / left) for left, right in floored)


def divergence(old: list[float], new: list[float]) -> float:
    """Return the Jensen-Shannon divergence of two lists of shares, in bits: from 0 to 1."""
    total = 0.0
    for at, left in enumerate(old):
        middle = (left + new[at]) / 2
        total += sum(share * math.log2(share / middle) / 2 for share in (left, new[at]) if share)
    return max(0.0, total)


def ks(old: list[float], new: list[float]) -> float:
    """Return the largest distance between two empirical distributions (Kolmogorov and Smirnov)."""
    old, new = sorted(old), sorted(new)
    return max(abs(bisect.bisect_right(old, one) / len(old) - bisect.bisect_right(new, one) / len(new)) for one in {*old, *new})


# Tasks: each returns measures as (column, metric, value or None, bounds, remark)

Measure = tuple[str, str, "float | None", Row, str]
Table = dict[str, list[Any]]


class Data:
    """The sampled columns of the reference and of what is current, as numbers or words by the dataset's types."""

    def __init__(self, wanted: argparse.Namespace, options: Row, names: list[str], since: float) -> None:
        self.types = {name: str(column.get("type")) for name, column in wanted.dataset["columns"].items()}
        order = list(options.get("columns") or _features(wanted.dataset["columns"]))
        form, size = wanted.dataset.get("format"), int(options["sample"])
        paired = wanted.task == "bias"
        old = records(wanted.against, form, names, 0) if wanted.task != "bias" else iter(())
        old_table, self.old_rows, _ = sampled(old, names, size)
        new = unfolded(records(wanted.current, None, names, since), order, paired)
        new_table, self.rows, self.present = sampled(new, names, size)
        self.old = {name: old_table[at] for at, name in enumerate(names)}
        self.new = {name: new_table[at] for at, name in enumerate(names)}

    def numeric(self, name: str) -> bool:
        """Say whether a column holds numbers: by its type, else by what the reference holds."""
        if name in self.types and self.types[name] != "None":
            return self.types[name] in ("integer", "number", "date", "timestamp")
        there = [value for value in self.old[name] if word(value) is not None]
        return bool(there) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in there)

    def values(self, table: Table, name: str) -> list[Any]:
        """Return what is there of a column."""
        made = map(number if self.numeric(name) else word, table[name])
        return [value for value in made if value is not None]


def _features(columns: Row) -> list[str]:
    return [name for name, column in columns.items() if not column.get("key") and not column.get("label")]


def drift(data: Data, wanted: argparse.Namespace, options: Row) -> Iterator[Measure]:
    """Measure what the rules of the thresholds name."""
    for rule in wanted.rules:
        name, metric, least = rule.get("column", ""), rule["metric"], rule.get("minSamples", 1)
        if metric == "share":
            moved = {}
            for one in _features(wanted.dataset["columns"]):
                old, new = data.values(data.old, one), data.values(data.new, one)
                if one in data.present and old:  # a column whose values are all gone has drifted, whatever it holds
                    moved[one] = psi(*binned(old, new, data.numeric(one), options)) if new else math.inf
            far = sorted(one for one, value in moved.items() if value > float(options["drifted"]))
            said = f"{len(far)} of {len(moved)}: {', '.join(far)}" if moved else "no column of the dataset is in the requests"
            yield "", metric, len(far) / len(moved) if moved else None, rule, said
            continue
        old, new = data.values(data.old, name), data.values(data.new, name)
        if metric == "missingRatio":
            there = name in data.present
            yield name, metric, 1 - len(new) / len(data.new[name]) if there else None, rule, "" if there else "no such column"
        elif not old or len(new) < max(least, 1):
            yield name, metric, None, rule, f"{len(old)} values in the reference, {len(new)} now, {least} needed"
        elif metric == "ks":
            yield name, metric, ks(old, new) if data.numeric(name) else None, rule, "" if data.numeric(name) else "ks is of numbers"
        else:
            shares = binned(old, new, data.numeric(name), options)
            yield name, metric, psi(*shares) if metric == "psi" else divergence(*shares), rule, ""


def _positive(value: Any, options: Row) -> bool:
    """Say whether a prediction or label is the positive one: the word `positive`, truth, or a number from the threshold on."""
    if "positive" in options:
        return word(value) == word(options["positive"])
    score = number(value[-1] if isinstance(value, list) else value)
    if score is None:
        raise Stop(3, f"the prediction {value!r} is no number; say which is the positive one (--options positive)")
    return score >= float(options["threshold"])


_RATES: dict[str, Callable[[collections.Counter[str]], tuple[int, int]]] = {
    "selectionrate": lambda n: (n["11"] + n["10"] + n["1"], n["all"]),
    "accuracy": lambda n: (n["11"] + n["00"], n["all"]),
    "truepositiverate": lambda n: (n["11"], n["11"] + n["01"]),
    "falsepositiverate": lambda n: (n["10"], n["10"] + n["00"]),
    "precision": lambda n: (n["11"], n["11"] + n["10"]),
}
"""Rates of a slice from its counts: prediction, then label where there is one, as 1 and 0; numerator and denominator."""


def bias(data: Data, wanted: argparse.Namespace, options: Row) -> Iterator[Measure]:
    """Measure how far a rate of the predictions lies apart between the slices of a column."""
    rate = options["metric"].replace("_", "").lower()
    across, label, bound = options["across"], options.get("label") or _label(wanted), {"max": options.get("maxGap")}
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for at, slice_ in enumerate(data.new[across]):
        given, truth = data.new[options["prediction"]][at], data.new[label][at] if label else None
        if word(slice_) is None or given is None or (rate != "selectionrate" and truth is None):
            continue
        kind = str(int(_positive(given, options))) + (str(int(_positive(truth, options))) if truth is not None else "")
        counts[str(word(slice_))].update((kind, "all"))
    parts = {name: _RATES[rate](found) for name, found in sorted(counts.items())}
    rates = {name: top / under for name, (top, under) in parts.items() if under >= options["minSamples"]}
    said = ", ".join(f"{name} {rates[name]:.4g} of {parts[name][1]}" if name in rates else f"{name} too few" for name in parts)
    gap = max(rates.values()) - min(rates.values()) if len(rates) > 1 else None
    yield across, options["metric"], gap, bound, said or "no row has the column and a prediction"


def _label(wanted: argparse.Namespace) -> str:
    return next((name for name, column in wanted.dataset["columns"].items() if column.get("label")), "")


def outliers(data: Data, wanted: argparse.Namespace, options: Row) -> Iterator[Measure]:
    """Measure the share of rows that an isolation forest over the reference sets apart as it does 1 % of the reference, or half
    of the share that passes, whichever is less."""
    names = [one for one in _features(wanted.dataset["columns"]) if one in data.present and data.values(data.old, one)]
    allowed = float(options.get("share", 0.02))
    if not names:
        yield "", "outliers", None, {"max": allowed}, "no column of the dataset is in the requests"
        return
    old, new = _points(data, names)
    draw = random.Random(0)  # noqa: S311 - the same rows give the same score
    draw.shuffle(old)
    grown, kept = old[: len(old) // 2], old[len(old) // 2 :]
    size = min(256, len(grown))
    trees = [_tree(draw.sample(grown, size), math.ceil(math.log2(size)), draw) for _ in range(100)]
    limit = quantile(sorted(-_depth(trees, one) for one in kept), 1 - min(0.01, allowed / 2))
    apart = sum(-_depth(trees, one) > limit for one in new)
    yield "", "outliers", apart / len(new), {"max": allowed}, f"{apart} of {len(new)} rows over {len(names)} columns"


def _points(data: Data, names: list[str]) -> tuple[list[list[float]], list[list[float]]]:
    """Return rows as points: numbers as they are (the median where missing), words as their share of the reference."""
    columns: list[tuple[list[float], list[float]]] = []
    for name in names:
        there = data.values(data.old, name)
        if data.numeric(name):
            middle = quantile(sorted(there), 0.5)
            columns.append(tuple([middle if value is None else value for value in map(number, one[name])] for one in (data.old, data.new)))  # type: ignore[arg-type]
        else:
            counts = collections.Counter(there)
            columns.append(tuple([counts[str(word(value))] / len(there) for value in one[name]] for one in (data.old, data.new)))  # type: ignore[arg-type]
    return tuple([[column[side][at] for column in columns] for at in range(len(columns[0][side]))] for side in (0, 1))  # type: ignore[return-value]


def _usual(size: int) -> float:
    """Return the mean depth of an unsuccessful search in a binary tree of so many rows."""
    return 2 * (math.log(size - 1) + 0.5772156649) - 2 * (size - 1) / size if size > 2 else float(size == 2)


def _tree(points: list[list[float]], left: int, draw: random.Random) -> Any:
    spread = [at for at in range(len(points[0])) if min(one[at] for one in points) < max(one[at] for one in points)] if points else []
    if left == 0 or not spread:
        return _usual(len(points))
    at = draw.choice(spread)
    cut = draw.uniform(min(one[at] for one in points), max(one[at] for one in points))
    sides = [one for one in points if one[at] < cut], [one for one in points if one[at] >= cut]
    return at, cut, _tree(sides[0], left - 1, draw), _tree(sides[1], left - 1, draw)


def _depth(trees: list[Any], point: list[float]) -> float:
    total = 0.0
    for node in trees:
        below = node
        while isinstance(below, tuple):
            total += 1
            below = below[2] if point[below[0]] < below[1] else below[3]
        total += below
    return total / len(trees)


# Pushing and telling


def _labels(labels: Row) -> str:
    kept = {key: str(value).replace("\\", "\\\\").replace("\n", "\\n") for key, value in labels.items() if value != ""}
    return ",".join('{}="{}"'.format(key, value.replace('"', '\\"')) for key, value in kept.items())


def exposition(task: str, labels: Row, measures: list[Measure], rows: int, now: float) -> str:
    """Return the gauges in the text format of Prometheus 0.0.4; without what was not measured."""
    name = {"drift": "mlspec_drift", "bias": "mlspec_bias", "outliers": "mlspec_outlier_share"}[task]
    kept = [(column, metric, value) for column, metric, value, _, _ in measures if value is not None]
    lines = [f"# TYPE {name} gauge"] if kept else []
    for column, metric, value in kept:
        more = {} if task == "outliers" else {"column": column, "metric": metric}
        lines.append(f"{name}{{{_labels({**labels, **more})}}} {value!r}")
    lines += ["# TYPE mlspec_monitor_rows gauge", f"mlspec_monitor_rows{{{_labels(labels)}}} {rows}"]
    if len(kept) == len(measures) > 0:
        lines += ["# TYPE mlspec_monitor_last_success_seconds gauge", f"mlspec_monitor_last_success_seconds{{{_labels(labels)}}} {now!r}"]
    return "\n".join(lines) + "\n"


def push(url: str, task: str, labels: Row, text: str) -> None:
    """Replace the group of this monitor on the Pushgateway (1.x); `-` prints instead. Raises Stop."""
    if url == "-":
        print(text, end="")
        return
    parts = [("job", f"mlspec-{task}"), *sorted(labels.items())]
    group = "/".join(
        f"{key}@base64/{base64.urlsafe_b64encode(str(value).encode()).decode() or '='}"
        if "/" in str(value) or not value
        else f"{key}/{quote(str(value), '')}"
        for key, value in parts
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Content-Type": "text/plain; version=0.0.4"}
    request = urllib.request.Request(f"{url.rstrip('/')}/metrics/{group}", text.encode(), headers, method="PUT")  # noqa: S310
    for pause in (0.5, 1, 2, 4, 8, 0):
        try:
            opener.open(request, timeout=20).close()
            return
        except urllib.error.HTTPError as error:
            said = f"{error.code} {error.read(300).decode('utf-8', 'replace').strip()}"
            if error.code < 500 and error.code != 429:
                raise Stop(3, f"the Pushgateway refused the gauges: {said}") from None
        except (OSError, HTTPException) as error:
            said = str(getattr(error, "reason", error))
        say(f"the Pushgateway at {url}: {said}")
        time.sleep(pause)
    raise Stop(3, f"gave up on the Pushgateway at {url}")


def _beyond(value: float, bounds: Row) -> bool:
    low, high = bounds.get("min"), bounds.get("max")
    return (low is not None and value < float(low)) or (high is not None and value > float(high))


def measured(wanted: argparse.Namespace, options: Row, now: float) -> tuple[list[Measure], int]:
    """Return the measures of a task and the rows that they are of."""
    columns = wanted.dataset["columns"]
    if wanted.task == "bias":
        names = [name for name in (options["across"], options["prediction"], options.get("label") or _label(wanted)) if name]
    else:
        named = [rule["column"] for rule in wanted.rules if "column" in rule]
        names = [*dict.fromkeys(named + (_features(columns) if wanted.task == "outliers" or len(named) < len(wanted.rules) else []))]
    data = Data(wanted, options, names, now - options["window"] if options.get("window") else 0)
    least = int(options["minRows"])
    if data.rows < least or (wanted.task != "bias" and data.old_rows < least):
        reference = "" if wanted.task == "bias" else f", {data.old_rows} in the reference"
        say(f"too few rows to say anything: {data.rows} now{reference}, {least} needed (--options minRows)")
        return [], data.rows
    return list({"drift": drift, "bias": bias, "outliers": outliers}[wanted.task](data, wanted, options)), data.rows


def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Stop(3, f"cannot read {path}: {error}") from None


def _arguments(given: list[str] | None) -> argparse.Namespace:
    usage = argparse.ArgumentParser(prog="drift.py", description="docs/programs.md says what each option means.")
    usage.add_argument("--task", choices=["drift", "bias", "outliers"], default="drift")
    for name in ("dataset", "current", "pushgateway"):
        usage.add_argument(f"--{name}", required=True)
    usage.add_argument("--against", default="")
    usage.add_argument("--rules", action="append", default=[])
    usage.add_argument("--labels", type=json.loads, default={})
    usage.add_argument("--options", type=json.loads, default={})
    usage.add_argument("--now")
    usage.add_argument("--verdict", action="store_true")
    wanted = usage.parse_args(given)
    options = wanted.options
    if not isinstance(wanted.labels, dict) or not isinstance(options, dict):
        usage.error("expected JSON objects as --labels and --options")
    if wanted.task == "drift" and not wanted.rules:
        usage.error("drift needs --rules")
    if wanted.task != "bias" and not wanted.against:
        usage.error(f"{wanted.task} needs --against")
    if wanted.task == "bias" and (
        not {"across", "metric"} <= options.keys() or str(options["metric"]).replace("_", "").lower() not in _RATES
    ):
        usage.error("bias needs --options across and metric: selection_rate, accuracy, true_positive_rate, false_positive_rate, precision")
    if wanted.pushgateway != "-" and not wanted.pushgateway.startswith(("http://", "https://")):
        usage.error("expected an http(s) address as --pushgateway, or -")
    return wanted


def _monitor(wanted: argparse.Namespace) -> int:
    now = number(wanted.now) if wanted.now else time.time()
    if now is None:
        raise Stop(2, f"--now {wanted.now}: expected a time like 2026-11-21T08:00:00Z")
    options = {**_DEFAULTS, "prediction": "prediction", **wanted.options}
    if wanted.task == "outliers":
        options["sample"] = min(options["sample"], 10_000)
    wanted.dataset = {"columns": {}, **_read(wanted.dataset)}
    thresholds = [_read(path) for path in wanted.rules]
    wanted.rules = [rule for one in thresholds if one.get("mode") != "off" for rule in one["rules"]]
    if thresholds and not wanted.rules:
        say("every threshold is off")
        return 0
    measures, rows = measured(wanted, options, now)
    beyond = False
    for column, metric, value, bounds, said in measures:
        over = value is not None and _beyond(value, bounds)
        beyond |= over
        shown = "not measured" if value is None else f"{value:.6g} {'BEYOND' if over else 'within'} its bound"
        say(f"{metric}{f' of {column}' if column else ''}: {shown}{f' ({said})' if said else ''}")
    push(wanted.pushgateway, wanted.task, wanted.labels, exposition(wanted.task, wanted.labels, measures, rows, now))
    lacking = not measures or any(value is None for _, _, value, _, _ in measures)
    return 1 if lacking or (wanted.verdict and beyond) else 0


def main(given: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    wanted = _arguments(given)
    try:
        return _monitor(wanted)
    except Stop as error:
        say(str(error))
        return error.code
    except ImportError as error:
        say(f"{error}: the image needs pyarrow to read data; add it, or name another image in the spec (drift.image)")
    except (OSError, ValueError, LookupError, TypeError) as error:
        say(f"cannot read the data: {type(error).__name__}: {error}")
    return 3


if __name__ == "__main__":
    sys.exit(main())
