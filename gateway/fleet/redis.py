"""Views of a fleet shared through Redis: one channel, on which every gateway tells all others.

Nothing is kept in Redis. A gateway that joins says hello and is told everything by each of the
others; one that falls silent is forgotten, with all that it had under way. While Redis is away,
gateways are alone and say so to whoever decides.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any, Literal, TypeAlias

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.fleet.config import RedisView
from gateway.fleet.sharing import Doing, Hearer

Kind: TypeAlias = Literal["hello", "doings", "whole", "bye"]

_log = logging.getLogger(__name__)


class RedisExchange:
    """One gateway's ear and mouth. Made inside the event loop."""

    def __init__(self, config: RedisView, hearer: Hearer) -> None:
        self._config = config
        self._hearer = hearer
        self._name = secrets.token_hex(8)
        self._channel = f"{config.prefix}fleet"
        # Time is kept around the calls, as for the breakers.
        self._redis = Redis.from_url(
            config.url.get_secret_value(),
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._untold: list[Doing] = []
        self._something = asyncio.Event()
        self._asked = False  # somebody has joined
        self._last_heard: dict[str, float] = {}
        self._away = True
        self._warned = False
        hearer.alone(True)
        self._task = asyncio.get_running_loop().create_task(self._for_ever())

    def tell(self, doing: Doing) -> None:
        """See Exchange."""
        if not self._away:  # whoever is alone tells everything when he is back
            self._untold.append(doing)
            self._something.set()

    async def aclose(self) -> None:
        """See Exchange."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._away:
            try:
                await self._say("bye", None)
            except (RedisError, OSError):
                _log.info("Redis is away; the others find out by themselves")
        await self._redis.aclose()

    async def _for_ever(self) -> None:
        while True:
            try:
                await self._in_touch()
            except* (RedisError, OSError) as errors:  # a timeout is one, too
                if not self._warned:
                    why = _first(errors)
                    _log.warning("Redis is away; adapters keep to a few replicas each: %s", why)
                self._warned = True
            except* Exception:
                # Whatever is wrong, the next try must come.
                _log.exception("the view of the fleet is not shared")
            self._lost()
            await asyncio.sleep(self._config.refresh)

    async def _in_touch(self) -> None:
        """Hear and tell until something fails."""
        async with self._redis.pubsub() as channel:
            async with asyncio.timeout(self._config.timeout):
                await channel.subscribe(self._channel)
            await self._say("hello", None)
            self._away = False
            self._hearer.alone(False)
            if self._warned:
                _log.warning("Redis is back; the view of the fleet is shared again")
            self._warned = False
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hear(channel))
                both.create_task(self._speak())

    def _lost(self) -> None:
        self._away = True
        self._untold.clear()
        for gateway in self._last_heard:
            self._hearer.gone(gateway)
        self._last_heard.clear()
        self._hearer.alone(True)

    async def _speak(self) -> None:
        """What is new, a moment after it happened, so that one message tells much; all of it every
        while, which is also the sign of life."""
        all_again = 0.0
        while True:
            now = time.monotonic()
            # Both at one moment, so that nothing is told twice.
            telling, self._untold = self._untold, []
            due, self._asked = self._asked or now >= all_again, False
            whole = self._hearer.whole() if due else None
            if telling:
                await self._say("doings", telling)
            if whole is not None:
                await self._say("whole", whole)
                all_again = now + self._config.refresh
            self._forget_the_silent(now)
            self._something.clear()
            try:
                async with asyncio.timeout(max(all_again - time.monotonic(), 0.0)):
                    await self._something.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(self._config.every)

    async def _say(self, kind: Kind, what: Any) -> None:
        message = orjson.dumps([self._name, kind, what])
        async with asyncio.timeout(self._config.timeout):
            await self._redis.publish(self._channel, message)

    async def _hear(self, channel: PubSub) -> None:
        async for message in channel.listen():
            if message["type"] != "message":
                continue
            try:
                gateway, kind, what = orjson.loads(message["data"])
                if gateway != self._name:
                    self._take(gateway, kind, what)
            except (AttributeError, LookupError, TypeError, ValueError):
                _log.warning("what another gateway says of the fleet cannot be read")
        raise ConnectionError("the channel has ended")

    def _take(self, gateway: str, kind: Kind, what: Any) -> None:
        if kind == "bye":
            self._last_heard.pop(gateway, None)
            self._hearer.gone(gateway)
            return
        self._last_heard[gateway] = time.monotonic()
        if kind == "hello":
            self._asked = True
            self._something.set()
        elif kind == "doings":
            self._hearer.heard(gateway, [tuple(each) for each in what])
        elif kind == "whole":
            self._hearer.heard_whole(gateway, what)

    def _forget_the_silent(self, now: float) -> None:
        silent = [
            gateway
            for gateway, heard in self._last_heard.items()
            if now - heard > self._config.silence
        ]
        for gateway in silent:
            del self._last_heard[gateway]
            self._hearer.gone(gateway)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error of a group of groups."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
