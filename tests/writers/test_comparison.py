import pytest

from mlspec.diagnostics import Unable
from mlspec.writers.comparison import LINES_A_FILE, compare
from mlspec.writers.disk import write
from writers.build_tree import CI, A, B, publication, snapshot


def test_up_to_date(tmp_path):
    write(publication(tmp_path, A))
    found = compare(publication(tmp_path, A, A))
    assert found[:3] == ((), (), ())
    assert found.differences == ()
    assert len(found.unchanged) == len(A) + 1


def test_every_kind(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / "deploy/churn/prod/endpoint-a.yaml").write_bytes(b"mine")
    (tmp_path / "deploy/churn/prod/endpoint-c.yaml").write_bytes(b"in the way")
    (tmp_path / "deploy/churn/prod/endpoint-b.yaml").write_bytes(b"edited")
    before = snapshot(tmp_path)
    found = compare(publication(tmp_path, B, A))
    assert {difference.path: difference.kind for difference in found.differences} == {
        CI: "stale",
        "churn/mlspec.lock": "stale",
        "deploy/argocd/churn.yaml": "stale",
        "deploy/churn/new/deep/y.yaml": "missing",
        "deploy/churn/old/x.yaml": "orphan",
        "deploy/churn/prod/endpoint-a.yaml": "edited",
        "deploy/churn/prod/endpoint-b.yaml": "edited orphan",
        "deploy/churn/prod/endpoint-c.yaml": "foreign",
        "deploy/churn/prod/kustomization.yaml": "stale",
        "deploy/flux/churn.yaml": "missing",
    }
    assert found.differences[-1].path == "churn/mlspec.lock"
    edited = next(difference for difference in found.differences if difference.kind == "edited")
    path = "deploy/churn/prod/endpoint-a.yaml"
    assert edited.diff == (f"--- a/{path}", f"+++ b/{path}", "@@ -1 +1 @@", "-mine  (no line end)", "+prod a 2  (no line end)")
    assert snapshot(tmp_path) == before


def test_an_executable_file(tmp_path):
    write(publication(tmp_path, A))
    (tmp_path / CI).chmod(0o755)
    (difference,) = compare(publication(tmp_path, A, A)).differences
    assert "executable" in difference.diff[0]


def test_long_diffs_are_cut(tmp_path):
    files = {f"deploy/churn/{number}.yaml": b"".join(b"line %d\n" % line for line in range(500)) for number in range(20)}
    found = compare(publication(tmp_path, files))
    assert all(len(difference.diff) <= LINES_A_FILE + 1 for difference in found.differences)
    assert found.differences[0].diff[-1] == "… (the rest is not shown)"
    assert sum(len(difference.diff) for difference in found.differences) < 650


def test_what_is_not_text_is_shown_as_text(tmp_path):
    files = {"deploy/churn/a": b"\xff\x00\n"}
    (difference, _) = compare(publication(tmp_path, files)).differences
    assert difference.diff[-1] == "+\\xff\\u0000"


def test_no_root(tmp_path):
    with pytest.raises(Unable, match="cannot be opened"):
        compare(publication(tmp_path / "nowhere", A))
