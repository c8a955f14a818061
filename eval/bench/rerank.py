"""How long the packaged reader takes over a question's passages, beside the encoder on the same.

Wall times depend on the machine and on who else is on it; the ratio to the encoder, whose six
layers run over the same passages in turn with it, hardly does.
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.config import MiniLMEncoder, ReaderReranker
from retrieval.encoders.minilm import MiniLM
from retrieval.rerankers.reader import Reader

_QUESTION = "How many years of warranty does the pump of the second series have?"
_PROSE = (
    "the pump of series has a warranty two years and is repaired within ten working days by our "
    "own workshop where spare parts are kept for customers who ask in writing before it ends"
)


@dataclass(frozen=True, slots=True)
class Report:
    """Milliseconds a question, and under which conditions."""

    passages: int
    tokens: int
    threads: int
    rounds: int
    reader_p50: float
    reader_p95: float
    encoder_p50: float
    machine: str

    @property
    def ratio(self) -> float:
        return self.reader_p50 / self.encoder_p50


def measure(passages: int, tokens: int, threads: int, rounds: int) -> Report:
    return asyncio.run(_measured(passages, tokens, threads, rounds))


async def _measured(passages: int, tokens: int, threads: int, rounds: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        encoder = MiniLM(MiniLMEncoder(threads=threads), Path(folder))
        reader = Reader(ReaderReranker(threads=threads))
        texts = [_text(number, tokens, encoder.count) for number in range(passages)]
        read, encoded = [], []
        for turn in range(rounds + 2):  # the first two open both and are not counted
            milliseconds = await _timed(lambda: reader.read(_QUESTION, texts))
            beside = await _timed(lambda: encoder.passages(texts))
            if turn >= 2:
                read.append(milliseconds)
                encoded.append(beside)
        await reader.aclose()
        await encoder.aclose()
    return Report(
        passages=passages,
        tokens=tokens,
        threads=threads,
        rounds=rounds,
        reader_p50=statistics.median(read),
        reader_p95=statistics.quantiles(read, n=20)[18],
        encoder_p50=statistics.median(encoded),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return (time.perf_counter() - started) * 1000


def _text(number: int, tokens: int, count: Callable[[str], int]) -> str:
    """Words until there are so many tokens."""
    dice = random.Random(number)
    words = dice.choices(_PROSE.split(), k=tokens)
    while count(" ".join(words)) > tokens:
        words.pop()
    return " ".join(words)


def table(report: Report) -> str:
    """The report for people."""
    return "\n".join(
        [
            f"{report.passages} passages of {report.tokens} tokens, {report.threads} threads, "
            f"{report.rounds} rounds; {report.machine}",
            f"reader   p50 {report.reader_p50:7.1f} ms   p95 {report.reader_p95:7.1f} ms",
            f"encoder  p50 {report.encoder_p50:7.1f} ms   (six layers, the same passages)",
            f"ratio    {report.ratio:.2f}",
        ]
    )
