"""The templates of one compilation: the built-in ones, and the folders whose files replace single ones by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mlspec import __version__
from mlspec.diagnostics import Diagnostic, Found, Rejected, Unable, code, diagnose, nearest
from mlspec.location import Mark, SourceText
from mlspec.resources import templates_root
from mlspec.target import View

OBJECT = ".yaml.j2"
"""What the name of a template of objects ends in; any other is a template of text."""
_LIMIT = 256 * 1024


class Text:
    """A template of text: a README, a script."""

    is_text = True

    def __init__(self, name: str, texts: Any) -> None:
        self._name, self._texts = name, texts

    def text(self, view: View) -> str:
        """Return the text with the names of a view."""
        text: str = self._texts.render(self._name, view)
        return text.rstrip("\n") + "\n"


class Objects:
    """A template of one object."""

    is_text = False

    def __init__(self, template: Any) -> None:
        self.objects = template.objects
        self.text = template.text
        self.trace = template.trace


def names_of(view: View) -> Mapping[str, Any]:
    """Return every public property of a view with its value."""
    kinds = type(view).__mro__
    names = {name for kind in kinds for name, value in vars(kind).items() if isinstance(value, property) and not name.startswith("_")}
    return {name: getattr(view, name) for name in sorted(names)}


class Library:
    """Templates by name, from the first folder that has them."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = folders
        self._compiled: dict[tuple[str, type], Any] = {}
        self._texts: Any = None

    @classmethod
    def load(cls, request: Path | None, beside: Path, named: str | None, mark: Mark | None = None) -> Library:
        """Return the library of a spec: ``--templates`` first, then the folder that the spec names, then the built-in templates.

        ``mark`` is the spec's. Raises Rejected (MLS-E805) for a named folder that is not there or leads out of the spec's own,
        Unable for one that was asked for on the command line.
        """
        folders: list[Path] = []
        if request is not None:
            if not request.is_dir():
                raise Unable(f"{request} is no folder of templates", "give the folder whose files replace templates", status=2)
            folders.append(request)
        if named is not None:
            folder = beside / named
            inside = os.path.realpath(beside)
            if not os.path.realpath(folder).startswith(inside + os.sep) or not folder.is_dir():
                near = nearest(named, (entry.name for entry in beside.iterdir() if entry.is_dir()))
                raise Rejected([diagnose(no_template_folder(named, near), mark or Mark(SourceText(named, ""), 0, 0))])
            folders.append(folder)
        return _library((*folders, templates_root()))

    def find(self, name: str) -> Path | None:
        """Return the file of a template; None when no folder has it."""
        for folder in self.folders:
            file = folder / name
            if file.is_file():
                if not os.path.realpath(file).startswith(os.path.realpath(folder) + os.sep):
                    raise Unable(f"the template {file} leads out of its folder", "put the file itself there")
                return file
        return None

    def read(self, name: str) -> str:
        """Return the text of a template. Raises KeyError when there is none of that name, Unable when it cannot be read."""
        file = self.find(name)
        if file is None:
            raise KeyError(name)
        try:
            data = file.read_bytes()
            if len(data) > _LIMIT:
                raise Unable(f"the template {file} has more than {_LIMIT} bytes", "split it with {% include %}")
            return data.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise Unable(f"the template {file} cannot be read: {error}", "check that it is a text file in UTF-8") from None

    def template(self, name: str, kind: type) -> Any:
        """Return a template, compiled for one kind of view. Raises Rejected when it is not one."""
        found = self._compiled.get((name, kind))
        if found is None:
            if name.endswith(OBJECT):
                from mlspec.template.compiled import compile_template

                try:
                    found = Objects(compile_template(name, self.read, kind, self._cache))
                except Rejected as rejected:
                    raise Rejected(map(self.placed, rejected.diagnostics)) from None
            else:
                found = Text(name, self._rendering())
            self._compiled[name, kind] = found
        return found

    def placed(self, diagnostic: Diagnostic) -> Diagnostic:
        """Name the file of a template, instead of the template, where it is not one that mlspec brings."""
        name = diagnostic.site.file
        file = None if self.is_built_in(name) else self.find(name)
        if file is None:
            return diagnostic
        try:
            shown = file.resolve().relative_to(Path.cwd()).as_posix()
        except ValueError:
            shown = file.as_posix()
        return replace(diagnostic, site=replace(diagnostic.site, file=shown))

    @cached_property
    def _cache(self) -> Any:
        from mlspec.template.cache import open_cache

        return open_cache(__version__)

    def is_built_in(self, name: str) -> bool:
        """Tell whether a template is the one that mlspec brings."""
        return len(self.folders) == 1 or not any((folder / name).exists() for folder in self.folders[:-1])

    def _rendering(self) -> Any:
        """Return what renders the texts of this library; Jinja compiles each of them once."""
        if self._texts is None:
            from mlspec.template.texts import Texts

            self._texts = Texts(self.read)
        return self._texts

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all templates."""
        return tuple(sorted({file.relative_to(folder).as_posix() for folder in self.folders for file in folder.rglob("*.j2")}))


@code("MLS-E805", "no-template-folder")
def no_template_folder(named: str, near: str | None) -> Found:
    """`templates` names a folder below the one that holds the spec.

    The files in it replace built-in templates of the same name. A folder elsewhere would not travel with the spec.

    Bad (shell)::

        sed -i '1a templates: own' mlspec.yaml
        mlspec compile

    Good (shell)::

        sed -i '1a templates: own' mlspec.yaml
        mkdir own
        mlspec compile
    """
    way = f"did you mean `{near}`?" if near else "make it, or name a folder below the one that holds the spec"
    return Found(("templates",), f"there is no folder `{named}` beside the spec", way, label="no such folder here")


_LIBRARIES: dict[tuple[Path, ...], Library] = {}


def _library(folders: tuple[Path, ...]) -> Library:
    """Return the one library of these folders, so that a fleet compiles each template once."""
    if folders not in _LIBRARIES:
        _LIBRARIES[folders] = Library(folders)
    return _LIBRARIES[folders]
