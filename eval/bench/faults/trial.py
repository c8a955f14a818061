"""Asks a gateway once for each case, and judges what came of it."""

from __future__ import annotations

import asyncio
import random
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from eval.bench.faults.cases import Case
from eval.bench.faults.charges import Books, wrong_charges
from eval.bench.faults.client import Door, Seen, ask
from eval.bench.faults.expectations import (
    ENDING,
    LEAVING,
    BreaksOff,
    Check,
    Either,
    Fails,
    Whole,
    Witness,
    discreet,
    ended,
)
from eval.bench.faults.told import Told, told
from eval.bench.faults.upstream import STEADY, MisbehavingUpstream, prompt

AT_ONCE = 16  # cases under way together
LOOK_EVERY = 0.01
MOST_TOKENS = 100  # of an answer: what a gateway may reserve for it

Run: TypeAlias = tuple[Case, bool]
"""A case, and whether it is streamed."""


def runs(cases: Iterable[Case]) -> list[Run]:
    """Every case in each of its modes."""
    return [(case, stream) for case in cases for stream in case.modes]


@dataclass(frozen=True, slots=True)
class Subject:
    """The gateway under test, and what is known of how it is set up."""

    door: Door
    model: str = "*"  # what it calls the upstream's models; the star is a case's name
    patience: float = 10.0  # seconds in which every answer, good or bad, must be over
    fallback: bool = False  # each model has one that works behind it
    continues: bool = False  # which also finishes what another has begun
    books: Books | None = None
    keys: Iterator[str] | None = None  # one a case: its budget has room for one request at a time

    def asked(self, name: str) -> str:
        return self.model.replace("*", name)

    def expected(self, check: Check) -> Check:
        """What becomes of an expectation where another model can help."""
        if isinstance(check, Either):
            return Either(tuple(map(self.expected, check.ways)))
        if self.fallback and isinstance(check, Fails) and check.heals:
            return Whole()
        if self.continues and isinstance(check, BreaksOff) and not check.more:
            return Whole(counted=False)
        return check


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one case in one mode."""

    case: str
    upstream: str  # what it did
    stream: bool | None  # None: both
    seen: str
    complaints: tuple[str, ...]
    seconds: float
    charged: bool  # whether the ledger was read

    @property
    def passed(self) -> bool:
        return not self.complaints


@dataclass(frozen=True, slots=True)
class Trial:
    """A subject before the upstream."""

    subject: Subject
    upstream: MisbehavingUpstream

    async def all(
        self, runs: Sequence[Run], heard: Callable[[Verdict], None] = lambda verdict: None
    ) -> list[Verdict]:
        """Every run: those that would disturb others first, one by one."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case, stream: bool) -> Verdict:
            trial = self.with_a_fresh_key()
            async with free:
                verdict = await trial.judged(case, stream)
            heard(verdict)
            return verdict

        apart = [run for run in runs if run[0].alone or run[0].listening != "open"]
        verdicts = {run: await one(*run) for run in apart}
        rest = [run for run in runs if run not in verdicts]
        verdicts |= zip(rest, await asyncio.gather(*(one(*run) for run in rest)), strict=True)
        return [verdicts[run] for run in runs]

    def with_a_fresh_key(self) -> Trial:
        """With the next key, where there are some."""
        subject = self.subject
        if subject.keys is None:
            return self
        door = replace(subject.door, key=next(subject.keys))
        return replace(self, subject=replace(subject, door=door))

    async def judged(self, case: Case, stream: bool) -> Verdict:
        """One case in one mode, and the gateway's health after it."""
        check = self.subject.expected(case.check(stream))
        async with self.upstream.listening(case.listening):
            if case.warmed:
                await self.ask(STEADY, STEADY, stream=False)
            witness = await self.ask(case.model(stream), case.name, stream, case)
        await self._over(witness, LEAVING if case.leave else ENDING)
        complaints = [
            found for each in (check, *case.also, ended, discreet) for found in each(witness)
        ]
        if books := self.subject.books:
            rows = await books.rows(witness.request)
            complaints += wrong_charges(rows, witness, check)
        complaints += await self.unhealthy()
        return Verdict(
            case.name,
            case.upstream,
            stream,
            described(witness.seen, witness.told),
            tuple(complaints),
            witness.seen.seconds,
            books is not None,
        )

    async def ask(self, model: str, fault: str, stream: bool, case: Case | None = None) -> Witness:
        """One request, and all that is known of it."""
        request = "".join(random.choices(string.ascii_lowercase, k=10))
        body = {
            "model": self.subject.asked(model),
            "messages": [{"role": "user", "content": prompt(fault, request)}],
            "max_tokens": MOST_TOKENS,
        }
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        leave = case.leave if case else None
        seen = await ask(self.subject.door, body, self.subject.patience, leave)
        return Witness(request, stream, seen, told(seen), self.upstream.attempts[request])

    async def unhealthy(self) -> list[str]:
        """What is wrong with ordinary answers."""
        found = []
        for stream in (False, True):
            witness = await self.ask(STEADY, STEADY, stream)
            what = "a stream" if stream else "a plain request"
            found += [f"{what} after it: {complaint}" for complaint in Whole()(witness)]
        return found

    async def _over(self, witness: Witness, within: float) -> None:
        """Wait for the end of the calls that a request has caused."""
        deadline = time.monotonic() + within
        left = witness.seen.ending == "left"  # perhaps before the call was made
        while any(ended(witness)) or (left and not witness.attempts):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(LOOK_EVERY)


def described(seen: Seen, told: Told) -> str:
    """What the client saw, in a few words."""
    parts = [str(seen.status) if seen.status else "no answer"]
    if told.error:
        parts.append(str(told.error.get("code") or told.error.get("type") or "error"))
    if seen.status == 200:
        parts.append(f"{len(told.text.split())} words")
    if told.done:
        parts.append("[DONE]")
    if seen.ending != "whole":
        parts.append(seen.ending)
    return ", ".join(parts)
