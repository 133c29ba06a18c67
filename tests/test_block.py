"""The lines between two marks; every other byte stays."""

import pytest

from mlspec.block import put_block
from mlspec.diagnostics import Unable

FIRST = "# mlspec: begin (kept by mlspec; edits between the marks are lost)\n"
BLOCK = f"{FIRST}a\nb\n# mlspec: end\n".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", BLOCK),
        (b"mine\n", b"mine\n" + BLOCK),
        (b"no line end", b"no line end\n" + BLOCK),
        (b"mine\n# mlspec: begin\nold\n# mlspec: end\nmine too", b"mine\n" + BLOCK + b"mine too"),
        (b"\xff\xfe\n", b"\xff\xfe\n" + BLOCK),
        (b"mine\r\n", b"mine\r\n" + BLOCK.replace(b"\n", b"\r\n")),
        (BLOCK, BLOCK),
    ],
)
def test_the_rest_is_kept(before, after):
    assert put_block(before, ["a", "b"], "f") == after
    assert put_block(after, ["a", "b"], "f") == after


def test_no_lines_take_the_marks_away():
    assert put_block(b"mine\n" + BLOCK + b"too\n", [], "f") == b"mine\ntoo\n"
    assert put_block(b"mine", [], "f") == b"mine"


@pytest.mark.parametrize("text", ["begin", "end", "end begin", "begin begin end", "begin end begin end"])
def test_marks_that_do_not_fit_are_refused(text):
    data = "".join(f"# mlspec: {word}\n" for word in text.split()).encode()
    with pytest.raises(Unable, match=r"f has . begin and . end"):
        put_block(data, ["a"], "f")
