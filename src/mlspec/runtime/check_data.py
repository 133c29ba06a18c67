"""The check of data: measures a dataset and holds it against the rules of a threshold; needs pyarrow, and gate.py beside it.

Exit status: 0 passed (always in mode report), 1 not passed, 2 usage, 3 unable to read. What is not decided does not pass.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import sys
from array import array
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

if __package__:
    from mlspec.runtime.gate import Map, Unable, read_json, read_rules, report, show, verdicts
else:  # where it is mounted, mlspec is not installed, or another one is
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from gate import Map, Unable, read_json, read_rules, report, show, verdicts  # type: ignore[import-not-found,no-redef]


Wants = dict[str, set[str]]
UTC = timezone.utc  # noqa: UP017
MOST = 5_000_000  # values told apart in a column, by hashes of 64 bits
SLICES = 1000  # of a column
FORMATS = {"parquet": "parquet", "csv": "csv", "jsonl": "json", "json": "json", "orc": "orc"}
NUMBERS = "u?int|float|halffloat|double|decimal"
TYPES = {
    "string": "(large_)?string",
    "category": "(large_)?string|u?int|bool",
    "integer": "u?int",
    "number": NUMBERS,
    "boolean": "bool",
    "date": "date",
    "timestamp": "timestamp",
    "bytes": ".*binary",
    "array": ".*list",
}


def arrow(name: str) -> Any:
    """Return a module of pyarrow."""
    try:
        return importlib.import_module(f"pyarrow{name}")
    except ImportError:
        raise Unable("reading data needs pyarrow, which this image lacks: add it, or set platform.runner.image") from None


def spell(value: Any) -> str:
    """Return a value as the spec spells it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return show(Decimal(repr(value)) if isinstance(value, (int, float)) else value)


class Seen:
    """How many different things there were, by their hashes."""

    def __init__(self) -> None:
        self.hashes, self.count = array("q"), 0
        self.kept: Any = None

    def add(self, things: Iterable[Any]) -> None:
        """Remember things."""
        digests = (blake2b(repr(thing).encode(), digest_size=8).digest() for thing in things)
        self.hashes.extend(int.from_bytes(digest, "big", signed=True) for digest in digests)
        if len(self.hashes) > max(1_000_000, self.count) and self.count <= MOST:
            self.settle()

    def settle(self) -> Decimal:
        """Return the number of different things. Raises Unable when there are too many."""
        pa = arrow("")
        if self.count <= MOST:
            new = pa.Array.from_buffers(pa.int64(), len(self.hashes), [None, pa.py_buffer(self.hashes)])
            self.kept = arrow(".compute").unique(new if self.kept is None else pa.concat_arrays([self.kept, new]))
            self.count = len(self.kept)
        self.hashes = array("q")
        if self.count > MOST:
            raise Unable(f"there are more than {MOST} different values")
        return Decimal(self.count)


class Column:
    """What was seen of one column."""

    def __init__(self, spec: Map, wants: set[str]) -> None:
        self.spec, self.wants, self.kind = spec, wants, ""
        self.count = self.outside = self.unknown = 0
        self.mean = self.squares = 0.0
        self.low: Any = None
        self.high: Any = None
        self.seen = Seen()
        self.allowed = set(spec.get("values", ()))

    def add(self, values: Any) -> None:
        """Look at some values."""
        pc, types = arrow(".compute"), arrow("").types
        if types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if types.is_floating(values.type):  # NaN stands for nothing
            values = pc.if_else(pc.is_nan(values), None, values)
        values = values.drop_null()
        if not len(values):
            return
        self.kind = str(values.type)
        number = re.match(NUMBERS, self.kind)
        if number or re.match("date|timestamp", self.kind):
            if "[ns" in self.kind:  # Python's times have microseconds
                values = values.cast(arrow("").timestamp("us", values.type.tz), safe=False)
            ends = pc.min_max(values).as_py()
            self.low = ends["min"] if self.low is None else min(self.low, ends["min"])
            self.high = ends["max"] if self.high is None else max(self.high, ends["max"])
        if number:
            floats = values.cast("float64", safe=False)
            total, apart = self.count + len(values), pc.mean(floats).as_py() - self.mean
            self.squares += pc.variance(floats).as_py() * len(values) + apart * apart * self.count * len(values) / total
            self.mean += apart * len(values) / total
            for key, beyond in (("min", pc.less), ("max", pc.greater)):
                if key in self.spec:
                    self.outside += pc.sum(beyond(floats, float(self.spec[key]))).as_py()
        self.count += len(values)
        if "unknownValues" in self.wants and self.allowed:
            counts = pc.value_counts(values).to_pylist()
            self.unknown += sum(entry["counts"] for entry in counts if spell(entry["values"]) not in self.allowed)
        if self.wants & {"distinct", "duplicateRatio"}:
            self.seen.add(pc.unique(values).to_pylist())

    def measure(self, metric: str, rows: int, now: datetime) -> Any:
        """Return a metric. Raises Unable when the column has none."""
        if metric == "nullRatio":
            return Decimal(rows - self.count) / rows
        if metric == "distinct":
            return self.seen.settle()
        if metric == "duplicateRatio":
            return (self.count - self.seen.settle()) / rows
        if metric == "unknownValues":
            return Decimal(self.unknown) / rows
        if metric == "age" and self.count:
            return age(now, self.high)
        if self.count and not re.match(NUMBERS, self.kind):
            raise Unable(f"it holds {self.kind}, not numbers")
        if metric == "outOfRange":
            return Decimal(self.outside) / rows
        if self.count < (2 if metric == "stddev" else 1):
            raise Unable("it holds too few values")
        if metric == "stddev":
            return math.sqrt(self.squares / (self.count - 1))
        return {"min": self.low, "max": self.high, "mean": self.mean}[metric]


