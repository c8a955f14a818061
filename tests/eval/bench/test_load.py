"""The load generator: what it counts and when it complains."""

from __future__ import annotations

import pytest

from eval.bench.load import LoadFailed, Target, load
from eval.bench.upstream import Behaviour, Upstream
from tests.gateway.providers.scripted import answer, scripted

pytestmark = pytest.mark.anyio

PLAIN = b'{"model": "m", "messages": []}'
STREAM = b'{"model": "m", "messages": [], "stream": true}'


@pytest.mark.parametrize("body", [PLAIN, STREAM], ids=["plain", "streamed"])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_it_counts_what_was_answered(body: bytes, concurrency: int) -> None:
    async with Upstream(Behaviour(chunks=3)) as upstream:
        target = Target.of(f"{upstream.url}/chat/completions", body)
        seen = await load(target, concurrency, 0.05)
    assert 0 <= upstream.calls - seen.requests <= concurrency
    assert seen.requests > concurrency
    assert upstream.connections == concurrency
    assert all(a <= b for a, b in zip(seen.first_bytes, seen.latencies, strict=True))


async def test_a_refusal_ends_it_with_what_was_said() -> None:
    async with Upstream(Behaviour(key="right")) as upstream:
        target = Target.of(f"{upstream.url}/chat/completions", PLAIN, key="wrong")
        with pytest.raises(LoadFailed, match="Incorrect API key"):
            await load(target, 2, 5)


async def test_a_connection_that_is_closed_ends_it() -> None:
    async with scripted(answer(b"ok"), None) as server:
        with pytest.raises(LoadFailed, match="closed"):
            await load(Target.of(server.url, PLAIN), 1, 5)


async def test_a_head_that_comes_in_pieces_is_put_together() -> None:
    async with scripted(answer(b"ok", extra="x-long: " + "x" * 200_000 + "\r\n")) as server:
        assert (await load(Target.of(server.url, PLAIN), 1, 0.05)).requests > 0
