"""The faults of templates: what is wrong with one when it is compiled, and what a view may not hand to one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mlspec.diagnostics import Diagnostic, Finding, Found, Rejected, code, diagnose, nearest
from mlspec.location import Mark, SourceText


class Span(NamedTuple):
    """A stretch of a template, in code points."""

    text: SourceText
    start: int
    end: int

    @property
    def mark(self) -> Mark:
        """The mark that a diagnostic is placed by."""
        return Mark(self.text, self.start, self.end)

    @property
    def words(self) -> str:
        """What is written there."""
        return self.text.text[self.start : self.end]

    @property
    def line(self) -> int:
        """The line it starts on, 1-based."""
        return self.text.position(self.start)[0]


def diagnostics(findings: Iterable[Finding]) -> list[Diagnostic]:
    """Turn findings in templates, which all carry their mark, into diagnostics."""
    placed = []
    for finding in findings:
        assert finding.found.mark is not None
        placed.append(diagnose(finding, finding.found.mark))
    return placed


def rejected(*findings: Finding) -> Rejected:
    """Return the exception for findings in templates."""
    return Rejected(diagnostics(findings))


@code("MLS-E810", "template-not-found")
def template_not_found(span: Span, name: str) -> Found:
    """A template, a fragment or a text that is named must exist below the templates folder.

    Names are relative to the templates folder, with ``/`` and without ``..``, whichever file they stand in.

    Bad (template)::

        metadata:
          {% include "shared/no-such-file.yaml.j2" %}

    Good (template)::

        metadata:
          name: {{ name }}
    """
    return Found((), f'there is no template "{name}"', "write the name relative to the templates folder", mark=span.mark)


@code("MLS-E811", "template-syntax")
def template_syntax(span: Span, message: str, advice: str = "") -> Found:
    """A template is a YAML map with expressions inside its scalars and blocks on lines of their own.

    An expression stands inside one scalar and on one line. Tags stand alone on their line. Anchors, aliases, YAML tags, several
    documents and whitespace control (``{%-``) have no place in a template.

    Bad (template)::

        metadata:
          name: {{ name }

    Good (template)::

        metadata:
          name: {{ name }}
    """
    return Found((), message, advice, mark=span.mark)


@code("MLS-E812", "block-straddles")
def block_straddles(span: Span, message: str) -> Found:
    """A block encloses whole entries of one map, or whole items of one list.

    It may not begin in one collection and end in another, and it encloses at least one entry.

    Bad (template)::

        metadata:
          name: {{ name }}
          {% if name == "a" %}
          labels:
            a: b
        spec: {}
          {% endif %}

    Good (template)::

        metadata:
          name: {{ name }}
          {% if name == "a" %}
          labels:
            a: b
          {% endif %}
        spec: {}
    """
    return Found((), message, "let the block begin and end between entries of the same map or list", mark=span.mark)


@code("MLS-E813", "unknown-template-name")
def unknown_name(span: Span, name: str, of: str, names: Iterable[str]) -> Found:
    """A template uses only names that the view declares.

    The view's names, with their types, are the contract between a target and its templates; ``mlspec templates show`` lists them.
    What a template needs beyond them is added to the view.

    Bad (template)::

        metadata:
          name: {{ nmae }}

    Good (template)::

        metadata:
          name: {{ name }}
    """
    names = sorted(names)
    close = nearest(name, names)
    known = f"use one of: {', '.join(names)}" if names else "it has no names"
    return Found((), f'{of} has no name "{name}"', f'write "{close}"' if close else known, mark=span.mark)


@code("MLS-E814", "unknown-filter")
def unknown_filter(span: Span, name: str, names: Iterable[str]) -> Found:
    """A template uses only the filters of the documented table, each with the arguments it takes.

    Bad (template)::

        metadata:
          name: {{ name | uper }}

    Good (template)::

        metadata:
          name: {{ name | lower }}
    """
    names = sorted(names)
    close = nearest(name, names)
    return Found((), f'there is no filter "{name}"', f'write "{close}"' if close else f"use one of: {', '.join(names)}", mark=span.mark)


@code("MLS-E815", "expression-not-allowed")
def not_allowed(span: Span, what: str, advice: str = "") -> Found:
    """An expression reads names, compares and chooses; everything else belongs in the view.

    Allowed are names, ``a.b``, ``a["k"]``, literals, comparisons, ``and``, ``or``, ``not``, ``x if c else y``, ``~`` and filters.
    Calls (but ``text()`` and ``.items()``), arithmetic, ``set``, macros and names that start with an underscore are not.

    Bad (template)::

        metadata:
          name: {{ name.upper() }}

    Good (template)::

        metadata:
          name: {{ name }}
    """
    return Found((), f"{what} is not part of the template language", advice or "compute it in the view", mark=span.mark)


@code("MLS-E816", "duplicate-template-key")
def duplicate_key(span: Span, key: str, earlier: Span | None) -> Found:
    """A key stands once in a map, whichever branches are taken.

    The two sides of one ``if``/``else`` may both have it. A constant key inside ``for`` would be there once per turn.

    Bad (template)::

        metadata:
          name: {{ name }}
          name: b

    Good (template)::

        metadata:
          {% if name == "a" %}
          name: a
          {% else %}
          name: b
          {% endif %}
    """
    related = () if earlier is None else ((earlier.mark.value_site(), "it stands here too"),)
    message = f'the key "{key}" stands in this map twice' if earlier is not None else f'the key "{key}" stands in a "for" and would repeat'
    return Found((), message, "keep one of them", mark=span.mark, related_sites=related)


@code("MLS-E817", "include-cycle")
def include_cycle(span: Span, names: Iterable[str]) -> Found:
    """A fragment does not include itself, directly or by others.

    Bad (template)::

        metadata:
          {% include "self" %}

    Good (template)::

        metadata:
          name: {{ name }}
    """
    return Found((), f"the include goes in a circle: {' -> '.join(names)}", "take one include out", mark=span.mark)


@code("MLS-E818", "absent-template-value")
def absent_value(span: Span, message: str, advice: str = "") -> Found:
    """A value that a template needs is there, or the template says that it is optional.

    Bad (template)::

        metadata:
          name: {{ none }}

    Good (template)::

        metadata:
          name: {{ name }}
          labels: {{ labels | optional }}
    """
    return Found((), message, advice or "add `| optional` where the entry may be left out", mark=span.mark)


@code("MLS-E819", "unfit-template-value")
def unfit_value(span: Span, message: str, advice: str = "") -> Found:
    """A value fits the place where the template puts it.

    Into text go only text, integers and exact decimals; ``<<`` takes a map, ``each`` and ``for`` take a list; a computed key is text
    that is not there yet.

    Bad (template)::

        metadata:
          name: a-{{ labels }}

    Good (template)::

        metadata:
          labels: {{ labels }}
    """
    return Found((), message, advice or "correct the template, or the view that hands it the value", mark=span.mark)
