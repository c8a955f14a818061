"""Token vectors: stored small, compared as they are defined, and never where they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.config import CollectionConfig, RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.retriever import Retriever
from retrieval.token_vectors import blended, likeness, packed, unpacked, weighted
from retrieval.types import Embedded, Hit, Index, Passage, Query, Reading, SparseVector, Vectors

SIZE = 4


def rows(seed: int, many: int, size: int = 384) -> Vectors:
    made = np.random.default_rng(seed).normal(size=(many, size))
    found: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return found


@given(st.integers(0, 1000), st.integers(1, 40))
def test_packed_vectors_come_back_nearly_as_they_were(seed: int, many: int) -> None:
    before = rows(seed, many)
    stored = packed(before)
    assert len(stored) == many * 386
    after = unpacked(stored, 384)
    cosines = (before * after).sum(axis=1) / np.linalg.norm(after, axis=1)
    assert cosines.min() > 0.9998
    assert np.abs(before - after).max() < 0.003


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 30))
def test_likeness_is_the_weighted_mean_of_the_likest(seed: int, asked: int, many: int) -> None:
    question, passage = rows(seed, asked), rows(seed + 1, many)
    weights = np.random.default_rng(seed).uniform(0.5, 5, asked)
    expected = (weights * (question @ passage.T).max(axis=1)).sum() / weights.sum()
    found = likeness(weighted(question, list(weights)), packed(passage))
    assert found == pytest.approx(expected, abs=2e-3)


def test_nothing_is_like_a_text_without_tokens() -> None:
    none = np.empty((0, 384), np.float32)
    assert packed(none) == b""
    assert likeness(rows(1, 3), b"") == 0.0
    assert likeness(weighted(none, []), packed(rows(1, 3))) == 0.0


def hit(name: str, score: float) -> Hit:
    return Hit(Passage(name, name, "v", 0, "", (), name, 0, 1), score)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_a_blend_stays_within_the_fused_scores(
    pairs: list[tuple[float, float]], weight: float
) -> None:
    hits = [hit(str(n), score) for n, (score, _) in enumerate(pairs)]
    order = blended(hits, [late for _, late in pairs], weight)
    scores = [one.score for one in order]
    assert scores == sorted(scores, reverse=True)
    assert min(s for s, _ in pairs) - 1e-9 <= scores[-1] <= scores[0]
    assert scores[0] <= max(s for s, _ in pairs) + 1e-9
    assert {one.passage.id for one in order} == {one.passage.id for one in hits}


def test_a_weight_of_none_or_all_leaves_one_order() -> None:
    hits = [hit("a", 0.9), hit("b", 0.5), hit("c", 0.1)]
    for weight, expected in ((0.0, "abc"), (1.0, "cba")):
        order = blended(hits, [0.1, 0.2, 0.3], weight)
        assert "".join(one.passage.id for one in order) == expected


def turned(angle: float) -> Vectors:
    return np.array([[np.cos(angle), np.sin(angle), 0, 0]], dtype=np.float32)


QUERY = Query("pump", turned(0)[0], turned(0))


async def filled(indexes: EmbeddedIndexes, tokens: Sequence[bytes | None]) -> Index:
    """The first documents are the likest as a whole, the last ones by their tokens."""
    index = await indexes.open("docs", create=True)
    assert index is not None
    documents = []
    for n, stored in enumerate(tokens):
        passage = Passage(f"{n}.md/0", f"{n}.md", "v1", 0, "", (), f"text {n}", 0, 6)
        words = [SparseVector((n + 7,), (1.0,))]
        document = Embedded(f"{n}.md", "v1", [passage], turned(n * 0.1), words)
        documents.append(replace(document, tokens=[stored]) if stored else document)
    await index.write(documents)
    return index


async def asked(index: Index, query: Query, told: Explanation, **settings: object) -> list[str]:
    config = RetrievalConfig.model_validate({"token_vectors": True, "token_weight": 1, **settings})
    hits = await Retriever(config).search(index, query, explanation=told)
    return [hit.passage.document for hit in hits]


@pytest.mark.anyio
async def test_the_best_few_come_in_the_order_of_their_tokens(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await filled(indexes, [packed(turned(1 - n * 0.2)) for n in range(5)])
    told = Explanation()
    assert await asked(index, QUERY, told) == [f"{n}.md" for n in (4, 3, 2, 1, 0)]
    (best, *_) = told.stages["token vectors"]
    assert best.tokens == pytest.approx(np.cos(0.2), abs=0.01)
    few = await asked(index, QUERY, told, token_top=2)
    assert few == [f"{n}.md" for n in (1, 0, 2, 3, 4)]
    plain = await asked(index, QUERY, told, token_vectors=False)
    assert plain == [f"{n}.md" for n in range(5)]
    await indexes.aclose()


@pytest.mark.anyio
async def test_where_one_has_none_yet_the_fused_order_stands_and_says_so(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await filled(indexes, [packed(turned(1)), None, packed(turned(0))])
    told = Explanation()
    assert await asked(index, QUERY, told) == ["0.md", "1.md", "2.md"]
    assert "token vectors" not in told.stages
    assert any("moorline ingest" in note for note in told.notes)
    told = Explanation()
    without = replace(QUERY, tokens=None)
    assert await asked(index, without, told) == ["0.md", "1.md", "2.md"]
    assert any("the encoder has none" in note for note in told.notes)
    await indexes.aclose()


class Keeping:
    """A reranker that sees no difference."""

    fused_weight = 0.0

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        self.seen = list(texts)
        return [Reading(0.0)] * len(texts)

    async def aclose(self) -> None: ...


@pytest.mark.anyio
async def test_a_reranker_reads_them_in_that_order(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await filled(indexes, [packed(turned(1 - n * 0.2)) for n in range(5)])
    config = RetrievalConfig(token_vectors=True, token_weight=1, rerank_top=2)
    reranker = Keeping()
    hits = await Retriever(config, reranker).search(index, QUERY)
    assert reranker.seen == ["text 4", "text 3"]
    assert [hit.passage.document for hit in hits] == [f"{n}.md" for n in (4, 3, 2, 1, 0)]
    await indexes.aclose()


def test_an_encoder_that_does_not_tell_them_is_refused_when_it_is_configured() -> None:
    http = {"kind": "http", "base_url": "http://127.0.0.1/v1", "model": "m", "size": 8}
    own = {"docs": {"token_vectors": True}}
    with pytest.raises(ValueError, match="token_vectors needs the encoder `minilm`"):
        RetrievalConfig.model_validate({"encoder": http, "collections": own})
    config = RetrievalConfig(collections={"docs": CollectionConfig(token_vectors=True)})
    assert config.compares_tokens
    assert config.of("docs").token_vectors
    assert not config.of("others").token_vectors
