from __future__ import annotations

import pytest

from retrieval.parsing.numbers import plain, shown

SHOWN = [
    (0.125, "0.0%", "12.5%"),
    (-3, "0.0%", "-300.0%"),
    (45321, "yyyy-mm-dd", "2024-01-30"),
    (45321.75, "d/m/yyyy h:mm AM/PM", "30/1/2024 6:00 PM"),
    (45321, "[$-409]d\\-mmm\\-yy;@", "30-Jan-24"),
    (45321, "dddd, mmmm d, yyyy", "Tuesday, January 30, 2024"),
    (45321.123, "mm:ss", "57:07"),
    (45321.0000116, "h:mm:ss.000", "0:00:01.002"),
    (0.5, "h:mm", "12:00"),
    (1.5, "[h]:mm:ss", "36:00:00"),
    (59, "yyyy-mm-dd", "1900-02-28"),
    (-5, "yyyy-mm-dd", "-5"),
    (9e9, "yyyy-mm-dd", "9000000000"),
    (1234567.891, "#,##0.00", "1,234,567.89"),
    (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
    (-12, "#,##0;[Red]-#,##0", "-12"),
    (12, '"€" #,##0', "€ 12"),
    (1234.5, "[$$-409]#,##0.00", "$1,234.50"),
    (1234, '_-* #,##0.00\\ "€"_-;-* #,##0.00\\ "€"_-', "1,234.00 €"),
    (0, '_-* #,##0_-;-* #,##0_-;_-* "-"??_-;_-@_-', "-"),
    (1500000, '0.0,,"M"', "1.5M"),
    (12345, "0.00E+00", "1.23E+04"),
    (3.0, "0.##", "3"),
    (5, "000", "005"),
    (2.5, "# ?/?", "2.5"),
    (7, 'General "kg"', "7 kg"),
    (-0.2, "0", "0"),
    (1, '"yes";;"no"', "yes"),
    (12, "@", "12"),
]


@pytest.mark.parametrize(("value", "code", "text"), SHOWN)
def test_a_number_is_shown_as_its_cell_shows_it(value: float, code: str, text: str) -> None:
    assert shown(value, code) == text


def test_a_book_may_count_its_days_from_1904() -> None:
    assert shown(0, "yyyy-mm-dd", since_1904=True) == "1904-01-01"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (0.1 + 0.2, "0.3"), (123456789012, "123456789012"), (1e20, "1e+20")],
)
def test_a_number_without_a_format_is_plain(value: float, text: str) -> None:
    assert plain(value) == text
