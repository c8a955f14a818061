"""One search, taken apart: what each stage saw, in ranks and scores, and what was dropped.

The same values go over the wire where a gateway holds the index, so they are plain. It prints
nothing, and knows nothing of commands or routes.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.config import Config
from gateway.control import Control, running
from gateway.expanding import Expanding
from gateway.tracing.trace import Trace
from gateway.types import Spent
from retrieval.explanation import Explanation
from retrieval.retriever import Retriever
from retrieval.types import (
    Encoder,
    Hit,
    Index,
    Indexes,
    Query,
    RetrievalError,
    Where,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A passage at one stage."""

    rank: int
    score: float | None
    passage: str
    document: str


@dataclass(frozen=True, slots=True)
class Served:
    """A passage that a model would read."""

    rank: int
    passage: str
    document: str
    title: str
    section: str
    page: int | None
    text: str
    scores: Mapping[str, float]
    ranks: Mapping[str, int]  # by stage; a stage that did not see it is missing
    also: Sequence[str] = ()  # near-duplicates that it stands for


@dataclass(frozen=True, slots=True)
class Found:
    """One search and how it came to its result."""

    question: str
    collection: str
    languages: Sequence[str]
    terms: Sequence[str]
    served: Sequence[Served]
    stages: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    dropped: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    corrected: Sequence[str] = ()  # words that were looked for otherwise, beside what was written
    expansion: Mapping[str, Any] = field(default_factory=dict)  # as the trace shows it, and `ms`
    encode_ms: float = 0.0
    search_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Searching:
    """What a command may ask for."""

    question: str
    collection: str
    top_k: int | None = None
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """A passage taken at random."""

    passage: str
    document: str
    text: str
    siblings: int  # other passages of its document


class Finder:
    """Searches the collections of one place, on the way that answers are grounded."""

    def __init__(
        self,
        indexes: Indexes,
        encoder: Encoder,
        retriever: Retriever,
        expanding: Expanding | None = None,
    ) -> None:
        self._indexes, self._encoder, self._retriever = indexes, encoder, retriever
        self._expanding = expanding

    async def found(self, asked: Searching) -> Found:
        """Raises RetrievalError, BadFilter."""
        index = await self._index(asked.collection)
        await self._retriever.ready(index, asked.collection)
        explanation = Explanation()
        started = time.perf_counter()
        query = await self._encoder.query(asked.question)
        encode_ms = (time.perf_counter() - started) * 1000
        trace = Trace()
        more: Sequence[Query] = ()
        if self._expanding:
            more = await self._expanding.more(asked.question, trace, _paid_by_nobody)
        searched = time.perf_counter()
        hits = await self._retriever.search(
            index,
            query,
            asked.top_k,
            asked.where,
            collection=asked.collection,
            wordings=more,
            explanation=explanation,
        )
        ended = time.perf_counter()
        return Found(
            question=asked.question,
            collection=asked.collection,
            languages=explanation.languages,
            terms=explanation.terms,
            served=[_served(rank, hit, explanation) for rank, hit in enumerate(hits, start=1)],
            stages={name: _places(name, seen) for name, seen in explanation.stages.items()},
            dropped={why: _places("fused", seen) for why, seen in explanation.dropped.items()},
            notes=explanation.notes,
            corrected=[str(one) for one in explanation.corrected],
            expansion=_told(trace),
            encode_ms=encode_ms,
            search_ms=(ended - searched) * 1000,
        )

    async def sample(self, collection: str, many: int, seed: int = 13) -> list[Sampled]:
        """Passages of documents taken at random, one of each. Raises RetrievalError."""
        index = await self._index(collection)
        sources = sorted(await index.documents())
        chosen = random.Random(seed)
        chosen.shuffle(sources)
        sample = []
        for source in sources[:many]:
            if passages := await index.passages(source):
                one = chosen.choice(passages)
                sample.append(Sampled(one.id, source, one.text, len(passages) - 1))
        return sample

    async def _index(self, collection: str) -> Index:
        index = await self._indexes.open(collection)
        if index is None:
            raise RetrievalError(f"There is no collection {collection!r}.")
        return index


class Afar:
    """The same, of a gateway that holds the index."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def found(self, asked: Searching) -> Found:
        return from_dict(await self._control.asked("search", asdict(asked)))

    async def sample(self, collection: str, many: int) -> list[Sampled]:
        answer = await self._control.asked("sample", {"collection": collection, "many": many})
        return [Sampled(**each) for each in answer["passages"]]


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Finder | Afar]:
    """The collections of a configuration: a running gateway's, or opened here."""
    from gateway.backends import open_encoder, open_indexes, open_reranker, open_vocabularies
    from gateway.build import open_expanding

    if control := running(config.data):
        yield Afar(control)
        return
    async with (
        open_encoder(config) as encoder,
        open_indexes(config, encoder) as indexes,
        open_reranker(config) as reranker,
        open_vocabularies() as vocabularies,
        open_expanding(config, encoder) as expanding,
    ):
        retriever = Retriever(config.retrieval, reranker, vocabularies)
        yield Finder(indexes, encoder, retriever, expanding)


def _paid_by_nobody(spent: Spent) -> None:
    """A command on this machine has no key; what it cost is shown."""


def _told(trace: Trace) -> dict[str, Any]:
    """What an expansion was and took; empty where there was none."""
    return next(
        ({**span.attributes, "ms": (span.end - span.start) / 1e6} for span in trace.spans), {}
    )


def as_dict(found: Found) -> dict[str, Any]:
    return asdict(found)


def from_dict(raw: Mapping[str, Any]) -> Found:
    """What `as_dict` made, from JSON."""
    places = {
        name: {key: [Place(**each) for each in listed] for key, listed in raw[name].items()}
        for name in ("stages", "dropped")
    }
    served = [Served(**each) for each in raw["served"]]
    return Found(**{**raw, **places, "served": served})


def _served(rank: int, hit: Hit, explanation: Explanation) -> Served:
    passage = hit.passage
    scores = {"fused": hit.score, "dense": hit.dense, "bm25": hit.sparse, "rerank": hit.rerank}
    scores["token vectors"] = hit.tokens
    ranks = {
        stage: place
        for stage, seen in explanation.stages.items()
        for place, other in enumerate(seen, start=1)
        if other.passage.id == passage.id
    }
    return Served(
        rank=rank,
        passage=passage.id,
        document=passage.document,
        title=passage.title,
        section=" › ".join(passage.headings),
        page=passage.page,
        text=passage.text,
        scores={name: score for name, score in scores.items() if score is not None},
        ranks=ranks,
        also=hit.also,
    )


def _places(stage: str, hits: Sequence[Hit]) -> list[Place]:
    return [
        Place(rank, hit.rerank if stage == "reranked" else hit.score, *_named(hit))
        for rank, hit in enumerate(hits, start=1)
    ]


def _named(hit: Hit) -> tuple[str, str]:
    return hit.passage.id, hit.passage.document
