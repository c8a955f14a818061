"""A stream of questions against a cache that starts empty: each is answered from it, or put in it.

An entry answers what its question means; giving it to a question that means something else is
wrong. How that is decided comes in from outside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cache.types import Candidate, Entry
from cache.verification.candidates import same_answer
from retrieval.types import Vectors

MOST = 8
"""Candidates that are looked at."""

Decides: TypeAlias = Callable[[str, Sequence[Candidate]], Candidate | None]


@dataclass(frozen=True, slots=True)
class Meant:
    """A question and what it wants."""

    text: str
    intent: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a stream, and what came of it."""

    question: Meant
    candidates: Sequence[Candidate]
    chosen: Candidate | None

    @property
    def right(self) -> bool:
        return self.chosen is not None and self.chosen.entry.answer == self.question.intent


def stream(
    questions: Sequence[Meant],
    vectors: Vectors,
    floor: float,
    decide: Decides,
    never_kept: Container[str] = (),
) -> Iterator[Asked]:
    """Each question with the candidates that it met. `vectors` are theirs, a row each; answers to
    some intents are `never_kept`, so that any that is given to their questions is wrong."""
    kept = np.empty_like(vectors, dtype=np.float32)
    entries: list[Entry] = []
    for question, vector in zip(questions, vectors, strict=True):
        candidates = near(vector, kept[: len(entries)], entries, floor)
        chosen = decide(question.text, candidates)
        yield Asked(question, candidates, chosen)
        if chosen is None and question.intent not in never_kept:
            kept[len(entries)] = vector
            entries.append(Entry(b"", question.text, (), time.time(), question.intent))


def plain(threshold: float) -> Decides:
    """The nearest, where it is near enough."""

    def decide(_: str, candidates: Sequence[Candidate]) -> Candidate | None:
        return candidates[0] if candidates and candidates[0].cosine >= threshold else None

    return decide


def margin(threshold: float, lead: float) -> Decides:
    """The nearest, where it also leads over the nearest with another answer."""

    def decide(_: str, candidates: Sequence[Candidate]) -> Candidate | None:
        if not candidates or candidates[0].cosine < threshold:
            return None
        best, *others = candidates
        rivals = [o.cosine for o in others if not same_answer(o.entry, best.entry)]
        return best if not rivals or best.cosine - rivals[0] >= lead else None

    return decide


def near(vector: Vectors, kept: Vectors, entries: Sequence[Entry], floor: float) -> list[Candidate]:
    """The nearest entries, the nearest first; their vectors are a row each."""
    cosines = kept @ vector
    places = np.flatnonzero(cosines >= floor)
    if len(places) > MOST:
        places = places[np.argpartition(-cosines[places], MOST)[:MOST]]
    places = places[np.argsort(-cosines[places], kind="stable")]
    return [Candidate(str(at), entries[at], float(cosines[at])) for at in places.tolist()]
