"""A model that is down and comes back: how hard it is tried, and how soon it answers again."""

from __future__ import annotations

import asyncio
import time

from eval.bench.faults.expectations import Fails, Whole, Witness
from eval.bench.faults.trial import Trial, Verdict
from eval.bench.faults.upstream import STEADY

MODEL = "outage"
DOWN = "status-500"  # the behaviour meanwhile
REQUESTS = 16
LAST = 8  # of them, by when it must have been noticed
MOST_CALLS = 4  # for a request, on average: one and the three retries that are usual
HEALS_WITHIN = 10.0  # seconds
LOOK_EVERY = 0.1
UPSTREAM = f"answers 500 to {REQUESTS} requests, then as it should"


async def outage(trial: Trial) -> Verdict:
    """Requests while it is down, and until it answers again."""
    started = time.monotonic()
    expected = trial.subject.expected(Fails())
    down = [await trial.ask(MODEL, DOWN, stream=False) for _ in range(REQUESTS)]
    complaints = [found for witness in down for found in expected(witness)][:1]
    calls = [len(witness.faulty) for witness in down]
    if sum(calls) > MOST_CALLS * REQUESTS:
        complaints.append(f"{sum(calls)} calls for {REQUESTS} requests")
    if sum(calls[-LAST:]) >= LAST:
        complaints.append(f"the last {LAST} requests still caused {sum(calls[-LAST:])} calls")
    back = await _back(trial)
    if back is None:
        complaints.append(f"not back {HEALS_WITHIN:g} s after the upstream")
    complaints += await trial.unhealthy()
    heals = f"back after {back:.1f} s" if back is not None else "not back"
    return Verdict(
        MODEL,
        UPSTREAM,
        None,
        f"{sum(calls)} calls, {sum(calls[-LAST:])} for the last {LAST}; {heals}",
        tuple(complaints),
        time.monotonic() - started,
        False,
    )


async def _back(trial: Trial) -> float | None:
    """Seconds until the model itself answers again."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < HEALS_WITHIN:
        witness = await trial.ask(MODEL, STEADY, stream=False)
        if _answered(witness):
            return passed
        await asyncio.sleep(LOOK_EVERY)
    return None


def _answered(witness: Witness) -> bool:
    return bool(witness.faulty) and not any(Whole()(witness))
