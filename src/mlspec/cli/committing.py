"""Carrying out ``mlspec commit``: where to start from, compile, commit, move the branch; again where somebody was faster."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlspec import __version__
from mlspec.cli.rebuilding import Live, Rebuilt, rebuild, revision
from mlspec.diagnostics import Diagnostic, Unable
from mlspec.repository import clone as clones
from mlspec.repository import commits, remotes, troubles, worktree
from mlspec.repository.uncommitted import find_left_over, find_uncommitted

if TYPE_CHECKING:
    from mlspec.repository.trees import Checkout

TRIES = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 6.0
OWN = "mlspec/"
"""What the names of branches for pull requests begin with."""


class Order(NamedTuple):
    """What is asked for."""

    paths: tuple[Path, ...]
    source: str | None
    target: str | None
    propose: bool
    remote: str | None
    """The remote that is pushed to; None commits to this clone."""
    message: str | None
    author: tuple[str | None, str | None]
    overwrite_edits: bool
    crds: Path | None
    templates: Path | None
    step: Callable[[Path], tuple[Live, str]] | None = None
    """Makes a step of a rollout: given the spec in a copy of the branch, what its lock is to say of all that serves, and the message."""


class Done(NamedTuple):
    """What was done."""

    branch: str
    commit: str | None
    """None: there was nothing to commit."""
    changes: Mapping[str, bytes | None]
    counts: tuple[int, int, int]
    pushed: bool
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Place(NamedTuple):
    """A clone, and the branches that one run works with, by full name."""

    clone: clones.Clone
    source: str
    target: str
    remote: str | None

    @property
    def own(self) -> bool:
        """Whether the commit goes to a branch other than the specs'."""
        return self.source != self.target

    @property
    def branch(self) -> str:
        """The name of the branch that gets the commit, as people say it."""
        return (f"{self.remote}/" if self.remote else "") + self.target.removeprefix("refs/heads/")

    def tips(self) -> tuple[str, str | None]:
        """Return the commits at which both branches are: on the remote, else here. Raises Unable when there are no specs' ones."""
        here = clones.find_commit(self.clone, self.source)
        if self.remote:
            source, target = remotes.tips(self.clone, self.remote, [self.source, self.target])
            source = source or (here if self.own else None)
        else:
            source, target = here, clones.find_commit(self.clone, self.target)
        if source is None:
            name = self.source.removeprefix("refs/heads/")
            where = f"on the remote {self.remote}" if self.remote else "in this clone"
            help_ = f"push it first: git push {self.remote} {name}" if self.remote and here else "commit the specs to it first"
            raise troubles.no_branch(f"there is no branch {name} {where}, or it has no commit", help_)
        return source, target


class Attempt(NamedTuple):
    """One round: what was found and made, and the commit that waits for its branch; None: there is nothing to do."""

    rebuilt: Rebuilt
    source: str
    target: str | None
    commit: str | None


def carry_out(order: Order) -> Done:
    """Compile and commit. Raises Rejected when a spec is refused; Unable, with status 4 when others were faster ten times."""
    place = _find_place(order)
    who = clones.identity(place.clone, *order.author)
    if order.message is not None:
        commits.check_message(order.message)
    paths = [place.clone.relative(path) for path in order.paths or (Path(),)]
    with _alone(place) as tree:
        met: set[str | None] = set()
        for number in range(TRIES):
            _pause(number)
            attempt, remarks = _try(place, order, paths, who)
            met.add(attempt.target)
            if attempt.commit is None or _land(place, attempt, tree):
                break
        else:
            raise _lost(place, moved=len(met) > 1)
        notes = _follow(attempt, tree)
    notes += [*_propose(place, order, attempt), *_unpushed(place, attempt.source)]
    rebuilt = attempt.rebuilt
    pushed = bool(place.remote) and attempt.commit is not None
    diagnostics = (*rebuilt.outcome.diagnostics, *remarks)
    return Done(place.branch, attempt.commit, rebuilt.changes, rebuilt.counts, pushed, diagnostics, rebuilt.outcome.files, tuple(notes))


