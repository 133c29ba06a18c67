"""CODEOWNERS: who is asked about a change of a project's files, from the owner, the reviewers and the approvals of its spec."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mlspec.diagnostics import Found, code
from mlspec.location import Path

PLACES = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    "": ("CODEOWNERS",),
}
"""Where each host looks, in its order: the first file that is there counts."""
NEW = {"github": ".github/CODEOWNERS", "gitlab": ".gitlab/CODEOWNERS", "": "CODEOWNERS"}
"""Where a file is made when there is none."""

_TEAM = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_HANDLE = re.compile(r"@[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


class Forge(NamedTuple):
    """Where a repository lives, as far as owners are named there."""

    kind: str
    """github, gitlab, or empty for any other."""
    group: str
    """The organisation, or the group with those above it; empty when it is not known."""


class Place(NamedTuple):
    """A folder or a file, and the people its spec names for it."""

    path: str
    """From the root of the repository; a folder ends with a slash."""
    people: tuple[tuple[str, Path], ...]
    """Each as the spec writes it, and the place in the spec."""
    instead: str = ""
    """A mail address that stands in where none of them can be named."""


def forge_of(host: str, project: str) -> Forge:
    """Return the forge of a repository by its host and its path there."""
    kind = next((kind for kind in ("github", "gitlab") if kind in host), "")
    return Forge(kind, project.rpartition("/")[0].strip("/") if kind else "")


def handle(person: str, forge: Forge) -> str:
    """Return how a forge writes a person or a team; empty when it cannot.

    A team is a name in the organisation of the repository (``@org/team``), ``@user`` and ``@org/team`` stay as they are,
    and so does a mail address.
    """
    if _EMAIL.fullmatch(person):
        return person
    if _HANDLE.fullmatch(person):
        return person if forge.kind else ""
    if forge.group and _TEAM.fullmatch(person):
        return f"@{forge.group}/{person.lower()}"
    return ""


def places(tree: Mapping[str, object], files: Iterable[str], environments: Mapping[str, tuple[int, object]]) -> Iterator[Place]:
    """Yield the places of one project.

    ``tree`` is its spec, resolved; ``files`` are its spec, its lock and its folder; ``environments`` has for each folder of
    an environment the approvals it asks for and its reviewers. The team owns all of it. A folder of an environment that asks
    for approvals belongs to the reviewers alone: where a line names several owners, one of them is enough.
    """
    owner: Mapping[str, str] = tree["owner"]  # type: ignore[assignment]
    team: tuple[tuple[str, Path], ...] = ((owner["team"], ("owner", "team")),)
    mail = owner.get("email") or ""
    for path in files:
        yield Place(path, team, mail)
    for folder, (approvals, reviewers) in environments.items():
        named: list[str] = list(reviewers) if isinstance(reviewers, list | tuple) else []
        if approvals and named:
            yield Place(folder, tuple((person, ("governance", "reviewers", at)) for at, person in enumerate(named)))


def name(place: Place, forge: Forge) -> tuple[tuple[str, ...], tuple[tuple[str, Path], ...]]:
    """Return the owners of a place as the forge writes them, and those of them that it cannot name."""
    stand_in = place.instead if _EMAIL.fullmatch(place.instead) else ""
    written = [(handle(person, forge) or stand_in, person, at) for person, at in place.people]
    return tuple(dict.fromkeys(text for text, _, _ in written if text)), tuple((person, at) for text, person, at in written if not text)


def block(owned: Iterable[tuple[str, Iterable[str]]], forge: Forge) -> list[str]:
    """Return the lines of paths and their owners, sorted, so that a folder stands before what lies in it."""
    owners: dict[str, set[str]] = {}
    for path, people in owned:
        owners.setdefault(pattern(path), set()).update(people)
    width = max((len(path) for path in owners), default=0)
    lines = [f"{path.ljust(width)} {' '.join(sorted(people))}" for path, people in sorted(owners.items())]
    return ["[mlspec]", *lines] if lines and forge.kind == "gitlab" else lines


def pattern(path: str) -> str:
    """Return the pattern that matches a path from the root: no host lets every letter be escaped, so ``?`` stands for those."""
    kept = "".join("?" if letter in "*?[]\\#" or (letter != " " and not letter.isprintable()) else letter for letter in path)
    return "/" + kept.replace(" ", "\\ ")


@code("MLS-E730", "unnamed-owner")
def unnamed_owner(at: Path, person: str, forge: Forge) -> Found:
    """Those who own and review a project can be named in CODEOWNERS.

    `mlspec codeowners` writes `@org/team` for a team, with the organisation (on GitLab: the group) of `platform.repository.url`;
    `@user`, `@org/team` and mail addresses are taken as they stand. Where the host of the repository is another, or not
    known, only mail addresses can be written: give `owner.email`, and reviewers by their addresses.

    Bad (shell)::

        mlspec codeowners

    Good::

        owner: {team: ml, email: ml@acme.example}
        platform: {repository: {url: "https://github.com/acme/ml.git"}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if forge.group:
        expected, help_ = "a team's name, @user, @org/team or a mail address", "write the name as the host of the repository has it"
    else:
        expected, help_ = "a mail address: the organisation is not known", "give platform.repository.url, or a mail address"
    return Found(at, f'"{person}" cannot stand in CODEOWNERS; expected {expected}', help_)
