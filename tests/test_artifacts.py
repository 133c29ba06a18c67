import inspect
import unicodedata

import pytest

from mlspec import artifacts
from mlspec.artifacts import Tree, digest, merge, path_fault
from mlspec.diagnostics import Rejected


def refused(call):
    with pytest.raises(Rejected) as caught:
        call()
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_tree_is_sorted_and_immutable():
    tree = Tree({"b/y": b"2", "a": b"1", "b/x": b"3"}, "churn")
    assert list(tree) == ["a", "b/x", "b/y"]
    assert tree["b/x"] == b"3"
    assert tree == Tree([("b/x", b"3"), ("a", b"1"), ("b/y", b"2")])
    assert hash(tree) == hash(Tree(dict(tree)))
    assert not hasattr(tree, "__setitem__")


def test_merge_shares_what_is_the_same_and_remembers_owners():
    ci = {".github/workflows/mlspec.yml": b"ci"}
    merged = merge([Tree({**ci, "deploy/b/x": b"b"}, "b"), Tree({**ci, "deploy/a/x": b"a"}, "a")])
    assert merged.owners(".github/workflows/mlspec.yml") == ("a", "b")
    assert merged.owners("deploy/a/x") == ("a",)
    assert dict(merged.of("b")) == {**ci, "deploy/b/x": b"b"}


def test_projects_that_disagree_are_refused_by_name():
    with pytest.raises(Rejected, match='from the projects "a" and "b"'):
        merge([Tree({"x": b"1"}, "a"), Tree({"x": b"2"}, "b")])


def test_same_path_twice():
    assert dict(Tree([("a", b"1"), ("a", b"1")])) == {"a": b"1"}
    assert refused(lambda: Tree([("a", b"1"), ("a", b"2")])) == ["MLS-E620"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("deploy/Fraud/a", "deploy/fraud/b"),
        ("deploy/x.yaml", "deploy/X.yaml"),
        (unicodedata.normalize("NFC", "d/é"), unicodedata.normalize("NFD", "d/é")),
        ("d/straße", "d/strasse"),
    ],
)
def test_paths_that_are_one_somewhere(one, other):
    assert refused(lambda: Tree({one: b"", other: b""})) == ["MLS-E620"]


@pytest.mark.parametrize("files", [("a", "a/b"), ("a/b", "a"), ("a", "a.x", "a/b"), ("a/b/c", "a/b")])
def test_file_and_folder(files):
    assert refused(lambda: Tree(dict.fromkeys(files, b""))) == ["MLS-E622"]


BAD_PATHS = [
    "", "/etc/passwd", "a//b", "../x", "a/../b", ".", "a/.", "a/", ".git/hooks/pre-commit", "a/.GIT/config", "con", "a/AUX.yaml",
    "a/lpt1.txt", "a/com¹", "a/x.", "a/x ", "a:b", "C:\\x", "a\\b", "a\nb", "a/\x1b[31m", "a/\u202ex", "x" * 256, "é" * 128,
    "a/" * 2050 + "a",
    "a/\ud800", ".mlspec-writing/journal", "a*", 'a"', "a/nul .x",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS)
def test_unportable_paths(path):
    assert path_fault(path)
    assert refused(lambda: Tree({path: b""})) == ["MLS-E621"]


@pytest.mark.parametrize(
    "path", [".github/workflows/mlspec.yml", "deploy/churn/prod/a_b.C.yaml", "x" * 255, "console.yaml", "é/ü", "a b/c"]
)
def test_portable_paths(path):
    assert not path_fault(path)
    assert list(Tree({path: b""})) == [path]


def test_digest():
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("rule", [artifacts.two_artifacts, artifacts.unportable_path, artifacts.file_and_folder])
def test_pages_hold(rule):
    page = inspect.cleandoc(rule.__doc__)
    bad, good = (page.split(f"{title} (python)::")[1].split("::")[0].strip().split("\n")[0] for title in ("Bad", "Good"))
    assert refused(lambda: eval(bad, {"Tree": Tree})) == [rule.code.id]
    assert eval(good, {"Tree": Tree})
