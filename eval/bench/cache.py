"""How long the answer cache looks for an answer, and what an answer takes of memory, beside numpy's
exact comparison with all questions and beside the encoding of one, in turn and in the same run.

Wall times depend on the machine and on who else is on it; the ratios hardly do.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from pydantic import SecretStr

from cache.config import CacheConfig, MemoryStore, RedisStore, SemanticConfig
from cache.keys import digest
from cache.memory import MemoryCache
from cache.redis import RedisCache
from cache.types import AnswerCache, Entry, Scope
from cache.verification.verifier import TrainedVerifier
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Query, Vectors

_SIZE, _CLUSTERS = 384, 2_000
_FLOOR = 0.7
_VALUE = 1_000  # bytes of an answer
_KNOWN, _ASKED = "How do I cancel my order of a {}?", "How can I cancel my order of a {}?"
_THINGS = (
    *("kettle", "lamp", "backpack", "desk", "tent", "drill", "scale", "chair", "mirror", "fan"),
    *("heater", "printer", "phone", "camera"),
)
_AT_ONCE = 32
_BATCH = 512
_WARMING = 5  # questions that are not counted
_SIMILAR = digest("one scope")
_COARSE = 0.003
"""Vectors are kept a byte a dimension: of two as near as this either may be called nearest."""

Told: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds of one look-up."""

    name: str
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured with so many entries."""

    entries: int
    rows: Sequence[Row]
    fills: dict[str, float]  # a second, by store
    bytes_of_an_entry: float  # in this process, as it reckons; the value has 1,000
    have_near: int  # questions whose nearest one has a cosine of 0.7 or more
    found_nearest: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    material: str
    asked: int
    machine: str
    sizes: Sequence[Size]

    def json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()


def measure(
    sizes: Sequence[int], asked: int, redis: str | None, texts: Path | None, told: Told
) -> Report:
    lines = _chosen(texts, max(sizes) + asked) if texts else []
    name = texts.name if texts else "made-up questions"
    return asyncio.run(_measured(name, sorted(sizes), asked, redis, lines, told))


async def _measured(
    material: str,
    sizes: Sequence[int],
    asked: int,
    redis: str | None,
    texts: Sequence[str],
    told: Told,
) -> Report:
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        encoder = MiniLM(MiniLMEncoder(), Path(folder))
        try:
            if texts:
                vectors = await _encoded(texts, encoder, told)
            else:
                vectors = _made_up(max(sizes) + asked)
            kept, questions = vectors[:-asked], vectors[-asked:]
            done = []
            for size in sizes:
                told(f"{size} entries")
                done.append(await _sized(kept[:size], questions, encoder, redis))
        finally:
            await encoder.aclose()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return Report(material, asked, machine, done)


async def _sized(kept: Vectors, questions: Vectors, encoder: MiniLM, redis: str | None) -> Size:
    room = len(kept) + len(_THINGS)
    semantic = SemanticConfig(enabled=True, max_questions=room)
    config = CacheConfig(semantic=semantic)
    memory = MemoryCache(config, MemoryStore(max_entries=room, max_bytes=2**40))
    caches: dict[str, AnswerCache] = {"memory": memory}
    fills = {"memory": await _filled(memory, kept)}
    each = (await memory.stats()).bytes / len(kept)
    if redis:
        store = RedisStore(
            kind="redis",
            url=SecretStr(redis),
            prefix=f"moorline:bench:{os.getpid()}:{len(kept)}:",
            timeout=10,
            mirror_bytes=2**40,
        )
        caches["Redis"] = RedisCache(config, store)
        fills["Redis"] = await _filled(caches["Redis"], kept)
        await _mirrored(caches["Redis"], kept)
    rows = await _timed(caches, kept, questions, encoder)
    rows += await _hits(caches, encoder, len(questions))
    near, found = await _recall(memory, kept, questions)
    for cache in caches.values():
        await cache.purge()
        await cache.aclose()
    return Size(len(kept), rows, fills, each, near, found)


def _scope(number: int) -> Scope:
    return Scope(digest(number), _SIMILAR)


async def _filled(cache: AnswerCache, kept: Vectors) -> float:
    """Fills a second, so many at once."""
    numbers = iter(range(len(kept)))

    async def fill() -> None:
        for number in numbers:
            question = f"What is question number {number} about?"
            source = f"document-{number % 500}.md@{digest(number % 500)}"
            entry = Entry(os.urandom(_VALUE), question, (source,), time.time(), str(number))
            await cache.fill(_scope(number), entry, Query(question, kept[number]))

    began = time.perf_counter()
    await asyncio.gather(*(fill() for _ in range(_AT_ONCE)))
    return len(kept) / (time.perf_counter() - began)


async def _mirrored(cache: AnswerCache, kept: Vectors) -> None:
    """Until the last question is at hand here."""
    last = Query("", kept[-1])
    for _ in range(100 + len(kept)):
        if await cache.near(_scope(-1), last, floor=1 - _COARSE, most=1):
            return
        await asyncio.sleep(0.01)


async def _timed(
    caches: dict[str, AnswerCache], kept: Vectors, questions: Vectors, encoder: MiniLM
) -> list[Row]:
    """Each question by all in turn, so that all meet the same machine."""
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for number, vector in enumerate(questions):
        query = Query("", vector)
        works: dict[str, Awaitable[object]] = {
            "encoding a question": encoder.query(f"What is question number {number} about?"),
            "numpy, all cosines": _exactly(kept, query),
        }
        for name, cache in caches.items():
            works[f"{name}, exact"] = cache.exact(_scope(number % len(kept)))
            works[f"{name}, semantic"] = cache.near(_scope(-1), query, floor=_FLOOR)
        for name, work in works.items():
            began = time.perf_counter()
            await work
            if number >= _WARMING:
                spent[name].append(1000 * (time.perf_counter() - began))
    return [_row(name, ms) for name, ms in spent.items()]


async def _hits(caches: dict[str, AnswerCache], encoder: MiniLM, asked: int) -> list[Row]:
    """Questions that were asked before in other words: from their text to an answer that may be
    given again, and their encoding alone, in turn."""
    verifier = TrainedVerifier(SemanticConfig(enabled=True, max_error_rate=0.05))
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for thing in _THINGS:
        known = await encoder.query(_KNOWN.format(thing))
        entry = Entry(os.urandom(_VALUE), known.text, (), time.time(), thing)
        for cache in caches.values():
            await cache.fill(Scope(digest(thing), _SIMILAR), entry, known)

    async def hit(cache: AnswerCache, text: str) -> bool:
        near = await cache.near(_scope(-1), await encoder.query(text), floor=_FLOOR)
        verdict = await verifier.chosen(text, near)
        return verdict.chosen is not None

    served: Counter[str] = Counter()
    for number in range(_WARMING + asked):
        text = _ASKED.format(_THINGS[number % len(_THINGS)])
        began = time.perf_counter()
        await encoder.query(text)
        spent["encoding, beside hits"].append(1000 * (time.perf_counter() - began))
        for name, cache in caches.items():
            began = time.perf_counter()
            served[name] += await hit(cache, text)
            spent[f"{name}, whole hit"].append(1000 * (time.perf_counter() - began))
    await verifier.aclose()
    asked += _WARMING
    if few := [name for name in caches if served[name] < asked / 2]:
        raise NotEnough(f"Fewer than half of the questions were served by {', '.join(few)}.")
    return [_row(name, ms[_WARMING:]) for name, ms in spent.items()]


def _row(name: str, ms: Sequence[float]) -> Row:
    return Row(name, statistics.median(ms), statistics.quantiles(ms, n=20)[18])


async def _exactly(kept: Vectors, query: Query) -> None:
    cosines = kept @ query.vector
    np.argpartition(-cosines, min(8, len(kept) - 1))


async def _recall(cache: AnswerCache, kept: Vectors, questions: Vectors) -> tuple[int, int]:
    """The questions that have another one near, and for how many the nearest is found."""
    have = found = 0
    for vector in questions:
        best = float((kept @ vector).max())
        if best >= _FLOOR + _COARSE:
            have += 1
            near = await cache.near(_scope(-1), Query("", vector), floor=_FLOOR, most=1)
            found += bool(near) and near[0].cosine > best - _COARSE
    return have, found


def _made_up(count: int) -> Vectors:
    """In clusters, as questions are: the nearest one of 100,000 is at a cosine of 0.8 or so."""
    dice = np.random.default_rng(7)
    centres = dice.normal(size=(_CLUSTERS, _SIZE)).astype(np.float32)
    vectors = centres[dice.integers(_CLUSTERS, size=count)]
    for begin in range(0, count, _BATCH):
        some = vectors[begin : begin + _BATCH]
        some += 0.6 * dice.normal(size=some.shape).astype(np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return vectors


def _chosen(file: Path, count: int) -> list[str]:
    """So many different lines of a file, in some order."""
    lines = list(dict.fromkeys(line[:500] for line in file.read_text().splitlines() if line))
    if len(lines) < count:
        raise NotEnough(f"{file} has {len(lines)} different lines, and {count} are needed.")
    return [lines[at] for at in np.random.default_rng(7).permutation(len(lines))[:count]]


async def _encoded(texts: Sequence[str], encoder: MiniLM, told: Told) -> Vectors:
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # those of a length together
    vectors = np.empty((len(texts), encoder.size), dtype=np.float32)
    for begin in range(0, len(texts), _BATCH):
        some = order[begin : begin + _BATCH]
        vectors[some] = await encoder.passages([texts[at] for at in some])
        if begin // _BATCH % 40 == 0:
            told(f"{begin} questions are encoded")
    return vectors


class NotEnough(Exception):
    """There are too few questions to measure with."""


def table(report: Report) -> str:
    """The report for people."""
    lines = [f"{report.material}, {report.asked} asked; {report.machine}"]
    for size in report.sizes:
        exact = next(row.p50 for row in size.rows if row.name.startswith("numpy"))
        encode = next(row.p50 for row in size.rows if row.name.startswith("encoding"))
        title = f"{size.entries:,} entries"
        heads = f"{'p50 ms':>9}{'p95 ms':>9}{'to numpy':>10}{'to encode':>11}"
        lines += ["", f"{title:26}{heads}"]
        for row in size.rows:
            ratios = f"{row.p50 / exact:>10.2f}{row.p50 / encode:>11.2f}"
            lines.append(f"{row.name:26}{row.p50:>9.3f}{row.p95:>9.3f}{ratios}")
        fills = ", ".join(f"{each:,.0f} {name}" for name, each in size.fills.items())
        lines.append(f"nearest found: {size.found_nearest} of {size.have_near}")
        lines.append(f"fills a second: {fills}; bytes an entry: {size.bytes_of_an_entry:,.0f}")
    return "\n".join(lines)
