"""What a view declares: the names a template may use, found by walking type hints; used only when a template is compiled."""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

_SCALARS = (str, int, bool, Decimal, float, type(None), bytes)
_BUILT_IN = {object, dict, list, tuple, str, int, enum.Enum, typing.Generic}


class Shape(NamedTuple):
    """What is known of a value: its kind, the class that declares its names, and the shape of what it holds.

    ``kind`` is ``any`` (nothing is known), ``class``, ``items`` (a TypedDict: declared names, read as items), ``map``, ``list`` or
    ``scalar``.
    """

    kind: str
    of: type | None = None
    inner: Shape | None = None


ANY = Shape("any")
SCALAR = Shape("scalar")


class Contract:
    """The names of views by class, read once; ``files`` are the source files they were read from."""

    def __init__(self) -> None:
        self._members: dict[type, dict[str, Shape]] = {}
        self.files: set[str] = set()

    def members(self, owner: type) -> dict[str, Shape]:
        """Return the public names that a class declares, with the shape of each."""
        known = self._members.get(owner)
        if known is None:
            known = self._members[owner] = {}
            for base in reversed(owner.__mro__):
                if base not in _BUILT_IN:
                    known.update(self._own(base))
        return known

    def _own(self, owner: type) -> dict[str, Shape]:
        module = sys.modules.get(owner.__module__)
        file = getattr(module, "__file__", None)
        if file:
            self.files.add(file)
        scope = dict(vars(module)) if module else {}
        found: dict[str, Shape] = {}
        for name, hint in vars(owner).get("__annotations__", {}).items():
            if not name.startswith("_"):
                found[name] = self.shape(hint, scope, owner)
        for name, value in vars(owner).items():
            function = value.fget if isinstance(value, property) else value.func if isinstance(value, cached_property) else None
            if function is not None and not name.startswith("_"):
                found[name] = self.shape(getattr(function, "__annotations__", {}).get("return", Any), scope, owner)
        return found

    def shape(self, hint: Any, scope: dict[str, Any], owner: type) -> Shape:
        """Return the shape that a type hint stands for; what cannot be read is open."""
        if isinstance(hint, str):
            try:
                hint = eval(hint, scope, dict(vars(owner)))  # noqa: S307 - an annotation of our own or an installed target's source
            except Exception:
                return ANY
        if isinstance(hint, typing.ForwardRef):
            return self.shape(hint.__forward_arg__, scope, owner)
        if type(hint).__name__ == "TypeAliasType":
            return self.shape(hint.__value__, scope, owner)
        origin = typing.get_origin(hint)
        arguments = typing.get_args(hint)
        if origin is typing.Annotated:
            return self.shape(arguments[0], scope, owner)
        if origin is typing.Literal:
            return SCALAR
        if origin in (typing.Union, types.UnionType):
            return self._union([self.shape(argument, scope, owner) for argument in arguments if argument is not type(None)])
        base = origin or hint
        if not isinstance(base, type):
            return ANY
        if typing.is_typeddict(base):
            return Shape("items", base)
        if issubclass(base, Mapping):
            return Shape("map", inner=self.shape(arguments[1], scope, owner) if len(arguments) == 2 else ANY)
        if issubclass(base, _SCALARS):
            return SCALAR
        if issubclass(base, tuple) and hasattr(base, "_fields"):
            return Shape("class", base)
        if issubclass(base, Sequence):
            one = len(arguments) == 1 or (len(arguments) == 2 and arguments[1] is Ellipsis)
            return Shape("list", inner=self.shape(arguments[0], scope, owner) if one else ANY)
        if base is object or base.__module__ in ("builtins", "typing", "collections.abc"):
            return ANY
        return Shape("class", base)

    @staticmethod
    def _union(shapes: list[Shape]) -> Shape:
        """Return what all members of a union have in common: the shape itself, or nothing known."""
        distinct = set(shapes)
        return shapes[0] if len(distinct) == 1 else ANY
