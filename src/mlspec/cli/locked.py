"""The plans of a spec with what its lock says of what serves, without compiling it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlspec.plan.plan import Plan


def plans_of(spec: Path) -> tuple[Plan, ...]:
    """Return the plans of one spec, each with the lock's facts. Raises Rejected when spec or lock is refused, Unable when there is none."""
    from mlspec.compiler import show
    from mlspec.examine import examine
    from mlspec.lock import parse_lock
    from mlspec.source.files import repository_root
    from mlspec.tree import lock_path

    root = repository_root(spec)
    name = lock_path(spec, root)
    lock = root / name
    live = parse_lock(lock.read_bytes(), name).live if lock.is_file() else {}
    return examine(spec, root, show, live).plans
