from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.near_duplicates import THRESHOLD, alike, linked, sketch
from retrieval.types import Hit, Passage

WORDS = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(600)]
WORDS = [word.removeprefix("word") * 2 for word in WORDS]


def prose(seed: int, words: int = 150) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def with_other_words(text: str, many: int) -> str:
    words = text.split()
    for place in random.Random(1).sample(range(len(words)), many):
        words[place] = "different"
    return " ".join(words)


def hits(*texts: str, documents: Sequence[str] = ()) -> list[Hit]:
    names = documents or [f"{number}.md" for number in range(len(texts))]
    return [
        Hit(Passage(str(i), name, "v", 0, "", (), text, 0, 1, sketch=sketch(text)), 1.0)
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_the_estimate_is_near_the_jaccard_similarity(seed: int, changed: int) -> None:
    one = prose(seed)
    other = with_other_words(one, changed)
    a, b = shingles(one), shingles(other)
    assert abs(alike(sketch(one), sketch(other)) - len(a & b) / len(a | b)) < 0.4  # 4.5 sigma


def test_the_same_words_in_another_dress_are_alike() -> None:
    assert alike(sketch("The QUICK, brown fox!"), sketch("the QUICK brown\nfox")) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{} The deadline is 14 days.", "{} The deadline is 30 days."),
        ("{} Customers in the UK.", "{} Customers in the US."),
        ("{} It may be returned.", "{} It may not be returned."),
        ("{} Part EU-4021-B.", "{} Part EU-4021-C."),
        ("{} They don't.", "{} They do."),
    ],
)
def test_what_tells_two_texts_apart_is_not_overlooked(one: str, other: str) -> None:
    assert alike(sketch(one.format(prose(1))), sketch(other.format(prose(1)))) == 0.0
    assert linked(hits(one.format(prose(1)), other.format(prose(1))))[1] == []


@pytest.mark.parametrize("text", ["", " ", "…", "\n---\n"])
def test_a_text_without_words_is_like_no_other(text: str) -> None:
    assert sketch(text) == b""
    assert alike(sketch(text), sketch(text)) == 0.0
    assert linked(hits(text, text))[1] == []


def test_the_better_hit_is_served_and_names_the_others() -> None:
    copy = with_other_words(prose(1), 2)
    found, repeats = linked(hits(prose(1), prose(2), copy, prose(1)))
    assert [hit.passage.document for hit in found] == ["0.md", "1.md"]
    assert [hit.also for hit in found] == [("2.md", "3.md"), ()]
    assert [hit.passage.document for hit in repeats] == ["2.md", "3.md"]


def test_a_repetition_in_the_same_document_is_not_served_either() -> None:
    (found,), _ = linked(hits(prose(1), prose(1), documents=["a.md", "a.md"]))
    assert found.also == ()


def test_what_is_read_with_its_neighbours_is_merged_instead() -> None:
    twice = hits(prose(1), prose(1), documents=["a.md", "a.md"])
    wide = [replace(hit, passage=replace(hit.passage, parent=(0, 3))) for hit in twice]
    assert linked(wide) == (wide, [])


def test_a_short_text_is_no_duplicate_of_one_that_contains_it() -> None:
    assert linked(hits(prose(1), f"{prose(1)} {prose(2)}"))[1] == []


def test_passages_of_indexes_that_know_no_signatures_are_left_alone() -> None:
    plain = [Hit(Passage(str(i), "a.md", "v", i, "", (), "same", 0, 1), 1.0) for i in range(3)]
    assert linked(plain) == (plain, [])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=30), st.sampled_from([0.5, THRESHOLD, 1.0]))
def test_no_two_that_are_served_are_alike_and_none_is_lost(
    seeds: list[int], threshold: float
) -> None:
    texts = [with_other_words(prose(seed // 2), 4 * (seed % 2)) for seed in seeds]
    found, repeats = linked(hits(*texts), threshold)
    kept = [hit.passage.sketch for hit in found]
    pairs = [(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :]]
    assert all(alike(a, b) < threshold for a, b in pairs)
    assert len(found) + len(repeats) == len(texts)
    named = [hit.passage.document for hit in found] + [name for hit in found for name in hit.also]
    assert sorted(named) == sorted(f"{number}.md" for number in range(len(texts)))
