from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import blocks, read

ROWS = [
    ("table", "sku: HT-1; name: Jacket; price: 389.00"),
    ("table", "sku: HT-2; name: Tent, two; price: 449.00"),
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_one_row_one_block_whatever_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    text = 'sku,name,price\nHT-1,Jacket,389.00\n\nHT-2,"Tent! two",449.00\n'
    content = text.replace(",", delimiter).replace("!", ",")
    document = read(tmp_path, "price-list.csv", content)
    assert blocks(document) == ROWS
    assert document.title == "price list"


def test_commas_in_prose_do_not_win_over_the_delimiter(tmp_path: Path) -> None:
    text = "name;note\nA;one, two, three\nB;four, five\nC;six\n"
    assert blocks(read(tmp_path, "a.csv", text))[0] == ("table", "name: A; note: one, two, three")


def test_rows_may_be_longer_and_shorter(tmp_path: Path) -> None:
    text = "a,b\n1\n1,2,3\n1,2\n1,2\n"
    assert [row for _, row in blocks(read(tmp_path, "a.csv", text))] == [
        "a: 1",
        "a: 1; b: 2; 3",
        "a: 1; b: 2",
        "a: 1; b: 2",
    ]


def test_numbers_alone_have_no_header(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "1,2\n3,4\n").text == "1; 2\n3; 4"


def test_a_lone_header_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "sku,name\n").text == "sku; name"


def test_a_cell_of_many_lines_is_one_row(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", 'k,v\na,"1\n2"\n').text == "k: a; v: 1 2"


def test_names_the_line_of_a_quote_that_never_closes(tmp_path: Path) -> None:
    text = "k,v\na,b\n" + 'c,"' + "open\n" * 40_000
    with pytest.raises(Unreadable, match=r"damaged CSV at line 26,\d+: field larger"):
        read(tmp_path, "a.csv", text)
