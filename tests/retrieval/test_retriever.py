"""From a question and its vector to the passages that bear on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.config import CollectionConfig, RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.near_duplicates import sketch
from retrieval.retriever import Retriever
from retrieval.sparse import document_vector
from retrieval.types import Embedded, Index, Passage, Query, Reading
from retrieval.words import terms

PASSAGES = {
    "warranty.md": ["The pump has a warranty of two years.", "Repairs take ten days."],
    "codes.md": ["EU-4021-B is the code of the pump.", "EU-4021-C is the code of the hose."],
    "travel.md": ["Travel expenses are refunded.", "Trains before planes.", "Hotels up to 120."],
}
QUERY = Query("Which code has the pump EU-4021-B?", np.array([1, 0], dtype=np.float32))


async def index(indexes: EmbeddedIndexes) -> Index:
    """Vectors turn away from the question's by the place of the document."""
    opened = await indexes.open("docs", create=True)
    assert opened is not None
    documents = []
    for turn, (source, texts) in enumerate(PASSAGES.items()):
        passages = [
            Passage(f"{source}/{n}", source, "v1", n, "", (), text, 0, 1, meta={"turn": turn})
            for n, text in enumerate(texts)
        ]
        vectors = np.array([[np.cos(turn), np.sin(turn)]] * len(texts), dtype=np.float32)
        sparse = [document_vector(terms(text), 5) for text in texts]
        documents.append(Embedded(source, "v1", passages, vectors, sparse))
    await opened.write(documents)
    return opened


class Backwards:
    """A reranker that likes the last passage best."""

    fused_weight = 0.0

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        self.seen = list(texts)
        return [Reading(float(place)) for place in range(len(texts))]

    async def aclose(self) -> None: ...