def moment(text: str) -> datetime:
    """Return a time, in UTC when it has no zone."""
    made = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def age(now: datetime, newest: Any) -> Decimal:
    """Return the seconds since a date or time. Raises Unable for others, and for what is to come."""
    if not isinstance(newest, date):
        raise Unable("it holds neither dates nor timestamps")
    passed = (now - moment(newest.isoformat())).total_seconds()
    if passed < -300:
        raise Unable(f"{newest} is still to come")
    return max(Decimal(0), Decimal(str(passed)))


class Part:
    """What was seen of all rows, or of one slice."""

    def __init__(self, columns: Map, wants: Wants) -> None:
        self.rows, self.wants, self.spec, self.seen = 0, wants, columns, Seen()
        self.columns: dict[str, Column] = {}

    def add(self, batch: Any) -> None:
        """Look at some rows."""
        self.rows += batch.num_rows
        every = self.wants.get("", set())
        for name in batch.schema.names:
            if name not in self.columns:
                self.columns[name] = Column(self.spec.get(name, {}), self.wants.get(name, set()) | every - {"duplicateRatio"})
            self.columns[name].add(batch.column(name))
        if "duplicateRatio" in every:
            self.seen.add(zip(*(batch.column(name).to_pylist() for name in sorted(batch.schema.names))))  # noqa: B905

    def measure(self, rule: Map, now: datetime, newest: Any, faults: list[str]) -> Any:
        """Return what a rule asks for. Raises Unable when there is no such thing."""
        metric, name = rule["metric"], rule.get("column")
        if metric == "rows":
            return Decimal(self.rows)
        if metric == "schemaMatch":
            return self.match(faults)
        if metric == "age" and not name:
            return age(now, newest)
        if not self.rows:
            raise Unable("there are no rows")
        if metric == "duplicateRatio" and not name:
            return (self.rows - self.seen.settle()) / self.rows
        needs = {"outOfRange": ("min", "max"), "unknownValues": ("values",)}.get(metric, ())
        names = [key for key in ([name] if name else self.columns) if not needs or set(needs) & set(self.spec.get(key, ()))]
        if not names or names[0] not in self.columns:
            raise Unable(f"no column has {' or '.join(needs)} in the spec" if name in self.columns else "the data has no such column")
        return max(self.columns[key].measure(metric, self.rows, now) for key in names)

    def match(self, faults: list[str]) -> Decimal:
        """Return 1 when all is as the schema says. Raises Unable with what is not."""
        for name in self.columns.keys() & self.spec.keys():
            column, spec = self.columns[name], self.spec[name]
            if column.count < self.rows and not spec.get("nullable"):
                faults.append(f"`{name}` has {self.rows - column.count} nulls")
            if spec.get("unique") and column.seen.settle() < column.count:
                faults.append(f"`{name}` has values that stand there twice")
        if faults or not self.spec:
            raise Unable("; ".join(sorted(set(faults))) or "the spec gives the dataset no schema")
        return Decimal(1)


def mismatches(fields: Any, columns: Map) -> Iterator[str]:
    """Yield how the columns of a file differ from those of the spec."""
    kinds = {field.name: re.sub("^dictionary<values=", "", str(field.type)) for field in fields}
    for name, kind in kinds.items():
        if name not in columns:
            yield f"`{name}` is not in the spec"
        elif kind != "null" and not re.match(TYPES[columns[name]["type"]], kind):
            yield f"`{name}` holds {kind}, not {columns[name]['type']}"
    yield from (f"`{name}` is missing" for name in columns if name not in kinds)


