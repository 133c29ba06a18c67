"""What several projects of one repository must agree on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlspec.checks.subject import Tree
from mlspec.diagnostics import Diagnostic, Found, Related, code, diagnose
from mlspec.location import Mark, Path, locate

Projects = list[tuple[Tree, Mark]]


def check_fleet(projects: Projects) -> list[Diagnostic]:
    """Return where the projects of one run contradict each other; each pair once, at the later one."""
    return [*_same(projects), *_disagreeing(projects)]


def _same(projects: Projects) -> Iterable[Diagnostic]:
    first: dict[str, Mark] = {}
    for tree, mark in projects:
        name = tree["name"]
        if name in first:
            made = diagnose(same_project(name), mark)
            yield replace(made, related=(Related(locate(first[name], ("name",)), "the first project of that name"),))
        first.setdefault(name, mark)


def _disagreeing(projects: Projects) -> Iterable[Diagnostic]:
    """Yield where a project asks something else of a CI system than the first project of its repository that uses it."""
    first: dict[tuple[str, str], tuple[Tree, Mark]] = {}
    for tree, mark in projects:
        for word, asked in tree["ci"].items():
            other, other_mark = first.setdefault((tree["root"], word), (tree, mark))
            known = other["ci"][word]
            differing = sorted(key for key in {*asked, *known} if asked.get(key) != known.get(key))
            if differing:
                made = diagnose(ci_differs(word, differing, other["name"]), mark)
                place = locate(other_mark, _place(differing), "key")
                yield replace(made, related=(Related(place, f"{other['name']} says it here"),))


def _place(differing: list[str]) -> Path:
    return ("platform", "repository") if differing == ["branches"] else ("platform", "ci")


@code("MLS-E850", "ci-settings-differ")
def ci_differs(word: str, differing: list[str], other: str) -> Found:
    """The projects of one repository ask the same of a CI system: its file is one for all of them.

    Write `platform.ci` and `platform.repository` once, in a base file that every spec extends.

    Bad (shell)::

        mkdir -p .git a b
        for name in a b; do
          printf 'apiVersion: mlspec.dev/v1\\nname: %s\\nowner: {team: ml}\\n' $name > $name/mlspec.yaml
          printf 'platform: {ci: [{github: {runner: machine-%s}}]}\\n' $name >> $name/mlspec.yaml
        done
        mlspec validate a b

    Good::

        platform: {ci: [{github: {runner: ubuntu-24.04}}]}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    words = " and ".join("the branch" if key == "branches" else f"`{key}`" for key in differing)
    return Found(
        _place(differing),
        f"this project and {other} give {word} different values of {words}, expected one workflow for the repository",
        "say the same in both, best in a base file that both extend",
        on="key",
        label=f"differs from {other}",
    )


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
