"""The filters of the template language, in one table.

| filter | takes | gives |
|---|---|---|
| ``optional`` | any value | the entry, or nothing when the value is None, empty text, an empty map or an empty list |
| ``each`` | a list | its items, as items of the list it stands in |
| ``json`` | any data | it as compact JSON text, keys in the order of the data |
| ``join(", ")`` | a list of text, integers, decimals | one text; without an argument nothing stands between |
| ``quantity`` | a Kubernetes quantity, as text or number | it as text in Kubernetes' canonical form: ``0.5`` is ``500m`` |
| ``duration`` | a duration: ``90s``, ``1d`` | it in hours and smaller units: ``1m30s``, ``24h`` (Go and Prometheus read it) |
| ``percent`` | a ratio: ``0.05``, ``5%`` | it as text: ``5%`` |
| ``lower`` | text | it in lower case |
| ``length`` | text, a map or a list | how many characters, entries or items it has |

``optional`` and ``each`` are the last filter of a lone ``{{ }}`` and are part of the language itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from mlspec.template.runtime import Fault, kind, word


class Filter(NamedTuple):
    """A filter and how many arguments it takes."""

    function: Callable[..., Any]
    arguments: tuple[int, ...] = (0,)


def to_json(value: Any) -> str:
    """Return data as compact JSON text. Raises Fault for what JSON has no exact form for."""
    from json import dumps
    from json.encoder import encode_basestring

    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool | int):
        return dumps(value)
    if isinstance(value, Decimal) and value.is_finite():
        return word(value)
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{encode_basestring(_key(key))}:{to_json(child)}" for key, child in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([to_json(child) for child in value]) + "]"
    raise Fault(f"a {type(value).__name__} has no exact JSON form")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise Fault(f"the key {key!r} is no text")
    return key


def join(value: Any, separator: str = "") -> str:
    """Return the items of a list as one text. Raises Fault for what is no list of words."""
    if not isinstance(value, list | tuple):
        raise Fault(f"`join` takes a list; found {kind(value)}")
    return word(separator).join([word(item) for item in value])


def quantity(value: Any) -> str:
    """Return a Kubernetes quantity in canonical form, as text. Raises Fault for what is none."""
    from mlspec.quantity import amount

    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Fault(f"`quantity` takes text or a number; found {kind(value)}")
    try:
        number = amount(value if not isinstance(value, Decimal) else word(value))
    except ValueError:
        raise Fault(f'"{value}" is no quantity') from None
    if isinstance(value, str) and value[-1:].isalpha() and value[-1:] != "m":
        return value
    if number == number.to_integral_value():
        return format(number.to_integral_value(), "f")
    milli = number * 1000
    if milli != milli.to_integral_value():
        raise Fault(f'"{value}" is finer than a thousandth')
    return format(milli.to_integral_value(), "f") + "m"


def duration(value: Any) -> str:
    """Return a duration in hours and smaller units. Raises Fault for what is none."""
    from mlspec.quantity import is_duration, seconds

    if not is_duration(value):
        raise Fault(f'`duration` takes text such as "90s"; found {kind(value)}')
    left = int(seconds(value) * 1000)
    parts = []
    for unit, size in (("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def percent(value: Any) -> str:
    """Return a ratio as percent text. Raises Fault for what is none."""
    from mlspec.quantity import ratio

    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Fault(f"`percent` takes a ratio; found {kind(value)}")
    try:
        return word(ratio(value) * 100) + "%"
    except (InvalidOperation, ValueError):
        raise Fault(f'"{value}" is no ratio') from None


def lower(value: Any) -> str:
    """Return text in lower case. Raises Fault for what is none."""
    if not isinstance(value, str):
        raise Fault(f"`lower` takes text; found {kind(value)}")
    return value.lower()


def length(value: Any) -> int:
    """Return how many characters, entries or items there are. Raises Fault for what has none."""
    if not isinstance(value, str | Mapping | list | tuple):
        raise Fault(f"`length` takes text, a map or a list; found {kind(value)}")
    return len(value)


FILTERS = {
    "json": Filter(to_json),
    "join": Filter(join, (0, 1)),
    "quantity": Filter(quantity),
    "duration": Filter(duration),
    "percent": Filter(percent),
    "lower": Filter(lower),
    "length": Filter(length),
}
"""The filters that are functions; see the table above."""
