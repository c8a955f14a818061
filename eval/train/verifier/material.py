"""What the pair model learns from: Quora's pairs, CLINC's questions in pairs, and pairs that are
made: questions with something exchanged, which want another answer, and in another manner, which
want the same."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from eval.asked_again import Meant
from eval.pairs import Pair
from eval.swaps import Swaps, names, numbers_in, restyled
from retrieval.types import Vectors

T = TypeVar("T")


def swaps(questions: Sequence[str], seed: int, held_out: bool = False) -> list[Pair]:
    """Questions with their like that wants another answer."""
    made = Swaps(names(questions), seed, held_out)
    return [
        Pair(question, swap.text, False, swap.kind)
        for question in questions
        for swap in made.of(question)
    ]


def alike(questions: Sequence[Meant], vectors: Vectors, chosen: random.Random) -> list[Pair]:
    """Of each question one near that wants the same, and the nearest that wants something else."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    intents = np.array([question.intent for question in questions])
    pairs = []
    for place, question in enumerate(questions):
        same = intents == question.intent
        nearest = np.argsort(-np.where(same, cosines[place], -1.0))[: min(8, int(same.sum()) - 1)]
        if len(nearest):
            other = questions[int(chosen.choice(list(nearest)))]
            pairs.append(Pair(question.text, other.text, True, "same intent"))
        others = np.argsort(-np.where(same, -1.0, cosines[place]))[: min(4, int((~same).sum()))]
        other = questions[int(chosen.choice(list(others)))]
        pairs.append(Pair(question.text, other.text, False, "other intent"))
    return pairs


def styles(questions: Iterable[str], chosen: random.Random) -> list[Pair]:
    """Questions with the same in another manner."""
    made = ((question, restyled(question, chosen)) for question in questions)
    return [Pair(was, now, True, "style") for was, now in made if was != now]


@dataclass(frozen=True, slots=True)
class Amounts:
    """Pairs of each sort that the pair model learns from, at most."""

    intents: int = 4500
    exchanged: int = 800  # of each kind, of Quora's questions
    exchanged_intents: int = 900
    exchanged_duplicates: int = 1800
    manners: int = 2600
    manners_intents: int = 900


def taught(
    pairs: Sequence[Pair],
    questions: Sequence[Meant],
    vectors: Vectors,
    seed: int,
    amounts: Amounts = Amounts(),
) -> list[Pair]:
    """All that the pair model learns from: Quora's pairs, and of the rest up to these amounts."""
    chosen = random.Random(seed)
    intents = [pair for pair in alike(questions, vectors, chosen) if _like(pair)]
    intents = _some(intents, amounts.intents, chosen)
    texts = sorted({text for pair in pairs for text in (pair.asked, pair.known)})
    by_kind: dict[str, list[Pair]] = {}
    for pair in swaps(_some(texts, 11_000, chosen), seed):
        by_kind.setdefault(pair.kind, []).append(pair)
    of_intents = swaps([each.text for each in _some(questions, 4000, chosen)], seed + 1)
    exchanged = [
        pair for kind in by_kind.values() for pair in _some(kind, amounts.exchanged, chosen)
    ]
    exchanged += _some(of_intents, amounts.exchanged_intents, chosen)
    plain = _some(texts, amounts.manners, chosen)
    plain += [each.text for each in _some(questions, amounts.manners_intents, chosen)]
    manners = styles(plain, chosen)
    duplicates = _some([pair for pair in pairs if pair.same], 9000, chosen)
    astray = [
        Pair(swap.known, pair.known, False, f"duplicate: {swap.kind}")
        for pair in duplicates
        for swap in swaps([pair.asked], chosen.randrange(10**6))
        if swap.kind != "negation"
    ]
    astray = _some(astray, amounts.exchanged_duplicates, chosen)
    return [*pairs, *intents, *exchanged, *manners, *astray]


def _like(pair: Pair) -> bool:
    """Questions that mean the same with other numbers in them want different answers."""
    return not pair.same or sorted(numbers_in(pair.asked)) == sorted(numbers_in(pair.known))


def _some(of: Sequence[T], most: int, chosen: random.Random) -> list[T]:
    return chosen.sample(of, min(most, len(of)))
