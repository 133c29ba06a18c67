"""The usual form of a spec, and of a value in it; what a person wrote is kept."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from mlspec.diagnostics import Unable
from mlspec.source.reader import Document, read
from mlspec.source.scalars import LEADING, resolve

_EDITED = "the text to edit"
_SIGNS = r"\s\0-\x1f\x7f-\x9f#:{}\[\],&*!|>'\"%@`\\"
_is_plain = re.compile(rf"[A-Za-z0-9_./$~][ ]?(?:[^{_SIGNS}]|[ ](?=[^{_SIGNS}])|:[^{_SIGNS}])*").fullmatch


def format_text(text: str) -> str:
    """Return a spec in its usual form: LF, no byte order mark, two spaces a level, no spaces at line ends.

    Comments, quotes, anchors, the order of keys and the spelling of numbers stay; lines are not broken; formatting twice
    changes nothing more. Raises Rejected when the text is no spec, Unable (status 3) when it cannot be formatted without
    changing what it says; the text is then to be left as it is.
    """
    before = read(text.encode("utf-8", "surrogatepass"), _EDITED)
    formatted = before.text.text.replace("\r\n", "\n")
    for _ in range(4):
        again = _round_trip(formatted)
        if again == formatted:
            break
        formatted = again
    else:
        raise Unable("formatting does not come to rest", "leave the file as it is, and report it with the spec")
    after = read(formatted.encode("utf-8"), _EDITED)
    if not _same(before.tree, after.tree):
        raise Unable("formatting would change what the spec says", "leave the file as it is, and report it with the spec")
    if _comment_texts(before) != _comment_texts(after):
        raise Unable("formatting would lose a comment", "move the comment to a line of its own")
    return formatted


def _comment_texts(document: Document) -> list[str]:
    return [comment.text.rstrip() for comment in document.comments]


def _same(one: Any, other: Any) -> bool:
    """Compare data by value, type and order; 1.0 and 1.00 differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and str(one) == str(other)


def _round_trip(text: str) -> str:
    """Let ruamel.yaml write a text anew, with every plain scalar kept letter by letter."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.resolver import Resolver

    class Letters(Resolver):
        """Takes all plain scalars for text; only nothing at all is null."""

        yaml_implicit_resolvers: dict[Any, Any] = {"": [("tag:yaml.org,2002:null", re.compile("^$"))]}  # noqa: RUF012

        def __init__(self, version: Any = None, loader: Any = None, loadumper: Any = None) -> None:  # noqa: ARG002
            super().__init__(loader if loader is not None else loadumper)

        @property
        def processing_version(self) -> tuple[int, int]:
            return (1, 2)

    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = Letters
    yaml.preserve_quotes = True
    yaml.width = 2**31
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    try:
        data = yaml.load(text)
        _keep_anchors(data)
        yaml.dump(data, out)
    except Exception as error:
        raise Unable(
            f"this spec cannot be formatted ({type(error).__name__})", "leave the file as it is, and report it with the spec"
        ) from error
    lines = out.getvalue().split("\n")
    return "\n".join(lines).rstrip("\n") + "\n"


def _keep_anchors(data: Any) -> None:
    """Have anchors written that no alias uses."""
    seen: set[int] = set()
    waiting = [data]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        anchor = getattr(node, "anchor", None)
        if anchor is not None and getattr(anchor, "value", None):
            anchor.always_dump = True
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def write_flow(value: Any) -> str:
    """Return a value as it is written on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_flow(str(key))}: {write_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    text = str(value)
    plain = _is_plain(text) is not None and text.strip() == text and text.isprintable()
    if plain and text[:1] in LEADING:
        plain = isinstance(resolve(text), str) and not re.match(r"[0-9.]+\Z", text)
    return text if plain and text.lower() not in {"yes", "no", "on", "off", "y", "n"} else _quote(text)


def _quote(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}" for char in written
    )
