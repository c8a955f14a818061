"""Search and reranking by themselves, without an answer made of what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.asides import Spend
from gateway.errors import InvalidRequest, SourcesUnavailable, UnknownCollection
from gateway.expanding import Expanding
from gateway.grounding import Library
from gateway.screening import Screen
from gateway.sizes import CHARACTERS_PER_TOKEN
from gateway.tracing.trace import Trace
from gateway.types import Ask, Caller, Done
from retrieval.retriever import LONGEST_QUESTION
from retrieval.types import Encoder, Hit, Query, Reranker, RetrievalError

MOST_READ = 1_000_000
"""Characters that a reranker is given at once: it is busy for seconds with so many."""


@dataclass(frozen=True, slots=True)
class SearchAsk:
    """What is looked for, and where."""

    question: str
    collection: str
    top_k: int = 10
    where: str | Mapping[str, Any] | None = None
    own: bool = False  # whether the collection is the caller's team's, which its key need not name


@dataclass(frozen=True, slots=True)
class RerankAsk:
    """A question and texts to be ordered by it."""

    question: str
    texts: Sequence[str]
    model: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, and what that came to."""

    hits: Sequence[Hit]
    done: Done
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """How much each text bears on the question, from 0 to 1, in the order that they came in."""

    scores: Sequence[float]
    done: Done
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Lookup:
    """The halves of retrieval that can be asked for alone."""

    def __init__(
        self,
        library: Library,
        encoder: Encoder,
        reranker: Reranker,
        reranker_name: str,
        screen: Screen,
        expanding: Expanding | None = None,
    ) -> None:
        self._library = library
        self._expanding = expanding
        self._encoder = encoder
        self._reranker = reranker
        self._screen = screen
        self.encoder_name = f"moorline/{encoder.name}"
        self.reranker_name = f"moorline/{reranker_name}"

    def question_tokens(self, ask: SearchAsk) -> int:
        """As the encoder counts them. Raises InvalidRequest."""
        if len(ask.question) > LONGEST_QUESTION:
            raise InvalidRequest(
                f"The question has {len(ask.question):,} characters; at most "
                f"{LONGEST_QUESTION:,} are looked for.",
                param="query",
            )
        return self._encoder.count(ask.question)

    def pairs_tokens(self, ask: RerankAsk) -> int:
        """Near enough; every text is read together with the question. Raises InvalidRequest."""
        read = sum(map(len, ask.texts)) + len(ask.texts) * len(ask.question)
        if read > MOST_READ:
            raise InvalidRequest(
                f"Question and documents have {read:,} characters together, the question counted "
                f"with every document; at most {MOST_READ:,} are read at once.",
                param="documents",
            )
        return read // CHARACTERS_PER_TOKEN

    async def search(
        self,
        caller: Caller,
        ask: SearchAsk,
        trace: Trace,
        spend: Spend,
        within: tuple[str, ...] = (),
    ) -> Sequence[Hit]:
        """Passages that the caller may see, best first; no model beyond the regions `within` which
        the question has to stay is asked. Raises GatewayError."""
        with trace.span("screen") as span:
            (question,) = await self._screen.texts([ask.question], span)
        if ask.own:
            caller = replace(caller, collections=())
        asked = Ask(
            "",
            (),
            question,
            collection=ask.collection,
            grounding="strict",
            top_k=ask.top_k,
            where=ask.where,
        )
        try:
            grounds = await self._library.grounds(caller, asked)
        except UnknownCollection:
            if ask.own:
                return ()  # nothing has been brought into it yet
            raise
        assert grounds is not None  # a collection that was asked for is there, or an error
        try:
            query = await trace.step("embed", self._encoder.query(question))
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error
        more: Sequence[Query] = ()
        if self._expanding:
            more = await self._expanding.more(question, trace, spend, trace.deadline, within)
        with trace.span("retrieve") as span:
            hits = await self._library.search(grounds, query, span, more)
        with trace.span("screen.sources") as span:
            return self._screen.passages(hits, grounds.collection, span).hits

    async def rerank(self, ask: RerankAsk, trace: Trace) -> Sequence[float]:
        """A score from 0 to 1 for each text. Raises SourcesUnavailable."""
        with trace.span("screen") as span:
            question, *texts = await self._screen.texts([ask.question, *ask.texts], span)
        try:
            with trace.span("rerank"):
                readings = await self._reranker.read(question, texts)
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error
        return [round(_probability(reading.relevance), 6) for reading in readings]


def _probability(relevance: float) -> float:
    """Log-odds as a share, without overflowing."""
    if relevance < 0:
        return math.exp(max(relevance, -700.0)) / (1 + math.exp(max(relevance, -700.0)))
    return 1 / (1 + math.exp(-relevance))
