from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from retrieval.parsing.draft import Draft
from retrieval.parsing.grid import Grid, grids
from retrieval.parsing.layout import write
from retrieval.parsing.page import Cell, Line, Page
from tests.effort import cpu_seconds

COLUMNS = (50.0, 200.0, 300.0, 400.0)


def row(y: float, *texts: str, bold: bool = False, size: float = 10) -> Line:
    """Cells in the columns from the first on; an empty text leaves its column out."""
    cells = tuple(
        Cell(text, left, left + 5 * len(text))
        for text, left in zip(texts, COLUMNS, strict=False)
        if text
    )
    whole = " ".join(filter(None, texts))
    parts = cells if len(cells) > 1 else ()
    return Line(whole, cells[0].left, cells[-1].right, y, y - size, size, bold=bold, cells=parts)


def found(*lines: Line, headings: Sequence[int] = ()) -> list[Grid]:
    return list(grids(lines, lambda place: place in headings))


STOCK = (
    row(700, "Product", "Place", "Count", bold=True),
    row(676, "SKU-1", "A-12", "450"),
    row(652, "SKU-2", "", "180"),
)


def test_an_empty_cell_keeps_its_column() -> None:
    (grid,) = found(*STOCK)
    assert grid.rows[1:] == [["SKU-1", "A-12", "450"], ["SKU-2", "", "180"]]
    assert (grid.first, grid.after, grid.header) == (0, 3, 1)


def test_names_are_told_by_the_quantities_below_them() -> None:
    lines = [row(700, "Month", "Shows"), row(688, "May", "48"), row(676, "June", "$12.50")]
    assert [grid.header for grid in found(*lines)] == [1]


def test_names_beside_their_values_head_nothing() -> None:
    lines = [row(700 - 12 * n, f"Name {n}:", f"Value {n}") for n in range(3)]
    lines += [row(664, "Year:", "2022")]
    assert [grid.header for grid in found(*lines)] == [0]


def test_a_wrapped_cell_stays_with_its_row() -> None:
    lines = [
        row(700, "Film", "Title", "Shows", bold=True),
        row(678, "1", "Holiday", "12"),
        row(667, "", "Spectacular"),
        row(645, "2", "Winter", "24"),
    ]
    (grid,) = found(*lines)
    assert [list(cells) for cells in grid.rows][1] == ["1", "Holiday Spectacular", "12"]


def test_prose_around_a_table_is_none_of_it() -> None:
    before = Line("A sentence as wide as the page.", 50, 500, 720, 710, 10)
    after = Line("And another one, wide as well.", 50, 500, 630, 620, 10)
    (grid,) = found(before, *STOCK, after)
    assert (grid.first, grid.after) == (1, 4)


def test_a_heading_parts_two_tables() -> None:
    second = [row(610, "SKU-9", "C-1", "7"), row(598, "SKU-8", "C-2", "8")]
    lines = [*STOCK, row(630, "More"), *second]
    assert [(grid.first, grid.after) for grid in found(*lines, headings=[3])] == [(0, 3), (4, 6)]


def test_what_stands_side_by_side_is_one_row_though_it_is_two_lines() -> None:
    lines = [
        row(700, "Parts", "2"),
        Line("99", 300, 320, 700, 690, 10),
        row(688, "Paint", "3", "12"),
    ]
    assert [grid.rows for grid in found(*lines)] == [[["Parts", "2", "99"], ["Paint", "3", "12"]]]


def test_a_list_is_no_table() -> None:
    lines = [row(700 - 12 * n, "•", f"Item {n}") for n in range(5)]
    lines += [row(600 - 12 * n, f"{n}.", f"Item {n}") for n in range(5)]
    assert found(*lines) == []


def test_two_wide_gaps_are_no_table() -> None:
    assert found(row(700, "x = y", "(3)"), row(688, "y = z", "(4)")) == []


def test_columns_of_prose_are_no_table() -> None:
    def line(y: float) -> Line:
        cells = (Cell("word " * 14, 50, 270), Cell("text " * 14, 300, 520))
        return Line("prose", 50, 520, y, y - 10, 10, cells=cells)

    assert found(*(line(700 - 12 * n) for n in range(20))) == []


def test_rows_are_told_by_their_columns_and_nothing_twice() -> None:
    draft = Draft()
    write(draft, [Page(1, 842, STOCK)])
    document = draft.document("a", "v", "a")
    assert [(b.kind, document.text[b.start : b.end]) for b in document.blocks] == [
        ("table", "Product: SKU-1; Place: A-12; Count: 450"),
        ("table", "Product: SKU-2; Count: 180"),
    ]


def test_equal_values_side_by_side_are_both_said() -> None:
    draft = Draft()
    write(draft, [Page(1, 842, [row(700 - 12 * n, "6", "6", "x") for n in range(2)])])
    assert draft.document("a", "v", "a").text.splitlines()[0] == "6; 6; x"


def below(place: int) -> Line:
    return row(90_000 - 4 * place, "cell", "other" if place % 3 else "")


def beside(place: int) -> Line:
    return Line("x", 9 * place, 9 * place + 4, 700, 690, 10)


@pytest.mark.parametrize("line", [below, beside])
def test_effort_grows_with_the_lines(line: Callable[[int], Line]) -> None:
    few, many = [line(n) for n in range(1_000)], [line(n) for n in range(8_000)]
    assert cpu_seconds(lambda: found(*many)) < 24 * cpu_seconds(lambda: found(*few))
