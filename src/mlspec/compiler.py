"""The line from bytes to a tree: read, parse, check, resolve, render, conform. Writing is someone else's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from mlspec.artifacts import Attic, Tree, digest
from mlspec.conform import Kinds
from mlspec.diagnostics import Diagnostic, Finding, Rejected
from mlspec.examine import Examined, examine, once
from mlspec.library import Library
from mlspec.location import Mark
from mlspec.lock import NAME, Fact, Lock, emit_lock, parse_lock
from mlspec.plan.pins import pin_files
from mlspec.plan.plan import Plan
from mlspec.render import Manifest, apply_patches, choose, conform, fill, twins, unheard
from mlspec.source.files import find_specs, repository_root
from mlspec.source.suppress import suppress
from mlspec.target import Target
from mlspec.targets import find_targets
from mlspec.trace import origin
from mlspec.tree import assemble, lock_path

MOST_IN_MEMORY = 32 * 1024 * 1024
"""Bytes of trees that are kept in memory until all projects are right; those of further projects wait in a temporary file."""


class Request(NamedTuple):
    """What is to be compiled, and against what."""

    paths: tuple[FilePath, ...]
    environments: tuple[str, ...] = ()
    """Only these; all of them when empty."""
    out: FilePath | None = None
    """A folder that stands for the root of the repository when the old lock is read."""
    crds: FilePath | None = None
    """A folder of CRDs that replace the built-in schemas of their kinds."""
    templates: FilePath | None = None
    """A folder of templates that replace built-in ones."""
    texts: bool = True
    """Whether built-in texts (the tree's README) are wanted; nothing in a spec can make them fail."""
    keep: bool = False
    """Whether what each project was made from is kept, for tracing; a fleet has no memory to spare for it."""
    live: Mapping[str, Mapping[str, Fact]] | None = None
    """What serves, instead of what the old lock says; for a rollout's step, and with one spec."""
    text: bytes | None = None
    """What the spec would hold, instead of what its file does; for an edit, and with one spec."""


class Made(NamedTuple):
    """What a project was made from."""

    examined: Examined
    manifests: tuple[Manifest, ...]


class Compiled(NamedTuple):
    """One project, compiled."""

    name: str
    spec: FilePath
    root: FilePath
    tree: Tree
    old: Lock | None
    lock: Lock
    lock_path: str
    """The lock's path from the root of the repository."""
    environments: tuple[str, ...]
    folders: tuple[str, ...]
    """The folder of each environment, from the root of the repository."""
    claim: tuple[Mapping[str, Any], Mark]
    """What other projects must not say as well, and where it stands."""
    made: Made | None
    quiet: bool
    """Whether nothing at all was found: there is nothing to be said again."""
    inputs: Mapping[FilePath, str]
    """The files that it was made from, with their SHA-256 where the lock holds it."""
    template_folders: tuple[FilePath, ...]
    """Folders of templates beside the built-in ones."""


class Outcome(NamedTuple):
    """What a compilation gave: the projects that are right, and everything that was found."""

    projects: tuple[Compiled, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    conformed: Mapping[str, int]
    """How many objects were held against which schemas."""
    notes: tuple[str, ...] = ()


def compile_specs(request: Request) -> Outcome:
    """Compile every spec of a request. Nothing is written. Raises Unable for what cannot be read."""
    specs = find_specs(request.paths)
    conformed: dict[str, int] = {}
    projects: list[Compiled] = []
    found: list[Diagnostic] = []
    kinds: dict[FilePath | None, Kinds] = {}
    attic = Attic(MOST_IN_MEMORY)
    for spec in specs:
        root = repository_root(spec)
        crds = request.crds or own_crds(root)
        if crds not in kinds:
            kinds[crds] = Kinds.load(crds)
        try:
            compiled, diagnostics = compile_spec(spec, root, request, kinds[crds], conformed)
        except Rejected as rejected:
            found += rejected.diagnostics
        else:
            projects.append(compiled._replace(tree=attic.take(compiled.tree)))
            found += diagnostics
    found += disagreements(projects)
    notes = tuple(dict.fromkeys(note for entry in kinds.values() for note in entry.notes))
    return Outcome(tuple(projects), tuple(sorted(found, key=lambda d: d.order)), tuple(show(spec) for spec in specs), conformed, notes)


def compile_spec(
    spec: FilePath, root: FilePath, request: Request, kinds: Kinds, conformed: dict[str, int]
) -> tuple[Compiled, list[Diagnostic]]:
    """Compile one spec. Raises Rejected with everything that was found when any of it is an error."""
    where = lock_path(spec, root)
    old = _read_lock((request.out or root) / where, where)
    live_before = request.live if request.live is not None else old.live if old else {}
    examined = examine(spec, root, show, live_before, request.text)
    library = Library.load(request.templates, spec.parent, examined.source.tree.get("templates"), examined.source.mark)
    manifests, live, found = render(examined, library, kinds, conformed, request.texts)
    diagnostics = suppress([*examined.diagnostics, *once(found, len(examined.plans))], examined.source.documents)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        raise Rejected(diagnostics)
    tree = assemble(examined, manifests)
    files = {path: digest(data) for path, data in tree.items()}
    lock = Lock(
        inputs={path: f"sha256:{value}" for path, value in examined.source.digests.items()}, pins=examined.pins, live=live, files=files
    )
    names = tuple(plan.environment for plan in examined.plans)
    folders = tuple(plan.folder for plan in examined.plans)
    made = Made(examined, tuple(manifests)) if request.keep else None
    read = [file for plan in examined.plans for file in pin_files(plan.tree, spec.parent)]
    inputs = {root / path: value for path, value in examined.source.digests.items()} | dict.fromkeys(read, "")
    compiled = Compiled(
        examined.name,
        spec,
        root,
        tree,
        old,
        lock,
        where,
        names,
        folders,
        _claim(examined),
        made,
        not diagnostics,
        inputs,
        library.folders[:-1],
    )
    return compiled, list(diagnostics)


def _claim(examined: Examined) -> tuple[Mapping[str, Any], Mark]:
    """Return the name of a project and what it asks of the CI systems of its repository, so that nothing else of it is kept."""
    claim = {"name": examined.name, "root": str(examined.root), "ci": _ci(examined.plans)}
    return claim, _prune(examined.source.mark, {"name": {}, "platform": {"ci": {}, "repository": {}}})


def _ci(plans: tuple[Plan, ...]) -> dict[str, dict[str, Any]]:
    """Return what is asked of each CI system: its settings, and the branches that are deployed."""
    platforms = [plan.tree["platform"] for plan in plans]
    branches = sorted({platform["repository"]["branch"] if "repository" in platform else "main" for platform in platforms})
    return {system["word"]: {**system[system["word"]], "branches": branches} for system in platforms[0]["ci"]}


def _prune(mark: Mark, wanted: Mapping[str, Any]) -> Mark:
    """Return a mark with the wanted ones of those below it alone."""
    kept = {key: _prune(child, below) if below else child for key, below in wanted.items() if (child := mark.child(key))}
    return Mark(mark.text, mark.start, mark.end, mark.key_start, mark.key_end, kept or None, mark.why)


def render(
    examined: Examined, library: Library, kinds: Kinds, conformed: dict[str, int], texts: bool
) -> tuple[list[Manifest], dict[str, Any], list[Diagnostic]]:
    """Render every environment and what the project has once; return manifests, what goes live, and what was found."""
    manifests: list[Manifest] = []
    live: dict[str, Any] = {}
    found: list[Diagnostic] = []
    once: dict[str, Target] = {}
    for plan in examined.plans:
        targets, made, findings = populate(plan, library)
        once |= {target.name: target for target in targets if target.render_project}
        if not findings:
            findings += unheard(
                plan, [target.section for target in targets if target.section], {t.section: t.platform[1] for t in targets if t.platform}
            )
            findings += apply_patches(plan, made)
            faults = list(conform(made, kinds, lambda manifest, path: origin(manifest, path, library), conformed))
            findings += faults or twins(made, lambda manifest, path: origin(manifest, path, library))
            manifests += made
            live |= {
                f"{plan.environment}/{name}": facts
                for target in targets
                if target.live
                for name, facts in target.live(plan.watched()).items()
            }
        found += examined.diagnose(findings, plan)
    if not found:
        plans = tuple(plan.watched() for plan in examined.plans)
        made = populate_once(plans, once.values(), library, texts=texts)
        faults = list(conform(made, kinds, lambda manifest, path: origin(manifest, path, library), conformed))
        found += examined.diagnose(faults, plans[0])
        manifests += made
    return manifests, live, found


def populate(plan: Plan, library: Library) -> tuple[list[Target], list[Manifest], list[Finding]]:
    """Return the targets of an environment and what they make, before patches; where they find faults, these and nothing made."""
    targets, findings = choose(plan, find_targets())
    for target in targets:
        findings += target.check(plan.watched())
    made = [] if findings else [manifest for target in targets for manifest in fill(plan, target.render(plan), library)]
    return targets, made, findings


def populate_once(plans: tuple[Plan, ...], targets: Iterable[Target], library: Library, *, texts: bool) -> list[Manifest]:
    """Return what a project has once for all of its environments."""
    return [
        manifest
        for target in targets
        if target.render_project
        for manifest in fill(plans[0], target.render_project(plans), library, texts=texts)
    ]


def disagreements(projects: list[Compiled]) -> list[Diagnostic]:
    """Return where projects of one run contradict each other."""
    from mlspec.checks.fleet import check_fleet

    return check_fleet([compiled.claim for compiled in projects])


def emit_project_lock(compiled: Compiled) -> bytes:
    """Return the text of a project's new lock."""
    return emit_lock(compiled.lock)


def show(path: FilePath) -> str:
    """Return a path as people write it: relative to the working directory where it lies below."""
    try:
        return path.resolve().relative_to(FilePath.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()


def own_crds(root: FilePath) -> FilePath | None:
    """Return the folder of CRDs that a repository brings."""
    folder = root / ".mlspec" / "crds"
    return folder if folder.is_dir() else None


def _read_lock(path: FilePath, name: str) -> Lock | None:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse_lock(data, name)


__all__ = ["NAME", "Compiled", "Outcome", "Request", "compile_specs", "emit_project_lock"]
