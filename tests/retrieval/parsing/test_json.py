from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import blocks, read


def test_keys_and_values_stand_side_by_side(tmp_path: Path) -> None:
    text = '{"size": 1.10, "on": true, "none": null, "tags": ["a", "b"], "at": {"city": "Köln"}}'
    assert read(tmp_path, "a.json", text).text == (
        "size: 1.10\non: true\ntags: a, b\nat city: Köln"
    )


def test_what_is_nested_stands_under_its_path(tmp_path: Path) -> None:
    value = {"network": {"proxy": {"note": "word " * 60}, "port": 80}, "name": "Config"}
    document = read(tmp_path, "a.json", json.dumps(value))
    assert document.title == "Config"
    assert [(b[0], b[1][:12]) for b in blocks(document)] == [
        ("paragraph", "name: Config"),
        ("heading", "network"),
        ("paragraph", "port: 80"),
        ("heading", "proxy"),
        ("paragraph", "note: word w"),
    ]
    assert [block.level for block in document.blocks if block.level] == [1, 2]


def test_plain_records_are_rows_of_a_table(tmp_path: Path) -> None:
    value = [{"id": 1, "at": {"x": 2}}, {"id": 2, "at": {"x": 3}}]
    assert blocks(read(tmp_path, "a.json", json.dumps(value))) == [
        ("table", "id: 1; at x: 2"),
        ("table", "id: 2; at x: 3"),
    ]


def test_records_with_a_text_read_as_sections(tmp_path: Path) -> None:
    lines = [
        {"_id": "d1", "title": "First", "text": "One.\n\nTwo.", "year": 2024},
        {"_id": "d2", "title": "", "text": "Three."},
    ]
    document = read(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert blocks(document) == [
        ("heading", "First"),
        ("paragraph", "One."),
        ("paragraph", "Two."),
        ("paragraph", "_id: d1\nyear: 2024"),
        ("heading", "d2"),
        ("paragraph", "Three."),
        ("paragraph", "_id: d2"),
    ]


def test_a_document_of_one_record_is_called_by_it(tmp_path: Path) -> None:
    document = read(tmp_path, "a.json", '{"title": "Leave", "body": "Ask first."}')
    assert document.title == "Leave"
    assert "Ask first." in document.text


def test_lines_of_json_are_read_under_either_suffix(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"a": 1}\n{"a": 2}\n').text == "a: 1\na: 2"


def test_a_key_that_is_there_twice_is_said_twice(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"a": 1, "a": 2}').text == "a: 1\na: 2"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5000])
def test_a_number_is_said_as_it_is_written(tmp_path: Path, number: str) -> None:
    assert number in read(tmp_path, "a.json", f'{{"a": {number}}}').text


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", '{"a": ', "damaged JSON: Expecting value"),
        ("a.json", '{"a": 1}\n{"a": \n', "damaged JSONL at line 2"),
        ("a.jsonl", '{"a": 1}\n\n{a}\n', "damaged JSONL at line 3"),
        ("a.json", "[" * 100 + "]" * 100, "too deep"),
        ("a.json", "[" * 100_000, "too deep"),
        ("a.json", '{"a":' * 70 + "1" + "}" * 70, "too deep"),
        ("a.json", "[" + "0," * 5_000_001 + "0]", "too large: more than 5,000,000 values"),
        ("a.json", "{}", "it holds no text"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path, name, text)
    assert refused.value.reason.startswith(reason)
