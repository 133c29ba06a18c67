"""The platform: one word a key, and settings that its systems understand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlspec.checks.patches import is_reserved
from mlspec.checks.resources import is_qualified
from mlspec.checks.subject import Project
from mlspec.diagnostics import Found, code
from mlspec.location import Path

ONE_WORD = ("serving", "pipelines", "monitoring", "gitops", "gateway", "events")
IDENTITIES = ("eks.amazonaws.com/", "iam.gke.io/", "azure.workload.identity/")
"""Annotations by which clouds give an identity to a ServiceAccount."""
OLDEST_KUBEFLOW = (2, 14)
_VERSION = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.[0-9]{1,4})?")
_REPOSITORY = re.compile(r"https?://[^\s@/]+/\S+|ssh://(?:[A-Za-z0-9._-]+@)?[^\s@/]+/\S+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s:]+")
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))[^\s~^:?*\[\\\x00-\x1f\x7f$`;|&<>(){}'\"]{1,244}(?<![/.])")


def platforms(project: Project) -> Iterator[tuple[Path, Any]]:
    """Yield the platform of the spec and those of its environments."""
    if "platform" in project.tree:
        yield ("platform",), project.tree["platform"]
    for name, body in project.environments.items():
        if "platform" in body:
            yield ("environments", name, "platform"), body["platform"]


def settings_of(value: Any, word: str) -> Any:
    """Return the settings that a value of the platform has for a word; empty when it has none."""
    return value.get(word) or {} if isinstance(value, dict) else {}


@code("MLS-E283", "one-word-a-key")
def one_word_a_key(project: Project) -> Iterator[Found]:
    """Each key of the platform names one system: a word, or a map of that word and its settings.

    Bad::

        platform: {serving: {kserve: {version: "0.20"}, kubernetes: {}}}

    Good::

        platform: {serving: {kserve: {version: "0.20"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, platform in platforms(project):
        values: list[tuple[Path, Any]] = [((*path, key), platform[key]) for key in ONE_WORD if key in platform]
        values += [((*path, "ci", at), value) for at, value in enumerate(platform.get("ci", ()))]
        for where, value in values:
            if isinstance(value, dict) and len(value) != 1:
                words = list(value)
                if words:
                    related = (((*where, words[0]), f"{words[0]} stands here"),)
                    yield Found(
                        (*where, words[1]),
                        f"the platform names {' and '.join(words)} at once, expected one of them",
                        "remove the others",
                        on="key",
                        related=related,
                    )
                else:
                    yield Found(where, "the platform names no system here", "write a word, such as serving: kserve")


@code("MLS-W254", "gitops-without-repository", severity="warning")
def gitops_without_repository(project: Project) -> Iterator[Found]:
    """A GitOps system reads the tree from a repository, so its URL should be known where `gitops` is written.

    Without it no object of the GitOps system is written, and somebody else has to tell it where the tree is.

    Bad::

        platform: {gitops: argocd}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}

    Good::

        platform: {gitops: argocd, repository: {url: "https://github.com/acme/ml.git"}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, platform in platforms(project):
        gitops = platform.get("gitops")
        word = next(iter(gitops), None) if isinstance(gitops, dict) else gitops
        top = project.tree.get("platform", {})
        if word in ("argocd", "flux") and "repository" not in platform and "repository" not in top:
            where = (*path, "gitops")
            words = f"{word} needs a repository to read from, and none is known, so nothing is written for it"
            yield Found(where, words, "add `repository: {url: ..}` to the platform, or remove `gitops`")


@code("MLS-E285", "platform-setting")
def platform_setting(project: Project) -> Iterator[Found]:
    """The settings of the platform are such as its systems understand: versions, repositories, branches, labels.

    Versions are two or three numbers. A repository is an https or ssh URL, or user@host:path, without a password. A branch is a
    name that git allows and no shell takes for more than that.

    Bad::

        platform: {repository: {url: "https://github.com/acme/ml.git", branch: "--upload-pack=x"}}

    Good::

        platform: {repository: {url: "https://github.com/acme/ml.git", branch: main}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, platform in platforms(project):
        for key, word in (("serving", "kserve"), ("pipelines", "kubeflow")):
            version = settings_of(platform.get(key), word).get("version")
            match = _VERSION.fullmatch(version or "")
            where: Path = (*path, key, word, "version")
            if version is not None and match is None:
                yield Found(where, f'"{version}" is not a version of {word}', 'write two or three numbers, such as "0.20"')
            elif match and word == "kubeflow" and (int(match[1]), int(match[2])) < OLDEST_KUBEFLOW:
                yield Found(
                    where,
                    f"kubeflow {version} cannot keep pipelines as objects, expected 2.14 or later",
                    "upgrade Kubeflow Pipelines, or use another engine",
                )
        repository = platform.get("repository", {})
        url, branch = repository.get("url"), repository.get("branch")
        if url is not None and not _REPOSITORY.fullmatch(url):
            secret = "@" in url and "://" in url
            shown = "the URL of the repository names a user" if secret else f'"{url}" is not the URL of a repository'
            yield Found((*path, "repository", "url"), shown, "write https://HOST/PATH.git, or git@HOST:PATH.git")
        if branch is not None and not _BRANCH.fullmatch(branch):
            yield Found(
                (*path, "repository", "branch"), f'"{branch}" is not the name of a branch', "write a name such as main or release/2027"
            )
        for label in settings_of(platform.get("monitoring"), "prometheus").get("labels", {}):
            if not is_qualified(label):
                yield Found(
                    (*path, "monitoring", "prometheus", "labels", label),
                    f'"{label}" is not the key of a label',
                    "write a key such as release",
                    on="key",
                )


@code("MLS-E514", "identity-annotation", security=True)
def identity_annotation(project: Project) -> Iterator[Found]:
    """Annotations for identities have keys that Kubernetes accepts and that no other system acts on.

    Bad::

        platform: {identity: {annotations: {argocd.argoproj.io/hook: PreSync}}}

    Good::

        platform: {identity: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/models"}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for path, platform in platforms(project):
        for key in platform.get("identity", {}).get("annotations", ()):
            where: Path = (*path, "identity", "annotations", key)
            if not is_qualified(key):
                yield Found(
                    where, f'"{key}" is not the key of an annotation', "write a key such as iam.gke.io/gcp-service-account", on="key"
                )
            elif is_reserved(key) and not key.startswith(IDENTITIES):
                yield Found(
                    where, f"`{key}` is reserved: its owner acts on it", "write the annotation of a cloud's workload identity", on="key"
                )


FIRST_CHECKS = (one_word_a_key,)
PROJECT_CHECKS = (gitops_without_repository, platform_setting, identity_annotation)
