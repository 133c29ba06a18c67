"""Approvals: whose review of a change counts, and whether that is enough; a list of reviews in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DECISIVE = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
"""States that replace what a person said before; a comment does not."""


class Review(NamedTuple):
    """One review."""

    person: str
    state: str
    commit: str
    """The commit that was looked at."""
    at: str
    """When, as ISO 8601 in UTC; texts of this form sort by time."""


class Count(NamedTuple):
    """What reviews come to."""

    approved: tuple[str, ...]
    """The people whose approval counts, sorted."""
    refused: tuple[str, ...]
    """The people who ask for changes, sorted."""
    passed_over: Mapping[str, str]
    """By person, why an approval does not count."""


def read_reviews(data: Any) -> list[Review]:
    """Return the reviews of a list in the shape of GitHub's API, in their order. Raises ValueError for another shape."""
    if not isinstance(data, list):
        raise ValueError("expected a list of reviews")
    found = []
    for entry in data:
        if not isinstance(entry, dict) or not isinstance(entry.get("state"), str):
            raise ValueError("expected reviews with `user`, `state`, `commit_id` and `submitted_at`")
        user = entry.get("user")
        person = str(user["login"]) if isinstance(user, dict) and user.get("login") else ""
        found.append(Review(person, entry["state"].upper(), str(entry.get("commit_id") or ""), str(entry.get("submitted_at") or "")))
    return found


def count(reviews: Sequence[Review], author: str, head: str) -> Count:
    """Count approvals: the latest word of each person, of the commit that would be merged, and not the author's own.

    Names are compared without case. A review by nobody (an account that is gone) does not count.
    """
    latest: dict[str, Review] = {}
    for review in sorted(reviews, key=lambda one: one.at):
        if review.state in DECISIVE and review.person:
            latest[review.person.lower()] = review
    approved, refused, over = [], [], {}
    for key, review in latest.items():
        if review.state == "CHANGES_REQUESTED":
            refused.append(review.person)
        elif review.state == "APPROVED":
            if key == author.lower():
                over[review.person] = "is the author"
            elif review.commit != head:
                over[review.person] = f"approved {review.commit[:12] or 'no commit'}, not {head[:12]}"
            else:
                approved.append(review.person)
    return Count(tuple(sorted(approved)), tuple(sorted(refused)), dict(sorted(over.items())))


def needed(before: Iterable[Mapping[str, int]], after: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return how many approvals each environment asks for: the more of what it asked for before the change and asks for now."""
    most: dict[str, int] = {}
    for one in (*before, *after):
        for name, number in one.items():
            most[name] = max(number, most.get(name, 0))
    return most


__all__ = ["Count", "Review", "count", "needed", "read_reviews"]
