"""What is read in a hit's place: decided by places, then fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from retrieval.types import Hit, Passage, Span, Viewer
from retrieval.widening import merged, widened

WORDS = ["Alpha. ", "Bravo. ", "Charlie. ", "Delta. ", "Echo.\n\n", "Foxtrot. ", "Golf. "]
TEXT = "".join(WORDS)


def passage(
    ordinal: int, parent: tuple[int, int] | None = None, document: str = "a.md", version: str = "v1"
) -> Passage:
    start = sum(map(len, WORDS[:ordinal]))
    text = WORDS[ordinal]
    return Passage(
        f"{document}/{version}/{ordinal}", document, version, ordinal, "A", ("H",), text, start,
        start + len(text), page=1 + ordinal // 3, parent=parent,
    )  # fmt: skip


def hit(ordinal: int, parent: tuple[int, int] | None, score: float = 1.0, **where: str) -> Hit:
    return Hit(passage(ordinal, parent, **where), score)


class Shelf:
    """An index of one document, as far as stretches are concerned; counts the looks."""

    def __init__(self, version: str = "v1", marked: dict[int, tuple[str, ...]] | None = None):
        self.version, self.marked, self.looks = version, marked or {}, 0

    async def around(
        self, wanted: Sequence[tuple[str, int, int]], viewer: Viewer | None = None
    ) -> list[list[Passage]]:
        self.looks += 1
        return [
            [
                replace(passage(i, None, source, self.version), flags=self.marked.get(i, ()))
                for i in range(first, min(last + 1, len(WORDS)))
            ]
            for source, first, last in wanted
        ]


def reaches(hits: Sequence[Hit]) -> list[tuple[int, tuple[int, int] | None]]:
    return [(each.passage.ordinal, each.passage.parent) for each in hits]


def test_hits_of_one_parent_are_one_with_the_best_score() -> None:
    found = merged([hit(2, (0, 4), 0.9), hit(6, None, 0.8), hit(1, (0, 4), 0.7)], 5)
    assert reaches(found) == [(2, (0, 4)), (6, None)]
    assert found[0].score == 0.9


def test_parents_that_overlap_are_read_together() -> None:
    found = merged([hit(1, (0, 2)), hit(3, (2, 4))], 5)
    assert reaches(found) == [(1, (0, 4))]


def test_one_that_lies_between_joins_both() -> None:
    found = merged([hit(1, (0, 2)), hit(6, (5, 6)), hit(4, (2, 5))], 5)
    assert reaches(found) == [(1, (0, 6))]


def test_documents_and_versions_are_never_joined() -> None:
    hits = [
        hit(1, (0, 2)),
        hit(1, (0, 2), document="b.md"),
        hit(1, (0, 2), version="v0"),
    ]
    assert merged(hits, 5) == hits


def test_what_ranks_far_behind_widens_nothing() -> None:
    hits = [hit(1, (0, 1)), hit(5, (5, 5)), hit(2, (1, 3))]
    assert reaches(merged(hits, 2)) == [(1, (0, 3)), (5, (5, 5))]
    assert reaches(merged(hits, 1)) == [(1, (0, 1)), (5, (5, 5))]


def test_without_parents_nothing_changes() -> None:
    hits = [hit(1, None), hit(2, None)]
    assert merged(hits, 1) == hits


def test_the_surer_answer_is_kept_where_it_stands() -> None:
    best = replace(hit(2, (0, 4)), answers=(Span(0, 7, 1.0),))
    other = replace(hit(0, (0, 4)), answers=(Span(0, 5, 3.0),))
    (found,) = merged([best, other], 5)
    assert found.answer is not None
    at = found.passage.start + found.answer.start
    assert TEXT[at : at + 5] == "Alpha"
    (kept,) = merged([replace(best, answers=(Span(0, 7, 4.0),)), other], 5)
    assert kept.answer == Span(0, 7, 4.0)


@pytest.mark.anyio
async def test_the_stretch_is_the_documents_text() -> None:
    (found,) = await widened(Shelf(), [hit(3, (1, 4))])
    passage = found.passage
    assert passage.text == TEXT[passage.start : passage.end] == "Bravo. Charlie. Delta. Echo."
    assert passage.ordinal == 3
    assert passage.page == 1


@pytest.mark.anyio
async def test_answers_move_with_the_text() -> None:
    found = await widened(Shelf(), [replace(hit(3, (1, 4)), answers=(Span(0, 5, 2.0),))])
    answer = found[0].answer
    assert answer is not None
    assert found[0].passage.text[answer.start : answer.end] == "Delta"


@pytest.mark.anyio
async def test_what_is_suspect_in_a_neighbour_is_suspect_in_the_stretch() -> None:
    (found,) = await widened(Shelf(marked={4: ("injection",)}), [hit(3, (1, 4))])
    assert found.passage.flags == ("injection",)


@pytest.mark.anyio
async def test_all_stretches_are_fetched_in_one_look_and_none_is_none() -> None:
    shelf = Shelf()
    hits = [hit(0, (0, 1)), hit(6, None), hit(3, (2, 4))]
    found = await widened(shelf, hits)
    assert [each.passage.text for each in found] == [
        "Alpha. Bravo.",
        "Golf. ",
        "Charlie. Delta. Echo.",
    ]
    assert shelf.looks == 1
    await widened(shelf, hits[1:2])
    assert shelf.looks == 1


@pytest.mark.anyio
@pytest.mark.parametrize("reach", [(1, 4), (5, 9)])
async def test_a_document_replaced_since_the_search_widens_nothing(reach: tuple[int, int]) -> None:
    """Another version stands there now, or fewer passages than there were."""
    hits = [hit(6 if reach[0] > 4 else 3, reach)]
    shelf = Shelf() if reach[0] > 4 else Shelf("v2")
    assert await widened(shelf, hits) == hits
