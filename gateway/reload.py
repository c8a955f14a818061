"""A configuration file that changes while the gateway runs: validated, swapped in, or refused.

Requests that are under way finish on the gateway that they began with. What keeps something open
(KEPT_OPEN in gateway/build.py) is not swapped: such a change is refused and said to need a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.build import KEPT_OPEN, Stores, assemble, open_stores
from gateway.config import Config, ConfigError
from gateway.pipeline import Gateway

LOOK_EVERY = 1.0  # seconds

log = logging.getLogger("moorline")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration comes from, and how it is read anew. `read` raises ConfigError."""

    file: Path
    read: Callable[[], Config]


class Refused(Exception):
    """The changed configuration is not taken; the message says why."""


class Current:
    """The gateway of this moment, and those before it that still answer somebody."""

    def __init__(self, config: Config, stores: Stores, swapped: Callable[[Gateway], None]) -> None:
        self._config = config
        self._stores = stores
        self._swapped = swapped
        self._stack = AsyncExitStack()
        self._retired: list[AsyncExitStack] = []  # of gateways that may still answer somebody
        self._closing: set[asyncio.Task[None]] = set()

    async def use(self, config: Config) -> None:
        """Answer by this configuration from now on. Raises Refused."""
        changed = [
            name
            for name in sorted(KEPT_OPEN)
            if getattr(config, name) != getattr(self._config, name)
        ]
        if changed:
            raise Refused(f"[{'], ['.join(changed)}] changed, which takes a restart")
        stack = AsyncExitStack()
        gateway = await stack.enter_async_context(assemble(config, self._stores))
        before, self._stack, self._config = self._stack, stack, config
        self._swapped(gateway)
        self._retired.append(before)
        loop = asyncio.get_running_loop()
        loop.call_later(config.server.request_timeout, self._close_later, before)

    async def follow(self, source: Source) -> None:
        """Take up every change of the file, for ever."""
        file, seen = source.file, _stamp(source.file)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if (stamp := _stamp(file)) == seen:
                continue
            seen = stamp
            try:
                await self.use(await asyncio.to_thread(source.read))
                log.info("%s changed and is in force", file)
            except (ConfigError, Refused) as error:
                log.error("%s changed and is not taken: %s", file, error)
            except Exception:
                # Whatever a provider's opening raises, the next change must be seen again.
                log.exception("%s changed and is not taken", file)

    async def aclose(self) -> None:
        await asyncio.gather(*self._closing, return_exceptions=True)
        for stack in (*self._retired, self._stack):
            await stack.aclose()
        self._retired.clear()

    def _close_later(self, stack: AsyncExitStack) -> None:
        """Close what an earlier gateway held; no request can be using it any more."""
        if stack in self._retired:
            self._retired.remove(stack)
            task = asyncio.get_running_loop().create_task(stack.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


@asynccontextmanager
async def current(
    config: Config, source: Source | None, swapped: Callable[[Gateway], None]
) -> AsyncIterator[Current]:
    """A gateway that follows its file; `swapped` is called with each one, the first included."""
    async with open_stores(config) as stores:
        now = Current(config, stores, swapped)
        try:
            await now.use(config)
            following = asyncio.create_task(now.follow(source)) if source else None
            try:
                yield now
            finally:
                if following:
                    following.cancel()
                    with suppress(asyncio.CancelledError):
                        await following
        finally:
            await now.aclose()


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None  # between an editor's delete and its rename
    return status.st_mtime_ns, status.st_size
