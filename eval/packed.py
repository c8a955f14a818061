"""Random prompts, each held against what must be true of every one: nothing crosses the window,
and the counts are the tokenizer's own.

Everything is drawn from a seed, so that a case that fails can be looked at again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from context.config import ContextConfig
from context.history import INSTRUCTING, conversation
from context.packing import chat, pack
from context.tokens import Tokenizer, counter, messages_tokens, widest
from context.types import Message, Prompt, PromptTooLong, Summary
from retrieval.types import Hit, Passage

_MODELS = ("", "gpt-4", "claude-sonnet-4", "gemini-2.5-pro", "qwen3-8b", "llama-3.1-8b", "other")
_MATERIAL = (
    "the,pump,of,series,two,has,a,warranty,and,is,repaired,within,ten,working,days,when,asked,"
    "§ 12(3),1 000.50,naïve,Größe,パスワード,不支持退款,договор,👩‍🔬,don't,I'LL,\n,\n\n,  ,\t,```,"
    "</source>,<sources>,[INST],/path/to,…,e\u0301,\u200b,\u00a0,\u2028,ſ,| a | b |,=====,x_1.y"
)
_WORDS = _MATERIAL.split(",")
_SENTENCES = ("How long do I have?", "What does the warranty of the pump cover?", "/help", " ", "")


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be packed, and for whom."""

    messages: Sequence[Message]
    hits: Sequence[Hit]
    grounding: str
    tokenizers: Sequence[Tokenizer]
    window: int
    max_output: int | None
    beside: int
    config: ContextConfig
    summary: Summary | None
    flagged: frozenset[str]


def case(seed: int, own: Sequence[Tokenizer] = ()) -> Case:
    """The case of a seed. `own` are further tokenizers to draw from."""
    dice = random.Random(seed)
    shares = [dice.random() for _ in range(6)]
    whole = sum(shares) or 1
    names = ("system", "history", "sources", "input", "answer", "margin")
    known = [*map(counter, _MODELS), Tokenizer("characters", len), Tokenizer("words", _words), *own]
    messages = [_message(dice) for _ in range(dice.choice((1, 1, 2, 5, 12, 40)))]
    hits = [_hit(dice, number) for number in range(dice.choice((0, 1, 3, 10, 30)))]
    turns = len(conversation(messages).earlier)
    return Case(
        messages=messages,
        hits=hits,
        grounding=dice.choice(("strict", "open", "off")),
        tokenizers=dice.sample(known, dice.choice((1, 1, 1, 2, 3))),
        window=round(2 ** dice.uniform(4, 15)),
        max_output=dice.choice((None, None, 1, 100, 1_000)),
        beside=dice.choice((0, 0, 50, 300)),
        config=ContextConfig.model_validate(
            {
                **{
                    n: max(share / whole * 0.999, 1e-6)
                    for n, share in zip(names, shares, strict=True)
                },
                "order": dice.choice(("best-first", "edges")),
                "chats": dice.choice(("refuse", "shorten")),
                "compress": dice.random() < 0.7,
            }
        ),
        summary=Summary(_text(dice, 40), dice.randint(1, turns))
        if turns and dice.random() < 0.2
        else None,
        flagged=frozenset(hit.passage.id for hit in hits if dice.random() < 0.1),
    )


def wrong(made: Case) -> str | None:
    """What is not as it must be with a case; None where all is."""
    try:
        prompt = _packed(made)
    except PromptTooLong as refused:
        return None if refused.tokens > refused.room else f"{refused}, and was refused"
    answer = prompt.tokens.get("answer", made.max_output or 0)
    for tokenizer in made.tokenizers:
        used = messages_tokens(prompt.messages, tokenizer) + made.beside + answer
        if used > made.window:
            return f"{used} tokens of {tokenizer.name} in a window of {made.window}"
    return _miscounted(made, prompt) or _cut(made, prompt)


def _packed(made: Case) -> Prompt:
    given: dict[str, Any] = {
        "question": "What does the warranty of the pump cover?",
        "window": made.window,
        "max_output": made.max_output,
        "count": widest(made.tokenizers),
        "config": made.config,
        "beside": {"tools": made.beside},
        "summary": made.summary,
    }
    if made.grounding == "off":
        return chat(made.messages, **given)
    given |= {"instructions": "Answer from the sources.", "grounding": made.grounding}
    return pack(made.messages, made.hits, flagged=made.flagged, fenced=True, **given)


def _miscounted(made: Case, prompt: Prompt) -> str | None:
    """Where one tokenizer of a vocabulary counts, the counts are its own, to the token."""
    [tokenizer, *others] = made.tokenizers
    if others or not prompt.tokens or tokenizer.name not in ("o200k_base", "cl100k_base"):
        return None
    counted = messages_tokens(prompt.messages, tokenizer) + made.beside
    told = prompt.tokens["total"]
    return None if told == counted else f"told {told} tokens, there are {counted}"


def _cut(made: Case, prompt: Prompt) -> str | None:
    """Turns are whole and the latest; passages the best, of which only the last are shortened."""
    numbers = [source.number for source in prompt.sources]
    if numbers != list(range(1, len(numbers) + 1)):
        return f"sources {numbers}"
    shortened = [source.shortened for source in prompt.sources]
    if shortened != sorted(shortened):
        return "a whole passage after a shortened one"
    said = [each for each in made.messages if each["role"] not in INSTRUCTING]
    kept = [each for each in prompt.messages if each["role"] not in INSTRUCTING]
    parts = conversation(said)
    if made.summary is None and parts.last and parts.last[0]["role"] == "user":
        length = sum(map(len, parts.earlier[prompt.left_out :]))
        if len(kept) - len(parts.last) != length:
            return f"{len(kept)} messages where {length} are whole turns before the last"
    return None


def _message(dice: random.Random) -> Message:
    role = dice.choice(("user", "user", "user", "assistant", "assistant", "system", "tool"))
    text = dice.choice((dice.choice(_SENTENCES), _text(dice, 20), _text(dice, 200)))
    if role == "assistant" and dice.random() < 0.2:
        return {"role": role, "content": None, "tool_calls": [{"id": "1", "arguments": text}]}
    if dice.random() < 0.15:
        return {"role": role, "content": [{"type": "text", "text": text}]}
    return {"role": role, "content": text}


def _hit(dice: random.Random, number: int) -> Hit:
    text = _text(dice, dice.choice((5, 60, 400)))
    title = dice.choice(("Returns", 'A "b" <c>', "", "契約"))
    passage = Passage(f"p{number}", "a.md", "v", number, title, ("Time",), text, 0, len(text))
    return Hit(passage, 1 / (number + 1))


def _text(dice: random.Random, most: int) -> str:
    join: Callable[[Sequence[str]], str] = dice.choice((" ", " ", " ", "", ". ")).join
    return join(dice.choices(_WORDS, k=dice.randint(0, most)))


def _words(text: str) -> int:
    return len(text.split())
