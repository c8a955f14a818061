"""What ties an answer to documents: which collection, how strictly, which passages, what prompt.

Stands between the pipeline and the folders `retrieval` and `context`, which do not know each
other's errors nor what a caller may see.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol, TypeAlias

from context.instructions import beginning
from context.packing import chat, pack
from context.prompts.catalogue import Prompts
from context.prompts.template import Template
from context.tokens import most_tokens
from context.types import NOT_IN_DOCUMENTS, Prompt, Source, Summary
from context.types import PromptTooLong as DoesNotFit
from gateway.config import GroundingConfig
from gateway.errors import (
    IN_PARTS,
    Forbidden,
    InvalidRequest,
    PromptTooLong,
    SourcesUnavailable,
    UnknownCollection,
)
from gateway.messages import size_of
from gateway.screening import LONG, Screened
from gateway.sizes import most_tokens_of_answer
from gateway.streams import replay
from gateway.tracing.trace import Span, Trace
from gateway.types import (
    NOBODY,
    Answer,
    Ask,
    CacheState,
    Caller,
    Delta,
    Done,
    Grounding,
    Reference,
)
from gateway.windows import Windows
from retrieval.explanation import Explanation
from retrieval.filters import Condition, condition
from retrieval.retriever import Retriever
from retrieval.types import (
    BadFilter,
    Encoder,
    Hit,
    Index,
    Indexes,
    Passage,
    Query,
    RetrievalError,
    Viewer,
)
from routing.types import Plan

log = logging.getLogger("moorline")
NAME = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Grounds:
    """What one answer is to stand on."""

    collection: str
    index: Index
    mode: Grounding  # strict or open
    top_k: int | None
    where: Condition  # what was asked for
    viewer: Viewer | None = None  # who may see what; None sees all
    rerank: bool = True  # by the configured reranker


class Standing(Protocol):
    """What an answer stands on, as far as its prompt and its judgement are concerned."""

    @property
    def collection(self) -> str: ...

    @property
    def mode(self) -> Grounding: ...


Plausible: TypeAlias = Callable[[str, Sequence[Hit]], bool]
"""Whether passages may answer a question at all; computes, so it is called in a thread."""


class Library:
    """The collections, and how their passages come into a prompt."""

    def __init__(
        self,
        indexes: Indexes,
        retriever: Retriever,
        grounding: GroundingConfig,
        windows: Windows,
        prompts: Prompts,
        plausible: Plausible,
        judging: Collection[str] = (),
    ) -> None:
        self.indexes = indexes
        self.retriever = retriever
        self._defaults = grounding
        self._windows = windows
        self._prompts = prompts
        self._instructions = {mode: _rendered(prompts.used(mode)) for mode in ("strict", "open")}
        self._plausible = plausible
        self._judging = frozenset(judging)  # providers that say themselves when nothing answers

    async def grounds(self, caller: Caller, ask: Ask) -> Grounds | None:
        """Which documents, if any. Raises UnknownCollection, Forbidden, SourcesUnavailable.

        A collection or a mode that was asked for must be there; the default one may be missing,
        and then the answer is not grounded.
        """
        mode = ask.grounding or self._defaults.mode
        if mode == "off" or not (ask.question.strip() or ask.grounding):
            return None  # nothing is asked in words, as with a picture alone
        name = ask.collection or caller.collection or self._defaults.collection
        asked = ask.collection or ask.grounding
        if name is None:
            if asked:
                raise InvalidRequest("Name a collection.", param="moorline.collection")
            return None
        if caller.collections and name not in caller.collections:
            raise Forbidden(f"This key may not read the collection '{name}'.")
        if not NAME.fullmatch(name):
            raise UnknownCollection(
                f"'{name}' is no name of a collection.", param="moorline.collection"
            )
        try:
            index = await self.indexes.open(name)
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error
        if index is None:
            if asked or caller.collection:
                raise UnknownCollection(
                    f"There is no collection '{name}'.", param="moorline.collection"
                )
            return None
        try:
            where = condition(ask.where)
        except BadFilter as error:
            raise InvalidRequest(str(error), param="moorline.filter") from error
        return Grounds(name, index, mode, ask.top_k, where, caller.viewer, ask.rerank)

    async def collections(self) -> list[str]:
        """All that can be named."""
        return await self.indexes.names()

    async def opened(self, name: str) -> Index | None:
        """A collection, made where it is new. Raises RetrievalError."""
        return await self.indexes.open(name, create=True)

    async def search(
        self, grounds: Grounds, query: Query, span: Span, wordings: Sequence[Query] = ()
    ) -> list[Hit] | None:
        """The passages that bear on the question, best first; None where they cannot be searched
        and the answer may do without. `wordings`: see Retriever. Raises SourcesUnavailable."""
        told = Explanation()
        try:
            hits = await self.retriever.search(
                grounds.index,
                query,
                grounds.top_k,
                grounds.where,
                viewer=grounds.viewer,
                collection=grounds.collection,
                wordings=wordings,
                rerank=grounds.rerank,
                explanation=told,
            )
        except RetrievalError as error:
            if grounds.mode == "strict":
                raise SourcesUnavailable(str(error)) from error
            span.error = str(error)
            return None
        span.set(passages=[_seen(hit) for hit in hits])
        if told.corrected:
            span.set(corrected=[str(one) for one in told.corrected])
        if told.notes:
            span.set(notes=told.notes)
        return hits

    async def silent(self, grounds: Grounds, question: str, found: Screened, plan: Plan) -> bool:
        """Whether a strict answer is plainly not in the documents, so that no model is asked."""
        if grounds.mode != "strict":
            return False
        if not found.hits:
            return True
        if plan.targets[0].provider in self._judging:
            return False  # it reads the passages itself, and refuses more readily
        # Reading takes milliseconds of computing, too long for the loop.
        return not await asyncio.to_thread(self._plausible, question, found.hits)

    def told(self, ask: Ask, prompt: str, span: Span) -> Ask:
        """The request with a prompt of its route's before its own instructions."""
        template = self._prompts.used(prompt)
        span.set(route_instructions=template.id)
        return replace(ask, messages=beginning(ask.messages, template.render()))

    async def pack(
        self,
        ask: Ask,
        grounds: Standing | None,
        found: Screened,
        plan: Plan,
        span: Span,
        summary: Summary | None = None,
    ) -> Prompt:
        """The prompt, within the smallest window of the plan; `summary` stands for its first turns.

        Raises PromptTooLong."""
        if grounds is None and summary is None and self._surely_fits(ask, plan):
            prompt = Prompt(ask.messages, question=ask.question)
        elif grounds is None or size_of(ask.messages) + _size(found) > LONG:
            prompt = await asyncio.to_thread(self._packed, ask, grounds, found, plan, summary)
        else:
            prompt = self._packed(ask, grounds, found, plan, summary)
        span.set(prompt=prompt.messages, tokens=prompt.tokens)
        if grounds:
            span.set(instructions=self._told(grounds.mode, ask.prompt)[1])
        return prompt

    def watch(self, prompt: Prompt, plan: Plan, span: Span) -> None:
        """Say what of a prompt, as it is sent, takes much."""
        if prompt.tokens:
            self._windows.watch(prompt, plan, span)

    def _told(self, mode: Grounding, version: str) -> tuple[str, str]:
        """What the model is told, and its version: the one in use, or another one of it."""
        name = version if version.startswith(f"{mode}@") else mode
        if name not in self._instructions:
            self._instructions[name] = _rendered(self._prompts.named(name))
        return self._instructions[name]

    def _packed(
        self,
        ask: Ask,
        grounds: Standing | None,
        found: Screened,
        plan: Plan,
        summary: Summary | None,
    ) -> Prompt:
        count = self._windows.tokenizer(plan)
        config = self._windows.shares(ask.question)
        wanted = most_tokens_of_answer(ask)
        if wanted and wanted >= plan.window:
            raise PromptTooLong(
                f"An answer of {wanted} tokens does not fit a window of {plan.window}.",
                param="max_tokens",
            )
        beside = self._windows.beside(ask, plan, count)
        try:
            if grounds is None:
                return chat(
                    ask.messages,
                    question=ask.question,
                    window=plan.window,
                    max_output=wanted,
                    count=count,
                    config=config,
                    beside=beside,
                    summary=summary,
                )
            return pack(
                ask.messages,
                found.hits,
                question=ask.question,
                grounding="strict" if grounds.mode == "strict" else "open",
                instructions=self._told(grounds.mode, ask.prompt)[0],
                window=plan.window,
                max_output=wanted or min(plan.max_output, ceil(plan.window * config.answer)),
                count=count,
                config=config,
                flagged=found.flagged,
                fenced=found.fenced,
                beside=beside,
                summary=summary,
            )
        except DoesNotFit as error:
            raise PromptTooLong(f"{error} {IN_PARTS}", param="messages") from error

    def _surely_fits(self, ask: Ask, plan: Plan) -> bool:
        """Whether not even counting is needed: most chats are far from any window's end."""
        most = most_tokens(ask.messages) + self._windows.most_beside(ask, plan)
        return most + (most_tokens_of_answer(ask) or 0) < plan.window * self._windows.alert


