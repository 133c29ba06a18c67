"""Expressions of GitHub Actions, as many as the workflows use; whatever else stands in one is an error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(?P<sign>\|\||&&|==|!=|!|\(|\)))")
_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Free(dict):
    """A mapping in which what is not there is null: the payload of an event, variables, secrets. In others it is an error."""


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[[], bool]]) -> Any:
    """Return the value of an expression. Raises ValueError for what is not known here."""
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"not known: {text[at:]}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    value, rest = _either(tokens, contexts, functions)
    if rest:
        raise ValueError(f"left over in {text}: {rest}")
    return value


def fill(text: str, contexts: Mapping[str, Any]) -> str:
    """Return a text with its expressions replaced, as in `env` and `with`."""
    return _HOLE.sub(lambda hole: written(evaluate(hole[1], contexts, {})), text)


def written(value: Any) -> str:
    """Return a value as GitHub writes it."""
    return {None: "", True: "true", False: "false"}.get(value, str(value)) if not isinstance(value, (Mapping, list)) else "Object"


def _either(tokens, contexts, functions):
    value, rest = _both(tokens, contexts, functions)
    while rest and rest[0] == ("sign", "||"):
        other, rest = _both(rest[1:], contexts, functions)
        value = value if _true(value) else other
    return value, rest


def _both(tokens, contexts, functions):
    value, rest = _compared(tokens, contexts, functions)
    while rest and rest[0] == ("sign", "&&"):
        other, rest = _compared(rest[1:], contexts, functions)
        value = other if _true(value) else value
    return value, rest


def _compared(tokens, contexts, functions):
    value, rest = _one(tokens, contexts, functions)
    while rest and rest[0] in (("sign", "=="), ("sign", "!=")):
        sign = rest[0][1]
        other, rest = _one(rest[1:], contexts, functions)
        value = _same(value, other) is (sign == "==")
    return value, rest


def _one(tokens, contexts, functions):
    if not tokens:
        raise ValueError("an expression ends too early")
    (kind, word), rest = tokens[0], tokens[1:]
    if word == "!":
        value, rest = _one(rest, contexts, functions)
        return not _true(value), rest
    if word == "(":
        value, rest = _either(rest, contexts, functions)
        if rest[:1] != [("sign", ")")]:
            raise ValueError("a parenthesis is not closed")
        return value, rest[1:]
    if kind == "text":
        return word[1:-1].replace("''", "'"), rest
    if kind != "name":
        raise ValueError(f"not known here: {word}")
    if rest[:2] == [("sign", "("), ("sign", ")")]:
        return functions[word](), rest[2:]
    return _found(word, contexts), rest


def _found(word: str, contexts: Mapping[str, Any]) -> Any:
    root, *path = word.split(".")
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    value = contexts[root]
    for name in path:
        if value is None:
            return None
        if not isinstance(value, Free) and name not in value:
            raise ValueError(f"{word}: there is no {name}")
        value = value.get(name)
        if isinstance(value, dict) and root == "github":
            value = Free(value)
    return value


def _true(value: Any) -> bool:
    return value not in (None, False, "", 0)


def _same(left: Any, right: Any) -> bool:
    """Texts are compared without case; values of different kinds as numbers, null being 0."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return left == right
    return _number(left) == _number(right)


def _number(value: Any) -> float:
    if value is None or isinstance(value, bool):
        return float(bool(value))
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return math.nan
