"""One file that people keep (a spec, CODEOWNERS), replaced in one step; a killed run leaves nothing that git would see."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mlspec.diagnostics import Unable
from mlspec.writers import journal
from mlspec.writers.disk import PATIENCE, heal
from mlspec.writers.folders import FILE_MODE, claim, create, opened
from mlspec.writers.journal import Staging

_NOT_THERE = frozenset([errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS])
"""What a root answers when its own folder cannot take the new file, though that of the file perhaps can."""


def replace(root: Path, file: Path, data: bytes, was: bytes | None, patience: float = PATIENCE) -> None:
    """Give a file other bytes, in one step and down to the disk; its mode stays, and a link to it stays a link.

    ``was`` is what it held when the new bytes were made (None: there was no file). The new file is laid ready in the staging
    folder of the ``root``, which git does not see and the next run clears away. Raises Unable, with status 4 when the file holds
    something else by now, or another mlspec was writing in the root for longer than ``patience`` seconds.
    """
    real = Path(os.path.realpath(file))
    for place in dict.fromkeys((root, real.parent)):
        try:
            _replace(place, real, data, was, patience)
        except OSError as error:
            if error.errno in _NOT_THERE and place != real.parent:
                continue
            message = f"{file} cannot be written: {error.strerror}"
            raise Unable(message, "nothing was changed; make room or rights for it, then run again") from None
        return


def clear(root: Path, file: Path, patience: float = PATIENCE) -> None:
    """Finish or clear away what killed runs left where ``replace`` would lay a file ready. Raises Unable as ``heal`` does."""
    for place in dict.fromkeys((root, Path(os.path.realpath(file)).parent)):
        heal(str(place), patience)


def _replace(place: Path, file: Path, data: bytes, was: bytes | None, patience: float) -> None:
    with opened(str(place)) as root:
        claim(root, str(place), patience)
        journal.heal(root)
        staging = Staging(root)
        try:
            slot = staging.slot()
            mode = stat.S_IMODE(file.stat().st_mode) if was is not None else 0
            create(staging.handle, slot, data, mode or FILE_MODE, durable=True)
            if (file.read_bytes() if os.path.lexists(file) else None) != was:
                raise Unable(f"{file.name} was changed while it was being edited", "run again", status=4)
            os.rename(slot, file, src_dir_fd=staging.handle)
        finally:
            staging.discard()
