"""How long a prompt takes to pack, beside merely counting the same text.

Wall times depend on the machine and on who else is on it; the ratio to one count of the prompt
that comes out, in one piece and with nothing remembered, hardly does.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from context.config import ContextConfig
from context.packing import pack
from context.tokens import Tokenizer, counter
from context.types import Message
from context.vocabularies import O200K, tokens_in
from retrieval.types import Hit, Passage

_PROSE = (
    "the pump of series has a warranty two years and is repaired within ten working days by our "
    "own workshop where spare parts are kept for customers who ask in writing before it ends"
)
_QUESTION = "How many years of warranty does the pump of the second series have?"
_INSTRUCTIONS = "Answer from the sources, and cite them as [n]."


@dataclass(frozen=True, slots=True)
class Report:
    """Milliseconds a prompt, and under which conditions."""

    passages: int
    words: int
    tokens: int
    rounds: int
    seen: float  # passages that have been packed before, as those of a collection soon are
    unseen: float  # passages of which none was ever counted
    tight: float  # seen, in a window for half of them
    counting: float  # the reference
    machine: str

    @property
    def ratio(self) -> float:
        return self.unseen / self.counting


def measure(passages: int, words: int, rounds: int) -> Report:
    count = counter()
    count("warm")
    seen = _hits(passages, words, 0)
    first = _packed(seen, count, 128_000)
    whole = "\n".join(str(message["content"]) for message in first)
    half = tokens_in(whole, O200K) // 2 + 1_000
    fresh = [_hits(passages, words, 1 + number) for number in range(rounds)]
    times: dict[str, list[float]] = {"seen": [], "unseen": [], "tight": [], "counting": []}
    for hits in fresh:  # interleaved, so that all meet the same machine
        times["unseen"].append(_ms(partial(_packed, hits, count, 128_000)))
        times["counting"].append(_ms(partial(tokens_in, whole, O200K)))
        times["seen"].append(_ms(partial(_packed, seen, count, 128_000)))
        times["tight"].append(_ms(partial(_packed, seen, count, half)))
    return Report(
        passages=passages,
        words=words,
        tokens=tokens_in(whole, O200K),
        rounds=rounds,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        **{name: statistics.median(each) for name, each in times.items()},
    )


def table(report: Report) -> str:
    """The report for people."""
    return "\n".join(
        [
            f"{report.passages} passages of {report.words} words, {report.tokens:,} tokens, "
            f"{report.rounds} rounds; {report.machine}",
            f"packed before       {report.seen:7.2f} ms",
            f"never counted       {report.unseen:7.2f} ms",
            f"half has to go      {report.tight:7.2f} ms",
            f"plain counting      {report.counting:7.2f} ms   (the same text, in one piece)",
            f"ratio               {report.ratio:7.2f}   (never counted)",
        ]
    )


def _hits(passages: int, words: int, seed: int) -> list[Hit]:
    dice = random.Random(seed)
    return [_hit(number, dice, words) for number in range(passages)]


def _hit(number: int, dice: random.Random, words: int) -> Hit:
    said = dice.choices(_PROSE.split(), k=words - words // 12)
    ends = iter([*range(11, len(said), 12), len(said)])
    end, text = next(ends), ""
    for place, word in enumerate(said):
        text += f" {word}" if text else word
        if place == end:
            text += f" {dice.randint(10, 9_999)}."
            end = next(ends)
    passage = Passage(f"p{number}", "a.md", "v", number, "Pumps", ("Warranty",), text, 0, len(text))
    return Hit(passage, 1 / (number + 1))


def _packed(hits: list[Hit], count: Tokenizer, window: int) -> tuple[Message, ...]:
    return pack(
        [{"role": "user", "content": _QUESTION}],
        hits,
        question=_QUESTION,
        grounding="strict",
        instructions=_INSTRUCTIONS,
        window=window,
        max_output=1_000,
        count=count,
        config=ContextConfig(margin=0),
    ).messages


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
