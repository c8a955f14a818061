"""How much memory the ingestion of a large folder takes, as it grows: the product's own pipeline
over text that is made up as it is read, with vectors that are made up, too: encoding takes hours.

Counted is what the system cannot take back: anonymous memory, of this process and of those that
it has started. Pages of the index's files that happen to be in memory are shown beside it. Linux
only, by what /proc says.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np

from gateway.backends import open_encoder
from gateway.config import Config
from guardrails.planted import planted
from retrieval.encoders.minilm import model_folder
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes
from retrieval.ingestion.events import Progress
from retrieval.ingestion.ingestor import Ingestor
from retrieval.sources.types import Item, Listing
from retrieval.types import Encoder, Query, Vectors

_MEGABYTE = 1_000_000
_VOCABULARY, _SENTENCE, _PARAGRAPH, _SECTION = 50_000, 14, 6, 4
"""Words in all, of a sentence; sentences of a paragraph, paragraphs of a section."""
_WHOLE = re.compile("[a-z]{2,}")
_CLUSTERS = 256
_STEPS = 20
_PAUSE = 0.2
"""Seconds between two looks."""


class NotMeasurable(Exception):
    """This system does not tell a process's memory."""


@dataclass(frozen=True, slots=True)
class Look:
    """Memory in megabytes once so much of the folder was in."""

    ingested: float  # megabytes of text
    passages: int
    own: float  # anonymous, of this process
    helpers: float  # anonymous, of the processes it has started
    files: float  # pages of files, of both


@dataclass(frozen=True, slots=True)
class Report:
    """The curve with its conditions."""

    megabytes: float
    documents: int
    passages: int
    seconds: float
    machine: str
    before: Look  # with everything open and nothing in
    curve: Sequence[Look]  # the most at any moment since the step before
    bytes_a_passage: float  # of growth, over the second half of the curve
    disk: float

    @property
    def peak(self) -> float:
        return max(one.own + one.helpers for one in self.curve)

    def json(self) -> bytes:
        return json.dumps(asdict(self) | {"peak": self.peak}, indent=2).encode()


def measure(megabytes: float, kilobytes: float, told: Callable[[str], None]) -> Report:
    """Ingest so much text, in documents of that size. Raises NotMeasurable."""
    if not Path("/proc/self/status").exists():
        raise NotMeasurable("Memory is read from /proc, which this system does not have.")
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as data:
        return asyncio.run(_measured(Path(data), megabytes, kilobytes, told))


