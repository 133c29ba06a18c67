"""The CEL rules of custom resources (x-kubernetes-validations), run by an optional package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from mlspec.location import Path
from mlspec.shape import Fault
from mlspec.structural import walk_values, with_defaults

KEYWORD = "x-kubernetes-validations"
RESERVED = frozenset(
    [
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while"),
    ]
)
"""Names of fields that a rule has to write as ``__name__``."""
ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
WITH_OLD = re.compile(r"\b(optionalOldSelf|oldSelf)\b")
UNKNOWN = "Undefined variable or function"


class Rule(NamedTuple):
    """One rule: where its value stands, the rule as the CRD has it, the value and the schema of the value."""

    path: Path
    text: str
    message: str
    field: str
    schema: Mapping[str, Any]
    value: Any


class Rules:
    """The rules of one version of one kind."""

    def __init__(self, schema: Mapping[str, Any], file: str) -> None:
        self._schema = schema
        self._file = file
        self._present = _has_rules(schema)
        self._programs: dict[str, Any] = {}
        self._unable: dict[str, str] = {}
        self._left = 0
        self._changing: set[str] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """Which rules were not run, and why, one sentence each."""
        notes = []
        if self._left:
            notes.append(f"{self._file}: CEL rules not run {self._left} times; install mlspec[cel] to run them")
        if self._changing:
            notes.append(f"{self._file}: {len(self._changing)} CEL rules not run, they compare with the object in the cluster")
        notes += [f"{self._file}: a CEL rule could not be run, {reason}: {rule}" for rule, reason in sorted(self._unable.items())]
        return tuple(notes)

    def check(self, obj: dict[str, Any]) -> list[Fault]:
        """Return the faults of an object whose shape is right. What could not be run is counted in ``notes``."""
        if not self._present:
            return []
        rules = [rule for rule in self._rules(obj) if not self._compares(rule)]
        try:
            import cel
        except ImportError:
            self._left += len(rules)
            return []
        return [fault for rule in rules for fault in self._run(cel, rule)]

    def _rules(self, obj: dict[str, Any]) -> Iterator[Rule]:
        full = with_defaults(self._schema, obj)
        for path, schema, value in walk_values(self._schema, full, lambda node: KEYWORD in node):
            if value is None and not schema.get("nullable"):
                continue
            for rule in schema[KEYWORD]:
                yield Rule(path, rule["rule"], rule.get("message", ""), rule.get("fieldPath", ""), schema, value)

    def _compares(self, rule: Rule) -> bool:
        if WITH_OLD.search(rule.text) is None:
            return False
        self._changing.add(rule.text)
        return True

    def _run(self, cel: Any, rule: Rule) -> Iterator[Fault]:
        text = " ".join(rule.text.split())
        if rule.text in self._unable:
            return
        try:
            if rule.text not in self._programs:
                self._programs[rule.text] = cel.compile(rule.text)
            context = cel.Context(variables={"self": as_cel(rule.schema, rule.value)}, functions=FUNCTIONS)
            held = self._programs[rule.text].execute(context)
        except KeyError as error:
            # the API server refuses as well what a rule cannot look at
            yield Fault(rule.path, f"{rule.message or text}: there is no {error}", text, KEYWORD)
            return
        except BaseException as error:  # the package raises plain ones of many kinds, and a panic is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            reason = str(error).split("\n", 1)[0]
            self._unable[rule.text] = reason.split(". ", 1)[0] if reason.startswith(UNKNOWN) else reason
            return
        if held is not True:
            path = (*rule.path, *filter(None, re.split(r"[.\[\]'\"]+", rule.field)))
            yield Fault(path, rule.message or f"the rule {text} does not hold", text, KEYWORD)


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, dict):
        return KEYWORD in schema or any(map(_has_rules, schema.values()))
    return isinstance(schema, list) and any(map(_has_rules, schema))


def escape(name: str) -> str:
    """Return the name of a field as rules write it."""
    if name in RESERVED:
        return f"__{name}__"
    for found, written in ESCAPES:
        name = name.replace(found, written)
    return name


def as_cel(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value as a rule sees it: fields escaped, keys of free maps as they are, decimals as doubles."""
    if isinstance(value, list):
        items = schema.get("items")
        return [as_cel(items if isinstance(items, dict) else {}, below) for below in value]
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        other = rest if isinstance(rest, dict) else {}
        return {escape(key) if key in properties else key: as_cel(properties.get(key, other), below) for key, below in value.items()}
    if isinstance(value, Decimal) or (schema.get("type") == "number" and isinstance(value, int)):
        return float(value)
    return value


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match.group() if match else ""


# what Kubernetes adds to CEL and the package does not have
FUNCTIONS: dict[str, Any] = {
    "find": _find,
    "split": lambda text, between: text.split(between),
    "join": lambda parts, between="": between.join(parts),
    "lowerAscii": lambda text: text.lower(),
    "upperAscii": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "replace": lambda text, old, new: text.replace(old, new),
    "indexOf": lambda text, part: text.find(part),
    "isSorted": lambda items: items == sorted(items),
    "sum": sum,
}
