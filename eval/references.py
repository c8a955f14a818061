"""Other people's search over the same passages, to be held against ours in the same run.

`rank-bm25` with our terms and with its own examples' tokens, `bm25s` as it comes, and MiniLM over
whole documents, cut where its window ends, as the published figures were made.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.datasets import Dataset
from eval.remembered import Memory, digest
from retrieval.sparse import passage_terms
from retrieval.types import Encoder, Passage
from retrieval.words import query_terms

DEEP = 50
"""Passages taken from a ranking, so that 20 documents remain where they come in pieces."""

Ranking: TypeAlias = Sequence[str]
Scores: TypeAlias = "NDArray[np.floating[Any]]"


@dataclass(frozen=True, slots=True)
class Rankings:
    """Documents for each question, best first, and how long one question took."""

    name: str
    documents: Sequence[Ranking]
    p50_ms: float | None = None


def lexical(dataset: Dataset, passages: Sequence[Passage], memory: Memory) -> list[Rankings]:
    """The packages that are installed; they come with the development requirements."""
    asked = [question.text for question in dataset.questions]
    owners = [passage.document for passage in passages]
    found = []
    if find_spec("rank_bm25"):
        ours = [passage_terms(passage) for passage in passages]
        wanted = [query_terms(text) for text in asked]
        found.append(_okapi("rank-bm25, same terms", ours, wanted, owners, memory))
        plain = [passage.embedded.lower().split() for passage in passages]
        wanted = [text.lower().split() for text in asked]
        found.append(_okapi("rank-bm25, plain words", plain, wanted, owners, memory))
    if find_spec("bm25s"):
        texts = [passage.embedded for passage in passages]
        found.append(_bm25s("bm25s, as it comes", texts, asked, owners))
    return found


async def whole_documents(dataset: Dataset, encoder: Encoder) -> Rankings:
    """One vector a document, cut at the window: how published figures are made."""
    texts = [f"{one.title}\n{one.text}".strip() for one in dataset.documents]
    whole = [text for text in texts if encoder.count(text) <= encoder.window]
    known = dict(zip(whole, await encoder.passages(whole), strict=True))
    cut = [text for text in texts if text not in known]
    known |= {text: (await encoder.query(text)).vector for text in cut}
    vectors = np.stack([known[text] for text in texts])
    names = [one.source for one in dataset.documents]
    rankings = []
    for question in dataset.questions:
        scores = vectors @ (await encoder.query(question.text)).vector
        rankings.append([names[place] for place in _best(scores)])
    return Rankings("MiniLM, whole documents", rankings)


def _okapi(
    name: str,
    corpus: Sequence[Sequence[str]],
    asked: Sequence[Sequence[str]],
    owners: Sequence[str],
    memory: Memory,
) -> Rankings:
    """Remembered, since it takes up to a third of a second a question."""
    from rank_bm25 import BM25Okapi  # type: ignore[import-untyped]

    contents = json.dumps([name, owners, corpus, asked])
    key = digest("rankings", version("rank-bm25"), str(DEEP), contents)
    if known := memory.get([key]):
        documents, p50 = json.loads(known[key])
        return Rankings(name, documents, p50)
    okapi = BM25Okapi(corpus)
    found = _timed(name, asked, owners, okapi.get_scores)
    memory.put([(key, json.dumps([found.documents, found.p50_ms]).encode())])
    return found


def _bm25s(
    name: str, corpus: Sequence[str], asked: Sequence[str], owners: Sequence[str]
) -> Rankings:
    import bm25s  # type: ignore[import-untyped]

    index = bm25s.BM25()
    index.index(bm25s.tokenize(corpus, show_progress=False), show_progress=False)

    def scores(text: str) -> Scores:
        (tokens,) = bm25s.tokenize([text], return_ids=False, show_progress=False)
        return np.asarray(index.get_scores(tokens)) if tokens else np.zeros(len(corpus))

    return _timed(name, asked, owners, scores)


def _timed(
    name: str,
    asked: Sequence[Any],
    owners: Sequence[str],
    scores: Callable[[Any], Scores],
) -> Rankings:
    rankings, clock = [], []
    for question in asked:
        started = time.perf_counter()
        found = scores(question)
        best = _best(found)
        clock.append((time.perf_counter() - started) * 1000)
        rankings.append(distinct(owners[place] for place in best if found[place] > 0))
    return Rankings(name, rankings, statistics.median(clock) if clock else None)


def _best(scores: Scores) -> list[int]:
    return [int(place) for place in (-scores).argsort(kind="stable")[:DEEP]]


def distinct(names: Iterable[str]) -> list[str]:
    """Each once, where it came first."""
    return list(dict.fromkeys(names))
