"""What mlspec emits, read by the reader that Kubernetes' own tools have: kubectl, where there is one; no cluster is asked."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from mlspec.emit import emit
from test_emit import TRICKY

PLACES = [
    os.environ.get("MLSPEC_JUDGES", ""),
    *(str(Path.home() / ".cache" / name / "bin") for name in ("mlspec-judges", "mlspec-apiserver")),
]
KUBECTL = shutil.which("kubectl") or shutil.which("kubectl", path=os.pathsep.join(filter(None, PLACES)))
LETTERS = "aB1 .:-#'\"\\\t\n{}[]&*!|>%@`,?=~_yn0é😀\u2028\u0085\u00a0\x00\x1b\x7f\ufeff"


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl, neither on the path nor in the folder that MLSPEC_JUDGES names")
def test_every_text_reads_back_in_go(tmp_path: Path) -> None:
    chance = random.Random(7)
    texts = [*TRICKY, *("".join(chance.choices(LETTERS, k=chance.randrange(1, 40))) for _ in range(5000))]
    data = {f"k{at}": text for at, text in enumerate(texts)}
    file = tmp_path / "texts.yaml"
    file.write_text(emit({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": data}), encoding="utf-8")
    asked = [str(KUBECTL), "label", "--local", "--filename", str(file), "read=back", "--output", "json"]
    done = subprocess.run(asked, capture_output=True, check=False, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr.decode()[:2000]
    read = json.loads(done.stdout)["data"]
    assert {key: text for key, text in data.items() if read.get(key) != text} == {}
