"""What the judgement is made of: two questions' words, their cosine, and who else is near.

Numbers only; whether they speak for the candidate is learned elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cache.verification.pairs import ASKED, ASKED_TOO, KNOWN, Read
from cache.verification.rules import Facts

_FAR = 0.5
"""Stands for a lead where there is no entry to lead over."""


@dataclass(frozen=True, slots=True)
class Company:
    """Entries near the question, beside the candidate."""

    rival: float | None = None  # cosine of the nearest that answers otherwise
    fellows: int = 0  # that answer as the candidate does
    fellow: float = 0.0  # cosine of the nearest of them


NAMES = (
    # how near it stands, and who else
    "cosine", "lead", "rival", "fellows", "fellow",
    # words
    "shared", "asked_covered", "known_covered", "asked_alone", "known_alone", "couples",
    "letters", "same_begin", "same_end", "shortest", "length_ratio", "in_order", "one_exchanged",
    # how rare the tokens are
    "rare_shared", "asked_rarest", "known_rarest", "asked_rare", "known_rare",
    # what the rules see
    "numbers", "numbers_differ", "names", "names_differ", "proper_differ", "measures_differ",
    "negations", "kinds_differ",
)  # fmt: skip
"""The columns of a row, in order."""


def row(cosine: float, company: Company, asked: Facts, known: Facts, read: Read) -> list[float]:
    """Of a pair; the pair model's opinion is no part of it."""
    return [
        *_standing(cosine, company),
        *_wording(asked.words, known.words),
        *_rarity(read),
        *_saying(asked, known),
    ]


def _standing(cosine: float, company: Company) -> Sequence[float]:
    rival = company.rival
    lead, near = (_FAR, 0.0) if rival is None else (cosine - rival, rival)
    return cosine, lead, near, company.fellows, company.fellow


def _wording(asked: Sequence[str], known: Sequence[str]) -> Sequence[float]:
    mine, theirs = set(asked), set(known)
    shared = mine & theirs
    couples, others = set(pairwise(asked)), set(pairwise(known))
    letters, more = _threes(asked), _threes(known)
    shortest, longest = sorted((len(asked), len(known)))
    apart = sum(one != other for one, other in zip(asked, known, strict=False))
    return (
        _over(len(shared), len(mine | theirs)),
        _over(len(shared), len(mine)),
        _over(len(shared), len(theirs)),
        len(mine - theirs),
        len(theirs - mine),
        _over(len(couples & others), len(couples | others)),
        _over(2 * len(letters & more), len(letters) + len(more)),
        _alike(asked, known),
        _alike(asked[::-1], known[::-1]),
        shortest,
        _over(shortest, longest),
        [word for word in asked if word in shared] == [word for word in known if word in shared],
        shortest == longest and apart == 1,
    )


def _rarity(read: Read) -> Sequence[float]:
    """Of the tokens that one side has alone, beside those that both have."""
    told = list(zip(read.rarity, read.parts, strict=True))
    asked = [rarity for rarity, part in told if part == ASKED]
    known = [rarity for rarity, part in told if part == KNOWN]
    shared = sum(rarity for rarity, part in told if part == ASKED_TOO)
    return (
        _over(shared, shared + sum(asked) + sum(known)),
        max(asked, default=0.0),
        max(known, default=0.0),
        sum(asked),
        sum(known),
    )


def _saying(asked: Facts, known: Facts) -> Sequence[float]:
    proper = len(asked.proper.difference(known.words)) + len(known.proper.difference(asked.words))
    return (
        asked.numbers.total() + known.numbers.total(),
        asked.numbers != known.numbers,
        asked.names.total() + known.names.total(),
        asked.names != known.names,
        proper,
        asked.units != known.units or asked.dates != known.dates,
        asked.negations + known.negations,
        asked.kind != known.kind,
    )


def _threes(words: Sequence[str]) -> set[str]:
    text = f" {' '.join(words)} "
    return {text[at : at + 3] for at in range(len(text) - 2)}


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Words that both begin with."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


def _over(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
