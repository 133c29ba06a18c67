"""Layers, bases, ignore comments, files and edits."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from mlspec.diagnostics import CODES, Code, Diagnostic, Finding, Found, Rejected, Unable, diagnose
from mlspec.location import Mark, locate
from mlspec.source.edit import format_text, write_flow
from mlspec.source.extends import Source, load
from mlspec.source.files import find_specs, read_file, repository_root
from mlspec.source.layers import Layer, merge
from mlspec.source.reader import read
from mlspec.source.suppress import suppress


def layer(text: str, file: str = "f") -> Layer:
    document = read(text.encode(), file)
    return document.tree, document.mark


# layers


def test_maps_merge_and_the_rest_replaces() -> None:
    base = layer("a: {b: 1, c: [1, 2]}\nd: x\n", "base")
    over = layer("a: {c: [3], e: 4}\nf: 5\n", "over")
    tree, mark = merge(base, over, "override")
    assert tree == {"a": {"b": 1, "c": [3], "e": 4}, "d": "x", "f": 5}
    assert list(tree) == ["a", "d", "f"]
    assert base[0] == {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    assert [(locate(mark, path).file, why(mark, path)) for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "e"), ("d",), ("f",)]] == [
        ("base", "written"),
        ("base", "written"),
        ("over", "override"),
        ("over", "override"),
        ("base", "written"),
        ("over", "override"),
    ]
    assert over[1].child("f").why == "written"  # type: ignore[union-attr]


def why(mark: Mark, path: tuple[Any, ...]) -> str:
    for part in path:
        mark = mark.child(part)  # type: ignore[assignment]
    return mark.why


def test_what_is_not_changed_is_shared() -> None:
    base, over = layer("a: {b: 1}\nc: {d: 1}\n"), layer("c: {d: 2}\n")
    tree, mark = merge(base, over, "override")
    assert tree["a"] is base[0]["a"]
    assert mark.child("a") is base[1].child("a")


def test_null_removes_what_is_there_and_can_be_pointed_at() -> None:
    base, over = layer("a: {b: 1, c: 2}\n", "base"), layer("a: {b: null, x: null}\n", "over")
    tree, mark = merge(base, over, "override", null="remove")
    assert tree == {"a": {"c": 2, "x": None}}
    assert locate(mark, ("a", "b")).file == "over"
    assert merge(base, over, "override")[0] == {"a": {"b": None, "c": 2, "x": None}}


def test_merging_is_associative_on_data() -> None:
    one, two, three = layer("a: {b: 1}\n"), layer("a: {c: 2}\nd: 1\n"), layer("a: {b: 3}\nd: [4]\n")
    left = merge(merge(one, two, "override"), three, "override")[0]
    assert left == merge(one, merge(two, three, "override"), "override")[0]


# bases


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "mlspec.yaml"


def load_at(folder: Path, **files: str) -> Source:
    spec = write(folder, **files)
    return load(spec, folder, lambda path: path.relative_to(folder).as_posix())


def faults(folder: Path, **files: str) -> list[str]:
    with pytest.raises(Rejected) as caught:
        load_at(folder, **files)
    return [f"{d.code[4:]} {d.site.file}:{d.site.line}:{d.site.column} {d.message} / {d.help}" for d in caught.value.diagnostics]


def test_bases(tmp_path: Path) -> None:
    source = load_at(
        tmp_path,
        mlspec_yaml="extends: [shared/a.yaml, b.yaml]\nname: x\nvars: {c: 3, d: null}\n",
        shared__a_yaml="extends: ../z.yaml\nvars: {a: 1, b: 1, c: 1, d: 1}\n",
        b_yaml="vars: {b: 2}\n",
        z_yaml="vars: {z: 0, a: 0}\n",
    )
    assert source.tree == {"vars": {"z": 0, "a": 1, "b": 2, "c": 3}, "name": "x"}
    found = [(locate(source.mark, ("vars", key)).file, why(source.mark, ("vars", key))) for key in "zabcd"]
    assert found == [
        ("z.yaml", "base"),
        ("shared/a.yaml", "base"),
        ("b.yaml", "base"),
        ("mlspec.yaml", "written"),
        ("mlspec.yaml", "written"),
    ]
    assert locate(source.mark, ("extends", 1)).column == 26
    assert locate(source.mark, ("owner",)).file == "mlspec.yaml"
    assert sorted(source.digests) == ["b.yaml", "mlspec.yaml", "shared/a.yaml", "z.yaml"]
    assert all(len(digest) == 64 for digest in source.digests.values())
    assert source.documents[0].text.file == "mlspec.yaml"


def test_a_base_for_two(tmp_path: Path) -> None:
    source = load_at(
        tmp_path, mlspec_yaml="extends: [a.yaml, b.yaml]\n", a_yaml="extends: c.yaml\n", b_yaml="extends: c.yaml\n", c_yaml="vars: {a: 1}\n"
    )
    assert source.tree == {"vars": {"a": 1}}
    assert len(source.documents) == 4


def test_cycle(tmp_path: Path) -> None:
    found = faults(tmp_path, mlspec_yaml="name: x\nextends: a.yaml\n", a_yaml="extends: [b.yaml]\n", b_yaml="extends: a.yaml\n")
    assert found[0].startswith("E483 b.yaml:1:10 these files extend one another in a circle: a.yaml → b.yaml → a.yaml")
    assert len(found) == 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../../../../../../../../../etc/passwd", "~/x.yaml", "C:\\x.yaml", "out.yaml", "away/x.yaml"]
)
def test_outside(tmp_path: Path, path: str) -> None:
    folder, away = tmp_path / "repository", tmp_path / "away"
    folder.mkdir()
    away.mkdir()
    (away / "x.yaml").write_text("secret: 'open\n")
    (folder / "out.yaml").symlink_to(away / "x.yaml")
    (folder / "away").symlink_to(away)
    found = faults(folder, mlspec_yaml=f"name: x\nextends: '{path}'\n")
    assert found[0].startswith("E480 mlspec.yaml:2:10")
    assert len(found) == 1
    assert "secret" not in found[0]


def test_a_symlink_inside_is_followed(tmp_path: Path) -> None:
    write(tmp_path, real_yaml="vars: {a: 1}\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    assert load_at(tmp_path, mlspec_yaml="extends: link.yaml\n").tree == {"vars": {"a": 1}}


def test_the_spec_may_not_be_a_symlink_out(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "x.yaml").write_text("secret: 'open\n")
    (folder / "mlspec.yaml").symlink_to(tmp_path / "x.yaml")
    assert faults(folder)[0].startswith("E480 mlspec.yaml:1:1")


def test_missing_base(tmp_path: Path) -> None:
    found = faults(tmp_path, mlspec_yaml="extends: [bsae.yaml, folder]\n", base_yaml="a: 1\n", folder__x_yaml="a: 1\n")
    assert found[0].startswith("E481 mlspec.yaml:1:11")
    assert "did you mean `base.yaml`?" in found[0]
    assert found[1].startswith("E481 mlspec.yaml:1:22")
    assert "a folder" in found[1]


def test_faults_of_all_files(tmp_path: Path) -> None:
    found = faults(tmp_path, mlspec_yaml="extends: [a.yaml, b.yaml, 3]\n", a_yaml="a: 1\na: 2\n", b_yaml="name: b\nc: 1\n")
    assert [each.split(" ")[0:2] for each in found] == [["E103", "a.yaml:2:1"], ["E485", "b.yaml:1:1"], ["E482", "mlspec.yaml:1:27"]]


def test_long_chain(tmp_path: Path) -> None:
    for number in range(120):
        write(tmp_path, **{f"b{number}_yaml": f"extends: b{number + 1}.yaml\n"})
    assert faults(tmp_path, mlspec_yaml="extends: b0.yaml\n")[0].startswith("E484 ")


def test_many_files(tmp_path: Path) -> None:
    names = [f"b{number}.yaml" for number in range(1_005)]
    for name in names:
        (tmp_path / name).write_text("vars: {a: 1}\n")
    found = faults(tmp_path, mlspec_yaml=f"extends: [{', '.join(names)}]\n")
    assert len(found) == 1
    assert found[0].startswith("E484 mlspec.yaml:1:")


# files


def test_only_regular_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # the path of a socket must be short
        listener.bind("socket")
        for path, status, words in [
            (tmp_path, 3, "a folder"),
            (tmp_path / "pipe", 3, "a named pipe"),
            (place, 3, "a socket"),
            (Path("/dev/zero"), 3, "a device"),
            (tmp_path / "none", 2, "no such file"),
            (tmp_path / "pipe" / "x", 2, "no folder"),
        ]:
            with pytest.raises(Unable) as caught:
                read_file(path, "shown")
            assert caught.value.status == status
            assert words in caught.value.message
            assert caught.value.message.startswith("shown: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a")
    path.chmod(0)
    with pytest.raises(Unable, match="permission denied"):
        read_file(path, "x")


def test_specs_are_found(tmp_path: Path) -> None:
    for name in (
        "b/mlspec.yaml",
        "a/mlspec.yaml",
        ".hidden/mlspec.yaml",
        "node_modules/x/mlspec.yaml",
        "deploy/mlspec.yaml",
        "a/other.yaml",
        ".git/mlspec.yaml",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a: 1\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = find_specs([tmp_path, tmp_path / "a" / "mlspec.yaml", tmp_path / "a" / "other.yaml"], skip=[tmp_path / "deploy"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/mlspec.yaml", "a/other.yaml", "b/mlspec.yaml"]
    with pytest.raises(Unable) as caught:
        find_specs([tmp_path / "none"])
    assert caught.value.status == 2
    assert repository_root(tmp_path / "a" / "mlspec.yaml") == tmp_path


# ignore comments


KNOWN = {
    **CODES,
    "MLS-W998": Code("MLS-W998", "test-warning", "warning", "For tests.", False),
    "MLS-E998": Code("MLS-E998", "test-security", "error", "For tests.", True),
}


def warn(path: tuple[str, ...]) -> Finding:
    return Finding(KNOWN["MLS-W998"], Found(path, "w"))


def guard(path: tuple[str, ...]) -> Finding:
    return Finding(KNOWN["MLS-E998"], Found(path, "g"))


def judged(text: str, *findings: Any, **options: Any) -> list[str]:
    document = read(text.encode(), "f")
    diagnostics: list[Diagnostic] = [diagnose(finding, document.mark) for finding in findings]
    return [f"{d.code[4:]} {d.site.line}" for d in suppress(diagnostics, [document], codes=KNOWN, **options)]


def test_a_finding_is_ignored() -> None:
    assert judged("a: 1\n", warn(("a",))) == ["W998 1"]
    assert judged("a: 1 # mlspec: ignore[MLS-W998] it is so\n", warn(("a",))) == []
    assert judged("# mlspec: ignore[MLS-W998, MLS-W101] it is so\n\n# other\na: 1\nb: 1\n", warn(("a",)), warn(("b",)), complete=False) == [
        "W998 5"
    ]


def test_hashes_in_values_are_no_comments() -> None:
    assert judged('a: "# mlspec: ignore[MLS-W998] x"\n', warn(("a",))) == ["W998 1"]
    assert judged("a: |\n  # mlspec: ignore[MLS-W998] x\n", warn(("a",))) == ["W998 1"]


def test_what_is_wrong_with_a_comment() -> None:
    assert judged("a: 1 # mlspec: ignore[MLS-W998]\n", warn(("a",))) == ["W998 1", "E180 1"]
    assert judged("a: 1 # mlspec: ignore it\n") == ["E180 1"]
    assert judged("a: 1 # mlspec: skip[MLS-W998] x\n") == ["E180 1"]
    assert judged("a: 1 # mlspec: ignore[MLS-W99] x\n") == ["W180 1"]
    assert judged("a: 1 # mlspec: ignore[MLS-W998] x\n") == ["W181 1"]
    assert judged("a: 1 # mlspec: ignore[MLS-W998] x\n", complete=False) == []


def test_security_is_not_ignored() -> None:
    assert judged("a: 1 # mlspec: ignore[MLS-E998] x\n", guard(("a",))) == ["E998 1", "E580 1"]
    assert CODES["MLS-E580"].security


# edits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeffa: 1\r\nb:\r\n    - x\r\n    -   y: 1.10\r\n        z: ~\r\n", "a: 1\nb:\n  - x\n  - y: 1.10\n    z: ~\n"),
        ("a: [ ~, null, no, 0x1F, 2026-01-01, 1_000,1.10 ]\n", "a: [~, null, no, 0x1F, 2026-01-01, 1_000, 1.10]\n"),
        ("a: &x {b: 1,c: 2}\nd: {<<: *x}\ne: &unused {f: g}\n", "a: &x {b: 1, c: 2}\nd: {<<: *x}\ne: &unused {f: g}\n"),
        ("a: [{b: c}, {d: e}]\n", "a: [{b: c}, {d: e}]\n"),
        ("# one\n\na: 'x'   # two\n# three\n", "# one\n\na: 'x'   # two\n# three\n"),
        ("a: |\n    te\n      xt\nb: >-\n   fo\n\n   ld\n", "a: |\n  te\n    xt\nb: >-\n  fo\n\n  ld\n"),
        ("a: " + "word " * 80 + "\n", "a: " + ("word " * 80).strip() + "\n"),
    ],
)
def test_format(text: str, expected: str) -> None:
    assert format_text(text) == expected
    assert format_text(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "1",
        "1.10",
        "null",
        "",
        " a",
        "a ",
        "a: b",
        "a #b",
        "#x",
        "- a",
        "*a",
        "{",
        "a\nb",
        "\x1b",
        "\u202e",
        "é",
        "${vars.x}",
        "s3://a/b",
        "'",
        '"',
        "%",
        "1e3",
        "\ufeff",
    ],
)
def test_words_survive(text: str) -> None:
    assert read(f"a: {write_flow(text)}\nb: [{write_flow(text)}]\n".encode(), "f").tree == {"a": text, "b": [text]}
