"""The command doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mlspec import __version__
from mlspec.cli.console import Console, compiling, examples, speaking

Line = tuple[str, str, bool]
"""What was looked at, what was found, and whether mlspec can work with it."""

OLDEST_GIT = (2, 39)


@click.command(
    "doctor",
    epilog=examples(
        ("mlspec doctor", "versions, files, terminal"),
        ("mlspec doctor --cluster", "and which resource definitions the cluster has"),
    ),
)
@click.option("--cluster", is_flag=True, help="Ask the cluster of the current kubeconfig which definitions it has.")
@click.option("--context", help="Another context of the kubeconfig.")
@compiling
@speaking
@click.pass_obj
def command(console: Console, cluster: bool, context: str | None, crds: Path | None, templates: Path | None) -> int:
    """Say what mlspec finds on this machine: for a bug report, or when something does not work.

    Exits 3 where something is missing that mlspec cannot do without. Nothing secret is shown.
    """
    lines = [*_machine(), *_files(crds, templates)]
    if cluster:
        lines += _cluster(context)
    width = max(len(what) for what, _, _ in lines)
    for what, found, fine in lines:
        mark = console.painted("ok", "green") if fine else console.painted("!!", "red")
        click.echo(f"{mark}  {what.ljust(width)}  {found}")
    return 0 if all(fine for _, _, fine in lines) else 3


def _machine() -> Iterator[Line]:
    import platform

    yield "mlspec", __version__, True
    yield "python", platform.python_version(), sys.version_info >= (3, 11)
    yield "system", f"{platform.system()} {platform.machine()}", True
    yield _yaml()
    yield _git()
    yield "terminal", f"stdin {_tty(sys.stdin)}, stdout {_tty(sys.stdout)}, stderr {_tty(sys.stderr)}", True
    yield "encoding", sys.stdout.encoding or "unknown", True
    yield _exchange()


def _yaml() -> Line:
    import yaml

    fast = getattr(yaml, "__with_libyaml__", False)
    return "pyyaml", f"{yaml.__version__} {'with' if fast else 'without'} libyaml", bool(fast)


def _git() -> Line:
    import subprocess

    try:
        run = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "git", "not found; needed to commit and to compare with commits", False
    version = run.stdout.strip().removeprefix("git version ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return "git", version, numbers >= OLDEST_GIT


def _tty(stream: object) -> str:
    isatty = getattr(stream, "isatty", None)
    return "terminal" if isatty and isatty() else "no terminal"


def _exchange() -> Line:
    """Try whether two folders can be exchanged in one step here; without it a journal does the work."""
    import ctypes
    import os
    import tempfile

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return "exchange of folders", "not on this system; a journal is used", True
    with tempfile.TemporaryDirectory(dir=Path.cwd() if os.access(Path.cwd(), os.W_OK) else None, prefix=".mlspec-doctor-") as folder:
        one, other = Path(folder, "a"), Path(folder, "b")
        one.mkdir()
        other.mkdir()
        at_cwd, exchange = -100, 2
        done = renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0
    return "exchange of folders", "in one step (RENAME_EXCHANGE)" if done else "not on this file system; a journal is used", True


def _files(crds: Path | None, templates: Path | None) -> Iterator[Line]:
    from mlspec.resources import schemas_root, templates_root

    yield "schemas", str(schemas_root()), schemas_root().is_dir()
    yield "templates", str(templates_root()), templates_root().is_dir()
    if templates:
        yield "own templates", f"{templates}: {sum(1 for _ in templates.rglob('*.j2'))} files", True
    definitions = crds or schemas_root() / "crds"
    yield "resource definitions", f"{definitions}" if definitions.exists() else "built in", True


def _cluster(context: str | None) -> Iterator[Line]:
    from mlspec.cluster import EMITTED, installed_versions

    found = installed_versions(context)
    for name, version in EMITTED.items():
        versions = found.get(name, ())
        shown = ", ".join(versions) if versions else "not installed"
        yield name, shown if version in versions or not versions else f"{shown}; mlspec writes {version}", True
