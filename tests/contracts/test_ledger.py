"""What every ledger does, whatever database it stands on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger import rows
from gateway.ledger.config import PostgresLedger, Retention, SqliteLedger
from gateway.ledger.database import Database, LedgerUnusable, migrate, open_database
from gateway.ledger.queries import AmbiguousTrace, Queries
from gateway.ledger.schema import MIGRATIONS
from gateway.ledger.types import CallersPart, Filters, Request
from gateway.ledger.writer import LedgerWriter
from gateway.tracing.trace import Trace
from tests.gateway.ledger.samples import NOON, a_request, a_trace

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def queries(database: Database) -> Queries:
    return Queries(database)


def written(database: Database, *requests: Request) -> None:
    writer = LedgerWriter(database, clock=lambda: NOON)
    for request in requests:
        writer.write(request, a_trace(request.trace_id))
    writer.close()


def test_every_field_comes_back_as_it_was_written(database: Database, queries: Queries) -> None:
    request = Request(
        trace_id="0123456789abcdef" * 2,
        at=NOON + 0.123456,
        key="k_1",
        team="support",
        model_asked="auto",
        status=502,
        latency_ms=812.25,
        model="openai/gpt",
        provider="openai",
        route="complex",
        collection="handbook",
        grounding="strict",
        cache="semantic",
        stream=True,
        error_code="provider_error",
        prompt_tokens=1200,
        completion_tokens=80,
        cached_tokens=1024,
        reasoning_tokens=30,
        cost_usd=0.00123,
        ttft_ms=90.5,
        grounded=False,
        faithfulness=0.5,
        sources=4,
        question="Wie lange? 🙂",
        door="responses",
        degraded="extract",
        attempts=4,
        experiment="tone/warm",
        unit="0123456789ab",
    )
    bare = a_request("f" * 32)
    written(database, request, bare)
    assert queries.traces().requests == (request, bare)


def test_a_trace_comes_back_with_its_spans(database: Database, queries: Queries) -> None:
    request, trace = a_request(), a_trace()
    writer = LedgerWriter(database, clock=lambda: NOON)
    writer.write(request, trace)
    writer.close()
    recorded = queries.trace(request.trace_id)
    assert recorded is not None
    assert recorded.request == request
    assert list(recorded.spans) == trace.spans
    assert recorded.attributes == trace.attributes


def test_a_trace_is_found_by_the_beginning_of_its_id(database: Database, queries: Queries) -> None:
    written(database, a_request("ab12" + "0" * 28), a_request("ab34" + "0" * 28))
    recorded = queries.trace("ab1")
    assert recorded is not None
    assert recorded.request.trace_id == "ab12" + "0" * 28
    assert queries.trace("cd") is None
    with pytest.raises(AmbiguousTrace):
        queries.trace("ab")


def test_requests_of_one_distributed_trace_are_all_kept(
    database: Database, queries: Queries
) -> None:
    written(database, a_request(at=NOON), a_request(at=NOON + 1, status=500))
    assert queries.traces().total == 2
    newest = queries.trace("a" * 32)
    assert newest is not None
    assert newest.request.status == 500


def test_a_batch_that_is_written_twice_counts_once(database: Database, queries: Queries) -> None:
    written(database, a_request())
    written(database, a_request())
    assert queries.traces().total == 1


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), "abcdef"),
        (Filters(status="ok"), "abef"),
        (Filters(status="error"), "c"),
        (Filters(status="4xx"), "d"),
        (Filters(status="500"), "c"),
        (Filters(model="openai/gpt"), "b"),
        (Filters(model="auto"), "acdef"),
        (Filters(key="k_2"), "e"),
        (Filters(team="support"), "f"),
        (Filters(cache="exact"), "f"),
        (Filters(degraded="any"), "ad"),
        (Filters(degraded="canned"), "d"),
        (Filters(since=NOON + 3), "def"),
        (Filters(until=NOON + 3), "abc"),
        (Filters(text="RETURN"), "a"),
        (Filters(text="50%_"), "b"),
        (Filters(status="ok", key="k_1"), "abf"),
    ],
)
def test_requests_are_filtered(
    database: Database, queries: Queries, filters: Filters, found: str
) -> None:
    written(
        database,
        a_request("a" * 32, NOON, question="How do I return it?", degraded="fallback"),
        a_request("b" * 32, NOON + 1, model="openai/gpt", model_asked="big", question="50%_off"),
        a_request("c" * 32, NOON + 2, status=500, question="50 percent off"),
        a_request("d" * 32, NOON + 3, status=499, degraded="canned"),
        a_request("e" * 32, NOON + 4, key="k_2"),
        a_request("f" * 32, NOON + 5, team="support", cache="exact"),
    )
    page = queries.traces(filters=filters)
    assert "".join(sorted(request.trace_id[0] for request in page.requests)) == found
    assert page.total == len(found)


def test_a_page_has_the_newest_first_and_says_how_many_there_are(
    database: Database, queries: Queries
) -> None:
    written(database, *(a_request(f"{n:032x}", NOON + n) for n in range(5)))
    page = queries.traces(limit=2, offset=1)
    assert [request.at - NOON for request in page.requests] == [3, 2]
    assert page.total == 5


def test_a_status_that_means_nothing_is_refused(queries: Queries) -> None:
    with pytest.raises(ValueError, match="status"):
        queries.traces(filters=Filters(status="broken"))


def test_the_overview_counts(database: Database, queries: Queries) -> None:
    usual = a_request(prompt_tokens=100, completion_tokens=10, cached_tokens=50, cost_usd=0.5)
    written(
        database,
        replace(usual, trace_id="1", model="a/x", cache="miss", grounded=True),
        replace(usual, trace_id="2", model="a/x", cache="exact", grounded=False, degraded="cached"),
        replace(usual, trace_id="3", model="a/y", status=502, key="k_2", team="support"),
        replace(usual, trace_id="4", status=499, at=NOON + 1),
        replace(usual, trace_id="5", at=NOON - DAY),
    )
    overview = queries.overview(NOON, HOUR, NOON + 2 * HOUR)
    totals = overview.totals
    assert (totals.requests, totals.errors) == (4, 1)
    assert (totals.prompt_tokens, totals.completion_tokens, totals.cached_tokens) == (400, 40, 200)
    assert totals.cost_usd == pytest.approx(2.0)
    assert (totals.cache_hit_rate, totals.grounded_rate, totals.error_rate) == (0.5, 0.5, 0.25)
    assert (totals.degraded, totals.degraded_rate) == (1, 0.25)
    assert [(m.id, m.requests, m.errors, m.tokens) for m in overview.models] == [
        ("a/x", 2, 0, 220),
        ("a/y", 1, 1, 110),
    ]
    assert [(key.id, key.cost_usd) for key in overview.keys] == [("k_1", 1.5), ("k_2", 0.5)]
    assert [(team.id, team.requests) for team in overview.teams] == [("default", 3), ("support", 1)]


def test_the_overview_has_a_bucket_for_every_step_of_time(
    database: Database, queries: Queries
) -> None:
    start = NOON // HOUR * HOUR
    written(database, a_request("1", start + 10), a_request("2", start + 2 * HOUR + 10))
    overview = queries.overview(start, HOUR, start + 3 * HOUR - 1)
    assert [(b.at, b.totals.requests) for b in overview.buckets] == [
        (start, 1),
        (start + HOUR, 0),
        (start + 2 * HOUR, 1),
    ]
    empty = overview.buckets[1].totals
    assert (empty.p50_ms, empty.cache_hit_rate, empty.grounded_rate) == (None, None, None)


def test_percentiles_are_within_one_percent(database: Database, queries: Queries) -> None:
    written(
        database,
        *(a_request(f"{n}", NOON + n, latency_ms=float(n)) for n in range(1, 101)),
    )
    totals = queries.overview(NOON, HOUR, NOON + HOUR).totals
    assert totals.p50_ms == pytest.approx(50, rel=0.01)
    assert totals.p95_ms == pytest.approx(95, rel=0.01)


def test_an_overview_of_endless_steps_is_refused(queries: Queries) -> None:
    with pytest.raises(ValueError, match="steps"):
        queries.overview(0, 1, NOON)


def test_spending_is_of_one_key_in_one_span_of_time(database: Database, queries: Queries) -> None:
    written(
        database,
        a_request("1", NOON, cost_usd=1.0),
        a_request("2", NOON + HOUR, cost_usd=2.0),
        a_request("3", NOON - HOUR, cost_usd=4.0),
        a_request("4", NOON, cost_usd=8.0, key="k_2"),
    )
    assert queries.spent("k_1", NOON) == 3.0
    assert queries.spent("k_1", NOON, NOON + HOUR) == 1.0
    assert queries.spent("nobody", NOON) == 0.0


@pytest.mark.parametrize("text", ["a\0b", "\ud800 alone", "x" * 10_000])
def test_no_text_of_a_client_is_refused(database: Database, queries: Queries, text: str) -> None:
    trace = Trace("b" * 32)
    with trace.span("pack") as span:
        span.set(prompt=[{"role": "user", "content": text}])
    writer = LedgerWriter(database, clock=lambda: NOON)
    writer.write(a_request("b" * 32, question=text, model_asked=text), trace)
    writer.close()
    assert writer.dropped == 0
    recorded = queries.trace("b" * 32)
    assert recorded is not None
    assert recorded.spans[0].name == "pack"
    assert len(recorded.request.question) <= 500


def test_one_bad_row_does_not_take_its_batch_with_it(database: Database, queries: Queries) -> None:
    broken = replace(a_request("2"), status="not a number" * 2, prompt_tokens=None)  # type: ignore[arg-type]
    writer = LedgerWriter(database, clock=lambda: NOON)
    for request in (a_request("1"), broken, a_request("3")):
        writer.write(request, a_trace())
    writer.close()
    assert queries.traces().total == 2
    assert writer.dropped == 1


def test_what_has_aged_is_deleted(database: Database, queries: Queries) -> None:
    written(
        database,
        *(a_request(f"{n:032x}", NOON - 500 * DAY + n) for n in range(1500)),
        a_request("b" * 32, NOON - 40 * DAY),
        a_request("c" * 32, NOON - DAY),
    )
    writer = LedgerWriter(database, retention=Retention(), clock=lambda: NOON)
    writer.start()
    writer.pruned.wait(30)
    writer.close()
    assert {r.trace_id[0] for r in queries.traces().requests} == {"b", "c"}
    old, new = queries.trace("b"), queries.trace("c")
    assert old is not None
    assert old.spans == ()  # its row is kept longer than its content
    assert new is not None
    assert len(new.spans) == 2


def test_opening_again_keeps_what_is_there(
    database: Database,
    queries: Queries,
    ledger_config: SqliteLedger | PostgresLedger,
    tmp_path: Path,
) -> None:
    written(database, a_request())
    again = open_database(ledger_config, tmp_path)
    try:
        assert Queries(again).traces().total == 1
    finally:
        again.close()


def test_a_ledger_of_an_older_version_is_brought_forward_with_its_rows(
    ledger_config: SqliteLedger | PostgresLedger, tmp_path: Path
) -> None:
    first = dict(zip(rows.NAMES, rows.row(a_request()), strict=True))
    for later in ("door", "degraded", "attempts", "context", "experiment", "unit"):
        del first[later]
    old = open_database(ledger_config, tmp_path, MIGRATIONS[:1])
    with old.connection() as connection:
        marks = ", ".join("?" * len(first))
        sql = f"INSERT INTO requests ({', '.join(first)}) VALUES ({marks})"
        connection.run(sql, tuple(first.values()))
    old.close()
    now = open_database(ledger_config, tmp_path)
    try:
        assert Queries(now).traces().requests == (a_request(),)
    finally:
        now.close()


def test_a_prompts_tokens_are_kept_by_part(database: Database, queries: Queries) -> None:
    parts = {"system": 80, "sources": 700, "question": 9, "total": 789, "window": 8_192}
    written(database, a_request(context=parts))
    [found] = queries.traces().requests
    assert found.context == parts


def test_a_ledger_of_a_newer_version_is_refused(database: Database) -> None:
    with database.connection() as connection:
        connection.run("UPDATE schema_version SET version = 999")
    with pytest.raises(LedgerUnusable, match="newer moorline"):
        migrate(database)


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def half_a_change() -> None:
        with database.connection() as connection, connection.transaction():
            connection.run("DELETE FROM changes")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half_a_change()
    with database.connection() as connection:
        found = connection.read("SELECT subject FROM changes ORDER BY subject")
        assert found == [("adapters",), ("keys",)]


def test_callers_of_an_experiment_are_summed_apart(database: Database, queries: Queries) -> None:
    def drawn(place: int, variant: str, unit: str, **fields: Any) -> Request:
        known = replace(a_request(f"{place:032x}"), experiment=variant, unit=unit)
        return replace(known, **{"latency_ms": 10.0, "cost_usd": 0.5, **fields})

    written(
        database,
        drawn(1, "tone/warm", "u1", faithfulness=0.5),
        drawn(2, "tone/warm", "u1", status=502, cost_usd=0.0, faithfulness=None),
        drawn(3, "tone/cool", "u2", faithfulness=None),
        drawn(4, "tones/warm", "u1"),
        a_request(f"{5:032x}"),
    )
    found = sorted(queries.drawn("tone"), key=lambda part: part.unit)
    assert found == [
        CallersPart("warm", "u1", 2, 1, 0.5, 20.0, 1, 0.5),
        CallersPart("cool", "u2", 1, 0, 0.5, 10.0, 0, 0.0),
    ]
    assert queries.experiments() == ["tone", "tones"]
