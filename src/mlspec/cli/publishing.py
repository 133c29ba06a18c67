"""From compiled projects to what a writer takes: one publication a root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlspec.artifacts import Tree
    from mlspec.compiler import Compiled
    from mlspec.writers.publication import Output, Publication


def publications(
    projects: Sequence[Compiled], out: Path | None, environments: Sequence[str] = (), *, overwrite_edits: bool = False
) -> list[Publication]:
    """Return what is to be published: below ``out``, else in the repository of each project."""
    from mlspec.writers.publication import Publication

    by_root: dict[str, list[Output]] = {}
    for project in projects:
        root = str((out or project.root).absolute())
        by_root.setdefault(root, []).append(_output(project, environments))
    return [Publication(root, outputs, overwrite_edits, _others(root, outputs)) for root, outputs in by_root.items()]


def heal_roots(paths: Sequence[Path], out: Path | None) -> None:
    """Finish what killed runs began, before anything is read. Raises Unable when another run is alive (exit 4)."""
    from mlspec.source.files import find_specs, repository_root
    from mlspec.writers.disk import heal

    for root in {out.absolute()} if out else {repository_root(spec) for spec in find_specs(paths)}:
        heal(str(root))


def narrow(project: Compiled, environments: Sequence[str]) -> Tree:
    """Return the tree of a project, or the part of it that belongs to some environments."""
    if not environments:
        return project.tree
    from mlspec.artifacts import Tree

    folders = tuple(f"{folder}/" for name, folder in zip(project.environments, project.folders, strict=True) if name in environments)
    return Tree({path: data for path, data in project.tree.items() if path.startswith(folders)}, project.name)


def _output(project: Compiled, environments: Sequence[str]) -> Output:
    from mlspec.lock import emit_lock
    from mlspec.writers.publication import Output

    tree = narrow(project, environments)
    lock = project.lock._replace(files={path: project.lock.files[path] for path in tree}) if environments else project.lock
    folder = project.folders[0].rpartition("/")[0]
    return Output(project.name, folder, tree, project.lock_path, emit_lock(lock), project.old)


def _others(root: str, outputs: Sequence[Output]) -> dict[str, str]:
    """Return what other projects of a root own, where it matters: when a file outside a project's folder goes away or changes.

    Such a file may be shared (that of a CI system). Another project may have written it since, so that its lock alone knows it.
    """
    wanted = {path for output in outputs for path in output.tree}
    leaving = [
        path
        for output in outputs
        if output.old
        for path in output.old.files
        if path not in wanted and not path.startswith(f"{output.folder}/")
    ]
    if not leaving and not any(_changes(root, output) for output in outputs):
        return {}
    from mlspec.lock import NAME, parse_lock
    from mlspec.source.files import find_specs

    mine = {output.lock_path for output in outputs}
    owned: dict[str, str] = {}
    for spec in find_specs([Path(root)]):
        lock = spec.with_name(NAME)
        name = lock.relative_to(root).as_posix()
        if name not in mine and lock.is_file():
            for path, known in parse_lock(lock.read_bytes(), name).files.items():
                if owned.setdefault(path, known) != known and known == _digest_of(Path(root, path)):
                    owned[path] = known  # of projects that share a file, the one that wrote it last
    return owned


def _changes(root: str, output: Output) -> bool:
    """Tell whether a file outside a project's folder is another on the disk than both the new one and the one of its lock."""
    from mlspec.artifacts import digest

    known = output.old.files if output.old else {}
    shared = (path for path in output.tree if not path.startswith(f"{output.folder}/"))
    return any(_digest_of(Path(root, path)) not in (None, digest(output.tree[path]), known.get(path)) for path in shared)


def _digest_of(file: Path) -> str | None:
    from mlspec.artifacts import digest

    try:
        return digest(file.read_bytes())
    except OSError:
        return None
