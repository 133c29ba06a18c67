"""Compiled templates kept in the user's cache folder, so that a warm start needs neither Jinja nor a YAML parser.

The folder holds code that is run. It is used only while it belongs to the user and nobody else may write to it; it is never inside
a repository. Everything that goes wrong with it means that a template is compiled, and nothing else.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable
from typing import Any

_INCLUDE = re.compile(r"""\{%\s*include\s+["']([^"']+)["']""")
_FORMAT = "1"


class Cache:
    """A folder of compiled templates."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._digests: dict[str, str] = {}

    def key(self, name: str, loader: Callable[[str], str], view: type | None) -> str | None:
        """Return the key of a template: its text, those of the fragments it includes, and the view's name. None when a text is missing."""
        from hashlib import sha256

        digest = sha256()
        seen: set[str] = set()
        waiting = [name]
        try:
            while waiting:
                current = waiting.pop()
                if current in seen:
                    continue
                seen.add(current)
                text = loader(current)
                for part in (current, text):
                    data = part.encode("utf-8", "surrogatepass")
                    digest.update(b"%d:" % len(data) + data)
                waiting += sorted(_INCLUDE.findall(text))
        except (LookupError, OSError):
            return None
        digest.update(b"" if view is None else f"{view.__module__}:{view.__qualname__}".encode())
        return digest.hexdigest()

    def load(self, key: str) -> Any:
        """Return what was stored under a key; None when there is nothing, or a source file it was made from has changed."""
        from hashlib import sha256
        from marshal import loads

        try:
            descriptor = os.open(os.path.join(self.folder, key), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))  # noqa: PTH118 - pathlib costs a start
            with os.fdopen(descriptor, "rb") as file:
                if not _private(os.fstat(descriptor)):
                    return None
                content = file.read()
            if sha256(content[32:]).digest() != content[:32]:
                return None
            files, value = loads(content[32:])  # noqa: S302 - the file is the user's own, and nobody else may write it
            if any(self._digest(file) != digest for file, digest in files):
                return None
        except Exception:
            return None
        return value

    def store(self, key: str, value: Any, files: Iterable[str]) -> None:
        """Keep what marshal can write under a key; ``files`` are the source files that it depends on."""
        from hashlib import sha256
        from marshal import dumps

        temporary = os.path.join(self.folder, f".{key}.{os.getpid()}")  # noqa: PTH118
        try:
            content = dumps(([(file, self._digest(file)) for file in sorted(files)], value))
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(sha256(content).digest() + content)
            os.replace(temporary, os.path.join(self.folder, key))  # noqa: PTH105, PTH118
        except Exception:
            try:
                os.unlink(temporary)  # noqa: PTH108
            except OSError:
                return

    def _digest(self, file: str) -> str:
        """Return the digest of a source file, read once."""
        from hashlib import sha256

        known = self._digests.get(file)
        if known is None:
            with open(file, "rb") as source:  # noqa: PTH123
                known = self._digests[file] = sha256(source.read()).hexdigest()
        return known


def _private(status: os.stat_result) -> bool:
    """Tell whether a file or folder is the user's own and nobody else may write to it."""
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def open_cache(version: str) -> Cache | None:
    """Return the cache of this version of mlspec and Python, made where it was not there; None where none can be trusted."""
    folder = open_folder("templates", f"{version}-{_FORMAT}-{sys.implementation.cache_tag}")
    return None if folder is None else Cache(folder)


def open_folder(*parts: str) -> str | None:
    """Return a folder of mlspec's in the user's cache folder, made where it was not there; None where none can be trusted."""
    if not hasattr(os, "getuid"):
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117
        base = os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    folder = base
    try:
        for part in ("mlspec", *parts):
            folder = os.path.join(folder, part)  # noqa: PTH118
            if not os.path.isdir(folder):  # noqa: PTH112
                os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            status = os.lstat(folder)
            if not stat.S_ISDIR(status.st_mode) or not _private(status):
                return None
    except OSError:
        return None
    return folder
