"""From a line of a compiled file back to the template and the spec that made it."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, NamedTuple

from mlspec.diagnostics import Rejected, Unable
from mlspec.location import Mark, Path, Site, format_path, locate, walk
from mlspec.reporters.printable import printable

if TYPE_CHECKING:
    from mlspec.compiler import Compiled, Made
    from mlspec.render import Manifest
    from mlspec.trace import Cause

_HEADER = re.compile(r"# Written by mlspec from (.+?); ")
_REASONS = {
    "written": "written here",
    "base": "from a base file",
    "override": "overridden for this environment",
    "default": "a default",
    "computed": "computed",
    "lock": "kept in mlspec.lock",
    "patch": "changed by a patch",
}


class Origin(NamedTuple):
    """What is known of a line: what it says, and rows of role, place and remark."""

    title: str
    rows: tuple[tuple[str, str, str], ...]


def trace_line(file: FilePath, line: int, spec: FilePath | None, crds: FilePath | None, templates: FilePath | None) -> Origin:
    """Return what made a line of a compiled file, from a fresh compilation.

    Raises Unable where mlspec did not write the file, where the file is stale, or where the line says nothing;
    Rejected where the spec does not compile.
    """
    data = file.read_bytes()
    compiled = _compile(spec or _spec_of(file, data), crds, templates)
    path = next((path for path, made in compiled.tree.items() if file.absolute().as_posix().endswith("/" + path) and made == data), None)
    if path is None:
        raise Unable(f"{file} is not what {compiled.spec} compiles to", "run mlspec compile; mlspec check shows the difference")
    manifest, offset = _manifest_at(compiled, path, line)
    if manifest.object is None:
        return Origin(f"{path}:{line}", (("template", manifest.rendering.template, "a text"),))
    place, shown = _place_at(manifest, line - offset)
    return _describe(compiled, manifest, place, f"{path}:{line}  {manifest.name}  {shown}", templates)


def _spec_of(file: FilePath, data: bytes) -> FilePath:
    from mlspec.source.files import repository_root

    header = _HEADER.match(data.decode("utf-8", "replace"))
    if header is None:
        raise Unable(f"{file} does not say that mlspec wrote it", "name the spec: --spec mlspec.yaml", status=2)
    return repository_root(file) / header[1]


def _compile(spec: FilePath, crds: FilePath | None, templates: FilePath | None) -> Compiled:
    from mlspec.compiler import Request, compile_specs

    outcome = compile_specs(Request(paths=(spec,), crds=crds, templates=templates, keep=True))
    errors = [diagnostic for diagnostic in outcome.diagnostics if diagnostic.severity == "error"]
    if errors:
        raise Rejected(errors)
    return outcome.projects[0]


def _made(compiled: Compiled) -> Made:
    """Return what a project was made from, which was asked to be kept."""
    assert compiled.made is not None
    return compiled.made


def _manifest_at(compiled: Compiled, path: str, line: int) -> tuple[Manifest, int]:
    """Return the manifest that a line lies in, and the number of lines before its first."""
    from mlspec.tree import file_of

    manifests = [manifest for manifest in _made(compiled).manifests if file_of(manifest) == path]
    offset = 1 if path.endswith(".yaml") else 0  # the line that says who wrote the file
    for manifest in manifests:
        count = manifest.text.count("\n")
        if offset < line <= offset + count:
            return manifest, offset
        offset += count + 1  # the line between two objects
    raise Unable(f"line {line} of {path} belongs to no object", "name a line with a value", status=2)


def _place_at(manifest: Manifest, line: int) -> tuple[Path, str]:
    """Return the path of the value that stands on a line of an object, and the line itself."""
    from mlspec.source.reader import read

    document = read(manifest.text.encode(), "manifest")
    mark: Mark = document.mark
    place: Path = ()
    while (below := _child_at(mark, line)) is not None:
        part, mark = below
        place = (*place, part)
    return place, printable(document.text.line(line)).strip()


def _child_at(mark: Mark, line: int) -> tuple[str | int, Mark] | None:
    """Return the child whose key or value begins on a line, else the last one that begins above it."""
    children = mark.children
    if not children:
        return None
    found = None
    for part, child in children.items() if isinstance(children, dict) else enumerate(children):
        begin, _ = child.text.position(child.key_start if child.key_start >= 0 else child.start)
        if begin > line:
            break
        found = (part, child)
    if found is not None and found[1].key_start >= 0 and found[1].text.position(found[1].key_start)[0] == line and found[1].children:
        first, _ = found[1].text.position(found[1].start)
        return found if first >= line else None
    return found


def _describe(compiled: Compiled, manifest: Manifest, place: Path, title: str, templates: FilePath | None) -> Origin:
    from mlspec.library import Library
    from mlspec.trace import causes

    library = Library.load(templates, compiled.spec.parent, _made(compiled).examined.source.tree.get("templates"))
    rows: list[tuple[str, str, str]] = [("value", format_path(place), "")]
    rows += [("patch", *_site(manifest, path)) for path in manifest.patched]
    for cause in _nearest(causes(manifest, library), place):
        rows.append(("template", f"{cause.template}:{cause.line}", ""))
        rows += [("spec", *_site(manifest, path)) for path in cause.spec]
        rows += [("because of", *_site(manifest, path)) for path in cause.conditions if path not in cause.spec]
    return Origin(title, tuple(dict.fromkeys(rows)))


def _nearest(made: list[Cause], place: Path) -> list[Cause]:
    """Return the causes of a value: those of its own place, else those of what it holds, else those of what holds it."""
    own = [cause for cause in made if cause.place == place]
    below = [cause for cause in made if cause.place[: len(place)] == place]
    if own or below:
        return own or below
    above = [cause for cause in made if place[: len(cause.place)] == cause.place]
    deepest = max((len(cause.place) for cause in above), default=0)
    return [cause for cause in above if len(cause.place) == deepest]


def _site(manifest: Manifest, path: Path) -> tuple[str, str]:
    """Return where a path of the spec stands, and why it has its value."""
    root = manifest.plan.mark
    mark, depth = walk(root, path)
    site: Site = locate(root, path)
    reason = "default" if depth < len(path) else mark.why
    return f"{site.file}:{site.line}:{site.column}", f"{format_path(path)}, {_REASONS.get(reason, reason)}"
