"""Earlier questions as they are judged: which of them no rule speaks against, and who answers as
the nearest of those does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache.types import Candidate, Entry
from cache.verification.features import Company, row
from cache.verification.pairs import Read, read
from cache.verification.rules import conflicts, facts


@dataclass(frozen=True, slots=True)
class Looked:
    """The nearest candidate that no rule speaks against, and what there is to be judged."""

    candidate: Candidate
    row: Sequence[float]
    read: Read


def against(question: str, candidates: Sequence[Candidate]) -> list[list[str]]:
    """What the rules say against each."""
    asked = facts(question)
    return [conflicts(asked, facts(each.entry.question)) for each in candidates]


def looser(question: str, candidates: Sequence[Candidate]) -> Candidate | None:
    """The nearest that no rule speaks against: for when the similar is better than nothing."""
    reasons = against(question, candidates)
    return next((c for c, found in zip(candidates, reasons, strict=True) if not found), None)


def looked(
    question: str, left: Sequence[Candidate], tokens: Callable[[Sequence[str]], list[list[int]]]
) -> Looked:
    """The first of those that are left, beside the others."""
    best, *others = left
    known = best.entry.question
    pair = read(*tokens([question, known]))
    seen = row(best.cosine, company(best, others), facts(question), facts(known), pair)
    return Looked(best, seen, pair)


def company(best: Candidate, others: Sequence[Candidate]) -> Company:
    """Those beside the best, nearest first, by whether they answer as it does."""
    fellows = [each.cosine for each in others if same_answer(each.entry, best.entry)]
    rivals = [each.cosine for each in others if not same_answer(each.entry, best.entry)]
    return Company(
        rival=rivals[0] if rivals else None,
        fellows=len(fellows),
        fellow=fellows[0] if fellows else 0.0,
    )


def same_answer(one: Entry, other: Entry) -> bool:
    """Whether two entries say the same. Models put the same in other words each time; what they
    stand on tells more: the same passages were found for both, or the same documents cited."""
    if one.answer == other.answer and one.answer:
        return True
    if one.found and one.found == other.found:
        return True
    return bool(one.sources) and set(one.sources) == set(other.sources)
