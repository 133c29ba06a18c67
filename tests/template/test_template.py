# ruff: noqa: E501
"""Templates: what they make, that text and objects agree, and that no value ever changes the structure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.diagnostics import Rejected
from mlspec.emit import emit
from mlspec.template import Leaf, Template, compile_template

FULL = """\
{# a comment #}
apiVersion: v1
kind: X  # another
metadata:
  name: {{ name }}
  namespace: a-{{ name }}-b
  labels: {{ labels }}
  {{ name }}/x: {{ number }}
  <<: {{ more | optional }}
spec:
  port: "{{ number }}"
  {% if number > 3 %}
  big: true
  {% elif number == 2 %}
  middle: {{ nothing | optional }}
  {% else %}
  small: 1.50
  {% endif %}
  ports:
  {% for port in ports %}
  - name: {{ port.name }}
    {% if port.number %}
    port: {{ port.number }}
    {% endif %}
  {% endfor %}
  - {{ extra | each }}
  - {{ nothing | optional }}
  - last
  env:
    {% for key, value in labels.items() %}
    {{ key }}: {{ value }}
    {% endfor %}
  {% include "fragment" %}
  empty:
    {% if number == 77 %}
    x: z
    {% endif %}
  flow: {a: {{ name }}, b: [1, {{ number }}], c: [], d: {}}
  nested:
  - - {{ name }}
    - a: {{ name }}
      {% if number > 3 %}
      b: c
      {% endif %}
  - {% raw %}{{args.name}}{% endraw %}
  script: |
    echo {{ name }}
"""
FRAGMENT = "security: {run: true}\ncaps:\n- {{ name }}\n"
VIEW = {
    "name": "n1",
    "labels": {"z": "2", "a": "no"},
    "number": 5,
    "more": {"extra": 1},
    "nothing": None,
    "ports": [{"name": "h", "number": 1}, {"name": "g", "number": 0}],
    "extra": ["q", {"a": 1}],
}


def made(text: str, view: type | None = None, **others: str) -> Template:
    return compile_template("t", {"t": text, **others}.__getitem__, view)


def rebuilt(leaves: list[Leaf]) -> Any:
    """Put an object together again from its leaves."""
    root: Any = [None]
    for leaf in leaves:
        place, step = root, 0
        for part, following in zip(leaf.path, [*leaf.path[1:], None], strict=True):
            if isinstance(place, list):
                place.extend([None] * (step + 1 - len(place)))
                if place[step] is None:
                    place[step] = [] if isinstance(part, int) else {}
            elif step not in place:
                place[step] = [] if isinstance(part, int) else {}
            place, step = place[step], part  # type: ignore[assignment]
            if following is None:
                break
        if isinstance(place, list):
            place.extend([None] * (step + 1 - len(place)))
        place[step] = leaf.value
    return root[0]


FULL_TEMPLATE = made(FULL, fragment=FRAGMENT)


def agree(template: Template, view: Any) -> Any:
    found = template.objects(view)
    assert template.text(view) == ("" if found is None else emit(found))
    if found is not None:
        assert rebuilt(template.trace(view)) == found
    else:
        assert template.trace(view) == []
    return found


def refused(text: str, contract: type | None = None, **others: str) -> list[tuple[str, int, str]]:
    with pytest.raises(Rejected) as caught:
        made(text, contract, **others)
    return [(d.code, d.site.line, d.message) for d in caught.value.diagnostics]


def test_everything_at_once() -> None:
    found = agree(FULL_TEMPLATE, VIEW)
    assert found == {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "n1", "namespace": "a-n1-b", "labels": {"z": "2", "a": "no"}, "n1/x": 5, "extra": 1},
        "spec": {
            "port": "5",
            "big": True,
            "ports": [{"name": "h", "port": 1}, {"name": "g"}, "q", {"a": 1}, "last"],
            "env": {"a": "no", "z": "2"},
            "security": {"run": True},
            "caps": ["n1"],
            "empty": {},
            "flow": {"a": "n1", "b": [1, 5], "c": [], "d": {}},
            "nested": [["n1", {"a": "n1", "b": "c"}], "{{args.name}}"],
            "script": "echo n1\n",
        },
    }
    assert list(found["spec"]["env"]) == ["a", "z"]
    assert agree(FULL_TEMPLATE, VIEW | {"number": 1})["spec"]["small"] == Decimal("1.5")
    assert "middle" not in agree(FULL_TEMPLATE, VIEW | {"number": 2})["spec"]
    assert agree(FULL_TEMPLATE, VIEW | {"number": 2, "nothing": "x"})["spec"]["middle"] == "x"
    assert agree(FULL_TEMPLATE, VIEW | {"number": 77, "more": None})["spec"]["empty"] == {"x": "z"}


def test_trace() -> None:
    leaves = {leaf.path: leaf for leaf in FULL_TEMPLATE.trace(VIEW)}
    assert leaves["metadata", "labels", "a"] == Leaf(("metadata", "labels", "a"), "no", "t", 7, (("labels", "a"),), ())
    assert leaves["spec", "ports", 0, "port"][2:] == ("t", 23, (("ports", 0, "number"),), (("ports",), ("ports", 0, "number")))
    assert leaves["spec", "ports", 3, "a"].reads == (("extra", 1, "a"),)
    assert leaves["spec", "env", "z"].reads == (("labels", "z"),)
    assert leaves["spec", "caps", 0][2:5] == ("fragment", 3, (("name",),))
    assert leaves["spec", "big"][4:] == ((), (("number",),))
    computed = made("a: {{ m[k] }}\nb: {{ x if c else y }}-{{ x | lower }}\nc:\n{% for x in (xs or ys) %}\n- {{ x.a }}\n{% endfor %}\n")
    by_path = {
        leaf.path: leaf.reads for leaf in computed.trace({"m": {"q": 1}, "k": "q", "x": "X", "c": 1, "y": 2, "xs": [], "ys": [{"a": 1}]})
    }
    assert by_path == {("a",): (("m", "q"), ("k",)), ("b",): (("c",), ("x",), ("y",)), ("c", 0): (("xs",), ("ys",))}


def test_a_block_around_the_document_decides_whether_there_is_an_object() -> None:
    template = made("{% if on %}\na: {{ x }}\n{% elif other %}\na: 2\n{% endif %}\n")
    assert agree(template, {"on": True, "x": 1}) == {"a": 1}
    assert agree(template, {"on": False, "other": True}) == {"a": 2}
    assert agree(template, {"on": False, "other": False}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ({}, None),
        ([], None),
        ((), None),
        (0, {"a": 0}),
        (False, {"a": False}),
        (Decimal(0), {"a": 0}),
        ("x", {"a": "x"}),
    ],
)
def test_optional(value: Any, expected: Any) -> None:
    assert agree(made("m:\n  a: {{ x | optional }}\n"), {"x": value}) == {"m": expected or {}}
    assert agree(made("m:\n- {{ x | optional }}\n"), {"x": value}) == {"m": list((expected or {}).values())}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m | json", '{"a":[1,true,null,"\u00e9\\n"],"b":0.5}'),
        ("xs | join('-')", "a-1"),
        ("xs | join", "a1"),
        ("0.5 | quantity", "500m"),
        ("2 | quantity", "2"),
        ("'4Gi' | quantity", "4Gi"),
        ("'1500m' | quantity", "1500m"),
        ("'2000m' | quantity", "2"),
        ("'1d' | duration", "24h"),
        ("'90s' | duration", "1m30s"),
        ("0.05 | percent", "5%"),
        ("'5%' | percent", "5%"),
        ("'AbC' | lower", "abc"),
        ("xs | length", 2),
        ("1 if t else 2", 1),
        ("t and not f", True),
        ("f or 'x'", "x"),
        ("'a' in m", True),
        ("'q' not in ['a', 'b']", True),
        ("1 < 2 <= 2", True),
        ("'a' ~ 1 ~ 0.50", "a10.5"),
        ("m.a[0]", 1),
        ("m['b']", Decimal("0.5")),
        ("m[xs[0]]", [1, True, None, "\u00e9\n"]),
        ("-1", -1),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_expressions(expression: str, expected: Any) -> None:
    written = expression if expression.startswith("{") else "{{ " + expression + " }}"
    view = {"m": {"a": [1, True, None, "\u00e9\n"], "b": Decimal("0.5")}, "xs": ["a", 1], "t": True, "f": False}
    assert agree(made(f"a: {written}\n"), view) == {"a": expected}


def test_constants_are_those_of_yaml_1_2() -> None:
    assert agree(made("a: [no, on, 1, 0x1F, 1.50, true, null, '1', \"x\", 12:30, 2026-01-01, ~]\n"), {})["a"] == [
        "no", "on", 1, 31, Decimal("1.5"), True, None, "1", "x", "12:30", "2026-01-01", None,
    ]  # fmt: skip


class Port:
    number: int
    __slots__ = ("number",)


class Model:
    uri: str
    ports: tuple[Port, ...]

    def __init__(self) -> None:
        self.uri = "s3://b"
        self.ports = ()


class View:
    name: str
    labels: Mapping[str, str]
    extra: Any
    _hidden: str
    reads: list[str]

    def __init__(self) -> None:
        self.name, self.labels, self.reads, self.extra = "n", {"a": "b"}, [], {}

    @property
    def model(self) -> Model | None:
        self.reads.append("model")
        return Model()

    @cached_property
    def costly(self) -> str:
        self.reads.append("costly")
        return "c"

    @property
    def broken(self) -> str:
        return {}["no such key"]

    def method(self) -> str:
        return ""


def test_a_view_is_an_object_whose_names_are_checked() -> None:
    template = made(
        "a: {{ model.uri }}\nb: {{ labels.a }}-{{ labels['a'] }}\nc: {{ name }}\n{% if name == 'x' %}\nd: {{ costly }}\n{% endif %}\n", View
    )
    view = View()
    assert agree(template, view) == {"a": "s3://b", "b": "b-b", "c": "n"}
    assert view.reads == ["model"] * 3


def test_each_name_is_read_once() -> None:
    template = made(
        "a: {{ model.uri }}\nb: {{ model.uri }}\n{% for k, v in labels.items() %}\n{{ k }}x: {{ model.uri }}\n{% endfor %}\n", View
    )
    view = View()
    template.objects(view)
    assert view.reads == ["model"]
    template = made("{% for k, v in labels.items() %}\n{{ k }}x: {{ model.uri }}\n{{ k }}y: {{ model.uri }}\n{% endfor %}\n", View)
    view = View()
    view.labels = {"a": "", "b": ""}
    template.text(view)
    assert view.reads == ["model"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("nmae", 'the view has no name "nmae"'),
        ("model.url", '`model` has no name "url"'),
        ("method", 'the view has no name "method"'),
        ("name.upper", '`name` has no name "upper"'),
        ("model.ports[0].nr", 'the value has no name "nr"'),
    ],
)
def test_unknown_names(expression: str, message: str) -> None:
    assert refused("a: 1\nb: {{ " + expression + " }}\n", View) == [("MLS-E813", 2, message)]


def test_all_faults_are_found_and_the_nearest_name_is_offered() -> None:
    with pytest.raises(Rejected) as caught:
        made("a: {{ nmae }}\nb: {{ x.y() }}\nc: {{ name | uper }}\na: 2\n", View)
    assert [(d.code, d.site.line, d.site.column, d.help) for d in caught.value.diagnostics] == [
        ("MLS-E813", 1, 4, 'write "name"'),
        ("MLS-E815", 2, 4, "compute it in the view"),
        ("MLS-E814", 3, 4, "use one of: duration, each, join, json, length, lower, optional, percent, quantity"),
    ]


@pytest.mark.parametrize(
    "expression",
    ["_hidden", "name.__class__", "name._x", "range(3)", "name.upper()", "1 + 1", "2 ** 9", "labels['a':]", "name is none", "{'a': 1}", "self.x()", "lipsum()", "x if y", "-name",
     "labels.items()", "(x | optional) ~ 'a'", "x | join(sep)", "x | join(d=1)", "x | lower(1)", "text(name)", "text('a', 'b')"],
)  # fmt: skip
def test_what_is_not_allowed(expression: str) -> None:
    assert refused("a: {{ " + expression + " }}\n")[0][0] == "MLS-E815"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: {{ x\n", "MLS-E811", 1),
        ("a: {{ }}\n", "MLS-E811", 1),
        ("a: {{ x y }}\n", "MLS-E811", 1),
        ("a: {{- x }}\n", "MLS-E811", 1),
        ("a: {{ x -}}\n", "MLS-E811", 1),
        ("{%- if x %}\na: 1\n{% endif %}\n", "MLS-E811", 1),
        ("a: {{\n x }}\n", "MLS-E811", 1),
        ("a: 1 {% if x %}\n{% endif %}\n", "MLS-E811", 1),
        ("{% if x %}\na: 1\n", "MLS-E811", 1),
        ("a: 1\n{% endif %}\n", "MLS-E811", 2),
        ("{% for x in y %}\n{{ x }}: 1\n{% endif %}\n", "MLS-E811", 3),
        ("{% if x %}\na: 1\n{% else %}\na: 2\n{% elif y %}\na: 3\n{% endif %}\n", "MLS-E811", 5),
        ("{% if x %}\na: 1\n{% else y %}\nb: 1\n{% endif %}\n", "MLS-E811", 3),
        ("a: &x 1\n", "MLS-E811", 1),
        ("a: !!str 1\n", "MLS-E811", 1),
        ("a: *x\n", "MLS-E811", 1),
        ("a: 1\n---\nb: 1\n", "MLS-E811", 2),
        ("- a\n", "MLS-E811", 1),
        ("{{ x }}\n", "MLS-E811", 1),
        ("", "MLS-E811", 1),
        ("a: b: c\n", "MLS-E811", 1),
        ("a:\n", "MLS-E811", 1),
        ("a: 0644\n", "MLS-E811", 1),
        ("a: .inf\n", "MLS-E811", 1),
        ("1: a\n", "MLS-E811", 1),
        ("<<: a\n", "MLS-E811", 1),
        ("a: \ue000\n", "MLS-E811", 1),
        ('a: "\\ue000"\n', "MLS-E811", 1),
        ("a: |\n  x {# no #}\n", "MLS-E811", 1),
        ("a: |\n  x\n  {% if x %}\n  y\n  {% endif %}\n", "MLS-E812", 1),
        ("a:\n  x: 1\n  {% if y %}\n  z: 1\nb: 1\n{% endif %}\n", "MLS-E812", 3),
        ("{% if y %}\na:\n  x: 1\n{% endif %}\n  z: 1\n", "MLS-E812", 1),
        ("{% if y %}\n{% endif %}\na: 1\n", "MLS-E812", 1),
        ("a: 1\n{% if y %}\n{% endif %}\n", "MLS-E812", 2),
        ("a: 1\n{% set x = 1 %}\n", "MLS-E815", 2),
        ("a: 1\n{% include x %}\n", "MLS-E815", 2),
        ("{% for x in y if x %}\n{{ x }}: 1\n{% endfor %}\n", "MLS-E815", 1),
        ("{% for x, z in y %}\n{{ x }}: 1\n{% endfor %}\n", "MLS-E815", 1),
        ("{{ x | optional }}: 1\n", "MLS-E815", 1),
        ("a: b{{ x | optional }}\n", "MLS-E815", 1),
        ("a: {{ x | each }}\n", "MLS-E815", 1),
        ("a: 1\na: 2\n", "MLS-E816", 2),
        ("a: 1\n{% if x %}\na: 2\n{% endif %}\n", "MLS-E816", 3),
        ("{% if x %}\na: 2\n{% endif %}\na: 1\n", "MLS-E816", 4),
        ("{% for x in y %}\na: 2\n{% endfor %}\n", "MLS-E816", 2),
        ("a: 1\n{% include 'a' %}\n", "MLS-E816", 1),
        ("a: 1\n{% include 'none' %}\n", "MLS-E810", 2),
        ("a: {{ text('none') }}\n", "MLS-E810", 1),
        ("a: 1\n{% include 't' %}\n", "MLS-E817", 2),
        ("a: 1\n{% include 'loop' %}\n", "MLS-E817", 1),
    ],
)
def test_refused_when_compiled(text: str, code: str, line: int) -> None:
    found = refused(text, a="a: 1\n", loop="{% include 't' %}\n")
    assert [found[0][:2]] == [(code, line)]


def test_a_missing_template_is_refused() -> None:
    with pytest.raises(Rejected, match="MLS-E810"):
        compile_template("none", {}.__getitem__, None)


@pytest.mark.parametrize(
    ("text", "view", "code", "line"),
    [
        ("b: 1\na: {{ x }}\n", {"x": None}, "MLS-E818", 2),
        ("b: 1\na: b-{{ x }}\n", {"x": None}, "MLS-E818", 2),
        ("a:\n- {{ x }}\n", {"x": None}, "MLS-E818", 2),
        ("a:\n- {{ x | each }}\n", {"x": None}, "MLS-E818", 2),
        ("a: 1\n<<: {{ x }}\n", {"x": None}, "MLS-E818", 2),
        ("a: {{ x.y }}\n", {"x": None}, "MLS-E818", 1),
        ("a: {{ x.y }}\n", {"x": {}}, "MLS-E819", 1),
        ("a: {{ x.y }}\n", {"x": "text"}, "MLS-E819", 1),
        ("a: {{ x[3] }}\n", {"x": [1]}, "MLS-E819", 1),
        ("a: {{ x }}\n", {}, "MLS-E819", 1),
        ("a: {{ x }}\n", {"x": {1: 2}}, "MLS-E819", 1),
        ("a: {{ x }}\n", {"x": object}, "MLS-E819", 1),
        ("a: {{ x }}\n", {"x": {1}}, "MLS-E819", 1),
        ("a: b{{ x }}\n", {"x": True}, "MLS-E819", 1),
        ("a: b{{ x }}\n", {"x": {}}, "MLS-E819", 1),
        ('a: "{{ x }}"\n', {"x": []}, "MLS-E819", 1),
        ("a: 1\n{{ x }}: 2\n", {"x": "a"}, "MLS-E819", 2),
        ("a: 1\n{{ x }}: 2\n", {"x": 1}, "MLS-E819", 2),
        ("a: 1\n<<: {{ x }}\n", {"x": {"a": 2}}, "MLS-E819", 2),
        ("<<: {{ x }}\na: 1\n", {"x": {"a": 2}}, "MLS-E819", 2),
        ("a: 1\n<<: {{ x }}\n", {"x": [1]}, "MLS-E819", 2),
        ("a:\n- {{ x | each }}\n", {"x": "abc"}, "MLS-E819", 2),
        ("a:\n{% for y in x %}\n- 1\n{% endfor %}\n", {"x": {"a": 1}}, "MLS-E819", 2),
        ("{% if x > 1 %}\na: 1\n{% endif %}\n", {"x": "a"}, "MLS-E819", 1),
        ("{% if x %}\na: 1\n{% endif %}\n{% if x %}\na: 1\n{% endif %}\n", {"x": 1}, "MLS-E819", 5),
        ("a: {{ x | percent }}\n", {"x": "abc"}, "MLS-E819", 1),
        ("a: {{ x | quantity }}\n", {"x": "abc"}, "MLS-E819", 1),
        ("a: {{ x | duration }}\n", {"x": 5}, "MLS-E819", 1),
        ("a: {{ x | json }}\n", {"x": 1.5}, "MLS-E819", 1),
    ],
)
def test_refused_at_render(text: str, view: Any, code: str, line: int) -> None:
    with pytest.raises(Rejected) as caught:
        made(text).objects(view)
    assert [(d.code, d.site.line) for d in caught.value.diagnostics] == [(code, line)]
    with pytest.raises(Rejected) as caught:
        made(text).text(view)
    assert [(d.code, d.site.line) for d in caught.value.diagnostics] == [(code, line)]


def test_a_fault_of_the_view_itself_goes_on_as_it_is() -> None:
    with pytest.raises(KeyError, match="no such key"):
        made("a: {{ broken }}\n", View).objects(View())


HOSTILE = st.one_of(
    st.sampled_from(["a\nb: c", "{{ x }}", "- a", "\ue000\ue100\ue001", "&x", "*x", "<<", "a: b", "---\nkind: Y", "}", "{% if %}", "#", "a #b", '"', "'", "\x85", "", "no", "\\"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
)  # fmt: skip
DATA = st.recursive(st.one_of(HOSTILE, st.integers(-99, 99), st.booleans(), st.none()), lambda d: st.one_of(st.lists(d, max_size=3), st.dictionaries(HOSTILE, d, max_size=3)), max_leaves=6)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    name=HOSTILE, labels=st.dictionaries(HOSTILE, HOSTILE, max_size=3), whole=DATA.filter(lambda d: d is not None), number=st.integers(0, 6)
)
def test_no_value_changes_the_structure(name: str, labels: dict[str, str], whole: Any, number: int) -> None:
    view = VIEW | {"name": name, "labels": labels, "number": number, "extra": [whole], "ports": [{"name": whole, "number": name}]}
    if name == "labels":
        return
    found = agree(FULL_TEMPLATE, view)
    assert list(found) == ["apiVersion", "kind", "metadata", "spec"]
    assert list(found["metadata"])[:3] == ["name", "namespace", "labels"]
    assert found["metadata"]["name"] == name
    assert found["metadata"]["namespace"] == f"a-{name}-b"
    assert found["spec"]["ports"][1] == whole
    assert found["spec"]["script"] == f"echo {name}\n"
    assert yaml.load(FULL_TEMPLATE.text(view), Loader=yaml.CSafeLoader) == _as_floats(found)


def _as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_floats(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_floats(child) for child in value]
    return float(value) if isinstance(value, Decimal) else value


def test_objects_are_fresh() -> None:
    template = made("a: {{ x }}\nb: {c: [1]}\n")
    view = {"x": {"k": [1]}}
    first = template.objects(view)
    assert first is not None
    first["a"]["k"].append(2)
    first["b"]["c"].append(2)
    assert template.objects(view) == {"a": {"k": [1]}, "b": {"c": [1]}}


def test_line_ends_and_byte_order_mark_do_not_matter() -> None:
    assert agree(made("\ufeff{% if x %}\r\na: {{ x }}\r\n{% endif %}\r\nb: 1\r\n"), {"x": 1}) == {"a": 1, "b": 1}


def test_list_fragments_and_comments() -> None:
    text = "a:\n# {{ not read }}\n# {% if x %}\n- 1\n{% include 'items' %}\n  {# deep #}\nb:\n  - 1  # {{ x }}\n"
    assert agree(made(text, items="# a list\n- {{ x }}\n- 3\n"), {"x": 2}) == {"a": [1, 2, 3], "b": [1]}
