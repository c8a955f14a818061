"""Calls through proxies, over real sockets: a tunnel for https, the whole URL for http."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.providers.wire import trust
from gateway.providers.wire.client import Client, Endpoint
from gateway.providers.wire.connection import Timeouts
from gateway.providers.wire.errors import ConnectFailed, TimedOut
from gateway.providers.wire.proxies import BadProxy, Proxies, Proxy
from tests.gateway.providers.scripted import answer, scripted, serving

pytestmark = pytest.mark.anyio

BASIC = b"Basic " + base64.b64encode(b"ann:s3cret!pass")


@dataclass
class Relay:
    """A proxy that remembers what it was asked, and lets in whoever shows the right header."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    required: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b" ", 2)
        if self.required not in head:
            writer.write(b"HTTP/1.1 407 -\r\ncontent-length: 0\r\n\r\n")
            return
        tunnel = method == b"CONNECT"
        address = target if tunnel else target.split(b"/")[2]
        port = int(address.rpartition(b":")[2])
        upstream, there = await asyncio.open_connection("127.0.0.1", port)
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\nvia: relay\r\n\r\n")
        else:
            there.write(head)
        try:
            await asyncio.gather(_pumped(reader, there), _pumped(upstream, writer))
        finally:
            there.transport.abort()


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
    writer.close()


@asynccontextmanager
async def relay(required: bytes = b"") -> AsyncIterator[Relay]:
    seen = Relay(required=required)
    async with serving(seen) as seen.port:
        yield seen


