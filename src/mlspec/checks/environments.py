"""Environments: their order, their variables, where they are deployed, which items they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.checks.graphs import cycles
from mlspec.checks.subject import Project
from mlspec.checks.traffic import cluster_of
from mlspec.diagnostics import Found, code, nearest
from mlspec.location import Path

SECTIONS = ("datasets", "features", "models", "pipelines", "thresholds", "serving", "monitoring")
_CLUSTER = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
)


def confined(project: Project) -> Iterator[tuple[Path, Any]]:
    """Yield every named item that may be confined to environments, pipeline steps and those of overrides too."""
    bodies: list[tuple[Path, Any]] = [((), project.tree)]
    bodies += [(("environments", name, "overrides"), body.get("overrides") or {}) for name, body in project.environments.items()]
    for path, body in bodies:
        for section in SECTIONS:
            for name, item in (body.get(section) or {}).items():
                if not isinstance(item, dict):
                    continue
                yield (*path, section, name), item
                steps = item.get("steps") if section == "pipelines" else None
                if isinstance(steps, dict):
                    for step, inner in steps.items():
                        if isinstance(inner, dict):
                            yield (*path, section, name, "steps", step), inner


@code("MLS-E452", "unknown-environment")
def unknown_environment(project: Project) -> Iterator[Found]:
    """`after`, `in`, `notIn` and the target of a patch name environments of this spec.

    Without the section `environments` there is one, called default.

    Bad::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris, after: dve}}

    Good::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris, after: dev}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    names = list(project.environments) or ["default"]
    named: list[tuple[Path, Any]] = [(("environments", name, "after"), body.get("after")) for name, body in project.environments.items()]
    for path, item in confined(project):
        for field in ("in", "notIn"):
            if isinstance(item.get(field), list):
                named += [((*path, field, at), name) for at, name in enumerate(item[field])]
    for at, patch in enumerate(project.tree.get("patches", ())):
        named.append((("patches", at, "target", "environment"), patch["target"].get("environment")))
    for path, name in named:
        if isinstance(name, str) and name not in names:
            near = nearest(name, names)
            yield Found(
                path,
                f"no environment is called `{name}`",
                f"did you mean `{near}`?" if near else f"the environments are {', '.join(names)}",
            )


@code("MLS-E453", "environment-cycle")
def environment_cycle(project: Project) -> Iterator[Found]:
    """Versions are promoted in one direction: `after` makes no circle.

    Bad::

        environments: {dev: {namespace: iris-dev, after: prod}, prod: {namespace: iris, after: dev}}

    Good::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris, after: dev}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    edges: dict[str, dict[str, Path]] = {
        name: {body["after"]: ("environments", name, "after")} for name, body in project.environments.items() if "after" in body
    }
    for cycle in cycles(edges):
        first, *rest = cycle[:-1]
        yield Found(
            ("environments", first, "after"),
            f"the environments wait for each other: {' after '.join(cycle)}",
            "remove one `after`",
            related=tuple((("environments", name, "after"), f"`{name}` is in the circle too") for name in rest),
        )


@code("MLS-E454", "in-and-not-in")
def in_and_not_in(project: Project) -> Iterator[Found]:
    """An item says in which environments it is, or in which it is not, and never both.

    Bad::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}, iris-next: {model: iris, in: [prod], notIn: [dev]}}

    Good::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}, iris-next: {model: iris, in: [prod]}}
    """
    for path, item in confined(project):
        if "in" in item and "notIn" in item:
            related = (((*path, "in"), "`in` stands here"),)
            yield Found(
                (*path, "notIn"),
                f"`{path[-1]}` has `in` and `notIn`, expected one of them",
                "remove one of the two",
                on="key",
                related=related,
            )


@code("MLS-E455", "unknown-variable")
def unknown_variable(project: Project) -> Iterator[Found]:
    """An environment gives other values to variables that the spec has; it makes no new ones.

    So every variable has a value everywhere.

    Bad::

        vars: {bucket: acme-dev}
        environments: {prod: {namespace: iris, vars: {buckte: acme-prod}}}

    Good::

        vars: {bucket: acme-dev}
        environments: {prod: {namespace: iris, vars: {bucket: acme-prod}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket}/iris"}}
        serving: {iris: {model: iris}}
    """
    known = project.tree.get("vars", {})
    for name, body in project.environments.items():
        for variable in body.get("vars", ()):
            if variable not in known:
                near = nearest(variable, known)
                advice = (
                    f"did you mean `{near}`?"
                    if near
                    else f"add `{variable}` to `vars` at the top, with the value of the other environments"
                )
                yield Found(("environments", name, "vars", variable), f"the spec has no variable `{variable}`", advice, on="key")


@code("MLS-E458", "namespace-shared")
def namespace_shared(project: Project) -> Iterator[Found]:
    """Two environments of a project do not share a namespace on one cluster, for their objects have the same names.

    Bad::

        environments: {dev: {namespace: iris}, prod: {namespace: iris}}

    Good::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    taken: dict[tuple[str, str], str] = {}
    for name, body in project.environments.items():
        first = taken.setdefault((cluster_of(project, name), body["namespace"]), name)
        if first != name:
            yield Found(
                ("environments", name, "namespace"),
                f"`{name}` and `{first}` share the namespace {body['namespace']} on one cluster",
                "give each its namespace, or its `cluster`",
                related=((("environments", first, "namespace"), f"the namespace of `{first}`"),),
            )


@code("MLS-E459", "malformed-cluster")
def malformed_cluster(project: Project) -> Iterator[Found]:
    """A cluster is the https URL of its API server, or a name that the GitOps system knows.

    Bad::

        environments: {prod: {namespace: iris, cluster: "http://prod.k8s.acme.example"}}

    Good::

        environments: {prod: {namespace: iris, cluster: "https://prod.k8s.acme.example"}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for name, body in project.environments.items():
        cluster = body.get("cluster")
        if cluster is not None and "@" not in cluster and not _CLUSTER.fullmatch(cluster):
            yield Found(
                ("environments", name, "cluster"),
                f'"{cluster}" is neither an https URL nor a name',
                "write https://HOST, or a name of the GitOps system",
            )


CHECKS = ()
PROJECT_CHECKS = (unknown_environment, environment_cycle, in_and_not_in, unknown_variable, namespace_shared, malformed_cluster)
