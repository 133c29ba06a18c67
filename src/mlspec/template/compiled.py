"""A template made into Python, and the one door to make it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NoReturn

from mlspec.template.cache import Cache
from mlspec.template.runtime import NAMES, Fault, Leaf, kept

Loader = Callable[[str], str]
"""Gives the text of a template by its name, relative to the templates folder; raises KeyError or OSError when there is none."""

_EXPECTED = (Fault, AttributeError, KeyError, IndexError, TypeError, ValueError, ArithmeticError)
_OURS = ("mlspec.template.", "mlspec.emit", "mlspec.quantity")


class Template:
    """A compiled template. Its methods raise Rejected where a value of the view does not fit its place."""

    __slots__ = ("_loader", "_objects", "_positions", "_text", "_trace", "name", "source")

    def __init__(self, name: str, loader: Loader, code: CodeType, positions: dict[int, tuple[str, int, int]], source: str) -> None:
        from mlspec.template.filters import FILTERS

        self.name, self.source = name, source
        self._loader, self._positions = loader, positions
        scope: dict[str, Any] = dict(NAMES)
        for filter_name, known in FILTERS.items():
            scope[f"F_{filter_name}"] = known.function
        scope["X"] = self._render
        exec(code, scope)  # noqa: S102 - our own generated code
        self._objects, self._text = scope["objects"], scope["text"]
        self._trace = FunctionType(scope["trace"].__code__, {**scope, "D": kept})

    def objects(self, view: Any) -> dict[str, Any] | None:
        """Return the object as plain data of its own; None when a block around the whole document leaves it out."""
        try:
            made: dict[str, Any] | None = self._objects(view)
        except _EXPECTED as error:
            self._refuse(error)
        return made

    def text(self, view: Any) -> str:
        """Return the object as canonical YAML: what ``emit`` gives for it, and empty text when there is no object."""
        try:
            made: str = self._text(view)
        except _EXPECTED as error:
            self._refuse(error)
        return made

    def trace(self, view: Any) -> list[Leaf]:
        """Return each leaf of the object with the template line that wrote it and the access chains it was made from."""
        try:
            made: list[Leaf] = self._trace(view)
        except _EXPECTED as error:
            self._refuse(error)
        return made

    def _render(self, name: str, view: Any, extra: dict[str, Any]) -> str:
        from mlspec.template.texts import Texts

        return Texts(self._loader).render(name, view, extra)

    def _refuse(self, error: Exception) -> NoReturn:
        """Raise Rejected for a value that does not fit; what went wrong inside the view itself goes on as it is."""
        trace, line, inside = error.__traceback__, 0, False
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _file(self.name):
                line, inside = trace.tb_lineno, True
            elif inside and not str(trace.tb_frame.f_globals.get("__name__", "")).startswith(_OURS):
                raise error
            trace = trace.tb_next
        if not line or line not in self._positions:
            raise error
        from mlspec.template import codes
        from mlspec.template.source import normalised

        name, start, end = self._positions[line]
        span = codes.Span(normalised(name, self._loader(name)), start, end)
        if isinstance(error, Fault):
            message, advice, absent = error.message, error.advice, error.absent
        else:
            message, advice, absent = _said(error), "", isinstance(error, AttributeError) and error.obj is None
        if absent:
            raise codes.rejected(codes.absent_value(span, f"`{span.words}`: {message}", advice)) from error
        raise codes.rejected(codes.unfit_value(span, f"`{span.words}`: {message}", advice)) from error


def _said(error: Exception) -> str:
    """Return in our words what Python said."""
    if isinstance(error, AttributeError):
        if error.obj is None:
            return f'"{error.name}" was read from a value that is absent'
        return f'a {type(error.obj).__name__} has no "{error.name}"'
    if isinstance(error, KeyError):
        return f'there is no "{error.args[0]}" in the map'
    return str(error)


def _file(name: str) -> str:
    return f"<template {name}>"


def compile_template(name: str, loader: Loader, view: type | None, cache: Cache | None = None) -> Template:
    """Compile a template, or take it from the cache.

    ``view`` is the class whose declared public names the template may use; None (or a dict class) allows any name. Raises Rejected
    with all faults that were found in the template and its fragments.
    """
    key = cache.key(name, loader, view) if cache is not None else None
    if cache is not None and key is not None:
        stored = cache.load(key)
        if stored is not None:
            code, positions = stored
            return Template(name, loader, code, positions, "")
    from mlspec.template.frontend import translate

    source, positions, files = translate(name, loader, view)
    code = compile(source, _file(name), "exec")
    if cache is not None and key is not None:
        cache.store(key, (code, positions), files)
    return Template(name, loader, code, positions, source)
