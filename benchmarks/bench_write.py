"""How long the writer takes for a fleet: cold, unchanged, one file changed, one project changed, all changed.

Usage: python benchmarks/bench_write.py [PROJECTS] [FOLDER]. Takes /dev/shm where there is one, so that a disk does not drown it.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from mlspec.artifacts import Tree, digest
from mlspec.lock import Lock, emit_lock
from mlspec.writers.disk import write
from mlspec.writers.publication import Output, Publication

ENVIRONMENTS = ("dev", "staging", "prod")
FILES = ("endpoint-api", "pipeline-train", "monitor-api", "kustomization")
LINE = "  key: value of some length that a manifest may well have\n"


def files_of(number, version, changed):
    found = {f"deploy/argocd/p{number}.yaml": f"app {number}\n{LINE * 30}".encode(), ".github/workflows/mlspec.yml": b"ci"}
    for environment in ENVIRONMENTS:
        for name in FILES:
            now = version if changed(number, environment, name) else 1
            found[f"deploy/p{number}/{environment}/{name}.yaml"] = f"# p{number} {environment} {name} {now}\n{LINE * 24}".encode()
    return found


def outputs(projects, version=1, changed=lambda *_: True):
    found = []
    for number in range(projects):
        tree = Tree(files_of(number, version, changed), f"p{number}")
        lock = Lock(inputs={f"p{number}/mlspec.yaml": digest(b"spec")}, files={path: digest(data) for path, data in tree.items()})
        found.append((Output(f"p{number}", f"deploy/p{number}", tree, f"p{number}/mlspec.lock", emit_lock(lock)), lock))
    return found


def publish(root, new, old=None):
    made = [output._replace(old=old[number][1] if old else None) for number, (output, _) in enumerate(new)]
    start = time.perf_counter()
    write(Publication(root, made))
    return time.perf_counter() - start


def main():
    projects = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    base = sys.argv[2] if len(sys.argv) > 2 else ("/dev/shm" if Path("/dev/shm").is_dir() else None)
    root = tempfile.mkdtemp(prefix="mlspec-bench-", dir=base)
    try:
        one = outputs(projects)
        file = outputs(projects, 2, lambda n, e, name: n == 7 and e == "prod" and name == FILES[0])
        project = outputs(projects, 3, lambda n, *_: n == 7)
        all_of_them = outputs(projects, 4)
        count = sum(len(output.tree) for output, _ in one)
        print(f"{projects} projects, {count} files, in {base or tempfile.gettempdir()}")
        cold = publish(root, one)
        for name, seconds in (
            ("cold", cold),
            ("unchanged", publish(root, one, one)),
            ("one file", publish(root, file, one)),
            ("one project", publish(root, project, file)),
            ("everything", publish(root, all_of_them, project)),
        ):
            print(f"{name:12} {seconds:8.3f} s  {seconds / count * 1e6:7.1f} us a file  {seconds / cold:5.2f} of cold")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
