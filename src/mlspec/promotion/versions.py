"""The versions that move from one environment to another: of models, data and images, each with all that belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mlspec.location import Path, format_path
from mlspec.promotion.moves import Move, Tree, dig, items
from mlspec.promotion.views import View
from mlspec.source.amend import ABSENT, same

MODEL = ("version", "uri", "framework", "signature", "hyperparameters")
"""What belongs to one version of a model and moves with it; the rest of a model is the environment's own."""
IMAGES: tuple[tuple[str, ...], ...] = (
    ("features", "*", "image"),
    ("pipelines", "*", "image"),
    ("pipelines", "*", "steps", "*", "image"),
    ("serving", "*", "image"),
    ("serving", "*", "transform", "image"),
    ("serving", "*", "explain", "image"),
    ("monitoring", "*", "drift", "image"),
    ("monitoring", "*", "outliers", "image"),
    ("monitoring", "*", "bias", "image"),
)
"""Where images stand that move; that of ``platform.runner`` is the environment's own."""
_ROUNDS = 8
"""How often it is looked again at what a variable that moved has changed."""
_VARIABLE = re.compile(r"\$\{vars\.([A-Za-z_][A-Za-z0-9_-]*)\}")


class Unit(NamedTuple):
    """What moves as one: a model's version with all that belongs to it, a dataset's version, an image."""

    kind: str
    """``model``, ``dataset`` or ``image``."""
    name: str
    """The named item that it belongs to."""
    path: Path
    """Where it stands in the spec."""
    text: str
    """What moves, in words: ``churn 2.2.1 → 2.3.0``."""
    moves: tuple[Move, ...]


class Promotion(NamedTuple):
    """What moves from one environment to another."""

    units: tuple[Unit, ...]
    notes: tuple[str, ...]
    """What differs and does not move, and why; and what moves along."""
    clashes: tuple[str, ...] = ()
    """Versions that were not asked for, and would move because they are told by the same variable."""

    @property
    def moves(self) -> tuple[Move, ...]:
        """Every value that changes, each once."""
        return tuple({move.path: move for unit in self.units for move in unit.moves}.values())


class Pair(NamedTuple):
    """Two environments, the second as it is by now and as it was at first."""

    source: View
    target: View
    was: View


def compare(source: View, target: View, only: Iterable[str] = ()) -> Promotion:
    """Return what has to move so that one environment runs the versions of another.

    ``only`` names the items whose versions move; all of them when it is empty. What one of the two does not have does not move.
    A version that is told by a variable takes the variable along; what else refers to it follows, and is named.
    """
    chosen = frozenset(only)
    found: dict[tuple[str, Path], Unit] = {}
    notes: list[str] = []
    now = target
    for _ in range(_ROUNDS):
        said: list[str] = []
        pair = Pair(source, now, target)
        units = [unit for unit in (*_models(pair, said), *_datasets(pair, said), *_images(pair)) if not chosen or unit.name in chosen]
        notes = notes or said
        for unit in units:
            key = (unit.kind, unit.path)
            old = found[key].moves if key in found else ()
            found[key] = unit._replace(moves=tuple(_merged((*old, *unit.moves))))
        if not units:
            break
        now = target.moved(_merged(move for unit in found.values() for move in unit.moves))
    promotion = Promotion(tuple(found.values()), tuple(dict.fromkeys(notes)))
    followers = list(_followers(target, promotion))
    clashes = [format_path(path) for path, _ in followers if chosen and _is_version(path) and path[1] not in chosen]
    notes = [*notes, *(f"{format_path(path)} refers to vars.{name}, and follows it" for path, name in followers if not _is_version(path))]
    return promotion._replace(notes=tuple(dict.fromkeys(notes)), clashes=tuple(clashes))


def _merged(moves: Iterable[Move]) -> Iterator[Move]:
    """Yield one move a path: from where the first begins to where the last ends, unless that is the same."""
    made: dict[Path, Move] = {}
    for move in moves:
        made[move.path] = move._replace(before=made[move.path].before) if move.path in made else move
    return (move for move in made.values() if not same(move.before, move.after))


def _followers(target: View, promotion: Promotion) -> Iterator[tuple[Path, str]]:
    """Yield what refers to a variable that moves, and does not move itself."""
    moved = {move.path for move in promotion.moves}
    variables = {str(path[1]) for path in moved if path[0] == "vars"}
    waiting: list[tuple[Path, Any]] = (
        [((), {key: value for key, value in target.written.items() if key != "environments"})] if variables else []
    )
    while waiting:
        path, value = waiting.pop()
        if path in moved or any(path[:at] in moved for at in range(len(path))):
            continue
        if isinstance(value, dict):
            waiting += [((*path, key), below) for key, below in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, at), below) for at, below in enumerate(value)]
        elif isinstance(value, str) and not (path[0] == "models" and path[2:] == ("uri",)):
            yield from ((path, name) for name in _VARIABLE.findall(value) if name in variables)


