"""Keys that stand in a map twice: found when the template is compiled, or guarded against where only the view can tell."""

from __future__ import annotations

from mlspec.diagnostics import Finding
from mlspec.template import codes
from mlspec.template.codes import Span
from mlspec.template.tree import Const, Entry, For, If, Item, Map, Node, Part, Seq, Spread

Seen = dict[str, Span]


def repeated_keys(node: Node) -> list[Finding]:
    """Return a finding for each constant key that is sure to stand twice when its entry is written."""
    findings: list[Finding] = []
    _visit(node, findings)
    return findings


def _visit(node: Node, findings: list[Finding]) -> None:
    if isinstance(node, Map):
        _body(node.body, {}, findings, turns=False)
    elif isinstance(node, Seq):
        _items(node.body, findings)


def _items(body: tuple[Part, ...], findings: list[Finding]) -> None:
    for part in body:
        if isinstance(part, Item):
            _visit(part.value, findings)
        elif isinstance(part, If):
            for _, inner, _ in part.branches:
                _items(inner, findings)
        elif isinstance(part, For):
            _items(part.body, findings)


def _body(body: tuple[Part, ...], outer: Seen, findings: list[Finding], *, turns: bool) -> Seen:
    """Check the entries of one branch; ``outer`` are keys that are there for sure. Return the keys this branch may write."""
    sure = dict(outer)
    maybe: Seen = {}
    for part in body:
        if isinstance(part, Entry):
            if isinstance(part.key, Const):
                key = part.key.value
                earlier = sure.get(key) or maybe.get(key)
                if earlier is not None:
                    findings.append(codes.duplicate_key(part.span, key, earlier))
                elif turns:
                    findings.append(codes.duplicate_key(part.span, key, None))
                sure[key] = part.span
            _visit(part.value, findings)
        elif isinstance(part, If):
            for _, inner, _ in part.branches:
                maybe |= _body(inner, sure, findings, turns=turns)
        elif isinstance(part, For):
            maybe |= _body(part.body, sure, findings, turns=True)
    return maybe | {key: span for key, span in sure.items() if key not in outer}


def guarded(body: tuple[Part, ...]) -> bool:
    """Tell whether only the view decides if a key stands in this map twice."""
    seen: set[str] = set()
    for part in body:
        keys = _keys((part,))
        if keys is None or keys & seen:
            return True
        seen |= keys
    return False


def _keys(body: tuple[Part, ...]) -> set[str] | None:
    """Return the keys that may be written; None when they are computed."""
    keys: set[str] = set()
    for part in body:
        if isinstance(part, Spread | For):
            return None
        if isinstance(part, Entry):
            if not isinstance(part.key, Const):
                return None
            keys.add(part.key.value)
        elif isinstance(part, If):
            for _, inner, _ in part.branches:
                below = _keys(inner)
                if below is None or guarded(inner):
                    return None
                keys |= below
    return keys
