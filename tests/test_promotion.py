"""Promotion moves what it says, and nothing else: held on generated specs, in three ways of keeping one environment ahead."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Unable
from mlspec.location import Mark, SourceText
from mlspec.plan.environments import settle
from mlspec.promotion.evidence import fault_of, gates_of, result_path
from mlspec.promotion.moves import Move, differences, strays
from mlspec.promotion.order import chain_to
from mlspec.promotion.placement import edits_of, onto_file
from mlspec.promotion.versions import compare, names
from mlspec.promotion.views import View
from mlspec.source.amend import ABSENT, amend, same, with_edits
from mlspec.source.edit import write_flow
from mlspec.source.reader import read

ENVIRONMENTS = ("dev", "staging", "prod")
VERSIONS = st.sampled_from(["1.0.0", "1.10", "2", "2.0.0", "${vars.v}"])
URIS = st.sampled_from(["s3://a/m/1", "s3://a/m/2", "s3://${vars.bucket}/m/${vars.v}", "s3://${vars.bucket}/${models.m.version}"])
SIGNATURES = st.sampled_from([{"inputs": {"a": "int64"}}, {"inputs": {"b": "int64"}, "outputs": {"y": "float64"}}])
PINS = st.sampled_from([{"dvc": "a.dvc"}, {"dvc": "b.dvc"}, {"snapshot": "s1"}, {"delta": 3}])
IMAGES = st.sampled_from(["r/i:1", "r/i:2", "${vars.registry}/i:3", "r/i:${vars.v}"])
COUNTS = st.integers(1, 3)


def fields(**values):
    """Any of these fields, at least one."""

    def others(key):
        return st.fixed_dictionaries({key: values[key]}, optional={name: value for name, value in values.items() if name != key})

    return st.sampled_from(sorted(values)).flatmap(others)


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "models": fields(m=fields(version=VERSIONS, uri=URIS, signature=SIGNATURES, description=st.sampled_from(["x", "y"]))),
        "datasets": fields(d=fields(version=PINS, uri=st.sampled_from(["s3://a/d", "s3://b/d"]))),
        "pipelines": fields(t=fields(image=IMAGES, steps=fields(s=fields(image=IMAGES, retries=COUNTS)))),
        "serving": fields(api=fields(replicas=COUNTS, image=IMAGES)),
    },
)
BODIES = st.fixed_dictionaries(
    {"overrides": CHANGES},
    optional={
        "vars": fields(v=st.sampled_from(["7", "8"]), bucket=st.sampled_from(["p", "q"]), registry=st.sampled_from(["r1", "r2"])),
    },
)


def written(tree, indent=0):
    """Return the lines of a spec: deep maps in braces, others on lines of their own, comments at the end of lines."""
    for key, value in tree.items():
        head = f"{' ' * indent}{key}:"
        if isinstance(value, dict) and value and (indent < 4 or len(value) > 1):
            yield f"{head}  # {key}"
            yield from written(value, indent + 2)
        else:
            yield f"{head} {write_flow(value)}"


@st.composite
def specs(draw):
    tree = {
        "name": "demo",
        "vars": {"v": "6", "bucket": "o", "registry": "r0"},
        "environments": {},
        "models": {"m": {"framework": "sklearn", "version": draw(VERSIONS), "uri": draw(URIS)}},
        "datasets": {"d": {"uri": "s3://a/d", "version": draw(PINS)}, "e": {"uri": "s3://a/e"}},
        "pipelines": {"t": {"image": draw(IMAGES), "steps": {"s": {"run": ["x"]}, "u": {"run": ["x"], "image": draw(IMAGES)}}}},
        "serving": {"api": {"model": "m"}},
    }
    for name in ENVIRONMENTS:
        body = copy.deepcopy(draw(BODIES))
        change = body["overrides"].get("datasets", {}).get("d", {}).get("version")
        for kind in tree["datasets"]["d"]["version"] if change else ():
            change.setdefault(kind, None)  # one kind of pin takes the place of another
        if not body["overrides"]:
            del body["overrides"]
        tree["environments"][name] = {"namespace": name, **body}
    if draw(st.booleans()):
        tree["models"]["m"]["in"] = draw(st.sampled_from([["prod"], ["dev", "staging"], ["staging", "prod"]]))
        tree = {**tree, "datasets": tree["datasets"]}
    return "# a spec\n" + "\n".join(written(tree)) + "\n"


def view(document, name):
    return View(document.tree, document.mark, name)


def promote(text, source, target, only=()):
    document = read(text.encode(), "f")
    promotion = compare(view(document, source), view(document, target), only)
    edits = onto_file(document.tree, document.tree, edits_of(document.tree, target, promotion.moves))
    return amend(text, edits), promotion


@settings(max_examples=150, deadline=None)
@given(specs(), st.sampled_from([("dev", "staging"), ("staging", "prod")]))
def test_versions_become_equal_and_nothing_else_changes(text, way):
    source, target = way
    before = read(text.encode(), "f")
    edited, promotion = promote(text, source, target)
    after = read(edited.encode(), "f")
    assert strays(before.tree, before.mark, after.tree, after.mark, target, promotion.moves) == []
    for name in ENVIRONMENTS:
        if name != target:
            assert same(
                settle(before.tree, before.mark, name).tree | {"environments": 0},
                settle(after.tree, after.mark, name).tree | {"environments": 0},
            )
    here, there, was = view(after, source), view(after, target), view(before, target)
    if "m" in here.read.get("models", {}) and "m" in there.read.get("models", {}):
        assert here.read["models"]["m"]["version"] == there.read["models"]["m"]["version"]
        if any(unit.kind == "model" for unit in promotion.units):
            assert here.written["models"]["m"]["uri"] == there.written["models"]["m"]["uri"]
            assert here.written["models"]["m"].get("signature") == there.written["models"]["m"].get("signature")
        assert there.written["models"]["m"].get("description") == was.written["models"]["m"].get("description")
    assert here.read["datasets"]["d"]["version"] == there.read["datasets"]["d"]["version"]
    assert there.written["datasets"]["d"]["uri"] == was.written["datasets"]["d"]["uri"]
    assert there.written["serving"]["api"].get("replicas") == was.written["serving"]["api"].get("replicas")
    for key in ("bucket", "registry"):
        moved = {move.path for move in promotion.moves}
        assert ("vars", key) in moved or there.written["vars"][key] == was.written["vars"][key]
    again, second = promote(edited, source, target)
    assert second.units == ()
    assert again == edited


@settings(max_examples=60, deadline=None)
@given(specs(), specs(), st.sampled_from(ENVIRONMENTS))
def test_a_whole_environment_goes_back(new, old, name):
    now, then = read(new.encode(), "f"), read(old.encode(), "f")
    states = [{k: v for k, v in settle(doc.tree, doc.mark, name).tree.items() if k not in ("environments", "name")} for doc in (now, then)]
    moves = tuple(differences(*states))
    edited = amend(new, onto_file(now.tree, now.tree, edits_of(now.tree, name, moves)))
    after = read(edited.encode(), "f")
    found = settle(after.tree, after.mark, name).tree
    assert list(differences({k: v for k, v in found.items() if k not in ("environments", "name")}, states[1])) == []
    assert strays(now.tree, now.mark, after.tree, after.mark, name, moves) == []


BASE = """\
name: demo
environments:
  dev: {namespace: d}
  prod: {namespace: p, after: dev}   # careful