@asynccontextmanager
async def over_tls(certificate: Path, ask_for: Path | None = None) -> AsyncIterator[int]:
    """A TLS server for localhost; `ask_for` are certificates that clients must show one of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificate}.crt", certificate)
    if ask_for:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ask_for)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ssl.SSLError):
            while await reader.readuntil(b"{}"):
                writer.write(answer(b"ok"))

    async with serving(serve, context) as port:
        yield port


def through(proxy: Relay, user: str = "", tls: ssl.SSLContext | None = None) -> Client:
    return Client(tls=tls, proxies=Proxies(Proxy.of(f"http://{user}127.0.0.1:{proxy.port}")))


async def said(client: Client, url: str, times: int = 1) -> list[bytes]:
    target = Endpoint.of("POST", url, {"authorization": "Bearer key"})
    try:
        return [await (await client.post(target, b"{}")).read() for _ in range(times)]
    finally:
        await client.aclose()


async def test_https_goes_through_a_tunnel_that_is_kept(certificate: Path) -> None:
    tls = trust.context(Path(f"{certificate}.crt"))
    async with over_tls(certificate) as port, relay() as proxy:
        client = through(proxy, "ann:s3cret%21pass@", tls)
        assert await said(client, f"https://localhost:{port}/", 2) == [b"ok", b"ok"]
    [head] = proxy.heads
    assert head.split(b"\r\n")[:3] == [
        b"CONNECT localhost:%d HTTP/1.1" % port,
        b"host: localhost:%d" % port,
        b"proxy-authorization: " + BASIC,
    ]
    assert b"key" not in head  # what the provider is told is nothing for the proxy


async def test_a_certificate_is_verified_behind_a_proxy_too(certificate: Path) -> None:
    async with over_tls(certificate) as port, relay() as proxy:
        with pytest.raises(ConnectFailed, match=r"through the proxy .*TLS failed"):
            await said(through(proxy), f"https://localhost:{port}/")


async def test_http_is_asked_of_the_proxy_by_its_whole_url() -> None:
    async with scripted(answer(b"ok")) as server, relay() as proxy:
        client = through(proxy, "ann:s3cret%21pass@")
        url = f"http://127.0.0.1:{server.port}/v1/chat?a=b"
        assert await said(client, url, 2) == [b"ok", b"ok"]
    assert proxy.heads[0].split(b"\r\n")[:4] == [
        b"POST http://127.0.0.1:%d/v1/chat?a=b HTTP/1.1" % server.port,
        b"proxy-authorization: " + BASIC,
        b"host: 127.0.0.1:%d" % server.port,
        b"authorization: Bearer key",
    ]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password_is_an_error_that_says_so(scheme: str) -> None:
    async with relay(required=BASIC) as proxy:
        with pytest.raises(ConnectFailed, match="asks for a user and a password") as failure:
            await said(through(proxy, "ann:wrong-pass@"), f"{scheme}://localhost:9/")
    assert "wrong-pass" not in str(failure.value)
    assert f"127.0.0.1:{proxy.port}" in str(failure.value)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer in HTTP"),
        (b"x" * 20_000, "did not answer in HTTP"),
        (b"", "did not answer in HTTP"),
    ],
    ids=["refused", "nonsense", "endless", "closed"],
)
async def test_what_a_proxy_says_instead_of_yes_is_told(reply: bytes, why: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)

    async with serving(refuse) as port:
        with pytest.raises(ConnectFailed, match=why):
            await said(through(Relay(port)), "https://localhost:9/")


async def test_a_proxy_that_nobody_listens_at_is_named() -> None:
    async with relay() as gone:
        pass
    with pytest.raises(ConnectFailed, match=f"through the proxy 127.0.0.1:{gone.port}"):
        await said(through(gone), "https://localhost:9/")


async def test_a_proxy_that_says_nothing_is_given_up_and_left() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()

    async with serving(silent) as port:
        client = through(Relay(port))
        target = Endpoint.of("POST", "https://localhost:9/")
        with pytest.raises(TimedOut, match="took no connection"):
            await client.post(target, b"{}", Timeouts(connect=0.02))
        await asyncio.wait_for(left.wait(), 1)
        [(_, pool)] = client.pools()
        assert pool.places == 0
        await client.aclose()


async def test_a_client_certificate_is_shown(certificate: Path) -> None:
    signed = Path(f"{certificate}.crt")
    async with over_tls(certificate, ask_for=signed) as port:
        url = f"https://localhost:{port}/"
        known = Client(tls=trust.context(signed, signed, certificate))
        assert await said(known, url) == [b"ok"]
        with pytest.raises(Exception, match=r"certificate|closed|reset"):
            await said(Client(tls=trust.context(signed)), url)


@pytest.mark.parametrize(
    ("named", "url", "port"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://api.example", 1),
        ({"https_proxy": "p:1"}, "https://api.example", 1),
        ({"HTTP_PROXY": "http://p:2"}, "http://api.example", 2),
        ({"ALL_PROXY": "http://p:3"}, "https://api.example", 3),
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:3"}, "https://api.example", 1),
        ({"HTTPS_PROXY": "http://p:1"}, "http://api.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other"}, "https://api.example", 1),
        ({"ALL_PROXY": "http://p:3"}, "http://localhost", None),
        ({"ALL_PROXY": "http://p:3"}, "http://127.0.0.1", None),
        ({}, "https://api.example", None),
    ],
)
def test_the_environment_names_proxies_as_for_other_clients(
    monkeypatch: pytest.MonkeyPatch, named: dict[str, str], url: str, port: int | None
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    origin = Endpoint.of("POST", url).origin
    proxy = Proxies(environment=True).to(origin.host, tls=origin.tls)
    assert (proxy.port if proxy else None) == port
    assert Proxies().to(origin.host, tls=origin.tls) is None


async def test_a_proxy_of_the_environment_that_cannot_be_used_is_no_silent_detour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://ann:s3cret@p:1")
    with pytest.raises(ConnectFailed, match="trust_env = false") as failure:
        await said(Client(proxies=Proxies(environment=True)), "https://api.example/")
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("url", ["socks5://u:s3cret@p:1", "http://u:s3cret@p:x", "http:///s3cret"])
def test_a_bad_proxy_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(BadProxy) as refusal:
        Proxy.of(url)
    assert "s3cret" not in str(refusal.value)


def test_a_proxy_does_not_show_its_password() -> None:
    assert "s3cret" not in repr(Proxy.of("http://ann:s3cret@p:1"))
    assert str(Proxy.of("http://ann:s3cret@[::1]:3128")) == "[::1]:3128"
