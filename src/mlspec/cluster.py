"""What a cluster has: the one door to the kubernetes package."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.diagnostics import Unable

EMITTED: Mapping[str, str] = {
    "applications.argoproj.io": "v1alpha1",
    "appprojects.argoproj.io": "v1alpha1",
    "externalsecrets.external-secrets.io": "v1",
    "inferencegraphs.serving.kserve.io": "v1alpha1",
    "inferenceservices.serving.kserve.io": "v1beta1",
    "podmonitors.monitoring.coreos.com": "v1",
    "prometheusrules.monitoring.coreos.com": "v1",
    "rollouts.argoproj.io": "v1alpha1",
    "sensors.argoproj.io": "v1alpha1",
    "servicemonitors.monitoring.coreos.com": "v1",
    "workflowtemplates.argoproj.io": "v1alpha1",
}
"""Custom resources that mlspec writes, by the name of their definition, and the version that it writes them in."""

_SECONDS = 15


def installed_versions(context: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return the served versions of every CustomResourceDefinition in the cluster, by its name.

    ``context`` is a context of the kubeconfig; without one the current. Raises Unable (exit 3) when there is no
    kubeconfig or no answer.
    """
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError  # type: ignore[import-not-found, unused-ignore] # comes with kubernetes

    try:
        config.load_kube_config(context=context)
    except (config.ConfigException, OSError) as error:
        raise Unable(f"no usable kubeconfig: {error}", "set KUBECONFIG, or log in to the cluster") from None
    api = client.ApiextensionsV1Api()
    try:
        answer = api.list_custom_resource_definition(_request_timeout=_SECONDS)
    except ApiException as error:
        raise Unable(f"the cluster answered {error.status} {error.reason}", "ask for the right to list customresourcedefinitions") from None
    except HTTPError as error:
        raise Unable(f"the cluster does not answer: {error}", "check the context of the kubeconfig") from None
    return {item.metadata.name: tuple(version.name for version in item.spec.versions if version.served) for item in answer.items}
