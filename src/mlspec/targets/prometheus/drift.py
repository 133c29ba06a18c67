"""The views of scheduled comparisons: drift, bias and outliers of live requests, each a CronJob that pushes gauges.

Sources: Kubernetes 1.34 (a CronJob's ``timeZone``, its name of at most 52 characters, the kubelet's expansion of ``$(NAME)`` in
arguments); robfig/cron v3, the reader of Kubernetes (a step over a range: ``7-59/30``); pyarrow 20 (``pyarrow.fs`` takes credentials of S3
from the environment, and those of Google from the file that ``GOOGLE_APPLICATION_CREDENTIALS`` names).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from mlspec.names import CRON_JOB_LIMIT, HASH_LENGTH, object_name
from mlspec.plan.labels import contacts, labels
from mlspec.plan.node import Node
from mlspec.plan.plan import Plan
from mlspec.plan.rules import dataset_text, rules_text
from mlspec.quantity import plain, ratio, seconds
from mlspec.resources import read_program
from mlspec.target import View

TASKS = ("drift", "bias", "outliers")
EVERY = "1h"
"""How often bias and outliers are looked at where no drift comparison says it."""
STORAGE = "/var/run/mlspec/storage"
_MOUNT = "/mlspec"
_EXPANDED = re.compile(r"\$\$+|\$(?=\()")
_HOUR, _DAY = 3600, 86400
"""A day is also how far back requests are read: enough of them, at every hour that people keep."""
_LONGEST = 3600
"""The longest that one comparison may run, in seconds."""


class JobView(View):
    """One scheduled comparison of one endpoint."""

    def __init__(self, plan: Plan, endpoint: str, task: str) -> None:
        self._plan, self._endpoint, self._task = plan, endpoint, task

    @property
    def _monitor(self) -> Node:
        monitor: Node = self._plan.node.monitoring[self._endpoint]
        return monitor

    @property
    def name(self) -> str:
        """The name of the CronJob."""
        return object_name(self._endpoint, self._task, limit=CRON_JOB_LIMIT)

    @property
    def task(self) -> str:
        """What it computes."""
        return self._task

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._endpoint)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask."""
        return contacts(self._plan)

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of its pods, by which the policy finds them."""
        return {**labels(self._plan, self._endpoint), **COMPONENT}

    @property
    def pod_annotations(self) -> dict[str, str]:
        """What pins the data that requests are compared with."""
        pin = self._plan.pins.get(f"datasets/{self._against}")
        return {"mlspec.dev/against": f"{self._against}@{pin}"} if pin else {}

    @property
    def suspended(self) -> bool:
        """Whether it rests: the thresholds that it measures for are all off."""
        return self._task == "drift" and not any(
            self._plan.node.thresholds[name].mode != "off" for name in drift_thresholds(self._plan, self._endpoint)
        )

    @property
    def _every(self) -> int:
        drift = self._monitor.drift
        return int(seconds(drift.every if drift else EVERY))

    @property
    def schedule(self) -> str:
        """When it runs."""
        return cron(self._every, f"{self._plan.project}/{self._plan.environment}/{self._endpoint}/{self._task}")

    @property
    def starting_deadline(self) -> int:
        """How late it may begin, in seconds: half of the time between two runs, at most a quarter of an hour."""
        return min(self._every // 2, 900)

    @property
    def deadline(self) -> int:
        """How long it may run, in seconds: until the next run, at most an hour."""
        return min(self._every, _LONGEST)

    @property
    def service_account(self) -> str:
        """The account of its pods."""
        return account_name(self._endpoint)

    @property
    def image(self) -> str:
        """Where it runs: the image that is named, else that of the pipeline that trained the model."""
        drift = self._monitor.drift
        if drift and drift.image is not None:
            named: str = drift.image
            return named
        node = self._plan.node
        trainer = node.models[node.serving[self._endpoint].model].trainedBy
        image: str = node.pipelines[trainer].image
        return image

    @property
    def _against(self) -> str:
        dataset = reference(self._plan, self._endpoint)
        assert dataset is not None, "the check nothing-to-compare-with refuses it"
        return dataset

    @property
    def arguments(self) -> list[str]:
        """The arguments of the program."""
        node, dataset = self._plan.node, self._against
        made = ["--task", self._task, "--current", current(self._plan, self._endpoint)]
        made += ["--dataset", f"{_MOUNT}/{dataset_key(dataset)}"]
        if self._task != "bias":
            made += ["--against", pinned_uri(node.datasets[dataset])]
        if self._task == "drift":
            for threshold in drift_thresholds(self._plan, self._endpoint):
                made += ["--rules", f"{_MOUNT}/{rules_key(threshold)}"]
        known = {"project": self._plan.project, "environment": self._plan.environment, "endpoint": self._endpoint, "task": self._task}
        made += ["--options", json.dumps(self._options, sort_keys=True)]
        made += ["--pushgateway", node.platform.monitoring.prometheus.pushgateway, "--labels", json.dumps(known)]
        return [_EXPANDED.sub(lambda found: found[0] * 2, argument) for argument in made]

    @property
    def _options(self) -> dict[str, Any]:
        made: dict[str, Any] = {"window": _DAY}
        columns = inputs(self._plan, self._endpoint)
        if columns:
            made["columns"] = sorted(columns)
        if self._task == "bias":
            bias = self._monitor.bias
            made |= {"across": bias.across, "metric": bias.metric, "maxGap": plain(ratio(bias.maxGap))}
        if self._task == "outliers":
            made |= {"method": self._monitor.outliers.method, "share": plain(ratio(self._monitor.outliers.share))}
        return made

    @property
    def programs(self) -> str:
        """The ConfigMap with the program and what it reads."""
        return monitors_name(self._plan)

    @property
    def credentials(self) -> str | None:
        """The secret that opens the object store."""
        storage = self._plan.node.platform.storage
        secret: str | None = storage.secret if storage else None
        return secret

    @property
    def credentials_file(self) -> str | None:
        """Where the credentials of Google's store stand in that secret; KServe gives them the same name."""
        places = [current(self._plan, self._endpoint), self._plan.node.datasets[self._against].uri]
        google = any(place.startswith(("gs://", "gcs://")) for place in places)
        return f"{STORAGE}/gcloud-application-credentials.json" if google and self.credentials else None


