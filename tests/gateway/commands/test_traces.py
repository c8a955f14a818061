"""`moorline traces` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.traces import traces, waterfall
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database
from gateway.ledger.types import Recorded
from gateway.ledger.writer import LedgerWriter
from gateway.tracing.trace import Span
from tests.gateway.ledger.samples import a_request
from tests.gateway.tracing.samples import MS, STARTED, an_answer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "moorline.toml"
    file.write_text(f"data = {str(tmp_path / 'data')!r}\n")
    database = open_database(SqliteLedger(), tmp_path / "data")
    writer = LedgerWriter(database, clock=lambda: STARTED)
    writer.write(*an_answer())
    request, trace = a_request("b" * 32, STARTED + 1, status=429, key="k_2"), an_answer()[1]
    writer.write(request, trace)
    writer.close()
    database.close()
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(traces, ["--config", str(config), *arguments])


def test_the_newest_request_comes_first(config: Path) -> None:
    lines = run(config).output.splitlines()
    assert lines[0].split()[:3] == ["trace", "at", "status"]
    assert [line[:12] for line in lines[1:]] == ["b" * 12, "0af7651916cd"]
    assert "How long may I return it?" in lines[2]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--status", "ok"], ["0af7651916cd"]),
        (["--status", "429"], ["b" * 12]),
        (["--model", "openai/gpt"], ["0af7651916cd"]),
        (["--key", "k_2"], ["b" * 12]),
        (["--text", "return"], ["0af7651916cd"]),
        (["--limit", "1"], ["b" * 12]),
    ],
)
def test_the_list_is_filtered(config: Path, filters: list[str], found: list[str]) -> None:
    listed = json.loads(run(config, *filters, "--json").output)
    assert [request["trace_id"][:12] for request in listed] == found


def test_a_shortened_list_says_so(config: Path) -> None:
    assert "of 2" in run(config, "--limit", "1").output


def test_an_unknown_status_is_refused(config: Path) -> None:
    refused = run(config, "--status", "odd")
    assert refused.exit_code == 2
    assert "--status" in refused.output


def test_the_steps_of_a_strategy_are_shown_with_what_each_used(config: Path) -> None:
    request, trace = an_answer()
    request.trace_id = trace.id = "c" * 32
    used = {"tokens": {"prompt": 40, "completion": 10}, "cost_usd": 0.0006, "ms": 12.5}
    steps = [{"step": "think", "model": "p/m", **used}, {"step": "answer", "model": "p/m"}]
    (dispatch,) = (span for span in trace.spans if span.name == "dispatch")
    dispatch.set(strategy={"name": "chain_of_thought", "steps": steps})
    database = open_database(SqliteLedger(), config.parent / "data")
    writer = LedgerWriter(database, clock=lambda: STARTED)
    writer.write(request, trace)
    writer.close()
    database.close()
    shown = run(config, "ccc").output
    assert (
        "Strategy chain_of_thought\n  think  p/m  40 + 10 tokens  0.000600 USD, 12.5 ms\n" in shown
    )
    assert "\n  answer  p/m\n" in shown


def test_a_trace_is_shown_by_the_beginning_of_its_id(config: Path) -> None:
    shown = run(config, "0af76").output
    assert "0af7651916cd43dd8448eb211c80319c" in shown
    for stage in ("authenticate", "retrieve", "pack", "dispatch", "stream"):
        assert stage in shown
    assert "[1] 0.900  returns.md" in shown
    assert "Answer from the sources." in shown
    assert "Within 30 days [1]." in shown


def test_a_trace_is_printed_as_json(config: Path) -> None:
    shown = json.loads(run(config, "0af76", "--json").output)
    assert shown["request"]["model"] == "openai/gpt"
    assert shown["spans"][0]["name"] == "authenticate"


def test_a_trace_that_is_not_there_is_an_error(config: Path) -> None:
    refused = run(config, "cccc")
    assert refused.exit_code == 1
    assert "no trace cccc" in refused.output


def test_a_waterfall_has_one_line_a_span_on_one_axis() -> None:
    spans = (
        Span("first", 0, 25 * MS),
        Span("second", 50 * MS, 100 * MS, error="Refused: no"),
        Span("blink", 100 * MS, 100 * MS),
    )
    recorded = Recorded(a_request(latency_ms=100.0), spans)
    assert waterfall(recorded).splitlines() == [
        "first       0.00 ms     25.00 ms  " + "█" * 10,
        "second     50.00 ms     50.00 ms  " + " " * 20 + "█" * 20 + "  Refused: no",
        "blink     100.00 ms      0.00 ms  " + " " * 39 + "█",
    ]


def test_nothing_that_a_client_wrote_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    file = tmp_path / "moorline.toml"
    file.write_text(f"data = {str(tmp_path)!r}\n")
    database = open_database(SqliteLedger(), tmp_path)
    writer = LedgerWriter(database, clock=lambda: STARTED)
    _, trace = an_answer()
    trace.attributes["answer"] = "red \x1b[31m"
    writer.write(a_request("a" * 32, STARTED, question="\x1b[2J\rgone"), trace)
    writer.close()
    database.close()
    for arguments in ([], ["aaaa"]):
        assert "\x1b" not in run(file, *arguments).output
