"""What set, promote and rollback have in common: a spec is edited, the edited file is judged, and only then put in place."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click

from mlspec.diagnostics import Diagnostic, Rejected, Unable, nearest

if TYPE_CHECKING:
    from mlspec.cli.console import Console
    from mlspec.compiler import Made
    from mlspec.promotion import Edit
    from mlspec.source.extends import Source


class Spec:
    """A spec that is to be edited: its file, what it says with its base files, and its text."""

    def __init__(self, file: FilePath) -> None:
        from mlspec.compiler import show
        from mlspec.source.extends import load
        from mlspec.source.files import read_file, repository_root

        self.file, self.shown = file, show(file)
        self.root = repository_root(file)
        self.data = read_file(file, self.shown)
        self.source: Source = load(file, self.root, show)

    @property
    def tree(self) -> dict[str, Any]:
        """What the spec says, base files included."""
        return self.source.tree


def spec_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SPEC."""
    return click.argument("spec", required=False, default="mlspec.yaml", metavar="[SPEC]", type=click.Path(path_type=FilePath))(command)


def known_environment(spec: Spec, name: str) -> str:
    """Return the name of an environment of a spec. Raises a usage error that offers the nearest when there is none."""
    from mlspec.plan.environments import environment_names

    known = environment_names(spec.tree)
    if name in known:
        return name
    near = nearest(name, known)
    raise click.UsageError(f"no environment named {name}; " + (f"did you mean {near}?" if near else f"there are {', '.join(known)}"))


class Draft:
    """A spec's file as it will be, judged: it compiles. It lies beside the old one until it is put in place or dropped."""

    def __init__(self, spec: Spec, text: bytes, beside: FilePath, made: Made, warnings: Sequence[Diagnostic]) -> None:
        self.spec, self.text, self._beside = spec, text, beside
        self.made = made
        """What it compiles to."""
        self.warnings = warnings
        """What was found on lines that are new."""

    @property
    def differs(self) -> bool:
        """Whether anything changes at all."""
        return self.text != self.spec.data

    def diff(self) -> Iterator[str]:
        """Yield the lines of a unified diff, without line ends."""
        from mlspec.reporters.printable import printable

        old, new = (data.decode("utf-8", "replace").splitlines() for data in (self.spec.data, self.text))
        for line in difflib.unified_diff(old, new, f"a/{self.spec.shown}", f"b/{self.spec.shown}", lineterm=""):
            yield printable(line)

    def put_in_place(self) -> None:
        """Replace the spec by the draft, in one step. Raises Unable (status 4) when somebody changed the spec in the meantime."""
        if self.spec.file.read_bytes() != self.spec.data:
            raise Unable(f"{self.spec.shown} was changed while it was being edited", "run again", status=4)
        os.replace(self._beside, os.path.realpath(self.spec.file))  # noqa: PTH105 - a link stays a link


class Drafting:
    """Holds a draft while it is looked at; what is not put in place is gone afterwards."""

    def __init__(self, spec: Spec, edits: Iterable[Edit]) -> None:
        self.spec, self.edits = spec, tuple(edits)

    def __enter__(self) -> Draft:
        """Write the draft and compile it. Raises Rejected when it is refused, Unable when an edit cannot be made."""
        from mlspec.promotion import onto_file
        from mlspec.source.amend import amend

        spec = self.spec
        document = spec.source.documents[0]
        text = spec.data.decode("utf-8", "surrogatepass")
        edited = amend(text, onto_file(document.tree, spec.tree, self.edits), spec.shown)
        data = edited.encode("utf-8", "surrogatepass")
        real = FilePath(os.path.realpath(spec.file))
        self._beside = spec.file.with_name(f".{spec.file.name}.{os.getpid()}")
        if real.parent != spec.file.resolve().parent or spec.file.is_symlink():
            self._beside = real.with_name(f".{real.name}.{os.getpid()}")
        try:
            write(self._beside, data, real.stat().st_mode & 0o777)
            made, warnings = self._compile(data)
        except BaseException:
            self.__exit__()
            raise
        return Draft(spec, data, self._beside, made, warnings)

    def __exit__(self, *_: object) -> None:
        """Remove what is left of the draft."""
        self._beside.unlink(missing_ok=True)

    def _compile(self, data: bytes) -> tuple[Made, list[Diagnostic]]:
        from mlspec.compiler import Request, compile_specs, show

        outcome = compile_specs(Request(paths=(self._beside,), texts=False, keep=True))
        name = show(self._beside)
        found = [_renamed(diagnostic, name, self.spec.shown) for diagnostic in outcome.diagnostics]
        if any(diagnostic.severity == "error" for diagnostic in found) or not outcome.projects:
            raise Rejected(found)
        made = outcome.projects[0].made
        assert made is not None
        old, new = (text.decode("utf-8", "replace").splitlines() for text in (self.spec.data, data))
        blocks = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes() if old != new else []
        lines = {line for tag, _, _, start, end in blocks if tag != "equal" for line in range(start + 1, end + 1)}
        return made, [diagnostic for diagnostic in found if diagnostic.site.file == self.spec.shown and diagnostic.site.line in lines]


def write(file: FilePath, data: bytes, mode: int) -> None:
    """Write a file that is about to take the place of another, down to the disk."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    file.chmod(mode)


def _renamed(diagnostic: Diagnostic, old: str, new: str) -> Diagnostic:
    """Return a diagnostic of the draft as one of the file that it will be."""

    def site(where: Any) -> Any:
        return replace(where, file=new) if where.file == old else where

    return replace(
        diagnostic,
        site=site(diagnostic.site),
        message=diagnostic.message.replace(old, new),
        related=tuple(replace(other, site=site(other.site)) for other in diagnostic.related),
    )


def finish(console: Console, draft: Draft, lines: Iterable[str], *, dry_run: bool, after: Iterable[str] = ()) -> None:
    """Put a draft in place, or show its diff, and say what was done."""
    console.report(draft.warnings, [draft.spec.shown])
    if not draft.differs:
        console.say("nothing to change")
        return
    for line in lines:
        console.say(line)
    if dry_run:
        for line in draft.diff():
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            if console.format == "text":
                click.echo(console.painted(line, colour) if colour else line, color=True)
        return
    draft.put_in_place()
    for line in after:
        console.say(line)
