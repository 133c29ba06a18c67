"""References inside strings: ``${vars.bucket}`` and its kin, replaced where they are known before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlspec.diagnostics import Finding, Found, code, nearest
from mlspec.location import Path, format_path

_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{(?!\{)")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+")
RUN_TIME = ("params", "inputs", "outputs", "steps")
"""Roots whose values are known only when a pipeline runs; its engine replaces them."""
ROOTS = ("vars", "env", "datasets", "models", *RUN_TIME)
_PLAIN = frozenset({"apiVersion", "owner", "extends", "environments", "output", "templates", "requires"})
"""Parts of a spec in which references are not replaced."""


class References:
    """Replaces the references of one environment's tree and collects what is wrong with them."""

    def __init__(self, tree: Mapping[str, Any], environment: str, namespace: str) -> None:
        self.findings: list[Finding] = []
        self._tree = tree
        self._env = {"name": environment, "namespace": namespace}
        self._open: list[str] = []
        self._told: set[str] = set()

    def replace(self) -> dict[str, Any]:
        """Return the tree with its references replaced; unchanged parts are shared with the tree that was given."""
        return {key: value if key in _PLAIN else self._value(value, (key,), False) for key, value in self._tree.items()}

    def _value(self, value: Any, path: Path, running: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, path, running) if "${" in value else value
        if isinstance(value, dict):
            running = running or (len(path) == 4 and path[0] == "pipelines" and path[2] == "steps")
            made = {key: self._value(item, (*path, key), running) for key, item in value.items()}
            return made if any(made[key] is not value[key] for key in value) else value
        if isinstance(value, list):
            items = [self._value(item, (*path, at), running) for at, item in enumerate(value)]
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        return value

    def _text(self, text: str, path: Path, running: bool) -> Any:
        whole = _TOKEN.fullmatch(text)
        if whole is not None and whole[1] is not None:
            found = self._token(whole, path, running)
            return text if found is None else found
        parts: list[str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            parts.append(text[at : token.start()])
            found = self._token(token, path, running)
            parts.append(token[0] if found is None else _spell(found))
            at = token.end()
        return "".join(parts) + text[at:]

    def _token(self, token: re.Match[str], path: Path, running: bool) -> Any:
        """Return what a token stands for, or None when it stays as it is."""
        if token[0] == "$${":
            return None if running else "${"
        if token[1] is None:
            inner = token.string.find("${", token.end())
            if 0 <= inner < token.string.find("}", token.end()):
                self.findings.append(malformed_reference(path, f"{token.string[token.end() : inner]}${{...}}"))
            else:
                self.findings.append(unclosed_reference(path))
            return None
        name = token[1]
        root = name.split(".", 1)[0]
        if not _DOTTED.fullmatch(name):
            if root.strip() in ROOTS and "." in name:
                self.findings.append(malformed_reference(path, name))
            return None
        if root in RUN_TIME:
            if not running:
                self.findings.append(run_time_reference(path, name))
            return None
        if root not in ROOTS:
            self.findings.append(unknown_root(path, name))
            return None
        return self._look_up(name, path)

    def _look_up(self, name: str, path: Path) -> Any:
        if name in self._open:
            cycle = [*self._open[self._open.index(name) :], name]
            if self._told.isdisjoint(cycle):
                self._told.update(cycle)
                self.findings.append(reference_cycle(_path_of(cycle[0]), cycle))
            return None
        root, *parts = name.split(".")
        place: Any = self._env if root == "env" else self._tree.get(root, {})
        walked: Path = (root,)
        for part in parts:
            if not isinstance(place, dict) or part not in place:
                names = sorted(place) if isinstance(place, dict) else []
                self.findings.append(unknown_reference(path, name, part, format_path(walked), names))
                return None
            place, walked = place[part], (*walked, part)
        if isinstance(place, dict | list):
            self.findings.append(reference_to_many(path, name))
            return None
        if not isinstance(place, str) or "${" not in place:
            return place
        self._open.append(name)
        try:
            before = len(self.findings)
            found = self._text(place, walked, False)
            del self.findings[before + 1 :]
            return None if len(self.findings) > before and self.findings[-1].code.name != "reference-cycle" else found
        finally:
            self._open.pop()


def _path_of(name: str) -> Path:
    return tuple(name.split("."))


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


@code("MLS-E490", "unknown-reference")
def unknown_reference(path: Path, name: str, part: str, place: str, names: list[str]) -> Found:
    """A reference must name something that the spec holds.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bukcet}/iris"}}
        vars: {bucket: acme-models}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket}/iris"}}
        serving: {iris: {model: iris}}
        vars: {bucket: acme-models}
    """
    near = nearest(part, names)
    known = ", ".join(names[:12])
    advice = f"did you mean `{near}`?" if near else (f"{place} has {known}" if known else f"write `{part}` under `{place}`")
    return Found(path, f"`${{{name}}}` names `{part}`, which `{place}` does not have", advice, label="nothing of that name")


@code("MLS-E491", "unknown-reference-root")
def unknown_root(path: Path, name: str) -> Found:
    """A dotted reference begins with vars, env, datasets or models, and in the steps of a pipeline with params, inputs, outputs or steps.

    An undotted ``${NAME}`` is a shell's variable and is left alone; ``$${`` writes a literal ``${``.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${var.bucket}/iris"}}
        vars: {bucket: acme-models}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket}/iris"}}
        serving: {iris: {model: iris}}
        vars: {bucket: acme-models}
    """
    root = name.split(".", 1)[0]
    near = nearest(root, ROOTS)
    return Found(
        path,
        f"`${{{name}}}` begins with `{root}`, which is no root of references",
        f"did you mean `{near}`?" if near else f"begin with one of {', '.join(ROOTS)}, or write `$${{` for a literal `${{`",
        label="unknown root",
    )


@code("MLS-E492", "run-time-reference")
def run_time_reference(path: Path, name: str) -> Found:
    """Values of a run (params, inputs, outputs, steps) exist only inside the steps of a pipeline.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/${params.version}"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/${vars.version}"}}
        serving: {iris: {model: iris}}
        vars: {version: "1"}
    """
    return Found(
        path,
        f"`${{{name}}}` is a value of a pipeline run, and `{format_path(path)}` is not in a pipeline's step",
        "use a value that is known before a run: vars, env, datasets or models",
        label="known only while a pipeline runs",
    )


@code("MLS-E493", "unclosed-reference")
def unclosed_reference(path: Path) -> Found:
    """A reference that is opened with `${` must be closed with `}`.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket/iris"}}
        vars: {bucket: acme-models}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket}/iris"}}
        serving: {iris: {model: iris}}
        vars: {bucket: acme-models}
    """
    return Found(
        path,
        f"`${{` is opened in `{format_path(path)}` and never closed",
        "close it with `}`, or write `$${` for a literal `${`",
        label="never closed",
    )


@code("MLS-E494", "malformed-reference")
def malformed_reference(path: Path, name: str) -> Found:
    """A reference is names joined by dots, without spaces, calls or operators.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket or 'x'}/iris"}}
        vars: {bucket: acme-models}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.bucket}/iris"}}
        serving: {iris: {model: iris}}
        vars: {bucket: acme-models}
    """
    return Found(
        path,
        f"`${{{name}}}` is not names joined by dots",
        "write it like ${vars.bucket}; references carry no logic",
        label="not a reference",
    )


@code("MLS-E495", "reference-cycle")
def reference_cycle(path: Path, cycle: list[str]) -> Found:
    """References must not lead back to themselves.

    Bad::

        vars: {a: "${vars.b}", b: "${vars.a}"}

    Good::

        vars: {a: "${vars.b}", b: text}
        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://${vars.a}/iris"}}
        serving: {iris: {model: iris}}
    """
    way = " → ".join(cycle)
    return Found(
        path,
        f"references lead back to themselves: {way}",
        "give one of them a value of its own",
        label="part of the cycle",
        related=tuple((_path_of(name), "and this") for name in cycle[1:-1]),
    )


@code("MLS-E496", "reference-to-many")
def reference_to_many(path: Path, name: str) -> Found:
    """A reference stands for one value, not for a map or a list.

    Bad::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/${models.iris}"}}

    Good::

        models: {iris: {framework: sklearn, version: 1.0.0, uri: "s3://m/${env.name}"}}
        serving: {iris: {model: iris}}
    """
    return Found(path, f"`${{{name}}}` is a map or a list, expected one value", "name one value below it", label="more than one value")
