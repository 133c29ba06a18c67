"""What several projects of one repository must agree on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlspec.checks.subject import Tree
from mlspec.diagnostics import Diagnostic, Found, Related, code, diagnose
from mlspec.location import Mark, locate

Projects = list[tuple[Tree, Mark]]


def check_fleet(projects: Projects) -> list[Diagnostic]:
    """Return where the projects of one run contradict each other; each pair once, at the later one."""
    return list(_same(projects))


def _same(projects: Projects) -> Iterable[Diagnostic]:
    first: dict[str, Mark] = {}
    for tree, mark in projects:
        name = tree["name"]
        if name in first:
            made = diagnose(same_project(name), mark)
            yield replace(made, related=(Related(locate(first[name], ("name",)), "the first project of that name"),))
        first.setdefault(name, mark)


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
