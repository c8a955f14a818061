"""From a gateway's address to a report: starts the upstream, holds the trial, counts the rest."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from eval.bench.faults.cases import BEHAVIOURS, CASES, Case
from eval.bench.faults.charges import Books
from eval.bench.faults.client import Door
from eval.bench.faults.expectations import ENDING
from eval.bench.faults.outage import outage
from eval.bench.faults.report import Report
from eval.bench.faults.subjects import open_sockets, started
from eval.bench.faults.trial import Subject, Trial, Verdict, runs
from eval.bench.faults.upstream import MisbehavingUpstream
from gateway.config import load
from gateway.ledger.database import open_database
from gateway.ledger.queries import Queries

LOOK_EVERY = 0.2


class NotRouted(Exception):
    """The gateway does not reach the upstream; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be tried. `start` names one that is started here; the door leads to any other."""

    subject: Subject
    start: str | None = None
    host: str = "127.0.0.1"  # where the upstream listens
    port: int = 0  # and the spare one beside it, on the next
    config: Path | None = None  # Moorline's own, whose ledger is read
    pid: int | None = None  # of the gateway, where its sockets are to be counted
    wait: float = 60.0  # seconds for the gateway to reach the upstream
    cases: tuple[Case, ...] = CASES


async def run(order: Order, heard: Callable[[Verdict], None]) -> Report:
    """Raises NotRouted, and NotReady where a subject cannot be started."""
    async with AsyncExitStack() as stack:
        upstream = MisbehavingUpstream(BEHAVIOURS, host=order.host, port=order.port)
        await stack.enter_async_context(upstream)
        spare = None
        if order.subject.fallback:
            port = order.port and order.port + 1
            spare = MisbehavingUpstream({}, host=order.host, port=port, beside=upstream)
            await stack.enter_async_context(spare)
        kept = [each for each in (upstream, spare) if each]
        if order.start:
            order = await stack.enter_async_context(_started(order, upstream, spare))
        books = stack.enter_context(_books(order.config))
        trial = Trial(replace(order.subject, books=books), upstream)
        await _routed(trial, order.wait)
        before = _sockets(order.pid, kept)
        verdicts = await trial.all(runs(order.cases), heard)
        verdicts.append(await outage(trial))
        heard(verdicts[-1])
        busy = await _busy(upstream)
        after = _sockets(order.pid, kept)
        more = max(0, after - before) if before is not None and after is not None else None
        return Report(verdicts, busy, more)


@asynccontextmanager
async def _started(
    order: Order, upstream: MisbehavingUpstream, spare: MisbehavingUpstream | None
) -> AsyncIterator[Order]:
    """The order for a gateway that runs as long as this lasts."""
    assert order.start
    with tempfile.TemporaryDirectory() as folder:
        spare_url = spare.url if spare else None
        gateway = started(order.start, upstream.url, spare_url, Path(folder))
        running = await asyncio.to_thread(gateway.__enter__)
        try:
            door = Door(f"http://127.0.0.1:{running.server.port}")
            subject = replace(order.subject, door=door, model=running.model)
            pid = running.server.pid
            yield replace(order, subject=subject, config=running.config, pid=pid)
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)


@contextmanager
def _books(config_file: Path | None) -> Iterator[Books | None]:
    """The ledger of a gateway whose configuration is at hand."""
    if config_file is None:
        yield None
        return
    config = load(config_file)
    database = open_database(config.ledger, config.data)
    try:
        yield Books(Queries(database))
    finally:
        database.close()


async def _routed(trial: Trial, wait: float) -> None:
    """Until the gateway passes on what the upstream answers."""
    deadline = time.monotonic() + wait
    while complaints := await trial.unhealthy():
        if time.monotonic() > deadline:
            raise NotRouted(f"The gateway does not reach the upstream: {'; '.join(complaints)}.")
        await asyncio.sleep(LOOK_EVERY)


async def _busy(upstream: MisbehavingUpstream) -> int:
    """Connections on which a call still goes on, ten seconds after the last request."""
    for _ in range(round(ENDING / LOOK_EVERY)):
        if not upstream.busy:
            break
        await asyncio.sleep(LOOK_EVERY)
    return upstream.busy


def _sockets(pid: int | None, upstreams: Iterable[MisbehavingUpstream]) -> int | None:
    """What the gateway has open beside the connections that it keeps to the upstreams."""
    return None if pid is None else open_sockets(pid) - sum(each.open for each in upstreams)
