"""What is done with a text that is longer than the window: quote from it, or read it in parts.

Looks and counts, and asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from context.budget import Budget
from context.config import ContextConfig
from context.long_documents.apart import Apart, apart, pointed, summarising, words_of
from context.long_documents.asking import Asking
from context.long_documents.cutting import structured
from context.long_documents.planning import Method, Scheme, Window, planned
from context.long_documents.selecting import passages, ranked, within
from context.prompts.catalogue import Prompts
from context.quoting import harmless
from context.tokens import Counter, messages_tokens
from context.types import Prompt, Source
from context.types import PromptTooLong as DoesNotFit
from gateway.errors import InvalidRequest, PromptTooLong
from gateway.fitting import Fitting
from gateway.grounding import Plausible
from gateway.sizes import most_tokens_of_answer
from gateway.types import Ask, Grounding, Usage
from gateway.windows import Windows
from retrieval.types import Document, Hit, Passage
from routing.types import Plan

THOUGHTS = 2048
"""Tokens of a note's call for a model that reasons: with the note's alone it may write none."""
READ_FIRST = 20
"""Passages by which it is told whether a text answers at all."""


@dataclass(frozen=True, slots=True)
class OwnText:
    """What an answer stands on that quotes the text which came with its request."""

    collection: str = ""
    mode: Grounding = "strict"


OWN_TEXT = OwnText()


@dataclass(frozen=True, slots=True)
class Quoting:
    """It is answered from passages of the text: from those that bear on the question, or, where
    they are the summary, from `whole` of them."""

    hits: tuple[Hit, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """It is read from its beginning to its end."""

    scheme: Scheme
    asking: Asking
    most: Usage  # that all calls use


@dataclass(frozen=True, slots=True)
class Case:
    """A request with a text that is too long, and what is to be done with it."""

    ask: Ask
    apart: Apart
    document: Document
    way: Quoting | Reading
    tokens: int  # of the whole request


class Cases:
    """Tells what is to be done."""

    def __init__(
        self,
        prompts: Prompts,
        windows: Windows,
        config: ContextConfig,
        plausible: Plausible,
        fits: Fitting,
    ) -> None:
        self.windows = windows
        self.config = config
        self._prompts = prompts
        self._plausible = plausible
        self._fits = fits

    def looked_at(self, ask: Ask, plan: Plan) -> Case | None:
        """What is to be done, if it does not fit. Computes: not for the event loop."""
        writing = writing_only(plan)
        count = self.windows.tokenizer(plan)
        tokens = messages_tokens(ask.messages, count)
        window = self._window(ask, writing)
        found = apart(ask.messages)
        if found is None or (writing.targets and tokens <= window.usable - window.answer):
            return None
        if not found.document.strip():
            raise InvalidRequest(
                "The text is longer than the window, and nothing but blanks.", param="messages"
            )
        document = ask.document
        if document is None or document.text != found.document:  # a guard may have changed it
            document = structured(found.document)
        way: Quoting | Reading
        if not writing.targets:
            way = self._by_quotes(found, document, count)
        elif ask.long_document == "auto" and (hits := self._that_answer(found, document, count)):
            way = Quoting(hits)
        else:
            way = self._by_parts(ask, found, document, writing, window)
        return Case(ask, found, document, way, tokens)

    def quotes(self, case: Case, count: Counter) -> Prompt:
        """What stands in for an answer where no model writes one."""
        return prompt_of(case, self._by_quotes(case.apart, case.document, count))

    def _window(self, ask: Ask, writing: Plan) -> Window:
        if not writing.targets:
            return Window(0, 0)
        size, count = writing.window, self.windows.tokenizer(writing)
        answer = most_tokens_of_answer(ask) or min(writing.max_output, size // 4)
        beside = sum(self.windows.beside(ask, writing, count).values())
        budget = Budget.of(size, answer, beside, count.error, self.config)
        thoughts = min(THOUGHTS, size // 4) if self._fits.reasoning(writing) else 0
        return Window(budget.room + answer, answer, thoughts)

    def _by_quotes(self, found: Apart, document: Document, count: Counter) -> Quoting:
        if not summarising(found.task):
            return Quoting(self._bearing(found, document, count))
        from retrieval.support.gist import gist  # numpy: not for the import of the door

        said = [
            Passage(
                f"{start}-{end}",
                document.source,
                "",
                number,
                document.title,
                (),
                document.text[start:end],
                start,
                end,
            )
            for number, (start, end) in enumerate(gist(_prose(document), words_of(found.task)))
        ]
        return Quoting(tuple(Hit(_placed(passage), 1.0) for passage in said), whole=True)

    def _that_answer(
        self, found: Apart, document: Document, count: Counter
    ) -> tuple[Hit, ...] | None:
        """Passages that may answer, where it is a question that some passage may."""
        if not pointed(found.task):
            return None
        hits = self._bearing(found, document, count)
        return hits if hits and self._plausible(found.task, hits[:READ_FIRST]) else None

    def _bearing(self, found: Apart, document: Document, count: Counter) -> tuple[Hit, ...]:
        hits = ranked(found.task, passages(document, count))
        kept = within(hits, count, self.config.long_documents.passages_tokens)
        return tuple(replace(hit, passage=_placed(hit.passage)) for hit in kept)

    def _by_parts(
        self, ask: Ask, found: Apart, document: Document, writing: Plan, window: Window
    ) -> Reading:
        config = self.config.long_documents
        count = self.windows.tokenizer(writing)
        asking = Asking(found, document, self._prompts)
        asked = ask.long_document
        method: Method = "map_reduce" if asked is None or asked == "auto" else asked
        frames = asking.frames(count, config.note_tokens)

        def shown(text: str) -> int:
            return count(harmless(text))

        try:
            scheme = planned(document, method, window, frames, shown, config)
        except DoesNotFit as error:
            raise PromptTooLong(
                f"The text cannot be read in parts: what stands around one takes {error.tokens} "
                f"tokens, of {error.window} that the model has for a prompt and its answer.",
                param="messages",
            ) from None
        if scheme.calls > config.max_calls:
            raise InvalidRequest(
                f"The text has {len(scheme.parts)} parts, and {scheme.calls} calls are more than "
                f"{config.max_calls} (context.long_documents.max_calls).",
                param="messages",
            )
        written = scheme.completion + (ask.n - 1) * window.answer
        return Reading(scheme, asking, Usage(scheme.prompt, written, estimated=True))


def writing_only(plan: Plan) -> Plan:
    """The plan's models that write. Where the first one quotes, that is what is wanted."""
    if plan.targets[0].built_in:
        return plan.regrouped(())
    return plan.regrouped(g.only(t for t in g.targets if not t.built_in) for g in plan.groups)


def prompt_of(case: Case, way: Quoting) -> Prompt:
    """What the model that quotes is given: it reads nothing but the sources."""
    sources = tuple(Source(number, hit) for number, hit in enumerate(way.hits, 1))
    messages = ({"role": "user", "content": case.apart.task},)
    return Prompt(messages, sources, question=case.apart.task, whole=way.whole)


def told(way: Quoting | Reading) -> dict[str, Any]:
    """What answer and trace say of it."""
    if isinstance(way, Quoting):
        method = "extract" if way.whole else "passages"
        return {"method": method, "passages": len(way.hits), "calls": 1}
    scheme = way.scheme
    return {"method": scheme.method, "parts": len(scheme.parts), "calls": scheme.calls}


def _prose(document: Document) -> str:
    """The text with blanks where it has tables and code, of which no line says anything alone."""
    kept = list(document.text)
    for block in document.blocks:
        if block.kind in ("table", "code"):
            kept[block.start : block.end] = " " * (block.end - block.start)
    return "".join(kept)


def _placed(passage: Passage) -> Passage:
    """With an address: characters of the text, as RFC 5147 writes them."""
    url = f"{passage.document}#char={passage.start},{passage.end}"
    return replace(passage, meta={**passage.meta, "url": url})