models:
  m: {version: 1.0.0, uri: s3://m/1}
"""


def test_prod_at_the_top_is_edited_at_the_top():
    text = BASE.replace("{namespace: d}", "{namespace: d, overrides: {models: {m: {version: 2.0.0, uri: s3://m/2}}}}")
    edited, promotion = promote(text, "dev", "prod")
    assert edited == text.replace("{version: 1.0.0, uri: s3://m/1}", "{version: 2.0.0, uri: s3://m/2}")
    assert [unit.text for unit in promotion.units] == ["m 1.0.0 → 2.0.0"]


def test_dev_at_the_top_is_edited_in_the_override_which_stays():
    text = BASE.replace("after: dev}", "after: dev, overrides: {models: {m: {version: '0.9'}}}}")
    edited, _ = promote(text, "dev", "prod")
    assert edited == text.replace("'0.9'", "'1.0.0'")


def test_an_environment_between_gets_an_override():
    text = BASE.replace("{namespace: d}", "{namespace: d, overrides: {models: {m: {version: 2.0.0}}}}").replace(
        "models:\n", "  last: {namespace: l, after: prod}\nmodels:\n"
    )
    edited, _ = promote(text, "dev", "prod")
    assert edited == text.replace("after: dev}", "after: dev, overrides: {models: {m: {version: 2.0.0}}}}")


def test_a_version_that_is_a_variable_moves_the_variable():
    text = BASE.replace("1.0.0", "'${vars.v}'").replace("{namespace: d}", "{namespace: d, vars: {v: '2', w: x}}") + "vars: {v: '1', w: y}\n"
    edited, promotion = promote(text, "dev", "prod")
    assert [move.path for move in promotion.moves] == [("vars", "v")]
    assert edited == text.replace("vars: {v: '1'", "vars: {v: '2'")


def test_only_some_names():
    text = (
        BASE.replace("{namespace: d}", "{namespace: d, overrides: {models: {m: {version: 2.0.0}, n: {version: '2'}}}}")
        + "  n: {version: '1'}\n"
    )
    edited, promotion = promote(text, "dev", "prod", ["n"])
    assert [unit.name for unit in promotion.units] == ["n"]
    assert edited == text.replace("n: {version: '1'}", "n: {version: '2'}")
    assert names(view(read(text.encode(), "f"), "dev")) == ["m", "n"]


def test_a_pin_of_another_kind_takes_the_place_of_the_old():
    text = BASE + "datasets: {d: {version: {dvc: a.dvc}}}\n"
    text = text.replace("{namespace: d}", "{namespace: d, overrides: {datasets: {d: {version: {dvc: null, snapshot: s}}}}}")
    text = text.replace("models:\n", "  last: {namespace: l, after: prod}\nmodels:\n")
    edited, promotion = promote(text, "dev", "prod")
    assert [unit.text for unit in promotion.units] == ["dataset d dvc a.dvc → snapshot s"]
    after = read(edited.encode(), "f")
    assert view(after, "prod").read["datasets"]["d"]["version"] == {"snapshot": "s"}


def test_what_one_side_lacks_is_said_and_stays():
    text = BASE + "  n: {version: '1', in: [dev]}\n  o: {version: '1', uri: u}\n"
    text = text.replace("{namespace: d}", "{namespace: d, overrides: {models: {o: {uri: w}}}}")
    edited, promotion = promote(text, "dev", "prod")
    assert (edited, promotion.units) == (text, ())
    assert promotion.notes == (
        "model n is not in prod, so it does not move",
        "model o is 1 in both environments, at different places; each keeps its own",
    )


def test_base_files_are_overridden_and_not_removed():
    whole = {"models": {"m": {"version": "1", "signature": {"a": "b"}}}, "serving": {"api": {"steps": [1, 2]}}}
    edits = [(("models", "m", "signature"), ABSENT), (("serving", "api", "steps", 1), 3), (("models", "x"), ABSENT)]
    assert onto_file({}, whole, edits) == [
        (("models", "m", "signature"), None),
        (("serving", "api", "steps"), [1, 3]),
        (("models", "x"), ABSENT),
    ]


def test_strays_are_named():
    tree = read(BASE.encode(), "f")
    other = read(BASE.replace("s3://m/1", "s3://m/9").encode(), "f")
    found = strays(tree.tree, tree.mark, other.tree, other.mark, "prod", [Move(("models", "m", "uri"), "s3://m/1", "s3://m/9")])
    assert found == ["dev: models.m.uri"]


def test_the_order():
    tree = {"environments": {"a": {}, "b": {"after": "a"}, "c": {"after": "b"}, "x": {"after": "y"}, "y": {"after": "x"}}}
    assert chain_to(tree, "a", "c") == ["a", "b", "c"]
    assert chain_to(tree, "c", "a") is None
    assert chain_to(tree, "a", "x") is None


RULES = {"threshold": "release", "mode": "enforce", "on": "evaluation", "rules": [{"name": "auc", "metric": "auc", "min": "0.9"}]}
ROW = {"rule": "auc", "bound": ">= 0.9", "found": "0.95", "verdict": "passed", "why": ""}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"passed": False}, "does not say that it passed"),
        ({"threshold": "other"}, "one of other"),
        ({"verdicts": [{**ROW, "bound": ">= 0.8"}]}, "older than the rule auc >= 0.9"),
        ({"verdicts": []}, "older than the rule"),
        ({"verdicts": [ROW, {**ROW, "rule": "auc at x", "verdict": "failed", "found": "0.1"}]}, "auc at x 0.1, expected >= 0.9"),
        ({"verdicts": [{**ROW, "verdict": "undecided"}]}, "auc"),
        ({"verdicts": [{**ROW, "verdict": "warning", "found": "0.1"}]}, "auc 0.1, expected >= 0.9"),
        ({"verdicts": [{**ROW, "rule": "auc2"}]}, "older than the rule auc >= 0.9"),
        ({"verdicts": [{**ROW, "rule": "auc [sex=f]"}]}, "older than the rule auc >= 0.9"),
        ({"on": "data"}, "one on data"),
        ({"verdicts": "x"}, "not one of mlspec gate"),
    ],
)
def test_results_of_gates(change, fault):
    report = {"threshold": "release", "on": "evaluation", "mode": "enforce", "passed": True, "verdicts": [ROW], **change}
    found = fault_of(json.dumps(report).encode(), RULES)
    assert fault in found
    assert bool(fault) is bool(found)


STRICTER = [  # what the rule asks for now, the row of the result, and what is wrong with it
    ({"forEach": "sex"}, {"rule": "auc [sex=f]"}, ""),
    ({"forEach": "sex"}, {"rule": "auc [age=9]"}, "older than the rule"),
    ({"forEach": "sex"}, {}, "older than the rule"),
    ({"forEach": "sex"}, {"verdict": "failed", "found": "-"}, "auc -, expected >= 0.9"),
    ({"severity": "warn"}, {"verdict": "warning"}, ""),
    ({"severity": "block"}, {"verdict": "warning"}, "auc 0.95"),
]


@pytest.mark.parametrize(("now", "entry", "fault"), STRICTER)
def test_results_of_rules_that_have_become_stricter(now, entry, fault):
    rules = {**RULES, "rules": [{**RULES["rules"][0], **now}]}
    report = {"threshold": "release", "passed": True, "verdicts": [{**ROW, **entry}]}
    found = fault_of(json.dumps(report).encode(), rules)
    assert fault in found
    assert bool(fault) is bool(found)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"verdicts": [1]}'])
def test_results_that_are_none(data):
    assert fault_of(data, RULES)


def test_gates_of_a_model():
    pipelines = {"t": {"steps": {"g": {"gate": "release"}, "r": {"register": "m"}}}, "u": {"steps": {"g": {"gate": "other"}}}}
    assert gates_of({"pipelines": pipelines}, "m") == ["release"]
    assert gates_of({}, "m") == []
    assert result_path("dev", "m", "1.0", "release") == ".mlspec/results/dev/m/1.0/release.json"


def test_a_spec_without_environments_is_edited_at_the_top():
    tree = {"name": "demo", "models": {"m": {"version": "2"}}}
    move = Move(("models", "m", "version"), "2", "1")
    assert edits_of(tree, "default", [move]) == [(("models", "m", "version"), "1")]
    mark = Mark(SourceText("f", ""), 0, 0)
    assert strays(tree, mark, with_edits(tree, [(move.path, "1")]), mark, "default", [move]) == []


def test_shared_values_are_refused():
    text = "environments: {dev: {namespace: d}, prod: {namespace: p, after: dev, overrides: &o {models: {m: {version: '1'}}}},"
    text += " last: {namespace: l, overrides: *o}}\nmodels: {m: {version: '2'}}\nname: x\n"
    with pytest.raises(Unable, match="cannot be set alone"):
        promote(text, "dev", "prod")
