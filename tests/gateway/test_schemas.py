"""Schemas and values are held against each other, and neither keeps the gateway busy."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from gateway.schemas import LONGEST, BadSchema, Schema

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "name": {"type": "string", "pattern": "^[A-Z]"}},
    "required": ["age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"age": 1}, None),
        ({"age": 1, "name": "Ada"}, None),
        ({"age": "1"}, "$.age: '1' is not of type 'integer'"),
        ({"name": "Ada"}, "$: 'age' is a required property"),
        ({"age": 1, "name": "ada"}, "$.name: 'ada' does not match '^[A-Z]'"),
        ({"age": 1, "x": 2}, "$: Additional properties are not allowed ('x' was unexpected)"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, why: str | None) -> None:
    assert Schema(PERSON).why_not(value) == why


def test_a_schema_may_refer_to_itself() -> None:
    tree = Schema(
        {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}
    )
    assert tree.why_not({"kids": [{"kids": []}]}) is None
    assert tree.why_not({"kids": [{"kids": 1}]}) == "$.kids[0].kids: 1 is not of type 'array'"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (5, "not an object"),
        ({"$schema": 5}, "schema"),
        ({"$schema": []}, "schema"),
        ({"$schema": "http://[bad"}, "schema"),
        ({"type": "objekt"}, r"\$\.type"),
        ({"properties": {"a": {"minimum": "x"}}}, "minimum"),
        ({"pattern": "("}, "pattern"),
        ({"$ref": "#/$defs/a"}, "leads nowhere"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "leads out"),
        ({"$ref": "file:///etc/hostname"}, "leads out"),
    ],
)
def test_a_schema_that_is_none_says_why(schema: Any, why: str) -> None:
    with pytest.raises(BadSchema, match=why):
        Schema(schema)


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {
        "type": "object",
        "properties": {"patternProperties": {"type": "integer"}, "$ref": {"type": "string"}},
    }
    strict = Schema({**schema, "additionalProperties": False})
    assert strict.why_not({"patternProperties": 1, "$ref": "x"}) is None
    assert strict.why_not({"patternProperties": "x"}) is not None
    assert strict.why_not({"other": 1}) is not None


def test_patterns_of_properties_are_not_run() -> None:
    schema = {"patternProperties": {"^(a+)+$": {"type": "integer"}}, "additionalProperties": False}
    assert Schema({"type": "object", **schema}).why_not({"a" * 64 + "!": 1}) is None


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    schema = Schema({"type": "string", "pattern": r"^(([a-z])+.)+[A-Z]([a-z])+$"})
    assert schema.why_not("a" * 200) is None


def test_many_patterns_that_take_long_are_given_up_together() -> None:
    schema = Schema({"type": "array", "items": {"type": "string", "pattern": "^(a|aa)+$"}})
    assert schema.why_not(["b"]) is not None
    endless = "a" * 40 + "!"
    assert schema.why_not([*[endless] * 40, "b"]) is None  # it never comes to the last one


def test_a_large_schema_times_a_large_value_is_given_up() -> None:
    options = [{"const": f"k{i}"} for i in range(3000)]
    assert Schema({"items": {"anyOf": options}}).why_not([1] * 3000) is None
    assert Schema({"items": {"anyOf": options[:30]}}).why_not([1]) is not None


def test_what_may_be_much_work_is_known_before() -> None:
    assert Schema({"type": "object"}).weight < 100
    assert Schema({"pattern": "a"}).weight == Schema({"$ref": "#"}).weight == inf


def test_a_schema_has_an_end() -> None:
    with pytest.raises(BadSchema, match="characters"):
        Schema({"enum": ["x" * LONGEST]})


@pytest.mark.parametrize(
    ("value", "unique"),
    [
        ([], True),
        ([1, 2, True, "1", [1], {"a": 1}], True),
        ([1, 1.0], False),
        ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], False),
        ([1, True, 0, False], True),
        ("aa", True),
    ],
)
def test_items_are_told_apart(value: Any, unique: bool) -> None:
    assert (Schema({"uniqueItems": True}).why_not(value) is None) is unique


def test_references_that_multiply_are_given_up() -> None:
    parts = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)}
    assert (
        Schema({"$ref": "#/$defs/d0", "$defs": {**parts, "d40": {"type": "integer"}}}).why_not("x")
        is None
    )
    assert Schema({"$ref": "#"}).why_not(1) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://json-schema.org/draft-04/schema#", "$ref": None},
        {"$schema": "http://json-schema.org/draft-03/schema#", "type": "x"},
        {"properties": {"a": {"$schema": "http://[bad"}}},
    ],
)
def test_what_the_checker_stumbles_over_is_not_checked(schema: dict[str, Any]) -> None:
    assert Schema(schema).why_not({"a": {"b": 1}}) is None
