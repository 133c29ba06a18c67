"""The platform with its defaults written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mlspec.location import Path

DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "serving": {"kserve": {"version": "0.20", "mode": "standard"}, "kubernetes": {}, "seldon": {}},
    "pipelines": {
        "kubeflow": {"version": "2.14", "api": "http://ml-pipeline.kubeflow.svc:8888"},
        "argo": {},
        "tekton": {},
        "airflow": {},
    },
    "monitoring": {
        "prometheus": {
            "url": "http://prometheus-operated.monitoring.svc:9090",
            "pushgateway": "http://prometheus-pushgateway.monitoring.svc:9091",
            "labels": {"release": "kube-prometheus-stack"},
            "dashboards": "grafana_dashboard",
        },
        "none": {},
    },
    "gitops": {
        "argocd": {"namespace": "argocd", "sync": "automated"},
        "flux": {"namespace": "flux-system", "sync": "automated"},
        "none": {},
    },
    "gateway": {
        "istio": {"name": "kserve-ingress-gateway", "namespace": "kserve"},
        "envoy": {"name": "kserve-ingress-gateway", "namespace": "kserve"},
    },
    "events": {"argo": {"bus": "default"}, "none": {}},
}
_FIRST = {"serving": "kserve", "pipelines": "kubeflow", "monitoring": "prometheus", "gateway": "istio", "events": "argo"}
_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "dev.azure.com": "azure"}
MLFLOW = "http://mlflow.mlflow.svc:5000"


def complete(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the platform with every default, in one form: ``{serving: {word: kserve, kserve: {version, mode}}, ...}``."""
    repository = written.get("repository")
    made: dict[str, Any] = {}
    for key in ("serving", "pipelines", "monitoring", "gateway", "events"):
        made[key] = _choose(key, written.get(key, _FIRST[key]))
    made["gitops"] = _choose("gitops", written.get("gitops", "argocd" if repository else "none"))
    made["ci"] = _ci(written.get("ci"), repository)
    registry = written.get("registry", {"mlflow": MLFLOW})
    made["registry"] = {"word": "none"} if registry == "none" else {"word": "mlflow", **registry}
    secrets = written.get("secrets", "existing")
    if isinstance(secrets, dict):
        store = secrets["externalSecrets"]
        made["secrets"] = {"word": "externalSecrets", "externalSecrets": {"kind": "ClusterSecretStore", **store}}
    else:
        made["secrets"] = {"word": "existing"}
    for key in ("identity", "storage", "runner"):
        if key in written:
            made[key] = written[key]
    if repository:
        made["repository"] = {"branch": "main", **repository}
    return made


def default_of(path: Path) -> Any:
    """Return what a field below ``platform`` is when nothing is written; None where that is nothing, or depends on more than the field."""
    if len(path) == 1:
        return _FIRST.get(str(path[0]))
    return DEFAULTS.get(str(path[0]), {}).get(str(path[1]), {}).get(str(path[2])) if len(path) == 3 else None


def _choose(key: str, written: Any) -> dict[str, Any]:
    word, settings = (written, {}) if isinstance(written, str) else next(iter(written.items()))
    return {"word": word, word: {**DEFAULTS[key].get(word, {}), **settings}}


def _ci(written: Any, repository: Any) -> list[dict[str, Any]]:
    if written is None:
        host = host_of(repository["url"]) if repository else ""
        written = [_HOSTS[host]] if host in _HOSTS else []
    systems = []
    for entry in written:
        word, settings = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        systems.append({"word": word, word: settings})
    return systems


def host_of(url: str) -> str:
    """Return the host of a repository URL, in its https or its ssh form."""
    if "://" in url:
        try:
            return (urlsplit(url).hostname or "").removeprefix("ssh.")
        except ValueError:  # brackets that hold no address; the check of the setting says so
            return ""
    return url.rsplit("@", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def words(platform: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chosen word of each key, and the settings under ``KEY.settings``."""
    chosen: dict[str, Any] = {
        key: platform[key]["word"] for key in ("serving", "pipelines", "monitoring", "gateway", "events", "gitops", "registry", "secrets")
    }
    chosen["ci"] = tuple(system["word"] for system in platform["ci"])
    for key in ("serving", "pipelines", "monitoring", "gateway", "events", "gitops"):
        chosen[f"{key}.settings"] = platform[key][chosen[key]]
    chosen["registry.settings"] = platform["registry"]
    for key in ("repository", "storage", "identity", "runner"):
        chosen[key] = platform.get(key)
    return chosen
