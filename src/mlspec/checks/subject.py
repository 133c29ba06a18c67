"""What checks look at: the spec as it is in one environment, and a project as the sum of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspec.location import Mark

Tree = Mapping[str, Any]
EMPTY: Tree = {}


class Subject:
    """A spec in one environment: overrides merged, items of other environments left out, references replaced.

    The tree has the shape of the language (see spec.parse). Run-time references (``${inputs.x}`` and kin) still stand in
    the steps of pipelines.
    """

    __slots__ = ("absent", "environment", "mark", "namespace", "platform", "tree")

    def __init__(
        self, tree: Tree, mark: Mark, environment: str, namespace: str, platform: Mapping[str, Any], absent: Mapping[str, frozenset[str]]
    ) -> None:
        self.tree = tree
        self.mark = mark
        self.environment = environment
        self.namespace = namespace
        self.platform = platform
        """The platform with its defaults: key → word (``serving``: ``kserve``), and settings under ``KEY.settings``."""
        self.absent = absent
        """Names by section that the spec has, but not in this environment."""

    def section(self, name: str) -> Tree:
        """Return a section, empty when it is not written."""
        found: Tree = self.tree.get(name, EMPTY)
        return found

    @property
    def datasets(self) -> Tree:
        """The section datasets."""
        return self.section("datasets")

    @property
    def features(self) -> Tree:
        """The section features."""
        return self.section("features")

    @property
    def models(self) -> Tree:
        """The section models."""
        return self.section("models")

    @property
    def pipelines(self) -> Tree:
        """The section pipelines."""
        return self.section("pipelines")

    @property
    def thresholds(self) -> Tree:
        """The section thresholds."""
        return self.section("thresholds")

    @property
    def serving(self) -> Tree:
        """The section serving."""
        return self.section("serving")

    @property
    def monitoring(self) -> Tree:
        """The section monitoring."""
        return self.section("monitoring")


class Project:
    """A whole spec: its tree as written (bases merged, nothing else) and its subjects, one an environment."""

    __slots__ = ("mark", "subjects", "tree")

    def __init__(self, tree: Tree, mark: Mark, subjects: tuple[Subject, ...]) -> None:
        self.tree = tree
        self.mark = mark
        self.subjects = subjects

    @property
    def environments(self) -> Tree:
        """The section environments, empty when it is not written."""
        found: Tree = self.tree.get("environments", EMPTY)
        return found
