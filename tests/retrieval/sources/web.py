"""A small web site on loopback, whose pages a test writes down."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from retrieval.config import SourcesConfig
from retrieval.sources.fetching import Fetcher

Headers = dict[str, str]
Reply = tuple[int, Headers, bytes]


class Site:
    """Pages by path, and what was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, str, Headers]] = []

    def put(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        """A page; `Content_Type` stands for Content-Type."""
        data = body.encode() if isinstance(body, str) else body
        self.pages[path] = status, {k.replace("_", "-"): v for k, v in headers.items()}, data
        return self.url + path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append((handler.command, handler.path, headers))
        page = self.pages.get(handler.path, (404, {}, b"There is nothing."))
        if callable(page):
            page(handler)
            return
        status, said, body = page
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | said).items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)

    def paths(self, method: str = "GET") -> list[str]:
        return [path for command, path, _ in self.asked if command == method]


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def do_HEAD(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # who reads may go at any time

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    site = Site(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def here(**settings: Any) -> SourcesConfig:
    """Settings by which this machine's one address may be asked, and no other of the inside."""
    return SourcesConfig.model_validate({"private_networks": ["127.0.0.1/32"], **settings})


def fetcher(**settings: Any) -> Fetcher:
    """One that does not wait."""
    return Fetcher(here(**settings), lambda _: None)
