from __future__ import annotations

from dataclasses import replace

from retrieval.parsing.draft import Draft
from retrieval.parsing.layout import write
from retrieval.parsing.page import HYPHEN, Line, Page
from tests.effort import cpu_seconds


def at(y: float, text: str, left: float = 72, right: float = 500, size: float = 10) -> Line:
    return Line(text, left, right, y, y - size, size)


def texts(*pages: list[Line]) -> list[tuple[str, str]]:
    draft = Draft()
    write(draft, [Page(i + 1, 842, lines) for i, lines in enumerate(pages)])
    document = draft.document("a", "v", "a")
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def test_lines_that_reach_the_edge_are_joined() -> None:
    assert texts([at(700, "One line goes on"), at(688, "to the next"), at(676, "End.")]) == [
        ("paragraph", "One line goes on to the next End.")
    ]


def test_short_lines_stay_lines() -> None:
    lines = [at(700 - 12 * i, f"Row {i} cell", right=200) for i in range(3)]
    body = [at(500 - 12 * i, "A full line of the body") for i in range(5)]
    assert texts(lines + body)[0] == ("paragraph", "Row 0 cell\nRow 1 cell\nRow 2 cell")


def test_a_broken_word_is_mended() -> None:
    lines = [
        at(700, f"These exam{HYPHEN}ples of high{HYPHEN}dimensional"),
        at(688, f"spaces and Lucene{HYPHEN}BM25 are"),
        at(676, "high-dimensional."),
    ]
    assert texts(lines)[0][1] == (
        "These examples of high-dimensional spaces and Lucene-BM25 are high-dimensional."
    )


def test_a_sentence_goes_on_over_the_page() -> None:
    first = [at(700, "A full line of text"), at(120, "The sentence begins on this page and")]
    second = [at(700, "ends on the next.", right=200)]
    assert texts(first, second)[-1] == (
        "paragraph",
        "The sentence begins on this page and ends on the next.",
    )


def test_what_repeats_at_the_margin_is_dropped() -> None:
    def page(number: int) -> list[Line]:
        return [at(830, f"Manual, page {number}", right=200), at(700, f"Text {number}.")]

    assert texts(page(1), page(2), page(3)) == [
        ("paragraph", "Text 1."),
        ("paragraph", "Text 2."),
        ("paragraph", "Text 3."),
    ]


def test_a_raised_number_does_not_break_its_line() -> None:
    line = [
        at(700, "as is often observed", right=200),
        Line("2", 200.2, 204, 703, 696, 7),
        at(700, ", indicating the needs", left=204.2),
    ]
    assert texts(line) == [("paragraph", "as is often observed2, indicating the needs")]


def test_type_that_sets_most_of_the_text_sets_no_headings() -> None:
    small = [at(700, "Fine print that is the longest of all the lines by far", size=6)] * 3
    large = [at(600 - 20 * i, f"Line {i} of a larger letter", size=10) for i in range(4)]
    assert {kind for kind, _ in texts(small + large)} == {"paragraph"}


def test_effort_grows_with_the_lines_of_a_page() -> None:
    def page(many: int) -> list[Line]:
        return [
            at(14_000 - 3 * n, "some words", left=37 * n % 14_000, size=8 + n / 1_000)
            for n in range(many)
        ]

    few, most = page(1_000), page(8_000)
    assert cpu_seconds(lambda: texts(most)) < 30 * cpu_seconds(lambda: texts(few))


def test_dots_that_lead_to_a_number_are_one_mark() -> None:
    lines = [at(700, "Notices . . . . . . . . . vii"), at(688, "Preface ........... xi")]
    assert texts(lines) == [("paragraph", "Notices … vii\nPreface … xi")]


def test_text_on_its_side_is_no_heading() -> None:
    stamp = replace(at(500, "arXiv:2103.15348", size=20), upright=False)
    assert texts([stamp, at(300, "Body text of the page")])[0][0] == "paragraph"
