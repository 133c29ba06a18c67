"""A name for a diagnostic that stays the same when lines above it are added or removed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from mlspec.diagnostics import Diagnostic


def fingerprints(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """Return one fingerprint a diagnostic, in order; equal ones are told apart by their ordinal."""
    seen: Counter[str] = Counter()
    result = []
    for diagnostic in diagnostics:
        identity = "\0".join((diagnostic.code, diagnostic.site.file, diagnostic.path, diagnostic.environment, diagnostic.message))
        digest = hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:32]
        result.append(f"{digest}:{seen[digest]}")
        seen[digest] += 1
    return result
