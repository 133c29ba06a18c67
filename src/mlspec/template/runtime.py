"""What the generated code of templates calls: the uncommon cases, and the faults of values that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from mlspec.emit import below, entries, item, key_text, known, text_below

Chain = tuple[str | int, ...]
"""How a value was reached from the view: ``("ports", 0, "name")``."""


class Leaf(NamedTuple):
    """One scalar (or empty collection) of an object, and where it came from."""

    path: tuple[str | int, ...]
    value: Any
    template: str
    """The name of the template, or of the fragment, that wrote it."""
    line: int
    """1-based."""
    reads: tuple[Chain, ...]
    """What was read to make it; nothing for a constant."""
    conditions: tuple[Chain, ...]
    """What was read to decide that it is there: conditions of ``if``, collections of ``for``."""


class Fault(Exception):  # noqa: N818 - it becomes a diagnostic at the template's line
    """A value does not fit its place in a template."""

    def __init__(self, message: str, advice: str = "", *, absent: bool = False) -> None:
        self.message, self.advice, self.absent = message, advice, absent
        super().__init__(message)


ATOMS = frozenset({str, int, bool, Decimal})
_NUMBERS = (bool, int, Decimal)
_UNSET = object()


def kind(value: Any) -> str:
    """Return in a few words what a value is."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    for types, words in ((str, "text"), (int, "an integer"), (Decimal, "a decimal"), (Mapping, "a map"), ((list, tuple), "a list")):
        if isinstance(value, types):
            return words
    return f"a {type(value).__name__}"


def absent() -> NoReturn:
    """Raise the fault of a value that is not there."""
    raise Fault("the value is absent", absent=True)


def _same(text: str) -> str:
    return text


def kept(value: Any, depth: int = 0) -> Any:
    """Return a value as ``data`` does, but leave texts of their own class as they are: a view may tell where they come from."""
    return data(value, depth, _same)


def data(value: Any, depth: int = 0, text: Callable[[str], str] = str.__str__) -> Any:
    """Return a value as plain data of its own: dict, list, text, integers, decimals, booleans, None. Raises Fault for all else."""
    if value is None and not depth:
        absent()
    if value is None or value.__class__ in ATOMS:
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        plain = {}
        for key, child in value.items():
            if key.__class__ is not str:
                if not isinstance(key, str):
                    raise Fault(f"the key {key!r} is no text")
                key = str.__str__(key)  # noqa: PLW2901 - the same text
            plain[key] = child if child.__class__ in ATOMS else data(child, depth + 1, text)
        return plain
    if isinstance(value, list | tuple):
        return [child if child.__class__ in ATOMS else data(child, depth + 1, text) for child in value]
    if isinstance(value, bool | Decimal):
        return value
    if isinstance(value, int):
        return int(value)
    raise Fault(f"{kind(value)} cannot stand in a manifest")


def word(value: Any) -> str:
    """Return a value as it is put into text. Raises Fault for all but text, integers and exact decimals."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        absent()
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 40:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    raise Fault(f"only text, integers and decimals can be put into text; found {kind(value)}")


def present(value: Any) -> bool:
    """Tell whether a falsy value is there all the same: zero and false are, None and what is empty are not."""
    return isinstance(value, _NUMBERS)


def listed(value: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list to go through. Raises Fault for what is none."""
    if isinstance(value, list | tuple):
        return value
    if value is None:
        absent()
    raise Fault(f"expected a list; found {kind(value)}")


def mapped(value: Any) -> Mapping[str, Any]:
    """Return a map whose keys are text. Raises Fault for what is none."""
    if value is None:
        absent()
    if not isinstance(value, Mapping):
        raise Fault(f"expected a map; found {kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise Fault(f"the key {key!r} is no text")
    return value


def pairs(value: Any) -> list[tuple[str, Any]]:
    """Return the entries of a map sorted by key. Raises Fault for what is no map."""
    found = mapped(value)
    return [(key, found[key]) for key in sorted(found)]


def get(value: Any, name: str) -> Any:
    """Read a public name of a value whose type nobody declared: an item of a map, otherwise an attribute."""
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise Fault(f'there is no "{name}" in the map')
    if value is None:
        raise Fault(f'"{name}" was read from a value that is absent', absent=True)
    if isinstance(value, (str, *_NUMBERS, list, tuple)) and not hasattr(value, "_fields"):
        raise Fault(f'{kind(value)} has no "{name}"')
    found = getattr(value, name, _UNSET)
    if found is _UNSET:
        raise Fault(f'a {type(value).__name__} has no "{name}"')
    return found


def at(value: Any, key: Any) -> Any:
    """Read an item of a map or list. Raises Fault when there is none."""
    if isinstance(value, Mapping) and isinstance(key, str):
        if key in value:
            return value[key]
        raise Fault(f'there is no "{key}" in the map')
    if isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        if -len(value) <= key < len(value):
            return value[key]
        raise Fault(f"there is no item {key} in the list of {len(value)}")
    if value is None:
        raise Fault(f"{key!r} was read from a value that is absent", absent=True)
    raise Fault(f"{kind(value)} has no item {key!r}")


def repeated(key: str) -> NoReturn:
    """Raise the fault of a key that is there already."""
    raise Fault(f'the key "{key}" is in the map already')


def key(value: Any) -> str:
    """Return a computed key. Raises Fault for what is no text."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        absent()
    raise Fault(f"a key is text; found {kind(value)}")


def merge(into: dict[str, Any], value: Any) -> None:
    """Put the entries of a map into another. Raises Fault for a key that is there already."""
    for name, child in mapped(value).items():
        if name in into:
            repeated(name)
        into[str.__str__(name)] = data(child, 1)


def merge_text(seen: set[str], value: Any, pad: str) -> str:
    """Return the entries of a map as text. Raises Fault for a key that is there already."""
    found = mapped(value)
    for name in found:
        if name in seen:
            repeated(name)
        seen.add(name)
    return entries(found, pad)


def value_below(value: Any, pad: str) -> str:
    """Return what follows a colon. Raises Fault for None."""
    if value is None:
        absent()
    return below(value, pad)


def value_item(value: Any, pad: str) -> str:
    """Return what follows a dash. Raises Fault for None."""
    if value is None:
        absent()
    return item(value, pad)


def leaves(
    out: list[Leaf], path: Chain, value: Any, template: str, line: int, reads: tuple[Chain, ...], conditions: tuple[Chain, ...], whole: bool
) -> None:
    """Add the leaves of data that was put in as a whole; where it was read by one chain (``whole``), that chain goes on into it."""
    if isinstance(value, Mapping | list | tuple) and value:
        children = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, child in children:
            further = ((*reads[0], name), *reads[1:]) if whole else reads
            leaves(out, (*path, name), child, template, line, further, conditions, whole)
        return
    out.append(Leaf(path, kept(value, len(path)), template, line, reads, conditions))


NAMES: dict[str, Any] = {
    "A": ATOMS,
    "B": value_below,
    "C": merge,
    "D": data,
    "E": merge_text,
    "G": get,
    "H": at,
    "I": value_item,
    "J": leaves,
    "K": known,
    "L": Leaf,
    "M": pairs,
    "N": key_text,
    "O": mapped,
    "P": present,
    "Q": key,
    "R": repeated,
    "S": listed,
    "T": text_below,
    "U": _UNSET,
    "W": word,
    "Decimal": Decimal,
}
"""What generated code may name, beside the filters and ``X``, which renders texts."""
