"""The built-in model: it answers by quoting the prompt's sources, word for word, with citations.

It writes nothing of its own but one fixed sentence: that the documents do not answer. It needs no
network, no graphics card and no encoder; what it cannot do is join, count or conclude.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from context.types import NOT_IN_DOCUMENTS, Prompt, Source
from gateway.errors import NothingToQuote
from gateway.providers.base import Call
from gateway.providers.config import ExtractiveProvider, ModelConfig
from gateway.types import Delta, Done, Event, Events, Usage
from guardrails.injection import instructing_spans
from retrieval.answerable import answerability
from retrieval.sentences import is_item, is_row
from retrieval.support.quotes import Where, quotes
from retrieval.support.reading import Reading, read
from retrieval.types import Hit

_FOOTNOTES = re.compile(r"(?:\s?\[\d{1,3}\])+$")
"""A passage's own footnote marks would read as ours."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """An answer in the pieces in which it is told."""

    pieces: tuple[str, ...]
    grounded: bool

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Extractive:
    """See Provider. It holds nothing open, and where there are documents it cannot fail."""

    def __init__(self, config: ExtractiveProvider) -> None:
        self._config = config

    def models(self) -> tuple[ModelConfig, ...]:
        """What it is configured to serve."""
        return self._config.models

    async def start(self, call: Call) -> Events:
        """See Provider. The whole answer is known before its first piece is told."""
        if not call.prompt.sources:
            raise NothingToQuote(
                "The built-in model quotes documents only, and this request came without any.",
                retryable=False,
            )
        if call.prompt.whole:
            return _told(call, told_whole(call.prompt.sources))
        # Reading takes milliseconds of computing, too long for the loop.
        quoted = await asyncio.to_thread(answer, call.prompt.question, call.prompt.sources)
        return _told(call, quoted)

    async def aclose(self) -> None:
        """Nothing is open."""


def answer(question: str, sources: Sequence[Source]) -> Quoted:
    """The quotes that answer, or the sentence that says that none does."""
    if not sources:
        return Quoted((NOT_IN_DOCUMENTS,), grounded=False)
    hits = [source.hit for source in sources]
    reading = read(question, hits)
    if not answerability().answers(reading):
        return Quoted((NOT_IN_DOCUMENTS,), grounded=False)
    chosen = quotes(question, hits, reading, _orders(reading))
    if not chosen:
        return Quoted((NOT_IN_DOCUMENTS,), grounded=False)
    return Quoted(
        tuple(_pieces([(quote.sentence.text, sources[quote.place].number) for quote in chosen])),
        grounded=True,
    )


def told_whole(sources: Sequence[Source]) -> Quoted:
    """All that the sources say: they are sentences that somebody chose already."""
    said = [(source.hit.passage.text, source.number) for source in sources]
    return Quoted(tuple(_pieces(said)), grounded=True)


def plausible(question: str, hits: Sequence[Hit]) -> bool:
    """Whether any model is worth asking: below it, one answerable question in a hundred lies."""
    return answerability().plausible(question, hits)


def _orders(reading: Reading) -> set[Where]:
    """Sentences that give orders to models. They answer nobody's question."""
    return {
        (place, sentence.start)
        for place, each in enumerate(reading.found)
        if each.hit.passage.flags  # the scan at ingestion found something to look for
        for start, end in instructing_spans(each.hit.passage.text)
        for sentence in each.sentences
        if sentence.start < end and start < sentence.end
    }


def _pieces(quoted: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Each sentence with its marker; list items and rows on lines of their own."""
    alone = False
    for place, (text, number) in enumerate(quoted):
        before, alone = alone, is_item(text) or is_row(text)
        joint = "" if place == 0 else "\n" if alone or before else " "
        yield f"{joint}{_FOOTNOTES.sub('', text)} [{number}]"


async def _told(call: Call, quoted: Quoted) -> AsyncGenerator[Event, None]:
    choices = range(int(call.params.get("n") or 1))
    for place, piece in enumerate(quoted.pieces):
        for choice in choices:
            yield Delta(piece, choice, {} if place else {"role": "assistant"})
    for choice in choices:
        yield Delta(choice=choice, finish="stop")
    usage = Usage(
        prompt=_tokens(call.prompt),
        completion=len(quoted.text.split()) * len(choices),
        estimated=True,
    )
    yield Done(usage=usage, model=call.model, grounded=quoted.grounded)


def _tokens(prompt: Prompt) -> int:
    """As they were counted when it was packed; else a word is a token."""
    counted = prompt.tokens.get("total")
    return counted or sum(len(str(message.get("content")).split()) for message in prompt.messages)