def open_data(data: str, form: str | None, columns: Map) -> tuple[Any, Any]:
    """Return a dataset of pyarrow and when its newest file changed. Raises Unable for other formats."""
    form = form or re.sub(r"\.gz$", "", data.rstrip("/")).rsplit(".", 1)[-1]
    if form not in FORMATS:
        raise Unable(f"{data}: cannot check the format {form}, only {', '.join(FORMATS)}; name one in the spec")
    pa, ds = arrow(""), arrow(".dataset")
    if form == "json":
        system, path = arrow(".fs").FileSystem.from_uri(data if "://" in data else Path(data).resolve().as_uri())
        info = system.get_file_info(path)
        rows = json.loads(system.open_input_stream(path).read()) if info.is_file and info.size <= 2**28 else None
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return ds.dataset(pa.Table.from_pylist(rows)), info.mtime
        raise Unable(f"{data}: expected one file, an array of objects, at most 256 MiB; or use jsonl")
    kind: Any = FORMATS[form]
    if form == "csv":  # 01234 may be a text
        kinds = {"string": pa.string(), "category": pa.string(), "number": pa.float64()}
        known = {name: kinds[spec["type"]] for name, spec in columns.items() if spec["type"] in kinds}
        options = {"column_types": known, "strings_can_be_null": True, "quoted_strings_can_be_null": False}
        kind = ds.CsvFileFormat(convert_options=arrow(".csv").ConvertOptions(**options))
    found = ds.dataset(data, format=kind, partitioning="hive")
    if not found.files:
        raise Unable(f"{data}: there are no files")
    return found, max(info.mtime for info in found.filesystem.get_file_info(found.files))


def check(rules: Map, dataset: Map, data: str, now: datetime) -> list[Map]:
    """Return the verdicts on data. Raises Unable when it cannot be read."""
    if rules.get("mode") == "off":
        return []
    columns = dataset.get("columns") or {}
    wants: Wants = {name: {"distinct"} for name, spec in columns.items() if spec.get("unique")}
    sliced: Wants = {}
    for rule in rules["rules"]:
        for wish in (wants, sliced) if {"across", "forEach"} & set(rule) else (wants,):
            wish.setdefault(rule.get("column", ""), set()).add(rule["metric"])
    groups = {rule[key] for rule in rules["rules"] for key in ("across", "forEach") if key in rule}
    found, newest = open_data(data, dataset.get("format"), columns)
    every = wants.get("", set()) & {"nullRatio", "duplicateRatio", "schemaMatch"}
    whole, faults = Part(columns, wants), list[str]()
    parts: dict[str, dict[str, Part]] = {name: {} for name in groups}
    for fragment in found.get_fragments():
        inside = fragment.physical_schema
        # A file keeps its types; its folder tells what it lacks, or it is null.
        made = arrow("").schema([*inside, *(field for field in found.schema if field.name not in inside.names)])
        told = {*inside.names, *arrow(".dataset").get_partition_keys(fragment.partition_expression)}
        faults += mismatches([field for field in made if field.name in told], columns)
        names = [name for name in made.names if every or name in columns or name in wants or name in groups]
        for batch in fragment.to_batches(schema=made, columns=names, batch_size=65536, batch_readahead=1):
            whole.add(batch)
            for name in groups & set(names):
                divide(batch, name, parts[name], sliced, columns)
    apart = {name: {key: _metrics(rules, part, now, newest, faults) for key, part in slices.items()} for name, slices in parts.items()}
    return verdicts(rules, _metrics(rules, whole, now, newest, faults), apart)


def divide(batch: Any, name: str, slices: dict[str, Part], wants: Wants, columns: Map) -> None:
    """Look at slices. Raises Unable when there are too many."""
    pc, column = arrow(".compute"), batch.column(name)
    for value in pc.unique(column):
        rows = batch.filter(pc.equal(column, value) if value.is_valid else pc.is_null(column))
        slices.setdefault(spell(value.as_py()), Part(columns, wants)).add(rows)
    if len(slices) > SLICES:
        raise Unable(f"`{name}` has more than {SLICES} slices")


def _metrics(rules: Map, part: Part, now: datetime, newest: Any, faults: list[str]) -> Map:
    made: Map = {"rows": Decimal(part.rows)}
    for rule in rules["rules"]:
        key = rule["metric"] + (f" {rule['column']}" if "column" in rule else "")
        try:
            made[key] = part.measure(rule, now, newest, faults[:])
        except Unable as error:
            made[key] = Unable(f"`{key}`: {error}")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(prog="check_data.py", description="Hold data against the rules of a threshold.")
    for name in ("rules", "dataset", "data", "output"):
        parser.add_argument(f"--{name}", required=name != "output")
    parser.add_argument("--now", type=moment, default=datetime.now(UTC))
    parser.add_argument("--format", choices=["table", "json", "junit", "markdown"], default="table")
    given = parser.parse_args(arguments)
    try:
        rules, dataset = read_rules(given.rules, "data"), read_json(given.dataset)
        if isinstance(dataset, dict):
            return report(rules, check(rules, dataset, given.data, given.now), given.format, given.output)
        raise Unable(f"{given.dataset}: does not hold a dataset")
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        print(f"error: {error}" if isinstance(error, Unable) else f"error: {given.data}: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
