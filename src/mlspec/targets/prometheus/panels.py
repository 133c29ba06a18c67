"""Grafana panels as plain data: texts, curves with their bounds, and the grid they stand on.

Source: Grafana 12 (kinds/dashboard/dashboard_kind.cue, and the schemas of the panels timeseries, stat and text): a grid of 24 columns,
thresholds sorted with a first step that has no value, a bound drawn by ``thresholdsStyle``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""The data source: whichever the reader has chosen above the panels."""
GREEN, RED = "green", "red"
_REFERENCES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Panel = dict[str, Any]


class Curve(NamedTuple):
    """One query of a panel, and what its series are called."""

    expr: str
    legend: str


class Bound(NamedTuple):
    """What passes: at most, at least, or between."""

    least: Decimal | None = None
    most: Decimal | None = None


def number(value: Decimal) -> int | float:
    """Return a number as JSON has it."""
    return int(value) if value == value.to_integral_value() else float(value)


def text(title: str, markdown: str, *, width: int, height: int) -> Panel:
    """Return a panel of Markdown."""
    return {"type": "text", "title": title, "options": {"mode": "markdown", "content": markdown}, "gridPos": {"w": width, "h": height}}


def row(title: str) -> Panel:
    """Return the heading of a group of panels."""
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": COLUMNS, "h": 1}}


def curves(
    title: str,
    queries: Sequence[Curve],
    *,
    unit: str,
    about: str,
    bounds: Iterable[Bound] = (),
    width: int = 12,
    stacked: bool = False,
    zero: bool = True,
) -> Panel:
    """Return a panel of curves over time; every bound is a line, and what lies beyond it is red."""
    steps = thresholds(bounds)
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 10 if stacked else 0, "showPoints": "auto"}
    custom["thresholdsStyle"] = {"mode": "line+area" if len(steps) > 1 else "off"}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    defaults: dict[str, Any] = {
        "unit": unit,
        "color": {"mode": "palette-classic"},
        "custom": custom,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if zero:
        defaults["min"] = 0
    return {
        "type": "timeseries",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": _targets(queries),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "gridPos": {"w": width, "h": 9},
    }


def figure(
    title: str, query: str, *, unit: str, about: str, bounds: Iterable[Bound] = (), legend: str = "", width: int = 6, height: int = 5
) -> Panel:
    """Return a panel of numbers as they are now, coloured by their bound."""
    return {
        "type": "stat",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": _targets([Curve(query, legend or title)], now=True),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "color": {"mode": "thresholds"},
                "thresholds": {"mode": "absolute", "steps": thresholds(bounds)},
                "noValue": "no data",
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "auto",
        },
        "gridPos": {"w": width, "h": height},
    }


def thresholds(bounds: Iterable[Bound]) -> list[dict[str, Any]]:
    """Return the steps of a panel: green where every bound holds, red beyond, sorted, the first without a value."""
    asked = list(bounds)
    edges = sorted({edge for bound in asked for edge in bound if edge is not None})
    steps: list[dict[str, Any]] = []
    for low, high in zip([None, *edges], [*edges, None], strict=True):
        color = GREEN if all(_holds(bound, low, high) for bound in asked) else RED
        steps.append({"color": color, "value": None if low is None else number(low)})
    return steps


def _holds(bound: Bound, low: Decimal | None, high: Decimal | None) -> bool:
    if bound.most is not None and (high is None or high > bound.most):
        return False
    return bound.least is None or (low is not None and low >= bound.least)


def _targets(queries: Sequence[Curve], *, now: bool = False) -> list[dict[str, Any]]:
    return [
        {
            "refId": _reference(at),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": curve.expr,
            "legendFormat": curve.legend,
            "instant": now,
            "range": not now,
        }
        for at, curve in enumerate(queries)
    ]


def _reference(at: int) -> str:
    high, low = divmod(at, len(_REFERENCES))
    return (_REFERENCES[high - 1] if high else "") + _REFERENCES[low]


def place(panels: Iterable[Panel]) -> list[Panel]:
    """Return the panels with their places, left to right and then down, and with an id each."""
    made: list[Panel] = []
    left = top = tallest = 0
    for at, panel in enumerate(panels, start=1):
        width, height = panel["gridPos"]["w"], panel["gridPos"]["h"]
        if left + width > COLUMNS:
            left, top, tallest = 0, top + tallest, 0
        made.append({**panel, "id": at, "gridPos": {"x": left, "y": top, "w": width, "h": height}})
        left, tallest = left + width, max(tallest, height)
    return made


def markdown(value: object) -> str:
    """Return a text that Markdown, HTML and Grafana's variables leave alone, on one line."""
    return _escaped(str(value))


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    made = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    for mark in "\\`*_[]|#~!":
        made = made.replace(mark, f"&#{ord(mark)};") if mark != "#" else made
    return made


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; what stands in its cells is plain text."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(markdown(cell) for cell in cells)} |" for cells in rows]
    return "\n".join(lines)
