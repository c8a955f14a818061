"""Cues, one by one."""

from __future__ import annotations

import numpy as np

from retrieval.support.asked import asked
from retrieval.support.cues import CUES, contradicts, cues, evidence, has_code
from retrieval.support.lexicon import lexicon
from retrieval.types import Hit
from tests.retrieval.support.passages import hit


def rows(question: str, *hits: Hit) -> list[dict[str, float]]:
    found = cues(asked(question, lexicon()), evidence(hits), lexicon())
    return [dict(zip(CUES, row, strict=True)) for row in found]


def test_the_weight_of_the_question_is_counted_where_it_stands() -> None:
    text = "The warranty covers the zip. It lasts two years. Nothing else is covered."
    first, second, third = rows("How long is the warranty on a zip?", hit(text))
    assert first["in_sentence"] > second["in_sentence"]
    assert second["in_previous"] > 0
    assert third["in_passage"] > 0
    assert second["pronoun"] == 1
    assert second["measure"] == 1
    assert first["measure"] == -1


def test_titles_and_metadata_are_context() -> None:
    (plain,) = rows("What is the return window in the EU?", hit("It is 30 days."))
    (titled,) = rows(
        "What is the return window in the European Union?", hit("It is 30 days.", "Returns EU 2025")
    )
    assert plain["in_titles"] == 0
    assert titled["in_titles"] > 0.3


def test_a_word_near_in_meaning_counts_for_something() -> None:
    begins, sleeps = rows("When does it begin?", hit("They start at noon. They sleep at noon."))
    assert begins["near"] > sleeps["near"] == 0


def test_cues_do_not_depend_on_the_scale_of_the_fused_score() -> None:
    texts = ("Parcels take two days.", "Returns are free for thirty days.")
    small = rows("How long are returns free?", *(hit(t, score=s) for t, s in zip(texts, (1, 0.5))))  # noqa: B905
    large = rows("How long are returns free?", *(hit(t, score=s) for t, s in zip(texts, (8, 4))))  # noqa: B905
    assert small == large


def test_an_unseen_cosine_is_the_least_that_was_seen() -> None:
    found = evidence([hit("One.", dense=0.7), hit("Two.", dense=None), hit("Three.", dense=0.5)])
    assert [each.dense for each in found] == [0.7, 0.5, 0.5]


def test_knows_a_code_by_its_parts_and_by_its_range() -> None:
    (each,) = evidence([hit("The Ballast 500 and the 1000 charge alike. Grades G5 to G7 do too.")])
    first, second = each.sentences
    assert has_code("ballast 1000", first, each)
    assert has_code("g6", second, each)
    assert not has_code("ballast 250", first, each)


def test_another_code_of_the_series_contradicts() -> None:
    (each,) = evidence([hit("E-417 means cold. E-422 means wet. It is grey.")])
    question = asked("What does E-422 mean?", lexicon())
    told = [contradicts(question, sentence, each) for sentence in each.sentences]
    assert told == [True, False, False]


def test_every_cue_is_a_number_for_any_text() -> None:
    for text in (
        "",
        "?",
        "...",
        "a | b | c\n1 | 2 | 3",
        "- x\n- y:\n- z?",
        "€4.95. 中文。次の文。",
    ):
        for question in ("", "What?", "How much is E-1?", "中文 是 什么"):
            found = cues(asked(question, lexicon()), evidence([hit(text)]), lexicon())
            assert np.isfinite(np.asarray(found, dtype=np.float64)).all()
