"""Promotion: which versions move from one environment to another, and which edits of the spec move them and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from mlspec.diagnostics import Found, code
from mlspec.location import Mark, Path, format_path
from mlspec.plan.environments import NAMED, environment_names, settle
from mlspec.plan.references import References
from mlspec.runtime.gate import parse_json, row
from mlspec.source.amend import ABSENT, same, with_edits

Tree = Mapping[str, Any]
Edit = tuple[Path, Any]
"""A path of the file, and the value that it gets (ABSENT: it goes)."""

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
_OWN = {"platform": "platform", "vars": "vars"}
"""Sections that an environment changes under a key of its own instead of in ``overrides``."""
_ROUNDS = 8
"""How often it is looked again at what a variable that moved has changed."""
_VARIABLE = re.compile(r"\$\{vars\.([A-Za-z_][A-Za-z0-9_-]*)\}")


class Move(NamedTuple):
    """One value of an environment that changes. The path is that of the spec as it is in the environment."""

    path: Path
    before: Any
    after: Any
    """ABSENT where there is none, as in ``before``."""


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


class View:
    """One environment of a spec: its values as they are written, and with their references replaced."""

    __slots__ = ("_namespace", "environment", "read", "written")

    def __init__(self, tree: dict[str, Any], mark: Mark, environment: str) -> None:
        body = (tree.get("environments") or {}).get(environment) or {}
        self._set(settle(tree, mark, environment).tree, environment, str(body.get("namespace", tree.get("name"))))

    def _set(self, written: dict[str, Any], environment: str, namespace: str) -> None:
        self.environment, self._namespace = environment, namespace
        self.written = written
        self.read: dict[str, Any] = References(written, environment, namespace).replace()

    def moved(self, moves: Iterable[Move]) -> View:
        """Return the environment as it is after some moves."""
        made = object.__new__(View)
        made._set(with_edits(self.written, ((move.path, move.after) for move in moves)), self.environment, self._namespace)
        return made


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
    clashes = [format_path(path) for path, _ in followers if chosen and _is_version(path)]
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
    found = {str(name) for section in ("models", "datasets") for name in _items(view.written, section)}
    return sorted(found | {str(path[1]) for path in _image_paths(view.written)})


def _models(pair: Pair, notes: list[str]) -> Iterator[Unit]:
    source, target, _ = pair
    there = _items(target.written, "models")
    for name, model in _items(source.written, "models").items():
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
    there = _items(target.written, "datasets")
    for name, dataset in _items(source.written, "datasets").items():
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
        if not isinstance(_dig(target.written, path[:-1]), dict):
            continue
        here, there = _dig(source.written, path), _dig(target.written, path)
        moves = [] if here == there else [Move(path, there, here)]
        moves += _variables(source, target, _version_part(here))
        new, old, first = (_dig(view.read, path) for view in pair)
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


def _items(tree: Tree, section: str) -> dict[str, Any]:
    items = tree.get(section)
    return items if isinstance(items, dict) else {}


def _pin(version: Tree) -> str:
    return ", ".join(f"{kind} {value}" for kind, value in version.items()) or "none"


def _dig(tree: Any, path: Path) -> Any:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return ABSENT
        tree = tree[part]
    return tree


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Move]:
    """Yield the values that differ between two states of an environment, as deep down as maps are maps in both.

    In which other environments an item is makes no difference to this one.
    """
    member = len(path) == 2 or (len(path) == 4 and path[2] == "steps")
    for key in dict.fromkeys((*before, *after)):
        if member and path[0] in NAMED and key in ("in", "notIn"):
            continue
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, (*path, key))
        elif not same(old, new):
            yield Move((*path, key), old, new)


def edits_of(tree: Tree, environment: str, moves: Iterable[Move]) -> list[Edit]:
    """Return the edits of the whole spec that make values of one environment change, and those of no other.

    A value is changed where it comes from: in the environment's overrides; at the top where no other environment takes it from
    there; else an override is added. A value that equals the one at the top still gets its override: the environment is not to
    follow the next change of another.
    """
    return [_place(tree, environment, move) for move in moves]


def _place(tree: Tree, environment: str, move: Move) -> Edit:
    path, value = move.path, move.after
    base = _dig(tree, path)
    environments = _items(tree, "environments")
    if not environments:
        return path, value
    written = _dig(environments, (environment, *over(path)))
    alone = not any(
        _inherits(body, path, base, value) for name, body in environments.items() if name != environment and _in(tree, path, name)
    )
    if written is ABSENT and alone and _dig(tree, path[:-1]) is not ABSENT:
        return path, value
    return ("environments", environment, *over(path)), _cover(base, value)


def over(path: Path) -> Path:
    """Return the path of an environment at which it overrides a path of the spec."""
    own = _OWN.get(str(path[0]))
    return (own, *path[1:]) if own else ("overrides", *path)


def _inherits(body: Any, path: Path, old: Any, new: Any) -> bool:
    """Tell whether another environment would see that a value at the top changes."""
    here = body
    for part in over(path):
        if not isinstance(here, dict):
            return False  # something above is replaced as a whole
        if part not in here:
            return True
        here = here[part]
    before, after = ({} if value is ABSENT else {"": value} for value in (old, new))
    return not same(_laid(before, {"": here}), _laid(after, {"": here}))


def _laid(base: Any, over: Any) -> Any:
    """Lay an override over a value as the language does: a null takes away what is there, and stays where nothing is."""
    if not isinstance(over, dict) or not isinstance(base, dict):
        return over
    made = dict(base)
    for key, value in over.items():
        if value is None and key in made:
            del made[key]
        else:
            made[key] = _laid(made[key], value) if key in made else value
    return made


def _in(tree: Tree, path: Path, environment: str) -> bool:
    """Tell whether the named item of a path may be in an environment."""
    item = _dig(tree, path[:2])
    if not isinstance(item, dict):
        return True
    return not (isinstance(item.get("in"), list) and environment not in item["in"]) and environment not in (item.get("notIn") or ())


def _cover(base: Any, value: Any) -> Any:
    """Return the override that makes a value of what stands at the top, whole: no later change at the top shows through."""
    if value is ABSENT:
        return ABSENT if base is ABSENT else None
    if not isinstance(base, dict) or not isinstance(value, dict):
        return value
    return {**{key: None for key in base if key not in value}, **{key: _cover(base.get(key, ABSENT), item) for key, item in value.items()}}


def onto_file(written: Tree, whole: Tree, edits: Iterable[Edit]) -> list[Edit]:
    """Return edits of a whole spec as edits of its main file.

    ``written`` is the tree of the file alone, ``whole`` that of the file with its base files. What comes from a base file cannot be
    removed, only taken away by a null; an item of a list that is not in the file takes the whole list along.
    """
    made: dict[Path, Any] = {}
    for path, value in edits:
        at = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
        if at < len(path) and _dig(written, path[:at]) is ABSENT:
            whole_list = made.get(path[:at], _dig(whole, path[:at]))
            made[path[:at]] = with_edits({"list": whole_list}, [(("list", *path[at:]), value)])["list"]
        elif value is ABSENT and at == len(path) and _dig(written, path) is ABSENT and _dig(whole, path) is not ABSENT:
            made[path] = None
        else:
            made[path] = value
    return list(made.items())


def strays(before: Tree, before_mark: Mark, after: Tree, after_mark: Mark, environment: str, moves: Iterable[Move]) -> list[str]:
    """Return what an edit changed besides what it was to change, in words; nothing when it did just that."""
    moves = tuple(moves)
    found: list[str] = []
    for name in environment_names(before):
        old, new = (_state(tree, mark, name) for tree, mark in ((before, before_mark), (after, after_mark)))
        if name == environment and moves:
            old = with_edits(old, ((move.path, move.after) for move in moves))
        found += [f"{name}: {format_path(move.path)}" for move in differences(old, new)]
    return found


def _state(tree: Tree, mark: Mark, environment: str) -> dict[str, Any]:
    """Return all that an environment is, but for where it is written."""
    settled = settle(dict(tree), mark, environment).tree
    body = _items(tree, "environments").get(environment) or {}
    own = {key: value for key, value in body.items() if key not in ("overrides", "vars", "platform")}
    return {**{key: value for key, value in settled.items() if key != "environments"}, "environments": {environment: own}}


def chain_to(tree: Tree, source: str, target: str) -> list[str] | None:
    """Return the environments from one to another along ``after``, both included; None when there is no such way."""
    environments = _items(tree, "environments")
    way = [target]
    while way[0] != source:
        before = (environments.get(way[0]) or {}).get("after")
        if before is None or before in way:
            return None
        way.insert(0, before)
    return way


def gates_of(tree: Tree, model: str) -> list[str]:
    """Return the thresholds that guard a model: those of the `gate` steps in the pipelines that register it."""
    found: dict[str, None] = {}
    for pipeline in _items(tree, "pipelines").values():
        steps = [step for step in _items(pipeline, "steps").values() if isinstance(step, dict)]
        if any(step.get("register") == model for step in steps):
            found |= {str(step["gate"]): None for step in steps if "gate" in step}
    return list(found)


def result_path(environment: str, model: str, version: str, threshold: str) -> str:
    """Return where the result of a gate lies, from the spec's folder; names and versions hold no slash."""
    return f".mlspec/results/{environment}/{model}/{version}/{threshold}.json"


