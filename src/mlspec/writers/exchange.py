"""Renames that never replace anything unasked, and exchanges of two names in one step where the system has them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache

_LINUX_FLAGS = (1, 2)
_MACOS_FLAGS = (4, 2)
_UNSUPPORTED = frozenset([errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP])

Call = Callable[[int, bytes, int, bytes, int], int]


@cache
def _renameat() -> tuple[Call, int, int] | None:
    """Return the system's rename with flags, its flag for "do not replace" and its flag for "exchange"."""
    import ctypes

    name, flags = ("renameatx_np", _MACOS_FLAGS) if sys.platform == "darwin" else ("renameat2", _LINUX_FLAGS)
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def call(source: int, old: bytes, target: int, new: bytes, flag: int) -> int:
        return ctypes.get_errno() if function(source, old, target, new, flag) else 0

    return call, *flags


def move(source: int, old: str, target: int, new: str) -> None:
    """Rename ``old`` in one open folder to ``new`` in another; FileExistsError when that name is taken."""
    system = _renameat()
    if system:
        call, no_replace, _ = system
        failed = call(source, os.fsencode(old), target, os.fsencode(new), no_replace)
        if failed not in _UNSUPPORTED:
            _raise(failed, new)
            return
    try:
        os.stat(new, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)


def exchange(source: int, old: str, target: int, new: str) -> None:
    """Let two names in open folders change what they stand for, in one step. OSError where the system has no such step."""
    system = _renameat()
    if not system:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), new)
    call, _, swap = system
    _raise(call(source, os.fsencode(old), target, os.fsencode(new), swap), new)


def can_exchange(folder: int) -> bool:
    """Try it: can two names in this open folder be exchanged? Leaves nothing behind."""
    os.mkdir("probe-a", dir_fd=folder)
    os.mkdir("probe-b", dir_fd=folder)
    try:
        exchange(folder, "probe-a", folder, "probe-b")
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    finally:
        os.rmdir("probe-a", dir_fd=folder)
        os.rmdir("probe-b", dir_fd=folder)
    return True


def _raise(failed: int, name: str) -> None:
    if failed:
        raise OSError(failed, os.strerror(failed), name)
