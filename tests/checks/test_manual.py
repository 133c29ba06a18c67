"""The manual pages of these checks: each Bad example gives its code, each Good one nothing."""

import pytest

from checks.build_serving import examples, findings, project_checks
from mlspec.checks import (
    environments,
    governance,
    graphs,
    images,
    names,
    overrides,
    patches,
    platform,
    resources,
    runtimes,
    schedules,
    security,
    serving,
    traffic,
)

MODULES = (
    serving,
    runtimes,
    traffic,
    graphs,
    resources,
    schedules,
    governance,
    environments,
    overrides,
    names,
    security,
    images,
    patches,
    platform,
)
ALL = [check for module in MODULES for check in (*getattr(module, "CHECKS", ()), *project_checks(module))]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.code.name)
def test_examples_of_the_manual(check):
    shown = examples(check.code.page)
    assert check.code.id in [code for code, _ in findings(shown["Bad"], *MODULES)]
    assert findings(shown["Good"], *MODULES) == []


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.code.name)
def test_examples_have_the_shape_of_the_language(check):
    from checks.build_serving import load
    from mlspec.spec.spec import Spec

    for text in examples(check.code.page).values():
        Spec.model_validate(load(text))