def fault_of(result: bytes, rules: Mapping[str, Any]) -> str:
    """Say why a result, as `mlspec gate --format json` writes it, is no pass of these rules; nothing when it is one."""
    report = parse_json(result)
    if isinstance(report, str):
        return f"the result {report}"
    rows = report.get("verdicts") if isinstance(report, dict) else None
    if not isinstance(rows, list) or not all(isinstance(entry, dict) and isinstance(entry.get("rule"), str) for entry in rows):
        return "the result is not one of mlspec gate"
    if report.get("threshold") != rules["threshold"]:
        return f"the result is one of {report.get('threshold')}"
    judged = [(entry["rule"], entry.get("bound")) for entry in rows]
    for rule in rules["rules"]:
        bound = row(rule, "", "")["bound"]
        if not any(name.startswith(rule["name"]) and given == bound for name, given in judged):
            return f"the result is older than the rule {rule['name']} {bound}"
    broken = [entry for entry in rows if entry.get("verdict") not in ("passed", "warning")]
    if broken:
        return "; ".join(f"{entry['rule']} {entry.get('found')}, expected {entry.get('bound')}" for entry in broken[:3])
    return "" if report.get("passed") is True else "the result does not say that it passed"


@code("MLS-E720", "skipped-environment")
def skipped_environment(source: str, target: str, way: list[str] | None, after: str | None) -> Found:
    """Versions are promoted from an environment to the one that comes right after it.

    What has not been in an environment has not been tried there, so no environment is skipped. `after` gives the order; an
    environment without it starts a chain of its own and gets its versions from no other.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf '  test: {namespace: t, after: dev}\\n  prod: {namespace: p, after: test}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  dev: {namespace: d}\\n' >> mlspec.yaml
        printf '  test: {namespace: t, after: dev}\\n  prod: {namespace: p, after: test}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to test --format json
    """
    place: Path = ("environments", target, "after") if after else ("environments", target)
    if way and len(way) > 2:
        skipped = ", ".join(way[1:-1])
        help_ = "; then ".join(f"mlspec promote --from {a} --to {b}" for a, b in pairwise(way))
        return Found(place, f"{target} comes after {after}: promoting from {source} would skip {skipped}", help_)
    if after:
        return Found(place, f"{target} comes after {after}, not after {source}", f"mlspec promote --from {after} --to {target}")
    return Found(place, f"{target} does not say which environment it comes after", f"write `after: {source}` there", on="key")


