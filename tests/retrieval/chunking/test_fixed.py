from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from retrieval.chunking.fixed import Fixed
from retrieval.types import Document
from tests.retrieval.chunking import real
from tests.retrieval.chunking.made import SENTENCE, count, heading, made, paragraph


def speech(shared_data: Path) -> Document:
    return made(paragraph(real.text(shared_data, "state_of_the_union", 0, 20_000)))


def test_passages_of_a_real_text_are_full(shared_data: Path) -> None:
    passages = Fixed(real.count, 240, 40).split(speech(shared_data))
    sizes = [real.count(passage.embedded) for passage in passages]
    assert max(sizes) <= 240
    assert min(sizes[:-1]) > 0.85 * 240


def test_neighbours_share_so_many_tokens(shared_data: Path) -> None:
    document = speech(shared_data)
    passages = Fixed(real.count, 240, 40).split(document)
    shared = [real.count(document.text[b.start : a.end]) - 2 for a, b in pairwise(passages)]
    assert all(25 < tokens < 55 for tokens in shared)


def test_without_overlap_nothing_comes_twice(shared_data: Path) -> None:
    passages = Fixed(real.count, 240, 0).split(speech(shared_data))
    assert all(a.end < b.start for a, b in pairwise(passages))


def test_words_stay_whole(shared_data: Path) -> None:
    document = speech(shared_data)
    for passage in Fixed(real.count, 100, 20).split(document):
        assert not re.match(r"\w", document.text[passage.end : passage.end + 1])
        assert not passage.start or document.text[passage.start - 1].isspace()


def test_headings_are_run_over_and_name_what_begins_below_them() -> None:
    document = made(
        heading("First", 2), paragraph(SENTENCE), heading("Second", 2), *[paragraph(SENTENCE)] * 9
    )
    passages = Fixed(count, 60, 0).split(document)
    assert "Second" in passages[0].text
    assert passages[0].headings == ("First",)
    assert passages[-1].headings == ("Second",)


def test_an_overlap_of_everything_still_ends() -> None:
    passages = Fixed(count, 40, 400).split(made(paragraph(" ".join([SENTENCE] * 20))))
    assert 10 < len(passages) < 40
