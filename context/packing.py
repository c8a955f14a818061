"""Instructions, history, numbered sources and the question as one prompt that fits the window.

Plain arithmetic over counts: it searches nothing and calls no model. The window is a hard limit.
What does not fit is left out whole, the oldest turns and the weakest passages first; only the
passage at the edge is cut, to the sentences that bear on the question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from context.budget import Budget, shared_out
from context.config import ContextConfig
from context.fences import CLOSE, OPEN, Fence, Fences
from context.history import Conversation, Kept, conversation, recent
from context.quoting import quoted
from context.tokens import Tokenizer, message_tokens, messages_tokens
from context.types import Message, Prompt, PromptTooLong, Source, Summary
from retrieval.types import Hit

_NOTHING_FOUND = "<sources>\nNo source was found for this question.\n</sources>\n\n"
_CLIENT = "The operator of this application adds:"
_EARLIER = "Earlier turns, summed up."

_JOINT = 2  # tokens by which texts counted apart may differ from the same texts in a row
_SHORTEST = 48  # tokens; no passage is cut to less


def pack(
    messages: Sequence[Message],
    hits: Sequence[Hit],
    *,
    question: str,
    grounding: Literal["strict", "open"],
    instructions: str,
    window: int,
    max_output: int | None,
    count: Tokenizer,
    config: ContextConfig,
    flagged: Collection[str] = (),
    fenced: bool = False,
    beside: Mapping[str, int] | None = None,
    summary: Summary | None = None,
) -> Prompt:
    """The prompt for a model with this window, that keeps `max_output` tokens free, or its share.

    `instructions` are ours and come before the client's. `hits` come best first and are numbered
    so; `flagged` are ids of passages that give orders to models, and `fenced` has these marked word
    by word; `beside` are the tokens of what goes along, as tools; `summary` stands for the oldest
    turns. Raises PromptTooLong, in strict grounding also where nothing of the best passage fits: to
    answer that the documents do not say would be untrue.
    """
    beside = beside or {}
    budget = Budget.of(window, max_output, sum(beside.values()), count.error, config)
    parts = conversation(messages)
    packing = _Packing(
        told=(instructed(instructions, parts),),
        earlier=parts.earlier[summary.turns :] if summary else parts.earlier,
        last=parts.last,
        instead="" if hits else _NOTHING_FOUND,
        summary=_quoted(summary),
        question=question,
        budget=budget,
        beside=beside,
        count=count,
        config=config,
    )
    return packing.packed(hits, Fences(count, flagged, fenced), strict=grounding == "strict")


def chat(
    messages: Sequence[Message],
    *,
    question: str,
    window: int,
    max_output: int | None,
    count: Tokenizer,
    config: ContextConfig,
    beside: Mapping[str, int] | None = None,
    summary: Summary | None = None,
) -> Prompt:
    """The prompt of a chat without documents: the messages as they are, without the oldest turns
    where they are too long and `config.chats` says so. Raises PromptTooLong."""
    beside = beside or {}
    parts = conversation(messages)
    shorten = config.chats == "shorten"
    budget = Budget(window, max_output or 1, 0, sum(beside.values()))
    if shorten:
        budget = Budget.of(window, max_output, budget.beside, count.error, config)
    if summary is None:
        tokens = _counts(messages, parts, count)
        if sum(tokens.values()) <= budget.room:
            return Prompt(tuple(messages), (), _told(tokens, beside, budget), question)
        if not shorten:
            raise PromptTooLong({**tokens, **beside}, window, budget.answer)
    packing = _Packing(
        told=parts.instructions,
        earlier=parts.earlier[summary.turns :] if summary else parts.earlier,
        last=parts.last,
        instead="",
        summary=_quoted(summary),
        question=question,
        budget=budget,
        beside=beside,
        count=count,
        config=config,
    )
    return packing.packed((), Fences(count, (), False), strict=False)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What fits: these sources and these of the latest turns."""

    fences: tuple[Fence, ...]
    frame: int  # tokens around the sources
    history: Kept

    @property
    def source_tokens(self) -> int:
        return self.frame + sum(fence.tokens for fence in self.fences) if self.fences else 0


