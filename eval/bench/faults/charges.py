"""What a request was charged, held against what was delivered. Reads Moorline's own ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from context.tokens import counter
from eval.bench.faults.expectations import Check, Whole, Witness
from eval.bench.faults.saying import PROMPT_TOKENS, Call, words
from gateway.ledger.queries import Queries
from gateway.ledger.types import Filters, Request

WRITTEN_WITHIN = 5.0  # seconds: the ledger is written behind the response
LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger of the gateway under test."""

    queries: Queries

    async def rows(self, request: str) -> Sequence[Request]:
        """What was written of a request, which is known by the id in its question."""
        deadline = time.monotonic() + WRITTEN_WITHIN
        while True:
            page = await asyncio.to_thread(self.queries.traces, 10, 0, Filters(text=request))
            if page.requests or time.monotonic() > deadline:
                return page.requests
            await asyncio.sleep(LOOK_EVERY)


def wrong_charges(rows: Sequence[Request], witness: Witness, check: Check) -> Iterator[str]:
    """Nothing twice, and nothing that was not delivered."""
    if len(rows) != 1:
        yield f"{len(rows)} rows in the ledger"
        return
    row = rows[0]
    charged = f"charged {row.prompt_tokens} + {row.completion_tokens} tokens, ${row.cost_usd:g}"
    if isinstance(check, Whole) and check.counted:
        if row.tokens != PROMPT_TOKENS + len(words(Call(witness.request))):
            yield f"{charged} for one whole answer"
        return
    delivered = _delivered(witness, check)
    if not delivered and (row.tokens or row.cost_usd):
        yield f"{charged} for nothing"
    if row.completion_tokens > delivered:
        yield f"{charged}, where {delivered} were delivered"


def _delivered(witness: Witness, check: Check) -> int:
    """Tokens that the client has or, where it left, that were on their way to it.

    A call that was answered to its end says how many they were; of others they are counted.
    """
    count = counter()
    if isinstance(check, Whole):  # begun by one model, finished by another
        finished = [attempt for attempt in witness.attempts if attempt not in witness.faulty]
        begun = sum(count(attempt.said) for attempt in witness.faulty)
        return begun + sum(len(attempt.said.split()) for attempt in finished)
    if witness.seen.ending == "left":
        return max((count(attempt.said) for attempt in witness.attempts), default=0)
    return count(witness.told.text)
