"""How traffic reaches endpoints and is divided: rollouts, splits, shadows, hosts, logs, access."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlspec.checks.subject import Project, Subject, Tree
from mlspec.diagnostics import Found, code
from mlspec.location import Path

ROLLOUT_FIELDS = {"steps": ("canary",), "pause": ("canary", "blueGreen"), "gate": ("canary", "blueGreen")}
SINKS = ("http", "https", "s3")
IN_CLUSTER = "https://kubernetes.default.svc"
PREVIEW = "-preview"
_PATH = re.compile(r"/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_ADDRESS = re.compile(r"[0-9.]+")


def shadow_of(endpoint: Tree) -> str | None:
    """Return the model that sees a copy of an endpoint's traffic, if there is one."""
    shadow = endpoint.get("shadow")
    return shadow["model"] if isinstance(shadow, dict) else shadow


def cluster_of(project: Project, environment: str) -> str:
    """Return the cluster of an environment; that of the GitOps system when none is written."""
    cluster: str = project.environments.get(environment, {}).get("cluster", IN_CLUSTER)
    return IN_CLUSTER if cluster == "in-cluster" else cluster.rstrip("/")


def written_at(project: Project, environment: str, path: Path) -> Path:
    """Return where the value of a path in one environment is written: in its overrides, or in the body of the spec."""
    node = project.environments.get(environment, {}).get("overrides")
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return path
        node = node[part]
    return ("environments", environment, "overrides", *path)


@code("MLS-E258", "rollout-field")
def rollout_field(subject: Subject) -> Iterator[Found]:
    """`steps` belongs to a canary, `pause` and `gate` to a canary or a blue-green rollout.

    The other strategies replace pods at once and have nothing that could be paused or judged.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, rollout: {strategy: rolling, steps: [10, 50]}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris, rollout: {strategy: canary, steps: [10, 50], pause: 10m}, expose: {host: iris.acme.example}}
    """
    for name, endpoint in subject.serving.items():
        rollout = endpoint.get("rollout", {})
        for field, strategies in ROLLOUT_FIELDS.items():
            if field in rollout and rollout["strategy"] not in strategies:
                path: Path = ("serving", name, "rollout")
                yield Found(
                    (*path, field),
                    f"`{field}` has no meaning for the strategy {rollout['strategy']}",
                    f"remove it, or write `strategy: {' or '.join(strategies)}`",
                    on="key",
                    related=(((*path, "strategy"), "the strategy stands here"),),
                )


@code("MLS-E259", "rollout-steps")
def rollout_steps(subject: Subject) -> Iterator[Found]:
    """The steps of a canary grow: each gives it more traffic than the one before.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [50, 10]}, expose: {host: iris.acme.example}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10, 50]}, expose: {host: iris.acme.example}}}
    """
    for name, endpoint in subject.serving.items():
        steps = endpoint.get("rollout", {}).get("steps", [])
        for at in range(1, len(steps)):
            if steps[at] <= steps[at - 1]:
                path: Path = ("serving", name, "rollout", "steps")
                related = (((*path, at - 1), "the step before"),)
                yield Found(
                    (*path, at),
                    f"the step of {steps[at]} % comes after one of {steps[at - 1]} %, expected more",
                    "write the steps in rising order",
                    related=related,
                )
                break


@code("MLS-E260", "traffic-over-100")
def traffic_over_100(subject: Subject) -> Iterator[Found]:
    """Splits leave something to the endpoint's own model, and a canary takes its share of what they leave.

    The stable version gets 100 % less all splits, less the canary.

    Bad::

        models:
          a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}
          b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}
          c: {framework: sklearn, version: 1.0.0, uri: s3://m/c}
        serving: {a: {model: a, split: {b: 60, c: 40}, expose: {host: a.acme.example}}}

    Good::

        models:
          a: {framework: sklearn, version: 1.0.0, uri: s3://m/a}
          b: {framework: sklearn, version: 1.0.0, uri: s3://m/b}
        serving: {a: {model: a, split: {b: 40}, expose: {host: a.acme.example}}}
    """
    for name, endpoint in subject.serving.items():
        split = endpoint.get("split", {})
        total = sum(split.values())
        path: Path = ("serving", name)
        if total >= 100:
            last = list(split)[-1]
            yield Found(
                (*path, "split", last),
                f"the splits of `{name}` take {total} %, expected less than 100 %: the rest stays with its own model",
                f"lower them by at least {total - 99}",
                related=tuple(((*path, "split", model), f"{share} %") for model, share in split.items() if model != last),
            )
            continue
        for at, step in enumerate(endpoint.get("rollout", {}).get("steps", ())):
            if total and step + total > 100:
                yield Found(
                    (*path, "rollout", "steps", at),
                    f"a canary at {step} % and splits of {total} % are {step + total} % of the traffic",
                    f"write at most {100 - total}, or lower the splits",
                    related=(((*path, "split"), f"the splits take {total} %"),),
                )
                break


