from __future__ import annotations

import pytest

from retrieval.parsing.tables import lines, names


def test_each_row_names_its_columns() -> None:
    rows = [["Region", "Fee"], ["EU", "5 EUR"], ["UK", "4 GBP"]]
    assert list(lines(rows)) == ["Region: EU; Fee: 5 EUR", "Region: UK; Fee: 4 GBP"]


def test_rows_without_names_are_values() -> None:
    assert list(lines([["1", "2"], ["3", "4"]])) == ["1; 2", "3; 4"]


def test_several_header_rows_become_one_name() -> None:
    rows = [["", "2024", "2024"], ["Region", "Q1", "Q2"], ["EU", "7", "8"]]
    assert list(lines(rows, header=2)) == ["Region: EU; 2024 Q1: 7; 2024 Q2: 8"]


def test_empty_cells_are_left_out_and_longer_rows_kept() -> None:
    assert list(lines([["A", "B"], ["1", ""], ["2", "3", "4"]], header=1)) == [
        "A: 1",
        "A: 2; B: 3; 4",
    ]


def test_a_lone_header_is_content() -> None:
    assert list(lines([["Region", "Fee"]], header=1)) == ["Region; Fee"]


def test_names_beside_values_are_joined() -> None:
    assert list(lines([["Owner:", "Finance"], ["Year:", "2025"]])) == [
        "Owner: Finance",
        "Year: 2025",
    ]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (["sku", "name"], True),
        (["Region", "2024", "2025"], True),
        (["", "Mon", "Tue"], True),
        (["HT-1", "4.50"], False),
        (["PART I", "", ""], False),
        (["same", "same"], False),
        (["Nevada", "20-8143439"], False),
    ],
)
def test_tells_names_from_values(row: list[str], named: bool) -> None:
    assert names(row, len(row)) is named
