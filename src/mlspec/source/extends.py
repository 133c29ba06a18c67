"""A spec and the base files that it extends, merged into one tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlspec.diagnostics import Diagnostic, Finding, Found, Rejected, Unable, code, diagnose, nearest
from mlspec.location import Mark, SourceText
from mlspec.source import limits
from mlspec.source.files import read_file
from mlspec.source.layers import Layer, merge
from mlspec.source.reader import Document, read

KEY = "extends"
REQUIRED = ("apiVersion", "name", "owner")
"""A null under any other key at the top stands for a key that is not written."""


class Source:
    """A spec with its bases: one tree, one mark, and the files that made them.

    The tree has no key ``extends``; the marks keep that of the main file, so it can be pointed at. ``documents`` holds the
    main file first, then the bases in the order they were read.
    """

    __slots__ = ("_inputs", "documents", "findings", "mark", "tree")

    def __init__(self, tree: dict[str, Any], mark: Mark, documents: tuple[Document, ...], inputs: dict[str, bytes]) -> None:
        self.tree, self.mark, self.documents, self._inputs = tree, mark, documents, inputs
        self.findings: tuple[Diagnostic, ...] = tuple(found for document in documents for found in document.findings)
        """Warnings about the text of the files."""

    def without_places(self, tree: dict[str, Any]) -> Source:
        """Return this source with another tree, of whose values nobody knows where they stand."""
        return Source(tree, _unplaced(tree, self.mark.text), self.documents, self._inputs)

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file in hexadecimal, by its path from the repository root; computed when asked for."""
        import hashlib

        return {path: hashlib.sha256(data).hexdigest() for path, data in sorted(self._inputs.items())}


def _unplaced(value: Any, text: SourceText) -> Mark:
    children: dict[str, Mark] | list[Mark] | None = None
    if isinstance(value, dict):
        children = {key: _unplaced(item, text) for key, item in value.items()}
    elif isinstance(value, list):
        children = [_unplaced(item, text) for item in value]
    return Mark(text, 0, 0, children=children)


@code("MLS-E480", "base-outside")
def base_outside(mark: Mark, message: str, way: str) -> Found:
    """A spec, and every file it extends, lies inside the repository.

    A file that is reached by an absolute path, by ``..`` or through a symlink out of the repository is not read: what a
    build machine has beside the repository is no part of a project, and may be secret.

    Bad::

        extends: ../../../../../../../../../etc/passwd

    Good::

        vars: {a: b}
    """
    return Found((KEY,), message, way, mark=mark)


@code("MLS-E481", "base-missing")
def base_missing(mark: Mark, message: str, way: str) -> Found:
    """A file that is extended exists and can be read.

    Paths are relative to the file that names them.

    Bad::

        extends: no-such-base.yaml

    Good::

        vars: {a: b}
    """
    return Found((KEY,), message, way, mark=mark)


@code("MLS-E482", "extends-form")
def extends_form(mark: Mark) -> Found:
    """``extends`` is a path or a list of paths.

    Bad::

        extends: {file: base.yaml}

    Good::

        vars: {a: b}
    """
    return Found(
        (KEY,),
        "expected the path of a base file, or a list of paths",
        "write `extends: base.yaml` or `extends: [a.yaml, b.yaml]`",
        mark=mark,
    )


@code("MLS-E483", "extends-cycle")
def extends_cycle(mark: Mark, path: list[str]) -> Found:
    """Files do not extend themselves, directly or through others.

    Bad (shell)::

        printf 'extends: mlspec.yaml\\n' > mlspec.yaml

    Good::

        vars: {a: b}
    """
    return Found((KEY,), "these files extend one another in a circle: " + " → ".join(path), "take this entry away", mark=mark)


@code("MLS-E484", "too-many-bases")
def too_many_bases(mark: Mark, message: str) -> Found:
    """A spec is made of at most 1,000 files, 100 in a row, 20 MiB together.

    Bad (shell)::

        for i in $(seq 1 120); do printf 'extends: b%s.yaml\\n' $((i + 1)) > b$i.yaml; done
        printf 'vars: {a: b}\\n' > b121.yaml
        printf 'extends: b1.yaml\\n' > mlspec.yaml

    Good::

        vars: {a: b}
    """
    return Found((KEY,), message, "extend fewer files", mark=mark)