@code("MLS-E261", "needs-expose")
def needs_expose(subject: Subject) -> Iterator[Found]:
    """Traffic is divided at the gateway, so whatever divides it needs `expose`.

    That holds for `split`, `shadow` and the strategies canary and blueGreen. Calls that go straight to a Service inside the
    cluster are not divided.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10]}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10]}, expose: {host: iris.acme.example}}}
    """
    for name, endpoint in subject.serving.items():
        if "expose" in endpoint or "graph" in endpoint:  # a graph has nothing to divide, and another check says so
            continue
        path: Path = ("serving", name)
        places: list[tuple[Path, str]] = [((*path, field), field) for field in ("split", "shadow") if field in endpoint]
        strategy = endpoint.get("rollout", {}).get("strategy")
        if strategy in ("canary", "blueGreen"):
            places.append(((*path, "rollout", "strategy"), strategy))
        if places:
            (where, _), *others = places
            words = " and ".join(word for _, word in places)
            yield Found(
                where,
                f"endpoint `{name}` is not exposed, but {words} divide{'s' if not others else ''} traffic at the gateway",
                "add `expose:` with a host",
                on="key" if where[-1] != "strategy" else "value",
                related=tuple((place, f"{word} too") for place, word in others),
            )


@code("MLS-E262", "gate-without-driver")
def gate_without_driver(subject: Subject) -> Iterator[Found]:
    """A gate on a rollout needs someone who asks it: a CI system, or Argo Rollouts (`serving: kubernetes`).

    The CI job `rollout` runs the gate and then advances or aborts; Argo Rollouts does it in the cluster. With neither, the
    canary would wait forever.

    Bad::

        platform: {ci: [], repository: {url: "https://git.acme.example/ml.git"}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10], gate: online}, expose: {host: iris.acme.example}}}

    Good::

        platform: {ci: [github]}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10], gate: online}, expose: {host: iris.acme.example}}}
    """
    if not _is_unsaid(subject):
        for name, gate in _undriven(subject):
            yield Found(
                ("serving", name, "rollout", "gate"),
                f"nothing asks the gate `{gate}`: the platform has no CI system and no Argo Rollouts",
                "add `ci: [github]` (or another) to `platform`, or serve on kubernetes",
            )


@code("MLS-W255", "gate-without-repository", severity="warning")
def gate_without_repository(subject: Subject) -> Iterator[Found]:
    """A gate on a rollout is asked by the CI system of the repository, so the repository should be known.

    Nothing is written for a CI system while neither `platform.repository` nor `platform.ci` says which one there is. The canary
    then waits for a person who runs `mlspec rollout`.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10], gate: online}, expose: {host: iris.acme.example}}}

    Good::

        platform: {repository: {url: "https://github.com/acme/ml.git"}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {online: {on: live, rules: [{metric: errorRate, max: 1%}]}}
        serving: {iris: {model: iris, rollout: {strategy: canary, steps: [10], gate: online}, expose: {host: iris.acme.example}}}
    """
    if _is_unsaid(subject):
        for name, gate in _undriven(subject):
            yield Found(
                ("serving", name, "rollout", "gate"),
                f"nothing asks the gate `{gate}` yet: no repository is known, so there is no CI system to ask it",
                "add `repository: {url: ..}` or `ci: [github]` (or another) to `platform`",
            )


