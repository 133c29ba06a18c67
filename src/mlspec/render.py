"""From a plan to manifests: targets chosen, templates filled, patches applied, every object conformed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlspec.conform import Kinds
from mlspec.diagnostics import Finding, Found, code
from mlspec.emit import emit
from mlspec.library import OBJECT, Library
from mlspec.location import Mark, Path, format_path
from mlspec.patches import (
    PatchFailed,
    changed_place,
    matches,
    patch,
    patch_does_not_fit,
    patch_weakens,
    patch_without_object,
    protected,
    written,
)
from mlspec.plan.plan import Plan
from mlspec.target import Rendering, Target

SECTIONS = {"serving": "serving", "pipelines": "pipelines", "monitoring": "monitoring"}
"""Keys of ``platform`` whose systems deploy a section of the spec."""


class Manifest:
    """One object or text of a tree, and what made it."""

    __slots__ = ("_text", "file", "object", "patched", "plan", "rendering")

    def __init__(self, plan: Plan, rendering: Rendering, item: dict[str, Any] | None, text: str | None = None) -> None:
        self.plan, self.rendering, self.object, self._text = plan, rendering, item, text
        self.file = rendering.file
        self.patched: list[Path] = []

    @property
    def text(self) -> str:
        """What is written of it; an object is emitted when it is first asked for."""
        if self._text is None:
            assert self.object is not None
            self._text = emit(self.object)
        return self._text

    def become(self, item: dict[str, Any], patch: Path) -> None:
        """Take the form that a patch gives it."""
        self.object, self._text = item, None
        self.patched.append(patch)

    @property
    def name(self) -> str:
        """The object in words: kind and name."""
        return f"{self.object['kind']} {self.object['metadata']['name']}" if self.object else self.file


def choose(plan: Plan, targets: Iterable[Target]) -> tuple[list[Target], list[Finding]]:
    """Return the targets that a plan asks for, and what it asks for that no target makes yet."""
    known = {target.platform: target for target in targets if target.platform}
    chosen = [target for target in targets if target.platform is None]
    findings: list[Finding] = []
    for key in ("serving", "pipelines", "monitoring", "gitops"):
        word = plan.tree["platform"][key]["word"]
        if word == "none" or not _asked(plan, key):
            continue
        target = known.get((key, word))
        if target is not None:
            chosen.append(target)
        else:
            findings.append(not_supported(_where(plan, key), key, word, sorted(w for k, w in known if k == key)))
    for at, system in enumerate(plan.tree["platform"]["ci"]):
        target = known.get(("ci", system["word"]))
        if target is not None:
            chosen.append(target)
        elif _child(plan, ("platform", "ci")):
            findings.append(not_supported(("platform", "ci", at), "ci", system["word"], sorted(w for k, w in known if k == "ci")))
    return chosen, findings


def _asked(plan: Plan, key: str) -> bool:
    """Tell whether there is anything to deploy; GitOps objects need a repository to read from."""
    return bool(plan.tree[SECTIONS[key]]) if key in SECTIONS else "repository" in plan.tree["platform"]


def _where(plan: Plan, key: str) -> Path:
    return ("platform", key) if _child(plan, ("platform", key)) else (SECTIONS.get(key, "platform"),)


def _child(plan: Plan, path: Path) -> bool:
    mark: Any = plan.mark
    for part in path:
        mark = mark.child(part) if mark else None
    return mark is not None


def fill(plan: Plan, renderings: Iterable[Rendering], library: Library, *, texts: bool = True) -> Iterator[Manifest]:
    """Fill templates. A template that makes no object for its view gives nothing.

    Without ``texts`` the built-in templates of text are left out: nothing in a spec can make them fail.
    """
    for rendering in renderings:
        if not texts and not rendering.template.endswith(OBJECT) and library.is_built_in(rendering.template):
            continue
        template = library.template(rendering.template, type(rendering.view))
        if template.is_text:
            yield Manifest(plan, rendering, None, template.text(rendering.view))
            continue
        item = template.objects(rendering.view)
        if item is not None:
            yield Manifest(plan, rendering, item)


def apply_patches(plan: Plan, manifests: list[Manifest]) -> list[Finding]:
    """Apply the patches of a plan to its manifests; return what does not fit."""
    findings: list[Finding] = []
    for path, entry in written(dict(plan.tree)):
        if entry["target"].get("environment", plan.environment) != plan.environment:
            continue
        hit = [manifest for manifest in manifests if manifest.object and matches(entry["target"], manifest.object, plan.environment)]
        if not hit:
            findings.append(patch_without_object(path, entry["target"]))
        for manifest in hit:
            assert manifest.object is not None
            before = protected(manifest.object)
            try:
                patched = patch(manifest.object, entry)
            except PatchFailed as failure:
                findings.append(patch_does_not_fit((*path, *failure.path), str(failure), manifest.name))
                break
            if weakened := changed_place(before, protected(patched)):
                findings.append(patch_weakens((*path, "merge" if "merge" in entry else "json"), manifest.name, weakened))
                break
            manifest.become(patched, path)
    return findings


def conform(
    manifests: Iterable[Manifest], kinds: Kinds, origin: Callable[[Manifest, Path], Path], counts: dict[str, int]
) -> Iterator[Finding]:
    """Hold every object against the schema of its kind; count what was held against what.

    ``origin`` leads from a place in an object back to the path in the spec that made it.
    """
    for manifest in manifests:
        if manifest.object is None:
            continue
        source = kinds.source(manifest.object)
        counts[source] = counts.get(source, 0) + 1
        for fault in kinds.check(manifest.object, len(manifest.text)):
            yield does_not_conform(
                origin(manifest, fault.path), manifest.name, format_path(fault.path), _say(fault.message, fault.expected), source
            )


def twins(manifests: Iterable[Manifest], origin: Callable[[Manifest, Path], Path]) -> Iterator[Finding]:
    """Yield the objects that have the kind, namespace and name of another one of the same environment."""
    seen: dict[tuple[Any, ...], Manifest] = {}
    for manifest in manifests:
        if manifest.object is None:
            continue
        metadata = manifest.object["metadata"]
        group = manifest.object["apiVersion"].rpartition("/")[0]
        first = seen.setdefault((group, manifest.object["kind"], metadata.get("namespace"), metadata["name"]), manifest)
        if first is not manifest:
            place = ("metadata", "name")
            yield object_twice(origin(manifest, place), manifest.name, origin(first, place))


def _say(message: str, expected: str) -> str:
    return f"{message}, expected {expected}" if expected else message


def unheard(plan: Plan, sections: Iterable[str], word: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the fields that are set and that went into nothing that was made: what a platform cannot do.

    It is known from the rendering itself: a leaf of the spec that no view read for a template is a leaf that changes nothing.
    """
    reads = plan.reads.paths
    above = {path[:-1] for path in reads} | {path[:-2] for path in reads}
    for section in sections:
        for name, item in plan.tree[section].items():
            mark = plan.mark.child(section)
            mark = mark.child(name) if mark else None
            if mark is None:
                continue
            for path in _leaves(mark, item, (section, name)):
                if path not in reads and path not in above and not _places(path):
                    yield unheard_field(path, word[section])