def _lost(place: Place, *, moved: bool) -> Unable:
    if place.remote and not moved:
        way = f"look whether a push that was killed has left a lock there ({place.target}.lock), then run again"
        return troubles.lost_race(f"{place.branch} took no push {TRIES} times, though nobody moved it", way)
    return troubles.lost_race(f"somebody else was faster {TRIES} times at {place.branch}")


def _find_place(order: Order) -> Place:
    """Settle clone and branches. Raises Unable for what cannot be."""
    clone = clones.open_clone(order.paths[0] if order.paths else Path())
    current = clones.checked_out(clone)
    source = next((name for name in (order.source, current, None if order.propose else order.target) if name is not None), None)
    if source is None:
        raise troubles.detached_head()
    target = f"{OWN}{source}" if order.propose else (source if order.target is None else order.target)
    if order.remote:
        remotes.address(clone, order.remote)
    return Place(clone, clones.ref_of(clone, source), clones.ref_of(clone, target), order.remote)


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[clones.Clone | None]:
    """Keep others off the branches of this clone where they are moved; give the work tree that has the branch checked out."""
    if place.remote:
        yield None
        return
    with worktree.claim(place.clone):
        commits.release_branch(place.clone)
        clones.require_finished(place.clone, place.target)
        tree = _tree_of_target(place)
        if tree:
            worktree.heal(tree)
        yield tree


def _tree_of_target(place: Place) -> clones.Clone | None:
    """Return the work tree that follows the branch. Raises Unable when it would have to follow more than generated files."""
    tree = clones.worktree_of(place.clone, place.target)
    if tree and place.own:
        name = place.target.removeprefix("refs/heads/")
        raise troubles.branch_in_use(name, tree)
    if tree is None:
        return None
    return place.clone if place.clone.root and tree.samefile(place.clone.root) else clones.open_clone(tree)


def _pause(number: int) -> None:
    """Wait before another try, longer each time and never as long as the others do."""
    if number:
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**number)))  # noqa: S311 - no secret


def _try(place: Place, order: Order, paths: list[str], who: Mapping[str, str]) -> tuple[Attempt, list[Diagnostic]]:
    """Compile the branch as it is now, and make the commit that it needs, if any; no branch moves."""
    source, target = place.tips()
    _leave_people_alone(place, source, target)
    with revision(place.clone, source) as copy:
        live = None
        if order.step:
            live, message = order.step(Path(paths[0]))
            order = order._replace(message=message)
        rebuilt = rebuild(copy, paths, overwrite_edits=order.overwrite_edits, crds=order.crds, templates=order.templates, live=live)
        remarks = [*_uncommitted(place, source, copy, rebuilt, paths), *find_left_over(copy)]
        commit = _commit(place, order, rebuilt, source, target, copy.folder.parent, who)
    return Attempt(rebuilt, source, target, commit), remarks


def _leave_people_alone(place: Place, source: str, target: str | None) -> None:
    """Raise Unable (status 4) when a person has committed on a branch that is not the specs' own."""
    if not place.own or target is None or clones.is_ancestor(place.clone, target, source):
        return
    if commits.trailers_of(place.clone, target) is None:
        raise troubles.persons_branch(place.branch, target)


def _commit(
    place: Place, order: Order, rebuilt: Rebuilt, source: str, target: str | None, scratch: Path, who: Mapping[str, str]
) -> str | None:
    """Make the commit, if there is anything to commit."""
    clone = place.clone
    if not rebuilt.changes:
        return None
    tree = commits.write_tree(clone, source, rebuilt.changes, scratch)
    if any(tree == commits.tree_of(clone, commit) for commit in {source, target or source}):
        return None
    parents = [source]
    if place.own and target and not clones.is_ancestor(clone, target, source):
        # The new state is compiled, not merged; both are parents so that nothing has to be forced.
        parents = [target] if clones.is_ancestor(clone, source, target) else [target, source]
    return commits.commit_tree(clone, tree, parents, _message(order, rebuilt), commits.Trailers(source, rebuilt.digest, __version__), who)


def _message(order: Order, rebuilt: Rebuilt) -> str:
    if order.message is not None:
        return order.message
    projects = rebuilt.outcome.projects
    changed = rebuilt.changes.keys()
    touched = [project for project in projects if project.lock_path in changed or not changed.isdisjoint(project.tree)]
    names = sorted(project.name for project in touched or projects)
    shown = ", ".join(names) if len(names) <= 3 else f"{len(names)} projects"
    return f"Compile {shown}"


