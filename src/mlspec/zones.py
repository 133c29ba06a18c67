"""The names of time zones, from a list that is shipped, so that every machine knows the same ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def zones() -> frozenset[str]:
    """Return the IANA names of the form Area/City, and UTC and Etc/UTC."""
    names = {"UTC", "Etc/UTC"}
    for line in Path(__file__).with_name("zones.txt").read_text(encoding="ascii").splitlines():
        area, _, cities = line.partition(": ")
        names.update(f"{area}/{city}" for city in cities.split())
    return frozenset(names)