@dataclass(frozen=True, slots=True)
class _Packing:
    """One prompt on its way: what is never cut, and the room for all else."""

    told: tuple[Message, ...]
    earlier: tuple[tuple[Message, ...], ...]
    last: tuple[Message, ...]
    instead: str  # of sources
    summary: str
    question: str
    budget: Budget
    beside: Mapping[str, int]
    count: Tokenizer
    config: ContextConfig

    def packed(self, hits: Sequence[Hit], fences: Fences, *, strict: bool) -> Prompt:
        """The prompt. Raises PromptTooLong."""
        try:
            chosen = self._chosen(hits, fences)
            if strict and hits and not chosen.fences:
                raise self._too_long(sources=self._frame() + fences.of(Source(1, hits[0])).tokens)
        except PromptTooLong:
            if not self.summary:
                raise
            return replace(self, summary="").packed(hits, fences, strict=strict)
        return self._prompt(chosen)

    def _chosen(self, hits: Sequence[Hit], fences: Fences) -> _Chosen:
        """What fits, counted in a row. Raises PromptTooLong."""
        system, asked = self._system_tokens(), self._asked_tokens()
        rest = self.budget.room - system - asked - self.count(self.summary)
        if rest < 0:
            raise self._too_long()
        chosen = self._shared(hits, fences, rest)
        while True:
            counted = self.budget.room - rest + chosen.source_tokens + chosen.history.tokens
            joints = self.count.frame.message + _JOINT * (len(chosen.fences) + 3)
            if counted + joints <= self.budget.room:
                return chosen
            in_a_row = messages_tokens(self._messages(chosen), self.count)
            if in_a_row <= self.budget.room:
                return chosen
            # Counted in a row it is too long by a hair; the weakest passage makes room.
            if not chosen.fences and not chosen.history.turns:
                raise self._too_long(question=in_a_row - self._system_tokens())
            chosen = _fewer(chosen)

    def _prompt(self, chosen: _Chosen) -> Prompt:
        """The prompt with its counts."""
        messages = self._messages(chosen)
        tokens = {
            "system": self._system_tokens(),
            "history": chosen.history.tokens + self.count(self.summary),
            "sources": chosen.source_tokens,
            "question": self._asked_tokens(),
        }
        if self._joins():  # parts that run into each other have to be counted as one
            apart = sum(tokens.values()) - tokens["question"]
            tokens["question"] = messages_tokens(messages, self.count) - apart
        return Prompt(
            messages,
            tuple(fence.source for fence in chosen.fences),
            _told(tokens, self.beside, self.budget),
            self.question,
            left_out=len(self.earlier) - chosen.history.turns,
        )

    def _too_long(self, **more: int) -> PromptTooLong:
        """Says what the input is made of."""
        parts = {"system": self._system_tokens(), "question": self._asked_tokens()}
        kept = self.budget.answer + self.budget.margin
        return PromptTooLong({**parts, **more, **self.beside}, self.budget.window, kept)

    def _frame(self) -> int:
        """Tokens around the sources."""
        return self.count(OPEN) + self.count(CLOSE)

    def _system_tokens(self) -> int:
        return messages_tokens(self.told, self.count)

    def _asked_tokens(self) -> int:
        asked = sum(message_tokens(each, self.count) for each in self.last)
        return asked + (self.count(self.instead) if self.instead else 0)

    def _shared(self, hits: Sequence[Hit], fences: Fences, rest: int) -> _Chosen:
        """Share out what is left. Each part is sure of its share; what it leaves, the other may
        have. The best passage goes before any history, even beyond its share."""

        def price(message: Message) -> int:
            return message_tokens(message, self.count)

        wanted = recent(self.earlier, rest, price).tokens
        if not hits:
            return _Chosen((), 0, recent(self.earlier, rest, price))
        whole = [fences.of(Source(number, hit)) for number, hit in enumerate(hits, 1)]
        frame = self._frame()
        all_sources = frame + sum(fence.tokens for fence in whole)
        given = shared_out(
            rest,
            {"sources": all_sources, "history": wanted},
            {"sources": self.config.sources, "history": self.config.history},
        )
        best = min(rest, frame + whole[0].tokens)
        kept = _first(whole, max(given["sources"], best) - frame)
        history = recent(self.earlier, rest - _tokens(kept, frame), price)
        room = rest - history.tokens - frame
        kept = _first(whole, room)
        if len(kept) < len(whole) and self.config.compress:
            left = room - sum(fence.tokens for fence in kept)
            kept += self._cut(hits, fences, len(kept), left)
        return _Chosen(tuple(kept), frame, history)

    def _cut(self, hits: Sequence[Hit], fences: Fences, place: int, room: int) -> list[Fence]:
        """The passages at the edge, as far as they bear on the question."""
        cut: list[Fence] = []
        for number, hit in enumerate(hits[place:], place + 1):
            if room < _SHORTEST:
                break
            fence = fences.shortened(hit, number, self.question, room)
            if fence is None:
                break
            cut.append(fence)
            room -= fence.tokens
        return cut

    def _messages(self, chosen: _Chosen) -> tuple[Message, ...]:
        block = self.instead
        if chosen.fences:
            shown = [fence.text for fence in chosen.fences]
            if self.config.order == "edges":
                shown = [*shown[::2], *reversed(shown[1::2])]
            block = OPEN + "".join(shown) + CLOSE
        last = _with_block(self.last, block)
        if not chosen.history.messages:
            return (*self.told, *_with_block(last, self.summary))
        return (*self.told, *_with_block(chosen.history.messages, self.summary), *last)

    def _joins(self) -> bool:
        """Whether a block may stand before what tokenizers join with it, or alone."""
        turns = [self.last, *self.earlier] if self.summary else [self.last]
        return any(_may_join(turn[0] if turn else {}) for turn in turns)


