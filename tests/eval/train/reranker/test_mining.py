"""Hard wrong passages are what the product itself would find."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from eval.train.reranker.material import Asked, Collection, alone
from eval.train.reranker.mining import Searched
from eval.train.reranker.recipe import Recipe
from eval.train.reranker.sampling import Taught, groups
from retrieval.config import RetrievalConfig
from retrieval.fusion import weighted
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.rerankers.pairs import Side
from retrieval.sparse import document_vector, query_vector
from retrieval.types import Embedded
from retrieval.words import query_terms, terms

TEXTS = [
    "The pump has a warranty of two years.",
    "Repairs of the pump take ten days.",
    "The hose has a warranty of one year, the pump has not.",
    "Travel expenses are refunded.",
    "Hotels up to 120 a night.",
]
QUESTION = "How long is the warranty of the pump?"
VECTORS = np.array([[np.cos(n), np.sin(n)] for n in range(len(TEXTS))], dtype=np.float32)
ASKED = np.array([1, 0], dtype=np.float32)
PASSAGES = [alone(f"{n}.md", text) for n, text in enumerate(TEXTS)]


@pytest.mark.anyio
async def test_it_finds_what_an_index_finds(tmp_path: Path) -> None:
    found = Searched(PASSAGES, VECTORS).find(QUESTION, ASKED, RetrievalConfig())
    average = sum(len(terms(text)) for text in TEXTS) / len(TEXTS)
    index = await EmbeddedIndexes(tmp_path, "none", 2).open("eval", create=True)
    assert index is not None
    await index.write(
        [
            Embedded(p.document, "", [p], VECTORS[n : n + 1], [sparse])
            for n, p in enumerate(PASSAGES)
            for sparse in [document_vector(terms(p.text), average)]
        ]
    )
    hits = weighted(await index.search(ASKED, query_vector(query_terms(QUESTION)), 100), 0.4)
    assert [PASSAGES[place].document for place in found.places] == [
        hit.passage.document for hit in hits
    ]
    assert found.fused == pytest.approx([hit.score for hit in hits], abs=1e-3)


def taught(asked: Asked) -> Taught:
    side = [Side([n, n + 1], [(0, 1), (1, 2)]) for n in range(len(TEXTS))]
    return Taught(
        Collection("test", PASSAGES, [asked]),
        Searched(PASSAGES, VECTORS),
        ASKED[None],
        side[:1],
        side,
        side,
        Tokenizer(WordLevel({}, unk_token="?")),
    )


def test_what_is_right_is_never_taken_for_wrong() -> None:
    ready = taught(Asked(QUESTION, (0, 2), "training"))
    for seed in range(20):
        drawn = ready.wrong(0, 2, 3, random.Random(seed))
        assert len(drawn) == 2
        assert not {0, 2} & set(drawn)


def test_judged_wrong_passages_go_before_mined_ones() -> None:
    ready = taught(Asked(QUESTION, (0,), "training", wrong=(4,)))
    assert ready.wrong(0, 3, 3, random.Random(1)) == [4]


def test_the_same_seed_gives_the_same_groups() -> None:
    first, again = (
        next(groups([taught(Asked(QUESTION, (0,), "training"))], Recipe(wrong=2))) for _ in range(2)
    )
    assert first == again
    assert first.right


def test_held_out_questions_are_not_sampled() -> None:
    both = taught(Asked(QUESTION, (0,), "training"))
    held = Asked("Who travels?", (3,), "validation")
    ready = Taught(
        Collection("test", PASSAGES, [held, *both.collection.asked]),
        both.searched,
        np.stack([ASKED, ASKED]),
        [both.questions[0], Side([77], [(0, 1)])],
        both.texts,
        both.plain,
        both.tokenizer,
    )
    drawn = groups([ready], Recipe(wrong=1))
    assert all(77 in next(drawn).pairs[0].tokens for _ in range(5))
