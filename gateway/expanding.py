"""Further wordings of a question, written by a model and searched beside it (multi-query, HyDE).

The question's own embedding stays the one that the cache and the search go by; what a model has
written is embedded in one more call. Whatever fails or takes too long, the question is searched as
it was asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from context.prompts.template import Template
from context.quoting import quoted
from gateway.asides import Aside, Asides, Spend, Unsaid, lines_of, one_line, patience
from gateway.tracing.trace import Span, Trace
from gateway.types import Spent
from retrieval.config import HydeExpansion, MultiQueryExpansion
from retrieval.types import Encoder, Query, RetrievalError

Expansion: TypeAlias = MultiQueryExpansion | HydeExpansion

LONGEST_QUESTION = 2000  # characters of it that the model is shown
LONGEST_WORDING, LONGEST_PASSAGE = 300, 1200  # characters that are searched
TOKENS_OF_A_WORDING, TOKENS_OF_A_PASSAGE = 60, 250


class Expanding:
    """As it is configured."""

    def __init__(self, config: Expansion, asides: Asides, encoder: Encoder, told: Template) -> None:
        asides.check("retrieval.expansion.model", config.model)
        self._config = config
        self._asides = asides
        self._encoder = encoder
        self._told = told

    @property
    def most(self) -> Spent:
        """What one call may use, near enough to be reserved."""
        aside = self._aside("?" * LONGEST_QUESTION, self._config.time_ms)
        return Spent(self._config.model, aside.most)

    async def more(
        self,
        question: str,
        trace: Trace,
        spend: Spend,
        deadline: float | None = None,
        within: tuple[str, ...] = (),
    ) -> Sequence[Query]:
        """What is searched beside the question; nothing where it cannot be had in time, which is
        the configured one, or half of what is left to the request's deadline, or not `within` the
        regions that the question must not leave."""
        if not question.strip():
            return ()
        time_ms = patience(self._config.time_ms, deadline, trace)
        with trace.span("expand") as span:
            span.set(kind=self._config.kind, instructions=self._told.id)
            try:
                aside = replace(self._aside(question, time_ms), within=within)
                return await self._more(aside, question, span, spend)
            except (Unsaid, RetrievalError) as error:
                note = f"{error}: the question is searched as it was asked."
            except TimeoutError:
                note = (
                    f"Embedding what {self._config.model} wrote did not end within "
                    f"{time_ms:g} ms: the question is searched as it was asked."
                )
            span.set(notes=[note])
            return ()

    async def _more(self, aside: Aside, question: str, span: Span, spend: Spend) -> Sequence[Query]:
        began = time.monotonic()
        said = await self._asides.said(aside, span, spend)
        texts = self._read(said, question)
        if not texts:
            raise Unsaid(f"{self._config.model} wrote nothing that can be searched")
        span.set(queries=texts)
        left = aside.time_ms / 1000 - (time.monotonic() - began)
        async with asyncio.timeout(left):
            whole = await asyncio.to_thread(
                lambda: [fitting(text, self._encoder) for text in texts]
            )
            vectors = await self._encoder.passages(whole)
        # A passage that nobody wrote has words that nobody asked for: only its meaning is searched.
        worded = isinstance(self._config, MultiQueryExpansion)
        return [
            Query(text if worded else "", vector)
            for text, vector in zip(texts, vectors, strict=True)
        ]

    def _aside(self, question: str, time_ms: float) -> Aside:
        config = self._config
        if isinstance(config, MultiQueryExpansion):
            text = self._told.render(many=str(config.queries))
            most = TOKENS_OF_A_WORDING * config.queries
        else:
            text, most = self._told.render(), TOKENS_OF_A_PASSAGE
        asked = quoted("question", question[:LONGEST_QUESTION])
        return Aside(config.model, text, asked, most, time_ms)

    def _read(self, said: str, question: str) -> list[str]:
        """Each text that is to be searched, a line each."""
        if isinstance(self._config, HydeExpansion):
            passage = one_line(said, LONGEST_PASSAGE)
            return [passage] if passage else []
        asked = one_line(question, LONGEST_WORDING)
        others = [line for line in lines_of(said, LONGEST_WORDING) if line != asked]
        return others[: self._config.queries]


def fitting(text: str, encoder: Encoder) -> str:
    """As much of it as the encoder takes."""
    while encoder.count(text) > encoder.window:
        text = text[: len(text) * 3 // 4]
    return text
