"""The writer's promises, over a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import Connection, Database, open_database
from gateway.ledger.queries import Queries
from gateway.ledger.types import Request
from gateway.ledger.writer import BATCH, LedgerWriter
from gateway.tracing.trace import Trace
from tests.gateway.ledger.samples import NOON, a_request, a_trace


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(SqliteLedger(), tmp_path)
    yield database
    database.close()


class Flaky:
    """A database that is away for the first few looks."""

    def __init__(self, database: Database, failures: float) -> None:
        self.unavailable = database.unavailable
        self.failures = failures
        self._database = database

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        if self.failures > 0:
            self.failures -= 1
            raise self.unavailable[0]("away")
        with self._database.connection() as connection:
            yield connection

    def close(self) -> None: ...


class Collector:
    """A sink that keeps what it is given, and then fails where it is told to."""

    name = "collector"
    dropped = 0

    def __init__(self, fails: bool = False) -> None:
        self.emitted: list[tuple[Request, Trace]] = []
        self.closed = False
        self.fails = fails

    def emit(self, request: Request, trace: Trace) -> None:
        self.emitted.append((request, trace))
        if self.fails:
            raise RuntimeError("the far end is gone")

    def close(self) -> None:
        self.closed = True


def test_what_was_accepted_is_stored_when_it_stops(database: Database) -> None:
    writer = LedgerWriter(database)
    writer.start()
    count = 2 * BATCH + 10
    for n in range(count):
        writer.write(a_request(f"{n:032x}", NOON + n), a_trace())
    writer.close()
    assert Queries(database).traces().total == count
    assert writer.dropped == 0


def test_a_flush_waits_until_everything_is_stored(database: Database) -> None:
    writer = LedgerWriter(database, clock=lambda: NOON)
    writer.start()
    writer.write(a_request(), a_trace())
    assert writer.flush()
    assert Queries(database).traces().total == 1
    writer.close()


def test_a_full_queue_drops_and_counts(database: Database) -> None:
    writer = LedgerWriter(database, capacity=2)  # not started: nothing empties the queue
    for n in range(5):
        writer.write(a_request(str(n)), a_trace())
    writer.close()
    assert writer.dropped == 3
    assert Queries(database).traces().total == 2


def test_a_request_after_the_stop_is_counted_as_dropped(database: Database) -> None:
    writer = LedgerWriter(database)
    writer.close()
    writer.write(a_request(), a_trace())
    assert writer.dropped == 1


def test_nothing_is_lost_while_the_database_is_away(database: Database) -> None:
    flaky = Flaky(database, failures=3)
    writer = LedgerWriter(flaky, retry=0.01)
    writer.write(a_request(), a_trace())
    writer.start()
    assert writer.flush()
    writer.close()
    assert flaky.failures == 0
    assert Queries(database).traces().total == 1
    assert writer.dropped == 0


def test_a_stop_does_not_wait_for_ever(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    writer = LedgerWriter(Flaky(database, failures=1e9), retry=0.01, close_within=0.05)
    writer.write(a_request(), a_trace())
    writer.start()
    writer.close()
    assert writer.dropped == 1
    assert "stayed away" in caplog.text


def test_sinks_get_what_is_stored_and_are_closed(database: Database) -> None:
    sink = Collector()
    request, trace = a_request(), a_trace()
    writer = LedgerWriter(database, sinks=[sink])
    writer.write(request, trace)
    writer.close()
    assert sink.emitted == [(request, trace)]
    assert sink.closed


def test_a_sink_that_fails_harms_nobody(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = Collector(fails=True), Collector()
    writer = LedgerWriter(database, sinks=[broken, whole])
    writer.write(a_request("1"), a_trace())
    writer.write(a_request("2"), a_trace())
    writer.close()
    assert len(whole.emitted) == 2
    assert Queries(database).traces().total == 2
    assert "could not be sent" in caplog.text


def test_without_content_only_names_and_numbers_are_kept(database: Database) -> None:
    sink = Collector()
    trace = a_trace()
    trace.span("judge").error = "Refused: How long?"
    writer = LedgerWriter(database, sinks=[sink], content=False)
    writer.write(a_request(question="How long?"), trace)
    writer.close()
    recorded = Queries(database).trace("a")
    assert recorded is not None
    assert recorded.request.question == ""
    assert recorded.attributes == {}
    retrieve, pack, judge = recorded.spans
    assert retrieve.attributes == {
        "passages": [{"n": 1, "document": "returns.md", "score": 0.9}],
    }
    assert pack.attributes == {"tokens": {"total": 9}}
    assert judge.error == "Refused"
    sent_request, sent_trace = sink.emitted[0]
    assert "How long?" not in repr([sent_request, sent_trace.attributes, sent_trace.spans])


def test_reading_never_waits_for_a_writer(database: Database) -> None:
    def read() -> int:
        return Queries(database).traces().total

    lock: AbstractContextManager[Connection] = database.connection()
    with lock as connection, connection.transaction():
        connection.run("DELETE FROM requests")
        assert read() == 0


def test_content_is_redacted_before_it_is_kept(database: Database) -> None:
    sink = Collector()
    writer = LedgerWriter(database, sinks=[sink], redact=lambda text: text.replace("30", "[…]"))
    writer.write(a_request(question="30 days?"), a_trace())
    writer.close()
    recorded = Queries(database).trace("a")
    assert recorded is not None
    assert recorded.request.question == "[…] days?"
    assert recorded.attributes["answer"] == "[…] days [1]."
    assert recorded.spans[0].attributes["passages"][0]["text"] == "[…] days."
    assert sink.emitted[0][1].attributes == recorded.attributes


def test_what_cannot_be_redacted_is_not_kept(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def redact(text: str) -> str:
        raise RuntimeError("a guard broke")

    writer = LedgerWriter(database, redact=redact)
    writer.write(a_request(question="30 days?"), a_trace())
    writer.close()
    recorded = Queries(database).trace("a")
    assert recorded is not None
    assert (recorded.request.question, recorded.spans) == ("", ())
    assert "without its spans" in caplog.text
