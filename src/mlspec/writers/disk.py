"""The one writer of files: all of a publication reaches the disk, or nothing does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlspec.artifacts import STAGING
from mlspec.diagnostics import Diagnostic, Unable
from mlspec.writers import journal
from mlspec.writers.folders import claim, opened
from mlspec.writers.journal import Staging
from mlspec.writers.publication import Publication, Report, at_paths, unowned_files
from mlspec.writers.staging import stage
from mlspec.writers.survey import Survey, refuse_losses, survey

if TYPE_CHECKING:
    from mlspec.writers.comparison import Comparison

PATIENCE = 30.0
"""Seconds to wait for another mlspec in the same root."""


def write(publication: Publication, patience: float = PATIENCE) -> Report:
    """Bring the files of a publication to the disk, and remove what its projects no longer have.

    Raises Rejected when that would overwrite what someone else wrote (MLS-E610, MLS-E611), and Unable (exit 3) when
    the surroundings do not allow it: nothing has changed then. Unable with exit 4: others were writing for longer than
    ``patience`` seconds, or changed a lock after it was read. A killed run is healed by the next.
    """
    with _root(publication.root), opened(publication.root) as root:
        claim(root, publication.root, patience)
        healed = journal.heal(root)
        try:
            found = survey(root, publication)
            refuse_losses(found, publication)
            if found.changes or found.locks:
                staging = Staging(root)
                _publish(staging, found)
        except OSError as error:
            raise _unable(error) from None
    return _report(found, publication, healed)


def compare(publication: Publication) -> Comparison:
    """Return how the disk differs from a publication (see ``mlspec.writers.comparison``); nothing is written."""
    from mlspec.writers.comparison import compare as held_against

    return held_against(publication)


def heal(root: str, patience: float = PATIENCE) -> bool:
    """Finish what a killed run began in a root; say whether there was something. Call it before locks are read.

    Raises Unable: exit 4 when another run is alive there, exit 3 when the rest cannot be done.
    """
    if not os.path.lexists(f"{root}/{STAGING}"):
        return False
    with opened(root) as handle:
        claim(handle, root, patience)
        return journal.heal(handle)


def _publish(staging: Staging, found: Survey) -> None:
    try:
        steps = stage(staging, found)
    except BaseException:
        staging.discard()
        raise
    journal.carry_out(staging, steps)


@contextlib.contextmanager
def _root(path: str) -> Iterator[None]:
    """Make the root where there is none, and take it away again when nothing came of it."""
    made: list[str] = []
    above = path
    while above and not os.path.lexists(above):
        made.append(above)
        above = os.path.dirname(above.rstrip("/"))  # noqa: PTH120 - text in, text out
    try:
        if made:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        yield
    except BaseException as error:
        for folder in made:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106
        if isinstance(error, OSError):
            raise _unable(error) from None
        raise


def _unable(error: OSError) -> Unable:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
    message = f"{where} cannot be written: {error.strerror}"
    return Unable(message, "nothing was changed; make room or rights for it, then run again")


def _report(found: Survey, publication: Publication, healed: bool) -> Report:
    return Report(*found.sorted_out(), tuple(found.unowned), tuple(_warnings(found, publication)), healed)


def _warnings(found: Survey, publication: Publication) -> Iterator[Diagnostic]:
    for folder in sorted({output.folder for output in publication.outputs}):
        paths = [path[len(folder) + 1 :] for path in found.unowned if path.startswith(folder + "/")]
        if paths:
            yield from at_paths(lambda at, paths=paths: unowned_files(at, paths), [folder])
