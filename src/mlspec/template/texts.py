"""Ordinary texts (scripts, READMEs): Jinja with strict names, where every value is quoted for the language of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from mlspec.template.filters import to_json
from mlspec.template.runtime import Fault, kind, word

Loader = Callable[[str], str]
"""Gives the text of a template by its name; raises KeyError or OSError when there is none."""

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#&~@])")


_NUMBERED = re.compile(r"^([0-9]+)([.)])")


class Quoted(str):
    """Text that is quoted already."""

    __slots__ = ()


def sh(value: Any) -> Quoted:
    """Quote a value, or each value of a list, as one word of a POSIX shell. Raises Fault."""
    from shlex import quote

    if isinstance(value, list | tuple):
        return Quoted(" ".join([sh(item) for item in value]))
    text = _word(value)
    if "\0" in text:
        raise Fault("a shell word cannot hold a NUL character")
    return Quoted(quote(text))


def json(value: Any) -> Quoted:
    """Write data as JSON. Raises Fault."""
    return Quoted(to_json(value))


def md(value: Any) -> Quoted:
    """Write a value so that Markdown shows it as it is, on one line. Raises Fault."""
    return _md(_word(value))


@lru_cache(maxsize=1024)
def _md(word: str) -> Quoted:
    text = _MARKDOWN.sub(r"\\\1", " ".join(word.split()))
    return Quoted("\\" + text if text[:1] in ("-", "+", "=") else _NUMBERED.sub(r"\1\\\2", text))


def code(value: Any) -> Quoted:
    """Write a value as a Markdown code span. Raises Fault."""
    text = " ".join(_word(value).split())
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return Quoted(f"{ticks}{blank}{text}{blank}{ticks}")


def promql(value: Any) -> Quoted:
    """Write a value as a PromQL string. Raises Fault."""
    escaped = _word(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return Quoted(f'"{escaped}"')


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return word(value)


QUOTING: dict[str, Callable[[Any], Quoted]] = {"sh": sh, "json": json, "md": md, "code": code, "promql": promql}
"""The filters of texts, beside Jinja's own. What passes none is quoted by the kind of the file: the suffix before ``.j2``."""


def quoting(name: str) -> Callable[[Any], Any]:
    """Return what a value goes through in a file of this name when it was not quoted by a filter."""
    suffix = name.removesuffix(".j2").rpartition(".")[2]
    return QUOTING.get({"bash": "sh", "markdown": "md"}.get(suffix, suffix), _plain)


def _plain(value: Any) -> str:
    if not isinstance(value, str | int | Decimal):
        raise Fault(f"only text, numbers and booleans can be put into text; found {kind(value)}")
    return _word(value)


class Texts:
    """Renders texts of one templates folder."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._environment: Any = None
        self._used: dict[str, frozenset[str]] = {}

    def render(self, name: str, view: Any, extra: Mapping[str, Any] | None = None) -> str:
        """Return a text; ``view`` is a mapping or an object, of which only the names that the text uses are read.

        Raises Rejected for a text that is missing or cannot be read, for names nobody knows and values that do not fit.
        """
        from jinja2 import TemplateError

        try:
            environment = self._environment = self._environment or self._build()
            template = environment.get_template(name)
            names = {key: found for key in self._names(name) for found in _read(view, extra or {}, key)}
            return str(template.render(names))
        except (TemplateError, Fault) as error:
            raise self._rejected(name, error) from error

    def _build(self) -> Any:
        from jinja2 import FunctionLoader, StrictUndefined, pass_context
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        @pass_context
        def finalize(context: Any, value: Any) -> Any:
            if isinstance(value, Quoted):
                return value
            if isinstance(value, StrictUndefined):
                return value
            return quoting(context.name)(value)

        def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
            try:
                return self.loader(name), name, lambda: True
            except (LookupError, OSError):
                return None

        environment = ImmutableSandboxedEnvironment(
            loader=FunctionLoader(load),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=finalize,
        )
        environment.filters.update(QUOTING)
        return environment

    def _names(self, name: str) -> frozenset[str]:
        """Return the names that a text and what it includes use."""
        found = self._used.get(name)
        if found is None:
            found = self._used[name] = self._find_names(name)
        return found

    def _find_names(self, name: str) -> frozenset[str]:
        from jinja2 import meta

        names: set[str] = set()
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            text = waiting.pop()
            if text in seen:
                continue
            seen.add(text)
            try:
                tree = self._environment.parse(self.loader(text), text)
            except (LookupError, OSError):
                continue  # whether it is needed turns out when it is rendered
            names |= meta.find_undeclared_variables(tree)
            waiting += [other for other in meta.find_referenced_templates(tree) if other]
        return frozenset(names)

    def _rejected(self, name: str, error: Exception) -> Exception:
        from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError

        from mlspec.location import SourceText
        from mlspec.template import codes

        if isinstance(error, TemplateNotFound):
            where = SourceText(name, "")
            return codes.rejected(codes.template_not_found(codes.Span(where, 0, 0), str(error.name or name)))
        file, line = name, 1
        if isinstance(error, TemplateSyntaxError):
            file, line = error.name or name, error.lineno
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__jinja_template__") is not None or trace.tb_frame.f_code.co_filename.endswith(".j2"):
                file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        try:
            text = SourceText(file, self.loader(file))
        except (LookupError, OSError):
            text, line = SourceText(file, ""), 1
        start = text.line_starts[min(line, len(text.line_starts)) - 1]
        span = codes.Span(text, start, start + len(text.line(min(line, len(text.line_starts)))))
        message = str(error).rstrip(".")
        if isinstance(error, TemplateSyntaxError):
            return codes.rejected(codes.template_syntax(span, message[:1].lower() + message[1:]))
        if isinstance(error, UndefinedError):
            return codes.rejected(codes.absent_value(span, message, "use a name that the view has"))
        return codes.rejected(codes.unfit_value(span, message))


def _read(view: Any, extra: Mapping[str, Any], name: str) -> list[Any]:
    """Return the value of a name in a list, or an empty list when there is none."""
    if name.startswith("_"):
        return []
    if name in extra:
        return [extra[name]]
    if isinstance(view, Mapping):
        return [view[name]] if name in view else []
    return [getattr(view, name)] if hasattr(type(view), name) or name in getattr(view, "__dict__", {}) else []


def render_text(name: str, loader: Loader, names: Mapping[str, Any]) -> str:
    """Return an ordinary text with the given names. Raises Rejected (see ``Texts.render``)."""
    return Texts(loader).render(name, names)
