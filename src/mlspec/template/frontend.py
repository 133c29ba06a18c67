"""From a template's text to generated Python; used only when a template is not in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

from jinja2 import Environment

from mlspec.diagnostics import Finding, Rejected
from mlspec.location import SourceText
from mlspec.template import codes
from mlspec.template.codes import Span
from mlspec.template.contract import Contract
from mlspec.template.expressions import Refused, Scope, Translator
from mlspec.template.faces import Objects, Texts, Traces
from mlspec.template.generate import Position, Positions
from mlspec.template.keys import repeated_keys
from mlspec.template.source import Prepared, Tag, Unreadable, normalised, prepare
from mlspec.template.structure import Builder
from mlspec.template.tree import Map, Seq


class Reading:
    """The reading of one template with all its fragments."""

    def __init__(self, loader: Callable[[str], str], view: type | None) -> None:
        self.loader = loader
        self.findings: list[Finding] = []
        self.contract = Contract()
        self.environment = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 - it parses, it does not render
        self.translator = Translator(self.environment, self.contract, view, self._exists)
        self._numbers = count(1)
        self._kinds: dict[str, str] = {}

    def _exists(self, name: str) -> bool:
        try:
            self.loader(name)
        except (LookupError, OSError):
            return False
        return True

    def _fresh(self) -> str:
        return f"v{next(self._numbers)}"

    def read(self, name: str, scope: Scope, asked: Span | None, above: tuple[str, ...]) -> Map | Seq:
        """Return the tree of a template or fragment. Raises Unreadable."""
        prepared = self._prepare(name, asked, above)

        def fragment(tag: Tag, inner: Scope) -> Map | Seq:
            return self.read(tag.rest, inner, tag.span, (*above, name))

        return Builder(prepared, self.translator, self.findings, fragment, self._fresh).build(scope)

    def _prepare(self, name: str, asked: Span | None, above: tuple[str, ...]) -> Prepared:
        if asked is not None and name in above:
            raise Unreadable(codes.include_cycle(asked, (*above[above.index(name) :], name)))
        try:
            text = normalised(name, self.loader(name))
        except (LookupError, OSError):
            raise Unreadable(codes.template_not_found(asked or Span(SourceText(name, ""), 0, 0), name)) from None
        return prepare(text, self.environment, lambda tag, included: self._kind(included, tag.span, (*above, name)))

    def _kind(self, name: str, asked: Span, above: tuple[str, ...]) -> str:
        """Tell whether a fragment is a map or a list, by the first line that is neither comment nor tag. Raises Unreadable."""
        if name not in self._kinds:
            prepared = self._prepare(name, asked, above)
            lines = (line.strip() for line in prepared.yaml.split("\n"))
            first = next((line for line in lines if line and not line.startswith(("#", "---"))), "")
            self._kinds[name] = "list" if first == "-" or first.startswith(("- ", "[")) else "map"
        return self._kinds[name]


def translate(name: str, loader: Callable[[str], str], view: type | None) -> tuple[str, dict[int, Position], set[str]]:
    """Return the generated source of a template, the place of each of its lines, and the files that declare the view.

    Raises Rejected.
    """
    reading = Reading(loader, view)
    findings = reading.findings
    root: Map | Seq | None = None
    try:
        root = reading.read(name, {}, None, ())
        findings += repeated_keys(root)
        if isinstance(root, Seq):
            findings.append(
                codes.template_syntax(root.span._replace(end=root.span.start), "a template is a map; only a fragment may be a list")
            )
    except Unreadable as unreadable:
        findings.append(unreadable.finding)
    except Refused as refused:
        findings.append(refused.finding)
    if findings or root is None:
        raise Rejected(dict.fromkeys(codes.diagnostics(findings)))
    positions = Positions()
    mapping = view is not None and issubclass(view, Mapping)
    source = "\n".join([face(positions, mapping=mapping).write(root) for face in (Objects, Texts, Traces)])
    return source, positions.lines(source), reading.contract.files
