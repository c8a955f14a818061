"""Schemas and values are held against each other, and neither keeps the gateway busy."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.schemas import BadSchema, Schema

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


def test_references_that_multiply_are_given_up() -> None:
    parts = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)}
    assert (
        Schema({"$ref": "#/$defs/d0", "$defs": {**parts, "d40": {"type": "integer"}}}).why_not("x")
        is None
    )
    assert Schema({"$ref": "#"}).why_not(1) is None
