"""What mlspec says about a spec: findings (by path), diagnostics (by place), and the permanent codes of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from mlspec.location import Mark, Path, Site, SourceText, locate, walk

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Code:
    """A permanent code. Its manual page is the docstring of the function that raises it."""

    id: str
    name: str
    severity: Severity
    text: str
    """The docstring as it stands in the source."""
    security: bool
    """Security codes cannot be ignored by a comment in the spec."""

    @property
    def page(self) -> str:
        """The manual page."""
        from inspect import cleandoc

        return cleandoc(self.text)

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.page.split("\n", 1)[0]


_GENERATOR = 0x20
"""The flag of a generator function's code (inspect.CO_GENERATOR); inspect itself is dear to import."""

CODES: dict[str, Code] = {}
"""Every code by its id; filled once, when the modules that raise them are imported (see mlspec.catalogue)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found, before it has a code: a place by path, what is wrong, what to do."""

    path: Path
    message: str
    help: str = ""
    on: Literal["key", "value"] = "value"
    label: str = ""
    """A few words that stand under the caret."""
    related: tuple[tuple[Path, str], ...] = ()
    """Other places that have part in it, each with a few words."""
    mark: Mark | None = None
    """The place itself, where no path leads to it (text that is not data yet)."""
    related_sites: tuple[tuple[Site, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of one code, placed by path."""

    code: Code
    found: Found
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that has part in a diagnostic."""

    site: Site
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding with its place in a file: what people and machines read."""

    code: str
    severity: Severity
    message: str
    site: Site
    help: str = ""
    label: str = ""
    related: tuple[Related, ...] = ()
    environment: str = ""
    notes: tuple[str, ...] = ()
    path: str = field(default="", compare=False)

    @property
    def order(self) -> tuple[Any, ...]:
        """The order in which diagnostics are shown: by place, then by code."""
        return (self.site, self.code, self.message, self.environment)


class Rejected(Exception):  # noqa: N818 - it is not an error of mlspec
    """The input was refused; the one exception that leaves a stage for an expected reason."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: d.order))
        super().__init__("; ".join(f"{d.site.file}:{d.site.line}:{d.site.column} {d.code} {d.message}" for d in self.diagnostics))


class Unable(Exception):  # noqa: N818 - it is not an error of mlspec
    """The surroundings do not allow it: a file that cannot be read, an output root that is not a folder (exit 3)."""

    def __init__(self, message: str, help: str = "", *, status: int = 3) -> None:  # noqa: A002
        self.message, self.help, self.status = message, help, status
        self.code: Code | None = None
        """Given by ``code`` to what its functions return; None for all that has no page of its own (MLS-E090)."""
        super().__init__(message)


if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ParamSpec, Protocol, overload

    P = ParamSpec("P")

    class Register(Protocol):
        """What ``code`` returns: it makes findings of what a function finds."""

        @overload
        def __call__(self, function: Callable[P, Found]) -> Callable[P, Finding]: ...
        @overload
        def __call__(self, function: Callable[P, Iterator[Found]]) -> Callable[P, list[Finding]]: ...
        @overload
        def __call__(self, function: Callable[P, Unable]) -> Callable[P, Unable]: ...


def code(id: str, name: str, *, severity: Severity = "error", security: bool = False) -> Register:  # noqa: A002
    """Give a function a permanent code; what it returns or yields (Found) becomes findings of that code.

    The function either builds one ``Found`` from its arguments, or is a check: a generator of ``Found``; or it builds an
    ``Unable``, which gets the code and is raised by whoever called. Its docstring
    is the manual page: a first line that states the rule, why it is so, and the sections ``Bad::`` and ``Good::`` with an
    indented example each (a whole spec, or the part of one). Raises ValueError when the id is taken.
    """

    def register(function: Callable[..., Any]) -> Any:
        if id in CODES:
            raise ValueError(f"code {id} is taken by {CODES[id].name}")
        entry = CODES[id] = Code(id, name, severity, function.__doc__ or "", security)
        if function.__code__.co_flags & _GENERATOR:

            def check(*arguments: Any, **options: Any) -> Any:
                return [Finding(entry, found) for found in function(*arguments, **options)]

        else:

            def check(*arguments: Any, **options: Any) -> Any:
                made = function(*arguments, **options)
                if isinstance(made, Unable):
                    made.code = entry
                    return made
                return Finding(entry, made)

        check.__name__ = function.__name__
        check.__doc__ = function.__doc__
        check.__module__ = function.__module__
        check.code = entry  # type: ignore[attr-defined]
        return check

    return register


def diagnose(finding: Finding, root: Mark) -> Diagnostic:
    """Turn a finding into a diagnostic with the marks of the data it speaks of."""
    found = finding.found
    if found.mark is not None:
        site = found.mark.key_site() if found.on == "key" else found.mark.value_site()
    else:
        site = locate(root, found.path, found.on)
    related = [Related(locate(root, path, "key"), message) for path, message in found.related]
    related += [Related(where, message) for where, message in found.related_sites]
    if finding.code.security:
        site = replace(site, excerpt="")
    diagnostic = Diagnostic(
        finding.code.id,
        finding.code.severity,
        found.message,
        site,
        found.help,
        found.label,
        tuple(related),
        finding.environment,
        found.notes,
        "/".join(map(str, found.path)),
    )
    return _keep_secrets(diagnostic, _texts(found, root))


def _texts(found: Found, root: Mark) -> list[SourceText]:
    """Return the texts that a finding may have quoted."""
    marks = [root, *([found.mark] if found.mark is not None else [walk(root, found.path)[0]])]
    marks += [walk(root, path)[0] for path, _ in found.related]
    return list({id(mark.text): mark.text for mark in marks}.values())


def _keep_secrets(diagnostic: Diagnostic, texts: Iterable[SourceText]) -> Diagnostic:
    """Leave out of what is said whatever looks like a secret in the texts that it speaks of."""
    secrets = frozenset[str]().union(*(text.hidden for text in texts))
    if not secrets:
        return diagnostic
    from mlspec.secrecy import mask

    return replace(
        diagnostic,
        message=mask(diagnostic.message, secrets),
        help=mask(diagnostic.help, secrets),
        label=mask(diagnostic.label, secrets),
        related=tuple(Related(other.site, mask(other.message, secrets)) for other in diagnostic.related),
        notes=tuple(mask(note, secrets) for note in diagnostic.notes),
    )


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant: at most max(1, a third of its length) edits away; None when none is near."""
    best: str | None = None
    limit = limit_of_best = max(1, len(word) // 3)
    for candidate in sorted(words):
        if candidate.lower().replace("_", "").replace("-", "") == word.lower().replace("_", "").replace("-", ""):
            return candidate
        if abs(len(candidate) - len(word)) > limit:
            continue
        distance = _distance(word.lower(), candidate.lower(), limit)
        if distance <= limit and (best is None or distance < limit_of_best):
            best, limit_of_best = candidate, distance
    return best


def _distance(a: str, b: str, limit: int) -> int:
    """Return the number of edits (insert, delete, replace, swap of neighbours) between two words, or limit + 1."""
    before: list[int] = []
    last: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, last, row = last if i > 1 else [], row, [i]
        for j, other in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