def _land(place: Place, attempt: Attempt, tree: clones.Clone | None) -> bool:
    """Move the branch; say whether it was still where this attempt began."""
    assert attempt.commit
    if place.remote:
        return remotes.push(place.clone, place.remote, attempt.commit, place.target, attempt.target)
    if tree and attempt.target:
        worktree.note(tree, place.target, attempt.target, attempt.commit)
    return commits.move_branch(place.clone, place.target, attempt.commit, attempt.target)


def _follow(attempt: Attempt, tree: clones.Clone | None) -> list[str]:
    """Bring the work tree after its branch, and say what was left as a person has it."""
    if tree is None or attempt.commit is None or attempt.target is None:
        return []
    kept = worktree.bring_forward(tree, attempt.target, attempt.commit)
    worktree.forget(tree)
    notes = []
    if kept.files:
        notes.append(f"left as you edited them: {_some(kept.files)}")
    if kept.staged:
        notes.append(f"left as you staged them: {_some(kept.staged)}")
    if notes:
        notes.append("what of them is not as the specs want it, mlspec check shows")
    return notes


def _some(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _propose(place: Place, order: Order, attempt: Attempt) -> list[str]:
    """Open or update the pull request, or say where a person does it."""
    if not order.propose or place.remote is None:
        return []
    if not attempt.rebuilt.changes:
        return []
    from mlspec.repository.forges import Request, open_request

    head, base = (ref.removeprefix("refs/heads/") for ref in (place.target, place.source))
    body = (
        f"Written by `mlspec commit` from {attempt.source}. Merge it as it is; to change it, change the spec: "
        "a commit of yours on this branch makes mlspec leave it alone.\n"
    )
    title = _message(order, attempt.rebuilt).split("\n", 1)[0]
    folder = place.clone.root or place.clone.folder
    opened = open_request(remotes.address(place.clone, place.remote), folder, Request(head, base, title, body))
    if opened.done:
        return [f"pull request: {opened.url}"]
    trouble = [f"no pull request could be opened: {opened.trouble}"] if opened.trouble else []
    return [*trouble, f"open a pull request: {opened.url or f'from {head} to {base}'}"]


def _unpushed(place: Place, compiled: str) -> list[str]:
    """Say that the specs' branch has commits here that the remote has not: they were not compiled."""
    here = clones.find_commit(place.clone, place.source)
    if place.remote is None or here is None or here == compiled or place.clone.shallow:
        return []  # where the history is cut off, what is older cannot be told from what is newer
    listed = place.clone.git.attempt("rev-list", "--count", f"{compiled}..{here}")
    if listed.status or listed.text == "0":
        return []
    name = place.source.removeprefix("refs/heads/")
    commits_ = "1 commit" if listed.text == "1" else f"{listed.text} commits"
    return [
        f"note: {name} has {commits_} here that {place.remote} has not, so they were not compiled: git push {place.remote} {name} first"
    ]


def _uncommitted(place: Place, source: str, copy: Checkout, rebuilt: Rebuilt, paths: list[str]) -> list[Diagnostic]:
    """Return warnings about specs that differ in the work tree, when the branch is the one that is checked out there."""
    clone = place.clone
    if clone.root is None or clones.checked_out(clone) != place.source.removeprefix("refs/heads/"):
        return []
    from mlspec.repository.trees import list_tree

    head = clones.find_commit(clone, "HEAD")
    entries = copy.entries if head == source else list_tree(clone, head) if head else {}
    return find_uncommitted(clone, entries, {*rebuilt.inputs, *_specs_here(clone.root, paths)})


def _specs_here(root: Path, paths: list[str]) -> Iterator[str]:
    """Yield the specs of the work tree, those included that no commit has yet."""
    from mlspec.source.files import find_specs, repository_root

    there = root.absolute()
    with contextlib.suppress(Unable):
        for spec in find_specs([there / path for path in paths if (there / path).exists()]):
            if repository_root(spec) == there:  # others lie in submodules, or in repositories of their own
                yield spec.relative_to(there).as_posix()
