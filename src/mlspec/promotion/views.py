"""One environment of a spec, as it is written and as it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlspec.location import Mark
from mlspec.plan.environments import settle
from mlspec.plan.references import References
from mlspec.promotion.moves import Move
from mlspec.source.amend import with_edits


class View:
    """One environment of a spec: its values as they are written, and with their references replaced."""

    __slots__ = ("_namespace", "environment", "read", "written")

    def __init__(self, tree: dict[str, Any], mark: Mark, environment: str) -> None:
        body = (tree.get("environments") or {}).get(environment) or {}
        self._set(settle(tree, mark, environment).tree, environment, str(body.get("namespace", tree.get("name"))))

    def _set(self, written: dict[str, Any], environment: str, namespace: str) -> None:
        self.environment, self._namespace = environment, namespace
        self.written = written
        self.read: dict[str, Any] = References(written, environment, namespace).replace()

    def moved(self, moves: Iterable[Move]) -> View:
        """Return the environment as it is after some moves."""
        made = object.__new__(View)
        made._set(with_edits(self.written, ((move.path, move.after) for move in moves)), self.environment, self._namespace)
        return made
