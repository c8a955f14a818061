"""The live state of every deployment: what is under way, how long it takes, whether it is well.

Decisions are made in `routing`; this module holds their state between requests, outlives a change
of the configuration, and tells other gateways of breakers that turned.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.breakers.sharing import Exchange, News
from gateway.errors import ProviderError, WindowExceeded
from gateway.headroom import Headroom
from gateway.providers.base import Header
from gateway.types import Done, Event, Events
from routing.balance import Candidate, PeakEwma
from routing.breaker import Breaker, Forced
from routing.config import BreakerConfig
from routing.minute import Minute, Taken
from routing.quantile import Quantile
from routing.retry import RetryBudget
from routing.types import Target

# What the caller did wrong stays wrong on every other model, and is no fault of this one.
CALLERS_FAULT = frozenset({400, 413, 422})
TOO_MANY = 429

REMEMBERED = 600.0  # seconds in which a model that is not asked loses two thirds of its latency

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Barred:
    """Why a deployment is not asked now."""

    why: str
    wait: float | None  # seconds until it may be; None is not known
    passing: bool  # whether waiting is worth while: a full minute passes, an open breaker may not


class Deployment:
    """One target's."""

    __slots__ = (
        "_changed",
        "_now",
        "_requests",
        "_tokens",
        "begins",
        "breaker",
        "config",
        "headroom",
        "in_flight",
        "last_error",
        "latency",
        "limited",
        "price",
        "target",
    )

    def __init__(
        self,
        target: Target,
        config: BreakerConfig,
        price: float,
        now: Clock,
        changed: Callable[[Deployment], None],
    ) -> None:
        self.breaker = Breaker(config)
        self.headroom = Headroom()
        self.in_flight = 0
        self.last_error: str | None = None
        # A plain answer takes as long as all of it, a streamed one until it begins.
        self.latency = (PeakEwma(), PeakEwma())  # by whether it is streamed
        self.begins: tuple[Quantile, Quantile] | None = None  # from when somebody asks for it
        self._requests = Minute()
        self._tokens = Minute()
        self._now = now
        self._changed = changed
        self.configure(target, config, price)

    def configure(self, target: Target, config: BreakerConfig, price: float) -> None:
        """What is said of it in the configuration of this moment."""
        self.target = target
        self.config = config
        self.price = price
        self.limited = any(getattr(target.limits, name) for name in target.limits.__slots__)
        self.breaker.configure(config)

    @property
    def measured(self) -> bool:
        """Whether it matters how large a request is."""
        return self.limited or self.headroom.known

    def usual(self, stream: bool) -> Quantile:
        """How long it takes to begin; known from when it is first asked for."""
        if self.begins is None:
            self.begins = (Quantile(), Quantile())
        return self.begins[stream]

    def candidate(self, weight: float, stream: bool, now: float) -> Candidate:
        """What a choice looks at."""
        load = self.latency[stream].load(self.in_flight, now)
        return Candidate(load, self.in_flight, weight, self.price)

    def expected(self, stream: bool, now: float) -> float | None:
        """Seconds that an answer may be expected to take; None where it was never asked."""
        return self.latency[stream].lately(now, REMEMBERED)

    def barred(self, tokens: float, now: float) -> Barred | None:
        """Why it is not to be asked now, if it is not."""
        if self.breaker.calm and not self.measured:
            return None
        if not self.breaker.admits(now):
            forced = self.breaker.forced == "open"
            wait = self.breaker.wait(now)
            return Barred("shut off by an admin" if forced else "breaker open", wait, False)
        if self.headroom.known and (wait := self.headroom.wait(tokens, now)):
            return Barred("rate limit of its provider", wait, True)
        return self._full(tokens, now) if self.limited else None

    def enter(self, stream: bool, tokens: float, now: float) -> Visit:
        """Ask it. It must not be barred."""
        era = self.breaker.enter(now)
        assert era is not None, "a deployment that is barred is not asked"
        self.in_flight += 1
        if self.headroom.known:
            self.headroom.take(tokens)
        if not self.limited:
            return Visit(self, era, stream, now)
        self._requests.take(1.0, now)
        return Visit(self, era, stream, now, self._tokens.take(tokens, now))

    def observe(self, headers: Iterable[Header]) -> None:
        """Take in the headers of an answer."""
        self.headroom.read(headers, self._now(), time.time())

    def changed(self) -> None:
        """Its breaker turned; the others should know."""
        self._changed(self)

    def corrected(self, taken: Taken, tokens: float) -> None:
        """A request's tokens are known now."""
        self._tokens.correct(taken, tokens, self._now())

    def now(self) -> float:
        return self._now()

    def _full(self, tokens: float, now: float) -> Barred | None:
        limits = self.target.limits
        if limits.max_parallel and self.in_flight >= limits.max_parallel:
            return Barred("max_parallel are under way", None, True)
        wait = 0.0
        if limits.requests_per_minute:
            wait = self._requests.wait(1.0, limits.requests_per_minute, now)
        if limits.tokens_per_minute:
            wait = max(wait, self._tokens.wait(tokens, limits.tokens_per_minute, now))
        return Barred("its minute is full", wait, True) if wait else None


