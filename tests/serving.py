"""A gateway on a real socket, in a thread of the test's own process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from gateway.app import create_app
from gateway.config import Config
from gateway.protocol import bounded

STARTS_WITHIN = 60  # seconds


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is, and what runs there."""

    url: str
    app: FastAPI


@contextmanager
def serving(config: Config, control_token: str = "") -> Iterator[Served]:
    """Serve until the `with` ends; raises when the gateway does not start."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        app = create_app(config, control_token)
        http = bounded(config.server)
        server = uvicorn.Server(
            uvicorn.Config(app, http=http, ws="none", log_level="warning", lifespan="on")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            _wait(server, thread)
            yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", app)
        finally:
            server.should_exit = True
            thread.join(timeout=30)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the gateway did not start")
        time.sleep(0.01)
