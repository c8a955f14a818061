"""What the client calls an answer's end, and what it holds against its framing."""

from __future__ import annotations

import pytest

from eval.bench.faults.client import Door, Leave, ask
from tests.gateway.providers.scripted import Then, answer, chunked, scripted

pytestmark = pytest.mark.anyio

PATIENCE = 0.2
CHUNKS = chunked(b"one", b"two")


@pytest.mark.parametrize(
    ("said", "then", "ending", "body"),
    [
        (answer(b"whole"), "keep", "whole", b"whole"),
        (CHUNKS, "keep", "whole", b"onetwo"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "close", "whole", b"until the end"),
        (answer(b"whole")[:-2], "close", "cut", b"who"),
        (answer(b"whole")[:-2], "hold", "late", b"who"),
        (CHUNKS[:-5], "close", "cut", b"onetwo"),
        (CHUNKS.replace(b"3\r\ntwo", b"zz\r\ntwo"), "hold", "cut", b"one"),
        (b"HTTP/1.1 200 OK\r\nconte", "close", "cut", b""),
        (b"SSH-2.0\r\n\r\n", "hold", "cut", b""),
        (b"", "close", "closed", b""),
        (b"", "hold", "late", b""),
    ],
)
async def test_how_an_answer_ends(said: bytes, then: Then, ending: str, body: bytes) -> None:
    async with scripted(said, then=then) as server:
        seen = await ask(Door(server.url), {}, PATIENCE)
    assert (seen.ending, bytes(seen.body)) == (ending, body)


async def test_what_comes_after_the_end_is_held_against_it() -> None:
    async with scripted(answer(b"whole") + b"HTTP/1.1 200 OK") as server:
        assert "after the answer's end" in (await ask(Door(server.url), {}, PATIENCE)).wrong


async def test_nobody_there_is_no_answer() -> None:
    assert (await ask(Door("http://127.0.0.1:9"), {}, PATIENCE)).ending == "refused"


async def test_it_leaves_when_it_is_told_to() -> None:
    async with scripted(CHUNKS[:-5], then="hold") as server:
        seen = await ask(Door(server.url), {}, 5, Leave(at=lambda seen: b"one" in seen.body))
        assert seen.ending == "left"
        await server.hung_up.wait()


async def test_the_key_is_sent_as_a_bearer_token() -> None:
    async with scripted(answer(b"{}")) as server:
        await ask(Door(server.url, "sk-x"), {"model": "m"}, PATIENCE)
    assert server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"authorization: Bearer sk-x\r\n" in server.requests[0]
