"""Instructions, history, numbered sources and the question as one prompt that fits the window.

Plain arithmetic over counts: it searches nothing and calls no model. The window is a hard limit;
what does not fit is left out whole, the oldest turns and the weakest passages first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from context.config import ContextConfig
from context.history import Conversation, conversation, recent
from context.quoting import JOINED, marked, quoted
from context.tokens import (
    PER_MESSAGE,
    PER_REPLY,
    Counter,
    message_tokens,
    messages_tokens,
    most_tokens,
)
from context.types import Message, Prompt, PromptTooLong, Source
from retrieval.types import Hit

_OPEN, _CLOSE = "<sources>\n", "\n</sources>\n\n"
_NOTHING_FOUND = "<sources>\nNo source was found for this question.\n</sources>\n\n"
_CLIENT = "The operator of this application adds:"

_JOINT = 2  # tokens by which texts counted apart may differ from the same texts in a row


def pack(
    messages: Sequence[Message],
    hits: Sequence[Hit],
    *,
    question: str,
    grounding: Literal["strict", "open", "off"],
    instructions: str,
    window: int,
    max_output: int | None,
    count: Counter,
    config: ContextConfig,
    flagged: Collection[str] = (),
    fenced: bool = False,
    tools: int = 0,
) -> Prompt:
    """The prompt for a model with this window, that keeps `max_output` tokens free.

    `instructions` are ours and come before the client's. `hits` come best first and are numbered
    so; `flagged` are ids of passages that give orders to models, and `fenced` has these marked word
    by word; `tools` are the tokens of the tools that go along. Without grounding the messages are
    sent as they are. Raises PromptTooLong, in strict grounding also where not even the best passage
    fits: to answer that the documents do not say would be untrue.
    """
    if grounding == "off":
        return _untouched(messages, question, window, count, tools)
    answer = math.ceil(window * config.answer) if max_output is None else max_output
    room = window - answer - math.floor(window * config.margin) - tools
    parts = conversation(messages)
    system = instructed(instructions, parts)
    fixed = PER_REPLY + message_tokens(system, count)
    asked = sum(message_tokens(each, count) for each in parts.last)
    if not hits:
        asked += count(_NOTHING_FOUND)
    if fixed + asked > room:
        raise PromptTooLong(fixed + asked, max(0, room))

    sources = [Source(number, hit) for number, hit in enumerate(hits, 1)]
    suspects = [source.hit.passage.id in flagged for source in sources]
    fences = [
        _fenced(source, suspect, fenced and suspect)
        for source, suspect in zip(sources, suspects, strict=True)
    ]
    chosen = _chosen(parts, fences, room - fixed - asked, count, config)
    while True:
        prompt = _composed(system, parts, sources, fences, chosen, question, config)
        counted = fixed + asked + chosen.history_tokens + chosen.source_tokens
        joints = PER_MESSAGE + _JOINT * (chosen.sources + 2)
        if counted + joints <= room or messages_tokens(prompt.messages, count) <= room:
            break
        # Counted in a row it is too long by a hair; the weakest passage makes room.
        if not chosen.sources and not chosen.history:
            raise PromptTooLong(messages_tokens(prompt.messages, count), max(0, room))
        chosen = _fewer(chosen, fences, count)
    if grounding == "strict" and hits and not prompt.sources:
        raise PromptTooLong(fixed + asked + count(fences[0]), max(0, room))
    return _with_tokens(prompt, fixed, asked, chosen, tools)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What fits: so many of the first sources, these of the latest messages."""

    sources: int
    source_tokens: int
    history: tuple[Message, ...]
    history_tokens: int


def _untouched(
    messages: Sequence[Message], question: str, window: int, count: Counter, tools: int
) -> Prompt:
    """As it came. Counted only where it might be too long: this is the shortest way through."""
    if most_tokens(messages) + tools > window:
        tokens = messages_tokens(messages, count) + tools
        if tokens > window:
            raise PromptTooLong(tokens, window)
    return Prompt(tuple(messages), question=question)


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


def _chosen(
    parts: Conversation, fences: list[str], rest: int, count: Counter, config: ContextConfig
) -> _Chosen:
    """Share out what is left. Each part is sure of its share; what it leaves, the other may have.

    The best passage goes before any history, even beyond its share.
    """

    def price(message: Message) -> int:
        return message_tokens(message, count)

    _, wanted = recent(parts.earlier, rest, price)
    both = config.sources + config.history
    share = math.floor(rest * config.sources / both) if both else 0
    prices = [count(fence) + 1 for fence in fences]
    frame = count(_OPEN) + count(_CLOSE)
    best = frame + prices[0] if prices else 0
    budget = max(share, rest - wanted, best if best <= rest else 0)
    number, spent = 0, frame
    while number < len(prices) and spent + prices[number] <= budget:
        spent += prices[number]
        number += 1
    source_tokens = spent if number else 0
    history, history_tokens = recent(parts.earlier, rest - source_tokens, price)
    return _Chosen(number, source_tokens, history, history_tokens)


def _fewer(chosen: _Chosen, fences: list[str], count: Counter) -> _Chosen:
    """One passage less; where there is none, no history."""
    if not chosen.sources:
        return _Chosen(0, 0, (), 0)
    left = chosen.sources - 1
    tokens = chosen.source_tokens - count(fences[left]) - 1 if left else 0
    return _Chosen(left, tokens, chosen.history, chosen.history_tokens)


def _composed(
    system: Message,
    parts: Conversation,
    sources: list[Source],
    fences: list[str],
    chosen: _Chosen,
    question: str,
    config: ContextConfig,
) -> Prompt:
    block = "" if fences else _NOTHING_FOUND
    if chosen.sources:
        shown = fences[: chosen.sources]
        if config.order == "edges":
            shown = [*shown[::2], *reversed(shown[1::2])]
        block = _OPEN + "\n".join(shown) + _CLOSE
    return Prompt(
        messages=(system, *chosen.history, *_with_block(parts.last, block)),
        sources=tuple(sources[: chosen.sources]),
        question=question,
    )


def _with_block(turn: tuple[Message, ...], block: str) -> tuple[Message, ...]:
    """The last turn with the sources in front of the user's own words."""
    if not block:
        return turn
    if not turn or turn[0].get("role") != "user":
        return ({"role": "user", "content": block.rstrip()}, *turn)
    first, *following = turn
    content = first.get("content")
    if isinstance(content, list):
        return ({**first, "content": [{"type": "text", "text": block}, *content]}, *following)
    return ({**first, "content": block + (content or "")}, *following)


def _fenced(source: Source, suspect: bool, word_by_word: bool = False) -> str:
    """A passage that can neither close its fence nor open another."""
    passage = source.hit.passage
    return quoted(
        "source",
        marked(passage.text) if word_by_word else passage.text,
        n=str(source.number),
        title=passage.title or passage.document,
        section=" › ".join(passage.headings),
        page="" if passage.page is None else str(passage.page),
        suspect="true" if suspect else "",
        joined=JOINED if word_by_word else "",
    )


def _with_tokens(prompt: Prompt, fixed: int, asked: int, chosen: _Chosen, tools: int) -> Prompt:
    tokens = {
        "system": fixed,
        "history": chosen.history_tokens,
        "sources": chosen.source_tokens,
        "question": asked,
    }
    if tools:
        tokens["tools"] = tools
    return Prompt(
        prompt.messages, prompt.sources, tokens | {"total": sum(tokens.values())}, prompt.question
    )