class Visit:
    """One call under way. However it ends, its place is given back exactly once."""

    __slots__ = ("_deployment", "_era", "_over", "_since", "_stream", "_taken")

    def __init__(
        self,
        deployment: Deployment,
        era: int,
        stream: bool,
        since: float,
        taken: Taken | None = None,
    ) -> None:
        self._deployment = deployment
        self._era = era
        self._stream = stream
        self._since = since
        self._taken = taken
        self._over = False

    def begun(self, events: Events, now: float) -> Events:
        """It answers. The events are told on, and their end ends the visit."""
        deployment, seconds = self._deployment, now - self._since
        slow = self._stream and seconds > deployment.config.slow_seconds
        if deployment.breaker.succeeded(self._era, now, slow):
            deployment.changed()
        deployment.latency[self._stream].add(seconds, now)
        if deployment.begins:
            deployment.begins[self._stream].add(seconds)
        if not self._stream and self._taken is None:
            self.over()  # all of it is there
            return events
        return Watched(events, self)

    def failed(self, error: ProviderError, now: float) -> None:
        """It does not answer."""
        deployment = self._deployment
        self.over()
        if error.retry_after is not None and error.upstream_status is not None:  # it says so
            deployment.headroom.pause(error.retry_after, now)
        if not blames(error):
            # It works; that it refused this call says nothing against it.
            if deployment.breaker.succeeded(self._era, now):
                deployment.changed()
        elif error.upstream_status == TOO_MANY and error.retry_after is not None:
            deployment.breaker.left(self._era)  # it is busy, and has said for how long
        else:
            deployment.last_error = error.message
            if deployment.breaker.failed(self._era, now):
                deployment.changed()

    def left(self, now: float) -> None:
        """The caller went away before it began: it would have taken at least so long."""
        deployment = self._deployment
        deployment.breaker.left(self._era)
        latency, seconds = deployment.latency[self._stream], now - self._since
        if seconds > latency.value(now):
            latency.add(seconds, now)
        self.over()

    def cut(self, error: ProviderError) -> None:
        """It broke off."""
        deployment = self._deployment
        deployment.last_error = error.message
        if deployment.breaker.cut(self._era, deployment.now()):
            deployment.changed()

    def used(self, tokens: int) -> None:
        """What it really took."""
        if self._taken and tokens:
            self._deployment.corrected(self._taken, tokens)

    def over(self) -> None:
        if not self._over:
            self._over = True
            self._deployment.in_flight -= 1


class Watcher(Protocol):
    """Who wants to know how an answer goes on."""

    def cut(self, error: ProviderError) -> None:
        """It broke off."""

    def used(self, tokens: int) -> None:
        """What it took in all."""

    def over(self) -> None:
        """Nothing more comes. May be said more than once."""


