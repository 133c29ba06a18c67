"""What several projects of one repository must agree on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlspec.checks.subject import Tree
from mlspec.diagnostics import Diagnostic, Finding, Found, Related, code, diagnose
from mlspec.location import Mark, locate

Projects = list[tuple[Tree, Mark]]


def check_fleet(projects: Projects) -> list[Diagnostic]:
    """Return where the projects of one run contradict each other; each pair once, at the later one."""
    return [*_same(projects, ("name",)), *_ci(projects)]


def _same(projects: Projects, path: tuple[str, ...]) -> Iterable[Diagnostic]:
    first: dict[str, Mark] = {}
    for tree, mark in projects:
        name = tree["name"]
        if name in first:
            yield _beside(same_project(name), mark, first[name], path, "the first project of that name")
        first.setdefault(name, mark)


def _ci(projects: Projects) -> Iterable[Diagnostic]:
    seen: tuple[object, Mark] | None = None
    for tree, mark in projects:
        wanted = (tree.get("platform") or {}).get("ci")
        if wanted is None:
            continue
        if seen is not None and seen[0] != wanted:
            yield _beside(different_ci(), mark, seen[1], ("platform", "ci"), "here the jobs are others")
        seen = seen or (wanted, mark)


def _beside(finding: Finding, mark: Mark, other: Mark, path: tuple[str, ...], words: str) -> Diagnostic:
    made = diagnose(finding, mark)
    return replace(made, related=(Related(locate(other, path), words),))


@code("MLS-E497", "same-project")
def same_project(name: str) -> Found:
    """Two specs of one repository must not have one project name: their trees would be one folder.

    Bad (shell)::

        mkdir -p a b
        printf 'apiVersion: mlspec.dev/v1\\nname: demo\\nowner: {team: ml}\\n' | tee a/mlspec.yaml b/mlspec.yaml
        mlspec validate a b

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(("name",), f"two specs are called {name}", "give one of them another name", label="the second project of that name")


@code("MLS-E498", "different-ci")
def different_ci() -> Found:
    """The CI file is one for the whole repository, so projects must not ask for different ones.

    Bad (shell)::

        mkdir -p a b
        printf 'apiVersion: mlspec.dev/v1\\nname: a\\nowner: {team: ml}\\nplatform: {ci: []}\\n' > a/mlspec.yaml
        printf 'apiVersion: mlspec.dev/v1\\nname: b\\nowner: {team: ml}\\nplatform: {ci: [github]}\\n' > b/mlspec.yaml
        mlspec validate a b

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    return Found(("platform", "ci"), "this project asks for other CI jobs than another one of the repository", "say it once, in a base file that both extend", on="key", label="the CI file is one for the repository")
