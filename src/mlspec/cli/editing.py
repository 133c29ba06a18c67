"""What set, promote and rollback have in common: a spec is edited, the edited text is judged, and only then put in place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click

from mlspec.diagnostics import Diagnostic, Rejected, nearest

if TYPE_CHECKING:
    from mlspec.cli.console import Console
    from mlspec.compiler import Made
    from mlspec.promotion.placement import Edit
    from mlspec.source.extends import Source


class Spec:
    """A spec that is to be edited: its file, what it says with its base files, and its text."""

    def __init__(self, file: FilePath, *, dry_run: bool) -> None:
        """Read a spec; unless it is only looked at, clear away first what a killed run has left."""
        from mlspec.compiler import show
        from mlspec.source.extends import load
        from mlspec.source.files import read_file, repository_root

        self.file, self.shown = file, show(file)
        self.root = repository_root(file)
        if not dry_run:
            from mlspec.writers.replacement import clear

            clear(self.root, file)
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
    """A spec as it will be, judged: it compiles. It is in memory alone until it is put in place."""

    def __init__(self, spec: Spec, text: bytes, made: Made, warnings: Sequence[Diagnostic]) -> None:
        self.spec, self.text = spec, text
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
        from mlspec.writers.replacement import replace

        replace(self.spec.root, self.spec.file, self.text, self.spec.data)


def make_draft(spec: Spec, edits: Iterable[Edit]) -> Draft:
    """Edit a spec and compile what comes of it; nothing is written. Raises Rejected when it is refused, Unable when it cannot be edited."""
    return judge(spec, edited(spec.data, spec.source, edits, spec.shown))


def judge(spec: Spec, data: bytes) -> Draft:
    """Compile what a spec is to become; nothing is written. Raises Rejected when it is refused."""
    return Draft(spec, data, *_compile(spec, data))


def edited(data: bytes, source: Source, edits: Iterable[Edit], shown: str) -> bytes:
    """Return a spec's file with edits of the whole spec, base files included. Raises Unable when it cannot be edited."""
    from mlspec.promotion.placement import onto_file
    from mlspec.source.amend import amend

    text = amend(data.decode("utf-8", "surrogatepass"), onto_file(source.documents[0].tree, source.tree, tuple(edits)), shown)
    return text.encode("utf-8", "surrogatepass")


def _compile(spec: Spec, data: bytes) -> tuple[Made, list[Diagnostic]]:
    from mlspec.compiler import Request, compile_specs

    outcome = compile_specs(Request(paths=(spec.file,), texts=False, keep=True, text=data))
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics) or not outcome.projects:
        raise Rejected(outcome.diagnostics)
    made = outcome.projects[0].made
    assert made is not None
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (spec.data, data))
    blocks = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes() if old != new else []
    lines = {line for tag, _, _, start, end in blocks if tag != "equal" for line in range(start + 1, end + 1)}
    return made, [diagnostic for diagnostic in outcome.diagnostics if diagnostic.site.file == spec.shown and diagnostic.site.line in lines]


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
