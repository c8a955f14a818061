"""Writes requests and traces behind the response: an append here, a thread does the rest."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.ledger import rows
from gateway.ledger.config import Retention
from gateway.ledger.database import Database
from gateway.ledger.types import Request
from gateway.tracing.content import bare, redacted, without_content
from gateway.tracing.sinks import Sink
from gateway.tracing.trace import Span, Trace

CAPACITY = 10_000  # requests that wait for the database before new ones are dropped
BATCH = 500
INTERVAL = 0.2  # seconds between batches
BREATHE_EVERY = 8  # traces: half a millisecond's work
BREATH = 50e-6  # seconds in which the event loop gets the interpreter
RETRY = 1.0  # seconds to wait for a database that does not answer
CLOSE_WITHIN = 10.0  # seconds that a stop may wait for it
SINKS_WITHIN = 5.0  # seconds that a stop may wait for each sink
PRUNE_EVERY = 3600.0
PRUNE_ROWS = 1000  # a delete this small keeps nobody waiting

_log = logging.getLogger(__name__)
_marks = ", ".join("?" * len(rows.NAMES))
# A batch whose commit was not confirmed is written again: what is there already stays.
_INSERT_REQUEST = (
    f"INSERT INTO requests ({rows.COLUMNS}) VALUES ({_marks}) ON CONFLICT (at, trace_id) DO NOTHING"
)
_INSERT_TRACE = (
    "INSERT INTO traces (at, trace_id, body) VALUES (?, ?, ?) ON CONFLICT (at, trace_id) DO NOTHING"
)


class _Finished(NamedTuple):
    request: Request
    trace: Trace


class LedgerWriter:
    """Takes finished requests on the event loop and stores them from a thread of its own.

    What was accepted is written, also when the database is away for a while; what does not fit
    the queue is dropped and counted. A trace must not change after it was handed over.
    """

    def __init__(
        self,
        database: Database,
        *,
        retention: Retention | None = None,
        sinks: Sequence[Sink] = (),
        content: bool = True,
        redact: Callable[[str], str] | None = None,
        capacity: int = CAPACITY,
        retry: float = RETRY,
        close_within: float = CLOSE_WITHIN,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dropped = 0
        self.pruned = threading.Event()  # set once what had aged at the start is deleted
        self._database = database
        self._retention = retention or Retention()
        self._sinks = sinks
        self._content = content
        self._redact = redact
        self._capacity = capacity
        self._retry = retry
        self._close_within = close_within
        self._clock = clock
        self._queue: deque[_Finished] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._asked = 0  # flushes asked for, and answered
        self._answered = threading.Condition()
        self._done = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @property
    def waiting(self) -> int:
        """Requests that are not written yet."""
        return len(self._queue)

    def sinks_dropped(self) -> list[tuple[str, int]]:
        """Each sink and how many spans it gave up."""
        return [(sink.name, sink.dropped) for sink in self._sinks]

    def start(self) -> None:
        self._thread.start()

    def write(self, request: Request, trace: Trace) -> None:
        """Never waits and never fails."""
        if len(self._queue) >= self._capacity or self._closing.is_set():
            self.dropped += 1
            return
        self._queue.append(_Finished(request, trace))
        if len(self._queue) == BATCH:
            self._wake.set()

    def flush(self, timeout: float = CLOSE_WITHIN) -> bool:
        """Wait until all that was accepted before is stored; False when it took too long."""
        with self._answered:
            self._asked += 1
            asked = self._asked
            self._wake.set()
            return self._answered.wait_for(lambda: self._done >= asked, timeout)

    def close(self) -> None:
        """Store what was accepted and stop. Blocks, so call it from a thread."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._drain()  # what was handed over between the thread's last look and its end
        for sink in self._sinks:
            # A sink that cannot reach its far end must not hold up the stop.
            closing = threading.Thread(target=sink.close, daemon=True)
            closing.start()
            closing.join(SINKS_WITHIN)

    def _run(self) -> None:
        prune_at = self._clock()
        while True:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            closing = self._closing.is_set()
            with self._answered:
                asked = self._asked
            self._drain()
            with self._answered:
                self._done = asked
                self._answered.notify_all()
            if closing:
                return
            if self._clock() >= prune_at:
                self._prune()
                self.pruned.set()
                prune_at = self._clock() + PRUNE_EVERY

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
            for place, finished in enumerate(batch):
                if place % BREATHE_EVERY == 0:
                    time.sleep(BREATH)
                batch[place] = self._presentable(finished)
            self._store(batch)
            for finished in batch:
                self._emit(finished)

    def _presentable(self, finished: _Finished) -> _Finished:
        """What may be kept of it. Done here, since redaction takes longer than a request has."""
        if self._content and self._redact is None:
            return finished
        try:
            if self._content and self._redact is not None:
                return _redacted(*finished, self._redact)
            return _bare(*finished)
        except Exception:
            _log.exception("Trace %s is kept without its spans", finished.request.trace_id)
            return _Finished(replace(finished.request, question=""), Trace(finished.trace.id))

    def _store(self, batch: Sequence[_Finished]) -> None:
        """Until it is stored, or the database stays away for too long while we are stopping."""
        failed_at: float | None = None
        while True:
            try:
                self._insert(batch)
                return
            except self._database.unavailable as error:
                if failed_at is None:
                    failed_at = time.monotonic()
                    _log.warning("The ledger cannot be written, trying again: %s", error)
                if self._closing.is_set() and time.monotonic() - failed_at > self._close_within:
                    self._lose(batch, "The ledger stayed away")
                    return
                self._pause()
            except Exception:
                if len(batch) == 1:
                    self._lose(batch, "A request cannot be written")
                else:  # one bad row must not take the others with it
                    for finished in batch:
                        self._store([finished])
                return

    def _insert(self, batch: Sequence[_Finished]) -> None:
        # Rows are made while they are inserted: SQLite lets go of the interpreter at each, so
        # the event loop never waits for a whole batch to be serialised.
        with self._database.connection() as connection, connection.transaction():
            connection.run_many(_INSERT_REQUEST, (rows.row(request) for request, _ in batch))
            connection.run_many(_INSERT_TRACE, (rows.trace_row(*finished) for finished in batch))

    def _lose(self, batch: Sequence[_Finished], why: str) -> None:
        self.dropped += len(batch)
        _log.exception("%s; lost %s", why, ", ".join(request.trace_id for request, _ in batch))

    def _pause(self) -> None:
        if self._closing.is_set():
            time.sleep(min(self._retry, INTERVAL))
        else:
            self._closing.wait(self._retry)

    def _emit(self, finished: _Finished) -> None:
        if self._sinks:
            time.sleep(BREATH)
        for sink in self._sinks:
            try:
                sink.emit(*finished)
            except Exception:
                _log.exception("A trace could not be sent to %s", type(sink).__name__)

    def _prune(self) -> None:
        day = 86_400
        now = self._clock()
        self._delete("traces", now - self._retention.keep_traces_days * day)
        self._delete("requests", now - self._retention.keep_requests_days * day)

    def _delete(self, table: str, before: float) -> None:
        sql = (
            f"DELETE FROM {table} WHERE (at, trace_id) IN "
            f"(SELECT at, trace_id FROM {table} WHERE at < ? ORDER BY at LIMIT {PRUNE_ROWS})"
        )
        try:
            deleted = PRUNE_ROWS
            while deleted == PRUNE_ROWS and not self._closing.is_set():
                with self._database.connection() as connection:
                    deleted = connection.run(sql, (rows.microseconds(before),))
        except Exception:  # writing goes on, whatever keeps old rows from going
            _log.exception("Old %s could not be deleted, trying again later", table)


def _redacted(request: Request, trace: Trace, redact: Callable[[str], str]) -> _Finished:
    seen: dict[str, str] = {}  # the question stands in the row, the attributes and the prompt

    def once(text: str) -> str:
        if text not in seen:
            seen[text] = redact(text)
        return seen[text]

    cleaned = Trace(trace.id)
    cleaned.parent = trace.parent
    cleaned.started_at = trace.started_at
    cleaned.attributes = redacted(trace.attributes, once)
    cleaned.spans = [_redacted_span(span, once) for span in trace.spans]
    question = once(request.question)
    if question != request.question:
        request = replace(request, question=question)
    return _Finished(request, cleaned)


def _redacted_span(span: Span, redact: Callable[[str], str]) -> Span:
    if not (span.error or span.attributes):
        return span
    error = span.error and redact(span.error)
    attributes = redacted(span.attributes, redact)
    return Span(span.name, span.start, span.end, error, attributes)


def _bare(request: Request, trace: Trace) -> _Finished:
    stripped = Trace(trace.id)
    stripped.parent = trace.parent
    stripped.started_at = trace.started_at
    stripped.attributes = without_content(trace.attributes)
    stripped.spans = [bare(span) for span in trace.spans]
    return _Finished(replace(request, question=""), stripped)
