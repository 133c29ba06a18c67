"""A shape agrees with the real JSON Schema library, and its faults name place, finding and expectation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.shape import Fault, compile_shape
from mlspec.shape.explain import explain
from mlspec.shape.values import compile_pattern, freeze

KEYS = ["a", "b", "cc", "d-d"]
PATTERNS = ["^a", "b$", "^[a-c]*$", r"\d", "^(a|b)+$", "[$]", "a|b$"]
TEXTS = st.text(alphabet="abc1$-é", max_size=4)
NUMBERS = st.integers(-3, 5) | st.sampled_from([Decimal("0.5"), Decimal("2.0"), Decimal("-1.5")])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, below, max_size=3),
    max_leaves=8,
)
TYPE_NAMES = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])


def schemas() -> st.SearchStrategy[Any]:
    small = st.integers(0, 3)
    leaf = st.booleans() | st.just({}) | st.fixed_dictionaries({"type": TYPE_NAMES}) | st.just({"$ref": "#/definitions/one"})

    def node(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        forms = st.lists(below, min_size=1, max_size=3)
        optional = {
            "type": TYPE_NAMES | st.lists(TYPE_NAMES, min_size=1, max_size=3, unique=True),
            "properties": st.dictionaries(st.sampled_from(KEYS), below, max_size=3),
            "required": st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
            "additionalProperties": below,
            "patternProperties": st.dictionaries(st.sampled_from(PATTERNS), below, min_size=1, max_size=2),
            "propertyNames": below,
            "items": below,
            "minItems": small,
            "maxItems": small,
            "uniqueItems": st.booleans(),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "pattern": st.sampled_from(PATTERNS),
            "minimum": NUMBERS,
            "maximum": NUMBERS,
            "exclusiveMinimum": NUMBERS,
            "exclusiveMaximum": NUMBERS,
            "multipleOf": st.integers(1, 3) | st.just(Decimal("0.5")),
            "minLength": small,
            "maxLength": small,
            "minProperties": small,
            "maxProperties": small,
            "oneOf": forms,
            "anyOf": forms,
            "allOf": forms,
            "not": below,
            "$ref": st.just("#/definitions/one"),
        }
        keywords = st.lists(st.sampled_from(sorted(optional)), min_size=1, max_size=4, unique=True)
        return keywords.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in names}))

    return st.recursive(leaf, node, max_leaves=6)


NO_REF = schemas().filter(lambda schema: "$ref" not in str(schema))


@settings(max_examples=400, deadline=None)
@given(schemas(), NO_REF, VALUES)
def test_agrees_with_jsonschema(schema: Any, one: Any, value: Any) -> None:
    whole = {"allOf": [schema], "definitions": {"one": one}}
    shape = compile_shape(whole)
    expected = jsonschema.Draft202012Validator(whole).is_valid(value)
    assert shape.accepts(value) is expected
    assert (shape.faults(value) == []) is expected


@settings(max_examples=100, deadline=None)
@given(schemas().filter(lambda schema: isinstance(schema, dict)), NO_REF, VALUES)
def test_faults_are_there_even_when_asked_directly(schema: Any, one: Any, value: Any) -> None:
    shape = compile_shape(schema, definitions={"one": one})
    assert bool(list(explain(shape, shape.schema, value, ()))) is not shape.accepts(value)


def test_recursive_definitions() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"type": "integer"}}, "additionalProperties": False}
    shape = compile_shape({"$ref": "#/$defs/tree", "$defs": {"tree": tree}})
    assert shape.accepts({"left": {"left": {"value": 1}}})
    assert shape.faults({"left": {"left": {"vlaue": 1}}}) == [
        Fault(("left", "left", "vlaue"), 'unknown field "vlaue"', "value", "additionalProperties")
    ]


@pytest.mark.parametrize(("value", "ok"), [(1, True), ("50%", True), (True, False), (Decimal("1.0"), False), (None, False), ([], False)])
def test_int_or_string(value: Any, ok: bool) -> None:
    schemas = ({"x-kubernetes-int-or-string": True}, {"type": ["integer", "string"]})
    for schema in schemas:
        assert compile_shape(schema).accepts(value) is ok


def test_int_or_string_is_said_in_words() -> None:
    assert compile_shape({"type": ["integer", "string"]}).faults([1])[0][1:3] == ("found a list", "a whole number or a text")


def test_numbers_are_exact() -> None:
    integer = compile_shape({"type": "integer"})
    assert not integer.accepts(Decimal(1))
    assert not integer.accepts(True)
    number = compile_shape({"type": "number"})
    assert number.accepts(Decimal("0.1"))
    assert not number.accepts(0.1)
    assert number.faults(0.1)[0].message == "found float (0.1)"


def test_nullable_accepts_null_before_everything_else() -> None:
    shape = compile_shape({"type": "string", "nullable": True, "enum": ["a"]})
    assert shape.accepts(None)
    assert shape.accepts("a")
    assert [fault.rule for fault in shape.faults("b")] == ["enum"]


def test_every_fault_is_told() -> None:
    schema = {
        "type": "object",
        "required": ["name", "size"],
        "properties": {"name": {"type": "string", "maxLength": 2}, "ports": {"type": "array", "minItems": 1, "items": {"minimum": 1}}},
        "additionalProperties": False,
    }
    faults = compile_shape(schema).faults({"name": "abc", "ports": [0, 5, -1], "colour": 1})
    assert [(fault.path, fault.rule) for fault in faults] == [
        (("size",), "required"),
        (("name",), "maxLength"),
        (("ports", 0), "minimum"),
        (("ports", 2), "minimum"),
        (("colour",), "additionalProperties"),
    ]
    assert faults[1].message == "found 3 characters"
    assert faults[1].expected == "at most 2 characters"
    assert faults[4].expected == "one of name, ports"


def test_the_form_that_was_meant_is_explained() -> None:
    short = {"type": "string"}
    long = {
        "type": "object",
        "properties": {"kind": {"const": "s3"}, "uri": {"type": "string"}},
        "required": ["uri"],
        "additionalProperties": False,
    }
    other = {
        "type": "object",
        "properties": {"kind": {"const": "gs"}, "url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    }
    shape = compile_shape({"anyOf": [short, long, other]})
    assert [fault.path for fault in compile_shape({"anyOf": [short, long]}).faults({"url": "x"})] == [("uri",), ("url",)]
    assert shape.faults({"kind": "gs", "url": 5}) == [Fault(("url",), "found a whole number (5)", "a text", "type")]
    assert shape.faults(5)[0].expected == "one of: a text; uri set; url set"


def test_exactly_one_form() -> None:
    shape = compile_shape({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert shape.accepts({"a": 1})
    assert shape.faults({"a": 1, "b": 1}) == [Fault((), "2 forms at once", "exactly one of: a set; b set", "oneOf")]
    assert [fault.rule for fault in shape.faults({})] == ["oneOf"]


def test_keys_of_lists_are_given_once_with_their_defaults() -> None:
    item = {"type": "object", "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}}
    shape = compile_shape({"type": "array", "items": item, "x-kubernetes-list-map-keys": ["port", "protocol"]})
    assert shape.accepts([{"port": 1}, {"port": 1, "protocol": "UDP"}])
    assert [fault.path for fault in shape.faults([{"port": 1}, {"port": 2}, {"port": 1, "protocol": "TCP"}])] == [(2,)]


@pytest.mark.parametrize(
    ("pattern", "text", "ok"),
    [
        ("^a$", "a\n", False),
        (r"^a\z", "a", True),
        (r"^\d+$", "٣", False),
        (r"^\w+$", "é", False),
        ("[$]", "$", True),
        (r"^[\]$]$", "$", True),
        ("^[]$]$", "]", True),
        ("^(?i)(abort|warn)?$", "Abort", True),
        ("b", "abc", True),
    ],
)
def test_patterns_mean_what_go_means(pattern: str, text: str, ok: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) is ok


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"contains": {}}, "/contains: this keyword is not supported"),
        ({"properties": {"a": {"if": {}}}}, "/properties/a/if"),
        ({"$ref": "#/definitions/x"}, "no definition"),
        ({"$ref": "other.json"}, "does not lead"),
        ({"pattern": "("}, "pattern"),
        ({"type": "text"}, "is no type"),
        ({"items": [{}]}, "a schema is a map or a boolean"),
    ],
)
def test_what_is_not_supported_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compile_shape(schema)


def test_freeze_tells_json_values_apart() -> None:
    assert freeze(1) == freeze(Decimal("1.0"))
    assert freeze([1]) != freeze([True])
    assert freeze({"a": [1]}) == freeze({"a": [Decimal(1)]})
    assert freeze("1") != freeze(1)
