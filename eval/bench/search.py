"""How long one hybrid search takes in the embedded index, with and without access to be kept to,
beside brute force over the same passages in the same run.

Passages are made up: vectors in clusters, words as frequent as words are. Wall times depend on the
machine and on who else is on it; the ratio to numpy's exact search, asked in turn, hardly does.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.config import RetrievalConfig
from retrieval.fusion import fused
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes, Rebuilding
from retrieval.sparse import document_vector, query_vector
from retrieval.types import Embedded, Metadata, Passage, Vectors, Viewer

_SIZE, _CLUSTERS, _VOCABULARY = 384, 256, 50_000
_LENGTH, _ASKED = 110, 6
"""Words of a passage, and of a question."""
_PER_DOCUMENT, _WRITTEN = 10, 100
_TEAMS = 4
_BLOCK = 20  # questions in a row
_QUIET = 5.0
"""Seconds after the last write when the graph is made; writes meanwhile put it off."""


Search: TypeAlias = Callable[[int], Awaitable[None]]
"""Looks for what answers the question with this number."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of one search, over all questions."""

    name: str
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures with their conditions."""

    passages: int
    questions: int
    machine: str
    seconds_to_build: float
    timed: Sequence[Timed]

    def json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()


@dataclass(frozen=True, slots=True)
class _Corpus:
    vectors: Vectors
    words: Sequence[Sequence[str]]
    questions: Vectors
    asked: Sequence[Sequence[str]]


def measure(passages: int, questions: int, told: Callable[[str], None]) -> Report:
    corpus = _made(passages, questions)
    with tempfile.TemporaryDirectory(prefix="moorline-bench-") as folder:
        return asyncio.run(_measured(Path(folder), corpus, told))


async def _measured(folder: Path, corpus: _Corpus, told: Callable[[str], None]) -> Report:
    indexes = EmbeddedIndexes(folder, "made-up", _SIZE, Rebuilding(quiet=_QUIET))
    began = time.perf_counter()
    opened = await _filled(indexes, "open", corpus, lambda number: {}, told)
    closed = await _filled(indexes, "closed", corpus, _restricted, told)
    built = time.perf_counter() - began
    timed = await _timed(opened, closed, corpus)
    await indexes.aclose()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return Report(len(corpus.words), len(corpus.asked), machine, built, timed)


def _restricted(number: int) -> Metadata:
    """A quarter is each team's, half of that a group's, and all of it is valid."""
    meta: dict[str, Any] = {"tenant": f"team-{number % _TEAMS}", "valid_from": 1.0}
    return meta | ({"groups": ["staff", "board"]} if number % 2 else {})


async def _filled(
    indexes: EmbeddedIndexes,
    name: str,
    corpus: _Corpus,
    meta: Callable[[int], Metadata],
    told: Callable[[str], None],
) -> EmbeddedIndex:
    index = await indexes.open(name, create=True)
    assert isinstance(index, EmbeddedIndex)  # it was just made
    many = len(corpus.words)
    starts = range(0, many, _PER_DOCUMENT)
    for batch in range(0, len(starts), _WRITTEN):
        group = [_document(corpus, start, meta) for start in starts[batch : batch + _WRITTEN]]
        await index.write(group)
    told(f"{name}: {many} passages are written")
    if index.rebuilding:
        await index.settled()
        told(f"{name}: rebuilt")
    return index


def _document(corpus: _Corpus, start: int, meta: Callable[[int], Metadata]) -> Embedded:
    places = range(start, min(start + _PER_DOCUMENT, len(corpus.words)))
    source = f"{start // _PER_DOCUMENT}.md"
    known = meta(start // _PER_DOCUMENT)
    passages = [
        Passage(
            id=f"{source}/{ordinal}",
            document=source,
            version="v1",
            ordinal=ordinal,
            title=source,
            headings=("A section",),
            text=" ".join(corpus.words[place]),
            start=0,
            end=1,
            meta=known,
        )
        for ordinal, place in enumerate(places)
    ]
    sparse = [document_vector(corpus.words[place], _LENGTH) for place in places]
    return Embedded(source, "v1", passages, corpus.vectors[places.start : places.stop], sparse)


async def _timed(opened: EmbeddedIndex, closed: EmbeddedIndex, corpus: _Corpus) -> list[Timed]:
    """Each gets all questions, in blocks that take turns, so that all meet the same moments; and
    never a block that another has just had, so that what is found is not at hand already."""
    viewer = Viewer("team-1", frozenset({"staff"}))
    limit = RetrievalConfig().candidates
    subjects = {
        "nobody is kept out": _ours(opened, corpus, viewer),
        "without a viewer": _ours(closed, corpus, None),
        "tenant, groups and validity": _ours(closed, corpus, viewer),
        "numpy, exact": _exact(corpus, limit),
        **_bm25s(corpus, limit),
    }
    many = len(corpus.asked)
    blocks = [range(start, min(start + _BLOCK, many)) for start in range(0, many, _BLOCK)]
    took: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(len(blocks)):
        for place, (name, search) in enumerate(subjects.items()):
            await search(0)  # whose threads spin on from before is not to be paid for here
            for number in blocks[(turn + place) % len(blocks)]:
                began = time.perf_counter()
                await search(number)
                took[name].append(time.perf_counter() - began)
    return [_summed(name, seconds) for name, seconds in took.items()]


def _ours(index: EmbeddedIndex, corpus: _Corpus, viewer: Viewer | None) -> Search:
    config = RetrievalConfig()

    async def search(number: int) -> None:
        asked = query_vector(corpus.asked[number])
        legs = await index.search(corpus.questions[number], asked, config.candidates, None, viewer)
        fused(legs, config)

    return search


def _summed(name: str, seconds: Sequence[float]) -> Timed:
    cut = statistics.quantiles(seconds, n=20)
    return Timed(name, statistics.median(seconds) * 1000, cut[18] * 1000)


def _exact(corpus: _Corpus, limit: int) -> Search:
    async def search(number: int) -> None:
        cosines = corpus.vectors @ corpus.questions[number]
        best = np.argpartition(-cosines, min(limit, len(cosines) - 1))[:limit]
        best[np.argsort(-cosines[best])]

    return search


def _bm25s(corpus: _Corpus, limit: int) -> dict[str, Search]:
    """The fastest of the packages, where the development requirements are installed."""
    if not find_spec("bm25s"):
        return {}
    model = import_module("bm25s").BM25()
    model.index([list(words) for words in corpus.words], show_progress=False)

    async def search(number: int) -> None:
        words = [list(corpus.asked[number])]
        model.retrieve(words, k=min(limit, len(corpus.words)), show_progress=False)

    return {"bm25s": search}


def _made(passages: int, questions: int) -> _Corpus:
    dice = np.random.default_rng(7)
    centres = dice.normal(size=(_CLUSTERS, _SIZE))
    vectors = _near(dice, centres[dice.integers(_CLUSTERS, size=passages)], 1.0)
    shares = 1 / np.arange(1, _VOCABULARY + 1) ** 1.07
    drawn = dice.choice(_VOCABULARY, size=(passages, _LENGTH), p=shares / shares.sum())
    spelt = [f"w{word}" for word in range(_VOCABULARY)]  # each once in memory
    words = [[spelt[word] for word in row] for row in drawn]
    chosen = dice.integers(passages, size=questions)
    # Nobody asks for the words that are in every text.
    asked = [[spelt[word] for word in row if word > 50][:_ASKED] for row in drawn[chosen]]
    return _Corpus(vectors, words, _near(dice, vectors[chosen] * _SIZE**0.5, 0.5), asked)


def _near(dice: np.random.Generator, centres: NDArray[Any], noise: float) -> Vectors:
    moved = centres + dice.normal(size=centres.shape) * noise
    found: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return found


def table(report: Report) -> str:
    """The report for people."""
    reference = next(one.p50 for one in report.timed if one.name.startswith("numpy"))
    lines = [
        f"{report.passages} passages, {report.questions} questions; {report.machine}; "
        f"built in {report.seconds_to_build:.0f} s",
        f"{'':30}{'p50 ms':>9}{'p95 ms':>9}{'to numpy':>10}",
    ]
    for one in report.timed:
        ratio = one.p50 / reference
        lines.append(f"{one.name:30}{one.p50:9.2f}{one.p95:9.2f}{ratio:10.2f}")
    return "\n".join(lines)
