"""Names of generated objects: one spelling, one way of shortening, the same on every machine."""

from __future__ import annotations

from functools import lru_cache

LABEL_LIMIT = 63
"""The longest DNS label, label value and Service name."""
CRON_JOB_LIMIT = 52
"""A CronJob appends eleven characters to the names of its Jobs."""
HASH_LENGTH = 8


def spell(word: str) -> str:
    """Return an identifier as object names spell it: lower case, dashes for underscores, no dash at either end."""
    return word.lower().replace("_", "-").strip("-")


def shorten(name: str, limit: int = LABEL_LIMIT) -> str:
    """Return a name that has at most ``limit`` characters.

    A longer one becomes a prefix, a dash and eight hex digits of the SHA-256 of the full name. Raises ValueError when
    the limit leaves no room for that.
    """
    if len(name) <= limit:
        return name
    if limit < HASH_LENGTH + 2:
        raise ValueError(f"{limit} characters leave no room for a shortened name")
    from hashlib import sha256

    digest = sha256(name.encode()).hexdigest()[:HASH_LENGTH]
    return f"{name[: limit - HASH_LENGTH - 1].rstrip('-._')}-{digest}"


@lru_cache(4096)
def object_name(*parts: str, limit: int = LABEL_LIMIT) -> str:
    """Return the name of the object that these parts make, joined by dashes, spelled for Kubernetes and shortened."""
    return shorten("-".join(filter(None, map(spell, parts))), limit)


def version_of(endpoint: str, suffix: str, namespace: str) -> str:
    """Return the name of a sibling of an endpoint (its canary, a split, a shadow), short enough for its host name.

    The host label of a sibling is ``<name>-predictor-<namespace>``, at most 63 characters.
    """
    return object_name(endpoint, suffix, limit=LABEL_LIMIT - len(f"-predictor-{namespace}"))
