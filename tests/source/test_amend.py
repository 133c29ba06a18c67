"""Edits at paths: what is set, how it is written, and that nothing else moves."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Unable
from mlspec.source.amend import ABSENT, amend, parse_path, same, with_edits
from mlspec.source.edit import write_flow
from mlspec.source.reader import read

SPEC = """\
# head
models:
  churn:                 # the model
    framework: sklearn
    version: 2.2.1       # what prod runs
    uri: 's3://b/churn/2.2.1'
    # inside
environments:
  dev: {namespace: d}    # first
  prod:
    namespace: p
    overrides:
      models:
        churn: {version: "2.2.0"}

    # the end
serving:
  api:
    replicas:
      min: 1             # at least
      max: 4
    rollout: {steps: [10, 50], pause: 10m}
    args:
      - --a
      - b: 1
        c: 2
"""


def check(text, edits, *pairs):
    """Hold an edited text against the text with pieces replaced, with LF, CRLF, a byte order mark and no last line end."""
    for before, ending in ((text, "\n"), ("\ufeff" + text, "\n"), (text.replace("\n", "\r\n"), "\r\n"), (text.rstrip("\n"), "\n")):
        wanted = before
        for pair in pairs:
            old, new = (part.replace("\n", ending) for part in pair)
            if not before.endswith("\n") and text.endswith(old):
                old, new = old.rstrip("\n"), new.rstrip("\n")
            assert wanted.count(old) == 1, old
            wanted = wanted.replace(old, new)
        assert amend(before, edits) == wanted


def test_a_value_is_replaced_where_it_stands():
    check(SPEC, [(("models", "churn", "version"), "2.3.0")], ("2.2.1       #", "2.3.0       #"))
    check(SPEC, [(("models", "churn", "version"), "1.10")], ("2.2.1       #", '"1.10"       #'))
    check(SPEC, [(("models", "churn", "uri"), "s3://b/churn/2")], ("churn/2.2.1'", "churn/2'"))
    check(SPEC, [(("environments", "prod", "overrides", "models", "churn", "version"), "2")], ('"2.2.0"', '"2"'))
    check(SPEC, [(("serving", "api", "rollout", "steps", 1), 60)], ("50]", "60]"))
    check(SPEC, [(("serving", "api", "args", 1, "c"), True)], ("c: 2", "c: true"))


def test_a_key_is_added_in_the_style_of_its_map():
    check(SPEC, [(("environments", "dev", "after"), "x")], ("{namespace: d}", "{namespace: d, after: x}"))
    check(
        SPEC,
        [(("environments", "prod", "overrides", "models", "churn", "uri"), "s3://b/c")],
        ('{version: "2.2.0"}', '{version: "2.2.0", uri: s3://b/c}'),
    )
    check(SPEC, [(("models", "churn", "description"), "It's: so")], ("2.2.1'\n", "2.2.1'\n    description: \"It's: so\"\n"))


def test_maps_on_the_way_are_added():
    check(
        SPEC,
        [(("environments", "prod", "overrides", "serving", "api", "replicas", "min"), 3)],
        ('"2.2.0"}\n', '"2.2.0"}\n      serving:\n        api:\n          replicas:\n            min: 3\n'),
    )
    check(
        SPEC,
        [(("environments", "dev", "overrides", "models", "churn", "version"), "3.0.0")],
        ("{namespace: d}", "{namespace: d, overrides: {models: {churn: {version: 3.0.0}}}}"),
    )
    check("a:\n    b: 1\nc:   # note\n", [(("c", "d", "e"), 1)], ("c:   # note\n", "c:   # note\n    d:\n        e: 1\n"))
    check("a: 1\n", [(("b", "c"), "no")], ("a: 1\n", 'a: 1\nb:\n  c: "no"\n'))


def test_edits_at_one_place_are_made_from_the_inside_out():
    prod = ("environments", "prod")
    edits = [((*prod, "after"), "dev"), ((*prod, "overrides", "datasets", "x", "version"), {"dvc": "x.dvc"})]
    check(SPEC, edits, ('"2.2.0"}\n', '"2.2.0"}\n      datasets:\n        x:\n          version: {dvc: x.dvc}\n    after: dev\n'))


def test_what_stands_on_lines_of_its_own_may_become_a_word():
    check(
        SPEC,
        [(("serving", "api", "replicas"), 3)],
        ("replicas:\n      min: 1             # at least\n      max: 4\n", "replicas: 3\n"),
    )
    check(SPEC, [(("serving", "api", "args"), ["x"])], ("args:\n      - --a\n      - b: 1\n        c: 2\n", "args: [x]\n"))
    check(SPEC, [(("serving", "api", "replicas"), {"min": 2, "max": 4})], ("min: 1 ", "min: 2 "))


def test_a_key_is_removed_with_the_maps_that_it_leaves_empty():
    check(SPEC, [(("models", "churn", "version"), ABSENT)], ("    version: 2.2.1       # what prod runs\n", ""))
    check(
        SPEC,
        [(("environments", "prod", "overrides", "models", "churn", "version"), ABSENT)],
        ('    overrides:\n      models:\n        churn: {version: "2.2.0"}\n', ""),
    )
    check(SPEC, [(("serving", "api", "rollout", "steps"), ABSENT)], ("{steps: [10, 50], pause: 10m}", "{pause: 10m}"))
    check(SPEC, [(("serving", "api", "rollout", "pause"), ABSENT)], (", pause: 10m}", "}"))
    check(SPEC, [(("serving", "api", "nothing", "here"), ABSENT)])
    check("a: {b: 1, c: 2}\n", [(("a",), {"d": 3})], ("{b: 1, c: 2}", "{d: 3}"))


ANCHORED = "x: &x {version: 1.0.0, uri: u}\ny: *x\nz: {<<: *x, w: 1}\nv: &v 1.0.0\nu: *v\nt:\n  <<: *x\n"


def test_anchors_and_aliases():
    check(ANCHORED, [(("u",), "2.0.0")], ("u: *v", "u: 2.0.0"))
    check(ANCHORED, [(("z", "version"), "2.0.0")], ("w: 1}", "w: 1, version: 2.0.0}"))
    check(ANCHORED, [(("y", "version"), "2.0.0")], ("y: *x", "y: {version: 2.0.0, uri: u}"))
    check(ANCHORED, [(("t", "version"), "2.0.0")], ("t:\n  <<: *x\n", "t:\n  <<: *x\n  version: 2.0.0\n"))
    for path in (("v",), ("x", "version")):
        with pytest.raises(Unable, match="cannot be set alone"):
            amend(ANCHORED, [(path, "2.0.0")])
    with pytest.raises(Unable):
        amend(ANCHORED, [(("t", "version"), ABSENT)])


@pytest.mark.parametrize("path", [("serving", "api", "args", 7), ("serving", 0), ("serving", "api", "args", "x")])
def test_places_that_are_not_there(path):
    with pytest.raises(Unable):
        amend(SPEC, [(path, 1)])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("models.churn.version", ("models", "churn", "version")),
        ("a[0].b[12]", ("a", 0, "b", 12)),
        ('vars["x.y"].z', ("vars", "x.y", "z")),
        ("a-b._c", ("a-b", "_c")),
    ],
)
def test_paths(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".", ".a", "a.", "a..b", "a[x]", "a[", 'a"b'])
def test_no_paths(text):
    with pytest.raises(Unable):
        parse_path(text)


KEYS = st.sampled_from(["a", "b", "c", "version", "x-1"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 99), st.sampled_from(["", "no", "1.10", "2.3.0", "a: b", "s3://x/y", "it's", "a\nb", "é"])
)
TREES = st.recursive(
    SCALARS, lambda below: st.dictionaries(KEYS, below, min_size=1, max_size=3) | st.lists(below, max_size=2), max_leaves=8
)
SPECS = st.dictionaries(KEYS, TREES, min_size=1, max_size=4)


def block(value, indent=0):
    """Write data on lines of its own, with a comment at every line."""
    lines = []
    for number, (key, item) in enumerate(value.items()):
        head = f"{' ' * indent}{write_flow(key)}:"
        if isinstance(item, dict) and item and number % 2 == 0:
            lines += [f"{head}   # {key}", *block(item, indent + 3)]
        elif isinstance(item, list) and item and number % 2:
            lines += [head, *(f"{' ' * indent}- {write_flow(entry)}" for entry in item)]
        else:
            lines.append(f"{head} {write_flow(item)}   # {key}")
    return lines


@settings(max_examples=300, deadline=None)
@given(SPECS, st.dictionaries(st.lists(KEYS, min_size=1, max_size=4).map(tuple), st.one_of(SCALARS, st.just(ABSENT), TREES), max_size=3))
def test_an_edited_text_says_what_was_asked_for(tree, edits):
    chosen = {p: v for p, v in edits.items() if not any(p != other and p == other[: len(p)] for other in edits)}
    text = "\n".join(["# head", *block(tree), "# tail"]) + "\n"
    before = read(text.encode(), "f").tree
    assert same(before, tree)
    try:
        wanted = with_edits(before, chosen.items())
        after = amend(text, chosen.items())
    except Unable:
        return
    if wanted is ABSENT:
        return
    assert same(read(after.encode(), "f").tree, wanted)
    kept = {line for line in text.split("\n") if re.match(r"# ", line)}
    assert kept <= set(after.split("\n"))


@settings(max_examples=100, deadline=None)
@given(SPECS)
def test_setting_what_is_there_changes_nothing(tree):
    text = "\n".join(block(tree)) + "\n"
    assert amend(text, [((key,), value) for key, value in tree.items()]) == text
