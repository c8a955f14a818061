"""Sparse ∥ dense → fuse → link → compare tokens → rerank → diverse → distinct → widened.

Owns no encoder: the question comes with its vector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from retrieval.config import RetrievalConfig
from retrieval.diversity import capped, diverse
from retrieval.explanation import Explanation
from retrieval.fusion import fused, joined
from retrieval.questions.languages import languages
from retrieval.rerankers.order import reread
from retrieval.sparse import query_vector
from retrieval.spelling.correcting import Correction, borne_out, corrections, unknown, weights
from retrieval.types import Hit, Index, Legs, Query, Reranker, Viewer, Where
from retrieval.widening import merged, widened
from retrieval.words import query_terms

if TYPE_CHECKING:  # numpy, which importing a gateway does not wait for
    from retrieval.spelling.vocabulary import Vocabularies

_PATIENCE = 10.0
LONGEST_QUESTION = 10_000
"""Characters whose words are looked for. Of a longer question it is the first and the last: what is
asked stands before or behind what was pasted."""


class Retriever:
    """Finds the passages that bear on a question."""

    def __init__(
        self,
        config: RetrievalConfig,
        reranker: Reranker | None = None,
        vocabularies: Vocabularies | None = None,
    ) -> None:
        self._config = config
        self._vocabularies = vocabularies
        self._own = {name: config.of(name) for name in config.collections}
        self._reranker = reranker

    async def ready(self, index: Index, collection: str = "") -> None:
        """Wait, not long, until all is known that a search goes by: for who asks only once."""
        if self._own.get(collection, self._config).spelling and self._vocabularies:
            await self._vocabularies.read(index, _PATIENCE)

    async def search(
        self,
        index: Index,
        query: Query,
        top_k: int | None = None,
        where: Where | None = None,
        *,
        viewer: Viewer | None = None,
        collection: str = "",
        wordings: Sequence[Query] = (),
        rerank: bool = True,
        explanation: Explanation | None = None,
    ) -> list[Hit]:
        """At most `top_k` passages, best first. Raises RetrievalError, BadFilter.

        `collection` names the settings, `wordings` are further ones of the question (one without
        words is only compared by its vector); what each stage saw is put down in `explanation`."""
        from retrieval.near_duplicates import linked  # numpy, as above
        from retrieval.token_vectors import compared

        config = self._own.get(collection, self._config)
        told = explanation or Explanation()
        wanted = top_k or config.top_k
        text = _looked_for(query.text)
        told.languages = languages(text, config.languages)
        told.terms = query_terms(text, told.languages)
        limit = max(config.candidates, wanted)
        meant = await self._meant(index, text, told.languages, config, viewer)
        sparse = query_vector(told.terms, weights(meant, told.languages) if meant else {})
        legs = await index.search(query.vector, sparse, limit, where, viewer)
        told.corrected = borne_out(meant, legs.sparse)
        told.saw("bm25", legs.sparse)
        told.saw("dense", legs.dense)
        hits, every = fused(legs, config), [legs]
        if wordings:
            further = [self._legs(index, one, limit, where, viewer, config) for one in wordings]
            every += await asyncio.gather(*further)
            found = [fused(each, config) for each in every[1:]]
            for number, one in enumerate(found, start=1):
                told.saw(f"wording {number}", one)
            hits = joined(hits, found)
        told.saw("fused", hits)
        hits, repeats = linked(hits)
        told.drop("nearly the same as a better one", repeats)
        if config.token_vectors and hits:
            hits = await compared(index, query, hits, every, config, told)
        if self._reranker and config.rerank_top and rerank:
            hits = await self._reranked(self._reranker, text, hits, config, told)
        if config.diversity:
            hits = diverse(hits, config.diversity)
            told.saw("diverse", hits)
        kept = merged(hits, wanted)
        if config.per_section:
            kept, others = capped(kept, config.per_section)
            told.drop(f"more than {config.per_section} of one section", others)
        told.drop(f"below the first {wanted}", kept[wanted:])
        return await widened(index, kept[:wanted], viewer)

    async def _legs(
        self,
        index: Index,
        query: Query,
        limit: int,
        where: Where | None,
        viewer: Viewer | None,
        config: RetrievalConfig,
    ) -> Legs:
        """Of a further wording."""
        terms = query_terms(query.text, languages(query.text, config.languages))
        return await index.search(query.vector, query_vector(terms), limit, where, viewer)

    async def _meant(
        self,
        index: Index,
        text: str,
        languages: Sequence[str],
        config: RetrievalConfig,
        viewer: Viewer | None,
    ) -> Sequence[Correction]:
        """For words that nothing has which this viewer may see: what is near them and has."""
        if not config.spelling or self._vocabularies is None:
            return ()
        vocabulary = self._vocabularies.of(index)
        words = vocabulary.of(viewer) if vocabulary else []
        missing = unknown(text, languages, words) if words else ()
        if not missing:
            return ()
        # Comparing takes milliseconds where there are many words.
        return await asyncio.to_thread(corrections, missing, words)

    async def _reranked(
        self,
        reranker: Reranker,
        text: str,
        hits: list[Hit],
        config: RetrievalConfig,
        told: Explanation,
    ) -> list[Hit]:
        """The best few in the reranker's order, the rest behind them as it was; all as it was
        where reading takes longer than it may."""
        top, rest = hits[: config.rerank_top], hits[config.rerank_top :]
        texts = [hit.passage.embedded for hit in top]
        try:
            async with asyncio.timeout(config.rerank_ms / 1000):
                readings = await reranker.read(text, texts)
        except TimeoutError:
            told.note(
                f"Reranking took longer than {config.rerank_ms:g} ms: the fused order stands."
            )
            return hits
        order = reread(top, readings, reranker.fused_weight)
        told.saw("reranked", order)
        return [*order, *rest]


def _looked_for(question: str) -> str:
    if len(question) <= LONGEST_QUESTION:
        return question
    half = LONGEST_QUESTION // 2
    return f"{question[:half]} {question[-half:]}"
