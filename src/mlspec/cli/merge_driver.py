"""The command merge-driver: install, uninstall, run, finish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, paths, reporting, speaking

if TYPE_CHECKING:
    from mlspec.repository.clone import Clone


@click.group(
    "merge-driver",
    epilog=examples(
        ("mlspec merge-driver install", "once in every clone"),
        ("git merge feature", "stops where both sides changed one project"),
        ("mlspec merge-driver finish", "compile the merged specs; then git commit"),
    ),
)
def command() -> None:
    """Let git merge generated files: not as text, but by compiling the merged spec."""


def _clone() -> tuple[Clone, Path]:
    """Return this clone and its work tree. Raises Unable where there is none."""
    from mlspec.repository.clone import open_clone
    from mlspec.repository.troubles import no_work_tree

    clone = open_clone(Path())
    if clone.root is None:
        raise no_work_tree("a bare repository has no work tree to merge in", "run it in a clone with a work tree")
    return clone, clone.root


@command.command("install", epilog=examples(("mlspec merge-driver install", "write .gitattributes, tell this clone's git")))
@compiling
@reporting
@click.pass_obj
def install(console: Console, *, crds: Path | None, templates: Path | None) -> int:
    """Mark generated files in .gitattributes, and give this clone's git the driver for them.

    The lines of .gitattributes stand between two marks and are committed; nothing else in the file is touched. The
    configuration of git is not committed, so every clone is told once; one that was not told merges these files as text.
    """
    from mlspec.cli.merging import write_attributes, write_configuration
    from mlspec.compiler import Request, compile_specs

    clone, root = _clone()
    outcome = compile_specs(Request(paths=(root,), crds=crds, templates=templates, texts=False))
    console.report(outcome.diagnostics, outcome.files)
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        return 1
    changed = write_attributes(root, outcome.projects)
    write_configuration(clone)
    console.say(".gitattributes: written; commit it" if changed else ".gitattributes is as it should be")
    console.say("this clone's git now leaves generated files to mlspec")
    return 0


@command.command("uninstall", epilog=examples(("mlspec merge-driver uninstall", "git merges generated files as text again")))
@speaking
@click.pass_obj
def uninstall(console: Console) -> int:
    """Take back what install did: the lines between its two marks in .gitattributes, and this clone's configuration.

    Nothing else in these files is touched; a .gitattributes that holds nothing else is removed. Other clones keep their
    configuration, which does nothing once the lines are gone.
    """
    from mlspec.cli.merging import remove_attributes, remove_configuration

    clone, root = _clone()
    changed = remove_attributes(root)
    told = remove_configuration(clone)
    console.say(".gitattributes: the lines of mlspec are gone; commit it" if changed else ".gitattributes has no lines of mlspec")
    console.say("this clone's git merges generated files as text again" if told else "this clone's git did not know the driver")
    return 0


@command.command("run", epilog=examples(("mlspec merge-driver run %O %A %B %P", "what git calls")))
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("path")
@speaking
@click.pass_obj
def run(console: Console, *, base: Path, ours: Path, theirs: Path, path: str) -> int:
    """Merge one file; git calls this. OURS is overwritten; exit 1 leaves the file in conflict.

    A lock is merged fact by fact. A generated file stays as our side has it, and in conflict, for finish to write
    anew. Any other file, one that was edited by hand included, is merged as git merges text.
    """
    from mlspec.cli.merging import merge_file

    status, said = merge_file(base, ours, theirs, path)
    for line in said:
        console.say(line)
    return status


@command.command("finish", epilog=examples(("mlspec merge-driver finish", "then git commit, or git rebase --continue")))
@paths
@click.option("--overwrite-edits", is_flag=True, help="Replace generated files that one side edited by hand.")
@compiling
@reporting
@click.pass_obj
def finish(console: Console, *, paths: tuple[Path, ...], overwrite_edits: bool, crds: Path | None, templates: Path | None) -> int:
    """Compile the merged specs and settle the conflicts in generated files and locks; the index gets what was written.

    Works whether or not the driver was installed when git merged, in a merge, a rebase or a cherry-pick. Conflicts in specs are
    yours: solve them and git add them first (exit 4 until then). So are those in what a lock says of what serves.
    """
    from mlspec.cli.merging import finish_merge

    done = finish_merge(paths, overwrite_edits=overwrite_edits, crds=crds, templates=templates)
    console.report(done.diagnostics, done.files)
    if done.refused:
        return 1
    settled = f"{done.settled} conflicts settled" if done.settled else "no conflict in generated files"
    console.say(f"{settled}; {done.written} files written")
    for path in done.left:
        console.say(f"still in conflict: {path}")
    return 0
