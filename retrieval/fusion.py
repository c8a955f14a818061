"""Ranked lists into one: decisions over scores, no I/O.

`weighted` is the default; `moorline eval retrieval` shows it beside reciprocal ranks. A passage
that only one half saw counts as the other half's least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from retrieval.config import RetrievalConfig
from retrieval.types import Hit, Legs

RRF_K = 60
"""Cormack, Clarke, Büttcher: Reciprocal Rank Fusion, SIGIR 2009."""
_WORDINGS = 0.4
"""Share of all wordings together. On validation questions one that has nothing to do with the
question takes 0.014 of nDCG@10 with this, 0.18 with half; three take 0.002, by reciprocal ranks
0.77."""


def fused(legs: Legs, config: RetrievalConfig) -> list[Hit]:
    """As it is configured; best first."""
    if config.fusion == "reciprocal":
        return reciprocal_rank(legs)
    return weighted(legs, config.dense_weight)


def weighted(legs: Legs, dense_weight: float) -> list[Hit]:
    """Both halves scaled to 0…1 within their candidates, then blended; best first.

    BM25 is scaled from 0, since it has a true zero; cosine from its least candidate.
    """
    dense = _scaled(legs.dense, floor=min((hit.score for hit in legs.dense), default=0.0))
    sparse = _scaled(legs.sparse, floor=0.0)
    return _fused(
        legs,
        lambda name: (
            dense_weight * dense.get(name, 0.0) + (1 - dense_weight) * sparse.get(name, 0.0)
        ),
    )


def reciprocal_rank(legs: Legs, k: int = RRF_K) -> list[Hit]:
    """The sum of 1 / (k + rank) over both halves, as a share of what the first place in both gives;
    best first."""
    most = 2 / (k + 1)
    scores: dict[str, float] = {}
    for leg in (legs.dense, legs.sparse):
        for rank, hit in enumerate(leg, 1):
            scores[hit.passage.id] = scores.get(hit.passage.id, 0.0) + 1 / (k + rank)
    return _fused(legs, lambda name: scores[name] / most)


def joined(plain: Sequence[Hit], wordings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """What a question and further wordings of it have found, each already fused; best first.

    The question has more say than all wordings together, so that nothing which only they have found
    comes before what the question itself puts first."""
    if not wordings:
        return list(plain)
    share = _WORDINGS / len(wordings)
    scores = {hit.passage.id: (1 - _WORDINGS) * hit.score for hit in plain}
    hits = {hit.passage.id: hit for hit in plain}
    for found in wordings:
        for hit in found:
            name = hit.passage.id
            scores[name] = scores.get(name, 0.0) + share * hit.score
            # Its halves compare it with other words than those that were asked.
            hits.setdefault(name, replace(hit, dense=None, sparse=None))
    return _ranked(replace(hit, score=scores[name]) for name, hit in hits.items())


def _scaled(hits: Sequence[Hit], floor: float) -> Mapping[str, float]:
    span = max((hit.score for hit in hits), default=floor) - floor
    return {hit.passage.id: (hit.score - floor) / span if span else 1.0 for hit in hits}


def _fused(legs: Legs, score: Callable[[str], float]) -> list[Hit]:
    """Every passage once, with the score of each half that saw it."""
    dense = {hit.passage.id: hit.score for hit in legs.dense}
    sparse = {hit.passage.id: hit.score for hit in legs.sparse}
    passages = {hit.passage.id: hit.passage for leg in (legs.dense, legs.sparse) for hit in leg}
    return _ranked(
        Hit(passage, score(name), dense.get(name), sparse.get(name))
        for name, passage in passages.items()
    )


def _ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Best first; equal scores by id, so that the same search always gives the same order."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))
