"""Names that would meet on disk or in the cluster, and names that cannot become what they must."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.checks.subject import Project, Subject
from mlspec.checks.traffic import shadow_of
from mlspec.diagnostics import Found, code
from mlspec.location import Path
from mlspec.names import LABEL_LIMIT, spell, version_of

ID_SECTIONS = ("datasets", "features", "thresholds")
WINDOWS = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
TAKEN_FOLDERS = {"argocd": "the objects of Argo CD", "flux": "the objects of Flux"}
CHILDREN = ("predictor", "transformer", "explainer")


@code("MLS-E302", "names-meet")
def names_meet(subject: Subject) -> Iterator[Found]:
    """Two names of a section must differ as object names: in more than case, and in more than `_` for `-`.

    Objects and files are named in lower case with dashes, so that `team_a`, `team-a` and `Team-A` would be one of them.

    Bad::

        datasets: {team_a: {uri: s3://d/a}, team-a: {uri: s3://d/b}}

    Good::

        datasets: {team_a: {uri: s3://d/a}, team_b: {uri: s3://d/b}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for section in ID_SECTIONS:
        spelled: dict[str, str] = {}
        for name in subject.section(section):
            first = spelled.setdefault(spell(name), name)
            if first != name:
                yield Found(
                    (section, name),
                    f"`{first}` and `{name}` both become `{spell(name)}` in the names of objects",
                    "rename one of them",
                    on="key",
                    related=(((section, first), f"`{first}` stands here"),),
                )


@code("MLS-E303", "name-without-letters")
def name_without_letters(subject: Subject) -> Iterator[Found]:
    """A name holds at least one letter or digit, for dashes and underscores at its ends do not reach object names.

    Bad::

        datasets: {__: {uri: s3://d/a}}

    Good::

        datasets: {events: {uri: s3://d/a}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for section in ID_SECTIONS:
        for name in subject.section(section):
            if not spell(name):
                yield Found(
                    (section, name), f"nothing of the name `{name}` can stand in the name of an object", "use letters or digits", on="key"
                )


@code("MLS-E304", "endpoint-begins-with-digit")
def endpoint_begins_with_digit(subject: Subject) -> Iterator[Found]:
    """The name of an endpoint begins with a letter, for Services and InferenceServices are named after it.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {2nd-iris: {model: iris}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris-2nd: {model: iris}}
    """
    for name in subject.serving:
        if name[:1].isdigit():
            bare = name.lstrip("0123456789-")
            number = name[: len(name) - len(bare)].strip("-")
            advice = f"write it like `{bare}-{number}`" if bare else "put a word before it"
            yield Found(("serving", name), f"the endpoint `{name}` begins with a digit, which no Service may", advice, on="key")


@code("MLS-E305", "host-label-too-long")
def host_label_too_long(subject: Subject) -> Iterator[Found]:
    """KServe reaches an endpoint at `<name>-predictor-<namespace>`, which is one DNS label: at most 63 characters.

    Names that mlspec makes up itself (of a canary, a split, a shadow) are shortened by a hash; that of the endpoint is what
    callers know, and is not.

    Bad::

        environments: {prod: {namespace: recommendations-of-the-week}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {personal-recommendations-in-email: {model: iris}}

    Good::

        environments: {prod: {namespace: recommendations}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {email: {model: iris}}
    """
    if subject.platform.get("serving", "kserve") != "kserve":
        return
    for name, endpoint in subject.serving.items():
        if "graph" in endpoint:
            child = f"{name}-{subject.namespace}"
        else:
            part = "transformer" if "transform" in endpoint else "predictor"
            child = f"{name}-{part}-{subject.namespace}"
        if len(child) > LABEL_LIMIT:
            yield Found(
                ("serving", name),
                f"the host of `{name}` begins with {child}, which has {len(child)} characters, expected at most {LABEL_LIMIT}",
                f"shorten the endpoint or the namespace by {len(child) - LABEL_LIMIT}",
                on="key",
            )


def generated(subject: Subject, name: str) -> Iterator[tuple[str, Path, str]]:
    """Yield the names of the objects that an endpoint brings with it, what each comes from, and what it is."""
    endpoint = subject.serving[name]
    path: Path = ("serving", name)
    if endpoint.get("rollout", {}).get("strategy") in ("canary", "blueGreen"):
        yield version_of(name, "canary", subject.namespace), (*path, "rollout"), "its canary"
    for model in endpoint.get("split", ()):
        yield version_of(name, model, subject.namespace), (*path, "split", model), f"its split `{model}`"
    shadow = shadow_of(endpoint)
    if shadow is not None and shadow not in endpoint.get("split", ()):
        yield version_of(name, shadow, subject.namespace), (*path, "shadow"), f"its shadow `{shadow}`"
    if subject.platform.get("serving", "kserve") == "kserve" and "graph" not in endpoint:
        for child in CHILDREN:
            if child == "predictor" or {"transformer": "transform", "explainer": "explain"}[child] in endpoint:
                yield f"{name}-{child}", path, f"its {child}"


@code("MLS-E308", "generated-name-taken")
def generated_name_taken(subject: Subject) -> Iterator[Found]:
    """The versions of an endpoint have objects of their own, whose names no other endpoint may have.

    They are `<endpoint>-canary`, `<endpoint>-<model>` for splits and the shadow, and on KServe `<endpoint>-predictor` and kin.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris, rollout: {strategy: canary, steps: [10]}, expose: {host: iris.acme.example}}
          iris-canary: {model: iris}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris, rollout: {strategy: canary, steps: [10]}, expose: {host: iris.acme.example}}
          iris-next: {model: iris}
    """
    taken: dict[str, tuple[Path, str]] = {name: (("serving", name), f"the endpoint `{name}`") for name in subject.serving}
    for name in subject.serving:
        if len(subject.namespace) + len("-predictor-") > LABEL_LIMIT - 10:
            return
        for made, path, what in generated(subject, name):
            if made not in taken:
                taken[made] = (path, f"an object of `{name}`, {what}")
                continue
            first, words = taken[made]
            if first[:2] == path[:2] and not words.startswith("the endpoint"):
                yield Found(
                    path,
                    f"two versions of `{name}` would be called `{made}`",
                    "rename the model",
                    on="key",
                    related=((first, "the other"),),
                )
            else:
                yield Found(
                    path,
                    f"`{name}` names {what} `{made}`, which is the name of {words}",
                    "rename one of the two",
                    on="key",
                    related=((first, words),),
                )


@code("MLS-E306", "reserved-on-windows")
def reserved_on_windows(project: Project) -> Iterator[Found]:
    """A project and its environments become folders, and Windows keeps some names for devices.

    A repository with a folder `con` or `aux` cannot be cloned there.

    Bad::

        environments: {aux: {namespace: iris}}

    Good::

        environments: {dev: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    if project.tree.get("name") in WINDOWS:
        yield Found(
            ("name",),
            f"`{project.tree['name']}` is the name of a device on Windows, where the tree could not be cloned",
            "use another name",
        )
    for name in project.environments:
        if name in WINDOWS:
            yield Found(
                ("environments", name),
                f"`{name}` is the name of a device on Windows, where the tree could not be cloned",
                "use another name",
                on="key",
            )


@code("MLS-E307", "reserved-project-name")
def reserved_project_name(project: Project) -> Iterator[Found]:
    """No project has the name of a folder that holds the objects of the GitOps system.

    Bad::

        name: argocd

    Good::

        name: iris
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    name = project.tree.get("name")
    if name in TAKEN_FOLDERS:
        yield Found(("name",), f"the folder `{name}` of the tree holds {TAKEN_FOLDERS[name]}", "use another name for the project")


@code("MLS-E309", "path-part")
def path_part(project: Project) -> Iterator[Found]:
    """A path in a spec is made of names that every system can store: no `.` or `..`, no trailing dot or space, no device.

    A part has at most 255 bytes and begins with no dash, which programs would read as an option; a path has at most 1,024 bytes,
    so that there is room below it.

    Bad::

        templates: ../shared/templates

    Good::

        output: {root: compiled/tree}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    output = project.tree.get("output", {})
    for path, text in ((("output", "root"), output.get("root")), (("templates",), project.tree.get("templates"))):
        if len((text or "").encode()) > 1024:
            yield Found(path, f"the path has {len((text or '').encode())} bytes, expected at most 1024", "write a shorter path")
            continue
        for part in (text or "x").rstrip("/").split("/"):
            if _cannot_stand(part):
                yield Found(
                    path, f'the path "{text}" has the part "{part}", which cannot stand in it', "write plain names with one / between them"
                )
                break


def _cannot_stand(part: str) -> bool:
    """Tell whether a part of a path is a name that some system cannot store, or a command line would read as an option."""
    if part in ("", ".", "..") or part[0] == "-" or part[-1] in ". ":
        return True
    return part.lower().split(".")[0] in WINDOWS or len(part.encode()) > 255


@code("MLS-E515", "forbidden-namespace", security=True)
def forbidden_namespace(project: Project) -> Iterator[Found]:
    """A project does not deploy into a namespace of the cluster's own: kube-*, default, or that of the GitOps system and of operators.

    Who may write there can take over the cluster.

    Bad::

        environments: {prod: {namespace: kube-system}}

    Good::

        environments: {prod: {namespace: iris}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    for subject in project.subjects:
        namespace = subject.namespace
        settings = subject.platform.get("gitops.settings") or {}
        why = _why_forbidden(namespace, settings.get("namespace", "argocd"))
        if why and (subject.environment in project.environments or namespace not in TAKEN_FOLDERS):
            path: Path = ("environments", subject.environment, "namespace") if subject.environment in project.environments else ("name",)
            yield Found(path, f"the namespace {namespace} {why}", "write a namespace of the project's own")


def _why_forbidden(namespace: str, gitops: str) -> str:
    if namespace.startswith(("kube-", "openshift-")):
        return "belongs to the cluster"
    if namespace == "default":
        return "is shared by everything that names none"
    if namespace in (gitops, "argocd", "flux-system"):
        return "belongs to the GitOps system"
    if namespace in ("istio-system", "cert-manager", "knative-serving", "kserve", "keda", "external-secrets"):
        return "belongs to an operator of the platform"
    return ""


@code("MLS-E516", "forbidden-output", security=True)
def forbidden_output(project: Project) -> Iterator[Found]:
    """The tree is never written where files are code: .git, the folders of CI systems, or the root of the repository itself.

    Bad::

        output: {root: .github/workflows}

    Good::

        output: {root: deploy}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
    """
    root = project.tree.get("output", {}).get("root", "deploy")
    for part in root.split("/"):
        if part.lower().rstrip(". ") in (
            ".git",
            ".github",
            ".gitlab",
            ".gitlab-ci.yml",
            ".tekton",
            ".circleci",
            ".azure-pipelines",
            ".husky",
            "git~1",
        ):
            yield Found(
                ("output", "root"),
                f'the output root "{root}" lies in {part}, where files are run',
                "write a folder of its own, such as deploy",
            )
            return


CHECKS = (names_meet, name_without_letters, endpoint_begins_with_digit, host_label_too_long, generated_name_taken)
PROJECT_CHECKS = (reserved_on_windows, reserved_project_name, path_part, forbidden_namespace, forbidden_output)