def _is_version(path: Path) -> bool:
    return (path[0] in ("models", "datasets") and path[2:3] == ("version",)) or any(
        len(path) == len(pattern) and all(part in ("*", word) for word, part in zip(path, pattern, strict=True)) for pattern in IMAGES
    )


def names(view: View) -> list[str]:
    """Return the names of all items of an environment that have a version or an image."""
    found = {str(name) for section in ("models", "datasets") for name in items(view.written, section)}
    return sorted(found | {str(path[1]) for path in _image_paths(view.written)})


def _models(pair: Pair, notes: list[str]) -> Iterator[Unit]:
    source, target, _ = pair
    there = items(target.written, "models")
    for name, model in items(source.written, "models").items():
        if name not in there:
            notes.append(f"model {name} is not in {target.environment}, so it does not move")
            continue
        new, old, first = (str(view.read["models"][name].get("version")) for view in pair)
        if new == old:
            if model.get("uri") != there[name].get("uri"):
                notes.append(f"model {name} is {new} in both environments, at different places; each keeps its own")
            continue
        moves = (*_moves(("models", name), MODEL, model, there[name]), *_variables(source, target, model.get("version")))
        if moves:
            yield Unit("model", name, ("models", name), f"{name} {first} → {new}", moves)
        else:
            notes.append(f"the version of {name} is told by the environment itself, so it does not move")


def _datasets(pair: Pair, notes: list[str]) -> Iterator[Unit]:
    source, target, _ = pair
    there = items(target.written, "datasets")
    for name, dataset in items(source.written, "datasets").items():
        if name not in there or "version" not in dataset:
            lacking = source if name in there else target
            if name not in there or "version" in there[name]:
                notes.append(f"dataset {name} has no version in {lacking.environment}, so it does not move")
            continue
        new, old, first = (view.read["datasets"][name].get("version", {}) for view in pair)
        if new == old:
            continue
        moves = [*_moves(("datasets", name), ("version",), dataset, there[name])]
        for text in dataset["version"].values():
            moves += _variables(source, target, text)
        if moves:
            yield Unit("dataset", name, ("datasets", name), f"dataset {name} {_pin(first)} → {_pin(new)}", tuple(moves))
        if dataset.get("uri") != there[name].get("uri"):
            notes.append(f"dataset {name} lies at different places; each environment keeps its own uri")


def _images(pair: Pair) -> Iterator[Unit]:
    source, target, _ = pair
    for path in _image_paths(source.written):
        if not isinstance(dig(target.written, path[:-1]), dict):
            continue
        here, there = dig(source.written, path), dig(target.written, path)
        moves = [] if here == there else [Move(path, there, here)]
        moves += _variables(source, target, _version_part(here))
        new, old, first = (dig(view.read, path) for view in pair)
        if moves and new != old:
            yield Unit("image", str(path[1]), path, f"{format_path(path)} {'none' if first is ABSENT else first} → {new}", tuple(moves))


def _image_paths(tree: Tree) -> Iterator[Path]:
    for pattern in IMAGES:
        yield from _matches(tree, pattern, ())


def _matches(value: Any, pattern: tuple[str, ...], path: Path) -> Iterator[Path]:
    if not pattern:
        if isinstance(value, str):
            yield path
    elif isinstance(value, dict):
        for key in value if pattern[0] == "*" else (pattern[0],):
            if key in value:
                yield from _matches(value[key], pattern[1:], (*path, key))


def _version_part(image: str) -> str:
    """Return an image without its repository, which is the environment's own: tag and digest."""
    repository, at, digest = image.partition("@")
    return repository.rpartition("/")[2].partition(":")[2] + at + digest


def _moves(above: Path, fields: Iterable[str], new: Tree, old: Tree) -> Iterator[Move]:
    for field in fields:
        before, after = old.get(field, ABSENT), new.get(field, ABSENT)
        if not same(before, after):
            yield Move((*above, field), before, after)


def _variables(source: View, target: View, text: Any) -> Iterator[Move]:
    """Yield the variables that tell a version, and that the two environments set to different values."""
    if not isinstance(text, str):
        return
    waiting, seen = _VARIABLE.findall(text), set[str]()
    while waiting:
        name = waiting.pop()
        here, there = (view.written.get("vars", {}).get(name) for view in (source, target))
        if name in seen or here is None:
            continue
        seen.add(name)
        if here != there:
            yield Move(("vars", name), ABSENT if there is None else there, here)
        elif isinstance(here, str):
            waiting += _VARIABLE.findall(here)


def _pin(version: Tree) -> str:
    return ", ".join(f"{kind} {value}" for kind, value in version.items()) or "none"