def _counts(
    messages: Sequence[Message], parts: Conversation, count: Tokenizer
) -> Mapping[str, int]:
    """Of a chat as it came."""
    system = messages_tokens(parts.instructions, count)
    asked = sum(message_tokens(each, count) for each in parts.last)
    history = messages_tokens(messages, count) - system - asked
    return {"system": system, "history": history, "question": asked}


def _told(
    tokens: Mapping[str, int], beside: Mapping[str, int], budget: Budget
) -> Mapping[str, int]:
    """The counts of a prompt as they are shown."""
    parts = {**tokens, **beside}
    total = sum(parts.values())
    return {**parts, "total": total, "answer": budget.answer, "window": budget.window}


def _may_join(message: Message) -> bool:
    content = message.get("content")
    if message.get("role") != "user" or not content:
        return True
    return isinstance(content, str) and (content[0].isspace() or content[0] == "/")


def _first(fences: Sequence[Fence], room: int) -> list[Fence]:
    """As many of the best as there is room for."""
    kept: list[Fence] = []
    for fence in fences:
        room -= fence.tokens
        if room < 0:
            break
        kept.append(fence)
    return kept


def _tokens(fences: Sequence[Fence], frame: int) -> int:
    return frame + sum(fence.tokens for fence in fences) if fences else 0


def _fewer(chosen: _Chosen) -> _Chosen:
    """One passage less; where there is none, no history."""
    if not chosen.fences:
        return _Chosen((), 0, Kept())
    return replace(chosen, fences=chosen.fences[:-1])


def _quoted(summary: Summary | None) -> str:
    return f"{quoted('conversation', summary.text, note=_EARLIER)}\n\n" if summary else ""


def instructed(ours: str, parts: Conversation) -> Message:
    """One message with both: some models take a single one, at the front."""
    theirs = "\n\n".join(filter(None, map(_text, parts.instructions)))
    role = parts.instructions[0]["role"] if parts.instructions else "system"
    return {"role": role, "content": f"{ours}\n\n{_CLIENT}\n{theirs}" if theirs else ours}


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(p["text"] for p in parts if isinstance(p, dict) and "text" in p)


def _with_block(turn: tuple[Message, ...], block: str) -> tuple[Message, ...]:
    """The turn with what is quoted in front of the user's own words."""
    if not block:
        return turn
    if not turn or turn[0].get("role") != "user":
        return ({"role": "user", "content": block.rstrip()}, *turn)
    first, *following = turn
    content = first.get("content")
    if isinstance(content, list):
        return ({**first, "content": [{"type": "text", "text": block}, *content]}, *following)
    return ({**first, "content": block + (content or "")}, *following)
