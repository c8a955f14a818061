"""News of breakers through Redis: one hash that every gateway looks at once a second.

All of it happens in one task in the background. What could not be told is kept until Redis is
back, so that an operator's word reaches everybody.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any, cast

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.breakers.config import RedisStore
from gateway.breakers.sharing import Hear, News

_log = logging.getLogger(__name__)


class RedisExchange:
    """One gateway's ear and mouth. Made inside the event loop."""

    def __init__(self, config: RedisStore, hear: Hear) -> None:
        self._config = config
        self._hear = hear
        self._name = f"{config.prefix}breakers"
        # Time is kept around the calls, as for the limits.
        self._redis = Redis.from_url(
            config.url.get_secret_value(),
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 1),
        )
        self._untold: dict[str, News] = {}
        self._seen: dict[bytes, bytes] = {}  # deployments and what was said of them last
        self._away = False
        self._told = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._for_ever())

    def tell(self, news: News) -> None:
        """See Exchange."""
        self._untold[news.deployment] = news
        self._told.set()

    async def refresh(self) -> None:
        """See Exchange."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._config.timeout):
                    await self._exchanged()
            except (RedisError, OSError) as error:
                if not self._away:
                    _log.warning("Redis is away; breakers are this gateway's own: %s", error)
                self._away = True
                return
            if self._away:
                _log.warning("Redis is back; breakers are shared again")
            self._away = False

    async def aclose(self) -> None:
        """See Exchange."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._untold and not self._away:
            await self.refresh()
        await self._redis.aclose()

    async def _for_ever(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:
                # Whatever is wrong, the next look must come.
                _log.exception("what others say of breakers cannot be read")
            self._told.clear()
            if self._untold:  # it did not get through
                await asyncio.sleep(self._config.refresh)
                continue
            try:
                async with asyncio.timeout(self._config.refresh):
                    await self._told.wait()
            except TimeoutError:
                continue

    async def _exchanged(self) -> None:
        telling = dict(self._untold)
        if telling:
            said = {name: orjson.dumps(asdict(news)) for name, news in telling.items()}
            await cast(Any, self._redis).hset(self._name, mapping=said)
            for name, news in telling.items():
                if self._untold.get(name) is news:
                    del self._untold[name]
        everything: dict[bytes, bytes] = await cast(Any, self._redis).hgetall(self._name)
        for deployment, raw in everything.items():
            if self._seen.get(deployment) != raw:
                self._seen[deployment] = raw
                if (heard := _read(raw)) is not None:
                    self._hear(heard)


def _read(raw: bytes) -> News | None:
    """What another gateway wrote, perhaps one of another version."""
    try:
        return News(**orjson.loads(raw))
    except (orjson.JSONDecodeError, TypeError):
        _log.warning("what was said of a breaker cannot be read")
        return None
