"""How long each stage takes for one project of the fleet: `python benchmarks/bench_stages.py`; processor time, best of some rounds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlspec.compiler import show
from mlspec.conform import Kinds
from mlspec.emit import emit
from mlspec.examine import examine
from mlspec.library import Library
from mlspec.plan.environments import settle
from mlspec.plan.references import References
from mlspec.plan.resolve import resolve
from mlspec.render import choose, fill
from mlspec.source.extends import load
from mlspec.spec.parse import parse
from mlspec.targets import find_targets
from projects import write_fleet

ROUNDS = 30


def best(what: str, work: Callable[[], object]) -> None:
    """Print the least processor time of some rounds."""
    found = []
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    print(f"{what:42} {min(found) * 1e3:7.2f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "fleet")
        write_fleet(root, 1)
        spec = next(root.rglob("mlspec.yaml"))
        source = load(spec, root, show)
        tree, mark = source.tree, source.mark
        settled = settle(tree, mark, "prod").tree
        replaced = References(settled, "prod", "prod").replace()
        library = Library.load(None, spec.parent, None)

        def render() -> list[dict[str, object]]:
            made = []
            for plan in examine(spec, root, show, {}).plans:
                for target in choose(plan, find_targets())[0]:
                    made += [manifest.object for manifest in fill(plan, target.render(plan), library) if manifest.object]
            return made

        objects = render()
        kinds = Kinds.load(None)
        print(f"one project of three environments: a pipeline, an endpoint with monitoring; {len(objects)} objects")
        best("read: bytes to data with positions", lambda: load(spec, root, show))
        best("parse: against the schema", lambda: parse(tree))
        best("settle: overrides of one environment", lambda: settle(tree, mark, "prod"))
        best("references: of one environment", lambda: References(settled, "prod", "prod").replace())
        best("resolve: defaults of one environment", lambda: resolve(replaced))
        best("examine: all of these, and every check", lambda: examine(spec, root, show, {}))
        best("examine, render and emit all environments", render)
        best("emit: every object to text", lambda: [emit(item) for item in objects])
        best("conform: every object", lambda: [kinds.check(item) for item in objects])


if __name__ == "__main__":
    main()
