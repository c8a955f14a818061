"""Questions that are there for their answers: where the answer stands, or that there is none."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from eval.train.reranker.answering import Answering
from eval.train.reranker.material import Asked, Collection, alone
from eval.train.reranker.mining import Searched
from eval.train.reranker.recipe import Recipe
from eval.train.reranker.sampling import Group, Taught
from retrieval.rerankers.pairs import LONGEST, sides

TEXTS = [
    "The pump of the new series has a warranty of two years.",
    "Repairs of the pump take ten days in the workshop.",
    "The hose was made by Mary Stone in the northern workshop.",
]
START = TEXTS[0].index("two")
ANSWERED = Asked("How long is the warranty?", (0,), "training", {0: ((START, START + 9),)})
ADVERSARIAL = Asked("How long is the lease?", (1,), "training", answerless=True)
HELD_OUT = Asked("Who made the hose?", (2,), "validation", {2: ((21, 31),)})


def taught(*asked: Asked, prose: bool = False, spans: bool = True) -> Taught:
    words = sorted({word for text in TEXTS for word in text.replace(".", " . ").split()})
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(["?", *words])}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    passages = [alone(f"{n}", text) for n, text in enumerate(TEXTS)]
    vectors = np.eye(len(TEXTS), dtype=np.float32)
    texts = sides(tokenizer, TEXTS, LONGEST)
    return Taught(
        Collection("test", passages, asked, spans=spans, prose=prose),
        Searched(passages, vectors),
        vectors[: len(asked)],
        sides(tokenizer, [each.text for each in asked], LONGEST),
        texts,
        texts,
        tokenizer,
    )


def drawn(of: Taught, done: float, many: int = 100) -> list[Group]:
    answering = Answering([of], Recipe())
    return [group for _ in range(many) if (group := answering.draw(done))]


def test_the_answer_is_marked_and_a_near_passage_has_none() -> None:
    groups = drawn(taught(ANSWERED), done=1)
    assert {len(group.pairs) for group in groups} == {1, 2}
    for group in groups:
        (span,) = group.spans[0] or ()
        pair = group.pairs[0]
        start, end = (pair.offsets[at - pair.first] for at in span)
        assert TEXTS[0][start[0] : end[1]] == "two years"
        assert group.right == (len(group.pairs) == 2)
        assert all(span == () for span in group.spans[1:])


def test_a_question_that_only_looks_answerable_has_none() -> None:
    # At most two in five of the answered ones: so there have to be three of these.
    groups = drawn(taught(ANSWERED, ANSWERED, ANSWERED, ADVERSARIAL), done=1, many=8)
    without = [group for group in groups if group.spans[0] == ()]
    assert len(without) == 2
    assert not any(group.right for group in without)


def test_held_out_questions_and_their_passages_are_left_alone() -> None:
    of = taught(ANSWERED, HELD_OUT, prose=True)
    held_out = set(of.texts[2].tokens) - set(of.texts[0].tokens) - set(of.texts[1].tokens)
    for group in [*drawn(of, done=0), *drawn(taught(HELD_OUT), done=1)]:
        assert len(group.pairs) == 1 or group.right
        assert not held_out & set(group.pairs[0].tokens)


def test_at_first_clozes_are_drawn_and_some_have_lost_their_sentence() -> None:
    groups = drawn(taught(ANSWERED, prose=True), done=0)
    assert len(groups) > 80
    without = sum(group.spans[0] == () for group in groups)
    assert 0 < without < len(groups) / 2


def test_nothing_to_ask_gives_nothing() -> None:
    assert drawn(taught(), done=1) == []
