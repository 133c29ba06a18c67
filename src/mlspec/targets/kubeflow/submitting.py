"""The view of a Job that starts a run of a pipeline by names alone, and waits for it where it must."""

from __future__ import annotations

from mlspec.names import object_name
from mlspec.plan.plan import Plan
from mlspec.quantity import seconds
from mlspec.targets.kubeflow.access import TOKEN_AUDIENCE, TOKEN_FOLDER, PipelineView, submitter
from mlspec.targets.kubeflow.commands import LONGEST
from mlspec.targets.kubeflow.names import PROGRAMS, account_of, api_of, pipeline_object, runner_image
from mlspec.targets.kubeflow.references import literal

GRACE = 300
"""Seconds that a Job has to end its run when that has taken too long, before it is ended itself."""


class SubmitView(PipelineView):
    """A Job that starts a run; the views of what makes such Jobs extend it."""

    trigger = "manual"
    waits = True

    def __init__(self, plan: Plan, pipeline: str, version: str, config: str) -> None:
        super().__init__(plan, pipeline)
        self._version, self._config = version, config

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of its pods, by which their policy finds them."""
        return {**self.labels, **selector(self.labels, "submit")}

    @property
    def account(self) -> str:
        """The ServiceAccount of its pods."""
        return submitter(self._plan, self._pipeline)

    @property
    def image(self) -> str:
        """The image that the program runs in."""
        return runner_image(self._plan, self._pipeline)

    @property
    def programs(self) -> str:
        """The ConfigMap that holds the program."""
        return self._config

    @property
    def folder(self) -> str:
        """Where the program is mounted."""
        return PROGRAMS

    @property
    def token_folder(self) -> str:
        """Where the token for the pipeline server is mounted."""
        return TOKEN_FOLDER

    @property
    def audience(self) -> str:
        """Whom the token is for: the pipeline server alone, so the Kubernetes API refuses it."""
        return TOKEN_AUDIENCE

    @property
    def _timeout(self) -> int | None:
        timeout = self._entry.timeout
        return int(seconds(timeout)) if timeout else None

    @property
    def deadline(self) -> int | None:
        """Seconds after which the Job is ended; by then it has ended its run."""
        timeout = self._timeout
        return timeout + GRACE if timeout is not None else None

    @property
    def ttl(self) -> int | None:
        """Seconds after which the finished Job goes away by itself."""
        return None

    @property
    def _once(self) -> str:
        return "$(JOB)"

    @property
    def arguments(self) -> list[str]:
        """The arguments of the program. ``$(JOB)`` is the Job's own id: a pod that takes over goes on with the run that was begun."""
        plan = self._plan
        made = ["run", "--api", literal(api_of(plan)), "--token-file", f"{TOKEN_FOLDER}/token", "--namespace", self.namespace]
        made += ["--pipeline", pipeline_object(self._pipeline), "--version", self._version]
        made += ["--experiment", object_name(plan.project, plan.environment), "--service-account", account_of(plan, self._pipeline)]
        made += ["--once", self._once]
        timeout = self._timeout
        if self.waits or timeout is not None:
            made += ["--wait", "--timeout", str(LONGEST if timeout is None else timeout)]
        return made


def selector(labels: dict[str, str], component: str) -> dict[str, str]:
    """Return the labels by which the pods of one purpose of a pipeline are found."""
    keys = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "mlspec.dev/environment")
    return {**{key: labels[key] for key in keys}, "app.kubernetes.io/component": component}
