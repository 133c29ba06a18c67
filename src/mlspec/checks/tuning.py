"""Searches of tune steps: ranges and counts of trials."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.checks.steps import Tree, pipelines
from mlspec.checks.subject import Subject
from mlspec.checks.values import as_number
from mlspec.diagnostics import Found, code
from mlspec.location import Path, format_path


def _tunes(subject: Subject) -> Iterator[tuple[Path, Tree]]:
    for name, _, steps in pipelines(subject.pipelines):
        for step, written in steps.items():
            if isinstance(written.get("tune"), dict):
                yield ("pipelines", name, "steps", step, "tune"), written["tune"]


@code("MLS-E224", "trial-counts")
def trial_counts(subject: Subject) -> Iterator[Found]:
    """No more trials can run at once, or fail, than there are in all.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune: {objective: {metric: auc, goal: maximize}, trials: {max: 4, parallel: 8}, search: {depth: {int: [3, 9]}}}
                run: [fit, "${params.depth}"]
              fit: {run: [fit, "${steps.tune.best.depth}"]}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune: {objective: {metric: auc, goal: maximize}, trials: {max: 40, parallel: 8}, search: {depth: {int: [3, 9]}}}
                run: [fit, "${params.depth}"]
              fit: {run: [fit, "${steps.tune.best.depth}"]}
    """
    for path, tune in _tunes(subject):
        trials = tune["trials"]
        most = as_number(trials["max"])
        for field in ("parallel", "failed"):
            count = as_number(trials.get(field))
            if most is not None and count is not None and count > most:
                place = (*path, "trials", field)
                related = (((*path, "trials", "max"), f"{most} in all"),)
                yield Found(
                    place,
                    f"`{format_path(place)}` is {count}, more than the {most} trials in all",
                    f"write at most {most}",
                    label=f"more than {most}",
                    related=related,
                )


@code("MLS-E225", "search-range")
def search_range(subject: Subject) -> Iterator[Found]:
    """A searched range must suit its form: whole numbers for `int`, above zero for `scale: log`, no scale for `categorical`.

    Bad::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune: {objective: {metric: auc, goal: maximize}, trials: {max: 40}, search: {rate: {double: [0, 0.3], scale: log}}}
                run: [fit, "${params.rate}"]
              fit: {run: [fit, "${steps.tune.best.rate}"]}

    Good::

        pipelines:
          train:
            image: ghcr.io/acme/train:1.0@sha256:3b1d0f2c4e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
            steps:
              tune:
                tune: {objective: {metric: auc, goal: maximize}, trials: {max: 40}, search: {rate: {double: [0.001, 0.3], scale: log}}}
                run: [fit, "${params.rate}"]
              fit: {run: [fit, "${steps.tune.best.rate}"]}
    """
    for path, tune in _tunes(subject):
        for parameter, search in tune["search"].items():
            here = (*path, "search", parameter)
            if "scale" in search and "categorical" in search and not ("int" in search or "double" in search):
                said = f"`{format_path(here)}` has a scale, and values of `categorical` have no order"
                yield Found(
                    (*here, "scale"),
                    said,
                    "remove `scale`",
                    on="key",
                    label="no range to scale",
                    related=(((*here, "categorical"), "the values"),),
                )
            for at, end in enumerate(search.get("int") or ()):
                number = as_number(end)
                if number is None or number != number.to_integral_value():
                    yield Found(
                        (*here, "int", at),
                        f"`{format_path(here)}` searches whole numbers, and {end} is none",
                        "write a whole number, or use `double`",
                        label="not whole",
                    )
            form = next((form for form in ("int", "double") if form in search), None)
            if form and search.get("scale") == "log":
                low = as_number(search[form][0])
                if low is not None and low <= 0:
                    said = f"`{format_path(here)}` begins at {search[form][0]}, and a log scale has no place for zero or less"
                    yield Found(
                        (*here, form, 0),
                        said,
                        "begin above zero, or use `scale: linear`",
                        label="not above zero",
                        related=(((*here, "scale"), "log"),),
                    )


CHECKS = (trial_counts, search_range)
