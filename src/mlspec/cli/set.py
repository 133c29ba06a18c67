"""The command set."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import click

from mlspec.cli.console import Console, examples, reporting
from mlspec.cli.editing import Spec, finish, known_environment, make_draft, spec_argument
from mlspec.diagnostics import Rejected, Unable, nearest
from mlspec.location import Path, format_path, walk


@click.command(
    "set",
    epilog=examples(
        ("mlspec set models.churn.version 2.4.0", "in mlspec.yaml here"),
        ("mlspec set --env prod serving.api.replicas.min 4", "in prod alone: written into its overrides"),
        ("mlspec set vars.host churn.acme.example churn/mlspec.yaml", "in another spec"),
        ("mlspec set serving.api.rollout.steps[0] 5 --dry-run", "show the edit, write nothing"),
        ("mlspec set --env prod serving.api.autoscale null", "take away what other environments have"),
    ),
)
@click.argument("path", metavar="PATH")
@click.argument("value", metavar="VALUE")
@spec_argument
@click.option("--env", "environment", metavar="ENV", help="Only in this environment.")
@click.option("--dry-run", is_flag=True, help="Show the edit as a diff, and write nothing.")
@reporting
@click.pass_obj
def command(console: Console, *, path: str, value: str, spec: FilePath, environment: str | None, dry_run: bool) -> int:
    """Set one value of a spec, and leave all else as it is: comments, quotes, order, line ends.

    PATH is a way through the spec, key by key with dots between them. VALUE is written as in the spec: a word, a number, or
    {a: map} and [a, list]; where the language wants text, it becomes text. SPEC is the spec; without one, mlspec.yaml here.
    Nothing is written unless the spec that comes of it compiles.
    """
    from mlspec.source.amend import parse_path

    opened = Spec(spec, dry_run=dry_run)
    given = parse_path(path)
    place, seen, view = _place(opened, given, environment)
    _require_names(view, seen)
    wanted = _typed(view, seen, value)
    _require_field(view, seen, wanted)
    before = _dig(view, seen)
    draft = make_draft(opened, [_whole_list(opened, place, seen, view, wanted)])
    lines = [f"{format_path(place)}: {_show(before)} → {_show(wanted)}"] if draft.differs else []
    lines += [f"note: {note}" for note in _notes(opened, place, seen, wanted)]
    finish(console, draft, lines, dry_run=dry_run)
    return 0


def _place(spec: Spec, path: Path, environment: str | None) -> tuple[Path, Path, dict[str, Any]]:
    """Return a path of the file, the path of the same value as an environment sees it, and what that environment sees."""
    from mlspec.plan.environments import settle
    from mlspec.promotion.placement import over

    if environment is not None:
        known_environment(spec, environment)
        if "environments" not in spec.tree:
            raise click.UsageError("the spec names no environments; leave --env out")
        if path[0] in ("environments", "name", "owner", "apiVersion", "extends", "output", "templates", "requires"):
            raise click.UsageError(f"{path[0]} is the same in every environment; leave --env out")
        path = ("environments", environment, *over(path))
    seen: Path = path
    tree = spec.tree
    if len(path) > 3 and path[0] == "environments" and path[1] in (spec.tree.get("environments") or {}):
        own = {"overrides": path[3:], "vars": path[2:], "platform": path[2:]}.get(str(path[2]))
        if own:
            seen, tree = own, settle(spec.tree, spec.source.mark, str(path[1])).tree
    return path, seen, tree


def _whole_list(spec: Spec, place: Path, seen: Path, view: dict[str, Any], value: Any) -> tuple[Path, Any]:
    """Return the edit: of an item of a list that an environment does not have yet, the whole list, which replaces that of the others."""
    from mlspec.source.amend import with_edits

    at = next((index for index, part in enumerate(place) if isinstance(part, int)), len(place))
    if place == seen or at == len(place) or _dig(spec.tree, place[:at]) is not None:
        return place, value
    above = seen[: at - len(place)]
    return place[:at], with_edits({"list": _dig(view, above)}, [(("list", *place[at:]), value)])["list"]


def _require_names(tree: dict[str, Any], path: Path) -> None:
    """Raise Unable (status 2) for a path that leads through something that has no name in the spec, or through a value."""
    here: Any = tree
    for at, part in enumerate(path):
        if isinstance(here, dict) and part not in here and at < len(path) - 1 and _holds_names(path[:at]):
            what = format_path((*path[:at], part))
            near = nearest(str(part), here)
            raise Unable(f"there is no {what}", f"did you mean {format_path((*path[:at], near))}?" if near else _there(here), status=2)
        if isinstance(here, dict):
            here = here.get(part)
            if here is None:
                return
        elif isinstance(here, list):
            if not isinstance(part, int) or part >= len(here):
                what = format_path(path[:at])
                last = f"[0] to [{len(here) - 1}]" if len(here) > 1 else "[0]"
                way = f"count from 0: {last}" if here else f"set {what} as a whole: [a, b]"
                raise Unable(f"{what} is a list of {len(here)}; there is no {format_path((part,))} in it", way, status=2)
            here = here[part]
        else:
            return  # the language says what may stand there


def _holds_names(path: Path) -> bool:
    """Tell whether the named items of a spec stand below a path."""
    from mlspec.plan.environments import NAMED

    if len(path) == 1:
        return path[0] in (*NAMED, "environments")
    return len(path) == 3 and (path[0], path[2]) in (("pipelines", "steps"), ("datasets", "schema"))


def _there(names: dict[str, Any]) -> str:
    return f"there are {', '.join(names)}" if names else "there are none"


def _require_field(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Raise Unable (status 2) for a path that the language does not know."""
    for finding in _faults(tree, path, value):
        if finding.code.name == "unknown-field" and finding.found.path == path[: len(finding.found.path)]:
            raise Unable(f"{format_path(finding.found.path)}: {finding.found.message}", finding.found.help, status=2)


