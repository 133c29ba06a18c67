"""Whether templates fit: the names of their views, and the schemas of what they make of a small spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlspec.cli.sample import Sample
from mlspec.diagnostics import Diagnostic, Finding, Rejected, diagnose
from mlspec.library import OBJECT, Library, names_of
from mlspec.location import Path as Place
from mlspec.location import SourceText, format_path
from mlspec.template import codes
from mlspec.template.codes import Span


class Reader:
    """Reads templates by name and remembers which."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.names: set[str] = set()

    def read(self, name: str) -> str:
        """Return the text of a template. Raises KeyError when there is none."""
        self.names.add(name)
        return self._library.read(name)


class Fit:
    """What was found of the templates of some folders."""

    def __init__(self) -> None:
        self.used: dict[str, list[str]] = {}
        """The templates that read each template: itself, and those that include it."""
        self.diagnostics: list[Diagnostic] = []


def examine_templates(library: Library, samples: Mapping[str, list[Sample]]) -> Fit:
    """Compile every template that a target fills, as it stands in a library, and fill it with views of a small spec."""
    fit = Fit()
    for name, kinds in samples.items():
        reader = Reader(library)
        for sample in kinds:
            try:
                found = list(_faults_of_object(name, reader, sample) if name.endswith(OBJECT) else _faults_of_text(name, reader, sample))
            except Rejected as rejected:
                found = list(rejected.diagnostics)
            fit.diagnostics += map(library.placed, found)
        for read in sorted(reader.names):
            fit.used.setdefault(read, []).append(name)
    fit.diagnostics = sorted(dict.fromkeys(fit.diagnostics), key=lambda diagnostic: diagnostic.order)
    return fit


def _faults_of_object(name: str, reader: Reader, sample: Sample) -> Iterator[Diagnostic]:
    from mlspec.conform import Kinds
    from mlspec.template.compiled import compile_template

    template = compile_template(name, reader.read, sample.kind)
    kinds = Kinds.load()
    seen: set[Span] = set()
    for view in sample.views:
        made = template.objects(view)
        for fault in kinds.check(made) if made is not None else ():
            assert made is not None
            span = _span_of(template.trace(view), fault.path, name, reader)
            if span in seen:
                continue
            seen.add(span)
            words = f"{made['kind']} {made['metadata']['name']}" if "metadata" in made else name
            yield _placed(_does_not_conform(words, fault.path, fault.message, kinds.source(made)), span)


def _does_not_conform(words: str, place: Place, message: str, source: str) -> Finding:
    from mlspec.render import does_not_conform

    finding: Finding = does_not_conform((), words, format_path(place), message, source)
    return finding


def _placed(finding: Finding, span: Span) -> Diagnostic:
    found = replace(finding.found, mark=span.mark, on="value", help="change the template", label="written here")
    return diagnose(replace(finding, found=found), span.mark)


def _span_of(leaves: Iterable[Any], place: Place, name: str, reader: Reader) -> Span:
    """Return the line of the template that wrote a place of an object: the first leaf at it, below it or above it."""
    file, line = name, 1
    for leaf in leaves:
        if leaf.path[: len(place)] == place or place[: len(leaf.path)] == leaf.path:
            file, line = leaf.template, leaf.line
            break
    return _line(SourceText(file, reader.read(file)), line)


def _line(text: SourceText, line: int) -> Span:
    words = text.line(line)
    start = text.line_starts[line - 1] + len(words) - len(words.lstrip())
    return Span(text, start, start + len(words.strip()))


def _faults_of_text(name: str, reader: Reader, sample: Sample) -> Iterator[Diagnostic]:
    """Fill a text, and look for names in the branches that the small spec does not reach."""
    from mlspec.template.texts import render_text

    for view in sample.views:
        render_text(name, reader.read, names_of(view))
    known = set(names_of(sample.views[0]))
    for file in sorted(reader.names):
        text = SourceText(file, reader.read(file))
        for unknown, line in _undeclared(text.text, known):
            yield from codes.diagnostics([codes.unknown_name(_line(text, line), unknown, sample.kind.__name__, known)])


def _undeclared(text: str, known: set[str]) -> Iterator[tuple[str, int]]:
    from jinja2 import Environment, meta, nodes

    from mlspec.template.texts import QUOTING

    environment = Environment(autoescape=False)  # noqa: S701 - it is only read
    environment.filters.update(QUOTING)
    tree = environment.parse(text)
    missing = meta.find_undeclared_variables(tree) - known
    for node in tree.find_all(nodes.Name):
        if node.name in missing:
            yield node.name, node.lineno
