"""The order of environments, which no promotion skips."""

from __future__ import annotations

from itertools import pairwise

from mlspec.diagnostics import Found, code
from mlspec.location import Path
from mlspec.promotion.moves import Tree, items


def chain_to(tree: Tree, source: str, target: str) -> list[str] | None:
    """Return the environments from one to another along ``after``, both included; None when there is no such way."""
    environments = items(tree, "environments")
    way = [target]
    while way[0] != source:
        before = (environments.get(way[0]) or {}).get("after")
        if before is None or before in way:
            return None
        way.insert(0, before)
    return way


@code("MLS-E720", "skipped-environment")
def skipped_environment(source: str, target: str, way: list[str] | None, after: str | None) -> Found:
    """Versions are promoted from an environment to the one that comes right after it.

    What has not been in an environment has not been tried there, so no environment is skipped. `after` gives the order; an
    environment without it starts a chain of its own and gets its versions from no other.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf '  test: {namespace: t, after: dev}\\n  prod: {namespace: p, after: test}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf '  test: {namespace: t, after: dev}\\n  prod: {namespace: p, after: test}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to test --format json
    """
    place: Path = ("environments", target, "after") if after else ("environments", target)
    if way and len(way) > 2:
        skipped = ", ".join(way[1:-1])
        help_ = "; then ".join(f"mlspec promote --from {a} --to {b}" for a, b in pairwise(way))
        return Found(place, f"{target} comes after {after}: promoting from {source} would skip {skipped}", help_)
    if after:
        return Found(place, f"{target} comes after {after}, not after {source}", f"mlspec promote --from {after} --to {target}")
    return Found(place, f"{target} does not say which environment it comes after", f"write `after: {source}` there", on="key")