@pytest.mark.anyio
async def test_words_and_meaning_both_count(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    hits = await Retriever(RetrievalConfig()).search(await index(indexes), QUERY)
    assert hits[0].passage.text == "EU-4021-B is the code of the pump."
    assert hits[0].sparse is not None
    assert hits[0].dense is not None
    assert hits == sorted(hits, key=lambda hit: -hit.score)
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_section_gives_no_more_than_its_share(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened = await index(indexes)
    hits = await Retriever(RetrievalConfig(per_section=1)).search(opened, QUERY)
    assert sorted(hit.passage.document for hit in hits) == sorted(PASSAGES)
    await indexes.aclose()


@pytest.mark.anyio
async def test_one_section_may_give_all_where_nothing_is_said(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    hits = await Retriever(RetrievalConfig(top_k=50)).search(await index(indexes), QUERY)
    assert len(hits) == sum(map(len, PASSAGES.values()))
    await indexes.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("place", [0, 1])
async def test_of_what_was_pasted_the_beginning_and_the_end_are_looked_for(
    tmp_path: Path, place: int
) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    pasted = ["lorem ipsum " * 100_000, QUERY.text]
    told = Explanation()
    asked = Query(" ".join(pasted[::-1] if place else pasted), QUERY.vector)
    await Retriever(RetrievalConfig()).search(await index(indexes), asked, explanation=told)
    assert {"lorem", "pump"} <= set(told.terms)
    assert len(told.terms) < 3_000
    await indexes.aclose()


@pytest.mark.anyio
async def test_top_k_is_the_caller_s_or_the_configuration_s(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened, retriever = await index(indexes), Retriever(RetrievalConfig(top_k=3))
    assert len(await retriever.search(opened, QUERY)) == 3
    assert len(await retriever.search(opened, QUERY, top_k=1)) == 1
    await indexes.aclose()


@pytest.mark.anyio
async def test_the_filter_reaches_both_halves(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened = await index(indexes)
    hits = await Retriever(RetrievalConfig()).search(opened, QUERY, where={"turn": {"gte": 2}})
    assert {hit.passage.document for hit in hits} == {"travel.md"}
    await indexes.aclose()


@pytest.mark.anyio
async def test_the_reranker_orders_the_best_and_reads_no_more(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened, reranker = await index(indexes), Backwards()
    plain = await Retriever(RetrievalConfig(top_k=9)).search(opened, QUERY)
    config = RetrievalConfig(top_k=9, rerank_top=3)
    hits = await Retriever(config, reranker).search(opened, QUERY)
    assert reranker.seen == [hit.passage.embedded for hit in plain[:3]]
    assert [hit.passage.id for hit in hits] == [
        *(hit.passage.id for hit in reversed(plain[:3])),
        *(hit.passage.id for hit in plain[3:]),
    ]
    assert [hit.rerank for hit in hits] == [2.0, 1.0, 0.0, *[None] * (len(hits) - 3)]
    await indexes.aclose()


class Slow(Backwards):
    """A reranker that never comes to an end."""

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        await asyncio.Event().wait()
        return []


@pytest.mark.anyio
async def test_a_reranker_over_its_time_leaves_the_fused_order_and_is_noted(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened, config = await index(indexes), RetrievalConfig(rerank_ms=1)
    explanation = Explanation()
    hits = await Retriever(config, Slow()).search(opened, QUERY, explanation=explanation)
    assert hits == await Retriever(config).search(opened, QUERY)
    assert explanation.notes == ["Reranking took longer than 1 ms: the fused order stands."]
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_search_is_explained_stage_by_stage(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened, config = await index(indexes), RetrievalConfig(per_section=1, top_k=2, diversity=0.5)
    explanation = Explanation()
    hits = await Retriever(config, Backwards()).search(opened, QUERY, explanation=explanation)
    assert list(explanation.stages) == ["bm25", "dense", "fused", "reranked", "diverse"]
    assert "eu-4021-b" in explanation.terms
    assert list(explanation.dropped) == ["more than 1 of one section", "below the first 2"]
    served = {hit.passage.id for hit in hits}
    dropped = {hit.passage.id for hits in explanation.dropped.values() for hit in hits}
    found = {hit.passage.id for hit in explanation.stages["fused"]}
    assert served | dropped == found
    assert not served & dropped
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_collection_has_its_own_settings(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened = await index(indexes)
    config = RetrievalConfig(collections={"few": CollectionConfig(top_k=1)})
    retriever = Retriever(config)
    assert len(await retriever.search(opened, QUERY, collection="few")) == 1
    assert len(await retriever.search(opened, QUERY, collection="docs")) == 6
    await indexes.aclose()


@pytest.mark.anyio
async def test_an_empty_index_has_no_hits(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    empty = await indexes.open("empty", create=True)
    assert empty is not None
    assert await Retriever(RetrievalConfig(), Backwards()).search(empty, QUERY) == []
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_small_passage_is_read_with_its_neighbours(tmp_path: Path) -> None:
    """Two hits of one stretch are one, and what is read is the document's text between them."""
    words = ["Pumps stand in rows. ", "EU-4021-B is the code of the pump. ", "Ask for it."]
    places = [sum(map(len, words[:n])) for n in range(3)]
    passages = [
        Passage(str(n), "a.md", "v1", n, "", (), text, at, at + len(text), parent=(0, 2))
        for n, (text, at) in enumerate(zip(words, places, strict=True))
    ]
    opened = await EmbeddedIndexes(tmp_path, "none", 2).open("docs", create=True)
    assert opened is not None
    vectors = np.array([[1, 0]] * 3, dtype=np.float32)
    sparse = [document_vector(terms(text), 5) for text in words]
    await opened.write([Embedded("a.md", "v1", passages, vectors, sparse)])
    (hit,) = await Retriever(RetrievalConfig()).search(opened, QUERY)
    assert hit.passage.ordinal == 1
    assert hit.passage.text == "".join(words)


@pytest.mark.anyio
async def test_what_two_documents_say_alike_is_served_once(tmp_path: Path) -> None:
    text = "The code of the pump is the one that stands on the plate at its side, in small letters."
    indexes = EmbeddedIndexes(tmp_path, "none", 2)
    opened = await index(indexes)
    for name in ("one.md", "two.md"):
        copy = Passage(name, name, "v1", 0, "", (), text, 0, 1, sketch=sketch(text))
        vectors = np.array([[1, 0]], dtype=np.float32)
        sparse = [document_vector(terms(text), 5)]
        await opened.write([Embedded(name, "v1", [copy], vectors, sparse)])
    explanation = Explanation()
    hits = await Retriever(RetrievalConfig()).search(opened, QUERY, explanation=explanation)
    (served,) = [hit for hit in hits if hit.passage.text == text]
    assert {served.passage.document, *served.also} == {"one.md", "two.md"}
    (dropped,) = explanation.dropped["nearly the same as a better one"]
    assert dropped.passage.document in served.also
    await indexes.aclose()
