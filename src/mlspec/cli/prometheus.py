"""Live rules held against Prometheus: one instant query a rule, and nothing passes that was not measured."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib import parse, request
from urllib.error import HTTPError

from mlspec.runtime import gate

if TYPE_CHECKING:
    from decimal import Decimal

    from mlspec.plan.plan import Plan

ONCE_S = 20
"""Seconds that one query may take."""
PAUSES = (1, 4)
"""Seconds before a query that failed is asked again."""
_BYTES = 4 * 1024 * 1024
TOKEN = "MLSPEC_PROMETHEUS_TOKEN"  # noqa: S105 - the name of a variable
_MEASURED = "value"


class _NoRedirect(request.HTTPRedirectHandler):
    """A token goes to Prometheus alone; a redirect leads to a page of login, mostly."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Absent(gate.Unable):
    """Why there is no value. As opposed to a value that could not be asked for, it decides: the rule does not pass."""


class Prometheus:
    """The HTTP API below a URL (Prometheus, Thanos, Mimir, VictoriaMetrics)."""

    def __init__(self, url: str, token: str | None = None, pauses: tuple[float, ...] = PAUSES) -> None:
        if not re.match(r"https?://[^/]", url):
            raise ValueError(f"{url}: expected http://... or https://...")
        self._url, self._token, self._pauses = url.rstrip("/"), token, pauses
        self._opener = request.build_opener(_NoRedirect)

    def ask(self, query: str) -> Decimal | gate.Unable | None:
        """Return the one value of a query now; None when there is no series; Unable, not raised, when it cannot be told."""
        problem = ""
        for pause in (*self._pauses, None):
            try:
                return self._value(self._answer(query))
            except HTTPError as error:
                problem = f"Prometheus answered {error.code}{_reason(error)}"
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, HTTPException) as error:
                problem = f"Prometheus cannot be asked: {getattr(error, 'reason', None) or error or type(error).__name__}"
            except ValueError as error:
                problem = str(error)
                break
            if pause is not None:
                time.sleep(pause)
        return gate.Unable(problem)

    def _answer(self, query: str) -> Any:
        asked = request.Request(f"{self._url}/api/v1/query?{parse.urlencode({'query': query})}", headers={"Accept": "application/json"})  # noqa: S310
        if self._token:
            asked.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with self._opener.open(asked, timeout=ONCE_S) as response:
            text = response.read(_BYTES)
        return gate.parse_json(text)

    def _value(self, answer: Any) -> Decimal | None:
        """Return the value in an answer. Raises ValueError for an answer that tells none."""
        if not isinstance(answer, dict) or answer.get("status") != "success" or not isinstance(answer.get("data"), dict):
            raise ValueError("the answer is not one of Prometheus")
        if answer.get("warnings"):  # an answer from a part of the data is no answer
            raise ValueError(f"Prometheus warns: {str(answer['warnings'][0])[:200]}")
        data = answer["data"]
        result = data.get("result")
        if data.get("resultType") == "vector" and isinstance(result, list):
            if not result:
                return None
            if len(result) > 1:
                raise ValueError(f"Prometheus has {len(result)} series, expected one")
            result = result[0].get("value") if isinstance(result[0], dict) else None
        if not isinstance(result, list) or len(result) != 2 or not isinstance(result[1], str):
            raise ValueError("the answer is not one of Prometheus")
        return number(result[1])


def number(text: str) -> Decimal:
    """Return a number as Prometheus writes it: ``0.01``, ``1e-05``, ``NaN``, ``+Inf``. Raises ValueError for none."""
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text.replace("Inf", "Infinity"))
    except InvalidOperation:
        raise ValueError(f"Prometheus answered {text[:40]!r}, which is no number") from None


def _reason(error: HTTPError) -> str:
    """Return what Prometheus says of a query that it refuses."""
    try:
        said = gate.parse_json(error.read(_BYTES))
    except (OSError, HTTPException):
        return ""
    return f": {str(said['error'])[:200]}" if isinstance(said, dict) and said.get("error") else ""


def judge(plan: Plan, rules: Mapping[str, Any], endpoint: str, version: str, prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return the verdicts of a live threshold on a version of an endpoint. A rule that Prometheus could not be asked about is undecided."""
    rows: list[dict[str, Any]] = []
    for rule in rules["rules"] if rules.get("mode") != "off" else ():
        values, wanted = _measure(plan, rule, endpoint, version, prometheus)
        unable = any(isinstance(value, gate.Unable) and not isinstance(value, Absent) for value in values.values())
        made = gate.verdicts({**rules, "rules": [{**wanted, "metric": _MEASURED}]}, values, None)
        rows += [{**row, "verdict": "undecided"} if unable and row["verdict"] == "failed" else row for row in made]
    return rows


def _measure(
    plan: Plan, rule: Mapping[str, Any], endpoint: str, version: str, prometheus: Prometheus
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return what a rule measures and on how many requests, as the gate reads it, and the rule.

    With Knative it is measured of all that answers, whichever version is meant.
    """
    from mlspec.plan.live import ALL, counts_apart, live_query, samples_query

    label = version if version != ALL and counts_apart(plan) else None
    values: dict[str, Any] = {}
    query = live_query(plan, endpoint, rule, label)
    if query is None:
        values[_MEASURED] = Absent(f"nothing tells `{rule['metric']}` of the version {version}")
        return values, rule
    values[_MEASURED] = _told(prometheus.ask(query), "Prometheus has no such series: there were no requests, or nothing is scraped")
    if "minSamples" in rule:
        counted = samples_query(plan, endpoint, rule, label)
        none = Absent(f"nothing counts the requests of the version {version}")
        values["rows"] = none if counted is None else _told(prometheus.ask(counted), "no requests were counted")
    return values, rule


def _told(value: Any, otherwise: str) -> Any:
    return Absent(otherwise) if value is None else value


def token() -> str | None:
    """Return the bearer token for Prometheus, where the surroundings give one."""
    return os.environ.get(TOKEN)
