"""Durations, ratios and Kubernetes quantities as exact decimals."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
    "y": Decimal(31536000),
}
_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w|y)")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|s|m|h|d|w|y))+")
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|[MGTPE]i?|Ki)?")

Scalar = str | int | Decimal


def is_duration(value: object) -> bool:
    """Tell whether a value is written as a duration."""
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def seconds(duration: str) -> Decimal:
    """Return a duration in seconds; a year has 365 days."""
    return sum((Decimal(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(duration)), Decimal(0))


def ratio(value: Scalar) -> Decimal:
    """Return a ratio (``1%`` or 0.01) as a decimal from 0 to 1."""
    if isinstance(value, str) and value.endswith("%"):
        return Decimal(value[:-1]) / 100
    return Decimal(value)


def amount(quantity: Scalar) -> Decimal:
    """Return a Kubernetes quantity in its base unit: cores, or bytes. Raises ValueError for what is none."""
    found = _amount(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return found


@lru_cache(maxsize=1024)
def _amount(text: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(text)
    return None if match is None else Decimal(match[1]) * _FACTORS[match[2] or ""]


def plain(number: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros: ``0.05``, ``4``."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1024)
def prometheus_duration(duration: str) -> str:
    """Return a duration as Prometheus writes it: one or more units, largest first (it has no years in rules older than 2.x, so days)."""
    left = int(seconds(duration) * 1000)
    parts = []
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