def _is_unsaid(subject: Subject) -> bool:
    """Tell whether a spec says nothing of where it is kept and built."""
    return not subject.platform.get("repository") and "ci" not in subject.tree.get("platform", {})


def _undriven(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the endpoints whose gate nothing asks, with the gate."""
    if subject.platform.get("serving", "kserve") == "kubernetes" or subject.platform.get("ci", True):
        return
    for name, endpoint in subject.serving.items():
        rollout = endpoint.get("rollout", {})
        if "gate" in rollout and rollout["strategy"] in ROLLOUT_FIELDS["gate"]:
            yield name, rollout["gate"]


@code("MLS-E263", "traffic-to-itself")
def traffic_to_itself(subject: Subject) -> Iterator[Found]:
    """`split` and `shadow` name other models than the endpoint's own, each once.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, shadow: iris, expose: {host: iris.acme.example}}}

    Good::

        models:
          iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}
          iris-next: {framework: sklearn, version: 1.1.0, uri: s3://m/iris-next}
        serving: {iris: {model: iris, shadow: iris-next, expose: {host: iris.acme.example}}}
    """
    for name, endpoint in subject.serving.items():
        path: Path = ("serving", name)
        own, shadow = endpoint.get("model"), shadow_of(endpoint)
        where: Path = (*path, "shadow", "model") if isinstance(endpoint.get("shadow"), dict) else (*path, "shadow")
        related = (((*path, "model"), "the endpoint's own model"),)
        if own is not None and own in endpoint.get("split", ()):
            yield Found(
                (*path, "split", own),
                f"the split of `{name}` names its own model `{own}`",
                "remove it; what the splits leave is its share",
                on="key",
                related=related,
            )
        if own is not None and shadow == own:
            yield Found(where, f"the shadow of `{name}` is its own model `{own}`", "name another model", related=related)
        elif shadow is not None and shadow in endpoint.get("split", ()):
            split = (((*path, "split", shadow), "it answers a share of the requests here"),)
            yield Found(where, f"`{shadow}` is both a split and the shadow of `{name}`", "remove one of the two", related=split)


@code("MLS-E270", "host-taken")
def host_taken(project: Project) -> Iterator[Found]:
    """No two endpoints have one host and path on one cluster, in whatever environments.

    The gateway would send requests to either of them. Give each environment its host with `${env.name}` or a variable.

    Bad::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: iris.acme.example}}}

    Good::

        environments: {dev: {namespace: iris-dev}, prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: "iris-${env.name}.acme.example"}}}
    """
    taken: dict[tuple[str, str, str], tuple[str, Path]] = {}
    for subject in project.subjects:
        for name, endpoint in subject.serving.items():
            if "expose" not in endpoint:
                continue
            host, prefix = endpoint["expose"]["host"], endpoint["expose"].get("path", "/")
            key = (cluster_of(project, subject.environment), host, prefix.rstrip("/") or "/")
            where = written_at(project, subject.environment, ("serving", name, "expose", "host"))
            if key not in taken:
                taken[key] = (subject.environment, where)
                continue
            environment, first = taken[key]
            same = first == where
            other = "too" if same else f"and by another endpoint in {environment}"
            yield Found(
                where,
                f"{host}{'' if prefix == '/' else prefix} is taken in {subject.environment} "
                + (f"and in {environment}, which share a cluster" if same or environment != subject.environment else "by two endpoints"),
                "give each environment its own host, as ${env.name} in it" if same else "give one of them another host or path",
                related=((("environments", environment), f"it is the host in {environment} {other}"),)
                if same
                else ((first, "the host is taken here"),),
            )


@code("MLS-E271", "unusable-host")
def unusable_host(subject: Subject) -> Iterator[Found]:
    """A host is a name that the world can resolve: no address, no name of the cluster's own, no label too long.

    With a blue-green rollout the new version is reached at `<first label>-preview`, so that label has at most 55 letters.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: 10.0.0.1}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: iris.acme.example}}}
    """
    for name, endpoint in subject.serving.items():
        host = endpoint.get("expose", {}).get("host", "")
        path: Path = ("serving", name, "expose", "host")
        first = host.split(".", 1)[0]
        if not host:
            continue
        if _ADDRESS.fullmatch(host):
            yield Found(path, f"the host {host} is an address, expected a name", "write a host name, such as churn.acme.example")
        elif host == "localhost" or host.endswith((".svc", ".local", ".localhost", ".internal.cluster")):
            yield Found(
                path,
                f"the host {host} is known inside the cluster only",
                "write a name that callers outside can resolve, or remove `expose`",
            )
        elif endpoint.get("rollout", {}).get("strategy") == "blueGreen" and len(first) + len(PREVIEW) > 63:
            yield Found(
                path,
                f"the first label of the host is {len(first)} letters; with {PREVIEW} after it, it has more than 63",
                "shorten it to at most 55 letters",
            )


@code("MLS-E272", "unusable-path")
def unusable_path(subject: Subject) -> Iterator[Found]:
    """The path of an endpoint is a plain prefix: no empty, `.` or `..` part, no encoded slash, at most 1024 letters.

    The Gateway API refuses a route with any other.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: iris.acme.example, path: /v1//iris}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, expose: {host: iris.acme.example, path: /v1/iris}}}
    """
    for name, endpoint in subject.serving.items():
        prefix = endpoint.get("expose", {}).get("path", "/")
        parts = prefix.split("/")[1:]
        plain = all(part not in ("", ".", "..") for part in (parts[:-1] if parts[-1] == "" else parts))
        if not plain or "%2f" in prefix.lower() or len(prefix) > 1024 or not _PATH.fullmatch(prefix):
            yield Found(
                ("serving", name, "expose", "path"),
                f"the path {prefix} is not a plain prefix",
                "write names with one / between them, such as /v1/churn",
            )


@code("MLS-E273", "logging-sink")
def logging_sink(subject: Subject) -> Iterator[Found]:
    """Requests are logged to an http or https receiver, or to an s3 bucket.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: "ftp://logs.acme.example/iris"}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: "http://broker.mlops.svc/iris"}}}
    """
    for name, endpoint in subject.serving.items():
        sink = endpoint.get("logging", {}).get("sink", "")
        scheme = sink.partition("://")[0]
        if sink and scheme not in SINKS:
            yield Found(
                ("serving", name, "logging", "sink"),
                f"the sink has the scheme {scheme}, expected one of {', '.join(SINKS)}",
                "write a receiver's URL, or an s3 bucket",
            )


@code("MLS-E274", "logging-sample")
def logging_sample(subject: Subject) -> Iterator[Found]:
    """KServe logs all requests or none: its logger cannot take a sample.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: "http://broker.mlops.svc/iris", sample: 10%}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris, logging: {mode: all, sink: "http://broker.mlops.svc/iris"}}}
    """
    if subject.platform.get("serving", "kserve") != "kserve":
        return
    for name, endpoint in subject.serving.items():
        sample = endpoint.get("logging", {}).get("sample")
        if sample is not None and sample != "100%":
            yield Found(
                ("serving", name, "logging", "sample"),
                f"kserve cannot log a sample of {sample}: it logs everything or nothing",
                "remove `sample`, and take the sample behind the sink",
                on="key",
            )


@code("MLS-W252", "access-of-itself", severity="warning")
def access_of_itself(subject: Subject) -> Iterator[Found]:
    """An endpoint's own namespace may always call it and need not be named.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        environments: {prod: {namespace: iris}}
        serving: {iris: {model: iris, access: {from: [iris]}}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        environments: {prod: {namespace: iris}}
        serving: {iris: {model: iris, access: {from: [billing]}}}
    """
    for name, endpoint in subject.serving.items():
        for at, namespace in enumerate(endpoint.get("access", {}).get("from", ())):
            if namespace == subject.namespace:
                yield Found(
                    ("serving", name, "access", "from", at),
                    f"{namespace} is the endpoint's own namespace, which may always call it",
                    "remove it",
                )


CHECKS = (
    rollout_field,
    rollout_steps,
    traffic_over_100,
    needs_expose,
    gate_without_driver,
    gate_without_repository,
    traffic_to_itself,
    unusable_host,
    unusable_path,
    logging_sink,
    logging_sample,
    access_of_itself,
)
PROJECT_CHECKS = (host_taken,)
