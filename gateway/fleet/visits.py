"""One call of one replica under way: what it says of the replica's health and costs, and the place
that it gives back however it ends."""

from __future__ import annotations

from gateway.deployments import TOO_MANY, Clock, Watched, blames
from gateway.errors import OutOfMemory, ProviderError
from gateway.fleet.counts import Counts
from gateway.fleet.kept import Health
from gateway.fleet.places import Place
from gateway.fleet.types import Served
from gateway.types import Events

UNKNOWN = 404  # the name of a model or an adapter: says nothing against the replica


class Visit:
    """Ends once: it failed, the caller left, the answer broke off or came to its end."""

    __slots__ = (
        "_ahead",
        "_bringing",
        "_counts",
        "_era",
        "_health",
        "_now",
        "_outcome",
        "_over",
        "_place",
        "_sent",
        "_served",
        "_since",
    )

    def __init__(
        self,
        place: Place,
        served: Served | None,
        health: Health,
        era: int,
        counts: Counts,
        now: Clock,
    ) -> None:
        self._place = place
        self._served = served
        self._health = health
        self._era = era
        self._counts = counts
        self._now = now
        self._since = self._sent = now()
        self._bringing = True  # its adapter; the request itself is yet to be sent
        self._ahead = 0
        self._outcome = "cancelled"
        self._over = False
        if served:
            counts.placed(served, place.placement)

    def sent(self) -> None:
        """The adapter is there; from now on it is the engine's own time."""
        self._sent = self._now()
        self._bringing = False
        self._ahead = self._place.replica.in_flight - 1

    def begun(self, events: Events, *, stream: bool) -> Events:
        """It answers. The events are told on, and their end ends the visit."""
        now = self._now()
        slow = stream and now - self._sent > self._health.config.slow_seconds
        self._health.breaker.succeeded(self._era, now, slow)
        self._outcome = "ok"
        self._place.begun()
        if not stream:  # all of it is there
            self.over()
            return events
        self._health.delays.observed(
            self._place.replica.costs,
            now - self._sent,
            ahead=self._ahead,
            tokens=self._place.wanted.prompt_tokens,
            from_cpu=self._place.placement.tier == "cpu",
        )
        if self._served:
            self._counts.began(self._served, now - self._since)
        return Watched(events, self)

    def failed(self, error: ProviderError) -> None:
        """It does not answer. That it refuses to load one adapter says nothing of the others."""
        busy = error.upstream_status == TOO_MANY and error.retry_after is not None
        answered = error.upstream_status is not None
        if busy or isinstance(error, OutOfMemory) or (self._bringing and answered):
            self._health.breaker.left(self._era)
        elif blames(error) and error.upstream_status != UNKNOWN:
            self._health.breaker.failed(self._era, self._now())
        else:
            self._health.breaker.succeeded(self._era, self._now())
        self._outcome = "error"
        self.over()

    def left(self) -> None:
        """The caller went away before it began."""
        self._health.breaker.left(self._era)
        self.over()

    def cut(self, error: ProviderError) -> None:
        """It broke off."""
        self._health.breaker.cut(self._era, self._now())
        self._outcome = "error"

    def used(self, tokens: int) -> None:
        """See gateway/deployments.py: nobody limits a replica's tokens."""

    def over(self) -> None:
        """Nothing more comes of it."""
        if not self._over:
            self._over = True
            if self._served:
                self._counts.ended(self._served, self._outcome, self._now() - self._since)
            self._place.over()