@code("MLS-E485", "name-in-base")
def name_in_base(mark: Mark) -> Found:
    """A base file has no name: the spec that extends it has one.

    Two projects that extend one base would otherwise be one project.

    Bad (shell)::

        printf 'name: shared\\nvars: {a: b}\\n' > base.yaml
        printf 'extends: base.yaml\\napiVersion: mlspec.dev/v1\\nname: iris\\nowner: {team: ml}\\n' > mlspec.yaml

    Good::

        vars: {a: b}
    """
    return Found(
        ("name",),
        "a base file cannot have a name",
        "delete this line; the spec that extends the file has a name of its own",
        mark=mark,
        on="key",
    )


def load(spec: Path, root: Path, display: Callable[[Path], str], text: bytes | None = None) -> Source:
    """Read a spec and its bases below a repository root. ``display`` gives the name that people know a file by.

    ``text`` stands in for what the spec's own file holds: for an edit that is judged before it is written.

    A base is laid below what extends it; of several bases the later wins; maps merge by key, and a null takes away what
    a base says. Raises Rejected with the faults of all files that can be read, Unable when the spec itself cannot be.
    """
    return _Loading(root, display).load(spec, text)


class _Loading:
    """One run through the files of a spec; each is read once."""

    def __init__(self, root: Path, display: Callable[[Path], str]) -> None:
        self.root, self.display = os.path.realpath(root), display
        self.documents: list[Document] = []
        self.inputs: dict[str, bytes] = {}
        self.layers: dict[str, Layer] = {}
        self.diagnostics: list[Diagnostic] = []
        self.bytes = 0

    def load(self, spec: Path, text: bytes | None) -> Source:
        real = os.path.realpath(spec)
        if not self._inside(real):
            nowhere = Mark(SourceText(self.display(spec), ""), 0, 0)
            self._report(base_outside(nowhere, "the spec is a symlink that leads out of the repository", "put the file itself here"))
        else:
            tree, mark = self._read(Path(real), spec, self._fetch(Path(real), self.display(spec), text), "written", [])
        if self.diagnostics:
            raise Rejected(self.diagnostics)
        written = {key: value for key, value in tree.items() if value is not None or key in REQUIRED}
        return Source(written, mark, tuple(self.documents), self.inputs)

    def _inside(self, real: str) -> bool:
        return real == self.root or real.startswith(self.root.rstrip(os.sep) + os.sep)

    def _report(self, finding: Finding) -> None:
        mark = finding.found.mark
        assert mark is not None
        if len(self.diagnostics) < limits.FAULTS:
            self.diagnostics.append(diagnose(finding, mark))

    def _fetch(self, real: Path, name: str, text: bytes | None = None) -> bytes:
        data = read_file(real, name) if text is None else text
        self.bytes += len(data)
        self.inputs[os.path.relpath(real, self.root).replace(os.sep, "/")] = data
        return data

    def _read(self, real: Path, path: Path, data: bytes, why: str, chain: list[tuple[str, str]]) -> Layer:
        """Return a file's layer with its bases below it; an empty one where the file was refused."""
        name = self.display(path)
        try:
            document = read(data, name, why)
        except Rejected as rejected:
            self.diagnostics += rejected.diagnostics
            return {}, Mark(SourceText(name, ""), 0, 0)
        self.documents.append(document)
        tree, mark = document.tree, document.mark
        if chain and "name" in tree:
            self._report(name_in_base(_child(mark, "name")))
        if KEY not in tree:
            return tree, mark
        chain = [*chain, (str(real), name)]
        below: Layer | None = None
        for written, entry in self._entries(tree[KEY], _child(mark, KEY)):
            layer = self._base(written, entry, path, chain)
            if layer is not None:
                below = layer if below is None else merge(below, layer, "written", null="remove")
        own = {key: value for key, value in tree.items() if key != KEY}
        return (own, mark) if below is None else _lay_over(below, (own, mark))

    def _entries(self, written: Any, mark: Mark) -> list[tuple[str, Mark]]:
        if isinstance(written, str) and written:
            return [(written, mark)]
        if isinstance(written, list) and written and isinstance(mark.children, list):
            pairs = list(zip(written, mark.children, strict=True))
            for value, entry in pairs:
                if not isinstance(value, str) or not value:
                    self._report(extends_form(entry))
            return [(value, entry) for value, entry in pairs if isinstance(value, str) and value]
        self._report(extends_form(mark))
        return []

    def _base(self, written: str, entry: Mark, by: Path, chain: list[tuple[str, str]]) -> Layer | None:
        """Return the layer of one entry of ``extends``; None where it was reported."""
        if written.startswith(("/", "~", "\\")) or written[1:2] == ":" or "\0" in written:
            self._report(
                base_outside(
                    entry, "the path of a base file is relative to this file", "write it without its beginning, relative to this file"
                )
            )
            return None
        path = Path(os.path.normpath(by.parent / written))
        real = os.path.realpath(path)
        if not self._inside(os.path.realpath(path.parent)) or not self._inside(real):
            link = self._inside(os.path.abspath(path)) or not self._climbs(by, written)  # noqa: PTH100
            what = "it is, or goes through, a symlink that leads out of the repository" if link else "it lies outside the repository"
            self._report(base_outside(entry, f"this base file cannot be read: {what}", "copy the file into the repository"))
            return None
        names = [real_name for real_name, _ in chain]
        if real in names:
            circle = [shown for _, shown in chain[names.index(real) :]]
            self._report(extends_cycle(entry, [*circle, circle[0]]))
            return None
        if real in self.layers:
            return self.layers[real]
        if len(chain) >= limits.CHAIN:
            self._report(too_many_bases(entry, f"more than {limits.CHAIN} files extend one another in a row"))
            return None
        if len(self.inputs) >= limits.FILES:
            if not any(diagnostic.code == "MLS-E484" for diagnostic in self.diagnostics):
                self._report(too_many_bases(entry, f"the spec is made of more than {limits.FILES:,} files"))
            return None
        try:
            data = self._fetch(Path(real), self.display(path))
        except Unable as unable:
            self._report(self._explain(entry, unable, path))
            return None
        if self.bytes > limits.TOTAL_BYTES:
            self._report(too_many_bases(entry, "the files of this spec have more than 20 MiB together"))
            return None
        layer = self.layers[real] = self._read(Path(real), path, data, "base", chain)
        return layer

    def _climbs(self, by: Path, written: str) -> bool:
        """Tell whether a path leaves the repository by its dots alone."""
        return not self._inside(os.path.normpath(os.path.join(os.path.realpath(by.parent), written)))  # noqa: PTH118

    def _explain(self, entry: Mark, unable: Unable, path: Path) -> Finding:
        """Report a base that cannot be read, with the file that was probably meant."""
        message = unable.message.split(": ", 1)[-1]
        near = None
        if unable.status == 2:
            try:
                near = nearest(path.name, (found.name for found in path.parent.iterdir() if not found.name.startswith(".")))
            except OSError:
                near = None
        way = f"did you mean `{near}`?" if near else "paths are relative to the file that names them"
        finding: Finding = base_missing(entry, f"this base file cannot be read: {message}", way)
        return finding


def _lay_over(base: Layer, over: Layer) -> Layer:
    """Lay a file over its bases: only keys that have a value in the tree are merged, the mark of ``extends`` stays."""
    tree, mark = merge(base, over, "written", null="remove")
    place = over[1]
    children = dict(mark.children) if isinstance(mark.children, dict) else {}
    if isinstance(place.children, dict) and KEY in place.children:
        children[KEY] = place.children[KEY]
    return tree, Mark(place.text, place.start, place.end, place.key_start, place.key_end, children, place.why)


def _child(mark: Mark, key: str) -> Mark:
    return mark.child(key) or mark
