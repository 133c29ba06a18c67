"""Argo CD: one AppProject and one Application an environment, with what a namespace has to be."""

import pytest
import yaml

from mlspec.compiler import Request, compile_specs

SPEC = """\
apiVersion: mlspec.dev/v1
name: shop
owner: {team: search}
platform:
  repository: {url: https://git.shop.example/ml.git}
  pipelines: PIPELINES
environments:
  trial: {namespace: shop-trial}
  live: {namespace: shop, cluster: prod-eu, after: trial}
pipelines:
  fit:
    image: ghcr.io/shop/fit@sha256:DIGEST
    steps: {fit: {run: [fit]}}
""".replace("DIGEST", "ab" * 32)


@pytest.fixture
def applied(tmp_path):
    def applied(spec):
        (tmp_path / "mlspec.yaml").write_text(spec)
        outcome = compile_specs(Request((tmp_path / "mlspec.yaml",)))
        assert [d.message for d in outcome.diagnostics if d.severity == "error"] == []
        return list(yaml.safe_load_all(outcome.projects[0].tree["deploy/argocd/shop.yaml"]))

    return applied


def test_an_application_an_environment(applied):
    project, trial, live = applied(SPEC.replace("PIPELINES", "kubeflow"))
    assert project["spec"]["sourceRepos"] == ["https://git.shop.example/ml.git"]
    assert [trial["metadata"]["name"], live["metadata"]["name"]] == ["shop-trial", "shop-live"]
    assert trial["spec"]["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "shop-trial"}
    assert live["spec"]["destination"] == {"name": "prod-eu", "namespace": "shop"}
    assert live["spec"]["source"]["path"] == "deploy/shop/live"


@pytest.mark.parametrize(
    ("pipelines", "level"),
    [
        ("kubeflow", "baseline"),
        ('{kubeflow: {version: "2.15"}}', "baseline"),
        ('{kubeflow: {version: "2.16"}}', "restricted"),
    ],
)
def test_a_namespace_admits_what_kubeflow_runs_in_it(applied, pipelines, level):
    made = applied(SPEC.replace("PIPELINES", pipelines))[1]["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]
    assert made["pod-security.kubernetes.io/enforce"] == level


def test_pipelines_elsewhere_leave_the_namespace_restricted_and_are_a_destination(applied):
    spec = SPEC.replace("PIPELINES", "kubeflow").replace(
        "namespace: shop, cluster: prod-eu", "namespace: shop, cluster: prod-eu, platform: {pipelines: {kubeflow: {namespace: shop-runs}}}"
    )
    project, _, live = applied(spec)
    assert live["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {"name": "prod-eu", "namespace": "shop-runs"} in project["spec"]["destinations"]
    assert {"server": "https://kubernetes.default.svc", "namespace": "shop-runs"} not in project["spec"]["destinations"]
