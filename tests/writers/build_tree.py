"""Projects, trees and folders for the tests of the writers."""

import os
import stat
from pathlib import Path

from mlspec.artifacts import STAGING, Tree, digest
from mlspec.lock import Lock, emit_lock
from mlspec.writers.publication import Output, Publication

CI = ".github/workflows/mlspec.yml"


def make(files, project="churn"):
    """Return a project's tree and its lock."""
    tree = Tree(files, project)
    return tree, Lock(
        inputs={f"{project}/mlspec.yaml": digest(repr(sorted(files)).encode())}, files={p: digest(d) for p, d in tree.items()}
    )


def output(files, old=None, project="churn", remove=False):
    tree, lock = make(files, project)
    old_lock = old if isinstance(old, Lock) or old is None else make(old, project)[1]
    data = None if remove else emit_lock(lock)
    return Output(project, f"deploy/{project}", tree, f"{project}/mlspec.lock", data, old_lock)


def publication(root, files, old=None, project="churn", **options):
    return Publication(str(root), [output(files, old, project)], **options)


def snapshot(root):
    """Return every file (bytes), link (target) and empty folder below a root."""
    found = {}
    for folder, names, files in os.walk(root):
        at = Path(folder)
        for name in files + [name for name in names if (at / name).is_symlink()]:
            path = at / name
            found[path.relative_to(root).as_posix()] = str(path.readlink()) if path.is_symlink() else path.read_bytes()
        if not names and not files and at != Path(root):
            found[at.relative_to(root).as_posix() + "/"] = None
    return found


def expected(files, project="churn", **more):
    return {**files, f"{project}/mlspec.lock": emit_lock(make(files, project)[1]), **more}


def modes(root):
    return {stat.S_IMODE(path.lstat().st_mode) for path in Path(root).rglob("*") if path.is_file()}


def staging_left(root):
    return (Path(root) / STAGING).exists()


A = {
    CI: b"ci 1",
    "deploy/argocd/churn.yaml": b"app 1",
    "deploy/churn/dev/endpoint-a.yaml": b"dev a 1",
    "deploy/churn/dev/kustomization.yaml": b"dev k 1",
    "deploy/churn/prod/endpoint-a.yaml": b"prod a 1",
    "deploy/churn/prod/endpoint-b.yaml": b"prod b 1",
    "deploy/churn/prod/kustomization.yaml": b"prod k 1",
    "deploy/churn/old/x.yaml": b"x",
}
B = {
    CI: b"ci 2",
    "deploy/argocd/churn.yaml": b"app 2",
    "deploy/churn/dev/endpoint-a.yaml": b"dev a 1",
    "deploy/churn/dev/kustomization.yaml": b"dev k 1",
    "deploy/churn/prod/endpoint-a.yaml": b"prod a 2",
    "deploy/churn/prod/endpoint-c.yaml": b"prod c 2",
    "deploy/churn/prod/kustomization.yaml": b"prod k 2",
    "deploy/churn/new/deep/y.yaml": b"y",
    "deploy/flux/churn.yaml": b"flux",
}
