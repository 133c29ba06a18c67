"""What must not stand in a spec at all: secrets, expressions that something else would run, addresses of the machine's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mlspec.checks.subject import Project, Subject
from mlspec.diagnostics import Found, code
from mlspec.location import Path
from mlspec.secrecy import SECRET_NAME, secret_in

_RUN_TIME = re.compile(r"\$\{(?:inputs|outputs|steps)\.[^}]*\}")
_FILE = re.compile(r"(?:/[A-Za-z0-9._-]+){2,}/?")
_METADATA = re.compile(
    r"(?i)://(?:[^/\s@]*@)?(?:169\.254\.[0-9]+\.[0-9]+|metadata\.google\.internal|100\.100\.100\.200|\[fd00:ec2:[0-9a-f:]*\]|2852039166|0xa9fea9fe)"
)


def texts(tree: Any) -> Iterator[str]:
    """Yield every text of a tree that is a value."""
    left = [tree]
    while left:
        node = left.pop()
        for value in node.values() if isinstance(node, dict) else node:
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict | list):
                left.append(value)


def placed(tree: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text of a tree that is a value, with its path, in the order of the file."""
    if isinstance(tree, str):
        yield path, tree
        return
    left: list[tuple[Path, Any]] = [(path, tree)]
    while left:
        here, node = left.pop()
        if isinstance(node, str):
            yield here, node
        elif isinstance(node, dict):
            left.extend(((*here, key), value) for key, value in reversed(node.items()))
        elif isinstance(node, list):
            left.extend(((*here, at), node[at]) for at in range(len(node) - 1, -1, -1))


@code("MLS-E501", "literal-secret", security=True)
def literal_secret(project: Project) -> Iterator[Found]:
    """A secret is named, never written: what looks like a key, a token or a password is refused wherever it stands.

    A spec is committed, and what was committed once stays in the history. Put the secret into the cluster's store, name it
    with `secret:`, and revoke the one that was written here. The value is never printed.

    Bad::

        owner: {team: ml, slack: "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnop"}

    Good::

        models: {chat: {framework: huggingface, version: 1.0.0, uri: "hf://acme/chat@1a2b3c4", secret: hf-token}}
        serving: {chat: {model: chat, resources: {gpu: 1}}}
    """
    if not secret_in("\n".join(texts(project.tree))):
        return
    for path, text in placed(project.tree):
        words = secret_in(text)
        if words:
            yield Found(
                path, f"this looks like {words}", "name it with `secret:` instead, and revoke this one", label="the value is not shown"
            )


def variables(tree: Any) -> Iterator[tuple[Path, str, Any]]:
    """Yield place, name and value of every variable that is written in a tree: of environments, of the spec, of patched containers."""
    left: list[tuple[Path, Any]] = [((), tree)]
    while left:
        path, node = left.pop()
        if isinstance(node, list):
            left.extend(((*path, at), value) for at, value in enumerate(node) if isinstance(value, dict | list))
            continue
        if isinstance(node.get("name"), str) and "value" in node and path[:1] == ("patches",):  # as a container writes it
            yield (*path, "value"), node["name"], node["value"]
        for key, value in node.items():
            if key in ("env", "vars") and isinstance(value, dict):
                yield from (((*path, key, name), str(name), given) for name, given in value.items())
            elif isinstance(value, dict | list):
                left.append(((*path, key), value))


@code("MLS-E502", "literal-under-secret-name", security=True)
def literal_under_secret_name(project: Project) -> Iterator[Found]:
    """A variable whose name ends in PASSWORD, TOKEN, SECRET, API_KEY or CREDENTIALS takes its value from a secret.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, env: {DB_PASSWORD: hunter2}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, env: {DB_PASSWORD: {secret: database/password}}}}
    """
    for path, name, value in variables(project.tree):
        if not isinstance(value, str) or not value or not SECRET_NAME.search(name):
            continue
        harmless = _RUN_TIME.fullmatch(value) or (name.upper().endswith("CREDENTIALS") and _FILE.fullmatch(value))
        if not harmless and not secret_in(value):
            step = "steps" in path and "pipelines" in path
            advice = f"write it under `secrets:` of the step, as {name}: SECRET/KEY" if step else f"write {name}: {{secret: SECRET/KEY}}"
            if path[-2] == "vars":
                advice = "remove the variable, and name the secret where it is needed"
            yield Found(path, f"`{name}` is the name of a secret, but its value is written here", advice, label="the value is not shown")


