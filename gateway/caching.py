"""What the answer cache would do with a question, told to whoever runs the gateway."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cache.types import Entry
from gateway.errors import UnknownCollection
from gateway.grounding import embedded
from gateway.known import named, unless_down
from gateway.pipeline import Gateway
from gateway.tracing.trace import Trace
from gateway.types import Ask, Caller


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry, as it stands to the question."""

    key: str
    question: str
    age: float  # seconds
    fresh: bool  # whether the documents are in the edition that it was made from
    sources: Sequence[str]
    cosine: float | None = None  # of a question that is merely near
    would_do: bool | None = None  # whether its answer would be given
    probability: float | None = None  # that this would be right; None where a rule says no
    reasons: Sequence[str] = ()  # against it


@dataclass(frozen=True, slots=True)
class Explanation:
    """The exact key and its parts, the entry under it, and what is near."""

    verdict: str
    key: str
    parts: Mapping[str, Any]
    edition: str
    exact: Kept | None
    near: Sequence[Kept]


async def explained(gateway: Gateway, caller: Caller, ask: Ask) -> Explanation:
    """What would be done with a request of this caller. Raises GatewayError."""
    recall, _ = await gateway.recalled(caller, ask, Trace())
    known, ask, grounds = gateway.known, recall.ask, recall.grounds
    if ask.collection and grounds is None:
        raise UnknownCollection(f"There is no collection '{ask.collection}'.")
    parts = named(known.parts(caller, ask, grounds))
    if recall.scope is None:
        why = "Such a request is not cached: it is neither cool, seeded nor grounded."
        return Explanation(why, "", parts, recall.edition, None, ())
    now = time.time()

    def kept(key: str, entry: Entry) -> Kept:
        fresh = entry.edition == recall.edition
        return Kept(key, entry.question, now - entry.made_at, fresh, entry.sources)

    entry = await unless_down(known.cache.exact(recall.scope))
    exact = kept(recall.scope.exact, entry) if entry and recall.young(entry) else None
    near: list[Kept] = []
    similar = known.config.semantic.enabled
    query = await embedded(gateway.encoder, ask.question, grounds) if similar else None
    if query := known.comparable(ask, query):
        verdict = await recall.compared(query)
        near = [
            replace(
                kept(each.candidate.key, each.candidate.entry),
                cosine=each.candidate.cosine,
                would_do=each.candidate is verdict.chosen and recall.young(each.candidate.entry),
                probability=each.probability,
                reasons=each.reasons,
            )
            for each in verdict.judged
        ]
    told = _verdict(exact, next((each for each in near if each.would_do), None))
    return Explanation(told, recall.scope.exact, parts, recall.edition, exact, near)


def _verdict(exact: Kept | None, near: Kept | None) -> str:
    match exact, near:
        case Kept(fresh=True), _:
            return "It is given again at once."
        case Kept(), _:
            return "The documents have changed: it is given again if the same passages are found."
        case None, Kept(fresh=True):
            return "The answer to a similar question is given."
        case None, Kept():
            return (
                "The documents have changed: the answer to a similar question is given if the same "
                "documents are found."
            )
    return "A model is asked."