def _places(path: Path) -> bool:
    """Tell whether a leaf says in which environments an item, or a step of a pipeline, is."""
    at = 4 if path[0] == "pipelines" and path[2] == "steps" and len(path) > 4 else 2
    return path[at] in ("in", "notIn")


def _leaves(mark: Mark, value: Any, path: Path) -> Iterator[Path]:
    """Yield the leaves that are written and still there: an override may have taken some away."""
    if isinstance(mark.children, dict) and isinstance(value, dict):
        for key, child in mark.children.items():
            if key in value:
                yield from _leaves(child, value[key], (*path, key))
    elif isinstance(mark.children, list) and isinstance(value, list):
        for at, child in enumerate(mark.children):
            yield from _leaves(child, value[at], (*path, at))
    else:
        yield path


@code("MLS-E802", "platform-ignores")
def unheard_field(path: Path, word: str) -> Found:
    """A field that is set must go into something that the platform deploys.

    mlspec knows from the rendering itself which fields went into the tree. One that went into nothing would be ignored in silence,
    so it is an error: the platform that is chosen has no place for it.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris}
          both: {graph: {ensemble: [iris]}, resources: {storage: 1Gi}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving:
          iris: {model: iris, resources: {storage: 1Gi}}
          both: {graph: {ensemble: [iris]}}
    """
    return Found(
        path,
        f"`{format_path(path)}` goes into nothing that {word} deploys",
        "remove it, or choose a platform that has a place for it",
        on="key",
        label=f"{word} has no place for this",
    )