def _size(found: Screened) -> int:
    return sum(len(hit.passage.text) for hit in found.hits)


def _rendered(template: Template) -> tuple[str, str]:
    """Instructions, and their version."""
    values = {"not_in_documents": NOT_IN_DOCUMENTS} if template.name == "strict" else {}
    return template.render(**values), template.id


async def embedded(encoder: Encoder, question: str, grounds: Grounds | None) -> Query | None:
    """The request's one embedding; None where it cannot be had and the answer may do without.

    Raises SourcesUnavailable where it may not.
    """
    try:
        return await encoder.query(question)
    except RetrievalError as error:
        if grounds and grounds.mode == "strict":
            raise SourcesUnavailable(str(error)) from error
        log.warning("A question was not embedded: %s", error)
        return None


def not_in_documents(grounds: Standing, plan: Plan, cache: CacheState) -> Answer:
    """The honest answer where the documents say nothing; no model is asked and none invents."""
    done = Done(
        model=NOBODY,
        route=plan.reason,
        cache=cache,
        collection=grounds.collection or None,
        grounding=grounds.mode,
        grounded=False,
    )
    return Answer(replay([Delta(NOT_IN_DOCUMENTS, finish="stop")], done), done)


def references(grounds: Standing | None, prompt: Prompt) -> tuple[Reference, ...]:
    """The prompt's sources as the client is told of them."""
    if grounds is None:
        return ()
    return tuple(_reference(grounds.collection, each) for each in prompt.sources)


