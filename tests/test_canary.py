"""The judge of canaries: what it holds against a wrong order, what its stand-ins say, and why it is skipped."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from judges.bench import Skipped
from judges.canary import CANARY, JUDGE, SPEC, WALKS, Event, canaries, changed, disorder
from judges.cluster import Servers
from judges.stand_ins import AWAY, FAILED, HEALTHY, SILENT, prometheus, ready, runs


def route(count: int, **shares: int) -> Event:
    backends = [{"name": f"{name.replace('_', '-')}-predictor", "weight": weight} for name, weight in shares.items()]
    return Event(count, "MODIFIED", {"metadata": {"name": "api-traffic"}, "spec": {"rules": [{"backendRefs": backends}]}})


def service(count: int, what: str = "MODIFIED", *, going: bool = False, status: dict[str, Any] | None = None) -> Event:
    metadata = {"name": "api-canary"} | ({"deletionTimestamp": "now"} if going else {})
    return Event(count, what, {"metadata": metadata, "status": status or {}})


STANDS = [service(1, "ADDED"), service(2, status=runs({}))]
BEFORE, DIVIDED, AFTER = route(0, api=100), route(3, api=90, api_canary=10), route(6, api=100)


@pytest.mark.parametrize(
    ("routes", "services", "says"),
    [
        ([BEFORE, DIVIDED, AFTER], [*STANDS, service(7, going=True), service(8, "DELETED")], []),
        ([BEFORE, DIVIDED, AFTER], [*STANDS, service(5, going=True), service(8, "DELETED")], ["was deleted while it had traffic"]),
        ([BEFORE, DIVIDED, AFTER], [*STANDS, service(5, "DELETED")], ["was deleted while it had traffic"]),
        ([BEFORE, DIVIDED, AFTER], [service(1, "ADDED"), service(4, status=runs({}))], ["before it was ready"]),
        ([BEFORE, DIVIDED], [service(1, "ADDED"), service(2, status=FAILED)], ["before it was ready"]),
        ([BEFORE, route(3, api=100, api_canary=0)], [service(4, going=True)], []),
    ],
)
def test_the_order_of_a_canary_and_its_traffic(routes: list[Event], services: list[Event], says: list[str]) -> None:
    found = disorder(routes, services)
    assert len(found) == len(says)
    assert all(words in problem for words, problem in zip(says, found, strict=True))


def test_what_changed_is_named_whether_it_came_went_or_differs() -> None:
    assert changed({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "d": 1}) == ["b", "c", "d"]
    assert ready({"status": runs({})})
    assert not ready({"status": FAILED})
    assert not ready({})


def asked(url: str, query: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/api/v1/query?query={quote(query)}") as said:
        return [one["value"][1] for one in json.load(said)["data"]["result"]]


def test_a_prometheus_that_finds_what_it_is_told_to() -> None:
    queries = ("round(1e9 * x) / 1e9", "histogram_quantile(0.95, x)", "sum(x)")
    with prometheus(HEALTHY) as (url, heard):
        assert [asked(url, query) for query in queries] == [["0.001"], ["0.1"], ["5000"]]
    assert tuple(heard) == queries
    with prometheus(SILENT) as (url, _):
        assert [asked(url, query) for query in queries] == [[], [], []]
    with prometheus(AWAY) as (url, _), pytest.raises(urllib.error.HTTPError, match="503"):
        asked(url, "x")


def test_it_is_skipped_with_a_reason_where_no_servers_are() -> None:
    (said,) = canaries([], Servers(Path("nowhere")))
    assert isinstance(said, Skipped)
    assert said.judge == JUDGE
    assert "not here" in said.why
    assert list(canaries([], Servers(Path("nowhere")), only="parcel")) == []


@pytest.mark.parametrize("name", WALKS)
def test_the_spec_of_every_walk_compiles(name: str, tmp_path: Path) -> None:
    from mlspec.__main__ import main

    _, rollout, mode = WALKS[name]
    (tmp_path / ".git").mkdir()
    file = tmp_path / "mlspec.yaml"
    file.write_text(SPEC.format(name=name, rollout=rollout, mode=mode, pause=10), encoding="utf-8")
    assert main(["validate", "-q", str(file)]) == 0
    assert ("steps" in file.read_text(encoding="utf-8")) == (rollout == CANARY)