@code("MLS-E803", "not-supported-yet")
def not_supported(path: Path, key: str, word: str, known: list[str]) -> Found:
    """Every section of a spec needs a target for the platform that it is deployed to.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        platform: {serving: seldon}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        platform: {serving: kserve}
    """
    able = f"use {' or '.join(known)}" if known else f"leave `{SECTIONS.get(key, key)}` out until this mlspec can write for it"
    return Found(
        path, f"this mlspec does not write manifests for `platform.{key}: {word}` yet", able, on="key", label=f"nothing writes for {word}"
    )


@code("MLS-E804", "does-not-conform")
def does_not_conform(path: Path, name: str, place: str, message: str, source: str) -> Found:
    """Every object must be accepted by the schema of its kind, unknown fields refused, before anything is written.

    A value of the spec, a patch or a template of your own made an object that a cluster would refuse.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget}
          reason: drain two pods at once
          merge: {spec: {maxUnavailible: 2}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        serving: {iris: {model: iris}}
        patches:
        - target: {kind: PodDisruptionBudget}
          reason: drain two pods at once
          merge: {spec: {maxUnavailable: 2}}
    """
    return Found(
        path,
        f"{name} does not conform to {source}: {f'`{place}` ' if place else ''}{message}",
        "change the value that made it, or the patch or template",
        label=f"made `{place}`" if place else "made it",
    )


@code("MLS-E806", "object-twice")
def object_twice(path: Path, name: str, other: Path) -> Found:
    """No two objects of an environment have one kind and one name: the cluster would keep the one that comes last.

    Names are made of the names of items and of what belongs to them: the comparison of an endpoint `iris` is called `iris-drift`,
    and so would be a pipeline of that name.

    Bad::

        datasets: {rows: {uri: s3://m/rows, format: parquet, version: {snapshot: a}, schema: {age: {type: integer}}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {drifted: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        pipelines:
          iris-drift: {image: "ghcr.io/a/b:1.0.0", schedule: "@daily", steps: {fit: {run: [fit]}}}
        serving: {iris: {model: iris}}
        monitoring:
          iris: {alerts: [drifted], drift: {against: rows, current: s3://m/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}

    Good::

        datasets: {rows: {uri: s3://m/rows, format: parquet, version: {snapshot: a}, schema: {age: {type: integer}}}}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: s3://m/iris}}
        thresholds: {drifted: {on: drift, rules: [{metric: psi, column: age, max: 0.2}]}}
        pipelines:
          iris-daily: {image: "ghcr.io/a/b:1.0.0", schedule: "@daily", steps: {fit: {run: [fit]}}}
        serving: {iris: {model: iris}}
        monitoring:
          iris: {alerts: [drifted], drift: {against: rows, current: s3://m/requests, every: 1h, image: "ghcr.io/a/b:1.0.0"}}
    """
    return Found(
        path,
        f"two objects of this environment are called {name}",
        "rename one of the items that they belong to",
        label="makes the second one",
        related=((other, "made the first one"),) if other != path else (),
    )