def _reference(collection: str, source: Source) -> Reference:
    hit, passage = source.hit, source.hit.passage
    return Reference(
        n=source.number,
        collection=collection,
        document=passage.document,
        version=passage.version,
        title=passage.title or passage.document,
        section=" › ".join(passage.headings),
        page=passage.page,
        start=passage.start,
        end=passage.end,
        score=round(hit.score, 4),
        url=url_of(collection, passage),
        text=passage.text,
        shortened=source.shortened,
    )


def url_of(collection: str, passage: Passage) -> str:
    """The document's own address where its metadata has one, else one within the gateway."""
    given = passage.meta.get("url") or passage.meta.get("source_url")
    return str(given) if given else f"moorline://{collection}/{passage.document}#{passage.ordinal}"


def numbered(trace: Trace, prompt: Prompt) -> None:
    """Note in the trace which of the passages found were sent, and under which number."""
    if not prompt.sources:
        return
    sources = {source.hit.passage.id: source for source in prompt.sources}
    for span in trace.spans:
        for passage in span.attributes.get("passages", ()):
            if source := sources.get(passage["id"]):
                passage["n"] = source.number
                if source.shortened:
                    passage["shortened"] = True


def _seen(hit: Hit) -> dict[str, Any]:
    """A passage as the trace shows it; `n` is None while it has not been sent to a model."""
    passage = hit.passage
    return {
        "n": None,
        "id": passage.id,
        "document": passage.document,
        "title": passage.title,
        "section": " › ".join(passage.headings),
        "page": passage.page,
        "score": hit.score,
        "dense": hit.dense,
        "sparse": hit.sparse,
        "rerank": hit.rerank,
        "text": passage.text,
    }
