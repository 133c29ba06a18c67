"""The command commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, reporting

if TYPE_CHECKING:
    from mlspec.cli.committing import Done


@click.command(
    "commit",
    epilog=examples(
        ("mlspec commit", "compile the last commit of this branch, commit what comes of it"),
        ("mlspec commit --push", "the same for the branch on the remote: what a bot does"),
        ("mlspec commit --pr", "push to mlspec/<branch> and open a pull request"),
        ("mlspec commit --from main --branch deploy --push", "specs on one branch, manifests on another"),
    ),
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="BRANCH", help="The branch whose specs are compiled; else the one that is checked out.")
@click.option("--branch", "target", metavar="BRANCH", help="The branch that gets the commit; else the same one.")
@click.option("--pr", "propose", is_flag=True, help="Push to the branch mlspec/<branch>, and open or update a pull or merge request.")
@click.option("--push", is_flag=True, help="Start from the branch on the remote, and push to it; nothing in this clone moves.")
@click.option("--remote", default="origin", show_default=True, help="The remote for --push and --pr.")
@click.option("--message", metavar="TEXT", help="The message; trailers that name the source are added.")
@click.option("--author-name", metavar="NAME", help="Who commits; else GIT_AUTHOR_NAME, else git's user.name.")
@click.option("--author-email", metavar="EMAIL", help="The address; else GIT_AUTHOR_EMAIL, else git's user.email.")
@click.option("--overwrite-edits", is_flag=True, help="Replace generated files that were edited by hand and committed.")
@click.option("-v", "--verbose", is_flag=True, help="List the files that changed.")
@compiling
@reporting
@click.pass_obj
def command(
    console: Console,
    *,
    paths: tuple[Path, ...],
    source: str | None,
    target: str | None,
    propose: bool,
    push: bool,
    remote: str,
    message: str | None,
    author_name: str | None,
    author_email: str | None,
    overwrite_edits: bool,
    verbose: bool,
    crds: Path | None,
    templates: Path | None,
) -> int:
    """Compile what a branch has committed, and commit the result: generated files and locks, nothing else.

    Your work tree, your index and your uncommitted changes stay as they are; changes to a spec that are not committed
    are not compiled. Where the branch has these files already, there is no commit, and the exit is 0 all the same.

    With --push, a branch that somebody else has moved in the meantime is fetched and compiled again, up to ten times
    (then exit 4); nothing is merged as text, nothing is forced. A branch of its own (--branch, --pr) is left alone, with
    exit 4, once a person has committed on it.

    The id of the new commit is printed on stdout; nothing when there is none.
    """
    from mlspec.cli.committing import Order, carry_out

    if propose and target:
        raise click.UsageError("--branch and --pr exclude each other: --pr has a branch of its own")
    order = Order(
        paths=paths,
        source=source,
        target=target,
        propose=propose,
        remote=remote if push or propose else None,
        message=message,
        author=(author_name, author_email),
        overwrite_edits=overwrite_edits,
        crds=crds.absolute() if crds else None,
        templates=templates.absolute() if templates else None,
    )
    tell(console, carry_out(order), verbose=verbose)
    return 0


def tell(console: Console, done: Done, *, verbose: bool) -> None:
    """Say what was done: for people on stderr, the new commit alone on stdout."""
    console.report(done.diagnostics, done.files)
    if done.commit is None:
        console.say(f"nothing to commit: {done.branch} has what its specs compile to")
    else:
        if verbose:
            for path, data in done.changes.items():
                console.say(f"  {'-' if data is None else '+'} {path}")
        names = ("created", "updated", "removed")
        counts = ", ".join(f"{count} {name}" for count, name in zip(done.counts, names, strict=True) if count)
        console.say(f"{done.commit[:12]} on {done.branch}{' (pushed)' if done.pushed else ''}: {counts or 'no files'}")
        if console.format == "text":
            click.echo(done.commit)
    for line in done.notes:
        console.say(line)