@code("MLS-E721", "gate-not-passed")
def gate_not_passed(path: Path, source: str, model: str, threshold: str, file: str, why: str) -> Found:
    """A version is promoted only when it passed its gates in the environment that it comes from.

    The gates of a model are the `gate` steps of the pipelines that register it. Their results are read from
    `.mlspec/results/<environment>/<model>/<version>/<threshold>.json` beside the spec, as `mlspec gate --format json` writes them.
    A result of other rules than those of today does not count: hold the metrics against the gate again.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mkdir -p .mlspec/results/dev/m/2.0.0
        echo '{"auc": 0.8}' > metrics.json
        mlspec gate release --metrics metrics.json --env dev --format json > .mlspec/results/dev/m/2.0.0/release.json
        mlspec promote --from dev --to prod --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mkdir -p .mlspec/results/dev/m/2.0.0
        echo '{"auc": 0.95}' > metrics.json
        mlspec gate release --metrics metrics.json --env dev --format json > .mlspec/results/dev/m/2.0.0/release.json
        mlspec promote --from dev --to prod --format json
    """
    return Found(
        path,
        f"{model} did not pass {threshold} in {source}: {why}",
        f"promote a version that passes; the result is in {file}",
        label="this version",
    )


@code("MLS-E722", "gate-result-missing")
def gate_result_missing(path: Path, source: str, model: str, threshold: str, file: str) -> Found:
    """With `--require-gates`, a version is promoted only when the results of its gates are in the repository.

    Without the option a missing result is said and does not stop the promotion: the pipeline may have stopped a bad version
    before it was registered. See MLS-E721 for where results are kept.

    Bad (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m", trainedBy: t}}\\n' >> mlspec.yaml
        printf 'thresholds: {release: {on: evaluation, rules: [{metric: auc, min: 0.9}]}}\\n' >> mlspec.yaml
        printf 'pipelines: {t: {image: "a/b:1", steps: {e: {run: [e], outputs: {o: model, s: metrics}},' >> mlspec.yaml
        printf ' g: {gate: release, metrics: steps.e.s}, r: {register: m, model: steps.e.o, after: [g]}}}}\\n' >> mlspec.yaml
        printf 'platform: {registry: {mlflow: "http://mlflow.mlflow.svc:5000"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --require-gates --format json

    Good (shell)::

        printf 'apiVersion: mlspec.dev/v1\\nname: churn\\nowner: {team: ml}\\n' > mlspec.yaml
        printf 'environments:\\n  prod: {namespace: p, after: dev}\\n' >> mlspec.yaml
        printf '  dev: {namespace: d, overrides: {models: {m: {version: 2.0.0}}}}\\n' >> mlspec.yaml
        printf 'models: {m: {framework: sklearn, version: 1.0.0, uri: "s3://m/m"}}\\n' >> mlspec.yaml
        mlspec promote --from dev --to prod --require-gates --format json
    """
    return Found(
        path,
        f"there is no result of {threshold} for {model} in {source}",
        f"write it with `mlspec gate {threshold} --metrics FILE --env {source} --format json > {file}`",
        label="this version",
    )
