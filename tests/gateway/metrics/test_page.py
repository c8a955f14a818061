"""How things stand at this moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.admission import Admission
from gateway.deployments import Deployments
from gateway.fleet.fleets import Fleets
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import open_database
from gateway.ledger.types import Request
from gateway.ledger.writer import LedgerWriter
from gateway.metrics.counts import Counts
from gateway.metrics.page import Metrics
from gateway.providers.wire.client import Client, Endpoint
from gateway.tracing.trace import Trace
from tests.gateway.providers.scripted import chunked, scripted, until

pytestmark = pytest.mark.anyio


def told(tmp_path: Path, client: Client, admission: Admission) -> list[str]:
    writer = LedgerWriter(open_database(SqliteLedger(), tmp_path), capacity=1)  # not started
    for _ in range(2):
        writer.write(Request("t", 0, "k", "t", "m", 200, 1.0), Trace())
    return (
        Metrics(Counts(), admission, writer, {"up": client}, Deployments(), Fleets())
        .text("1.2.3", public=False)
        .splitlines()
    )


async def test_connections_places_and_what_waits_are_told(tmp_path: Path) -> None:
    client, admission = Client(connections=1), Admission(1, 0, 1)
    assert admission.enter()
    async with scripted(chunked(b"x", end=False), then="hold") as server:
        target = Endpoint.of("POST", f"{server.url}/")
        async with await client.post(target, b"{}"):
            call = asyncio.create_task(client.post(target, b"{}"))
            await until(lambda: [pool for _, pool in client.pools() if pool.waiting])
            lines = told(tmp_path, client, admission)
            call.cancel()
    await client.aclose()
    for state, count in {"busy": 1, "idle": 0, "waiting": 1}.items():
        assert f'moorline_upstream_connections{{provider="up",state="{state}"}} {count}' in lines
    assert "moorline_in_flight 1" in lines
    assert "moorline_ledger_queue 1" in lines
    assert "moorline_ledger_dropped_total 1" in lines
    assert any(line.startswith('moorline_build_info{version="1.2.3",python="3.') for line in lines)