async def _measured(
    data: Path, megabytes: float, kilobytes: float, told: Callable[[str], None]
) -> Report:
    config = Config(data=data)
    many = max(1, round(megabytes * 1000 / kilobytes))
    async with open_encoder(config) as real:
        await real.passages(["The first use builds the graph."])
        encoder = _MadeUp(real)
        indexes = EmbeddedIndexes(data / "index", encoder.name, encoder.size)
        index = await indexes.open("bench", create=True)
        assert isinstance(index, EmbeddedIndex)  # it was just made
        watch = _Watch(megabytes, told)
        watching = asyncio.create_task(watch.run())
        began = time.monotonic()
        ingestor = Ingestor(index, encoder, config.retrieval, scan=planted)
        report = await ingestor.ingest(Folder(many, kilobytes), progress=watch.progress)
        seconds = time.monotonic() - began
        watch.step()
        await index.settled()
        watch.step()
        watching.cancel()
        await indexes.aclose()
        disk = await asyncio.to_thread(_size, data)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    curve = watch.curve
    return Report(
        megabytes, report.added, report.passages, seconds, machine, watch.before, curve,
        _slope(curve[len(curve) // 2 : -1]), disk / _MEGABYTE,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folder:
    """Text documents of one size, each made when it is read."""

    documents: int
    kilobytes: float

    def items(self, listing: Listing) -> Iterator[Item]:
        size = int(self.kilobytes * 1000)
        for number in range(self.documents):
            name = f"{number % 100:02}/document-{number}.md"
            yield Item(name, name, size, partial(_text, number, size), stamp=f"{number}:{size}")


def _text(number: int, size: int) -> bytes:
    """Words as frequent as words are, under headings."""
    dice = np.random.default_rng(number)
    ranks = (_VOCABULARY ** dice.random(size // 5)).astype(int)  # Zipf: uniform in the logarithm
    known = _words()
    words = iter([known[rank - 1] for rank in ranks])
    lines: list[str] = [f"# Document {number}"]
    length = 0
    while length < size:
        if len(lines) % (_SECTION + 1) == 1:
            lines.append("## " + " ".join(next(words, "") for _ in range(4)))
        sentences = (
            " ".join(next(words, "") for _ in range(_SENTENCE)).strip().capitalize() + "."
            for _ in range(_PARAGRAPH)
        )
        lines.append(" ".join(sentences))
        length += len(lines[-1])
    return "\n\n".join(lines)[:size].encode()


@cache
def _words() -> Sequence[str]:
    """Of the encoder's vocabulary, the frequent ones first; behind each one its compounds, so that
    there are rare ones, too, and a token has as many characters as in prose."""
    from tokenizers import Tokenizer

    known = Tokenizer.from_file(str(model_folder() / "tokenizer.json")).get_vocab()
    whole = [word for word in sorted(known, key=known.__getitem__) if _WHOLE.fullmatch(word)]
    dice = random.Random(7)
    return [
        word if number % 3 else word + dice.choice(whole)
        for number, word in enumerate(
            dice.choice(whole[: 1 + rank // 2]) for rank in range(_VOCABULARY)
        )
    ]


class _MadeUp:
    """Counts as the real encoder does; a text's vector is near one of some centres."""

    def __init__(self, real: Encoder) -> None:
        self.name, self.size, self.window, self._real = "made-up", real.size, real.window, real
        dice = np.random.default_rng(7)
        self._centres = dice.normal(size=(_CLUSTERS, self.size)).astype(np.float32)

    async def query(self, text: str) -> Query:
        return Query(text, (await self.passages([text]))[0])

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return await asyncio.to_thread(self._vectors, texts)

    def count(self, text: str) -> int:
        return self._real.count(text)

    async def aclose(self) -> None: ...

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        seeds = [zlib.crc32(text.encode()) for text in texts]
        noise = np.random.default_rng(seeds).normal(size=(len(texts), self.size))
        moved = self._centres[np.array(seeds) % _CLUSTERS] + noise
        found: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return found


@dataclass(slots=True)
class _Watch:
    """Looks every so often and keeps the most of each step."""

    megabytes: float
    told: Callable[[str], None]
    curve: list[Look] = field(default_factory=list)
    before: Look = field(default_factory=lambda: _look(0, 0))
    _most: Look | None = None
    _size: float = 0
    _passages: int = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            self._see()
            if self._size >= self.megabytes * (len(self.curve) + 1) / _STEPS:
                self.step()

    def progress(self, event: Progress) -> None:
        self._size, self._passages = event.size_done / _MEGABYTE, event.passages

    def step(self) -> None:
        self._see()
        assert self._most is not None  # it has just been looked at
        self.curve.append(self._most)
        self.told(_line(self._most))
        self._most = None

    def _see(self) -> None:
        seen, most = _look(self._size, self._passages), self._most
        if most is None or seen.own + seen.helpers >= most.own + most.helpers:
            self._most = seen


def _look(ingested: float, passages: int) -> Look:
    own, files = _status("self")
    helpers = 0.0
    for process in _children():
        anonymous, others = _status(process)
        helpers, files = helpers + anonymous, files + others
    return Look(round(ingested, 1), passages, own, helpers, files)


def _children() -> list[str]:
    found: list[str] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += (thread / "children").read_text().split()
        except OSError:
            continue  # the thread has ended
    return found


def _status(process: str) -> tuple[float, float]:
    """Megabytes of anonymous memory, and of pages of files."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0  # it has ended
    named = dict(line.split(":", 1) for line in lines)
    anonymous, files = (
        int(named.get(name, "0 kB").split()[0]) * 1024 / _MEGABYTE
        for name in ("RssAnon", "RssFile")
    )
    return anonymous, files


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _slope(curve: Sequence[Look]) -> float:
    """Bytes for each further passage, of this process alone."""
    if len(curve) < 2 or curve[0].passages == curve[-1].passages:
        return 0.0
    passages, own = ([one.passages for one in curve], [one.own for one in curve])
    return float(np.polyfit(passages, own, 1)[0]) * _MEGABYTE


def _line(one: Look) -> str:
    return (
        f"{one.ingested:10.0f} MB{one.passages:12}{one.own + one.helpers:10.0f}{one.own:10.0f}"
        f"{one.helpers:10.0f}{one.files:10.0f}"
    )


def table(report: Report) -> str:
    """The figures for people."""
    return "\n".join(
        [
            f"{report.megabytes:.0f} MB of text in {report.documents} documents, "
            f"{report.passages} passages, in {report.seconds:.0f} s with made-up vectors; "
            f"{report.disk:.0f} MB on disk; {report.machine}",
            f"{'of text':>13}{'passages':>12}{'memory MB':>10}{'own':>10}{'helpers':>10}"
            f"{'files':>10}",
            *(_line(one) for one in [report.before, *report.curve]),
            f"at most {report.peak:.0f} MB of memory; {report.bytes_a_passage:.0f} bytes for each "
            "further passage over the second half",
        ]
    )
