"""Diagnostics for people: message, place, the source line with a mark under it, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TextIO

from mlspec.diagnostics import Diagnostic
from mlspec.location import Site
from mlspec.reporters.excerpt import draw
from mlspec.reporters.printable import printable
from mlspec.reporters.summary import closing_line

_COLOURS = {"error": "1;31", "warning": "1;33", "note": "1;36", "gutter": "1;34", "strong": "1", "help": "1;32"}


def write(diagnostics: Sequence[Diagnostic], stream: TextIO, *, colour: bool) -> None:
    """Write diagnostics that are sorted already, a blank line after each, and the counts at the end."""
    ink = _Ink(colour)
    gathered = _gather(diagnostics)
    blocks = (_block(diagnostic, environments, ink) for diagnostic, environments in gathered.items())
    stream.writelines("\n".join(block) + "\n\n" for block in blocks)
    if gathered:
        stream.write(closing_line(list(gathered)) + "\n")


class _Ink:
    """Colours, or none."""

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self.on and text else text


def _gather(diagnostics: Sequence[Diagnostic]) -> dict[Diagnostic, list[str]]:
    """Put together what differs by environment alone, so that a fault is read once."""
    groups: dict[Diagnostic, list[str]] = {}
    for diagnostic in diagnostics:
        environments = groups.setdefault(replace(diagnostic, environment=""), [])
        if diagnostic.environment:
            environments.append(diagnostic.environment)
    return groups


def _block(diagnostic: Diagnostic, environments: list[str], ink: _Ink) -> list[str]:
    site = diagnostic.site
    # A line that must not be shown hides the lines beside it as well: a secret is often written twice.
    shown = bool(site.excerpt)
    related = diagnostic.related if shown else tuple(replace(other, site=replace(other.site, excerpt="")) for other in diagnostic.related)
    numbers = [place.line for place in (site, *(other.site for other in related)) if place.excerpt]
    margin = " " * len(str(max(numbers, default=0)))
    bar = ink("|", "gutter")

    title = f"{diagnostic.severity}[{diagnostic.code}]"
    head, *rest = printable(diagnostic.message, "\n").split("\n")
    lines = [f"{ink(title, diagnostic.severity)}{ink(f': {head}', 'strong')}", *(f"    {line}" for line in rest)]
    lines += _snippet(site, diagnostic.label, margin, ink, arrow="-->", mark="^", style=diagnostic.severity)
    for other in related:
        lines += _snippet(other.site, other.message, margin, ink, arrow=":::", mark="-", style="gutter")
    remarks = [("note", note) for note in diagnostic.notes]
    if environments:
        remarks.append(("note", f"in {'environment' if len(environments) == 1 else 'environments'} {', '.join(environments)}"))
    if diagnostic.help:
        remarks.append(("help", diagnostic.help))
    if remarks and numbers:
        lines.append(f"{margin} {bar}")
    for kind, remark in remarks:
        lines += _remark(kind, remark, margin, ink)
    return lines


def _snippet(site: Site, label: str, margin: str, ink: _Ink, *, arrow: str, mark: str, style: str) -> list[str]:
    """Return a place and, where it may be shown, its line with the mark under it."""
    place = f"{margin}{ink(arrow, 'gutter')} {printable(site.file)}:{site.line}:{site.column}"
    label = printable(label)
    if not site.excerpt:
        return [f"{place}: {label}" if label else place]
    bar = ink("|", "gutter")
    line, offset, length = draw(site)
    number = ink(str(site.line).rjust(len(margin)), "gutter")
    underline = ink(f"{mark * length} {label}".rstrip(), style)
    return [place, f"{margin} {bar}", f"{number} {bar} {line}".rstrip(), f"{margin} {bar} {' ' * offset}{underline}"]


def _remark(kind: str, remark: str, margin: str, ink: _Ink) -> list[str]:
    head, *rest = printable(remark, "\n").split("\n")
    style = "help" if kind == "help" else "strong"
    hang = " " * (len(margin) + len(kind) + 5)
    return [f"{margin} {ink('=', 'gutter')} {ink(f'{kind}:', style)} {head}", *(f"{hang}{line}" for line in rest)]
