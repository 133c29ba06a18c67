import io

import pytest

from mlspec.artifacts import Tree
from mlspec.writers.stdout import write_objects

SERVICE = b'# Written by mlspec\napiVersion: "v1"\nkind: "Service"\n---\napiVersion: v1\nkind: ConfigMap\n'


def test_objects_alone():
    tree = Tree(
        {
            "deploy/churn/prod/b.yaml": b"---\napiVersion: v1\nkind: Secret",
            "deploy/churn/prod/a.yaml": SERVICE,
            "deploy/churn/prod/kustomization.yaml": b'apiVersion: "kustomize.config.k8s.io/v1beta1"\nkind: "Kustomization"\n',
            ".github/workflows/mlspec.yml": b"on: push\n",
            "deploy/churn/prod/run.py": b"kind: Service\napiVersion: v1\n",
        }
    )
    stream = io.StringIO()
    assert write_objects(tree, stream) == 2
    assert stream.getvalue() == (
        "---\n# deploy/churn/prod/a.yaml\n" + SERVICE.decode() + "---\n# deploy/churn/prod/b.yaml\napiVersion: v1\nkind: Secret\n"
    )


def test_nobody_reads():
    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write_objects({"a.yaml": SERVICE}, Closed())
