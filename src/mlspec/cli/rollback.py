"""The command rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from mlspec.cli.console import Console, examples, reporting
from mlspec.cli.editing import Spec, finish, judge, known_environment, make_draft, spec_argument
from mlspec.diagnostics import Rejected, Unable
from mlspec.location import format_path

if TYPE_CHECKING:
    from mlspec.diagnostics import Diagnostic
    from mlspec.promotion.moves import Move
    from mlspec.promotion.versions import Promotion
    from mlspec.promotion.views import View
    from mlspec.repository.clone import Clone
    from mlspec.source.extends import Source

SEARCHED = 200
"""Commits of a spec that are looked at for other versions."""
_FIXED = ("apiVersion", "name", "owner", "output", "templates", "requires", "environments")
"""What an environment has in common with the others, or what places it; no rollback of one environment brings it back."""


class Old(NamedTuple):
    """A spec as it was at a commit, and the bytes of its file."""

    source: Source
    data: bytes


class Way(NamedTuple):
    """The way back: from what is now to what was at a commit."""

    commit: str
    title: str
    promotion: Promotion
    moves: tuple[Move, ...]
    then: View
    now: View
    old: Old
    passed: tuple[str, ...] = ()
    """Later versions that were passed over, and why, in words."""


@click.command(
    "rollback",
    epilog=examples(
        ("mlspec rollback --env prod", "to the versions that prod had before those of now"),
        ("mlspec rollback --env prod --to v1.8", "to all that prod was at a tag or commit"),
        ("mlspec rollback --env prod --dry-run", "rehearse it and show the edit; write nothing"),
    ),
)
@spec_argument
@click.option("--env", "environment", required=True, metavar="ENV", help="The environment that goes back.")
@click.option("--to", "revision", metavar="REV", help="A commit; all of the environment goes back to it, not its versions alone.")
@click.option("--force", is_flag=True, help="Write the edit even though something would stop it in the cluster.")
@click.option("--dry-run", is_flag=True, help="Rehearse, show the edit as a diff, and write nothing.")
@reporting
@click.pass_obj
def command(console: Console, *, spec: Path, environment: str, revision: str | None, force: bool, dry_run: bool) -> int:
    """Prepare the way back of an environment, and rehearse it: what would stop it is said before anything is merged.

    Without --to, the versions of models, data and images become those of the last commit at which they were different. With
    --to, the whole environment becomes what it was. The spec is edited so that it says so again; other environments stay as they
    are. The edit is compiled, and what comes of it is held against what is deployed now: fields that cannot be changed, volumes
    that would go, data that is no longer pinned, signatures that callers do not know. Exits 1, and writes nothing, where one of
    these would stop it. What would not stop it is noted: rollouts that end or begin, endpoints that go, secrets that are needed
    again, gates that get looser. Nothing is committed.
    """
    from shlex import quote

    from mlspec.cli.promote import hold_still
    from mlspec.cli.rehearsal import rehearse
    from mlspec.promotion.placement import edits_of
    from mlspec.repository.clone import open_clone

    opened = Spec(spec, dry_run=dry_run)
    known_environment(opened, environment)
    clone = open_clone(opened.file)
    way = _to_revision(opened, clone, environment, revision) if revision is not None else _to_last_versions(opened, clone, environment)
    if not way.moves:
        console.report((), [opened.shown])
        console.say(f"nothing to do: {environment} is what it was at {way.commit[:12]}")
        return 0
    lines = [f"back to {way.commit[:12]} {way.title}".rstrip(), *_sentences(way, environment)]
    as_it_was = _is_undone(opened, way, environment)
    draft = judge(opened, way.old.data) if as_it_was else make_draft(opened, edits_of(opened.tree, environment, way.moves))
    hold_still(opened, draft.made.examined, environment, way.moves)
    found, notes = rehearse(opened, way, draft.made, environment)
    lines += [f"note: {note}" for note in (*way.passed, *notes)]
    stops = any(diagnostic.severity == "error" for diagnostic in found)
    if stops and not force:
        for line in lines:
            console.say(line)
        raise Rejected(found)
    if found and console.format == "text":
        console.report(found, [opened.shown])
    lines.append(
        "rehearsed: " + ("it would be stopped, and is written because of --force" if stops else "it compiles, and nothing would stop it")
    )
    commit = f"next: git commit -m 'Take {environment} back to {way.commit[:12]}' -- {quote(opened.shown)}, then mlspec commit"
    finish(console, draft, lines, dry_run=dry_run, after=[commit])
    return 0


def _to_revision(spec: Spec, clone: Clone, environment: str, revision: str) -> Way:
    """Return the way back to all that an environment was at a commit."""
    from mlspec.promotion.moves import differences
    from mlspec.promotion.versions import compare
    from mlspec.promotion.views import View
    from mlspec.repository.clone import resolve

    commit = resolve(clone, revision)
    known = _at(spec, clone, commit)
    if isinstance(known, str) or environment not in _names(known.source):
        why = known if isinstance(known, str) else f"it has no environment {environment}"
        raise Unable(f"nothing can go back to the commit {commit[:12]}: {why}", "name another commit with --to", status=1)
    then, now = (View(one.tree, one.mark, environment) for one in (known.source, spec.source))
    old, new = ({key: value for key, value in view.written.items() if key not in _FIXED} for view in (then, now))
    moves = tuple(one for move in differences(new, old) for one in _spelled(move))
    return Way(commit, _title(clone, commit), compare(then, now), moves, then, now, known)


def _spelled(move: Move) -> Iterator[Move]:
    """Yield a move of the platform that goes back to nothing said as one to what that meant: no environment can unsay a platform."""
    from mlspec.plan.platform import default_of
    from mlspec.source.amend import ABSENT

    if move.after is not ABSENT or move.path[0] != "platform":
        yield move
    elif len(move.path) == 1:
        for key, value in move.before.items():
            yield from _spelled(move._replace(path=("platform", key), before=value))
    else:
        default = default_of(move.path[1:])
        yield move if default is None else move._replace(after=default)


def _to_last_versions(spec: Spec, clone: Clone, environment: str) -> Way:
    """Return the way back to the last versions of an environment that were others. Raises Unable (status 1) when there are none."""
    from mlspec.promotion.versions import compare
    from mlspec.promotion.views import View

    now = View(spec.tree, spec.source.mark, environment)
    inputs = [clone.relative(spec.root / path) for path in spec.source.digests]
    listed = clone.git.attempt("rev-list", f"--max-count={SEARCHED}", "--first-parent", "HEAD", "--", *inputs)
    commits = listed.text.split() if listed.status == 0 else []
    bad = _aborted(spec, clone, environment)
    passed: dict[str, None] = {}
    for commit in commits:
        known = _at(spec, clone, commit)
        if isinstance(known, str) or environment not in _names(known.source):
            continue
        then = View(known.source.tree, known.source.mark, environment)
        promotion = compare(then, now)
        wrong = [f"{model} {version}" for model, version in bad if _version(then, model) == version != _version(now, model)]
        passed |= {f"{one} was passed over: its rollout was aborted; --to takes it all the same": None for one in wrong}
        if promotion.moves and not wrong:
            return Way(commit, _title(clone, commit), promotion, promotion.moves, then, now, known, tuple(passed))
    missed = f"no earlier commit of {spec.shown} has other versions in {environment}"
    if clone.shallow:
        from mlspec.repository.troubles import short_history

        raise short_history(f"{missed}, and the history of this clone is cut off")
    raise Unable(missed, "name a commit with --to", status=1)


def _version(view: View, model: str) -> str:
    return str((view.read.get("models") or {}).get(model, {}).get("version"))


def _aborted(spec: Spec, clone: Clone, environment: str) -> list[tuple[str, str]]:
    """Return the models, each with a version, whose rollout the locks of this branch say was aborted; no way back leads there."""
    from mlspec.lock import parse_lock
    from mlspec.tree import lock_path

    path = clone.relative(spec.root / lock_path(spec.file, spec.root))
    listed = clone.git.attempt("rev-list", f"--max-count={SEARCHED}", "--first-parent", "HEAD", "--", path)
    commits = listed.text.split() if listed.status == 0 else []
    read = clone.git.attempt("cat-file", "--batch", input="".join(f"{commit}:{path}\n" for commit in commits).encode())
    found: dict[tuple[str, str], None] = {}
    for text in _blobs(read.out):
        try:
            live = parse_lock(text, path).live
        except Rejected:
            continue
        for place, facts in live.items():
            where, _, endpoint = place.partition("/")
            model = (spec.tree.get("serving") or {}).get(endpoint, {}).get("model")
            if where == environment and model and "aborted" in facts:
                found[str(model), str(facts["aborted"])] = None
    return list(found)


def _blobs(out: bytes) -> Iterator[bytes]:
    """Yield the contents in what ``git cat-file --batch`` says; what is not there is passed over."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        words = out[at:end].split(b" ")
        at = end + 1
        if words[-1].isdigit():
            size = int(words[-1])
            yield out[at : at + size]
            at += size + 1


