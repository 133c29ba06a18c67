"""Prometheus Operator 0.93: what is recorded and watched of endpoints, what is scraped, and who hears of alerts."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target


def render(plan: Plan) -> Iterator[Rendering]:
    """Make what watches each endpoint, one file each, and what all of them share."""
    from mlspec.targets.prometheus.rules import RuleView, groups_of
    from mlspec.targets.prometheus.scraping import ScrapeView, scraped
    from mlspec.targets.prometheus.surroundings import shared, surroundings

    for endpoint in sorted(plan.node.monitoring):
        file = f"{plan.folder}/monitoring-{endpoint}.yaml"
        if groups_of(plan, endpoint):
            yield Rendering("prometheus/prometheus-rule.yaml.j2", RuleView(plan, endpoint), file)
        if scraped(plan, endpoint) is not None:
            yield Rendering("prometheus/pod-monitor.yaml.j2", ScrapeView(plan, endpoint), file)
        yield from surroundings(plan, endpoint)
    yield from shared(plan)


def check(plan: Plan) -> Iterator[Finding]:
    """Yield what Prometheus cannot tell, and what the comparisons cannot do."""
    from mlspec.targets.prometheus.compared import check_comparisons
    from mlspec.targets.prometheus.limits import check as check_measures

    yield from check_measures(plan)
    yield from check_comparisons(plan)


TARGET = Target("prometheus", ("monitoring", "prometheus"), "monitoring", render, check)