COMPONENT = {"app.kubernetes.io/component": "monitor"}
"""The label that pods of comparisons have, and pods of the endpoint do not."""


class MonitorsView(View):
    """The program of the comparisons, and what it reads, once for an environment."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def name(self) -> str:
        """The name of the ConfigMap, with a hash of what it holds: it is never changed, only replaced."""
        return monitors_name(self._plan)

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return self._plan.namespace

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return labels(self._plan, self._plan.project)

    @property
    def annotations(self) -> dict[str, str]:
        """Whom to ask; the ConfigMap goes away after what uses it."""
        return {"argocd.argoproj.io/sync-options": "PruneLast=true", **contacts(self._plan)}

    @property
    def data(self) -> dict[str, str]:
        """The files."""
        return dict(monitors_data(self._plan))


def tasks(plan: Plan, endpoint: str) -> list[str]:
    """Return what is computed of an endpoint on a schedule."""
    monitor = plan.node.monitoring[endpoint]
    return [task for task in TASKS if task in monitor]


def drift_thresholds(plan: Plan, endpoint: str) -> list[str]:
    """Return the thresholds on the alerts of an endpoint that are on drift, in the order in which they are written."""
    node = plan.node
    return [name for name in node.monitoring[endpoint].alerts or () if node.thresholds[name].on == "drift"]


def reference(plan: Plan, endpoint: str) -> str | None:
    """Return the dataset that live requests are held against.

    It is the one that the drift comparison names, else the first that the model was evaluated on, else the one that its first feature is
    from; None where there is none of them.
    """
    node = plan.node
    drift, model = node.monitoring[endpoint].drift, node.serving[endpoint].model
    found: list[str] = [drift.against] if drift else []
    if model is not None:
        found += node.models[model].evaluatedOn or []
        found += [node.features[feature]["from"] for feature in node.models[model].features or []]
    return next((name for name in found if name in node.datasets), None)


def inputs(plan: Plan, endpoint: str) -> list[str]:
    """Return the inputs of the endpoint's model in order, for requests that are lists without names; none without a signature."""
    node = plan.node
    model = node.serving[endpoint].model
    signature = node.models[model].signature if model is not None else None
    return list(signature.inputs) if signature and signature.inputs else []


def current(plan: Plan, endpoint: str) -> str:
    """Return where the logged requests lie: the place that is named, else the sink of the endpoint's log."""
    drift = plan.node.monitoring[endpoint].drift
    place: str = drift.current if drift and drift.current is not None else plan.node.serving[endpoint].logging.sink
    return place


def pinned_uri(dataset: Node) -> str:
    """Return the place of a dataset, at the version that pins it where an address can say so.

    lakeFS 1.x: ``lakefs://repository/ref/path``, where ref may be a commit.
    """
    uri: str = dataset.uri
    commit = dataset.version.lakefs if dataset.version else None
    if commit is None or not uri.startswith("lakefs://") or "@" not in commit:
        return uri
    repository, _, rest = uri.removeprefix("lakefs://").partition("/")
    return f"lakefs://{repository}/{commit.rpartition('@')[2]}/{rest.partition('/')[2]}"


def cron(every: int, name: str) -> str:
    """Return the cron line that runs every so many seconds, a divisor of an hour or whole hours that divide a day.

    The minute comes from a hash of the name, so that a fleet does not start all at once, and a name keeps its own.
    """
    offset = int(sha256(name.encode()).hexdigest()[:8], 16)
    minutes = every // 60
    if every < _HOUR:
        start = offset % minutes
        return "* * * * *" if minutes == 1 else f"{start}-59/{minutes} * * * *"
    hours = every // _HOUR
    return f"{offset % 60} {'*' if hours == 1 else '0' if every == _DAY else f'*/{hours}'} * * *"


def account_name(endpoint: str) -> str:
    """Return the name of the account, and of the policy, of an endpoint's comparisons."""
    return object_name(endpoint, "monitors")


def rules_key(threshold: str) -> str:
    """Return the file that holds the rules of a threshold."""
    return f"rules-{threshold}.json"


def dataset_key(dataset: str) -> str:
    """Return the file that holds what is known of a dataset."""
    return f"dataset-{dataset}.json"


def monitors_name(plan: Plan) -> str:
    """Return the name of the ConfigMap of an environment's comparisons."""
    digest = sha256()
    for key, text in sorted(monitors_data(plan)):
        digest.update(f"{len(key)}:{key}{len(text)}:{text}".encode())
    return object_name(plan.project, "monitors", digest.hexdigest()[:HASH_LENGTH])


def monitors_data(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the files that the comparisons of an environment need."""
    yield "drift.py", read_program("drift")
    rules: set[str] = set()
    datasets: set[str] = set()
    for endpoint in plan.node.monitoring:
        asked = tasks(plan, endpoint)
        if "drift" in asked:
            rules.update(drift_thresholds(plan, endpoint))
        if asked and (dataset := reference(plan, endpoint)) is not None:
            datasets.add(dataset)
    for threshold in sorted(rules):
        yield rules_key(threshold), rules_text(plan, threshold)
    for dataset in sorted(datasets):
        yield dataset_key(dataset), dataset_text(plan, dataset)
