"""The command init."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import click

from mlspec.cli.console import Console, examples, speaking

FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "tensorflow", "pytorch", "onnx", "mlflow", "huggingface", "custom")
FILE = "mlspec.yaml"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_URI = re.compile(r"(s3|gs|hf|oci|pvc|https|abfs|models)://[^\s\"'@]+")


_FORMS = {
    _NAME: "lower-case letters, digits and dashes, at most 63",
    _LABEL: "letters, digits, dashes, underscores and dots, at most 63",
    _URI: "a URI such as s3://bucket/models/churn/1.0.0",
}
"""What a form is in words."""


@click.command(
    "init",
    epilog=examples(
        ("mlspec init", "ask, on a terminal; else take the defaults"),
        ("mlspec init --name churn --team growth-ml --framework xgboost", "without questions for these"),
        ("mlspec init --yes --env dev --env prod ml/churn", "two environments, in a folder of its own"),
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--name", help="Name of the project.")
@click.option("--team", help="The team that owns it.")
@click.option("--framework", type=click.Choice(FRAMEWORKS), help="Framework of the model.")
@click.option("--uri", help="Where the model's files lie, such as s3://bucket/models/churn/1.0.0.")
@click.option("--version", "model_version", help="Version of the model.")
@click.option("--image", help="Server image, for the framework custom.")
@click.option("--repository", help="URL of the git repository; GitOps objects are written where it is known.")
@click.option("--env", "environments", multiple=True, metavar="NAME", help="An environment, in promotion order. Repeatable.")
@click.option("--schema", help="Path or URL of the JSON Schema that editors read.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; take defaults.")
@speaking
@click.pass_obj
def command(
    console: Console,
    *,
    folder: Path,
    name: str | None,
    team: str | None,
    framework: str | None,
    uri: str | None,
    model_version: str | None,
    image: str | None,
    repository: str | None,
    environments: tuple[str, ...],
    schema: str | None,
    yes: bool,
) -> int:
    """Write a first mlspec.yaml into FOLDER: one model, served. It validates and compiles as it stands.

    On a terminal it asks for what no option said. A file that is there already is left alone.
    """
    file = folder / FILE
    if file.exists() or file.is_symlink():
        raise click.UsageError(f"{file} is there already")
    ask = not yes and _on_terminal()
    from mlspec.spec.schema import SCHEMA_ID

    answers = _Answers(ask)
    default_name = _as_name(folder.resolve().name)
    name = answers.get("Name of the project", name, default_name, _NAME)
    team = answers.get("Team that owns it", team, "ml-platform", _LABEL)
    framework = answers.get(f"Framework ({', '.join(FRAMEWORKS)})", framework, "sklearn", re.compile("|".join(FRAMEWORKS)))
    model_version = answers.get("Version of the model", model_version, "1.0.0", _LABEL)
    uri = answers.get("Where its files lie", uri, f"s3://{name}-models/{name}/{model_version}", _URI)
    if framework == "custom":
        image = answers.get("Server image", image, "registry.example.com/server:1.0.0", re.compile(r"[^\s\"']+"))
    repository = answers.get("URL of the git repository (empty: no GitOps objects)", repository, "", re.compile(r"[^\s\"']*"))
    if not environments:
        listed = answers.get("Environments, in promotion order (empty: one, named default)", None, "", re.compile(r"[-a-z0-9 ,]*"))
        environments = tuple(listed.replace(",", " ").split())
    for environment in environments:
        _require("environment", environment, _NAME)

    draft = Draft(name, team, framework, model_version, uri, image, repository, environments)
    text = write_spec(draft, schema or SCHEMA_ID)
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
    console.say(f"wrote {file}; next: mlspec validate {file}")
    return 0


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


class _Answers:
    """Where values come from: an option, a question, or the default."""

    __slots__ = ("ask",)

    def __init__(self, ask: bool) -> None:
        self.ask = ask

    def get(self, what: str, given: str | None, default: str, form: re.Pattern[str]) -> str:
        if given is not None:
            return _require(what, given, form)
        if not self.ask:
            return default
        while True:
            answer: str = click.prompt(what, default=default, show_default=bool(default), err=True)
            if form.fullmatch(answer):
                return answer
            click.echo(f"that does not fit: {answer}; write {_said(form)}", err=True)


def _said(form: re.Pattern[str]) -> str:
    """Return a form in words; one that is a choice of words, as these words."""
    return _FORMS.get(form) or (
        form.pattern.replace("|", ", ") if form.pattern.replace("|", "").isalpha() else "it without blanks or quotes"
    )


def _require(what: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise click.UsageError(f"{what[0].lower()}{what[1:]}: {value!r} does not fit; write {_said(form)}")
    return value


def _as_name(text: str) -> str:
    """Return the folder's name as a name of the language, short enough for the host names that are made of it."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:20].strip("-")
    return name or "demo"


class Draft(NamedTuple):
    """What a first spec says."""

    name: str
    team: str
    framework: str
    version: str
    uri: str
    image: str | None
    repository: str
    environments: tuple[str, ...]


def write_spec(draft: Draft, schema: str) -> str:
    """Return the text of a first spec; ``schema`` is where editors find the JSON Schema."""
    name = _quoted(draft.name)
    lines = [
        f"# yaml-language-server: $schema={schema}",
        "apiVersion: mlspec.dev/v1",
        f"name: {name}",
        f"owner: {{team: {_quoted(draft.team)}}}",
        "",
    ]
    if draft.repository:
        lines += ["platform:", f'  repository: {{url: "{draft.repository}"}}', ""]
    if draft.environments:
        lines.append("environments:")
        for before, environment in zip(("", *draft.environments), draft.environments, strict=False):
            after = f", after: {_quoted(before)}" if before else ""
            lines.append(f"  {_quoted(environment)}: {{namespace: {draft.name}-{environment}{after}}}")
        lines.append("")
    lines += [
        "models:",
        f"  {name}:",
        f"    framework: {draft.framework}",
        f'    version: "{draft.version}"',
        f'    uri: "{draft.uri}"',
        "",
    ]
    lines += ["serving:", f"  {name}:", f"    model: {name}"]
    if draft.framework == "custom":
        lines += ["    runtime: custom", f'    image: "{draft.image}"']
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """Return a name as YAML reads it as text: 2024, 1e3, null and true would be something else."""
    return name if re.fullmatch(r"[a-z][-a-z0-9]*", name) and name not in {"null", "true", "false"} else f'"{name}"'