class Watched(Events):
    """An answer's events as they are, whose end ends the visit. A class, not a generator: what
    passes through costs a call, not a frame."""

    __slots__ = ("_events", "_visit")

    def __init__(self, events: Events, visit: Watcher) -> None:
        self._events = events
        self._visit = visit

    async def asend(self, value: None) -> Event:
        return await self.__anext__()

    async def __anext__(self) -> Event:
        try:
            event = await self._events.__anext__()
        except ProviderError as error:
            self._visit.cut(error)
            raise
        if type(event) is Done:
            self._visit.used(event.usage.total)
        return event

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None) -> Event:
        return await self._events.athrow(kind if value is None else value)

    async def aclose(self) -> None:
        try:
            await self._events.aclose()
        finally:
            self._visit.over()

    def __del__(self) -> None:
        self._visit.over()  # nobody listened, not even to close it


def blames(error: ProviderError) -> bool:
    """Whether a failure speaks against the deployment."""
    if isinstance(error, WindowExceeded) or error.upstream_status in CALLERS_FAULT:
        return False
    return error.retryable or error.upstream_status is not None


class Deployments:
    """All of them, by their target's name. Each is made when it is first asked for."""

    def __init__(
        self,
        config: BreakerConfig = BreakerConfig(),  # noqa: B008, frozen
        now: Clock = time.monotonic,
    ) -> None:
        self._now = now
        self._config = config
        self._all: dict[str, Deployment] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._origin = secrets.token_hex(8)
        self._heard: dict[str, News] = {}
        self._told: dict[str, float] = {}  # when we said something ourselves, by the wall clock
        self._exchange: Exchange | None = None
        self._price: Callable[[str], float] = lambda name: math.inf

    def configure(self, config: BreakerConfig, price: Callable[[str], float]) -> None:
        """What holds from now on. `price` says what a model's tokens cost."""
        self._config = config
        self._price = price
        self._budgets.clear()  # their figures may be others now
        for name, each in self._all.items():
            each.configure(each.target, config, price(name))

    def share(self, exchange: Exchange) -> None:
        """Tell others through it from now on."""
        self._exchange = exchange

    def of(self, target: Target) -> Deployment:
        """A target's state."""
        found = self._all.get(target.name)
        if found is None:
            price = self._price(target.name)
            found = Deployment(target, self._config, price, self._now, self._changed)
            self._all[target.name] = found
            if news := self._heard.get(target.name):
                self._adopt(found, news)
        elif found.target is not target:
            found.configure(target, self._config, self._price(target.name))
        return found

    def latency(self, target: Target, stream: bool) -> float | None:
        """Seconds that its answers take; None where it has not been asked."""
        known = self._all.get(target.name)
        return known.expected(stream, self._now()) if known else None

    def asked(self) -> list[Deployment]:
        """All that were ever asked."""
        return list(self._all.values())

    def budget(self, name: str, share: float, floor: float) -> RetryBudget:
        """How many retries the group of this name has left."""
        if name not in self._budgets:
            self._budgets[name] = RetryBudget(share, floor)
        return self._budgets[name]

    def force(self, target: Target, forced: Forced) -> Deployment:
        """An operator's word: it holds everywhere until it is taken back."""
        deployment = self.of(target)
        deployment.breaker.force(forced)
        self._changed(deployment)
        return deployment

    def hear(self, news: News) -> None:
        """What another gateway says."""
        if news.origin == self._origin or news.at < self._told.get(news.deployment, 0.0):
            return
        self._heard[news.deployment] = news
        if deployment := self._all.get(news.deployment):
            self._adopt(deployment, news)

    def _adopt(self, deployment: Deployment, news: News) -> None:
        breaker, now = deployment.breaker, self._now()
        if breaker.forced != news.forced:
            breaker.force(news.forced)
        seconds = news.until - time.time()
        if news.state == "closed":
            breaker.close(now)
        elif seconds > 0:
            breaker.open_for(min(seconds, deployment.config.longest_open), news.times, now)

    def _changed(self, deployment: Deployment) -> None:
        breaker, today = deployment.breaker, time.time()
        name = deployment.target.name
        self._told[name] = today
        if self._exchange is not None:
            is_open = breaker.state == "open"
            self._exchange.tell(
                News(
                    deployment=name,
                    state="open" if is_open else "closed",
                    origin=self._origin,
                    at=today,
                    until=today + (breaker.wait(self._now()) or 0.0) if is_open else 0.0,
                    times=breaker.times,
                    forced=breaker.forced,
                )
            )
