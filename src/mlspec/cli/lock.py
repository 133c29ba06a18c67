"""The command lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlspec.cli.console import Console, examples, paths, reporting
from mlspec.diagnostics import Diagnostic, Found, Unable, code, diagnose
from mlspec.location import Mark, SourceText

if TYPE_CHECKING:
    from mlspec.lock import Lock


@code("MLS-E728", "stale-pin")
def _stale_pin(mark: Mark, name: str, held: str, now: str) -> Found:
    """The pins in the lock are what the files of the repository give now.

    A pin says which data and which model a tree was compiled for: for data under DVC the MD5 in a `.dvc` file or in `dvc.lock`.
    When such a file, or a version in the spec, was changed and nothing compiled, the tree speaks of other data than the
    repository does.

    Bad (shell)::

        mlspec compile
        sed -i 's/1\\.0\\.0/2.0.0/g' mlspec.yaml
        mlspec lock --check --format json

    Good (shell)::

        mlspec compile
        mlspec lock --check --format json
    """
    return Found(
        (), f"{name} is pinned to {held or 'nothing'}; the repository has {now or 'nothing'}", "run mlspec compile, and commit", mark=mark
    )


@click.command(
    "lock",
    epilog=examples(
        ("mlspec lock --check", "whether the pins of every lock below this folder hold; exit 1 when not"),
        ("mlspec lock churn/mlspec.yaml", "write the pins of one spec anew"),
    ),
)
@paths
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where a pin is not what the repository's files give.")
@reporting
@click.pass_obj
def command(console: Console, paths: tuple[Path, ...], check: bool) -> int:
    """Pin data and model versions as the files of the repository give them now: .dvc files, dvc.lock and the specs.

    PATH is a spec, or a folder that is searched for files named mlspec.yaml; without one, this folder. Only the section `pins` of
    each mlspec.lock is written; mlspec compile writes the whole lock, and all that follows from a pin.
    """
    from mlspec.cli.publishing import heal_roots
    from mlspec.lock import NAME, emit_lock
    from mlspec.source.files import find_specs, repository_root
    from mlspec.writers.replacement import replace

    if not check:
        heal_roots(paths or (Path(),), None)
    found: list[Diagnostic] = []
    files: list[str] = []
    specs = find_specs(paths or (Path(),))
    if not specs:
        console.say("no mlspec.yaml was found")
    for spec in specs:
        lock, name, now = _pins(spec)
        files.append(name)
        stale = _differences(lock.pins, now)
        if check:
            found += [_diagnose(name, fact, lock, now) for fact in stale]
        elif stale:
            replace(repository_root(spec), spec.with_name(NAME), emit_lock(lock._replace(pins=now)), emit_lock(lock))
            for fact in stale:
                console.say(f"{name}: {fact}: {lock.pins.get(fact, 'nothing')} → {now.get(fact, 'nothing')}")
        if not stale:
            console.say(f"{name}: {len(now)} {'pin holds' if len(now) == 1 else 'pins hold'}")
    console.report(found, files)
    return int(bool(found))


def _pins(spec: Path) -> tuple[Lock, str, Mapping[str, str]]:
    """Return a spec's lock, the lock's name, and the pins as they are now. Raises Unable when there is no lock."""
    from mlspec.compiler import show
    from mlspec.examine import examine
    from mlspec.lock import NAME, parse_lock
    from mlspec.source.files import read_file, repository_root

    examined = examine(spec, repository_root(spec), show, {})
    file = spec.with_name(NAME)
    name = show(file)
    if not file.exists():
        raise Unable(f"there is no {name}", "run mlspec compile, which writes it", status=1)
    return parse_lock(read_file(file, name), name), name, examined.pins


def _differences(held: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    return [name for name in sorted({*held, *now}) if held.get(name) != now.get(name)]


def _diagnose(file: str, name: str, lock: Lock, now: Mapping[str, str]) -> Diagnostic:
    """Return the diagnostic of one pin, at its line of the lock, or where it would stand."""
    from mlspec.lock import emit_lock

    text = emit_lock(lock).decode()
    start = max(text.find(f'  "{name}": ') if name in lock.pins else text.find("pins:"), 0)
    end = text.find("\n", start)
    mark = Mark(SourceText(file, text), start, end)
    return diagnose(_stale_pin(mark, name, str(lock.pins.get(name, "")), now.get(name, "")), mark)
