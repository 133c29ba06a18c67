"""Folders by open handles, so that no symbolic link is followed and nothing can be put in the way while we write."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlspec.diagnostics import Unable

FOLDER_MODE = 0o755
FILE_MODE = 0o644
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HANDLES = 128
_NO_LOCKS_HERE = frozenset([errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])


class Folders:
    """Handles of the folders below a root. A handle is good until the next call: use it at once."""

    __slots__ = ("_open", "root")

    def __init__(self, root: int) -> None:
        self.root = root
        self._open: dict[str, int] = {}

    def find(self, path: str, gone: frozenset[str] | set[str] = frozenset()) -> int | None:
        """Return the handle of a folder, or None when there is none.

        A file that stands where a folder on the way should be counts as none when it is in ``gone``. Raises Unable for
        any other file, and for a symbolic link.
        """
        if not path:
            return self.root
        known = self._open.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition("/")
        parent = self.find(above, gone)
        if parent is None:
            return None
        try:
            handle = os.open(name, _OPEN_FOLDER, dir_fd=parent)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            if path in gone and stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                return None
            raise _in_the_way(path, parent, name) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _in_the_way(path, parent, name) from None
            raise Unable(f"the folder {path} cannot be opened: {error.strerror}") from None
        if len(self._open) >= _HANDLES:
            os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = handle
        return handle

    def get(self, path: str) -> int:
        """Return the handle of a folder; FileNotFoundError when there is none."""
        handle = self.find(path)
        if handle is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return handle

    def forget(self, path: str) -> None:
        """Close the handles of a folder that is about to be replaced, and of those below it."""
        below = path + "/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            os.close(self._open.pop(known))

    def close(self) -> None:
        """Close all handles but the root's."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()


def _in_the_way(path: str, parent: int, name: str) -> Unable:
    if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        return Unable(f"{path} is a symbolic link, and mlspec writes through none", "put a real folder there, or compile with --out DIR")
    return Unable(f"{path} is a file where a folder is needed", "move it away, then compile again")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Let an OSError name a path as people know it."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


class Content:
    """A regular file as it was found."""

    __slots__ = ("data", "executable")

    def __init__(self, data: bytes, executable: bool) -> None:
        self.data, self.executable = data, executable


def read(folder: int, name: str, path: str) -> Content | None:
    """Return a file in an open folder, None when there is none; IsADirectoryError for a folder, Unable for what is no file."""
    try:
        handle = os.open(name, _OPEN_FILE, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unable(f"{path} is a symbolic link, and mlspec writes through none", "remove the link, then compile again") from None
        if error.errno == errno.ENXIO:
            raise Unable(f"{path} is not a regular file", "move it away, then compile again") from None
        raise Unable(f"{path} cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            raise Unable(f"{path} is not a regular file", "move it away, then compile again")
        data = os.read(handle, status.st_size + 1)
        if len(data) != status.st_size:
            data = _read_on(handle, data)
        return Content(data, bool(status.st_mode & 0o111))
    finally:
        os.close(handle)


def _read_on(handle: int, data: bytes) -> bytes:
    parts = [data]
    while more := os.read(handle, 1 << 20):
        parts.append(more)
    return b"".join(parts)


def create(folder: int, name: str, data: bytes, mode: int = 0, *, path: str = "", durable: bool = False) -> None:
    """Write a new file into an open folder. With a ``mode`` it gets just that; without, what the umask leaves of 0644.

    A ``durable`` one is on the disk, and not just on its way there, when this returns. Raises OSError, which names the ``path``.
    """
    try:
        handle = os.open(name, _OPEN_NEW, FILE_MODE, dir_fd=folder)
        try:
            at = os.write(handle, data) if data else 0
            while at < len(data):
                at += os.write(handle, memoryview(data)[at:])
            if mode:
                os.fchmod(handle, mode)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        error.filename = path or name
        raise


def create_at_once(folder: int, name: str, data: bytes) -> None:
    """Write a small new file that is never there without its content, on systems that can do that."""
    try:
        handle = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE, dir_fd=folder)
    except (AttributeError, OSError):
        create(folder, name, data)
        return
    try:
        os.write(handle, data)
        try:
            os.link(f"/proc/self/fd/{handle}", name, dst_dir_fd=folder)
        except OSError:  # no links here, or no /proc
            create(folder, name, data)
    finally:
        os.close(handle)


def create_folder(folder: int, name: str, mode: int = 0, path: str = "") -> int:
    """Make a folder in an open folder and return its handle, which the caller closes. Raises OSError, which names the ``path``."""
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=folder)
        try:
            if mode:
                # Before it is opened: a strict umask may have left no right to do that.
                os.chmod(name, mode, dir_fd=folder)
            return os.open(name, _OPEN_FOLDER, dir_fd=folder)
        except BaseException:
            os.rmdir(name, dir_fd=folder)
            raise
    except OSError as error:
        error.filename = path or name
        raise


def open_folder(folder: int, name: str) -> int:
    """Return a handle of a folder in an open folder, which the caller closes."""
    return os.open(name, _OPEN_FOLDER, dir_fd=folder)


def remove(folder: int, name: str, last: str = "") -> None:
    """Remove a file or a folder with all that is in it, one entry ``last``; no link is followed. Nothing there is fine."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        handle = open_folder(folder, name)
        try:
            with os.scandir(handle) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for below, is_folder in sorted(names, key=lambda entry: entry[0] == last):
                if is_folder:
                    remove(handle, below)
                else:
                    os.unlink(below, dir_fd=handle)
        finally:
            os.close(handle)
        os.rmdir(name, dir_fd=folder)


@contextmanager
def opened(root: str) -> Iterator[int]:
    """Hold a handle of a root folder. Raises Unable when it is none."""
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Unable(f"the output root {root} cannot be opened: {error.strerror}", "name a folder that can be written") from None
    try:
        yield handle
    finally:
        os.close(handle)


def claim(root: int, name: str, patience: float) -> None:
    """Keep other mlspec processes out of a root while its handle is open, waiting up to ``patience`` seconds for them.

    The claim is a lock on the folder itself: it leaves nothing behind, and it dies with its process. Raises Unable
    (exit 4) when the others take longer. Where the file system has no such locks (NFS) there is no claim.
    """
    import fcntl

    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                message = f"another mlspec is still writing in {name} after {patience:g} s"
                raise Unable(message, "wait for it, then run again", status=4) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno in _NO_LOCKS_HERE:
                return
            raise Unable(f"{name} cannot be locked: {error.strerror}") from None
        else:
            return