def _at(spec: Spec, clone: Clone, commit: str) -> Old | str:
    """Return a spec as it was at a commit; a text, why not, where it was not there or said nothing that this mlspec can read."""
    from mlspec.cli.rebuilding import revision
    from mlspec.compiler import show
    from mlspec.diagnostics import diagnose
    from mlspec.source.extends import load
    from mlspec.source.files import read_file
    from mlspec.spec.parse import parse

    name = clone.relative(spec.file)
    with revision(clone, commit) as copy:
        if name not in copy.entries:
            return f"it has no {name}"
        try:
            source = load(copy.folder / name, copy.folder, show)
        except Rejected as rejected:
            return _refused(name, rejected.diagnostics[0])
        found = parse(source.tree)
        return _refused(name, diagnose(found[0], source.mark)) if found else Old(source, read_file(copy.folder / name, name))


def _refused(name: str, diagnostic: Diagnostic) -> str:
    return f"{name} cannot be read as it was: {diagnostic.code} {diagnostic.message}"


def _is_undone(spec: Spec, way: Way, environment: str) -> bool:
    """Tell whether the file is what an edit of one environment made of the old file: then the old file is the way back, to the byte."""
    from mlspec.cli.editing import edited
    from mlspec.promotion.placement import edits_of

    source, data = way.old
    old, new = (dict(one.digests) for one in (source, spec.source))
    main = spec.file.resolve().relative_to(spec.root.resolve()).as_posix()
    if {key: value for key, value in old.items() if key != main} != {key: value for key, value in new.items() if key != main}:
        return False
    there = [move._replace(before=move.after, after=move.before) for move in way.moves]
    try:
        return edited(data, source, edits_of(source.tree, environment, there), spec.shown) == spec.data
    except Unable:
        return False


def _names(source: Source) -> tuple[str, ...]:
    from mlspec.plan.environments import environment_names

    return environment_names(source.tree)


def _title(clone: Clone, commit: str) -> str:
    from mlspec.reporters.printable import printable

    said = clone.git.attempt("log", "-1", "--format=%s", commit)
    return f"({printable(said.text)[:72]})" if said.status == 0 and said.text else ""


def _sentences(way: Way, environment: str) -> Iterator[str]:
    from mlspec.source.amend import ABSENT, written

    moved = {move.path for unit in way.promotion.units for move in unit.moves}
    for unit in way.promotion.units:
        yield f"{environment}: {unit.text}"
    for move in way.moves:
        if move.path not in moved:
            old, new = ("nothing" if value is ABSENT else written(value)[:60] for value in (move.before, move.after))
            yield f"{environment}: {format_path(move.path)} {old} → {new}"
