"""The command codeowners."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console, compiling, examples, reporting

if TYPE_CHECKING:
    from mlspec.codeowners import Forge
    from mlspec.compiler import Compiled
    from mlspec.diagnostics import Diagnostic


@click.command(
    "codeowners",
    epilog=examples(
        ("mlspec codeowners", "print the lines"),
        ("mlspec codeowners --write", "put them into .github/CODEOWNERS, or where the repository has the file"),
        ("mlspec codeowners --check", "exit 1 when the file is not as the specs say"),
    ),
)
@click.option("--write", is_flag=True, help="Write the block; the rest of the file stays as it is.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the block is not as the specs say.")
@compiling
@reporting
@click.pass_obj
def command(console: Console, *, write: bool, check: bool, crds: Path | None, templates: Path | None) -> int:
    """Name the owners of every project of the repository, for the reviews of its host.

    The team owns spec, lock and tree; the tree of an environment that asks for approvals belongs to governance.reviewers.
    The lines stand between two marks in the file that the host reads; nothing else in it is touched.
    """
    from mlspec.block import put_block
    from mlspec.codeowners import block
    from mlspec.compiler import Request, compile_specs
    from mlspec.diagnostics import Rejected
    from mlspec.source.files import repository_root
    from mlspec.writers.replacement import replace

    if write and check:
        raise click.UsageError("--write and --check exclude each other")
    root = repository_root(Path("mlspec.yaml"))
    outcome = compile_specs(Request(paths=(root,), crds=crds, templates=templates, texts=False, keep=True))
    if any(diagnostic.severity == "error" for diagnostic in outcome.diagnostics):
        console.report(outcome.diagnostics, outcome.files)
        return 1
    forge = _forge(outcome.projects)
    owned: list[tuple[str, tuple[str, ...]]] = []
    found: list[Diagnostic] = []
    for project in outcome.projects:
        people, nameless = _lines(project, forge)
        owned += people
        found += nameless
    if found:
        raise Rejected(found)
    lines = block(owned, forge)
    file = _file(root, forge)
    if not (write or check):
        for line in lines:
            click.echo(line)
        return 0
    console.report((), outcome.files)
    shown = file.relative_to(root).as_posix()
    old = _read(file, shown)
    new = put_block(old, lines, shown)
    if new == old:
        console.say(f"{shown} is as the specs say")
        return 0
    if check:
        click.echo(f"{shown} is not as the specs say; run mlspec codeowners --write", err=True)
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    replace(root, file, new, old if file.exists() else None)
    console.say(f"{shown}: {'1 line' if len(lines) == 1 else f'{len(lines)} lines'}")
    return 0


def _forge(projects: tuple[Compiled, ...]) -> Forge:
    """Return the forge that the specs name; they are of one repository, so the first that names one is believed."""
    from mlspec.codeowners import Forge, forge_of
    from mlspec.repository.forges import host_of

    for project in projects:
        assert project.made
        repository = project.made.examined.plans[0].tree["platform"].get("repository")
        if repository:
            return forge_of(*host_of(repository["url"]))
    return Forge("", "")


def _lines(project: Compiled, forge: Forge) -> tuple[list[tuple[str, tuple[str, ...]]], list[Diagnostic]]:
    """Return the paths of a project with their owners, and what was found of those that cannot be named."""
    from mlspec.codeowners import name, places, unnamed_owner
    from mlspec.diagnostics import diagnose

    assert project.made
    plans = project.made.examined.plans
    inside = project.folders[0].rpartition("/")[0] + "/"
    root = plans[0].output["root"] + "/"
    beside = (path for path in project.tree if path.startswith(root) and not path.startswith(inside))  # what the GitOps system reads
    files = [plans[0].spec_file, project.lock_path, inside, *beside]
    environments = {
        f"{plan.folder}/": (plan.environments[plan.environment]["approvals"], (plan.tree.get("governance") or {}).get("reviewers"))
        for plan in plans
    }
    lines: list[tuple[str, tuple[str, ...]]] = []
    found: dict[tuple[object, ...], Diagnostic] = {}
    for place in places(plans[0].tree, files, environments):
        people, nameless = name(place, forge)
        lines.append((place.path, people))
        for person, at in nameless:
            found.setdefault(at, diagnose(unnamed_owner(at, person, forge), project.made.examined.source.mark))
    return lines, list(found.values())


def _file(root: Path, forge: Forge) -> Path:
    """Return the file that the host reads: the first of its places that is there, else the one to make."""
    from mlspec.codeowners import NEW, PLACES

    there = next((place for place in PLACES[forge.kind] if os.path.lexists(root / place)), NEW[forge.kind])
    return root / there


def _read(file: Path, shown: str) -> bytes:
    from mlspec.diagnostics import Unable

    if file.is_symlink():
        raise Unable(f"{shown} is a symbolic link, and mlspec writes through none", "put a real file there")
    return file.read_bytes() if file.exists() else b""
