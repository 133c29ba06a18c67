"""KServe 0.20: InferenceServices, graphs, the route that divides their traffic, and what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target
from mlspec.targets.kserve.access import AccountView, BudgetView, PolicyView, SecretView, secrets_of
from mlspec.targets.kserve.graph import GraphView
from mlspec.targets.kserve.limits import check
from mlspec.targets.kserve.service import ServiceView
from mlspec.targets.kserve.traffic import DomainView, RouteView
from mlspec.targets.kserve.version import Version, live, versions


def render(plan: Plan) -> Iterator[Rendering]:
    """Make the objects of every endpoint, one file each, and of the secrets that they name."""
    node = plan.node
    for name in sorted(node.serving):
        file = f"{plan.folder}/serving-{name}.yaml"
        if "graph" in node.serving[name]:
            yield from _graph(plan, name, file)
        else:
            yield from _endpoint(plan, name, file)
    if node.platform.secrets.word == "externalSecrets":
        for secret in secrets_of(plan):
            yield Rendering("kserve/external-secret.yaml.j2", SecretView(plan, secret), f"{plan.folder}/secret-{secret}.yaml")


def _endpoint(plan: Plan, name: str, file: str) -> Iterator[Rendering]:
    entry = plan.node.serving[name]
    standing = _standing(plan, name)
    yield Rendering("kserve/service-account.yaml.j2", AccountView(plan, name, standing), file)
    yield Rendering("kserve/network-policy.yaml.j2", PolicyView(plan, name, standing), file)
    for version in standing:
        yield Rendering("kserve/inference-service.yaml.j2", ServiceView(plan, name, version), file)
    if _is_knative(plan):
        if "expose" in entry:
            yield Rendering("kserve/domain-mapping.yaml.j2", DomainView(plan, name, standing), file)
        return
    yield Rendering("kserve/pod-disruption-budget.yaml.j2", BudgetView(plan, name, standing), file)
    if "expose" in entry:
        yield Rendering("kserve/http-route.yaml.j2", RouteView(plan, name, standing), file)
        if entry.rollout.strategy == "blueGreen":
            for version in standing:
                if version.role == "canary":
                    yield Rendering("kserve/http-route.yaml.j2", RouteView(plan, name, standing, version), file)


def _standing(plan: Plan, name: str) -> list[Version]:
    """Return the versions that are an InferenceService each.

    With Knative a canary is a newer revision of the one InferenceService, which KServe gives `canaryTrafficPercent` of the traffic.
    """
    made = versions(plan, name)
    if not _is_knative(plan):
        return made
    newest = next((version for version in made if version.role == "canary"), made[0])
    return [newest._replace(name=made[0].name, role="stable")]


def _graph(plan: Plan, name: str, file: str) -> Iterator[Rendering]:
    yield Rendering("kserve/service-account.yaml.j2", AccountView(plan, name, []), file)
    yield Rendering("kserve/network-policy.yaml.j2", PolicyView(plan, name, []), file)
    yield Rendering("kserve/inference-graph.yaml.j2", GraphView(plan, name, []), file)
    if "expose" in plan.node.serving[name]:
        if _is_knative(plan):
            yield Rendering("kserve/domain-mapping.yaml.j2", DomainView(plan, name, []), file)
        else:
            yield Rendering("kserve/http-route.yaml.j2", RouteView(plan, name, []), file)


def _is_knative(plan: Plan) -> bool:
    return bool(plan.node.platform.serving.kserve.mode == "knative")


TARGET = Target("kserve", ("serving", "kserve"), "serving", render, check, live=live)