def _faults(tree: dict[str, Any], path: Path, value: Any) -> list[Any]:
    """Return what the language has against a value at a path, and had not before."""
    from mlspec.source.amend import with_edits
    from mlspec.spec.parse import parse

    changed = with_edits(tree, [(path, value)])
    old = {(finding.code.id, finding.found.path, finding.found.message) for finding in parse(tree)}
    return [finding for finding in parse(changed) if (finding.code.id, finding.found.path, finding.found.message) not in old]


def _typed(tree: dict[str, Any], path: Path, text: str) -> Any:
    """Return the value that a text means at a path: text wherever the language, or the value before, is text."""
    read = _read(text)
    if isinstance(read, str):
        return read
    if read is None:
        return None
    accepted = [candidate for candidate in (read, text) if not _faults(tree, path, candidate)]
    if len(accepted) == 2:
        return text if isinstance(_dig(tree, path), str) and not isinstance(read, dict | list) else read
    return accepted[0] if accepted else read


def _read(text: str) -> Any:
    """Return what a text means as a value of YAML; the text itself where it means nothing, or where a part would be a comment."""
    from mlspec.source.reader import read, source_of

    try:
        document = read(f"value: {text}\n".encode("utf-8", "surrogateescape"), "VALUE")
    except Rejected:
        return text
    value, mark = document.tree.get("value"), document.mark.child("value")
    if mark is None or len(document.tree) > 1 or (source_of(mark) != text.strip() and value is not None):
        return text
    return text if isinstance(value, str) and text[:1] not in {'"', "'"} else value if text.strip() else ""


def _dig(tree: Any, path: Path) -> Any:
    part: Any
    for part in path:
        if (isinstance(tree, dict) and part in tree) or (isinstance(tree, list) and isinstance(part, int) and part < len(tree)):
            tree = tree[part]
        else:
            return None
    return tree


def _show(value: Any) -> str:
    from mlspec.source.amend import written

    return "not written" if value is None else written(value)


def _notes(spec: Spec, place: Path, seen: Path, value: Any) -> list[str]:
    """Say where the value comes from when it is a base file, and which environments will not see it."""
    from mlspec.plan.environments import settle
    from mlspec.promotion.placement import over

    notes = []
    mark, depth = walk(spec.source.mark, place)
    if depth == len(place) and mark.text.file != spec.source.documents[0].text.file:
        site = mark.value_site()
        notes.append(f"it comes from {site.file}:{site.line}; {spec.shown} overrides it now, and the base file stays as it is")
    if place == seen:
        environments = spec.tree.get("environments") or {}
        others = [name for name in environments if _reaches(environments[name], over(seen))]
        kept = [name for name in others if _dig(settle(spec.tree, spec.source.mark, name).tree, seen) != value]
        if kept:
            notes.append(
                f"{' and '.join(kept)} {'has a value' if len(kept) == 1 else 'have values'} of {'its' if len(kept) == 1 else 'their'} own"
            )
    return notes


def _reaches(body: Any, path: Path) -> bool:
    """Tell whether an environment says something of its own at a path."""
    for part in path:
        if not isinstance(body, dict) or part not in body:
            return False
        body = body[part]
    return True
