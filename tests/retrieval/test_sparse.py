"""BM25 as sparse vectors, held against the formula and against rank-bm25."""

from __future__ import annotations

import json
import math
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import bm25s  # type: ignore[import-untyped]
import numpy as np
import pytest
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped]

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.sparse import K1, B, document_vector, query_vector, term_id
from retrieval.types import Embedded, Index, Passage
from retrieval.words import query_terms, terms


async def indexed(folder: Path, texts: Sequence[Sequence[str]]) -> tuple[EmbeddedIndexes, Index]:
    indexes = EmbeddedIndexes(folder, "none", 2)
    index = await indexes.open("docs", create=True)
    assert index is not None
    average = sum(map(len, texts)) / len(texts)
    documents = []
    for number, words in enumerate(texts):
        name = str(number)
        passage = Passage(str(uuid.uuid4()), name, "v", 0, "", (), name, 0, 1)
        vectors = np.array([[1, 0]], dtype=np.float32)
        documents.append(Embedded(name, "v", [passage], vectors, [document_vector(words, average)]))
    await index.write(documents)
    return indexes, index


async def scores(index: Index, asked: Sequence[str], many: int) -> dict[int, float]:
    legs = await index.search(np.array([1, 0], dtype=np.float32), query_vector(asked), many)
    return {int(hit.passage.document): hit.score for hit in legs.sparse}


def lucene(texts: Sequence[Sequence[str]], asked: Sequence[str]) -> dict[int, float]:
    """Okapi BM25 with the inverse document frequency ln(1 + (N - n + 0.5) / (n + 0.5))."""
    average = sum(map(len, texts)) / len(texts)
    found: dict[int, float] = {}
    for number, words in enumerate(texts):
        counts, norm = Counter(words), K1 * (1 - B + B * len(words) / average)
        for term in asked:
            n = sum(term in other for other in texts)
            if counts[term]:
                idf = math.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
                weight = counts[term] * (K1 + 1) / (counts[term] + norm)
                found[number] = found.get(number, 0.0) + idf * weight
    return found


@pytest.fixture(scope="module")
def corpus(request: pytest.FixtureRequest) -> list[list[str]]:
    shared_data: Path = request.getfixturevalue("shared_data")
    lines = (shared_data / "cisi" / "corpus.jsonl").read_text().splitlines()[:300]
    return [terms(json.loads(line)["text"]) for line in lines]


QUESTIONS = [
    "What problems are there in making up descriptive titles?",
    "How can actually pertinent data be retrieved automatically?",
    "information science definitions and the library catalogue",
    "the library and the library again",
]


@pytest.mark.anyio
async def test_the_index_scores_by_the_formula(tmp_path: Path, corpus: list[list[str]]) -> None:
    indexes, index = await indexed(tmp_path, corpus)
    for question in QUESTIONS:
        asked = query_terms(question)
        expected = lucene(corpus, asked)
        assert await scores(index, asked, len(corpus)) == pytest.approx(expected, abs=1e-4)
    await indexes.aclose()


@pytest.mark.anyio
async def test_the_ranking_is_that_of_rank_bm25(tmp_path: Path, corpus: list[list[str]]) -> None:
    """Its inverse document frequency is near zero or negative for terms in half of the documents,
    and ours is not, so places change hands below the top."""
    okapi = BM25Okapi(corpus, k1=K1, b=B)
    indexes, index = await indexed(tmp_path, corpus)
    for question in QUESTIONS:
        asked = query_terms(question)
        ours = await scores(index, asked, len(corpus))
        theirs = okapi.get_scores(asked)
        best = sorted(ours, key=lambda n: -ours[n])[:10]
        assert best[0] == int(np.argmax(theirs))
        assert len(set(best) & set(np.argsort(-theirs)[:10].tolist())) >= 8
        both = sorted(ours)
        ranks = [np.argsort(np.argsort([s[n] for n in both])) for s in (ours, theirs)]
        assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.85
    await indexes.aclose()


@pytest.mark.anyio
async def test_the_scores_are_those_of_bm25s(tmp_path: Path, corpus: list[list[str]]) -> None:
    """Lucene's variant leaves out the factor k1 + 1, which is the same for every passage."""
    theirs = bm25s.BM25(k1=K1, b=B, method="lucene")
    theirs.index(corpus, show_progress=False)
    indexes, index = await indexed(tmp_path, corpus)
    for question in QUESTIONS:
        asked = query_terms(question)
        expected = (K1 + 1) * np.asarray(theirs.get_scores(asked), dtype=np.float64)
        found = {int(n): float(expected[n]) for n in np.flatnonzero(expected)}
        assert await scores(index, asked, len(corpus)) == pytest.approx(found, abs=1e-3)
    await indexes.aclose()


def test_a_repeated_term_weighs_more_but_ever_less() -> None:
    weights = [document_vector(["fee"] * n, 4).values[0] for n in (1, 2, 3)]
    assert weights[0] < weights[1] < weights[2]
    assert weights[2] - weights[1] < weights[1] - weights[0]


def test_a_term_asked_for_twice_counts_twice() -> None:
    assert query_vector(["fee", "fee", "late"]).values == (2.0, 1.0)


def test_a_term_has_the_same_place_in_every_process() -> None:
    assert term_id("warranty") == 0x88D71CF2


def test_terms_do_not_share_a_place(corpus: list[list[str]]) -> None:
    words = {word for text in corpus for word in text}
    assert len({term_id(word) for word in words}) == len(words)


def test_an_empty_text_has_no_weights() -> None:
    assert document_vector([], 4).indices == ()
    assert document_vector(["fee"], 0).values[0] > 0
