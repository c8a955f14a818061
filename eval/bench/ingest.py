"""What ingestion costs beside the encoder alone: the same passages, in the same process, by turns.

On a machine that has nothing else to do the ratio of wall times says how busy the encoder is kept;
on one that has, the ratio of processor times is the one that can be trusted.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.backends import open_encoder, open_indexes
from gateway.config import Config
from guardrails.planted import planted
from retrieval.chunking.chosen import chunker
from retrieval.ingestion.ingestor import AtHand, Ingestor
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import parse
from retrieval.sources.targets import source
from retrieval.sources.types import Item, Listing, Source
from retrieval.types import Document, Passage


class NothingToMeasure(Exception):
    """No passages come of what was given."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock on the wall, and of all processors together."""

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions; medians over the rounds."""

    passages: int
    tokens: int
    rounds: int
    encoder: Spent
    ingestion: Spent
    peak_megabytes: float  # of the process, with the encoder in it, after its first ingestion

    @property
    def ratio(self) -> float:
        """Throughput of the whole, where that of the encoder alone is 1."""
        return self.encoder.wall / self.ingestion.wall

    @property
    def processor_ratio(self) -> float:
        return self.encoder.processor / self.ingestion.processor

    def json(self) -> bytes:
        ratios = {"ratio": self.ratio, "processor_ratio": self.processor_ratio}
        return json.dumps(asdict(self) | ratios, indent=2).encode()


def measure(targets: Sequence[str], rounds: int, limit: int, told: Callable[[str], None]) -> Report:
    """Ingest the targets into collections of their own, and encode their passages, by turns."""
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as data:
        return asyncio.run(_measured(Config(data=Path(data)), targets, rounds, limit, told))


async def _measured(
    config: Config, targets: Sequence[str], rounds: int, limit: int, told: Callable[[str], None]
) -> Report:
    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        await encoder.passages(["The first use builds the graph."] * 2)
        split = chunker(config.retrieval, encoder).split
        held, texts = await asyncio.to_thread(_chosen, source(targets), split, limit)
        if not texts:
            raise NothingToMeasure("No passages come of that.")
        bare: list[Spent] = []
        whole: list[Spent] = []
        peak = 0.0
        for number in range(rounds):
            index = await indexes.open(f"round-{number}", create=True)
            assert index is not None  # it was just made
            began = _now()
            ingestor = Ingestor(index, encoder, config.retrieval, scan=planted)
            report = await ingestor.ingest(held)
            whole.append(_since(began))
            peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            await indexes.drop(f"round-{number}")
            began = _now()
            await encoder.passages(texts)
            bare.append(_since(began))
            told(f"{number + 1} of {rounds} rounds, {report.passages} passages")
    tokens = sum(map(encoder.count, texts))
    return Report(len(texts), tokens, rounds, _median(bare), _median(whole), peak)


def _chosen(
    every: Source, split: Callable[[Document], Sequence[Passage]], limit: int
) -> tuple[AtHand, list[str]]:
    """Items up to a number of passages, and what of them is encoded."""
    items: list[Item] = []
    texts: dict[str, None] = {}
    for item in every.items(Listing()):
        try:
            document = parse(item.read(), item.name, item.source)
        except Unreadable:
            continue
        items.append(item)
        texts.update(dict.fromkeys(passage.embedded for passage in split(document)))
        if len(texts) >= limit:
            break
    return AtHand(items), list(texts)


def _now() -> Spent:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Spent(time.perf_counter(), used.ru_utime + used.ru_stime)


def _since(began: Spent) -> Spent:
    now = _now()
    return Spent(now.wall - began.wall, now.processor - began.processor)


def _median(spent: Sequence[Spent]) -> Spent:
    return Spent(
        statistics.median(one.wall for one in spent),
        statistics.median(one.processor for one in spent),
    )


def table(report: Report) -> str:
    """The figures for people."""
    tokens = report.tokens / report.passages
    lines = [
        f"{report.passages} passages of {tokens:.0f} tokens; medians of {report.rounds} rounds",
        f"{'':14}{'seconds':>10}{'passages/s':>12}{'processor s':>13}",
    ]
    for name, spent in (("encoder alone", report.encoder), ("ingestion", report.ingestion)):
        rate = report.passages / spent.wall
        lines.append(f"{name:14}{spent.wall:10.2f}{rate:12.1f}{spent.processor:13.2f}")
    lines.append(
        f"ratio {report.ratio:.2f} by the clock, {report.processor_ratio:.2f} by processor time; "
        f"peak memory {report.peak_megabytes:.0f} MB"
    )
    return "\n".join(lines)