def leads_to_metadata(uri: str) -> bool:
    """Tell whether a URI is the address of a machine's metadata service."""
    return _METADATA.search(uri) is not None


@code("MLS-E507", "metadata-address", security=True)
def metadata_address(project: Project) -> Iterator[Found]:
    """No URL leads to the metadata service of a machine, which hands out its credentials.

    Bad::

        platform: {monitoring: {prometheus: {url: "http://169.254.169.254/latest"}}}

    Good::

        platform: {monitoring: {prometheus: {url: "http://prometheus.monitoring.svc:9090"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if not _METADATA.search("\n".join(texts(project.tree))):
        return
    for path, text in placed(project.tree):
        match = _METADATA.search(text)
        if match:
            yield Found(
                path,
                f"{match[0][3:].rpartition('@')[2]} is the metadata service of the machine",
                "write the address of the service that is meant",
            )


@code("MLS-E508", "workflow-expression", security=True)
def workflow_expression(project: Project) -> Iterator[Found]:
    """`${{` begins an expression of GitHub Actions, and stands nowhere in a spec.

    In a generated workflow it would be run with the rights of the CI job. For a value of the spec write `${vars.NAME}`; for a
    secret use `secret:`.

    Bad::

        description: Deployed with ${{ secrets.TOKEN }}

    Good::

        description: Deployed from git.
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if not any("${{" in text for text in texts(project.tree)):
        return
    for path, text in placed(project.tree):
        if "${{" in text:
            yield Found(path, "`${{` begins an expression that a CI system would run", "remove it; ${vars.NAME} is a value of the spec")


EVALUATED_BY = {"kubeflow": "Kubeflow Pipelines", "argo": "Argo Workflows", "airflow": "Airflow"}


def evaluated(subject: Subject) -> Iterator[tuple[Path, Any, str]]:
    """Yield the parts of a spec in which something would evaluate ``{{``, and what that is."""
    engine = EVALUATED_BY.get(subject.platform.get("pipelines", "kubeflow"))
    if engine:
        for name, pipeline in subject.pipelines.items():
            yield ("pipelines", name), pipeline, engine
    if subject.platform.get("monitoring", "prometheus") == "prometheus":
        for section in ("thresholds", "monitoring", "owner", "objectives"):
            yield (section,), subject.tree.get(section, {}), "Prometheus and Grafana"
    if subject.platform.get("serving", "kserve") == "kserve":
        for name, endpoint in subject.serving.items():
            for field in ("args", "env"):
                yield ("serving", name, field), endpoint.get(field, {}), "KServe"


@code("MLS-E509", "evaluated-braces", security=True)
def template_braces(subject: Subject) -> Iterator[Found]:
    """`{{` is refused where the text ends in a place that something evaluates.

    Those are steps on Kubeflow, Argo Workflows and Airflow, the texts of alerts and dashboards, and what KServe puts into a
    runtime. There is no way to escape it there. Put such a text into the image or a file that the program reads.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        thresholds: {online: {on: live, rules: [{name: '{{ query "up" }}', metric: errorRate, max: 1%}]}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        thresholds: {online: {on: live, rules: [{name: few errors, metric: errorRate, max: 1%}]}}
    """
    for path, part, who in evaluated(subject):
        if not part or not any("{{" in text for text in _every(part)):
            continue
        for where, text in placed(part, path):
            if "{{" in text and "${{" not in text:
                yield Found(where, f"`{{{{` would be evaluated by {who}", "keep it in the image, or in a file that the program reads")


def _every(part: Any) -> Iterable[str]:
    return (part,) if isinstance(part, str) else texts(part)


CHECKS = (template_braces,)
PROJECT_CHECKS = (literal_secret, literal_under_secret_name, metadata_address, workflow_expression)
