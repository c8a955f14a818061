"""`moorline serve`: run the gateway."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.commands.common import config_option, loaded
from gateway.config import DEFAULT_FILE, Config, load


@click.command()
@config_option
@click.option("--host", help="Address to listen on (server.host).")
@click.option("--port", type=int, help="Port to listen on (server.port).")
@click.option("--collection", help="Searched by default (grounding.collection).")
def serve(
    config_file: Path | None, host: str | None, port: int | None, collection: str | None
) -> None:
    """Run the gateway until it is stopped."""

    def read() -> Config:
        return _overridden(load(config_file), host, port, collection)

    config = _overridden(loaded(config_file), host, port, collection)
    if not is_loopback(config.server.host) and not _has_keys(config):
        raise click.ClickException(
            f"Without a key, everyone who reaches {config.server.host} could use this gateway. "
            "Make one first: moorline keys create --name ops --admin"
        )
    run(config, config_file or DEFAULT_FILE, read)


def run(config: Config, file: Path, read: Callable[[], Config]) -> None:
    """Serve in this process; returns when it is told to stop. A change of the file is taken up."""
    import uvicorn

    # What is loaded from here on stays: looking for garbage in it is a tenth of the start.
    gc.disable()
    from gateway.app import create_app
    from gateway.protocol import bounded
    from gateway.reload import Source

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    host, port = config.server.host, config.server.port
    shown = f"[{host}]" if ":" in host else host
    if config.tracing.otlp or config.tracing.langfuse:
        # The exporters compute in threads; with Python's 5 ms turns they hold up the event loop.
        sys.setswitchinterval(0.0005)
    with _held(config.data, f"http://{shown}:{port}") as token:
        uvicorn.run(
            create_app(config, token, Source(file, read), started=collect_less),
            host=host,
            port=port,
            http=bounded(config.server),
            ws="none",
            lifespan="on",
            access_log=False,  # the ledger has every request, with what it cost
            proxy_headers=False,  # nothing here asks for the client's address
            server_header=False,
            # Longer than clients keep an idle connection, so that it is they who close it: a
            # request that crosses with our closing would fail.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
            log_config=None,
        )


def collect_less() -> None:
    """What was loaded at the start stays for good, so the garbage collector need not look at it
    again; and a request makes more objects than the 700 after which it looks by default."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)


@contextmanager
def _held(data: Path, url: str) -> Iterator[str]:
    from gateway.control import AlreadyRunning, announced

    try:
        with announced(data, url) as token:
            yield token
    except AlreadyRunning as error:
        raise click.ClickException(f"{error} Stop it, or set `data` to another folder.") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_keys(config: Config) -> bool:
    from gateway.backends import open_accounts

    async def check() -> bool:
        async with open_accounts(config) as accounts:
            return accounts.any()

    return asyncio.run(check())


def _overridden(
    config: Config, host: str | None, port: int | None, collection: str | None
) -> Config:
    server = {k: v for k, v in (("host", host), ("port", port)) if v is not None}
    changed: dict[str, object] = {"server": config.server.model_copy(update=server)}
    if collection:
        changed["grounding"] = config.grounding.model_copy(update={"collection": collection})
    return config.model_copy(update=changed)
