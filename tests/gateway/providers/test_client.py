"""Our own HTTP client: what it keeps, what it gives up, and when."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.providers.wire.client import BadEndpoint, Client, Endpoint
from gateway.providers.wire.connection import Response, Timeouts
from gateway.providers.wire.errors import (
    BadAnswer,
    Broken,
    ConnectFailed,
    PoolFull,
    TimedOut,
    WireError,
)
from tests.gateway.providers.scripted import Scripted, answer, chunked, scripted, serving, until

pytestmark = pytest.mark.anyio

SHORT = 0.05


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.aclose()


def endpoint(server: Scripted, **headers: str) -> Endpoint:
    return Endpoint.of("POST", f"{server.url}/chat/completions", headers)


async def asked(client: Client, server: Scripted, timeouts: Timeouts | None = None) -> Response:
    return await client.post(endpoint(server), b"{}", timeouts or Timeouts())


async def test_sends_the_headers_and_the_body_as_given(client: Client) -> None:
    async with scripted(answer(b"ok")) as server:
        response = await client.post(endpoint(server, authorization="Bearer k"), b'{"a":1}')
        assert (response.status, await response.read()) == (200, b"ok")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: 127.0.0.1:%d" % server.port,
        b"authorization: Bearer k",
        b"accept-encoding: identity",
        b"content-type: application/json",
        b"content-length: 7",
    ]
    assert body == b'{"a":1}'


async def test_headers_of_the_answer_are_found_by_lower_case_name(client: Client) -> None:
    async with scripted(answer(b"", extra="Retry-After: 7\r\n")) as server:
        response = await asked(client, server)
        assert response.header(b"retry-after") == b"7"
        assert response.header(b"no-such") is None


async def test_a_connection_is_used_again_after_a_clean_end(client: Client) -> None:
    async with scripted(answer(b"one"), chunked(b"two", b"!"), answer(b"three")) as server:
        bodies = [await (await asked(client, server)).read() for _ in range(3)]
    assert bodies == [b"one", b"two!", b"three"]
    assert server.connections == 1


async def test_small_writes_are_not_held_back_and_dead_peers_are_noticed(client: Client) -> None:
    async with scripted(chunked(b"x", end=False), then="hold") as server:
        response = await asked(client, server)
        assert response._connection
        assert response._connection._transport
        sock = response._connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_a_body_comes_as_it_arrives(client: Client) -> None:
    async with scripted(chunked(b"begin", end=False), then="hold") as server:
        response = await asked(client, server)
        assert await anext(aiter(response)) == b"begin"
        assert not response.complete


async def test_closing_before_the_end_closes_the_connection_at_once(client: Client) -> None:
    async with scripted(chunked(b"begin", end=False), then="hold") as server:
        async with await asked(client, server):
            pass
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_a_cancelled_call_closes_the_connection_at_once(client: Client) -> None:
    async with scripted(b"", then="hold") as server:
        call = asyncio.create_task(asked(client, server))
        await until(lambda: server.requests)
        call.cancel()
        await asyncio.wait_for(server.hung_up.wait(), 1)
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_drained_answer_keeps_its_connection_once_the_end_has_come(client: Client) -> None:
    rest = asyncio.Event()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"{}")
            writer.write(chunked(b"said", end=False))
            await rest.wait()
            writer.write(b"0\r\n\r\n")
        over.set()

    async with serving(serve) as port:
        target = Endpoint.of("POST", f"http://127.0.0.1:{port}/")
        response = await client.post(target, b"{}")
        assert await response.piece() == b"said"
        response.drain()
        response.close()
        rest.set()
        await until(lambda: response.complete)
        again = await client.post(target, b"{}")
        assert await again.read() == b"said"
        await over.wait()  # both were served over one connection


async def test_a_stale_connection_is_replaced_once(client: Client) -> None:
    async with scripted(answer(b"one"), None, answer(b"two")) as server:
        bodies = [await (await asked(client, server)).read() for _ in range(2)]
    assert bodies == [b"one", b"two"]
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_it_is_not_replaced_twice(client: Client) -> None:
    async with scripted(answer(b"one"), None) as server:
        await (await asked(client, server)).read()
        with pytest.raises(Broken):
            await asked(client, server)
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_call_that_the_peer_has_long_had_is_not_repeated(client: Client) -> None:
    async with scripted(answer(b"one"), None) as server:
        await (await asked(client, server)).read()
        with pytest.raises(Broken):
            await asked(client, server, Timeouts(stale=0))
    assert len(server.requests) == 2


async def test_a_call_whose_answer_has_begun_is_not_repeated(client: Client) -> None:
    async with scripted(answer(b"one"), b"HTTP/1.1 200", then="keep") as server:
        await (await asked(client, server)).read()
        second = asyncio.create_task(asked(client, server))
        await until(lambda: len(server.requests) == 2)
        await server.hang_up()
        with pytest.raises(Broken):
            await second
    assert len(server.requests) == 2


async def test_a_fresh_connection_that_is_closed_without_an_answer_is_an_error(
    client: Client,
) -> None:
    async with scripted(b"", then="close") as server:
        with pytest.raises(Broken, match="closed the connection before it answered"):
            await asked(client, server)
    assert server.connections == 1


async def test_a_connection_that_the_peer_closes_while_idle_is_forgotten(client: Client) -> None:
    async with scripted(answer(b"ok"), then="close") as server:
        await (await asked(client, server)).read()
        await server.hung_up.wait()
        pool = next(iter(client._pools.values()))
        await until(lambda: not pool.places)
        assert await (await asked(client, server)).read() == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "unclean",
    [
        answer(b"ok", extra="connection: close\r\n"),
        answer(b"ok") + b"HTTP/1.1 200 OK\r\n",
        answer(b"ok") + b"what else",
    ],
    ids=["connection: close", "the beginning of another answer", "bytes after the end"],
)
async def test_a_connection_is_not_used_again_after_an_unclean_end(
    client: Client, unclean: bytes
) -> None:
    async with scripted(unclean, answer(b"ok")) as server:
        with suppress(BadAnswer):
            await (await asked(client, server)).read()
        assert await (await asked(client, server)).read() == b"ok"
    assert server.connections == 2


async def test_an_answer_without_a_length_ends_with_its_connection(client: Client) -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\n\r\nall of it", then="close") as server:
        assert await (await asked(client, server)).read() == b"all of it"


@pytest.mark.parametrize(
    "cut",
    [answer(b"all of it")[:-3], chunked(b"all of it", end=False)],
    ids=["within a length", "between chunks"],
)
async def test_an_answer_that_is_cut_is_an_error(client: Client, cut: bytes) -> None:
    async with scripted(cut, then="close") as server:
        response = await asked(client, server)
        with pytest.raises(Broken, match="inside its answer"):
            await response.read()


async def test_an_interim_answer_is_passed_over(client: Client) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    async with scripted(interim + answer(b"ok")) as server:
        response = await asked(client, server)
        assert (response.status, await response.read()) == (200, b"ok")
        assert response.header(b"link") is None


@pytest.mark.parametrize(
    "nonsense",
    [b"220 mail.example ESMTP\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"HTTP/1.1 20x OK\r\n\r\n"],
    ids=["mail", "TLS", "a status that is none"],
)
async def test_what_is_not_http_is_said_so(client: Client, nonsense: bytes) -> None:
    async with scripted(nonsense, then="hold") as server:
        with pytest.raises(BadAnswer, match=r"HTTP/1\.1"):
            await asked(client, server)


async def test_an_endless_head_is_not_read_on(client: Client) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 100_000
    async with scripted(head, then="hold") as server:
        with pytest.raises(BadAnswer, match="head is too large"):
            await asked(client, server)


async def test_a_body_over_the_limit_is_not_read_on(client: Client) -> None:
    async with scripted(chunked(b"x" * 4096, b"x" * 4096)) as server:
        with pytest.raises(BadAnswer, match="body is too large"):
            await (await client.post(endpoint(server), b"", limit=6000)).read()


async def test_a_compressed_answer_is_refused(client: Client) -> None:
    async with scripted(answer(b"\x1f\x8b", extra="content-encoding: gzip\r\n")) as server:
        with pytest.raises(BadAnswer, match="compresses"):
            await asked(client, server)


async def test_nobody_who_reads_slowly_is_sent_everything(client: Client) -> None:
    async with scripted(chunked(*[b"x" * 65536] * 64), then="hold") as server:
        response = await asked(client, server)
        connection = response._connection
        assert connection
        await until(lambda: connection._paused)
        assert response._size < 1_000_000
        assert len(b"".join([piece async for piece in response])) == 64 * 65536


@pytest.mark.parametrize(
    ("said", "timeouts", "reason"),
    [
        (b"", Timeouts(first_byte=SHORT), "has not begun to answer"),
        (b"HTTP/1.1 200", Timeouts(first_byte=SHORT), "has not begun to answer"),
        (chunked(b"x", end=False), Timeouts(idle=SHORT), "has been silent for 0.05 s"),
        (chunked(b"x", end=False), Timeouts(total=SHORT), "has not finished its answer"),
        (b"", Timeouts(total=SHORT), "has not finished its answer"),
    ],
    ids=["nothing", "half a head", "silence", "too long", "too long without a head"],
)
async def test_deadlines(client: Client, said: bytes, timeouts: Timeouts, reason: str) -> None:
    async with scripted(said, then="hold") as server:
        with pytest.raises(TimedOut, match=reason):
            await (await asked(client, server, timeouts)).read()
        await asyncio.wait_for(server.hung_up.wait(), 1)


async def test_the_idle_deadline_does_not_run_while_nobody_waits(client: Client) -> None:
    async with scripted(chunked(b"x", end=False), then="hold") as server:
        response = await asked(client, server, Timeouts(idle=SHORT))
        assert await response.piece() == b"x"
        await asyncio.sleep(3 * SHORT)
        assert response._error is None


async def test_nobody_listening_is_told_with_the_address(client: Client) -> None:
    async with scripted(b"") as server:
        pass
    with pytest.raises(ConnectFailed, match=f"127.0.0.1:{server.port}"):
        await asked(client, server)


async def test_a_full_pool_makes_callers_wait_for_each_other() -> None:
    client = Client(connections=2)
    async with scripted(answer(b"ok")) as server:

        async def call() -> bytes:
            return await (await asked(client, server)).read()

        assert await asyncio.gather(*(call() for _ in range(20))) == [b"ok"] * 20
        assert server.connections == 2
        await client.aclose()


async def test_waiting_for_a_full_pool_has_an_end_and_says_how_full_it_is() -> None:
    client = Client(connections=1)
    async with scripted(chunked(b"x", end=False), then="hold") as server:
        async with await asked(client, server):
            with pytest.raises(PoolFull, match="None of the 1 connections"):
                await asked(client, server, Timeouts(connect=SHORT))
        await client.aclose()


async def test_no_more_wait_for_a_full_pool_than_may() -> None:
    client = Client(connections=1, waiting=1)
    async with scripted(chunked(b"x", end=False), then="hold") as server:
        async with await asked(client, server):
            waiting = asyncio.create_task(asked(client, server))
            [(_, pool)] = client.pools()
            await until(lambda: pool.waiting)
            with pytest.raises(PoolFull, match="1 calls wait"):
                await asked(client, server)
            waiting.cancel()
            await until(lambda: not pool.waiting)  # and makes room by leaving
        await client.aclose()


async def test_whoever_stops_waiting_leaves_the_place_to_the_next() -> None:
    client = Client(connections=1)
    async with scripted(chunked(b"x", end=False), answer(b"ok"), then="hold") as server:
        first = await asked(client, server)
        impatient, patient = (asyncio.create_task(asked(client, server)) for _ in range(2))
        await asyncio.sleep(0)
        first.close()  # hands the place to the first in the queue …
        impatient.cancel()  # … who has gone
        assert await (await patient).read() == b"ok"
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await client.aclose()


async def test_an_idle_connection_is_closed_in_time() -> None:
    client = Client(keep_alive=SHORT)
    async with scripted(answer(b"ok")) as server:
        await (await asked(client, server)).read()
        await asyncio.wait_for(server.hung_up.wait(), 1)
        await client.aclose()


async def test_closing_the_client_closes_its_connections_and_takes_no_more_calls() -> None:
    client = Client()
    async with scripted(answer(b"ok")) as server:
        await (await asked(client, server)).read()
        await client.aclose()
        await asyncio.wait_for(server.hung_up.wait(), 1)
        with pytest.raises(WireError):
            await asked(client, server)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://host/", {}),
        ("http://", {}),
        ("http://host:port/", {}),
        ("http://user:secret@host/", {}),
        ("http://host/a b", {}),
        ("http://host/", {"a b": "c"}),
        ("http://host/", {"authorization": "Bearer secret\r\nx: y"}),
        ("http://host/", {"authorization": "Bearer secret\n"}),
    ],
)
def test_what_cannot_be_sent_is_refused_without_showing_a_secret(
    url: str, headers: dict[str, str]
) -> None:
    with pytest.raises(BadEndpoint) as refused:
        Endpoint.of("POST", url, headers)
    assert "secret" not in str(refused.value)


def test_an_endpoint_does_not_show_its_headers() -> None:
    assert "secret" not in repr(Endpoint.of("POST", "http://h/", {"authorization": "secret"}))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://host/v1", b"host: host\r\n"),
        ("https://host:8443/v1", b"host: host:8443\r\n"),
        ("http://[::1]:80/v1", b"host: [::1]\r\n"),
        ("http://bücher.example/v1", b"host: xn--bcher-kva.example\r\n"),
    ],
)
def test_the_host_header(url: str, host: bytes) -> None:
    assert host in Endpoint.of("GET", url).head


async def over_tls(certificate: Path, client: Client, host: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificate}.crt", certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answer(b"ok"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        target = Endpoint.of("POST", f"https://{host}:{port}/")
        try:
            return await (await client.post(target, b"{}")).read()
        finally:
            await client.aclose()


def trusting(certificate: Path) -> Client:
    return Client(tls=ssl.create_default_context(cafile=f"{certificate}.crt"))


async def test_tls_with_a_trusted_certificate(certificate: Path) -> None:
    assert await over_tls(certificate, trusting(certificate), "localhost") == b"ok"


async def test_tls_with_an_unknown_certificate_is_refused(certificate: Path) -> None:
    with pytest.raises(ConnectFailed, match="TLS failed"):
        await over_tls(certificate, Client(), "localhost")


async def test_tls_with_another_hosts_certificate_is_refused(certificate: Path) -> None:
    with pytest.raises(ConnectFailed, match="TLS failed"):
        await over_tls(certificate, trusting(certificate), "127.0.0.1")
