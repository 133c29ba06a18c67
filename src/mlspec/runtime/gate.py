"""The gate: holds the metrics of an evaluation against the rules of a threshold; one file, the standard library only.

Exit status: 0 passed (always in mode report), 1 not passed, 2 usage, 3 unable to read or reach. What is not decided does not pass.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal, Inexact, localcontext
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib import parse, request
from urllib.error import HTTPError
from xml.etree import ElementTree

Map = dict[str, Any]


class Unable(OSError):  # noqa: N818
    """Something could not be read or reached."""


def read_json(path: str) -> Any:
    """Return what a JSON file holds, as parse_json does."""
    return parse_json(Path(path).read_bytes())


def parse_json(text: bytes) -> Any:
    """Return what a JSON text says, numbers as exact decimals, or why it is not JSON, as a text."""

    def once(pairs: list[tuple[str, Any]]) -> Any:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands there twice")
        return dict(pairs)

    try:
        said = text.decode("utf-8-sig")
        return json.loads(said, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=once)
    except (ValueError, ArithmeticError, RecursionError) as error:
        return f"is not JSON: {error}" if text.strip() else "is empty"


def show(value: Any) -> str:
    """Return a number as people read it."""
    if not isinstance(value, Decimal):
        return str(value)
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if len(text) <= 32 else f"{value:.17g}"


def measured(rule: Map, values: Any) -> tuple[Decimal, str]:
    """Return what a rule measures of a map of metrics, and why nothing was measured that counts."""
    if not isinstance(values, dict):
        return Decimal(0), "there are no metrics" + (f": the file {values}" if isinstance(values, str) else "")
    found, reason = number(values, rule["metric"] + (f" {rule['column']}" if "column" in rule else ""))
    if "minSamples" in rule and not reason:
        rows, reason = number(values, "rows")
        if reason or rows < rule["minSamples"]:
            return found, f"{rule['minSamples']} samples are needed, and {reason or f'there are {show(rows)}'}"
    return found, reason


def number(values: Map, key: str) -> tuple[Decimal, str]:
    """Return a number of a map exactly, or zero and why there is none."""
    value = values.get(key)
    if key not in values:
        return Decimal(0), f"`{key}` is not there"
    if isinstance(value, Unable):
        return Decimal(0), str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return Decimal(0), f"`{key}` is {json.dumps(value, default=str)[:60]}, not a number"
    made = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not made.is_finite() or (made and abs(made.adjusted()) > 400) or len(made.as_tuple().digits) > 1000:
        return Decimal(0), f"`{key}` is {str(made)[:40]}, not a number that can be compared"
    return made, ""


def verdicts(rules: Map, metrics: Any, slices: Any, compare: Any = None) -> list[Map]:
    """Return a verdict for each rule (and slice, where it holds for each). Raises Unable for rules that make no sense."""
    if rules.get("mode") == "off":
        return []
    try:
        with localcontext() as context:
            context.prec = 4000
            context.traps[Inexact] = True  # a verdict on a rounded number would be a bug
            return [made for rule in rules["rules"] for made in _rule(rule, metrics, slices, compare)]
    except (ArithmeticError, KeyError, TypeError) as error:
        raise Unable(f"the rules cannot be read: {error!r}") from None


def _rule(rule: Map, metrics: Any, slices: Any, compare: Any) -> Iterator[Map]:
    column = rule.get("across") or rule.get("forEach")
    if column is None:
        yield _one(rule, metrics, compare, None)
        return
    parts = slices.get(column) if isinstance(slices, dict) else slices
    if not isinstance(parts, dict) or not parts:
        yield row(rule, "-", f"there are no slices of `{column}`" + (f": {parts}" if isinstance(parts, (str, Unable)) else ""))
    elif "across" in rule:
        yield _gap(rule, {key: measured(rule, parts[key]) for key in sorted(parts)})
    else:
        for key in sorted(parts):
            yield _one(rule, parts[key], compare, (column, key))


def _one(rule: Map, values: Any, compare: Any, at: Any) -> Map:
    found, why = measured(rule, values)
    name = rule["name"] + (f" [{at[0]}={at[1]}]" if at else "")
    if why:
        return row(rule, "-", why, name=name)
    if "noWorseThan" in rule and compare:
        return row(rule, show(found), *compare(rule, found, at), name=name)
    if "min" in rule and found < Decimal(rule["min"]):
        why = "below the bound"
    elif "max" in rule and found > Decimal(rule["max"]):
        why = "above the bound"
    elif "equals" in rule and found != Decimal(rule["equals"]):
        why = "not what is asked for"
    elif not {"min", "max", "equals"} & set(rule):
        why = "the rule has no bound"
    return row(rule, show(found), why, name=name)


def _gap(rule: Map, found: dict[str, tuple[Decimal, str]]) -> Map:
    for key, (_, why) in found.items():
        if why:
            return row(rule, "-", f"{rule['across']}={key}: {why}")
    if len(found) < 2 or "forEach" in rule:
        return row(rule, "-", "one slice is no comparison" if len(found) < 2 else "slices of slices are not measured")
    low, high = min(found, key=lambda key: found[key]), max(found, key=lambda key: found[key])
    gap, ends = found[high][0] - found[low][0], f"{show(found[low][0])} at {low}, {show(found[high][0])} at {high}"
    return row(rule, show(gap), f"above the bound: {ends}" if gap > Decimal(rule["maxGap"]) else "", ends)


def row(rule: Map, found: str, why: str, note: str = "", broken: str = "failed", *, name: str = "") -> Map:
    """Return one verdict. A rule of severity `warn` that is not kept warns."""
    signs = {"min": ">= ", "max": "<= ", "equals": "= ", "maxGap": "gap <= "}
    bound = " and ".join(f"{sign}{show(rule[key])}" for key, sign in signs.items() if key in rule)
    if "noWorseThan" in rule:
        worse = rule.get("tolerance") or ("toleranceShare" in rule and f"{show(Decimal(rule['toleranceShare']) * 100)}%")
        bound = f"champion, at most {worse} worse" if worse else "no worse than champion"
    verdict = "passed" if not why else "warning" if rule.get("severity") == "warn" else broken
    return {"rule": name or rule["name"], "bound": bound or "none", "found": found, "verdict": verdict, "why": why or note}


def status_of(rules: Map, rows: list[Map]) -> int:
    """Return 1 when a rule is not kept, 3 when one could not be decided, else 0, as always in the modes `report` and `off`."""
    found = {entry["verdict"] for entry in rows} or {"failed"}
    if rules.get("mode") in ("report", "off"):
        return 0
    return 1 if "failed" in found else 3 if "undecided" in found else 0


def render(rules: Map, rows: list[Map], form: str) -> str:
    """Return verdicts as `table`, `json`, `junit` or `markdown`."""
    name, mode = str(rules.get("threshold")), rules.get("mode", "enforce")
    if form == "json":
        made = {"threshold": name, "on": rules.get("on"), "mode": mode, "passed": not status_of(rules, rows), "verdicts": rows}
        return json.dumps(made, indent=2) + "\n"
    heads = ["rule", "bound", "found", "verdict", "why"]
    lines = [["".join(sign if sign.isprintable() else "?" for sign in entry[head]) for head in heads] for entry in rows]
    faults = [line for line in lines if line[3] in ("failed", "undecided")]
    stops, kind = mode == "enforce", "failure" if mode == "enforce" else "skipped"
    if form == "junit":
        suite = ElementTree.Element("testsuite", name=name, tests=str(len(lines)))
        suite.set("failures" if stops else kind, str(len(faults)))
        for line in lines:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=line[0])
            if line in faults:
                ElementTree.SubElement(case, kind, message="expected {1}, found {2}; {4}".format(*line))
        return ElementTree.tostring(suite, encoding="unicode") + "\n"
    said = f"{len(faults)} of {len(rows)} not passed" if faults or not rows else f"passed ({len(rows)})"
    said = "nothing is checked, the mode is off" if mode == "off" else said + ("" if stops else "; the mode is report, so nothing stops")
    if form == "markdown":
        lines = [[re.sub(r"([^\w\s.,=-])", r"\\\1", cell) for cell in line] for line in lines]
        return f"**{name}**: {said}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * 5, *lines))
    lines = [[head.upper() for head in heads], *lines] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines)]  # noqa: B905
    body = ["  ".join(cell.ljust(widths[at]) for at, cell in enumerate(line)).rstrip() for line in lines]
    return "\n".join([*body, f"{name}: {said}\n"])


def read_rules(path: str, on: str) -> Map:
    """Return the rules of a threshold. Raises Unable when the file does not hold rules of that kind."""
    rules: Any = read_json(path)
    if isinstance(rules, dict) and isinstance(rules.get("rules"), list) and rules.get("on") == on:
        return rules
    raise Unable(f"{path}: {rules if isinstance(rules, str) else f'does not hold rules on {on}'}")


def report(rules: Map, rows: list[Map], form: str, output: str | None) -> int:
    """Write verdicts and return the exit status; where they go to a file, stdout gets the table."""
    if output:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(render(rules, rows, form), encoding="utf-8")
    sys.stdout.write(render(rules, rows, "table" if output else form))
    return status_of(rules, rows)


NONE_YET: Any = object()  # there is no champion yet
PAUSES = (1, 4)  # seconds before a request that failed is made again


def judge(rules: Map, metrics: Any, slices: Any = None, champion: Any = None) -> list[Map]:
    """Return the verdicts on metrics. `champion` is its metrics, NONE_YET, or a text that says why they are not known."""

    def compare(rule: Map, found: Decimal, at: Any) -> tuple[str, str, str]:
        if champion is NONE_YET:
            return "", "there is no champion yet", ""
        if not isinstance(champion, dict):
            return f"the champion is not known: {champion or 'nobody said'}", "", "undecided"
        values: Any = champion
        for key in ("slices", *at) if at else ():
            values = values.get(key) if isinstance(values, dict) else None
        best, why = measured({"metric": rule["metric"]}, values)
        if why or rule.get("better") not in ("more", "less"):
            return f"of the champion, {why}" if why else "nothing tells whether more or less of it is better", "", "failed"
        slack = abs(best) * Decimal(rule["toleranceShare"]) if "toleranceShare" in rule else Decimal(rule.get("tolerance", 0))
        worse = found < best - slack if rule["better"] == "more" else found > best + slack
        return f"worse than the champion's {show(best)}" if worse else "", f"the champion has {show(best)}", "failed"

    if slices is None and isinstance(metrics, dict):
        slices = metrics.get("slices")
    return verdicts(rules, metrics, slices, compare)


def fetch_champion(url: str, model: str, wanted: set[str]) -> Any:
    """Return the metrics of MLflow's version with the alias `champion`, or NONE_YET. Raises Unable when it cannot be asked.

    Tags `mlspec.metric.NAME` of the version count first, then the metrics of its run.
    """
    answer = _ask(url, "registered-models/alias", {"name": model, "alias": "champion"})
    if answer is NONE_YET:
        return NONE_YET
    version, prefix = answer.get("model_version") or {}, "mlspec.metric."
    tags = {tag["key"]: str(tag.get("value")).encode() for tag in version.get("tags") or ()}
    metrics = {key[len(prefix) :]: parse_json(value) for key, value in tags.items() if key.startswith(prefix)}
    if wanted - set(metrics) and version.get("run_id"):
        run = _ask(url, "runs/get", {"run_id": version["run_id"]})
        logged = run["run"]["data"].get("metrics") or () if run is not NONE_YET else ()
        metrics = {**{entry["key"]: entry.get("value") for entry in logged}, **metrics}
    return metrics


def _ask(url: str, path: str, query: dict[str, str]) -> Any:
    """Ask MLflow; NONE_YET when it has no such thing. The 404 of what is not MLflow says nothing."""
    asked = request.Request(f"{url.rstrip('/')}/api/2.0/mlflow/{path}?{parse.urlencode(query)}")  # noqa: S310
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    pair = base64.b64encode(f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()).decode()
    if token or user:  # unredirected: not for whoever a redirect leads to
        asked.add_unredirected_header("Authorization", f"Bearer {token}" if token else f"Basic {pair}")
    for pause in (*PAUSES, 0):
        try:
            with request.urlopen(asked, timeout=30) as response:  # noqa: S310 - main looked at the scheme
                answer = parse_json(response.read())
            if isinstance(answer, dict):
                return answer
            problem = "is not MLflow"
        except HTTPError as error:
            fault = parse_json(error.read())
            fault = fault if isinstance(fault, dict) else {}
            kind = fault.get("error_code")
            # MLflow 2 and 3: 404 for a model or run that is not there, 400 for an alias that is not set.
            if kind == "RESOURCE_DOES_NOT_EXIST" or re.search("model alias .* not found", str(fault.get("message"))):
                return NONE_YET
            problem = f"answered {error.code} {kind or error.reason}"
            if error.code < 500:
                break
        except (OSError, ValueError, HTTPException) as error:
            problem = f"cannot be asked: {getattr(error, 'reason', error)}"
        time.sleep(pause)
    raise Unable(problem)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(prog="gate.py", description="Hold metrics against the rules of an evaluation threshold.")
    for name in ("rules", "metrics", "slices", "champion", "registry", "model", "output"):
        parser.add_argument(f"--{name}", required=name in ("rules", "metrics"))
    parser.add_argument("--no-champion-yet", action="store_true")
    parser.add_argument("--format", choices=["table", "json", "junit", "markdown"], default="table")
    given = parser.parse_args(arguments)
    asks = given.registry is None or (given.model and re.match("https?://", given.registry))
    if not asks or sum(map(bool, (given.champion, given.registry, given.no_champion_yet))) > 1:
        parser.error("give one of --champion FILE, --no-champion-yet, --registry http://... with --model NAME")
    try:
        rules = read_rules(given.rules, "evaluation")
        wanted = {rule.get("metric") for rule in rules["rules"] if "noWorseThan" in rule}
        champion = NONE_YET if given.no_champion_yet else read_json(given.champion) if given.champion else None
        if wanted and given.registry:
            try:
                champion = fetch_champion(given.registry, given.model, wanted)
            except (Unable, LookupError, TypeError, AttributeError) as error:
                champion = f"the registry {given.registry} {error}"
        rows = judge(rules, read_json(given.metrics), read_json(given.slices) if given.slices else None, champion)
        return report(rules, rows, given.format, given.output)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
